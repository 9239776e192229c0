"""The built-in hooks by hand: the deployment on stdin, JSON on stdout, everything else on stderr."""
import json
import os


def hook(g, group, **entry):
    done = g.run("hook", group, stdin=json.dumps(dict({"id": "d-1", "name": "n", "group": group, "inputs": []}, **entry)))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_script(ctx):
    """script: inputs in the environment, outputs from files, the exit status; lines go on to stderr as they come"""
    g = ctx.guest("hook-script")
    config = "#!/bin/sh\necho \"$a|$b|$c|$d|$(basename $PWD)\"\nprintf '\\377' >&2\nprintf 'x\\000y' >$heat_outputs_path.one\nexit 7\n"
    inputs = [{"name": "a", "value": "%s ^&"}, {"name": "b", "value": {"k": [1]}}, {"name": "c", "value": 5}, {"name": "d", "value": None},
              {"name": "bad=name", "value": "x"}]
    told, log = hook(g, "script", config=config, inputs=inputs, outputs=[{"name": "one"}, {"name": "two"}, {"name": "../one"}])
    assert told == {"deploy_stdout": "%s ^&|{\"k\": [1]}|5||heat-config-script\n", "deploy_stderr": "\ufffd", "deploy_status_code": 7, "one": "x\ufffdy"}, told
    assert "heat-config-script" in log, log
    assert os.stat(g.path("/var/lib/heat-config/heat-config-script/d-1")).st_mode & 0o777 == 0o700
    told, _ = hook(g, "script", config="echo no interpreter line\n")
    assert told["deploy_stdout"] == "no interpreter line\n", told
    told, _ = hook(g, "script", config="#!/no/such/interpreter\n")
    assert told["deploy_status_code"] == 127 and told["deploy_stderr"], told
    told, _ = hook(g, "script", config={"a": "map"})
    assert told["deploy_status_code"] == 1, told


def test_files(ctx):
    """json-file and hiera write what they are given; what cannot be written fails, the others are written all the same"""
    g = ctx.guest("hook-files")
    told, _ = hook(g, "json-file", config={"/etc/a/b.json": {"k": 1}, "relative": 1, "/etc/../../x": 2})
    assert json.loads(g.read("/etc/a/b.json")) == {"k": 1} and told["deploy_status_code"] == 1 and "relative" in told["deploy_stderr"], told
    told, _ = hook(g, "json-file", config="not a map")
    assert told["deploy_status_code"] == 1, told
    told, _ = hook(g, "hiera", config={"hierarchy": ["one", "%{node}"], "datafiles": {"one": {"a::b": 2}}})
    assert told["deploy_status_code"] == 0 and json.loads(g.read("/etc/puppet/hieradata/one.json")) == {"a::b": 2}, told
    assert '  - "one"\n  - "%{node}"\n' in g.read("/etc/puppet/hiera.yaml"), g.read("/etc/puppet/hiera.yaml")


def test_apply_config(ctx):
    """apply-config runs os-apply-config with what os-collect-config left and the deployment's own config; without it there is no such hook"""
    g = ctx.guest("hook-apply")
    assert "apply-config     runs os-apply-config (not usable here)" in g.run("hook", "--list").stdout
    told, _ = hook(g, "apply-config", config={"k": "v"})
    assert told["deploy_status_code"] == 1 and "not installed" in told["deploy_stderr"], told
    g.write("/usr/bin/os-apply-config", "#!/bin/sh\nIFS=:; for f in $OS_CONFIG_FILES; do cat $f; echo; done\nexit 3\n", 0o755)
    g.write("/var/lib/os-collect-config/os_config_files.json", '["/var/lib/os-collect-config/cfn.json"]')
    g.write("/var/lib/os-collect-config/cfn.json", '{"old":1}')
    told, _ = hook(g, "apply-config", config={"k": "v"})
    assert told["deploy_stdout"].split() == ['{"old":1}', '{"k":"v"}'] and told["deploy_status_code"] == 3, told


def test_usage(ctx):
    """A group that is not built in, and input that is no deployment, are refused"""
    g = ctx.guest("hook-usage")
    assert g.run("hook", "puppet", stdin="{}").returncode == 2
    assert g.run("hook").returncode == 2
    assert g.run("hook", "script", stdin="[1]").returncode == 2
    assert g.run("heat-config-notify", "/none", stdin="{}").returncode == 1


def check(g):
    """The lines of check that are about deployments, by level and text."""
    lines = [json.loads(line) for line in g.run("check", "--json").stdout.splitlines()]
    return [(one["level"], one["text"]) for one in lines if one["code"] in ("deployments", "deployment-hook", "hooks-disabled")]


def test_check(ctx):
    """check says whether deployments are run, by what, which hook is refused and why, and that the kill switch is on"""
    g = ctx.guest("hook-check")
    (level, text), = check(g)
    assert level == "ok" and "not run" in text, text
    g.write("/etc/heat-pulse/heat-pulse.conf", "[deployments]\nenabled = yes\nhooks-path = /opt/first:/none:/opt/second\n")
    for path, mode in (("/opt/first/puppet", 0o755), ("/opt/first/salt", 0o777), ("/opt/first/notes", 0o644), ("/opt/second/puppet", 0o755), ("/opt/second/script", 0o755)):
        g.write(path, "#!/bin/sh\n", mode)
    g.write("/etc/heat-pulse/hooks.disabled", "")
    said = check(g)
    assert [level for level, _ in said] == ["warn", "ok", "ok", "error", "ok"], said
    assert "no deployment runs" in said[0][1] and "script cfn-init json-file hiera heat-pulse" in said[1][1], said
    assert [text.split(" group ")[1].split()[0] for _, text in said[2:]] == ["puppet", "salt", "script"], said
    assert said[2][1].endswith("/opt/first/puppet") and "/opt/first/salt" in said[3][1] and said[4][1].endswith("/opt/second/script"), said
    assert g.run("check").returncode == 4
