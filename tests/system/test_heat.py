"""The main job against a real Keystone and Heat."""
import json
import os
import signal
import time

from guest import until
from harness import alone

CONF = """[metadata]
interval = 1s
splay = 0s
[signal]
boot-quiet = 2s
health-interval = 5m
"""
AGENT_PATH = "Resources.srv.Metadata.app"


def deploy(ctx, name, template="guest.yaml", transport="POLL_SERVER_CFN"):
    """A stack whose server's credentials exist; it stays in progress until its handles are signalled."""
    ctx.cloud.create(name, template, transport=transport)
    block = ctx.keep_block(ctx.cloud.block(name))
    ctx.later(lambda: ctx.cloud.delete(name))
    return block


def verify(g, public_key, data, server_id=None, *more):
    done = g.run("verify", "--key", public_key, *(["--id", server_id] if server_id else []), *more, stdin=json.dumps(data))
    return done.returncode, done.stdout + done.stderr


def full_life(ctx, name, transport, template="guest.yaml"):
    """Boot to COMPLETE by the agent's own signals, an update to its hooks, health that verifies."""
    block = deploy(ctx, name, template, transport)
    g = ctx.guest(name)
    g.conf(CONF)
    g.give_block(block)
    g.hook("app", AGENT_PATH)
    g.hook("rev", AGENT_PATH + ".rev", "post.update")
    g.hook("fixed", AGENT_PATH + ".fixed", "post.update,post.remove")
    g.start()
    until("post.add ran", 30, lambda: g.hooks_run() == ["app post.add"])
    ctx.cloud.wait(name, "CREATE_COMPLETE", 120)
    status = g.status()
    assert status["state"] in ("ok", "degraded") and status["boot_told"], status  # a busy machine is a finding
    boot = json.loads(ctx.cloud.output(name, "boot_data"))
    health = json.loads(ctx.cloud.output(name, "health_data"))
    assert list(boot) == [status["server_id"]] and list(health) == [status["server_id"]], (boot, health, status["server_id"])
    code, text = verify(g, status["key"], health, status["server_id"])
    assert code == 0, text
    forged = json.loads(json.dumps(health))
    one = forged[status["server_id"]]
    one = json.loads(one) if isinstance(one, str) else one
    one["state"] = "failing"
    code, text = verify(g, status["key"], {status["server_id"]: one}, status["server_id"])
    assert code == 10, text
    before = list(g.hooks_run())
    ctx.cloud.update(name, template, transport=transport, rev="2")
    until("the update's hooks ran", 60, lambda: len(g.hooks_run()) >= len(before) + 2)
    ctx.cloud.wait(name, "UPDATE_COMPLETE", 120)
    time.sleep(3)
    assert g.hooks_run() == before + ["app post.update", "rev post.update"], g.hooks_run()
    assert g.stop() == 0
    return g


def test_cfn_life(ctx):
    """By cfn: the boot signal completes the stack, an update runs the right hooks once, health verifies."""
    full_life(ctx, "cfn-life", "POLL_SERVER_CFN")


def test_heat_life(ctx):
    """By heat: the same with Keystone tokens."""
    full_life(ctx, "heat-life", "POLL_SERVER_HEAT")


def test_aws_handles(ctx):
    """Handles of the AWS kind are learned and told."""
    full_life(ctx, "aws-life", "POLL_SERVER_CFN", "guest-aws.yaml")


def test_aws_handles_by_heat(ctx):
    """Handles of the AWS kind are told with only a Keystone password."""
    full_life(ctx, "aws-heat", "POLL_SERVER_HEAT", "guest-aws.yaml")


def reaction(ctx, name, transport):
    block = deploy(ctx, name, transport=transport)
    g = ctx.guest(name)
    g.conf(CONF)
    g.give_block(block)
    g.hook("stamp", AGENT_PATH + ".rev", "post.update", "date +%s.%N >>" + g.path("/hooks.log"))
    g.start()
    ctx.cloud.wait(name, "CREATE_COMPLETE", 120)
    delays = []
    for rev in ("a", "b", "c"):
        seen = len(g.hooks_run())
        ctx.cloud.update(name, "guest.yaml", transport=transport, rev=rev)
        ctx.cloud.wait(name, "UPDATE_COMPLETE", 120)
        finished = time.time()
        until("the hook of revision %s" % rev, 20, lambda: len(g.hooks_run()) > seen, 0.02)
        delays.append(float(g.hooks_run()[-1]) - finished)
    assert max(delays) < 2, delays


@alone
def test_reaction_cfn(ctx):
    """From a finished stack update to the hook's start: under 2 s at a 1 s interval, by cfn."""
    reaction(ctx, "react-cfn", "POLL_SERVER_CFN")


@alone
def test_reaction_heat(ctx):
    """From a finished stack update to the hook's start: under 2 s at a 1 s interval, by heat."""
    reaction(ctx, "react-heat", "POLL_SERVER_HEAT")


