"""Faults in a small guest, in virtual time: what can be foreseen is foreseen, what cannot is told at once, and what is over is closed.

A test is one shell script that a guest runs from its saved state. Each finding starts a hook that writes down when it came.
"""
import re

import images
import qemu

SETUP = r"""
mkdir -p /etc/heat-pulse /etc/cfn/hooks.d /mnt/a /mnt/b /mnt/c
printf '[metadata]\nsource = local\n[local]\nfile = /etc/heat-pulse/metadata.json\n' >/etc/heat-pulse/heat-pulse.conf
echo '{}' >/etc/heat-pulse/metadata.json
cat >/etc/cfn/hooks.d/found.conf <<'END'
[finding.*]
levels = notice, warning, critical
on = opened, raised, closed
action = read up idle </proc/uptime; echo "$up $HEAT_PULSE_CLASS $HEAT_PULSE_EVENT $HEAT_PULSE_LEVEL $HEAT_PULSE_ENTITY | $HEAT_PULSE_EVIDENCE" >>/var/log/found
END
touch /var/log/found
heat-pulse run >/var/log/agent.log 2>&1 &
# found PATTERN SECONDS: until a line of it is there
found() { step=$(($2 / 300 + 1)) n=300; until grep -q "$1" /var/log/found || [ $n = 0 ]; do sleep $step; n=$((n - 1)); done; }
"""
REPORT = r"""
echo; echo "== found"; cat /var/log/found; echo "== limit"; cat /run/limit 2>/dev/null; echo "== log"; cat /var/log/agent.log; echo "== kernel"; inside kmsg
"""


class Guest:
    """The small guest's arguments, its saved state and its disks."""
    arguments, state = (), None


def begin(ring):
    """Boots once and saves the state that every test starts from."""
    failing = ring.path("failing.conf")
    with open(failing, "w") as f:
        for n in range(1, 60):  # the first writes are good: mounting is, too
            f.write('[set-state]\nevent = "write_aio"\nstate = "%d"\nnew_state = "%d"\n\n' % (n, n + 1))
        f.write('[inject-error]\nevent = "write_aio"\nerrno = "5"\nonce = "off"\nstate = "60"\n')
    disks = []
    for name, layer in (("a", ""), ("b", ""), ("c", failing)):
        path = ring.path("fault-%s.img" % name)
        file = "file.driver=blkdebug,file.config=%s,file.image.driver=file,file.image.filename=%s" % (layer, path) if layer else "file=" + path
        disks += ["-drive", "if=none,id=%s,%s,format=raw,rerror=report,werror=report" % (name, file), "-device", "virtio-blk-pci,drive=" + name]
    Guest.arguments = disks
    fresh_disks(ring)
    Guest.state = ring.path("fast.state")
    with qemu.Machine(ring.kernel.image, ring.small, args=disks, fast=True) as one:
        one.sh("sleep 120", 120)
        one.save(Guest.state)


def fresh_disks(ring):
    images.disk(ring.path("fault-a.img"), 64)
    images.disk(ring.path("fault-b.img"), 64, inodes=2048)
    images.disk(ring.path("fault-c.img"), 32)

SLOW_DISK = ("hung_task",)


class Story:
    """What a guest said at the end of its script."""

    def __init__(self, text):
        parts = self.parts = dict(part.partition("\n")[::2] for part in text.split("\n== ")[1:])
        self.found = [(float(line.split()[0]), line.split(" ", 1)[1]) for line in parts["found"].splitlines() if line]
        self.limit = float(parts["limit"].split()[0]) if parts["limit"].split() else None
        self.log, self.records = parts["log"], []
        for line in parts["kernel"].splitlines():
            head, _, record = line.partition(";")
            if re.match(r"[0-7],\d+,\d+,", head):
                self.records.append((int(head.split(",")[2]) / 1e6, record))

    def __str__(self):
        return "found %s\nlimit %s\n%s\n%s" % (self.found, self.limit, self.log, "\n".join("%.3f %s" % r for r in self.records[-40:]))

    def first(self, pattern, lines):
        for at, text in lines:
            if re.search(pattern, text):
                return at
        raise AssertionError("no line like %r\n%s" % (pattern, self))

    def finding(self, pattern):
        return self.first("^" + pattern, self.found)

    def record(self, pattern):
        return self.first(pattern, self.records)

    def only(self, *classes):
        """No other class above a notice: a fault has one name, and what follows from it. Virtual time goes on while the machine below reads and
        writes: to such a guest its disk is slow, too, and who writes much may wait for a minute (SLOW_DISK)."""
        others = [text for _, text in self.found if text.split()[2] != "notice" and text.split()[0] not in classes + ("io_stall",)]
        assert not others, "%s\n%s" % (others, self)


