"""A guest whose wall clock is wrong, is set, or that sleeps: nothing is lost, nothing is told twice, nothing comes all at once, and what is foreseen stays."""
import collections
import json

import bodies
import world
from outages import HOUR, MINUTE, SINKS, judged, verified
from world import DAY, World

STEP, LENGTH = 2 * HOUR, 7 * HOUR
LEAK = ["--ill", "memory_exhaustion,%d,%d" % (2.5 * HOUR, 5 * HOUR)]
TOLERANCE_S = 120  # of receivers' clocks, as agent/sink has it
WITNESS = "mem.usable_perc"
NAMES = {"monasca": WITNESS, "otlp": WITNESS, "gnocchi": "guest." + WITNESS, "prometheus": WITNESS.replace(".", "_")}


def run(*options):
    with World(sections={**SINKS, "sample": {"interval": "10s"}}) as w:
        told = w.run(LENGTH, *options)
    assert told.code == 0, told.err
    return told


def times(told, sink):
    """When the samples that arrived were taken, in seconds of the run; each may arrive once."""
    seen = collections.Counter()
    for _, body in told.bodies(sink):
        if body:
            seen.update(ms for name, ms in bodies.READ[sink](body) if name == NAMES[sink])
    assert seen and max(seen.values()) == 1, "%s got a sample %s times" % (sink, max(seen.values(), default=0))
    return [ms / 1000 - world.START_S for ms in sorted(seen)]


def whole(told, asleep=(0, 0), wrong=None):
    """Each sample once, at its true time, in each sink. @asleep: from, to. @wrong: (from, to) of a clock that never was set right."""
    for sink in NAMES:
        at = times(told, sink)
        early, late = at[0], at[-1]
        end = wrong[0] if wrong else LENGTH
        assert early < MINUTE and end - 5 * MINUTE < late <= end + MINUTE, "%s has samples from %s to %s" % (sink, early, late)
        gaps = [(b - a, a) for a, b in zip(at, at[1:]) if b - a > 25 and not (a <= asleep[0] + 20 and b >= asleep[1] - 20)]
        assert not gaps, "%s lacks %s" % (sink, gaps[:3])


