"""Who the guest is: DMI and files, nova's metadata service where those leave something open, and what is remembered of both.

The metadata service's address exists only in network namespaces made here: no packet leaves the machine.
"""
import json
import os
import subprocess
import sys
import time

from guest import BINARY, until
from harness import Skip
from test_rights import local_guest

SERVER = "0a1b2c3d-1111-4222-8333-444455556666"
OTHER = "9f8e7d6c-1111-4222-8333-444455556666"
MACHINE = "01234567-89ab-cdef-0123-456789abcdef"  # of the guest's machine-id
META = {"uuid": SERVER, "name": "web-1", "project_id": "p" * 32, "availability_zone": "az-2"}
DETAILS = ("web-1", "p" * 32, "az-2")

# Run inside the namespace: the answer is read anew from its file each time; every request is one line of the other file.
SERVICE = r"""
import http.server, os, socket, subprocess, sys
answer, asked, address = sys.argv[1:]
ways = {"169.254.169.254": ("link set lo up", "addr add 169.254.169.254/32 dev lo"),
        "fe80::a9fe:a9fe": ("link add guest0 type veth peer name nova0", "link set guest0 up", "link set nova0 up", "addr add fe80::a9fe:a9fe/64 dev nova0 nodad")}
for words in ways[address]:
    subprocess.check_call(["ip"] + words.split())
class Server(http.server.HTTPServer):
    address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(asked, "a") as f:
            f.write(self.path + ("%" + socket.if_indextoname(self.client_address[3]) if ":" in address else "") + "\n")
        text = open(answer, "rb").read() if os.path.exists(answer) else b""
        self.send_response(200 if text else 503)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *_):
        pass
server = Server(socket.getaddrinfo(address + ("%nova0" if ":" in address else ""), 80, type=socket.SOCK_STREAM)[0][4], Handler)
print("ready", flush=True)
server.serve_forever()
"""


class Service:
    """The metadata service alone in a network namespace of its own."""

    def __init__(self, ctx, g, meta, address="169.254.169.254"):
        self.answer, self.asked = g.path("/answer.json"), "/asked.log"
        self.guest = g
        self.say(meta)
        self.child = subprocess.Popen(["unshare", "-n", sys.executable, "-c", SERVICE, self.answer, g.path(self.asked), address], stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True)
        ctx.later(self.end)
        if self.child.stdout.readline() != "ready\n":
            raise Skip("no network namespace with an address of its own can be made here: " + self.child.stderr.read().strip()[-200:])

    def say(self, meta):
        with open(self.answer + ".new", "w") as f:
            f.write(meta if isinstance(meta, str) else json.dumps(meta))
        os.rename(self.answer + ".new", self.answer)

    def requests(self):
        return self.guest.read(self.asked).split("\n")[:-1]

    def start(self):
        """The agent in that namespace: it sees nothing but the service."""
        g = self.guest
        with open(g.log_path, "ab") as log, open(g.out_path, "ab") as out:
            g.child = subprocess.Popen(["nsenter", "--net=/proc/%d/ns/net" % self.child.pid, BINARY, "run", "--root", g.root], stdout=out, stderr=log,
                                       stdin=subprocess.DEVNULL, start_new_session=True,
                                       env=dict(os.environ, http_proxy="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9"))
        until("the agent answers", 20, g.status)

    def end(self):
        self.child.kill()
        self.child.communicate()


def dmi(g, uuid=None, vendor="OpenStack Foundation"):
    g.write("/sys/class/dmi/id/sys_vendor", vendor + "\n")
    if uuid:
        g.write("/sys/class/dmi/id/product_uuid", uuid + "\n", 0o400)


def details(g):
    status = g.status()
    return (status["server_name"], status["project_id"], status["zone"]) if status else None


def test_files(ctx):
    """A mounted config drive says it all; the next life remembers it when the drive is gone."""
    g = local_guest(ctx)
    dmi(g, SERVER, vendor="QEMU")
    g.write("/mnt/config/openstack/latest/meta_data.json", json.dumps(META))
    service = Service(ctx, g, "")
    service.start()
    status = g.status()
    assert details(g) == DETAILS and status["server_id"] == SERVER, status
    assert status["server_id_from"] == status["details_from"] == "config-drive", status
    assert g.stop() == 0
    os.unlink(g.path("/mnt/config/openstack/latest/meta_data.json"))
    dmi(g, SERVER)  # the same guest: only the drive is gone
    service.start()
    status = g.status()
    assert details(g) == DETAILS, status
    assert status["server_id"] == SERVER and status["server_id_from"] == "dmi" and status["details_from"] == "config-drive", status


