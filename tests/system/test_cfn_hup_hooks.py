"""cfn-hup: how a hook runs: command, user, environment, values, output, end, failure."""
import json
import os
import pwd
import signal
import subprocess
import time

from guest import BINARY, until
from harness import alone
from hup import Hup, resource

NOBODY = pwd.getpwnam("nobody")


def report_file(h, name="/report"):
    """A file that a hook of any user may write to."""
    path = h.g.write(name, "")
    os.chmod(path, 0o666)
    return path


def test_runas(ctx):
    """fixed: runas truly becomes that user: all four uids and gids, its groups, HOME, USER, LOGNAME, SHELL; the credential file stays closed to it.

    heat-cfntools' nobody ran as root (seteuid only); a login shell of nologin stopped aws-cfn-bootstrap's su.
    """
    h = Hup(ctx)
    report = report_file(h)
    keys = h.g.path("/etc/cfn/cfn-credentials")
    h.hook("app", extra="runas=nobody\n", action="{ cat /proc/self/status; env; cat %s && echo READABLE; } >%s 2>&1; true" % (keys, report))
    h.once()
    text = h.g.read("/report")
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    assert fields["Uid"].split() == [str(NOBODY.pw_uid)] * 4 and fields["Gid"].split() == [str(NOBODY.pw_gid)] * 4, text
    assert set(fields["Groups"].split()) == {str(g) for g in os.getgrouplist("nobody", NOBODY.pw_gid)}, fields["Groups"]
    for word in ("HOME=" + NOBODY.pw_dir, "USER=nobody", "LOGNAME=nobody", "SHELL=" + NOBODY.pw_shell):
        assert word in text.splitlines(), word
    assert "Permission denied" in text and "READABLE" not in text, text


def test_runas_default(ctx):
    """kept: without runas (aws) and with runas=root the hook is root's; fixed: heat-cfntools needed the key."""
    h = Hup(ctx)
    h.hook("no-key", action=h.note("$(id -u) $HOME"))
    h.hook("root", action=h.note("$(id -u) $HOME"), extra="runas = root\n")
    h.once(ran=["0 " + pwd.getpwnam("root").pw_dir] * 2)


def test_runas_unknown(ctx):
    """fixed: an unknown user is a failed hook (exit 4), named, tried again later and never run as root."""
    h = Hup(ctx)
    h.hook("app", extra="runas=no-such-user\n")
    h.hook("other")
    h.once(code=4, said=("runas", "no-such-user"), ran=["other post.add"])


def environment(h):
    return dict(line.split("=", 1) for line in h.g.read("/report").splitlines() if "=" in line)


def test_environment(ctx):
    """fixed: a hook gets exactly PATH, its user's four names and CFN_*: nothing of cron, boto or the caller; the event is told.

    heat-cfntools told nothing of the event; both handed the caller's environment on.
    """
    h = Hup(ctx)
    h.hook("app", action="env >" + h.g.path("/report"))
    h.once(env={"SECRET_OF_CALLER": "x", "BOTO_CONFIG": "/x", "LD_PRELOAD_X": "y", "http_proxy": "http://127.0.0.1:1"})
    env = environment(h)
    wanted = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "CFN_HOOK_NAME", "CFN_TRIGGER", "CFN_RESOURCE", "CFN_NEW_METADATA", "CFN_NEW_METADATA_FILE",
              "HEAT_PULSE_RUN_ID"}
    assert set(env) - {"PWD", "OLDPWD", "SHLVL", "_"} == wanted, set(env) ^ wanted
    assert env["CFN_HOOK_NAME"] == "app" and env["CFN_TRIGGER"] == "post.add" and env["CFN_RESOURCE"] == "R1", env
    assert "/usr/sbin" in env["PATH"].split(":")


VALUES = [  # old value, new value, CFN_OLD_METADATA, CFN_NEW_METADATA (None: unset)
    (None, "plain text", None, "plain text"), ("plain text", {"k": [1, 2.5, None, True]}, "plain text", '{"k": [1, 2.5, null, true]}'),
    ({"k": [1, 2.5, None, True]}, ["a", "b"], '{"k": [1, 2.5, null, true]}', '["a", "b"]'), (["a", "b"], 5, '["a", "b"]', "5"), (5, "", "5", ""),
    ("", "two\nlines 'and' \"quotes\" $HOME", "", "two\nlines 'and' \"quotes\" $HOME"), ("two\nlines 'and' \"quotes\" $HOME", None, "two\nlines 'and' \"quotes\" $HOME", None),
]


