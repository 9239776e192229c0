"""Want of memory: kills and stalls."""
import os
import time

from machine import memory_group, read, run_in_group
from pulse import Skip

HOG = "b = bytearray(256 << 20)\nfor i in range(0, len(b), 4096): b[i] = 1\n"
# Reads a file larger than the group may cache, over and over: its pages are missed and read again.
THRASH = """
import mmap, os, sys
f = os.open(sys.argv[1], os.O_RDONLY)
m = mmap.mmap(f, 0, prot=mmap.PROT_READ)
while True:
    for i in range(0, len(m), 4096): m[i]
"""


def test_kill_in_a_control_group(ctx):
    """A process killed for want of memory is in the next sample; its group's own count and limit are there, too."""
    ctx.need_root()
    group = memory_group(ctx, "hp-fault-oom", 32 << 20)
    pulse = ctx.pulse(1000)
    before = pulse.first()
    kills = before.get("guest.kernel.oom_kill")
    if kills is None:
        raise Skip("this kernel does not count kills")
    assert before.get("guest.cgroup.memory_limit_mb", cgroup="hp-fault-oom") == 32, before.metrics
    hog = run_in_group(ctx, group, HOG)
    assert hog.wait(30) == -9, "the kernel did not kill it"
    n = len(pulse.samples)
    pulse.wait("the kill", lambda s: s.get("guest.kernel.oom_kill") > kills, 2.5, after=n)
    again = ctx.pulse(60000).first()
    assert again.get("guest.cgroup.oom_kills", cgroup="hp-fault-oom") in (None, 1), again.metrics


def test_stall_wakes_the_agent(ctx):
    """A stall brings a sample at once though the next is a minute away, samples then come each second, and each minute again when
    it is over."""
    ctx.need_root()
    if not os.access("/proc/pressure/memory", os.W_OK):
        raise Skip("no pressure information that can be listened to")
    group = memory_group(ctx, "hp-fault-stall", 48 << 20)
    path = os.path.join(ctx.folder, "large")
    with open(path, "wb") as f:
        for _ in range(192):
            f.write(os.urandom(1 << 20))
        f.flush()
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # else the pages stay, charged to us
    pulse = ctx.pulse(60000)
    if pulse.first().get("guest.agent.stall_wakeups", resource="memory") is None:
        raise Skip("no trigger could be armed")
    time.sleep(1.5)
    started, n = time.monotonic(), len(pulse.samples)
    hogs = [run_in_group(ctx, group, THRASH, path) for _ in range(3)]
    seen = pulse.wait("a sample for the stall", lambda s: s.get("guest.agent.stall_wakeups", resource="memory") >= 1, 20, after=n)
    assert seen.extra and seen.interval_ms == 1000, (seen.extra, seen.interval_ms)
    pressure = read("/proc/pressure/memory") + read("/proc/pressure/io")
    print("# woken after %.1f s; %s" % (seen.at - started, pressure.replace("\n", "; ")), flush=True)
    pulse.wait("more of them", lambda s: len(pulse.samples) >= n + 6, 10, after=n)
    gaps = [b.at - a.at for a, b in zip(pulse.samples[n:], pulse.samples[n + 1:])]
    assert all(gap < 2.5 for gap in gaps), gaps
    for hog in hogs:
        hog.kill()
    pulse.wait("calm", lambda s: s.interval_ms == 60000, 150, after=len(pulse.samples))
