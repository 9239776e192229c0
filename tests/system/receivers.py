"""For outages: all four receivers of metrics and the handle's server, with the same trouble at once; a name server."""
import os
import socket
import struct
import sys
import threading

import gnocchi_server
import monasca_server
import otlp_server
from service import Answer, Service

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sim"))
import bodies  # noqa: E402

WITNESS = "mem.usable_perc"


class Prometheus(Service):
    """Takes remote write; what the real one says of it is for test_sinks.py."""

    def __init__(self, state=None, **more):
        self.accepted = []
        super().__init__(state, **more)

    def answer(self, handler, method, path, headers, body):
        if (method, path) != ("POST", "/api/v1/write") or headers.get("Content-Encoding") != "snappy":
            raise Answer(400)
        self.accepted += bodies.prometheus(body)
        raise Answer(204)


# ---- when each sample that a receiver has was taken, ms; one that came twice stands there twice ----

def of_monasca(fake):
    return [m["timestamp"] for m in list(fake.accepted) if m["name"] == WITNESS]


def of_gnocchi(fake):
    return [round(at * 1000) for (_, name), points in list(fake.measures.items()) if name == "guest." + WITNESS for at, _ in list(points)]


def of_otlp(fake):
    return [int(point["timeUnixNano"]) // 10**6 for _, metric, point in list(fake.accepted) if metric["name"] == WITNESS]


def of_prometheus(fake):
    return [at for name, at in list(fake.accepted) if name == WITNESS.replace(".", "_")]


# name: (what stands for it, path of the metrics, how to read it)
SINKS = {"monasca": (monasca_server.Fake, "/v2.0", of_monasca), "prometheus": (Prometheus, "/api/v1/write", of_prometheus),
         "gnocchi": (gnocchi_server.Fake, "", of_gnocchi), "otlp": (otlp_server.Fake, "/v1/metrics", of_otlp)}


class Receivers:
    def __init__(self, host="127.0.0.1"):
        self.host = host
        self.fakes = {name: kind() for name, (kind, _, _) in SINKS.items()}
        one, other = self.fakes["monasca"], self.fakes["gnocchi"]
        other.configure({"token": one.state["token"]})  # one Keystone, at Monasca's door

    def certify(self, cert):
        for fake in self.fakes.values():
            fake.cert = cert

    def up(self):
        for fake in self.fakes.values():
            fake.up()
        return self

    def down(self):
        for fake in self.fakes.values():
            fake.down()

    def url(self, name):
        fake = self.fakes[name]
        return "%s://%s:%d%s" % ("https" if fake.cert else "http", self.host, fake.port, SINKS[name][1])

    def conf(self):
        app = self.fakes["monasca"].state["app"]
        return "[sinks]\npush-interval = 5s\n%sauth-url = %s/v3\napp-credential-id = %s\napp-credential-secret = %s\n" % (
            "".join("%s = %s\n" % (name, self.url(name)) for name in SINKS), self.url("monasca")[:-len("/v2.0")], app["id"], app["secret"])

    def secrets(self):
        state = self.fakes["monasca"].state
        return state["app"]["secret"], state["token"]

    def revoke(self):
        self.fakes["monasca"].revoke()
        self.fakes["gnocchi"].configure({"token": self.fakes["monasca"].state["token"]})

    def fault(self, but=None, **fault):
        """Of the metrics' own paths; Keystone stays as it is."""
        for name, fake in self.fakes.items():
            if name != but:
                fake.fault(**dict(fault, on=SINKS[name][1] or "/v1/", times=0))

    def heal(self):
        for fake in self.fakes.values():
            with fake.lock:
                fake.faults.clear()

    def times(self, name):
        return SINKS[name][2](self.fakes[name])

    def tried(self, name):
        return self.fakes[name].met


# ---- names ----

class NameServer:
    """Says 127.0.0.1 to whatever is asked for, or nothing at all."""

    def __init__(self, address):
        self.silent, self.asked = True, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                query, whom = self.socket.recvfrom(512)
            except OSError:
                return
            self.asked += 1
            if not self.silent and len(query) > 16:
                self.socket.sendto(self.answer(query), whom)

    @staticmethod
    def answer(query):
        end = query.index(b"\0", 12) + 5
        is_a = query[end - 4:end - 2] == b"\0\1"
        head = query[:2] + struct.pack(">HHHHH", 0x8180, 1, int(is_a), 0, 0)
        record = b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", 1, 4) + socket.inet_aton("127.0.0.1")
        return head + query[12:end] + (record if is_a else b"")

    def close(self):
        self.socket.close()
