# SPDX-License-Identifier: Apache-2.0
"""EC2 signatures V2 and V4 as Keystone recomputes them; for the fakes and for tests that sign by themselves."""

import base64
import hashlib
import hmac
import urllib.parse

PATH_SAFE = "/~!$&'()*+,;=:@"


def quote(text):
    return urllib.parse.quote(text, safe="-_.~")


def canonical_query(params):
    return "&".join(quote(k) + "=" + quote(params[k]) for k in sorted(params))


def hmac256(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature_v2(secret, verb, host, path, params):
    """Base64 signature over the parameters without Signature; SignatureMethod counts whether sent or not."""
    counted = {k: v for k, v in params.items() if k != "Signature"}
    counted["SignatureMethod"] = "HmacSHA256"
    text = "\n".join([verb, host, path, canonical_query(counted)])
    return base64.b64encode(hmac256(secret.encode(), text)).decode()


def signature_v4(secret, verb, path, params, headers, signed, scope, date, body):
    query = "" if verb == "POST" else canonical_query(params)
    lines = [f"{n}:{headers[n].strip()}" for n in signed.split(";") if n in headers]
    digest = hashlib.sha256(body).hexdigest()
    canonical = "\n".join([verb, path, query] + lines + ["", signed, digest])
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac256(key, part)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def parse_authorization(value):
    """Fields of an AWS4-HMAC-SHA256 header, or None for anything else."""
    if not value or not value.startswith("AWS4-HMAC-SHA256 "):
        return None
    fields = {}
    for item in value[len("AWS4-HMAC-SHA256 "):].split(","):
        name, _, text = item.strip().partition("=")
        fields[name] = text
    return fields
