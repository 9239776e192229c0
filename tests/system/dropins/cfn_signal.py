#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""cfn-signal against an endpoint that checks signatures and refuses as Heat does."""

import base64
import json
import os
import sys
import time

import dropin
from dropin import ACCESS, OTHER_SECRET

OLD_REASON, OLD_DATA = "Configuration Complete", "Application has completed configuration."


def url(box, name="h_aws", **more):
    return box.fake.presigned(ACCESS, "web", name, **more)


def signals(box):
    return [r for r in box.fake.requests if r["method"] in ("PUT", "POST")]


def test_defaults(box):
    """kept: without flags it tells SUCCESS with the old default texts, four string keys and an empty Content-Type"""
    box.write("/var/lib/heat-cfntools/nova_meta.json", {"uuid": "8c1d0a9e-0000-4000-8000-00000000000a"})
    box.run("cfn-signal", url(box)).expect(0)
    held = box.fake.handle("h_aws")
    assert held == {"8c1d0a9e-0000-4000-8000-00000000000a": {"Status": "SUCCESS", "Reason": OLD_REASON, "Data": OLD_DATA}}, held
    request = signals(box)[0]
    assert request["method"] == "PUT" and request["headers"]["content-type"] == "", request
    assert set(json.loads(request["body"])) == {"Status", "Reason", "UniqueId", "Data"}


def test_all_flags(box):
    """kept: -r -d -i say what is told; reason and data keep the old default on failure, too"""
    box.run("cfn-signal", "-r", "why %s", "-d", "some \"data\" \u00e9", "-i", "id-1", url(box)).expect(0)
    assert box.fake.handle("h_aws")["id-1"] == {"Status": "SUCCESS", "Reason": "why %s", "Data": "some \"data\" \u00e9"}
    box.run("cfn-signal", "-e", "1", "-i", "id-2", url(box)).expect(0)
    assert box.fake.handle("h_aws")["id-2"] == {"Status": "FAILURE", "Reason": OLD_REASON, "Data": OLD_DATA}


STATUS = [  # arguments, what Heat is told; None: usage error and nothing is sent
    (["-s", "true"], "SUCCESS"), (["-s", "false"], "FAILURE"), (["-s", "True"], "SUCCESS"), (["-s", "1"], "SUCCESS"),
    (["-e", "0"], "SUCCESS"), (["-e", "1"], "FAILURE"), (["-e", "00"], "SUCCESS"), (["-e", "-1"], "FAILURE"),
    (["--exit", "3"], "FAILURE"), (["--exit-code", "0"], "SUCCESS"), (["--exit-code=7"], "FAILURE"),
    (["-s", "false", "-e", "0"], "SUCCESS"), (["-s", "true", "-e", "2"], "FAILURE"), (["-e", "", "-s", "false"], "FAILURE"),
    (["--succ", "false"], "FAILURE"), (["-e", "one"], None), (["-s", "maybe"], None), (["-e", "99999999999999999999"], None),
]


def test_status(box):
    """kept and fixed: the status rules: any true word succeeds, exit codes compare as numbers and decide over -s"""
    for arguments, status in STATUS:
        box.fake.clear()
        box.run("cfn-signal", *arguments, "-i", "x", url(box)).expect(0 if status else 2)
        told = [json.loads(r["body"])["Status"] for r in signals(box)]
        assert told == ([status] if status else []), f"{arguments}: {told}"


def test_url_forms(box):
    """kept: the URL also in base64; new: from standard input or a file"""
    one = url(box)
    coded = base64.b64encode(one.encode()).decode()
    box.write("/etc/handle", one + "\n")
    box.write("/etc/handle64", coded + "\n")
    for number, (argument, stdin) in enumerate([(one, ""), (coded, ""), ("-", one + "\n"), ("-", coded), ("/etc/handle", ""), ("/etc/handle64", "")]):
        box.run("cfn-signal", "-i", f"id-{number}", argument, stdin=stdin).expect(0)
    assert len(box.fake.handle("h_aws")) == 6


USAGE = [[], ["ftp://x/"], ["nonsense"], ["/no/such/file"], ["http://"], ["http://h/%zz", "more"], ["--stack", "web"],
         ["--resource", "h_aws"], ["--stack", "web", "--resource", "h", "http://h/"], ["--nonsense"], ["--access-key", "x", "http://h/"],
         ["-r"], ["--timeout", "soon", "http://h/"]]