def calm(told, since, till=LENGTH):
    """No minute after @since has more requests than any before it had, to any server, give or take what is due by chance."""
    per_minute = collections.defaultdict(collections.Counter)
    for r in told.of("request"):
        per_minute[r["service"]][int(r["t"] // MINUTE)] += 1
    for service, count in per_minute.items():
        before = max([n for m, n in count.items() if 10 <= m < since // MINUTE] or [0])
        after = max([n for m, n in count.items() if since // MINUTE <= m < till // MINUTE] or [0])
        assert after <= 2 * before + 3, "%s was asked %d times in a minute, before %d" % (service, after, before)


def leaks(told):
    return [(f["event"], f["level"]) for f in told.findings() if f["class"] == "memory_exhaustion"], told.findings()[0]["t"]


def stepped(*steps):
    """The clock is set before a leak begins, or while it is open: foreseen as if nothing had been."""
    calm_news, calm_at = leaks(run(*LEAK))
    options = [w for at, by in steps for w in ("--clock", "%d,%d" % (at, by))]
    told = run(*LEAK, *options)
    news, at = leaks(told)
    assert news == calm_news and abs(at - calm_at) < 5 * MINUTE, "with the clock set %s at %d, without %s at %d" % (news, at, calm_news, calm_at)
    assert not [f for f in told.findings() if f["class"] != "memory_exhaustion" and f["level"] != "notice"], told.findings()
    taken, key = judged(told)
    verified(taken[:3] + taken[-3:], key)
    seqs = [d["seq"] for _, d in taken]
    assert len(set(seqs)) == len(seqs) and max(b - a for (a, _), (b, _) in zip(taken, taken[1:])) < 6 * MINUTE, "a signal is missing"
    wrong = sum(by for _, by in steps)
    if abs(wrong) > TOLERANCE_S or wrong == 0:
        whole(told, wrong=steps[0] if wrong else None)
    calm(told, steps[0][0], steps[1][0] if len(steps) > 1 else LENGTH)
    return "foreseen at %d s, else %d s; %d signals" % (at, calm_at, len(taken))


def slept(seconds):
    told = run("--suspend", "%d,%d" % (STEP, seconds))
    assert not [f for f in told.findings() if f["level"] != "notice" or f["class"] == "clock_unsynchronised"], told.findings()
    taken, key = judged(told)
    verified(taken[:3] + taken[-3:], key)
    awake = [t for t, _ in taken if t >= STEP + seconds]
    assert awake and awake[0] - STEP - seconds < 6 * MINUTE, "the first signal after it: %s" % awake[:1]
    whole(told, asleep=(STEP, STEP + seconds))
    calm(told, STEP + seconds)
    return "%d signals" % len(taken)


def said(told):
    """What the kernel said of its clock: {metric: [value, ...]}, and what the agent made of it."""
    values = collections.defaultdict(list)
    for _, body in told.bodies("monasca"):
        for m in json.loads(body) if body else []:
            values[m["name"]].append(m["value"])
    return values, [f for f in told.findings() if f["class"] == "clock_unsynchronised"]


def looked(seconds, *options, interval="10s"):
    with World(sections={"sinks": {"monasca": SINKS["sinks"]["monasca"], **world.KEYSTONE}, "sample": {"interval": interval}}) as w:
        told = w.run(seconds, *options)
    assert told.code == 0, told.err
    return said(told)


def kept_by(keeper, least, most):
    """A day of a clock as that daemon keeps it: nothing is said of it. @least, @most: the error of its second half, ms."""
    values, found = looked(DAY, "--keeper", keeper, interval="30s")
    assert not found, found
    errors = values["guest.clock.error_max_ms"]
    half = errors[len(errors) // 2:]
    assert least <= min(half) and max(half) <= most, (min(half), max(half))
    assert errors[0] == 16000, "a kernel that boots"
    return "%d looks, at most %g ms" % (len(errors), max(half))


def slewed_at_boot():
    """A look each second, to see the 390 ms that timesyncd slews."""
    values, found = looked(2 * HOUR, interval="1s")
    offsets = values["guest.clock.offset_ms"]
    assert -400 < min(offsets) < -250, "at most %g ms" % min(offsets)
    assert not found, found
    return "%g ms" % min(offsets)


def alone_after(*options):
    """Who wakes the guest or sets its clock ended the daemon, too: told when an hour is over."""
    _, found = looked(STEP + 6 * HOUR, "--ill", "clock_unsynchronised,%d,%d" % (STEP - 60, STEP + 6 * HOUR), *options)
    assert [f["event"] for f in found].count("opened") == 1, found
    assert 3600 <= found[0]["t"] - STEP - (3 * HOUR if options[0] == "--suspend" else 0) < 3700, found[0]
    return "after %d s" % (found[0]["t"] - STEP)


def tests():
    for keeper, least, most in (("timesyncd", 0, 1025), ("chrony", 35, 1060), ("busybox", 16000, 16000), ("nobody", 16000, 16000)):
        yield "the clock is kept by %s: nothing is said of it" % keeper, lambda k=keeper, a=least, b=most: kept_by(k, a, b)
    yield "at boot the clock is slewed by 390 ms: nothing is said of it", slewed_at_boot
    yield "the clock is set and its daemon is gone: told after an hour", lambda: alone_after("--clock", "%d,90" % STEP)
    yield "the guest wakes without its daemon: told after an hour", lambda: alone_after("--suspend", "%d,%d" % (STEP, 3 * HOUR))
    for words, by in (("three days ahead", 3 * DAY), ("five hours back", -5 * HOUR)):
        yield ("the clock is set %s: a leak is foreseen as without, samples are held, signals go on" % words, lambda b=by: stepped((STEP, b)))
        yield ("the clock is %s for forty minutes: each sample arrives once, at its true time" % words, lambda b=by: stepped((STEP, b), (STEP + 40 * MINUTE, -b)))
    yield ("the clock is set by 90 s while a leak is told of: it is told of no more often", lambda: stepped((4.5 * HOUR, 90)))
    yield "the guest sleeps for three hours: nothing comes all at once, nothing is foreseen by that", lambda: slept(3 * HOUR)
