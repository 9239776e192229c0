"""Processes that go wrong: zombies, leaks of descriptors and memory, crash loops, sleep that nothing ends."""
import fcntl
import os
import shutil
import subprocess
import sys
import time

from machine import loop_device, mount, sh
from pulse import Skip

INTERVAL = 1000


def named(name, text):
    """argv of a Python process whose kernel name is NAME"""
    return [sys.executable, "-c", "import ctypes; ctypes.CDLL(None).prctl(15, b'%s')\n%s" % (name, text)]


def start(ctx, argv):
    child = subprocess.Popen(argv)
    ctx.later(lambda: (child.kill(), child.wait()))
    time.sleep(0.5)  # until it has done what it is here for
    return child


def test_zombies_are_laid_at_their_parents_door(ctx):
    """A parent that collects nobody is named with the number of its zombies."""
    child = start(ctx, named("hp-zombies", "import os, time\n"
                             "for i in range(25):\n    if os.fork() == 0: os._exit(0)\ntime.sleep(60)"))
    entity = "hp-zombies[%d]" % child.pid
    seen = ctx.pulse(INTERVAL).wait("the zombies", lambda s: s.get("guest.process.zombies_of", process=entity) == 25, 5)
    assert seen.get("guest.process.zombie") >= 25


def test_a_leak_of_descriptors_is_named(ctx):
    """A process near its limit of descriptors is named with how near."""
    child = start(ctx, named("hp-fds", "import resource, time\nresource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))\nkeep = []\n"
                             "while len(keep) < 180: keep.append(open('/dev/null'))\ntime.sleep(60)"))
    entity = "hp-fds[%d]" % child.pid
    seen = ctx.pulse(INTERVAL).wait("the descriptors", lambda s: (s.get("guest.process.fds", process=entity) or 0) >= 180, 8)
    assert 90 <= seen.get("guest.process.fds_perc", process=entity) <= 100


def test_a_leak_of_memory_is_the_suspect(ctx):
    """A process that grows steadily is the leak suspect, with a slope near the true one."""
    child = start(ctx, named("hp-leak", "import time\nkeep, begun = [], time.monotonic()\nwhile True:\n"
                             "    while len(keep) < 8 * (time.monotonic() - begun): keep.append(b'x' * (1 << 20))\n    time.sleep(0.1)"))
    entity = "hp-leak[%d]" % child.pid
    seen = ctx.pulse(INTERVAL).wait("the leak", lambda s: s.get("guest.process.rss_growth_mb_hour", process=entity), 20)
    slope, true = seen.get("guest.process.rss_growth_mb_hour", process=entity), 8 * 3600
    assert 0.6 * true <= slope <= 1.4 * true, slope


def test_a_crash_loop_is_counted(ctx):
    """A watched service that ends again and again: each end is an event, starts are counted, and an hour between samples hides
    nothing."""
    name = "hp-crash"
    text = "import subprocess, sys, time\nwhile True:\n    subprocess.run(%r); time.sleep(0.2)" % (named(name, "import time; time.sleep(1.5)"),)
    # the loop's own process leaves none behind: each lives a second and a half
    start(ctx, [sys.executable, "-c", text])
    pulse = ctx.pulse(3600000, options=("-w", name))
    seen = pulse.wait("the loop", lambda s: (s.get("guest.watch.restarts", process_name=name) or 0) >= 3, 20)
    downs = [e["value"] for e in pulse.events if e["event"] == "process_down" and e["entity"] == name]
    assert len(downs) >= 3 and all(0.5 <= lived <= 6 for lived in downs), downs
    assert seen.get("guest.watch.starts_5min", process_name=name) >= 4
    assert seen.get("guest.watch.deaths", process_name=name) >= 3


def test_a_watched_service_is_summed(ctx):
    """What a watched service uses is summed over its processes, files and I/O by the prober; its end wakes the sampler."""
    name = "hp-service"
    child = start(ctx, named(name, "import os, time\nkeep = [open('/dev/null') for i in range(20)]\nos.fork()\n"
                             "open('/dev/null', 'wb').write(b'x')\ntime.sleep(20)"))
    pulse = ctx.pulse(INTERVAL, options=("-w", name))
    seen = pulse.wait("the files", lambda s: s.get("process.open_file_descriptors", process_name=name), 8)
    assert seen.get("process.pid_count", process_name=name) == 2
    assert 2 * 23 <= seen.get("process.open_file_descriptors", process_name=name) <= 2 * 30
    assert seen.get("process.io.write_count", process_name=name) >= 2
    assert seen.get("guest.watch.uptime_s", process_name=name) < 30
    child.kill()
    pulse.wait_event("process_down", name, 3)


FIFREEZE, FITHAW = 0xC0045877, 0xC0045878


def frozen_file_system(ctx):
    """A loop-mounted ext4 that is frozen: (its folder, what lets it go on)."""
    if not shutil.which("mkfs.ext4"):
        raise Skip("no mkfs.ext4 here")
    device = loop_device(ctx, os.path.join(ctx.folder, "image"), 16)
    sh("mkfs.ext4", "-q", device)
    where = mount(ctx, device, os.path.join(ctx.folder, "mount"), "ext4")
    fd = os.open(where, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, FIFREEZE, 0)
    except OSError as e:
        os.close(fd)
        raise Skip("cannot freeze: %s" % e) from None
    return where, lambda: (fcntl.ioctl(fd, FITHAW, 0), os.close(fd))


def test_who_sleeps_for_good_is_named(ctx):
    """A process that sleeps uninterruptibly on a frozen file system is named, with since when and where in the kernel."""
    where, thaw = frozen_file_system(ctx)
    # until the file system goes on no signal reaches it
    child = subprocess.Popen(named("hp-blocked", "open('%s/file', 'w')" % where))
    ctx.later(lambda: (thaw(), child.wait(10)))
    entity = "hp-blocked[%d]" % child.pid
    seen = ctx.pulse(INTERVAL).wait("the sleeper", lambda s: (s.get("guest.process.blocked_s", process=entity) or 0) >= 2, 8)
    assert seen.get("guest.process.blocked") >= 1
    with open("/proc/%d/wchan" % child.pid) as f:
        symbol = f.read()
    places = [m["dimensions"].get("wchan") for m in seen.metrics
              if m["name"] == "guest.process.blocked_s" and m["dimensions"]["process"] == entity]
    assert places == [None if symbol == "0" else symbol], (places, symbol)
