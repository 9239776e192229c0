#!/usr/bin/python3
"""Users, roles, domain and catalog through the real Keystone API. usage: keystone_setup.py host=NAME keystone=PORT heat=PORT cfn=PORT
first, later host=NAME keystone=PORT swift=PORT zaqar=PORT for what is added. What is there already is left as it is, so that one that failed
half-way can be run again."""
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


def there_or(make, found):
    """The first of FOUND, or what make() makes."""
    return next(iter(found), None) or make()


def named(manager, name, **where):
    return [one for one in manager.list(**where) if one.name == name]


def make_base(ks, role):
    """What is there once: roles, projects, the owner of stacks, the domain of stack users."""
    for name in ('heat_stack_owner', 'heat_stack_user'):
        role[name] = there_or(lambda: ks.roles.create(name), named(ks.roles, name))
    demo, _ = [there_or(lambda: ks.projects.create(name, 'default'), named(ks.projects, name)) for name in ('demo', 'service')]
    user = make_user(ks, 'demo')
    for name in ('member', 'heat_stack_owner'):
        ks.roles.grant(role[name], user=user, project=demo)
    domain = there_or(lambda: ks.domains.create('heat'), named(ks.domains, 'heat'))
    admin = there_or(lambda: ks.users.create('heat_domain_admin', domain=domain, password='heatdompw'), named(ks.users, 'heat_domain_admin', domain=domain))
    ks.roles.grant(role['admin'], user=admin, domain=domain)


def make_user(ks, name):
    return there_or(lambda: ks.users.create(name, domain='default', password=name + 'pw'), named(ks.users, name, domain='default'))


def make_service(ks, role, service, host, port):
    user, name, kind, endpoint = SERVICES[service]
    if user:
        project = ks.projects.find(name='service')
        ks.roles.grant(role['admin'], user=make_user(ks, user), project=project)
    one = there_or(lambda: ks.services.create(name, kind), named(ks.services, name))
    for interface in ('public', 'internal', 'admin'):
        there_or(lambda: ks.endpoints.create(one, endpoint % (host, port), interface=interface, region='RegionOne'),
                 ks.endpoints.list(service=one, interface=interface))


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
