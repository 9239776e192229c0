#!/usr/bin/python3
"""The static file: made, measured, run where nothing else is, made again byte by byte, and put through unit and system tests; with HEAT_PULSE_DEEP=1
through all rings, and made again from nothing. Prints TAP."""
import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(TOP, "packaging", "static", "build")
OUT = os.path.join(TOP, "build", "static")
BINARY = os.path.join(OUT, "heat-pulse")
os.environ["HP_BIN"] = BINARY
os.environ["HP_TRY"] = os.path.join(OUT, "meson", "tests", "sandbox_try")
sys.path[:0] = [os.path.join(HERE, "..", d) for d in ("lib", "system", "fakes")]
import cfn_server  # noqa: E402
import guest  # noqa: E402
import spdx  # noqa: E402
import tap  # noqa: E402
import test_fake  # noqa: E402
from guest import until  # noqa: E402

with open(os.path.join(HERE, "..", "bench", "limits.json")) as f:
    LIMITS = json.load(f)
JOBS = os.environ.get("HEAT_PULSE_JOBS", "2")
NO_SOURCES = 3
DEEP = os.environ.get("HEAT_PULSE_DEEP") == "1"
# Rings that run the program, or are compiled against its C library.
RINGS = ("system", "faults", "sim", "score", "bench", "vm")
PULSE = os.path.join(OUT, "meson", "tests", "faults", "pulse")
UNITS = os.path.join(OUT, "meson-tests")


def build(*arguments, program=BUILD, env=None):
    return subprocess.run([program, "--jobs", JOBS, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          errors="replace", env=dict(os.environ, **(env or {})))


def parts():
    with open(os.path.join(OUT, "parts")) as f:
        return [line.split()[0] for line in f]


def test_file(t):
    size = os.path.getsize(BINARY)
    limit = LIMITS["static_bytes_with_archives_max" if "libarchive" in parts() else "static_bytes_max"]
    t.say(size <= limit, "the file has %d bytes, %d at most" % (size, limit))
    elf = subprocess.run(["readelf", "-hlWd", BINARY], stdout=subprocess.PIPE, text=True).stdout
    t.say("Type:" in elf and not re.search("INTERP|NEEDED", elf), "it asks for no loader and no library", elf)
    t.say(re.search(r"Type:\s+DYN", elf) and "GNU_RELRO" in elf and not re.search(r"GNU_STACK.*RWE", elf),
          "it is loaded anywhere, its tables are read-only once relocated, its stack is not executable", elf)
    with open(BINARY, "rb") as f:
        content = f.read()
    t.say(TOP.encode() not in content and b"static-cache" not in content, "no path of the building machine is in it")


def test_parts(t):
    with open(os.path.join(OUT, "heat-pulse.spdx.json")) as f:
        document = json.load(f)
    names = [p["name"] for p in document["packages"]]
    digest = subprocess.run(["sha256sum", BINARY], stdout=subprocess.PIPE, text=True).stdout.split()[0]
    wrong = spdx.faults(document)
    t.say(not wrong, "the list of parts is a document of SPDX 2.3", "\n".join(wrong))
    broken = dict(document, relationships=document["relationships"][:-1], packages=document["packages"][:-1] + [dict(document["packages"][-1], licenseDeclared="?")])
    t.say(len(spdx.faults(broken)) == 2, "a part without relation and one without licence would be told", "\n".join(spdx.faults(broken)))
    t.say(document["packages"][0]["checksums"][0]["checksumValue"] == digest, "the list of parts is of this very file")
    t.say(all(p.get("licenseDeclared") and p["versionInfo"] for p in document["packages"]) and len(document["relationships"]) == len(names),
          "each of its %d parts has a version, a licence and a relation" % len(names), names)
    empty = [n for n in names if not os.listdir(os.path.join(OUT, "licences", n))]
    t.say(not empty, "each part's licence text lies beside it", empty)


def test_again(t):
    """The agent's own objects, from a copy of the tree, in a folder of another name and depth, with the same libraries; the long form makes
    these again, too."""
    folder = tempfile.mkdtemp(prefix="hp-again-", dir="/var/tmp")
    tree, out, words = os.path.join(folder, "a", "copy"), os.path.join(folder, "one", "more", "level"), "built again elsewhere it is the same, byte by byte"
    env = {"HEAT_PULSE_CACHE": os.environ.get("HEAT_PULSE_CACHE", os.path.join(TOP, "build", "static-cache"))}
    if DEEP:
        env["HEAT_PULSE_CACHE"], words = folder + "/cache", "with all libraries " + words
    try:
        shutil.copytree(TOP, tree, symlinks=True, ignore=lambda at, names: [n for n in names if n in (".git", "__pycache__") or (at == TOP and n == "build")])
        with open(os.path.join(OUT, "made-of")) as f:
            env["SOURCE_DATE_EPOCH"] = f.read().split()[0]
        done = build("--dir", out, program=os.path.join(tree, "packaging", "static", "build"), env=env)
        t.say(done.returncode == 0 and filecmp.cmp(BINARY, os.path.join(out, "heat-pulse"), shallow=False), words, done.stderr)
    finally:
        shutil.rmtree(folder)


def memory(g):
    """KiB of all roles: PSS, and what of it is anonymous."""
    total = {"Pss": 0, "Pss_Anon": 0}
    for pid in g.roles().values():
        with open("/proc/%d/smaps_rollup" % pid) as f:
            for key, kib in re.findall(r"^(\w+): +(\d+) kB", f.read(), re.M):
                if key in total:
                    total[key] += int(kib)
    return total["Pss"], total["Pss_Anon"]


def unlocked():
    """What is locked in memory under pressure is there to stay: the limits are without it."""
    settings = subprocess.run([BINARY, "run", "--help-config"], stdout=subprocess.PIPE, text=True).stdout
    return "[agent]\n" + ("lock-memory = no\n" if "lock-memory" in settings else "")


def as_after_boot():
    """The file is read from the disk again: what was just written lies in the page cache in pieces of up to 1 MiB, which Linux 6.18 and later map
    whole where one page of them is asked for."""
    with open(BINARY, "rb") as f:
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def within(t, kib, what, text):
    """Where the limit is looser than the goal and the goal is missed, the name says so."""
    goal = LIMITS["static_%s_kib_goal" % what]
    t.say(kib <= LIMITS["static_%s_kib_max" % what], "%s: %d KiB, %d at most%s" % (text, kib, LIMITS["static_%s_kib_max" % what],
                                                                                "" if kib <= goal else "; GOAL MISSED: %d" % goal))


def memory_after(seconds, name, sampling=""):
    as_after_boot()
    g = guest.Guest(name)
    try:
        g.conf(unlocked() + sampling + "[metadata]\nsource = local\ninterval = 60s\nsplay = 0s\n[local]\nfile = /etc/heat-pulse/metadata.json\n")
        g.write("/etc/heat-pulse/metadata.json", "{}")
        g.start()
        time.sleep(seconds)
        return memory(g)
    finally:
        g.wipe()


def processes():
    return "with %d processes on this machine" % sum(map(str.isdigit, os.listdir("/proc")))


def test_memory_start(t):
    pss, anonymous = memory_after(8, "static-start")  # after one and after five, what only the start needed is given back
    within(t, pss, "pss_start", "at start all roles together have of PSS")
    within(t, anonymous, "anonymous_start", "anonymous of that, " + processes())


def test_memory_steady(t):
    """As many samples and looks at the processes as in five minutes by default."""
    _, anonymous = memory_after(30, "static-steady", "[sample]\ninterval = 1s\nprocess-interval = 5s\n")
    within(t, anonymous, "anonymous_steady", "anonymous as it goes on, " + processes())


def test_memory_tls(t):
    as_after_boot()
    g = guest.Guest("static-tls")
    cert, key = g.write("/etc/heat-pulse/ca.pem", ""), g.write("/key.pem", "")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL)
    with cfn_server.Fake(test_fake.state(), cert=cert, key=key) as fake:
        try:
            g.conf(unlocked() + "ca-file = /etc/heat-pulse/ca.pem\n" + test_fake.CONF)
            g.give_block(test_fake.block(fake))
            g.hook("app", "Resources.srv.Metadata.app", action="true")
            g.start()
            until("the boot signal", 20, lambda: fake.handle("boot"))
            time.sleep(15)
            pss, anonymous = memory(g)
        finally:
            g.wipe()
    within(t, pss, "pss_tls", "after polling over TLS")
    within(t, anonymous, "anonymous_tls", "anonymous of that")


