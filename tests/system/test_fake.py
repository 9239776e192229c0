"""The agent against an endpoint that checks signatures as Heat does and misbehaves on demand."""
import json
import os
import subprocess
import time

import cfn_server
from guest import until
from harness import alone
from yardstick import Yardstick

ACCESS, SECRET = "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "p%Q^r!S&t*U1v2W3x4Y5z6A7b8C9d0E@"
CONF = """[metadata]
interval = 1s
splay = 0s
request-timeout = 3s
[signal]
boot-quiet = 1s
"""


def state(metadata=None, **more):
    resources = {
        "srv": {"kind": "server", "metadata": metadata or {"app": {"rev": "1"}, "heat-pulse": {"boot": "boot", "health": "health"}}},
        "boot": {"kind": "heat-handle"},
        "health": {"kind": "aws-handle"},
    }
    return dict({"keys": {ACCESS: {"secret": SECRET}}, "stacks": {"web": {"id": "7b1c0000-0000-4000-8000-000000000001", "resources": resources}}}, **more)


def serve(ctx, **more):
    fake = cfn_server.Fake(state(**more))
    fake.__enter__()
    ctx.later(lambda: fake.__exit__(None, None, None))
    ctx.secret(SECRET)
    return fake


def block(fake, url=None):
    return {"collectors": ["cfn", "local"], "cfn": {"metadata_url": url or fake.url, "access_key_id": ACCESS, "secret_access_key": SECRET,
                                                   "stack_name": "web", "path": "srv.Metadata"}}


def prepare(g, fake, conf=CONF, url=None):
    g.conf(conf)
    g.give_block(block(fake, url))
    g.hook("app", "Resources.srv.Metadata.app")


def agent(ctx, fake, name="fake", conf=CONF, url=None):
    g = ctx.guest(name)
    prepare(g, fake, conf, url)
    g.start()
    return g


def set_rev(fake, rev):
    fake.configure({"stacks": {"web": {"resources": {"srv": {"metadata": {"app": {"rev": rev}, "heat-pulse": {"boot": "boot", "health": "health"}}}}}}})


def test_both_kinds(ctx):
    """Boot and health reach handles of either kind, learned by a synchronous PUT; a change runs its hook once."""
    fake = serve(ctx)
    g = agent(ctx, fake)
    until("the boot signal", 20, lambda: fake.handle("boot"))
    until("the health signal", 20, lambda: fake.handle("health"))
    assert "SUCCESS" in json.dumps(fake.handle("boot")), fake.handle("boot")
    set_rev(fake, "2")
    until("the update", 10, lambda: g.hooks_run() == ["app post.add", "app post.update"])
    time.sleep(2)
    assert g.hooks_run() == ["app post.add", "app post.update"]


def test_boot_told_on_a_slow_disk(ctx):
    """A guest whose disk does not say after a restart whether its boot was told waits for that: no second result."""
    fake = serve(ctx)
    g = agent(ctx, fake, "slow-disk")
    until("the boot signal", 20, lambda: fake.handle("boot"))
    told = g.path("/var/lib/heat-pulse/state/boot-told")
    until("it is noted", 10, lambda: os.path.exists(told))
    g.stop()
    os.rename(told, g.path("/boot-told"))
    os.mkfifo(told)
    os.chmod(told, 0o666)
    writer = os.open(told, os.O_RDWR | os.O_NONBLOCK)  # a reader gets EAGAIN: not now
    ctx.later(lambda: os.close(writer))
    before = fake.handle("boot")
    fake.requests.clear()
    g.start()
    until("signals go out without it", 40, lambda: [r for r in fake.requests if r["path"].endswith("health")])
    time.sleep(3)  # boot-quiet is one second
    assert not [r for r in fake.requests if r["path"].endswith("boot") and "waitcondition" in r["path"]], "a second boot result"
    os.rename(g.path("/boot-told"), told)
    until("it is known", 45, lambda: g.status()["boot_told"])
    assert fake.handle("boot") == before, (before, fake.handle("boot"))


