"""Metrics: Monasca, Prometheus remote write, textfile, Gnocchi, OTLP; refusals, outages, wrong clocks, alarm definitions."""
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import gnocchi_server
import monasca_expression
import monasca_server
import otlp_server
from cloud import free_port
from guest import until
from harness import Skip

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
BASE = "[metadata]\nsource = local\ninterval = 1s\nsplay = 0s\n[local]\nfile = /etc/heat-pulse/metadata.json\n[sample]\ninterval = 1s\n"


def sink_guest(ctx, sinks, metadata=None, start=True):
    g = ctx.guest("sinks")
    g.conf(BASE + "[sinks]\npush-interval = 5s\n" + sinks)
    g.write("/etc/heat-pulse/metadata.json", json.dumps(metadata or {}))
    if start:
        g.start()
    return g


def sink(g, name):
    return next((s for s in g.status()["sinks"] if s["name"] == name and s.get("kind") == "metrics"), None)


def credentials(fake):
    app = fake.state["app"]
    return "auth-url = %s/v3\napp-credential-id = %s\napp-credential-secret = %s\n" % (fake.url, app["id"], app["secret"])


def start_fake(ctx, module, **state):
    fake = module.Fake(state)
    fake.up()
    ctx.later(fake.down)
    ctx.secret(fake.state["app"]["secret"], fake.state["token"])
    return fake


# ---- the fakes themselves ----

def test_fake_monasca(ctx):
    """The strict Monasca takes and refuses what the notes say of the real one."""
    good = {"name": "a", "value": 1, "timestamp": 1, "dimensions": {"k": "v"}}
    for change in ({}, {"name": "x" * 255}, {"name": "it's"}, {"name": "\u00e9" * 255}, {"name": "a\nb"}, {"dimensions": {}}, {"dimensions": {"a b(c)/:[]%'|": "(d) / : [ ]"}},
                   {"value": True}, {"timestamp": True}, {"timestamp": -5.5}, {"value_meta": None}, {"value_meta": {"k": "\u00e9" * 339}}, {"other": 1},
                   {"value_meta": {str(i): "" for i in range(16)}}):
        monasca_server.check_metric(dict(good, **change))
    for change in ({"name": ""}, {"name": "x" * 256}, {"name": None}, {"name": 5}, {"name": "a b"}, {"name": "a(b"}, {"dimensions": None}, {"dimensions": {"_k": "v"}},
                   {"dimensions": {"": "v"}}, {"dimensions": {"k": ""}}, {"dimensions": {"k": 5}}, {"dimensions": {"k": "a;b"}}, {"dimensions": {"k": "x" * 256}},
                   {"value": "1"}, {"value": None}, {"value": float("nan")}, {"value": float("inf")}, {"timestamp": "1"}, {"timestamp": None},
                   {"value_meta": {"k": "\u00e9" * 340}}, {"value_meta": {str(i): "" for i in range(17)}}, {"value_meta": {"": "v"}}, {"value_meta": [1]}):
        try:
            monasca_server.check_metric(dict(good, **change))
        except monasca_server.Invalid:
            continue
        raise AssertionError("taken: %r" % change)
    for missing in ("name", "value", "timestamp"):
        try:
            monasca_server.check_metric({k: v for k, v in good.items() if k != missing})
        except monasca_server.Invalid:
            continue
        raise AssertionError("taken without %s" % missing)
    fake = start_fake(ctx, monasca_server)

    def post(body, token=None, **headers):
        r = urllib.request.Request(fake.url + "/v2.0/metrics", method="POST", data=body,
                                   headers=dict({"Content-Type": "application/json", "X-Auth-Token": token or fake.state["token"]}, **headers))
        try:
            with urllib.request.urlopen(r) as a:
                return a.status, a.headers, a.read()
        except urllib.error.HTTPError as e:
            return e.code, e.headers, e.read()
    assert post(b"[]")[0] == 204 and post(json.dumps(good).encode())[0] == 204 and len(fake.accepted) == 1
    assert post(b"[", **{})[0] == 400 and post(b"[]", **{"Content-Type": "application/json; charset=utf-8"})[0] == 400
    assert post(json.dumps([good, dict(good, name="")]).encode())[0] == 422 and len(fake.accepted) == 1
    assert post(b'[{"name":"a","value":NaN,"timestamp":1}]')[0] == 422
    status, headers, _ = post(b"[]", token="wrong")
    assert status == 401 and headers["WWW-Authenticate"].startswith("Keystone")
    fake.configure({"roles": ["reader"]})
    status, headers, _ = post(b"[]")
    assert status == 401 and not headers["WWW-Authenticate"].startswith("Keystone")


