"""cfn-hup: which change fires which trigger of which hook, and what is remembered."""
import json
import os

from hup import ALL, Hup, resource

ADD, UPDATE, REMOVE = "post.add", "post.update", "post.remove"
GONE = object()  # the key is absent


def three(h, path="Resources.R1.Metadata.a"):
    """One hook for each trigger, named by it, on the same path."""
    for trigger in ALL.split(","):
        h.hook(trigger[5:], path, trigger, h.note("$CFN_HOOK_NAME"))


def metadata(value):
    return {"other": "x"} if value is GONE else {"a": value, "other": "x"}


STEPS = [  # the value of one path in passes that follow each other, the hook that fires
    (GONE, None), (1, "add"), (1, None), (2, "update"), (GONE, "remove"), (GONE, None), (2, "add"), (None, "update"), (None, None), (False, "update"),
    (0, "update"), ("", "update"), ([], "update"), ({}, "update"), (GONE, "remove"), (None, "add"), (GONE, "remove"), (0, "add"),
    ({"x": {"k": 1, "l": [1, {"z": 2, "y": 3}]}}, "update"), ({"x": {"l": [1, {"y": 3, "z": 2}], "k": 1}}, None),
    ({"x": {"k": 1, "l": [{"z": 2, "y": 3}, 1]}}, "update"), ("1", "update"), (1, "update"), (1.5, "update"), (1.5, None), (True, "update"), (1, "update"),
]


def test_truth_table(ctx):
    """fixed: post.add, post.update and post.remove each fire exactly when their name says; falsy values and null are values, order of keys is none.

    heat-cfntools only ever fired post.update; aws-cfn-bootstrap took null, false, 0 and "" for absent.
    """
    h = Hup(ctx, {"R1": resource(metadata(GONE))})
    three(h)
    for number, (value, fires) in enumerate(STEPS):
        h.set(metadata=metadata(value))
        done = h.run()
        ran = h.ran()
        assert done.code == 0 and ran == [f for _, f in STEPS[:number + 1] if f], (number, value, ran[-2:], done)


def test_first_pass(ctx):
    """fixed: the first pass runs post.add and only takes the value as baseline for post.update and post.remove; [hooks] compat = heat lets post.update fire."""
    h = Hup(ctx)
    three(h)
    h.once(ran=["add"])
    h = Hup(ctx, conf="[hooks]\ncompat = heat\n")
    three(h)
    h.once(ran=["add", "update"])
    h.once(ran=[])


def test_baseline(ctx):
    """kept: a value that nobody wants to hear of becomes the baseline: absent, there again, then changed."""
    h = Hup(ctx)
    h.hook("app", triggers=UPDATE)
    h.once(ran=[])
    h.set(metadata=metadata(GONE))
    h.once(ran=[])
    h.set(metadata=metadata(5))
    h.once(ran=[])
    h.set(metadata=metadata(6))
    h.once(ran=["app post.update"])


def test_siblings(ctx):
    """fixed: a sub-path fires only for its own change; \\. is a dot in a key; keys such as AWS::CloudFormation::Init need no quotes."""
    h = Hup(ctx, {"R1": resource({"a": {"b": 1, "c.d": 1}, "AWS::CloudFormation::Init": {"config": 1}, "list": [1]})})
    paths = {"whole": "Resources.R1.Metadata", "b": "Resources.R1.Metadata.a.b", "dot": r"Resources.R1.Metadata.a.c\.d",
             "init": "Resources.R1.Metadata.AWS::CloudFormation::Init.config", "none": "Resources.R1.Metadata.nosuchkey", "list": "Resources.R1.Metadata.list.0",
             "case": "resources.R1.METADATA.a.b"}
    for name, path in paths.items():
        h.hook(name, path, action=h.note("$CFN_HOOK_NAME"))
    h.once()
    assert sorted(h.ran()) == ["b", "case", "dot", "init", "whole"], h.ran()
    changes = [({"a": {"b": 2, "c.d": 1}}, ["b", "case", "whole"]), ({"a": {"b": 2, "c.d": 2}}, ["dot", "whole"]), ({"list": [2]}, ["whole"]),
               ({"AWS::CloudFormation::Init": {"config": 2}}, ["init", "whole"]), ({"nosuchkey": 1}, ["none", "whole"])]
    now = {"a": {"b": 1, "c.d": 1}, "AWS::CloudFormation::Init": {"config": 1}, "list": [1]}
    for change, names in changes:
        before = len(h.ran())
        now.update(change)
        h.set(metadata=now)
        h.once()
        assert sorted(h.ran()[before:]) == names, (change, h.ran()[before:])


