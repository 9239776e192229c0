"""Running programs that speak TAP, and speaking it."""
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import threading
import time

LINE = re.compile(r"^(not ok|ok)\b\s*\d*\s*(?:- )?(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)\s*$", re.M)
WHOLE_SKIP = re.compile(r"^1\.\.0\s*# SKIP\s*(.*)$", re.I)


class Verdict:
    """One test line of a program, with the comments that belong to it."""

    def __init__(self, good, name, skip=None):
        self.good, self.name, self.skip, self.notes = good, name, skip, []


def read_lines(text):
    """cmocka says "ok 3 # SKIP name" without a reason: the "# SKIP reason" that the test printed before is it."""
    verdicts, reason = [], None
    for line in text.splitlines():
        found, whole = LINE.match(line), WHOLE_SKIP.match(line)
        if whole:
            verdicts.append(Verdict(True, "all of it", whole.group(1) or "no reason given"))
        elif line.startswith("# SKIP"):
            reason = line[len("# SKIP"):].strip()
        elif found:
            parts = re.split(r"#\s*SKIP\b\s*", found.group(2), maxsplit=1, flags=re.I)
            name = parts[0].strip() or parts[-1]
            why = (reason or (parts[1] if parts[0].strip() else "") or "no reason given") if len(parts) > 1 else None
            verdicts.append(Verdict(why is not None or found.group(1) == "ok", name, why))  # cmocka says "not ok" of what is skipped
            reason = None
        elif verdicts and line.startswith("#"):
            verdicts[-1].notes.append(line)
    return verdicts


def run(argv, timeout, env=None, cwd=None):
    """In a session of its own, so that neither a signal to its group nor what it leaves behind reaches others.
    Return: (stdout, stderr, exit code or None when time was over)."""
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd=cwd, text=True,
                             errors="replace", env=dict(os.environ, **(env or {})), start_new_session=True)
    try:
        out, err = child.communicate(timeout=timeout)
        return out, err, child.returncode
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        return child.communicate() + (None,)


def bad_end(verdicts, out, code, timeout):
    """What is wrong beside failed lines, or None."""
    if code is None:
        return "not done within %s s" % timeout
    if code and all(v.good for v in verdicts):
        return "ended with code %d" % code
    if not verdicts:
        return "said nothing"
    if len(verdicts) < max(map(int, PLAN.findall(out)), default=0):
        return "ended after %d tests of more" % len(verdicts)
    return None


def rows_of(name, argv, timeout=120, env=None, cwd=None):
    """Runs one TAP program. Return: rows (name, good, skip reason or None, why) under NAME, what failed in words, its standard error.
    A bad end is a row too."""
    out, err, code = run(argv, timeout, env, cwd)
    verdicts = read_lines(out)
    problem = bad_end(verdicts, out, code, timeout)
    rows = [("%s: %s" % (name, v.name), v.good, v.skip, "\n".join(v.notes + err.splitlines()[-60:])) for v in verdicts]
    if problem:
        rows.append((name, False, None, "%s\n%s" % (problem, err)))
    return rows, [v.name for v in verdicts if not v.good] + ([problem] if problem else []), err


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
                sys.stderr.write("".join("  # %s\n" % line for line in str(why).rstrip().splitlines()[-80:]))

    def skip(self, name, why):
        with self.lock:
            self.count += 1
            print("ok %d - %s # SKIP %s" % (self.count, name, why), flush=True)

    def note(self, text):
        with self.lock:
            print("# " + text, flush=True)

    def end(self):
        print("1..%d" % self.count, flush=True)
        return 1 if self.failed else 0

    def program(self, name, argv, timeout=120, env=None, cwd=None, tries=1, fresh=None, excused=None):
        """Runs one TAP program and repeats its lines under NAME; a bad end counts as a failed test. With TRIES 2 a program that fails
        is run once more, as a busy machine can make anything late: what failed at first is shown, and the lines say so. FRESH is called
        before each try. EXCUSED: names of the program's tests that cannot hold here, and why; they are skipped."""
        started = time.monotonic()
        for attempt in range(tries):
            if fresh:
                fresh()
            rows, bad, err = rows_of(name, argv, timeout, env, cwd)
            bad = [words for words in bad if words not in (excused or {})]
            if not bad:
                break
            if attempt + 1 < tries:
                sys.stderr.write("  # %s: first try: %s\n%s\n" % (name, "; ".join(bad), "\n".join(err.splitlines()[-40:])))
        again = " [second try]" if attempt else ""
        for row, good, skip, why in rows:
            skip = (excused or {}).get(row[len(name) + 2:], skip)
            if skip is not None:
                self.skip(row, skip)
            else:
                self.say(good, row + again, why)
        self.note("%s: %.1f s" % (name, time.monotonic() - started))

    @staticmethod
    def side_by_side(jobs, workers=2):
        """jobs: functions. One that raises raises here."""
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda job: job(), jobs))