def test_disks(t):
    """Without udevd the kernel's own events tell of disks; libudev in the file is compiled for musl."""
    t.program("faults", ["/usr/bin/python3", os.path.join(TOP, "tests", "faults", "harness.py"), "disk events"], env={"HP_PULSE": PULSE}, tries=2)


def test_units(t):
    """What the libraries are made without is asked for by a unit test sooner than by a guest."""
    done = build("--tests")
    t.say(done.returncode == 0, "the unit tests are built against its libraries", done.stderr)
    t.program("unit", ["/usr/bin/python3", os.path.join(TOP, "tests", "unit", "unit.py"), "--only", UNITS], timeout=1200)


def test_rings(t):
    env = {"HP_BIN": BINARY, "HP_PULSE": PULSE, "HP_BUILD": UNITS}
    for ring in RINGS:
        path = os.path.join(TOP, "tests", ring, "ring")
        if os.access(path, os.X_OK):
            t.program("ring " + ring, [path], timeout=7200, env=dict(env, HEAT_PULSE_DEEP="0"))


def main():
    t = tap.Tap()
    if os.geteuid() != 0:
        t.skip("the static file", "needs root")
        return t.end()
    done = build()
    if done.returncode == NO_SOURCES:
        t.skip("the static file", "its sources cannot be had here: " + done.stderr.strip().split("\n")[-1])
        return t.end()
    t.say(done.returncode == 0, "the static file is built", done.stderr)
    if done.returncode:
        return t.end()
    test_file(t)
    test_parts(t)
    test_again(t)
    t.program("names", ["unshare", "-n", "/usr/bin/python3", os.path.join(HERE, "names.py"), BINARY], timeout=300)
    test_memory_start(t)
    test_memory_steady(t)
    test_memory_tls(t)
    test_disks(t)
    test_units(t)
    if DEEP:
        test_rings(t)
    else:
        t.program("system", ["/usr/bin/python3", os.path.join(TOP, "tests", "system", "harness.py"),
                               "test_local", "test_rights", "test_tls", "test_broken_tls", "test_wrong_certificate"], timeout=1200, tries=2)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
