"""Other ways in and out, against the real Keystone and Heat: files of other tools, application credentials, tokens, refusals."""
import json
import os
import signal
import time

import requests

import test_fake
from guest import until
from harness import alone
from test_heat import AGENT_PATH, CONF, deploy
from test_rights import local_guest


def test_os_collect_config_conf(ctx):
    """/etc/os-collect-config.conf is found where Heat's own file is not; check names it."""
    block = deploy(ctx, "occ-conf")
    g = ctx.guest("occ-conf")
    g.conf(CONF)
    cfn = block["cfn"]
    g.write("/etc/os-collect-config.conf", "[DEFAULT]\ncommand = os-refresh-config\ncollectors = cfn\n\n[cfn]\n" +
            "".join("%s = %s\n" % (k, v) for k, v in cfn.items()), 0o600)
    g.hook("app", AGENT_PATH)
    g.start()
    until("the hook", 30, lambda: g.hooks_run() == ["app post.add"])
    assert "os-collect-config.conf" in g.run("check").stdout


@alone
def test_application_credential(ctx):
    """An application credential reads the metadata of a resource."""
    deploy(ctx, "appcred")
    cloud = ctx.cloud
    who = requests.get(cloud.auth_url + "/auth/tokens", headers={"X-Auth-Token": cloud.token, "X-Subject-Token": cloud.token}, timeout=30).json()["token"]

    def make():
        """One of Keystone's processes now and then does not find a role that another has put into the token."""
        made = requests.post(cloud.auth_url + "/users/%s/application_credentials" % who["user"]["id"], headers={"X-Auth-Token": cloud.token}, timeout=30,
                             json={"application_credential": {"name": "guest-%d" % time.time(), "unrestricted": False}})
        return made.json().get("application_credential")
    cred = until("an application credential", 30, make)
    ctx.secret(cred["secret"])
    g = ctx.guest("appcred")
    g.conf(CONF + "[heat]\nauth-url = %s\napp-credential-id = %s\napp-credential-secret = %s\nstack-id = appcred/%s\nresource = srv\n" %
           (cloud.auth_url, cred["id"], cred["secret"], cloud.show("appcred")["id"]))
    g.hook("app", AGENT_PATH)
    g.start()
    until("the hook", 30, lambda: g.hooks_run() == ["app post.add"])


def test_token_endpoint(ctx):
    """An endpoint and a token given in root's configuration are told."""
    ctx.cloud.create("token", "token.yaml")
    ctx.later(lambda: ctx.cloud.delete("token"))
    block = ctx.keep_block(ctx.cloud.block("token"))
    ctx.cloud.made("token", "told")
    endpoint, token = ctx.cloud.output("token", "endpoint"), ctx.cloud.output("token", "token")
    ctx.secret(token)
    g = ctx.guest("token")
    g.conf(CONF.replace("[signal]", "[signal]\nboot = %s\ntoken = %s" % (endpoint, token)))
    g.give_block(block)
    g.start()
    until("the boot result at Heat", 30, lambda: "success" in json.dumps(ctx.cloud.metadata("token", "told")))


@alone
def test_service_token_wanted(ctx):
    """A Keystone that wants a service token of Heat refuses every guest: the 403 names that among its causes, and heals."""
    block = deploy(ctx, "stock")
    g = ctx.guest("stock")
    g.conf(CONF)
    g.give_block(block)
    g.hook("app", AGENT_PATH)
    ctx.cloud.stop_heat()
    ctx.cloud.start_heat(HEAT_PULSE_STOCK_EC2="1")
    try:
        g.start()
        until("the cause is named", 30, lambda: any("service token" in (p["text"] + p.get("remedy", "")).lower() for p in g.status()["problems"]))
        assert "service token" in g.log().lower()
    finally:
        ctx.cloud.stop_heat()
        ctx.cloud.start_heat()
    until("healed", 150, lambda: g.hooks_run() == ["app post.add"], 0.5)


def test_environment_proxy(ctx):
    """Proxies of the environment are not used."""
    fake = test_fake.serve(ctx)
    g = ctx.guest("proxy")
    test_fake.prepare(g, fake)
    g.start(env={"http_proxy": "http://127.0.0.1:9/", "HTTPS_PROXY": "http://127.0.0.1:9/", "ALL_PROXY": "http://127.0.0.1:9/"})
    until("the hook", 20, lambda: g.hooks_run() == ["app post.add"])


def test_paused_guest(ctx):
    """A pause of the whole guest: on resume one poll at once, the change since then runs once."""
    fake = test_fake.serve(ctx)
    g = ctx.guest("paused")
    test_fake.prepare(g, fake, test_fake.CONF.replace("interval = 1s", "interval = 2s"))
    g.start()
    until("the hook", 20, lambda: g.hooks_run() == ["app post.add"])
    pids = list(g.roles().values())
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    before = len(fake.requests)
    time.sleep(8)
    assert len(fake.requests) == before
    test_fake.set_rev(fake, "2")
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    until("the update", 5, lambda: g.hooks_run() == ["app post.add", "app post.update"])
    time.sleep(1)
    assert len(fake.requests) - before <= 4, len(fake.requests) - before


def test_settings_change_live(ctx):
    """A handle named later in metadata is told without a restart; what metadata may not set is reported, not obeyed."""
    g = local_guest(ctx, metadata='{"app": 1}')
    g.start()
    time.sleep(2)
    assert '"kind":"boot"' not in g.read("/agent.out")
    g.write("/etc/heat-pulse/metadata.json", '{"app": 1, "heat-pulse": {"boot": "b", "command": "/bin/evil", "colour": "red"}}')
    until("the boot result", 15, lambda: '"kind":"boot"' in g.read("/agent.out"))
    texts = json.dumps(g.status()["problems"])
    assert "command" in texts and "colour" in texts, texts
