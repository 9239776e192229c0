#!/usr/bin/python3
"""CPU of a poll, wake-ups and memory of the idle agent, each against a limit in limits.json. Prints TAP with the figures."""
import json
import os
import resource
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", d) for d in ("lib", "system", "fakes")]
import cfn_server  # noqa: E402
import guest  # noqa: E402
import tap  # noqa: E402
import test_fake  # noqa: E402
from guest import until  # noqa: E402

with open(os.path.join(HERE, "limits.json")) as f:
    LIMITS = json.load(f)
POLLS = 60
IDLE_S = 90


def cpu_ns(pids):
    """Processor time of these processes so far, by the scheduler's own account."""
    total = 0
    for pid in pids:
        with open("/proc/%d/schedstat" % pid) as f:
            total += int(f.read().split()[0])
    return total


def switches(pids):
    """How often they went to sleep of their own will: each is one wake-up."""
    total = 0
    for pid in pids:
        for thread in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/status" % (pid, thread)) as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("voluntary_ctxt_switches"))
    return total


def pss_kib(pids):
    total = 0
    for pid in pids:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    return total


def make_guest(fake, conf):
    g = guest.Guest("bench")
    g.conf(conf)
    g.give_block(test_fake.block(fake))
    g.hook("app", "Resources.srv.Metadata.app", action="true")
    return g


def poll_cpu(fake):
    """ns of CPU of one poll without change: all roles together, samples and everything included."""
    g = make_guest(fake, "[metadata]\ninterval = 1s\nsplay = 0s\n[sample]\ninterval = 10m\nprocess-interval = 10m\n[signal]\nboot-quiet = 1s\n")
    try:
        g.start()
        until("the first poll", 20, lambda: fake.handle("boot"))
        time.sleep(2)
        pids = g.roles().values()
        before, polls = cpu_ns(pids), len(fake.requests)
        time.sleep(POLLS)
        return (cpu_ns(pids) - before) / max(1, len(fake.requests) - polls), len(fake.requests) - polls
    finally:
        g.wipe()


def python_cpu(fake, runs=5):
    """ns of CPU of one pass of the packaged cfn-hup without change, the median of some."""
    g = guest.Guest("bench-python")
    g.give_cfn_hup("http://127.0.0.1:%d" % fake.port, "web", test_fake.ACCESS, test_fake.SECRET)
    g.write("/var/lib/heat-cfntools/cfn-boto-cfg", "[Boto]\ndebug = 0\nis_secure = 0\nhttps_validate_certificates = 1\ncfn_region_name = heat\n"
            "cfn_region_endpoint = 127.0.0.1\n")
    g.hook("app", "Resources.srv.Metadata", action="true")
    script = "set -e\n"
    for path in ("/etc/cfn", "/var/lib/heat-cfntools", "/var/cache/heat-cfntools"):
        os.makedirs(g.path(path), exist_ok=True)
        script += "mkdir -p %s; mount --bind %s %s\n" % (path, g.path(path), path)
    used = []
    try:
        for _ in range(runs):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(["unshare", "-m", "sh", "-c", script + "exec cfn-hup -f"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if done.returncode:
                raise RuntimeError("cfn-hup: %s" % done.stdout[-800:])
            used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return sorted(used)[len(used) // 2] * 1e9
    finally:
        g.wipe()


def bench_poll(t, fake):
    ours, polls = poll_cpu(fake)
    if not shutil.which("cfn-hup"):
        return t.skip("CPU of a poll against cfn-hup's", "heat-cfntools is not installed")
    theirs = python_cpu(fake)
    ratio = theirs / ours
    t.say(ratio >= LIMITS["poll_cpu_ratio_to_cfn_hup_min"], "a poll without change costs %.2f ms of CPU (%d polls), the packaged cfn-hup's %.0f ms: %.0f times as much" %
          (ours / 1e6, polls, theirs / 1e6, ratio))


def bench_idle(t, fake):
    g = make_guest(fake, "[metadata]\ninterval = 60s\n[signal]\nboot-quiet = 1s\n")
    try:
        g.start()
        until("settled", 90, lambda: fake.handle("boot"))
        time.sleep(5)
        pids = list(g.roles().values())
        before, cpu, started = switches(pids), cpu_ns(pids), time.monotonic()
        time.sleep(IDLE_S)
        seconds = time.monotonic() - started
        wakeups, percent, memory = (switches(pids) - before) / seconds, (cpu_ns(pids) - cpu) / seconds / 1e7, pss_kib(pids)
    finally:
        g.wipe()
    t.say(wakeups <= LIMITS["idle_wakeups_per_s_max"], "idle at 60 s polls and 10 s samples: %.2f wake-ups a second over all roles" % wakeups)
    t.say(percent <= LIMITS["idle_cpu_percent_max"], "idle: %.3f %% of one CPU" % percent)
    t.say(memory <= LIMITS["pss_kib_max"], "idle: PSS of all roles %d KiB (dynamic build)" % memory)


def main():
    t = tap.Tap()
    if os.geteuid() != 0:
        t.skip("bench", "needs root")
        return t.end()
    for bench in (bench_poll, bench_idle):
        with cfn_server.Fake(test_fake.state()) as fake:
            bench(t, fake)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
