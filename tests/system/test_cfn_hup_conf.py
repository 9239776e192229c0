"""cfn-hup: command line, exit codes, its files and their dialect, credentials."""
import fcntl
import os
import subprocess
import time

import hup
from guest import until
from hup import ACCESS, SECRET, Hup

HOOKS = "/etc/cfn/hooks.d"


def test_help_and_usage(ctx):
    """kept: --help is exit 0, an unknown flag, a value missing or an argument too many is exit 2, abbreviated long options are taken."""
    h = Hup(ctx)
    h.hook("app")
    done = h.once("--help")
    assert "--config" in done.out and "--daemon" in done.out and "4 a hook failed" in done.out and not done.err, done
    for arguments in (["--nonsense"], ["-x"], ["extra"], ["-c"], ["-f", "extra"]):
        done = h.once(*arguments, code=2, ran=[])
        assert not done.out and done.err.count("\n") == 2, done
    assert not h.fake.requests
    h.once("--no-d", "--verb", "--conf=" + HOOKS, ran=["app post.add"])


def test_one_pass(ctx):
    """kept: with -f, --no-daemon or nothing at all one pass and exit 0; fixed: an idle pass prints nothing that cron would mail."""
    h = Hup(ctx)
    h.hook("app")
    h.once(ran=["app post.add"])
    for number, arguments in enumerate(([], ["-f"], ["--no-daemon"], ["-f", "-v"])):
        h.set(metadata={"a": number})
        h.once(*arguments, ran=["app post.update"])
        done = h.once(*arguments, ran=[])
        # Without the packages' user there is one warning.
        assert "-v" in arguments or [line for line in done.err.splitlines() if "heat-pulse" not in line] == [], done
        assert done.seconds < 2, done


def test_config_folder(ctx):
    """kept: -c DIR is heat-cfntools' folder of hooks, or, with a cfn-hup.conf in it, aws-cfn-bootstrap's configuration folder."""
    h = Hup(ctx)
    h.hook("default")
    h.hook("extra", folder="/srv/hooks")
    h.once("-c", "/srv/hooks", ran=["extra post.add"])
    h.hook("aws", folder="/srv/cfn/hooks.d")
    h.main(folder="/srv/cfn")
    os.unlink(h.g.path("/etc/cfn/cfn-hup.conf"))
    h.once("-c", "/srv/cfn", ran=["aws post.add"])
    h.once("--config", "/srv/cfn", ran=[])
    h.once("-c", "/srv/nothing", code=1, said="no hook to run below /srv/nothing", ran=[])
    h.once("-c", "relative", code=2, ran=[])


def gone(path):
    return lambda h: os.unlink(h.g.path(path))


def written(path, text, mode=0o644):
    return lambda h: h.g.write(path, text, mode)


CREDENTIALS = "/etc/cfn/cfn-credentials"
CONF = "/etc/cfn/cfn-hup.conf"
FAULTS = [  # what is broken, what is said
    (gone(CONF), "no credentials found"),
    (written(CONF, "[main]\ncredential-file=/etc/cfn/cfn-credentials\n"), "has no stack"),
    (written(CONF, "[main]\nstack=\ncredential-file=/etc/cfn/cfn-credentials\n"), "has no stack"),
    (written(CONF, "[main]\nstack=100%\ncredential-file=/etc/cfn/cfn-credentials\n"), "cfn-hup.conf:2"),
    (written(CONF, "[main]\nstack=st\nstack=st\n"), "cfn-hup.conf:3"),
    (written(CONF, "[main]\nstack=st\ncredential-file=/nowhere/keys\n"), "/nowhere/keys"),
    (gone(CREDENTIALS), "no usable credential file"),
    (written(CREDENTIALS, "AWSAccessKeyId=" + ACCESS + "\n", 0o600), "cfn-credentials"),
    (written(CREDENTIALS, "AWSSecretKey=" + SECRET + "\n", 0o600), "cfn-credentials"),
    (gone("/var/lib/heat-cfntools/cfn-metadata-server"), "no endpoint is configured"),
    (written("/var/lib/heat-cfntools/cfn-metadata-server", "gopher://x/"), "no http or https URL"),
    (gone(HOOKS + "/app.conf"), "no hook to run"),
    (written(HOOKS + "/app.conf", "[app]\n"), "no hook to run"),
    (written(HOOKS + "/app.conf", "text before a section\n"), "app.conf:1"),
]


