"""cfn-init in a throw-away machine: packages by a real apt, users, groups, archives, services. "kept" and "fixed" as in test_cfn_init."""
import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile

import machine
from test_cfn_init import new_machine


# ---- 5.2 packages ----

def repository(m):
    """A file: repository of one small package in two versions, and nothing else for apt to look at."""
    index = []
    for version in ("1.0", "2.0"):
        m.write("/build/DEBIAN/control", "Package: hp-test\nVersion: %s\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: for a test\n" % version)
        m.write("/build/usr/share/hp-test", version + "\n")
        m.must("dpkg-deb", "--build", "/build", "/repo/hp-test_%s.deb" % version)
        size, digest = os.path.getsize(m.at("/repo/hp-test_%s.deb" % version)), m.must("sha256sum", "/repo/hp-test_%s.deb" % version).split()[0]
        index.append(m.read("/build/DEBIAN/control") + "Filename: ./hp-test_%s.deb\nSize: %d\nSHA256: %s\n" % (version, size, digest))
    m.write("/repo/Packages", "\n".join(index))
    m.write("/etc/apt/sources.list", "deb [trusted=yes] file:/repo ./\n")


def version_of(m):
    done = m.run("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", "hp-test")
    return done.out.split()[1] if done.code == 0 and done.out.startswith("installed ") else None


def test_apt(ctx):
    """fixed: apt installs the version that is asked for, up and down, reads old lists anew, leaves what fits alone; a failure is exit 4"""
    m = new_machine(ctx)
    m.write("/repo/x", "")
    repository(m)
    m.config(arguments=["--dry-run"], packages={"apt": {"hp-test": []}}, said="would be installed")
    assert version_of(m) is None
    m.config(packages={"apt": {"hp-test": ["1.0"]}}, said=("reads its lists anew", "installed 1.0"))
    assert version_of(m) == "1.0"
    m.unchanged(packages={"apt": {"hp-test": []}})
    m.unchanged(packages={"apt": {"hp-test": "1.0"}})
    m.config(packages={"apt": {"hp-test": ["1.0", "2.0"]}})
    assert version_of(m) == "2.0", "of a list the highest"
    m.config(packages={"apt": {"hp-test": ["1.0"]}})
    assert version_of(m) == "1.0", "downgraded"
    m.config(code=4, packages={"apt": {"hp-test": ["9.9"]}})
    m.config(code=4, packages={"apt": {"hp-no-such-package": []}})
    for bad in ("-y", "hp-test-", "--purge", "a;b", "hp test"):
        m.config(code=4, packages={"apt": {bad: []}}, said="not a package name")
    assert version_of(m) == "1.0"


def test_dpkg(ctx):
    """dpkg takes a URL or a path, once; two managers at once (fixed: heat-cfntools ended there on Python 3), dpkg first"""
    m = new_machine(ctx)
    m.write("/repo/x", "")
    repository(m)
    with open(m.at("/repo/hp-test_2.0.deb"), "rb") as f:
        s = machine.Served(ctx, {"/hp-test.deb": f.read()})
    m.config(packages={"dpkg": {"mine": s.url("/hp-test.deb")}})
    assert version_of(m) == "2.0"
    m.unchanged(packages={"dpkg": {"mine": s.url("/hp-test.deb")}})
    m.config(packages={"apt": {"hp-test": ["2.0"]}, "dpkg": {"mine": "/repo/hp-test_1.0.deb"}}, said="installed 2.0")
    assert version_of(m) == "2.0", "dpkg put 1.0 there, then apt 2.0"
    m.config(code=4, packages={"dpkg": {"mine": s.url("/none.deb")}})
    assert not [n for n in os.listdir(m.at("/var/tmp")) if n.startswith("heat-pulse-package")]


FAKE = """#!/bin/sh
echo "${0##*/} $*" >>/calls
case "${0##*/} $*" in
"rpm -qp --qf"*) echo "hp 1.0-1" ;;
"rpm -q --qf"*) for name; do :; done; [ -e /installed/$name ] && cat /installed/$name || { echo "package $name is not installed"; exit 1; } ;;
"apk info"*) for name; do :; done; [ -e /installed/$name ] && echo "$name-$(cat /installed/$name)" || exit 1 ;;
"pip3 show"*) for name; do :; done; [ -e /installed/$name ] && echo "Version: $(cat /installed/$name)" || exit 1 ;;
"gem list"*) for name; do :; done; [ -e /installed/$name ] && echo "$name ($(cat /installed/$name))"; exit 0 ;;
esac
exit 0
"""


