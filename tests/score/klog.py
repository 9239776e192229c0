"""Scores `replay klog`: files found, class right, false findings on ordinary lines."""
import csv
import os
import subprocess

SAME = {"netdev_leak": "netdev"}
NO_CLASS = ("userspace", "reboot")  # of labelled sets: no failure of the kernel


def answer(binary, path, *options):
    with open(path, "rb") as f:
        return subprocess.run([*binary, "replay", "klog", *options], stdin=f, stdout=subprocess.PIPE, check=True).stdout.decode()


def score(binary, folder, index="index.tsv"):
    with open(os.path.join(folder, index)) as f:
        rows = [r for r in csv.DictReader(f, delimiter="\t") if r["class"] not in NO_CLASS]
    found = right = positive = negative = false = 0
    wrong = []
    for row in rows:
        want = SAME.get(row["class"], row["class"])
        got = answer(binary, os.path.join(folder, row["file"])).split()[0]
        positive += want != "none"
        negative += want == "none"
        found += want != "none" and got != "none"
        false += want == "none" and got != "none"
        right += want != "none" and got == want
        if got != want:
            wrong.append("%s: %s, is %s" % (row["file"], got, want))
    return {"positive": positive, "found": found, "right": right, "negative": negative, "false": false, "wrong": wrong,
            "recall": found / positive, "accuracy": right / max(1, found)}


def ordinary(binary, folder):
    """(lines, findings) of logs in which nothing failed"""
    lines = findings = 0
    for name in sorted(os.listdir(folder)):
        if name.endswith(".log"):
            with open(os.path.join(folder, name), "rb") as f:
                lines += f.read().count(b"\n")
            findings += len(answer(binary, os.path.join(folder, name), "--all").splitlines())
    return lines, findings
