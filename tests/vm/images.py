"""What guests are made of: a kernel of this Debian, a small initramfs, a Debian with cloud-init. Everything lies below build/vm and is kept there."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

os.umask(0o022)
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path += [os.path.join(HERE, "..", d) for d in ("packaging", "lib")]
import scratch  # noqa: E402

BUILD = os.path.join(TOP, "build", "vm")
FLAVOUR = "cloud-amd64"
MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "af_packet", "ext4", "vfat", "nls_ascii", "nls_cp437", "isofs")
# Debian's static busybox cannot resolve names and has no mount of its own ideas; nothing else is needed before systemd.
INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for m in MODULES; do modprobe $m 2>/dev/null; done
root=$(sed -n 's/.*vm.root=\\([^ ]*\\).*/\\1/p' /proc/cmdline)
if [ -n "$root" ]; then
  n=0; until [ -b $root ] || [ $n = 100 ]; do sleep 0.1; n=$((n + 1)); done
  mount -t ext4 $root /mnt && exec switch_root /mnt /sbin/init
fi
mkdir -p /dev/pts /dev/shm; mount -t devpts pts /dev/pts; mount -t tmpfs shm /dev/shm; mount -t tmpfs run /run
mount -t cgroup2 cgroup /sys/fs/cgroup
ip link set lo up; ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.2
hostname tiny
echo -1000 >/proc/self/oom_score_adj
echo "the guest is up"
exec hand serve test
"""
# Seconds of boot under emulation that no test needs.
MASKED = ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
          "systemd-timesyncd.service", "systemd-pstore.service", "man-db.timer", "getty@tty1.service", "networking.service", "ldconfig.service",
          "systemd-update-utmp.service", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "dev-hugepages.mount", "dev-mqueue.mount",
          "cloud-init-hotplugd.socket")
CLOUD_MODULES = """cloud_init_modules: [migrator, bootcmd, write-files, set_hostname]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-vendor, scripts-per-once, scripts-per-boot, scripts-per-instance, scripts-user, final-message]
datasource_list: [NoCloud, ConfigDrive, OpenStack, None]
network: {config: disabled}
"""
HAND = """[Unit]
DefaultDependencies=no
[Service]
ExecStart=/usr/local/sbin/hand serve test
OOMScoreAdjust=-1000
OOMPolicy=continue
"""


class Missing(Exception):
    """Something that this machine cannot get; its text says what."""


def run(*argv, **more):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", stdin=subprocess.DEVNULL, **more)
    if done.returncode:
        raise Missing("%s: exit %d: %s" % (" ".join(argv[:4]), done.returncode, done.stdout.strip()[-300:]))
    return done.stdout