def play(ring, script, seconds=300):
    fresh_disks(ring)
    with qemu.Machine(ring.kernel.image, ring.small, args=Guest.arguments, fast=True, state=Guest.state) as one:
        return Story(one.sh(SETUP + "sleep 60\n" + script + REPORT, seconds))


CULPRIT = r"memory_exhaustion (opened|raised) \w+ memory .*grown by inside\["


def leak(ring, mib, at_least):
    """@at_least: seconds between the finding, which names the culprit, and the kill, or None where only the kill itself must be told. Who leaks
    is told of the one kill once, and nobody else is blamed."""
    story = play(ring, "inside leak %d; sleep 5" % (mib * 1024))
    kill, oom = story.record(r"Out of memory: Killed process \d+ \(inside\)"), story.finding("oom_kill opened")
    lead = max([kill - at for at, text in story.found if re.match("memory_exhaustion opened (warning|critical) memory", text)], default=None)
    ring.note("a leak of %d MiB/s in 256 MiB: told %s before the kill; the kill itself after %.2f s" % (mib, "not" if lead is None else "%.1f s" % lead, oom - kill))
    assert at_least is None or (lead is not None and lead >= at_least), story
    assert oom - kill <= 2, story
    assert at_least is None or kill - story.finding(CULPRIT) >= at_least, story
    blamed = set(re.findall(r"grown by (\S+?)\[", str(story.found)))
    assert blamed <= {"inside"}, story
    kills = [text for _, text in story.found if text.startswith("oom_kill opened")]
    assert len(kills) == 1 and re.match(r"oom_kill opened critical inside\[\d+\] ", kills[0]), story
    story.only("memory_exhaustion", "oom_kill")


def test_leak_1(ring):
    """A leak of 1 MiB/s is told at least 30 s before the kernel kills, with the culprit's name"""
    leak(ring, 1, 30)


def test_leak_5(ring):
    """A leak of 5 MiB/s is told at least 10 s before the kernel kills, with the culprit's name"""
    leak(ring, 5, 10)


def test_leak_50(ring):
    """A leak of 50 MiB/s, which lasts 4 s: the kill is told within 2 s with the name of who was killed, whether or not there was time to foresee it"""
    leak(ring, 50, None)


def test_group_kill(ring):
    """A kill at the limit of a control group is one finding, of the process, with the group in its evidence"""
    story = play(ring, "echo +memory >/sys/fs/cgroup/cgroup.subtree_control; mkdir /sys/fs/cgroup/box; echo 48M >/sys/fs/cgroup/box/memory.max; sleep 70; "
                 "sh -c 'echo $$ >/sys/fs/cgroup/box/cgroup.procs; exec inside leak 1024'; sleep 150")
    kill = story.record(r"Memory cgroup out of memory: Killed process \d+ \(inside\)")
    kills = [text for _, text in story.found if text.startswith("oom_kill opened")]
    assert len(kills) == 1 and re.match(r"oom_kill opened warning inside\[\d+\] \| in /box: ", kills[0]), story
    assert story.finding("oom_kill opened") - kill <= 2, story
    lead = max([kill - at for at, text in story.found if re.match("memory_exhaustion opened (warning|critical) box", text)], default=None)
    ring.note("a leak of 1 MiB/s in a group of 48 MiB: told %s before the kill" % ("not" if lead is None else "%.1f s" % lead))
    story.only("memory_exhaustion", "oom_kill", *SLOW_DISK)


def test_leak_ends(ring):
    """A leak whose process is ended in time is closed, and nothing else is said"""
    story = play(ring, "inside leak 1024 & found memory_exhaustion 300; kill $!; found 'memory_exhaustion closed' 1500")
    assert story.finding("memory_exhaustion closed") > story.finding("memory_exhaustion opened")
    story.only("memory_exhaustion")


