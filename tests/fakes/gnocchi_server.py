# SPDX-License-Identifier: Apache-2.0
"""A strict stand-in for Gnocchi's batch API: resources must exist, times are seconds of one kind, '/' stands in no name,
foreign metrics make the whole batch 403. Measures in milliseconds are taken, as the real one takes them, and land in `ruined`."""
import json
import os
import sys
import time
import urllib.parse
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from service import Answer, Service  # noqa: E402


def error(status, description):
    titles = {400: "Bad Request", 403: "Forbidden", 404: "Not Found", 409: "Conflict", 415: "Unsupported Media Type"}
    return Answer(status, {"code": status, "title": titles[status], "description": description}, {"Content-Type": "application/json"})


class Fake(Service):
    def __init__(self, state=None, **more):
        self.resources, self.measures, self.ruined = {}, {}, []
        super().__init__(dict({"catalog": {"metric": ""}, "foreign": []}, **(state or {})), **more)

    def batch(self, query, value):
        if not isinstance(value, dict):
            raise error(400, "expected a dictionary")
        unknown = [r for r in value if r not in self.resources]
        for r in value:
            uuid.UUID(r)
        if unknown:
            raise error(400, {"cause": "Unknown resources", "detail": [{"resource_id": r, "original_resource_id": r} for r in unknown]})
        taken = []
        for resource, metrics in value.items():
            for name, content in metrics.items():
                if name in self.state["foreign"]:
                    raise error(403, "Insufficient privileges")
                if (resource, name) not in self.measures and query.get("create_metrics") != "true":
                    raise error(400, {"cause": "Unknown metrics", "detail": [name]})
                if "/" in name or not 1 <= len(name) <= 255:
                    raise error(400, "Invalid input: '/' is not supported in metric name")
                if set(content) - {"archive_policy_name", "unit", "measures"} or len(content.get("unit") or "") > 31:
                    raise error(400, "Invalid input: extra keys not allowed")
                kinds = {type(m["timestamp"]) is str for m in content["measures"]}
                if len(kinds) > 1:
                    raise error(400, "mixed timestamps")
                for m in content["measures"]:
                    if set(m) != {"timestamp", "value"} or not isinstance(m["value"], (int, float)):
                        raise error(400, "Invalid input: measure")
                    taken.append((resource, name, m["timestamp"], m["value"]))
        for resource, name, at, v in taken:
            self.measures.setdefault((resource, name), []).append((at, v))
            if not isinstance(at, str) and at > time.time() + 86400 * 365:
                self.ruined.append(name)
        raise Answer(202)

    def resource(self, value):
        if not isinstance(value, dict) or set(value) - {"id", "project_id", "user_id"}:
            raise error(400, "Invalid input")
        uuid.UUID(value["id"])
        if value["id"] in self.resources:
            raise error(409, "Resource %s already exists" % value["id"])
        self.resources[value["id"]] = value
        raise Answer(201, value)

    def answer(self, handler, method, path, headers, body):
        path, _, query = path.partition("?")
        if (method, path) == ("POST", "/v3/auth/tokens"):
            self.tokens(body)
        self.check_token(headers)
        if not headers.get("Content-Type", "").startswith("application/json"):
            raise error(415, "The request content type must be application/json")
        try:
            value = json.loads(body)
        except ValueError:
            raise error(400, "Unable to decode body") from None
        if (method, path) == ("POST", "/v1/batch/resources/metrics/measures"):
            self.batch(dict(urllib.parse.parse_qsl(query)), value)
        if (method, path) == ("POST", "/v1/resource/generic"):
            self.resource(value)
        raise error(404, "The resource could not be found.")
