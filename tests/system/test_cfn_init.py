"""cfn-init in a throw-away machine: its interface, configSets, files and commands. "kept": as heat-cfntools does it; "fixed": what nobody can want."""
import base64
import json
import os
import shutil

import cfn_server
import machine
from guest import BINARY, until
from harness import Skip
from hup import ACCESS, CREDENTIALS, SECRET, resource


def new_machine(ctx):
    try:
        one = machine.Machine()
    except machine.Unsupported as e:
        raise Skip(str(e)) from e
    ctx.later(one.wipe)
    return one


def old_tool(m):
    if not shutil.which("/usr/bin/cfn-init") or os.path.islink("/usr/bin/cfn-init"):
        raise Skip("heat-cfntools is not installed")
    return m


def log_of(m, tree, *arguments, **more):
    """What commands left in /log: by ours, after an empty one."""
    m.write("/log", "")
    m.init(tree, *arguments, **more)
    return m.read("/log").split()


def say(word):
    return {"commands": {"c": {"command": "echo %s >>/log" % word}}}


# ---- 5.1 interface ----

def test_sources_of_metadata(ctx):
    """kept: without keys metadata are last_metadata_R, last_metadata, cfn-init-data, the first that can be read; a file or "-" comes before"""
    m = new_machine(ctx)
    places = ("/var/lib/heat-cfntools/cfn-init-data", "/var/cache/heat-cfntools/last_metadata", "/var/cache/heat-cfntools/last_metadata_R1")
    for number, place in enumerate(places):
        m.write(place, json.dumps({"AWS::CloudFormation::Init": {"config": say("from%d" % number)}}), 0o600)
        m.write("/log", "")
        assert m.run("cfn-init", "-s", "st", "-r", "R1").code == 0
        assert m.read("/log") == "from%d\n" % number, m.read("/log")
    m.write("/log", "")
    assert m.run("cfn-init").code == 0 and m.read("/log") == "from1\n", m.read("/log")
    m.write("/file.json", json.dumps({"AWS::CloudFormation::Init": {"config": say("file")}}))
    m.write("/log", "")
    assert m.run("cfn-init", "/file.json").code == 0 and m.read("/log") == "file\n"


def test_flags(ctx):
    """fixed: the flags of both vendors: -v, -u, -f, --credential-file, --role, proxies; an unknown one is exit 2"""
    m = new_machine(ctx)
    tree = {"config": {}}
    m.init(tree, "-v", "-u", "http://127.0.0.1:1/v1/", "--role", "r", "--region", "here", "--http-proxy", "http://127.0.0.1:1", "--https-proxy", "http://127.0.0.1:1",
           "-s", "st", "-r", "R1")
    m.init(tree, "--no-such-flag", code=2)
    assert m.run("cfn-init", "--access-key", "x").code == 2
    m.write("/credentials", "AWSAccessKeyId=a\nAWSSecretKey=b\n", 0o600)
    assert m.run("cfn-init", "-f", "/credentials").code == 2, "keys without a stack"


def test_server(ctx):
    """kept: with keys given the server is asked; fixed: a network error is one line and exit 3"""
    m = new_machine(ctx)
    state = {"keys": {ACCESS: {"secret": SECRET}},
             "stacks": {"st": {"resources": {"R1": resource({"AWS::CloudFormation::Init": {"config": say("server")}})}}}}
    ctx.secret(SECRET)
    with cfn_server.Fake(state) as fake:
        m.write("/credentials", CREDENTIALS % (ACCESS, SECRET), 0o600)
        done = m.run("cfn-init", "-s", "st", "-r", "R1", "-u", fake.url, "-f", "/credentials")
        assert done.code == 0 and m.read("/log") == "server\n", done
        assert not m.there("/var/cache/heat-cfntools"), "a copy there would swallow cfn-hup's next event"
        url = fake.url
    done = m.run("cfn-init", "-s", "st", "-r", "R1", "-u", url, "-f", "/credentials", "--timeout", "1s")
    assert done.code == 3 and "Traceback" not in done.err and SECRET not in done.err, done