class Kernel:
    """Image, modules and headers of one ABI: the one that apt offers now, whichever that is. Unpacked, not installed."""

    def __init__(self):
        self.abi = self.offered()
        self.folder = os.path.join(BUILD, "kernel-" + self.abi)
        self.image = os.path.join(self.folder, "vmlinuz")
        if not os.path.exists(self.image):
            self.unpack(self.folder, "linux-image-" + self.version)
            run("depmod", "-b", self.folder, self.version)
            os.rename(os.path.join(self.folder, "boot", "vmlinuz-" + self.version), self.image)

    @property
    def version(self):
        return "%s-%s" % (self.abi, FLAVOUR)

    @staticmethod
    def offered():
        found = re.search(r"Depends: linux-image-(\S+)-%s" % FLAVOUR, run("apt-cache", "depends", "linux-image-" + FLAVOUR))
        if not found:
            raise Missing("apt offers no linux-image-" + FLAVOUR)
        return found.group(1)

    def unpack(self, folder, *packages):
        shutil.rmtree(folder + ".new", ignore_errors=True)
        os.makedirs(folder + ".new")
        with tempfile.TemporaryDirectory(dir=BUILD) as debs:
            os.chmod(debs, 0o755)
            run("apt-get", "download", "-q", *packages, cwd=debs)
            for deb in glob.glob(debs + "/*.deb"):
                run("dpkg-deb", "-x", deb, folder + ".new")
        os.rename(folder + ".new", folder)

    def module_files(self):
        """Those of MODULES and what they need, below the kernel's folder."""
        files = set()
        for name in MODULES:
            shown = subprocess.run(["modprobe", "-d", self.folder, "-S", self.version, "--show-depends", name], stdout=subprocess.PIPE, text=True,
                                   stderr=subprocess.DEVNULL).stdout
            files.update(line.split()[1] for line in shown.splitlines() if line.startswith("insmod "))
        return sorted(files)

    def lockup_module(self):
        """The module that keeps a processor busy, built with this kernel's headers."""
        made = os.path.join(self.folder, "lockup.ko")
        if os.path.exists(made):
            return made
        headers = os.path.join(BUILD, "headers-" + self.abi)
        if not os.path.exists(headers):
            needed = run("apt-cache", "depends", "linux-headers-" + self.version)
            more = re.findall(r"Depends: (linux-headers-\S+-common|linux-kbuild-\S+)", needed)
            self.unpack(headers, "linux-headers-" + self.version, *more)
        tree = os.path.join(headers, "usr", "src", "linux-headers-" + self.version)
        with open(os.path.join(tree, "Makefile")) as f:
            text = f.read()
        with open(os.path.join(tree, "Makefile"), "w") as f:
            f.write(re.sub(r"include \S*/(linux-headers-)", r"include %s/usr/src/\1" % headers, text))
        with tempfile.TemporaryDirectory(dir=BUILD) as work:
            for path in glob.glob(os.path.join(HERE, "src", "lockup", "*")):
                shutil.copy(path, work)
            run("make", "-s", "-C", tree, "M=" + work, "modules")
            shutil.copy(os.path.join(work, "lockup.ko"), made)
        return made


def static_binary():
    """HP_STATIC, or the static file as it ships, made when it is not up to date."""
    if os.environ.get("HP_STATIC"):
        return os.path.abspath(os.environ["HP_STATIC"])
    return run(os.path.join(TOP, "packaging", "static", "build"), "--jobs", os.environ.get("HEAT_PULSE_JOBS", "2")).split()[-1]


