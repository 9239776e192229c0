# SPDX-License-Identifier: Apache-2.0
"""Ed25519 of RFC 8032 in plain Python, to sign what the program must judge. Slow and not safe against side channels: tests only."""

import base64
import hashlib
import json

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def _x_of(y):
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    return P - x if x & 1 else x


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (_x_of(BASE_Y), BASE_Y, 1, _x_of(BASE_Y) * BASE_Y % P)


def _add(a, b):
    m, n = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(number, point):
    sum_ = (0, 1, 1, 0)
    while number:
        if number & 1:
            sum_ = _add(sum_, point)
        point, number = _add(point, point), number >> 1
    return sum_


def _encode(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _hash(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


def _expand(secret):
    digest = hashlib.sha512(secret).digest()
    number = int.from_bytes(digest[:32], "little")
    return number & ((1 << 254) - 8) | (1 << 254), digest[32:]


def public(secret):
    return _encode(_times(_expand(secret)[0], BASE))


def sign(secret, message):
    number, prefix = _expand(secret)
    mine = _encode(_times(number, BASE))
    nonce = _hash(prefix, message) % ORDER
    point = _encode(_times(nonce, BASE))
    return point + ((nonce + _hash(point, mine, message) * number) % ORDER).to_bytes(32, "little")


def key_text(secret):
    return "ed25519:" + base64.b64encode(public(secret)).decode()


def sign_object(secret, value):
    """A copy of the object with "key" and "sig", as a guest signs it. Only simple numbers: this is no whole RFC 8785."""
    signed = dict(value, key=key_text(secret))
    signed.pop("sig", None)
    text = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return dict(signed, sig=base64.b64encode(sign(secret, text.encode())).decode())
