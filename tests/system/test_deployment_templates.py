"""The templates of today's deployments, each made on a real Heat and driven to its end by the agent."""
import glob
import os

from guest import until
from test_deployments import CONF, names, states

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.path.join(TOP, "hooks", "templates")
# What the first deployment printed, and a file that must be there, by template.
EXPECTED = {
    "deploy-script": ("CREATE: hello\n", None),
    "deploy-component": ("installing 1.0\n", None),
    "deploy-files": ("wrote /etc/shop/config.json\n", "/etc/puppet/hieradata/heat.json"),
    "deploy-cfn-init": (None, "/etc/shop/motd"),
    "deploy-group": (None, None),
    "deploy-settings": ("", None),
}


class Made:
    """One stack of the gallery and a guest for each of its servers."""

    def __init__(self, ctx, path):
        self.ctx, self.cloud = ctx, ctx.cloud
        self.word = os.path.splitext(os.path.basename(path))[0]
        self.name = "%s-%d" % (self.word, next(names))
        with open(path) as f:
            self.cloud.ask("POST", "/stacks", {"template": f.read(), "stack_name": self.name, "timeout_mins": 10})
        ctx.later(lambda: self.cloud.delete(self.name))

    def start(self):
        servers = ("one", "two") if self.word == "deploy-group" else ("server",)
        self.guests = {}
        self.cloud.made(self.name, *servers)
        for server in servers:
            g = self.guests[server] = self.ctx.guest(self.name + "-" + server)
            g.conf(CONF)
            g.give_block(self.ctx.keep_block(self.block(server)))
            g.start()

    def block(self, server):
        """Credentials have values a moment after the server exists."""
        def look():
            value = self.cloud.output(self.name, server)
            keys = (value or {}).get("cfn") or {}
            return value if keys.get("access_key_id") and keys.get("secret_access_key") else None
        return until("credentials of %s" % server, 60, look, 0.3)


def test_gallery(ctx):
    """Each template of a deployment is created, run and told"""
    paths = sorted(glob.glob(FOLDER + "/deploy-*.yaml"))
    made = [Made(ctx, path) for path in paths]
    assert sorted(EXPECTED) == [one.word for one in made], paths
    for one in made:
        one.start()
    for one in made:
        ctx.cloud.wait(one.name, "CREATE_COMPLETE", 150)
        printed, path = EXPECTED[one.word]
        if printed is not None:
            assert ctx.cloud.output(one.name, "printed") == printed, one.word
        for g in one.guests.values():
            assert path is None or os.path.exists(g.path(path)), (one.word, path)
            until("all is told", 30, lambda g=g: set(states(g)) == {"signalled"})
    group = next(one for one in made if one.word == "deploy-group")
    told = ctx.cloud.output(group.name, "printed")
    assert sorted(told) == ["one", "two"] and told["one"] != told["two"] and all(told.values()), told
