"""What each package holds: every path with its mode, all of it root's. One more file in packaging/tree is one more row here."""
import io
import os
import subprocess
import tarfile

from scratch import TOP, must

with open(os.path.join(TOP, "packaging", "old-names")) as names:
    OLD_NAMES = names.read().split()
COMPLETIONS, EXAMPLES, MAN = "/usr/share/bash-completion/completions/", "/usr/share/doc/heat-pulse/examples/", "/usr/share/man/"
# A mode, or where a link leads.
COMMON = {"/etc/heat-pulse/": 0o755, "/etc/heat-pulse/conf.d/": 0o755, "/etc/heat-pulse/heat-pulse.conf": 0o600, "/usr/sbin/heat-pulse": 0o755,
          "/usr/share/doc/heat-pulse/": 0o755, EXAMPLES: 0o755, COMPLETIONS + "heat-pulse": 0o644, **{COMPLETIONS + name: "heat-pulse" for name in OLD_NAMES},
          **{EXAMPLES + name: 0o644 for name in ("heat-pulse.conf", "hooks.conf", "strict.conf")},
          **{MAN + name + ".gz": 0o644 for name in ("man5/heat-pulse.conf.5", "man5/heat-pulse-hooks.5", "man7/heat-pulse-metrics.7", "man8/heat-pulse.8")}}
LIBEXEC = {"/usr/libexec/heat-pulse/": 0o755, "/usr/libexec/heat-pulse/old-names": 0o755}
DEB = {**COMMON, "/etc/init.d/heat-pulse": 0o755, "/lib/systemd/system/heat-pulse.service": 0o644, "/usr/share/lintian/overrides/heat-pulse": 0o644,
       EXAMPLES + "openrc": 0o644, "/usr/share/doc/heat-pulse/copyright": 0o644, "/usr/share/doc/heat-pulse/changelog.Debian.gz": 0o644,
       **{"/usr/bin/" + name: "../sbin/heat-pulse" for name in OLD_NAMES}, **{MAN + "man1/%s.1.gz" % name: 0o644 for name in OLD_NAMES}}
RPM = {**COMMON, **LIBEXEC, "/usr/lib/systemd/system/heat-pulse.service": 0o644, EXAMPLES + "openrc": 0o644, "/var/lib/heat-pulse/": 0o711,
       "/usr/share/licenses/heat-pulse/": 0o755, "/usr/share/licenses/heat-pulse/LICENSE": 0o644}
TARBALL = {**{"files" + path: mode for path, mode in {**COMMON, **LIBEXEC}.items()}, "LICENSE": 0o644, "install": 0o755, "list": 0o644, "init/": 0o755,
           "init/systemd": 0o644, "init/openrc": 0o755, "init/sysv": 0o755}


def of_tar(content, cut):
    """{path: mode or link}; @cut characters of each name are left out. Folders end with a slash; those that many packages have are checked and left out."""
    found = {}
    for entry in tarfile.open(fileobj=io.BytesIO(content)):
        path = entry.name[cut:] + ("/" if entry.isdir() else "")
        assert (entry.uid, entry.gid) == (0, 0), "%s is %d:%d's" % (entry.name, entry.uid, entry.gid)
        if entry.isdir() and "heat-pulse" not in path and path not in TARBALL:
            assert entry.mode == 0o755, "%s is %o" % (path, entry.mode)
        else:
            found[path] = entry.linkname if entry.issym() else entry.mode
    return found


def of_deb(path):
    return of_tar(subprocess.run(["dpkg-deb", "--fsys-tarfile", path], stdout=subprocess.PIPE, check=True).stdout, 1)


def of_tarball(path):
    with open(path, "rb") as f:
        content = subprocess.run(["gzip", "-dc"], stdin=f, stdout=subprocess.PIPE, check=True).stdout
    return of_tar(content, len(os.path.basename(path)) - len(".tar.gz") + 1)


def of_rpm(path):
    found = {}
    for line in must("rpm", "-qp", "--qf", "[%{FILENAMES}|%{FILEMODES}|%{FILEUSERNAME}:%{FILEGROUPNAME}|%{FILELINKTOS}\n]", path).split("\n")[:-1]:
        name, mode, owner, link = line.split("|")
        assert owner == "root:root", line
        found[name + ("/" if int(mode) & 0o170000 == 0o040000 else "")] = link or int(mode) & 0o7777
    return found


def check(found, wanted, licences=None):
    """@licences: the folder of a static file, whose licences are below one folder of that package, all readable by everybody."""
    texts = {path: mode for path, mode in found.items() if "/licences/" in path or "/libraries/" in path or path.endswith("heat-pulse.spdx.json")}
    assert {path: mode for path, mode in found.items() if path not in texts} == wanted, sorted(set(found.items()) ^ set(wanted.items()), key=str)
    assert all(mode == (0o755 if path.endswith("/") else 0o644) for path, mode in texts.items()), texts
    have = {tuple(path.split("/")[-2:]) for path in texts if not path.endswith(("/", ".json"))}
    want = {(name, text) for name in os.listdir(licences) for text in os.listdir(os.path.join(licences, name))} if licences else set()
    assert have == want and bool(texts) == bool(want), have ^ want
