# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Runs in a host: an SA ends in the midst of xfrm's adding another one of the same identity.

    twins_nl.py DEV SRC DST SPI REQID KEY

Adds an outbound SA that lives for a second and sends a packet through it; and adds it again and again,
without an end to its life, which xfrm refuses (EEXIST) until the first one ends. What is to be had
is that it ends after xfrm has given the second one to the device, and before it has looked for the
first. Prints the errno that comes instead: 0, the second one has been added; or another, the moment
was missed: the SA has gone, and its key has been used.

Probes at that place, with stack traces, make the moment a few milliseconds long; nothing else
differs from a host in use. IPv4, ESN.
"""

import errno
import os
import socket
import struct
import subprocess
import sys

NETLINK_XFRM, REQUEST, ACK, ERROR, NEWSA = 6, 1, 4, 2, 0x10
A_AEAD, A_ESN, A_OFFLOAD, A_DIR = 18, 23, 28, 33
ESP, TRANSPORT, ESN, PACKET, OUT = 50, 0, 128, 4, 2
INF, BATCH = (1 << 64) - 1, 16
PROBES, INSTANCES = 16, 12
TRACING = "/sys/kernel/tracing"


def address(text):
    return socket.inet_aton(text) + bytes(12)


def attr(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def request(dev, src, dst, spi, reqid, key, seconds):
    info = (struct.pack("=40xH14x", socket.AF_INET) +
            address(dst) + struct.pack("!IB3x", spi, ESP) + address(src) +
            struct.pack("=8Q32x12x", INF, INF, INF, INF, 0, seconds, 0, 0) +
            struct.pack("=IIHBBB7x", 0, reqid, socket.AF_INET, TRANSPORT, 0, ESN))
    assert len(info) == 224
    body = (info + attr(A_AEAD, struct.pack("=64sII", b"rfc4106(gcm(aes))", len(key) * 8, 128) + key) +
            attr(A_ESN, bytes(24)) + attr(A_DIR, bytes([OUT])) +
            attr(A_OFFLOAD, struct.pack("=IB3x", socket.if_nametoindex(dev), PACKET)))
    return struct.pack("=IHHII", 16 + len(body), NEWSA, REQUEST | ACK, 1, 0) + body


def errors(data):
    while data:
        size, kind = struct.unpack_from("=IH", data)
        assert kind == ERROR
        yield -struct.unpack_from("=i", data, 16)[0]
        data = data[size + (-size % 4):]


def put(path, text, flags=0):
    fd = os.open(f"{TRACING}/{path}", os.O_WRONLY | flags)
    os.write(fd, text.encode())
    os.close(fd)


def probes():
    return [f"slow{i}" for i in range(PROBES)]


def instances():
    return [f"instances/slow{i}" for i in range(INSTANCES)]


def slow_down():
    """Xfrm has given the SA to the device, and looks for its like next.  A probe costs more to make."""
    if not os.path.exists(f"{TRACING}/kprobe_events"):
        subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACING], check=True)
    put("kprobe_events", "".join(f"p:{probe} xfrm_state_add\n" for probe in probes()), os.O_APPEND)
    for instance in instances():
        os.mkdir(f"{TRACING}/{instance}")
        for probe in probes():
            put(f"{instance}/events/kprobes/{probe}/trigger", "stacktrace")


def speed_up():
    for instance in instances():
        os.rmdir(f"{TRACING}/{instance}")
    put("kprobe_events", "".join(f"-:{probe}\n" for probe in probes()), os.O_APPEND)


def race(sock, dst, first, again):
    sock.send(first)
    assert list(errors(sock.recv(1 << 16))) == [0]
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"used", (dst, 9))
    while True:
        sock.send(again * BATCH)
        for err in [err for _ in range(BATCH) for err in errors(sock.recv(1 << 16))]:
            if err != errno.EEXIST:
                return err


def main(dev, src, dst, spi, reqid, key):
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_XFRM)
    first, again = [request(dev, src, dst, int(spi), int(reqid), bytes.fromhex(key), seconds)
                    for seconds in (1, 0)]
    slow_down()
    try:
        print(race(sock, dst, first, again))
    finally:
        speed_up()


main(*sys.argv[1:])
