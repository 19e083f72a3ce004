#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Runs commands inside a host for the lab outside, over virtio-serial ports.

Every port carries one command at a time, so several commands run at once on several ports and no
daemon is needed on the host's side.  A session on a port (all integers big endian):

    outside -> agent   HELLO | nonce[16]          starts anew whatever the port did before
    agent -> outside   HELLO | nonce[16]          all bytes before it belong to an older session
    then frames of     type[1] | length[4] | payload
    outside -> agent   C {"argv": [...], "env": {...}, "cwd": "/"}   start; I stdin; E its end;
                       S {"signal": n} to the command's process group
    agent -> outside   1 stdout, 2 stderr, X {"rc": n} it ended, F {"error": text} it never started

When the outside closes the port (Ctrl-C, timeout), the command's process group is killed.
"""

import fcntl
import glob
import hashlib
import json
import os
import select
import signal
import struct
import subprocess
import threading
import time

# Computed, so that no file that travels over a port contains it.
HELLO = hashlib.sha256(b"roce-ipsec-lab session").digest()[:16]
NONCE = 16
FRAME = struct.Struct(">cI")
CHUNK = 32768		# what virtio-serial takes in one write
BACKLOG = 8 * CHUNK	# stop reading one side while the other has this much to take
GRACE = 0.3		# seconds that grandchildren may still hold the output after the exit
ENV = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root", "LC_ALL": "C.UTF-8", "TERM": "dumb", "USER": "root",
}


class Session:
    """One port while the outside holds it open."""

    def __init__(self, fd):
        self.fd = fd
        self.inbuf = b""
        self.out = bytearray()
        self.greeted = False
        self.child = None
        self.reset_child()

    def reset_child(self):
        if self.child and self.child.poll() is None:
            self.signal(signal.SIGKILL)
            self.child.wait()
        if self.child:
            for pipe in (self.child.stdin, self.child.stdout, self.child.stderr):
                pipe.close()
        self.child = None
        self.stdin = bytearray()
        self.stdin_end = False
        self.streams = {}
        self.ended = None

    def signal(self, number):
        try:
            os.killpg(self.child.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def send(self, kind, payload):
        self.out += FRAME.pack(kind, len(payload)) + payload

    def send_json(self, kind, obj):
        self.send(kind, json.dumps(obj).encode())

    # -- from outside

    def take(self, data):
        self.inbuf += data
        at = self.inbuf.rfind(HELLO)
        if at >= 0:
            if len(self.inbuf) < at + len(HELLO) + NONCE:
                return
            nonce = self.inbuf[at + len(HELLO):at + len(HELLO) + NONCE]
            self.inbuf = self.inbuf[at + len(HELLO) + NONCE:]
            self.reset_child()
            self.out = bytearray(HELLO + nonce)
            self.greeted = True
        if not self.greeted:
            self.inbuf = self.inbuf[-len(HELLO):]
            return
        while len(self.inbuf) >= FRAME.size:
            kind, length = FRAME.unpack_from(self.inbuf)
            if len(self.inbuf) < FRAME.size + length:
                break
            payload = self.inbuf[FRAME.size:FRAME.size + length]
            self.inbuf = self.inbuf[FRAME.size + length:]
            self.frame(kind, payload)

    def frame(self, kind, payload):
        if kind == b"C" and not self.child:
            self.start(json.loads(payload))
        elif kind == b"I":
            self.stdin += payload
        elif kind == b"E":
            self.stdin_end = True
        elif kind == b"S" and self.child and self.ended is None:
            self.signal(json.loads(payload)["signal"])

    def start(self, spec):
        try:
            self.child = subprocess.Popen(
                spec["argv"], env=dict(ENV, **spec.get("env", {})), cwd=spec.get("cwd", "/root"),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                start_new_session=True, bufsize=0, restore_signals=True)
        except (OSError, ValueError) as err:
            self.send_json(b"F", {"error": f"{spec['argv'][0]}: {err}",
                                  "errno": getattr(err, "errno", None)})
            return
        os.set_blocking(self.child.stdin.fileno(), False)
        self.streams = {self.child.stdout.fileno(): b"1", self.child.stderr.fileno(): b"2"}

    # -- to and from the command

    def feed(self):
        pipe = self.child.stdin
        try:
            if self.stdin:
                del self.stdin[:os.write(pipe.fileno(), self.stdin[:CHUNK])]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self.stdin.clear()
            self.stdin_end = True
        if self.stdin_end and not self.stdin:
            pipe.close()

    def drain(self, fd):
        data = os.read(fd, CHUNK)
        if data:
            self.send(self.streams[fd], data)
        else:
            del self.streams[fd]

    def watch_exit(self):
        """After the exit only what is still in the pipes counts, not who else holds them."""
        if self.child and self.ended is None and self.child.poll() is not None:
            self.ended = time.monotonic()
        if self.ended is not None and self.child:
            if not self.streams or time.monotonic() - self.ended > GRACE:
                rc = self.child.returncode
                self.reset_child()
                self.send_json(b"X", {"rc": 128 - rc if rc < 0 else rc})

    def poll_once(self):
        """Waits for anything; False when the outside is gone."""
        poller = select.poll()
        port_events = 0
        if len(self.stdin) < BACKLOG:
            port_events |= select.POLLIN
        if self.out:
            port_events |= select.POLLOUT
        poller.register(self.fd, port_events)
        pidfd = None
        if self.child:
            if self.ended is None:
                pidfd = os.pidfd_open(self.child.pid)
                poller.register(pidfd, select.POLLIN)
            if len(self.out) < BACKLOG:
                for fd in self.streams:
                    poller.register(fd, select.POLLIN)
            if not self.child.stdin.closed and (self.stdin or self.stdin_end):
                poller.register(self.child.stdin.fileno(), select.POLLOUT)
        try:
            events = poller.poll(int(GRACE * 1000) if self.ended is not None else None)
        finally:
            if pidfd is not None:
                os.close(pidfd)
        for fd, event in events:
            if fd == self.fd:
                if event & select.POLLHUP:
                    return False
                if event & select.POLLIN:
                    data = os.read(fd, CHUNK)
                    if not data:
                        return False
                    self.take(data)
                if event & select.POLLOUT and self.out:
                    try:
                        del self.out[:os.write(fd, self.out[:CHUNK])]
                    except BlockingIOError:
                        pass
            elif fd in self.streams:
                self.drain(fd)
            elif self.child and not self.child.stdin.closed and fd == self.child.stdin.fileno():
                self.feed()
        self.watch_exit()
        return True

    def serve(self):
        try:
            while self.poll_once():
                pass
        except OSError as err:
            print(f"agent: port {self.fd}: {err}", flush=True)
        finally:
            self.reset_child()


def is_open_outside(fd):
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return not any(event & select.POLLHUP for _, event in poller.poll(0))


def open_ports():
    ports = []
    for name in glob.glob("/sys/class/virtio-ports/*/name"):
        with open(name, encoding="ascii") as handle:
            if not handle.read().startswith("agent"):
                continue
        fd = os.open("/dev/" + name.split("/")[4], os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
        ports.append(fd)
    return ports


def main():
    # virtio-serial sends SIGIO when the outside opens or closes a port: nothing polls in idle.
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGIO, lambda *_: None)
    active = {}
    ports = open_ports()
    while True:
        for fd in ports:
            thread = active.get(fd)
            if (thread is None or not thread.is_alive()) and is_open_outside(fd):
                active[fd] = threading.Thread(target=Session(fd).serve, daemon=True)
                active[fd].start()
        # The timeout covers a session that ended between the look and the sleep.
        select.select([wake_read], [], [], 1.0)
        try:
            while os.read(wake_read, 4096):
                pass
        except BlockingIOError:
            pass


if __name__ == "__main__":
    main()