def test_values(ctx):
    """kept: CFN_OLD_METADATA and CFN_NEW_METADATA: strings raw, else JSON with ', ' and ': '; unset when that side is absent; fixed: each also as a file."""
    h = Hup(ctx, {"R1": resource({})})
    show = "for v in OLD NEW; do eval f=\\$CFN_${v}_METADATA_FILE; eval set=\\${CFN_${v}_METADATA+yes}; eval t=\\$CFN_${v}_METADATA; " \
           "printf '%%s\\0%%s\\0' \"$set\" \"$t\"; [ -z \"$f\" ] || cat $f; printf '\\0'; done >" + h.g.path("/report")
    h.hook("app", action=show.replace("%%", "%"))
    for _, new, old_text, new_text in VALUES:
        h.set(metadata={} if new is None else {"a": new})
        h.once()
        parts = h.g.read("/report").split("\0")
        for text, side in ((old_text, parts[0:3]), (new_text, parts[3:6])):
            assert side == (["", "", ""] if text is None else ["yes", text, text]), (new, side, text)


def test_value_files(ctx):
    """fixed: the value files are the runas user's own, 0600, and gone after the run."""
    h = Hup(ctx)
    report = report_file(h)
    h.hook("app", extra="runas=nobody\n", action="stat -c '%%a %%U %%n' $CFN_NEW_METADATA_FILE >%s; cat $CFN_NEW_METADATA_FILE >>%s".replace("%%", "%").replace("%s", report))
    h.once()
    first, value = h.g.read("/report").split("\n", 1)
    mode, owner, path = first.split()
    assert mode == "600" and owner == "nobody" and json.loads(value) == {"b": 1}, h.g.read("/report")
    assert not os.path.exists(path), path


def test_one_mebibyte(ctx):
    """fixed: a value of 1 MiB is handed over by file alone and the hook runs (it was E2BIG, retried for ever); 64 KiB still come in the environment."""
    h = Hup(ctx, {"R1": resource({"a": "x" * (64 << 10)})})
    h.hook("app", action=h.note("$(printf %s \"$CFN_NEW_METADATA\" | wc -c) ${CFN_NEW_METADATA+set} $(wc -c <$CFN_NEW_METADATA_FILE)"))
    h.once(ran=["65536 set 65536"])
    h.set(metadata={"a": "x" * (65 << 10)})
    h.once(ran=["0 66560"])
    h.set(metadata={"a": "y" * (1 << 20)})
    h.once(ran=["0 1048576"])
    h.once(ran=[])
    h.set(metadata={"a": {"k": ["z" * 1000] * 1000}})
    h.once(ran=["0 %d" % len(json.dumps({"k": ["z" * 1000] * 1000}))])


def test_surroundings(ctx):
    """fixed: working folder /, umask 022 or [main] umask, stdin /dev/null, own session, no other descriptors, no leftover signals."""
    h = Hup(ctx)
    act = "{ pwd; umask; readlink /proc/self/fd/0; ps -o sid=,pid= -p $$; grep SigIgn /proc/$$/status; ls /proc/$$/fd; } >" + h.g.path("/report")
    h.hook("app", action=act)
    for text, mask in (("", "0022"), ("umask=077\n", "0077"), ("umask=27\n", "0027")):
        h.main(text)
        h.set(metadata={"a": text})
        h.once()
        cwd, umask, stdin, ids, ignored, *fds = h.g.read("/report").splitlines()
        assert (cwd, umask, stdin) == ("/", mask, "/dev/null"), h.g.read("/report")
        assert len(set(ids.split())) == 1, "the hook leads a session of its own: " + ids
        assert set(fds) <= {"0", "1", "2", "10"}, fds  # dash keeps a copy of stdout at 10
        assert int(ignored.split()[1], 16) == 0, ignored