def calls(m):
    found = [line for line in (m.read("/calls") or "").split("\n") if line and not line.startswith((" ", "rpm -q ", "rpm -qp ", "apk info", "pip3 show", "gem list"))]
    m.write("/calls", "")
    return found


def test_rpm(ctx):
    """fixed: rpm takes a URL or a path (it did nothing), its signature is the machine's to judge; what is installed is left alone, a younger one put back"""
    m = new_machine(ctx)
    m.write("/usr/local/sbin/rpm", FAKE, 0o755)
    s = machine.Served(ctx, {"/hp.rpm": b"a package"})
    m.config(packages={"rpm": {"mine": s.url("/hp.rpm")}})
    found = calls(m)
    assert len(found) == 1 and found[0].startswith("rpm -U --quiet --replacepkgs /var/tmp/") and found[0].endswith(".rpm"), found
    m.config(packages={"rpm": {"mine": "/some/hp.rpm"}})
    assert calls(m) == ["rpm -U --quiet --replacepkgs /some/hp.rpm"]
    m.write("/installed/hp", "1.0-1\n")
    m.unchanged(packages={"rpm": {"mine": s.url("/hp.rpm")}})
    m.write("/installed/hp", "2.0-1\n")
    m.config(packages={"rpm": {"mine": ["/some/hp.rpm"]}})
    assert calls(m) == ["rpm -U --quiet --replacepkgs --oldpackage /some/hp.rpm"]


def test_other_managers(ctx):
    """fixed: versions for yum, dnf, zypper, apk, pip and gem (a version ended heat-cfntools); older ones by the manager's own word; what is there is left alone"""
    m = new_machine(ctx)
    for name in ("rpm", "yum", "dnf", "zypper", "apk", "pip3", "gem"):
        m.write("/usr/local/sbin/" + name, FAKE, 0o755)
    m.write("/installed/old", "1.0-1\n")
    m.write("/installed/new", "3.0-1\n")
    wanted = {"some": [], "one": ["1.2"], "old": ["1.0"], "new": ["2.0"]}
    for manager, lines in (("yum", ["yum -y install one-1.2 some", "yum -y downgrade new-2.0"]),
                           ("dnf", ["dnf -y --best install one-1.2 some", "dnf -y downgrade new-2.0"]),
                           ("zypper", ["zypper -n install one=1.2 some", "zypper -n install --oldpackage new=2.0"]),
                           ("apk", ["apk add one=1.2 some", "apk add new=2.0"]),
                           ("python", ["pip3 install one==1.2 some", "pip3 install new==2.0"]),
                           ("rubygems", ["gem install -b --no-document --version 2.0 new", "gem install -b --no-document --version 1.2 one",
                                         "gem install -b --no-document some"])):
        m.config(packages={manager: wanted})
        found = calls(m)
        assert found == lines, (manager, found)
        m.unchanged(packages={manager: {"old": ["1.0"], "new": []}})
        assert calls(m) == [], manager
    os.unlink(m.at("/usr/local/sbin/yum"))
    m.config(packages={"yum": {"some": []}})
    assert calls(m) == ["dnf -y install some"], "without yum dnf does it"
    m.config(packages={"no-such-manager": {"x": []}}, said="left out")


# ---- 5.3 groups, users ----

