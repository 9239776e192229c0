#!/usr/bin/python3
"""Names and certificates in a root that holds nothing but what is put there. Run in a network of its own: unshare -n names.py BINARY

Serves http, https and DNS on loopback, runs the file in an empty root against them, and prints TAP.
"""
import http.server
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402

# Where Debian and Alpine, RHEL (now and before), SUSE (now and before), and musl's own users keep the bundle.
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/pki/tls/certs/ca-bundle.crt",
           "/var/lib/ca-certificates/ca-bundle.pem", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem")


class Handle(http.server.BaseHTTPRequestHandler):
    """A wait condition handle that takes everything."""
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PUT

    def log_message(self, *_):
        pass


def serve(context=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handle)
    server.seen = 0
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def serve_dns(name):
    """One name with an IPv4 address; its question for IPv6 has an empty answer, every other name does not exist."""
    wanted = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 53))

    def loop():
        while True:
            question, peer = sock.recvfrom(1500)
            end = question.index(b"\0", 12) + 5
            known = question[12:end - 4].lower() == wanted
            ipv4 = known and question[end - 4:end - 2] == b"\0\x01"
            answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton("127.0.0.1") if ipv4 else b""
            head = question[:2] + struct.pack(">HHHHH", 0x8580 | (0 if known else 3), 1, 1 if ipv4 else 0, 0, 0)
            sock.sendto(head + question[12:end] + answer, peer)
    threading.Thread(target=loop, daemon=True).start()


class Root:
    """An empty root with the one file in it."""

    def __init__(self, binary):
        self.path = tempfile.mkdtemp(prefix="hp-root-", dir="/var/tmp")
        os.chmod(self.path, 0o755)
        os.mkdir(self.path + "/bin")
        shutil.copy(binary, self.path + "/bin/heat-pulse")

    def write(self, path, text):
        os.makedirs(os.path.dirname(self.path + path), exist_ok=True)
        with open(self.path + path, "w") as f:
            f.write(text)

    def remove(self, path):
        os.unlink(self.path + path)

    def run(self, *arguments):
        return subprocess.run(["/usr/sbin/chroot", self.path, "/bin/heat-pulse", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=60, env={}, errors="replace")

    def signal(self, url):
        return self.run("cfn-signal", "--timeout", "4s", url)

    def wipe(self):
        shutil.rmtree(self.path)


def certificate(folder, name):
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                    "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:" + name], check=True, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with open(cert) as f:
        return f.read(), context


def test_names(t, root):
    server = serve()
    done = root.signal("http://heat.hosts:%d/h" % server.server_port)
    t.say(done.returncode == 3 and server.seen == 0, "a name that nobody knows is an error of the network", done.stdout)
    root.write("/etc/hosts", "127.0.0.1 heat.hosts\n")
    done = root.signal("http://heat.hosts:%d/h" % server.server_port)
    t.say(done.returncode == 0 and server.seen == 1, "a name in /etc/hosts is found", done.stdout)
    root.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
    done = root.signal("http://heat.example:%d/h" % server.server_port)
    t.say(done.returncode == 0 and server.seen == 2, "a name is found by DNS, without nsswitch.conf and its libraries", done.stdout)


def test_bundles(t, root, folder):
    pem, context = certificate(folder, "heat.hosts")
    server = serve(context)
    url = "https://heat.hosts:%d/h" % server.server_port
    done = root.signal(url)
    t.say(done.returncode == 3 and server.seen == 0 and "certificate" in done.stdout, "without a bundle no server is trusted", done.stdout)
    for number, place in enumerate(BUNDLES, 1):
        root.write(place, pem)
        done = root.signal(url)
        t.say(done.returncode == 0 and server.seen == number, "the bundle at %s is used" % place, done.stdout)
        root.remove(place)


def test_users(t, root):
    done = root.run("check")
    t.say('"heat-pulse" nor "nobody"' in done.stdout, "without /etc/passwd the missing user is named", done.stdout)
    root.write("/etc/passwd", "root:x:0:0::/:/bin/sh\nheat-pulse:x:990:990::/:/bin/false\n")
    root.write("/etc/group", "root:x:0:\nheat-pulse:x:990:\n")
    done = root.run("check")
    t.say("there is n" not in done.stdout, "the user is found in /etc/passwd alone", done.stdout)


def main(binary):
    t = tap.Tap()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    serve_dns("heat.example")
    root = Root(binary)
    try:
        for words in (("--version",), ("--help",), ("sample",)):
            done = root.run(*words)
            t.say(done.returncode == 0 and done.stdout, "heat-pulse %s in an empty root" % words[0], done.stdout)
        test_users(t, root)
        test_names(t, root)
        with tempfile.TemporaryDirectory() as folder:
            test_bundles(t, root, folder)
    finally:
        root.wipe()
    return t.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
