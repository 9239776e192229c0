"""Running programs that speak TAP, and speaking it."""
import concurrent.futures
import os
import re
import subprocess
import sys
import threading

LINE = re.compile(r"^(not ok|ok)\b\s*\d*\s*(?:- )?(.*)$")


class Tap:
    """Prints numbered TAP lines; safe for threads."""

    def __init__(self):
        self.count = self.failed = 0
        self.lock = threading.Lock()

    def say(self, good, name, why=None):
        with self.lock:
            self.count += 1
            self.failed += not good
            print("%s %d - %s" % ("ok" if good else "not ok", self.count, name), flush=True)
            if why and not good:
                sys.stderr.write("".join("  # %s\n" % line for line in str(why).rstrip().splitlines()[-60:]))

    def skip(self, name, why):
        with self.lock:
            self.count += 1
            print("ok %d - %s # SKIP %s" % (self.count, name, why), flush=True)

    def end(self):
        print("1..%d" % self.count, flush=True)
        return 1 if self.failed else 0

    def program(self, name, argv, timeout=120, env=None, cwd=None):
        """Runs one TAP program and repeats its lines under NAME; a bad end counts as a failed test."""
        try:
            done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=timeout,
                                  env=dict(os.environ, **(env or {})), cwd=cwd, errors="replace")
        except subprocess.TimeoutExpired as e:
            return self.say(False, name, "not done within %s s\n%s" % (timeout, (e.stderr or b"").decode(errors="replace")))
        failed = seen = 0
        for text in done.stdout.splitlines():
            found = LINE.match(text)
            if not found:
                continue
            seen += 1
            verdict, what = found.groups()
            failed += verdict == "not ok"
            if "# SKIP" in what.upper() or what.startswith("# SKIP"):
                self.skip("%s: %s" % (name, re.split(r"#\s*skip", what, flags=re.I)[0].strip() or "a test"),
                          re.split(r"#\s*skip\s*", what, flags=re.I)[-1] or "the test says so (see its comment)")
            else:
                self.say(verdict == "ok", "%s: %s" % (name, what), done.stderr)
        if done.returncode and not failed:
            self.say(False, name, "ended with code %d\n%s" % (done.returncode, done.stderr))
        elif not seen:
            self.say(False, name, "said nothing\n%s" % done.stderr)

    def programs(self, jobs, workers=2):
        """jobs: (name, argv, timeout, env)"""
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda job: self.program(*job), jobs))
