# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Commands and files in one running host."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from .channel import Channel
from .config import LabError
from .qemu import Machine

ENV_FILE = "/run/roce-ipsec-lab.env"


@dataclass
class Result:
    """How a command ended; 128+N is death by signal N."""

    cmd: str
    rc: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


class CommandFailed(LabError):
    def __init__(self, host: str, result: Result):
        self.result = result
        said = "\n".join(f"  {line}" for line in result.output.rstrip().splitlines()[-40:])
        super().__init__(f"host {host}: {result.cmd}\n  exit status {result.rc}\n{said}")


class CommandTimeout(LabError):
    def __init__(self, host: str, result: Result, timeout: float):
        self.result = result
        said = "\n".join(f"  {line}" for line in result.output.rstrip().splitlines()[-40:])
        super().__init__(f"host {host}: {result.cmd}\n  still running after {timeout:g} s, "
                         f"killed\n{said}")


# Words that mean to a shell what they are, and what a shell does by itself (dash(1), and words that
# only a shell understands).
_PLAIN = re.compile(r"[\w@%+:,./-]+( +[\w@%+:,./=-]+)*")
_BUILTINS = frozenset(". : alias bg break case cd command continue echo eval exec exit export false "
                      "fg for getopts hash if jobs kill local printf pwd read readonly return set "
                      "shift test times trap true type ulimit umask unalias unset until wait "
                      "while".split())


def to_argv(cmd, flags: str = "-c") -> list[str]:
    """A string is a shell's to read; one without anything for a shell is started without one,
    which halves what it costs in an emulated host."""
    if not isinstance(cmd, str):
        return [str(c) for c in cmd]
    if _PLAIN.fullmatch(cmd) and cmd.split()[0] not in _BUILTINS:
        return cmd.split()
    return ["sh", flags, cmd]


class Process:
    """A command that runs beside others.  A thread gathers its output."""

    def __init__(self, host: Host, cmd, env=None, data: bytes | None = None,
                 is_fed: bool = False, flags: str = "-c"):
        self.host = host
        self.cmd = cmd if isinstance(cmd, str) else " ".join(str(c) for c in cmd)
        self._streams = {b"1": bytearray(), b"2": bytearray()}
        self._changed = threading.Condition()
        self._rc: int | None = None
        self._error: LabError | None = None
        self._signals: list[int] = []
        self._food: list[bytes] = []
        self._abandon = False
        self._wake_read, self._wake_write = os.pipe()
        self._channel = Channel(host.machine.folder, host.name)
        self._channel.start(to_argv(cmd, flags), env)
        if data:
            self._channel.stdin(data)
        if not is_fed:
            self._channel.stdin_end()
        self._thread = threading.Thread(target=self._gather, daemon=True)
        self._thread.start()

    def _gather(self) -> None:
        channel = self._channel
        try:
            while channel.rc is None and not self._abandon:
                if self._wake_read in channel.pump(None, [self._wake_read]):
                    os.read(self._wake_read, 64)
                while self._signals:
                    channel.signal(self._signals.pop(0))
                while self._food:
                    channel.stdin(self._food.pop(0))
                for kind, payload in channel.frames():
                    with self._changed:
                        self._streams[kind] += payload
                        self._changed.notify_all()
        except LabError as err:
            self._error = err
        finally:
            channel.close()
            os.close(self._wake_read)
            with self._changed:
                self._rc = channel.rc if channel.rc is not None else 128 + signal.SIGKILL
                os.close(self._wake_write)
                self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            if self._rc is None:
                os.write(self._wake_write, b"x")

    @property
    def stdout(self) -> str:
        return self._streams[b"1"].decode(errors="replace")

    @property
    def stdout_bytes(self) -> bytes:
        return bytes(self._streams[b"1"])

    @property
    def stderr(self) -> str:
        return self._streams[b"2"].decode(errors="replace")

    def result(self) -> Result:
        return Result(self.cmd, self._rc if self._rc is not None else -1, self.stdout, self.stderr)

    def poll(self) -> int | None:
        return self._rc

    def wait(self, timeout: float | None = None) -> Result:
        """Waits for the end; after timeout the command is killed and CommandTimeout raised."""
        with self._changed:
            ended = self._changed.wait_for(lambda: self._rc is not None, timeout)
        if not ended:
            self.abandon()
            raise CommandTimeout(self.host.name, self.result(), timeout)
        if self._error:
            raise self._error
        return self.result()

    def wait_output(self, text: str, timeout: float = 30) -> None:
        """Until text shows up in the output; an end without it, or a timeout, is an error."""
        self._wait_seen(lambda: text in self.stdout or text in self.stderr, timeout)

    def wait_match(self, pattern: re.Pattern, start: int = 0, timeout: float = 30) -> None:
        """Until the pattern shows up in stdout, behind its first start characters."""
        self._wait_seen(lambda: pattern.search(self.stdout, start), timeout)

    def wait_line(self, number: int, timeout: float = 30) -> str:
        """Until that line (0: the first) of stdout is complete; returns it without its end."""
        self._wait_seen(lambda: self.stdout.count("\n") > number, timeout)
        return self.stdout.split("\n")[number]

    def _wait_seen(self, seen, timeout: float) -> None:
        """Until seen(); the command's end without it, or a timeout, is an error."""
        with self._changed:
            self._changed.wait_for(lambda: seen() or self._rc is not None, timeout)
        if not seen():
            if self._rc is None:
                self.abandon()
                raise CommandTimeout(self.host.name, self.result(), timeout)
            raise CommandFailed(self.host.name, self.result())

    def feed(self, text: str) -> None:
        """More standard input, for a command that was spawned with is_fed."""
        self._food.append(text.encode())
        self._wake()

    def kill(self, sig: int = signal.SIGTERM) -> None:
        """Sends a signal to the command and its children."""
        self._signals.append(int(sig))
        self._wake()

    def stop(self, sig: int = signal.SIGTERM, timeout: float = 60) -> Result:
        """Sends a signal and waits for the end."""
        self.kill(sig)
        return self.wait(timeout)

    def abandon(self) -> None:
        """Kills the command (SIGKILL) by hanging up on it."""
        self._abandon = True
        self._wake()
        self._thread.join(10)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_) -> None:
        if self._rc is None:
            self.abandon()