def test_configuration_faults(ctx):
    """kept: any fault of the configuration that leaves nothing to do is exit 1; fixed: it is named, and no host is asked, least of all Amazon's."""
    for fault, said in FAULTS:
        h = Hup(ctx)
        h.hook("app")
        fault(h)
        h.once(code=1, said=said, ran=[])
        assert not h.fake.requests, said


SYNTAX = [  # the credential file, whether it serves
    ("AWSAccessKeyId=%s\nAWSSecretKey=%s\n", True), ("AWSAccessKeyId = %s\nAWSSecretKey = %s\n", True), ("AWSAccessKeyId=%s\nAWSSecretKey=%s", True),
    ("# keys\n\nAWSAccessKeyId  =  %s\nother = x\nAWSSecretKey  =  %s\n", True), ("AWSAccessKeyId=%s\r\nAWSSecretKey=%s\r\n", True),
    ("AWSAccessKeyId=old\nAWSAccessKeyId=%s\nAWSSecretKey=wrong\nAWSSecretKey=%s\n", True), (" AWSAccessKeyId=%s\n\tAWSSecretKey=%s\n", False),
    ("awsaccesskeyid=%s\nawssecretkey=%s\n", False), ("[keys]\nAWSAccessKeyId: %s\nAWSSecretKey: %s\n", False),
]


def test_credential_file(ctx):
    """kept: names at column 0, blanks around '=', the value to the end of the line, other lines ignored, last wins, CRLF."""
    h = Hup(ctx)
    h.hook("app")
    for number, (text, good) in enumerate(SYNTAX):
        h.set(metadata={"a": number})
        h.g.write(CREDENTIALS, text % (ACCESS, SECRET), 0o600)
        done = h.run()
        assert done.code == (0 if good else 1) and len(h.ran()) == len(set(h.ran())) + max(0, len(h.ran()) - 2), (text, done)
        assert h.fake.requests or not good, text
        h.fake.clear()


def test_credential_mode(ctx):
    """fixed: keys that others can read are used, as heat-cfntools does, and the mode is warned of, as aws-cfn-bootstrap refuses it."""
    h = Hup(ctx)
    h.hook("app")
    os.chmod(h.g.path(CREDENTIALS), 0o644)
    h.once(said="cfn-credentials", ran=["app post.add"])
    os.chmod(h.g.path(CREDENTIALS), 0o600)
    assert "credentials-mode" not in h.once().err


def test_credential_elsewhere(ctx):
    """kept: [main] credential-file names the file, wherever it is; keys on no command line and in no environment."""
    h = Hup(ctx)
    h.hook("app")
    os.renames(h.g.path(CREDENTIALS), h.g.path("/root/keys"))
    h.g.write(CONF, "[main]\nstack=st\ncredential-file = /root/keys\nregion=nova\n")
    h.once(ran=["app post.add"])


MAIN_KEYS = [  # [main], what is said of it
    ("interval=abc\n", "interval"), ("interval=0\n", "interval"), ("interval=15\n", None), ("interval=30s\n", None), ("umask=999\n", "umask"), ("umask=22\n", None),
    ("role=x\nverbose=true\nsqs_url=http://127.0.0.1:1/\nmulti-threaded=false\n", None), ("region=RegionOne\n", None), ("Interval : 5\n", None),
]


def test_main_keys(ctx):
    """fixed: a bad interval or umask is named and its default used (it was exit 1); keys of the other vendor are taken in silence."""
    for text, said in MAIN_KEYS:
        h = Hup(ctx)
        h.hook("app")
        h.g.write(CONF, "[main]\nstack=st\ncredential-file=/etc/cfn/cfn-credentials\n" + text)
        done = h.once(said=said or (), ran=["app post.add"])
        assert said or "cfn-hup.conf" not in done.err, done


