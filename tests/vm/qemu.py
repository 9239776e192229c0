"""One guest: a QEMU process that this object has started, spoken to over a virtio port and QMP, ended by its process id."""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time

QEMU = "qemu-system-x86_64"
TCG = "tcg,thread=multi,tb-size=256"
# Virtual time: two nanoseconds an instruction, and none of it is waited for. An hour of a guest that sleeps is over in seconds, and what
# happens when does not depend on how busy the machine below is.
FAST = ("-icount", "shift=1,sleep=off")


class Gone(Exception):
    """The guest ended or does not answer."""


class Machine:
    """@state: a file that save() wrote, of a machine made with the same arguments. @net: more words for QEMU's user network. @fast: virtual time
    (one processor; it runs away between two commands, so a test is one command)."""

    accel = TCG  # one for all guests, see fits()
    running = set()  # their processes
    over = False  # the ring is: none is started any more

    def __init__(self, kernel, initrd, append="", mem=256, smp=2, args=(), net="", state=None, cpu="Nehalem", fast=False):
        if self.over:
            raise Gone("the ring was ended")
        self.folder = tempfile.mkdtemp(prefix="hp-vm-", dir="/var/tmp")
        self.console_path = os.path.join(self.folder, "console")
        self.lock = threading.RLock()
        self.events, self._hand, self._qmp = [], None, None
        accel = "tcg,thread=single,tb-size=256" if fast else self.accel
        words = [QEMU, "-M", "q35", "-accel", accel, "-cpu", "host" if accel == "kvm" else cpu, *(FAST if fast else ()), "-m", str(mem),
                 "-smp", "1" if fast else str(smp), "-nodefaults", "-no-user-config", "-display", "none", "-serial", "file:" + self.console_path,
                 "-chardev", "socket,id=hand,server=on,wait=off,path=" + self.path("hand"), "-device", "virtio-serial-pci",
                 "-device", "virtserialport,chardev=hand,name=test", "-qmp", "unix:%s,server=on,wait=off" % self.path("qmp"),
                 "-netdev", "user,id=net0" + net, "-device", "virtio-net-pci,netdev=net0,romfile=,mac=52:54:00:12:34:56",
                 "-device", "pcie-root-port,id=slot1,chassis=1", "-device", "pcie-root-port,id=slot2,chassis=2",
                 "-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 panic=-1 net.ifnames=0 mitigations=off psi=1 " + append, *args]
        if state:
            words += ["-incoming", "exec:cat " + state]
        self.started = time.monotonic()
        with open(self.path("qemu.log"), "wb") as log:
            self.child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.running.add(self.child)
        if state:
            try:
                self.resume()
            except BaseException:
                self.end()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def path(self, name):
        return os.path.join(self.folder, name)

    def console(self):
        try:
            with open(self.console_path, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def trouble(self, what):
        with open(self.path("qemu.log"), errors="replace") as f:
            return Gone("%s\n%s\n%s" % (what, f.read()[-500:], self.console()[-2500:]))

    def end(self):
        for one in (self._hand, self._qmp):
            if one:
                one.close()
        self._hand = self._qmp = None
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait(30)
        self.running.discard(self.child)
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- the hand inside ----
    def connect(self, name, seconds=60):
        end = time.monotonic() + seconds
        while True:
            one = socket.socket(socket.AF_UNIX)
            try:
                one.connect(self.path(name))
                return one
            except OSError:
                one.close()
            if self.child.poll() is not None or time.monotonic() > end:
                raise self.trouble("no socket %s" % name)
            time.sleep(0.02)

    def receive(self, n, end):
        got = b""
        while len(got) < n:
            self._hand.settimeout(max(0.05, end - time.monotonic()))
            try:
                more = self._hand.recv(n - len(got))
            except socket.timeout:
                raise self.trouble("the guest does not answer") from None
            except OSError:
                more = b""
            if not more:
                raise self.trouble("the guest is gone")
            got += more
        return got

    def run(self, command, seconds=60):
        """A shell command inside. Return: (exit code, what it said)."""
        end = time.monotonic() + seconds
        text = command.encode()
        with self.lock:
            if not self._hand:
                self._hand = self.connect("hand", seconds)
            try:
                self._hand.sendall(b"%d\n%s" % (len(text), text))
            except OSError:
                raise self.trouble("the guest is gone") from None
            head = b""
            while not head.endswith(b"\n"):
                head += self.receive(1, end)
            size, code = head.split()
            return int(code), self.receive(int(size), end).decode(errors="replace")

    def sh(self, command, seconds=60):
        """The same for a command that must not fail. Return: what it said."""
        code, said = self.run(command, seconds)
        if code:
            raise AssertionError("in the guest: %s: exit %d: %s" % (command, code, said[-1500:]))
        return said

    def forget_hand(self):
        """After a reset: what was asked before is not answered any more."""
        with self.lock:
            if self._hand:
                self._hand.close()
            self._hand = None

    def until(self, what, seconds, command, step=0.3):
        """Waits until a shell command succeeds and returns what it said."""
        end = time.monotonic() + seconds
        while True:
            code, said = self.run(command, 60)
            if code == 0:
                return said
            if time.monotonic() > end:
                raise AssertionError("not within %s s: %s: %s" % (seconds, what, said[-1500:]))
            time.sleep(step)

    def uptime(self):
        return float(self.sh("cat /proc/uptime").split()[0])

    def records(self):
        """[(seconds since boot, text)] of the kernel's own records."""
        found = []
        for line in self.sh("inside kmsg").splitlines():
            head, _, text = line.partition(";")
            fields = head.split(",")
            if not line.startswith(" ") and len(fields) >= 4 and fields[0].isdigit() and int(fields[0]) < 8:
                found.append((int(fields[2]) / 1e6, text))
        return found

    # ---- QMP ----
    def qmp(self, command, **arguments):
        with self.lock:
            if not self._qmp:
                self._qmp = self.connect("qmp").makefile("rw")
                self._qmp.readline()
                self.qmp("qmp_capabilities")
            arguments = {"node-name" if key == "node_name" else key: value for key, value in arguments.items()}
            self._qmp.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
            self._qmp.flush()
            while True:
                answer = json.loads(self._qmp.readline() or "{}")
                if "event" in answer:
                    self.events.append(answer["event"])
                elif "return" in answer:
                    return answer["return"]
                else:
                    raise self.trouble("QMP %s: %s" % (command, answer))

    def plug(self, name, path, slot):
        self.qmp("blockdev-add", driver="raw", node_name=name, file={"driver": "file", "filename": path})
        self.qmp("device_add", driver="virtio-blk-pci", drive=name, id=name, bus=slot, serial=name)

    def unplug(self, name):
        self.qmp("device_del", id=name)

    def save(self, path):
        self.qmp("migrate-set-parameters", **{"max-bandwidth": 10 << 30})
        self.qmp("stop")
        self.qmp("migrate", uri="exec:cat >" + path)
        while True:
            status = self.qmp("query-migrate").get("status")
            if status == "completed":
                return
            if status == "failed":
                raise self.trouble("the state cannot be saved")
            time.sleep(0.05)

    def resume(self):
        end = time.monotonic() + 60
        while self.qmp("query-status")["status"] == "inmigrate":
            if time.monotonic() > end:
                raise self.trouble("the state is not taken in")
            time.sleep(0.02)
        self.qmp("cont")


def fits(accel, kernel, initrd, seconds):
    """Does a guest come up with @accel within this time? That /dev/kvm is there proves nothing."""
    Machine.accel = accel
    with Machine(kernel, initrd) as one:
        end = time.monotonic() + seconds
        while time.monotonic() < end and one.child.poll() is None:
            if "the guest is up" in one.console():
                return True
            time.sleep(0.05)
    return False
