"""Real processes on loopback, killed with kill -9 at random instants of their own time."""
import json
import os
import random
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
os.environ.setdefault("HP_BIN", os.path.join(HERE, "..", "..", "build", "release", "agent", "heat-pulse"))
sys.path[:0] = [os.path.join(HERE, "..", d) for d in ("system", "fakes")]
import cfn_server  # noqa: E402
import guest  # noqa: E402
import test_fake  # noqa: E402
import world  # noqa: E402

DEEP = os.environ.get("HEAT_PULSE_DEEP") == "1"
GUESTS = 4
KILLS = 500 if DEEP else 50  # of each guest


def serve():
    state = test_fake.state()
    state["stacks"]["web"]["resources"]["custom"] = {"kind": "heat-handle"}
    return cfn_server.Fake(state)


def accepted(fake):
    """Every signal that the server took, in order."""
    return [json.loads(r["body"]) for r in list(fake.requests) if r["status"] == 200 and "/waitcondition/" in r["path"] and r["body"]]


class Life:
    """One life of the agent, and somebody in the guest who signals meanwhile."""

    def __init__(self, g, number, dice):
        self.g, self.name = g, "c-%d" % number
        self.seconds = dice.uniform(0.02, 0.5) if dice.random() < 0.7 else dice.uniform(0.5, 2.2)
        self.at = self.seconds * dice.uniform(0.3, 1)
        self.told = False

    def signal(self):
        time.sleep(self.at)
        done = subprocess.run([guest.BINARY, "signal", "--root", self.g.root, "--status", "SUCCESS", "--reason", self.name, "--data",
                               json.dumps({"n": self.name}), "--id", self.name, "custom"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              stdin=subprocess.DEVNULL, timeout=60)
        self.told = done.returncode == 0

    def run(self):
        self.g.start(wait=False)
        caller = threading.Thread(target=self.signal)
        caller.start()
        time.sleep(self.seconds)
        self.g.kill_all()
        caller.join()


def settle(g, names, fake):
    g.start()
    guest.until("all that was accepted arrived", 60, lambda: set(names) <= set(fake.handle("custom")))
    guest.until("nothing waits", 60, lambda: (g.status() or {}).get("spool", {}).get("depth", 1) == 0)
    guest.until("the boot result arrived", 60, lambda: fake.handle("boot"))
    g.stop()


def same(taken, what):
    """Each id of custom signals is of one content; each seq of one signal."""
    seen = {}
    for key, value in what(taken):
        assert seen.setdefault(key, value) == value, "%s told in two forms" % key
    return seen


def judge(fake, names):
    taken = accepted(fake)
    customs = same(taken, lambda all_: ((s["id"], s) for s in all_ if str(s.get("id", "")).startswith("c-")))
    assert set(names) <= set(customs), "lost: %s" % sorted(set(names) - set(customs))
    signed = [d for d in map(world.data_of, taken) if isinstance(d, dict) and "sig" in d]
    by_seq = same(signed, lambda all_: ((d["seq"], d) for d in all_))
    boots = [s for s, d in by_seq.items() if d["kind"] == "boot"]
    assert len(boots) == 1, "boot result with seqs %s" % boots
    health = [d["seq"] for d in signed if d["kind"] != "boot"]
    assert health == sorted(health), "out of order: %s" % health
    keys = {d["key"] for d in signed}
    assert len(keys) == 1, "the key changed: %s" % keys
    for data in by_seq.values():
        assert world.judge(data, next(iter(keys))) == 0, data
    return len(customs), len(by_seq)


def killed_guest(seed):
    dice = random.Random(seed)
    with serve() as fake:
        g = guest.Guest("kill")
        try:
            test_fake.prepare(g, fake)
            lives = [Life(g, i, dice) for i in range(KILLS)]
            for life in lives:
                life.run()
            names = [life.name for life in lives if life.told]
            assert len(names) >= KILLS / 4, "only %d signals were accepted" % len(names)
            settle(g, names, fake)
            return judge(fake, names)
        except AssertionError as why:
            raise AssertionError("%s\n%s" % (why, g.log()[-3000:])) from None
        finally:
            g.wipe()


def side_by_side(what, each):
    """They mostly wait. Return: what they raised."""
    errors = []

    def one(item):
        try:
            what(item)
        except BaseException as why:  # pylint: disable=broad-except
            errors.append(why)

    threads = [threading.Thread(target=one, args=(item,)) for item in each]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def kills_lose_nothing():
    if os.geteuid() != 0:
        raise world.Skip("needs root")
    results = []
    errors = side_by_side(lambda seed: results.append(killed_guest(seed)), range(GUESTS))
    if errors:
        raise errors[0]
    return "%d lives of %d guests; %d signals of callers, %d of the agents, each whole and once" % (
        GUESTS * KILLS, GUESTS, sum(r[0] for r in results), sum(r[1] for r in results))


# ---- the same troubles as in simulated time, shorter ----

TROUBLES = {
    "slow": {"do": "slow", "seconds": 2}, "500": {"do": "status", "status": 500}, "503": {"do": "status", "status": 503},
    "429 with Retry-After": {"do": "status", "status": 429, "headers": {"Retry-After": "6"}}, "a black hole": {"do": "hang", "seconds": 5},
    "resets": {"do": "reset"}, "closed connections": {"do": "close"}, "garbage": {"do": "garbage"}, "an answer without end": {"do": "trickle", "seconds": 1},
    "down": None, "401": {"do": "status", "status": 401}, "403": {"do": "status", "status": 403}, "413": {"do": "status", "status": 413},
    "422": {"do": "status", "status": 422},
}
HEALS_S = 240
PATIENT = ("401", "403", "413", "422")  # asked again after one to three minutes; here a restart stands for that wait, unless there is time


def troubled(fake, fault):
    if fault is None:
        fake.down()
    else:
        fake.fault(**dict(fault, on="signal", times=0))


def healed(fake, fault):
    if fault is None:
        fake.up()
    with fake.lock:
        fake.faults.clear()


def survives(name):
    """What is accepted during the trouble arrives after it, whole and once."""
    fault = TROUBLES[name]
    with serve() as fake:
        g = guest.Guest("trouble")
        try:
            test_fake.prepare(g, fake)
            g.start()
            guest.until("the boot result arrived", 40, lambda: fake.handle("boot"))
            troubled(fake, fault)
            before = len(fake.requests)
            done = g.run("signal", "--status", "SUCCESS", "--reason", "c-1", "--data", json.dumps({"n": 1}), "--id", "c-1", "custom")
            assert done.returncode == 0, done.stderr
            if fault:
                guest.until("it was tried", 40, lambda: any("/waitcondition/" in r["path"] for r in fake.requests[before:]))
            healed(fake, fault)
            if name in PATIENT and not DEEP:
                g.stop()
                g.start()
            guest.until("it arrived after %s" % name, HEALS_S, lambda: "c-1" in fake.handle("custom"))
            guest.until("nothing waits", HEALS_S, lambda: (g.status() or {}).get("spool", {}).get("depth", 1) == 0)
            g.stop()
            judge(fake, ["c-1"])
        except AssertionError as why:
            raise AssertionError("%s: %s\n%s" % (name, why, g.log()[-2000:])) from None
        finally:
            g.wipe()


def troubles_lose_nothing():
    if os.geteuid() != 0:
        raise world.Skip("needs root")
    errors = side_by_side(survives, TROUBLES)
    assert not errors, "\n".join(str(e) for e in errors)
    return ", ".join(TROUBLES)


def tests():
    yield "on loopback, each trouble of the handle's server: what was accepted meanwhile arrives after it, once", troubles_lose_nothing
    yield "on loopback, kill -9 at %d random instants of real processes: no signal lost, none told twice" % (GUESTS * KILLS), kills_lose_nothing
