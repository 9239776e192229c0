"""A real Keystone and a real Heat on loopback, from Debian's packages: SQLite, an in-memory bus, no other service until push() adds
Swift and Zaqar.

Everything lives below one folder and on ports of its own; down() ends what up() started, by its process id.
"""
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time

import requests

import push
import workers

HERE = os.path.dirname(os.path.abspath(__file__))

KEYSTONE_CONF = """[database]
connection = sqlite:///{run}/keystone.db
sqlite_synchronous = false
[token]
provider = fernet
[fernet_tokens]
key_repository = {run}/fernet
[credential]
key_repository = {run}/credential
auth_ttl = 15
[identity]
password_hash_rounds = 4
"""

HEAT_CONF = """[DEFAULT]
use_stderr = true
transport_url = fake://
rpc_response_timeout = 180
num_engine_workers = 1
auth_encryption_key = 0123456789abcdef0123456789abcdef
heat_metadata_server_url = http://{host}:{cfn}
heat_waitcondition_server_url = http://{host}:{cfn}/v1/waitcondition
region_name_for_services = RegionOne
stack_user_domain_name = heat
stack_domain_admin = heat_domain_admin
stack_domain_admin_password = heatdompw
plugin_dirs = {run}/none
environment_dir = {run}/none
template_dir = {run}/none
[heat_api]
bind_host = 127.0.0.1
bind_port = {heat}
workers = 1
[heat_api_cfn]
bind_host = 127.0.0.1
bind_port = {cfn}
workers = 1
[database]
connection = sqlite:///{run}/heat.db
sqlite_synchronous = false
[paste_deploy]
api_paste_config = {run}/api-paste.ini
[clients_keystone]
auth_uri = http://{host}:{keystone}
[ec2authtoken]
auth_uri = http://127.0.0.1:{keystone}/v3
[keystone_authtoken]
{authtoken}[trustee]
auth_type = password
auth_url = http://127.0.0.1:{keystone}
username = heat
password = heatpw
user_domain_id = default
[oslo_messaging_notifications]
driver = noop
"""


# SQLite hands out a deleted top id again, and Heat deletes and locks by remembered ids: while one stack goes, another that is made would
# lose its keys, or a wait condition its worker. A row at the largest id makes SQLite choose ids at random.
TOP_ID = 9223372036854775807
NO_ID_TWICE = ["insert into %s(id%s) values (%d%s)" % (table, more, TOP_ID, value) for table, more, value in (
    ("resource_properties_data", "", ""), ("raw_template", "", ""), ("raw_template_files", "", ""), ("user_creds", "", ""),
    ("resource", ", stack_id", ", 'none'"), ("resource_data", ", resource_id", ", 0"))]


_kept_ports = []


