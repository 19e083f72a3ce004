# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Runs in a host: asks the generic netlink family ipsec_roce. A question a line, its answer in JSON.

    bonds                           all bonds
    sas                             all SAs
    place IFINDEX PLACEMENT         sets the placement of SAs to come (a number)
    home IFINDEX DADDR SPI PORT [N] the SA (the N SAs from SPI on) added next belongs to PORT
    raw CMD HEX                     one request with these attributes, whatever they are

The answer to a request that is refused is {"error": errno, "text": what the kernel says}.
Speaks netlink itself: what it checks is the message tree of uapi/ipsec_roce.h, byte by byte.
"""

import json
import os
import socket
import struct
import sys

GENERIC, SOL_NETLINK, EXT_ACK, CAP_ACK = 16, 270, 11, 10
REQUEST, ACK, DUMP, CAPPED, TLVS = 1, 4, 0x300, 0x100, 0x200
ERROR, DONE = 2, 3
CTRL, GETFAMILY, FAMILY_ID, FAMILY_NAME = 16, 3, 1, 2
GET_BOND, SET_BOND, GET_SA, SET_HOME = 1, 2, 3, 10
NAMES = ("unspec pad ifindex ifname placement n_sas n_policies n_handovers port port_ifindex "
         "port_ifname port_index port_engine port_can_offload port_running port_active sa_dir "
         "sa_family sa_daddr sa_spi sa_start sa_is_dead sa_port sa_port_ifindex sa_port_state "
         "sa_port_packets sa_port_bytes sa_port_last reason sa_home_ifindex sa_port_missed").split()
NESTS = {"port", "sa_port"}
STRINGS = {"ifname", "port_ifname", "sa_port_state", "reason"}
FLAGS = {"port_can_offload", "port_running", "port_active", "sa_is_dead"}


def attr(kind, data):
    raw = struct.pack("=HH", 4 + len(data), kind) + data
    return raw + bytes(-len(raw) % 4)


def attrs(data):
    at = 0
    while at + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, at)
        yield kind & 0x3fff, data[at + 4:at + size]
        at += size + (-size % 4)


def tree(data):
    found = {}
    for kind, value in attrs(data):
        name = NAMES[kind]
        if name in NESTS:
            found.setdefault(name, []).append(tree(value))
        elif name in STRINGS:
            found[name] = value.rstrip(b"\0").decode()
        elif name in FLAGS:
            found[name] = True
        elif name == "sa_daddr":
            family = socket.AF_INET if len(value) == 4 else socket.AF_INET6
            found[name] = socket.inet_ntop(family, value)
        elif name == "sa_spi":
            found[name] = int.from_bytes(value, "big")
        elif name != "pad":
            found[name] = int.from_bytes(value, sys.byteorder)
    return found


class Refused(Exception):
    pass


def call(sock, family, cmd, flags, body):
    """The payloads of all answers."""
    raw = struct.pack("=BBH", cmd, 1, 0) + body
    sock.send(struct.pack("=IHHII", 16 + len(raw), family, REQUEST | flags, 1, 0) + raw)
    answers = []
    while True:
        data, at = sock.recv(1 << 16), 0
        while at < len(data):
            size, kind, has, _, _ = struct.unpack_from("=IHHII", data, at)
            body = data[at + 16:at + size]
            at += size + (-size % 4)
            if kind in (ERROR, DONE):
                code = -struct.unpack_from("=i", body)[0]
                skip = (20 if has & CAPPED else 4 + struct.unpack_from("=I", body, 4)[0]) \
                    if kind == ERROR and code else 4
                text = [v.rstrip(b"\0").decode() for k, v in attrs(body[skip:]) if k == 1] \
                    if has & TLVS else []
                if code:
                    raise Refused(code, text[0] if text else os.strerror(code))
                return answers
            answers.append(body[4:])
            if not flags & (DUMP | ACK):
                return answers


def ask(what, args):
    """Each question has a socket of its own: the family comes and goes with its module."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, GENERIC)
    sock.setsockopt(SOL_NETLINK, EXT_ACK, 1)
    sock.setsockopt(SOL_NETLINK, CAP_ACK, 1)
    answer = call(sock, CTRL, GETFAMILY, 0, attr(FAMILY_NAME, b"ipsec_roce\0"))[0]
    family = struct.unpack("=H", dict(attrs(answer))[FAMILY_ID])[0]
    if what in ("bonds", "sas"):
        cmd = GET_BOND if what == "bonds" else GET_SA
        return [tree(a) for a in call(sock, family, cmd, DUMP, b"")]
    if what == "place":
        call(sock, family, SET_BOND, ACK, attr(2, struct.pack("=I", int(args[0])))
             + attr(4, bytes([int(args[1])])))
        return "ok"
    if what == "home":
        bond, daddr, spi, port = int(args[0]), args[1], int(args[2], 0), int(args[3])
        kind = socket.AF_INET6 if ":" in daddr else socket.AF_INET
        for n in range(int(args[4]) if len(args) > 4 else 1):
            call(sock, family, SET_HOME, ACK, attr(2, struct.pack("=I", bond))
                 + attr(17, struct.pack("=H", kind)) + attr(18, socket.inet_pton(kind, daddr))
                 + attr(19, struct.pack("!I", spi + n)) + attr(9, struct.pack("=I", port)))
        return "ok"
    return [tree(a) for a in call(sock, family, int(args[0]), ACK,
                                  bytes.fromhex(args[1] if len(args) > 1 else ""))]


for line in sys.stdin:
    question, *more = line.split()
    try:
        said = ask(question, more)
    except Refused as why:
        said = {"error": why.args[0], "text": why.args[1]}
    print(json.dumps(said), flush=True)
