"""Each allocation failing in turn on the main paths: a clean error, never a crash, never a hook twice."""
import json
import os
import subprocess
import time

from guest import BINARY, until
from test_rights import LOCAL, local_guest

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "src", "fail_alloc.c")
SIGNED = {"v": 1, "kind": "health", "id": "a", "seq": 1, "state": "ok", "key": "ed25519:" + "A" * 43 + "=", "sig": "A" * 86 + "=="}


def numbers(last):
    """Every number with --deep; else the first ones, where each step of the start is, and then ever wider apart."""
    if os.environ.get("HEAT_PULSE_DEEP") == "1":
        return range(1, last)
    chosen, at = [], 1
    while at < last:
        chosen.append(at)
        at += 1 if at < 20 else max(7, at // 9)
    return chosen


def library(ctx, g):
    path = g.path("/fail_alloc.so")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", path, SOURCE], check=True)
    return {"LD_PRELOAD": path}


def test_one_pass(ctx):
    """A cfn-hup pass with an allocation failing in every process: no crash, no hang; afterwards the hook has run exactly once."""
    g = local_guest(ctx, metadata='{"app": 1}', conf=LOCAL + "[hooks]\nretry = 1s\n")
    preload = library(ctx, g)
    for number in numbers(3000):
        g.write("/etc/heat-pulse/metadata.json", json.dumps({"app": number}))
        g.hook("app", "Resources.local.Metadata.app", action="cat $CFN_NEW_METADATA_FILE >>%s; echo >>%s" % ((g.path("/runs.log"),) * 2))
        done = g.run("cfn-hup", timeout=60, env=dict(preload, HEAT_PULSE_FAIL_ALLOC=str(number)))
        assert done.returncode in (0, 1, 3, 4), (number, done.returncode, done.stderr)
        assert "signal 11" not in done.stderr and "signal 6" not in done.stderr, (number, done.stderr)
        assert done.returncode == 0 or done.stderr.strip(), (number, "an error without a word")
        clean = g.run("cfn-hup", timeout=60)
        for _ in range(20):  # a hook that could not be started is due again after its wait
            if clean.returncode != 4:
                break
            time.sleep(0.5)
            clean = g.run("cfn-hup", timeout=60)
        assert clean.returncode == 0, (number, clean.returncode, clean.stderr, done.stderr)
        runs = g.read("/runs.log").split()
        assert runs.count(str(number)) == 1, (number, runs[-3:], done.stderr, clean.stderr)


def test_commands(ctx):
    """check, verify, metadata, sample and status end with one of their codes whatever allocation fails."""
    g = local_guest(ctx)
    preload = library(ctx, g)
    g.start()
    until("a document", 10, lambda: g.run("metadata").returncode == 0)
    for command, stdin in ((["check"], None), (["verify"], json.dumps(SIGNED)), (["metadata"], None), (["sample", "--json"], None), (["status"], None)):
        for number in numbers(1500):
            done = g.run(*command, timeout=60, stdin=stdin, env=dict(preload, HEAT_PULSE_FAIL_ALLOC=str(number)))
            assert 0 <= done.returncode <= 14, (command, number, done.returncode, done.stderr)


def test_agent(ctx):
    """The running agent with an allocation failing in each role comes up and does its work, at the latest when started again."""
    for number in numbers(2500)[::4]:
        g = local_guest(ctx, conf=LOCAL + "[hooks]\nretry = 1s\n")
        g.hook("app", "Resources.local.Metadata.app")
        preload = library(ctx, g)
        g.start(env=dict(preload, HEAT_PULSE_FAIL_ALLOC=str(number)), wait=False)
        try:
            until("the hook", 60, lambda: g.hooks_run() or g.child.poll() is not None)
        finally:
            assert "signal 11" not in g.log() and "signal 6" not in g.log(), (number, g.log())
        if g.child.poll() is None:
            g.stop(seconds=20)
        assert len(g.hooks_run()) <= 1, (number, g.hooks_run())
        g.wipe()
