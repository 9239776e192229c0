#!/usr/bin/python3
"""Runs the functions test_* of the modules test_*.py and the programs in dropins/, several at a time, and prints TAP.

A test gets a Context: fresh guests, the one control plane, a list of secrets. After each test every log, standard output and status
of its guests is searched for every secret known so far. Workers (workers.py) take tests that need no control plane while that
comes up. A test marked @alone runs by itself when the others are done: it stops Heat, or measures time. One that failed beside
others is run once more by itself, as a busy machine can make anything late: its first failure is shown, and its line says so.
A leaked secret is never tried again.
"""
import fcntl
import glob
import importlib
import inspect
import os
import re
import shutil
import signal
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
import workers  # noqa: E402

# Of the control plane itself; its own tools take them as arguments, so they are looked for in what guests write only.
CLOUD_SECRETS = {"demopw", "adminpw", "heatpw", "heatdompw", "swiftpw", "zaqarpw"}
# Heat's one engine process is busy with three stacks; the rest waits for guests most of the time.
PLAIN_WORKERS, CLOUD_WORKERS, PUSH_WORKERS = 3, 3, 1
TEST_LIMIT_S = 420


class Skip(Exception):
    pass


class Leak(Exception):
    """A secret where none may be: never tried again."""


def alone(function):
    """Marks a test that wants the machine, or the control plane, for itself."""
    function.alone = True
    return function


class Secrets:
    """Every secret of this run, of all workers: a file of lines."""

    def __init__(self, path):
        self.path = path
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))

    def add(self, values):
        with open(self.path, "a") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            f.write("".join(v.encode("unicode_escape").decode() + "\n" for v in values))

    def all(self):
        with open(self.path) as f:
            fcntl.flock(f, fcntl.LOCK_SH)
            return {line.rstrip("\n").encode().decode("unicode_escape") for line in f}


class Context:
    def __init__(self, folder, secrets):
        self.guests, self.closers = [], []
        self.folder, self.known = folder, secrets
        self._cloud = self._no_cloud = self._no_push = None

    @property
    def cloud(self):
        if self._cloud is None:
            raise RuntimeError("the control plane is not up: %s" % self._no_cloud)
        return self._cloud

    @property
    def push_cloud(self):
        """The same control plane with Swift and Zaqar beside it; skips where they cannot run."""
        if self._no_push:
            raise self._no_push
        return self.cloud

    def need_cloud(self, with_push=False):
        """Once each, in the parent of all workers: what runs there is its child."""
        if not self._cloud and not self._no_cloud:
            self.raise_cloud()
        if with_push and self._cloud and not isinstance(self._no_push, Skip):
            self.raise_push()

    def revive_cloud(self, look=True):
        """What an earlier test did to the control plane, or it to itself, is no other test's failure."""
        try:
            for said in self._cloud.revive(look) if self._cloud else []:
                sys.stderr.write("  # %s\n" % said)
        except Exception:  # the tests will say so, too
            traceback.print_exc()

    def raise_push(self):
        """What is in the way is each test's to say. Tries twice, and again where a test is tried again: seven tests hang on it."""
        for _ in range(2):
            try:
                self.cloud.push()
                self.cloud.login()  # Heat keeps the catalog that it first saw with a token
                self._no_push = None
                return
            except push.Unsupported as e:
                self._no_push = Skip(str(e))
                return
            except Exception:
                self._no_push = RuntimeError(traceback.format_exc())
                sys.stderr.write("  # Swift and Zaqar: %s\n" % self._no_push)

    def raise_cloud(self):
        """The same; tries twice."""
        for attempt_dir in ("cloud", "cloud-2"):
            up = cloud.Cloud(os.path.join(self.folder, attempt_dir))
            try:
                os.makedirs(up.run)
                up.up()
                self._cloud = up
                return
            except Exception:
                self._no_cloud = traceback.format_exc()
                sys.stderr.write("  # the control plane: %s\n" % self._no_cloud)
                up.wipe()
            except BaseException:
                up.wipe()
                raise

    def guest(self, name="guest"):
        one = guest.Guest(name)
        self.guests.append(one)
        return one

    def secret(self, *values):
        self.known.add(v for v in values if v and len(v) >= 6)

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
        secrets, shown = self.known.all(), argument_lists()
        found = ["a secret stands in an argument list" for s in secrets if any(s in line for line in shown)]
        for one in self.guests:
            texts = {"log": one.log(), "standard output": one.read("/agent.out"), "status": one.run("status", "--json").stdout if one.child else "",
                     "check": one.run("check").stdout, "metadata": one.run("metadata").stdout}
            for where, text in texts.items():
                found += ["a secret stands in %s of %s" % (where, one.root) for s in secrets | CLOUD_SECRETS if s in text]
        return found

    def end_test(self):
        """Return: what went wrong while cleaning up, for the reader of a failure."""
        said = ""
        for close in self.closers[::-1] + [one.wipe for one in self.guests]:
            try:
                close()
            except Exception:
                said += traceback.format_exc()
        self.closers, self.guests = [], []
        return said

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


class Overdue(Exception):
    pass


def overdue(*_):
    raise Overdue("not done within %d s" % TEST_LIMIT_S)


