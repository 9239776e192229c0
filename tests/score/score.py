#!/usr/bin/python3
"""How good the predictions are: floors on the fixtures of the tree (TAP), and the table over the larger sets where they are.

  score.py BINARY [--data DIR] [--seeds N]

DIR (or HEAT_PULSE_DATA, or ../shared/data beside the tree) holds exhaustion, klog-syz, syslog-loghub, nab, asd, smd and cloudmon.
"""
import argparse
import csv
import gzip
import json
import os
import random
import resource
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
import exhaustion  # noqa: E402
import host  # noqa: E402
import klog  # noqa: E402
import nab  # noqa: E402
import tap  # noqa: E402
import traces  # noqa: E402

FIXTURES = os.path.join(TOP, "tests", "fixtures", "predict")


def say(*words):
    print("#", *words, flush=True)


def floor(t, name, value, least):
    t.say(value >= least, "%s: %.3f, at least %.3f" % (name, value, least), "fell below")


def ceiling(t, name, value, most):
    t.say(value <= most, "%s: %.3f, at most %.3f" % (name, value, most), "rose above")


# ---- floors: always ----

def klog_floor(t, binary):
    s = klog.score(binary, os.path.join(FIXTURES, "klog"), "expected.tsv")
    t.say(not s["wrong"], "kernel logs of the tree: %d of %d found, %d false" % (s["found"], s["positive"], s["false"]), "\n".join(s["wrong"]))


def exhaustion_floor(t, binary):
    for name, ranges, recall, false, factor in (("plain", traces.PLAIN, 0.94, 0.08, 1.4), ("wide", traces.WIDE, 0.94, 0.16, 1.5)):
        s = exhaustion.score(binary, traces.make(range(501, 503), ranges))
        say("made-up traces, %s ranges:" % name, exhaustion.text(s))
        floor(t, "exhaustion recall, %s ranges" % name, s["recall"], recall)
        ceiling(t, "exhaustion false alarms per VM-month, %s ranges" % name, s["false_per_month"], false)
        ceiling(t, "exhaustion ETA factor, median, %s ranges" % name, s["eta50"], factor)


def nab_floor(t, binary):
    folder = os.path.join(FIXTURES, "nab")
    with open(os.path.join(folder, "windows.json")) as f:
        labels = json.load(f)
    series = []
    for name, windows in labels.items():
        with gzip.open(os.path.join(folder, name + ".gz"), "rt") as f:
            series.append(nab.read_series(name, f, windows))
    value, found, n, false = nab.normal(nab.prepare(binary, series), nab.THRESHOLD, "standard")
    say("three series: %d of %d windows, %d false alarms" % (found, n, false))
    floor(t, "anomaly score on three series", value, 75)


# ---- the table: where the sets are ----

def exhaustion_table(t, binary, data, seeds):
    shared = list(exhaustion.read_set(os.path.join(data, "exhaustion")))
    for level, options in (("warning", ()), ("notice", ("--notice",))):
        s = exhaustion.score(binary, shared, options)
        say("exhaustion, %s, shared:" % level, exhaustion.text(s))
        floor(t, "exhaustion, %s, shared: recall" % level, s["recall"], 0.98)
        ceiling(t, "exhaustion, %s, shared: false alarms per VM-month" % level, s["false_per_month"], 0.1 if options else 0.05)
        if options:
            floor(t, "exhaustion, notice, shared: median lead in minutes", s["lead50"], 600)
        else:
            ceiling(t, "exhaustion, warning, shared: ETA factor, median", s["eta50"], 1.3)
        for name, ranges, first in (("plain", traces.PLAIN, 1000), ("wide", traces.WIDE, 2000), ("harsh", traces.HARSH, 3000)):
            made = traces.make(range(first, first + seeds), ranges)
            say("exhaustion, %s, own %s ranges:" % (level, name), exhaustion.text(exhaustion.score(binary, made, options)))


def klog_table(t, binary, data):
    s = klog.score(binary, os.path.join(data, "klog-syz"))
    say("klog: recall %.3f (%d of %d), %d of %d false, class accuracy %.3f"
        % (s["recall"], s["found"], s["positive"], s["false"], s["negative"], s["accuracy"]))
    floor(t, "klog: recall", s["recall"], 0.985)
    floor(t, "klog: class accuracy", s["accuracy"], 0.95)
    lines, findings = klog.ordinary(binary, os.path.join(data, "syslog-loghub"))
    t.say(not s["false"] and not findings, "klog: no false finding in %d logs and %d ordinary lines" % (s["negative"], lines),
          "%d, %d" % (s["false"], findings))


