"""Made-up traces of one resource, one sample a minute, for scoring forecasts on seeds nothing was tuned on.

Kinds as in the shared set, written anew. `PLAIN` ranges are near that set's. `WIDE` ones change them: noisier, faster, wider bursts,
harmless growth that stops as high as 0.93. `HARSH` goes on from there: twice that noise, leaks of three hours, and the last 3 % below
the limit are not hidden. README.md says how they were set.
"""
import math
import random

PLAIN = {"noise": (0.003, 0.015), "hours": (6, 240), "top": (0.55, 0.85), "burst": (10, 60), "clip": 0.97, "saw": (0.04, 0.2), "noisier": 3}
WIDE = {"noise": (0.002, 0.02), "hours": (4, 240), "top": (0.55, 0.93), "burst": (8, 90), "clip": 0.97, "saw": (0.04, 0.25), "noisier": 2}
HARSH = {"noise": (0.002, 0.03), "hours": (3, 300), "top": (0.60, 0.93), "burst": (8, 90), "clip": 0.99, "saw": (0.03, 0.3), "noisier": 3}
LENGTH = 30 * 1440


def noise(r, n, deviation, keep=0.9):
    x, out, fresh = 0.0, [], deviation * math.sqrt(1 - keep * keep)
    for _ in range(n):
        x = keep * x + r.gauss(0, fresh)
        out.append(x)
    return out


def daily(r, n, amplitude):
    shift = r.uniform(0, 1440)
    return [amplitude * math.sin(2 * math.pi * (i + shift) / 1440) for i in range(n)]


def saw(r, n, height, period):
    out, x = [], 0.0
    for _ in range(n):
        x += height / period * r.uniform(0.8, 1.2)
        if x > height:
            x = 0.0
        out.append(x)
    return out


def failing(r, p, kind):
    """(values, onset, fail)"""
    onset = r.randint(2 * 1440, 10 * 1440)
    hours = math.exp(r.uniform(math.log(p["hours"][0]), math.log(p["hours"][1])))
    dur = int(r.uniform(*p["burst"]) if kind == "burst" else 60 * hours)
    n = min(LENGTH, onset + 4 * dur + 2000)
    base = r.uniform(0.15, 0.5)
    rise = (1 - base)
    sd = r.uniform(*p["noise"]) * (p["noisier"] if kind == "noisy-leak" else 1)
    y = noise(r, n, sd)
    extra = [0.0] * n
    released, rotated = 0.0, 0.0
    if kind == "seasonal-leak":
        extra = daily(r, n, r.uniform(0.02, 0.1))
    elif kind == "sawtooth-leak":
        extra = saw(r, n, r.uniform(*p["saw"]), r.uniform(20, 120))
    elif kind == "logrotate-growth":
        height, period = r.uniform(0.1, 0.4), 1440
        extra = [height * (i % period) / period for i in range(n)]
    elif kind == "step":
        at = onset
        extra = [r.uniform(0, 0.01) + (0.05 if i > at else 0) for i in range(n)]
    for i in range(n):
        t = (i - onset) / dur
        if t > 0:
            if kind == "accelerating":
                growth = rise * t * t
            else:
                growth = rise * t
            if kind == "leak-partial-release":
                if r.random() < 2.0 / dur * 2:
                    released += r.uniform(0.2, 0.5) * max(0, growth - released)
                growth -= released
            if kind == "logrotate-growth":
                growth -= 0
        else:
            growth = 0
        v = base + growth + extra[i] + y[i]
        if v >= 1 and t > 0:
            return [min(x, p["clip"]) for x in y[:i]] + [1.0], onset, i
        y[i] = max(0.01, v)
    return None


def benign(r, p, kind):
    n = LENGTH
    base = r.uniform(0.15, 0.5)
    y = noise(r, n, r.uniform(*p["noise"]))
    top = r.uniform(*p["top"])
    at = r.randint(3 * 1440, 15 * 1440)
    add = [0.0] * n
    if kind == "seasonal":
        add = daily(r, n, r.uniform(0.05, 0.2))
    elif kind == "gc-sawtooth":
        add = saw(r, n, r.uniform(*p["saw"]), r.uniform(20, 240))
    elif kind == "saturating-cache":
        tau = 60 * math.exp(r.uniform(math.log(3), math.log(40)))
        add = [(top - base) * (1 - math.exp(-(i - at) / tau)) if i > at else 0 for i in range(n)]
    elif kind == "leak-that-stops":
        dur = 60 * math.exp(r.uniform(math.log(6), math.log(240)))
        add = [(top - base) * min(1, max(0, (i - at) / dur)) for i in range(n)]
    elif kind == "logrotate-daily":
        height, shift = r.uniform(0.1, min(0.45, top - 0.3)), r.randint(0, 1440)
        add = [height * ((i + shift) % 1440) / 1440 for i in range(n)]
        base = min(base, top - height)
    elif kind == "deploy-steps":
        levels = sorted(r.uniform(0, max(0.05, top - base)) for _ in range(5))
        days = sorted(r.randint(1440, n) for _ in range(5))
        level, j = 0.0, 0
        for i in range(n):
            while j < 5 and i >= days[j]:
                level, j = levels[j], j + 1
            add[i] = level
    elif kind == "temp-burst":
        i = 1440
        while i < n:
            i += int(r.expovariate(1 / 1500))
            long, height = r.randint(20, 180), r.uniform(0.1, max(0.12, top - base))
            ramp = r.randint(10, 60)
            for k in range(i, min(n, i + long)):
                add[k] = height * min(1, (k - i) / ramp)
            i += long
    elif kind == "mean-reverting":
        x = 0.0
        for i in range(n):
            x += -x / 600 + r.gauss(0, 0.004)
            add[i] = x
        add = [min(top - base, a) for a in add]
    elif kind == "weekly-batch":
        height = r.uniform(0.1, max(0.12, top - base - 0.1))
        shift = r.randint(0, 7 * 1440)
        season = daily(r, n, 0.04)
        add = [season[i] + (height if (i + shift) % (7 * 1440) < 300 else 0) for i in range(n)]
    return [min(max(0.01, base + a + e), p["clip"]) for a, e in zip(add, y)], -1, -1


FAILING = ("linear", "step", "sawtooth-leak", "seasonal-leak", "noisy-leak", "accelerating", "burst", "logrotate-growth",
           "leak-partial-release")
BENIGN = ("flat", "seasonal", "gc-sawtooth", "saturating-cache", "leak-that-stops", "logrotate-daily", "deploy-steps", "temp-burst",
          "mean-reverting", "weekly-batch")


def make(seeds, ranges=PLAIN, kinds=FAILING + BENIGN):
    for seed in seeds:
        for kind in kinds:
            r = random.Random("%s %d" % (kind, seed))
            made = None
            while made is None:
                made = failing(r, ranges, kind) if kind in FAILING else benign(r, ranges, kind)
            yield ("%s-%d" % (kind, seed), kind, *made)
