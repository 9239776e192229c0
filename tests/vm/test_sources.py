"""Other places that cloud-init has its data from: in each the agent is installed and finds who it is and its credentials."""
import http.server
import os
import threading
import uuid

import debian
import images
from harness import Skip

HERE = os.path.dirname(os.path.abspath(__file__))
BLOCK = {"deployments": [], "os-collect-config": {"collectors": ["ec2", "heat", "local"], "heat": {
    "user_id": "u1", "password": "p%Q^secret", "auth_url": "http://127.0.0.1:1/v3", "project_id": "p1", "stack_id": "web/1", "resource_name": "server",
    "region_name": "RegionOne"}}}


class Place:
    image = None


def begin(ring):
    if not os.path.exists("/usr/bin/heat-all"):
        raise Skip("Heat is not installed: its own code builds the user data")
    Place.image = images.debian(ring.host)
    Place.shop = debian.Shop(ring.path("sources"), ring.binary)
    ring.later(Place.shop.close)


def installed(ring, source, server_id, args=(), net=""):
    with debian.boot(ring, Place.image, server_id, args, net) as one:
        debian.wait_for_agent(one)
        debian.sees_its_source(one, server_id, source)
        ring.note("%s: %.0f s to the agent" % (source, one.uptime()))


def test_nocloud(ring):
    """From a NoCloud disk, by a script in Heat's older format"""
    server_id = str(uuid.uuid4())
    text = debian.user_data.build("HEAT_CFNTOOLS", BLOCK, debian.script(Place.shop, "10.0.2.2"))
    installed(ring, "nocloud", server_id, debian.seed(ring.path("nocloud.img"), "NoCloud", server_id, text))


class Metadata(http.server.BaseHTTPRequestHandler):
    """Nova's metadata service, as much of it as cloud-init asks for."""
    files = {}

    def do_GET(self):
        path = self.path.strip("/").split("/")
        text = "2012-08-10\n2018-08-27\nlatest" if path == ["openstack"] else self.files.get("/".join(["openstack", "latest"] + path[2:]))
        body = (text or "not here").encode()
        self.send_response(404 if text is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_metadata_service(ring):
    """From the metadata service at 169.254.169.254"""
    server_id = str(uuid.uuid4())
    Metadata.files = debian.nova_files(server_id, debian.user_data.build("SOFTWARE_CONFIG", BLOCK, debian.parts(Place.shop, "169.254.169.2")))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    relay = "/usr/bin/python3 %s %d" % (os.path.join(HERE, "src", "relay.py"), server.server_address[1])
    try:
        installed(ring, "openstack", server_id, net=",net=169.254.169.0/24,host=169.254.169.2,dns=169.254.169.3,dhcpstart=169.254.169.15,"
                  "guestfwd=tcp:169.254.169.254:80-cmd:" + relay)
    finally:
        server.shutdown()
        server.server_close()
