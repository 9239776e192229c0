#!/usr/bin/python3
"""What heat-agents' 55-heat-config and heat-config-notify do, as they are documented: started by os-collect-config as its command.

usage: heat_config.py ROOT   hooks below ROOT/usr/libexec/heat-config/hooks, state in ROOT/var/lib/heat-config/deployed
"""
import json
import os
import re
import subprocess
import sys

import requests


def deployments():
    """Of the metadata files that os-collect-config names, the last that has any."""
    found = []
    for path in os.environ["OS_CONFIG_FILES"].split(":"):
        with open(path) as f:
            found = json.load(f).get("deployments") or found
    return found


def write(path, value):
    with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as f:
        json.dump(value, f, indent=2)


def notify(values, result):
    if "deploy_signal_id" in values:
        requests.request(values.get("deploy_signal_verb", "POST"), values["deploy_signal_id"], data=json.dumps(result), timeout=60,
                         headers={"content-type": "application/json"})


def invoke(entry, root):
    for one in entry["inputs"]:
        if one.get("type") == "String" and not isinstance(one["value"], str):
            one["value"] = str(one["value"])
    values = {one["name"]: one["value"] for one in entry["inputs"]}
    if entry["group"] == "component":
        chosen = [c for c in entry["config"]["configs"] if values["deploy_action"] in c["actions"]]
        if not chosen:
            return
        entry["config"], entry["group"] = chosen[0]["config"], chosen[0]["tool"]
    hook = os.path.join(root, "usr/libexec/heat-config/hooks", re.sub("[^A-Za-z0-9_-]", "", entry["group"]))
    kept = os.path.join(root, "var/lib/heat-config/deployed", entry["id"])
    if os.path.exists(kept + ".json") or not os.path.exists(hook):
        return
    write(kept + ".json", entry)
    done = subprocess.run([hook], input=json.dumps(entry).encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    result = {}
    try:
        if done.stdout:
            result = json.loads(done.stdout.decode("utf-8", "replace"))
        elif done.returncode:
            raise ValueError
    except ValueError:
        result = {"deploy_stdout": done.stdout.decode("utf-8", "replace"), "deploy_stderr": done.stderr.decode("utf-8", "replace"),
                  "deploy_status_code": done.returncode}
    write(kept + ".notify.json", result)
    notify(values, result)


def main(root):
    os.makedirs(os.path.join(root, "var/lib/heat-config/deployed"), 0o700, exist_ok=True)
    for entry in deployments():
        invoke(entry, root)


if __name__ == "__main__":
    main(sys.argv[1])
