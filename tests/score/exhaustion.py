"""Scores `replay exhaustion`: recall, false alarms per VM-month, lead and error of the predicted date.

A trace is (name, kind, samples, onset, fail): one sample a minute; onset and fail are -1 on traces that never fail.
"""
import array
import csv
import gzip
import math
import os
import subprocess

MONTH = 30 * 1440
GAP = 360  # minutes without alarm that end an episode


def read_set(folder):
    with open(os.path.join(folder, "index.tsv")) as f:
        for row in csv.DictReader(f, delimiter="\t"):
            with gzip.open(os.path.join(folder, row["file"])) as g:
                values = array.array("H", g.read())
            yield row["file"], row["kind"], [v / 65535 for v in values], int(row["onset"]), int(row["fail"])


def replay(binary, values, options=(), times=None):
    if times is None:
        times = [60 * i for i in range(len(values))]
    text = "\n".join("%.10g %.6f" % (t, v) for t, v in zip(times, values)) + "\n"
    out = subprocess.run([*binary, "replay", "exhaustion", *options], input=text.encode(), stdout=subprocess.PIPE, check=True).stdout
    words = out.split()
    return [w == b"1" for w in words[1::3]], [float(w) for w in words[2::3]]


def episodes(alarms, end):
    """(first, last) of alarms, those less than GAP apart being one"""
    found = []
    for i in range(end):
        if alarms[i]:
            if found and i - found[-1][1] <= GAP:
                found[-1][1] = i
            else:
                found.append([i, i])
    return found


def judge(alarms, eta, onset, fail):
    """One trace: false alarms, and for a failing one (found, found at 5 min, lead, eta factor)."""
    end = fail if fail >= 0 else len(alarms)
    false, answer = 0, None
    seen = episodes(alarms, min(end, len(alarms)))
    if fail < 0:
        return len(seen), None
    false = sum(1 for first, last in seen if last < onset)
    # the standing alarm: back from the failure as long as it stands
    start = min(end, len(alarms))
    while start > 0 and alarms[start - 1]:
        start -= 1
    start = max(start, onset)
    need = min(60, 0.25 * (fail - onset))
    lead = fail - start
    factor = None
    if start < min(end, len(alarms)):
        first = next((a for a, b in seen if b >= onset), start)
        first = max(first, onset)
        if first < len(eta) and eta[first] > 0:
            factor = math.exp(abs(math.log(eta[first] / (60 * max(fail - first, 0.5)))))
    answer = (lead >= need, lead >= min(5, 0.25 * (fail - onset)), lead, factor)
    return false, answer


def why(binary, values, alarms, onset, fail):
    """The rules behind each episode: for reading, not for the score."""
    text = "\n".join("%d %.6f" % (60 * i, v) for i, v in enumerate(values)) + "\n"
    out = subprocess.run([*binary, "replay", "exhaustion", "--all"], input=text.encode(), stdout=subprocess.PIPE, check=True).stdout
    said = [line.split(b" ", 3)[3].decode() for line in out.splitlines()]
    return ["%d %s at %.3f" % (a - fail if fail > 0 else a, said[a], values[a]) for a, b in episodes(alarms, len(alarms)) if b >= onset][:5]


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))] if values else float("nan")


def score(binary, traces, options=(), verbose=False):
    months = false = 0
    answers, kinds = [], {}
    for name, kind, values, onset, fail in traces:
        alarms, eta = replay(binary, values, options)
        f, answer = judge(alarms, eta, onset, fail)
        months += len(values) / MONTH
        false += f
        k = kinds.setdefault(kind, [0, 0, 0, []])
        k[0] += 1
        k[1] += f
        if answer:
            answers.append(answer)
            k[2] += answer[0]
            if answer[3]:
                k[3].append(answer[3])
        if verbose and (f or (answer and (not answer[0] or (answer[3] or 1) > 3))):
            print("   ", name, "false", f, answer, "onset", onset, "fail", fail, why(binary, values, alarms, onset, fail))
    factors = [a[3] for a in answers if a[3]]
    leads = [a[2] for a in answers if a[0]]
    return {
        "recall": sum(a[0] for a in answers) / max(1, len(answers)), "recall5": sum(a[1] for a in answers) / max(1, len(answers)),
        "false_per_month": false / months, "months": months, "eta50": quantile(factors, 0.5), "eta90": quantile(factors, 0.9),
        "lead10": quantile(leads, 0.1), "lead50": quantile(leads, 0.5), "lead90": quantile(leads, 0.9), "kinds": kinds,
    }


def text(s):
    return "recall %.3f (5 min %.3f), false alarms per VM-month %.3f (%.0f months), lead %d/%d/%d min, ETA factor %.2f / %.2f" % (
        s["recall"], s["recall5"], s["false_per_month"], s["months"], s["lead10"] if s["lead10"] == s["lead10"] else -1,
        s["lead50"] if s["lead50"] == s["lead50"] else -1, s["lead90"] if s["lead90"] == s["lead90"] else -1, s["eta50"], s["eta90"])