def test_v2_only(ctx):
    """A server that refuses signature V4 is served with V2."""
    fake = serve(ctx, accept=["v2"])
    g = agent(ctx, fake)
    until("the hook", 20, lambda: g.hooks_run() == ["app post.add"])


def test_mount_prefix_and_forms(ctx):
    """An endpoint below a prefix, metadata as a JSON string, a timestamp as a number."""
    fake = serve(ctx, prefix="/heat-api-cfn", timestamp="number")
    fake.configure({"metadata": "string"})
    g = agent(ctx, fake, url="http://127.0.0.1:%d/heat-api-cfn/v1/" % fake.port)
    until("the hook", 20, lambda: g.hooks_run() == ["app post.add"])


def test_clock_behind(ctx):
    """A guest whose clock is an hour behind the server's still reads and signals, by the server's Date."""
    fake = serve(ctx, clock=3600)
    g = agent(ctx, fake)
    until("the hook", 30, lambda: g.hooks_run() == ["app post.add"])
    until("the boot signal", 20, lambda: fake.handle("boot"))


def test_policy_403(ctx):
    """A 403 by policy is named with its remedy."""
    fake = serve(ctx, policy=True)
    g = agent(ctx, fake)
    found = until("the problem", 20, lambda: [p for p in g.status()["problems"] if "policy" in p["text"].lower() or "policy" in p["code"]])
    assert found[0].get("remedy"), found


BAD_SERVERS = [
    {"do": "hang"}, {"do": "trickle"}, {"do": "huge"}, {"do": "deep"}, {"do": "reset"}, {"do": "close"}, {"do": "garbage"},
    {"do": "string", "text": "The Stack (web) could not be found."}, {"do": "status", "status": 500}, {"do": "status", "status": 503, "headers": {"Retry-After": "1"}},
]


@alone
def test_bad_servers(ctx):
    """A server that hangs, trickles, floods, nests, resets or talks nonsense costs bounded, logged failures; then work goes on."""
    fake = serve(ctx)
    g = agent(ctx, fake)
    until("the first hook", 20, lambda: len(g.hooks_run()) == 1)
    with Yardstick() as beside:
        for number, fault in enumerate(BAD_SERVERS):
            lines = len(g.log().splitlines())
            fake.fault(**dict(fault, on="describe", times=1))
            until("a failure for %s" % fault, 30, lambda: any(s["state"] != "ok" for s in g.status()["sources"]))
            set_rev(fake, "bad-%d" % number)
            until("recovery from %s" % fault, 60, lambda: len(g.hooks_run()) == number + 2)
            said = len(g.log().splitlines()) - lines
            assert 1 <= said <= 12, (fault, said)
    late = g.status()["agent"]["late_max_ms"]
    assert late <= 50 or beside.late_ms > 25, "the loop was late by %s ms, a sleeper beside it by %.0f ms" % (late, beside.late_ms)


def serve_tls(ctx, g):
    """A server with a certificate of its own, which the guest has as /etc/heat-pulse/ca.pem; it is up."""
    cert, key = g.write("/etc/heat-pulse/ca.pem", ""), g.write("/key.pem", "")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL)
    fake = cfn_server.Fake(state(), cert=cert, key=key)
    fake.__enter__()
    ctx.later(lambda: fake.__exit__(None, None, None))
    return fake


def test_broken_tls(ctx):
    """A server that agrees to no cipher, and one that speaks no TLS at all, are named; both cost nothing but their time."""
    g = ctx.guest("broken-tls")
    fake = serve_tls(ctx, g)
    url, cert = fake.url, fake.cert
    prepare(g, fake, "[agent]\nca-file = /etc/heat-pulse/ca.pem\n" + CONF)
    g.start()
    until("the first hook", 20, lambda: g.hooks_run() == ["app post.add"])
    for number, broken in enumerate([{"ciphers": "CAMELLIA256-SHA"}, {"cert": None}]):
        fake.down()
        vars(fake).update(broken)
        fake.up()
        until("TLS is named with %s" % broken, 30, lambda: any("TLS" in json.dumps(p) for p in g.status()["problems"]))
        fake.down()
        vars(fake).update(ciphers=None, cert=cert)
        fake.up()
        assert fake.url == url
        set_rev(fake, "after-%d" % number)
        until("recovery from %s" % broken, 60, lambda: len(g.hooks_run()) == number + 2)
        until("no problem is left", 20, lambda: not any("TLS" in json.dumps(p) for p in g.status()["problems"]))


