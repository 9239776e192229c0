#!/usr/bin/python3
"""Names, certificates and kinds of TLS in a root that holds nothing but what is put there. Run in a network of its own: unshare -n names.py BINARY

Serves http, https and DNS on loopback, runs the file in an empty root against them, and prints TAP.
"""
import http.server
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from nameserver import FAILED, HERE, MANY, NO_NAME, REFUSED, SIX, NameServer, without_six  # noqa: E402

# Where Debian and Alpine, RHEL (now and before), SUSE (now and before), and musl's own users keep the bundle.
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/pki/tls/certs/ca-bundle.crt",
           "/var/lib/ca-certificates/ca-bundle.pem", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem")

# Keys and digests that authorities and servers have, as openssl req is told them.
KEYS = {
    "RSA": ("rsa:2048", "-sha256"), "RSA and SHA-1": ("rsa:2048", "-sha1"), "RSA and SHA-512": ("rsa:2048", "-sha512"),
    "RSA-PSS": ("rsa-pss", "-sha256", "-pkeyopt", "rsa_keygen_bits:2048"), "P-256": ("ec", "-sha256", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "P-384": ("ec", "-sha384", "-pkeyopt", "ec_paramgen_curve:P-384"), "P-521": ("ec", "-sha512", "-pkeyopt", "ec_paramgen_curve:P-521"), "Ed25519": ("ed25519",),
}
# What TLS 1.2 servers may insist on: AEAD, CBC with either MAC, no forward secrecy.
CIPHERS = ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-SHA256",
           "ECDHE-RSA-AES256-SHA384", "ECDHE-RSA-AES256-SHA", "AES128-GCM-SHA256", "AES256-SHA256", "AES128-SHA")
GROUPS = ("X25519", "P-256", "P-384", "P-521")
# Python's ssl knows one name for three of the groups and none for X25519; the library takes each from its configuration.
GROUP_CONF = "openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = tls\n[tls]\nGroups = %s\n"


# What name servers on loopback know.
ZONE = {"heat.example": HERE, "many.example": MANY, "six.example": SIX, "api_1.example": HERE, "fails.example": without_six(FAILED),
        "denies.example": without_six(NO_NAME), "refuses.example": without_six(REFUSED), "heat.bad.example": {"other": FAILED}, "heat.one.example": HERE}
GOOD, IGNORANT, SILENT, REFUSING = ("nameserver 127.0.0.%d\n" % n for n in (1, 2, 3, 4))
LONG = " ".join("host%d.cloud.example" % n for n in range(40))
FAR = " ".join("%s.example" % (str(n) * 60) for n in range(10))
# Words for it, the name, /etc/resolv.conf, /etc/hosts.
NAMES = (
    ("a name with an IPv6 address alone", "six.example", GOOD, ""),
    ("a name with an underscore", "api_1.example", GOOD, ""),
    ("more addresses than a datagram holds", "many.example", GOOD, ""),
    ("a server that fails for IPv6", "fails.example", GOOD, ""),
    ("one that denies the name for IPv6", "denies.example", GOOD, ""),
    ("one that refuses IPv6", "refuses.example", GOOD, ""),
    ("a second nameserver that knows no such name, faster", "heat.example", GOOD + IGNORANT, ""),
    ("a first one that is silent", "heat.example", SILENT + GOOD, ""),
    ("a first one that refuses", "heat.example", REFUSING + GOOD, ""),
    ("four of them, and options", "heat.example", "options rotate timeout:2 edns0\n" + SILENT + REFUSING + GOOD + SILENT, ""),
    ("search domains, one of which fails", "heat", GOOD + "search bad.example example\n", ""),
    ("a search for a name with dots", "heat.one", GOOD + "search example\n", ""),
    ("search domains of 700 bytes", "heat", "search %s example\n" % FAR + GOOD, ""),
    ("a line of 900 bytes in /etc/hosts", "heat.hosts", "", "127.0.0.1 %s heat.hosts\n" % LONG),
    ("capitals in /etc/hosts", "heat.hosts", "", "127.0.0.1\tHeat.Hosts # heat\n"),
    ("an IPv6 address in /etc/hosts", "heat.hosts", "", "::1 heat.hosts\n"))


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


class Server(http.server.ThreadingHTTPServer):
    """On both loopbacks."""
    address_family = socket.AF_INET6

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def serve(context=None):
    server = Server(("::", 0), Handle)
    server.seen = 0
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


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


def serve_names():
    NameServer("127.0.0.1", ZONE, delay=0.05)
    NameServer("127.0.0.2", {})
    NameServer("127.0.0.3", {}, unknown=None)
    NameServer("127.0.0.4", {}, unknown=REFUSED)


