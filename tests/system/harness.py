#!/usr/bin/python3
"""Runs the functions test_* of the modules test_*.py here, one after the other, and prints TAP.

A test gets a Context: fresh guests, the one control plane (made when first asked for), a list of secrets. After each test every
log, standard output and status of its guests is searched for every secret known so far.
"""
import glob
import importlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "fakes")]
import cloud  # noqa: E402
import guest  # noqa: E402
import push  # noqa: E402
import tap  # noqa: E402


class Skip(Exception):
    pass


# Of the control plane itself; its own tools take them as arguments, so they are looked for in what guests write only.
CLOUD_SECRETS = {"demopw", "adminpw", "heatpw", "heatdompw", "swiftpw", "zaqarpw"}


class Context:
    def __init__(self):
        self.guests = []
        self.secrets = set()
        self.closers = []
        self._cloud = None
        self.folder = tempfile.mkdtemp(prefix="hp-system-", dir="/var/tmp")

    @property
    def cloud(self):
        if self._cloud is None:
            if not shutil.which("heat-all"):
                raise RuntimeError("the packages of Heat are not installed")
            run = os.path.join(self.folder, "cloud")
            os.makedirs(run)
            self._cloud = cloud.Cloud(run)
            self._cloud.up()
        return self._cloud

    @property
    def push_cloud(self):
        """The same control plane with Swift and Zaqar beside it; skips where they cannot run."""
        try:
            self.cloud.push()
        except push.Unsupported as e:
            raise Skip(str(e)) from e
        return self.cloud

    def guest(self, name="guest"):
        one = guest.Guest(name)
        self.guests.append(one)
        return one

    def secret(self, *values):
        self.secrets.update(v for v in values if v and len(v) >= 6)

    def keep_block(self, block):
        """Remembers what is secret in an os-collect-config block."""
        for part in block.values():
            if isinstance(part, dict):
                self.secret(part.get("secret_access_key"), part.get("password"))
                # A temp URL is a right of its own: its signature is the secret.
                self.secret(*urllib.parse.parse_qs(urllib.parse.urlsplit(part.get("metadata_url") or "").query).get("temp_url_sig", []))
        return block

    def later(self, close):
        """close() is called when the test is over"""
        self.closers.append(close)

    def leaks(self):
        shown = argument_lists()
        found = ["a secret stands in an argument list" for s in self.secrets if any(s in line for line in shown)]
        for one in self.guests:
            texts = {"log": one.log(), "standard output": one.read("/agent.out"), "status": one.run("status", "--json").stdout if one.child else "",
                     "check": one.run("check").stdout, "metadata": one.run("metadata").stdout}
            for where, text in texts.items():
                found += ["a secret stands in %s of %s" % (where, one.root) for s in self.secrets | CLOUD_SECRETS if s in text]
        return found

    def end_test(self):
        for close in reversed(self.closers):
            close()
        for one in self.guests:
            one.wipe()
        self.closers, self.guests = [], []

    def end(self):
        if self._cloud:
            self._cloud.wipe()
        shutil.rmtree(self.folder, ignore_errors=True)


def argument_lists():
    """Every argument list on the machine, as `ps` shows them."""
    lists = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, errors="replace") as f:
                lists.append(f.read())
        except OSError:
            pass
    return lists


class Leak(Exception):
    """A secret where none may be: never tried again."""


def attempt(ctx, function):
    """One run. Return: None, or what went wrong with the guests' logs."""
    try:
        function(ctx)
        leaks = ctx.leaks()
        if leaks:
            raise Leak("\n".join(leaks))
        return None
    except (Skip, Leak):
        raise
    except Exception:
        tails = "".join("\n--- log of %s\n%s" % (g.root, g.log()[-6000:]) for g in ctx.guests)
        return traceback.format_exc() + tails
    finally:
        ctx.end_test()


def run_one(t, ctx, name, function):
    """A test that fails is run once more, as a busy machine can make anything late: its first failure is shown, and its line says so."""
    started = time.monotonic()
    try:
        wrong = attempt(ctx, function)
        again = ""
        if wrong:
            sys.stderr.write("  # %s: first try:\n%s\n" % (name, wrong))
            again = " [second try]"
            wrong = attempt(ctx, function)
        t.say(not wrong, "%s (%.1f s)%s" % (name, time.monotonic() - started, again), wrong)
    except Skip as e:
        t.skip(name, str(e))
    except Leak as e:
        t.say(False, name, str(e))


def doc_of(function):
    return (function.__doc__ or function.__name__).strip().split("\n")[0].rstrip(".")


def run_dropins(t, words):
    """The old names and other programs that speak TAP by themselves: every executable in dropins/."""
    for path in sorted(glob.glob(os.path.join(HERE, "dropins", "*"))):
        name = os.path.splitext(os.path.basename(path))[0]
        if os.path.isfile(path) and os.access(path, os.X_OK) and (not words or any(w in name for w in words)):
            t.program(name, [path], timeout=400, tries=2)


def main(words):
    t = tap.Tap()
    ctx = Context()
    if os.geteuid() != 0:
        t.skip("system", "needs root")
        return t.end()
    try:
        for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
            module = importlib.import_module(os.path.basename(path)[:-3])
            for key, function in list(vars(module).items()):
                name = "%s: %s" % (module.__name__[5:], doc_of(function)) if callable(function) and key.startswith("test_") else None
                if name and (not words or any(w in key or w in module.__name__ for w in words)):
                    run_one(t, ctx, name, function)
        run_dropins(t, words)
    finally:
        ctx.end()
    return t.end()


if __name__ == "__main__":
    # A time limit ends the ring by SIGTERM: the control plane and the guests must not stay behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(124))
    # The tests import this module by name; they must see the same classes.
    sys.modules["harness"] = sys.modules["__main__"]
    sys.exit(main(sys.argv[1:]))
