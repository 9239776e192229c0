#!/usr/bin/python3
"""Users, roles, domain and catalog that Heat needs, through the real Keystone API. usage: keystone_setup.py KEYSTONE HEAT CFN (ports)"""
import sys

from keystoneauth1 import session
from keystoneauth1.identity import v3
from keystoneclient.v3 import client


def main(keystone_port, heat_port, cfn_port):
    url = 'http://127.0.0.1:%s/v3' % keystone_port
    auth = v3.Password(auth_url=url, username='admin', password='adminpw', project_name='admin', user_domain_id='default',
                       project_domain_id='default')
    ks = client.Client(session=session.Session(auth=auth), endpoint_override=url)
    role = {r.name: r for r in ks.roles.list()}
    for name in ('heat_stack_owner', 'heat_stack_user'):
        role[name] = ks.roles.create(name)
    service, demo = ks.projects.create('service', 'default'), ks.projects.create('demo', 'default')
    ks.roles.grant(role['admin'], user=ks.users.create('heat', domain='default', password='heatpw'), project=service)
    user = ks.users.create('demo', domain='default', password='demopw')
    for name in ('member', 'heat_stack_owner'):
        ks.roles.grant(role[name], user=user, project=demo)
    domain = ks.domains.create('heat')
    ks.roles.grant(role['admin'], user=ks.users.create('heat_domain_admin', domain=domain, password='heatdompw'), domain=domain)
    for name, kind, endpoint in (('heat', 'orchestration', 'http://127.0.0.1:%s/v1/%%(tenant_id)s' % heat_port),
                                 ('heat-cfn', 'cloudformation', 'http://127.0.0.1:%s/v1' % cfn_port)):
        one = ks.services.create(name, kind)
        for interface in ('public', 'internal', 'admin'):
            ks.endpoints.create(one, endpoint, interface=interface, region='RegionOne')


if __name__ == '__main__':
    main(*sys.argv[1:4])
