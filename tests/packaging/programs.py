#!/usr/bin/python3
"""Runs the tests of packaging: static.py and every executable test-* here, some at a time, and repeats their TAP lines.

usage: programs.py [WORD...]   only those whose names hold one of the words

What packs or runs the static file waits until it is made; the others begin beside it. test-aarch64, whose libraries take longest, has a
worker of its own at low priority: the others wait for guests' roots most of the time.
"""
import concurrent.futures
import glob
import os
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import tap  # noqa: E402

LIMIT_S = {"static": 1500, "test-aarch64": 1200, "test-deb": 900, "test-images": 900}
# In this order; those that are not named between FIRST and LAST.
FIRST = ("static", "test-deb", "test-man", "test-units", "test-images")
# Beside the others, at low priority.
BESIDE = "test-aarch64"
WITHOUT_STATIC = FIRST[1:]
# The long forms: hours.
DEEP_FACTOR = 12 if os.environ.get("HEAT_PULSE_DEEP") == "1" else 1


def name_of(path):
    return os.path.splitext(os.path.basename(path))[0]


def order(path):
    name = name_of(path)
    return FIRST.index(name) if name in FIRST else len(FIRST), path


def make_static():
    """Whether it can be made, and why not, is told by static.py."""
    subprocess.run([os.path.join(HERE, "..", "..", "packaging", "static", "build"), "--jobs", os.environ.get("HEAT_PULSE_JOBS", "2")],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def main(words):
    t = tap.Tap()
    paths = [os.path.join(HERE, "static.py")] + [p for p in glob.glob(os.path.join(HERE, "test-*")) if os.access(p, os.X_OK)]
    paths = sorted((p for p in paths if not words or any(word in name_of(p) for word in words)), key=order)
    made, began = threading.Event(), time.monotonic()
    if not paths or name_of(paths[0]) != "static":
        made.set()

    def job(path):
        name = name_of(path)
        if name == "static":
            try:
                make_static()
            finally:
                made.set()
            t.note("the static file is made: %.0f s" % (time.monotonic() - began))
        elif name not in WITHOUT_STATIC:
            made.wait()
        argv = [path] if os.access(path, os.X_OK) else ["/usr/bin/python3", path]
        t.program(name, ["nice", "-n", "19"] + argv if name == BESIDE else argv, timeout=LIMIT_S.get(name, 600) * DEEP_FACTOR,
                  env={"HEAT_PULSE_SPENT_S": str(int(time.monotonic() - began))})
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        last = [beside.submit(job, path) for path in paths if name_of(path) == BESIDE]
        t.side_by_side([lambda path=path: job(path) for path in paths if name_of(path) != BESIDE])
        for future in last:
            future.result()
    return t.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