def test_ways_to_names(t, root):
    """What other C libraries find, this one has to."""
    server = serve()
    for words, name, resolv, hosts in NAMES:
        root.write("/etc/resolv.conf", resolv)
        root.write("/etc/hosts", hosts)
        before = server.seen
        done = root.signal("http://%s:%d/h" % (name, server.server_port))
        t.say(done.returncode == 0 and server.seen == before + 1, "a name is found by: " + words, done.stdout)
    root.write("/etc/resolv.conf", SILENT)
    started = time.monotonic()
    done = root.signal("http://heat.example:%d/h" % server.server_port)
    t.say(done.returncode == 3 and time.monotonic() - started < 15, "where all nameservers are silent, the time limit holds", done.stdout)
    root.write("/etc/hosts", "127.0.0.1 heat.hosts\n")


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


def issue(folder, kind, name):
    """An authority and a server's certificate by it. Return: the authority in PEM, the server's files."""
    folder, made = tempfile.mkdtemp(dir=folder), []
    for who, subject, more in (("ca", "/CN=authority", []), ("server", "/CN=" + name, ["-addext", "subjectAltName=DNS:" + name])):
        cert, key = (os.path.join(folder, "%s.%s" % (who, kind)) for kind in ("pem", "key"))
        issuer = ["-CA", made[0][0], "-CAkey", made[0][1]] if made else []
        subprocess.run(["openssl", "req", "-x509", "-newkey", *KEYS[kind], "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", subject, *issuer, *more],
                       check=True, stderr=subprocess.DEVNULL)
        made.append((cert, key))
    with open(made[0][0]) as f:
        return f.read(), made[1]


def context_for(files, version, ciphers=""):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers((ciphers or "ALL") + ":@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(*files)
    return context


def serve_alone(cert, key):
    """A server in this process, which says its port and lives until it is ended."""
    print(serve(context_for((cert, key), ssl.TLSVersion.TLSv1_3)).server_port, flush=True)
    threading.Event().wait()


def test_groups(t, root, files, folder):
    """Each group by a server that knows no other one."""
    for group in GROUPS:
        with open(os.path.join(folder, "openssl.cnf"), "w") as f:
            f.write(GROUP_CONF % group)
        with subprocess.Popen([sys.executable, os.path.abspath(__file__), "--serve", *files], stdout=subprocess.PIPE, text=True,
                              env=dict(os.environ, OPENSSL_CONF=f.name)) as server:
            done = root.signal("https://heat.hosts:%d/h" % int(server.stdout.readline()))
            server.kill()
        t.say(done.returncode == 0, "%s: taken" % group, done.stdout)


def test_tls(t, root, folder):
    """Each kind of key by both versions, each cipher of the older one, each group: what the file's OpenSSL offers is what servers ask for."""
    place, v12, v13 = BUNDLES[0], ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    rows = [(kind, version, "") for kind in KEYS for version in (v12, v13)] + [("RSA", v12, cipher) for cipher in CIPHERS]
    issued = {kind: issue(folder, kind, "heat.hosts") for kind in KEYS}
    for kind, version, ciphers in rows:
        authority, files = issued[kind]
        root.write(place, authority)
        server = serve(context_for(files, version, ciphers))
        done = root.signal("https://heat.hosts:%d/h" % server.server_port)
        wanted, word = ((3, 0), "refused") if kind == "RSA and SHA-1" else ((0, 1), "taken")
        t.say((done.returncode, server.seen) == wanted, "%s: %s" % (", ".join(filter(None, (kind, version.name, ciphers))), word), done.stdout)
        server.shutdown()
    root.write(place, issued["P-256"][0])
    test_groups(t, root, issued["P-256"][1], folder)
    root.write(place, issued["P-384"][0])
    server = serve(context_for(issued["RSA"][1], v13))
    done = root.signal("https://heat.hosts:%d/h" % server.server_port)
    t.say(done.returncode == 3 and "local issuer certificate" in done.stdout, "whoever cannot be trusted is refused, in OpenSSL's own words", done.stdout)


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
    serve_names()
    root = Root(binary)
    try:
        for words in (("--version",), ("--help",), ("sample",)):
            done = root.run(*words)
            t.say(done.returncode == 0 and done.stdout, "heat-pulse %s in an empty root" % words[0], done.stdout)
        test_users(t, root)
        test_names(t, root)
        test_ways_to_names(t, root)
        with tempfile.TemporaryDirectory() as folder:
            test_bundles(t, root, folder)
            test_tls(t, root, folder)
    finally:
        root.wipe()
    return t.end()


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve_alone(*sys.argv[2:])
    sys.exit(main(sys.argv[1]))