def test_in_a_hook(ctx):
    """kept: cfn-init in a hook, without keys, sees the document that the hook was started for"""
    g = ctx.guest("hook")
    g.conf("[metadata]\nsource = local\ninterval = 1s\nsplay = 0s\n[local]\nfile = /etc/heat-pulse/metadata.json\n")

    def put(text):
        g.write("/metadata.new", json.dumps({"AWS::CloudFormation::Init": {"config": {"files": {"/applied": {"content": text}}}}}))
        os.rename(g.path("/metadata.new"), g.path("/etc/heat-pulse/metadata.json"))
    os.makedirs(g.path("/etc/heat-pulse"), exist_ok=True)
    put("one")
    g.hook("init", "Resources.local.Metadata.AWS::CloudFormation::Init", action="%s cfn-init --root %s" % (BINARY, g.root))
    g.start()
    until("the first is applied", 30, lambda: g.read("/applied") == "one")
    put("two")
    until("the second is applied", 30, lambda: g.read("/applied") == "two")


def test_prefix(ctx):
    """Below --root: files, users and groups of that tree; packages are refused there"""
    m = new_machine(ctx)
    for name in ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/login.defs"):
        m.write("/image" + name, m.read(name), 0o600)
    m.write("/tree", "")
    m.write("/image/tree", json.dumps({"AWS::CloudFormation::Init": {"config": {"groups": {"hpg": {}}, "users": {"hpu": {"groups": ["hpg"]}},
                                                                                 "files": {"/etc/hp": {"content": "x", "owner": "hpu"}}}}}))
    for said in ("3 changed something", "0 changed something"):
        done = m.run("cfn-init", "--root", "/image", "/tree")
        assert done.code == 0 and said in done.err, done
    assert "hpu:" in m.read("/image/etc/passwd") and "hpu:" not in m.read("/etc/passwd") and m.read("/image/etc/hp") == "x"
    m.write("/image/tree", json.dumps({"AWS::CloudFormation::Init": {"config": {"packages": {"apt": {"hp-test": []}}}}}))
    done = m.run("cfn-init", "--root", "/image", "/tree")
    assert done.code == 4 and "below --root" in done.err, done


def test_nothing_to_do(ctx):
    """kept: no Init key, neither configSets nor config, -c without configSets, no default set: exit 1, and nothing was touched"""
    m = new_machine(ctx)
    for tree, arguments in (({}, ()), ({"other": say("x")}, ()), ({"config": say("x")}, ("-c", "some")), ({"configSets": {"a": ["config"]}, "config": say("x")}, ())):
        old = m.old_init(tree, *arguments) if os.path.exists("/usr/bin/cfn-init") else None
        assert old is None or old.code == 1, old
        m.write("/log", "")
        m.init(tree, *arguments, code=1)
        assert m.read("/log") == "", tree
    assert m.run("cfn-init", "-", stdin='{"a": 1}').code == 1
    assert m.run("cfn-init", "-", stdin="no json").code == 1
    assert m.run("cfn-init").code == 1


def test_configsets(ctx):
    """kept: -c a,b trimmed, in the order given, repeats run again; fixed: a text is one config, sets nest, cycles are refused with their path before anything runs"""
    m = new_machine(ctx)
    configs = {name: say(name) for name in ("one", "two", "three")}
    sets = {"a": ["one"], "b": ["two", "three"], "text": "one", "nest": [{"ConfigSet": "b"}, "one"], "x": ["one", {"ConfigSet": "y"}], "y": [{"ConfigSet": "x"}],
            "default": ["three"]}
    tree = dict(configs, configSets=sets)
    assert log_of(m, tree) == ["three"]
    assert log_of(m, tree, "-c", " b , a,b") == ["two", "three", "one", "two", "three"]
    assert log_of(m, tree, "-c", "text") == ["one"]
    assert log_of(m, tree, "-c", "nest") == ["two", "three", "one"]
    assert log_of(m, tree, "-c", "a,x", code=1, said="x > y > x: a cycle") == []
    assert log_of(m, tree, "-c", "a,none", code=1, said="none") == []
    m.write("/log", "")
    assert old_tool(m).old_init(tree, "-c", " b , a,b").code == 0
    assert m.read("/log").split() == ["two", "three", "one", "two", "three"], "heat-cfntools itself"


