"""The ways by which deployments come, times the ways in which they are told, with a real Heat, Swift and Zaqar."""
from guest import until
from test_deployments import Stack, ran, states

SCRIPT = """#!/bin/sh
echo "$deploy_resource_name" >>ROOT/ran
printf 'by %s' "$deploy_signal_transport" >$heat_outputs_path.result
"""


def ways(ctx, word, transport):
    """One guest, five deployments, each told in its own way: the stack is complete, its outputs are those of the hooks."""
    cloud = ctx.push_cloud
    cloud.login()  # Heat remembers the catalog of a token that it has seen, which may be older than Swift and Zaqar
    stack = Stack(ctx, word, "deployments-ways.yaml", transport=transport, config=SCRIPT)
    g = stack.start()
    stack.wait("CREATE_COMPLETE", 120)
    for key, word in (("cfn", "CFN_SIGNAL"), ("heat", "HEAT_SIGNAL"), ("tempurl", "TEMP_URL_SIGNAL"), ("zaqar", "ZAQAR_SIGNAL")):
        assert cloud.output(stack.name, key) == "by " + word, key
    until("all five are over", 30, lambda: states(g) == ["signalled"] * 5)
    assert sorted(ran(g)) == ["cfn", "heat", "silent", "tempurl", "zaqar"], ran(g)


def test_cfn(ctx):
    """Polled by cfn, told in five ways"""
    ways(ctx, "ways-cfn", "POLL_SERVER_CFN")


def test_heat(ctx):
    """Polled by heat, told in five ways"""
    ways(ctx, "ways-heat", "POLL_SERVER_HEAT")


def test_tempurl(ctx):
    """Polled by temporary URL, told in five ways"""
    ways(ctx, "ways-tempurl", "POLL_TEMP_URL")


def test_zaqar(ctx):
    """Polled by queue, told in five ways"""
    ways(ctx, "ways-zaqar", "ZAQAR_MESSAGE")
