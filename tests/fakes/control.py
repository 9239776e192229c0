# SPDX-License-Identifier: Apache-2.0
"""What every fake shares: a server that starts at once, and the control port by which a shell script drives a fake."""

import http.server
import json
import socket
import socketserver
import ssl
import sys
import threading
import urllib.parse


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def server_bind(self):  # HTTPServer's own looks up the host's name, which can take seconds
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (OSError, ssl.SSLError)):
            super().handle_error(request, client_address)


class Listener:
    """A fake that can be up and down, again and again, on the port that it had first; use it as a context manager."""
    handler = None  # of its requests; both it and the server know the fake
    ciphers = None  # those of TLS 1.2 alone that it offers from the next up() on, by OpenSSL's names

    def __init__(self, host, port, cert=None, key=None):
        self.host, self.port, self.server = host, port, None
        self.cert, self.key = cert, key  # files; a certificate makes it TLS from the next up() on, its file may hold the key
        self.connections = set()

    @property
    def origin(self):
        return f"{'https' if self.cert else 'http'}://{self.host}:{self.port}"

    def up(self):
        if not self.server:
            self.server = Server((self.host, self.port), self.handler)
            self.server.fake = self
            if self.cert:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self.cert, self.key)
                if self.ciphers:
                    context.maximum_version = ssl.TLSVersion.TLSv1_2
                    context.set_ciphers(self.ciphers)
                self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
            self.port = self.server.server_address[1]
            threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def down(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
        for one in list(self.connections):  # kept ones would outlive it
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self.up()

    def __exit__(self, *_exc):
        self.down()


class KnownConnection:
    """Goes before a request handler: its Listener knows the connection, so that down() ends it."""

    def setup(self):
        super().setup()
        self.server.fake.connections.add(self.connection)

    def finish(self):
        self.server.fake.connections.discard(self.connection)
        super().finish()


class Control(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def reply(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        fake, (path, _, query) = self.server.fake, self.path.partition("?")
        args = dict(urllib.parse.parse_qsl(query))
        answers = {"/requests": lambda: list(fake.requests), "/state": lambda: fake.state,
                   "/handle": lambda: fake.handle(args.get("name", "")),
                   "/presigned": lambda: fake.presigned(args["access"], args["stack"], args["resource"],
                                                        args.get("stamp"), args.get("verb", "PUT"))}
        if path not in answers:
            return self.reply("unknown path", 404)
        return self.reply(answers[path]())

    def do_POST(self):
        fake = self.server.fake
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        value = json.loads(body) if body else {}
        actions = {"/configure": lambda: fake.configure(value), "/fault": lambda: fake.fault(**value),
                   "/down": fake.down, "/up": fake.up, "/clear": fake.clear}
        if self.path not in actions:
            return self.reply("unknown path", 404)
        actions[self.path]()
        return self.reply("done")
