#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""cfn-create-aws-symlinks below a throw-away root."""

import os
import sys

import dropin

NAME, TOOLS = "cfn-create-aws-symlinks", ["cfn-hup", "cfn-init", "cfn-signal"]


def prepare(box):
    for name in TOOLS + ["other"]:
        box.write("/usr/bin/" + name, "#!/bin/sh\n", 0o755)


def link(box, name):
    return os.readlink(box.path("/opt/aws/bin/" + name))


def test_links(box):
    """kept: every cfn-* of /usr/bin, and nothing else, is linked below /opt/aws/bin, which is made; again: nothing changes"""
    prepare(box)
    box.run(NAME).expect(0, out="", err="")
    assert sorted(os.listdir(box.path("/opt/aws/bin"))) == TOOLS
    assert link(box, "cfn-hup") == "/usr/bin/cfn-hup"
    box.run(NAME).expect(0, out="")


def test_existing(box):
    """kept: what is there stays, with a message on stdout, unless -f is given"""
    prepare(box)
    box.write("/opt/aws/bin/cfn-init", "mine")
    assert "/opt/aws/bin/cfn-init" in box.run(NAME).expect(0).out
    assert not os.path.islink(box.path("/opt/aws/bin/cfn-init"))
    box.run(NAME, "-f").expect(0, out="")
    assert link(box, "cfn-init") == "/usr/bin/cfn-init"


def test_dangling(box):
    """fixed: a link that leads nowhere is replaced (the old tool crashed)"""
    prepare(box)
    os.makedirs(box.path("/opt/aws/bin"))
    os.symlink("/usr/bin/gone", box.path("/opt/aws/bin/cfn-hup"))
    box.run(NAME).expect(0, out="", err="")
    assert link(box, "cfn-hup") == "/usr/bin/cfn-hup"


def test_folders(box):
    """kept: -t and -s name the folders; equal ones, a missing source and a target that cannot be made are exit 1"""
    prepare(box)
    box.run(NAME, "--source", "/usr/bin", "--target=/srv/x/y").expect(0)
    assert os.readlink(box.path("/srv/x/y/cfn-signal")) == "/usr/bin/cfn-signal"
    box.run(NAME, "-t", "/usr/bin").expect(1, err="same folder")
    box.run(NAME, "-t", "/usr/../usr/bin").expect(1, err="same folder")
    box.run(NAME, "-s", "/nosuch").expect(1, err="/nosuch")
    box.run(NAME, "-t", "/usr/bin/other/x").expect(1, err="cannot be made")
    box.run(NAME, "extra").expect(2)


if __name__ == "__main__":
    sys.exit(dropin.run(sys.modules[__name__]))