def test_main_url(ctx):
    """kept: [main] url is the endpoint and wins over cfn-metadata-server."""
    h = Hup(ctx)
    h.hook("app")
    h.g.write("/var/lib/heat-cfntools/cfn-metadata-server", "http://127.0.0.1:1/v1/")
    h.main("url=%s\n" % h.fake.url)
    h.once(ran=["app post.add"])


DIALECT = r"""
# a comment
; another
[DEFAULT]
Runas = root
where = %(root)s
[first hook]
TRIGGERS: post.add , post.update,post.remove
Path = Resources.R1.Metadata.a
action = echo "first $CFN_TRIGGER # not a comment ; 100%%" >>%(where)s/hooks.log
    echo "second line" >>%(where)s/hooks.log

[Second]
triggers=post.add
path=Resources.R1.Metadata.a
action=echo '%(path)s' >>%(where)s/hooks.log
"""


def test_dialect(ctx):
    """kept: '=' or ':', names without case, comments on their own lines only, continued lines as a script, [DEFAULT], %% and %(name)s."""
    h = Hup(ctx)
    h.g.write(HOOKS + "/all.conf", DIALECT.replace("%(root)s", h.g.root))
    h.once(ran=["first post.add # not a comment ; 100%", "second line", "Resources.R1.Metadata.a"])


BAD_FILES = [  # each was the end of the whole tool
    ("[x]\ntriggers=post.add\npath=Resources.R1.Metadata\naction=date +%s\n", "bad.conf:4"),
    ("\ufeff[x]\ntriggers=post.add\npath=Resources.R1.Metadata\naction=x\n", "bad.conf:1"), ("text\n[x]\n", "bad.conf:1"),
    ("[x]\ntriggers=post.add\n[x]\npath=a\n", "bad.conf:3"), ("[x]\ntriggers=post.add\ntriggers=post.update\n", "bad.conf:3"), ("[x\n", "bad.conf:1"),
    ("[x]\nno sign\n", "bad.conf:2"),
]


def test_bad_file(ctx):
    """fixed: a file that cannot be read as INI disables itself with file and line; the others run and the pass is exit 0."""
    h = Hup(ctx)
    h.hook("app")
    for number, (text, said) in enumerate(BAD_FILES):
        h.g.write(HOOKS + "/bad.conf", text)
        h.set(metadata={"a": number})
        h.once(said=said, ran=["app post.add" if number == 0 else "app post.update"])


BAD_SECTIONS = [  # a section's text, what is said
    ("path=Resources.R1.Metadata\naction=%s\n", "triggers is missing"), ("triggers=post.add\naction=%s\n", "path is missing"),
    ("triggers=post.add\npath=Resources.R1.Metadata\n", "action is missing"), ("triggers=post.add\npath=Resources.R1.Metadata\naction=\n", "action is empty"),
    ("triggers=post.add\npath=Junk.R1.whatever\naction=%s\n", "Resources"), ("triggers=post.add\npath=R1\naction=%s\n", "Resources"),
    ("triggers=post.add\npath=Resources.R1.Tags\naction=%s\n", "neither Metadata nor PhysicalResourceId"),
    ("triggers=post.add\npath=Resources\naction=%s\n", "Resources"), ("triggers=xxpost.addyy\npath=Resources.R1.Metadata\naction=%s\n", "unknown"),
    ("triggers=pre.add\npath=Resources.R1.Metadata\naction=%s\n", "not supported"), ("triggers=on.command\npath=name\naction=%s\n", "on.command"),
    ("triggers=post.add\npath=Resources.R1.Metadata\naction=%s\nrunas=\n", "runas is empty"),
    ("triggers=post.add\npath=Resources.R1.Metadata\naction=%s\ntimeout=soon\n", "timeout"),
]


def test_bad_section(ctx):
    """fixed: an incomplete section, a path or trigger that is none disables that hook, with file and line; the others run.

    on.command is parsed, warned of and ignored; substrings of triggers no longer match; a path needs the word Resources.
    """
    h = Hup(ctx)
    h.hook("good")
    for number, (text, said) in enumerate(BAD_SECTIONS):
        h.g.write(HOOKS + "/bad.conf", "[bad]\n" + text.replace("%s", "echo bad >>" + h.g.path("/hooks.log")))
        h.set(metadata={"a": number})
        h.once(said=("bad.conf:", "[bad]", said), ran=["good post.add" if number == 0 else "good post.update"])


