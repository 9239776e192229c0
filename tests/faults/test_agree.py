"""The sample beside what other tools of the same machine say at the same moment."""
import os
import shutil
import subprocess

from machine import sh
from pulse import Skip


def near(got, want, part=0.02, least=0.0):
    assert got is not None and abs(got - want) <= max(least, abs(want) * part), "%s is not near %s" % (got, want)


def need(name):
    if not shutil.which(name):
        raise Skip("no %s here" % name)


def test_memory_as_free_says(ctx):
    """Total, free, available and swap as free(1) prints them."""
    need("free")
    pulse = ctx.pulse(60000)
    sample = pulse.first()
    rows = {line.split(":")[0]: [int(n) for n in line.split(":")[1].split()] for line in sh("free", "-m").splitlines()[1:]}
    total, _, free, shared, _, available = rows["Mem"]
    near(sample.get("mem.total_mb"), total, 0, 1)
    near(sample.get("mem.free_mb"), free, 0.05, 64)
    near(sample.get("mem.usable_mb"), available, 0.05, 64)
    near(sample.get("mem.used_shared"), shared, 0.05, 16)
    near(sample.get("mem.swap_total_mb"), rows["Swap"][0], 0, 1)
    near(sample.get("mem.total_gb"), total / 1024, 0.001, 0.002)


def test_space_as_df_says(ctx):
    """Space and inodes of every local file system as df(1) has them."""
    need("df")
    sample = ctx.pulse(1000).wait("the answers", lambda s: s.get("disk.space_used_perc", mount_point="/") is not None, 8)
    seen = [m["dimensions"]["mount_point"] for m in sample.metrics if m["name"] == "disk.space_used_perc"]
    for where in seen:
        size, used, perc = sh("df", "-B1048576", "--output=size,used,pcent", where).splitlines()[1].split()
        near(sample.get("disk.total_space_mb", mount_point=where), int(size), 0.001, 1)
        near(sample.get("disk.total_used_space_mb", mount_point=where), int(used), 0.02, 64)
        near(sample.get("disk.space_used_perc", mount_point=where), int(perc[:-1]), 0, 1.1)  # df rounds up
        inodes = sh("df", "--output=ipcent", where).splitlines()[1].strip()
        if inodes != "-":
            near(sample.get("disk.inode_used_perc", mount_point=where), int(inodes[:-1]), 0, 1.1)


def test_disks_as_lsblk_says(ctx):
    """Size and kind of each disk as lsblk(8) lists them."""
    need("lsblk")
    sample, any_disk = ctx.pulse(60000).first(), False
    for line in sh("lsblk", "-b", "-d", "-n", "-o", "NAME,SIZE,ROTA,TYPE").splitlines():
        name, size, rotational, kind = line.split()
        if kind != "disk" or name.startswith(("zram", "ram")) or size == "0":
            continue
        any_disk = True
        near(sample.get("guest.disk.size_mb", device=name), int(size) / 1048576, 0, 0.5)
        assert sample.get("guest.disk.rotational", device=name) == int(rotational)
    if not any_disk:
        raise Skip("no disks")


def test_rates_as_iostat_says(ctx):
    """Requests, KiB and utilisation of a disk under work as iostat(1) counts them over the same seconds."""
    need("iostat")
    pulse = ctx.pulse(1000)
    pulse.first()
    work = subprocess.Popen(["dd", "if=/dev/zero", "of=" + os.path.join(ctx.folder, "data"), "bs=64k", "count=100000", "oflag=direct"],
                            stderr=subprocess.DEVNULL)
    ctx.later(lambda: (work.kill(), work.wait()))
    before = len(pulse.samples)
    rows = [line.split() for line in sh("iostat", "-d", "-k", "-y", "5", "1").splitlines()]
    head = next(r for r in rows if r and r[0] == "Device")
    disks = [dict(zip(head[1:], map(float, r[1:]))) | {"name": r[0]} for r in rows if len(r) == len(head) and r[0] != "Device"]
    busiest = max(disks, key=lambda d: d["kB_wrtn/s"])
    if busiest["kB_wrtn/s"] < 1000:
        raise Skip("nothing was written")
    ours = [s.get("io.write_kbytes_sec", device=busiest["name"]) for s in pulse.samples[before:]]
    if not ours or None in ours:
        raise Skip("%s is no device of ours" % busiest["name"])  # a loop device, say
    near(sum(ours) / len(ours), busiest["kB_wrtn/s"], 0.4)
