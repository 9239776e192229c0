"""Deployments by a real Heat: run once, in order, by the hooks of their groups, and told."""
import itertools
import json
import os

from guest import until
from harness import alone

CONF = """[metadata]
interval = 1s
splay = 0s
[deployments]
enabled = yes
"""
SCRIPT = """#!/bin/sh
echo "$deploy_action $rev $list" >>ROOT/ran
printf 'made by %s' "$rev" >$heat_outputs_path.result
echo some words
echo other words >&2
"""
WAITS = """#!/bin/sh
echo "$deploy_action $rev" >>ROOT/ran
while [ ! -e ROOT/go ]; do sleep 0.1; done
echo gone
"""
names = itertools.count()


class Stack:
    """A stack of one server, and what its guest needs to know. A test that is tried again gets a name of its own."""

    def __init__(self, ctx, word, template, **parameters):
        self.ctx, self.cloud = ctx, ctx.cloud
        self.name = "%s-%d" % (word, next(names))
        self.template, self.parameters = template, parameters
        self.guest = ctx.guest(self.name)
        self.parameters = {k: v.replace("ROOT", self.guest.root) for k, v in parameters.items()}
        self.cloud.create(self.name, template, **self.parameters)
        ctx.later(self.drop)
        self.block = ctx.keep_block(self.cloud.block(self.name))

    def drop(self):
        try:
            self.cloud.delete(self.name)
        except RuntimeError:
            pass  # deleted by the test

    def start(self, conf=CONF):
        self.guest.conf(conf)
        self.guest.give_block(self.block)
        self.guest.start()
        return self.guest

    def update(self, **parameters):
        self.parameters.update(parameters)
        self.cloud.update(self.name, self.template, **self.parameters)

    def wait(self, status, seconds=90):
        return self.cloud.wait(self.name, status, seconds)

    def output(self, key):
        return self.cloud.output(self.name, key)

    def entries(self, count=1):
        """Heat's own list of deployments, with the secrets in it."""
        return until("%d deployments" % count, 60, lambda: self.listed() if len(self.listed()) == count else None, 0.5)

    def listed(self):
        return self.cloud.metadata(self.name, "srv").get("deployments", [])

    def deployments(self):
        """What became of the server's deployments, as Heat's API has it."""
        self.server = getattr(self, "server", None) or self.resource("srv")["physical_resource_id"]
        return self.cloud.ask("GET", "/software_deployments?server_id=" + self.server)["software_deployments"]

    def resource(self, name):
        stack = self.cloud.show(self.name)
        return self.cloud.ask("GET", "/stacks/%s/%s/resources/%s" % (self.name, stack["id"], name))["resource"]


def ran(g):
    return g.read("/ran").split("\n")[:-1]


def states(g):
    return [one["state"] for one in (g.status() or {}).get("deployments", [])]


def life(ctx, word, transport, how):
    """CREATE, UPDATE and DELETE of one deployment; outputs as the old hook has them."""
    stack = Stack(ctx, word, "deployments.yaml", transport=transport, signal=how, config=SCRIPT, actions="CREATE,UPDATE,DELETE")
    g = stack.start()
    stack.wait("CREATE_COMPLETE")
    assert ran(g) == ['CREATE 1 [1, "two"]'], ran(g)
    stack.deployments()
    told = [stack.output(key) for key in ("result", "stdout", "stderr")]
    assert told == ["made by 1", "some words\n", "other words\n"] and int(stack.output("code")) == 0, told
    until("it is noted as told", 20, lambda: states(g) == ["signalled"])
    stack.update(rev="2")
    stack.wait("UPDATE_COMPLETE")
    assert ran(g)[1:] == ['UPDATE 2 [1, "two"]'], ran(g)
    files = sorted(os.listdir(g.path("/var/lib/heat-config/deployed")))
    assert len(files) == 4 and sum(f.endswith(".notify.json") for f in files) == 2, files
    stack.drop()
    until("the action DELETE ran", 60, lambda: ran(g)[2:] == ['DELETE 2 [1, "two"]'])
    # Heat looks for the server in Nova then, which is not there: that is as far as its own part can be seen.
    until("Heat has heard of it", 60, lambda: [d["status"] for d in stack.deployments()] == ["COMPLETE"], 0.5)


