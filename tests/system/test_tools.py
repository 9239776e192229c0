"""The cfn tools run by hand against a real Keystone and Heat, beside the packaged Python ones where those work."""
import base64
import json
import shutil

TRANSPORTS = {"POLL_SERVER_CFN": "cfn", "POLL_SERVER_HEAT": "heat"}
KEYS = "/etc/keys"


def prepared(ctx, name, transport="POLL_SERVER_CFN", template="guest-aws.yaml"):
    """A stack whose handles exist and wait, and a guest that has what Heat leaves there."""
    ctx.cloud.create(name, template, transport=transport)
    ctx.later(lambda: ctx.cloud.delete(name))
    ctx.cloud.made(name, "srv", "boot", "health")
    g = ctx.guest(name)
    g.give_block(ctx.keep_block(ctx.cloud.block(name)))
    return g


def good(done):
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Signature=" not in done.stdout + done.stderr
    return done


def give_keys(ctx, g, name):
    ctx.cloud.made(name, "keys", "policy")
    access, secret = ctx.cloud.output(name, "access"), ctx.cloud.output(name, "secret")
    ctx.secret(secret)
    g.write(KEYS, "AWSAccessKeyId=%s\nAWSSecretKey=%s\n" % (access, secret), 0o600)
    return ["-f", KEYS, "--url", "http://127.0.0.1:%d/v1" % ctx.cloud.ports["cfn"]]


def test_signal_url(ctx):
    """cfn-signal with Heat's own presigned URL completes the stack, with and without base64; a wrong one is exit 3."""
    g = prepared(ctx, "tool-url")
    url = ctx.cloud.output("tool-url", "boot_url")
    ctx.secret(url.partition("Signature=")[2].partition("&")[0])
    done = g.run("cfn-signal", "-i", "bad", url.replace("Signature=", "Signature=A"))
    assert done.returncode == 3 and "403" in done.stderr, done
    good(g.run("cfn-signal", "-i", "one", "-d", "d %", "-", stdin=url + "\n"))
    assert json.loads(ctx.cloud.output("tool-url", "boot_data")) == {"one": "d %"}
    good(g.run("cfn-signal", "-i", "two", base64.b64encode(url.encode()).decode()))
    assert set(ctx.cloud.metadata("tool-url", "boot")) == {"one", "two"}


def signal_by_name(ctx, transport, template):
    name = "tool-%s-%s" % (TRANSPORTS[transport], template[:-5])
    g = prepared(ctx, name, transport, template)
    for handle in ("boot", "health"):
        good(g.run("cfn-signal", "--stack", name, "--resource", handle, "-i", "me", "-r", "why not", "-d", "some data"))
    for output in ("boot_data", "health_data"):
        assert json.loads(ctx.cloud.output(name, output)) == {"me": "some data"}
    ctx.cloud.wait(name, "CREATE_COMPLETE", 120)


def test_signal_by_name_cfn(ctx):
    """cfn-signal --stack --resource by EC2 keys, handles of the AWS kind."""
    signal_by_name(ctx, "POLL_SERVER_CFN", "guest-aws.yaml")


def test_signal_by_name_cfn_heat_handles(ctx):
    """cfn-signal --stack --resource by EC2 keys, handles of the OS::Heat kind."""
    signal_by_name(ctx, "POLL_SERVER_CFN", "guest.yaml")


def test_signal_by_name_heat(ctx):
    """cfn-signal --stack --resource by a Keystone password, handles of the OS::Heat kind."""
    signal_by_name(ctx, "POLL_SERVER_HEAT", "guest.yaml")


def test_metadata(ctx):
    """cfn-get-metadata by found keys and by given keys; a resource the keys may not read is exit 3."""
    g = prepared(ctx, "tool-metadata")
    done = good(g.run("cfn-get-metadata", "-s", "tool-metadata", "-r", "srv"))
    assert json.loads(done.stdout)["app"] == {"rev": "1", "fixed": "same"}, done.stdout
    keys = give_keys(ctx, g, "tool-metadata")
    done = good(g.run("cfn-get-metadata", "-s", "tool-metadata", "-r", "other", "-k", "note", *keys))
    assert done.stdout == '"quiet % ^ & <xml>"\n', done.stdout
    done = g.run("cfn-get-metadata", "-s", "tool-metadata", "-r", "boot", "--timeout", "5s", *keys)
    assert done.returncode == 3 and done.stdout == "", done
    done = g.run("cfn-get-metadata", "-s", "nosuch", "-r", "srv", "--timeout", "5s", *keys)
    assert done.returncode == 3 and "nosuch" in done.stderr, done


def test_metadata_beside_python(ctx):
    """The packaged Python cfn-get-metadata and ours print the same line for the same local copy."""
    from harness import Skip
    if not shutil.which("cfn-get-metadata"):
        raise Skip("heat-cfntools is not installed")
    metadata = {"app": {"rev": "1", "list": [1, 2.5, None, True]}, "text": "q \" \\ %"}
    g = ctx.guest("python")
    g.write("/var/lib/heat-cfntools/cfn-init-data", json.dumps(metadata))
    for key in ("app", "app.list", "text", "app.rev"):
        theirs = g.run_old("cfn-get-metadata", "-s", "x", "-r", "srv", "-k", key)
        ours = good(g.run("cfn-get-metadata", "-s", "x", "-r", "srv", "-k", key))
        assert theirs.returncode == 0 and theirs.stdout == ours.stdout, (key, theirs, ours)
