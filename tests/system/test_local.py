"""Hooks and configuration with the local source: reload, the kill switch, bad files, power cuts, questions to the agent."""
import json
import os
import random
import signal
import subprocess
import time

from guest import until
from harness import argument_lists
from test_rights import LOCAL, local_guest

METADATA = "/etc/heat-pulse/metadata.json"


def set_metadata(g, value):
    """Written beside and renamed, as editors and configuration tools do."""
    g.write(METADATA + ".new", json.dumps(value))
    os.rename(g.path(METADATA + ".new"), g.path(METADATA))


def test_local_and_inotify(ctx):
    """A change of the local file fires its hook at once, not at the next poll."""
    g = local_guest(ctx, conf=LOCAL.replace("interval = 1s", "interval = 10m"))
    g.hook("app", "Resources.local.Metadata.app")
    g.start()
    until("post.add", 10, lambda: g.hooks_run() == ["app post.add"])
    set_metadata(g, {"app": 2})
    until("post.update", 3, lambda: g.hooks_run() == ["app post.add", "app post.update"])
    set_metadata(g, {"other": 2})
    until("post.remove", 3, lambda: g.hooks_run()[-1] == "app post.remove")
    set_metadata(g, {"app": None})
    until("null is a value", 3, lambda: len(g.hooks_run()) == 4 and g.hooks_run()[-1] == "app post.add")


def test_bad_metadata(ctx):
    """Broken, too deep and impossible JSON costs one clear line each; the last good document stays."""
    g = local_guest(ctx)
    g.hook("app", "Resources.local.Metadata.app")
    g.start()
    until("post.add", 10, lambda: len(g.hooks_run()) == 1)
    for text, word in (("{", "JSON"), ("[" * 1000 + "]" * 1000, "deep"), ('{"app": NaN}', "NaN"), ('{"app": 99999999999999999999}', "app"),
                       ('{"app": "\\u0000"}', "app"), ('{"app": "\\ud800"}', "app")):
        g.write(METADATA, text)
        until("the problem of %s" % text[:20], 10, lambda: any(word in json.dumps(p) for p in g.status()["problems"]))
        assert g.run("metadata", "app").stdout.strip() == "1"
        set_metadata(g, {"app": 1})
        until("recovery", 10, lambda: all(s["state"] == "ok" for s in g.status()["sources"]))
    assert g.hooks_run() == ["app post.add"], g.hooks_run()


def test_kill_switch(ctx):
    """With hooks.disabled nothing runs and status says so; removed, what waited runs."""
    g = local_guest(ctx)
    g.hook("app", "Resources.local.Metadata.app")
    g.write("/etc/heat-pulse/hooks.disabled", "")
    g.start()
    until("status says so", 10, lambda: any(p["code"] == "hooks-disabled" for p in g.status()["problems"]))
    time.sleep(2)
    assert not g.hooks_run()
    os.unlink(g.path("/etc/heat-pulse/hooks.disabled"))
    until("what waited runs", 10, lambda: g.hooks_run() == ["app post.add"])
    g.write("/etc/heat-pulse/hooks.disabled", "")
    until("it is off again", 10, lambda: g.status()["hooks_disabled"])
    set_metadata(g, {"app": 5})
    time.sleep(2)
    assert len(g.hooks_run()) == 1


def test_hook_files_reload(ctx):
    """A new hook file is read at once; a bad one disables itself, names file and line, and stops nothing else."""
    g = local_guest(ctx)
    g.hook("app", "Resources.local.Metadata.app")
    g.start()
    until("post.add", 10, lambda: len(g.hooks_run()) == 1)
    g.write("/etc/cfn/hooks.d/bad.conf", "[bad]\ntriggers=post.update\nno equals sign here\n")
    g.hook("second", "Resources.local.Metadata")
    until("the second hook", 10, lambda: "second post.add" in g.hooks_run())
    until("the bad file is named", 10, lambda: "bad.conf:3" in g.log())
    done = g.run("check")
    assert "bad.conf" in done.stdout and done.returncode in (0, 4), done.stdout
    set_metadata(g, {"app": 2})
    until("both run", 10, lambda: set(g.hooks_run()[-2:]) == {"app post.update", "second post.update"})


