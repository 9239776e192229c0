"""One run of the simulated world: its folder, its options, and what it told."""
import base64
import json
import os
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("HP_BUILD") or os.path.join(HERE, "..", "..", "build", "release")
SIMULATE = os.path.join(BUILD, "tests", "sim", "simulate")
HEAT_PULSE = os.path.join(BUILD, "agent", "heat-pulse")
SERVER = "8c1d0a9e-0000-4000-8000-0000000000f1"
START_S = 1893456000 + 100  # of the simulated clock: world.h and clock.c
HOUR, DAY = 3600, 86400
BOOT_ID = "11111111-1111-4111-8111-111111111111"
CFN = {"cfn": {"url": "https://cfn.sim/v1/", "stack": "sim", "resource": "server", "access-key": "AK", "secret-key": "SK"}}
NATIVE = {"heat": {"auth-url": "https://keystone.sim/v3", "user-id": "u1", "password": "p", "project-id": "5e1f0a",
                   "stack-id": "sim/11111111-2222-4333-8444-555555555555", "resource": "server"}}
KEYSTONE = {"auth-url": "https://keystone.sim/v3", "app-credential-id": "app", "app-credential-secret": "secret"}


class Skip(Exception):
    """What this machine cannot do, and why."""


def scratch():
    """In memory where that can be: a simulated month syncs thousands of files."""
    return tempfile.mkdtemp(prefix="hp-sim-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


class World:
    """@way: "cfn" or "heat", by which signals leave; @sections: more of heat-pulse.conf, {section: {key: value}}."""

    def __init__(self, way="cfn", sections=None):
        self.root = scratch()
        for folder in ("etc/heat-pulse", "var/lib/heat-pulse/state", "proc/sys/kernel/random", "sys/class/dmi/id", "dev"):
            os.makedirs(os.path.join(self.root, folder))
        for name, text in (("proc/sys/kernel/random/boot_id", BOOT_ID), ("sys/class/dmi/id/product_uuid", SERVER),
                           ("sys/class/dmi/id/sys_vendor", "OpenStack Foundation"), ("sys/class/dmi/id/product_name", "OpenStack Nova")):
            with open(os.path.join(self.root, name), "w") as f:
                f.write(text + "\n")
        conf = {"agent": {"log-level": "error"}, "metadata": {"source": way, "interval": "1h"}}
        conf.update(CFN if way == "cfn" else NATIVE)
        for section, values in (sections or {}).items():
            conf.setdefault(section, {}).update(values)
        path = os.path.join(self.root, "etc/heat-pulse/heat-pulse.conf")
        with open(path, "w", opener=lambda p, flags: os.open(p, flags, 0o600)) as f:
            for section, values in conf.items():
                f.write("[%s]\n%s" % (section, "".join("%s = %s\n" % pair for pair in values.items())))

    def __enter__(self):
        return self

    def __exit__(self, *what):
        shutil.rmtree(self.root, ignore_errors=True)

    def run(self, seconds, *options, timeout=240):
        argv = [SIMULATE, "--root", self.root, "--for", str(int(seconds))] + [str(o) for o in options]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, text=True, errors="replace")
        return Told(done.stdout, done.stderr, done.returncode)


class Told:
    """What a run told: lists by kind, in order of time."""

    def __init__(self, out, err, code):
        self.lines = [json.loads(line) for line in out.splitlines()]
        self.err, self.code = err, code

    def of(self, what):
        return [line for line in self.lines if line["what"] == what]

    def findings(self, **match):
        return [f for f in self.of("finding") if all(f[k] == v for k, v in match.items())]

    def requests(self, service):
        return [r for r in self.of("request") if r["service"] == service]

    def bodies(self, what):
        return [(line["t"], base64.b64decode(line["body"])) for line in self.of(what)]

    def signals(self):
        """(time, signal) in the order in which the server took them."""
        return [(t, json.loads(body)) for t, body in self.bodies("signal")]

    def end(self):
        return self.of("end")[-1] if self.of("end") else {"status": None}


def data_of(signal):
    return signal.get("data") or signal.get("Data")


def judge(data, key, *more):
    """heat-pulse verify's exit code."""
    return subprocess.run([HEAT_PULSE, "verify", "--key", key, *more], input=json.dumps(data), text=True, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, timeout=30).returncode
