"""A server of one certificate that can be told how to speak TLS, and a proxy before it."""
import base64
import re
import socket
import ssl
import tempfile
import threading

HEAD = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n"


def read_request(peer):
    """Return: the request with its body, or b"" when there is none."""
    text = b""
    while True:
        head, found, body = text.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.I)
        if found and len(body) >= int(length.group(1) if length else 0):
            return text
        more = peer.recv(16384)
        if not more:
            return b""
        text += more


class Listener:
    def __init__(self, host="127.0.0.1"):
        self.socket = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=32)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.meet, args=(peer,), daemon=True).start()

    def meet(self, peer):
        try:
            peer.settimeout(20)
            self.serve(peer)
        except (OSError, ssl.SSLError):
            pass  # what the client makes of it is what counts
        finally:
            peer.close()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Server(Listener):
    """Answers each request by answer(nth connection, connection): (status, body); keeps what each connection was: .met."""

    def __init__(self, pem, key_pem, host="127.0.0.1", version=None, group=None, client=None, alpn=None, answer=None):
        self.met, self.requests, self.answer = [], 0, answer or (lambda *_: (b"200 OK", b"ok"))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.set_ciphers("ALL:@SECLEVEL=0")
        with tempfile.NamedTemporaryFile() as f:
            f.write(pem + key_pem)
            f.flush()
            self.context.load_cert_chain(f.name)
        if version:
            self.context.minimum_version = self.context.maximum_version = version
        if group:
            self.context.set_ecdh_curve(group)
        if client:
            self.context.verify_mode = client
            self.context.load_verify_locations(cadata=pem.decode())
        if alpn:
            self.context.set_alpn_protocols(alpn)
        super().__init__(host)

    def serve(self, peer):
        with self.context.wrap_socket(peer, server_side=True) as inside:
            self.met.append({"version": inside.version(), "again": inside.session_reused, "alpn": inside.selected_alpn_protocol()})
            request = read_request(inside)
            if request:
                self.requests += 1
                status, body = self.answer(len(self.met), inside)
                inside.sendall(HEAD % (status, len(body)) + body)
            inside.unwrap()


class Proxy(Listener):
    """CONNECT to whatever name: it is @server. With @login (user:password) nobody else may."""

    def __init__(self, server, login=None):
        self.server, self.asked = server, []
        self.login = base64.b64encode(login.encode()) if login else b""
        super().__init__()

    def serve(self, peer):
        request = read_request(peer)
        self.asked.append(request.split(b"\r\n")[0].decode())
        if self.login not in request:
            peer.sendall(HEAD % (b"407 Who", 0))
            return
        with socket.create_connection(("127.0.0.1", self.server.port), 20) as beyond:
            peer.sendall(b"HTTP/1.1 200 Go on\r\n\r\n")
            back = threading.Thread(target=pass_on, args=(beyond, peer), daemon=True)
            back.start()
            pass_on(peer, beyond)
            back.join(20)


def pass_on(one, other):
    try:
        while True:
            some = one.recv(65536)
            if not some:
                break
            other.sendall(some)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        pass