def test_hook_file_of_any_name(ctx):
    """A file's name may be any bytes, here Latin-1: its hooks run, and what is wrong in it is told in JSON, too."""
    g = local_guest(ctx)
    g.write("/etc/cfn/hooks.d/caf\udce9.conf", "[bad]\ntriggers=never\npath=x\naction=true\n"
            f"[good]\npath=Resources.local.Metadata.app\ntriggers=post.add\naction=echo good >>{g.path('/ran')}\n")
    g.start()
    until("the hook", 10, lambda: os.path.exists(g.path("/ran")))
    lines = [json.loads(line) for line in g.run("check", "--json").stdout.splitlines()]
    assert any("caf\\xe9.conf" in one["text"] for one in lines), lines
    assert any("caf\\xe9.conf" in one["text"] for one in g.status()["problems"]), g.status()["problems"]


def test_writable_files_refused(ctx):
    """Hook files or folders that others may write to are refused with the reason."""
    g = local_guest(ctx)
    g.hook("app", "Resources.local.Metadata.app")
    os.chmod(g.path("/etc/cfn/hooks.d/app.conf"), 0o666)
    g.start()
    until("the reason", 10, lambda: "app.conf" in g.log() and "writ" in g.log())
    time.sleep(2)
    assert not g.hooks_run()
    os.chmod(g.path("/etc/cfn/hooks.d/app.conf"), 0o644)
    until("accepted", 10, lambda: g.hooks_run() == ["app post.add"])
    os.chmod(g.path("/etc/cfn/hooks.d"), 0o777)
    g.child.send_signal(signal.SIGHUP)
    until("the folder is refused", 10, lambda: not g.status()["hooks"])


def test_reload_conf(ctx):
    """SIGHUP reads the configuration again; a running hook is neither killed nor run twice."""
    g = local_guest(ctx)
    g.hook("slow", "Resources.local.Metadata.app", action="echo start >>%s; sleep 4; echo end >>%s" % ((g.path("/hooks.log"),) * 2))
    g.start()
    until("the hook started", 10, lambda: g.hooks_run() == ["start"])
    g.conf(LOCAL + "health-interval = 10m\n")
    g.child.send_signal(signal.SIGHUP)
    until("reloaded", 10, lambda: "configuration reloaded" in g.log())
    until("the hook ended", 15, lambda: g.hooks_run() == ["start", "end"])
    time.sleep(3)
    assert g.hooks_run() == ["start", "end"], g.hooks_run()


def test_reload_user(ctx):
    """Another user is not taken from a process that runs: it is said when it counts."""
    g = local_guest(ctx)
    g.start()
    g.conf(LOCAL + "[agent]\nuser = daemon\n")
    until("it is told", 10, lambda: "[agent] user = daemon counts when the service is started again" in g.log())
    before = g.log().count("user = daemon")
    g.conf(LOCAL + "[agent]\nuser = daemon\nlog-level = debug\n")
    until("reloaded again", 10, lambda: g.log().count("configuration reloaded") > 1)
    assert g.log().count("user = daemon") == before == 1, g.log()


def test_reload_watches(ctx):
    """A folder of hooks that the configuration names later is watched from then on, as the first one was."""
    g = local_guest(ctx)
    os.makedirs(g.path("/etc/other/hooks.d"))
    g.start()
    g.conf(LOCAL + "[hooks]\nconf-dir = /etc/other\n")
    until("reloaded", 10, lambda: "configuration reloaded" in g.log())
    g.write("/etc/other/hooks.d/late.conf", "[late]\npath=Resources.local.Metadata.app\ntriggers=post.add\naction=echo late >>%s\n" % g.path("/hooks.log"))
    until("the late hook", 15, lambda: g.hooks_run() == ["late"])


def test_hook_survives_stop(ctx):
    """Stopping the agent lets its hook finish; the next agent does not run it again."""
    g = local_guest(ctx)
    g.hook("slow", "Resources.local.Metadata.app", action="echo start >>%s; sleep 4; echo end >>%s" % ((g.path("/hooks.log"),) * 2))
    g.start()
    until("the hook started", 10, lambda: g.hooks_run() == ["start"])
    assert g.stop() == 0
    g.start()
    until("the hook ended", 15, lambda: g.hooks_run() == ["start", "end"])
    time.sleep(3)
    assert g.hooks_run() == ["start", "end"], g.hooks_run()


