"""TLS as guests of clouds meet it: keys, chains, names, bundles, servers. Each cell is one request of `signal`, by either binary."""
import concurrent.futures
import os
import ssl
import subprocess
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes

import guest
import tls_server
from pki import OLD_FORM, issue, key_of

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
HOME, NAME = "127.0.0.1", "b.a.localhost"  # libcurl itself knows that name
SYSTEM = "/etc/ssl/certs/ca-certificates.crt"


def root_with(ctx, bundle):
    root = tempfile.mkdtemp(dir=ctx.folder)
    os.makedirs(os.path.dirname(root + SYSTEM))
    with open(root + SYSTEM, "wb") as f:
        f.write(bundle)
    return root


def run(*words):
    done = subprocess.run([guest.BINARY, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=90, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout


def signal(ctx, url, bundle):
    """Return: exit code and what it said."""
    return run("signal", "--root", root_with(ctx, bundle), "--status", "SUCCESS", url)


def judge(ctx, cell):
    """A cell: (name, words of the refusal or None, bundle, the server's PEM, its key's, host, how it speaks). Return: what is wrong, or ""."""
    name, refusal, bundle, pem, key_pem, host, more = cell
    server = tls_server.Server(pem, key_pem, "::1" if host == "::1" else HOME, **more)
    try:
        code, said = signal(ctx, "https://%s:%d/h" % ("[::1]" if host == "::1" else host, server.port), bundle)
    finally:
        server.close()
    good = code == 0 if refusal is None else code == 3 and refusal in said
    return "" if good else "%s: wanted %s, got %d: %s" % (name, refusal or "success", code, said)


def judge_all(ctx, cells):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        wrong = [text for text in pool.map(lambda cell: judge(ctx, cell), cells) if text]
    assert not wrong, "\n".join(wrong)


def chain(name, refusal, root, server, *between, host=HOME, bundle=None, **more):
    """A cell of a server that sends its certificate and those BETWEEN it and the root."""
    return (name, refusal, root.pem if bundle is None else bundle, server.pem + b"".join(one.pem for one in between), server.key_pem(), host, more)


def pair(name, refusal=None, kind="P-256", ca_kind="P-384", names=(HOME,), host=HOME, root_more=(), ca=True, digest=hashes.SHA256(), more=(), **dates):
    """A cell of a root and a server's certificate by it."""
    root = issue("root", key=key_of(ca_kind), ca=ca, more=root_more, digest=digest)
    return chain(name, refusal, root, issue("server", root, key_of(kind), names=names, digest=digest, more=more, **dates), host=host)


def bound(*permitted):
    return [x509.NameConstraints([x509.DNSName(one) for one in permitted], None)]


def test_keys(ctx):
    """TLS: keys and digests that private clouds' authorities and servers have are taken, weak ones refused by name."""
    good = ("RSA 2048", "RSA 3072", "P-256", "P-384", "P-521", "Ed25519")
    judge_all(ctx, [pair("server %s" % kind, kind=kind) for kind in good] + [pair("authority %s" % kind, ca_kind=kind) for kind in good] +
              [pair(digest.name, digest=digest) for digest in (hashes.SHA384(), hashes.SHA512())] +
              [pair("server RSA 1024", "key too weak", kind="RSA 1024"), pair("authority RSA 1024", "key too weak", ca_kind="RSA 1024"),
               pair("SHA-1", "digest algorithm too weak", digest=hashes.SHA1())])


def test_chains(ctx):
    """TLS: chains with intermediates, old roots beside new ones and cross signatures hold; a gap, a date or a false authority is named."""
    old_key, root_key = key_of("RSA 2048", "old root"), key_of("P-384", "root")
    root, faded = (issue("R", key=root_key, ca=True, first=first, last=last) for first, last in ((-9, 9), (-99, -3)))
    old = issue("O", key=old_key, ca=True, first=-99, last=-3)
    cross = issue("R", old, root_key, ca=True)
    one, stale, false = (issue("I", root, key_of("RSA 2048", "I"), **more) for more in ({"ca": True}, {"ca": True, "first": -99, "last": -3}, {"ca": False}))
    two = issue("J", one, key_of("P-256", "J"), ca=True)
    short, long = issue("S", one, names=[HOME]), issue("S", two, names=[HOME])
    own = issue("S", names=[HOME])
    judge_all(ctx, [
        chain("one between", None, root, short, one), chain("two between, in any order, with the root", None, root, long, one, root, two),
        chain("the one between is trusted itself", None, one, short),
        chain("a gap", "unable to get local issuer certificate", root, long, one), chain("all of them missing", "local issuer", root, short),
        chain("an expired root beside the good one", None, root, short, one, cross, bundle=old.pem + root.pem),
        chain("the same root, expired, before", None, root, short, one, bundle=faded.pem + root.pem),
        chain("the same root, expired, after", None, root, short, one, bundle=root.pem + faded.pem),
        chain("the expired root alone", "certificate has expired", old, short, one, cross),
        chain("an expired one sent, a good one in the bundle", None, root, short, stale, bundle=root.pem + one.pem),
        chain("one between that is no authority", "invalid CA certificate", root, short, false),
        chain("by itself, trusted", None, own, own), chain("by itself", "self-signed certificate", root, own),
        pair("a root that is no authority", "invalid CA certificate", ca=False),
        pair("expired", "certificate has expired", first=-9, last=-2), pair("a clock that is behind", "certificate is not yet valid", first=2)])


def test_certificate_names(ctx):
    """TLS: names, wildcards and addresses of either family hold only for what they say; constraints of an authority bind."""
    mismatch = "no alternative certificate subject name matches"
    judge_all(ctx, [
        pair("IPv4"), pair("IPv6", names=["::1"], host="::1"), pair("another address", mismatch, names=["127.0.0.2", "::1"]),
        pair("a name for an address", mismatch, names=["localhost"]), pair("a name", names=["x.example", NAME], host=NAME),
        pair("a wildcard", names=["*.a.localhost"], host=NAME), pair("a wildcard for two labels", mismatch, names=["*.a.localhost"], host="c." + NAME),
        pair("another name", mismatch, names=["a.localhost"], host=NAME), pair("no name", "does not match", names=(), host=NAME),
        pair("a bound that permits", names=[NAME], host=NAME, root_more=bound("a.localhost")),
        pair("a bound that does not", "permitted subtree violation", names=[NAME], host=NAME, root_more=bound("example")),
        pair("for clients", "unsuitable certificate purpose", more=[x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH])])])