def attempt(ctx, function):
    """One run. Return: None, or what went wrong with the guests' logs and what Heat says of the test's stacks."""
    wrong = None
    signal.signal(signal.SIGALRM, overdue)
    signal.alarm(TEST_LIMIT_S)
    try:
        function(ctx)
        leaks = ctx.leaks()
        if leaks:
            raise Leak("\n".join(leaks))
    except (Skip, Leak):
        raise
    except Exception:
        wrong = traceback.format_exc() + "".join("\n--- log of %s\n%s" % (g.root, g.log()[-6000:]) for g in ctx.guests)
    finally:
        signal.alarm(0)
        closing = ctx.end_test()
    return wrong + closing if wrong else None


class Test:
    """A function test_*, as a job."""

    def __init__(self, module, function):
        self.function = function
        self.name = "%s: %s" % (module.__name__[5:], doc_of(function))
        self.alone = getattr(function, "alone", False)
        source = inspect.getsource(module)
        self.pushy = "ctx.push_cloud" in source
        self.cloudy = self.pushy or bool(re.search(r"\bctx\.cloud\b|\bimport test_heat\b|\bfrom test_heat import\b", source))

    def run(self, ctx):
        """Return: rows (name, good, skip reason or None, why), and whether a second try makes sense"""
        started = time.monotonic()
        try:
            wrong = attempt(ctx, self.function)
        except Skip as e:
            return [(self.name, True, str(e), None)], False
        except Leak as e:
            return [(self.name, False, None, str(e))], False
        return [("%s (%.1f s)" % (self.name, time.monotonic() - started), not wrong, None, wrong)], bool(wrong)


class Program:
    """The old names and other programs that speak TAP by themselves: every executable in dropins/."""

    alone = cloudy = pushy = False

    def __init__(self, path):
        self.path, self.name = path, os.path.splitext(os.path.basename(path))[0]

    def run(self, _):
        rows, bad, _ = tap.rows_of(self.name, [self.path], TEST_LIMIT_S)
        return rows, bool(bad)


def doc_of(function):
    return (function.__doc__ or function.__name__).strip().split("\n")[0].rstrip(".")


def find_tests(words):
    found = []
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        module = importlib.import_module(os.path.basename(path)[:-3])
        for key, function in list(vars(module).items()):
            if callable(function) and key.startswith("test_") and (not words or any(w in key or w in module.__name__ for w in words)):
                found.append(Test(module, function))
    for path in sorted(glob.glob(os.path.join(HERE, "dropins", "*"))):
        one = Program(path)
        if os.path.isfile(path) and os.access(path, os.X_OK) and (not words or any(w in one.name for w in words)):
            found.append(one)
    return found


def say(t, rows, again=""):
    for name, good, skip, why in rows:
        if skip is not None:
            t.skip(name, skip)
        else:
            t.say(good, name + again, why)


def first_try(name, rows):
    why = "\n".join(str(why) for _, good, _, why in rows if not good)
    sys.stderr.write("  # %s: first try:\n%s\n" % (name, why))


def run_beside(t, ctx, tests):
    """Several at a time. Return: those to try once more."""
    failed = []

    def done(test, rows, retry):
        if retry:
            first_try(test.name, rows)
            failed.append(test)
        else:
            say(t, rows)
    pushy = [x for x in tests if x.pushy]
    with workers.Crew(ctx, done) as crew:
        crew.start(PLAIN_WORKERS, [x for x in tests if not x.cloudy])
        if any(x.cloudy for x in tests):
            ctx.need_cloud()
            crew.start(CLOUD_WORKERS, [x for x in tests if x.cloudy and not x.pushy])
        if pushy:
            ctx.need_cloud(True)
            crew.start(PUSH_WORKERS, pushy)
        crew.finish(lambda: ctx.revive_cloud(look=False))
    return failed


def run_once(ctx, test):
    if test.cloudy:
        ctx.need_cloud(test.pushy)
        ctx.revive_cloud()
    return test.run(ctx)


def run_alone(t, ctx, test):
    rows, retry = run_once(ctx, test)
    again = ""
    if retry:
        first_try(test.name, rows)
        rows, _ = run_once(ctx, test)
        again = " [second try]"
    say(t, rows, again)


def main(words):
    t = tap.Tap()
    if os.geteuid() != 0:
        t.skip("system", "needs root")
        return t.end()
    tests = find_tests(words)
    folder = tempfile.mkdtemp(prefix="hp-system-", dir="/var/tmp")
    ctx = Context(folder, Secrets(os.path.join(folder, "secrets")))
    started = time.monotonic()
    try:
        again = run_beside(t, ctx, [x for x in tests if not x.alone])
        t.note("beside others: %d s" % (time.monotonic() - started))
        if any(x.cloudy and x.alone for x in tests):
            ctx.need_cloud(any(x.pushy and x.alone for x in tests))
        for test in [x for x in tests if x.alone]:
            run_alone(t, ctx, test)
        for test in again:
            say(t, run_once(ctx, test)[0], " [second try]")
    finally:
        ctx.end()
    t.note("in all: %d s" % (time.monotonic() - started))
    return t.end()


if __name__ == "__main__":
    # A time limit ends the ring by SIGTERM: the control plane and the guests must not stay behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(124))
    # The tests import this module by name; they must see the same classes.
    sys.modules["harness"] = sys.modules["__main__"]
    sys.exit(main(sys.argv[1:]))
