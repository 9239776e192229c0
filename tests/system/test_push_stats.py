"""cfn-push-stats: the old options and names, into the running agent's metric sinks."""
import os

import monasca_server
from guest import until
from test_sinks import credentials, sink_guest, start_fake


def pushed(fake):
    return {m["name"]: m for m in fake.accepted if m["name"][0].isupper()}


def test_values(ctx):
    """kept: names and units of every option; fixed: memory and swap are measured, and values arrive"""
    fake = start_fake(ctx, monasca_server)
    g = sink_guest(ctx, "monasca = catalog\n" + credentials(fake))
    until("metrics", 60, lambda: len(fake.accepted) > 0)
    options = ["--heartbeat", "--service-failure", "--mem-util", "--mem-used", "--mem-avail", "--swap-util", "--swap-used", "--disk-space-util", "--disk-space-used",
               "--disk-space-avail", "--cpu-util", "--memory-units", "bytes", "--disk-units", "gigabytes", "--disk-path", "/", "--metric", "Mine", "--units", "Count",
               "--value", "2.5", "--watch", "alarm"]
    done = g.run("cfn-push-stats", *options)
    assert done.returncode == 0, done.stderr
    wanted = {"Heartbeat", "ServiceFailure", "MemoryUtilization", "MemoryUsed", "MemoryAvailable", "SwapUtilization", "SwapUsed", "DiskSpaceUtilization", "DiskSpaceUsed",
              "DiskSpaceAvailable", "CPUUtilization", "Mine"}
    until("all of them", 60, lambda: wanted <= set(pushed(fake)))
    got = pushed(fake)
    assert all(m["dimensions"]["AlarmName"] == "alarm" for m in got.values()), got
    assert got["Heartbeat"]["value"] == got["ServiceFailure"]["value"] == 1 and got["Mine"]["value"] == 2.5
    with open("/proc/meminfo") as f:
        total = int(f.readline().split()[1]) * 1024
    assert abs(got["MemoryUsed"]["value"] + got["MemoryAvailable"]["value"] - total) < total / 100
    disk = os.statvfs(g.root)
    assert abs(got["DiskSpaceAvailable"]["value"] - disk.f_bavail * disk.f_frsize / 2 ** 30) < 5
    for name in ("MemoryUtilization", "SwapUtilization", "DiskSpaceUtilization", "CPUUtilization"):
        assert 0 <= got[name]["value"] <= 100, got[name]


def test_refusals(ctx):
    """fixed: no agent is exit 5, no sink and nothing asked for 1, a wrong word 2 and a sentence; haproxy is refused"""
    g = sink_guest(ctx, "", start=False)
    assert g.run("cfn-push-stats", "--heartbeat").returncode == 5
    g.start()
    until("an agent", 20, g.status)
    done = g.run("cfn-push-stats", "--heartbeat")
    assert done.returncode == 1 and "no metric sink" in done.stderr, done.stderr
    assert g.run("cfn-push-stats").returncode == 1
    for words in (["--memory-units", "furlongs", "--mem-used"], ["--metric", "x"], ["--metric", "x", "--units", "u", "--value", "abc"], ["--haproxy"], ["--haproxy-latency"], ["--nope"],
                  ["--disk-path", "relative", "--disk-space-used"]):
        done = g.run("cfn-push-stats", *words)
        assert done.returncode == 2 and done.stderr, (words, done.returncode, done.stderr)
