# SPDX-License-Identifier: Apache-2.0
"""What every fake shares: a server that starts at once, and the control port by which a shell script drives a fake."""

import http.server
import json
import socketserver
import ssl
import sys
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
