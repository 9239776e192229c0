# SPDX-License-Identifier: Apache-2.0
"""What the fakes of metric receivers share: a Keystone of their own, faults, records, a clock that can be wrong.

    with Fake(...) as fake:   fake.url, fake.port, fake.configure(..), fake.fault(..), fake.requests, fake.down(), fake.up()

State (configure() merges members in):
    clock     seconds added to the Date header
    token     the only token that is good; tokens() hands it out; revoke() makes a new one
    roles     roles of that token
    app       {"id": .., "secret": ..} of the one application credential
    catalog   {service type: path below this server}
    project   project of the token
Fault: {"status": N, "headers": {..}, "body": "..", "times": N (0 = for ever), "do": "status"|"reset"|"hang"|"slow", "seconds": S, "on": path part}
"""
import datetime
import email.utils
import http.server
import json
import os
import socket
import struct
import sys
import threading
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from control import KnownConnection, Listener  # noqa: E402

MAX_BODY = 8 << 20


class Answer(Exception):
    """Ends a request: raised by whoever knows the answer."""

    def __init__(self, status, body=b"", headers=None):
        super().__init__(status)
        self.status, self.headers = status, dict(headers or {})
        self.body = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()


class Handler(KnownConnection, http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def date_time_string(self, timestamp=None):
        return email.utils.formatdate((timestamp or time.time()) + self.server.fake.state["clock"], usegmt=True)

    def handle_one(self):
        fake = self.server.fake
        fake.met += 1
        record = {"method": self.command, "path": self.path, "headers": dict(self.headers.items()), "body": b"", "at": time.time()}
        try:
            if self.headers.get("Transfer-Encoding"):
                raise Answer(400, "no Content-Length")
            record["body"] = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), MAX_BODY))
            fault = fake.take_fault(self.path)
            if fault and self.misbehave(fault):
                return
            fake.answer(self, self.command, self.path, self.headers, record["body"])
            raise Answer(500, "no answer")
        except Answer as a:
            record["status"] = a.status
            with fake.lock:
                fake.requests.append(record)
            self.send(a)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_one

    def misbehave(self, fault):
        do = fault.get("do", "status")
        if do == "slow":
            time.sleep(fault.get("seconds", 1))
            return False
        if do == "hang":
            time.sleep(fault.get("seconds", 600))
            return True
        if do == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return True
        raise Answer(fault["status"], fault.get("body", ""), fault.get("headers"))

    def send(self, a):
        self.send_response(a.status)
        for key, value in a.headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(a.body)))
        self.end_headers()
        self.wfile.write(a.body)


class Service(Listener):
    handler = Handler

    def __init__(self, state=None, port=0, host="127.0.0.1"):
        super().__init__(host, port)
        self.lock = threading.RLock()
        self.requests, self.faults = [], []
        self.met = 0  # requests that came, answered or not
        self.state = {"clock": 0, "token": uuid.uuid4().hex, "roles": ["monasca-agent"], "project": "9a7e" + uuid.uuid4().hex[4:],
                      "app": {"id": "app-" + uuid.uuid4().hex[:8], "secret": "s3cret-" + uuid.uuid4().hex}, "catalog": {}}
        self.configure(state or {})

    @property
    def url(self):
        return self.origin

    def configure(self, changes):
        with self.lock:
            self.state.update(changes)

    def fault(self, **fault):
        fault.setdefault("times", 1)
        with self.lock:
            self.faults.append(fault)

    def clear(self):
        with self.lock:
            self.faults.clear()
            self.requests.clear()

    def revoke(self):
        self.configure({"token": uuid.uuid4().hex})

    def take_fault(self, path):
        with self.lock:
            for fault in self.faults:
                if fault.get("on", "") in path:
                    fault["times"] -= 1
                    if fault["times"] == 0:
                        self.faults.remove(fault)
                    return fault
        return None

    # ---- Keystone ----
    def tokens(self, body):
        """POST /v3/auth/tokens: the one application credential."""
        try:
            identity = json.loads(body)["auth"]["identity"]
            given = identity["application_credential"]
        except (ValueError, KeyError, TypeError):
            raise Answer(400, {"error": {"code": 400, "message": "malformed", "title": "Bad Request"}}) from None
        if identity.get("methods") != ["application_credential"] or given != self.state["app"]:
            raise Answer(401, {"error": {"code": 401, "message": "The request you have made requires authentication.", "title": "Unauthorized"}})
        now = datetime.datetime.utcnow()
        catalog = [{"type": kind, "id": kind, "name": kind, "endpoints": [
            {"interface": "public", "region": "RegionOne", "region_id": "RegionOne", "id": kind, "url": self.url + path}]}
            for kind, path in self.state["catalog"].items()]
        raise Answer(201, {"token": {"methods": ["application_credential"], "issued_at": now.isoformat() + "Z",
                                     "expires_at": (now + datetime.timedelta(hours=1)).isoformat() + "Z", "user": {"id": "u", "name": "u"},
                                     "project": {"id": self.state["project"], "name": "p"}, "catalog": catalog,
                                     "roles": [{"id": r, "name": r} for r in self.state["roles"]]}},
                     {"X-Subject-Token": self.state["token"], "Content-Type": "application/json"})

    def check_token(self, headers):
        """As Keystone's middleware does it in front of a service."""
        if headers.get("X-Auth-Token") != self.state["token"]:
            raise Answer(401, {"error": {"code": 401, "message": "The request you have made requires authentication."}},
                         {"WWW-Authenticate": 'Keystone uri="%s/v3"' % self.url})