def test_section_order(ctx):
    """fixed: packages, groups, users, sources, files, commands, services; with compat = heat sources come before groups"""
    m = new_machine(ctx)
    sections = {"services": {"none": {}}, "commands": {"c": {"command": "true"}}, "files": {"/f": {"content": ""}}, "sources": {"/s": "gopher://x"},
                "users": {"-": {}}, "groups": {"-": {}}, "packages": {"none": {}}}
    for conf, order in (("", "packages groups users sources files commands services"), ("[hooks]\ncompat = heat\n", "packages sources groups users files commands services")):
        m.write("/etc/heat-pulse/heat-pulse.conf", conf, 0o600)
        done = m.config(code=4, arguments=["--keep-going"], **sections)
        seen = [line.split("config: ")[1].split()[0] for line in done.err.split("\n") if ": config: " in line and not line.startswith("cfn-init")]
        assert sorted(set(seen), key=seen.index) == order.split(), done


def test_strict(ctx):
    """fixed: the first failure of packages, groups, users, sources or services ends it with 4, as cfn-signal -e $? relies on; --keep-going goes on and still says 4"""
    m = new_machine(ctx)
    for section in ({"packages": {"apt": {"no-such-package-of-that-name": []}}}, {"groups": {"a b": {}}}, {"users": {"x": {"groups": ["no-such-group"]}}},
                    {"sources": {"/s": "http://127.0.0.1:1/x.tar"}}):
        m.config(code=4, files={"/never": {"content": ""}}, **section)
        assert not m.there("/never"), section
    m.config(code=4, arguments=["--keep-going"], files={"/there": {"content": ""}}, groups={"a b": {}})
    assert m.there("/there")


def test_dry_run(ctx):
    """--dry-run says what would change and changes nothing; the real run changes just that; the next nothing"""
    m = new_machine(ctx)
    sections = {"groups": {"hpgroup": {}}, "users": {"hpuser": {"groups": ["hpgroup"]}},
                "files": {"/etc/hp/a": {"content": "x", "owner": "hpuser", "group": "hpgroup", "mode": "000640"}}}
    done = m.config(arguments=["--dry-run"], said=("would be made", "would be written", "3 would change something"), **sections)
    assert not m.there("/etc/hp") and "hpuser" not in m.read("/etc/passwd"), done
    m.config(said="3 changed something", **sections)
    assert m.must("stat", "-c", "%U:%G %a", "/etc/hp/a").strip() == "hpuser:hpgroup 640"
    m.unchanged(**sections)
    m.config(arguments=["--dry-run"], said="0 would change something", **sections)


# ---- 5.5 files ----

def test_file_content(ctx):
    """kept: text written after mkdir -p, "" is an empty file, no backup; fixed: a relative path fails"""
    m = new_machine(ctx)
    m.write("/d/old", "before")
    files = {"/d/e/text": {"content": "a\nb"}, "/d/empty": {"content": ""}, "/d/old": {"content": "after"}}
    m.config(files=files)
    assert (m.read("/d/e/text"), m.read("/d/empty"), m.read("/d/old")) == ("a\nb", "", "after")
    assert sorted(os.listdir(m.at("/d"))) == ["e", "empty", "old"]
    m.unchanged(files=files)
    m.config(code=4, files={"relative": {"content": "x"}})
    old = old_tool(new_machine(ctx))
    assert old.old_init({"config": {"files": files}}).code == 0
    assert (old.read("/d/e/text"), old.read("/d/empty"), old.read("/d/old")) == ("a\nb", "", "after")


