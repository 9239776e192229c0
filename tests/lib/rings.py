#!/usr/bin/python3
"""Runs rings and adds up what they say.

A ring is an executable tests/NAME/ring that prints TAP on stdout: "ok N - name", "not ok N - name", "ok N - name # SKIP reason".
Its other output goes to stderr. A ring that ends with another code than 0 without a failed test, or that says nothing, is itself
a failed test. The last line printed here is "N passed, N failed", with ", N skipped" where something was; what failed is named
once more right before it, where a reader who sees only the end of a long log finds it.
"""
import os
import re
import subprocess
import sys
import time

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIMIT_S = {"unit": 900, "lint": 300, "fuzz": 900, "sim": 600, "system": 1800, "faults": 600, "bench": 900, "vm": 1800}
LINE = re.compile(r"^(not ok|ok)\b[ \d]*(?:- )?(.*)$")


class Tally:
    def __init__(self):
        self.passed = self.skipped = 0
        self.failures = []

    @property
    def failed(self):
        return len(self.failures)

    def line(self, ring, text):
        found = LINE.match(text)
        if not found:
            return
        verdict, name = found.groups()
        skip = re.search(r"#\s*SKIP\b\s*(.*)$", name, re.I)
        if verdict == "not ok":
            self.fail(ring, name)
        elif skip:
            self.skipped += 1
            print("skipped %s: %s" % (ring, name), flush=True)
        else:
            self.passed += 1

    def fail(self, ring, why):
        self.failures.append("FAILED  %s: %s" % (ring, why))
        print(self.failures[-1], flush=True)


def stalls():
    """For how many seconds in all somebody on this machine waited for a resource, since boot; empty where the kernel does not say."""
    found = {}
    for kind in ("cpu", "io", "memory"):
        try:
            with open("/proc/pressure/%s" % kind) as f:
                found[kind] = int(f.readline().rsplit("total=", 1)[1]) / 1e6
        except OSError:
            pass
    return found


def busy_text(before, seconds):
    """How busy the machine was meanwhile: whoever reads of a late test wants to know."""
    parts = ["%s %d %%" % (kind, 100 * (total - before[kind]) / max(seconds, 1)) for kind, total in stalls().items() if kind in before]
    return "; somebody waited for " + ", ".join(parts) if parts else ""


def run_ring(ring, tally):
    before = tally.passed + tally.failed + tally.skipped
    failed_before = tally.failed
    started, waited = time.monotonic(), stalls()
    limit = LIMIT_S.get(ring, 1800) * (12 if os.environ.get("HEAT_PULSE_DEEP") == "1" else 1)
    print("== ring %s" % ring, flush=True)
    child = subprocess.Popen(["timeout", "-k", "10", str(limit), os.path.join(TESTS, ring, "ring")], stdout=subprocess.PIPE,
                             stdin=subprocess.DEVNULL, text=True, errors="replace")
    for text in child.stdout:
        tally.line(ring, text.rstrip("\n"))
    code = child.wait()
    if code == 124:
        tally.fail(ring, "not done within %d s" % limit)
    elif code and tally.failed == failed_before:
        tally.fail(ring, "the ring ended with code %d" % code)
    elif before == tally.passed + tally.failed + tally.skipped:
        tally.fail(ring, "the ring ran no test")
    seconds = time.monotonic() - started
    print("== ring %s: %d s%s" % (ring, seconds, busy_text(waited, seconds)), flush=True)


def main(rings):
    tally = Tally()
    for ring in rings:
        run_ring(ring, tally)
    if len(rings) > 1 and tally.failed:
        print("\n".join(["== failed:"] + tally.failures), flush=True)
    tail = ", %d skipped" % tally.skipped if tally.skipped else ""
    print("%d passed, %d failed%s" % (tally.passed, tally.failed, tail), flush=True)
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
