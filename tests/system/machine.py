"""A throw-away machine: an overlay of this one in a mount namespace of its own. What is changed in it, packages, users and files, is gone with it.

The network is this machine's, so that a server on loopback can be reached. Needs root and an overlay file system.
"""
import http.server
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from guest import BINARY, until

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SETUP = r"""
set -eu
folder=$1
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
cd "$folder/root"
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs dev
for d in null zero full random urandom tty; do cp -a "/dev/$d" dev/; done
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p usr/local/bin
cp "$2" usr/local/bin/heat-pulse
ln -sf heat-pulse usr/local/bin/cfn-init
rm -rf var/cache/heat-cfntools var/lib/heat-cfntools etc/heat-pulse etc/cfn etc/apt/sources.list etc/apt/sources.list.d/*
exec chroot . /bin/sh -c 'echo ready >/run/ready; while :; do sleep 1000; done'
"""


class Unsupported(Exception):
    pass


class Done:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def __str__(self):
        return "exit %d\n%s\n%s" % (self.code, self.out, self.err)


class Machine:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="hp-machine-", dir="/var/tmp")
        # A PID namespace: what a test leaves running ends with its first process.
        self.holder = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", SETUP, "sh", self.folder, BINARY],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, start_new_session=True, text=True)
        self.pid = None
        try:
            until("the machine", 30, self.is_ready, step=0.02)
        except AssertionError:
            self.wipe()
            raise

    def is_ready(self):
        if self.holder.poll() is not None:
            why = self.holder.stderr.read().strip()
            self.wipe()
            raise Unsupported("no overlay of this machine can be made: " + why[-200:])
        with open("/proc/%d/task/%d/children" % (self.holder.pid, self.holder.pid)) as f:
            children = f.read().split()
        self.pid = int(children[0]) if children else None
        return self.pid and os.path.exists("/proc/%d/root/run/ready" % self.pid)

    def wipe(self):
        if self.pid:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.holder.kill()
        self.holder.wait(20)
        self.holder.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- inside ----
    def run(self, *argv, stdin="", env=None, timeout=100):
        inside = ["nsenter", "-t", str(self.pid), "--mount", "--pid", "--root", "--wd", "/usr/bin/env", "-i", "PATH=" + PATH, "HOME=/root", "LC_ALL=C",
                  *("%s=%s" % pair for pair in (env or {}).items()), *argv]
        return Done(subprocess.run(inside, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", input=stdin, timeout=timeout))

    def must(self, *argv, **more):
        done = self.run(*argv, **more)
        assert done.code == 0, "%s: %s" % (" ".join(argv), done)
        return done.out

    def at(self, path):
        return "/proc/%d/root%s" % (self.pid, path)

    def write(self, path, text, mode=0o644):
        os.makedirs(os.path.dirname(self.at(path)), exist_ok=True)
        with open(self.at(path), "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(self.at(path), mode)

    def read(self, path):
        try:
            with open(self.at(path), errors="replace") as f:
                return f.read()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def there(self, path):
        return os.path.lexists(self.at(path))

    def mode(self, path):
        return os.lstat(self.at(path)).st_mode & 0o7777

    # ---- cfn-init ----
    def init(self, tree, *arguments, code=0, said=(), env=None):
        """The tree of AWS::CloudFormation::Init applied; must end with CODE and say each of SAID."""
        metadata = tree if tree is None or "AWS::CloudFormation::Init" in tree else {"AWS::CloudFormation::Init": tree}
        done = self.run("/usr/local/bin/cfn-init", *arguments, "-", stdin=json.dumps(metadata), env=env)
        assert done.code == code, "not exit %d: %s" % (code, done)
        for word in [said] if isinstance(said, str) else said:
            assert word in done.err, "not said: %r: %s" % (word, done)
        return done

    def config(self, code=0, said=(), arguments=(), **sections):
        return self.init({"config": sections}, *arguments, code=code, said=said)

    def unchanged(self, **sections):
        """A second run over the same tree."""
        return self.config(said=", 0 changed something, 0 failed", **sections)

    def old_init(self, tree, *arguments):
        """The same by heat-cfntools."""
        self.write("/var/cache/heat-cfntools/last_metadata", json.dumps({"AWS::CloudFormation::Init": tree}), 0o600)
        done = self.run("/usr/bin/cfn-init", *arguments)
        shutil.rmtree(self.at("/var/cache/heat-cfntools"))
        return done


class Served:
    """A server on loopback: path -> bytes, or (status, headers, bytes)."""

    def __init__(self, ctx, pages=None):
        self.pages, self.asked = pages or {}, []
        served = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = self.path.split("?")[0]
                served.asked.append((self.path, self.headers.get("Authorization")))
                page = served.pages.get(path, (404, {}, b"no such page"))
                status, headers, body = page if isinstance(page, tuple) else (200, {}, page)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        ctx.later(self.close)

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def url(self, path):
        return "http://127.0.0.1:%d%s" % (self.server.server_port, path)


def wait_text(machine, path, text, seconds=10):
    until("%s in %s" % (text, path), seconds, lambda: text in (machine.read(path) or ""))
    return time.monotonic()
