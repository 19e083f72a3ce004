# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Runs in a host: asks xfrm to move an SA to another source address, which `ip xfrm` cannot.

    migrate_nl.py HOW DIR SRC DST SPI REQID NEW_SRC

HOW: state (XFRM_MSG_MIGRATE_STATE, offloaded as before), software (the same, not offloaded any more),
policy (XFRM_MSG_MIGRATE: the policy from SRC to DST, and with it the SA; not offloaded any more).
IPv4.  Prints JSON: errno, 0 if it was moved; and what the kernel says.
"""

import json
import os
import socket
import struct
import sys

NETLINK_XFRM, SOL_NETLINK, CAP_ACK, EXT_ACK = 6, 270, 10, 11
REQUEST, ACK, ERROR, ACK_TLVS, ERR_MSG = 1, 4, 2, 0x200, 1
MIGRATE, MIGRATE_STATE, A_MIGRATE = 0x21, 0x29, 17
CLEAR_OFFLOAD = 1
ESP, TRANSPORT = 50, 0


def address(text):
    return socket.inet_aton(text) + bytes(12)


def selector(src, dst, prefix):
    return address(dst) + address(src) + struct.pack("=8xHBBB3x8x", socket.AF_INET, prefix, prefix, 0)


def state(src, dst, spi, reqid, new_src, flags):
    return (address(dst) + struct.pack("!I", spi) + struct.pack("=HBx", socket.AF_INET, ESP) +
            address(dst) + address(new_src) + bytes(8) + selector(new_src, dst, 0) +
            struct.pack("=IIHH", reqid, flags, socket.AF_INET, 0))


def policy(way, src, dst, reqid, new_src):
    moved = address(dst) + address(src) + address(dst) + address(new_src) + struct.pack(
        "=BBHIHH", ESP, TRANSPORT, 0, reqid, socket.AF_INET, socket.AF_INET)
    return (selector(src, dst, 32) + struct.pack("=IB3x", 0, ("in", "out").index(way)) +
            struct.pack("=HH", 4 + len(moved), A_MIGRATE) + moved)


def ask(kind, body):
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_XFRM)
    for option in (CAP_ACK, EXT_ACK):
        sock.setsockopt(SOL_NETLINK, option, 1)
    sock.send(struct.pack("=IHHII", 16 + len(body), kind, REQUEST | ACK, 1, 0) + body)
    data = sock.recv(1 << 16)
    _, kind, flags, _, _, err = struct.unpack_from("=IHHIIi", data)
    assert kind == ERROR
    said, at = "", 36
    while flags & ACK_TLVS and at + 4 <= len(data):
        size, name = struct.unpack_from("=HH", data, at)
        if name == ERR_MSG:
            said = data[at + 4:at + size].rstrip(b"\0").decode()
        at += size + (-size % 4)
    return {"errno": -err, "name": os.strerror(-err), "said": said}


how, way, src, dst, spi, reqid, new_src = sys.argv[1:]
if how == "policy":
    answer = ask(MIGRATE, policy(way, src, dst, int(reqid), new_src))
else:
    answer = ask(MIGRATE_STATE, state(src, dst, int(spi, 0), int(reqid), new_src,
                                      CLEAR_OFFLOAD if how == "software" else 0))
print(json.dumps(answer))