def used_up(ring, what, class_name, entity, start, end, at_least, closed_s=0):
    """Something is used up at a rate: told in time. With @closed_s it is waited for that the finding is closed when all was given back."""
    story = play(ring, "%s & sleep 1; n=400; until [ -s /run/limit ] || [ $n = 0 ]; do sleep 5; n=$((n - 1)); done; sleep 5; %s; %s" %
                 (start, end, "found '%s closed' %d" % (class_name, closed_s) if closed_s else "true"))
    opened = story.finding("%s opened (warning|critical) %s" % (class_name, entity))
    ring.note("%s: told %.1f s before the limit" % (what, story.limit - opened))
    assert story.limit - opened >= at_least, story
    assert not closed_s or story.finding("%s closed" % class_name) > story.limit, story
    story.only(class_name, *SLOW_DISK)


def test_disk(ring):
    """A disk that fills is foreseen under its mount's name (--deep: and closed when the file is gone)"""
    used_up(ring, "a disk of 64 MiB at 6 MiB/min", "disk_exhaustion", "/mnt/a", "mount /dev/vda /mnt/a; inside fill /mnt/a/f 100 >/run/limit",
            "killall inside; rm /mnt/a/f", 10, 4000 if ring.deep else 0)


def test_inodes(ring):
    """A storm of inodes is foreseen (--deep: and closed when they are gone)"""
    used_up(ring, "2,000 inodes at 4/s", "inode_exhaustion", "/mnt/b", "mount /dev/vdb /mnt/b; mkdir /mnt/b/d; inside inodes /mnt/b/d 4 >/run/limit",
            "killall inside; rm -r /mnt/b/d", 10, 4000 if ring.deep else 0)


def test_fds(ring):
    """A leak of file descriptors is foreseen under the process's name (--deep: and closed when it has ended)"""
    used_up(ring, "1,024 descriptors at 1/s", "fd_exhaustion", r"inside\[", "ulimit -n 1024; inside fds 1 >/run/limit", "killall inside", 10, 6000 if ring.deep else 0)


def test_group_caches(ring):
    """A control group that fills its limit with the files it reads is no want of memory: nothing is said"""
    story = play(ring, "mount /dev/vda /mnt/a; dd if=/dev/zero of=/mnt/a/f bs=1M count=24 2>/dev/null; sync; echo +memory >/sys/fs/cgroup/cgroup.subtree_control; "
                 "mkdir /sys/fs/cgroup/box; echo 16M >/sys/fs/cgroup/box/memory.max; echo 3 >/proc/sys/vm/drop_caches; "
                 "sh -c 'echo $$ >/sys/fs/cgroup/box/cgroup.procs; n=40; while [ $n -gt 0 ]; do cat /mnt/a/f >/dev/null; sleep 30; n=$((n - 1)); done'; "
                 "[ $(cat /sys/fs/cgroup/box/memory.current) -gt 14000000 ] || echo '0 limit_not_filled opened warning box |' >>/var/log/found")
    story.only(*SLOW_DISK)


def test_fast(ring):
    """What is used up within three minutes is foreseen, though in calm its probe looks once in a minute or less: a disk, inodes, descriptors"""
    used_up(ring, "a disk of 64 MiB within 3 min", "disk_exhaustion", "/mnt/a", "mount /dev/vda /mnt/a; inside fill /mnt/a/f 320 >/run/limit", "killall inside", 15)
    used_up(ring, "2,000 inodes within 3 min", "inode_exhaustion", "/mnt/b", "mount /dev/vdb /mnt/b; mkdir /mnt/b/d; inside inodes /mnt/b/d 11 >/run/limit",
            "killall inside", 15)
    used_up(ring, "1,024 descriptors within 3 min", "fd_exhaustion", r"inside\[", "ulimit -n 1024; inside fds 6 >/run/limit", "killall inside", 15)


def test_forks(ring):
    """A storm of forks in a control group with a limit, over in a minute, is foreseen (--deep: and closed an hour after it)"""
    story = play(ring, "echo +pids >/sys/fs/cgroup/cgroup.subtree_control; mkdir /sys/fs/cgroup/storm; echo 300 >/sys/fs/cgroup/storm/pids.max; "
                 "sh -c 'echo $$ >/sys/fs/cgroup/storm/cgroup.procs; exec inside forks 5 >/run/limit' & n=200; until [ -s /run/limit ] || [ $n = 0 ]; do sleep 1; n=$((n - 1)); done; sleep 5; "
                 "killall inside; " + ("found 'pid_exhaustion closed' 6000" if ring.deep else "true"))
    refused, opened = story.record("fork rejected by pids controller in /storm"), story.finding("pid_exhaustion opened (warning|critical) storm")
    ring.note("300 tasks at 5/s: told %.1f s before the first refusal" % (refused - opened))
    assert refused - opened >= 5, story
    assert not ring.deep or story.finding("pid_exhaustion closed"), story
    story.only("pid_exhaustion")


