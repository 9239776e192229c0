"""What the tests of cfn-hup share: a guest with the old tool's files, a strict endpoint, one pass of the real binary."""
import json
import os
import subprocess
import time

import cfn_server
from guest import BINARY

ACCESS, SECRET = "1a2b3c4d5e6f708192a3b4c5d6e7f809", "s%3Cr=t /v+w&x~y!"
CREDENTIALS = "AWSAccessKeyId=%s\nAWSSecretKey=%s\n"
HOOK = "[%s]\ntriggers=%s\npath=%s\naction=%s\n%s"
ALL = "post.add,post.update,post.remove"


def resource(metadata, **more):
    return dict({"kind": "server", "metadata": metadata}, **more)


class Done:
    def __init__(self, done, seconds):
        self.code, self.out, self.err, self.seconds = done.returncode, done.stdout, done.stderr, seconds

    def __str__(self):
        return "exit %d after %.1f s\n%s\n%s" % (self.code, self.seconds, self.out, self.err)


class Hup:
    """A guest that knows its stack `st` with resources R1 (and what else is given) only through cfn-hup's own files."""

    def __init__(self, ctx, resources=None, conf="", **state):
        resources = resources or {"R1": resource({"a": {"b": 1}, "other": "x"})}
        self.fake = cfn_server.Fake(dict({"keys": {ACCESS: {"secret": SECRET}}, "stacks": {"st": {"resources": resources}}}, **state))
        self.fake.__enter__()
        ctx.later(lambda: self.fake.__exit__(None, None, None))
        ctx.secret(SECRET)
        self.g = ctx.guest("hup")
        self.g.conf("[metadata]\nrequest-timeout = 4s\nsplay = 0s\n%s" % conf)
        self.main()
        self.g.write("/etc/cfn/cfn-credentials", CREDENTIALS % (ACCESS, SECRET), 0o600)
        self.g.write("/var/lib/heat-cfntools/cfn-metadata-server", self.fake.url)

    def main(self, text="", stack="stack=st\n", folder="/etc/cfn"):
        self.g.write(folder + "/cfn-hup.conf", "[main]\n%scredential-file=/etc/cfn/cfn-credentials\nregion=nova\n%s" % (stack, text))

    def note(self, text="$CFN_HOOK_NAME $CFN_TRIGGER"):
        """An action that leaves one line in the guest's own list of what ran."""
        return "echo %s >>%s" % (text, self.g.path("/hooks.log"))

    def hook(self, name, path="Resources.R1.Metadata.a", triggers=ALL, action=None, extra="", folder="/etc/cfn/hooks.d"):
        action = (action or self.note()).replace("%", "%%")
        self.g.write("%s/%s.conf" % (folder, name), HOOK % (name, triggers, path, action, extra))

    def run(self, *arguments, env=None, timeout=60):
        """cfn-hup, by that name, below the guest's root."""
        tool = self.g.path("/cfn-hup")
        if not os.path.islink(tool):
            os.symlink(BINARY, tool)
        start = time.monotonic()
        done = subprocess.run([tool, "--root", self.g.root, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                              stdin=subprocess.DEVNULL, timeout=timeout, env=dict(os.environ, **(env or {})))
        with open(self.g.log_path, "a") as f:  # the harness searches it for secrets
            f.write(done.stdout + done.stderr)
        return Done(done, time.monotonic() - start)

    def once(self, *arguments, code=0, said=(), ran=None, env=None):
        """One pass that must end with CODE, say each of SAID on stderr, and run exactly RAN (None: whatever)."""
        before = len(self.ran())
        done = self.run(*arguments, env=env)
        assert done.code == code, "not exit %d: %s" % (code, done)
        for word in [said] if isinstance(said, str) else said:
            assert word in done.err, "not said: %r: %s" % (word, done)
        if ran is not None:
            assert self.ran()[before:] == ran, "ran %s, not %s: %s" % (self.ran()[before:], ran, done)
        return done

    def set(self, name="R1", **members):
        """Other metadata, status, physical_id ... of a resource."""
        self.fake.configure({"stacks": {"st": {"resources": {name: members}}}})

    def ran(self):
        return self.g.hooks_run()

    def asked(self, name="R1"):
        return [r for r in self.fake.requests if r["query"].get("LogicalResourceId") == name]

    def values(self, name):
        """What a hook left in a file, as JSON."""
        return json.loads(self.g.read(name))
