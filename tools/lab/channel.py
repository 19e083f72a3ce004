# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The outside end of the agent's ports: one command per connection (see guest/agent.c).

A host has PORTS ports.  Whoever wants to run a command takes a free one by locking its file, so
any number of programs can use one lab with nothing between them and QEMU.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
import time
from pathlib import Path

from .config import LabError

PORTS = 24
HELLO = bytes((i * 151 + 89) & 0xff ^ 0xa5 for i in range(16))
FRAME = struct.Struct(">cI")
NUMBER = struct.Struct(">I")
CHUNK = 32768


class ChannelClosed(LabError):
    """The host is gone (it powered off, or its QEMU died)."""


class Channel:
    """One command in a host.  Not thread-safe; one thread drives it."""

    def __init__(self, folder: Path, host: str, timeout: float = 30):
        self.host = host
        self.sock: socket.socket | None = None
        self.lock = None
        self.inbuf = bytearray()
        self.out = bytearray()
        self.rc: int | None = None
        self.deadline = time.monotonic() + timeout
        self._take_port(folder)
        try:
            self._greet()
        except BaseException:
            self.close()
            raise

    def _take_port(self, folder: Path) -> None:
        while True:
            for number in range(PORTS):
                try:
                    lock = open(folder / f"agent{number}.lock", "a", encoding="ascii")
                except OSError as err:
                    raise ChannelClosed(f"host {self.host} is not running") from err
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    lock.close()
                    continue
                sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                try:
                    sock.connect(str(folder / f"agent{number}.sock"))
                except OSError as err:
                    sock.close()
                    lock.close()
                    raise ChannelClosed(f"host {self.host} is not running") from err
                sock.setblocking(False)
                self.lock, self.sock = lock, sock
                return
            if time.monotonic() > self.deadline:
                raise LabError(f"host {self.host}: all {PORTS} command ports are busy")
            time.sleep(0.05)

    def _greet(self) -> None:
        nonce = os.urandom(16)
        want = HELLO + nonce
        self.out += want
        while True:
            if not self.pump(max(0.0, self.deadline - time.monotonic())):
                if time.monotonic() >= self.deadline:
                    raise LabError(f"host {self.host} does not answer on its command channel")
            at = self.inbuf.find(want)
            if at >= 0:
                del self.inbuf[:at + len(want)]
                return
            del self.inbuf[:-len(want)]

    # -- frames

    def send(self, kind: bytes, payload: bytes = b"") -> None:
        self.out += FRAME.pack(kind, len(payload)) + payload

    def start(self, argv: list[str], env: dict | None = None, cwd: str = "/root") -> None:
        words = [cwd, *(f"{k}={v}" for k, v in (env or {}).items()), *argv]
        if not argv or any("\0" in word for word in words):
            raise LabError("a command needs at least one word, and no word may contain NUL")
        self.send(b"C", NUMBER.pack(len(env or {}))
                  + b"".join(os.fsencode(word) + b"\0" for word in words))

    def stdin(self, data: bytes) -> None:
        for at in range(0, len(data), CHUNK):
            self.send(b"I", data[at:at + CHUNK])

    def stdin_end(self) -> None:
        self.send(b"E")

    def signal(self, number: int) -> None:
        self.send(b"S", NUMBER.pack(number))

    def frames(self):
        """The complete frames received so far; the exit sets rc."""
        while len(self.inbuf) >= FRAME.size:
            kind, length = FRAME.unpack_from(self.inbuf)
            if len(self.inbuf) < FRAME.size + length:
                return
            payload = bytes(self.inbuf[FRAME.size:FRAME.size + length])
            del self.inbuf[:FRAME.size + length]
            if kind == b"X":
                self.rc = NUMBER.unpack(payload)[0]
            elif kind == b"F":
                number = NUMBER.unpack(payload)[0]
                self.rc = 127 if number == errno.ENOENT else 126
                yield b"2", f"cannot start the command: {os.strerror(number)}\n".encode()
            else:
                yield kind, payload

    # -- bytes

    def fileno(self) -> int:
        return self.sock.fileno()

    def pump(self, timeout: float | None, extra=()) -> list:
        """Moves bytes until something arrived, or one of extra (fds) is readable, or timeout.

        Returns the ready fds among extra, plus self if bytes arrived.
        """
        poller = select.poll()
        poller.register(self.sock, select.POLLIN | (select.POLLOUT if self.out else 0))
        for fd in extra:
            poller.register(fd, select.POLLIN)
        ready: list = []
        for fd, event in poller.poll(None if timeout is None else int(timeout * 1000) + 1):
            if fd != self.sock.fileno():
                ready.append(fd)
                continue
            if event & select.POLLOUT and self.out:
                try:
                    del self.out[:self.sock.send(self.out[:1 << 18])]
                except BlockingIOError:
                    pass
                except OSError as err:
                    raise ChannelClosed(f"host {self.host} went away") from err
            if event & (select.POLLIN | select.POLLHUP):
                try:
                    data = self.sock.recv(1 << 18)
                except BlockingIOError:
                    continue
                except OSError as err:
                    raise ChannelClosed(f"host {self.host} went away") from err
                if not data:
                    raise ChannelClosed(f"host {self.host} went away")
                self.inbuf += data
                ready.append(self)
        return ready

    def close(self) -> None:
        """Ends the session; a command that still runs is killed by the agent."""
        if self.sock:
            self.sock.close()
            self.sock = None
        if self.lock:
            self.lock.close()
            self.lock = None
