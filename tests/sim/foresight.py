"""Findings of the simulated guest: a month of each healthy life, and each class of failure once."""
import subprocess

import world
from world import DAY, HOUR, World

MONTH = 30 * DAY
ILL_AT = 3 * DAY

# class: (entity, level at least, length of the trouble, found by: seconds after its begin or "before N" its end,
#         cleared by: seconds after its end, what the evidence must name)
AILMENTS = {
    "memory_exhaustion": ("memory", "warning", 6 * HOUR, "before %d" % HOUR, HOUR, "java[412]"),
    "swap_thrash": ("memory-pressure", "critical", HOUR, 60, HOUR, "stalled for memory"),
    "oom_kill": ("java[412]", "critical", 60, 5, HOUR, "Out of memory"),
    "disk_exhaustion": ("/srv", "warning", 12 * HOUR, "before %d" % HOUR, 2 * HOUR, "space"),
    "inode_exhaustion": ("/srv", "warning", 12 * HOUR, "before %d" % HOUR, 2 * HOUR, "inodes"),
    "fd_exhaustion": ("nginx[77]", "warning", 6 * HOUR, "before %d" % HOUR, HOUR, "open files"),
    "pid_exhaustion": ("tasks", "warning", 6 * HOUR, "before %d" % HOUR, HOUR, "tasks"),
    "io_stall": ("vdb", "critical", HOUR, 120, HOUR, "none completed"),
    "disk_failing": ("vdb", "critical", 60, 5, 7 * HOUR, "I/O error"),
    "filesystem_error": ("vdb", "critical", 60, 5, DAY + HOUR, "EXT4-fs error"),
    "filesystem_readonly": ("/srv", "critical", HOUR, 30, HOUR, "read-only"),
    "process_leak": ("cron[50]", "warning", 4 * HOUR, 2 * HOUR, 2 * HOUR, "not collected"),
    "process_down": ("nginx", "critical", HOUR, 60, HOUR, "no process"),
    "crash_loop": ("worker", "warning", 60, 30, HOUR, "segfault"),
    "hung_task": ("jbd2/vdb-8", "critical", 60, 5, HOUR, "blocked for more than"),
    "cpu_lockup": ("CPU#1", "critical", 60, 5, HOUR, "soft lockup"),
    "cpu_starvation": ("steal", "critical", HOUR, 90, HOUR, "hypervisor"),
    "kernel_oops": ("kernel", "critical", 60, 5, 7 * HOUR, "NULL pointer"),
    "kernel_panic": ("kernel", "critical", 60, 5, DAY + HOUR, "panic"),
    "hardware_error": ("CPU 0", "warning", 60, 5, DAY + HOUR, "Hardware Error"),
    "network_degraded": ("eth0", "warning", HOUR, 30, HOUR, "link is lost"),
    # 8 s of error at 0.5 ms a second, counted from the daemon's last look, and an hour
    "clock_unsynchronised": ("clock", "warning", 8 * HOUR, 16000 + HOUR + 60, HOUR, "see to chrony, timesyncd or ntpd"),
    "clock_unsynchronised:offset": ("clock-offset", "warning", 3 * HOUR, HOUR + 2048 + 60, HOUR, "slews in vain"),
    "anomaly": ("guest", "notice", 2 * HOUR, 120, 3 * HOUR, "several metrics"),
}
MORE = {"clock_unsynchronised:offset": ("--keeper", "busybox")}
LEVELS = ["notice", "warning", "critical"]


def listed(kind):
    out = subprocess.run([world.SIMULATE, "--list"], stdout=subprocess.PIPE, text=True, timeout=30, check=True).stdout
    return [line.split("\t")[1] for line in out.splitlines() if line.startswith(kind + "\t")]