def test_cfn_signal(ctx):
    """By cfn: a script is deployed, changed and taken away, its outputs are the stack's (CFN_SIGNAL)"""
    life(ctx, "dep-cfn", "POLL_SERVER_CFN", "CFN_SIGNAL")


def test_heat_signal(ctx):
    """By heat: the same, told by the deployment's own user (HEAT_SIGNAL)"""
    life(ctx, "dep-heat", "POLL_SERVER_HEAT", "HEAT_SIGNAL")


def test_kinds(ctx):
    """Component, json-file, heat-pulse and NO_SIGNAL in one stack; 6.5 MB of output are cut to their ends"""
    stack = Stack(ctx, "dep-kinds", "deployments-many.yaml", root="ROOT")
    g = stack.start()
    stack.wait("CREATE_COMPLETE")
    out, err = stack.output("loud_out"), stack.output("loud_err")
    assert out.endswith("x\ufffd the end") and len(out) < 1 << 20, (len(out), out[-40:])
    assert err.endswith('""') and len(json.dumps(out)) + len(json.dumps(err)) < 1 << 20, len(err)
    assert stack.output("component") == "made\n"
    assert json.loads(g.read("/etc/app.json")) == {"port": 80}, g.read("/etc/app.json")
    until("all are over", 20, lambda: states(g) == ["signalled"] * 5)
    assert g.read("/agent.log").count("settings from metadata") >= 1
    assert "deployments:" in g.run("status").stdout


def test_failures(ctx):
    """A failing script, an error output and a group that nothing serves fail the stack, each with its reason"""
    stack = Stack(ctx, "dep-bad", "deployments-bad.yaml")
    stack.start()
    until("the stack failed", 90, lambda: stack.cloud.show(stack.name)["stack_status"] == "CREATE_FAILED", 0.5)
    until("all three failed", 60, lambda: all(stack.resource(r)["resource_status"] == "CREATE_FAILED" for r in "abc"), 0.5)
    reasons = {r: stack.resource(r)["resource_status_reason"] for r in "abc"}
    assert "non-zero status code: 6" in reasons["a"], reasons
    assert "non-zero status code: 127" in reasons["b"], reasons
    assert "it is wrong" in reasons["c"], reasons
    printed = [d["output_values"].get("deploy_stderr") for d in stack.deployments()]
    assert any("no hook serves the group no-such-tool" in (text or "") for text in printed) and "why not\n" in printed, printed


def locally(stack, spoil):
    """The guest gets Heat's list by file, after spoil() has changed the inputs that say how it is told."""
    entries = stack.entries()
    values = {one["name"]: one for one in entries[0]["inputs"]}
    spoil(values)
    stack.ctx.secret(*[values[n]["value"] for n in ("deploy_password", "deploy_signal_id") if n in values])
    stack.guest.write("/etc/heat-pulse/metadata.json", json.dumps({"deployments": entries}), 0o600)
    return stack.start(CONF.replace("[metadata]", "[metadata]\nsource = local") + "[local]\nfile = /etc/heat-pulse/metadata.json\n")


def test_expired_url(ctx):
    """A URL that has died is signed anew with the guest's own keys (CFN_SIGNAL)"""
    def spoil(values):
        url = values["deploy_signal_id"]["value"]
        assert "Timestamp=20" in url, url
        values["deploy_signal_id"]["value"] = url.replace("Timestamp=20", "Timestamp=19")
    stack = Stack(ctx, "dep-expired", "deployments.yaml", config=SCRIPT)
    g = locally(stack, spoil)
    stack.wait("CREATE_COMPLETE")
    assert ran(g) == ['CREATE 1 [1, "two"]'], ran(g)


