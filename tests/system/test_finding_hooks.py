"""A finding starts a hook: from a process that metadata want watched to the hook's environment and file."""
import json
import os
import shutil
import subprocess
import time

from guest import until
from test_rights import LOCAL, find_role, local_guest

NAME = "hp-wanted"  # 15 bytes are what the kernel keeps of a name
SHOW = "echo $CFN_HOOK_NAME $HEAT_PULSE_CLASS $HEAT_PULSE_ENTITY $HEAT_PULSE_LEVEL $HEAT_PULSE_EVENT >>%s"
METADATA = "/etc/heat-pulse/metadata.json"


def watching(ctx):
    g = local_guest(ctx, conf=LOCAL + "[sample]\ninterval = 1s\nprocess-interval = 1s\n")
    g.write(METADATA, json.dumps({"heat-pulse": {"watch": {"processes": [NAME]}}}))
    return g


def show(g):
    return SHOW % g.path("/hooks.log")


def about(g, name):
    """Lines about the watched process: the machine may have troubles of its own."""
    return [line for line in g.hooks_run() if name in line]


def test_process_down(ctx):
    """A watched process that is missing starts the hook that wants it, once; its return starts the one on closed."""
    g = watching(ctx)
    g.write("/etc/cfn/hooks.d/findings.conf",
            "[finding.process_down]\naction=%s; cp $CFN_NEW_METADATA_FILE %s; echo $CFN_TRIGGER >%s\n"
            "[finding.*]\nlevels=critical\non=closed\naction=%s\n[finding.oom_kill]\naction=%s\n" %
            (show(g), g.path("/finding.json"), g.path("/trigger"), show(g), show(g)))
    opened = "finding.process_down process_down %s critical opened" % NAME
    g.start()
    until("the hook", 30, lambda: about(g, NAME) == [opened])
    until("its end", 10, lambda: g.read("/trigger") == "finding\n")
    told = json.loads(g.read("/finding.json"))
    assert {k: told[k] for k in ("class", "entity", "level", "event")} == {
        "class": "process_down", "entity": NAME, "level": "critical", "event": "opened"}, told
    assert abs(told["time"] - time.time()) < 60 and "no process" in told["evidence"], told
    assert any(f["class"] == "process_down" for f in g.status()["findings"])
    g.stop()
    g.start()
    time.sleep(5)
    assert about(g, NAME) == [opened], "what was told was told again: %s" % g.hooks_run()
    shutil.copy("/bin/sleep", g.path("/" + NAME))
    wanted = subprocess.Popen([g.path("/" + NAME), "120"])
    ctx.later(lambda: (wanted.kill(), wanted.wait()))
    until("the end of it", 180, lambda: about(g, NAME)[1:] == ["finding.* process_down %s critical closed" % NAME])


def test_killed(ctx):
    """Killed while the hook runs, the agent waits for that run and starts no second one."""
    g = watching(ctx)
    g.write("/etc/cfn/hooks.d/findings.conf", "[finding.process_down]\naction=%s; sleep 3; echo %s end >>%s\n" % (show(g), NAME, g.path("/hooks.log")))
    g.start()
    until("the hook", 30, lambda: len(about(g, NAME)) == 1)
    os.kill(find_role(g, "agent"), 9)
    until("the end of the run", 15, lambda: len(about(g, NAME)) == 2)
    until("the agent is back", 15, lambda: g.run("status").returncode == 0)
    time.sleep(4)
    assert len(about(g, NAME)) == 2, g.hooks_run()


def test_bad_section(ctx):
    """A section for a class that is none, or with keys of other hooks, is named with file and line; the others run."""
    g = watching(ctx)
    g.write("/etc/cfn/hooks.d/findings.conf", "[finding.process_dwon]\naction=true\n[finding.oom_kill]\naction=true\ntriggers=post.add\n"
            "[finding.process_down]\naction=%s\n" % show(g))
    done = g.run("check")
    for word in ("findings.conf:1: [finding.process_dwon]", "findings.conf:5: [finding.oom_kill]", "hook finding.process_down on findings"):
        assert word in done.stdout + done.stderr, (word, done)
    g.start()
    until("the good one", 30, lambda: len(about(g, NAME)) == 1)
