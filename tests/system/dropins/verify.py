#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""heat-pulse verify: its answers to messages signed by an independent implementation, in every form in which they are found."""

import json
import sys

import dropin
import ed25519

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
ID, STACK = "8c1d0a9e-0000-4000-8000-000000000001", "web/7b1c"
GOOD, FORGED, REPLAYED, GAP, UNKNOWN, MALFORMED = 0, 10, 11, 12, 13, 14
PIN = ["--key", ed25519.key_text(KEY)]


def message(seq=42, secret=KEY, **more):
    return ed25519.sign_object(secret, dict({
        "v": 1, "kind": "prediction", "id": ID, "stack": STACK, "seq": seq, "ts": 1767323045, "boot_id": "b", "state": "failing",
        "risk": 0.93, "horizon_s": 900, "findings": [{"class": "memory_exhaustion", "entity": "j\u00e4va[412]", "evidence": "+38 MiB/min"}]}, **more))


def judge(box, value, *arguments, code):
    text = value if isinstance(value, str) else json.dumps(value)
    return box.run("heat-pulse", "verify", *arguments, stdin=text).expect(code)


def test_rfc8032(box):
    """The independent implementation gives RFC 8032's first vector"""
    secret = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    assert ed25519.public(secret).hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def test_answers(box):
    """Each answer has its exit code: 0, 10, 11, 12, 13, 14"""
    good = message()
    rows = [
        (good, PIN, GOOD), (good, [], UNKNOWN), (dict(good, risk=0.1), PIN, FORGED), (dict(good, extra=1), PIN, FORGED),
        (message(secret=OTHER), PIN, FORGED), (good, PIN + ["--id", "someone-else"], FORGED), (good, PIN + ["--id", ID], GOOD),
        (good, PIN + ["--stack", "web/other"], FORGED), (good, PIN + ["--stack", STACK], GOOD),
        (good, PIN + ["--last-seq", "41"], GOOD), (good, PIN + ["--last-seq", "42"], REPLAYED), (good, PIN + ["--last-seq", "43"], REPLAYED),
        (good, PIN + ["--last-seq", "40"], GAP), (dict(good, risk=0.1), PIN + ["--last-seq", "99"], FORGED),
        (message(seq=1767323045000), PIN + ["--last-seq", "42"], GOOD), (message(seq=1767323045000), PIN + ["--last-seq", "1767323044000"], GOOD),
        ({}, PIN, MALFORMED), ([], PIN, MALFORMED), ("", PIN, MALFORMED), ("{", PIN, MALFORMED), ("null", PIN, MALFORMED),
        (dict(good, v=2), PIN, MALFORMED), (dict(good, sig="x"), PIN, MALFORMED), (dict(good, seq="42"), PIN, MALFORMED),
        ('{"seq": 9999999999999999999999, "kind": "x"}', PIN, MALFORMED), (dict(good, sig=None), PIN, MALFORMED),
    ]
    for value, arguments, code in rows:
        done = judge(box, value, *arguments, code=code)
        assert value in ("", "{", "null") or isinstance(value, str) or done.out, (value, done.err)


def test_forms(box):
    """The data object, a handle's metadata of either kind, the {id: data} map, and each as text inside JSON text"""
    good = message()
    forms = [good, {ID: good}, {ID: json.dumps(good)}, {ID: {"status": "SUCCESS", "reason": "r", "data": good}},
             {ID: {"Status": "SUCCESS", "Reason": "r", "Data": json.dumps(good)}}, {"status": "SUCCESS", "id": ID, "data": good}]
    for form in forms:
        for value in (form, json.dumps(form), json.dumps(json.dumps(form))):
            judge(box, json.dumps(value), *PIN, code=GOOD)
            judge(box, json.dumps(value), *PIN, "--id", ID, code=GOOD)
            judge(box, json.dumps(value), *PIN, "--id", "x", code=FORGED if value in (good, forms[5]) or isinstance(value, str) and
                  form in (good, forms[5]) else MALFORMED)


def test_filed_under_another_id(box):
    """A good message filed under another id is forged, whatever form it is in"""
    for form in ({"x": message()}, {"x": {"status": "SUCCESS", "data": message()}}):
        judge(box, form, *PIN, code=FORGED)


def test_several(box):
    """Of several guests each is judged with its own key, and the worst is the exit code"""
    other_id = "guest-2"
    both = {ID: message(), other_id: message(id=other_id, secret=OTHER)}
    box.write("/etc/keys", f"# pinned\n{ID} {ed25519.key_text(KEY)}\n{other_id}\t{ed25519.key_text(OTHER)}\n\n")
    done = judge(box, both, "--key-file", "/etc/keys", code=GOOD)
    assert done.out.count("\n") == 2 and done.out.count("good ") == 2, done.out
    both[other_id] = dict(both[other_id], risk=0)
    judge(box, both, "--key-file", "/etc/keys", code=FORGED)
    judge(box, both, "--key-file", "/etc/keys", "--id", ID, code=GOOD)
    box.write("/etc/keys", f"{other_id} {ed25519.key_text(OTHER)}\n")
    judge(box, message(), "--key-file", "/etc/keys", code=UNKNOWN)


def test_json(box):
    """--json prints one object per line with "v":1"""
    done = judge(box, {ID: message()}, *PIN, "--json", code=GOOD)
    line = json.loads(done.out)
    assert line["v"] == 1 and line["answer"] == "good" and line["code"] == 0 and line["id"] == ID and line["seq"] == 42, line
    line = json.loads(judge(box, "{}", *PIN, "--json", code=MALFORMED).out)
    assert line["answer"] == "malformed" and line["code"] == 14 and line["why"], line


def test_usage(box):
    """A bad key or option is exit 2, an unreadable file exit 1; a file is read as well as standard input"""
    box.write("/etc/message", message())
    box.run("heat-pulse", "verify", *PIN, "/etc/message").expect(0)
    box.run("heat-pulse", "verify", "--key", "ed25519:AA==").expect(2)
    box.run("heat-pulse", "verify", *PIN, "--last-seq", "x").expect(2)
    box.run("heat-pulse", "verify", *PIN, "a", "b").expect(2)
    box.run("heat-pulse", "verify", *PIN, "/no/such/file").expect(1, err="/no/such/file")
    box.run("heat-pulse", "verify", "--key-file", "/no/keys", "/etc/message").expect(1, err="/no/keys")
    box.write("/etc/keys", "nonsense\n")
    box.run("heat-pulse", "verify", "--key-file", "/etc/keys", "/etc/message").expect(1, err="/etc/keys:1")


def test_hostile_names(box):
    """Control characters in an id are escaped in the text form"""
    done = judge(box, {"a\u001b[31m\n": message()}, *PIN, code=FORGED)
    assert "\u001b" not in done.out and done.out.count("\n") == 1, repr(done.out)


if __name__ == "__main__":
    sys.exit(dropin.run(sys.modules[__name__]))
