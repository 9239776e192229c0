"""zaqar-server, minus a field (client_uuid) that its Swift store leaks into popped messages: the packaged python-zaqarclient, and with
it Heat, raises TypeError on it."""
import sys

from zaqar.cmd import server
from zaqar.storage.swift import messages

_pop = messages.MessageController.pop


def pop(self, *args, **kw):
    popped = list(_pop(self, *args, **kw))
    for message in popped:
        message.pop('client_uuid', None)
    return popped


messages.MessageController.pop = pop
sys.exit(server.run())
