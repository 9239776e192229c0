"""A real Gnocchi with its PostgreSQL beside the Keystone of cloud.py, from Debian's packages, on loopback: for the tests that ask for it.

The database is a cluster of its own below /var/tmp, run by the package's unprivileged user and heard on a socket in that folder only.
down() ends what up() started and takes its users and endpoint out of Keystone again, so that a test may be tried twice.
"""
import glob
import os
import pwd
import shutil
import subprocess
import tempfile
import time
import uuid

import requests
from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3
from keystoneclient.v3 import client

import cloud
import push

PACKAGES = {"gnocchi-upgrade": "gnocchi-common", "gnocchi-api": "gnocchi-api", "gnocchi-metricd": "gnocchi-metricd"}
DATABASE_USER = "postgres"

# Tokens are remembered for two seconds only: a revoked one is refused soon.
CONF = """[DEFAULT]
coordination_url = file://{run}/coordination
parallel_operations = 1
[api]
auth_mode = keystone
paste_config = {run}/api-paste.ini
[indexer]
url = postgresql://{user}@/gnocchi?host={run}/socket
[storage]
driver = file
file_basepath = {run}/storage
[metricd]
workers = 1
metric_processing_delay = 1
metric_reporting_delay = -1
metric_cleanup_delay = 3600
[keystone_authtoken]
token_cache_time = 2
{authtoken}"""


def database_programs():
    """The folder of the newest PostgreSQL, or None."""
    return max(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]), default=None)


def missing_packages():
    missing = sorted(package for program, package in PACKAGES.items() if not shutil.which(program))
    return missing + ([] if database_programs() else ["postgresql"])


