# SPDX-License-Identifier: Apache-2.0
"""What the drop-in tests share: a throw-away root, the program under its old names, a fake CFN endpoint, TAP.

HP_BIN names the built heat-pulse. A test is a function that raises AssertionError; run() prints one line for each, named by
the first line of its docstring ("kept: ..." or "fixed: ..." where an old tool's behaviour is meant).
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "lib"), os.path.join(HERE, "..", "..", "fakes")]
import cfn_server  # noqa: E402
import tap  # noqa: E402

ACCESS, SECRET = "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "p%Q^r!S&t*U1v2W3x4Y5z6A7b8C9d0E@"
OTHER_SECRET = "another-secret-%s-#"
STACK_ID = "7b1c0000-0000-4000-8000-000000000001"
PROGRAM = os.path.abspath(os.environ.get("HP_BIN") or sys.exit("HP_BIN must name the built heat-pulse"))


def state(**more):
    resources = {
        "srv": {"kind": "server", "metadata": {"a": {"b": 1, "b.c": "dot", "none": None, "empty": ""}, "text": "\u00e9 \"q\""}},
        "h_aws": {"kind": "aws-handle"},
        "h_heat": {"kind": "heat-handle"},
        "plain": {"kind": "none", "metadata": None},
    }
    return dict({"keys": {ACCESS: {"secret": SECRET}}, "stacks": {"web": {"id": STACK_ID, "resources": resources}}}, **more)


class Done:
    """One finished run. Every secret of the test is looked for in what it said."""

    def __init__(self, code, out, err, seconds):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds
        for secret in (SECRET, OTHER_SECRET, "Signature="):
            assert secret not in out + err, f"a secret was printed: {out}{err}"

    def expect(self, code, out=None, err=None):
        assert self.code == code, f"exit {self.code}, not {code}\nstdout: {self.out}stderr: {self.err}"
        if out is not None:
            assert self.out == out, f"stdout {self.out!r}, not {out!r}"
        if err is not None:
            assert err in self.err, f"stderr {self.err!r} lacks {err!r}"
        return self


class Box:
    """A root folder with links named as the old tools, and a fake endpoint."""

    def __init__(self, **more):
        self.folder = tempfile.mkdtemp(prefix="hp-dropin-")
        self.root = os.path.join(self.folder, "root")
        self.bin = os.path.join(self.folder, "bin")
        os.makedirs(self.bin)
        os.makedirs(self.root)
        for name in ("cfn-hup", "cfn-signal", "cfn-get-metadata", "cfn-create-aws-symlinks", "heat-pulse"):
            os.symlink(PROGRAM, os.path.join(self.bin, name))
        self.fake = cfn_server.Fake(state(**more))

    def __enter__(self):
        self.fake.up()
        return self

    def __exit__(self, *_exc):
        self.fake.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.root, name.lstrip("/"))

    def write(self, name, text, mode=0o600):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text if isinstance(text, str) else json.dumps(text))
        os.chmod(path, mode)
        return path

    def keys(self, access=ACCESS, secret=SECRET, name="/etc/cfn/cfn-credentials", mode=0o600):
        self.write(name, f"AWSAccessKeyId={access}\nAWSSecretKey={secret}\n", mode)
        return name

    def endpoint(self, url=None):
        self.write("/var/lib/heat-cfntools/cfn-metadata-server", url or self.fake.url)

    def block(self, **more):
        cfn = {"metadata_url": self.fake.url, "access_key_id": ACCESS, "secret_access_key": SECRET, "stack_name": "web",
               "path": "srv.Metadata"}
        cfn.update(more)
        self.write("/var/lib/heat-cfntools/cfn-init-data", {"from": "boot", "os-collect-config": {"collectors": ["cfn"], "cfn": cfn}})

    def state_document(self, metadata, resource="srv", stack="web", name="own"):
        """The agent's last good document, in the store's form: one header line with a digest, then the document."""
        arn = self.fake.arn(stack, self.fake.state["stacks"][stack])
        text = json.dumps({"v": 1, "source": "cfn", "stack": stack, "stack_id": arn, "resource": resource, "metadata": metadata})
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.write(f"/var/lib/heat-pulse/state/documents/{name}", f"heat-pulse-state 1 server-1 {digest}\n{text}")

    def start(self, *argv, **more):
        env = dict(os.environ, HEAT_PULSE_ROOT=self.root, **more)
        return subprocess.Popen([os.path.join(self.bin, argv[0])] + list(argv[1:]), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=env, text=True)

    def run(self, *argv, stdin="", timeout=60):
        started = time.monotonic()
        child = self.start(*argv)
        try:
            out, err = child.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            raise AssertionError(f"{argv[0]} was not done within {timeout} s") from None
        return Done(child.returncode, out, err, time.monotonic() - started)

    def tree(self):
        """Every file below the root with its content: to show that a command wrote nothing."""
        found = {}
        for folder, _folders, files in os.walk(self.root):
            for name in files:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    found[path] = file.read()
        return found


def run(module):
    """Every function test_* of the module, each with a Box of its own."""
    say = tap.Tap()
    for name, function in list(vars(module).items()):
        if not name.startswith("test_"):
            continue
        title = (function.__doc__ or name).strip().splitlines()[0].rstrip(".")
        try:
            with Box() as box:
                function(box)
            say.say(True, title)
        except Exception:  # a broken test is a failed one
            say.say(False, title, traceback.format_exc())
    return say.end()
