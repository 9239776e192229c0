"""Loaded into heat-all as its `ec2authtoken` paste filter. Four repairs that the packaged Heat 19.0 needs beside a patched Keystone;
neither touches what goes over the wire to a guest.

1. Keystone with the fix for CVE-2025-65073 answers POST /v3/ec2tokens only with a service token. Heat 19.0.0 sends none, so every
   signed request would be 403. Add a token made from [keystone_authtoken]. With HEAT_PULSE_STOCK_EC2=1 this stays out, as
   clouds that patched one and not the other have it.
2. oslo.messaging 14.0.3 strips credentials from the context before a notification, and Heat then fails. Nobody listens: drop it.
3. Heat 19.0.0 compares the bytes of a temp URL's placeholder object with a str, so that a handle with TEMP_URL_SIGNAL fails at once.
4. A server that began with POLL_SERVER_CFN has a user without password. When its transport changes Heat 19.0.0 makes up a password,
   tells the guest and forgets Keystone. With HEAT_PULSE_STOCK_PASSWORD=1 this stays so.
"""
import os

from heat.api.aws import ec2token
from heat.engine import notification
from heat.engine.resources import server_base
from heat.engine.clients.os import swift
from keystoneauth1 import loading, session
from oslo_config import cfg
import requests as real_requests


class _Requests(object):
    def __init__(self):
        self._session = None

    def post(self, url, headers=None, **kw):
        if self._session is None:
            auth = loading.load_auth_from_conf_options(cfg.CONF, 'keystone_authtoken')
            self._session = session.Session(auth=auth)
        answer = self._told(url, headers, kw)
        if answer.status_code == 401:  # the guest's signature, or a token of ours that Keystone does not know any more
            self._session.invalidate()
            answer = self._told(url, headers, kw)
        return answer

    def _told(self, url, headers, kw):
        return real_requests.post(url, headers=dict(headers or {}, **{'X-Auth-Token': self._session.get_token()}), **kw)


if os.environ.get('HEAT_PULSE_STOCK_EC2') != '1':
    ec2token.requests = _Requests()
notification.notify = lambda *a, **kw: None
swift.IN_PROGRESS = b'in progress'
_create_credentials = server_base.BaseServer._create_transport_credentials


def create_credentials(self, props):
    user, password = self.data().get('user_id'), self.password
    _create_credentials(self, props)
    if user and self.password and not password:
        self.keystone().domain_admin_client.users.update(user, password=self.password)


if os.environ.get('HEAT_PULSE_STOCK_PASSWORD') != '1':
    server_base.BaseServer._create_transport_credentials = create_credentials
filter_factory = ec2token.EC2Token_filter_factory
