#!/usr/bin/python3
"""A shop that has one file and troubles of all kinds; runs inside of a root's own network. usage: shop.py PORT FILE LOG

/TROUBLE/NAME is the file with that trouble; each request is a line of LOG. A trouble is over after as many requests as its row says."""
import http.server
import sys
import time

FOREVER = 1 << 30


def answer(status, body, length=None):
    def give(handler):
        handler.send_response(status)
        if length is not None:
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(body)
    return give


def silent(body):
    """Half of it, and then nothing more."""
    def give(handler):
        answer(200, body[:len(body) // 2], len(body))(handler)
        time.sleep(600)
    return give


def troubles(body):
    half = body[:len(body) // 2]
    return {"good": (0, None), "absent": (FOREVER, answer(404, b"not here", 8)), "restart": (2, answer(500, b"oh", 2)), "half": (1, answer(200, half, len(body))),
            "short": (1, answer(200, half)), "other": (FOREVER, answer(200, b"#!/bin/sh\ntouch /tmp/was-run\n")), "silent": (1, silent(body))}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(self.server.log, "a") as f:
            f.write(self.path + "\n")
        times, give = self.server.troubles[self.path.split("/")[1]]
        seen = self.server.seen[self.path] = self.server.seen.get(self.path, 0) + 1
        (give if seen <= times else answer(200, self.server.body, len(self.server.body)))(self)
        self.close_connection = True

    def log_message(self, *_):
        pass


def main(port, path, log):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    with open(path, "rb") as f:
        server.body = f.read()
    server.troubles, server.seen, server.log = troubles(server.body), {}, log
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
