"""User data as a real Heat's own code builds them."""
import email.mime.multipart
import email.mime.text
import json
import os
import subprocess
import tempfile

# usage: build FORMAT METADATA USERDATA CFN-URL
BUILD = """
import json, sys
from unittest import mock
from heat.engine.clients.os import nova
plugin = mock.Mock()
plugin.context.clients.client_plugin.return_value.get_cfn_metadata_server_url.return_value = sys.argv[4]
print(nova.NovaClientPlugin.build_userdata(plugin, json.loads(sys.argv[2]), open(sys.argv[3]).read(), user_data_format=sys.argv[1]))
"""


def parts(boothook, config):
    """A boothook beside a cloud-config, as a user of Heat hands them over."""
    both = email.mime.multipart.MIMEMultipart()
    for name, subtype, text in (("heat-pulse-boothook.sh", "cloud-boothook", boothook), ("heat-pulse.yaml", "cloud-config", config)):
        part = email.mime.text.MIMEText(text, _subtype=subtype, _charset="us-ascii")
        part.add_header("Content-Disposition", "attachment", filename=name)
        both.attach(part)
    return both.as_string()


def build(layout, block, text, url="http://192.0.2.10:8000/v1/"):
    """@layout: HEAT_CFNTOOLS or SOFTWARE_CONFIG. @block: the server's metadata. @text: the user's own part."""
    with tempfile.NamedTemporaryFile("w", suffix=".user-data") as f:
        f.write(text)
        f.flush()
        done = subprocess.run(["/usr/bin/python3", "-c", BUILD, layout, json.dumps(block), f.name, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, stdin=subprocess.DEVNULL, cwd=os.sep)
    if done.returncode:
        raise RuntimeError("Heat's user data: %s" % done.stderr[-2000:])
    return done.stdout
