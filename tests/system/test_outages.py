"""What receivers and what lies before them can do wrong, on real sockets: no signal is lost or told twice, no sample is lost or sent twice, or it is counted.

Exact counts over an hour and over days are the simulation ring's; here it is the real client, resolver and TLS. The troubles are met side by
side, each by a guest of its own, which mostly waits. Of the four receivers one stays well, and shows which samples there were.
"""
import collections
import json
import os
import subprocess
import threading
import time
import traceback

import cfn_server
import pki
import receivers
import test_fake
from guest import BINARY, until
from harness import Skip, alone

TROUBLE_S = 9
CAUGHT_UP_S = 120
SIGNALS = "[metadata]\ninterval = 1s\nsplay = 0s\nrequest-timeout = 10s\n[signal]\nboot-quiet = 1s\n[sample]\ninterval = 1s\n"

# name: what each receiver does; who stays well; whether a restart stands for the quarter of an hour after which it is asked again
TROUBLES = {
    "401": ({"status": 401, "headers": {"WWW-Authenticate": "Basic"}}, "otlp", True),
    "403": ({"status": 403}, "prometheus", True),
    "404": ({"status": 404}, "otlp", True),
    "413": ({"status": 413}, "otlp", True),
    "422": ({"status": 422}, "otlp", True),
    "429 with Retry-After": ({"status": 429, "headers": {"Retry-After": "6"}}, "prometheus", False),
    "500": ({"status": 500}, "otlp", False),
    "503 with Retry-After": ({"status": 503, "headers": {"Retry-After": "4"}}, "prometheus", False),
    "slow": ({"do": "slow", "seconds": 2}, "otlp", False),
    "resets": ({"do": "reset"}, "prometheus", False),
    "token revoked": (None, "otlp", False),
}


class Judge:
    """One guest, its receivers, and what it told the handle."""

    def __init__(self, ctx, name, host="127.0.0.1", cert=None):
        self.rs, self.fake = receivers.Receivers(host), None
        self.ctx, self.cert = ctx, cert
        self.rs.certify(cert)
        self.rs.up()
        ctx.later(self.rs.down)
        ctx.secret(*self.rs.secrets())
        state = test_fake.state()
        state["stacks"]["web"]["resources"]["custom"] = {"kind": "heat-handle"}
        self.fake = cfn_server.Fake(state, cert=cert, key=cert)
        self.fake.up()
        ctx.later(self.fake.down)
        ctx.secret(test_fake.SECRET)
        self.g = ctx.guest(name)
        self.g.give_block(test_fake.block(self.fake, "%s://%s:%d/v1/" % ("https" if cert else "http", host, self.fake.port)))

    def conf(self, more=""):
        self.g.conf(more + SIGNALS + self.rs.conf())

    def flows(self, names=receivers.SINKS, since=0.0):
        return all(any(at > since * 1000 for at in self.rs.times(name)) for name in names)

    def signal(self, name):
        done = self.g.run("signal", "--status", "SUCCESS", "--reason", name, "--data", json.dumps({"n": name}), "--id", name, "custom")
        assert done.returncode == 0, done.stderr

    def swap(self, cert):
        """Every server with another certificate, or none at all."""
        self.rs.down()
        self.fake.down()
        self.rs.certify(cert)
        self.fake.cert = self.fake.key = cert
        self.rs.up()
        self.fake.up()

    def caught_up(self, healed):
        until("samples of after it in each receiver", CAUGHT_UP_S, lambda: self.flows(since=healed + 2), 0.3)

    def told_once(self, *names):
        """Signals of the agent and of callers: whole, each in one form."""
        until("signals %s" % (names,), CAUGHT_UP_S, lambda: set(names) <= set(self.fake.handle("custom")), 0.3)
        seen = {}
        for r in list(self.fake.requests):
            if r["status"] == 200 and "/waitcondition/" in r["path"] and r["body"]:
                signal = json.loads(r["body"])
                data = signal.get("data") or signal.get("Data")
                key = data["seq"] if isinstance(data, dict) and "seq" in data else signal.get("id")
                assert seen.setdefault(key, signal) == signal, "told in two forms: %s" % signal
        boots = [s for s in seen.values() if '"kind":"boot"' in json.dumps(s, separators=(",", ":"))]
        assert len(boots) == 1, boots

    def samples_whole(self, end, well="otlp", counted=()):
        """Each sample once. All that the one that stayed well has up to END. @counted: sinks that may lack some, as they say by themselves."""
        wanted = {at for at in self.rs.times(well) if at <= end * 1000}
        assert wanted
        for name in receivers.SINKS:
            times = self.rs.times(name)
            twice = sorted(at for at, n in collections.Counter(times).items() if n > 1)
            assert not twice, "%s got %d of %d samples twice: %s" % (name, len(twice), len(set(times)), twice[:5])
            lost = wanted - set(times)
            assert not lost or name in counted, "%s lacks %d of %d samples: %s" % (name, len(lost), len(wanted), sorted(lost)[:5])

    def refused(self):
        return {s["name"]: s["refused"] for s in self.g.status()["sinks"] if s.get("kind") == "metrics"}