def text_form(pem, *options):
    return subprocess.run(["openssl", "x509", *options], input=pem, stdout=subprocess.PIPE, check=True).stdout


def test_bundle_content(ctx):
    """TLS: a bundle may hold what this TLS does not know, keys, comments and old forms; one that holds no certificate is named."""
    root = issue("root", key=key_of("P-384", "root"), ca=True)
    server = issue("server", root, names=[HOME])
    ours, broken = root.pem, "error setting certificate file"
    others = {kind: issue("other", key=key_of(kind, "other"), ca=True) for kind in ("RSA 2048", "P-521", "brainpool", "Ed448", "DSA")}
    namesakes = [issue("root", key=key_of(kind, "other"), ca=True) for kind in ("Ed448", "DSA")]
    forms = {"comments": b"# \xc3\xbc\n\n" + text_form(ours, "-text"), "CRLF": ours.replace(b"\n", b"\r\n"), "no end of line": ours.rstrip(b"\n"),
             "twice": ours + ours, "trusted": text_form(ours, "-trustout", "-addtrust", "serverAuth")}
    cells = [("%s first" % kind, None, one.pem + ours) for kind, one in others.items()]
    cells += [("%s in the middle" % kind, None, others["RSA 2048"].pem + one.pem + ours) for kind, one in others.items()]
    cells += [("another key of the same name", None, one.pem + ours) for one in namesakes] + [(name, None, bundle) for name, bundle in forms.items()]
    cells += [("key of %s" % kind, None, one.key_pem() + one.key_pem(OLD_FORM) + ours) for kind, one in others.items() if kind != "Ed448"]
    cells += [("rejected", "certificate", text_form(ours, "-trustout", "-addreject", "serverAuth")), ("empty", broken, b""), ("text", broken, b"no\n")]
    if os.path.exists(SYSTEM):
        with open(SYSTEM, "rb") as f:
            cells.append(("this machine's", None, f.read() + ours))
    judge_all(ctx, [chain(name, refusal, root, server, bundle=bundle) for name, refusal, bundle in cells])