def test_usage(box):
    """kept: wrong usage is exit 2 and sends nothing"""
    for arguments in USAGE:
        box.run("cfn-signal", *arguments).expect(2, out="")
    assert not box.fake.requests


REFUSED = [  # what the server does, what must be said
    ({"status": 400, "reason": "IncompleteSignature"}, "status 400"),
    ({"status": 403, "reason": "AccessDenied"}, "status 403"),
    ({"status": 404}, "status 404"), ({"status": 409}, "status 409"), ({"status": 301, "headers": {"Location": "/x"}}, "status 301"),
    ({"status": 500, "body": "<ErrorResponse><Error><Type>Server</Type><Code>InternalFailure</Code><Message>x:ValueError: resources.h: "
                             "Metadata format invalid</Message></Error></ErrorResponse>"}, "Metadata format invalid"),
    ({"do": "string", "text": "The Stack (x) could not be found."}, "could not be found"),
]


def test_refusals_are_final(box):
    """fixed: a refusal is never exit 0 (curl's was), and one request is enough for 4xx and a malformed signal"""
    for fault, said in REFUSED:
        box.fake.clear()
        box.fake.fault(**dict({"do": "status", "times": 0}, **fault))
        box.run("cfn-signal", url(box)).expect(3, out="", err=said)
        assert len(signals(box)) == 1, (fault, len(signals(box)))
    assert not box.fake.handle("h_aws")


PASSING = [{"do": "status", "status": 500}, {"do": "status", "status": 503, "times": 2}, {"do": "status", "status": 429},
           {"do": "status", "status": 502}, {"do": "reset"}, {"do": "close"},
           {"do": "status", "status": 503, "headers": {"Retry-After": "2"}}]


def test_trouble_that_passes(box):
    """fixed: 5xx, 429 and network errors are tried again until the signal is accepted; Retry-After is obeyed"""
    for number, fault in enumerate(PASSING):
        box.fake.clear()
        box.fake.fault(**fault)
        done = box.run("cfn-signal", "-i", f"id-{number}", url(box)).expect(0)
        assert f"id-{number}" in box.fake.handle("h_aws"), fault
        assert len(signals(box)) == fault.get("times", 1) + 1, fault
        assert "Retry-After" not in fault.get("headers", {}) or done.seconds >= 2


def test_server_down_then_up(box):
    """fixed: a server that is down at first gets the signal when it comes back"""
    target = url(box)
    box.fake.down()
    child = box.start("cfn-signal", "-i", "late", target)
    time.sleep(1.5)
    assert child.poll() is None, child.communicate()
    box.fake.up()
    child.communicate(timeout=40)
    assert child.returncode == 0 and "late" in box.fake.handle("h_aws")


def test_deadline(box):
    """fixed: a server that is down, silent or slow costs at most --timeout"""
    target = url(box)
    for fault in ({"do": "hang"}, {"do": "trickle", "seconds": 1}, {"do": "status", "status": 503}):
        box.fake.clear()
        box.fake.fault(**dict(fault, times=0))
        done = box.run("cfn-signal", "--timeout", "3s", target).expect(3, out="", err="deadline")
        assert done.seconds < 6, (fault, done.seconds)
    box.fake.clear()
    box.fake.down()
    done = box.run("cfn-signal", "--timeout", "2s", target).expect(3)
    assert done.seconds < 5, done.seconds
    box.run("cfn-signal", "--timeout", "1s", "http://127.0.0.1:1/v1/waitcondition/x?Signature=abcdef").expect(3)


def test_expired_url(box):
    """A URL past its 15 minutes is refused at once; one without a time never expires"""
    box.run("cfn-signal", url(box, stamp="2026-01-02T03:04:05Z")).expect(3, err="403")
    box.run("cfn-signal", "-i", "x", url(box, stamp="never")).expect(0)


def test_url_leaves_the_argument_list(box):
    """fixed: the URL's signature does not stay in the process list"""
    box.fake.fault(do="slow", seconds=2)
    child = box.start("cfn-signal", url(box))
    assert box.fake.wait(lambda: box.fake.requests, 10)
    with open(f"/proc/{child.pid}/cmdline", encoding="utf-8") as file:
        line = file.read()
    child.communicate(timeout=30)
    assert child.returncode == 0 and "Signature" not in line and "127.0.0.1" not in line, line