def test_shell(ctx):
    """kept: the action is one argument of /bin/sh -c: pipes, quotes, variables, several lines; never quoted again for su."""
    h = Hup(ctx)
    h.g.write("/etc/cfn/hooks.d/app.conf", "[app]\ntriggers=post.add\npath=Resources.R1.Metadata\nrunas=root\naction=set -e\n  x='a b'\n"
              "  printf '%%s;' \"$x\" \"$0\" | tr a-z A-Z >>{0}\n  echo >>{0}; false; echo never >>{0}\n".format(h.g.path("/hooks.log")))
    h.once(code=4, ran=["A B;/BIN/SH;"])


def test_output(ctx):
    """fixed: output is logged line by line with the hook's name, also on success; control characters escaped, a flood bounded."""
    h = Hup(ctx)
    h.hook("app", action="echo good line; echo bad line >&2; printf 'esc\\033[31m\\n'; printf 'no newline'")
    done = h.once(said=("hook app: good line", "hook app: bad line", "hook app: no newline"))
    assert "\033" not in done.err
    h.hook("app", path="Resources.R1.Metadata", action="yes 0123456789012345678901234567890123456789 | head -c 50000000; echo the end; exit 3")
    done = h.once(code=4, said="lines not shown")
    assert len(done.err) < 200000 and done.seconds < 20, (len(done.err), done.seconds)


def test_background_child(ctx):
    """fixed: a child left in the background that holds stdout neither delays the pass (it did by its whole life) nor is killed."""
    h = Hup(ctx)
    h.hook("app", action="(sleep 4; %s) & %s" % (h.note("late"), h.note("early")))
    h.hook("next")
    done = h.once(ran=["early", "next post.add"])
    assert done.seconds < 3, done
    until("the child ends by itself", 8, lambda: "late" in h.ran())


def test_timeout(ctx):
    """fixed: a hook that hangs is ended at its time limit with all its children and has failed."""
    h = Hup(ctx)
    h.hook("app", action="echo $$ >%s; trap '' TERM; sleep 61 & sleep 62" % h.g.path("/pid"), extra="timeout=1s\n")
    h.hook("next")
    done = h.once(code=4, said=("time", "stopped at its time limit"), ran=["next post.add"])
    assert done.seconds < 20, done
    group = h.g.read("/pid").strip()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        assert fields[2] != group or fields[0] == "Z", "process %s of the hook is still there" % pid


@alone
def test_failure(ctx):
    """fixed: a failed hook is exit 4, tried again in later passes with growing waits, then given up and quiet until the value changes; the others run.

    heat-cfntools never tried again; aws-cfn-bootstrap did so at every interval, for ever.
    """
    h = Hup(ctx, conf="[hooks]\ntries = 3\nretry = 2s\n")
    h.hook("bad", action=h.note("bad $CFN_TRIGGER ${CFN_OLD_METADATA-unset}") + "; exit 7")
    h.hook("good")
    h.once(code=4, said=("exit code 7", "try 1"), ran=["bad post.add unset", "good post.add"])
    failed, known = time.monotonic(), len(h.ran())
    for said, wait in (("try 2", 2), ("given up until the value changes again", 4)):
        done = h.once(code=4)
        while len(h.ran()) == known and time.monotonic() - failed < wait + 10:  # not due yet
            time.sleep(0.2)
            done = h.once(code=4)
        assert h.ran()[known:] == ["bad post.add unset"] and said in done.err, (said, h.ran(), done)
        assert time.monotonic() - failed >= wait, "%s: after %.1f s" % (said, time.monotonic() - failed)
        failed, known = time.monotonic(), len(h.ran())
    for _ in range(2):
        assert "hook bad" not in h.once(code=4, ran=[]).err
    h.set(metadata={"a": 2})
    h.once(code=4, said="try 1", ran=['bad post.update {"b": 1}', "good post.update"])


@alone
def test_failure_healed(ctx):
    """fixed: what succeeds at a later try counts as done; a value that went back meanwhile drops what was owed."""
    h = Hup(ctx, conf="[hooks]\nretry = 100ms\n")
    h.hook("app", action=h.note("$CFN_TRIGGER ${CFN_OLD_METADATA-unset} $CFN_NEW_METADATA") + "; test -e " + h.g.path("/works"))
    h.set(metadata={"a": 1})
    h.once(code=4, ran=["post.add unset 1"])
    h.g.write("/works", "")
    time.sleep(0.15)
    h.once(ran=["post.add unset 1"])
    h.once(ran=[])
    os.unlink(h.g.path("/works"))
    h.set(metadata={"a": 2})
    h.once(code=4, ran=["post.update 1 2"])
    h.set(metadata={"a": 3})
    h.once(code=4, ran=["post.update 1 3"])
    h.set(metadata={"a": 1})
    time.sleep(0.25)
    h.once(ran=[])
    h.set(metadata={"a": 2})
    h.g.write("/works", "")
    h.once(ran=["post.update 1 2"])


