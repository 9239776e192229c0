"""Disks and file systems."""
import os
import subprocess
import time

from machine import loop_device, mount, read, sh, write
from pulse import Skip


def ext4(ctx, name, mib=32, options="errors=remount-ro"):
    device = loop_device(ctx, os.path.join(ctx.folder, name + ".img"), mib)
    sh("mkfs.ext4", "-q", "-F", device)
    return device, mount(ctx, device, os.path.join(ctx.folder, name), "ext4", options)


def test_ext4_error(ctx):
    """An ext4 that met an error and refuses writes is told as read-only within one interval, though statvfs says it is not; one
    that is mounted while we run is found."""
    ctx.need_root()
    where = os.path.join(ctx.folder, "fs")
    os.makedirs(where)
    pulse = ctx.pulse(1000, where)
    pulse.first()
    device, where = ext4(ctx, "fs")
    name = os.path.basename(device)
    trigger = "/sys/fs/ext4/%s/trigger_fs_error" % name
    if not os.path.exists(trigger):
        raise Skip("no trigger_fs_error")
    sane = pulse.wait("the new mount", lambda s: s.get("guest.fs.errors", mount_point=where) == 0, 5)
    assert sane.get("guest.fs.readonly", mount_point=where, device=name) in (0, None)
    n = len(pulse.samples)
    write(trigger, "fault test")
    seen = pulse.wait("read-only", lambda s: s.get("guest.fs.readonly", mount_point=where, device=name) == 1, 2.5, after=n)
    assert seen.get("guest.fs.errors", mount_point=where) >= 1
    try:
        write(os.path.join(where, "x"), "x")
        raise AssertionError("writes go through")
    except OSError as e:
        assert e.errno == 30, e
    flag = "ro" if os.statvfs(where).f_flag & os.ST_RDONLY else "rw"
    print("# statvfs says %s; %s" % (flag, [line for line in read("/proc/mounts").splitlines() if where in line]), flush=True)


def test_full_tmpfs(ctx):
    """Space and inodes at their end are in the next sample, and so is their release."""
    ctx.need_root()
    where = mount(ctx, "none", os.path.join(ctx.folder, "tmp"), "tmpfs", "size=4m,nr_inodes=64")
    with open(os.path.join(where, "some"), "wb") as f:
        f.write(b"x" * (3600 << 10))  # scarce: asked with each sample
    pulse = ctx.pulse(1000, where)
    pulse.wait("scarce", lambda s: (s.get("disk.space_used_perc", mount_point=where) or 0) > 80, 5)
    try:
        with open(os.path.join(where, "all"), "wb", buffering=0) as f:
            while f.write(b"x" * 4096):
                pass
    except OSError:
        pass
    try:
        for i in range(100):
            open(os.path.join(where, str(i)), "w").close()
    except OSError:
        pass
    n = len(pulse.samples)
    seen = pulse.wait("full", lambda s: s.get("disk.space_used_perc", mount_point=where) == 100, 3.5, after=n)
    pulse.wait("no inodes", lambda s: s.get("disk.inode_used_perc", mount_point=where) == 100, 2.5, after=n)
    assert seen.get("guest.fs.hung", mount_point=where) == 0
    for name in os.listdir(where):
        os.unlink(os.path.join(where, name))
    pulse.wait("room", lambda s: s.get("disk.space_used_perc", mount_point=where) < 5, 3.5, after=n)


def test_rates_of_a_device(ctx):
    """What is written is counted, as the kernel's sectors say."""
    ctx.need_root()
    _, where = ext4(ctx, "rates", 64)
    pulse = ctx.pulse(1000, where)
    pulse.wait("rates", lambda s: s.get("io.write_kbytes_sec", mount_point=where) is not None, 5)
    n = len(pulse.samples)
    sh("dd", "if=/dev/zero", "of=" + where + "/data", "bs=1M", "count=24", "oflag=direct")
    time.sleep(2.5)
    rows = [(s.at, s.get("io.write_kbytes_sec", mount_point=where)) for s in pulse.samples[n - 1:]]
    total = sum(rate * (b - a) for (a, _), (b, rate) in zip(rows, rows[1:]))
    assert 24 * 1024 * 0.8 <= total <= 24 * 1024 * 1.4 + 4096, "%d KiB; %s" % (total, rows)


def test_io_that_does_not_complete(ctx):
    """A disk whose storage stands still (a loop device on a frozen file system): in flight, none completes, the seconds are
    counted, and samples come each second from the fifth on."""
    ctx.need_root()
    _, below = ext4(ctx, "below", 128)
    device = loop_device(ctx, os.path.join(below, "above.img"), 32)
    sh("mkfs.ext4", "-q", "-F", device)
    where = mount(ctx, device, os.path.join(ctx.folder, "above"), "ext4")
    pulse = ctx.pulse(3000, where)
    pulse.wait("the device", lambda s: s.get("guest.io.stalled_sec", mount_point=where) == 0, 10)
    os.sync()
    if subprocess.run(["fsfreeze", "--freeze", below]).returncode:
        raise Skip("cannot freeze a file system")
    frozen = [True]

    def thaw():
        if frozen and frozen.pop():
            sh("fsfreeze", "--unfreeze", below)
    writer = subprocess.Popen(["dd", "if=/dev/zero", "of=" + where + "/data", "bs=64k", "count=4", "oflag=direct"], stderr=subprocess.DEVNULL)
    ctx.later(lambda: (thaw(), writer.wait()))
    seen = pulse.wait("the stall", lambda s: (s.get("guest.io.stalled_sec", mount_point=where) or 0) >= 8, 25)
    assert seen.get("guest.io.in_flight", mount_point=where) >= 1
    assert seen.interval_ms == 1000, seen.interval_ms
    n = len(pulse.samples)
    thaw()
    pulse.wait("its end", lambda s: s.get("guest.io.stalled_sec", mount_point=where) == 0, 10, after=n)


def test_disk_events(ctx):
    """Events of disks reach us, from udevd or, where none runs, from the kernel itself."""
    ctx.need_root()
    disks = [d for d in os.listdir("/sys/block") if not d.startswith(("loop", "ram", "zram", "sr"))]
    if not disks:
        raise Skip("no disk to speak of")
    pulse = ctx.pulse(60000)
    sized = pulse.first().get("guest.disk.size_mb", device=disks[0])
    assert sized and abs(sized - int(read("/sys/block/%s/size" % disks[0])) / 2048) < 1, sized
    write("/sys/block/%s/uevent" % disks[0], "change")
    pulse.wait_event("disk_changed", disks[0], 5)
