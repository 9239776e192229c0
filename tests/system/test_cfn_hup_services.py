"""cfn-hup: services that metadata want running, and service.restarted. The service manager is a script of the guest."""
import os
import time

from guest import until
from hup import Hup, resource

INIT = "AWS::CloudFormation::Init"
SYSTEMCTL = """#!/bin/sh
# down, up, slow (activating), stuck (cannot be started): what the name begins with, until it was started
[ "$1" = --no-ask-password ] && shift
echo "$1 $2" >>%s/calls.log
case "$1" in
is-active)
    [ -e %s/started-$2 ] && { echo active; exit 0; }
    case "$2" in up*) echo active; exit 0;; slow*) echo activating; exit 3;; *) echo inactive; exit 3;; esac;;
start)
    case "$2" in stuck*) exit 1;; esac
    : >%s/started-$2;;
esac
"""


def services(names, key="systemd", want=True):
    return {"services": {key: {name: {"ensureRunning": want} for name in names}}}


def hup(ctx, metadata, conf=""):
    h = Hup(ctx, {"R1": resource(metadata)}, conf=conf)
    h.g.write("/run/systemd/system/.keep", "")
    h.g.write("/usr/bin/systemctl", SYSTEMCTL.replace("%s", h.g.root), 0o755)
    h.hook("svc", "Resources.R1.Metadata", "service.restarted", h.note("$CFN_HOOK_NAME $CFN_TRIGGER $CFN_SERVICE $CFN_RESOURCE"))
    return h


def calls(h):
    return h.g.read("/calls.log").splitlines()


def test_started(ctx):
    """kept: a service of config `config` found stopped is started and service.restarted fires; fixed: once for each service, and the hook is told which."""
    h = hup(ctx, {INIT: {"config": services(["down", "up", "down2"])}})
    h.hook("second", "Resources.R1.Metadata.nothing", "post.add,service.restarted", h.note("$CFN_HOOK_NAME $CFN_SERVICE"))
    h.once()
    assert sorted(h.ran()) == ["second down", "second down2", "svc service.restarted down R1", "svc service.restarted down2 R1"], h.ran()
    h.once(ran=[])
    assert "start up" not in calls(h)


def test_names(ctx):
    """fixed: a name that ends in .service is not doubled; a name that is none reaches no command."""
    h = hup(ctx, {INIT: {"config": services(["down.service", "down; touch /x", "-H", "../x", ""])}})
    h.once(ran=["svc service.restarted down.service R1"])
    assert calls(h) == ["is-active down.service", "start down.service"], calls(h)


WANTS = [(True, True), ("true", True), ("Yes", True), ("1", True), (1, True), (False, False), ("false", False), (0, False), ("on", False), (None, False), (2, False)]


def test_ensure_running(ctx):
    """kept: true, yes, 1 in any case mean start; everything else, false too, is left alone."""
    for want, starts in WANTS:
        h = hup(ctx, {INIT: {"config": services(["down"], want=want)}})
        h.once(ran=["svc service.restarted down R1"] if starts else [])


def test_where(ctx):
    """kept: systemd and sysvinit alike, a top-level `config` without the Init key; other configs, configSets and managers are not looked at."""
    for metadata, starts in (({"config": services(["down"])}, True), ({INIT: {"config": services(["down"], "sysvinit")}}, True),
                             ({INIT: {"other": services(["down"]), "configSets": {"default": ["other"]}}}, False),
                             ({INIT: {"config": services(["down"], "windows")}}, False), ({INIT: {"config": {"services": ["x"]}}}, False),
                             ({INIT: {"config": {"services": {"systemd": {"down": "yes"}}}}}, False)):
        h = hup(ctx, metadata)
        h.once(ran=["svc service.restarted down R1"] if starts else [])


def test_slow_starter(ctx):
    """fixed: a service on its way (activating) is not down and is not started again."""
    h = hup(ctx, {INIT: {"config": services(["slow"])}})
    h.once(ran=[])
    assert calls(h) == ["is-active slow"], calls(h)


def test_start_failed(ctx):
    """fixed: a service that cannot be started is named and no hook is told that it was; the daemon backs off (it was every pass, for ever)."""
    h = hup(ctx, {INIT: {"config": services(["stuck"])}}, conf="interval = 1s\n")
    h.once(said=("stuck", "could not be started"), ran=[])
    before = calls(h).count("start stuck")
    h.g.start()
    until("a try", 10, lambda: calls(h).count("start stuck") == before + 1)
    polls = len(h.fake.requests)
    until("four more polls", 15, lambda: len(h.fake.requests) >= polls + 4)
    assert calls(h).count("start stuck") == before + 1 and not h.ran(), calls(h)


def test_only_with_hooks(ctx):
    """fixed: services are looked after only where a hook of that resource asks for service.restarted.

    heat-cfntools watched them whenever any hook named the resource, aws-cfn-bootstrap never: a hook on post.update alone starts no service.
    """
    h = hup(ctx, {INIT: {"config": services(["down"])}})
    h.hook("svc", "Resources.R1.Metadata", "post.add")
    h.once(ran=["svc post.add"])
    assert not calls(h)


def test_daemon(ctx):
    """kept: the daemon looks at each poll: a service that dies later is started again and its hook told."""
    h = hup(ctx, {INIT: {"config": services(["down"])}}, conf="interval = 1s\n")
    h.g.start()
    until("the first start", 10, lambda: len(h.ran()) == 1)
    os.unlink(h.g.path("/started-down"))
    until("the second start", 10, lambda: len(h.ran()) == 2)
    time.sleep(1.5)
    assert len(h.ran()) == 2
