"""What a sample says, beside what the system's own tools say at the same moment: free, df, vmstat, iostat, ss, ps, ip, prlimit.

Other programs run on the machine, so a tool is asked before and after the sample: a value may be anything between the two answers,
and a little more."""
import json
import os
import shutil
import subprocess
import tempfile
import time

import guest
from harness import Skip

MIB = 1024.0


def tool(*argv):
    if not shutil.which(argv[0]):
        raise Skip("%s is not installed" % argv[0])
    return subprocess.run(argv, stdout=subprocess.PIPE, check=True, text=True, env=dict(os.environ, LC_ALL="C")).stdout


def sample(root=None):
    argv = [guest.BINARY, "sample", "--json"] + (["--root", root] if root else [])
    return json.loads(subprocess.run(argv, stdout=subprocess.PIPE, check=True, text=True).stdout)["metrics"]


def get(metrics, name, **dims):
    for m in metrics:
        have = m.get("dimensions", {})
        if m["name"] == name and all(have.get(k) == v for k, v in dims.items()):
            return m["value"]
    raise AssertionError("%s%s is absent" % (name, dims or ""))


class Beside:
    """Sample and tool: asked before, sampled, asked after."""

    def __init__(self, ask):
        self.before, self.metrics, self.after = ask(), sample(), ask()

    def check(self, name, key, slack=0.0, of=lambda v: v, **dims):
        """The metric lies between the tool's two answers for KEY, plus or minus SLACK."""
        said = [of(self.before[key]), of(self.after[key])]
        value = get(self.metrics, name, **dims)
        assert min(said) - slack <= value <= max(said) + slack, "%s is %s, the tool says %s (%s)" % (name, value, said, key)


def free():
    lines = [line.split() for line in tool("free", "-k", "-w").splitlines()]
    memory = dict(zip(lines[0], map(int, lines[1][1:])))
    swap = dict(zip(("swap-total", "swap-used", "swap-free"), map(int, lines[2][1:])))
    return dict(memory, **swap)


def test_memory_beside_free(ctx):
    """Memory and swap as free says them"""
    b = Beside(free)
    slack = 0.02 * b.before["total"] / MIB
    b.check("mem.total_mb", "total", 1, lambda v: v / MIB)
    b.check("mem.free_mb", "free", slack, lambda v: v / MIB)
    b.check("mem.usable_mb", "available", slack, lambda v: v / MIB)
    b.check("mem.used_buffers", "buffers", slack, lambda v: v / MIB)
    b.check("mem.used_cache", "cache", slack, lambda v: v / MIB)
    b.check("mem.used_shared", "shared", slack, lambda v: v / MIB)
    b.check("mem.swap_total_mb", "swap-total", 1, lambda v: v / MIB)
    b.check("mem.swap_free_mb", "swap-free", slack, lambda v: v / MIB)


def df():
    words = tool("df", "--output=size,used,pcent,ipcent", "-k", "/").splitlines()[1].replace("%", "").split()
    inodes = tool("df", "--output=iused,iavail", "/").splitlines()[1].split()
    return {"size": int(words[0]), "used": int(words[1]), "pcent": int(words[2]),
            "ipcent": 100.0 * int(inodes[0]) / max(1, int(inodes[0]) + int(inodes[1]))}


def test_space_beside_df(ctx):
    """Space and inodes of the root as df says them, which rounds up"""
    b = Beside(df)
    b.check("disk.total_space_mb", "size", 1, lambda v: v / MIB, mount_point="/")
    b.check("disk.total_used_space_mb", "used", 64, lambda v: v / MIB, mount_point="/")
    b.check("disk.space_used_perc", "pcent", 1.1, mount_point="/")
    b.check("disk.inode_used_perc", "ipcent", 0.2, mount_point="/")


def vmstat():
    said = {}
    for line in tool("vmstat", "-s").splitlines():
        number, _, what = line.strip().partition(" ")
        said[what.strip()] = int(number)
    hertz = os.sysconf("SC_CLK_TCK")
    return {"user": (said["non-nice user cpu ticks"] + said["nice user cpu ticks"]) / hertz,
            "system": (said["system cpu ticks"] + said["IRQ cpu ticks"] + said["softirq cpu ticks"]) / hertz,
            "idle": said["idle cpu ticks"] / hertz, "wait": said["IO-wait cpu ticks"] / hertz}


def test_time_beside_vmstat(ctx):
    """Processor time since boot as vmstat -s says it"""
    b = Beside(vmstat)
    for what in ("user", "system", "idle", "wait"):
        b.check("cpu.%s_time" % what, what, 0.1)


def load():
    with open("/proc/loadavg") as f:
        words = f.read().split()
    cpus = int(tool("nproc", "--all"))
    return {"1": float(words[0]) / cpus, "5": float(words[1]) / cpus, "cpus": cpus}


def test_load_beside_nproc(ctx):
    """Load by processors, as many as are online"""
    b = Beside(load)
    b.check("cpu.total_logical_cores", "cpus")
    b.check("load.avg_1_min", "1", 0.01)
    b.check("load.avg_5_min", "5", 0.01)


def ss():
    text = tool("ss", "-s")
    inside = text[text.index("(") + 1:text.index(")")]
    said = {part.split()[0]: int(part.split()[1].split("/")[0]) for part in inside.split(",")}
    return dict(said, total=int(text.split("Total:")[1].split()[0]))