def test_refused_user(ctx):
    """Where the deployment's user is refused the guest's own tells it (HEAT_SIGNAL)"""
    def spoil(values):
        values["deploy_password"]["value"] = "a-password-that-is-wrong"
    stack = Stack(ctx, "dep-user", "deployments.yaml", config=SCRIPT, transport="POLL_SERVER_HEAT", signal="HEAT_SIGNAL")
    locally(stack, spoil)
    stack.wait("CREATE_COMPLETE")


@alone
def test_heat_restarts(ctx):
    """Heat stops while the hook runs, the agent is killed: the result is told when Heat is back, the hook ran once"""
    stack = Stack(ctx, "dep-outage", "deployments.yaml", config=WAITS)
    g = stack.start()
    until("the hook runs", 60, lambda: ran(g))
    until("status says so", 20, lambda: states(g) == ["running"])
    stack.deployments()  # while the stack can be asked
    stack.cloud.stop_heat()
    try:
        g.kill_all()
        g.write("/go", "")
        g.start()
        until("the result waits to be told", 30, lambda: states(g) == ["done"])
    finally:
        stack.cloud.start_heat()
    until("it is told", 60, lambda: states(g) == ["signalled"])
    assert ran(g) == ["CREATE 1"], ran(g)
    # A bus in memory forgets who waits for the stack: the deployment itself says what became of it.
    found = stack.deployments()
    assert [(one["status"], one["output_values"]["deploy_stdout"]) for one in found] == [("COMPLETE", "gone\n")], found


def test_switched_off(ctx):
    """Not enabled, or behind the kill switch, nothing is run, and status says why; enabled again it runs"""
    stack = Stack(ctx, "dep-off", "deployments.yaml", config=SCRIPT)
    g = stack.guest
    g.write("/etc/heat-pulse/hooks.disabled", "")
    stack.start()
    until("it waits", 30, lambda: states(g) == ["disabled"])
    assert not ran(g)
    os.unlink(g.path("/etc/heat-pulse/hooks.disabled"))
    stack.wait("CREATE_COMPLETE")
    assert ran(g) == ['CREATE 1 [1, "two"]'], ran(g)
    g.stop()
    stack.start(CONF.replace("enabled = yes", "enabled = no"))
    stack.update(rev="2")
    until("the problem is named", 30, lambda: any(p["code"] == "deployments" for p in g.status()["problems"]))
    assert len(ran(g)) == 1, ran(g)


def test_notify(ctx):
    """heat-config-notify tells the result on its stdin, without an agent, as scripts of heat-agents' time use it"""
    stack = Stack(ctx, "dep-notify", "deployments.yaml", config=SCRIPT)
    entry = stack.entries()[0]
    ctx.secret(*[one["value"] for one in entry["inputs"] if one["name"] == "deploy_signal_id"])
    stack.guest.write("/deployed.json", json.dumps(entry), 0o600)
    done = stack.guest.run("heat-config-notify", "/deployed.json", stdin=json.dumps({"result": "by hand", "deploy_status_code": 0}))
    assert done.returncode == 0, done.stderr
    stack.wait("CREATE_COMPLETE")
    assert stack.output("result") == "by hand"


def test_suspend(ctx):
    """The action SUSPEND is run before the stack sleeps and the guest's users with it, and RESUME when they wake"""
    stack = Stack(ctx, "dep-suspend", "deployments.yaml", config=SCRIPT, actions="CREATE,SUSPEND,RESUME")
    g = stack.start()
    stack.wait("CREATE_COMPLETE")
    stack.cloud.action(stack.name, "suspend")
    stack.wait("SUSPEND_COMPLETE")
    assert ran(g) == ['CREATE 1 [1, "two"]', 'SUSPEND 1 [1, "two"]'], ran(g)
    until("the guest is refused", 60, lambda: any(one["state"] != "ok" for one in g.status()["sources"]))
    stack.cloud.action(stack.name, "resume")
    stack.wait("RESUME_COMPLETE")
    assert ran(g)[2:] == ['RESUME 1 [1, "two"]'], ran(g)