def test_other_parts(ctx):
    """fixed: Resources.R.PhysicalResourceId and the resource's last-updated time are watched too; heat-cfntools compared the metadata whatever was asked."""
    h = Hup(ctx)
    h.hook("id", "Resources.R1.physicalresourceid", action=h.note("id $CFN_TRIGGER ${CFN_OLD_PHYSICAL_RESOURCE_ID-unset} $CFN_NEW_PHYSICAL_RESOURCE_ID"))
    h.hook("time", "Resources.R1", action=h.note("time $CFN_TRIGGER ${CFN_OLD_LAST_UPDATED-unset} $CFN_NEW_LAST_UPDATED"))
    h.set(physical_id="p-1", updated="2026-01-02T03:04:05Z")
    h.once(ran=["id post.add unset p-1", "time post.add unset 2026-01-02T03:04:05Z"])
    h.set(metadata={"a": "changed"})
    h.once(ran=[])
    h.set(physical_id="p-2")
    h.once(ran=["id post.update p-1 p-2"])
    h.set(updated="2026-02-02T03:04:05Z")
    h.once(ran=["time post.update 2026-01-02T03:04:05Z 2026-02-02T03:04:05Z"])


def test_time_as_number(ctx):
    """kept: a timestamp sent as a number (aws-cfn-bootstrap takes only that) is the same time as its ISO form."""
    h = Hup(ctx)
    h.hook("time", "Resources.R1")
    h.set(updated="2026-01-02T03:04:05Z")
    h.once(ran=["time post.add"])
    h.fake.configure({"timestamp": "number"})
    h.once(ran=[])


