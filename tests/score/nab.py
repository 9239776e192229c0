"""Scores `replay anomaly` as the Numenta Anomaly Benchmark v1.1 does, and by events on other labelled series."""
import csv
import datetime
import json
import math
import os
import subprocess

THRESHOLD = 4.15  # ANOMALY_THRESHOLD of agent/predict/anomaly.h: the silence after an alarm belongs to it
PROFILES = {"standard": (0.11, 1.0), "low FP": (0.22, 1.0), "low FN": (0.11, 2.0)}


def when(text):
    return datetime.datetime.fromisoformat(text.strip()).replace(tzinfo=datetime.timezone.utc).timestamp()


def sigmoid(x):
    return 2 / (1 + math.exp(min(5 * x, 500))) - 1


def replay(binary, times, values):
    text = "\n".join("%.0f %s" % tv for tv in zip(times, values)) + "\n"
    out = subprocess.run([*binary, "replay", "anomaly"], input=text.encode(), stdout=subprocess.PIPE, check=True).stdout
    return [float(w) for w in out.split()]


class Series:
    """One labelled file: windows as index ranges, rows before `skip` are not scored."""

    def __init__(self, name, times, values, windows):
        self.name, self.times, self.values, self.windows = name, times, values, windows
        self.skip = min(int(0.15 * len(times)), 750)
        self.scores = None

    def weights(self):
        """score of each row as a detection: (value, window or None)"""
        out, last = [], None
        where = {}
        for w, (a, b) in enumerate(self.windows):
            for i in range(a, b + 1):
                where[i] = w
        for i in range(len(self.times)):
            if i in where:
                a, b = self.windows[where[i]]
                r = -(b - i + 1) / (b - a + 1)
                out.append((sigmoid(r) / sigmoid(-1), where[i]))
                last = where[i]
            elif last is None:
                out.append((-1.0, None))
            else:
                a, b = self.windows[last]
                d = (i - b) / max(1, b - a)
                out.append((sigmoid(d) if d <= 3 else -1.0, None))
        return out

    def prepare(self):
        """(score, weight, window) of rows that could be detections, best scores first"""
        weights = self.weights()
        rows = [(self.scores[i], *weights[i], i) for i in range(self.skip, len(self.times)) if self.scores[i] > 0]
        return rows


def read_series(name, lines, labels):
    times, values = [], []
    for row in csv.DictReader(lines):
        times.append(when(row["timestamp"]))
        values.append(row["value"])
    windows = []
    for start, end in labels:
        first, last = when(start), when(end)
        inside = [i for i, t in enumerate(times) if first <= t <= last]
        windows.append((inside[0], inside[-1]))
    return Series(name, times, values, windows)


def read_nab(folder):
    with open(os.path.join(folder, "windows.json")) as f:
        labels = json.load(f)
    for name in sorted(labels):
        with open(os.path.join(folder, "data", name)) as f:
            yield read_series(name, f, labels[name])


def totals(series, threshold, profile):
    """(score, windows found, windows, false alarms)"""
    a_fp, a_fn = PROFILES[profile]
    total, found, n, false = 0.0, 0, 0, 0
    for s in series:
        first = {}
        for score, weight, window, i in s.prepared:
            if score < threshold:
                continue
            if window is None:
                total += a_fp * weight
                false += 1
            elif window not in first or i < first[window][1]:
                first[window] = (weight, i)
        scored = [w for w in range(len(s.windows)) if s.windows[w][1] >= s.skip]
        n += len(scored)
        found += len(first)
        total += sum(w for w, _ in first.values())
        total -= a_fn * (len(scored) - len(first))
    return total, found, n, false


def normal(series, threshold, profile):
    total, found, n, false = totals(series, threshold, profile)
    null = -PROFILES[profile][1] * n
    return 100 * (total - null) / (n - null), found, n, false


def prepare(binary, series):
    series = list(series)
    for s in series:
        s.scores = replay(binary, s.times, s.values)
        s.prepared = s.prepare()
    return series


def thresholds(series):
    values = sorted({round(p[0], 2) for s in series for p in s.prepared if p[0] >= 1.5})
    return values


def best(series, profile="standard"):
    """The threshold at the top of the curve, smoothed over its neighbours: the raw top is luck."""
    grid = [t for t in thresholds(series) if t >= 2]
    raw = [normal(series, t, profile)[0] for t in grid]
    alarms = [sum(1 for s in series for p in s.prepared if p[0] >= t) for t in grid]
    smooth = []
    for i in range(len(grid)):
        near = [raw[j] for j in range(len(grid)) if alarms[i] / 1.3 <= alarms[j] <= alarms[i] * 1.3]
        smooth.append(sum(near) / len(near))
    top = max(range(len(grid)), key=lambda i: smooth[i])
    return grid[top], max(raw), smooth[top]
