#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""cfn-get-metadata against a strict endpoint and against what is on the machine."""

import hashlib
import json
import sys

import dropin
from dropin import ACCESS, OTHER_SECRET, SECRET

NAME = "cfn-get-metadata"
CACHE = "/var/cache/heat-cfntools/"


def get(box, *arguments, stack="web", resource="srv"):
    return box.run(NAME, "-s", stack, "-r", resource, *arguments)


def given(box):
    return ["-f", box.keys(), "--url", box.fake.url]


def test_whole_document(box):
    """kept: one line of JSON on stdout, nothing on stderr"""
    done = get(box, *given(box)).expect(0, err="")
    assert done.out.count("\n") == 1 and done.err == "", done.err
    assert json.loads(done.out) == box.fake.state["stacks"]["web"]["resources"]["srv"]["metadata"]
    assert "\\u00e9" in done.out.lower()


KEYS = [  # key, what is printed; None: a message and exit 1
    ("a.b", "1"), ("a.'b.c'", '"dot"'), ('a."b.c"', '"dot"'), ("a.b\\.c", '"dot"'), ("a.b.", "1"), ("a.none", "null"), ("a.empty", '""'),
    ("a", '{"b": 1, "b.c": "dot", "none": null, "empty": ""}'), ("nosuch", None), ("a.b.c", None), ("a.a.b", None), ("a.nosuch", None),
    ("a..b", None), ("a.'b", None), ("text.0", None),
]


def test_keys(box):
    """kept: -k a.b, quotes around dots, a dot at the end; fixed: a.a.b is not a.b, a missing key is a message and exit 1, null and "" are values"""
    for key, value in KEYS:
        done = get(box, "-k", key, *given(box)).expect(0 if value else 1, out=value + "\n" if value else "")
        assert value or done.err.startswith(NAME + ": "), (key, done.err)


def test_flags(box):
    """kept: -s and -r are needed (exit 2), an empty one is exit 1; all flags of both vendors are taken"""
    for arguments, code in [([], 2), (["-s", "web"], 2), (["-r", "srv"], 2), (["-s", "", "-r", "srv"], 1), (["-s", "web", "-r", ""], 1),
                            (["-s", "web", "-r", "srv", "--nonsense"], 2), (["-s", "web", "-r", "srv", "extra"], 2),
                            (["-s", "web", "-r", "srv", "--access-key", "x"], 2)]:
        box.run(NAME, *arguments).expect(code, out="")
    assert not box.fake.requests
    box.keys()
    box.run(NAME, "--stack=web", "--resource", "srv", "--credential-file", "/etc/cfn/cfn-credentials", "-u", box.fake.url, "--region", "nova",
            "--role", "x", "-v", "--http-proxy", "http://127.0.0.1:1").expect(0)
    get(box, "--access-key", ACCESS, "--secret-key", SECRET, "--url", box.fake.url).expect(0)


def test_endpoint(box):
    """fixed: scheme, port and path of cfn-metadata-server count, with or without /v1/; --url is obeyed"""
    keys = ["-f", box.keys()]
    for form in (box.fake.url, box.fake.url[:-4], box.fake.url + "v1/", box.fake.url.rstrip("/"), f"127.0.0.1:{box.fake.port}\n"):
        box.endpoint(form)
        get(box, *keys, "-k", "a.b").expect(0, out="1\n")
    box.endpoint("http://127.0.0.1:1/v1/")
    get(box, *keys, "-k", "a.b", "--url", box.fake.url).expect(0, out="1\n")
    box.fake.configure({"prefix": "/heat-api-cfn"})
    box.endpoint(box.fake.url)
    get(box, *keys, "-k", "a.b").expect(0, out="1\n")


def test_no_default_host(box):
    """fixed: without a configured endpoint nobody is asked, least of all Amazon"""
    get(box, "-f", box.keys()).expect(1, out="", err="no CFN endpoint is configured")


def test_boto_fallback(box):
    """kept: cfn-boto-cfg names the host where cfn-metadata-server is missing"""
    box.write("/var/lib/heat-cfntools/cfn-boto-cfg", f"[Boto]\nis_secure = 0\ncfn_region_name = heat\ncfn_region_endpoint = 127.0.0.1:{box.fake.port}\n")
    get(box, "-f", box.keys(), "-k", "a.b").expect(0, out="1\n")


def test_answer_forms(box):
    """fixed: metadata as object or JSON string, time as number or text, signature V4 or V2 only"""
    for change in ({"metadata": "string"}, {"timestamp": "number"}, {"metadata": "object"}, {"accept": ["v2"]}, {"accept": ["v4"]}):
        box.fake.configure(change)
        get(box, *given(box), "-k", "a.b").expect(0, out="1\n")


def test_found_credentials(box):
    """new: keys that Heat left on the machine are found and used"""
    box.block()
    get(box, "-k", "a.b").expect(0, out="1\n")
    assert box.fake.requests[0]["query"]["LogicalResourceId"] == "srv"


