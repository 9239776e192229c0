"""Scratch roots: a small Debian made once, overlays over it, and either a real systemd or a shell as process 1 of one.

Needs root. Each root has namespaces of its own for processes, mounts, host name, network and cgroups; nothing of the machine's is changed.
"""
import contextlib
import fcntl
import glob
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "system")]
CACHE = os.path.join(TOP, "build", "packaging-root")
# What the package depends on, and what an image of a guest has anyway.
PACKAGES = ("adduser", "libcurl4", "libjansson4", "libproc2-0", "libudev1", "libssl3", "libcap-ng0", "libseccomp2", "libarchive13", "procps", "systemd", "systemd-sysv",
            "dbus", "rpm", "cloud-init", "curl", "bash-completion", "ca-certificates", "kmod", "udev", "iproute2")
NEXT_PACKAGES = ("base-files", "libc6", "libc-bin", "dash", "coreutils", "grep", "sed", "util-linux", "libnss-systemd", "libnss-resolve", "libnss-myhostname")
# The tree's last commit is the date of what is built here; it must not move between two builds.
os.environ.setdefault("SOURCE_DATE_EPOCH", subprocess.run(["git", "-c", "safe.directory=" + TOP, "-C", TOP, "log", "-1", "--format=%ct"], stdout=subprocess.PIPE,
                                                          text=True).stdout.strip() or "1700000000")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

ENTER = r"""
set -eu
root=$1; shift
mount --make-rprivate /
mount --bind "$root" "$root"
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/tmp"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,ro,bind "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
[ ! -d "$root/sys/fs/cgroup" ] || mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup" 2>/dev/null || true
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
for d in null zero full random urandom tty; do cp -a "/dev/$d" "$root/dev/"; done
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
ip link set lo up 2>/dev/null || true
cd "$root"
mkdir -p .old
pivot_root . .old
umount -l .old
rmdir .old 2>/dev/null || true
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
"""
SYSTEMD = ["setpriv", "--bounding-set", "-sys_time,-sys_module,-sys_boot", "/sbin/init", "systemd.unit=multi-user.target"]
# A shell reaps what is left to it, as an init does.
SHELL = ["/bin/sh", "-c", "while :; do sleep 1; done"]
# Units that would look at the machine below.
MASKED = ("systemd-udevd.service", "systemd-sysctl.service", "systemd-modules-load.service", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
          "dev-hugepages.mount", "dev-mqueue.mount", "sys-fs-fuse-connections.mount", "apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer")


def call(*argv, **more):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", stdin=subprocess.DEVNULL, **more)


def must(*argv, **more):
    done = call(*argv, **more)
    if done.returncode:
        raise RuntimeError("%s: exit %d\n%s" % (" ".join(argv), done.returncode, done.stdout[-3000:]))
    return done.stdout


def own_suite():
    with open("/etc/os-release") as f:
        return [line.split("=")[1].strip().strip('"') for line in f if line.startswith("VERSION_CODENAME=")][0]