def test_file_forms(ctx):
    """fixed: JSON content as one line, base64 decoded, context rendered, neither content nor source fails"""
    m = new_machine(ctx)
    data = bytes(range(256))
    m.config(files={"/j": {"content": {"a": [1, 2.5, None, True], "b": {"c": "ä"}}}, "/b": {"content": base64.b64encode(data).decode(), "encoding": "base64"},
                    "/m": {"content": "port={{port}} {{#on}}yes{{/on}}{{^off}} not{{/off}}\n", "context": {"port": 80, "on": True, "off": False}}})
    assert json.loads(m.read("/j")) == {"a": [1, 2.5, None, True], "b": {"c": "ä"}} and m.read("/j").startswith('{"a": [1, 2.5, null, true]')
    with open(m.at("/b"), "rb") as f:
        assert f.read() == data
    assert m.read("/m") == "port=80 yes not\n"
    for bad in ({}, {"mode": "000644"}, {"content": "!!", "encoding": "base64"}, {"content": "{{", "context": {}}):
        m.config(code=4, files={"/bad": bad})
        assert not m.there("/bad"), bad


def test_file_source(ctx):
    """fixed: an HTTP error is no file, redirects are followed, basic authentication, a template by URL; the query stays out of the log"""
    m = new_machine(ctx)
    s = machine.Served(ctx, {"/f": b"hello", "/moved": (302, {"Location": "/f"}, b""), "/t": b"{{x}}\n", "/error": (500, {}, b"an error page")})
    auth = {"AWS::CloudFormation::Authentication": {"me": {"type": "basic", "username": "u", "password": "geheimnis"}}}
    m.config(files={"/a": {"source": s.url("/f?sig=geheimnis")}, "/b": {"source": s.url("/moved")}, "/c": {"source": s.url("/t"), "context": {"x": "y"}}})
    assert (m.read("/a"), m.read("/b"), m.read("/c")) == ("hello", "hello", "y\n")
    done = m.init(dict(auth, **{"AWS::CloudFormation::Init": {"config": {"files": {"/d": {"source": s.url("/f"), "authentication": "me", "mode": "000600"}}}}}))
    assert s.asked[-1] == ("/f", "Basic " + base64.b64encode(b"u:geheimnis").decode()) and m.mode("/d") == 0o600
    assert "geheimnis" not in done.err
    for path in ("/none?sig=geheimnis", "/error?sig=geheimnis"):
        done = m.config(code=4, files={"/never": {"source": s.url(path)}})
        assert not m.there("/never") and "geheimnis" not in done.err, done
    m.config(code=4, files={"/never": {"source": "file:///etc/passwd"}})
    m.unchanged(files={"/a": {"source": s.url("/f")}, "/b": {"source": s.url("/moved")}})


def test_file_rights(ctx):
    """kept: mode is octal text; fixed: a number, an unknown owner or group fail, the old mode stays where none is given"""
    m = new_machine(ctx)
    m.config(files={"/secret": {"content": "x", "mode": "000400", "owner": "nobody", "group": "nogroup"}, "/plain": {"content": "x"}, "/script": {"content": "x", "mode": "000755"}})
    assert (m.mode("/secret"), m.mode("/plain"), m.mode("/script")) == (0o400, 0o644, 0o755)
    assert m.must("stat", "-c", "%U:%G", "/secret").strip() == "nobody:nogroup"
    m.config(files={"/secret": {"content": "y"}})
    assert m.mode("/secret") == 0o400 and m.must("stat", "-c", "%U", "/secret").strip() == "nobody"
    for bad in ({"mode": 644}, {"mode": "rw"}, {"owner": "no-such-user"}, {"group": "no-such-group"}):
        m.config(code=4, files={"/never": dict(bad, content="x")})
        assert not m.there("/never"), bad


