#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A strict stand-in for Monasca's API: POST /v2.0/metrics and /v2.0/alarm-definitions, /v2.0/notification-methods.

It refuses what the real one refuses, with its statuses and bodies, and takes what that takes, strange as it may be
(seconds as timestamps, control characters in names): what a sender must not do beyond that is for tests to look at in
`accepted`. State beside service.py's: post_roles, delegate_roles, alarm_roles. Members: accepted (list of metrics),
definitions, notifications.
"""
import json
import math
import os
import sys
import urllib.parse
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import monasca_expression  # noqa: E402
from service import Answer, Service  # noqa: E402

BAD_NAME = set("<>={},\"\\;&() ")
BAD_DIMENSION = set("<>={},\"\\;&")
SEVERITIES = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
METHODS = ("EMAIL", "WEBHOOK", "PAGERDUTY")


class Invalid(Exception):
    pass


def need(condition, message):
    if not condition:
        raise Invalid(message)


def no_constant(text):
    raise Invalid("not a number: %s" % text)


def is_number(v):
    """As Python's isinstance() has it there: true and false slip through."""
    return isinstance(v, (int, float)) and math.isfinite(v)


def check_word(what, v, bad):
    need(isinstance(v, str), "%s must be a string" % what)
    need(1 <= len(v) <= 255, "%s must be 1 to 255 characters" % what)
    need(not bad & set(v), "%s has invalid characters" % what)


def check_value_meta(meta):
    if meta is None:
        return
    need(isinstance(meta, dict), "value_meta must be an object")
    need(len(meta) <= 16, "value_meta has more than 16 entries")
    for key in meta:
        need(1 <= len(key) <= 255, "value_meta key must be 1 to 255 characters")
    need(len(json.dumps(meta)) <= 2048, "value_meta is over 2048")


def check_metric(m):
    """Raises Invalid for what the API answers 422 to."""
    need(isinstance(m, dict), "a metric must be an object")
    check_word("name", m.get("name"), BAD_NAME)
    if "dimensions" in m:
        need(isinstance(m["dimensions"], dict), "dimensions must be an object")
        for key, value in m["dimensions"].items():
            check_word("dimension key", key, BAD_DIMENSION)
            need(not key.startswith("_"), "dimension key starts with _")
            check_word("dimension value", value, BAD_DIMENSION)
    need("value" in m and is_number(m["value"]), "value must be a number")
    need("timestamp" in m and is_number(m["timestamp"]), "timestamp must be a number")
    check_value_meta(m.get("value_meta"))


def parse(body):
    """Raises ValueError for what is no JSON, Invalid for NaN and the like."""
    return json.loads(body.decode("utf-8"), parse_constant=no_constant)


def harmful(m, now_ms):
    """What the API takes and something behind it does not: list of sentences."""
    found = []
    texts = [m["name"]] + [t for part in ("dimensions", "value_meta") for pair in (m.get(part) or {}).items() for t in pair if isinstance(t, str)]
    if any(ord(c) < 0x20 or ord(c) == 0x7f for t in texts for c in t):
        found.append("control characters break the persister's line protocol")
    if not isinstance(m["timestamp"], int) or isinstance(m["timestamp"], bool):
        found.append("the timestamp is no integer")
    elif not now_ms - 14 * 86400000 <= m["timestamp"] <= now_ms + 120000:
        found.append("the timestamp is not within 14 days before and 2 minutes after now")
    if any(set(key) & set(":,") for key in m.get("dimensions", {})) or any("|" in v for v in m.get("dimensions", {}).values()):
        found.append("a dimension cannot be asked for again")
    return found