def flood(*_):
    return b"200 OK", b"x" * (1 << 20)


def cut(_, inside):
    """The whole answer, and then the connection is gone without a word."""
    inside.sendall(tls_server.HEAD % (b"200 OK", 2) + b"ok")
    os.close(inside.detach())
    raise ConnectionResetError


def test_servers(ctx):
    """TLS: each version and group, a second hello, a wish for a certificate, big answers, an end without a word."""
    root = issue("root", key=key_of("P-384", "root"), ca=True)
    server = issue("server", root, names=[HOME])
    ways = [("groups %s" % group, None, {"group": group, "version": version}) for group in ("prime256v1", "secp384r1", "secp521r1") for version in (V12, V13)]
    for version in (V12, V13):
        ways += [(name, refusal, dict(more, version=version)) for name, refusal, more in (
            ("a certificate is asked for", None, {"client": ssl.CERT_OPTIONAL}), ("a certificate is needed", HOME, {"client": ssl.CERT_REQUIRED}),
            ("big", None, {"answer": flood}), ("cut", None, {"answer": cut}), ("alpn", None, {"alpn": ["h2", "http/1.1"]}))]
    judge_all(ctx, [chain("%s %s" % (name, more["version"].name), refusal, root, server, **more) for name, refusal, more in ways])


def busy_twice(nth, _):
    return (b"503 Busy\r\nRetry-After: 0", b"") if nth < 3 else (b"200 OK", b"")


def test_sessions(ctx):
    """TLS: the session is taken up again on each new connection, by both versions."""
    own = issue("S", names=[HOME])
    for version in (V12, V13):
        server = tls_server.Server(own.pem, own.key_pem(), version=version, answer=busy_twice)
        code, said = run("cfn-signal", "--root", root_with(ctx, own.pem), "--timeout", "60s", "https://%s:%d/h" % (HOME, server.port))
        server.close()
        assert code == 0 and [one["again"] for one in server.met] == [False, True, True], (code, said, server.met)


# (what the proxy asks for, what it is given, the name that is signalled, whether that goes well)
PROXIES = ((None, "", "heat.example", True), ("u:p@w", "u:p%40w@", "heat.example", True), ("u:p@w", "u:no@", "heat.example", False),
           (None, "", "other.example", False))


def test_proxies(ctx):
    """TLS: through a proxy's tunnel the certificate is the far server's; a proxy that wants a login gets it, and nothing goes past one that refuses."""
    own = issue("S", names=["heat.example"])
    for login, given, name, good in PROXIES:
        server = tls_server.Server(own.pem, own.key_pem())
        proxy = tls_server.Proxy(server, login)
        code, said = run("cfn-signal", "--root", root_with(ctx, own.pem), "--timeout", "30s" if good else "1s", "--https-proxy",
                         "http://%s%s:%d" % (given, HOME, proxy.port), "https://%s:8000/h" % name)
        proxy.close()
        server.close()
        assert (code, server.requests) == ((0, 1) if good else (3, 0)), (login, given, name, code, server.requests, said)
        assert set(proxy.asked) == {"CONNECT %s:8000 HTTP/1.1" % name}, proxy.asked
