"""One Debian guest from its first boot to a hard reset, with a real Keystone and Heat on the host: each test goes on where the last one ended."""
import json
import subprocess
import threading
import time
import os
import uuid

import cloud
import debian
import images
from guest import until
from harness import Skip

STACK, TEMPLATE = "story", os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates", "story.yaml")


class Recorder:
    """Reads the health handle each second and keeps what is new, with the time."""

    def __init__(self, heat, server_id):
        self.heat, self.server_id = heat, server_id
        self.entries, self.stopping = [], threading.Event()
        self.looked, self.pause = time.monotonic(), 0.0  # the longest between two looks: what came and went within it was not read
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def look(self):
        held, now = self.heat.metadata(STACK, "health").get(self.server_id), time.monotonic()
        self.pause, self.looked = max(self.pause, now - self.looked), now
        if held:
            data = json.loads(held["data"]) if isinstance(held["data"], str) else held["data"]
            if not self.entries or self.entries[-1][1]["seq"] != data["seq"]:
                self.entries.append((time.monotonic(), data, held))

    def run(self):
        while not self.stopping.wait(1):
            try:
                self.look()
            except Exception:  # the stack is being updated, Heat is busy: the next second tells
                pass

    def stop(self):
        self.stopping.set()
        self.thread.join(30)

    def saw(self, class_name, entity=None, after=0.0):
        """When a finding of this class was first read."""
        for at, data, _ in self.entries:
            if at >= after and any(f["class"] == class_name and (entity is None or f["entity"].startswith(entity)) for f in data.get("findings", [])):
                return at
        return None

    def text(self):
        return "\n".join("%.1f %s" % (at, json.dumps(data)) for at, data, _ in self.entries[-30:])


class Story:
    cloud = guest = recorder = key = boot_id = None
    server_id = str(uuid.uuid4())


def begin(ring):
    """The control plane comes up while the image is made."""
    if not os.path.exists("/usr/bin/heat-all"):
        raise Skip("Heat is not installed")
    folder = ring.path("cloud")
    os.makedirs(folder)
    Story.cloud = cloud.Cloud(folder, ring.host)
    ring.later(Story.cloud.wipe)
    trouble = []

    def make():
        try:
            Story.image = images.debian(ring.host)
        except Exception as e:
            trouble.append(e)

    making = threading.Thread(target=make)  # the control plane ends with the thread that started it: that is ours
    making.start()
    Story.shop = debian.Shop(ring.folder, ring.binary)
    ring.later(Story.shop.close)
    try:
        Story.cloud.up()
        Story.cloud.create(STACK, TEMPLATE)
        parts = debian.parts_of_heat(Story.cloud, Story.shop, ring.host)
        Story.block = Story.cloud.block(STACK)
    finally:
        making.join()
    if trouble:
        raise trouble[0]
    text = debian.user_data.build("SOFTWARE_CONFIG", {"deployments": [], "os-collect-config": Story.block}, parts)
    seed = debian.seed(ring.path("seed.iso"), "ConfigDrive", Story.server_id, text)
    Story.guest = debian.boot(ring, Story.image, Story.server_id, seed)
    ring.later(Story.guest.end)
    Story.recorder = Recorder(Story.cloud, Story.server_id)
    ring.later(Story.recorder.stop)


def open_classes():
    return {(f["class"], f["entity"]) for f in debian.status(Story.guest)["findings"]}


def test_boot(ring):
    """Installed by cloud-init from user data as Heat makes it, the agent finds its credentials and completes the stack's wait condition"""
    debian.wait_for_agent(Story.guest)
    Story.cloud.wait(STACK, "CREATE_COMPLETE", debian.LONG)
    shown = debian.sees_its_source(Story.guest, Story.server_id, "configdrive")
    ring.note("from power on to a complete stack: %.0f s" % (time.monotonic() - Story.guest.started))
    Story.key = shown["key"]
    boot = json.loads(Story.cloud.output(STACK, "boot_data"))
    assert list(boot) == [Story.server_id], boot
    assert "heat" in [s["name"] for s in shown["sources"]], shown["sources"]
    Story.guest.until("the user's own commands", 120, "test -e " + debian.USERS_MARK)


