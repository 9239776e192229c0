"""The packaged Python cfn-hup and ours, given the same files and the same stack, run the same hooks (where they should)."""
import shutil
import time

from guest import until
from harness import Skip


def python_pass(g, port):
    """One pass of the packaged cfn-hup with the guest's files in place."""
    g.write("/var/lib/heat-cfntools/cfn-boto-cfg", "[Boto]\ndebug = 0\nis_secure = 0\nhttps_validate_certificates = 1\ncfn_region_name = heat\n"
            "cfn_region_endpoint = 127.0.0.1\n")
    # It takes the port for 8000 whenever the URL has a path.
    g.write("/var/lib/heat-cfntools/cfn-metadata-server", "http://127.0.0.1:%d" % port)
    return g.run_old("cfn-hup", "-f", timeout=120)


def test_same_hooks(ctx):
    """First value aside, an update fires the same hooks in the same order; idle passes fire none."""
    if not shutil.which("cfn-hup"):
        raise Skip("heat-cfntools is not installed")
    ctx.cloud.create("beside", "guest-aws.yaml")
    ctx.later(lambda: ctx.cloud.delete("beside"))
    ctx.cloud.made("beside", "keys", "srv")
    access, secret = ctx.cloud.output("beside", "access"), ctx.cloud.output("beside", "secret")
    ctx.secret(secret)
    guests = {}
    for name in ("python", "ours"):
        g = guests[name] = ctx.guest(name)
        g.conf("[hooks]\ncompat = heat\n")  # as the old tool has it: the first value is an update
        g.give_cfn_hup("http://127.0.0.1:%d/v1/" % ctx.cloud.ports["cfn"], "beside", access, secret)
        for hook in ("b-second", "a-first"):
            g.hook(hook, "Resources.srv.Metadata", "post.update", "echo %s >>%s" % (hook, g.path("/hooks.log")))

    def passes():
        done = python_pass(guests["python"], ctx.cloud.ports["cfn"])
        assert done.returncode == 0, done
        done = guests["ours"].run("cfn-hup", "-f")
        assert done.returncode == 0, done.stderr

    passes()
    assert sorted(guests["python"].hooks_run()) == sorted(guests["ours"].hooks_run()) == ["a-first", "b-second"], \
        (guests["python"].hooks_run(), guests["ours"].hooks_run())
    passes()
    assert len(guests["python"].hooks_run()) == len(guests["ours"].hooks_run()) == 2
    ctx.cloud.update("beside", "guest-aws.yaml", rev="2")

    def changed():
        """Both have seen the update."""
        time.sleep(0.5)
        passes()
        return len(guests["python"].hooks_run()) == 4 and len(guests["ours"].hooks_run()) == 4

    until("both ran the update's hooks", 60, changed)
    passes()
    assert len(guests["python"].hooks_run()) == len(guests["ours"].hooks_run()) == 4
    # Ours reads hooks.d in C order; the old tool as the folder happens to list it.
    assert guests["ours"].hooks_run()[2:] == ["a-first", "b-second"]
