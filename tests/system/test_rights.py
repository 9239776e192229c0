"""What each role may and may not do, read from the kernel; the quickstart's example; running without root."""
import os
import pwd
import signal
import subprocess
import time

from guest import until
from harness import Skip

LOCAL = "[metadata]\nsource = local\ninterval = 1s\nsplay = 0s\n[local]\nfile = /etc/heat-pulse/metadata.json\n[signal]\nboot-quiet = 1s\nprint = yes\n"
ALLOWED_CAPS = {"agent": 0, "store": 0, "prober": (1 << 2) | (1 << 19)}  # CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE


def local_guest(ctx, metadata='{"app": 1, "heat-pulse": {"boot": "b", "health": "h"}}', conf=LOCAL):
    g = ctx.guest("local")
    g.conf(conf)
    g.write("/etc/heat-pulse/metadata.json", metadata)
    return g


def proc_status(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def find_role(g, word):
    return next((pid for name, pid in g.roles().items() if word in name), None)


def test_roles(ctx):
    """Each role runs as its user with exactly its capabilities, seccomp and no new privileges."""
    g = local_guest(ctx)
    g.start()
    for word, caps in ALLOWED_CAPS.items():
        pid = find_role(g, word)
        assert pid, (word, g.roles())
        status = proc_status(pid)
        for line in ("CapEff", "CapPrm"):
            assert int(status[line], 16) & ~caps == 0, (word, line, status[line])
        assert int(status["CapInh"], 16) == 0 and int(status["CapAmb"], 16) == 0, status
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", (word, status["Seccomp"])
        assert "0" not in status["Uid"].split() and "0" not in status["Gid"].split(), (word, status["Uid"])
        assert status["Groups"].strip() == "", (word, status["Groups"])
        assert not os.access("/proc/%d/environ" % pid, os.R_OK) or os.geteuid() == 0
    runner = proc_status(g.child.pid)
    assert runner["Seccomp"] == "0" and int(runner["CapEff"], 16) != 0


def test_hook_world(ctx):
    """A hook starts outside the sandbox: full bounding set, no seccomp, own session, oom_score_adj 0, its user truly dropped to."""
    g = local_guest(ctx)
    report = g.path("/report")
    open(report, "w").close()
    os.chmod(report, 0o666)
    g.hook("world", "Resources.local.Metadata.app", runas="nobody",
           action="{ cat /proc/self/status; echo OomScoreAdj: $(cat /proc/self/oom_score_adj); ps -o sid= -p $$; id; env; cat %s; } >%s 2>&1" %
           (g.path("/etc/heat-pulse/heat-pulse.conf"), report))
    g.start()
    until("the hook", 15, lambda: "CFN_HOOK_NAME" in g.read("/report"))
    time.sleep(0.3)
    text = g.read("/report")
    fields = dict(line.split(":", 1) for line in text.split("\n") if ":" in line)
    nobody = pwd.getpwnam("nobody")
    assert fields["Uid"].split() == [str(nobody.pw_uid)] * 4 and fields["Gid"].split() == [str(nobody.pw_gid)] * 4, fields["Uid"]
    assert fields["Seccomp"].strip() == "0" and fields["NoNewPrivs"].strip() == "0"
    with open("/proc/self/status") as f:
        mine = dict(line.rstrip().split(":", 1) for line in f if ":" in line)
    assert fields["CapBnd"].strip() == mine["CapBnd"].strip(), fields["CapBnd"]
    assert int(fields["CapEff"].strip(), 16) == 0
    assert fields["OomScoreAdj"].strip() == "0"
    assert "Permission denied" in text, "runas nobody read the configuration"
    assert "HOME=" + nobody.pw_dir in text and "USER=nobody" in text


def test_files_private(ctx):
    """State, key and spool are 0600 in 0700."""
    g = local_guest(ctx)
    g.start()
    until("state on disk", 15, lambda: os.path.isdir(g.path("/var/lib/heat-pulse/state")) and os.listdir(g.path("/var/lib/heat-pulse/state")))
    time.sleep(2)
    for folder, _, names in os.walk(g.path("/var/lib/heat-pulse")):
        if folder != g.path("/var/lib/heat-pulse"):
            assert os.stat(folder).st_mode & 0o077 == 0, folder
        for name in names:
            assert os.stat(os.path.join(folder, name)).st_mode & 0o077 == 0, os.path.join(folder, name)
    assert os.stat(g.path("/run/heat-pulse/control.sock")).st_mode & 0o007 == 0


def test_roles_come_back(ctx):
    """A killed role comes back; the agent goes on."""
    g = local_guest(ctx)
    g.hook("app", "Resources.local.Metadata.app")
    g.start()
    until("the first hook", 15, lambda: len(g.hooks_run()) == 1)
    for number, word in enumerate(("store", "prober", "agent")):
        pid = find_role(g, word)
        os.kill(pid, signal.SIGKILL)
        until("%s comes back" % word, 20, lambda: find_role(g, word) not in (None, pid))
        g.write("/etc/heat-pulse/metadata.json", '{"app": %d}' % (number + 10))
        until("a hook after %s died" % word, 20, lambda: len(g.hooks_run()) == number + 2)
    assert g.hooks_run() == ["app post.add"] + ["app post.update"] * 3


def test_runner_killed(ctx):
    """With the runner killed no role stays behind."""
    g = local_guest(ctx)
    g.start()
    pids = g.roles()
    os.kill(g.child.pid, signal.SIGKILL)
    g.child.wait(5)
    g.child = None
    until("all roles are gone", 10, lambda: not any(os.path.exists("/proc/%d" % pid) for pid in pids.values()))


def test_without_root(ctx):
    """Without root everything that needs none still works, and check tells what is missing."""
    g = local_guest(ctx)
    for folder, names, files in os.walk(g.root):
        for name in names + files + [""]:
            os.chown(os.path.join(folder, name), 65534, 65534)
    g.hook("app", "Resources.local.Metadata.app", runas="nobody")
    for path in ("/etc/cfn", "/etc/cfn/hooks.d", "/etc/cfn/hooks.d/app.conf"):
        os.chown(g.path(path), 65534, 65534)
    child = subprocess.Popen(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", os.environ["HP_BIN"], "run", "--root", g.root, "--for",
                              "6s"], stdout=open(g.out_path, "wb"), stderr=open(g.log_path, "wb"), stdin=subprocess.DEVNULL)
    assert child.wait(20) == 0, g.log()
    assert g.hooks_run() == ["app post.add"], g.log()
    assert '"kind":"boot"' in g.read("/agent.out"), g.read("/agent.out")
    done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", os.environ["HP_BIN"], "check", "--root", g.root],
                          stdout=subprocess.PIPE, text=True)
    assert "without root" in done.stdout, done.stdout


