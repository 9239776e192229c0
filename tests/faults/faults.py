#!/usr/bin/python3
"""Runs the functions test_* of the modules test_*.py here, one after the other, and prints TAP.

A test gets a Context that starts the sampler (tests/faults/pulse) and keeps what has to be undone: processes, mounts, folders.
Mounts are made in a mount namespace that ends with this program."""
import ctypes
import glob
import importlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
import tap  # noqa: E402

CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000


class Skip(Exception):
    pass


class Pulse:
    """The sampler: lines of JSON, each a sample, an event or a kernel record."""

    def __init__(self, interval_ms, process_ms, mounts="", processes=""):
        self.child = subprocess.Popen([os.environ["HP_PULSE"], str(interval_ms), str(process_ms), mounts, processes],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def next(self, limit=10):
        line = self.lines.get(timeout=limit)
        assert line is not None, "the sampler ended with %s" % self.child.wait(5)
        return line

    def until(self, what, limit, good):
        """The first line for which good(line) is true."""
        deadline, seen = time.monotonic() + limit, 0
        while True:
            try:
                line = self.next(max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError("%s was not seen within %s s (%d lines)" % (what, limit, seen)) from None
            seen += 1
            if good(line):
                return line

    def close(self):
        self.child.stdin.close()
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait(5)


def value(line, name, **dimensions):
    """The value of a metric with these dimensions (among others) in a sample, or None."""
    for m in line.get("metrics", []):
        if m["name"] == name and all(m.get("dimensions", {}).get(k) == v for k, v in dimensions.items()):
            return m["value"]
    return None


class Context:
    def __init__(self):
        self.closers = []

    def later(self, close, *args, **kwargs):
        """close() is called when the test is over, the last one first"""
        self.closers.append(lambda: close(*args, **kwargs))

    def pulse(self, *args, **kwargs):
        one = Pulse(*args, **kwargs)
        self.later(one.close)
        return one

    def folder(self):
        path = tempfile.mkdtemp(prefix="hp-faults-", dir="/var/tmp")
        self.later(shutil.rmtree, path, ignore_errors=True)
        return path

    def start(self, argv, **kwargs):
        child = subprocess.Popen(argv, **kwargs)
        self.later(lambda: (child.kill(), child.wait()))
        return child

    def end_test(self):
        while self.closers:
            try:
                self.closers.pop()()
            except Exception as e:
                sys.stderr.write("# cleaning up: %s\n" % e)


def run_one(t, name, function):
    ctx, started = Context(), time.monotonic()
    try:
        function(ctx)
        t.say(True, "%s (%.1f s)" % (name, time.monotonic() - started))
    except Skip as e:
        t.skip(name, str(e))
    except Exception:
        t.say(False, name, traceback.format_exc())
    finally:
        ctx.end_test()


def own_mounts():
    """Mounts made here are seen by nobody else and end with us."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) == 0:
        libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)


def main(words):
    t = tap.Tap()
    if os.geteuid() != 0:
        t.skip("faults", "needs root")
        return t.end()
    own_mounts()
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        module = importlib.import_module(os.path.basename(path)[:-3])
        for key, function in list(vars(module).items()):
            if not key.startswith("test_") or not callable(function):
                continue
            if not words or any(w in key or w in module.__name__ for w in words):
                run_one(t, "%s: %s" % (module.__name__[5:], function.__doc__.strip().split("\n")[0].rstrip(".")), function)
    return t.end()


if __name__ == "__main__":
    # The tests import this module by name; they must see the same classes.
    sys.modules["faults"] = sys.modules["__main__"]
    sys.exit(main(sys.argv[1:]))
