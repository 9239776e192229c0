"""cfn-hup: which endpoint is asked, and what an endpoint that fails costs."""
import json
import os
import socket
import subprocess
import threading
import time

import cfn_server
import harness
from guest import until
from hup import ACCESS, SECRET, Hup, resource

SERVER = "/var/lib/heat-cfntools/cfn-metadata-server"
BOTO = "/var/lib/heat-cfntools/cfn-boto-cfg"
BOTO_TEXT = "[Boto]\ndebug = 0\nis_secure = %d\nhttps_validate_certificates = %d\ncfn_region_name = heat\ncfn_region_endpoint = %s\n"


def test_endpoint_forms(ctx):
    """fixed: scheme, port and path of cfn-metadata-server count (the port was always 8000); with or without /v1/, slash or newline."""
    h = Hup(ctx)
    h.hook("app")
    port = h.fake.port
    assert port != 8000
    for number, form in enumerate(("http://127.0.0.1:%d/v1/", "http://127.0.0.1:%d/v1/\n", "http://127.0.0.1:%d/v1", "http://127.0.0.1:%d/", "http://127.0.0.1:%d",
                                   "127.0.0.1:%d\n")):
        h.g.write(SERVER, form % port)
        h.set(metadata={"a": number})
        h.once(ran=["app post.add" if number == 0 else "app post.update"])
    h.fake.configure({"prefix": "/heat-api-cfn"})
    for number, form in enumerate(("http://127.0.0.1:%d/heat-api-cfn/v1/", "http://127.0.0.1:%d/heat-api-cfn")):
        h.g.write(SERVER, form % port)
        h.set(metadata={"a": "prefix %d" % number})
        h.once(ran=["app post.update"])


def test_boto_fallback(ctx):
    """kept: without cfn-metadata-server the host of cfn-boto-cfg is asked; with it, its host is not."""
    h = Hup(ctx)
    h.hook("app")
    h.g.write(BOTO, BOTO_TEXT % (0, 1, "127.0.0.1:1"))
    h.once(ran=["app post.add"])
    os.unlink(h.g.path(SERVER))
    h.g.write(BOTO, BOTO_TEXT % (0, 1, "127.0.0.1:%d" % h.fake.port))
    h.set(metadata={"a": 2})
    h.once(ran=["app post.update"])


def test_tls(ctx):
    """fixed: TLS is verified against the system's authorities; https_validate_certificates = 0 of cfn-boto-cfg is honoured, and said."""
    h = Hup(ctx)
    cert, key = h.g.write("/etc/heat-pulse/ca.pem", ""), h.g.write("/key.pem", "")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL)
    fake = cfn_server.Fake(h.fake.state, cert=cert, key=key)
    fake.__enter__()
    ctx.later(lambda: fake.__exit__(None, None, None))
    h.hook("app")
    h.g.write(SERVER, fake.url)
    h.once(code=3, said="certificate", ran=[])
    h.g.write(BOTO, BOTO_TEXT % (1, 0, "127.0.0.1"))
    h.once(said="certificate checks off", ran=["app post.add"])
    os.unlink(h.g.path(BOTO))
    h.g.conf("[agent]\nca-file = /etc/heat-pulse/ca.pem\n")
    fake.configure({"stacks": {"st": {"resources": {"R1": {"metadata": {"a": 2}}}}}})
    h.once(ran=["app post.update"])


def test_no_proxy_from_environment(ctx):
    """fixed: http_proxy of the caller's environment is not used (boto used it): only root-owned configuration names a proxy."""
    h = Hup(ctx)
    h.hook("app")
    h.once(env={"http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"}, ran=["app post.add"])


