"""A real Swift (one replica, temp URLs) and a real Zaqar beside the control plane of cloud.py, from Debian's packages, on loopback.

Only for tests that ask for them: Cloud.push() brings them up once. Swift keeps its objects' metadata in user extended attributes.
"""
import os
import shutil
import subprocess

PACKAGES = {"swift-proxy-server": "swift-proxy", "swift-account-server": "swift-account", "swift-container-server": "swift-container",
            "swift-object-server": "swift-object", "zaqar-server": "zaqar-server"}

SWIFT_CONF = """[swift-hash]
swift_hash_path_suffix = system
swift_hash_path_prefix = system
[storage-policy:0]
name = one
default = yes
"""

SERVER_CONF = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = root
swift_dir = {etc}
log_address = {etc}/no-syslog
"""

BACKEND_CONF = SERVER_CONF + """devices = {node}
mount_check = false
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""

AUTHTOKEN = """www_authenticate_uri = http://127.0.0.1:{keystone}
auth_url = http://127.0.0.1:{keystone}
auth_type = password
username = {user}
password = {user}pw
project_name = service
user_domain_id = default
project_domain_id = default
"""

# tempurl stands before authtoken: a request with a good signature needs no token.
PROXY_CONF = SERVER_CONF + """[pipeline:main]
pipeline = catch_errors tempurl authtoken keystoneauth versioned_writes proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:tempurl]
use = egg:swift#tempurl
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = admin, member, heat_stack_owner
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
delay_auth_decision = true
"""

# The redis store of the packaged Zaqar lacks its scripts: messages are kept in Swift, queues in SQLite.
ZAQAR_CONF = """[DEFAULT]
use_stderr = true
auth_strategy = keystone
[drivers]
transport = wsgi
message_store = swift
management_store = sqlalchemy
[drivers:message_store:swift]
auth_url = http://127.0.0.1:{keystone}/v3
uri = swift://zaqar:zaqarpw@/service
[drivers:management_store:sqlalchemy]
uri = sqlite:///{run}/zaqar.db
[drivers:transport:wsgi]
bind = 127.0.0.1
port = {zaqar}
[signed_url]
secret_key = systemsecret
[keystone_authtoken]
"""

# Its SQL migrations are for MySQL only: the tables are made from the model.
ZAQAR_TABLES = """import sys, sqlalchemy
from zaqar.storage.sqlalchemy import tables
tables.metadata.create_all(sqlalchemy.create_engine("sqlite:///" + sys.argv[1]))
"""


class Unsupported(Exception):
    """This machine cannot run it; the text says why."""


def authtoken(cloud, user):
    """What a service needs to ask Keystone about tokens, as one of its users."""
    return AUTHTOKEN.format(user=user, keystone=cloud.ports["keystone"])


def check_xattrs(folder):
    probe = os.path.join(folder, "xattr-probe")
    with open(probe, "w"):
        pass
    try:
        os.setxattr(probe, "user.swift.metadata", b"x" * 512)
    except OSError as e:
        raise Unsupported("Swift needs user extended attributes, which the file system of %s refuses: %s" % (folder, e.strerror)) from e
    finally:
        os.unlink(probe)


def missing_packages(which):
    return sorted(package for program, package in PACKAGES.items() if not which(program))


def swift_files(cloud):
    """Writes Swift's configuration. Return: {name of the server: its argument list}."""
    etc, node = cloud.path("swift"), cloud.path("swift", "node")
    shutil.rmtree(etc, ignore_errors=True)  # of a try that failed half-way
    os.makedirs(os.path.join(node, "d1"))
    cloud.write("swift/swift.conf", SWIFT_CONF)
    servers = {}
    for kind in ("account", "container", "object"):
        port = cloud.ports["swift-" + kind]
        cloud.write("swift/%s-server.conf" % kind, BACKEND_CONF.format(port=port, etc=etc, node=node, kind=kind))
        builder = os.path.join(etc, kind + ".builder")
        for words in (("create", "4", "1", "0"), ("add", "r1z1-127.0.0.1:%d/d1" % port, "1"), ("rebalance",)):
            cloud.call("swift-ring-builder", builder, *words)
        servers["swift-" + kind] = ["swift-%s-server" % kind, os.path.join(etc, kind + "-server.conf")]
    cloud.write("swift/proxy-server.conf", PROXY_CONF.format(port=cloud.ports["swift"], etc=etc) +
                authtoken(cloud, "swift"))
    servers["swift"] = ["swift-proxy-server", os.path.join(etc, "proxy-server.conf")]
    return servers


def zaqar_files(cloud):
    cloud.write("zaqar.conf", ZAQAR_CONF.format(run=cloud.run, **cloud.ports) + authtoken(cloud, "zaqar"))
    subprocess.run(["/usr/bin/python3", "-c", ZAQAR_TABLES, cloud.path("zaqar.db")], check=True, timeout=60, stdin=subprocess.DEVNULL)
    cloud.wal(cloud.path("zaqar.db"))
    return ["/usr/bin/python3", os.path.join(os.path.dirname(os.path.abspath(__file__)), "zaqar_run.py"), "--config-file", cloud.path("zaqar.conf")]
