"""The same stack given to os-collect-config with heat-agents' behaviour, and to ours."""
import json
import os
import shutil
import subprocess

import harness
from guest import until
from test_deployments import CONF, names, states

HERE = os.path.dirname(os.path.abspath(__file__))
STAND_IN = os.path.join(HERE, "..", "fakes", "heat_config.py")
RECORDER = """#!/bin/sh
# Keeps what it is given, answers in JSON.
mkdir -p ROOT/seen
cat >ROOT/seen/$$
echo noise >&2
echo '{"result": "recorded", "deploy_stdout": "out", "deploy_stderr": "", "deploy_status_code": 0}'
"""
PLAIN = """#!/bin/sh
cat >/dev/null
echo plain words
"""
# What must differ between two deployments of one config.
OWN = ("deploy_server_id", "deploy_resource_name", "deploy_signal_id")


def prepare(g):
    g.write("/usr/libexec/heat-config/hooks/recorder", RECORDER.replace("ROOT", g.root), 0o755)
    g.write("/usr/libexec/heat-config/hooks/plain", PLAIN, 0o755)


def seen(g):
    """What the recorder was given, without what must differ."""
    found = []
    for name in os.listdir(g.path("/seen")):
        entry = json.loads(g.read("/seen/" + name))
        for key in ("id", "name", "creation_time"):
            entry.pop(key)
        entry["inputs"] = sorted((one for one in entry["inputs"] if one["name"] not in OWN), key=lambda one: one["name"])
        found.append(entry)
    return sorted(found, key=lambda entry: json.dumps(entry, sort_keys=True))


def layout(g):
    """How many files of each kind there are below deployed, and with which mode."""
    folder = g.path("/var/lib/heat-config/deployed")
    return sorted((name.split(".", 1)[1], os.stat(os.path.join(folder, name)).st_mode & 0o777) for name in os.listdir(folder))


def run_collector(g, block):
    keys = "\n".join("%s = %s" % (k, str(v).replace("$", "$$")) for k, v in block["cfn"].items())
    conf = g.write("/occ.conf", "[DEFAULT]\ncommand = %s %s\ncachedir = %s\nbackup_cachedir = %s\ncollectors = cfn\n[cfn]\n%s\n" % (
        STAND_IN, g.root, g.path("/cache"), g.path("/backup"), keys), 0o600)
    os.makedirs(g.path("/cache"))
    return subprocess.run(["/usr/bin/os-collect-config", "--config-file", conf, "--one-time"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=120)


def block(ctx, name, server):
    def look():
        value = ctx.cloud.output(name, server)
        return value if (value.get("cfn") or {}).get("secret_access_key") else None
    return ctx.keep_block(until("credentials of " + server, 60, look, 0.3))


def listed(ctx, name, server):
    return ctx.cloud.metadata(name, server).get("deployments", [])


def test_same(ctx):
    """Same hooks, inputs, outputs, files and stack state as os-collect-config with heat-agents; changed over, nothing runs again"""
    if not shutil.which("os-collect-config"):
        raise harness.Skip("the package python3-os-collect-config is not installed")
    cloud, name = ctx.cloud, "pair-%d" % next(names)
    cloud.create(name, "deployments-pair.yaml")
    ctx.later(lambda: cloud.delete(name))
    cloud.made(name, "theirs", "ours")
    theirs, ours = ctx.guest("theirs"), ctx.guest("ours")
    prepare(theirs)
    prepare(ours)
    blocks = {server: block(ctx, name, server) for server in ("theirs", "ours")}
    until("all are listed", 60, lambda: all(len(listed(ctx, name, server)) == 3 for server in blocks), 0.5)
    done = run_collector(theirs, blocks["theirs"])
    assert done.returncode == 0 and os.path.isdir(theirs.path("/seen")), done.stdout
    ours.conf(CONF)
    ours.give_block(blocks["ours"])
    ours.start()
    cloud.wait(name, "CREATE_COMPLETE", 180)
    told = {who: cloud.output(name, "told_" + who) for who in ("theirs", "ours")}
    assert told["theirs"] == told["ours"] == {"a": "recorded", "b": "plain words\n", "c": "out"}, told
    assert len(seen(ours)) == 2 and seen(theirs) == seen(ours), (seen(theirs), seen(ours))
    assert layout(theirs) == layout(ours), (layout(theirs), layout(ours))
    # The other way: our agent takes over the guest of the other one.
    theirs.conf(CONF)
    theirs.give_block(blocks["theirs"])
    theirs.start()
    until("what was run is known", 120, lambda: len(states(theirs)) == 3 and set(states(theirs)) <= {"signalled", "foreign"})
    assert len(os.listdir(theirs.path("/seen"))) == 2