FAILURES = [  # what the server does, what is said
    ({"do": "status", "status": 500}, "R1"), ({"do": "status", "status": 503, "headers": {"Retry-After": "600"}}, "503"), ({"do": "status", "status": 404}, "R1"),
    ({"do": "string", "text": "The Stack (st) could not be found."}, "could not be found"), ({"do": "garbage"}, "R1"), ({"do": "deep"}, "deep"),
    ({"do": "huge"}, "R1"), ({"do": "reset"}, "R1"), ({"do": "close"}, "R1"), ({"do": "status", "status": 200, "body": "null", "type": "application/json"}, "R1"),
    ({"do": "status", "status": 200, "body": "{}", "type": "application/json"}, "R1"), ({"do": "status", "status": 200, "body": "", "type": "application/json"}, "R1"),
    ({"do": "status", "status": 302, "headers": {"Location": "http://127.0.0.1:1/"}}, "R1"),
]


def test_failures(ctx):
    """fixed: an endpoint that fails is exit 3, one line on stderr, no traceback, at once (was: 7 tries over a minute, exit 1); nothing is lost.

    One pass asks once: the next pass of cron or the daemon is the retry, and a guest that waits in a pass holds up the pass after it.
    """
    h = Hup(ctx)
    h.hook("app")
    h.once(ran=["app post.add"])
    for number, (fault, said) in enumerate(FAILURES):
        h.set(metadata={"a": number})
        h.fake.fault(**dict(fault, times=0))
        done = h.once(code=3, said=said, ran=[])
        lines = [line for line in done.err.splitlines() if "no user" not in line]
        assert len(lines) == 1 and done.seconds < 6, (fault, done)
        h.fake.clear()
        h.once(ran=["app post.update"])


def test_refusals(ctx):
    """fixed: wrong keys, a resource or a stack that is not ours and a policy's refusal are exit 3 and told apart."""
    h = Hup(ctx)
    h.hook("app")
    h.fake.configure({"policy": True})
    h.once(code=3, said="policy", ran=[])
    h.fake.configure({"policy": False})
    h.g.write("/etc/cfn/cfn-credentials", "AWSAccessKeyId=%s\nAWSSecretKey=wrongwrong\n" % ACCESS, 0o600)
    h.once(code=3, said="403", ran=[])
    h.g.write("/etc/cfn/cfn-credentials", "AWSAccessKeyId=%s\nAWSSecretKey=%s\n" % (ACCESS, SECRET), 0o600)
    h.main(stack="stack=nothing\n")
    h.once(code=3, said="could not be found", ran=[])
    h.main()
    h.hook("other", "Resources.R9.Metadata")
    h.once(code=3, said="R9", ran=["app post.add"])


def test_refused_connection(ctx):
    """fixed: a server that is down is exit 3 within a second (was 83 s); the change is seen when it is back."""
    h = Hup(ctx)
    h.hook("app")
    h.fake.down()
    assert h.once(code=3, said="cannot be reached", ran=[]).seconds < 2
    h.fake.up()
    h.once(ran=["app post.add"])


def test_unknown_host(ctx):
    """fixed: a name that does not resolve is exit 3 and named."""
    h = Hup(ctx)
    h.hook("app")
    h.g.write(SERVER, "http://no-such-host.invalid:8000/v1/")
    assert h.once(code=3, said="no-such-host.invalid", ran=[]).seconds < 12


def test_black_hole(ctx):
    """fixed: a server that swallows everything, hangs or trickles one byte a second costs the request's limit (was up to ten minutes)."""
    h = Hup(ctx, {"R1": resource({"a": 1}), "R2": resource({"a": 1})})
    h.hook("one")
    h.hook("two", "Resources.R2.Metadata")
    for do in ("hang", "trickle"):
        h.fake.fault(do=do, times=0)
        done = h.once(code=3, said="in time", ran=[])
        assert 3 < done.seconds < 7, (do, done)  # both resources side by side, 4 s each
        h.fake.clear()
    with socket.socket() as silent:  # accepts nothing, answers nothing: the backlog swallows the connection
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        h.g.write(SERVER, "http://127.0.0.1:%d/v1/" % silent.getsockname()[1])
        assert h.once(code=3, ran=[]).seconds < 7
    h.g.write(SERVER, h.fake.url)
    h.once(ran=["one post.add", "two post.add"])