def test_mixed_triggers(ctx):
    """fixed: unknown triggers beside known ones are warned of and the known ones count."""
    h = Hup(ctx)
    h.hook("app", triggers="on.command,pre.update,  post.add ,nonsense")
    h.once(said=("on.command", "pre.update", "nonsense"), ran=["app post.add"])


def test_load_order(ctx):
    """fixed: hooks.d in order of bytes; kept: cfn-hup.conf and hooks.conf first, hooks in any of them, a later file wins key by key."""
    h = Hup(ctx)
    for name in ("b", "a", "10", "2", "B"):
        h.hook(name)
    h.main("[main-file]\ntriggers=post.add\npath=Resources.R1.Metadata.a\naction=%s\n" % h.note())
    h.g.write("/etc/cfn/hooks.conf", hup.HOOK % ("hooks-conf", "post.add", "Resources.R1.Metadata.a", h.note(), ""))
    h.g.write(HOOKS + "/z-override.conf", "[a]\naction=%s\n" % h.note("overridden"))
    names = ["main-file", "hooks-conf", "10", "2", "B", "overridden", "b"]
    h.once(ran=[n if n == "overridden" else n + " post.add" for n in names])


def test_main_in_hooks_file(ctx):
    """fixed: [main] in a hook file redirects nothing: stack, region and url count in cfn-hup.conf only, and that is said.

    heat-cfntools read one name space, so a hook file could redirect the whole tool; aws-cfn-bootstrap never did.
    """
    h = Hup(ctx)
    h.hook("app")
    h.g.write(HOOKS + "/main.conf", "[main]\nstack=other\nurl=http://127.0.0.1:1/\n")
    h.once(said=("main.conf:2", "main.conf:3", "count in cfn-hup.conf only"), ran=["app post.add"])


NOT_READ = ["app.conf~", "app.bak", "app.conf.rpmsave", "app.conf.rpmnew", "app.conf.dpkg-old", "app.conf.dpkg-dist", ".hidden.conf", "app.ini"]


def test_backup_files(ctx):
    """fixed: backups, hidden files and foreign suffixes in hooks.d are not hooks; names without a dot are; a folder there stops nothing."""
    h = Hup(ctx)
    for name in NOT_READ:
        h.g.write("%s/%s" % (HOOKS, name), hup.HOOK % (name, "post.add", "Resources.R1.Metadata", h.note(), ""))
    os.makedirs(h.g.path(HOOKS + "/a-folder.conf"))
    h.g.write(HOOKS + "/plain", hup.HOOK % ("plain", "post.add", "Resources.R1.Metadata", h.note(), ""))
    h.once(said="app.ini is not read", ran=["plain post.add"])


def test_locked(ctx):
    """fixed: while another pass or the agent holds the lock a pass leaves at once with exit 0 and asks nobody; a stale lock file stops nothing."""
    h = Hup(ctx)
    h.hook("app", action="sleep 2; " + h.note())
    h.g.write("/run/heat-pulse/lock", "12345\n")
    with open(h.g.path("/run/heat-pulse/lock")) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert h.once(ran=[]).seconds < 1 and not h.fake.requests
    h.once(ran=["app post.add"])


def test_daemon_option(ctx):
    """new: --daemon stays, obeys the interval of cfn-hup.conf, and a pass beside it does nothing."""
    h = Hup(ctx)
    h.main("interval=1s\n")
    h.hook("app")
    log = open(h.g.log_path, "ab")
    child = subprocess.Popen([hup.BINARY, "cfn-hup", "--root", h.g.root, "--daemon"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    ctx.later(child.kill)
    until("post.add", 10, lambda: h.ran() == ["app post.add"])
    before, start = len(h.fake.requests), time.monotonic()
    h.once(ran=[])
    until("three more polls", 10, lambda: len(h.fake.requests) >= before + 3)
    assert 1.5 < time.monotonic() - start < 8
    child.terminate()
    assert child.wait(10) == 0
