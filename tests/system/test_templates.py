"""The templates that ship with the agent, as a real Heat takes them."""
import email
import glob
import os

import requests
import yaml

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.path.join(TOP, "hooks", "templates")
VALUES = {"image": "debian-12", "flavor": "m1.small", "network": "private", "url": "https://packages.example/heat-pulse.deb", "sha256": "0" * 64}


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
    paths = sorted(glob.glob(FOLDER + "/*.yaml"))
    assert len(paths) >= 3, paths
    for path in paths:
        answer = ctx.cloud.ask("POST", "/validate", body(path))
        assert set(answer["Parameters"]) == set(yaml.safe_load(read(path))["parameters"]), (path, answer)


def test_names_only(ctx):
    """What a server's metadata name is a resource of the template, and no reference"""
    for path in glob.glob(FOLDER + "/*.yaml"):
        resources = yaml.safe_load(read(path))["resources"]
        for server in resources.values():
            ours = server.get("metadata", {}).get("heat-pulse", {})
            for key in ("boot", "health", "action"):
                assert key not in ours or ours[key] in resources, (path, key, ours)


def test_user_data(ctx):
    """agent-user-data.yaml makes a boothook and a cloud-config that hold the scripts of cloud-init/ word for word"""
    cloud = ctx.cloud
    made = dict(body(os.path.join(FOLDER, "agent-user-data.yaml")), stack_name="userdata", timeout_mins=5)
    made["parameters"]["settings"] = "[agent]\nlog-level = debug\n"
    cloud.ask("POST", "/stacks", made)
    ctx.later(lambda: cloud.delete("userdata"))
    stack = cloud.wait("userdata", "CREATE_COMPLETE", 60)
    parts = cloud.ask("GET", "/stacks/userdata/%s/resources/parts" % stack["id"])["resource"]["physical_resource_id"]
    text = cloud.ask("GET", "/software_configs/" + parts)["software_config"]["config"]
    found = {part.get_content_subtype(): part.get_payload() for part in email.message_from_string(text).get_payload()}
    assert found["cloud-boothook"].strip() == read(os.path.join(TOP, "cloud-init", "boothook.sh")).strip(), found.keys()
    config = yaml.safe_load(found["cloud-config"])
    assert found["cloud-config"].startswith("#cloud-config")
    assert config["write_files"][1]["content"].strip() == read(os.path.join(TOP, "cloud-init", "install.sh")).strip()
    assert config["runcmd"] == [["sh", "/var/lib/cloud/heat-pulse-install.sh", VALUES["url"], VALUES["sha256"]]], config["runcmd"]
    assert config["write_files"][0]["content"] == "[agent]\nlog-level = debug\n"