def test_accounts(ctx):
    """kept: groupadd and useradd with their numbers, home, groups and /sbin/nologin; fixed: what is there is brought into line, another number fails"""
    m = new_machine(ctx)
    sections = {"groups": {"hpg": {"gid": "4321"}, "hph": {}}, "users": {"hpu": {"uid": "4322", "groups": ["hpg"], "homeDir": "/opt/hpu"}}}
    m.config(**sections)
    assert m.must("getent", "group", "hpg").startswith("hpg:x:4321:hpu")
    assert m.must("getent", "passwd", "hpu").strip().split(":")[2:] == [m.must("id", "-u", "hpu").strip(), m.must("id", "-g", "hpu").strip(), "", "/opt/hpu", "/sbin/nologin"]
    assert m.must("id", "-u", "hpu").strip() == "4322"
    m.unchanged(**sections)
    m.config(users={"hpu": {"groups": ["hph"]}}, said="changed: groups")
    assert m.must("id", "-Gn", "hpu").split() == ["hpu", "hph"]
    m.config(users={"hpu": {"homeDir": "/opt/other"}}, said="changed: home")
    m.unchanged(users={"hpu": {"uid": 4322, "groups": ["hph"], "homeDir": "/opt/other"}}, groups={"hpg": {"gid": 4321}})
    m.config(code=4, users={"hpu": {"uid": 4999}}, said="uid 4322")
    m.config(code=4, groups={"hpg": {"gid": 4999}}, said="gid 4321")
    for bad in ("-x", "a:b", "a b", ""):
        m.config(code=4, users={bad: {}}, said="not a name")
        m.config(code=4, groups={bad: {}}, said="not a name")


ACCOUNT_FAKE = """#!/bin/sh
echo "${0##*/} $*" >>/calls
case "${0##*/} $#" in "addgroup 2") sed -i "s/^\\($2:.*:\\)$/\\1$1/" /etc/group ;; "addgroup "*) for n; do :; done; echo "$n:x:4000:" >>/etc/group ;;
"delgroup 2") sed -i "s/^\\($2:.*:\\)$1$/\\1/" /etc/group ;; "adduser "*) for n; do :; done; echo "$n:x:4000:4000::/home/$n:/sbin/nologin" >>/etc/passwd ;; esac
"""


def test_busybox_accounts(ctx):
    """where shadow's tools are not installed busybox's are used, one group at a time"""
    m = new_machine(ctx)
    for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"):
        m.run("rm", "-f", *("%s/%s" % (folder, name) for name in ("groupadd", "useradd", "usermod", "addgroup", "adduser", "delgroup")))
    m.config(code=4, groups={"hpg": {}}, said="nothing on this machine")
    for name in ("addgroup", "adduser", "delgroup"):
        m.write("/usr/local/sbin/" + name, ACCOUNT_FAKE, 0o755)
    sections = {"groups": {"hpg": {"gid": 4000}}, "users": {"hpu": {"uid": "4000", "groups": ["hpg"]}}}
    m.config(**sections)
    assert m.read("/calls").split("\n") == ["addgroup -g 4000 hpg", "adduser -D -H -s /sbin/nologin -u 4000 hpu", "addgroup hpu hpg", ""]
    m.unchanged(**sections)
    m.write("/calls", "")
    m.config(users={"hpu": {"groups": []}})
    assert m.read("/calls") == "delgroup hpu hpg\n"
    m.config(code=4, users={"hpu": {"homeDir": "/opt/x"}}, said="cannot change that")


# ---- 5.4 sources ----