FAILURES = [  # what the server does, exit code, what is said
    ({"do": "status", "status": 403, "reason": "AccessDenied"}, 3, "403"),
    ({"do": "string", "text": "The Stack (web) could not be found."}, 3, "could not be found"),
    ({"do": "garbage"}, 3, ""), ({"do": "deep"}, 3, ""), ({"do": "huge"}, 3, ""),
    ({"do": "status", "status": 503}, 3, ""), ({"do": "status", "status": 500}, 3, ""), ({"do": "reset"}, 3, ""), ({"do": "hang"}, 3, ""),
    ({"do": "trickle"}, 3, ""),
]


def test_failures(box):
    """fixed: whatever goes wrong is one message, exit 3 and nothing on stdout, within --timeout"""
    for fault, code, said in FAILURES:
        box.fake.clear()
        box.fake.fault(**dict(fault, times=0))
        done = get(box, *given(box), "--timeout", "2s").expect(code, out="", err=said)
        assert done.seconds < 6 and done.err.count("\n") == 1, (fault, done.seconds, done.err)


def test_passing_trouble(box):
    """kept: 5xx and broken connections are tried again"""
    for fault in ({"do": "status", "status": 503, "times": 2}, {"do": "reset"}):
        box.fake.clear()
        box.fake.fault(**fault)
        get(box, *given(box), "-k", "a.b").expect(0, out="1\n")


def test_refused_keys(box):
    """Wrong keys are exit 3, and a file without keys exit 1"""
    box.endpoint()
    get(box, "-f", box.keys(secret=OTHER_SECRET)).expect(3, out="", err="403")
    box.write("/etc/bad", "nothing here\n")
    get(box, "-f", "/etc/bad").expect(1, out="", err="AWSAccessKeyId")
    get(box, "-f", "/etc/none").expect(1, out="", err="/etc/none")


CREDENTIAL_FILES = ["AWSAccessKeyId = {a}\nAWSSecretKey = {s}\n", "AWSAccessKeyId={a}\r\nAWSSecretKey={s}\r\n",
                    "# x\nAWSAccessKeyId=old\nAWSSecretKey={s}\nother\n AWSSecretKey=no\nAWSAccessKeyId={a}"]


def test_credential_file_dialect(box):
    """kept: the credential file's dialect: blanks around =, CR, comments, last wins; the secret verbatim"""
    box.endpoint()
    for text in CREDENTIAL_FILES:
        box.write("/etc/keys", text.format(a=ACCESS, s=SECRET))
        get(box, "-f", "/etc/keys", "-k", "a.b").expect(0, out="1\n")


def test_cache(box):
    """kept: without keys the copy on the machine is read: last_metadata of the resource, last_metadata, cfn-init-data"""
    get(box).expect(1, out="", err="no metadata")
    box.write("/var/lib/heat-cfntools/cfn-init-data", {"from": "boot"})
    get(box, "-k", "from").expect(0, out='"boot"\n')
    box.write(CACHE + "last_metadata", {"from": "shared"})
    get(box, "-k", "from").expect(0, out='"shared"\n')
    box.write(CACHE + "last_metadata_srv", {"from": "own"})
    get(box, "-k", "from").expect(0, out='"own"\n')
    box.write(CACHE + "last_metadata_srv", "{broken")
    get(box, "-k", "from").expect(0, out='"shared"\n', err="last_metadata_srv")
    get(box, "-k", "from", resource="../../../etc/x").expect(0, out='"shared"\n')


def test_last_good_document(box):
    """new: the agent's last good document of that resource comes before what an older tool left"""
    box.write(CACHE + "last_metadata", {"from": "shared"})
    box.state_document({"from": "agent"})
    before = box.tree()
    get(box, "-k", "from").expect(0, out='"agent"\n')
    get(box, "-k", "from", resource="other").expect(0, out='"shared"\n')
    box.state_document({"from": "other"}, resource="other", name="r-" + hashlib.sha256(b"other").hexdigest()[:16])
    get(box, "-k", "from", resource="other").expect(0, out='"other"\n')
    box.write("/var/lib/heat-pulse/state/documents/own", "heat-pulse-state 9 x y\n{}")
    get(box, "-k", "from").expect(0, out='"shared"\n')
    assert set(box.tree()) >= set(before)


def test_found_keys_that_fail(box):
    """new: where found keys do not help, the copy on the machine serves, and stderr says why"""
    box.block()
    box.fake.configure({"policy": True})
    get(box, "-k", "from").expect(0, out='"boot"\n', err="not allowed")


def test_server_has_none(box):
    """fixed: a resource whose metadata is null is a message and exit 1"""
    get(box, *given(box), resource="plain").expect(1, out="", err="no metadata")


def test_writes_nothing(box):
    """fixed: it writes no last_metadata, so it swallows no event of cfn-hup"""
    box.block()
    box.write(CACHE + "last_metadata", {"old": 1})
    box.write(CACHE + "last_metadata_srv", {"old": 1})
    before = box.tree()
    get(box, *given(box)).expect(0)
    get(box).expect(0)
    get(box, "-v").expect(0)
    box.keys()
    after = box.tree()
    after.pop(box.path("/etc/cfn/cfn-credentials"))
    before.pop(box.path("/etc/cfn/cfn-credentials"), None)
    assert after == before


if __name__ == "__main__":
    sys.exit(dropin.run(sys.modules[__name__]))