@contextlib.contextmanager
def alone(name):
    """What two programs here would make at once is made by one of them."""
    os.makedirs(os.path.join(TOP, "build"), exist_ok=True)
    with open(os.path.join(TOP, "build", name + ".lock"), "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def base():
    """The folder of the small Debian; made by mmdebstrap when it is not there or its list of packages is another."""
    with alone("packaging-root"):
        return make_base()


def make_base():
    mark = os.path.join(CACHE, "packages")
    wanted = " ".join(PACKAGES)
    if os.path.exists(mark) and open(mark).read() == wanted:
        return os.path.join(CACHE, "base")
    shutil.rmtree(CACHE, ignore_errors=True)
    os.makedirs(os.path.join(CACHE, "base"))
    tar = os.path.join(CACHE, "base.tar")
    must("mmdebstrap", "--variant=minbase", "--dpkgopt=force-unsafe-io", "--include=" + ",".join(PACKAGES), own_suite(), tar)
    must("tar", "-xf", tar, "-C", os.path.join(CACHE, "base"))
    os.unlink(tar)
    with open(mark, "w") as f:
        f.write(wanted)
    return os.path.join(CACHE, "base")


def deb(name):
    """A package that single tests need, as this Debian has it; fetched once."""
    base()
    with alone("packaging-root"):
        if not glob.glob(os.path.join(CACHE, name + "_*.deb")):
            must("apt-get", "download", name, cwd=CACHE)
    return glob.glob(os.path.join(CACHE, name + "_*.deb"))[0]


def next_base():
    """The folder of a root of the Debian after this one, whose C library is newer than what anything here was made with: unpacked alone."""
    folder = os.path.join(TOP, "build", "packaging-next")
    with alone("packaging-next"):
        mark, wanted = folder + ".packages", " ".join(NEXT_PACKAGES)
        if not os.path.exists(mark) or open(mark).read() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            with open(os.path.join(TOP, "packaging", "static", "sources")) as f:
                suites = {line.split()[2] for line in f if line.strip() and not line.startswith("#")}
            suite = (suites - {own_suite()}).pop()
            done = call("mmdebstrap", "--variant=extract", "--include=" + ",".join(NEXT_PACKAGES), suite, folder + ".tar")
            if done.returncode:
                raise Skip("no root of %s can be made here: %s" % (suite, done.stdout.strip().split("\n")[-1]))
            os.makedirs(folder)
            must("tar", "-xf", folder + ".tar", "-C", folder)
            os.unlink(folder + ".tar")
            with open(mark, "w") as f:
                f.write(wanted)
    return folder


def release_binary():
    """HP_BIN, or the build that the rings share."""
    if os.environ.get("HP_BIN"):
        return os.path.abspath(os.environ["HP_BIN"])
    with alone("packaging-release"):
        must("bash", "-c", ". %s && build_release" % os.path.join(HERE, "..", "lib", "build.sh"))
    return os.path.join(TOP, "build", "release", "agent", "heat-pulse")


def static_binary():
    """HP_STATIC, or the static file that static.py has built; None without one."""
    path = os.environ.get("HP_STATIC", os.path.join(TOP, "build", "static", "heat-pulse"))
    return os.path.abspath(path) if os.access(path, os.X_OK) else None


def until(what, seconds, check, step=0.2):
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("not within %s s: %s" % (seconds, what))
        time.sleep(step)


class Skip(Exception):
    """A test that this machine cannot have; its text says why."""


def run_all(t, names, words, *arguments):
    """Every function test_* of a module, named by its docstring. One that fails is run once more, as a busy machine can make anything late:
    what failed at first is shown, and its line says so."""
    for name, function in list(names.items()):
        if name.startswith("test_") and (not words or any(w in name for w in words)):
            run_one(t, function, arguments, 2)


def run_one(t, function, arguments, tries):
    again = ""
    while tries:
        try:
            function(*arguments)
            return t.say(True, function.__doc__ + again)
        except Skip as e:
            return t.skip(function.__doc__, str(e))
        except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError):
            tries, again, why = tries - 1, " [second try]", traceback.format_exc()
            if tries:
                sys.stderr.write("  # first try: %s\n%s\n" % (function.__doc__, why))
    return t.say(False, function.__doc__ + again, why)