def test_sockets_beside_ss(ctx):
    """Sockets in use, orphans and those that wait, as ss -s says them"""
    b = Beside(ss)
    b.check("guest.net.sockets_used", "total", 5)
    b.check("guest.net.tcp_orphans", "orphaned", 2)
    b.check("guest.net.tcp_time_wait", "timewait", 25)


def test_interfaces_beside_ip(ctx):
    """The same interfaces as ip link says, and whether they are up"""
    metrics = sample()
    named = {m["dimensions"]["device"]: m["value"] for m in metrics if m["name"] == "net.int_status"}
    for link in json.loads(tool("ip", "-j", "link")):
        name = link["ifname"]
        if name not in named:
            assert link["link_type"] == "loopback" or name.startswith(("ifb", "veth", "docker", "br-", "virbr", "tap", "dummy", "lxc", "cni")), name
            continue
        up = "UP" in link["flags"] and link["operstate"] in ("UP", "UNKNOWN")
        assert named.pop(name) == (0 if up else 1), link
    assert not named, named


def ps():
    rows = [line.split(None, 4) for line in tool("ps", "-e", "-o", "pid=,nlwp=,stat=,rss=,comm=").splitlines()]
    rows = [r for r in rows if r[4] != "ps"]
    return {"processes": len(rows), "threads": sum(int(r[1]) for r in rows), "zombies": sum(r[2].startswith("Z") for r in rows),
            "rows": {int(r[0]): (int(r[1]), int(r[3])) for r in rows}}


def test_processes_beside_ps(ctx):
    """Processes, threads, zombies and the largest as ps says them"""
    for _ in range(5):  # others start and end many at a time
        b = Beside(ps)
        if abs(b.before["processes"] - b.after["processes"]) <= 3:
            break
    b.check("guest.process.total", "processes", 6)
    b.check("guest.tasks.total", "threads", 15)
    b.check("guest.process.zombie", "zombies", 5)
    compared = 0
    for m in b.metrics:
        if m["name"] != "guest.process.rss_mb":
            continue
        pid = int(m["dimensions"]["process"].rsplit("[", 1)[1].rstrip("]"))
        if pid in b.before["rows"] and pid in b.after["rows"]:
            said = [b.before["rows"][pid][1] / MIB, b.after["rows"][pid][1] / MIB]
            assert min(said) * 0.95 - 1 <= m["value"] <= max(said) * 1.05 + 1, (m, said)
            compared += 1
    assert compared >= 1


def test_files_beside_prlimit(ctx):
    """Descriptors and their limit of a process as ls and prlimit say them; open files as sysctl says"""
    child = subprocess.Popen(["/usr/bin/python3", "-c", "import resource, time\nresource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))\n"
                              "keep = [open('/dev/null') for i in range(390)]\ntime.sleep(60)"])
    ctx.later(lambda: (child.kill(), child.wait()))
    folder = "/proc/%d/fd" % child.pid
    guest.until("the files", 5, lambda: len(os.listdir(folder)) >= 393)

    def files():
        said = tool("sysctl", "-n", "fs.file-nr").split()
        return {"open": int(said[0]), "max": int(said[2]), "fds": len(os.listdir(folder)),
                "limit": int(tool("prlimit", "--pid", str(child.pid), "--nofile", "-o", "SOFT", "--noheadings"))}
    b = Beside(files)
    entity = [m["dimensions"]["process"] for m in b.metrics if m["name"] == "guest.process.fds" and
              m["dimensions"]["process"].endswith("[%d]" % child.pid)]
    assert len(entity) == 1, entity
    b.check("guest.process.fds", "fds", process=entity[0])
    perc = get(b.metrics, "guest.process.fds_perc", process=entity[0])
    assert abs(perc - 100.0 * b.before["fds"] / b.before["limit"]) < 0.01, perc
    b.check("guest.files.open", "open", 400)
    b.check("guest.files.max", "max")


def test_io_beside_iostat(ctx):
    """Writes of a disk that is written to steadily, as iostat says them, within a factor of two"""
    folder = tempfile.mkdtemp(prefix="hp-values-", dir="/var/tmp")
    ctx.later(lambda: shutil.rmtree(folder))
    device = os.path.basename(os.path.realpath(tool("findmnt", "-n", "-o", "SOURCE", "-T", folder).strip().split("[")[0]))
    if not os.path.exists("/sys/class/block/" + device):
        raise Skip("no block device under /var/tmp")
    writer = subprocess.Popen(["/usr/bin/python3", "-c", "import os, sys, time\nf = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)\n"
                               "while True:\n    os.pwrite(f, os.urandom(1 << 18), 0); os.fdatasync(f); time.sleep(0.02)", folder + "/x"])
    ctx.later(lambda: (writer.kill(), writer.wait()))
    time.sleep(1)
    asked = subprocess.Popen(["iostat", "-d", "-k", "-y", "-o", "JSON", device, "4", "1"], stdout=subprocess.PIPE, text=True) \
        if shutil.which("iostat") else None
    if not asked:
        raise Skip("iostat is not installed")
    kilobytes, until = [], time.monotonic() + 3.5
    while time.monotonic() < until:
        kilobytes.append(get(sample(), "io.write_kbytes_sec", device=device))
    said = json.loads(asked.communicate(timeout=20)[0])["sysstat"]["hosts"][0]["statistics"][0]["disk"][0]["kB_wrtn/s"]
    mean = sum(kilobytes) / len(kilobytes)
    assert said > 1000 and said / 2 <= mean <= said * 2, (said, kilobytes)