def count_runs(g):
    return {word: g.read("/runs.log").split().count(word) for word in set(g.read("/runs.log").split())}


def test_power_cuts(ctx):
    """kill -9 of everything at random points: a finished hook is not run again for the same change, none is lost, order is kept."""
    rounds = 40 if os.environ.get("HEAT_PULSE_DEEP") != "1" else 2000
    g = local_guest(ctx, metadata=json.dumps({"app": 0}))
    g.hook("count", "Resources.local.Metadata.app", action="cat $CFN_NEW_METADATA_FILE >>%s; echo >>%s" % ((g.path("/runs.log"),) * 2))
    chance = random.Random(20)
    for number in range(1, rounds + 1):
        g.start(wait=False)
        time.sleep(chance.uniform(0, 0.5))
        set_metadata(g, {"app": number})
        time.sleep(chance.uniform(0, 0.4))
        g.kill_all()
    g.start()
    until("the last value", 30, lambda: g.read("/runs.log").split()[-1:] == [str(rounds)])
    time.sleep(2)
    values = [int(v) for v in g.read("/runs.log").split()]
    assert values == sorted(values), values
    # A change may be skipped over when a newer one came before it was seen. One that ran did so once.
    assert len(values) == len(set(values)), values


def test_secrets_not_in_arguments(ctx):
    """No argument list of any process shows a signed URL."""
    g = ctx.guest("args")
    url = "http://127.0.0.1:9/v1/waitcondition/arn?Signature=verysecretsignature"
    child = subprocess.Popen([os.environ["HP_BIN"], "cfn-signal", "--root", g.root, "--timeout", "3s", "-e", "0", "-"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    child.stdin.write(url + "\n")
    child.stdin.close()
    time.sleep(1)
    assert not any("verysecretsignature" in line for line in argument_lists())
    code = child.wait(20)
    text = child.stdout.read() + child.stderr.read()
    assert code != 0 and "verysecretsignature" not in text, text


def test_one_agent(ctx):
    """A second agent and a cron job's cfn-hup leave the work to the first: exit 0, nothing run."""
    g = local_guest(ctx)
    g.hook("app", "Resources.local.Metadata.app")
    g.start()
    until("post.add", 10, lambda: len(g.hooks_run()) == 1)
    assert g.run("cfn-hup").returncode == 0
    assert g.run("run", "--for", "2s").returncode == 0
    assert len(g.hooks_run()) == 1


def test_status_and_codes(ctx):
    """status, check, sample, metadata: forms and exit codes with and without an agent."""
    g = local_guest(ctx, metadata='{"app": {"password": "hunter22", "x": 1}}')
    assert g.run("status").returncode == 5
    assert g.run("metadata").returncode == 1
    g.start()
    until("the document", 10, lambda: g.run("metadata").returncode == 0)
    status = g.status()
    for key in ("v", "state", "risk", "horizon_s", "seq", "key", "server_id", "sources", "sinks", "spool", "findings", "forecasts", "hooks", "problems"):
        assert key in status, key
    assert g.run("status").returncode == 0
    assert "hunter22" not in g.run("metadata").stdout and "hunter22" in g.run("metadata", "--secrets").stdout
    assert g.run("metadata", "app.x").stdout == "1\n"
    assert g.run("metadata", "app.nothing").returncode == 1
    sample = json.loads(g.run("sample", "--json").stdout.splitlines()[0])
    assert sample["v"] == 1, sample
    for form in ("text", "json", "monasca", "prometheus"):
        done = g.run("sample", "--format", form)
        assert done.returncode == 0 and done.stdout, (form, done.stderr)
    assert g.run("sample", "--format", "xml").returncode == 2
    for line in g.run("check", "--json").stdout.splitlines():
        assert json.loads(line)["v"] == 1
    for command in ("run", "status", "check", "sample", "metadata", "signal", "verify", "cfn-hup", "cfn-signal", "cfn-get-metadata", "cfn-create-aws-symlinks"):
        assert g.run(command, "--help").returncode == 0, command
        assert g.run(command, "--no-such-option").returncode == 2, command