def test_not_openstack(ctx):
    """Where DMI does not say OpenStack nothing is asked of any service, and nothing unknown is made up."""
    g = local_guest(ctx)
    dmi(g, SERVER, vendor="QEMU")
    service = Service(ctx, g, META)
    service.start()
    until("the first document", 10, lambda: "document" in g.log())
    status = g.status()
    assert details(g) == (None, None, None) and status["server_id_from"] == "machine-id", status
    time.sleep(3)  # where it does ask, it has by now
    assert service.requests() == [], service.requests()


def test_service(ctx):
    """DMI names the server, the metadata service the rest, once and past any proxy; then it is remembered and not asked again."""
    g = local_guest(ctx)
    dmi(g, SERVER)
    service = Service(ctx, g, META)
    service.start()
    until("the details", 10, lambda: details(g) == DETAILS)
    status = g.status()
    assert status["server_id"] == SERVER and status["server_id_from"] == "dmi" and status["details_from"] == "metadata-service", status
    assert service.requests() == ["/openstack/latest/meta_data.json"]
    assert g.stop() == 0
    service.say("")
    service.start()
    assert details(g) == DETAILS, g.status()
    assert g.stop() == 0
    assert len(service.requests()) == 1, service.requests()
    sample = g.run("sample", "--format", "monasca").stdout
    assert '"az-2"' in sample and SERVER in sample, sample[:500]


def test_service_retry(ctx):
    """A service that is not up yet, or answers nonsense, is asked again later."""
    g = local_guest(ctx)
    dmi(g, SERVER)
    service = Service(ctx, g, "<html>")
    service.start()
    until("it was asked", 10, lambda: len(service.requests()) == 1)
    service.say(META)
    until("the details", 45, lambda: details(g) == DETAILS)
    assert g.log().count("metadata service does not say") == 1, g.log()


def test_service_of_the_link(ctx):
    """Where there is no IPv4 the service is asked as a neighbour on the guest's link, by its IPv6 address; the local source asks it there as it is told."""
    g = local_guest(ctx)
    dmi(g, SERVER)
    service = Service(ctx, g, META, "fe80::a9fe:a9fe")
    until("an address of the link's other end", 10, lambda: "guest0" in subprocess.run(["nsenter", "--net=/proc/%d/ns/net" % service.child.pid, "cat", "/proc/net/if_inet6"],
                                                                                       stdout=subprocess.PIPE, text=True).stdout)
    service.start()
    until("the details", 90, lambda: details(g) == DETAILS)
    assert g.status()["details_from"] == "metadata-service" and set(service.requests()) == {"/openstack/latest/meta_data.json%nova0"}, service.requests()
    assert g.stop() == 0
    g.write("/etc/heat-pulse/conf.d/service.conf", "[local]\ninputs = metadata-service\nmetadata-service = http://[fe80::a9fe:a9fe%25guest0]\n")
    service.start()
    until("a document from there", 20, lambda: '"name": "web-1"' in g.run("metadata").stdout or '"name":"web-1"' in g.run("metadata").stdout)


def test_service_of_another(ctx):
    """What the service says of another server than DMI's is not believed."""
    g = local_guest(ctx)
    dmi(g, OTHER)
    service = Service(ctx, g, META)
    service.start()
    until("the answer", 10, lambda: "not believed" in g.log())
    assert details(g) == (None, None, None) and g.status()["server_id"] == OTHER


def test_service_alone(ctx):
    """Where only machine-id is known, the service's UUID counts from the next start; the state stays the guest's own."""
    g = local_guest(ctx)
    dmi(g)
    g.hook("app", "Resources.local.Metadata.app")
    service = Service(ctx, g, META)
    service.start()
    until("the details", 10, lambda: details(g) == DETAILS)
    until("post.add", 10, lambda: len(g.hooks_run()) == 1)
    status = g.status()
    assert status["server_id_from"] == "machine-id" and SERVER in g.log(), status
    seq, key = status["seq"], status["key"]
    assert g.stop() == 0
    service.start()
    status = until("the agent answers", 10, g.status)
    assert status["server_id"] == SERVER and status["server_id_from"] == "metadata-service" and details(g) == DETAILS, status
    assert status["key"] == key and status["seq"] >= seq, (status, seq)
    assert g.hooks_run() == ["app post.add"]
    assert "clone" not in g.log() and "set aside" not in g.log()
