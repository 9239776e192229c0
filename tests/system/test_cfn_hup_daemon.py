"""What aws-cfn-bootstrap's daemon does, with `heat-pulse run` and the old tool's files: interval, retries, restarts, reload."""
import os
import signal
import time

from guest import until
from harness import alone
from hup import Hup, resource


def daemon(ctx, resources=None, conf="", **state):
    return Hup(ctx, resources, "interval = 1s\n" + conf, **state)


def polls(h, number, name="R1"):
    """Waits for that many more answered polls."""
    before = len([r for r in h.asked(name) if r["status"]])
    until("%d more polls" % number, 10 + 3 * number, lambda: len([r for r in h.asked(name) if r["status"]]) >= before + number)


@alone
def test_interval(ctx):
    """fixed: [main] interval is obeyed, with units below a minute too; heat-pulse.conf wins over it."""
    h = Hup(ctx)
    h.main("interval=2s\n")
    h.hook("app")
    h.g.start()
    until("post.add", 10, lambda: h.ran() == ["app post.add"])
    polls(h, 3)
    times = [r["at"] for r in h.asked()]
    gaps = [b - a for a, b in zip(times[-3:], times[-2:])]
    assert all(1.5 < gap < 2.7 for gap in gaps), gaps
    status = h.g.status()
    assert [round(s["interval_s"]) for s in status["sources"]] == [2], status["sources"]
    h.g.stop()
    h.main("interval=15\n")
    h.g.start()
    assert [round(s["interval_s"]) for s in h.g.status()["sources"]] == [900]
    h.g.stop()
    h.g.conf("[metadata]\ninterval = 1s\nsplay = 0s\n")
    h.g.start()
    polls(h, 3)


def test_idle(ctx):
    """fixed: two watched resources idle for three polls fire nothing; a change of one fires its own hooks once."""
    h = daemon(ctx, {"R1": resource({"a": 1}), "R2": resource({"a": 1})})
    h.hook("one")
    h.hook("two", "Resources.R2.Metadata")
    h.g.start()
    until("both hooks", 10, lambda: sorted(h.ran()) == ["one post.add", "two post.add"])
    polls(h, 3)
    polls(h, 1, "R2")
    assert len(h.ran()) == 2, h.ran()
    h.set("R2", metadata={"a": 2})
    until("the update", 5, lambda: h.ran()[2:] == ["two post.update"])
    polls(h, 2)
    assert len(h.ran()) == 3, h.ran()


def test_retries_end(ctx):
    """fixed: a failing hook is run `tries` times with growing waits, then quiet until the value changes; status says so; other hooks are not held up."""
    h = daemon(ctx, conf="[hooks]\ntries = 4\nretry = 300ms\n")
    h.hook("bad", action=h.note("bad $(date +%s%N)") + "; exit 3")
    h.hook("good", "Resources.R1.Metadata.other")
    h.g.start()
    until("four tries", 15, lambda: len([r for r in h.ran() if r.startswith("bad")]) == 4)
    times = [int(r.split()[1]) / 1e9 for r in h.ran() if r.startswith("bad")]
    gaps = [b - a for a, b in zip(times, times[1:])]
    for gap, wait in zip(gaps, (0.3, 0.6, 1.2)):
        assert wait <= gap < wait + 0.8, gaps
    assert "good post.add" in h.ran()[:3], h.ran()
    polls(h, 3)
    assert len(h.ran()) == 5, h.ran()
    mine = [k for k in h.g.status()["hooks"] if k["name"] == "bad"]
    assert mine[0]["state"] == "gave-up", mine
    assert h.g.log().count("given up until the value changes again") == 1
    h.g.stop()
    h.g.start()
    polls(h, 2)
    assert len(h.ran()) == 5, "a restart does not start it over: %s" % h.ran()
    h.set(metadata={"a": "new", "other": "x"})
    until("tries for the new value", 10, lambda: len(h.ran()) >= 6)


def test_dropped_run(ctx):
    """kept: metadata that return to the accepted value drop the retry that was owed."""
    h = daemon(ctx, conf="[hooks]\nretry = 3s\n")
    h.hook("app", action=h.note("$CFN_NEW_METADATA") + "; test \"$CFN_NEW_METADATA\" = 1")
    h.set(metadata={"a": 1})
    h.g.start()
    until("the first value", 10, lambda: h.ran() == ["1"])
    h.set(metadata={"a": 2})
    until("the failure", 10, lambda: h.ran() == ["1", "2"])
    h.set(metadata={"a": 1})
    until("the drop", 5, lambda: "its run is dropped" in h.g.log())
    time.sleep(3)
    assert h.ran() == ["1", "2"]


def test_newest_value(ctx):
    """fixed: while a hook runs later values wait; it is run once more with the newest, its old value the one it was last told."""
    h = daemon(ctx)
    h.hook("app", action=h.note("${CFN_OLD_METADATA-unset} $CFN_NEW_METADATA") + "; sleep 3")
    h.set(metadata={"a": 1})
    h.g.start()
    until("the first run", 10, lambda: h.ran() == ["unset 1"])
    h.set(metadata={"a": 2})
    time.sleep(1.3)
    h.set(metadata={"a": 3})
    until("the second run", 10, lambda: len(h.ran()) == 2)
    time.sleep(1)
    assert h.ran() == ["unset 1", "1 3"], h.ran()


