#!/usr/bin/python3
"""Runs the functions test_* of the modules test_*.py here, in two lanes side by side, and prints TAP.

A lane is a list of modules; its tests run one after the other. A module may have begin(lane), whose exception skips or fails its tests, and
end(lane). What fails is run once more, as a busy machine can make anything late, and its line says so.
"""
import ctypes
import importlib
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE] + [os.path.join(HERE, "..", d) for d in ("lib", "system", "fakes", "packaging")]
import images  # noqa: E402
import qemu  # noqa: E402
import tap  # noqa: E402

sys.path.insert(0, HERE)  # before what those have put there

LANES = (("faults", "live", "sources"), ("story",))
HOST = "heat.test"  # the control plane's name: 127.0.0.1 here, 10.0.2.2 in guests
DEEP = os.environ.get("HEAT_PULSE_DEEP") == "1"
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000


class Skip(Exception):
    pass


class Ring:
    """What all tests share: the kernel, the small guest, the static file, a folder, notes."""

    def __init__(self, out):
        self.out, self.deep, self.host = out, DEEP, HOST
        self.folder = tempfile.mkdtemp(prefix="hp-vm-", dir="/var/tmp")
        self.binary = self.kernel = self.small = None
        self.closers, self.lock = [], threading.Lock()

    def make(self):
        os.makedirs(images.BUILD, exist_ok=True)
        self.binary = images.static_binary()
        self.kernel = images.Kernel()
        try:
            more = [(self.kernel.lockup_module(), "/lib/lockup.ko")]
        except images.Missing as why:
            self.out.note("no module that hangs a processor: %s" % why)
            more = []
        self.small = images.initramfs(self.kernel, self.binary, more)
        kvm = os.access("/dev/kvm", os.W_OK) and qemu.fits("kvm", self.kernel.image, self.small, 5)
        qemu.Machine.accel = "kvm" if kvm else qemu.TCG
        self.out.note("guests run with %s and Linux %s" % (qemu.Machine.accel.split(",")[0], self.kernel.version))

    def path(self, name):
        return os.path.join(self.folder, name)

    def note(self, text):
        self.out.note(text)

    def later(self, close):
        """close() is called when the ring is over"""
        with self.lock:
            self.closers.append(close)

    def end(self):
        for close in reversed(self.closers):
            try:
                close()
            except Exception as e:
                sys.stderr.write("# cleaning up: %s\n" % e)
        shutil.rmtree(self.folder, ignore_errors=True)


def name_the_host(folder):
    """HOST is 127.0.0.1 for us and our children alone: in a mount namespace that ends with us."""
    libc = ctypes.CDLL(None, use_errno=True)
    hosts = os.path.join(folder, "hosts")
    shutil.copy("/etc/hosts", hosts)
    with open(hosts, "a") as f:
        f.write("\n127.0.0.1 %s\n" % HOST)
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) or \
            libc.mount(hosts.encode(), b"/etc/hosts", None, MS_BIND, None):
        raise Skip("no mount namespace of its own: %s" % os.strerror(ctypes.get_errno()))


def attempt(function, ring):
    """Return: None or what went wrong."""
    try:
        function(ring)
        return None
    except Skip:
        raise
    except Exception:
        return traceback.format_exc()


def run_one(ring, name, function):
    started = time.monotonic()
    try:
        wrong, again = attempt(function, ring), ""
        if wrong:
            sys.stderr.write("  # %s: first try:\n%s\n" % (name, wrong[-12000:]))
            wrong, again = attempt(function, ring), " [second try]"
        ring.out.say(not wrong, "%s (%.0f s)%s" % (name, time.monotonic() - started, again), wrong)
    except Skip as why:
        ring.out.skip(name, str(why))


def tests_of(module, words):
    for key, function in list(vars(module).items()):
        if key.startswith("test_") and callable(function):
            name = "%s: %s" % (module.__name__[5:], (function.__doc__ or key).strip().split("\n")[0].rstrip("."))
            if not words or any(w in name or w in key for w in words):
                yield name, function


def run_module(ring, module, words):
    chosen = list(tests_of(module, words))
    if not chosen:
        return
    try:
        getattr(module, "begin", lambda ring: None)(ring)
    except (Skip, images.Missing) as why:
        for name, _ in chosen:
            ring.out.skip(name, str(why))
        return
    except Exception:
        ring.out.say(False, module.__name__[5:] + ": made ready", traceback.format_exc())
        return
    for name, function in chosen:
        run_one(ring, name, function)


def run_lane(ring, names, words):
    for name in names:
        started = time.monotonic()
        run_module(ring, importlib.import_module("test_" + name), words)
        ring.note("%s: %.0f s" % (name, time.monotonic() - started))


def give_up(ring):
    """A time limit ends the ring by SIGTERM: guests and the control plane must not stay behind, whatever the lanes wait for."""
    qemu.Machine.over = True  # nor does the second try of what fails by this begin one
    for child in list(qemu.Machine.running):
        child.kill()
    ring.end()
    for child in list(qemu.Machine.running):  # one that was being started meanwhile
        child.kill()
    os._exit(124)


def main(words):
    out = tap.Tap()
    if os.geteuid() != 0:
        out.skip("guests", "needs root")
        return out.end()
    missing = [tool for tool in (qemu.QEMU, "mke2fs", "cpio", "musl-gcc", "modprobe", "genisoimage", "mcopy", "mmdebstrap")
               if not shutil.which(tool)]
    if missing:
        out.skip("guests", "not installed: " + ", ".join(missing))
        return out.end()
    ring = Ring(out)
    signal.signal(signal.SIGTERM, lambda *_: give_up(ring))
    started = time.monotonic()
    try:
        name_the_host(ring.folder)
        ring.make()
        out.note("made: %.0f s" % (time.monotonic() - started))
        tap.Tap.side_by_side([lambda names=names: run_lane(ring, names, words) for names in LANES])
    except (Skip, images.Missing) as why:
        out.skip("guests", str(why))
    finally:
        ring.end()
    return out.end()


if __name__ == "__main__":
    # The tests import this module by name; they must see the same classes.
    sys.modules["harness"] = sys.modules["__main__"]
    sys.exit(main(sys.argv[1:]))
