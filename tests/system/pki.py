"""Keys, certificates and chains for tests: each row of a table is one call of issue()."""
import datetime
import functools
import ipaddress
import os
import warnings

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, ed448, rsa
from cryptography.x509.oid import NameOID

warnings.filterwarnings("ignore", message="SHA1 signatures")  # one is made to be refused

KINDS = {
    "RSA 1024": lambda: rsa.generate_private_key(65537, 1024), "RSA 2048": lambda: rsa.generate_private_key(65537, 2048),
    "RSA 3072": lambda: rsa.generate_private_key(65537, 3072), "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()), "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "brainpool": lambda: ec.generate_private_key(ec.BrainpoolP384R1()), "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate, "DSA": lambda: dsa.generate_private_key(1024),
}
PEM = serialization.Encoding.PEM
OLD_FORM = serialization.PrivateFormat.TraditionalOpenSSL


@functools.lru_cache(maxsize=None)
def key_of(kind, number=0):
    """Made once for each kind and number: the large ones take seconds."""
    return KINDS[kind]()


class Party:
    """Whoever has a key and a certificate: an authority or a server."""

    def __init__(self, name, key, certificate):
        self.name, self.key, self.certificate = name, key, certificate
        self.pem = certificate.public_bytes(PEM)

    def key_pem(self, form=serialization.PrivateFormat.PKCS8):
        return self.key.private_bytes(PEM, form, serialization.NoEncryption())


def common_name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def alternative(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def issue(subject, issuer=None, key=None, ca=None, names=(), first=-1, last=30, digest=hashes.SHA256(), more=()):
    """A certificate by @issuer, or by itself. @ca: what basicConstraints says, None: nothing. @first, @last: days from now. @more: extensions."""
    key = key or key_of("P-256")
    now = datetime.datetime.utcnow()
    made = x509.CertificateBuilder(common_name(issuer.name if issuer else subject), common_name(subject), key.public_key(), x509.random_serial_number(),
                                   now + datetime.timedelta(days=first), now + datetime.timedelta(days=last))
    if ca is not None:
        made = made.add_extension(x509.BasicConstraints(ca, None), critical=True)
    if names:
        made = made.add_extension(x509.SubjectAlternativeName([alternative(one) for one in names]), critical=False)
    for one in more:
        made = made.add_extension(one, critical=True)
    signer = issuer.key if issuer else key
    plain = isinstance(signer, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey))
    return Party(subject, key, made.sign(signer, None if plain else digest))


class Authority:
    """A CA of this test with its file, and files of its servers: certificate and key."""

    def __init__(self, folder):
        self.folder, self.root = folder, issue("an authority for tests", key=key_of("P-256", "authority"), ca=True)
        self.path = self.write("ca", self.root.pem)

    def write(self, name, content):
        path = os.path.join(self.folder, name + ".pem")
        with open(path, "wb") as f:
            f.write(content)
        os.chmod(path, 0o644)
        return path

    def certificate(self, word, first=-1, last=30, name="127.0.0.1"):
        made = issue(word, self.root, names=[name], first=first, last=last)
        return self.write(word, made.pem + made.key_pem())