def test_slow_hook_slow_server(ctx):
    """fixed: a hanging hook does not stop the polls (it stopped them for ever)."""
    h = daemon(ctx)
    h.hook("app", action="sleep 6")
    h.g.start()
    until("it runs", 10, lambda: any(k["state"] == "running" for k in h.g.status()["hooks"]))
    polls(h, 3)
    assert any(k["state"] == "running" for k in h.g.status()["hooks"])


def test_killed_half_way(ctx):
    """fixed: a hook cut off half-way by a power cut is run once more, told the same; then never again."""
    h = daemon(ctx)
    # The shepherd leads a session of its own, so that the agent's end does not end the hook: here both die.
    h.hook("app", action="echo start $CFN_TRIGGER $CFN_NEW_METADATA >>{0}; [ -e {1} ] && exit 0; echo $PPID $$ >{1}; sleep 60".format(
        h.g.path("/hooks.log"), h.g.path("/pids")))
    h.g.start()
    until("the hook", 10, lambda: h.g.read("/pids").count(" "))
    shepherd, leader = (int(p) for p in h.g.read("/pids").split())
    os.kill(shepherd, signal.SIGKILL)
    h.g.kill_all()
    os.killpg(leader, signal.SIGKILL)
    h.g.start()
    until("the second run", 15, lambda: len(h.ran()) == 2)
    polls(h, 3)
    assert h.ran() == ['start post.add {"b": 1}'] * 2, h.ran()
    h.g.kill_all()
    h.g.start()
    polls(h, 2)
    assert len(h.ran()) == 2


def test_killed_before_commit(ctx):
    """fixed: a hook that ended while the agent was dead is not run again: its result is found."""
    h = daemon(ctx)
    h.hook("app", action=h.note("run $CFN_NEW_METADATA") + "; sleep 1")
    for number in range(3):
        h.set(metadata={"a": number})
        h.g.start()
        until("run %d" % number, 15, lambda: len(h.ran()) == number + 1)
        h.g.kill_all()
        time.sleep(1.3)
    h.g.start()
    polls(h, 3)
    assert h.ran() == ["run 0", "run 1", "run 2"], h.ran()


def test_pass_and_daemon_share(ctx):
    """new: what a pass has run the daemon does not run again, and the other way round."""
    h = daemon(ctx)
    h.hook("app")
    h.once(ran=["app post.add"])
    h.g.start()
    polls(h, 2)
    assert len(h.ran()) == 1
    h.set(metadata={"a": 2})
    until("post.update", 5, lambda: len(h.ran()) == 2)
    h.g.stop()
    h.once(ran=[])


def test_reload(ctx):
    """fixed: hook files are read again when they change and on SIGHUP; a bad one stops nothing (both tools read them at start only)."""
    h = daemon(ctx)
    h.hook("one")
    h.g.start()
    until("post.add", 10, lambda: h.ran() == ["one post.add"])
    h.hook("two", "Resources.R1.Metadata")
    until("the new hook", 5, lambda: h.ran()[1:] == ["two post.add"])
    os.unlink(h.g.path("/etc/cfn/hooks.d/two.conf"))
    h.g.write("/etc/cfn/hooks.d/bad.conf", "nonsense\n")
    until("the bad file is named", 5, lambda: "bad.conf:1" in h.g.log())
    h.set(metadata={"a": 2})
    until("post.update", 5, lambda: len(h.ran()) == 3)
    h.hook("one", action=h.note("$(umask)"))
    h.main("umask=077\n")
    h.g.child.send_signal(signal.SIGHUP)
    until("reloaded", 10, lambda: "configuration reloaded" in h.g.log())
    h.set(metadata={"a": 3})
    until("the new action and umask", 10, lambda: h.ran()[3:] == ["0077"])


def test_server_trouble(ctx):
    """fixed: while the server fails the daemon lives on, says so once, backs off and catches up; exit 0 at SIGTERM, not before."""
    h = daemon(ctx)
    h.hook("app")
    h.g.start()
    until("post.add", 10, lambda: len(h.ran()) == 1)
    h.fake.down()
    until("it is told", 10, lambda: "cannot be reached" in h.g.log())
    h.set(metadata={"a": 2})
    time.sleep(3)
    assert h.g.log().count("cannot be reached") <= 2, h.g.log()
    h.fake.up()
    until("it caught up", 40, lambda: len(h.ran()) == 2)
    assert h.g.child.poll() is None and h.g.stop() == 0


def test_lock_file_of_the_dead(ctx):
    """fixed: what a killed daemon leaves behind (lock, socket, pid) does not stop the next one (a stale pid file did, for 300 s and then for good)."""
    h = daemon(ctx)
    h.hook("app")
    h.g.write("/var/run/cfn-hup.pid", "1\n")
    for _ in range(2):
        h.g.start()
        h.g.kill_all()
    h.g.start()
    until("post.add", 10, lambda: h.ran() == ["app post.add"])
