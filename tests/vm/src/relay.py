#!/usr/bin/python3
"""One connection of a guest, on standard input and output, to a port of ours on loopback. usage: relay.py PORT"""
import os
import select
import socket
import sys

with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as far:
    ways = {0: far.sendall, far.fileno(): lambda data: os.write(1, data)}
    while ways:
        for fd in select.select(list(ways), [], [])[0]:
            data = os.read(0, 65536) if fd == 0 else far.recv(65536)
            if not data and fd != 0:
                sys.exit(0)
            if not data:
                del ways[0]
                far.shutdown(socket.SHUT_WR)
            else:
                ways[fd](data)
