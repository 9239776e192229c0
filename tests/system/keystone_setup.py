#!/usr/bin/python3
"""Users, roles, domain and catalog through the real Keystone API. usage: keystone_setup.py host=NAME keystone=PORT heat=PORT cfn=PORT
first, later host=NAME keystone=PORT swift=PORT zaqar=PORT for what is added."""
import sys

from keystoneauth1 import session
from keystoneauth1.identity import v3
from keystoneclient.v3 import client

# service: (user, name in the catalog, type, endpoint)
SERVICES = {
    'heat': ('heat', 'heat', 'orchestration', 'http://%s:%s/v1/%%(tenant_id)s'),
    'cfn': (None, 'heat-cfn', 'cloudformation', 'http://%s:%s/v1'),
    'swift': ('swift', 'swift', 'object-store', 'http://%s:%s/v1/AUTH_%%(tenant_id)s'),
    'zaqar': ('zaqar', 'zaqar', 'messaging', 'http://%s:%s'),
}


def make_base(ks, role):
    """What is there once: roles, projects, the owner of stacks, the domain of stack users."""
    for name in ('heat_stack_owner', 'heat_stack_user'):
        role[name] = ks.roles.create(name)
    ks.projects.create('service', 'default')
    demo, user = ks.projects.create('demo', 'default'), ks.users.create('demo', domain='default', password='demopw')
    for name in ('member', 'heat_stack_owner'):
        ks.roles.grant(role[name], user=user, project=demo)
    domain = ks.domains.create('heat')
    ks.roles.grant(role['admin'], user=ks.users.create('heat_domain_admin', domain=domain, password='heatdompw'), domain=domain)


def make_service(ks, role, service, host, port):
    user, name, kind, endpoint = SERVICES[service]
    if user:
        project = ks.projects.find(name='service')
        ks.roles.grant(role['admin'], user=ks.users.create(user, domain='default', password=user + 'pw'), project=project)
    one = ks.services.create(name, kind)
    for interface in ('public', 'internal', 'admin'):
        ks.endpoints.create(one, endpoint % (host, port), interface=interface, region='RegionOne')


def main(words):
    ports = dict(word.split('=') for word in words)
    host = ports.pop('host')
    url = 'http://127.0.0.1:%s/v3' % ports.pop('keystone')
    auth = v3.Password(auth_url=url, username='admin', password='adminpw', project_name='admin', user_domain_id='default',
                       project_domain_id='default')
    ks = client.Client(session=session.Session(auth=auth), endpoint_override=url)
    role = {r.name: r for r in ks.roles.list()}
    if 'heat' in ports:
        make_base(ks, role)
    for service, port in ports.items():
        make_service(ks, role, service, host, port)


if __name__ == '__main__':
    main(sys.argv[1:])