class Root:
    def __init__(self, lower=None):
        self.folder = tempfile.mkdtemp(prefix="hp-scratch-", dir="/var/tmp")
        os.chmod(self.folder, 0o755)
        self.path = os.path.join(self.folder, "root")
        for name in ("root", "upper", "work"):
            os.mkdir(os.path.join(self.folder, name), 0o755)
        if lower != "empty":
            must("mount", "-t", "overlay", "overlay", "-o", "lowerdir=%s,upperdir=%s/upper,workdir=%s/work" % (lower or base(), self.folder, self.folder),
                 self.path)
        self.unshare, self.pid, self.cgroup = None, None, None
        self.environment = []  # of process 1

    # ---- life ----
    def boot(self, init=None, wait=True):
        """Process 1: systemd where @init is None, else that program; returns when it is up, or with @wait False as soon as it is there."""
        systemd = init is None
        if systemd:
            for unit in MASKED:
                self.link("/dev/null", "/etc/systemd/system/" + unit)
        tree = "/sys/fs/cgroup/unified" if os.path.isdir("/sys/fs/cgroup/unified") else "/sys/fs/cgroup"
        self.cgroup = os.path.join(tree, os.path.basename(self.folder))
        os.makedirs(self.cgroup)
        log = open(os.path.join(self.folder, "log"), "ab")
        # It ends with this program, however that ends.
        join = "echo $$ >%s/cgroup.procs && exec setpriv --pdeathsig KILL \"$@\"" % self.cgroup
        self.unshare = subprocess.Popen(["/bin/sh", "-c", join, "sh", "unshare", "-C", "-m", "-p", "-i", "-u", "-n", "--fork", "--kill-child", "/bin/sh", "-c",
                                         ENTER, "sh", self.path, *self.environment] + (SYSTEMD if systemd else init), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                        start_new_session=True)
        self.pid = until("a process 1", 10, self._child)
        if systemd and wait:
            until("systemd", 60, lambda: self.run("systemctl", "is-system-running", "--wait").stdout.strip() in ("running", "degraded"))
        elif not systemd:
            until("the root", 30, self._entered)
        return self

    def _entered(self):
        """Whether process 1 is the program that was wanted, whose surroundings are ready, and no longer the one that makes them."""
        with open("/proc/%d/environ" % self.pid, "rb") as f:
            return b"container=test" in f.read()

    def _child(self):
        try:
            with open("/proc/%d/task/%d/children" % (self.unshare.pid, self.unshare.pid)) as f:
                words = f.read().split()
        except OSError:
            words = []
        return int(words[0]) if words else None

    def halt(self):
        if self.unshare:
            for pid in (self.pid, self.unshare.pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except (ProcessLookupError, TypeError):
                    pass
            self.unshare.wait(20)
            self.unshare = self.pid = None
        if self.cgroup:
            folders = [folder for folder, _, _ in os.walk(self.cgroup, topdown=False)]
            for folder in folders:
                for _ in range(50):
                    try:
                        os.rmdir(folder)
                        break
                    except OSError:
                        time.sleep(0.1)
            self.cgroup = None

    def wipe(self):
        self.halt()
        call("umount", "-l", self.path)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wipe()

    # ---- inside ----
    def run(self, *argv, timeout=120, stdin=None):
        inside = ["nsenter", "-t", str(self.pid), "-a", "env", "-i", "PATH=" + PATH, "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "HOME=/root"]
        return subprocess.run(inside + list(argv), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout,
                              input=stdin or "")

    def must(self, *argv, **more):
        done = self.run(*argv, **more)
        assert done.returncode == 0, "%s: exit %d\n%s" % (" ".join(argv), done.returncode, done.stdout[-4000:])
        return done.stdout

    def set_runlevel(self, level="2"):
        """As a booted sysvinit has it: the record that runlevel(8) reads, without which nothing is started."""
        record = struct.pack("<hxxi32s4s32s256s", 1, ord(level) + (ord("N") << 8), b"~", b"~~", b"runlevel", b"") + bytes(384 - 332)
        with open("/proc/%d/root/run/utmp" % self.pid, "wb") as f:
            f.write(record)

    # ---- files ----
    def at(self, path):
        return self.path + path

    def link(self, target, path):
        os.makedirs(os.path.dirname(self.at(path)), exist_ok=True)
        if os.path.lexists(self.at(path)):
            os.unlink(self.at(path))
        os.symlink(target, self.at(path))

    def write(self, path, text, mode=0o644):
        os.makedirs(os.path.dirname(self.at(path)), exist_ok=True)
        with open(self.at(path) + ".new", "w") as f:
            f.write(text)
        os.chmod(self.at(path) + ".new", mode)
        os.rename(self.at(path) + ".new", self.at(path))

    def read(self, path):
        try:
            with open(self.at(path), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def there(self, path):
        return os.path.lexists(self.at(path))

    def unpack(self, *debs):
        """Their files alone."""
        for one in debs:
            must("bash", "-c", 'set -o pipefail; dpkg-deb --fsys-tarfile "$0" | tar -x --keep-directory-symlink -C "$1"', deb(one), self.path)

    def put(self, source, path="/"):
        """Copies a file in and returns its name inside."""
        to = path if not path.endswith("/") else path + os.path.basename(source)
        shutil.copy(source, self.at(to))
        return to

    def openrc(self):
        """OpenRC beside the shell, and what a boot by it leaves."""
        self.unpack("openrc", "libeinfo1", "librc1")
        self.write("/etc/init.d/localmount", "#!/sbin/openrc-run\nstart() { :; }\n", 0o755)
        self.write("/etc/insserv.conf", "")
        self.must("sh", "-c", "for d in daemons exclusive failed hotplugged inactive options scheduled started starting stopping tmp wasinactive; do "
                  "mkdir -p /run/openrc/$d; done; touch /run/openrc/softlevel")

    # ---- the agent ----
    def watch_local(self, value="1"):
        """The local source, and one hook on its value app, as an administrator writes them."""
        self.write("/etc/heat-pulse/conf.d/local.conf", "[metadata]\nsource = local\ninterval = 1s\nsplay = 0s\n[local]\nfile = /etc/heat-pulse/metadata.json\n")
        self.set_value(value)

    def set_value(self, value):
        self.write("/etc/heat-pulse/metadata.json", '{"app": %s}' % value)

    def hook(self, action, name="app"):
        self.write("/etc/cfn/hooks.d/%s.conf" % name, "[%s]\ntriggers = post.add, post.update\npath = Resources.local.Metadata.app\naction = %s\nrunas = root\n"
                   % (name, action.replace("%", "%%")))

    def wait_agent(self):
        until("the agent answers", 20, lambda: self.run("heat-pulse", "status").returncode == 0)

    def upgrade_by_hook(self, upgrade, upgraded):
        """A hook that upgrades the agent: it ends, is not run again, and a new agent takes its result over. @upgraded() is true afterwards."""
        self.hook("echo begin >>/var/log/own; %s >>/var/log/own.out 2>&1; echo upgraded $? >>/var/log/own; sleep 3; echo end >>/var/log/own" % upgrade)
        self.watch_local()
        self.wait_agent()
        before = self.runner_pid()
        until("the hook has begun", 20, lambda: "begin" in self.read("/var/log/own"))
        until("the hook has ended", 60, lambda: "end" in self.read("/var/log/own"))
        assert "upgraded 0" in self.read("/var/log/own") and upgraded(), self.read("/var/log/own") + self.read("/var/log/own.out")
        until("a new agent", 10, lambda: self.runner_pid() not in (None, before))
        until("which took the result over", 15, lambda: "state=idle" in self.run("heat-pulse", "status").stdout)
        time.sleep(3)
        assert self.read("/var/log/own").split("\n") == ["begin", "upgraded 0", "end", ""], self.read("/var/log/own")

    def lsb(self):
        """The init script of a running agent: its words and their exit codes as LSB has them; the agent is stopped at the end."""
        def say(word, code):
            done = self.run("/etc/init.d/heat-pulse", word)
            assert done.returncode == code, "%s: exit %d, not %d\n%s" % (word, done.returncode, code, done.stdout)
            return self.runner_pid()
        pid = say("status", 0)
        assert pid and say("start", 0) == pid and say("reload", 0) == pid and say("force-reload", 0) == pid
        again = say("try-restart", 0)
        assert again not in (None, pid)
        self.must("kill", "-KILL", str(again))
        until("the roles' end", 10, lambda: self.runner_pid() is None)
        say("status", 1)
        assert say("start", 0) and say("status", 0)
        assert say("stop", 0) is None
        for word, code in (("status", 3), ("stop", 0), ("reload", 7), ("force-reload", 7), ("try-restart", 0), ("status", 3), ("unknown", 2)):
            assert say(word, code) is None

    def runner_pid(self):
        """Inside's pid of the runner, the parent of the roles: the oldest process of that name. Looked up from outside, as a guest may have no pgrep."""
        found = []
        for path in glob.glob("/proc/%d/root/proc/[0-9]*/stat" % self.pid):
            with contextlib.suppress(OSError), open(path, errors="replace") as f:
                pid, rest = f.read().split(" (", 1)
                name, rest = rest.rsplit(") ", 1)
                if name == "heat-pulse" and rest[0] not in "ZX":
                    found.append((int(rest.split()[19]), int(pid)))
        return min(found)[1] if found else None
