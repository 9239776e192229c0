#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A strict stand-in for heat-api-cfn with Keystone's signature check behind it.  Python standard library only.

It recomputes signature V2 and V4 exactly as Keystone does and refuses as Heat does: 403 AccessDenied in XML whatever
was asked, 200 with a bare JSON string for errors after authentication when ContentType=JSON, 500 with an empty body
for an unparsable signal, 500 "Metadata format invalid" for one of the wrong shape.

As a program:
    cfn_server.py [--port N] [--control-port N] [--cert FILE --key FILE] [--state FILE]
prints one line `port=N control=M`, then serves until its stdin closes or it is killed.  --state is a JSON object
handed to configure().  The control port (always up, plain HTTP, JSON):
    POST /configure  {..}     change the state, see configure()
    POST /fault      {..}     script the next answers, see Fault
    POST /down, POST /up      stop and start listening on the service port (refused connections in between)
    POST /clear               forget recorded requests and pending faults
    GET  /requests            list of recorded requests: method, path, query, headers, body, auth, status, at
    GET  /handle?name=R       what the handle R holds: {id: {...}}
    GET  /state               the whole configuration

As a module:
    with cfn_server.Fake(state) as fake:  fake.url, fake.port, fake.configure(..), fake.fault(..), fake.requests,
                                          fake.handle("h"), fake.down(), fake.up(), fake.wait(fn, seconds)

State (configure() merges the given members into it):
    keys        {access: {"secret": S, "enabled": true, "resources": null or ["srv"]}}; resources limits what may be read
    stacks      {name: {"id": UUID, "resources": {R: {"kind": K, "metadata": any, "status": T, "updated": T,
                "physical_id": T}}}}; kind: "server", "aws-handle", "heat-handle", "alarm" (takes
                any body: a workflow, a scaling policy), "none" (not signalable).
                configure() merges down to a resource's members; a resource of null is removed
    tenant      part of the ARN
    metadata    "object" or "string": how JSON answers carry it;  timestamp "iso" or "number"
    accept      ["v2", "v4"]: signature versions that verify
    auth_ttl    seconds a Timestamp or X-Amz-Date stays good (older: 403; the future is accepted)
    clock       seconds added to this server's clock (checks and Date header)
    prefix      mount prefix before /v1, such as "/heat-api-cfn"
    policy      true: DescribeStackResource is 403 by policy, signals still work (as Heat >= 22.0 by default)

Fault: {"on": "describe" | "signal" | "any", "times": N (default 1, 0 = for ever), "do": WHAT, ...}
    status      answer "status" (with "reason", "body", "type", "headers")
    slow        wait "seconds", then answer normally
    hang        read the request and say nothing for "seconds" (default 600)
    trickle     send the right answer one byte every "seconds" (default 1)
    reset       TCP reset instead of an answer
    close       close without an answer
    string      200 with a bare JSON "text"
    huge        200 with "bytes" (default 100 MiB) of JSON
    deep        200 with "levels" (default 100000) nested arrays
    garbage     200 with bytes that are no JSON
"""

import argparse
import calendar
import hmac
import http.server
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse
import uuid
from xml.sax.saxutils import escape

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from control import Control, KnownConnection, Listener, Server  # noqa: E402
from ec2 import PATH_SAFE, parse_authorization, signature_v2, signature_v4  # noqa: E402

MAX_BODY = 1 << 20
DENIED = "User is not authorized to perform action"
NOT_YOURS = "You are not authorized to use this action."


class Refusal(Exception):
    """One error answer of the CFN API."""

    def __init__(self, status, code, message, kind="Sender", late=True):
        super().__init__(message)
        self.status, self.code, self.message, self.kind = status, code, message, kind
        self.late = late  # raised after authentication: JSON callers get 200 and a string


class Plain(Exception):
    """An error that left the API's own fault handling: text/plain and nothing in it."""

    def __init__(self, status, reason):
        super().__init__(reason)
        self.status, self.reason = status, reason


def merge(target, changes):
    for key, value in changes.items():
        if key in ("keys", "stacks", "resources") and isinstance(value, dict):
            inner = target.setdefault(key, {})
            for name, item in value.items():
                if item is None:
                    inner.pop(name, None)
                elif isinstance(item, dict):
                    merge(inner.setdefault(name, {}), item)
                else:
                    inner[name] = item
        else:
            target[key] = value


