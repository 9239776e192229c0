"""Signed URLs and queues with a real Swift and a real Zaqar, and the change from one transport to another."""
import requests

from guest import until

CONF = """[metadata]
interval = 1s
splay = 0s
full-every = 3
"""
PATH = "Resources.srv.Metadata.app.rev"


def start(ctx, name, transport):
    cloud = ctx.push_cloud
    cloud.create(name, "transports.yaml", transport=transport)
    ctx.later(lambda: cloud.delete(name))
    block = ctx.keep_block(cloud.block(name))
    g = ctx.guest(name)
    g.conf(CONF)
    g.give_block(block)
    g.hook("rev", PATH, action="echo $CFN_NEW_METADATA >>" + g.path("/hooks.log"))
    g.start()
    return cloud, g


def revisions(g):
    return [line.strip('"') for line in g.hooks_run() if line]


def sources(g):
    return {s["name"]: s["state"] for s in g.status()["sources"]}


def update(cloud, name, transport, rev):
    cloud.update(name, "transports.yaml", transport=transport, rev=rev)
    cloud.wait(name, "UPDATE_COMPLETE", 120)


def follows(ctx, name, transport, source):
    """A stack update reaches the hook; deployments are in the document."""
    cloud, g = start(ctx, name, transport)
    until("the first revision", 30, lambda: revisions(g) == ["1"])
    cloud.wait(name, "CREATE_COMPLETE", 120)
    assert sources(g) == {source: "ok"}, g.status()["sources"]
    update(cloud, name, transport, "2")
    until("the second revision", 30, lambda: revisions(g) == ["1", "2"])
    until("the deployment's input", 30, lambda: '"2"' in g.run("metadata", "deployments").stdout)
    return cloud, g


def token_of(block):
    return requests.post(block["auth_url"].rstrip("/") + "/auth/tokens", timeout=30, json={"auth": {
        "identity": {"methods": ["password"], "password": {"user": {"id": block["user_id"], "password": block["password"]}}},
        "scope": {"project": {"id": block["project_id"]}}}}).headers["X-Subject-Token"]


def tells(cloud, g, name, word):
    """A signal to a handle by its name gets to Heat."""
    done = g.run("signal", "--status", "SUCCESS", "--id", word, "--wait", "60", "told", timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr + g.log()[-3000:]
    assert word in cloud.metadata(name, "told"), cloud.metadata(name, "told")


def remove_keys(block, cfn):
    """The EC2 keys that the guest began with are no longer good for anything."""
    user = "%s/users/%s/credentials/OS-EC2" % (block["auth_url"].rstrip("/"), block["user_id"])
    answer = requests.delete("%s/%s" % (user, cfn["access_key_id"]), headers={"X-Auth-Token": token_of(block)}, timeout=30)
    assert answer.status_code == 204, answer.text


def waiting(cloud, block):
    """How many messages are in the guest's queue, claimed or not."""
    token = token_of(block)
    answer = requests.get("http://127.0.0.1:%d/v2/queues/%s/messages?echo=true&include_claimed=true" % (cloud.ports["zaqar"], block["queue_id"]),
                          headers={"X-Auth-Token": token, "Client-ID": "3381af92-2b9e-11e3-b191-71861300734c"}, timeout=30)
    answer.raise_for_status()
    return len(answer.json()["messages"])


def test_tempurl(ctx):
    """A signed URL: a stack update starts its hook, also one that came while the guest was down"""
    cloud, g = follows(ctx, "by-url", "POLL_TEMP_URL", "tempurl")
    assert "tempurl" in g.run("check").stdout
    g.kill_all()
    update(cloud, "by-url", "POLL_TEMP_URL", "3")
    g.start()
    until("what changed while it was down", 30, lambda: revisions(g) == ["1", "2", "3"])


def test_zaqar(ctx):
    """A queue: a stack update starts its hook, kill -9 loses no document, what is on disk leaves the queue, and its user tells handles"""
    cloud, g = follows(ctx, "by-queue", "ZAQAR_MESSAGE", "zaqar")
    tells(cloud, g, "by-queue", "by-the-user-of-the-queue")
    g.kill_all()
    update(cloud, "by-queue", "ZAQAR_MESSAGE", "3")
    update(cloud, "by-queue", "ZAQAR_MESSAGE", "4")
    g.start()
    until("only the newest of what waited", 30, lambda: revisions(g)[-1:] == ["4"])
    assert revisions(g) == ["1", "2", "4"], revisions(g)
    until("the queue is empty", 30, lambda: waiting(cloud, cloud.block("by-queue")["zaqar"]) == 0, 0.5)
    assert g.stop() == 0


CHAIN = (("POLL_SERVER_CFN", "cfn"), ("POLL_SERVER_HEAT", "heat"), ("POLL_TEMP_URL", "tempurl"), ("ZAQAR_MESSAGE", "zaqar"))


def test_chain(ctx):
    """cfn, heat, a signed URL, a queue: each change of transport comes with a change for the hook, and none is lost; signals use the newest, too, as a restart does"""
    cloud, g = start(ctx, "chain", CHAIN[0][0])
    keys = cloud.block("chain")["cfn"]
    until("the first revision", 30, lambda: revisions(g) == ["1"])
    cloud.wait("chain", "CREATE_COMPLETE", 120)
    for n, (transport, source) in enumerate(CHAIN[1:], 2):
        update(cloud, "chain", transport, str(n))
        ctx.keep_block(cloud.output("chain", "occ"))
        until("revision %d" % n, 60, lambda: revisions(g)[-1:] == [str(n)])
        until("source %s" % source, 60, lambda: sources(g) == {source: "ok"})
        if source == "heat":
            remove_keys(cloud.output("chain", "occ")["heat"], keys)
            tells(cloud, g, "chain", "by-the-user-that-came")
        if source == "tempurl":
            g.kill_all()
            g.start()
            until("after kill -9", 30, lambda: sources(g) == {source: "ok"})
    assert revisions(g) == ["1", "2", "3", "4"], revisions(g)
    update(cloud, "chain", "ZAQAR_MESSAGE", "5")
    until("the queue is heard", 30, lambda: revisions(g)[-1:] == ["5"])