def test_in_progress(ctx):
    """kept: a resource in progress is skipped for the pass, its state untouched; then its hooks run."""
    h = Hup(ctx)
    h.hook("app")
    h.once(ran=["app post.add"])
    for status in ("UPDATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "SUSPEND_IN_PROGRESS"):
        h.set(metadata={"a": status}, status=status)
        h.once(ran=[])
    h.set(status="UPDATE_COMPLETE")
    h.once(ran=["app post.update"])
    h.set(metadata={"a": "x"}, status="UPDATE_FAILED")
    h.once(ran=["app post.update"])


def test_two_resources(ctx):
    """fixed: with two watched resources three idle passes fire nothing; a change fires the hooks of its own resource (was: all hooks, for ever)."""
    h = Hup(ctx, {"R1": resource({"a": 1}), "R2": resource({"a": 2})})
    for name in ("R1", "R2"):
        h.hook(name, "Resources.%s.Metadata" % name)
    h.once()
    assert sorted(h.ran()) == ["R1 post.add", "R2 post.add"]
    h.fake.clear()
    for _ in range(3):
        h.once(ran=[])
    assert len(h.asked("R1")) == len(h.asked("R2")) == 3, "one request for each resource and pass"
    h.set("R2", metadata={"a": 3})
    h.once(ran=["R2 post.update"])


def test_one_request(ctx):
    """kept: one DescribeStackResource for each resource and pass, whatever the number of hooks; SigV4, ContentType=JSON, Version 2010-05-15."""
    h = Hup(ctx)
    for number in range(5):
        h.hook("app%d" % number)
    h.once()
    assert len(h.ran()) == 5 and len(h.fake.requests) == 1, h.fake.requests
    r = h.fake.requests[0]
    assert r["method"] == "GET" and r["path"] == "/v1/" and r["auth"] == "v4" and r["status"] == 200, r
    assert r["query"] == {"Action": "DescribeStackResource", "ContentType": "JSON", "LogicalResourceId": "R1", "StackName": "st", "Version": "2010-05-15"}


def test_event_not_swallowed(ctx):
    """fixed: cfn-get-metadata between a change and the next pass takes nothing away from the hook, with and without keys."""
    h = Hup(ctx)
    h.hook("app")
    h.once()
    h.set(metadata={"a": "new"})
    for arguments in (["-f", "/etc/cfn/cfn-credentials", "-u", h.fake.url], []):
        done = h.g.run("cfn-get-metadata", "-s", "st", "-r", "R1", "-k", "a", *arguments)
        assert done.returncode == 0 and done.stdout == '"new"\n', done
    h.once(ran=["app post.update"])


def test_last_metadata(ctx):
    """fixed: heat-cfntools' last_metadata files neither count as state nor are written; state is 0600 in 0700 below /var/lib/heat-pulse."""
    h = Hup(ctx)
    h.hook("app")
    text = json.dumps(h.fake.state["stacks"]["st"]["resources"]["R1"]["metadata"])
    for name in ("last_metadata", "last_metadata_R1"):
        h.g.write("/var/cache/heat-cfntools/" + name, text, 0o600)
    h.once(ran=["app post.add"])
    h.set(metadata={"a": 2})
    h.once(ran=["app post.update"])
    assert h.g.read("/var/cache/heat-cfntools/last_metadata_R1") == text
    for folder, _, names in os.walk(h.g.path("/var/lib/heat-pulse")):
        assert folder == h.g.path("/var/lib/heat-pulse") or os.stat(folder).st_mode & 0o077 == 0, folder
        for name in names:
            assert os.stat(os.path.join(folder, name)).st_mode & 0o077 == 0, name
    assert not os.path.exists(h.g.path("/var/log/cfn-hup.log")), "the log is stderr's, not a world-readable file"


def test_identity(ctx):
    """kept: state belongs to a hook's name and path: another name or path is a new hook, another action is not."""
    h = Hup(ctx, {"R1": resource({"a": 1, "b": 1})})
    h.hook("app")
    h.once(ran=["app post.add"])
    h.hook("app", action="true; " + h.note("other action"))
    h.once(ran=[])
    h.hook("app", path="Resources.R1.Metadata.b")
    h.once(ran=["app post.add"])
    os.unlink(h.g.path("/etc/cfn/hooks.d/app.conf"))
    h.hook("renamed", path="Resources.R1.Metadata.b")
    h.once(ran=["renamed post.add"])


def test_state_broken(ctx):
    """fixed: state that is cut short or is nonsense costs one message and counts as new, for its hook alone."""
    h = Hup(ctx, {"R1": resource({"a": 1, "b": 1})})
    h.hook("one", "Resources.R1.Metadata.a")
    h.hook("two", "Resources.R1.Metadata.b")
    h.once(ran=["one post.add", "two post.add"])
    folder = h.g.path("/var/lib/heat-pulse/state/hooks")
    files = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    assert len(files) == 2, files
    for text in ("", "{", "\0" * 500):
        with open(files[0], "w") as f:
            f.write(text)
        done = h.once()
        assert len(h.ran()) == 3 and h.ran().pop().endswith("post.add") and "hook " in done.err, (text, done, h.ran())
        os.truncate(h.g.path("/hooks.log"), 0)
        h.g.write("/hooks.log", "one post.add\ntwo post.add\n")
        h.once(ran=[])


def test_cloned_state(ctx):
    """fixed: state that was baked into an image does not count in the clone: its hooks run as on a new server."""
    h = Hup(ctx)
    h.hook("app")
    h.once(ran=["app post.add"])
    h.once(ran=[])
    h.g.write("/etc/machine-id", "fedcba9876543210fedcba9876543210\n")
    h.once(ran=["app post.add"])
    h.once(ran=[])


def test_no_metadata(ctx):
    """fixed: a resource whose metadata are null or empty is a document without values (it was exit 1): what was there is removed."""
    h = Hup(ctx)
    h.hook("app")
    h.once(ran=["app post.add"])
    h.set(metadata=None)
    h.once(ran=["app post.remove"])
    h.set(metadata={})
    h.once(ran=[])
    h.set(metadata={"a": 1})
    h.once(ran=["app post.add"])


def test_answer_forms(ctx):
    """fixed: metadata as object (Heat) or as JSON string (AWS) are the same document; with V2 alone accepted too."""
    h = Hup(ctx)
    h.hook("app")
    h.once(ran=["app post.add"])
    for change in ({"metadata": "string"}, {"accept": ["v2"]}, {"metadata": "object"}, {"accept": ["v4"]}):
        h.fake.configure(change)
        h.once(ran=[])
    h.fake.configure({"metadata": "string"})
    h.set(metadata={"a": "new"})
    h.once(ran=["app post.update"])


def test_order(ctx):
    """kept: hooks of one resource run one after the other in load order, never side by side."""
    h = Hup(ctx)
    for name in ("c", "a", "b"):
        h.hook(name, action="%s; sleep 0.2; %s" % (h.note("start $CFN_HOOK_NAME"), h.note("end $CFN_HOOK_NAME")))
    h.once(ran=["start a", "end a", "start b", "end b", "start c", "end c"])


def test_order_of_resources(ctx):
    """fixed: with several resources hooks run in load order whoever answered first (was: resource by resource, in order of the first mention)."""
    h = Hup(ctx, {name: resource({"a": 1}) for name in ("R1", "R2", "R3")})
    for name, where in (("1", "R3"), ("2", "R1"), ("3", "R2"), ("4", "R3")):
        h.hook(name, "Resources.%s.Metadata" % where, action=h.note("$CFN_HOOK_NAME $CFN_RESOURCE"))
    for number in range(5):
        h.fake.fault(do="slow", seconds=0.3)  # the first to ask is the last to be answered
        for name in ("R1", "R2", "R3"):
            h.set(name, metadata={"a": number})
        h.once(ran=["1 R3", "2 R1", "3 R2", "4 R3"])


def test_stack_by_arn(ctx):
    """kept: [main] stack may be the stack's name or its ARN."""
    h = Hup(ctx)
    h.hook("app")
    h.main(stack="stack=%s\n" % h.fake.arn("st", h.fake.state["stacks"]["st"]))
    h.once(ran=["app post.add"])
