"""The small guest in real time, from a saved state, with a Heat on the host: what must leave at once leaves in time; pauses and jumps hurt nobody."""
import json
import threading
import time

import cfn_server
import qemu
import test_faults
from guest import until
from harness import Skip

ACCESS, SECRET = "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "p%Q^r!S&t*U1v2W3x4Y5z6A7b8C9d0E@"
CONF = """[metadata]
interval = 1s
splay = 0s
[signal]
boot-quiet = 1s
"""


def metadata(rev):
    return {"app": {"rev": rev}, "heat-pulse": {"boot": "boot", "health": "health"}}


def stack(rev="1"):
    return {"stacks": {"web": {"resources": {"srv": {"kind": "server", "metadata": metadata(rev)}, "boot": {"kind": "heat-handle"}, "health": {"kind": "aws-handle"}}}}}


class Live:
    """The saved state."""
    state = None


def begin(ring):
    Live.state = ring.path("live.state")
    with qemu.Machine(ring.kernel.image, ring.small) as one:
        one.sh("true", 120)
        one.save(Live.state)


def resumed(ring):
    one = qemu.Machine(ring.kernel.image, ring.small, state=Live.state)
    one.sh("date -s @%d" % time.time())
    return one


def give(one, path, text):
    one.sh("mkdir -p %s; umask 077; cat >%s <<'END-OF-FILE'\n%s\nEND-OF-FILE" % (path.rsplit("/", 1)[0], path, text))


class Heat:
    """A fake Heat, the agent of a guest that uses it, and when which signal came."""

    def __init__(self, one, conf=CONF):
        self.one, self.came, self.stopping = one, [], threading.Event()
        self.fake = cfn_server.Fake(dict(stack(), keys={ACCESS: {"secret": SECRET}}))
        self.fake.up()
        block = {"collectors": ["cfn", "local"], "cfn": {"metadata_url": "http://10.0.2.2:%d/v1/" % self.fake.port, "access_key_id": ACCESS,
                                                         "secret_access_key": SECRET, "stack_name": "web", "path": "srv.Metadata"}}
        give(one, "/etc/heat-pulse/heat-pulse.conf", conf)
        give(one, "/var/lib/heat-cfntools/cfn-init-data", json.dumps({"deployments": [], "os-collect-config": block}))
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()
        one.sh("heat-pulse run >/var/log/agent.log 2>&1 &")
        until("the boot signal", 120, lambda: self.fake.handle("boot"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.watcher.join()
        self.fake.__exit__(None, None, None)

    def watch(self):
        while not self.stopping.wait(0.02):
            for held in list(self.fake.handle("health").values()):
                data = json.loads(held["Data"]) if isinstance(held["Data"], str) else held["Data"]
                if not self.came or self.came[-1][1]["seq"] != data["seq"]:
                    self.came.append((time.monotonic(), data))

    def first(self, class_name):
        for at, data in list(self.came):
            if any(f["class"] == class_name for f in data.get("findings", [])):
                return at
        return None

    def shown(self):
        return "%s\n%s" % ("\n".join("%.2f %s" % c for c in self.came[-12:]), self.one.run("cat /var/log/agent.log")[1][-4000:])


def roles(one):
    """pid -> name of the agent's processes"""
    return dict(line.split(" ", 1) for line in one.sh("for p in $(pidof heat-pulse); do echo $p $(cat /proc/$p/comm); done").splitlines())


def test_answers(ring):
    """The static file answers in a guest without udev, C library or users; it is resumed from its state at once"""
    started = time.monotonic()
    with resumed(ring) as one:
        took = time.monotonic() - started
        assert "mem.usable_perc" in one.sh("heat-pulse sample")
        assert "vda" not in one.sh("ls /dev") and "usage" in one.sh("heat-pulse --help").lower()
    ring.note("a guest from its saved state: %.2f s" % took)
    assert took < 10, took


def test_urgent(ring):
    """With a leak of 5 MiB/s the critical signal is in Heat before the kernel kills, and the agent lives on as it was"""
    with resumed(ring) as one, Heat(one) as heat:
        before = roles(one)
        time.sleep(15)
        code, _ = one.run("inside leak 5120", 300)
        killed = time.monotonic()
        assert code == 137, code
        end = time.monotonic() + 60
        while not heat.first("oom_kill"):
            assert time.monotonic() < end, "the kill is not in Heat\n" + heat.shown()
            time.sleep(0.1)
        told = heat.first("memory_exhaustion")
        assert told and told < killed, "told %s, killed %s\n%s" % (told, killed, heat.shown())
        ring.note("a leak of 5 MiB/s: the signal was in Heat %.1f s before the kernel killed" % (killed - told))
        assert roles(one) == before, "the agent's processes are others\n%s" % heat.shown()


def test_paused(ring):
    """Paused, saved, resumed later and put a day forward, the agent goes on: same processes, new signals, no finding above a notice"""
    state = ring.path("paused.state")
    with resumed(ring) as one, Heat(one) as heat:
        before, seq = roles(one), heat.came[-1][1]["seq"] if heat.came else 0
        one.save(state)
        one.end()
        time.sleep(5)
        with qemu.Machine(ring.kernel.image, ring.small, state=state) as again:
            again.sh("date -s @%d" % (time.time() + 86400))
            heat.fake.configure({"stacks": {"web": {"resources": {"srv": {"metadata": metadata("later")}}}}})
            again.until("the new document", 90, "heat-pulse metadata Resources.srv.Metadata.app | grep -q later || heat-pulse metadata | grep -q later", 1)
            time.sleep(15)
            status = json.loads(again.sh("heat-pulse status --json"))
            loud = [f for f in status["findings"] if f["level"] != "notice"]
            assert not loud, loud
            assert roles(again) == before, again.sh("cat /var/log/agent.log")
            assert not heat.came or heat.came[-1][1]["seq"] >= seq


def test_lockup(ring):
    """A processor that hangs is told within 2 s of the kernel's words"""
    with resumed(ring) as one:
        if one.run("test -e /lib/lockup.ko")[0]:
            raise Skip("the kernel's headers could not be had")
        one.sh(test_faults.SETUP + "sleep 12; echo 2 >/proc/sys/kernel/watchdog_thresh")
        one.run("insmod /lib/lockup.ko secs=9", 120)
        told = [f for f in json.loads(one.sh("heat-pulse status --json"))["findings"] if f["class"] == "cpu_lockup"]
        said = [at for at, text in one.records() if "soft lockup - CPU#" in text]
        assert said and told, "%s %s" % (said, told)
        # Not by its hook: no process is started in a control group before the processor answers again.
        late = min(f["since"] for f in told) - float(one.sh("inside clock")) - said[0]
        ring.note("a processor that hangs: found %.2f s after the kernel's words" % late)
        assert late <= 2, told