def default_state():
    return {"keys": {}, "stacks": {}, "tenant": "5e1f0a", "metadata": "object", "timestamp": "iso",
            "accept": ["v2", "v4"], "auth_ttl": 900, "clock": 0, "prefix": "", "policy": False}


class Handler(KnownConnection, http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "cfn-fake"
    sys_version = ""

    # ---- plumbing -------------------------------------------------------------------------------------------
    def log_message(self, *args):
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string(self.fake.now())

    @property
    def fake(self):
        return self.server.fake

    def do_GET(self):
        self.serve()

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET

    def read_body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            self.close_connection = True
            raise Plain(500, "Internal Server Error")
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY:
            self.close_connection = True
            raise Plain(500, "Internal Server Error")
        return self.rfile.read(length)

    def answer(self, status, body=b"", ctype="application/json", reason=None, headers=None):
        self.record["status"] = status
        self.send_response(status, reason)
        self.send_header("Content-Type", ctype)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, str(value))
        self.end_headers()
        self.send_bytes(body)

    def send_bytes(self, body):
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_json(self, value, status=200):
        self.answer(status, json.dumps(value).encode())

    def serve(self):
        raw_path, _, query = self.path.partition("?")
        self.raw_path = raw_path
        self.params = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        self.record = {"method": self.command, "path": raw_path, "query": self.params, "body": "",
                       "headers": {k.lower(): v for k, v in self.headers.items()}, "auth": None, "status": None,
                       "at": time.time()}
        self.fake.note(self.record)
        try:
            self.body = self.read_body()
            self.record["body"] = self.body.decode("utf-8", "replace")
            if not self.misbehave():
                self.dispatch()
        except Refusal as refusal:
            self.refuse(refusal)
        except Plain as plain:
            self.answer(plain.status, b"", "text/plain", plain.reason)
        except (BrokenPipeError, ConnectionError, ssl.SSLError):
            self.close_connection = True

    def refuse(self, refusal):
        if refusal.late and self.params.get("ContentType") == "JSON" and refusal.status < 500:
            return self.answer_json(refusal.message.partition(":")[2] or refusal.message)
        xml = (f"<ErrorResponse><Error><Type>{refusal.kind}</Type><Code>{refusal.code}</Code>"
               f"<Message>{escape(refusal.message)}</Message></Error></ErrorResponse>")
        return self.answer(refusal.status, xml.encode(), "application/xml; charset=UTF-8", refusal.code)

    # ---- scripted faults ------------------------------------------------------------------------------------
    def misbehave(self):
        kind = "signal" if "/waitcondition/" in self.raw_path or "/signal/" in self.raw_path else "describe"
        fault = self.fake.take_fault(kind)
        if fault is None:
            return False
        self.record["fault"] = fault["do"]
        return getattr(self, "fault_" + fault["do"])(fault)

    def fault_status(self, fault):
        self.answer(fault["status"], fault.get("body", "").encode(), fault.get("type", "text/plain"),
                    fault.get("reason"), fault.get("headers"))
        return True

    def fault_slow(self, fault):
        self.fake.stopping.wait(fault.get("seconds", 2))
        return False

    def fault_hang(self, fault):
        self.close_connection = True
        self.fake.stopping.wait(fault.get("seconds", 600))
        return True

    def fault_trickle(self, fault):
        pause = fault.get("seconds", 1)

        def one_by_one(body):
            for byte in body:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                if self.fake.stopping.wait(pause):
                    return
        self.send_bytes = one_by_one
        return False

    def fault_reset(self, fault):
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        return True

    def fault_close(self, fault):
        self.close_connection = True
        return True

    def fault_string(self, fault):
        self.answer_json(fault.get("text", "The Stack (x) could not be found."))
        return True

    def fault_huge(self, fault):
        self.close_connection = True
        left = fault.get("bytes", 100 << 20)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(left))
        self.end_headers()
        block = b"[" + b" " * 65535
        while left > 0:
            self.wfile.write(block[:left])
            left -= len(block)
        return True

    def fault_deep(self, fault):
        levels = fault.get("levels", 100000)
        self.answer(200, b"[" * levels + b"]" * levels)
        return True

    def fault_garbage(self, fault):
        self.answer(200, b"\xff\xfe{not json")
        return True

    # ---- authentication -------------------------------------------------------------------------------------
    def decoded_path(self):
        return urllib.parse.unquote(self.raw_path)

    def all_params(self):
        """Query, and the fields of a form body, as the web framework merges them."""
        params = dict(self.params)
        if self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            params.update(urllib.parse.parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))
        return params

    def authenticate(self):
        params = self.all_params()
        fields = parse_authorization(self.headers.get("Authorization"))
        if "Signature" not in params and not (fields and fields.get("Signature")) and "X-Amz-Signature" not in params:
            raise Refusal(400, "IncompleteSignature", "The request signature does not conform to AWS standards",
                          late=False)
        access = params.get("AWSAccessKeyId") or (fields or {}).get("Credential", "").partition("/")[0]
        if not access:
            raise Refusal(403, "MissingAuthenticationToken", "No AWSAccessKeyId", late=False)
        key = self.fake.state["keys"].get(access)
        version = "v4" if "Signature" not in params else "v2"
        self.record["auth"] = version
        good = key and key.get("enabled", True) and version in self.fake.state["accept"] and (
            self.check_v4(key["secret"], params, fields) if version == "v4" else self.check_v2(key["secret"], params))
        if not good:
            raise Refusal(403, "AccessDenied", DENIED, late=False)
        return access, key

    def signed_path(self):
        return urllib.parse.quote(self.decoded_path(), safe=PATH_SAFE)

    def fresh(self, stamp, form):
        try:
            made = calendar.timegm(time.strptime(stamp, form))
        except ValueError:
            return False
        return made >= self.fake.now() - self.fake.state["auth_ttl"]

    def check_v2(self, secret, params):
        if params.get("SignatureMethod", "HmacSHA256") != "HmacSHA256" or params.get("SignatureVersion") != "2":
            return False
        if "Timestamp" in params and not self.fresh(params["Timestamp"], "%Y-%m-%dT%H:%M:%SZ"):
            return False
        host = self.headers.get("Host", "")
        hosts = [host, host.rpartition(":")[0]] if ":" in host else [host]
        wanted = [signature_v2(secret, self.command, h, self.signed_path(), params) for h in hosts]
        return params["Signature"] in wanted

    def check_v4(self, secret, params, fields):
        if not fields or "X-Amz-Signature" in params:
            return False
        scope = fields.get("Credential", "").partition("/")[2]
        date = self.headers.get("X-Amz-Date", "")
        if len(scope.split("/")) != 4 or not date.startswith(scope.partition("/")[0]):
            return False
        if not self.fresh(date, "%Y%m%dT%H%M%SZ"):
            return False
        headers = {k.lower(): v for k, v in self.headers.items()}
        wanted = signature_v4(secret, self.command, self.signed_path(), params, headers,
                              fields.get("SignedHeaders", ""), scope, date, self.body)
        return hmac.compare_digest(wanted, fields.get("Signature", ""))

    # ---- what it serves -------------------------------------------------------------------------------------
    def dispatch(self):
        path, prefix = self.decoded_path(), self.fake.state["prefix"]
        if not path.startswith(prefix):
            raise Plain(404, "Not Found")
        path = path[len(prefix):]
        if path == "/" or (path.startswith("/") and not path.startswith("/v1")):
            return self.answer_json({"versions": [{"id": "v1.0", "status": "CURRENT"}]}, 300)
        if path == "/v1/":
            return self.describe()
        for word, verb, handler in (("/v1/waitcondition/", "PUT", self.put_waitcondition),
                                    ("/v1/signal/", "POST", self.post_signal)):
            if path.startswith(word) and self.command == verb:
                return handler(path[len(word):])
        raise Plain(404, "Not Found")

    def describe(self):
        _access, key = self.authenticate()
        action = self.params.get("Action")
        if action != "DescribeStackResource":
            raise Refusal(400, "InvalidAction", f"The action {action} is not valid for this endpoint", late=False)
        if self.fake.state["policy"]:
            raise Refusal(403, "AccessDenied", f"{DENIED}:Action {action} not allowed for user")
        name, wanted = self.params.get("StackName", ""), self.params.get("LogicalResourceId", "")
        stack_name, stack = self.fake.find_stack(name)
        bad = "A bad or out-of-range value was supplied:"
        if stack is None:
            raise Refusal(400, "InvalidParameterValue", f"{bad}The Stack ({name}) could not be found.")
        resource = stack["resources"].get(wanted)
        allowed = key.get("resources")
        if resource is None or (allowed is not None and wanted not in allowed):
            raise Refusal(403, "AccessDenied", f"{DENIED}:{NOT_YOURS}")
        detail = self.detail(stack_name, stack, wanted, resource)
        if self.params.get("ContentType") == "JSON":
            return self.answer_json({"DescribeStackResourceResponse": {
                "DescribeStackResourceResult": {"StackResourceDetail": detail}}})
        return self.answer_xml(detail)

    def detail(self, stack_name, stack, name, resource):
        metadata = resource.get("metadata")
        updated = resource.get("updated", "2026-01-02T03:04:05Z")
        if self.fake.state["timestamp"] == "number":
            updated = calendar.timegm(time.strptime(updated, "%Y-%m-%dT%H:%M:%SZ"))
        if self.fake.state["metadata"] == "string":
            metadata = json.dumps(metadata)
        return {"Description": "", "LastUpdatedTimestamp": updated, "LogicalResourceId": name, "Metadata": metadata,
                "PhysicalResourceId": resource.get("physical_id", "11111111-2222-3333-4444-555555555555"),
                "ResourceStatus": resource.get("status", "CREATE_COMPLETE"), "ResourceStatusReason": "state changed",
                "ResourceType": "OS::Heat::DeployedServer", "StackId": self.fake.arn(stack_name, stack),
                "StackName": stack_name}

    def answer_xml(self, detail):
        if not isinstance(detail["Metadata"], str):
            detail["Metadata"] = json.dumps(detail["Metadata"]) if detail["Metadata"] else ""
        inner = "".join(f"<{k}>{escape(str(v))}</{k}>" for k, v in sorted(detail.items()))
        xml = ("<DescribeStackResourceResponse><DescribeStackResourceResult><StackResourceDetail>"
               f"{inner}</StackResourceDetail></DescribeStackResourceResult></DescribeStackResourceResponse>")
        self.answer(200, xml.encode(), "application/xml; charset=UTF-8")

    # ---- signals --------------------------------------------------------------------------------------------
    def find_signalled(self, arn):
        head, _, name = arn.partition("/resources/")
        _stack_name, stack = self.fake.find_stack(head)
        if stack is None:
            raise Refusal(403, "AccessDenied", DENIED, late=False)
        resource = stack["resources"].get(name)
        if resource is None or resource.get("kind", "server") in ("none", "server"):
            raise Refusal(400, "InvalidParameterValue",
                          f"A bad or out-of-range value was supplied:resource {name} does not support signal")
        return name, resource

    def parse_signal(self):
        ctype = self.headers.get("Content-Type", "")
        readable = ctype == "" or ctype == "JSON" or ctype.startswith(("text/plain", "application/json"))
        try:
            if not readable or not self.body.startswith(b"{"):
                raise ValueError("unparsable")
            return json.loads(self.body)
        except ValueError as error:
            raise Plain(500, "Internal Server Error") from error

    def put_waitcondition(self, arn):
        self.authenticate()
        name, resource = self.find_signalled(arn)
        details = self.parse_signal()
        if not store_signal(resource, details):
            raise Refusal(500, "InternalFailure", "The request processing has failed due to an internal error:"
                          f"ValueError: resources.{name}: Metadata format invalid", "Server")
        if self.params.get("ContentType") == "JSON":
            return self.answer_json({"resource": name, "metadata": resource["signals"]})
        return self.answer(200, f"<resource>{escape(name)}</resource>".encode(), "application/xml; charset=UTF-8")

    def post_signal(self, arn):
        self.authenticate()
        _name, resource = self.find_signalled(arn)
        store_signal(resource, self.parse_signal())  # queued in Heat: answered before it is judged
        return self.answer(200, b"", "text/html; charset=UTF-8")