def meet(ctx, name):
    fault, well, patient = TROUBLES[name]
    j = Judge(ctx, "outage")
    j.conf()
    j.g.start()
    until("metrics in each receiver", 60, j.flows, 0.3)
    until("the boot result", 60, lambda: j.fake.handle("boot"), 0.3)
    tried, before = {sink: j.rs.tried(sink) for sink in receivers.SINKS}, len(j.rs.fakes["monasca"].requests)
    if fault:
        j.rs.fault(but=well, **fault)
    else:
        j.rs.revoke()
    time.sleep(TROUBLE_S)
    until("each was tried", 60, lambda: all(j.rs.tried(sink) > n for sink, n in tried.items()), 0.3)
    if fault and fault.get("do") is None:
        assert not any(r["status"] < 300 for r in j.rs.fakes["monasca"].requests[before:] if r["path"].endswith("/metrics")), name
    refused = {sink for sink, n in j.refused().items() if n}
    if patient:
        j.g.stop()
    healed = time.time()
    j.rs.heal()
    if patient:
        j.g.start()
    j.caught_up(healed)
    assert (name == "422") >= bool(refused), "%s were counted as refused" % refused
    j.samples_whole(healed, well, refused)
    j.told_once()
    j.g.stop()


def side_by_side(what, each):
    wrong = []

    def one(item):
        try:
            what(item)
        except BaseException:  # a thread's own end is nobody's news
            wrong.append("%s: %s" % (item, traceback.format_exc()))
    threads = [threading.Thread(target=one, args=(item,)) for item in each]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, "\n".join(wrong)


def test_receivers(ctx):
    """Metrics through 401, 403, 404, 413, 422, 429, 500, 503, slow answers, resets and revoked tokens: each sample once, or counted."""
    side_by_side(lambda name: meet(ctx, name), TROUBLES)


def test_peaceful_restarts(ctx):
    """Stopped by SIGTERM while receivers answer, four times, one of them down: each sample once, and none is missing."""
    j = Judge(ctx, "restarts")
    j.conf()
    for name, (_, path, _) in receivers.SINKS.items():
        # Gnocchi is asked three times before it has its first samples: of the 3 s that an end waits for answers, half are for the machine.
        fault = {"status": 503} if name == "prometheus" else {"do": "slow", "seconds": 0.3}
        j.rs.fakes[name].fault(**dict(fault, on=path or "/v1/", times=0))
    well = j.rs.fakes["otlp"]
    for _ in range(4):
        met = well.met
        j.g.start()
        # the first request of a life is a look at the clock
        until("samples are under way", 60, lambda: well.met >= met + 2, 0.02)
        assert j.g.stop() == 0
    j.rs.heal()
    healed = time.time()
    j.g.start()
    j.caught_up(healed)
    j.samples_whole(healed)
    j.told_once()
    j.g.stop()


