#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The fake endpoint itself: it must reproduce the signatures that a real Keystone accepted, or it proves nothing."""

import json
import sys
import urllib.error
import urllib.request

import dropin
import ec2
from dropin import ACCESS, SECRET

HOST, STAMP = "192.0.2.10:8000", "2026-01-02T03:04:05Z"
ARN = "arn:openstack:heat::5e1f0a:stacks/web/7b1c/resources/health"


def v2(verb, path, **params):
    params = dict(params, AWSAccessKeyId=ACCESS, SignatureMethod="HmacSHA256", SignatureVersion="2")
    return ec2.signature_v2(SECRET, verb, HOST, path, params)


def v4(secret, verb, path, params, headers, scope, body=b""):
    return ec2.signature_v4(secret, verb, path, params, headers, ";".join(headers), scope, headers["x-amz-date"], body)


def test_v2_vectors(_box):
    """Signature V2: three vectors of a real Keystone"""
    assert v2("GET", "/v1/", Action="DescribeStackResource", StackName="web", LogicalResourceId="srv 1~*",
              Timestamp=STAMP) == "A3FezaoUA//KP0DBnm6Hb2nAmqdGMRaaZKhoeVPFuhU="
    assert v2("PUT", "/v1/waitcondition/" + ARN, Timestamp=STAMP) == "3EIG9OBSHJ/mtdM67MMujVI4DpIkpL9+neh0saq+k0M="
    assert v2("POST", "/v1/signal/" + ARN) == "+18h5le7wHgEkKtOwZJyFiyRa6rlTIQHGkk7A2T2qGQ="


def test_v4_vectors(_box):
    """Signature V4: two vectors of a real Keystone, and those of both vendors' tools"""
    date = {"host": HOST, "x-amz-date": "20260102T030405Z"}
    scope = "20260102/heat/cloudformation/aws4_request"
    assert v4(SECRET, "GET", "/v1/", {"Action": "DescribeStackResource", "LogicalResourceId": "srv", "StackName": "web"}, date,
              scope) == "ac421c7a7eb1a1401222b57f685f17a214c2925183dcf0fa0facb5978ed12bcc"
    assert v4(SECRET, "PUT", "/v1/waitcondition/" + ARN, {}, date, scope,
              b'{"status":"SUCCESS","id":"hb"}') == "150e17cd2cbc5cf52eb315ab2ec551a5384b0c0dc8fe91a307304c8333cc4b15"
    tool = {"Action": "DescribeStackResource", "ContentType": "JSON", "LogicalResourceId": "R1", "StackName": "st", "Version": "2010-05-15"}
    assert v4("SK", "GET", "/v1/", tool, {"host": "127.0.0.1:8000", "x-amz-date": "20261122T072322Z"},
              "20261122/0/127/aws4_request") == "c24d0c697b907231248b59c5271362a6431ce1bf6cc74fb49ead80894dc91d56"
    assert v4("SK", "GET", "/v1/", tool, {"accept": "application/json", "host": "127.0.0.1:8000", "x-amz-date": "20261122T073338Z"},
              "20261122/heat/cloudformation/aws4_request") == "213fc39e0cdaad64e3b075edb44dc4828a7216655c9c81d431e8e64e963ca7f4"


def ask(url, method="PUT", body=b"", **headers):
    request = urllib.request.Request(url, data=body, method=method, headers=dict({"Content-Type": ""}, **headers))
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


GOOD = json.dumps({"Status": "SUCCESS", "Reason": "r", "UniqueId": "i", "Data": "d"}).encode()


def test_refusals(box):
    """It refuses as Heat does: status, code and shape of each"""
    url = box.fake.presigned(ACCESS, "web", "h_aws")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    rows = [
        (ask(url, body=GOOD), 200, "<resource>h_aws</resource>"), (ask(url.replace("%3A", ":"), body=GOOD), 200, "<resource>"),
        (ask(url, body=b'{"Status":"SUCCESS"}'), 500, "Metadata format invalid"), (ask(url, body=b"{x"), 500, ""), (ask(url, body=b"[]"), 500, ""),
        (ask(url, body=GOOD, **form), 403, "AccessDenied"), (ask(url + "0", body=GOOD), 403, "AccessDenied"),
        (ask(url, "POST", GOOD), 404, ""), (ask(url.partition("?")[0], body=GOOD), 400, "IncompleteSignature"),
        (ask(url.partition("?")[0] + "?Signature=x", body=GOOD), 403, "MissingAuthenticationToken"),
        (ask(box.fake.presigned(ACCESS, "web", "h_aws", stamp=STAMP), body=GOOD), 403, "AccessDenied"),
        (ask(box.fake.presigned(ACCESS, "web", "plain"), body=GOOD), 400, "InvalidParameterValue"),
        (ask(box.fake.presigned(ACCESS, "web", "h_heat"), body=GOOD), 500, "Metadata format invalid"),
        (ask(box.fake.presigned(ACCESS, "web", "h_heat"), body=b"{}"), 200, "<resource>"),
        (ask(box.fake.presigned(ACCESS, "web", "h_heat", verb="POST"), "POST", b'{"status":"WHAT"}', **{"Content-Type": "application/json"}), 200, ""),
    ]
    for (status, body), wanted, part in rows:
        assert status == wanted and (part in body if part else body == ""), (status, body, wanted, part)


if __name__ == "__main__":
    sys.exit(dropin.run(sys.modules[__name__]))
