"""The action signal against a real Heat: a watched process is missing, and a scaling policy makes a group grow."""
import os
import signal
import time

from guest import until

CONF = """[metadata]
interval = 1s
splay = 0s
[sample]
interval = 1s
process-interval = 1s
[signal]
boot-quiet = 2s
action-uptime = 0s
action-pause = 1s
"""


def guest(ctx, name, conf=CONF, **parameters):
    ctx.cloud.create(name, "scaling.yaml", **parameters)
    block = ctx.keep_block(ctx.cloud.block(name))
    ctx.later(lambda: ctx.cloud.delete(name))
    ctx.cloud.wait(name, "CREATE_COMPLETE", 120)
    g = ctx.guest(name)
    g.conf(conf)
    g.give_block(block)
    return g


def update(ctx, g, name, **parameters):
    """Heat takes a scaling that is signalled while the stack is updated, and forgets it: the guest stands still until that is over."""
    pids = list(g.roles().values())
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        ctx.cloud.update(name, "scaling.yaml", **parameters)
        ctx.cloud.wait(name, "UPDATE_COMPLETE", 120)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def size(ctx, name):
    return int(ctx.cloud.output(name, "size"))


def grown(ctx, g, name, wanted=2):
    until("the action was told", 120, lambda: g.status()["action"]["state"] == "told")
    until("the group has %d members" % wanted, 120, lambda: size(ctx, name) == wanted, 0.5)


def test_by_name(ctx):
    """A name that is no resource is refused and said in status; corrected by the template the policy is signalled, once however often the agent is killed"""
    g = guest(ctx, "act-name", transport="POLL_SERVER_CFN", action="gorw")
    g.start()
    until("it was refused", 120, lambda: g.status()["action"]["last"] == "slowly")
    shown = g.status()["action"]
    assert shown["state"] == "slowly" and shown["error"], shown
    update(ctx, g, "act-name", transport="POLL_SERVER_CFN", action="grow")
    grown(ctx, g, "act-name")
    told = g.status()["action"]
    assert told["told"] == [{"class": "process_down", "entity": "hp-wanted-act"}] and told["threshold"] == 0.9, told
    assert told["target"] == "grow" and told["last"] == "delivered", told
    g.kill_all()
    g.start()
    until("what was told is known", 20, lambda: g.status()["action"]["told"] == told["told"])
    g.stop()
    g.start()
    until("the finding is open", 20, lambda: g.status()["findings"])
    time.sleep(5)
    assert size(ctx, "act-name") == 2 and g.status()["action"]["in_24_h"] == 1, g.status()["action"]


def test_url_from_conf(ctx):
    """An alarm URL in root's configuration; a threshold in metadata above the risk keeps it from being signalled"""
    g = guest(ctx, "act-url", threshold=0.99, action="")
    url = ctx.cloud.output("act-url", "alarm_url")
    ctx.secret(url.split("Signature=")[1].split("&")[0])
    g.conf(CONF + "action = %s\n" % url)
    g.start()
    until("the finding is open", 30, lambda: any(f["class"] == "process_down" for f in g.status()["findings"]))
    time.sleep(2)
    assert g.status()["action"]["state"] == "idle", g.status()["action"]
    update(ctx, g, "act-url", transport="POLL_SERVER_CFN", threshold=0.8, action="")
    grown(ctx, g, "act-url")