def free_port():
    """A port that is nobody else's until this process ends. It stays bound by a socket that does not listen: who sets SO_REUSEADDR, as servers
    do, may listen there, again after a restart too, and the kernel gives it to nobody who asks for any port."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    _kept_ports.append(s)
    return s.getsockname()[1]


def open_port(port, seconds):
    with socket.socket() as s:
        s.settimeout(seconds)
        return s.connect_ex(("127.0.0.1", port)) == 0


def wait_port(port, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if open_port(port, 1):
            return
        time.sleep(0.1)
    raise RuntimeError("%s did not open its port in %d s" % (what, seconds))


def until_true(seconds, what, check):
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            raise RuntimeError("%s is not ready after %d s" % (what, seconds))
        time.sleep(0.2)


class Cloud:
    def __init__(self, run, host="127.0.0.1"):
        """@host: the name by which endpoints are told to others; here it must be 127.0.0.1"""
        self.run, self.host = run, host
        self.ports = dict(keystone=free_port(), heat=free_port(), cfn=free_port())
        self.children, self.commands = {}, {}
        self.pushing = False
        self.token = self.base = None
        self.ids = {}

    # ---- life ----
    def path(self, *names):
        return os.path.join(self.run, *names)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)

    def call(self, *argv):
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError("%s: exit %d\n%s" % (argv[0], done.returncode, done.stdout[-3000:]))

    def spawn(self, name, argv, env=None):
        self.commands[name] = (argv, env)
        log = open(self.path(name + ".log"), "ab")
        self.children[name] = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                                               env=dict(os.environ, **(env or {})), preexec_fn=workers.end_with_parent)

    def end(self, name):
        """With what it started: who comes after it must not meet a child that still listens."""
        child = self.children.pop(name, None)
        if not child:
            return
        for signo, seconds in ((signal.SIGTERM, 8), (signal.SIGKILL, 5)):
            try:
                os.killpg(child.pid, signo)
                child.wait(seconds)
                break
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    @staticmethod
    def wal(path, *statements):
        """Readers beside one writer; without it SQLite says "database is locked" and Keystone 500."""
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA journal_mode=WAL")
            for statement in statements:
                db.execute(statement)

    def up(self):
        for folder in ("fernet", "credential"):
            os.makedirs(self.path(folder), 0o700, exist_ok=True)
        self.write("keystone.conf", KEYSTONE_CONF.format(run=self.run))
        self.write("heat.conf", HEAT_CONF.format(run=self.run, host=self.host, authtoken=push.authtoken(self, "heat"), **self.ports))
        with open("/etc/heat/api-paste.ini") as f:
            self.write("api-paste.ini", f.read().replace("heat.api.aws.ec2token:EC2Token_filter_factory", "heat_shims:filter_factory"))
        self.setup_keystone()
        self.start_keystone()
        self.setup_users("keystone", "heat", "cfn")
        self.call("heat-manage", "--config-file", self.path("heat.conf"), "db_sync")
        self.wal(self.path("heat.db"), *NO_ID_TWICE)
        self.start_heat()
        self.login()

    def setup_keystone(self):
        manage = ["keystone-manage", "--config-file", self.path("keystone.conf")]
        owner = ["--keystone-user", "root", "--keystone-group", "root"]
        url = "http://%s:%d/v3/" % (self.host, self.ports["keystone"])
        self.call(*manage, "db_sync")
        self.wal(self.path("keystone.db"))
        self.call(*manage, "fernet_setup", *owner)
        self.call(*manage, "credential_setup", *owner)
        self.call(*manage, "bootstrap", "--bootstrap-password", "adminpw", "--bootstrap-region-id", "RegionOne", "--bootstrap-admin-url", url,
                  "--bootstrap-internal-url", url, "--bootstrap-public-url", url)

    def setup_users(self, *services):
        self.call("/usr/bin/python3", os.path.join(HERE, "keystone_setup.py"), "host=" + self.host, *["%s=%d" % (name, self.ports[name]) for name in services])

    def start_keystone(self):
        # The http-socket of uwsgi closes after each answer without saying so: hence the header. One thread: with more, one request that reads
        # and then writes meets another's write in between and SQLite says "database is locked" at once (500), and a connection that another
        # thread collects is not closed but leaves its transaction open.
        self.spawn("keystone", ["uwsgi", "--plugins", "python3", "--http-socket", "127.0.0.1:%d" % self.ports["keystone"], "--wsgi-file",
                                "/usr/bin/keystone-wsgi-public", "--master", "--die-on-term", "--processes", "1", "--threads", "1",
                                "--enable-threads", "--lazy-apps", "--no-orphans", "--buffer-size", "65535", "--listen", "100", "--add-header",
                                "Connection: close"], {"OS_KEYSTONE_CONFIG_FILES": self.path("keystone.conf")})
        wait_port(self.ports["keystone"], 60, "keystone")

    def start_heat(self, **env):
        self.spawn("heat", ["heat-all", "--config-file", self.path("heat.conf")], dict(env, PYTHONPATH=HERE))
        wait_port(self.ports["heat"], 60, "heat-api")
        wait_port(self.ports["cfn"], 60, "heat-api-cfn")

    def start(self, name):
        """Again, as it began."""
        if name == "heat":
            return self.start_heat()
        self.spawn(name, *self.commands[name])
        wait_port(self.ports[name], 60, name)

    def stop_heat(self):
        self.end("heat")

    def fallen(self):
        """Of the control plane itself, who ended without having been told to."""
        return [name for name in self.ports if name in self.children and self.children[name].poll() is not None]

    def works(self, name):
        """Whether it answers whoever asks, and not by 5xx."""
        try:
            if name == "keystone":
                self.login()
            else:
                self.ask("GET", "/stacks?limit=1")
            return name == "keystone" or open_port(self.ports["cfn"], 5)
        except (requests.RequestException, RuntimeError):
            return False

    def revive(self, look=True):
        """Whoever asks next must not pay for a test that left Heat stopped, or for a server that died. @look: ask them, too; else only
        who has ended is started again. Return: who that was, and the last that was heard of it."""
        said = []
        for name in [one for one in self.ports if one in self.commands]:
            if name in self.fallen() or (look and name in ("keystone", "heat") and not self.works(name)):
                with open(self.path(name + ".log"), errors="replace") as f:
                    said.append("%s (exit %s) is started again; its last words:\n%s" % (
                        name, self.children[name].returncode if name in self.children else "by a test", f.read()[-1500:]))
                self.end(name)
                self.start(name)
        if said:
            self.login()
        return said

    def push(self):
        """Swift and Zaqar beside the rest, once. push.Unsupported: this machine cannot run them."""
        if self.pushing:
            return
        missing = push.missing_packages(shutil.which)
        if missing:
            raise RuntimeError("not installed: %s" % ", ".join(missing))
        push.check_xattrs(self.run)
        names = ("swift", "swift-account", "swift-container", "swift-object", "zaqar")
        self.ports.update({name: free_port() for name in names if name not in self.ports})
        try:
            self.setup_users("keystone", "swift", "zaqar")
            swift = push.swift_files(self)
            for name, argv in swift.items():
                self.spawn(name, argv)
            self.spawn("zaqar", push.zaqar_files(self))
            for name in names:
                wait_port(self.ports[name], 60, name)
            self.pushing = True
        finally:
            for name in names if not self.pushing else ():
                self.end(name)

    def down(self):
        for name in list(self.children):
            self.end(name)

    def wipe(self):
        self.down()
        shutil.rmtree(self.run, ignore_errors=True)

    # ---- as the owner of stacks ----
    @property
    def auth_url(self):
        return "http://127.0.0.1:%d/v3" % self.ports["keystone"]

    def login(self):
        answer = requests.post(self.auth_url + "/auth/tokens", timeout=60, json={"auth": {
            "identity": {"methods": ["password"], "password": {"user": {"name": "demo", "password": "demopw", "domain": {"id": "default"}}}},
            "scope": {"project": {"name": "demo", "domain": {"id": "default"}}}}})
        answer.raise_for_status()
        self.token = answer.headers["X-Subject-Token"]
        self.base = "http://127.0.0.1:%d/v1/%s" % (self.ports["heat"], answer.json()["token"]["project"]["id"])

    def ask(self, verb, path, body=None):
        """What only reads is asked again where a connection breaks or a server is at fault, as with a database that was busy for too long."""
        for pause in (1, 3, None):
            try:
                answer = requests.request(verb, self.base + path, json=body, timeout=200,
                                          headers={"X-Auth-Token": self.token, "Accept": "application/json"})
            except requests.ConnectionError:
                if verb != "GET" or not pause:
                    raise
            else:
                if answer.status_code == 401 and pause:
                    self.login()
                elif verb != "GET" or answer.status_code < 500 or not pause:
                    break
            time.sleep(pause)
        if answer.status_code >= 400:
            raise RuntimeError("%s %s: %d %s" % (verb, path, answer.status_code, answer.text[:500]))
        return answer.json() if answer.content else None

    @staticmethod
    def body(template, parameters):
        with open(os.path.join(HERE, "templates", template)) as f:
            return {"template": f.read(), "timeout_mins": 30, "parameters": parameters}

    def create(self, name, template, **parameters):
        end = time.monotonic() + 180
        while True:
            try:
                made = self.ask("POST", "/stacks", dict(self.body(template, parameters), stack_name=name))
                self.ids[name] = made["stack"]["id"]
                return made
            except RuntimeError as e:
                if ": 409 " not in str(e) or time.monotonic() > end:
                    raise
                self.make_room(name)
                time.sleep(1)

    def make_room(self, name):
        """The stack of that name is still being deleted, or a first try made it without being told so."""
        left = [one for one in self.ask("GET", "/stacks")["stacks"] if one["stack_name"] == name]
        for one in left:
            if one["stack_status"] != "DELETE_IN_PROGRESS":
                try:
                    self.ask("DELETE", "/stacks/%s/%s" % (name, one["id"]))
                except RuntimeError as e:
                    if ": 404 " not in str(e):  # gone meanwhile
                        raise

    def show(self, name, outputs=False):
        """Outputs cost the engine every attribute of every resource, so only who needs them asks."""
        place = "/stacks/%s/%s" % (name, self.id_of(name))
        return self.ask("GET", place + ("" if outputs else "?resolve_outputs=false"))["stack"]

    def id_of(self, name):
        if name not in self.ids:
            self.ids[name] = self.ask("GET", "/stacks/" + name)["stack"]["id"]
        return self.ids[name]

    def update(self, name, template, **parameters):
        return self.ask("PUT", "/stacks/%s/%s" % (name, self.id_of(name)), self.body(template, parameters))

    def action(self, name, word):
        return self.ask("POST", "/stacks/%s/%s/actions" % (name, self.id_of(name)), {word: None})

    def delete(self, name):
        return self.ask("DELETE", "/stacks/%s/%s" % (name, self.ids.pop(name, None) or self.id_of(name)))

    def wait(self, name, wanted, seconds=180):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            stack = self.show(name)
            if stack["stack_status"] == wanted:
                return stack
            if stack["stack_status"].endswith("FAILED"):
                raise RuntimeError("stack %s: %s %s" % (name, stack["stack_status"], stack["stack_status_reason"]))
            time.sleep(0.3)
        raise RuntimeError("stack %s is %s, not %s, after %d s\n%s" % (name, self.show(name)["stack_status"], wanted, seconds, self.describe(name)))

    def describe(self, name):
        """What Heat knows of a stack that is not as it should be, and the last errors of its log."""
        lines = []
        for one in self.ask("GET", "/stacks/%s/%s/resources" % (name, self.id_of(name)))["resources"]:
            lines.append("%s %s %s: %s" % (one["resource_name"], one["resource_type"], one["resource_status"], one["resource_status_reason"]))
            if one["resource_type"].endswith("Handle"):
                lines.append("  its metadata: %s" % self.metadata(name, one["resource_name"]))
        with open(self.path("heat.log"), errors="replace") as f:
            wrong = [line.rstrip()[:300] for line in f if " ERROR " in line or " WARNING " in line]
        return "\n".join(lines + wrong[-20:])

    def output(self, name, key, seconds=60):
        """An output may be null for some seconds while the stack is in progress."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for one in self.show(name, outputs=True).get("outputs", []):
                if one["output_key"] == key and one.get("output_value") is not None:
                    return one["output_value"]
            time.sleep(0.5)
        raise RuntimeError("stack %s has no output %s" % (name, key))

    def made(self, name, *resources, seconds=120):
        """Waits until these resources exist: before that, references to them are only their names."""
        end = time.monotonic() + seconds
        while not all(self.statuses(name).get(one) in ("CREATE_COMPLETE", "UPDATE_COMPLETE") for one in resources):
            if time.monotonic() > end:
                raise RuntimeError("stack %s: %s not made in %d s\n%s" % (name, resources, seconds, self.describe(name)))
            time.sleep(0.3)

    def block(self, name):
        """The os-collect-config block of the server "srv", as Heat leaves it in the guest, once it has its keys: a busy engine was seen
        to show it without."""
        self.made(name, "srv")
        end = time.monotonic() + 60
        while True:
            block = self.output(name, "occ")
            if all(v is not None for part in block.values() if isinstance(part, dict) for v in part.values()):
                return block
            if time.monotonic() > end:
                raise RuntimeError("stack %s: credentials without values\n%s" % (name, self.describe(name)))
            time.sleep(0.5)

    def statuses(self, name):
        """name of each resource -> its status; a list costs Heat less than one resource with its attributes"""
        return {one["resource_name"]: one["resource_status"] for one in
                self.ask("GET", "/stacks/%s/%s/resources" % (name, self.id_of(name)))["resources"]}

    def metadata(self, name, resource):
        return self.ask("GET", "/stacks/%s/%s/resources/%s/metadata" % (name, self.id_of(name), resource))["metadata"]
