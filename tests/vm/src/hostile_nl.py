# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Runs in a host: requests to the generic netlink family ipsec_roce that no honest program makes.

    hostile_nl.py KIND IFINDEX [UID]

KIND: truncated, unknown, types, random; place, look (honest SET_BOND, GET_BOND, for who may not ask).
UID: the user to be while asking.  Prints JSON: errno -> how often; 0 is a request that was taken.
"""

import collections
import itertools
import json
import os
import random
import socket
import struct
import sys

REQUEST, ACK, DUMP = 1, 4, 0x300
ERROR, DONE = 2, 3
GET_BOND, SET_BOND, GET_SA = 1, 2, 3
A_IFINDEX, A_PLACEMENT, N_ATTRS = 2, 4, 40
N_RANDOM = 1500


def attr(kind, data, size=None):
    raw = struct.pack("=HH", 4 + len(data) if size is None else size, kind) + data
    return raw + bytes(-len(raw) % 4)


def errors(data):
    """The errno in each answer that ends a request."""
    at = 0
    while at + 16 <= len(data):
        size, kind = struct.unpack_from("=IH", data, at)
        if kind in (ERROR, DONE):
            yield -struct.unpack_from("=i", data, at + 16)[0]
        at += max(16, size + (-size % 4))


def ask(sock, family, cmd, flags, body, size=None, version=1):
    """Sends one message, whatever it is; returns the first errno."""
    raw = struct.pack("=BBH", cmd, version, 0) + body
    size = 16 + len(raw) if size is None else size
    sock.send(struct.pack("=IHHII", size, family, REQUEST | flags, 1, 0) + raw)
    while True:
        try:
            for err in errors(sock.recv(1 << 16)):
                return err
        except TimeoutError:
            return -1


def truncated(ifindex):
    whole = attr(A_IFINDEX, struct.pack("=I", ifindex)) + attr(A_PLACEMENT, b"\1")
    for cmd, n in itertools.product((GET_BOND, SET_BOND), range(len(whole))):
        # The end of an ignored attribute may be missing, of one that is needed never.
        if n < 8 or cmd == SET_BOND and n < 13:
            yield cmd, ACK, whole[:n], None
    # Attributes that claim to be longer, or shorter than their own header.
    for size in (0, 1, 3, 5, 6, 7, 9, 100, 0xFFFF):
        yield SET_BOND, ACK, attr(A_IFINDEX, struct.pack("=I", ifindex), size), None
    for size in (17, 18, 19):
        yield GET_BOND, ACK, b"", size


def unknown(ifindex):
    right = attr(A_IFINDEX, struct.pack("=I", ifindex))
    for cmd in (0, *range(4, 12), 99, 255):
        yield cmd, ACK, right, None
        yield cmd, ACK | DUMP, b"", None
    for kind in (*range(5, N_ATTRS), 0x1FFF, 0x3FFF, 0x4002, 0x8004):
        yield SET_BOND, ACK, attr(kind, b"\0" * 8), None
    yield SET_BOND, ACK | DUMP, right, None
    yield GET_SA, ACK, right, None


def types(ifindex):
    right = attr(A_IFINDEX, struct.pack("=I", ifindex))
    for size in (0, 1, 2, 3):
        yield SET_BOND, ACK, attr(A_IFINDEX, b"\1" * size) + attr(A_PLACEMENT, b"\1"), None
    for value in (0, 0x7FFFFFFF, 0xFFFFFFFF):
        yield SET_BOND, ACK, attr(A_IFINDEX, struct.pack("=I", value)) + attr(A_PLACEMENT, b"\1"), \
            None
    for value in (4, 5, 127, 255):
        yield SET_BOND, ACK, right + attr(A_PLACEMENT, bytes([value])), None
    yield SET_BOND, ACK, right + attr(A_PLACEMENT, b""), None
    yield SET_BOND, ACK, right, None
    yield SET_BOND, ACK, attr(A_PLACEMENT, b"\1"), None


def noise(ifindex):
    rng = random.Random(ifindex)
    for _ in range(N_RANDOM):
        body = rng.randbytes(rng.choice((0, 4, 8, 12, 60, 300)))
        if rng.random() < 0.5:
            # Well-formed attributes with rubbish in them.
            body = b"".join(attr(rng.randrange(N_ATTRS), rng.randbytes(rng.choice((1, 2, 4, 8, 16))))
                            for _ in range(rng.randrange(6)))
        yield rng.randrange(1, 12), ACK | rng.choice((0, 0, DUMP)), body, None


def place(ifindex):
    yield SET_BOND, ACK, attr(A_IFINDEX, struct.pack("=I", ifindex)) + attr(A_PLACEMENT, b"\1"), None


def look(ifindex):
    yield GET_BOND, ACK, attr(A_IFINDEX, struct.pack("=I", ifindex)), None
    yield GET_BOND, ACK | DUMP, b"", None


def main():
    kind, ifindex = sys.argv[1], int(sys.argv[2])
    if len(sys.argv) > 3:
        os.setuid(int(sys.argv[3]))
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
    sock.settimeout(1)
    sock.send(struct.pack("=IHHIIBBH", 36, 16, REQUEST, 1, 0, 3, 1, 0) + attr(2, b"ipsec_roce\0"))
    answer, at, family = sock.recv(1 << 16), 20, 0
    while at < len(answer):
        size, name = struct.unpack_from("=HH", answer, at)
        if name == 1:
            family = struct.unpack_from("=H", answer, at + 4)[0]
        at += size + (-size % 4)
    seen = collections.Counter()
    attacks = {"truncated": truncated, "unknown": unknown, "types": types, "random": noise,
               "place": place, "look": look}
    for cmd, flags, body, size in attacks[kind](ifindex):
        seen[ask(sock, family, cmd, flags, body, size)] += 1
    print(json.dumps(seen))


main()
