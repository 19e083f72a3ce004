# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Runs in a host: netlink requests about the adapter that are nearly right, as fast as it can.

    storm_nl.py SECONDS SEED [UID]

xfrm (SAs, policies), devlink, ethtool, the helper's family, RDMA's nldev and rtnetlink: each request
is built as an honest program would, with values chosen by the seed, and a part of them is then
damaged.  UID: the user to be.  Prints JSON: netlink protocol or family -> [requests, refused].
"""

import glob
import json
import os
import random
import socket
import struct
import sys
import time

REQUEST, ACK, DUMP, CREATE, EXCL = 1, 4, 0x300, 0x400, 0x200
ROUTE, XFRM, GENERIC, RDMA = 0, 6, 16, 20
FAMILIES = ("devlink", "ethtool", "ipsec_roce")
NESTED = 0x8000

rng = random.Random(int(sys.argv[2]))
pick = rng.choice


def attr(kind, data):
    raw = struct.pack("=HH", 4 + len(data), kind) + data
    return raw + bytes(-len(raw) % 4)


def text(kind, value):
    return attr(kind, value.encode() + b"\0")


def functions():
    """Of iroce in this namespace: (PCI address, ifindex), as they are now."""
    found = []
    for path in glob.glob("/sys/bus/pci/drivers/iroce/*:*"):
        for net in glob.glob(f"{path}/net/*"):
            try:
                with open(f"{net}/ifindex", encoding="ascii") as file:
                    found.append((os.path.basename(path), int(file.read())))
            except OSError:
                pass		# it has just gone
    return found or [("0001:00:01.0", 9999)]


# ---- xfrm: linux/xfrm.h ----------------------------------------------------------------------------

def address(number):
    return bytes((192, 168, 200 + number % 2, number % 256)) + bytes(12)


def selector(src, dst):
    return struct.pack("=16s16sHHHHHBBBxxxiI", dst, src, pick((0, 0, 0xB712)), pick((0, 0xFFFF)),
                       pick((0, 0xB712)), pick((0, 0xFFFF)), pick((2, 2, 2, 10)), pick((32, 32, 24, 0)),
                       pick((32, 32, 24, 0)), pick((0, 0, 17, 6)), 0, 0)


def lifetimes():
    # No limit, a few packets, seconds.
    big = (1 << 64) - 1
    return struct.pack("=8Q", big, big, pick((big, 20)), pick((big, 40)), 0, pick((0, 2)), 0, 0)


CURRENT = bytes(32)


def offload(ifindex, inbound):
    flags = pick((4, 4, 4, 4, 0, 1, 0xFF)) | (2 if inbound else 0)
    return attr(28, struct.pack("=iB3x", ifindex, flags))


def sa(ifindex):
    inbound = pick((True, False))
    src, dst = address(rng.randrange(1, 5)), address(rng.randrange(1, 5))
    spi = struct.pack(">I", 0x100 + rng.randrange(16))
    body = (selector(src, dst) + dst + spi + struct.pack("=Bxxx", pick((50, 50, 50, 51))) + src
            + lifetimes() + CURRENT + struct.pack("=3I", 0, 0, 0)
            + struct.pack("=IIHBBB7x", 0, rng.randrange(4), 2, pick((0, 0, 0, 1)), pick((0, 32)),
                          pick((0x80, 0x80, 0, 0xFF))))
    body += attr(18, struct.pack("=64sII", b"rfc4106(gcm(aes))", pick((160, 160, 288, 8)),
                                 pick((128, 128, 64))) + rng.randbytes(20))
    if rng.random() < 0.9:
        words = pick((2, 4, 8))
        body += attr(23, struct.pack("=6I", words, pick((0, 0xFFFFFFF0)), 0, pick((0, 1, 0xFFFFFFFF)), 0,
                                     words * 32) + bytes(words * 4))
    return body + (offload(ifindex, inbound) if rng.random() < 0.95 else b"")


def sa_id():
    return address(rng.randrange(1, 5)) + struct.pack(">I", 0x100 + rng.randrange(16)) + \
        struct.pack("=HBx", 2, 50)


def policy(ifindex):
    src, dst = address(rng.randrange(1, 5)), address(rng.randrange(1, 5))
    body = (selector(src, dst) + lifetimes() + CURRENT
            + struct.pack("=IIBBBBxxxx", pick((0, 10, 1000)), 0, pick((0, 1, 1, 2)), pick((0, 0, 1)), 0, 0))
    tmpl = dst + struct.pack("=IBxxx", 0, 50) + struct.pack("=H2x", 2) + src + \
        struct.pack("=IBBBxIII", rng.randrange(4), pick((0, 0, 1)), 0, 0, *[0xFFFFFFFF] * 3)
    return body + attr(5, tmpl) + (offload(ifindex, False) if rng.random() < 0.95 else b"")


def policy_id():
    src, dst = address(rng.randrange(1, 5)), address(rng.randrange(1, 5))
    return selector(src, dst) + struct.pack("=IBxxx", 0, pick((0, 1)))


def xfrm(places):
    ifindex = pick(places)[1]
    return pick((
        (0x10, CREATE | EXCL, lambda: sa(ifindex)), (0x10, CREATE | EXCL, lambda: sa(ifindex)),
        (0x1A, CREATE, lambda: sa(ifindex)), (0x11, 0, sa_id), (0x12, pick((0, DUMP)), sa_id),
        (0x13, CREATE | EXCL, lambda: policy(ifindex)), (0x19, CREATE, lambda: policy(ifindex)),
        (0x14, 0, policy_id), (0x15, pick((0, DUMP)), policy_id),
        (0x1C, 0, lambda: struct.pack("=B", pick((0, 50)))) if rng.random() < 0.1 else (0x12, DUMP, bytes),
        (0x1D, 0, bytes) if rng.random() < 0.1 else (0x15, DUMP, bytes),
        (0x1F, 0, lambda: sa_id() + address(1) + struct.pack("=II", 0, 0)),
        (0x23, 0, lambda: struct.pack("=I", 0xFFFFFFFF)),
    ))


# ---- generic and others ----------------------------------------------------------------------------

def noise(limit):
    return b"".join(attr(rng.randrange(limit) | pick((0, 0, NESTED)),
                         pick((bytes(4), b"\1\0\0\0", rng.randbytes(pick((1, 2, 4, 8, 16))),
                               attr(rng.randrange(12), rng.randbytes(4)))))
                    for _ in range(rng.randrange(4)))


def generic(places, name):
    pci, ifindex = pick(places)
    if name == "devlink":
        head = text(1, "pci") + text(2, pci) + (attr(3, struct.pack("=I", rng.randrange(4)))
                                               if rng.random() < 0.7 else b"")
        cmd = rng.randrange(1, 84)
    elif name == "ethtool":
        head = attr(1 | NESTED, attr(1, struct.pack("=I", ifindex)))
        cmd = rng.randrange(1, 50)
    else:
        head = attr(2, struct.pack("=I", ifindex))
        cmd = pick((1, 2, 3, 10))
    return cmd, pick((0, 0, 0, DUMP)), lambda: struct.pack("=BBH", cmd, 1, 0) + head + noise(30)


def nldev(_places):
    # Not SYS_SET (6): what is exclusive then is the whole host.  Not NEWLINK (3).
    cmd = pick([n for n in range(1, 32) if n not in (3, 6)])
    head = attr(1, struct.pack("=I", rng.randrange(8))) + attr(3, struct.pack("=I", 1))
    return 5 << 10 | cmd, pick((0, 0, DUMP)), lambda: head + noise(100)


def link(places):
    ifindex = pick(places)[1]
    vf = b"".join(pick((
        attr(1, struct.pack("=I32s", rng.randrange(3), rng.randbytes(6))),
        attr(2, struct.pack("=III", rng.randrange(3), pick((0, 100, 4095, 5000)), pick((0, 7, 9)))),
        attr(3, struct.pack("=II", rng.randrange(3), rng.randrange(100))),
        attr(4, struct.pack("=II", rng.randrange(3), pick((0, 1)))),
        attr(5, struct.pack("=II", rng.randrange(3), rng.randrange(4))),
        attr(6, struct.pack("=III", rng.randrange(3), 0, pick((0, 10, 1 << 31)))),
        attr(9, struct.pack("=II", rng.randrange(3), pick((0, 1)))),
        attr(10, struct.pack("=IxxxxQ", rng.randrange(3), rng.getrandbits(64))),
    )) for _ in range(rng.randrange(1, 3)))
    body = pick((attr(22 | NESTED, attr(1 | NESTED, vf)), attr(4, struct.pack("=I", pick((68, 1500, 4200, 9000, 99999)))),
                 attr(1, bytes((2,)) + rng.randbytes(5)), attr(20, b"x" * pick((0, 4, 300)))))
    flags = struct.pack("=BxHiII", 0, 0, ifindex, pick((0, 1)), pick((0, 1)))
    return pick((19, 19, 18)), 0, lambda: flags + body


def request(sock, kind, flags, body):
    if rng.random() < 0.3:
        body = bytearray(body)
        for _ in range(rng.randrange(1, 4)):
            if body:
                body[rng.randrange(len(body))] = pick((0, 1, 255, rng.randrange(256)))
        if rng.random() < 0.2:
            del body[rng.randrange(len(body) + 1):]
    sock.send(struct.pack("=IHHII", 16 + len(body), kind, REQUEST | ACK | flags, 1, 0) + bytes(body))
    refused = False
    try:
        while True:
            data = sock.recv(1 << 17)
            at = 0
            while at + 16 <= len(data):
                size, said = struct.unpack_from("=IH", data, at)
                if said in (2, 3):
                    return refused or (said == 2 and struct.unpack_from("=i", data, at + 16)[0] != 0)
                at += max(16, size + (-size % 4))
    except (TimeoutError, OSError):
        return True


def opened(protocol):
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    sock.settimeout(0.2)
    return sock


def family(sock, name):
    sock.send(struct.pack("=IHHIIBBH", 20 + len(attr(2, name.encode() + b"\0")), 16, REQUEST, 1, 0, 3, 1, 0)
              + attr(2, name.encode() + b"\0"))
    answer, at = sock.recv(1 << 16), 20
    while at < len(answer):
        size, kind = struct.unpack_from("=HH", answer, at)
        if kind == 1:
            return struct.unpack_from("=H", answer, at + 4)[0]
        at += max(4, size + (-size % 4))
    return None


def main():
    end = time.monotonic() + float(sys.argv[1])
    socks = {protocol: opened(protocol) for protocol in (ROUTE, XFRM, GENERIC, RDMA)}
    numbers = {name: family(socks[GENERIC], name) for name in FAMILIES}
    if len(sys.argv) > 3:
        os.setuid(int(sys.argv[3]))
    tally = {}
    rounds = 0
    while time.monotonic() < end:
        if rounds % 50 == 0:
            places = functions()
        rounds += 1
        name = pick(("xfrm", "xfrm", "xfrm", "xfrm", *FAMILIES, "nldev", "link"))
        if name in FAMILIES:
            if numbers[name] is None:
                continue
            _, flags, body = generic(places, name)
            sock, kind = socks[GENERIC], numbers[name]
        elif name == "xfrm":
            kind, flags, body = xfrm(places)
            sock = socks[XFRM]
        elif name == "nldev":
            kind, flags, body = nldev(places)
            sock = socks[RDMA]
        else:
            kind, flags, body = link(places)
            sock = socks[ROUTE]
        count = tally.setdefault(name, [0, 0])
        count[0] += 1
        count[1] += request(sock, kind, flags, body())
    print(json.dumps(tally))


main()