def patient(look: str) -> str:
    """Looks up to two seconds in the host, whose polling costs less than commands from outside.

    The script's exit status is 0 as soon as that of look, a shell command, is.
    """
    return f"n=0; until {look}; do n=$((n+1)); [ $n -lt 40 ] || exit 1; sleep 0.05; done"


def listening(port: int, proto: str = "tcp") -> str:
    """For a host's shell: is a socket of the kernel's table in state LISTEN (UDP: unconnected)?"""
    state = {"tcp": "0A", "udp": "07"}[proto]
    return patient(f"grep -qs ':{port:04X} 0*:0000 {state} ' /proc/net/{proto} /proc/net/{proto}6")


class Host:
    """One of the lab's two hosts."""

    def __init__(self, lab, name: str, machine: Machine):
        self.lab = lab
        self.name = name
        self.machine = machine
        self._env: dict[str, str] | None = None
        self._placed: dict[str, tuple] = {}
        self.commands = 0		# that were started here

    def __repr__(self) -> str:
        return f"<host {self.name} of lab {self.lab.name}>"

    @property
    def peer(self) -> Host:
        return self.lab.host("b" if self.name == "a" else "a")

    def spawn(self, cmd, env=None, input=None, is_fed: bool = False, flags: str = "-c") -> Process:
        """is_fed: standard input stays open, for feed(); flags: of the shell, if it takes one."""
        data = input.encode() if isinstance(input, str) else input
        self.commands += 1
        return Process(self, cmd, env, data, is_fed, flags)

    def run(self, cmd, check: bool = True, timeout: float | None = 120, input=None,
            env=None) -> Result:
        """check: the first command of a script that fails ends it, not only its last one counts."""
        with self.spawn(cmd, env, input, flags="-ec" if check else "-c") as proc:
            result = proc.wait(timeout and timeout * self.lab.patience)
        if check and result.rc:
            raise CommandFailed(self.name, result)
        return result

    def read(self, remote: str) -> bytes:
        with self.spawn(["cat", remote]) as proc:
            result = proc.wait(120)
            if result.rc:
                raise CommandFailed(self.name, result)
            return proc.stdout_bytes

    def write(self, remote: str, data: bytes | str, mode: int = 0o644) -> None:
        # A new file from the start with the right mode: it may be a key.
        script = 'rm -f "$1" && (umask 077 && cat > "$1") && chmod "$2" "$1"'
        self.run(["sh", "-c", script, "sh", remote, f"{mode:o}"], input=data)

    def put(self, local, remote: str, mode: int | None = None, once: bool = False) -> None:
        """once: not again while this object lives, unless the local file has changed."""
        local = Path(local)
        try:
            info = local.stat()
            mode = info.st_mode & 0o777 if mode is None else mode
            placed = (local, info.st_ino, info.st_mtime_ns, mode)
            if once and self._placed.get(remote) == placed:
                return
            data = local.read_bytes()
        except OSError as err:
            raise LabError(f"cannot read {local}: {err.strerror}") from err
        self.write(remote, data, mode)
        self._placed[remote] = placed

    def get(self, remote: str, local) -> None:
        data = self.read(remote)
        try:
            Path(local).write_bytes(data)
        except OSError as err:
            raise LabError(f"cannot write {local}: {err.strerror}") from err

    def wait_port(self, port: int, proto: str = "tcp", timeout: float = 30) -> None:
        """Until something listens on a port of this host; nothing connects to find out."""
        self.wait_listener(listening(port, proto), f"{proto} port {port}", timeout)

    def wait_listener(self, look: str, where: str, timeout: float, proc=None) -> None:
        """Until a command that looks for a listener finds one, or the process to be one ends."""
        end = time.monotonic() + timeout
        while self.run(look, check=False).rc:
            if proc and proc.poll() is not None:
                raise LabError(f"host {self.name}: what was to listen on {where} ended")
            if time.monotonic() > end:
                raise LabError(f"host {self.name}: nothing listens on {where} after {timeout:g} s")

    @property
    def env(self) -> dict[str, str]:
        """What the scenario wrote into the host: NETDEV, RDMADEV, GIDX and so on."""
        if self._env is None:
            text = self.run(f"cat {ENV_FILE} 2>/dev/null || true").stdout
            self._env = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        return self._env

    def set_env(self, values: dict) -> None:
        text = "".join(f"{key}={value}\n" for key, value in values.items())
        self.write(ENV_FILE, text)
        self._env = None

    def qmp(self, command: str, **arguments):
        return self.machine.qmp(command, **arguments)
