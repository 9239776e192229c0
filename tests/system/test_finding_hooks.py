"""A finding starts a hook: from a process that metadata want watched to the hook's environment and file."""
import json
import os
import re
import shutil
import subprocess
import time

from guest import until
from test_rights import LOCAL, find_role, local_guest

SHOW = "echo $CFN_HOOK_NAME $HEAT_PULSE_CLASS $HEAT_PULSE_ENTITY $HEAT_PULSE_LEVEL $HEAT_PULSE_EVENT >>%s"
METADATA = "/etc/heat-pulse/metadata.json"
KEPT = "/var/lib/heat-pulse/state/findings"


def watching(ctx):
    g = local_guest(ctx, conf=LOCAL + "[sample]\ninterval = 1s\nprocess-interval = 1s\n")
    # A name of its own: tests run side by side. 15 bytes are what the kernel keeps of it.
    g.wanted = "hp-w-" + os.path.basename(g.root)[-8:]
    g.write(METADATA, json.dumps({"heat-pulse": {"watch": {"processes": [g.wanted]}}}))
    return g


def show(g):
    return SHOW % g.path("/hooks.log")


def about(g):
    """Lines about the watched process: the machine may have troubles of its own."""
    return [line for line in g.hooks_run() if g.wanted in line]


def test_process_down(ctx):
    """A watched process that is missing starts the hook that wants it, once; its return starts the one on closed; missing again within
    the hour, it is told no more, whether the agent was started anew or not."""
    g = watching(ctx)
    g.write("/etc/cfn/hooks.d/findings.conf",
            "[finding.process_down]\naction=%s; cp $CFN_NEW_METADATA_FILE %s; echo $CFN_TRIGGER >%s\n"
            "[finding.*]\nlevels=critical\non=closed\naction=%s\n[finding.oom_kill]\naction=%s\n" %
            (show(g), g.path("/finding.json"), g.path("/trigger"), show(g), show(g)))
    opened = "finding.process_down process_down %s critical opened" % g.wanted
    g.start()
    until("the hook", 30, lambda: about(g) == [opened])
    until("its end", 10, lambda: g.read("/trigger") == "finding\n")
    told = json.loads(g.read("/finding.json"))
    assert {k: told[k] for k in ("class", "entity", "level", "event")} == {
        "class": "process_down", "entity": g.wanted, "level": "critical", "event": "opened"}, told
    assert abs(told["time"] - time.time()) < 60 and "no process" in told["evidence"], told
    assert any(f["class"] == "process_down" for f in g.status()["findings"])
    g.stop()
    g.start()
    time.sleep(5)
    assert about(g) == [opened], "what was told was told again: %s" % g.hooks_run()
    shutil.copy("/bin/sleep", g.path("/" + g.wanted))
    wanted = subprocess.Popen([g.path("/" + g.wanted), "120"])
    ctx.later(lambda: (wanted.kill(), wanted.wait()))
    both = [opened, "finding.* process_down %s critical closed" % g.wanted]
    until("the end of it", 180, lambda: about(g) == both)
    g.stop()
    g.start()
    wanted.kill()
    wanted.wait()
    until("it is found", 30, lambda: any(f["entity"] == g.wanted for f in (g.status() or {"findings": []})["findings"]))
    time.sleep(3)
    assert about(g) == both, "what was told within the hour was told again: %s" % g.hooks_run()


def is_counted(g, told, more):
    day = re.search(r"^day\t\d+\t(\d+)\t(\d+)$", g.read(KEPT), re.M)
    return day and int(day.group(1)) >= told and (int(day.group(2)) > 0 or not more)


def test_budget_of_all_lives(ctx):
    """An agent that is killed again and again tells no more critical findings of a day than one that lives on: 48, and once that there are more."""
    g = watching(ctx)
    per_life, lives = 16, 5
    for life in range(lives):
        names = ["hp-%d-%d-%s" % (life, i, g.wanted[-5:]) for i in range(per_life)]
        g.write(METADATA, json.dumps({"heat-pulse": {"watch": {"processes": names}}}))
        if life:
            os.kill(find_role(g, "agent"), 9)
        else:
            g.start()
        until("all are found", 60, lambda: set(names) <= {f["entity"] for f in (g.status() or {"findings": []})["findings"]})
        until("this is on disk", 30, lambda: is_counted(g, min(48, per_life * (life + 1)), life > 2))
    told = re.findall("^.*finding process_down of .* opened.*$", g.log(), re.M)
    assert 40 <= len(told) <= 48, "%d were told" % len(told)
    assert len(re.findall("finding  ?of  ?summary", g.log())) == 1, g.log()


def test_killed(ctx):
    """Killed while the hook runs, the agent waits for that run and starts no second one."""
    g = watching(ctx)
    g.write("/etc/cfn/hooks.d/findings.conf", "[finding.process_down]\naction=%s; sleep 3; echo %s end >>%s\n" % (show(g), g.wanted, g.path("/hooks.log")))
    g.start()
    until("the hook", 30, lambda: len(about(g)) == 1)
    os.kill(find_role(g, "agent"), 9)
    until("the end of the run", 15, lambda: len(about(g)) == 2)
    until("the agent is back", 15, lambda: g.run("status").returncode == 0)
    time.sleep(4)
    assert len(about(g)) == 2, g.hooks_run()


def test_bad_section(ctx):
    """A section for a class that is none, or with keys of other hooks, is named with file and line; the others run."""
    g = watching(ctx)
    g.write("/etc/cfn/hooks.d/findings.conf", "[finding.process_dwon]\naction=true\n[finding.oom_kill]\naction=true\ntriggers=post.add\n"
            "[finding.process_down]\naction=%s\n" % show(g))
    done = g.run("check")
    for word in ("findings.conf:1: [finding.process_dwon]", "findings.conf:5: [finding.oom_kill]", "hook finding.process_down on findings"):
        assert word in done.stdout + done.stderr, (word, done)
    g.start()
    until("the good one", 30, lambda: len(about(g)) == 1)
