"""What hangs elsewhere does not delay the agent's loop: its own late-tick metric says so."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import test_fake
from guest import BINARY, until
from harness import Skip, alone
from test_rights import LOCAL, find_role, local_guest
from yardstick import best_lateness

LATE_MS = 50


def late(g):
    return g.status()["agent"]["late_max_ms"]


def calm(what, attempt):
    """A busy machine delays any process: what counts is measured while a mere sleeper is served in time."""
    good, counted, busy = best_lateness(attempt, LATE_MS)
    if good is None and counted:
        raise AssertionError("%s: the loop was late by (agent, a sleeper beside it) %s ms" % (what, counted))
    if good is None:
        raise Skip("this machine is too busy to tell: (agent, a sleeper beside it) were late by %s ms" % busy)


@alone
def test_frozen_store(ctx):
    """A state disk that hangs (the store stopped in mid-work) delays nothing and loses nothing."""
    def attempt():
        g = local_guest(ctx)
        g.hook("app", "Resources.local.Metadata.app")
        g.start()
        until("post.add", 10, lambda: len(g.hooks_run()) == 1)
        store = find_role(g, "store")
        os.kill(store, signal.SIGSTOP)
        g.write("/etc/heat-pulse/metadata.json", '{"app": 2}')
        done = g.run("signal", "--status", "SUCCESS", "--id", "frozen", "b", timeout=40)
        assert done.returncode == 0, done.stderr
        time.sleep(4)
        assert g.status(), "the agent does not answer"
        delay = late(g)
        os.kill(store, signal.SIGCONT)
        until("the hook", 40, lambda: g.hooks_run() == ["app post.add", "app post.update"])
        g.stop()
        return delay
    calm("a frozen store", attempt)


def test_wait_beside_a_frozen_store(ctx):
    """Who waits for a signal is told that Heat has it, though the state disk hangs and has not said that it is kept."""
    fake = test_fake.serve(ctx)
    g = test_fake.agent(ctx, fake, "wait-frozen")
    until("the boot signal", 20, lambda: fake.handle("boot"))
    store = find_role(g, "store")
    os.kill(store, signal.SIGSTOP)
    try:
        done = g.run("signal", "--status", "SUCCESS", "--id", "word", "--wait", "30", "boot", timeout=60)
    finally:
        os.kill(store, signal.SIGCONT)
    assert "word" in fake.handle("boot"), fake.handle("boot")
    assert (done.returncode, done.stdout) == (0, "delivered\n") and not done.stderr, done


def test_stop_beside_one_that_waits(ctx):
    """Who waits for a signal when the agent stops is told so, and where the signal is."""
    fake = test_fake.serve(ctx)
    g = test_fake.agent(ctx, fake, "wait-stop")
    until("the boot signal", 20, lambda: fake.handle("boot"))
    done = g.run("signal", "--status", "SUCCESS", "--wait", str(2 ** 63 // 1000), "boot", timeout=40)
    assert (done.returncode, done.stdout) == (0, "delivered\n"), done  # however long somebody would wait
    fake.fault(on="signal", do="status", status=503, times=1000)
    waits = subprocess.Popen([BINARY, "signal", "--root", g.root, "--status", "SUCCESS", "--wait", "60", "boot"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    ctx.later(waits.kill)
    until("the signal waits", 20, lambda: g.status()["spool"]["depth"] > 0)
    g.stop()
    out, err = waits.communicate(timeout=20)
    assert (waits.returncode, out) == (3, "waiting\n") and "the agent stops" in err, (waits.returncode, out, err)


@alone
def test_silent_name_server(ctx):
    """A name server that never answers delays nothing; the last good address is not needed to be told so."""
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        silent.bind(("127.0.0.53", 53))
    except OSError as e:
        raise Skip("port 53 of 127.0.0.53 is taken: %s" % e)
    ctx.later(silent.close)

    def attempt():
        fake = test_fake.serve(ctx)
        g = ctx.guest("dns")
        g.conf(test_fake.CONF)
        g.give_block(test_fake.block(fake, "http://heat.silent.test:%d/v1/" % fake.port))
        g.write("/resolv.conf", "nameserver 127.0.0.53\noptions timeout:5 attempts:3\n")
        g.child = subprocess.Popen(["unshare", "-m", "sh", "-c", "mount --bind %s /etc/resolv.conf; exec %s run --root %s" %
                                    (g.path("/resolv.conf"), BINARY, g.root)], stdout=open(g.out_path, "wb"), stderr=open(g.log_path, "wb"),
                                   stdin=subprocess.DEVNULL, start_new_session=True)
        until("the agent answers", 20, lambda: g.status())
        until("the failure is named", 30, lambda: any(s["state"] == "backoff" for s in g.status()["sources"]))
        time.sleep(4)
        delay = late(g)
        assert g.stop(seconds=10) == 0
        return delay
    calm("a silent name server", attempt)


FUSE_SERVER = r'''
import ctypes, os, sys, time
# The least of a FUSE file system: it answers INIT and then nothing, as a network file system whose server is gone.
path = sys.argv[1]
fd = os.open("/dev/fuse", os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
options = ("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % fd).encode()
if libc.mount(b"hang", path.encode(), b"fuse.hang", 0, options):
    sys.exit(3)
import struct
request = os.read(fd, 1 << 17)
unique = struct.unpack_from("<Q", request, 8)[0]
body = struct.pack("<IIIIHHIIHH", 7, 31, 65536, 0, 0, 0, 65536, 1, 0, 0) + b"\0" * 28
os.write(fd, struct.pack("<IiQ", 16 + len(body), 0, unique) + body)
print("mounted", flush=True)
time.sleep(600)
'''


@alone
def test_hung_mount(ctx):
    """A mount that hangs is reported as such and delays nothing else."""
    if not os.path.exists("/dev/fuse"):
        raise Skip("this kernel offers no /dev/fuse")
    g = local_guest(ctx, conf=LOCAL + "[sample]\ninterval = 1s\nmounts = /,/hung\n")
    place = g.path("/hung")
    os.makedirs(place)
    g.conf(LOCAL + "[sample]\ninterval = 1s\nmounts = /,%s\n" % place)
    server = subprocess.Popen([sys.executable, "-c", FUSE_SERVER, place], stdout=subprocess.PIPE, text=True)

    def clean():
        server.kill()
        server.wait()
        subprocess.run(["umount", "-l", place], stderr=subprocess.DEVNULL)
    ctx.later(clean)
    if server.stdout.readline().strip() != "mounted":
        raise Skip("a FUSE mount is refused here")
    g.hook("app", "Resources.local.Metadata.app")

    def attempt():
        g.start()
        until("post.add", 15, lambda: g.hooks_run())
        time.sleep(6)
        delay = late(g)
        assert g.stop(seconds=10) == 0
        return delay
    calm("a hung mount", attempt)
