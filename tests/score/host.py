"""Scores `replay host` on labelled servers: events found at so many false alarms a day, alarms thinned to one per 60 samples."""
import array
import csv
import gzip
import os
import subprocess


def read_table(path, columns):
    with gzip.open(path) as f:
        flat = array.array("H", f.read())
    return [flat[i:i + columns] for i in range(0, len(flat), columns)]


def read_set(folder, step):
    """(name, step in seconds, train rows, test rows, labels)"""
    with open(os.path.join(folder, "index.tsv")) as f:
        rows = list(csv.DictReader(f, delimiter="\t"))
    for row in rows:
        name = row.get("server") or row.get("file") or list(row.values())[0]
        name = name.split(".")[0]
        columns = 19 if name.startswith("omi") else 38
        with gzip.open(os.path.join(folder, name + ".label.u8.gz")) as f:
            labels = f.read()
        yield (name, step, read_table(os.path.join(folder, name + ".train.u16.gz"), columns),
               read_table(os.path.join(folder, name + ".test.u16.gz"), columns), labels)


def replay(binary, rows, step):
    text = "\n".join("%d %s" % (i * step, " ".join(map(str, row))) for i, row in enumerate(rows)) + "\n"
    out = subprocess.run([*binary, "replay", "host"], input=text.encode(), stdout=subprocess.PIPE, check=True).stdout
    words = out.split()
    return [w == b"1" for w in words[1::3]], [float(w) for w in words[2::3]]


def events(labels):
    found, start = [], None
    for i, x in enumerate(labels):
        if x and start is None:
            start = i
        if not x and start is not None:
            found.append((start, i))
            start = None
    if start is not None:
        found.append((start, len(labels)))
    return found


def count(scores, labels, threshold):
    """(events found, false alarms)"""
    where = {}
    for n, (a, b) in enumerate(events(labels)):
        for i in range(a, b):
            where[i] = n
    found, false, silent = set(), 0, -1
    for i, s in enumerate(scores):
        if i < silent or s < threshold:
            continue
        silent = i + 60
        if i in where:
            found.add(where[i])
        else:
            false += 1
    return len(found), false


def at_rate(runs, per_day):
    """recall at the lowest threshold with no more than `per_day` false alarms over all runs: (recall, threshold, rate)"""
    days = sum(len(r["scores"]) * r["step"] for r in runs) / 86400
    n = sum(len(events(r["labels"])) for r in runs)
    best = (0.0, 0.0, 0.0)
    for t in [x / 20 for x in range(10, 400)]:
        found = false = 0
        for r in runs:
            a, b = count(r["scores"], r["labels"], t)
            found, false = found + a, false + b
        if false <= per_day * days and found / n > best[0]:
            best = (found / n, t, false / days)
    return best


def run(binary, folder, step):
    runs = []
    for name, step, train, test, labels in read_set(folder, step):
        alarms, scores = replay(binary, train + test, step)
        runs.append({"name": name, "step": step, "scores": scores[len(train):], "alarms": alarms[len(train):], "labels": labels})
    return runs