def test_one_of_two(ctx):
    """fixed: what one resource's failure costs is that resource: the hooks of the other run, exit 3."""
    h = Hup(ctx, {"R1": resource({"a": 1}), "R2": resource({"a": 1})})
    h.hook("one")
    h.hook("two", "Resources.R2.Metadata")
    h.fake.configure({"keys": {ACCESS: {"resources": ["R2"]}}})
    h.once(code=3, said="R1", ran=["two post.add"])
    h.fake.configure({"keys": {ACCESS: {"resources": None}}})
    h.once(ran=["one post.add"])


def test_hook_failure_first(ctx):
    """new: when both a hook and the network fail the exit code is the hook's, 4."""
    h = Hup(ctx, {"R1": resource({"a": 1})})
    h.hook("one", action="exit 1")
    h.hook("two", "Resources.R9.Metadata")
    h.once(code=4, said=("R9", "exit code 1"), ran=[])


def test_signature(ctx):
    """kept: the request is SigV4 in the Authorization header with the host:port as sent, no body, no key or signature in the URL; V2 where V4 is refused."""
    h = Hup(ctx)
    h.hook("app")
    h.once(ran=["app post.add"])
    r = h.fake.requests[0]
    assert r["headers"]["host"] == "127.0.0.1:%d" % h.fake.port and r["headers"]["authorization"].startswith("AWS4-HMAC-SHA256 Credential=" + ACCESS)
    assert r["body"] == "" and not set(r["query"]) & {"Signature", "AWSAccessKeyId", "X-Amz-Signature"}, r
    h.fake.clear()
    h.fake.configure({"accept": ["v2"]})
    h.set(metadata={"a": 2})
    h.once(ran=["app post.update"])
    assert [r["auth"] for r in h.fake.requests] == ["v4", "v2"], h.fake.requests


def test_clock(ctx):
    """fixed: a guest whose clock is an hour behind still reads, by the server's Date."""
    h = Hup(ctx, clock=3600)
    h.hook("app")
    h.once(ran=["app post.add"])


def test_secrets_stay(ctx):
    """fixed: neither keys nor metadata nor signatures reach stderr, even with -v, nor any argument list (old logs were 0644 and had all of it)."""
    h = Hup(ctx, {"R1": resource({"a": {"password": "tell-nobody-1234"}})})
    h.hook("app", action="sleep 0.5")
    seen = []

    def watch():
        for _ in range(20):
            seen.extend(harness.argument_lists())
            time.sleep(0.05)
    watcher = threading.Thread(target=watch)
    watcher.start()
    done = h.once("-v")
    watcher.join()
    h.fake.fault(do="status", status=403, body="x", times=0)
    done.err += h.once("-v", code=3).err
    for word in (SECRET, "tell-nobody-1234", "Signature=", ACCESS):
        assert word not in done.err, done.err
        assert not any(word in line for line in seen if "python" not in line), word


def test_init_data(ctx):
    """new: keys that Heat left in cfn-init-data serve a pass too, and come before cfn-hup.conf's; without cfn-hup.conf hooks still run."""
    h = Hup(ctx)
    h.hook("app")
    os.unlink(h.g.path("/etc/cfn/cfn-hup.conf"))
    os.unlink(h.g.path("/etc/cfn/cfn-credentials"))
    h.g.give_block({"collectors": ["cfn"], "cfn": {"metadata_url": h.fake.url, "access_key_id": ACCESS, "secret_access_key": SECRET, "stack_name": "st",
                                                   "path": "R1.Metadata"}})
    h.once(ran=["app post.add"])
    assert json.loads(h.g.read("/var/lib/heat-cfntools/cfn-init-data")), "read, never written"


@harness.alone
def test_pass_is_cheap(ctx):
    """new: an idle pass ends within 200 ms, whatever the interval of cfn-hup.conf."""
    h = Hup(ctx)
    h.main("interval=15\n")
    h.hook("app")
    h.once(ran=["app post.add"])
    until("a quick pass", 10, lambda: h.once(ran=[]).seconds < 0.2)