def store_signal(resource, details):
    """What a wait condition handle does with one signal.  False: Metadata format invalid."""
    held = resource.setdefault("signals", {})
    if resource["kind"] == "alarm":
        held[str(len(held) + 1)] = details
        return True
    if resource["kind"] == "aws-handle":
        if set(details) != {"Status", "Reason", "Data", "UniqueId"} or details["Status"] not in ("SUCCESS", "FAILURE"):
            return False
        held[str(details["UniqueId"])] = {k: details[k] for k in ("Data", "Reason", "Status")}
        return True
    if not set(details) <= {"status", "reason", "data", "id"}:
        return False
    number = str(len(held) + 1)
    entry = {"status": details.get("status", "SUCCESS"), "reason": details.get("reason", f"Signal {number} received"),
             "data": details.get("data")}
    if entry["status"] not in ("SUCCESS", "FAILURE"):
        return False
    held[str(details.get("id", number))] = entry
    return True


class Fake(Listener):
    """The fake service; use as a context manager."""
    handler = Handler

    def __init__(self, state=None, port=0, cert=None, key=None, host="127.0.0.1"):
        super().__init__(host, port, cert, key)
        self.lock = threading.RLock()
        self.state, self.faults, self.requests = default_state(), [], []
        self.stopping = threading.Event()
        self.configure(state or {})

    def __exit__(self, *_exc):
        self.stopping.set()
        self.down()

    @property
    def url(self):
        return f"{self.origin}{self.state['prefix']}/v1/"

    # ---- state ----------------------------------------------------------------------------------------------
    def configure(self, changes):
        with self.lock:
            merge(self.state, changes)
            for name, stack in self.state["stacks"].items():
                stack.setdefault("id", str(uuid.uuid5(uuid.NAMESPACE_DNS, name)))
                stack.setdefault("resources", {})

    def fault(self, **fault):
        if not hasattr(Handler, "fault_" + str(fault.get("do"))):
            raise ValueError(f"no fault {fault.get('do')}")
        fault.setdefault("on", "any")
        fault.setdefault("times", 1)
        with self.lock:
            self.faults.append(fault)

    def take_fault(self, kind):
        with self.lock:
            for fault in self.faults:
                if fault["on"] in ("any", kind):
                    if fault["times"] == 1:
                        self.faults.remove(fault)
                    elif fault["times"] > 1:
                        fault["times"] -= 1
                    return fault
        return None

    def clear(self):
        with self.lock:
            self.requests.clear()
            self.faults.clear()

    def note(self, record):
        with self.lock:
            self.requests.append(record)

    def now(self):
        return time.time() + self.state["clock"]

    def arn(self, name, stack):
        return f"arn:openstack:heat::{self.state['tenant']}:stacks/{name}/{stack['id']}"

    def find_stack(self, wanted):
        """By name, UUID or ARN; name/uuid is not one of Heat's forms."""
        for name, stack in self.state["stacks"].items():
            if wanted in (name, stack["id"], self.arn(name, stack)):
                return name, stack
        return None, None

    def handle(self, name):
        for stack in self.state["stacks"].values():
            if name in stack["resources"]:
                return stack["resources"][name].get("signals", {})
        return {}

    def presigned(self, access, stack, resource, stamp=None, verb="PUT"):
        """A wait condition URL as Heat hands it out: %3A on the wire, signed with raw colons."""
        word = "waitcondition" if verb == "PUT" else "signal"
        path = f"{self.state['prefix']}/v1/{word}/{self.arn(stack, self.state['stacks'][stack])}/resources/{resource}"
        params = {"SignatureMethod": "HmacSHA256", "SignatureVersion": "2", "AWSAccessKeyId": access}
        if stamp != "never":
            params["Timestamp"] = stamp or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now()))
        signed = urllib.parse.quote(path, safe=PATH_SAFE)
        params["Signature"] = signature_v2(self.state["keys"][access]["secret"], verb, f"{self.host}:{self.port}",
                                           signed, params)
        return f"{self.origin}{urllib.parse.quote(path)}?{urllib.parse.urlencode(params)}"

    @staticmethod
    def wait(condition, seconds=10.0, step=0.02):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return True
            time.sleep(step)
        return bool(condition())


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--control-port", type=int, default=0)
    options.add_argument("--cert")
    options.add_argument("--key")
    options.add_argument("--state")
    args = options.parse_args()
    state = {}
    if args.state:
        with open(args.state, encoding="utf-8") as file:
            state = json.load(file)
    with Fake(state, args.port, args.cert, args.key) as fake:
        control = Server(("127.0.0.1", args.control_port), Control)
        control.fake = fake
        threading.Thread(target=control.serve_forever, daemon=True).start()
        print(f"port={fake.port} control={control.server_address[1]}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