class Gnocchi:
    def __init__(self, of):
        """@of: the Cloud whose Keystone it asks; the processes are kept there under names of their own."""
        self.cloud, self.run = of, tempfile.mkdtemp(prefix="hp-gnocchi-", dir="/var/tmp")
        os.chmod(self.run, 0o755)
        self.port = cloud.free_port()
        self.made, self.processes = [], []
        auth = v3.Password(auth_url=of.auth_url, username="admin", password="adminpw", project_name="admin", user_domain_id="default", project_domain_id="default")
        self.session = session.Session(auth=auth)
        self.keystone = client.Client(session=self.session, endpoint_override=of.auth_url)

    def spawn(self, name, argv):
        self.cloud.spawn(name, argv)
        self.processes.append(name)

    # ---- the database ----
    def as_database(self, *argv):
        return ["setpriv", "--pdeathsig", "INT", "--reuid", DATABASE_USER, "--regid", str(pwd.getpwnam(DATABASE_USER).pw_gid), "--clear-groups", "--", *argv]

    def start_database(self):
        programs, owner = database_programs(), pwd.getpwnam(DATABASE_USER)
        for name in ("data", "socket"):
            os.mkdir(os.path.join(self.run, name), 0o700)
            os.chown(os.path.join(self.run, name), owner.pw_uid, owner.pw_gid)
        data, heard = os.path.join(self.run, "data"), os.path.join(self.run, "socket")
        self.cloud.call(*self.as_database(programs + "/initdb", "--pgdata", data, "--auth", "trust", "--no-sync", "--encoding", "UTF8", "--locale", "C"))
        self.spawn("postgresql", self.as_database(programs + "/postgres", "-D", data, "-k", heard, "-c", "listen_addresses=", "-c", "fsync=off",
                                                  "-c", "full_page_writes=off", "-c", "max_connections=40"))
        cloud.until_true(60, "postgresql", lambda: self.answers(programs, heard))
        self.cloud.call(*self.as_database(programs + "/createdb", "--host", heard, "gnocchi"))

    def answers(self, programs, heard):
        return subprocess.run(self.as_database(programs + "/pg_isready", "--quiet", "--host", heard), timeout=60, stdin=subprocess.DEVNULL).returncode == 0

    # ---- Keystone ----
    def keep(self, thing):
        self.made.append(thing)
        return thing

    def make_user(self, name, password, role, project):
        user = self.keystone.users.create(name, domain="default", password=password)
        self.keystone.roles.grant(self.keystone.roles.find(name=role), user=user, project=self.keystone.projects.find(name=project))
        return user

    def enter_catalog(self):
        self.keep(self.make_user("gnocchi", "gnocchipw", "admin", "service"))
        service = self.keep(self.keystone.services.create("gnocchi", "metric"))
        self.keystone.endpoints.create(service, self.url, interface="public", region="RegionOne")

    def application_credential(self, project="demo"):
        """Of a new user who is a plain member and stays: SQLite would give the number of a credential that went with him to the next one,
        and Keystone finds its roles there. Return: (user, id, secret)"""
        name, password = "pulse-" + uuid.uuid4().hex[:8], uuid.uuid4().hex
        user = self.make_user(name, password, "member", project)
        auth = v3.Password(auth_url=self.cloud.auth_url, user_id=user.id, password=password, project_name=project, project_domain_id="default")
        credentials = client.Client(session=session.Session(auth=auth), endpoint_override=self.cloud.auth_url).application_credentials
        made = self.keep_asking(lambda: credentials.create(name))
        return user, made.id, made.secret

    @staticmethod
    def keep_asking(make, seconds=30):
        """While other tests change users and roles, Keystone on SQLite now and then does not find a role that it has just put into a token."""
        end = time.monotonic() + seconds
        while True:
            try:
                return make()
            except exceptions.BadRequest:
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)

    def revoke_tokens(self, user):
        """All that were given out until now: a new password does that, and leaves application credentials as they are."""
        self.keystone.users.update(user, password=uuid.uuid4().hex)

    # ---- life ----
    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.port

    def start_api(self):
        self.spawn("gnocchi-api", ["uwsgi", "--plugins", "python3", "--http-socket", "127.0.0.1:%d" % self.port, "--chdir", "/", "--wsgi", "gnocchi.rest.wsgi",
                                   "--master", "--die-on-term", "--processes", "1", "--threads", "2", "--enable-threads", "--lazy-apps", "--no-orphans",
                                   "--buffer-size", "65535", "--add-header", "Connection: close", "--pyargv", "--config-file=%s/gnocchi.conf" % self.run])

    def stop_api(self):
        self.cloud.end("gnocchi-api")

    def up(self):
        self.start_database()
        for name in ("storage", "coordination"):
            os.mkdir(os.path.join(self.run, name))
        with open(os.path.join(self.run, "gnocchi.conf"), "w") as f:
            f.write(CONF.format(run=self.run, user=DATABASE_USER, authtoken=push.authtoken(self.cloud, "gnocchi")))
        with open("/usr/share/gnocchi-common/api-paste.ini") as paste, open(os.path.join(self.run, "api-paste.ini"), "w") as f:
            project = "use = egg:keystonemiddleware#auth_token\noslo_config_project = gnocchi\n"  # which reads /etc only
            f.write(paste.read().replace(project, project + "oslo_config_file = %s/gnocchi.conf\n" % self.run))
        conf = "--config-file=%s/gnocchi.conf" % self.run
        self.cloud.call("gnocchi-upgrade", conf, "--sacks-number", "4")
        self.enter_catalog()
        self.start_api()
        self.spawn("gnocchi-metricd", ["gnocchi-metricd", conf])
        self.ready()

    def ready(self):
        cloud.wait_port(self.port, 60, "gnocchi-api")
        cloud.until_true(60, "gnocchi-api", lambda: self.ask("GET", "/v1/archive_policy").status_code == 200)

    def down(self):
        for name in reversed(self.processes):
            self.cloud.end(name)
        for one in reversed(self.made):
            one.delete()
        shutil.rmtree(self.run, ignore_errors=True)

    # ---- as the operator ----
    def ask(self, verb, path, body=None):
        """A DELETE that asks for JSON is answered 406."""
        headers = {"X-Auth-Token": self.session.get_token(), "Accept": "*/*" if verb == "DELETE" else "application/json"}
        return requests.request(verb, self.url + path, json=body, timeout=120, headers=headers)

    def get(self, path):
        answer = self.ask("GET", path)
        answer.raise_for_status()
        return answer.json()

    def make(self, path, body):
        answer = self.ask("POST", path, body)
        if answer.status_code not in (200, 201):
            raise RuntimeError("%s: %d %s" % (path, answer.status_code, answer.text[:500]))
        return answer.json()
