"""What is lost, told twice or sent too often when sinks, network, disk or the agent itself fail."""
import collections
import os
import random

import bodies
import world
from world import HOUR, KEYSTONE, World

DEEP = os.environ.get("HEAT_PULSE_DEEP") == "1"
KILLS = 2000 if DEEP else 200
MINUTE = 60
SOON = 20 * MINUTE  # the longest pause, 15 minutes, with its jitter, and the signal after it

# name: what --fault takes after the service and before the times, and after them
TROUBLES = {
    "down": ("down",), "slow": ("slow",), "401": ("status", 401), "403": ("status", 403), "413": ("status", 413), "422": ("status", 422),
    "429 with Retry-After": ("status", 429, 600), "500": ("status", 500), "503": ("status", 503), "DNS dead": ("dns",),
    "black hole": ("blackhole",), "certificate expired": ("cert",), "token revoked": ("revoked",), "answer lost": ("cut",),
}
SINKS = {"sinks": {"monasca": "https://monasca.sim/v2.0", "prometheus": "https://prometheus.sim/api/v1/write", "gnocchi": "https://gnocchi.sim",
                   "otlp": "https://otlp.sim/v1/metrics", **KEYSTONE}}
WAYS = {"cfn": "handle", "heat": "heat"}
PAIRS = [("monasca", "prometheus"), ("gnocchi", "otlp")]
FOR_GOOD = {"monasca": ("422",), "prometheus": ("422",), "otlp": ("422", "500"), "gnocchi": ("422",)}  # judged point by point
AGE_S = {"prometheus": 55 * MINUTE, "gnocchi": 24 * HOUR, "otlp": 24 * HOUR, "monasca": 14 * 24 * HOUR}


def fault(service, trouble, begin, end):
    words = TROUBLES[trouble]
    return ["--fault", ",".join(str(w) for w in (service, words[0], begin, end, *words[1:]))]


# ---- signals ----

def judged(told, may_repeat=False):
    """Every signal that a server took: good by verify, the boot result with one seq, health in order; none told twice."""
    taken = [(t, world.data_of(s)) for t, s in told.signals()]
    assert taken, "no signal arrived: %s" % told.err[-500:]
    key = taken[-1][1]["key"]
    boots = {d["seq"] for _, d in taken if d["kind"] == "boot"}
    assert len(boots) == 1, "boot result with seqs %s" % boots
    by_seq = {}
    for _, data in taken:
        assert by_seq.setdefault(data["seq"], data) == data, "one seq, two signals"
    health = [d["seq"] for _, d in taken if d["kind"] != "boot"]
    assert health == sorted(health) and (may_repeat or len(set(health)) == len(health)), "order or repetition of health: %s" % health
    told_of = collections.Counter((d["kind"], d["ts"], d["state"]) for d in by_seq.values())
    assert max(told_of.values()) == 1, "told twice: %s" % told_of.most_common(1)
    return taken, key


def verified(taken, key):
    for _, data in taken:
        assert world.judge(data, key) == 0, data


def signals_through(way, trouble, begin, length):
    """@begin 0: the boot result itself meets the trouble."""
    end = begin + length
    ill = begin + 10 * MINUTE
    with World(way) as w:
        told = w.run(end + 4 * SOON, "--ill", "oom_kill,%d,%d" % (ill, ill + 60), *fault(WAYS[way], trouble, begin, end))
    assert told.code == 0, told.err
    taken, key = judged(told, may_repeat=trouble in ("answer lost", "slow"))
    verified(taken if len(taken) < 60 else taken[:5] + taken[-5:], key)
    after = [t for t, d in taken if t >= end]
    assert after and after[0] - end <= SOON, "the first signal after the trouble came at %s" % (after[:1] and after[0] - end)
    assert taken[-1][1]["state"] == "ok" and told.end()["t"] - taken[-1][0] <= 6 * MINUTE, "the last word: %s" % (taken[-1],)
    routed = way == "cfn" or begin > 0  # else document and signal come by the same host: nobody knows where to before the trouble ends
    if trouble in ("slow", "answer lost") and routed:
        assert any(f["class"] == "oom_kill" for _, d in taken for f in d["findings"]), "the finding was not told"
    tried = [r["t"] for r in told.requests(WAYS[way]) if r["trouble"] and (r["method"] != "GET" or not routed)]
    if trouble not in ("slow", "token revoked"):
        # refused credentials are tried in all three forms of signature
        limit = 90 if trouble in ("401", "403") else 60
        assert tried and len(tried) / (length / HOUR) <= limit, "%d tries in %d h" % (len(tried), length / HOUR)
    return "%d signals, %d tries meanwhile, first after it within %d s" % (len(taken), len(tried), after[0] - end)


# ---- metrics ----

def values(told, sink):
    """{time: how many values arrived of it}, and how many arrived twice."""
    seen = collections.Counter()
    for _, body in told.bodies(sink):
        if body:
            seen.update(bodies.READ[sink](body))
    return seen


