"""The heat-pulse section: a JSON Schema validator beside the agent's own reader, and what a running agent makes of a change."""
import json
import os

from guest import until
from harness import Skip
from test_rights import LOCAL, local_guest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NAME = "hp-wanted-set"


def lines(name):
    with open(os.path.join(TOP, "tests", "fixtures", "settings", name)) as f:
        return [json.loads(line) for line in f]


def test_schema(ctx):
    """The schema is one, takes what the agent takes, and refuses what it complains of"""
    try:
        import jsonschema
    except ImportError:
        raise Skip("python3-jsonschema is not installed")
    with open(os.path.join(TOP, "metadata", "heat-pulse.schema.json")) as f:
        schema = json.load(f)
    jsonschema.Draft7Validator.check_schema(schema)
    judge = jsonschema.Draft7Validator(schema)
    assert [one for one in lines("good.jsonl") if not judge.is_valid(one)] == []
    assert [one for one in lines("bad.jsonl") if judge.is_valid(one)] == []


def texts(g):
    status = g.status()  # none while the agent starts anew
    return " ".join(p["text"] for p in status["problems"]) if status else ""


def test_trust(ctx):
    """A command in metadata is run only where root-owned configuration trusts them: at each change of them, by whom they name, and no more
    once the trust has gone"""
    g = local_guest(ctx)
    path, trust, out = "/etc/heat-pulse/metadata.json", "/etc/heat-pulse/conf.d/trust.conf", g.path("/ran")

    def told(rev, word):
        g.write(path, json.dumps({"rev": rev, "heat-pulse": {"command": "echo %s $CFN_TRIGGER $(id -un) >>%s" % (word, out), "runas": "root"}}))

    told(1, "a")
    g.write("/etc/heat-pulse/conf.d/other.conf", "[agent]\nlog-level = info\n")
    g.start()
    until("it is refused", 20, lambda: "heat-pulse.command in the metadata is not obeyed" in texts(g))
    told(2, "a")
    until("the change has come", 20, lambda: g.run("metadata", "rev").stdout.strip() == "2")
    g.write(trust, "[metadata]\ntrust-metadata = full\n")
    until("it is run", 30, lambda: g.read("/ran"))
    assert g.read("/ran") == "a post.add root\n", g.read("/ran")
    until("nothing is refused", 20, lambda: "is not obeyed" not in texts(g))
    assert [h["name"] for h in g.status()["hooks"]] == ["metadata.command"], g.status()["hooks"]
    told(3, "a")
    until("at a change", 20, lambda: g.read("/ran").split("\n")[1:] == ["a post.update root", ""])
    told(3, "b")
    until("the new one", 20, lambda: g.read("/ran").split("\n")[2:] == ["b post.update root", ""])
    # Another configuration, the same command: a new agent that says nothing new.
    before = g.roles()
    g.write("/etc/heat-pulse/conf.d/other.conf", "[agent]\nlog-level = debug\n")
    until("a new agent", 20, lambda: g.roles().get("pulse: agent", before["pulse: agent"]) != before["pulse: agent"] and g.status())
    told(4, "b")
    until("as before", 20, lambda: g.read("/ran").split("\n")[3:] == ["b post.update root", ""])
    assert "debug: heat-pulse: " in g.log(), "the new log-level is not obeyed"
    os.unlink(g.path(trust))
    until("it is refused again", 30, lambda: "heat-pulse.command in the metadata is not obeyed" in texts(g))
    told(5, "c")
    until("the last change has come", 20, lambda: g.run("metadata", "rev").stdout.strip() == "5")
    assert "c" not in g.read("/ran") and g.status()["hooks"] == [], g.read("/ran")


def classes(g):
    return {f["class"] for f in g.status()["findings"]}


def test_change(ctx):
    """A class switched off, a key nobody knows and one that metadata may not set: applied and named without a restart"""
    g = local_guest(ctx, conf=LOCAL + "health = -\n[sample]\ninterval = 1s\nprocess-interval = 1s\n")
    path, pulse = "/etc/heat-pulse/metadata.json", {"watch": {"processes": [NAME]}, "colour": 1, "command": "reboot"}
    g.write(path, json.dumps({"heat-pulse": pulse}))
    g.start()
    until("the finding", 30, lambda: "process_down" in classes(g))
    for word in ("heat-pulse.colour in the metadata is not a known key", "heat-pulse.command in the metadata is not obeyed"):
        assert word in texts(g), texts(g)
    until("health names them", 20, lambda: "heat-pulse.colour" in g.read("/agent.out") and "heat-pulse.command" in g.read("/agent.out"))
    pid = g.roles()
    g.write(path, json.dumps({"heat-pulse": dict(pulse, predict={"disable": ["process_down"], "levels": {"guest.nonsense": {"warning": 1}}})}))
    until("the class is off", 30, lambda: "process_down" not in classes(g))
    assert "guest.nonsense" in texts(g), texts(g)
    g.write(path, json.dumps({"heat-pulse": {"watch": {"processes": [NAME]}, "predict": {"levels": {"process.pid_count": {"critical": "off", "warning": 0}}}}}))
    until("it is on again, at another level", 30, lambda: [f["level"] for f in g.status()["findings"] if f["class"] == "process_down"] == ["warning"])
    assert "guest.nonsense" not in texts(g) and "colour" not in texts(g), texts(g)
    assert g.roles() == pid, "the agent was started again"
