#!/usr/bin/python3
"""Runs the tests of packaging: static.py and every executable test-* here, one after the other, and repeats their TAP lines.

usage: programs.py [WORD...]   only those whose names hold one of the words
"""
import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import tap  # noqa: E402

LIMIT_S = {"static": 3000, "test-deb": 900}


def main(words):
    t = tap.Tap()
    paths = [os.path.join(HERE, "static.py")] + sorted(p for p in glob.glob(os.path.join(HERE, "test-*")) if os.access(p, os.X_OK))
    for path in paths:
        name = os.path.splitext(os.path.basename(path))[0]
        if not words or any(word in name for word in words):
            t.program(name, [path] if os.access(path, os.X_OK) else ["/usr/bin/python3", path], timeout=LIMIT_S.get(name, 600))
    return t.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