def test_fake_expressions(ctx):
    """The strict parser of alarm expressions takes the documented forms and no others."""
    for text in ("min(mem.usable_perc) < 5 times 3", "count(guest.kernel.oom_kill, deterministic) >= 1", "max(disk.space_used_perc) > 90", "last(guest.health.score) < 40",
                 "avg(mem.swap_used_mb,120) > 512 and max(load.avg_5_min) > 2", "count(log.error{component=kernel}, deterministic) >= 5", "a > 1 || (b lt 2 && c gte -0.5)",
                 "sum(x{k=a value, l=m}, deterministic, 60) lte 3 times 2", "x < 1 OR y > 2"):
        assert monasca_expression.parse(text), text
    for text in ("", "x", "x >", "x == 1", "x > 1e3", "x > 5%", "mean(x) > 1", "count(a,120,deterministic) > 1", "max(x,61) > 1", "max(x,0) > 1", "x > 1 and", "(x > 1",
                 "x{k=(a)} > 1", "x{k} > 1", "x{k=} > 1", "x > 1 times 0", "x > 1 times", "x > 1 y > 2", "max(x > 1"):
        try:
            monasca_expression.parse(text)
        except monasca_expression.Bad:
            continue
        raise AssertionError("taken: %s" % text)
    sub = monasca_expression.parse("x{k=a value,l=m} > 1")[0]
    assert sub["function"] == "max" and sub["dimensions"] == {"k": "a value", "l": "m"}


# ---- Monasca ----

def test_monasca(ctx):
    """Monasca by the catalog: every metric is accepted, harmless behind the API too, in the token's own project."""
    fake = start_fake(ctx, monasca_server)
    g = sink_guest(ctx, "monasca = catalog\n" + credentials(fake))
    until("metrics", 30, lambda: len(fake.accepted) > 100)
    now = time.time() * 1000
    for m in fake.accepted:
        assert not monasca_server.harmful(m, now), (m, monasca_server.harmful(m, now))
        assert m["dimensions"]["service"] in ("guest", "compute") and m["dimensions"]["resource_id"], m
    names = {m["name"] for m in fake.accepted}
    assert {"mem.usable_perc", "cpu.percent", "guest.agent.heartbeat", "guest.health.score"} <= names, names
    posts = [r for r in fake.requests if r["path"] == "/v2.0/metrics"]
    assert all(r["headers"]["Content-Type"] == "application/json" and "Content-Length" in r["headers"] for r in posts)
    full = max(posts, key=lambda r: len(r["body"]))
    values = len(json.loads(full["body"]))
    assert sink(g, "monasca")["state"] == "ok" and values <= 500 and len(full["body"]) <= 256 * 1024
    print("# %d bytes a value in Monasca's JSON" % (len(full["body"]) / values))


def test_monasca_prediction(ctx):
    """A prediction at Monasca: one risk and one ETA for each class and entity, with the reason and the signature of the health signal that says the same."""
    fake, name = start_fake(ctx, monasca_server), "hp-wanted-sink"
    g = sink_guest(ctx, "monasca = catalog\n" + credentials(fake) + "[signal]\nhealth = -\nprint = yes\n",
                   {"heat-pulse": {"watch": {"processes": [name]}}}, start=False)
    g.conf(g.read("/etc/heat-pulse/heat-pulse.conf").replace("[sample]\n", "[sample]\nprocess-interval = 1s\n"))
    g.start()

    def risks():
        return [m for m in list(fake.accepted) if m["name"] == "guest.failure.risk" and m["dimensions"]["entity"] == name]

    until("the risk with a signature", 90, lambda: any("signature" in (m["value_meta"] or {}) for m in risks()))
    told = next(m for m in risks() if "signature" in (m["value_meta"] or {}))
    assert told["value"] == 0.9 and told["dimensions"]["class"] == "process_down" and "no process" in told["value_meta"]["reason"], told
    signals = [json.loads(line) for line in g.read("/agent.out").split("\n") if line.startswith("{")]
    same = [s for s in signals if s["data"].get("sig") == told["value_meta"]["signature"]]
    assert same and str(same[0]["data"]["seq"]) == told["value_meta"]["seq"] and name in json.dumps(same[0]["data"]["findings"]), (told, signals)


