"""How late the machine itself serves a process: what an agent's own lateness is held against."""
import subprocess
import sys

SLEEPER = """import select, sys, time
late = 0.0
while True:
    before = time.monotonic()
    if select.select([sys.stdin], [], [], 0.01)[0]:
        break
    late = max(late, time.monotonic() - before - 0.01)
print(late * 1000)
"""


class Yardstick:
    """with Yardstick() as y: ...; then y.late_ms is the longest delay that a sleeper of 10 ms had meanwhile."""

    def __enter__(self):
        self.late_ms = None
        self.child = subprocess.Popen([sys.executable, "-c", SLEEPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        self.late_ms = float(self.child.communicate("end\n", timeout=30)[0])


def best_lateness(attempt, bound_ms, tries=6):
    """attempt() returns the agent's lateness in ms. Return: (the first one within the bound or None, those of a calm machine, those of a
    machine that was itself as late). Three of a calm machine are a verdict; fewer among busy ones are none."""
    calm, busy = [], []
    for _ in range(tries):
        with Yardstick() as y:
            delay = attempt()
        if delay <= bound_ms:
            return delay, calm, busy
        (busy if y.late_ms > bound_ms / 2 else calm).append((delay, round(y.late_ms)))
        if len(calm) == 3:
            return None, calm, busy
    return None, [], busy + calm
