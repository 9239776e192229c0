"""What a service manager hears of the agent (sd_notify), and who ends an agent that hangs."""
import os
import signal
import socket
import time

from guest import until
from test_rights import local_guest


class Manager:
    """The socket that systemd would listen on."""

    def __init__(self, ctx, g):
        self.path = g.path("/notify.sock")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.sock.setblocking(False)
        self.heard = []
        ctx.later(self.sock.close)

    def hear(self):
        try:
            while True:
                self.heard.append(self.sock.recv(4096).decode())
        except BlockingIOError:
            return self.heard


def lasting(g):
    """The roles; what a hook starts comes and goes."""
    return {name: pid for name, pid in g.roles().items() if name.split()[-1] in ("agent", "prober", "store")}


def test_notify(ctx):
    """The manager hears READY once the agent serves, WATCHDOG while it lives, STOPPING before it ends; hooks never see its socket."""
    g = local_guest(ctx)
    manager = Manager(ctx, g)
    g.hook("app", "Resources.local.Metadata.app", action="env >%s" % g.path("/env.txt"))
    g.start(env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "1500000"})
    until("READY", 10, lambda: "READY=1" in manager.hear())
    until("two signs of life", 10, lambda: manager.hear().count("WATCHDOG=1") >= 2)
    until("the hook", 10, lambda: g.read("/env.txt"))
    assert "NOTIFY" not in g.read("/env.txt") and "WATCHDOG" not in g.read("/env.txt")
    assert g.stop() == 0
    # a start and an end that take their time are told to be alive, too
    assert [word for word in manager.hear() if word != "WATCHDOG=1"] == ["READY=1", "STOPPING=1"], manager.heard


def test_agent_hangs(ctx):
    """An agent that does not come back to its loop is killed and started again; the runner stays, its hooks too."""
    g = local_guest(ctx)
    manager = Manager(ctx, g)
    g.hook("app", "Resources.local.Metadata.app")
    g.start(env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "1500000"})
    until("the hook", 10, lambda: g.hooks_run() == ["app post.add"])
    before = lasting(g)
    time.sleep(3)
    assert lasting(g) == before, "an agent that lives is left alone"
    os.kill(before["pulse: agent"], signal.SIGSTOP)
    until("a new agent", 15, lambda: g.roles().get("pulse: agent", before["pulse: agent"]) != before["pulse: agent"])
    until("it serves", 10, lambda: g.status())
    assert g.child.poll() is None and "has not answered" in g.log()
    assert g.hooks_run() == ["app post.add"]
