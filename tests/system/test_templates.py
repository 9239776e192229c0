"""The templates that ship with the agent, as a real Heat takes them."""
import email
import glob
import json
import os
import shutil
import threading

import requests
import yaml

from guest import until
from test_heat import CONF

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.path.join(TOP, "hooks", "templates")
FIXTURE = os.path.join(TOP, "tests", "fixtures", "proc-linux-6.18", "proc")
VALUES = {"root": "web/7b1c0000-0000-4000-8000-000000000001", "image": "debian-12", "flavor": "m1.small", "network": "private", "url": "https://packages.example/heat-pulse.deb", "sha256": "0" * 64}


def read(path):
    with open(path) as f:
        return f.read()


def get_files(node):
    """Every path after get_file:, as a client would gather them."""
    if isinstance(node, dict):
        return [node["get_file"]] if list(node) == ["get_file"] else [p for v in node.values() for p in get_files(v)]
    return [p for v in node for p in get_files(v)] if isinstance(node, list) else []


def body(path):
    """What a client sends: the template, the files it names, values for what has no default."""
    text = read(path)
    template = yaml.safe_load(text)
    needed = [name for name, p in template.get("parameters", {}).items() if "default" not in p]
    return {"template": text, "files": {p: read(os.path.join(FOLDER, p)) for p in get_files(template)}, "parameters": {n: VALUES[n] for n in needed}}


def environments():
    """name -> what stands in each environment file"""
    return {os.path.basename(p): yaml.safe_load(read(p)) for p in glob.glob(FOLDER + "/environment*.yaml")}


def with_environment(path, name):
    """body() with an environment and the templates it maps types to, as a client sends them."""
    sent = body(path)
    sent["environment"] = environments()[name]
    for nested in sent["environment"].get("resource_registry", {}).values():
        sent["files"][nested] = read(os.path.join(FOLDER, nested))
    return sent


def templates():
    return sorted(p for p in glob.glob(FOLDER + "/*.yaml") if not os.path.basename(p).startswith("environment"))


def offer_services(ctx, **services):
    """Puts services into the catalog: Heat refuses types whose service has no endpoint, and asks no more than that."""
    cloud = ctx.cloud
    answer = requests.post(cloud.auth_url + "/auth/tokens", timeout=60, json={"auth": {
        "identity": {"methods": ["password"], "password": {"user": {"name": "admin", "password": "adminpw", "domain": {"id": "default"}}}},
        "scope": {"project": {"name": "admin", "domain": {"id": "default"}}}}})
    answer.raise_for_status()
    headers = {"X-Auth-Token": answer.headers["X-Subject-Token"]}
    for kind, name in services.items():
        made = requests.post(cloud.auth_url + "/services", headers=headers, timeout=60, json={"service": {"type": kind, "name": name}}).json()["service"]
        requests.post(cloud.auth_url + "/endpoints", headers=headers, timeout=60, json={"endpoint": {
            "service_id": made["id"], "interface": "public", "region_id": "RegionOne", "url": "http://127.0.0.1:9/v2.1"}}).raise_for_status()
        ctx.later(lambda one=made["id"]: requests.delete(cloud.auth_url + "/services/" + one, headers=headers, timeout=60))
    ctx.later(cloud.login)
    cloud.login()


def test_validate(ctx):
    """Every template is valid for a real Heat"""
    offer_services(ctx, compute="nova", workflowv2="mistral", network="neutron")
    paths = templates()
    assert len(paths) >= 8, paths
    for path in paths:
        for sent in [with_environment(path, name) for name in environments()] if "HeatPulse::" in read(path) else [body(path)]:
            answer = ctx.cloud.ask("POST", "/validate", sent)
            assert set(answer["Parameters"]) == set(yaml.safe_load(read(path))["parameters"]), (path, answer)


def test_names_only(ctx):
    """What a server's metadata name is a resource of the template, and no reference"""
    root = yaml.safe_load(read(os.path.join(FOLDER, "group.yaml")))["resources"]
    for path in templates():
        resources = yaml.safe_load(read(path))["resources"]
        for server in resources.values():
            ours = server.get("metadata", {}).get("heat-pulse", {})
            for key in ("boot", "health", "action"):
                if isinstance(ours.get(key), dict):  # root/NAME: of the stack above
                    assert ours[key]["list_join"][1][1] in root, (path, key, ours)
                else:
                    assert key not in ours or ours[key] in resources, (path, key, ours)


def test_user_data(ctx):
    """agent-user-data.yaml makes a boothook, a cloud-config and a script; the scripts are those of cloud-init/ word for word, with URL and sum in their places"""
    cloud = ctx.cloud
    made = dict(body(os.path.join(FOLDER, "agent-user-data.yaml")), stack_name="userdata", timeout_mins=5)
    made["parameters"]["settings"] = "[agent]\nlog-level = debug\n"
    cloud.ask("POST", "/stacks", made)
    ctx.later(lambda: cloud.delete("userdata"))
    stack = cloud.wait("userdata", "CREATE_COMPLETE", 180)
    parts = cloud.ask("GET", "/stacks/userdata/%s/resources/parts" % stack["id"])["resource"]["physical_resource_id"]
    text = cloud.ask("GET", "/software_configs/" + parts)["software_config"]["config"]
    found = {part.get_content_subtype(): part.get_payload() for part in email.message_from_string(text).get_payload()}
    assert found["cloud-boothook"].strip() == read(os.path.join(TOP, "cloud-init", "boothook.sh")).strip(), found.keys()
    config = yaml.safe_load(found["cloud-config"])
    assert found["cloud-config"].startswith("#cloud-config")
    script = read(os.path.join(TOP, "cloud-init", "install.sh")).replace("@URL@", VALUES["url"]).replace("@SHA256@", VALUES["sha256"])
    assert found["x-shellscript"].strip() == script.strip() and VALUES["url"] in script, found["x-shellscript"][:600]
    assert config["write_files"][0]["content"] == "[agent]\nlog-level = debug\n"


