"""Name servers as guests have them: complete, ignorant, silent, refusing, and some that do not know what an IPv6 address is. On loopback, port 53."""
import socket
import struct
import threading
import time

A, AAAA = 1, 28
FAILED, NO_NAME, REFUSED = 2, 3, 5
DATAGRAM = 512
HERE = {A: [socket.inet_aton("127.0.0.1")]}
MANY = {A: [socket.inet_aton("127.0.0.1")] * 60}
SIX = {AAAA: [socket.inet_pton(socket.AF_INET6, "::1")]}


def without_six(code):
    """An IPv4 address; whoever asks for the other kind gets CODE."""
    return dict(HERE, **{"other": code})


class NameServer:
    """@zone: name: {type: addresses, "other": code for what is not there}; @unknown: the code for other names, None: silence."""

    def __init__(self, address, zone, unknown=NO_NAME, delay=0.0):
        self.zone, self.unknown, self.delay = zone, unknown, delay
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.bind((address, 53))
        self.streams = socket.create_server((address, 53))
        for serve in (self.serve_datagrams, self.serve_streams):
            threading.Thread(target=serve, daemon=True).start()

    def answer(self, question, room):
        end = question.index(b"\0", 12) + 5
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode().lower())
            at += 1 + question[at]
        known = self.zone.get(".".join(labels))
        kind = struct.unpack(">H", question[end - 4:end - 2])[0]
        found = (known or {}).get(kind, [])
        code = self.unknown if known is None else known.get("other", 0) if not found else 0
        if code is None:
            return None
        records = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(one)) + one for one in found)
        fits = 12 + end + len(records) <= room
        head = struct.pack(">HHHHH", 0x8580 | code | (0 if fits else 0x200), 1, len(found) if fits else 0, 0, 0)
        return question[:2] + head + question[12:end] + (records if fits else b"")

    def serve_datagrams(self):
        while True:
            question, peer = self.datagrams.recvfrom(1500)
            time.sleep(self.delay)
            text = self.answer(question, DATAGRAM)
            if text:
                self.datagrams.sendto(text, peer)

    def serve_streams(self):
        while True:
            peer, _ = self.streams.accept()
            with peer, peer.makefile("rb") as asked:
                size = asked.read(2)
                while len(size) == 2:
                    text = self.answer(asked.read(struct.unpack(">H", size)[0]), 65535) or b""
                    peer.sendall(struct.pack(">H", len(text)) + text)
                    size = asked.read(2)
