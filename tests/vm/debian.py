"""The large guest: Debian with systemd, udev and cloud-init, its seeds in each form that OpenStack has, and a shop that serves the agent."""
import email
import email.mime.text
import functools
import hashlib
import http.server
import json
import os
import re
import shutil
import threading
import uuid

import images
import qemu
import user_data
import yaml

PARTS = os.path.join(images.TOP, "cloud-init")
CONF = """[metadata]
interval = 2s
splay = 0s
[signal]
boot-quiet = 2s
action-uptime = 10s
action-pause = 1s
"""
HOOK = """[app]
triggers = post.add, post.update
path = Resources.srv.Metadata.app
action = echo "$CFN_TRIGGER $CFN_NEW_METADATA" >>/var/log/hooks
runas = root
"""
HOOK_FILE = {"path": "/etc/cfn/hooks.d/app.conf", "permissions": "0644", "content": HOOK}
USERS_MARK = "/var/log/users-runcmd"
LONG = 600  # seconds for a boot on a busy machine


class Shop:
    """Serves the static file on loopback; guests see it as 10.0.2.2."""

    def __init__(self, folder, binary):
        self.folder = os.path.join(folder, "shop")
        os.makedirs(self.folder)
        shutil.copy(binary, os.path.join(self.folder, "heat-pulse"))

        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=self.folder))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        with open(os.path.join(self.folder, "heat-pulse"), "rb") as f:
            self.digest = hashlib.sha256(f.read()).hexdigest()

    def url(self, host):
        return "http://%s:%d/heat-pulse" % (host, self.server.server_address[1])

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def parts(shop, host):
    """Our cloud-config and boothook as they ship, with this test's settings and one hook."""
    with open(os.path.join(PARTS, "cloud-config.yaml")) as f:
        config = yaml.safe_load(f.read().replace("@URL@", shop.url(host)).replace("@SHA256@", shop.digest))
    for one in config["write_files"]:
        if one["path"].endswith("50-cloud-init.conf"):
            one["content"] = CONF
    config["write_files"].append(HOOK_FILE)
    with open(os.path.join(PARTS, "boothook.sh")) as f:
        return user_data.parts(f.read(), "#cloud-config\n" + yaml.safe_dump(config, width=1000))


def script(shop, host):
    """Our script alone, with URL and sum in their places."""
    with open(os.path.join(PARTS, "install.sh")) as f:
        return f.read().replace("@URL@", shop.url(host)).replace("@SHA256@", shop.digest)


def parts_of_heat(heat, shop, host):
    """The same, but made by Heat from the template that ships; between cloud-configs of the user's own, of which the first has our hook, the last a
    runcmd and no word on merging."""
    folder = os.path.join(images.TOP, "hooks", "templates")

    def read(path):
        with open(os.path.join(folder, path)) as f:
            return f.read()

    template = read("agent-user-data.yaml")
    heat.ask("POST", "/stacks", {"stack_name": "userdata", "template": template, "files": {p: read(p) for p in re.findall(r"get_file: ([^\s}]+)", template)},
                                 "parameters": {"url": shop.url(host), "sha256": shop.digest, "settings": CONF}})
    stack = heat.wait("userdata", "CREATE_COMPLETE", LONG)
    made = heat.ask("GET", "/stacks/userdata/%s/resources/parts" % stack["id"])["resource"]["physical_resource_id"]
    whole = email.message_from_string(heat.ask("GET", "/software_configs/" + made)["software_config"]["config"])
    first, last = ({"write_files": [HOOK_FILE]}, {"runcmd": ["touch " + USERS_MARK]})
    whole.set_payload([user_part(first), *whole.get_payload(), user_part(last)])
    return whole.as_string()


def user_part(config):
    part = email.mime.text.MIMEText("#cloud-config\n" + yaml.safe_dump(config), _subtype="cloud-config", _charset="us-ascii")
    part.add_header("Content-Disposition", "attachment", filename="users.yaml")
    return part


def nova_files(server_id, text):
    """What a config drive and the metadata service have: name -> text."""
    return {"openstack/latest/meta_data.json": json.dumps({
                "uuid": server_id, "hostname": "guest.novalocal", "name": "guest", "availability_zone": "nova", "launch_index": 0, "public_keys": {},
                "project_id": uuid.uuid4().hex, "devices": []}),
            "openstack/latest/user_data": text, "openstack/latest/network_data.json": json.dumps({"links": [], "networks": [], "services": []}),
            "openstack/latest/vendor_data.json": "{}"}


def seed(path, source, server_id, text):
    """A disk for NoCloud or ConfigDrive. Return: QEMU's arguments for it."""
    if source == "NoCloud":
        images.seed(path, "cidata", {"meta-data": "instance-id: %s\nlocal-hostname: guest\n" % server_id, "user-data": text}, "vfat")
    else:
        images.seed(path, "config-2", nova_files(server_id, text), "iso")
    return ("-drive", "if=none,id=seed,file=%s,format=raw,readonly=on" % path, "-device", "virtio-blk-pci,drive=seed")


def boot(ring, image, server_id, args=(), net="", mem=512):
    """A guest whose disk begins as @image; what it writes is its own."""
    return qemu.Machine(ring.kernel.image, ring.small, "vm.root=/dev/vda loglevel=5", mem=mem, net=net, cpu="Nehalem",
                           args=("-drive", "if=none,id=root,file=%s,format=raw,snapshot=on,cache=unsafe" % image, "-device", "virtio-blk-pci,drive=root",
                                 "-smbios", "type=1,product=OpenStack Nova,uuid=" + server_id, *args))


def wait_for_agent(one):
    """Until cloud-init is over and the agent answers; what went wrong is shown."""
    one.run("true", LONG)
    try:
        one.until("the end of cloud-init", LONG, "test -e /run/cloud-init/result.json", 2)
        one.until("the agent", 120, "heat-pulse status >/dev/null", 1)
    except AssertionError as e:
        raise AssertionError("%s\n%s" % (e, one.run("cloud-init status --long; tail -n 60 /var/log/cloud-init-output.log; journalctl -b -u heat-pulse | tail -n 30; "
                                                    "ip addr; systemctl list-units --failed")[1])) from None


def status(one):
    return json.loads(one.sh("heat-pulse status --json"))


def sees_its_source(one, server_id, source):
    """What holds in every guest that cloud-init made: identity, credentials, order, no copy that others can read."""
    assert source in one.sh("cloud-id").lower(), one.sh("cloud-id")
    shown = status(one)
    assert shown["server_id"] == server_id, (shown["server_id"], server_id)
    check = one.run("heat-pulse check")[1]
    assert "credentials-none" not in check and "metadata-copy" not in check, check
    assert not one.sh("find /var/lib/cloud/data -name 'cfn-*' -perm /077").strip()
    assert "cfn-init-data" in one.sh("ls /var/lib/heat-cfntools")
    assert "cloud-init.service" in one.sh("systemctl show -p After heat-pulse")
    return shown