def test_wrong_certificate(ctx):
    """A certificate nobody vouches for is refused and named; with ca-file it is good."""
    g = ctx.guest("tls")
    fake = serve_tls(ctx, g)
    prepare(g, fake)
    g.start()
    until("the certificate is named", 20, lambda: any("certificate" in json.dumps(p).lower() for p in g.status()["problems"]))
    assert not g.hooks_run()
    g.stop()
    g.conf("[agent]\nca-file = /etc/heat-pulse/ca.pem\n" + CONF)
    g.start()
    until("the hook", 20, lambda: g.hooks_run() == ["app post.add"])


def test_start_without_network(ctx):
    """A start while the endpoint is down knows its settings from the last good document, and catches up."""
    fake = serve(ctx)
    g = agent(ctx, fake)
    until("the boot signal", 20, lambda: fake.handle("boot"))
    g.kill_all()
    fake.down()
    g.start()
    assert g.run("metadata", "app.rev").stdout.strip() == "1"
    done = g.run("signal", "--status", "SUCCESS", "--id", "dark", "boot")
    assert done.returncode == 0, done.stderr
    set_rev(fake, "2")
    fake.up()
    until("the hook", 30, lambda: g.hooks_run() == ["app post.add", "app post.update"])
    until("the signal", 60, lambda: "dark" in fake.handle("boot"))


def test_in_progress_waits(ctx):
    """A resource in progress runs no hook until it is done."""
    fake = serve(ctx)
    fake.configure({"stacks": {"web": {"resources": {"srv": {"status": "UPDATE_IN_PROGRESS"}}}}})
    g = agent(ctx, fake)
    until("a poll", 20, lambda: fake.requests)
    time.sleep(2)
    assert not g.hooks_run()
    fake.configure({"stacks": {"web": {"resources": {"srv": {"status": "UPDATE_COMPLETE"}}}}})
    until("the hook", 20, lambda: g.hooks_run() == ["app post.add"])


def test_big_document(ctx):
    """A document of 1 MiB reaches its hook by file."""
    text = "x" * (1 << 20)
    fake = serve(ctx, metadata={"app": text})
    g = ctx.guest("big")
    g.conf(CONF)
    g.give_block(block(fake))
    g.hook("app", "Resources.srv.Metadata.app", action="echo \"$(wc -c <$CFN_NEW_METADATA_FILE) ${CFN_NEW_METADATA:-unset}\" >>" + g.path("/hooks.log"))
    g.start()
    until("the hook", 30, lambda: g.hooks_run())
    assert g.hooks_run() == ["%d unset" % len(text)], g.hooks_run()[0][:100]


def test_only_known_hosts(ctx):
    """No connection goes anywhere but to the endpoint that Heat named (seen by the kernel's own table of sockets)."""
    fake = serve(ctx)
    g = agent(ctx, fake)
    seen = set()
    for _ in range(60):
        for pid in g.roles().values():
            try:
                with open("/proc/%d/net/tcp" % pid) as f:
                    seen.update((line.split()[2], line.split()[9]) for line in f.read().splitlines()[1:])
            except OSError:
                pass  # a short-lived child is gone
        time.sleep(0.05)
    inodes = set()
    for pid in g.roles().values():
        try:
            inodes.update(os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%d/fd" % pid))
        except OSError:
            pass
    assert inodes, "no descriptor of the agent was seen"
    ours = {remote for remote, inode in seen if "socket:[%s]" % inode in inodes}
    assert all(remote.endswith(":%04X" % fake.port) for remote in ours), ours