def test_monasca_trouble(ctx):
    """A revoked token is renewed once, a missing role is waited out, 422 costs the bad metric alone, an outage costs nothing."""
    fake = start_fake(ctx, monasca_server)
    g = sink_guest(ctx, "monasca = catalog\n" + credentials(fake))
    until("metrics", 30, lambda: len(fake.accepted) > 50)
    fake.revoke()
    ctx.secret(fake.state["token"])
    had = len(fake.accepted)
    until("a new token", 30, lambda: len(fake.accepted) > had)
    fake.clear()
    real, bad = monasca_server.check_metric, "load.avg_5_min"

    def picky(m):
        real(m)
        monasca_server.need(m["name"] != bad, "not this one")
    monasca_server.check_metric = picky
    ctx.later(lambda: setattr(monasca_server, "check_metric", real))
    fake.accepted.clear()
    until("all but the bad one", 40, lambda: len(fake.accepted) > 100 and sink(g, "monasca")["refused"] > 0)
    assert bad not in {m["name"] for m in fake.accepted}
    assert bad in sink(g, "monasca")["error"] or sink(g, "monasca")["state"] == "ok"
    monasca_server.check_metric = real
    stamps = {m["timestamp"] for m in fake.accepted}
    down_at = time.time() * 1000
    fake.down()
    until("the outage is seen", 30, lambda: sink(g, "monasca")["state"] == "retry")
    time.sleep(6)
    fake.up()
    up_at = time.time() * 1000
    until("all is caught up", 90, lambda: any(m["timestamp"] > up_at + 3000 for m in fake.accepted))
    stamps = {m["timestamp"] for m in fake.accepted if m["name"] == "mem.usable_perc"}
    missing = [s for s in range(int(down_at), int(up_at), 2000) if not any(abs(t - s) < 2500 for t in stamps)]
    assert not missing, missing
    fake.configure({"roles": ["reader"]})
    until("the role is missed", 30, lambda: sink(g, "monasca")["state"] == "denied" and "role" in sink(g, "monasca")["error"])


def test_monasca_from_metadata(ctx):
    """A sink that a template names gets no token unless the catalog has its host; settings apply without restart."""
    fake, elsewhere = start_fake(ctx, monasca_server), start_fake(ctx, monasca_server)
    g = sink_guest(ctx, credentials(fake))
    assert sink(g, "monasca") is None
    g.write("/etc/heat-pulse/metadata.json", json.dumps({"heat-pulse": {"sinks": [{"type": "monasca", "url": elsewhere.url + "/v2.0"}]}}))
    until("it is denied", 30, lambda: sink(g, "monasca") and sink(g, "monasca")["state"] == "denied")
    assert not elsewhere.requests
    g.write("/etc/heat-pulse/metadata.json", json.dumps({"heat-pulse": {"sinks": [{"type": "monasca", "url": fake.url + "/v2.0"}]}}))
    until("metrics", 30, lambda: fake.accepted)


def test_clock(ctx):
    """A receiver whose clock is far from ours gets nothing until they agree; nothing that was held is lost."""
    fake = start_fake(ctx, otlp_server, clock=-3600)
    g = sink_guest(ctx, "otlp = %s/v1/metrics\n" % fake.url)
    until("held", 30, lambda: (sink(g, "otlp") or {}).get("state") == "clock")
    time.sleep(7)
    assert not fake.accepted, len(fake.accepted)
    assert "3600 s ahead" in sink(g, "otlp")["error"] or "3599 s ahead" in sink(g, "otlp")["error"], sink(g, "otlp")
    agreed = time.time()
    fake.configure({"clock": 0})
    until("what was held comes", 40, lambda: fake.accepted)
    until("and the rest", 40, lambda: max(int(p["timeUnixNano"]) for _, _, p in fake.accepted) > agreed * 1e9)
    assert min(int(p["timeUnixNano"]) for _, _, p in fake.accepted) < (agreed - 5) * 1e9


# ---- Prometheus ----