@alone
def test_heat_outage(ctx):
    """Heat stopped and started again, with kill -9 in between: nothing accepted is lost."""
    block = deploy(ctx, "outage")
    g = ctx.guest("outage")
    g.conf(CONF)
    g.give_block(block)
    g.hook("app", AGENT_PATH)
    g.start()
    ctx.cloud.wait("outage", "CREATE_COMPLETE", 120)
    ctx.cloud.stop_heat()
    try:
        for word in ("one", "two"):
            done = g.run("signal", "--status", "SUCCESS", "--reason", "told later", "--data", '{"word":"%s"}' % word, "--id", word, "health")
            assert done.returncode == 0, done.stderr
        g.kill_all()
        g.start()
        assert g.status()["spool"]["depth"] >= 2
        g.kill_all()
    finally:
        ctx.cloud.start_heat()
    g.start()
    until("both signals are at Heat", 60, lambda: {"one", "two"} <= set(json.loads(ctx.cloud.output("outage", "health_data"))))
    until("the spool is empty", 30, lambda: g.status()["spool"]["depth"] == 0)
    ctx.cloud.update("outage", "guest.yaml", rev="2", transport="POLL_SERVER_CFN")
    ctx.cloud.wait("outage", "UPDATE_COMPLETE", 120)  # a Heat that has just begun takes its time
    until("the hook after the outage", 30, lambda: g.hooks_run() == ["app post.add", "app post.update"])


def test_suspend_resume(ctx):
    """Suspend looks like 403; resume heals by itself."""
    block = deploy(ctx, "sleepy")
    g = ctx.guest("sleepy")
    g.conf(CONF)
    g.give_block(block)
    g.hook("app", AGENT_PATH)
    g.start()
    ctx.cloud.wait("sleepy", "CREATE_COMPLETE", 120)
    ctx.cloud.action("sleepy", "suspend")
    ctx.cloud.wait("sleepy", "SUSPEND_COMPLETE", 120)
    until("the refusal is named", 30, lambda: any("403" in p["text"] or "refuse" in p["text"] for p in g.status()["problems"]))
    ctx.cloud.action("sleepy", "resume")
    ctx.cloud.wait("sleepy", "RESUME_COMPLETE", 120)
    until("the source is well again", 150, lambda: all(s["state"] == "ok" for s in g.status()["sources"]), 1)
    assert g.hooks_run() == ["app post.add"], g.hooks_run()


def test_boot_told_once(ctx):
    """The boot result is told once per server, not again after a restart of the agent."""
    block = deploy(ctx, "once")
    g = ctx.guest("once")
    g.conf(CONF)
    g.give_block(block)
    g.start()
    ctx.cloud.wait("once", "CREATE_COMPLETE", 120)
    first = ctx.cloud.metadata("once", "boot")
    g.stop()
    g.start()
    time.sleep(6)
    assert ctx.cloud.metadata("once", "boot") == first
    assert g.status()["boot_told"]


def test_failed_boot(ctx):
    """A hook that gives up makes the boot fail, and the stack with it."""
    block = deploy(ctx, "sick")
    g = ctx.guest("sick")
    g.conf(CONF + "[hooks]\ntries = 2\nretry = 1s\n")
    g.give_block(block)
    g.hook("bad", AGENT_PATH, action="exit 3")
    g.start()
    end = time.monotonic() + 90
    while "FAILED" not in ctx.cloud.show("sick")["stack_status"]:
        assert time.monotonic() < end, "the stack did not fail"
        time.sleep(0.5)
    assert "bad" in json.dumps(ctx.cloud.metadata("sick", "boot")), ctx.cloud.metadata("sick", "boot")


def test_presigned_url(ctx):
    """cfn-signal and `heat-pulse signal` tell a presigned URL; the URL is in no log and no argument list of ours."""
    deploy(ctx, "presigned", "guest-aws.yaml")
    ctx.cloud.made("presigned", "boot")
    url = ctx.cloud.output("presigned", "boot_url")
    ctx.secret(url.split("Signature=")[1].split("&")[0])
    g = ctx.guest("presigned")
    done = g.run("cfn-signal", "-e", "0", "-r", "up", "-d", "data", "-i", "id-1", "-", stdin=url + "\n")
    assert done.returncode == 0, done.stderr
    assert "id-1" in json.dumps(ctx.cloud.metadata("presigned", "boot"))
    done = g.run("signal", "--status", "SUCCESS", "--id", "id-2", "-", stdin=url + "\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "id-2" in json.dumps(ctx.cloud.metadata("presigned", "boot"))
    done = g.run("cfn-signal", "-e", "0", "-", stdin=url.replace("Signature=", "Signature=x") + "\n")
    assert done.returncode != 0
    assert url.split("Signature=")[1][:12] not in done.stdout + done.stderr


def test_classic_credentials(ctx):
    """cfn-hup's own files: credential file, metadata server URL, several resources; idle polls fire nothing."""
    deploy(ctx, "classic", "guest-aws.yaml")
    ctx.cloud.made("classic", "keys", "other")
    access, secret = ctx.cloud.output("classic", "access"), ctx.cloud.output("classic", "secret")
    ctx.secret(secret)
    g = ctx.guest("classic")
    g.conf(CONF)
    g.give_cfn_hup("http://127.0.0.1:%d/v1/" % ctx.cloud.ports["cfn"], "classic", access, secret)
    g.hook("srv", "Resources.srv.Metadata.app")
    g.hook("other", "Resources.other.Metadata")
    for _ in range(3):
        done = g.run("cfn-hup", "-f")
        assert done.returncode == 0, done.stderr
    assert sorted(g.hooks_run()) == ["other post.add", "srv post.add"], g.hooks_run()
    assert os.path.exists(g.path("/var/lib/heat-pulse/state"))


def test_stopped_by_signal(ctx):
    """SIGTERM ends runner and roles at once and with exit code 0."""
    g = ctx.guest("local")
    g.conf("[metadata]\nsource = local\n[local]\nfile = /etc/heat-pulse/metadata.json\n")
    g.write("/etc/heat-pulse/metadata.json", "{}")
    g.start()
    pids = g.roles()
    assert len(pids) >= 4, pids
    assert g.stop(signal.SIGTERM, 5) == 0
    assert not any(os.path.exists("/proc/%d" % pid) for pid in pids.values())