class Leak:
    """A guest with a /proc of its own, whose available memory shrinks by a fiftieth of all each second from the word go until little is left."""

    def __init__(self, ctx, g):
        shutil.copytree(FIXTURE, g.path("/proc"))
        self.path, self.text = g.path("/proc/meminfo"), read(g.path("/proc/meminfo"))
        self.total = next(int(line.split()[1]) for line in self.text.split("\n") if line.startswith("MemTotal:"))
        self.go, self.stop = threading.Event(), threading.Event()
        self.write(60)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        ctx.later(self.end)

    def write(self, percent):
        lines = [line if not line.startswith("MemAvailable:") else "MemAvailable: %12d kB" % (self.total * percent / 100) for line in self.text.split("\n")]
        with open(self.path, "r+b", buffering=0) as f:  # in place and at once: the agent keeps it open
            f.write("\n".join(lines).encode())

    def run(self):
        self.go.wait(300)
        percent = 60.0
        while percent > 1.5 and not self.stop.wait(0.5):
            percent -= 1
            self.write(percent)

    def end(self):
        self.go.set()
        self.stop.set()
        self.thread.join()


LEAKY = CONF + "action-uptime = 0s\naction-pause = 1s\n[sample]\ninterval = 1s\n"


def create(ctx, name, sent, **parameters):
    def ask():
        try:
            return ctx.cloud.ask("POST", "/stacks", dict(sent, stack_name=name, timeout_mins=20, parameters=dict(sent["parameters"], **parameters)))
        except RuntimeError as e:
            if ": 409 " not in str(e):
                raise
            return None  # the stack of that name is still being deleted

    until("stack %s is made" % name, 90, ask, 1)
    ctx.later(lambda: ctx.cloud.delete(name))


def nested(ctx, path, resource):
    found = ctx.cloud.ask("GET", "%s/resources/%s" % (path, resource))["resource"]["physical_resource_id"]
    return next("/stacks/%s/%s" % (s["stack_name"], s["id"]) for s in ctx.cloud.ask("GET", "/stacks?show_nested=true")["stacks"]
                if s["id"] == found.split("/")[-1])


def test_group_to_the_end(ctx):
    """A leak in a member of group.yaml: foreseen, told to the root's handle, and the group has two members"""
    cloud = ctx.cloud
    create(ctx, "grp", with_environment(os.path.join(FOLDER, "group.yaml"), "environment-deployed.yaml"), cooldown=1)
    stack = cloud.wait("grp", "CREATE_COMPLETE", 180)
    group = nested(ctx, "/stacks/grp/" + stack["id"], "group")
    name = cloud.ask("GET", group + "/resources")["resources"][0]["resource_name"]
    member = cloud.ask("GET", nested(ctx, group, name))["stack"]
    block = next(o["output_value"] for o in member["outputs"] if o["output_key"] == "os_collect_config")
    g = ctx.guest("grp")
    leak = Leak(ctx, g)
    g.conf(LEAKY)
    g.give_block(ctx.keep_block(block))
    g.start()
    until("health is at the root", 60, lambda: cloud.metadata("grp", "health"))
    leak.go.set()
    until("the leak is foreseen", 60, lambda: any(f["class"] == "memory_exhaustion" and f["level"] == "critical" for f in g.status()["findings"]))
    until("the group has grown", 60, lambda: cloud.output("grp", "size_now") == 2, 0.5)
    status = g.status()
    assert status["action"]["told"][0]["class"] == "memory_exhaustion", status["action"]
    until("the root's handle says so", 30, lambda: "class=memory_exhaustion" in cloud.metadata("grp", "health")[status["server_id"]]["reason"])
    done = g.run("verify", "--key", status["key"], "--id", status["server_id"], stdin=json.dumps(cloud.metadata("grp", "health")))
    assert done.returncode == 0, done.stdout + done.stderr


def test_deployed_to_the_end(ctx):
    """deployed-server.yaml is complete when its machine says so; a leak is in its health handle before memory ends"""
    cloud = ctx.cloud
    create(ctx, "dep", body(os.path.join(FOLDER, "deployed-server.yaml")), transport="POLL_SERVER_HEAT")
    cloud.made("dep", "server")
    g = ctx.guest("dep")
    leak = Leak(ctx, g)
    g.conf(LEAKY)
    g.give_block(ctx.keep_block(cloud.output("dep", "os_collect_config")))
    g.start()
    cloud.wait("dep", "CREATE_COMPLETE", 120)
    assert json.loads(cloud.output("dep", "boot_data"))
    leak.go.set()
    until("it is told", 90, lambda: "state=failing" in json.dumps(cloud.metadata("dep", "health")))
