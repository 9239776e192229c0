"""Metrics at a real Gnocchi, which asks the real Keystone: what was sent comes back."""
import collections
import time
import urllib.parse
import uuid

import measures
import otlp_server
from guest import until
from harness import Skip
from test_identity import dmi
from test_sinks import sink, sink_guest, start_fake

FOREIGN = "guest.mem.free_mb"
WANTED = {"guest.mem.usable_mb", "guest.mem.total_gb", "guest.cpu.user_time", "guest.agent.heartbeat"}
POLICY = {"name": "pulse", "definition": [{"granularity": "1s", "points": 86400}], "aggregation_methods": ["mean"]}


def start_gnocchi(ctx):
    missing = measures.missing_packages()
    if missing:
        raise Skip("not installed: %s" % ", ".join(missing))
    gnocchi = measures.Gnocchi(ctx.cloud)
    ctx.later(gnocchi.down)
    gnocchi.up()
    gnocchi.make("/v1/archive_policy", POLICY)
    gnocchi.make("/v1/archive_policy_rule", {"name": "pulse", "metric_pattern": "guest.*", "archive_policy_name": "pulse"})
    return gnocchi


def start_guest(ctx, gnocchi, witness, credential):
    _, number, secret = credential
    g = sink_guest(ctx, "gnocchi = catalog\notlp = %s/v1/metrics\nauth-url = %s\napp-credential-id = %s\napp-credential-secret = %s\n" %
                   (witness.url, ctx.cloud.auth_url, number, secret), start=False)
    server = str(uuid.uuid4())
    dmi(g, server)
    # a second apart, two samples would often share the second that Gnocchi keeps them by
    g.conf(g.read("/etc/heat-pulse/heat-pulse.conf").replace("[sample]\ninterval = 1s", "[sample]\ninterval = 2s"))
    return g, server