def bad_certificate(ctx, word, make):
    folder = os.path.join(ctx.folder, "ca-%s-%d" % (word, os.getpid()))
    os.makedirs(folder, exist_ok=True)
    authority = pki.Authority(folder)
    good = authority.certificate("good")
    j = Judge(ctx, "tls", cert=good)
    j.g.write("/etc/heat-pulse/ca.pem", open(authority.path).read())
    j.conf("[agent]\nca-file = /etc/heat-pulse/ca.pem\n")
    j.g.start()
    until("metrics in each receiver", 60, j.flows, 0.3)
    until("the boot result", 60, lambda: j.fake.handle("boot"), 0.3)
    j.swap(make(authority))
    began = time.time()
    j.signal("c-1")
    time.sleep(TROUBLE_S)
    status = j.g.status()
    named = [s for s in status["sinks"] if "certificate" in (s.get("error") or "").lower()]
    until("the certificate is named", 60, lambda: [s for s in j.g.status()["sinks"] if "certificate" in (s.get("error") or "").lower()], 0.3)
    assert not [at for name in receivers.SINKS for at in j.rs.times(name) if at > began * 1000 + 1500], (word, named)
    assert "c-1" not in j.fake.handle("custom")
    j.swap(good)
    j.caught_up(time.time())
    j.told_once("c-1")
    times = [set(j.rs.times(name)) for name in receivers.SINKS]
    end = min(max(t) for t in times)
    whole = {at for t in times for at in t if at <= end}
    assert all(whole <= t for t in times), [len(whole - t) for t in times]
    for name in receivers.SINKS:
        assert len(j.rs.times(name)) == len(set(j.rs.times(name))), name
    j.g.stop()


def test_certificates(ctx):
    """A certificate that has expired or is another's is refused by every client and named; when a good one is there, all is told, once."""
    kinds = {"expired": lambda a: a.certificate("expired", -20, -10), "another's": lambda a: a.certificate("other", name="elsewhere.example")}
    side_by_side(lambda word: bad_certificate(ctx, word.replace("'", ""), kinds[word]), kinds)


@alone
def test_names(ctx):
    """A name server that is silent from the start, speaks, and falls silent again: the agent goes on, its resolvers are few, nothing is lost."""
    try:
        server = receivers.NameServer("127.0.0.54")
    except OSError as e:
        raise Skip("port 53 of 127.0.0.54 is taken: %s" % e) from e
    ctx.later(server.close)
    j = Judge(ctx, "names", host="all.silent.test")
    j.conf()
    g = j.g
    g.write("/resolv.conf", "nameserver 127.0.0.54\noptions timeout:5 attempts:3\n")
    g.child = subprocess.Popen(["unshare", "-m", "sh", "-c", "mount --bind %s /etc/resolv.conf; exec %s run --root %s" % (g.path("/resolv.conf"), BINARY, g.root)],
                               stdout=open(g.out_path, "wb"), stderr=open(g.log_path, "wb"), stdin=subprocess.DEVNULL, start_new_session=True)
    until("the agent answers", 20, g.status)
    until("names were asked for", 30, lambda: server.asked > 1)
    agent = next(pid for name, pid in g.roles().items() if "agent" in name)
    most, end = 0, time.monotonic() + 12
    while time.monotonic() < end:
        most = max(most, len(os.listdir("/proc/%d/task" % agent)))
        assert g.status(), "the agent does not answer"
        time.sleep(0.2)
    assert 1 < most <= 5, "%d threads" % most
    j.signal("c-1")
    assert not j.fake.requests and not any(j.rs.tried(name) for name in receivers.SINKS)
    server.silent = False
    until("metrics in each receiver", CAUGHT_UP_S, j.flows, 0.3)
    j.told_once("c-1")
    server.silent = True
    silent = time.time()
    for fake in j.rs.fakes.values():  # else a kept connection needs no name
        fake.down()
        fake.up()
    j.signal("c-2")
    j.caught_up(silent)
    j.told_once("c-1", "c-2")
    times = [set(j.rs.times(name)) for name in receivers.SINKS]
    end = min(max(t) for t in times)
    whole = {at for t in times for at in t if at <= end}
    assert all(whole <= t for t in times), [len(whole - t) for t in times]
    g.stop()