def ask_prometheus(port, query):
    url = "http://127.0.0.1:%d/api/v1/query?%s" % (port, urllib.parse.urlencode({"query": query}))
    with urllib.request.urlopen(url, timeout=5) as a:
        return json.load(a)["data"]["result"]


def start_prometheus(ctx, g, port):
    folder = g.path("/prometheus")
    os.makedirs(folder, exist_ok=True)
    with open(folder + "/prometheus.yml", "w") as f:
        f.write("global: {scrape_interval: 1m}\n")
    log = open(folder + "/log", "ab")
    child = subprocess.Popen(["prometheus", "--config.file=%s/prometheus.yml" % folder, "--storage.tsdb.path=%s/data" % folder, "--web.enable-remote-write-receiver",
                              "--web.listen-address=127.0.0.1:%d" % port], stdout=log, stderr=log)

    def ready():
        try:
            return urllib.request.urlopen("http://127.0.0.1:%d/-/ready" % port, timeout=2).status == 200
        except OSError:
            return False
    until("Prometheus is ready", 60, ready, 0.3)
    return child


def end_child(child):
    child.send_signal(signal.SIGKILL)
    child.wait(20)


def test_prometheus(ctx):
    """The real Prometheus takes remote write: values come back by query, an outage with a restart of the agent costs none, no request is refused."""
    if not shutil.which("prometheus"):
        raise Skip("the package prometheus is not installed")
    port = free_port()
    g = sink_guest(ctx, "prometheus = http://127.0.0.1:%d/api/v1/write\n" % port, start=False)
    child = start_prometheus(ctx, g, port)
    try:
        g.start()
        until("series", 40, lambda: ask_prometheus(port, "node_memory_MemTotal_bytes"))
        series = ask_prometheus(port, "node_memory_MemTotal_bytes")[0]
        with open("/proc/meminfo") as f:
            total = int(re.search(r"MemTotal:\s+(\d+) kB", f.read()).group(1)) * 1024
        assert abs(float(series["value"][1]) - total) < 2 << 20, (series, total)
        assert series["metric"]["job"] == "heat-pulse" and series["metric"]["instance"] and series["metric"]["resource_id"], series
        assert ask_prometheus(port, "guest_agent_heartbeat") and ask_prometheus(port, "{__name__=~'node_filesystem_.*',mountpoint!=''}")
        end_child(child)
        down = time.time()
        until("the outage is seen", 30, lambda: sink(g, "prometheus")["state"] == "retry")
        time.sleep(5)
        stopped = time.time()
        g.stop()
        g.start()
        restart = time.time() - stopped
        child = start_prometheus(ctx, g, port)
        back = time.time()
        until("caught up", 90, lambda: any(float(s["value"][1]) > back + 2 for s in ask_prometheus(port, "timestamp(guest_agent_heartbeat)")))
        s = sink(g, "prometheus")
        assert s["state"] == "ok" and s["refused"] == 0 and s["too_old"] == 0, s
        times = [t for t, _ in ask_prometheus(port, "guest_agent_heartbeat[5m]")[0]["values"]]
        gaps = sorted(((b - a, a - stopped) for a, b in zip(times, times[1:])), reverse=True)
        # no sample is taken while the agent restarts; nothing else may be missing
        assert times[0] < down and gaps[0][0] < restart + 3 and (len(gaps) < 2 or gaps[1][0] < 3), (gaps[:5], restart, stopped - down)
    finally:
        end_child(child)