def test_protected(ring):
    """Started by its unit every role is hard to kill for memory, and the agent stays in memory"""
    said = Story.guest.sh("for p in $(pgrep -x 'heat-pulse|pulse: .*'); do echo $(cat /proc/$p/comm) $(cat /proc/$p/oom_score_adj) $(awk '/VmLck/ {print $2}' /proc/$p/status); done")
    roles = [line.rsplit(" ", 2) for line in said.splitlines()]
    ring.note("roles, oom_score_adj, locked KiB: %s" % "; ".join(" ".join(r) for r in roles))
    assert len(roles) >= 4 and all(int(score) <= -900 for _, score, _ in roles), said
    locked = {name: int(kib) for name, _, kib in roles}
    assert 0 < locked["pulse: agent"] and sum(locked.values()) <= 5 * 1024, said


def test_update(ring):
    """A stack update runs the hook, once, with the new metadata"""
    Story.guest.until("the first value's hook", 60, "grep -q post.add /var/log/hooks")
    Story.cloud.update(STACK, TEMPLATE, rev="2")
    Story.guest.until("the update's hook", 90, "grep -q 'post.update.*\"2\"' /var/log/hooks")
    Story.cloud.wait(STACK, "UPDATE_COMPLETE", 180)
    time.sleep(4)
    lines = Story.guest.sh("cat /var/log/hooks").splitlines()
    assert [line.split()[0] for line in lines] == ["post.add", "post.update"], lines


def test_leak(ring):
    """A leak: the prediction is in the stack and the action has made the group grow before the kernel kills"""
    heat, guest = Story.cloud, Story.guest
    before, size = time.monotonic(), int(heat.output(STACK, "size"))
    ended = []

    def leak():
        guest.run("inside leak 4096", 600)
        ended.append(time.monotonic())

    leaking = threading.Thread(target=leak)
    leaking.start()
    grown = until("the group has grown", 300, lambda: ended or int(heat.output(STACK, "size")) > size, 1) and time.monotonic()
    leaking.join()
    told = Story.recorder.saw("memory_exhaustion", after=before)
    assert told and told < ended[0], "the prediction: %s, the kill: %s\n%s" % (told, ended, Story.recorder.text())
    assert int(heat.output(STACK, "size")) == size + 1, debian.status(guest)["action"]
    assert grown < ended[0], "the group had not grown when the kernel killed"
    ring.note("a leak of 4 MiB/s: the prediction was in the stack %.0f s before the kill, the group had grown %.0f s before it" % (ended[0] - told, ended[0] - grown))
    assert any("Killed process" in text and "(inside)" in text for _, text in guest.records())
    until("the kill in the stack", 60, lambda: Story.recorder.saw("oom_kill", "inside", before), 1)
    told = debian.status(guest)["action"]["told"]
    assert [one for one in told if one["class"] == "memory_exhaustion"] == [{"class": "memory_exhaustion", "entity": "memory"}], told


def test_hotplug(ring):
    """A disk that comes is measured under its mount's name, and is forgotten when it is unplugged; neither is a failure"""
    before = open_classes()
    guest = Story.guest
    guest.plug("extra", images.disk(ring.path("extra.img"), 64), "slot1")
    guest.until("the disk", 60, "ls /dev/disk/by-id/virtio-extra")
    guest.sh("mkdir -p /srv/extra; mount /dev/disk/by-id/virtio-extra /srv/extra")
    guest.until("its mount in a sample", 60, "heat-pulse sample | grep -q mount_point=/srv/extra")
    guest.sh("umount /srv/extra")
    guest.unplug("extra")
    guest.until("the end of the disk", 90, "! ls /dev/disk/by-id/virtio-extra")
    guest.until("its end in a sample", 60, "! heat-pulse sample | grep -q mount_point=/srv/extra")
    assert open_classes() <= before, open_classes() - before


