"""What is used up within two minutes is foreseen: the sampler looks as rarely as in any quiet guest until something moves."""
import os
import resource
import subprocess
import sys
import threading
import time

from machine import mount, read
from pulse import Skip

INTERVAL, FILLS_S = 10000, 110
LEAK = """
import ctypes, os, resource, sys, time
ctypes.CDLL(None).prctl(15, b'hp-fdleak')
limit, seconds = 1024, float(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
sys.stdin.readline()
begun, held = time.monotonic(), []
while True:
    while len(held) < limit * (time.monotonic() - begun) / seconds:
        try:
            held.append(os.open('/dev/null', os.O_RDONLY))
        except OSError:
            print('full', flush=True)
            sys.stdin.readline()
            sys.exit(0)
    time.sleep(0.05)
"""


def at_rate(total, step, done):
    """Calls step(i) TOTAL times, evenly over FILLS_S by the clock, until it raises OSError; then done holds when that was."""
    begun, n = time.monotonic(), 0
    while n < 2 * total:
        try:
            while n < total * (time.monotonic() - begun) / FILLS_S:
                step(n)
                n += 1
        except OSError:
            break
        time.sleep(0.05)
    done.append(time.monotonic())


def fill_space(where, done):
    with open(os.path.join(where, "large"), "wb", buffering=0) as f:
        at_rate(64 << 4, lambda n: f.write(b"x" * 65536), done)


def fill_inodes(where, done):
    at_rate(2048, lambda n: os.close(os.open(os.path.join(where, str(n)), os.O_CREAT | os.O_WRONLY)), done)


def leak_files(done):
    child = subprocess.Popen([sys.executable, "-c", LEAK, str(FILLS_S)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    child.stdin.write("\n")
    child.stdin.flush()

    def watch():
        child.stdout.readline()
        done.append(time.monotonic())
    return child, threading.Thread(target=watch, daemon=True)


def test_what_fills_within_two_minutes(ctx):
    """A mount, the inodes of another and the descriptors of a process, each used up within 110 s, are told as a warning before they
    are, under their names."""
    ctx.need_root()
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 1024:
        raise Skip("fewer than 1024 descriptors are allowed")
    space = mount(ctx, "none", os.path.join(ctx.folder, "space"), "tmpfs", "size=64m")
    inodes = mount(ctx, "none", os.path.join(ctx.folder, "inodes"), "tmpfs", "size=64m,nr_inodes=2048")
    pulse = ctx.pulse(INTERVAL, space, inodes, options=("-p", "30000"))
    pulse.wait("the mounts", lambda s: s.get("disk.space_used_perc", mount_point=inodes) is not None, 30)
    ends = {"disk_exhaustion": [], "inode_exhaustion": [], "fd_exhaustion": []}
    child, watch = leak_files(ends["fd_exhaustion"])
    ctx.later(lambda: (child.kill(), child.wait()))
    fillers = [threading.Thread(target=fill_space, args=(space, ends["disk_exhaustion"]), daemon=True),
               threading.Thread(target=fill_inodes, args=(inodes, ends["inode_exhaustion"]), daemon=True), watch]
    for one in fillers:
        one.start()
    for one in fillers:
        one.join(3 * FILLS_S)
    names = {"disk_exhaustion": space, "inode_exhaustion": inodes, "fd_exhaustion": "hp-fdleak[%d]" % child.pid}
    direct = os.stat("/proc/self/fd").st_size > 0
    for class_name, entity in names.items():
        assert ends[class_name], "%s: never used up" % class_name
        told = pulse.foreseen(class_name, entity)
        lead = ends[class_name][0] - told[0] if told else None
        print("# %s of %s: told %s before the end: %s" % (class_name, entity.split("/")[-1], "not" if lead is None else "%.1f s" % lead,
                                                          told[1] if told else "-"), flush=True)
        if class_name == "fd_exhaustion" and not direct:
            continue  # before Linux 6.2 all are counted each fifth walk only
        assert told and lead >= 3, (class_name, lead, pulse.findings, read("/proc/loadavg"))


test_what_fills_within_two_minutes.beside = True
