#!/usr/bin/python3
"""Runs the functions test_* of the modules test_*.py here and prints TAP.

A test gets a Context: a folder of its own, the sampler as a Pulse, and later() for what must be undone. What this machine's
kernel or rights do not offer is skipped with the reason. One with the mark `beside` mostly waits, and runs beside all others. Everything made is the test's own: files, loop devices, control groups,
processes, mounts in a mount namespace that ends with this program.
"""
import ctypes
import glob
import importlib
import os
import shutil
import sys
import tempfile
import threading
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
import tap  # noqa: E402
from pulse import Pulse, Skip  # noqa: E402

CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000


class Context:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="hp-faults-", dir="/var/tmp")
        self.closers = []

    def later(self, close, *args):
        """close(*args) is called when the test is over, the last one first"""
        self.closers.append(lambda: close(*args))

    def pulse(self, interval_ms, *mounts, options=()):
        one = Pulse(interval_ms, *mounts, options=options)
        self.later(one.stop)
        return one

    def need_root(self):
        if os.geteuid():
            raise Skip("needs root")

    def end(self):
        for close in reversed(self.closers):
            try:
                close()
            except Exception as e:
                sys.stderr.write("# cleaning up: %s\n" % e)
        shutil.rmtree(self.folder, ignore_errors=True)


def own_mounts():
    """Mounts made here are seen by nobody else and end with us."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0 and libc.unshare(CLONE_NEWNS) == 0:
        libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)


def attempt(function):
    """Return: None, or what went wrong"""
    context = Context()
    try:
        function(context)
        return None
    except Skip:
        raise
    except Exception:
        return traceback.format_exc()
    finally:
        context.end()


def run(out, name, function):
    """A test that fails is run once more, as a busy machine can make anything late: its first failure is shown, and its line says so."""
    try:
        wrong, again = attempt(function), ""
        if wrong:
            sys.stderr.write("  # %s: first try:\n%s\n" % (name, wrong))
            wrong, again = attempt(function), " [second try]"
        out.say(not wrong, name + again, wrong)
    except Skip as why:
        out.skip(name, why)


def chosen(words):
    """(name, function) of the tests whose names hold one of the words"""
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        module = importlib.import_module(os.path.basename(path)[:-3])
        for name, function in sorted(vars(module).items()):
            full = "%s: %s" % (module.__name__[5:], name[5:].replace("_", " "))
            if name.startswith("test_") and callable(function) and (not words or any(w in full for w in words)):
                yield full, function


def main(words):
    out = tap.Tap()
    own_mounts()
    tests = list(chosen(words))
    beside = [threading.Thread(target=run, args=(out, *one)) for one in tests if hasattr(one[1], "beside")]
    for thread in beside:
        thread.start()
    for name, function in tests:
        if not hasattr(function, "beside"):
            run(out, name, function)
    for thread in beside:
        thread.join()
    return out.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