def dropped(told, sink, witness):
    """The agent's own last word on how many values it left out for a sink, as a sink that works heard it."""
    import json
    last = 0
    assert witness == "otlp" or witness == "monasca"
    for _, body in told.bodies(witness):
        if not body:
            continue
        if witness == "monasca":
            value = json.loads(body)
            found = [m["value"] for m in (value if isinstance(value, list) else [value])
                     if m["name"] == "guest.agent.dropped_total" and m["dimensions"].get("sink") == sink]
        else:
            found = [p.get("asDouble", 0) for r in json.loads(body).get("resourceMetrics", []) for s in r["scopeMetrics"] for m in s["metrics"]
                     if m["name"] == "guest.agent.dropped_total" for p in (m.get("sum") or m.get("gauge"))["dataPoints"]
                     if any(a["value"].get("stringValue") == sink for a in p.get("attributes", []))]
        last = max([last] + found)
    return int(last)


def per_time(seen):
    count = collections.Counter()
    for (_, ms), n in seen.items():
        count[ms] += n
    return count


def metrics_through(pair, trouble, length, interval="10s", after=2 * HOUR):
    """Each value arrives once, or is counted as left out; what works is not disturbed."""
    begin, witness = HOUR, "otlp" if "monasca" in pair else "monasca"
    end = begin + length
    faults = [w for sink in pair for w in fault(sink, trouble, begin, end)]
    with World(sections={**SINKS, "sample": {"interval": interval}}) as w:
        told = w.run(end + after, *faults)
    assert told.code == 0, told.err
    settled = (world.START_S + end + after - 10 * MINUTE) * 1000
    reference = per_time(values(told, witness))
    said = []
    for sink in pair:
        seen = values(told, sink)
        twice = sum(n - 1 for n in seen.values())
        # a series whose entity stands in its dimensions counts as one name here: compare by how many there are
        got = per_time(seen)
        missing = sum(max(0, n - got.get(ms, 0)) for ms, n in reference.items() if ms <= settled)
        counted = dropped(told, sink, witness)
        surplus = sum(max(0, got[ms] - reference.get(ms, 0)) for ms in got if ms <= settled)
        assert surplus == 0 or trouble in ("answer lost", "slow"), "%s got %d values more than once" % (sink, surplus)
        # what arrived without its answer was sent again until it was too old, and is counted as if it had not arrived
        assert missing == counted or (trouble == "answer lost" and missing <= counted), "%s: %d missing, %d counted" % (sink, missing, counted)
        loss_s = max(0, length + SOON - AGE_S[sink])
        bound = max(reference.values()) * loss_s / {"10s": 10, "60s": 60}[interval]
        assert trouble in FOR_GOOD.get(sink, ()) or missing <= bound, "%s lost %d, the bound is %d" % (sink, missing, bound)
        said.append("%s %d of %d left out, counted" % (sink, missing, sum(reference.values())))
        del twice
        paced(told, sink, end)
    return "; ".join(said)