def test_network_cut(ring):
    """The network is cut for a minute and a disk fails meanwhile: what was found then is told afterwards"""
    guest, before = Story.guest, time.monotonic()
    guest.qmp("set_link", name="net0", up=False)
    rules = [{"event": "write_aio", "state": n, "new_state": n + 1} for n in range(1, 60)]
    guest.qmp("blockdev-add", driver="raw", node_name="bad", file={
        "driver": "blkdebug", "image": {"driver": "file", "filename": images.disk(ring.path("bad.img"), 32)}, "set-state": rules,
        "inject-error": [{"event": "write_aio", "errno": 5, "once": False, "state": 60}]})
    guest.qmp("device_add", driver="virtio-blk-pci", drive="bad", id="bad", bus="slot2", serial="bad", werror="report", rerror="report")
    guest.until("the disk", 60, "ls /dev/disk/by-id/virtio-bad")
    guest.run("mkdir -p /srv/bad; mount -o errors=remount-ro /dev/disk/by-id/virtio-bad /srv/bad; for n in $(seq 300); do inside write /srv/bad/$n || break; done", 120)
    guest.until("the finding", 60, "heat-pulse status | grep -q disk_failing && heat-pulse status | grep -q filesystem_readonly")
    time.sleep(max(0, before + 60 - time.monotonic()))
    assert not Story.recorder.saw("disk_failing", after=before)
    guest.qmp("set_link", name="net0", up=True)
    until("both in the stack", 120, lambda: Story.recorder.saw("disk_failing", "vd", before) and Story.recorder.saw("filesystem_readonly", after=before), 1)


def test_reset(ring):
    """Reset hard, the guest comes back as itself: same key, higher seq, its boot is not told again"""
    guest, last = Story.guest, Story.recorder.entries[-1][1]
    guest.sh("sync")
    guest.qmp("system_reset")
    guest.forget_hand()
    until("a signal of the new boot", debian.LONG, lambda: Story.recorder.entries[-1][1]["boot_id"] != last["boot_id"], 1)
    debian.wait_for_agent(guest)
    shown = debian.status(guest)
    assert shown["key"] == Story.key and shown["server_id"] == Story.server_id, shown
    assert Story.recorder.entries[-1][1]["seq"] > last["seq"]
    lines = guest.sh("cat /var/log/hooks").splitlines()
    assert [line.split()[0] for line in lines] == ["post.add", "post.update"], lines
    written, started = (int(guest.sh("systemctl show --value -p %sTimestampMonotonic %s" % one)) for one in (("ActiveEnter", "cloud-init"), ("ExecMainStart", "heat-pulse")))
    assert 0 < written <= started, "cloud-init's network stage was over at %d us, the agent started at %d us" % (written, started)


def judge(ring, data, last):
    done = subprocess.run([ring.binary, "verify", "--key", Story.key, "--id", Story.server_id, "--last-seq", str(last)], input=json.dumps(data), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def news(data):
    """What a health signal tells; it is told again after five minutes at the earliest where none of it is other than before."""
    return data["boot_id"], data["state"], data["risk"], sorted((f["class"], f["entity"], f["level"]) for f in data.get("findings", []))


def test_record(ring):
    """What the recorder read is accepted by verify, one after the other, and nothing else; each event stands there once, in order, and not again after the reset"""
    last, boots, before = 0, [], None
    for at, data, _ in list(Story.recorder.entries):
        code, said = judge(ring, data, last)
        assert code == 0, "%d %s\n%s" % (code, said, data)
        assert judge(ring, data, data["seq"])[0] == 11 and judge(ring, dict(data, state="no"), last)[0] in (10, 14), data
        assert not before or news(data) != news(before[1]) or at - before[0] > 240, "told twice:\n%s\n%s" % (before[1], data)
        before, last = (at, data), data["seq"]
        if not boots or boots[-1]["id"] != data["boot_id"]:
            # What is open outlives a boot: that a disk still fails is no news.
            boots.append({"id": data["boot_id"], "opened": [], "open": boots[-1]["open"] if boots else set()})
        now = {(f["class"], f["entity"]) for f in data.get("findings", []) if f["level"] != "notice"}
        boots[-1]["opened"] += sorted(now - boots[-1]["open"])
        boots[-1]["open"] = now
    opened = boots[0]["opened"]
    ring.note("%d signals, read each second, the longest pause was %.1f s; opened: %s" % (len(Story.recorder.entries), Story.recorder.pause, ", ".join("%s of %s" % one for one in opened)))
    assert len(boots) == 2, boots
    assert len(opened) == len(set(opened)), "told twice: %s" % opened
    wanted = ["memory_exhaustion", "oom_kill", "disk_failing", "filesystem_readonly"]
    order = [class_name for class_name, _ in opened if class_name in wanted]
    assert list(dict.fromkeys(order)) == wanted, opened
    again = [one for one in boots[1]["opened"] if one[0] in wanted]
    assert not again, "told again after the reset: %s" % again