def test_file_secrecy(ctx):
    """fixed: a file is made for its owner alone, gets owner and mode by descriptor, and only then its name"""
    m = new_machine(ctx)
    m.write("/tree", json.dumps({"AWS::CloudFormation::Init": {"config": {"files": {"/secret": {"content": "x", "mode": "000644", "owner": "nobody"}}}}}))
    done = m.run("strace", "-f", "-o", "/trace", "-e", "trace=openat,fchown,fchmod,rename,renameat,renameat2,chmod,chown,fchmodat,fchownat", "cfn-init", "/tree")
    if "ptrace" in done.err:
        raise Skip("strace may not trace here")
    assert done.code == 0, done
    calls = [line.split(None, 1)[1] for line in m.read("/trace").split("\n") if " " in line]
    opened = next(i for i, c in enumerate(calls) if ".heat-pulse-" in c and "O_EXCL" in c)
    assert "O_NOFOLLOW" in calls[opened] and ", 0600)" in calls[opened], calls[opened]
    rest = [c.split("(")[0] for c in calls[opened + 1:] if c.startswith(("fchown(", "fchmod(", "rename")) and (".heat-pulse" in c or c.startswith("fch"))]
    assert rest[:3] in (["fchown", "fchmod", "renameat"], ["fchown", "fchmod", "renameat2"]), rest
    assert not [c for c in calls if c.startswith(("chmod(", "chown(", "fchmodat(", "fchownat(")) and "secret" in c]


def test_file_link(ctx):
    """fixed: mode 120xxx makes a symbolic link, whose target keeps its mode; a link in a file's place is replaced, not written through"""
    m = new_machine(ctx)
    m.write("/target", "t", 0o600)
    files = {"/link": {"content": "/target", "mode": "120777"}}
    m.config(files=files)
    assert os.readlink(m.at("/link")) == "/target" and m.mode("/target") == 0o600
    m.unchanged(files=files)
    m.config(files={"/link": {"content": "own"}})
    assert m.read("/target") == "t" and m.read("/link") == "own"


def test_labels(ctx):
    """SELinux labels are restored where restorecon is installed"""
    m = new_machine(ctx)
    m.write("/usr/local/sbin/restorecon", "#!/bin/sh\necho \"$@\" >>/restored\n", 0o755)
    s = machine.Served(ctx, {"/x.gz": __import__("gzip").compress(b"x")})
    m.config(files={"/f": {"content": "x"}}, sources={"/s": s.url("/x.gz")})
    assert m.read("/restored") == "-RF -- /s\n-F -- /f\n", m.read("/restored")


# ---- 5.6 commands ----

def test_command_order(ctx):
    """kept: by bytes of their names; a text is the shell's, a list is not"""
    m = new_machine(ctx)
    commands = {"a": {"command": "echo a >>/log"}, "2": {"command": "echo 2 >>/log"}, "B": {"command": ["/bin/sh", "-c", "echo B $0 >>/log", "; x"]}, "10": {"command": "echo 10 >>/log"}}
    want = ["10", "2", "B", ";", "x", "a"]
    assert log_of(m, {"config": {"commands": commands}}) == want
    m.write("/log", "")
    assert old_tool(m).old_init({"config": {"commands": commands}}).code == 0 and m.read("/log").split() == want


def test_command_failure(ctx):
    """kept: a failure ends it and later commands are not run; ignoreErrors; fixed: a list command that is not there, a missing command"""
    m = new_machine(ctx)
    assert log_of(m, {"config": {"commands": {"1": {"command": "echo 1 >>/log; exit 7"}, "2": {"command": "echo 2 >>/log"}}}}, code=4, said="ended with 7") == ["1"]
    for yes in (True, "true", "yes", "1", 1, "YES"):
        commands = {"1": {"command": "exit 7", "ignoreErrors": yes}, "2": {"command": ["/no/such"], "ignoreErrors": yes}, "3": {"command": "echo 3 >>/log"}}
        assert log_of(m, {"config": {"commands": commands}}) == ["3"], yes
    assert log_of(m, {"config": {"commands": {"1": {"command": "exit 7", "ignoreErrors": "no"}, "3": {"command": "echo 3 >>/log"}}}}, code=4) == []
    m.config(code=4, commands={"1": {"test": "true"}}, said="there is no command")
    m.config(code=4, commands={"1": {"command": ["/no/such"]}}, said="/no/such")
    m.write("/log", "")
    old = old_tool(m).old_init({"config": {"commands": {"1": {"command": "echo 1 >>/log; exit 7"}, "2": {"command": "echo 2 >>/log"}}}})
    assert old.code == 1 and m.read("/log").split() == ["1"]


