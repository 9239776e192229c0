# SPDX-License-Identifier: Apache-2.0
"""A strict stand-in for an OpenTelemetry collector's OTLP/HTTP JSON: the published field names and their JSON types, and no others."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from service import Answer, Service  # noqa: E402

TEXT, NUMBER, BOOL, ENUM, INT64 = "text", "number", "bool", "enum", "int64"
ANY_VALUE = {"stringValue": TEXT, "boolValue": BOOL, "intValue": INT64, "doubleValue": NUMBER}
KEY_VALUE = {"key": TEXT, "value": ANY_VALUE}
POINT = {"attributes": [KEY_VALUE], "startTimeUnixNano": INT64, "timeUnixNano": INT64, "asDouble": NUMBER, "asInt": INT64, "flags": ENUM}
METRIC = {"name": TEXT, "description": TEXT, "unit": TEXT, "gauge": {"dataPoints": [POINT]},
          "sum": {"dataPoints": [POINT], "aggregationTemporality": ENUM, "isMonotonic": BOOL}}
REQUEST = {"resourceMetrics": [{"resource": {"attributes": [KEY_VALUE], "droppedAttributesCount": ENUM}, "schemaUrl": TEXT, "scopeMetrics": [
    {"scope": {"name": TEXT, "version": TEXT, "attributes": [KEY_VALUE]}, "metrics": [METRIC], "schemaUrl": TEXT}]}]}


class Invalid(Exception):
    pass


def check(value, form, where="request"):
    plain = {TEXT: lambda v: isinstance(v, str), BOOL: lambda v: isinstance(v, bool), NUMBER: lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
             ENUM: lambda v: isinstance(v, int) and not isinstance(v, bool), INT64: lambda v: isinstance(v, str) and re.fullmatch(r"-?\d{1,19}", v)}
    if isinstance(form, str):
        if not plain[form](value):
            raise Invalid("%s is no %s: %r" % (where, form, value))
    elif isinstance(form, list):
        if not isinstance(value, list):
            raise Invalid("%s is no list" % where)
        for i, item in enumerate(value):
            check(item, form[0], "%s[%d]" % (where, i))
    else:
        if not isinstance(value, dict):
            raise Invalid("%s is no object" % where)
        for key, item in value.items():
            if key not in form:
                raise Invalid("%s has an unknown field %s" % (where, key))
            check(item, form[key], where + "." + key)


def points(request):
    """(resource attributes, metric, point) of all"""
    for rm in request.get("resourceMetrics", []):
        about = {a["key"]: a["value"].get("stringValue") for a in rm["resource"]["attributes"]}
        for sm in rm["scopeMetrics"]:
            for m in sm["metrics"]:
                if ("gauge" in m) == ("sum" in m) or not m["name"]:
                    raise Invalid("%s must have exactly one kind of data" % m.get("name"))
                if "sum" in m and m["sum"].get("aggregationTemporality") not in (1, 2):
                    raise Invalid("%s has no temporality" % m["name"])
                for p in (m.get("gauge") or m["sum"])["dataPoints"]:
                    if ("asDouble" in p) == ("asInt" in p) or not p.get("timeUnixNano"):
                        raise Invalid("a point of %s has not one value and a time" % m["name"])
                    yield about, m, p


class Fake(Service):
    def __init__(self, state=None, **more):
        self.accepted = []
        super().__init__(state, **more)

    def answer(self, handler, method, path, headers, body):
        if (method, path) != ("POST", "/v1/metrics"):
            raise Answer(404 if path != "/v1/metrics" else 405)
        if headers.get("Content-Type") != "application/json":
            raise Answer(415)
        try:
            request = json.loads(body)
            check(request, REQUEST)
            self.accepted += list(points(request))
        except (ValueError, Invalid, KeyError) as e:
            raise Answer(400, {"code": 3, "message": str(e)}) from None
        raise Answer(200, {}, {"Content-Type": "application/json"})