def test_textfile(ctx):
    """The textfile is what promtool and node_exporter read, and is replaced whole."""
    if not shutil.which("prometheus-node-exporter") or not shutil.which("promtool"):
        raise Skip("the packages prometheus and prometheus-node-exporter are not installed")
    g = sink_guest(ctx, "textfile = /textfile/heat-pulse.prom\n", start=False)
    os.makedirs(g.path("/textfile"))
    os.chmod(g.path("/textfile"), 0o777)
    g.start()
    until("the file", 30, lambda: g.read("/textfile/heat-pulse.prom"))
    done = subprocess.run(["promtool", "check", "metrics"], input=g.read("/textfile/heat-pulse.prom"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wrong = [line for line in done.stdout.split("\n") if line and "no help text" not in line and "non-counter" not in line and "counter metrics should" not in line
             and "abbreviated" not in line and "use base unit" not in line and "contain unit" not in line and "metric type in name" not in line and '"_count" suffix' not in line]
    assert not wrong, wrong
    port = free_port()
    child = subprocess.Popen(["prometheus-node-exporter", "--web.listen-address=127.0.0.1:%d" % port, "--collector.disable-defaults", "--collector.textfile",
                              "--collector.textfile.directory=" + g.path("/textfile")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def scrape():
            try:
                return urllib.request.urlopen("http://127.0.0.1:%d/metrics" % port, timeout=2).read().decode()
            except OSError:
                return ""
        until("node_exporter", 20, scrape)
        text = scrape()
        assert "node_textfile_scrape_error 0" in text and "guest_agent_heartbeat 1" in text, text[:2000]
    finally:
        end_child(child)
    assert os.listdir(g.path("/textfile")) == ["heat-pulse.prom"], os.listdir(g.path("/textfile"))


# ---- Gnocchi, OTLP ----

def test_gnocchi(ctx):
    """Gnocchi: the resource is made, times are seconds, a foreign metric costs itself alone."""
    fake = start_fake(ctx, gnocchi_server, foreign=["guest.load.avg_1_min"])
    g = sink_guest(ctx, "gnocchi = catalog\n" + credentials(fake))
    until("measures", 40, lambda: len(fake.measures) > 50)
    assert not fake.ruined and len(fake.resources) == 1
    assert next(iter(fake.resources)) == g.status()["server_id"]
    for (_, name), list_ in fake.measures.items():
        assert name.startswith("guest.") and all(abs(at - time.time()) < 120 for at, _ in list_), name
    until("the foreign one is counted", 20, lambda: sink(g, "gnocchi")["refused"] > 0)
    assert sink(g, "gnocchi")["sent"] > 50


def test_otlp(ctx):
    """OTLP/HTTP JSON has the published names and types, and no others."""
    fake = start_fake(ctx, otlp_server)
    g = sink_guest(ctx, "otlp = %s/v1/metrics\n" % fake.url)
    until("points", 40, lambda: len(fake.accepted) > 100)
    about, _, point = fake.accepted[0]
    assert about["cloud.provider"] == "openstack" and about["host.id"] == g.status()["server_id"], about
    assert abs(int(point["timeUnixNano"]) / 1e9 - time.time()) < 120
    assert "system.memory.linux.available" in {m["name"] for _, m, _ in fake.accepted}
    assert all(r["status"] == 200 for r in fake.requests), [r["status"] for r in fake.requests]


# ---- alarms ----

def metric_names():
    with open(os.path.join(TOP, "agent/sample/metrics.def")) as f:
        names = set(re.findall(r'^METRIC\(\w+, "([^"]+)"', f.read(), re.M))
    with open(os.path.join(TOP, "agent/sink/metric_set.c")) as f:
        return names | set(re.findall(r'"(guest\.[a-z_.]+)"', f.read()))


def test_alarms(ctx):
    """The shipped alarm definitions pass the parser, speak of metrics we send, and are applied once however often."""
    fake = start_fake(ctx, monasca_server, roles=["monasca-user"])
    with open(os.path.join(TOP, "packaging/monasca/alarms.json")) as f:
        for alarm in json.load(f):
            for sub in monasca_expression.parse(alarm["expression"]):
                assert sub["metric"] in metric_names(), sub
    env = dict(os.environ, OS_AUTH_URL=fake.url + "/v3", OS_APPLICATION_CREDENTIAL_ID=fake.state["app"]["id"],
               OS_APPLICATION_CREDENTIAL_SECRET=fake.state["app"]["secret"], NOTIFY_EMAIL="ops@example.org", NOTIFY_WEBHOOK="https://hook.example/x")
    script = os.path.join(TOP, "packaging/monasca/apply")
    for dry, made in ((True, 0), (False, 10), (False, 10)):
        done = subprocess.run([script] + (["--dry-run"] if dry else []), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0 and len(fake.definitions) == made, done.stdout
    assert len(fake.notifications) == 2
    assert all(len(d.get("ok_actions", [])) == 2 for d in fake.definitions)
    del env["NOTIFY_EMAIL"]
    fake.configure({"roles": ["reader"]})
    fake.definitions.clear()
    done = subprocess.run([script], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode != 0 and "HTTP 401" in done.stdout and not fake.definitions, done.stdout
