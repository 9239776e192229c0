"""One guest: a folder that stands for its root (--root), and the agent or a tool run in it."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import workers

BINARY = os.environ.get("HP_BIN", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "release", "agent", "heat-pulse"))
OLD_PATHS = ("/etc/cfn", "/var/lib/heat-cfntools", "/var/cache/heat-cfntools")


def until(what, seconds, check, step=0.1):
    """Waits for check() to be true and returns it; the failure names WHAT."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("not within %s s: %s" % (seconds, what))
        time.sleep(step)


class Guest:
    def __init__(self, name="guest", binary=BINARY):
        self.binary = binary
        self.root = tempfile.mkdtemp(prefix="hp-%s-" % name, dir="/var/tmp")
        os.chmod(self.root, 0o755)  # the agent's own user must be able to walk through
        self.child = None
        self.log_path = self.path("/agent.log")
        self.out_path = self.path("/agent.out")
        # Its own folder for devices: the kernel log of the machine (other tests make faults) is not this guest's.
        os.makedirs(self.path("/dev"))
        self.write("/etc/hostname", "guest.example\n")
        self.write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")

    # ---- files ----
    def path(self, path):
        return self.root + path

    def write(self, path, text, mode=0o644):
        full = self.path(path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w") as f:
            f.write(text)
        os.chmod(full, mode)
        return full

    def read(self, path):
        try:
            with open(self.path(path), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def conf(self, text):
        self.write("/etc/heat-pulse/heat-pulse.conf", text, 0o600)

    def give_block(self, block):
        """What Heat leaves at boot: cfn-init-data with the os-collect-config block."""
        self.write("/var/lib/heat-cfntools/cfn-init-data", json.dumps({"deployments": [], "os-collect-config": block}), 0o600)
        os.chmod(self.path("/var/lib/heat-cfntools"), 0o700)

    def give_cfn_hup(self, url, stack, access, secret, extra=""):
        self.write("/etc/cfn/cfn-credentials", "AWSAccessKeyId=%s\nAWSSecretKey=%s\n" % (access, secret), 0o600)
        # As the packaged cfn-hup reads it: '%' must be doubled, and the file is root's.
        self.write("/etc/cfn/cfn-hup.conf", "[main]\nstack=%s\ncredential-file=/etc/cfn/cfn-credentials\nregion=RegionOne\n%s" % (stack, extra))
        self.write("/var/lib/heat-cfntools/cfn-metadata-server", url)

    def hook(self, name, path, triggers="post.add,post.update,post.remove", action=None, runas="root", extra=""):
        action = action or "echo %s $CFN_TRIGGER >>%s" % (name, self.path("/hooks.log"))
        self.write("/etc/cfn/hooks.d/%s.conf" % name, "[%s]\ntriggers=%s\npath=%s\naction=%s\nrunas=%s\n%s" %
                   (name, triggers, path, action.replace("%", "%%"), runas, extra))

    def hooks_run(self):
        return self.read("/hooks.log").split("\n")[:-1]

    # ---- the agent ----
    def start(self, *arguments, env=None, wait=True):
        log, out = open(self.log_path, "ab"), open(self.out_path, "ab")
        self.child = subprocess.Popen([self.binary, "run", "--root", self.root, *arguments], stdout=out, stderr=log, stdin=subprocess.DEVNULL,
                                      env=dict(os.environ, **(env or {})), start_new_session=True, preexec_fn=workers.end_with_parent)
        if wait:
            until("the agent answers", 20, lambda: self.status())
        return self.child

    def stop(self, signo=signal.SIGTERM, seconds=15):
        """Ends the runner; the roles end with it. Return: its exit code."""
        if not self.child:
            return None
        child, self.child = self.child, None
        child.send_signal(signo)
        return child.wait(seconds)

    def kill_all(self):
        """kill -9 of the runner and every role at once, as a power cut has it; hooks' shepherds have their own sessions and live."""
        if not self.child:
            return
        child, self.child = self.child, None
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait(10)

    def roles(self):
        """name -> pid of the agent's processes"""
        found = {}
        for pid in os.listdir("/proc"):
            if not pid.isdigit():
                continue
            try:
                with open("/proc/%s/stat" % pid) as f:
                    text = f.read()
                ppid = int(text.rsplit(")", 1)[1].split()[1])
                name = text[text.index("(") + 1:text.rindex(")")]
            except (OSError, ValueError):
                continue
            if self.child and (ppid == self.child.pid or int(pid) == self.child.pid):
                found[name] = int(pid)
        return found

    def run(self, command, *arguments, timeout=60, stdin=None, env=None):
        return subprocess.run([self.binary, command, "--root", self.root, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=timeout, input=stdin or "", errors="replace", env=dict(os.environ, **(env or {})))

    def run_old(self, *argv, timeout=60):
        """One of the Python tools, which know only fixed paths: it finds this guest's there, in a mount namespace of its own."""
        script = "set -e\n"
        for path in OLD_PATHS:
            os.makedirs(self.path(path), exist_ok=True)
            script += "mkdir -p %s; mount --bind %s %s\n" % (path, self.path(path), path)
        return subprocess.run(["unshare", "-m", "sh", "-c", script + 'exec "$@"', "sh", *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=timeout)

    def status(self):
        done = self.run("status", "--json", timeout=20)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout else None

    def log(self):
        return self.read("/agent.log")

    def wipe(self):
        self.kill_all()
        shutil.rmtree(self.root, ignore_errors=True)