def test_pass_killed(ctx):
    """fixed: a pass that is killed lets its hook end; the next pass waits for it and takes its result, and does not run it again."""
    h = Hup(ctx)
    h.hook("app", action="%s; sleep 2; %s" % (h.note("start"), h.note("end")))
    with open(h.g.log_path, "ab") as log:
        child = subprocess.Popen([BINARY, "cfn-hup", "--root", h.g.root], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    until("the hook", 10, lambda: h.ran() == ["start"])
    os.killpg(child.pid, signal.SIGKILL)
    child.wait(10)
    h.once(ran=["end"])
    h.once(ran=[])
    h.set(metadata={"a": 2})
    h.once(ran=["start", "end"])


def test_killed_by_signal(ctx):
    """fixed: a hook that dies of a signal has failed, and the signal is named."""
    h = Hup(ctx)
    h.hook("app", action="kill -SEGV $$")
    h.once(code=4, said="killed by signal 11")


def test_hook_changes_hooks(ctx):
    """kept: a hook may rewrite the very files it came from; the next pass reads them."""
    h = Hup(ctx)
    new = "[app]\ntriggers=post.update\npath=Resources.R1.Metadata.a\naction=%s\n" % h.note("new action").replace("%", "%%")
    h.hook("app", action="cat >%s <<'EOF'\n %s\n EOF\n" % (h.g.path("/etc/cfn/hooks.d/app.conf"), new.replace("\n", "\n ")))
    h.once(ran=[])
    h.set(metadata={"a": 2})
    h.once(ran=["new action"])


def test_tool_in_hook(ctx):
    """kept: cfn-get-metadata without keys inside a hook sees the metadata that fired it."""
    h = Hup(ctx)
    tool = "%s cfn-get-metadata --root %s -s st -r R1 -k a.b" % (BINARY, h.g.root)
    h.hook("app", action="echo got $(%s) >>%s" % (tool, h.g.path("/hooks.log")))
    h.once(ran=["got 1"])
    h.set(metadata={"a": {"b": 2}})
    h.once(ran=["got 2"])
    os.unlink(h.g.path("/etc/cfn/cfn-credentials"))
    assert h.g.run("cfn-get-metadata", "-s", "st", "-r", "R1", "-k", "a.b").stdout == "2\n", "the copy on disk serves when keys are gone"


def test_kill_switch(ctx):
    """new: with hooks.disabled a pass runs nothing and says so; what waited runs afterwards."""
    h = Hup(ctx)
    h.hook("app")
    h.g.write("/etc/heat-pulse/hooks.disabled", "")
    h.once(said="disabled", ran=[])
    os.unlink(h.g.path("/etc/heat-pulse/hooks.disabled"))
    h.once(ran=["app post.add"])
    h.once(ran=[])


def test_untrusted_files(ctx):
    """fixed: a hook file, folder or cfn-hup.conf that others may write to is refused with the reason; the rest works."""
    h = Hup(ctx)
    h.hook("bad")
    h.hook("good")
    os.chmod(h.g.path("/etc/cfn/hooks.d/bad.conf"), 0o664)
    h.once(said=("bad.conf is not obeyed", "writ"), ran=["good post.add"])
    os.chown(h.g.path("/etc/cfn/hooks.d/bad.conf"), NOBODY.pw_uid, 0)
    os.chmod(h.g.path("/etc/cfn/hooks.d/bad.conf"), 0o644)
    h.once(said="bad.conf is not obeyed", ran=[])
    os.chown(h.g.path("/etc/cfn/hooks.d/bad.conf"), 0, 0)
    h.once(ran=["bad post.add"])
    os.chmod(h.g.path("/etc/cfn/hooks.d"), 0o777)
    h.once(code=1, said="hooks.d is not obeyed", ran=[])