def paced(told, sink, end):
    """While catching up: at most half as many requests again as in steady flow, by windows of ten minutes."""
    windows = collections.Counter(int((r["t"] - end) // (10 * MINUTE)) for r in told.requests(sink) if r["t"] >= end)
    steady = 10 * MINUTE / 30
    worst = max(windows.values(), default=0)
    assert worst <= 1.5 * steady * 1.25 + 2, "%s: %d requests in ten minutes, steady flow has %d" % (sink, worst, steady)


# ---- kills and disks ----

SCENE = ["--ill", "oom_kill,600,660", *fault("handle", "down", 200, 500)]
SCENE_S = 3000


def scene(*options):
    with World() as w:
        return w.run(SCENE_S, *SCENE, *options)


def whole(told):
    """The scene's signals are all there: boot result, the finding, its action, once, and that it is over."""
    assert told.code == 0, "%s %s" % (told.end(), told.err[-800:])
    taken, key = judged(told, may_repeat=True)
    named = [d for _, d in taken if any(f["class"] == "oom_kill" for f in d["findings"])]
    assert named, "the finding was lost"
    assert taken[-1][1]["state"] == "ok" and not taken[-1][1]["findings"], "the end was lost: %s" % taken[-1][1]
    actions = {body for _, body in told.bodies("action")}
    assert len(actions) == 1, "actions: %s" % actions
    return taken, key


def kills_lose_nothing():
    calm = scene()
    taken, key = whole(calm)
    verified(taken, key)
    n = calm.end()["instants"]
    dice = random.Random(5)
    bad, done = [], 0
    for instant in sorted(dice.sample(range(2, n), min(KILLS, n - 2))):
        told = scene("--kill", instant)
        try:
            whole(told)
            done += bool(told.of("killed"))  # agent and store race for them, so a run may have fewer instants than the first had
        except AssertionError as why:
            bad.append("instant %d (%s): %s" % (instant, told.of("killed") and told.of("killed")[0]["t"], why))
    assert not bad, "%d of %d:\n%s" % (len(bad), KILLS, "\n".join(bad[:8]))
    assert done >= 0.9 * min(KILLS, n - 2), "only %d runs were killed" % done
    return "%d of %d instants, agent and store at once" % (done, n)


def storms_of_kills_lose_nothing():
    dice = random.Random(7)
    bad = []
    for turn in range(20 if not DEEP else 200):
        told = scene("--kill", ",".join(str(dice.randrange(20, 400)) for _ in range(12)))
        try:
            whole(told)
        except AssertionError as why:
            bad.append("storm %d: %s" % (turn, why))
    assert not bad, "\n".join(bad[:5])
    return "12 kills in each of 20 lives"


def disk_failures_lose_nothing(errno, length, words):
    calls = scene().end()["disk_calls"]
    step = 1 if DEEP else max(1, calls // 120)
    bad, done = [], 0
    for first in range(1, calls + 1, step):
        told = scene("--disk", "%d,%d,%d" % (first, length, errno))
        try:
            whole(told)
            done += 1
        except AssertionError as why:
            bad.append("call %d: %s" % (first, why))
    assert not bad, "%d of %d:\n%s" % (len(bad), done + len(bad), "\n".join(bad[:6]))
    return "%s at each of %d of %d calls" % (words, done, calls)


# ---- waking up ----

def waits_calmly():
    """How often the agent wakes up in ten minutes without metadata, with and without somebody who waits for the boot result."""
    wakeups = []
    for signal in ({}, {"signal": {"boot": "boot"}}):
        with World(sections=signal) as w:
            told = w.run(10 * MINUTE - 20, "--fault", "cfn,down,0,900")
        assert told.code == 0, told.err
        wakeups.append(told.end()["jumps"])
    assert wakeups[1] <= wakeups[0] + 5, "%d wake-ups without, %d with a boot result to tell" % tuple(wakeups)
    return "%d wake-ups without, %d with a boot result to tell" % tuple(wakeups)


def story(told):
    """(times, what happened then), but for what the key of the signals decides."""
    events = [(line["t"], (line["what"], line.get("service"), line.get("class"))) for line in told.lines if "body" not in line and line["what"] != "end"]
    events += [(t, {k: v for k, v in world.data_of(s).items() if k not in ("key", "sig")}) for t, s in told.signals()]
    return [t for t, _ in events], [what for _, what in events]


def runs_are_alike():
    """What happens is a function of the options, however busy the machine: else no other script here proves anything. When the store answers two at
    once, a request begins before or after another one's end: its time may differ by that."""
    first, *others = (story(scene()) for _ in range(4))
    for times, events in others:
        assert events == first[1], "%d and %d events" % (len(first[1]), len(events))
        moved = [(a, b) for a, b in zip(first[0], times) if abs(a - b) > 0.1]
        assert not moved, moved[:3]
    return "%d events" % len(first[1])


def tests():
    yield "the same options give the same run", runs_are_alike
    yield "ten minutes without metadata: who has a boot result to tell wakes up no more often", waits_calmly
    for way in WAYS:
        for trouble in TROUBLES:
            yield ("signals by %s, 1 h of %s: none lost, none twice" % (way, trouble),
                   lambda w=way, t=trouble: signals_through(w, t, 2 * HOUR, HOUR))
            yield ("signals by %s, the first hour of a guest with %s: the boot result arrives, once" % (way, trouble),
                   lambda w=way, t=trouble: signals_through(w, t, 0, HOUR))
        yield "signals by %s, 72 h down: none lost, none twice" % way, lambda w=way: signals_through(w, "down", HOUR, 72 * HOUR)
    for pair in PAIRS:
        for trouble in TROUBLES:
            yield ("metrics to %s and %s, 1 h of %s: each value once, or counted" % (*pair, trouble),
                   lambda p=pair, t=trouble: metrics_through(p, t, HOUR))
        yield ("metrics to %s and %s, 72 h down: each value once, or counted" % pair,
               lambda p=pair: metrics_through(p, "down", 72 * HOUR, "60s", 12 * HOUR))
    yield "kill -9 at %d random instants: no signal lost, none told twice" % KILLS, kills_lose_nothing
    yield "a dozen kills in one life, twenty times: no signal lost, none told twice", storms_of_kills_lose_nothing
    yield "each disk call fails once, no space: no signal lost", lambda: disk_failures_lose_nothing(28, 1, "ENOSPC once")
    yield "each disk call fails once, I/O error: no signal lost", lambda: disk_failures_lose_nothing(5, 1, "EIO once")
    yield "the disk is full from any call on: no signal lost while the agent lives", lambda: disk_failures_lose_nothing(28, 1 << 30, "ENOSPC from then on")