# What each role's sandbox answers to each attempt: k = killed by the filter, r = refused by the kernel, w = works, a = allowed
# by the filter (whether it works depends on what is there).
ATTEMPTS = {  # agent, prober, store
    "exec": "kkk", "ptrace": "kkk", "mount": "kkk", "setuid": "kkk", "fork": "kwk", "inet": "wkk", "packet": "kkk", "mkdir": "kka",
    "shadow": "rwr", "write": "rra", "bpf": "kkk",
}


def test_attempts(ctx):
    """Each role tries what it must not be able to do: the filter kills it, or the kernel refuses."""
    tool = os.environ.get("HP_TRY") or os.path.join(os.path.dirname(os.path.dirname(os.environ["HP_BIN"])), "tests", "sandbox_try")
    if not os.path.exists(tool):
        raise Skip("sandbox_try was not built beside this binary")
    listed = subprocess.run([tool, "list"], stdout=subprocess.PIPE, text=True).stdout.split()
    assert set(listed) - {"status"} == set(ATTEMPTS), listed
    for action, answers in ATTEMPTS.items():
        for role, wanted in zip(("agent", "prober", "store"), answers):
            code = subprocess.run([tool, role, "nobody", action], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
            got = "k" if code == -signal.SIGSYS else {0: "w", 1: "r"}.get(code, code)
            assert got == wanted or (wanted == "a" and got in ("w", "r")), "%s tries %s: %s instead of %s" % (role, action, got, wanted)


def test_read_only_state(ctx):
    """A state folder that cannot be written: the agent runs hooks and signals from memory, and says so."""
    g = local_guest(ctx)
    g.hook("app", "Resources.local.Metadata.app")
    os.makedirs(g.path("/var"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", g.path("/var")], check=True)
    ctx.later(lambda: subprocess.run(["umount", "-l", g.path("/var")]))
    g.start()
    until("the hook", 15, lambda: g.hooks_run() == ["app post.add"])
    until("the boot result", 15, lambda: '"kind":"boot"' in g.read("/agent.out"))
    assert any("memory" in p["text"] for p in g.status()["problems"]) or "memory only" in g.log()
    g.write("/etc/heat-pulse/metadata.json", '{"app": 2}')
    until("the update", 10, lambda: g.hooks_run() == ["app post.add", "app post.update"])


def test_nothing_but_time(ctx):
    """Without root, without folders, without credentials the agent still runs to its end and tells what is missing."""
    done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", os.environ["HP_BIN"], "run", "--root",
                           "/nonexistent-root", "--for", "2s"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 0 and "hooks cannot run" in done.stderr, done.stderr