def told(witness, server, names=None):
    """{(metric, second): value} as another receiver heard of it: metrics that have the same name there, and no entity in it; of NAMES only."""
    seen = collections.defaultdict(list)
    for about, metric, point in list(witness.accepted):
        if about["host.id"] == server and "attributes" not in point and not metric["name"].startswith("system."):
            name = metric["name"] if metric["name"].startswith("guest.") else "guest." + metric["name"]
            if not names or name in names:
                seen[name, int(point["timeUnixNano"]) // 10**9].append(point["asDouble"])
    return {key: sum(values) / len(values) for key, values in seen.items()}


def second(stamp):
    return int(time.mktime(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S"))) - time.timezone


def measures_of(gnocchi, server, name):
    """What Gnocchi has worked up of a metric. Until it did so for the first time it answers 404, though the metric is there."""
    answer = gnocchi.ask("GET", "/v1/resource/generic/%s/metric/%s/measures?aggregation=mean&granularity=1" % (server, urllib.parse.quote(name)))
    if answer.status_code == 404:
        return []
    answer.raise_for_status()
    return answer.json()


def kept(gnocchi, server, names=None):
    """The same from Gnocchi; each metric is a request, which takes its time."""
    found = {}
    for name in names or gnocchi.get("/v1/resource/generic/" + server)["metrics"]:
        for stamp, _, value in measures_of(gnocchi, server, name):
            found[name, second(stamp)] = value
    return found


def same(gnocchi, witness, server, begin, end, what, names=WANTED):
    """Waits until Gnocchi has all that was sent from BEGIN to END, and returns how much that is: equal values, and no others."""
    until("%s: the witness has it" % what, 120, lambda: any(at > end for _, at in told(witness, server)), 0.5)
    wanted = {key: value for key, value in told(witness, server, names).items() if begin <= key[1] <= end}
    names, lacking = {name for name, _ in wanted}, set(wanted)

    def complete():
        """Each metric is a request: only those that lack something are asked for again."""
        lacking.difference_update(kept(gnocchi, server, {name for name, _ in lacking}))
        return not lacking
    until("%s: Gnocchi has it" % what, 180, complete, 1)
    found = {key: value for key, value in kept(gnocchi, server, names).items() if begin <= key[1] <= end}
    # what is urgent goes ahead, so the witness may have got some of it only now
    until("%s: the witness has what Gnocchi has" % what, 60, lambda: found.keys() <= told(witness, server, names).keys(), 0.5)
    wanted = told(witness, server, names)
    wrong = {key: (value, wanted[key]) for key, value in found.items() if abs(value - wanted[key]) > 1e-9 * max(1, abs(value))}
    assert found and not wrong, wrong
    return len(found)


def start_foreign(ctx, gnocchi, witness, credential):
    """A guest whose resource is the operator's already, with a metric that is his."""
    g, server = start_guest(ctx, gnocchi, witness, credential)
    project = gnocchi.keystone.projects.find(name="demo").id
    gnocchi.make("/v1/resource/generic", {"id": server, "project_id": project, "metrics": {FOREIGN: {"archive_policy_name": "pulse"}}})
    g.start()
    return g, server


def check_foreign(gnocchi, g, server):
    until("the foreign metric is left out and counted", 60, lambda: sink(g, "gnocchi")["refused"] > 0, 0.5)
    until("the others arrive", 60, lambda: len(gnocchi.get("/v1/resource/generic/" + server)["metrics"]) > 20, 0.5)
    until("their values", 60, lambda: len(kept(gnocchi, server, WANTED)) > 3 * len(WANTED), 1)
    assert not kept(gnocchi, server, [FOREIGN])
    g.stop()


def test_real(ctx):
    """The real Gnocchi: the resource is made, by the operator's rule for policies; values come back equal through revoked tokens and a time without it."""
    gnocchi = start_gnocchi(ctx)
    witness, credential = start_fake(ctx, otlp_server), gnocchi.application_credential()
    ctx.secret(credential[2])
    g, server = start_guest(ctx, gnocchi, witness, credential)
    foreign = start_foreign(ctx, gnocchi, witness, credential)
    g.start()
    until("the resource", 60, lambda: gnocchi.ask("GET", "/v1/resource/generic/" + server).status_code == 200, 0.5)
    until("its metrics", 60, lambda: WANTED <= gnocchi.get("/v1/resource/generic/" + server)["metrics"].keys(), 0.5)
    resource = gnocchi.get("/v1/resource/generic/" + server)
    assert resource["type"] == "generic" and resource["created_by_user_id"] == credential[0].id, resource
    names = resource["metrics"]
    assert all(n.startswith("guest.") for n in names), names
    metric = gnocchi.get("/v1/metric/" + names["guest.mem.usable_mb"])
    assert metric["archive_policy"]["name"] == "pulse" and metric["unit"] == "MiB", metric
    begin = min(at for _, at in told(witness, server))
    n = same(gnocchi, witness, server, begin, time.time(), "the beginning", None)
    check_foreign(gnocchi, *foreign)
    gnocchi.revoke_tokens(credential[0])
    n = max(n, same(gnocchi, witness, server, begin, time.time(), "tokens are revoked"))
    gnocchi.stop_api()
    until("the outage is seen", 60, lambda: sink(g, "gnocchi")["state"] == "retry")
    gnocchi.start_api()
    gnocchi.ready()
    n = max(n, same(gnocchi, witness, server, begin, time.time(), "after an outage"))
    s = sink(g, "gnocchi")
    assert s["state"] == "ok" and s["refused"] == 0 and s["too_old"] == 0, s
    print("# %d values came back equal" % n)
    gone = gnocchi.ask("DELETE", "/v1/resource/generic/" + server)
    assert gone.status_code == 204, gone.text
    until("a resource that was deleted is made again", 60, lambda: gnocchi.ask("GET", "/v1/resource/generic/" + server).status_code == 200, 0.5)
    same(gnocchi, witness, server, time.time() + 5, time.time() + 8, "again")