def test_command_test(ctx):
    """kept: test decides, in the same folder and environment; fixed: a list works, too"""
    m = new_machine(ctx)
    commands = {"1": {"command": "echo 1 >>/log", "test": "false"}, "2": {"command": "echo 2 >>/log", "test": "test $A = x -a $(pwd) = /usr", "env": {"A": "x"}, "cwd": "/usr"},
                "3": {"command": "echo 3 >>/log", "test": ["test", "1", "=", "1"]}, "4": {"command": "echo 4 >>/log", "test": ["test", "1", "=", "2"]}}
    assert log_of(m, {"config": {"commands": commands}}) == ["2", "3"]


def test_command_environment(ctx):
    """kept: env replaces the environment, {} empties it, none inherits it; fixed: a number is a text"""
    m = new_machine(ctx)
    for env, want in (({"A": "x y", "N": 5}, {"A": "x y", "N": "5"}), ({}, {}), (None, {"PATH": machine.PATH, "HOME": "/root", "LC_ALL": "C", "CALLER": "c"})):
        command = {"command": ["/usr/bin/env"]}
        if env is not None:
            command["env"] = env
        command = {"command": "/usr/bin/env >/env", **{k: v for k, v in command.items() if k == "env"}}
        m.init({"config": {"commands": {"c": command}}}, env={"CALLER": "c"})
        got = dict(line.split("=", 1) for line in m.read("/env").split("\n") if line and line.split("=")[0] not in ("PWD", "SHLVL", "_", "OLDPWD"))
        assert got == want, (env, got)


def test_command_folder(ctx):
    """kept: ~ in cwd; fixed: a folder that is not there fails"""
    m = new_machine(ctx)
    m.write("/root/sub/x", "")
    assert log_of(m, {"config": {"commands": {"1": {"command": "pwd >>/log", "cwd": "~/sub"}, "2": {"command": "pwd >>/log", "cwd": "~"}, "3": {"command": "pwd >>/log"}}}}) == \
        ["/root/sub", "/root", "/"]
    m.config(code=4, commands={"1": {"command": "true", "cwd": "/not/there"}}, said="/not/there")


def test_command_user_and_time(ctx):
    """runas switches the user wholly, an unknown one fails; timeout ends the command and its children"""
    m = new_machine(ctx)
    m.write("/log", "", 0o666)
    m.config(commands={"1": {"command": "id -un >>/log; id -ru >>/log; id -G >>/log", "runas": "nobody"}})
    assert m.read("/log").split() == ["nobody", "65534", "65534"]
    m.config(code=4, commands={"1": {"command": "true", "runas": "no-such-user"}})
    m.config(code=4, commands={"1": {"command": "sleep 1000 & echo $! >/pid; wait", "timeout": "1s"}}, said="ran out of time")
    until("the child is gone", 20, lambda: m.run("kill", "-0", m.read("/pid").strip()).code != 0)


def test_background(ctx):
    """fixed: a child that keeps the output open does not hold cfn-init up, and does not die of writing to it"""
    m = new_machine(ctx)
    m.config(commands={"1": {"command": "(for i in 1 2 3 4 5 6; do sleep 0.3; echo x; done; echo alive >/alive) & echo started"}}, said="started")
    machine.wait_text(m, "/alive", "alive")