class Fake(Service):
    def __init__(self, state=None, **more):
        self.accepted, self.definitions, self.notifications = [], [], []
        super().__init__(dict({"catalog": {"monitoring": "/v2.0"}, "post_roles": ["monasca-user", "monasca-agent"], "delegate_roles": ["admin"],
                               "alarm_roles": ["monasca-user"]}, **(state or {})), **more)

    def check_roles(self, allowed):
        if not set(allowed) & set(self.state["roles"]):
            raise Answer(401, {"title": "Forbidden", "description": "The request does not have access to this resource"},
                         {"WWW-Authenticate": "T, o, k, e, n"})

    def read(self, headers, body):
        if headers.get("Content-Type") != "application/json":
            raise Answer(400, {"title": "Bad request", "description": "Bad content type. Must be application/json"})
        if headers.get("Content-Encoding"):
            raise Answer(400, {"title": "Bad request", "description": "no encodings"})
        try:
            return parse(body)
        except ValueError:
            raise Answer(400, {"title": "Bad request", "description": "Malformed request body"}) from None
        except Invalid as e:
            raise Answer(422, {"title": "Unprocessable Entity", "description": str(e)}) from None

    def metrics(self, headers, body, query):
        self.check_roles(self.state["post_roles"])
        value = self.read(headers, body)
        batch = value if isinstance(value, list) else [value]
        for m in batch:
            try:
                check_metric(m)
            except Invalid as e:
                name = m.get("name") if isinstance(m, dict) else m
                raise Answer(422, {"title": "Unprocessable Entity", "description": "%s for metric %s" % (e, name)}) from None
        project = self.state["project"]
        if query.get("tenant_id") and set(self.state["delegate_roles"]) & set(self.state["roles"]):
            project = query["tenant_id"]
        with self.lock:
            self.accepted += [dict(m, project=project) for m in batch]
        raise Answer(204)

    def alarm_definition(self, headers, body):
        self.check_roles(self.state["alarm_roles"])
        d = self.read(headers, body)
        try:
            check_definition(d, {n["id"] for n in self.notifications})
        except Invalid as e:
            raise Answer(422, {"title": "Unprocessable Entity", "description": str(e)}) from None
        if any(d["name"] == other["name"] for other in self.definitions):
            raise Answer(409, {"title": "Conflict", "description": "An alarm definition with the name %s already exists" % d["name"]})
        self.definitions.append(dict(d, id=str(uuid.uuid4())))
        raise Answer(201, self.definitions[-1])

    def notification(self, headers, body):
        self.check_roles(self.state["alarm_roles"])
        d = self.read(headers, body)
        try:
            check_notification(d)
        except Invalid as e:
            raise Answer(422, {"title": "Unprocessable Entity", "description": str(e)}) from None
        if any(d["name"] == other["name"] for other in self.notifications):
            raise Answer(409, {"title": "Conflict", "description": "A notification method with that name already exists"})
        self.notifications.append(dict(d, id=str(uuid.uuid4())))
        raise Answer(201, self.notifications[-1])

    def answer(self, handler, method, path, headers, body):
        path, _, query = path.partition("?")
        if (method, path) == ("POST", "/v3/auth/tokens"):
            self.tokens(body)
        self.check_token(headers)
        if (method, path) == ("POST", "/v2.0/metrics"):
            self.metrics(headers, body, dict(urllib.parse.parse_qsl(query)))
        if (method, path) == ("POST", "/v2.0/alarm-definitions"):
            self.alarm_definition(headers, body)
        if (method, path) == ("POST", "/v2.0/notification-methods"):
            self.notification(headers, body)
        lists = {"/v2.0/alarm-definitions": self.definitions, "/v2.0/notification-methods": self.notifications}
        if method == "GET" and path in lists:
            raise Answer(200, {"elements": lists[path]})
        raise Answer(404, {"title": "404 Not Found"})


def check_definition(d, notifications):
    need(isinstance(d, dict), "an alarm definition must be an object")
    need(isinstance(d.get("name"), str) and 1 <= len(d["name"]) <= 255, "name must be 1 to 255 characters")
    need(isinstance(d.get("expression"), str), "expression is required")
    try:
        monasca_expression.parse(d["expression"])
    except monasca_expression.Bad as e:
        raise Invalid("bad expression: %s" % e) from None
    need(isinstance(d.get("description", ""), str) and len(d.get("description", "")) <= 255, "description is over 255 characters")
    need(d.get("severity", "LOW") in SEVERITIES, "severity is not one of %s" % (SEVERITIES,))
    need(isinstance(d.get("match_by", []), list) and all(isinstance(m, str) for m in d.get("match_by", [])), "match_by must be a list of names")
    for key in ("ok_actions", "alarm_actions", "undetermined_actions"):
        actions = d.get(key, [])
        need(isinstance(actions, list) and all(isinstance(a, str) and 1 <= len(a) <= 50 for a in actions), "%s must be ids of at most 50 characters" % key)
        need(all(a in notifications for a in actions), "%s names a notification that does not exist" % key)


def check_notification(d):
    need(isinstance(d, dict), "a notification method must be an object")
    need(isinstance(d.get("name"), str) and 1 <= len(d["name"]) <= 250, "name must be 1 to 250 characters")
    need(d.get("type") in METHODS, "type is not one of %s" % (METHODS,))
    need(isinstance(d.get("address"), str) and 1 <= len(d["address"]) <= 512, "address must be 1 to 512 characters")
    if d["type"] == "WEBHOOK":
        need(urllib.parse.urlsplit(d["address"]).scheme in ("http", "https"), "a webhook's address must be a URL")
    period = d.get("period", 0)
    need(period in (0, 60) and (period == 0 or d["type"] == "WEBHOOK"), "period must be 0, or 60 for a webhook")


if __name__ == "__main__":
    with Fake() as one:
        print("port=%d app=%s secret=%s" % (one.port, one.state["app"]["id"], one.state["app"]["secret"]), flush=True)
        sys.stdin.read()