def test_io_errors(ring):
    """Writes that fail below ext4: the disk, the error and the read-only file system are told within 2 s of the kernel's words"""
    story = play(ring, "mount -o errors=remount-ro /dev/vdc /mnt/c; for n in $(seq 200); do inside write /mnt/c/$n || break; done; found filesystem_readonly 20; "
                 "found disk_failing 20")
    for class_name, record in (("disk_failing", r"I/O error, dev vdc"), ("filesystem_(error|readonly)", r"EXT4-fs error \(device vdc|Aborting journal on device vdc"),
                               ("filesystem_readonly", "Remounting filesystem read-only|Aborting journal")):
        late = story.finding("%s opened (warning|critical) (vdc|/mnt/c)" % class_name) - story.record(record)
        assert late <= 2, "%s came %.1f s late\n%s" % (class_name, late, story)
    story.only("disk_failing", "filesystem_error", "filesystem_readonly", *SLOW_DISK)


def test_hung_task(ring):
    """A task that hangs on a frozen file system is told within 2 s of the kernel's words, and closed when it goes on"""
    story = play(ring, "echo 5 >/proc/sys/kernel/hung_task_timeout_secs; mount /dev/vda /mnt/a; fsfreeze --freeze /mnt/a; inside write /mnt/a/x & "
                 "found hung_task 60; fsfreeze --unfreeze /mnt/a; wait $!; found 'hung_task closed' 2000")
    late = story.finding("hung_task opened (warning|critical) inside") - story.record(r"INFO: task inside:\d+ blocked for more than")
    assert late <= 2, story
    story.finding("hung_task closed")
    story.only("hung_task")


def test_healthy(ring):
    """A guest that does its daily work for two hours (--deep: a day) is told nothing above a notice"""
    rounds = 288 if ring.deep else 24
    story = play(ring, "n=0; while [ $n -lt %d ]; do dd if=/dev/zero of=/run/work bs=1M count=$((n %% 20)) 2>/dev/null; find / -xdev >/dev/null; sleep 300; "
                 "rm -f /run/work; n=$((n + 1)); done" % rounds, 3600 if ring.deep else 300)
    story.only()


def test_clock(ring):
    """A time daemon that died is told an hour after the clock may be 8 s off, and closed when it is back; samples hold what it set, in either unit"""
    story = play(ring, "look() { echo; echo \"== $1\"; heat-pulse sample | grep guest.clock; }; look boot; inside ntp nano -400000000 0; look nano; "
                 "inside ntp micro -400000 7900000; look micro; cut -d' ' -f1 /proc/uptime >/run/limit; found clock_unsynchronised 5400; "
                 "inside ntp nano 0 0; found 'clock_unsynchronised closed' 1500; look kept", 600)
    for name, synchronised, offset, error in (("boot", 0, 0, 16000), ("nano", 1, -400, 0), ("micro", 1, -400, 7900), ("kept", 1, 0, 0)):
        said = {k: float(v) for k, v in re.findall(r"guest\.clock\.(\w+)\S*\s+(-?[\d.]+)", story.parts[name])}
        assert said["synchronised"] == synchronised and abs(said["offset_ms"] - offset) < 2 and error <= said["error_max_ms"] < error + 1000, (name, said)
    late = story.finding("clock_unsynchronised opened warning clock ") - story.limit
    assert 3800 <= late < 3900, story  # 100 ms of error take 200 s
    ring.note("a clock without its daemon: told %.0f s after; %s" % (late, "; ".join(re.findall("the kernel says.*", "".join(story.parts.values())))))
    story.finding("clock_unsynchronised closed")
    story.only("clock_unsynchronised")


def test_forged(ring):
    """What a process writes into the kernel's log, or calls itself, opens no finding"""
    story = play(ring, "echo '<0>Out of memory: Killed process 1 (init) total-vm:1kB' >/dev/kmsg; echo 'EXT4-fs error (device vda): x' >/dev/kmsg; "
                 "echo '<2>watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [x:1]' >/dev/kmsg; sleep 30")
    story.only()
