"""What metric sinks send, taken apart: lists of (name, milliseconds) for each value in a body."""
import json
import struct


def monasca(body):
    value = json.loads(body)
    for m in value if isinstance(value, list) else [value]:
        yield m["name"], m["timestamp"]


def gnocchi(body):
    for metrics in json.loads(body).values():
        for name, metric in metrics.items():
            for m in metric["measures"]:
                yield name, round(m["timestamp"] * 1000)


def otlp(body):
    for resource in json.loads(body).get("resourceMetrics", []):
        for scope in resource["scopeMetrics"]:
            for metric in scope["metrics"]:
                for m in (metric.get("gauge") or metric.get("sum"))["dataPoints"]:
                    yield metric["name"], int(m["timeUnixNano"]) // 1000000


def unsnappy(data):
    """The agent sends literals only."""
    at, out = 0, bytearray()
    while data[at] & 0x80:
        at += 1
    at += 1
    while at < len(data):
        tag, at = data[at], at + 1
        assert tag & 3 == 0, "a copy"
        n = tag >> 2
        if n >= 60:
            wide = n - 59
            n, at = int.from_bytes(data[at:at + wide], "little"), at + wide
        out += data[at:at + n + 1]
        at += n + 1
    return bytes(out)


def varint(data, at):
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    """(number, value) of a protobuf message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 1:
            value, at = struct.unpack_from("<d", data, at)[0], at + 8
        else:
            n, at = varint(data, at)
            value, at = data[at:at + n], at + n
        yield key >> 3, value


def prometheus(body):
    for _, series in fields(unsnappy(body)):
        labels, times = {}, []
        for number, value in fields(series):
            pair = dict(fields(value))
            if number == 1:
                labels[pair[1]] = pair[2]
            elif number == 2:
                times.append(pair[2])
        for t in times:
            yield labels[b"__name__"].decode(), t


READ = {"monasca": monasca, "gnocchi": gnocchi, "otlp": otlp, "prometheus": prometheus}