def tar_of(members, compress=lambda data: data):
    """members: name -> text, or a TarInfo's keys."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, what in members:
            info = tarfile.TarInfo(name)
            data = b""
            if isinstance(what, dict):
                for key, value in what.items():
                    setattr(info, key, value)
            else:
                data = what.encode()
                info.size, info.mode = len(data), 0o640
            tar.addfile(info, io.BytesIO(data))
    return compress(out.getvalue())


def zip_of(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, text in members:
            z.writestr(name, text)
    return out.getvalue()


GOOD = [("d/", {"type": tarfile.DIRTYPE, "mode": 0o755}), ("d/a", "alpha"), ("b", "beta"), ("d/l", {"type": tarfile.SYMTYPE, "linkname": "../b"})]


def test_archives(ctx):
    """tar, zip, gzip, bzip2, xz, told by content (fixed: xz was ignored); a second run changes nothing; what was altered is put right; single files"""
    m = new_machine(ctx)
    pages = {"/x.tar": tar_of(GOOD), "/x.tgz": tar_of(GOOD, gzip.compress), "/x.tar.bz2": tar_of(GOOD, bz2.compress), "/x.tar.xz": tar_of(GOOD, lzma.compress),
             "/download": tar_of(GOOD, gzip.compress), "/x.zip": zip_of([("d/a", "alpha"), ("b", "beta")])}
    s = machine.Served(ctx, pages)
    for number, path in enumerate(pages):
        sources = {"/opt/s%d" % number: s.url(path)}
        m.config(arguments=["--dry-run"], sources=sources, said="would be unpacked")
        assert not m.there("/opt/s%d" % number)
        m.config(sources=sources)
        assert m.read("/opt/s%d/d/a" % number) == "alpha" and m.read("/opt/s%d/b" % number) == "beta", path
        m.unchanged(sources=sources)
    assert os.readlink(m.at("/opt/s0/d/l")) == "../b" and m.mode("/opt/s0/d/a") == 0o640
    m.write("/opt/s0/b", "altered")
    m.config(sources={"/opt/s0": s.url("/x.tar")}, said="1 of 4 members")
    assert m.read("/opt/s0/b") == "beta"
    s.pages.update({"/data.txt.gz": gzip.compress(b"G"), "/data2.bz2": bz2.compress(b"B"), "/data3.xz": lzma.compress(b"X")})
    for path, name, text in (("/data.txt.gz", "data.txt", "G"), ("/data2.bz2", "data2", "B"), ("/data3.xz", "data3", "X")):
        m.config(sources={"/opt/single": s.url(path)})
        assert m.read("/opt/single/" + name) == text


def test_no_shell(ctx):
    """fixed: no shell sees a URL or a folder; an error page, nothing and no answer are failures"""
    m = new_machine(ctx)
    s = machine.Served(ctx, {"/ok.tar": tar_of(GOOD), "/page.tar": b"<html>no</html>", "/empty.tar": b""})
    for url in (s.url("/x'; touch /injected; '.tar"), s.url("/page.tar"), s.url("/empty.tar"), s.url("/none.tar")):
        m.config(code=4, sources={"/opt/s": url})
    m.config(sources={"/opt/it's $(touch /injected)": s.url("/ok.tar")})
    assert not m.there("/injected") and m.read("/opt/it's $(touch /injected)/b") == "beta"


def test_hostile_archives(ctx):
    """what leads out of the folder is refused before anything is written: "..", absolute names, links, hard links, devices, bombs"""
    m = new_machine(ctx)
    m.write("/victim", "safe")
    link, hard = tarfile.SYMTYPE, tarfile.LNKTYPE
    hostile = {
        "dots": tar_of([("../../victim", "bad")]), "inner": tar_of([("a/../../../victim", "bad")]), "absolute": tar_of([("/victim", "bad")]),
        "zip": zip_of([("ok", ""), ("../../victim", "bad")]), "zipabs": zip_of([("/victim", "bad")]),
        "link": tar_of([("l", {"type": link, "linkname": "/"}), ("l/victim", "bad")]), "linkup": tar_of([("l", {"type": link, "linkname": "../.."}), ("l/victim", "bad")]),
        "chain": tar_of([("d/e/a", {"type": link, "linkname": "../.."}), ("d/e/b", {"type": link, "linkname": "a/.."})]),
        "hard": tar_of([("h", {"type": hard, "linkname": "/victim"}), ("h", "bad")]), "hardup": tar_of([("h", {"type": hard, "linkname": "../../victim"})]),
        "device": tar_of([("dev", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3})]), "block": tar_of([("dev", {"type": tarfile.BLKTYPE, "devmajor": 8})]),
        "fifo": tar_of([("fifo", {"type": tarfile.FIFOTYPE})]),
        "bomb": lzma.compress(b"A" * (100 << 20), preset=0), "gzbomb": gzip.compress(b"A" * (100 << 20), 1),
    }
    s = machine.Served(ctx, {"/" + name: data for name, data in hostile.items()})
    for name in hostile:
        done = m.config(code=4, sources={"/opt/t/s": s.url("/" + name)})
        assert "refused" in done.err, "%s: %s" % (name, done)
        assert not m.there("/opt/t"), name
    assert m.read("/victim") == "safe" and os.stat(m.at("/victim")).st_nlink == 1


def test_owners(ctx):
    """modes and owners are the archive's, but no setuid; a link that lies in the folder is not followed"""
    m = new_machine(ctx)
    s = machine.Served(ctx, {"/x.tar": tar_of([("f", {"uid": 12, "gid": 34, "mode": 0o4755, "size": 0})]), "/y.tar": tar_of([("d/f", "x")])})
    m.config(sources={"/opt/s": s.url("/x.tar")})
    assert m.must("stat", "-c", "%u:%g %a", "/opt/s/f").strip() == "12:34 755"
    m.must("mkdir", "/elsewhere", "/opt/t")
    os.symlink("/elsewhere", m.at("/opt/t/d"))
    m.config(code=4, sources={"/opt/t": s.url("/y.tar")})
    assert os.listdir(m.at("/elsewhere")) == []