def healthy(habit):
    with World(sections={"signal": {"health-interval": "1h"}}) as w:
        told = w.run(MONTH, "--habit", habit)
    assert told.code == 0 and told.end()["status"] == 0, told.err
    loud = [f for f in told.findings() if f["level"] != "notice"]
    assert not loud, loud[:5]
    signals = [s for _, s in told.signals()]
    seqs = [world.data_of(s)["seq"] for s in signals]
    assert len(signals) >= 0.95 * MONTH / HOUR and seqs == sorted(set(seqs)), (len(signals), "signals of a month")
    key = world.data_of(signals[0])["key"]
    for s in signals[:: max(1, len(signals) // 12)]:
        assert world.judge(world.data_of(s), key) == 0, s
    assert all(world.data_of(s)["risk"] <= 0.5 for s in signals), "a healthy guest's risk"
    return "%d notices, %d signals, none above notice" % (len(told.findings(event="opened")), len(signals))


def in_time(rule, found, end):
    return found <= end - int(rule.split()[1]) if isinstance(rule, str) else found - ILL_AT <= rule


def found_and_cleared(name):
    entity, level, length, rule, clear, words = AILMENTS[name]
    end = ILL_AT + length
    with World() as w:
        told = w.run(end + clear + HOUR, "--ill", "%s,%d,%d" % (name, ILL_AT, end), *MORE.get(name, ()))
    assert told.code == 0, told.err
    name = name.split(":")[0]
    mine = [f for f in told.findings() if f["class"] == name and f["t"] >= ILL_AT]
    bad = [f for f in mine if f["event"] in ("opened", "raised") and f["entity"].startswith(entity) and
           LEVELS.index(f["level"]) >= LEVELS.index(level)]
    assert bad, "not found: %s" % told.findings()[-6:]
    first = bad[0]
    assert in_time(rule, first["t"], end), "found %.0f s after the begin, %.0f s before the end" % (first["t"] - ILL_AT, end - first["t"])
    assert words in "".join(f["evidence"] for f in bad), [f["evidence"] for f in bad]
    closed = [f for f in mine if f["event"] == "closed" and f["entity"] == first["entity"]]
    opened = [f for f in mine if f["event"] == "opened" and f["entity"] == first["entity"]]
    assert closed and closed[-1]["t"] <= end + clear, "not cleared: %s" % mine[-3:]
    assert len(opened) == len(closed), "open and closed: %s" % mine
    others = [f for f in told.findings() if f["class"] != name and f["level"] != "notice"]
    assert not others, others[:4]
    told_heat(told, name, first)
    lead = "%.0f min before the end" % ((end - first["t"]) / 60) if isinstance(rule, str) else "%.0f s after the begin" % (first["t"] - ILL_AT)
    return "%s, %s, cleared %.0f min after" % (first["entity"], lead, (closed[-1]["t"] - end) / 60)


def told_heat(told, name, first):
    """What raises the class of risk leaves in a signal within seconds; a lesser finding goes with the next health signal."""
    carried = [t for t, s in told.signals() if any(f["class"] == name for f in world.data_of(s)["findings"])]
    limit = 5 if first["level"] == "critical" else 360
    assert carried and min(t for t in carried if t >= first["t"]) - first["t"] <= limit, (first["t"], carried[:3])


def mishap(name, begin):
    """What only looks like a failure may be a warning, which clears by itself: nobody is healed of it."""
    stays = 9 * HOUR
    with World() as w:
        told = w.run(begin + stays, "--ill", "%s,%d,%d" % (name, begin, begin + stays))
    assert told.code == 0, told.err
    found = told.findings(entity="/srv")
    assert all(f["level"] != "critical" for f in found), found
    assert not told.findings(level="critical"), told.findings(level="critical")
    assert not told.bodies("action"), "an action was signalled: %s" % found
    opened, closed = ([f["t"] for f in found if f["event"] == e] for e in ("opened", "closed"))
    assert len(opened) == len(closed) <= 2, found
    return ", ".join("%s for %.0f min" % (f["level"], (c - o) / 60) for f, o, c in zip(found, opened, closed)) or "nothing told"


def restarted_agent_tells_no_finding_twice():
    """Killed while a finding is open: it stays open, is not opened again, and is cleared."""
    end = ILL_AT + 2 * HOUR
    with World() as w:
        told = w.run(ILL_AT + HOUR, "--ill", "network_degraded,%d,%d" % (ILL_AT, end))
        found = told.findings(event="opened", entity="eth0")
        assert found, "not found"
    with World() as w:
        told = w.run(end + 2 * HOUR, "--ill", "network_degraded,%d,%d" % (ILL_AT, end), "--kill-at", int(found[0]["t"]) + 300)
    assert told.of("killed"), "not killed"
    events = [f["event"] for f in told.findings(entity="eth0")]
    assert events.count("opened") == 1 and events.count("closed") == 1, events
    return "killed %.0f min after it was found" % ((told.of("killed")[0]["t"] - ILL_AT) / 60)


def tests():
    assert sorted(listed("ailment")) == sorted(AILMENTS), "every class of failure has a row"
    yield from (("healthy month, %s: no finding above notice" % h, lambda h=h: healthy(h)) for h in listed("habit"))
    yield from (("%s: found, named, in time, told, cleared" % c, lambda c=c: found_and_cleared(c)) for c in AILMENTS)
    for name in listed("mishap"):
        for begin, when in ((2 * HOUR, "in an agent's first hours"), (9 * DAY, "after a week")):
            yield "%s %s: no action" % (name, when), lambda n=name, b=begin: mishap(n, b)
    yield "an agent killed while a finding is open tells it once", restarted_agent_tells_no_finding_twice