def test_secret_leaves_the_argument_list(box):
    """fixed: a secret key given as a flag does not stay there either"""
    box.fake.fault(do="slow", seconds=2)
    child = box.start("cfn-signal", "--stack", "web", "--resource", "h_aws", "--url", box.fake.url, "--access-key", ACCESS,
                      "--secret-key", dropin.SECRET)
    assert box.fake.wait(lambda: box.fake.requests, 10)
    with open(f"/proc/{child.pid}/cmdline", encoding="utf-8") as file:
        line = file.read()
    child.communicate(timeout=30)
    assert child.returncode == 0 and dropin.SECRET not in line, line


def test_resource_with_given_keys(box):
    """new: --stack --resource with a credential file reaches handles of either kind"""
    keys = box.keys()
    for name in ("h_aws", "h_heat"):
        box.run("cfn-signal", "--stack", "web", "--resource", name, "-f", keys, "--url", box.fake.url, "-i", "id", "-r", "why").expect(0)
    assert box.fake.handle("h_aws")["id"]["Reason"] == "why" and box.fake.handle("h_heat")["id"]["reason"] == "why"


def test_resource_with_found_keys(box):
    """new: --stack --resource with what Heat left on the server, which may read its own resource only"""
    box.fake.configure({"keys": {ACCESS: {"resources": ["srv"]}}})
    box.block()
    before = box.tree()
    box.run("cfn-signal", "--stack", "web", "--resource", "h_aws", "-i", "id").expect(0)
    assert "id" in box.fake.handle("h_aws")
    assert box.tree() == before


def test_resource_signature_v2(box):
    """new: a cloud that takes signature V2 only gets it"""
    box.fake.configure({"accept": ["v2"]})
    box.block()
    box.run("cfn-signal", "--stack", "web", "--resource", "h_aws", "-i", "id").expect(0)
    assert box.fake.requests[-1]["auth"] == "v2"


def test_resource_by_arn(box):
    """new: a stack given by its ARN is signalled even where policy forbids to ask about it"""
    box.fake.configure({"policy": True})
    box.block()
    arn = box.fake.arn("web", box.fake.state["stacks"]["web"])
    box.run("cfn-signal", "--stack", arn, "--resource", "h_aws", "-i", "id").expect(0)
    box.run("cfn-signal", "--stack", "web", "--resource", "h_aws").expect(3, err="not allowed")
    box.state_document({})
    box.run("cfn-signal", "--stack", "web", "--resource", "h_aws", "-i", "id-2").expect(0)
    assert "id-2" in box.fake.handle("h_aws")


def test_resource_refusals(box):
    """new: wrong keys, unknown names and no credentials are clear errors, never 0"""
    wrong = box.keys(secret=OTHER_SECRET, name="/etc/wrong")
    good = box.keys()
    arn = box.fake.arn("web", box.fake.state["stacks"]["web"])
    for code, said, arguments in [
            (3, "403", ["--stack", "web", "-f", wrong, "--url", box.fake.url, "--resource", "h_aws"]),
            (3, "403", ["--stack", arn, "-f", wrong, "--url", box.fake.url, "--resource", "h_aws"]),
            (3, "could not be found", ["--stack", "nosuch", "-f", good, "--url", box.fake.url, "--resource", "h_aws"]),
            (3, "does not support signal", ["--stack", arn, "-f", good, "--url", box.fake.url, "--resource", "nosuch"]),
            (1, "no CFN endpoint", ["--stack", "web", "-f", good, "--resource", "h_aws"]),
            (1, "/no/file", ["--stack", "web", "-f", "/no/file", "--url", box.fake.url, "--resource", "h_aws"]),
            (1, "no credentials", ["--stack", "web", "--resource", "h_aws"])]:
        box.run("cfn-signal", "--timeout", "5s", *arguments).expect(code, out="", err=said)
    assert not box.fake.handle("h_aws")


def test_resource_trouble_that_passes(box):
    """new: --stack --resource, too, is tried again while the server is at fault"""
    box.block()
    box.fake.fault(on="describe", do="status", status=503)
    box.fake.fault(on="signal", do="status", status=500)
    box.run("cfn-signal", "--stack", "web", "--resource", "h_aws", "-i", "id").expect(0)
    assert "id" in box.fake.handle("h_aws")


def test_help_and_overview(box):
    """Help is on stdout and exit 0, also through `heat-pulse cfn-signal`"""
    assert "usage: cfn-signal" in box.run("cfn-signal", "--help").expect(0).out
    assert "usage: cfn-signal" in box.run("heat-pulse", "cfn-signal", "-h").expect(0).out


if __name__ == "__main__":
    os.environ.pop("http_proxy", None)
    sys.exit(dropin.run(sys.modules[__name__]))
