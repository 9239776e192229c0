"""Beside the agents that people run today: collectd, node_exporter and sadc, at the same interval of 10 s in the same minutes."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import guest
from cloud import free_port, wait_port

COLLECTD = """FQDNLookup false
Interval 10
BaseDir "{base}"
PIDFile "{base}/pid"
PluginDir "/usr/lib/collectd"
TypesDB "/usr/share/collectd/types.db"
LoadPlugin cpu
LoadPlugin load
LoadPlugin memory
LoadPlugin swap
LoadPlugin vmem
LoadPlugin df
LoadPlugin disk
LoadPlugin interface
LoadPlugin processes
LoadPlugin contextswitch
LoadPlugin entropy
LoadPlugin tcpconns
LoadPlugin csv
<Plugin csv>
  DataDir "{base}/csv"
</Plugin>
"""
INTERVAL_S = 10
OURS = "[metadata]\nsource = local\ninterval = 1h\n[local]\nfile = /etc/heat-pulse/metadata.json\n"


def tree(pid):
    """A process and all below it."""
    found = [pid]
    for child in os.listdir("/proc"):
        if child.isdigit():
            try:
                with open("/proc/%s/stat" % child) as f:
                    if int(f.read().rsplit(")", 1)[1].split()[1]) == pid:
                        found += tree(int(child))
            except OSError:
                pass
    return found


def lines_of(path, *keys):
    """Sum of the first numbers in the lines that begin with these keys."""
    with open(path) as f:
        return sum(int(line.split()[1]) for line in f if line.startswith(keys))


def usage(pid):
    """What a process tree used so far, all threads: processor time by the scheduler's account, going to sleep of its own will, read
    and write calls; and the memory it has now."""
    used = {"cpu_ms": 0.0, "switches": 0, "calls": 0, "pss_kib": 0}
    for one in tree(pid):
        try:
            used["calls"] += lines_of("/proc/%d/io" % one, "syscr:", "syscw:")
            used["pss_kib"] += lines_of("/proc/%d/smaps_rollup" % one, "Pss:")
            for task in os.listdir("/proc/%d/task" % one):
                with open("/proc/%d/task/%s/schedstat" % (one, task)) as f:
                    used["cpu_ms"] += int(f.read().split()[0]) / 1e6
                used["switches"] += lines_of("/proc/%d/task/%s/status" % (one, task), "voluntary_ctxt_switches:")
        except OSError:
            pass
    return used


class Scraper(threading.Thread):
    """Asks node_exporter each 10 s, as Prometheus would; its own work is not counted."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.stopped = port, threading.Event()

    def run(self):
        while not self.stopped.wait(10):
            with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % self.port, timeout=10) as answer:
                answer.read()


def start_peers(folder, quiet):
    """name -> process, of the peers that are installed"""
    peers, scraper = {}, None
    if shutil.which("collectd"):
        conf = os.path.join(folder, "collectd.conf")
        with open(conf, "w") as f:
            f.write(COLLECTD.format(base=folder))
        peers["collectd"] = subprocess.Popen(["collectd", "-f", "-C", conf], **quiet)
    if shutil.which("prometheus-node-exporter"):
        port = free_port()
        peers["node_exporter"] = subprocess.Popen(["prometheus-node-exporter", "--web.listen-address=127.0.0.1:%d" % port], **quiet)
        wait_port(port, 20, "node_exporter")
        scraper = Scraper(port)
        scraper.start()
    if os.path.exists("/usr/lib/sysstat/sadc"):
        peers["sadc"] = subprocess.Popen(["/usr/lib/sysstat/sadc", "-S", "XALL", "10", os.path.join(folder, "sa")], **quiet)
    return peers, scraper


def per_sample(before, after, seconds):
    samples = seconds / INTERVAL_S
    row = {key: (after[key] - before[key]) / samples for key in ("cpu_ms", "switches", "calls")}
    row["pss_kib"] = after["pss_kib"]
    return row


def start_agent(binary):
    """On the machine's own devices. What it had begun is gone when it does not start."""
    g = guest.Guest("peers", binary)
    try:
        os.rmdir(g.path("/dev"))
        g.conf(OURS)
        g.write("/etc/heat-pulse/metadata.json", "{}")
        g.start()
    except BaseException:
        g.wipe()
        raise
    return g


@contextlib.contextmanager
def crowd(n):
    """N more processes, all asleep."""
    sleepers = [subprocess.Popen(["sleep", "100000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL) for _ in range(n)]
    try:
        yield
    finally:
        for child in sleepers:
            child.kill()
            child.wait()


def measure(seconds, extra_processes=0, during=None, agents=None, settle_s=15):
    """name -> what it used per sample in that time; during() is called within. AGENTS: name -> program, of ours."""
    with crowd(extra_processes):
        return measure_now(seconds, during, agents, settle_s)


def measure_now(seconds, during, agents, settle_s):
    folder, guests = tempfile.mkdtemp(prefix="hp-peers-", dir="/var/tmp"), []
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
    theirs, scraper = start_peers(folder, quiet)
    peers = dict(theirs)
    try:
        for name, binary in (agents or {"heat-pulse": guest.BINARY}).items():
            guests.append(start_agent(binary))
            peers[name] = guests[-1].child
        time.sleep(settle_s)
        before, started = {name: usage(child.pid) for name, child in peers.items()}, time.monotonic()
        if during:
            during()
        time.sleep(max(0, started + seconds - time.monotonic()))
        spent = time.monotonic() - started
        return {name: per_sample(before[name], usage(child.pid), spent) for name, child in peers.items()}
    finally:
        if scraper:
            scraper.stopped.set()
        for child in theirs.values():
            child.kill()
            child.wait()
        for g in guests:
            g.wipe()
        shutil.rmtree(folder, ignore_errors=True)


def as_text(figures):
    """lines of a table"""
    yield "%-20s %14s %16s %22s %9s" % ("per sample", "CPU ms", "voluntary waits", "read and write calls", "PSS KiB")
    for name, row in sorted(figures.items(), key=lambda item: item[1]["cpu_ms"]):
        yield "%-20s %14.3f %16.1f %22.1f %9d" % (name, row["cpu_ms"], row["switches"], row["calls"], row["pss_kib"])


def as_json(figures, seconds, extra_processes=0):
    rows = [dict({key: round(value, 3) for key, value in row.items()}, agent=name) for name, row in sorted(figures.items())]
    return json.dumps({"v": 1, "seconds": seconds, "interval_s": INTERVAL_S, "extra_processes": extra_processes, "rows": rows}, sort_keys=True)


if __name__ == "__main__":
    length, more = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    print(as_json(measure(length, more), length, more))
