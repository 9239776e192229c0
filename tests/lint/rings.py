#!/usr/bin/python3
"""tests/lib counts right: rings that end badly or say nothing are failures, and a skip says its reason."""
import contextlib
import io
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import rings  # noqa: E402
import tap  # noqa: E402

# What a ring does; what it counts as: passed, failed, skipped; the words that must be told.
RINGS = [
    ("prints nothing", "true", (0, 1, 0), "ran no test"),
    ("prints only other words", "echo hello; echo okay; echo '# ok'", (0, 1, 0), "ran no test"),
    ("ends with a code", "echo ok - a; exit 3", (1, 1, 0), "ended with code 3"),
    ("ends with a code after a failed test", "echo not ok 1 - a; exit 1", (0, 1, 0), "a"),
    ("ends well after a failed test", "echo ok 1 - a; echo not ok 2 - b; echo ok 3 - c", (2, 1, 0), "b"),
    ("skips", "echo 'ok 1 - a # SKIP no such device'; echo ok 2", (1, 0, 1), "no such device"),
    ("takes too long", "echo ok; sleep 30", (1, 1, 0), "not done within 1 s"),
    ("is killed", "echo ok; kill -9 $$", (1, 1, 0), "ended with code"),
    ("is missing", None, (0, 1, 0), "ended with code"),
]
# What a program does; the lines that stand for it.
PROGRAMS = [
    ("passes", "echo ok 1 - a", ["ok 1 - p: a"]),
    ("says nothing", "true", ["not ok 1 - p"]),
    ("ends with a code", "echo ok 1 - a; exit 2", ["ok 1 - p: a", "not ok 2 - p"]),
    ("fails", "echo not ok 1 - a; exit 1", ["not ok 1 - p: a"]),
    ("skips as cmocka does", "echo '# SKIP no disk'; echo 'not ok 1 # SKIP a'; echo ok 2 - b",
     ["ok 1 - p: a # SKIP no disk", "ok 2 - p: b"]),
    ("skips all", "echo '1..0 # SKIP no kernel'", ["ok 1 - p: all of it # SKIP no kernel"]),
    ("ends before its plan", "echo 1..2; echo ok 1 - a", ["ok 1 - p: a", "not ok 2 - p"]),
    ("takes too long", "echo ok 1 - a; sleep 30", ["ok 1 - p: a", "not ok 2 - p"]),
    ("kills its group", "kill -9 0", ["not ok 1 - p"]),
]


def run_ring(folder, script):
    rings.TESTS, rings.LIMIT_S = folder, {"r": 1}
    path = os.path.join(folder, "r", "ring")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if script is not None:
        with open(path, "w") as f:
            f.write("#!/bin/bash\n" + script + "\n")
        os.chmod(path, 0o755)
    tally, said = rings.Tally(), io.StringIO()
    with contextlib.redirect_stdout(said):
        rings.run_ring("r", tally)
    return (tally.passed, tally.failed, tally.skipped), said.getvalue()


def run_program(script):
    inner, said = tap.Tap(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        inner.program("p", ["bash", "-c", script], timeout=1)
    return [line for line in said.getvalue().splitlines() if not line.startswith("#")]


def main():
    t = tap.Tap()
    os.environ["HEAT_PULSE_DEEP"] = "0"
    for name, script, counts, words in RINGS:
        with tempfile.TemporaryDirectory() as folder:
            got, said = run_ring(folder, script)
        t.say(got == counts and words in said, "a ring that " + name, "%s instead of %s\n%s" % (got, counts, said))
    for name, script, lines in PROGRAMS:
        got = run_program(script)
        t.say(got == lines, "a program that " + name, "\n".join(got))
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
