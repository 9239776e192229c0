"""The urgent lane: something critical is told within a second, ahead of whatever else leaves the guest; the agent stays in memory."""
import http.server
import json
import os
import shutil
import socket
import subprocess
import threading
import time

from guest import until
from harness import alone
from test_fake import block, serve
from test_rights import LOCAL, find_role, local_guest

NAME = "hp-wanted-urg"
METADATA = {"heat-pulse": {"health": "health", "watch": {"processes": [NAME]}}}
CONF = """[metadata]
interval = 1s
splay = 0s
[hooks]
conf-dir = %s
[sample]
interval = 1s
process-interval = 1s
[sinks]
push-interval = 5s
prometheus = http://127.0.0.1:%d/api/v1/write
"""


class SlowReceiver:
    """Takes metrics, two seconds each: while it does, there is always a request with metrics under way."""

    def __init__(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                outer.requests += 1
                self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(2)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.requests = 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def wanted(g):
    """The watched process is there; ended it is missing."""
    shutil.copy("/bin/sleep", g.path("/" + NAME))
    return subprocess.Popen([g.path("/" + NAME), "300"])


def health_requests(fake):
    return [r for r in list(fake.requests) if "/waitcondition/" in r["path"]]


@alone
def test_a_second(ctx):
    """Found and at Heat within a second, while metrics are replayed to a slow receiver and another signal hangs"""
    fake = serve(ctx, metadata=METADATA)
    receiver = SlowReceiver()
    ctx.later(receiver.server.shutdown)
    hole = socket.socket()  # accepts and never answers
    hole.bind(("127.0.0.1", 0))
    hole.listen(8)
    ctx.later(hole.close)
    g = ctx.guest("urgent")
    g.write("/etc/cfn/hooks.d/f.conf", "[finding.process_down]\naction=date +%%%%s.%%%%N >>%s\n" % g.path("/found"))
    g.conf(CONF % ("/etc/cfn", receiver.port))
    g.give_block(block(fake))
    child = wanted(g)
    ctx.later(lambda: (child.poll() is None and child.kill(), child.wait()))
    g.start()
    until("health is told", 30, lambda: health_requests(fake))
    until("metrics flow", 60, lambda: receiver.requests >= 1)
    time.sleep(2)
    done = g.run("signal", "--status", "SUCCESS", "--id", "x", "-", stdin="http://127.0.0.1:%d/v1/waitcondition/x\n" % hole.getsockname()[1])
    assert done.returncode == 0, done.stderr
    fake.clear()
    child.kill()
    child.wait()
    until("it is found", 30, lambda: g.read("/found").strip())
    until("it is told", 10, lambda: any("process_down" in json.dumps(fake.handle("health")) for _ in health_requests(fake)))
    found, told = float(g.read("/found").split()[0]), health_requests(fake)[0]["at"]
    assert told - found < 1.0, (found, told)


def test_action_told_on_a_slow_disk(ctx):
    """A guest whose disk does not say after a restart which actions were told waits for that: what was acted on is not acted on again"""
    receiver = SlowReceiver()
    ctx.later(receiver.server.shutdown)
    g = local_guest(ctx, json.dumps({"heat-pulse": {"threshold": 0.3, "watch": {"processes": [NAME]}}}),
                    LOCAL + "action = http://127.0.0.1:%d/heal\naction-uptime = 0s\naction-pause = 0s\n[sample]\ninterval = 1s\nprocess-interval = 1s\n" %
                    receiver.port)
    child = wanted(g)
    ctx.later(lambda: (child.poll() is None and child.kill(), child.wait()))
    g.start()
    until("it is watched", 30, lambda: g.status() and len(g.status()["sinks"]) > 0)
    time.sleep(4)
    child.kill()
    child.wait()
    until("the action is told", 40, lambda: g.status()["action"]["state"] == "told" and receiver.requests == 1)
    g.stop()
    kept = g.path("/var/lib/heat-pulse/state/action")
    os.rename(kept, g.path("/action"))
    os.mkfifo(kept)
    os.chmod(kept, 0o666)
    writer = os.open(kept, os.O_RDWR | os.O_NONBLOCK)  # a reader gets EAGAIN: not now
    ctx.later(lambda: os.close(writer))
    g.start()
    until("it waits", 40, lambda: (g.status() or {}).get("action", {}).get("state") == "waiting")
    os.rename(g.path("/action"), kept)
    until("it knows", 40, lambda: g.status()["action"]["told"])
    time.sleep(3)
    assert receiver.requests == 1, "the action was told %d times" % receiver.requests


def status_of(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.split(":", 1) for line in f if ":" in line)


def test_in_memory(ctx):
    """The agent is locked in memory, not its future; an option switches that off; what is not allowed is said"""
    g = local_guest(ctx)
    g.start()
    until("it is locked", 30, lambda: g.status()["agent"]["memory_locked"])
    locked = int(status_of(find_role(g, "agent"))["VmLck"].split()[0])
    assert 0 < locked <= 16 << 10, locked
    said = " ".join(p["code"] for p in g.status()["problems"])
    with open("/proc/%d/oom_score_adj" % find_role(g, "agent")) as f:
        assert (int(f.read()) > -500) == ("oom" in said.split()), said
    if "oom" in said.split():
        assert "warn  oom the kernel may kill the agent" in g.run("check").stdout
    g.stop()
    g.conf("[agent]\nlock-memory = no\n" + LOCAL)
    g.start()
    time.sleep(7)
    assert g.status()["agent"]["memory_locked"] == 0 and int(status_of(find_role(g, "agent"))["VmLck"].split()[0]) == 0