def nab_table(t, binary, data):
    series = nab.prepare(binary, nab.read_nab(os.path.join(data, "nab")))
    at, _, _ = nab.best(series)
    for name, threshold in (("own", nab.THRESHOLD), ("best", at)):
        values = ["%s %.1f" % (p, nab.normal(series, threshold, p)[0]) for p in nab.PROFILES]
        say("anomaly, %s threshold %.2f: %s; %d of %d windows, %d false" % (name, threshold, ", ".join(values), *nab.normal(series, threshold, "standard")[1:]))
    floor(t, "anomaly, standard profile", nab.normal(series, nab.THRESHOLD, "standard")[0], 71)
    r, halves = random.Random(1), []
    for _ in range(20):
        mixed = r.sample(series, len(series))
        a, b = mixed[: len(mixed) // 2], mixed[len(mixed) // 2:]
        halves += [nab.normal(y, nab.best(x)[0], "standard")[0] for x, y in ((a, b), (b, a))]
    say("anomaly, threshold of one random half on the other: mean %.1f, lowest sixth %.1f" % (sum(halves) / 40, sorted(halves)[6]))


def cloudmon_table(binary, data):
    """Events found and false alarms a month of 5-minute steps, alarms at the own threshold."""
    found = events = false = rows = files = 0
    for root, _, names in os.walk(os.path.join(data, "cloudmon")):
        for name in sorted(names):
            if not name.endswith(".csv"):
                continue
            with open(os.path.join(root, name), newline="") as f:
                lines = [line for line in csv.DictReader(f) if line["Value"]]
            times, values, labels = cloudmon_series(lines)
            scores = nab.replay(binary, times, values)
            a, b = host.count(scores, labels, nab.THRESHOLD)
            found, false = found + a, false + b
            events, rows, files = events + len(host.events(labels)), rows + len(labels), files + 1
    say("cloudmon: %d series, %d of %d events, %.2f false alarms per 1,000 samples" % (files, found, events, 1000 * false / max(1, rows)))


def cloudmon_series(lines):
    times = []
    for i, line in enumerate(lines):
        try:
            times.append(nab.when(line["TimeStamp"].replace("Z", "")))
        except ValueError:
            times.append(60.0 * i)
    return times, [line["Value"] for line in lines], [int(float(line["Label"] or 0)) for line in lines]


def host_table(t, binary, data):
    for name, step in (("asd", 300), ("smd", 60)):
        runs = host.run(binary, os.path.join(data, name), step)
        quarter, day = host.at_rate(runs, 0.25), host.at_rate(runs, 1)
        own = [host.count([float(a) for a in r["alarms"]], r["labels"], 0.5) for r in runs]
        days = sum(len(r["scores"]) * step for r in runs) / 86400
        events = sum(len(host.events(r["labels"])) for r in runs)
        say("host, %s: event recall %.2f at 0.25 false alarms a day, %.2f at 1; own alarm %.2f at %.2f"
            % (name, quarter[0], day[0], sum(o[0] for o in own) / events, sum(o[1] for o in own) / days))


def processor_time(binary, kind, text):
    """Seconds of one processor, not of the clock: other programs do not count."""
    def spent():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    subprocess.run([*binary, "replay", kind], input=text, stdout=subprocess.DEVNULL, check=True)
    return spent() - before


def speed(t, binary):
    samples = b"".join(b"%d %.4f\n" % (60 * i, 0.4 + 0.1 * ((i * 7919) % 97) / 97) for i in range(500000))
    lines = b"".join(b"[%5d.%06d] usb 1-1.%d: new high-speed USB device number %d using xhci_hcd\n" % (i // 50, i, i % 7, i % 127) for i in range(500000))
    for kind, text in (("exhaustion", samples), ("anomaly", samples), ("klog", lines)):
        floor(t, "replay %s: million lines per second of processor time" % kind, 0.5 / processor_time(binary, kind, text), 1.0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--data", default=os.environ.get("HEAT_PULSE_DATA", os.path.join(TOP, "..", "shared", "data")))
    parser.add_argument("--seeds", type=int, default=8 if os.environ.get("HEAT_PULSE_DEEP") == "1" else 1)
    a = parser.parse_args()
    binary, t = [a.binary], tap.Tap()
    klog_floor(t, binary)
    nab_floor(t, binary)
    exhaustion_floor(t, binary)
    speed(t, binary)
    if os.path.isdir(a.data):
        klog_table(t, binary, a.data)
        exhaustion_table(t, binary, a.data, a.seeds)
        nab_table(t, binary, a.data)
        host_table(t, binary, a.data)
        cloudmon_table(binary, a.data)
    else:
        t.skip("the table over the larger sets", "no %s" % a.data)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