# ---- 5.7 services ----

SERVICE = """#!/bin/sh
### BEGIN INIT INFO
# Provides: hptest
# Required-Start:
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
echo $1 >>/calls
case $1 in
start|restart) touch /run/hptest ;;
stop) rm -f /run/hptest ;;
status) [ -e /run/hptest ] ;;
esac
"""


def service_calls(m):
    found = [word for word in (m.read("/calls") or "").split() if word != "status"]
    m.write("/calls", "")
    return found


def test_services(ctx):
    """a real sysvinit service: enabled, started, stopped, restarted by what it names (fixed: the keys were ignored); a failure is exit 4 (fixed)"""
    m = new_machine(ctx)
    m.write("/etc/init.d/hptest", SERVICE, 0o755)
    m.must("update-rc.d", "hptest", "defaults")
    m.must("update-rc.d", "hptest", "disable")
    on = {"services": {"sysvinit": {"hptest": {"enabled": "true", "ensureRunning": "true", "files": ["/etc/hptest.conf"]}}}}
    m.config(**on)
    assert service_calls(m) == ["start"] and [n for n in os.listdir(m.at("/etc/rc3.d")) if n.startswith("S") and n.endswith("hptest")]
    m.unchanged(**on)
    assert service_calls(m) == []
    m.config(files={"/etc/hptest.conf": {"content": "1"}}, **on)
    assert service_calls(m) == ["restart"]
    m.config(files={"/etc/hptest.conf": {"content": "1"}}, **on)
    assert service_calls(m) == [], "an unchanged file restarts nothing"
    m.config(services={"sysvinit": {"hptest": {"enabled": False, "ensureRunning": False}}})
    assert service_calls(m) == ["stop"] and not [n for n in os.listdir(m.at("/etc/rc3.d")) if n.startswith("S") and n.endswith("hptest")]
    m.write("/etc/init.d/broken", "#!/bin/sh\nexit 3\n", 0o755)
    m.config(code=4, services={"sysvinit": {"broken": {"ensureRunning": True}}})
    m.config(code=4, services={"sysvinit": {"-x": {"ensureRunning": True}}}, said="not a service")


def test_service_dependencies(ctx):
    """sources, packages, users, groups and commands restart a service, too, each only when it changed in the same config"""
    m = new_machine(ctx)
    m.write("/etc/init.d/hptest", SERVICE, 0o755)
    m.write("/repo/x", "")
    repository(m)
    s = machine.Served(ctx, {"/x.tar": tar_of(GOOD)})
    name = {"sources": {"/opt/s": s.url("/x.tar")}, "packages": {"apt": {"hp-test": []}}, "users": {"hpu": {}}, "groups": {"hpg": {}}}
    for kind, section in name.items():
        keys = {"apt": ["hp-test"]} if kind == "packages" else list(section)
        sections = {kind: section, "services": {"sysvinit": {"hptest": {kind: keys}}}}
        m.config(**sections)
        assert service_calls(m) == ["restart"], kind
        m.unchanged(**sections)
        assert service_calls(m) == [], kind
    m.config(commands={"c": {"command": "true", "test": "false"}, "d": {"command": "true"}}, services={"sysvinit": {"hptest": {"commands": ["c"]}}})
    assert service_calls(m) == []
    m.config(commands={"d": {"command": "true"}}, services={"sysvinit": {"hptest": {"commands": ["d"]}}})
    assert service_calls(m) == ["restart"]
