"""Ten thousand agents and one Heat that was away for an hour: their own policies of polls and signals, requests counted at the server,
and tries that never got to it: a port that refuses and what stands before it are asked, too."""
import json
import os
import subprocess

import world

FLEET = os.path.join(world.BUILD, "tests", "sim", "fleet")
AGENTS = 10000
BOUND = 1.5


def histogram(rates, steady, begin_s, slot_s, step):
    """A line each @step slots: minute, rate over the steady one, a bar."""
    lines = []
    for at in range(0, len(rates) - step + 1, step):
        rate = sum(rates[at:at + step]) / step / steady
        lines.append("%4d min %5.2f %s" % ((at * slot_s - begin_s) / 60, rate, "#" * round(rate * 40)))
    return lines


def returns(mode):
    """Nobody is asked more than 1.5 times as much as ever in any ten seconds: not the server that is back, nor one that answers 503,
    nor the port of one that is gone."""
    done = subprocess.run([FLEET, str(AGENTS), "1", mode], stdout=subprocess.PIPE, text=True, timeout=200, check=True)
    told = json.loads(done.stdout)
    slot = told["slot_s"]
    first, back = told["down_from_s"] // slot, told["down_to_s"] // slot
    steady = sum(told["arrived"][first - 80:first]) / 80
    worst = max(told["arrived"][first:]) / steady
    after = max(told["arrived"][back:]) / steady
    settled = sum(told["arrived"][-60:]) / 60 / steady
    assert steady > AGENTS / 60 * slot, "%.0f requests in a slot of steady flow" % steady
    assert worst <= BOUND, "%.2f times the steady rate" % worst
    tried = max(told["tried"][first:]) / steady
    assert tried <= BOUND, "with what never arrived %.2f times the steady rate" % tried
    assert 0.95 <= settled <= 1.05, "half an hour later the rate is %.2f of the steady one" % settled
    head = "%.0f requests/s when steady; in any ten seconds at most %.2f of that afterwards, %.2f arrived and %.2f tried from the outage on" % (
        steady / slot, after, worst, tried)
    return "\n".join([head] + histogram(told["tried"], steady, told["down_to_s"], slot, 30))


def tests():
    for mode in ("down", "503", "blackhole"):
        yield ("%d agents after an hour of Heat %s: at most %s of the steady request rate" % (AGENTS, mode, BOUND),
               lambda m=mode: returns(m))