def hand():
    """The static program that tests use inside of guests."""
    made = os.path.join(BUILD, "inside")
    run("musl-gcc", "-std=gnu2x", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", made, os.path.join(HERE, "src", "inside.c"))
    return made


def put(root, source, path, mode=0o755):
    os.makedirs(os.path.dirname(root + path), exist_ok=True)
    shutil.copy(source, root + path)
    os.chmod(root + path, mode)


def write(root, path, text, mode=0o644):
    os.makedirs(os.path.dirname(root + path), exist_ok=True)
    with open(root + path, "w") as f:
        f.write(text)
    os.chmod(root + path, mode)


def initramfs(kernel, binary, more=()):
    """The small guest, and what starts the large one: busybox, the modules, the agent. @more: (file, path inside). Return: its path."""
    out = os.path.join(BUILD, "small.cpio.gz")
    with tempfile.TemporaryDirectory(dir=BUILD) as root:
        os.chmod(root, 0o755)  # the agent's own user must be able to walk through
        for name in ("proc", "sys", "dev", "run", "tmp", "mnt", "root", "etc", "bin", "sbin", "usr/bin", "usr/sbin", "var/log", "var/lib"):
            os.makedirs(os.path.join(root, name))
        put(root, "/bin/busybox", "/bin/busybox")
        for applet in run("/bin/busybox", "--list").split():
            if applet != "busybox":
                os.symlink("busybox", os.path.join(root, "bin", applet))
        put(root, binary, "/usr/sbin/heat-pulse")
        put(root, hand(), "/sbin/inside")
        put(root, hand(), "/sbin/hand")  # another file, so that a test can end those that make faults by name
        for source, path in more:
            put(root, source, path, 0o644)
        for path in kernel.module_files():
            put(root, path, path[len(kernel.folder):], 0o644)
        for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
            put(root, os.path.join(kernel.folder, "lib/modules", kernel.version, name), "/lib/modules/%s/%s" % (kernel.version, name), 0o644)
        run("depmod", "-b", root, kernel.version)
        write(root, "/init", INIT.replace("MODULES", " ".join(MODULES)), 0o755)
        write(root, "/etc/passwd", "root:x:0:0::/root:/bin/sh\nheat-pulse:x:990:990::/var/lib/heat-pulse:/sbin/nologin\n")
        write(root, "/etc/group", "root:x:0:\nheat-pulse:x:990:\n")
        write(root, "/etc/hosts", "127.0.0.1 localhost\n10.0.2.2 heat.test\n")
        with open(out + ".new", "wb") as f:
            cpio = subprocess.Popen("find . | cpio -o -H newc --quiet --owner=0:0 | gzip -1", shell=True, cwd=root, stdout=f, stdin=subprocess.DEVNULL)
        if cpio.wait():
            raise Missing("cpio failed")
    os.rename(out + ".new", out)
    return out


_debian, _made = threading.Lock(), set()


def debian(host_name):
    """The large guest as a raw ext4 image without a seed: the Debian of the packaging ring, an interface that asks DHCP, the test's hand."""
    out = os.path.join(BUILD, "debian.img")
    with _debian:
        if out in _made:
            return out
        with scratch.Root() as root:
            for unit in MASKED:
                root.link("/dev/null", "/etc/systemd/system/" + unit)
            root.write("/etc/cloud/cloud.cfg.d/99_test.cfg", CLOUD_MODULES)
            root.write("/etc/fstab", "/dev/root / ext4 defaults,errors=remount-ro 0 0\n")
            root.write("/etc/machine-id", "")
            root.write("/etc/hosts", "127.0.0.1 localhost\n10.0.2.2 %s\n169.254.169.2 %s\n" % (host_name, host_name))
            root.write("/etc/systemd/network/10-any.network", "[Match]\nName=e*\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n")
            root.link("/lib/systemd/system/systemd-networkd.service", "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service")
            root.link("/lib/systemd/system/systemd-networkd-wait-online.service",
                      "/etc/systemd/system/network-online.target.wants/systemd-networkd-wait-online.service")
            put(root.path, hand(), "/usr/local/sbin/inside")
            put(root.path, hand(), "/usr/local/sbin/hand")
            root.write("/etc/systemd/system/hand.service", HAND)
            root.link("/etc/systemd/system/hand.service", "/etc/systemd/system/sysinit.target.wants/hand.service")
            for old in glob.glob(root.path + "/var/lib/apt/lists/*_*") + glob.glob(root.path + "/var/cache/apt/*.bin"):
                os.unlink(old)
            if os.path.exists(out + ".new"):
                os.unlink(out + ".new")
            run("mke2fs", "-q", "-t", "ext4", "-L", "root", "-O", "^has_journal,^metadata_csum_seed", "-E", "lazy_itable_init=0", "-d", root.path,
                out + ".new", "1400M")
        os.rename(out + ".new", out)
        _made.add(out)
        return out


def disk(path, mib, inodes=None):
    """A raw disk with an empty ext4."""
    if os.path.exists(path):
        os.unlink(path)
    with open(path, "wb") as f:
        f.truncate(mib << 20)
    run("mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", *(["-N", str(inodes)] if inodes else []), path)
    return path


def seed(path, label, files, form):
    """A disk that cloud-init finds by its label. @files: name -> text. @form: vfat or iso."""
    if os.path.exists(path):
        os.unlink(path)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            write(folder, "/" + name, text)
        if form == "iso":
            run("genisoimage", "-quiet", "-o", path, "-V", label, "-r", "-J", folder)
        else:
            run("mkfs.vfat", "-C", "-n", label, path, "2048")
            run("mcopy", "-i", path, "-s", *[os.path.join(folder, name) for name in os.listdir(folder)], "::/")
    return path
