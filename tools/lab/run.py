# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Runs programs of the host so that none of them outlives us and a failure explains itself."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
from pathlib import Path

from .config import LabError

PR_SET_PDEATHSIG = 1
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_running: set[subprocess.Popen] = set()
_is_ending = threading.Event()
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def tail(text: str, lines: int) -> str:
    return "\n".join(text.rstrip().splitlines()[-lines:])


def take_interrupts() -> None:
    """From now on the first of INTERRUPTS unwinds as KeyboardInterrupt, and more don't disturb it.

    What the caller had ignored (nohup, a shell's background job) stays ignored.
    """
    def unwind(_number, _frame):
        for sig in INTERRUPTS:
            signal.signal(sig, signal.SIG_IGN)
        raise KeyboardInterrupt

    for sig in INTERRUPTS:
        if signal.getsignal(sig) != signal.SIG_IGN:
            signal.signal(sig, unwind)


@contextlib.contextmanager
def interrupts_wait():
    """Interrupts arrive after the block, so that what it starts is also written down."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    old = {sig: signal.signal(sig, lambda number, _frame: caught.append(number))
           for sig in INTERRUPTS if signal.getsignal(sig) not in (signal.SIG_IGN, None)}
    try:
        yield
    finally:
        for sig, handler in old.items():
            signal.signal(sig, handler)
        if caught:
            signal.raise_signal(caught[0])


def run(argv, what: str, log: Path | None = None, env: dict | None = None, cwd=None,
        hint=None, pass_fds=()) -> str:
    """As outcome(), but a failure becomes LabError with the last lines.

    hint(output) may return a sentence that says what to do.
    """
    argv = [str(a) for a in argv]
    status, output = outcome(argv, what, log, env, cwd, pass_fds)
    if status:
        text = f"{what} failed (exit status {status})"
        advice = hint(output) if hint else None
        if advice:
            text += f": {advice}"
        text += "\n" + tail(output, 5 if advice else 25)
        if log:
            text += f"\n(all of it: {log})"
        raise LabError(text)
    return output


def outcome(argv, what: str, log: Path | None = None, env: dict | None = None, cwd=None,
            pass_fds=()) -> tuple[int, str]:
    """Runs argv in its own process group; on any exception (Ctrl-C too) the group is ended.

    Returns its exit status and its output (both streams).
    """
    if _is_ending.is_set():
        raise LabError(f"{what}: interrupted")
    proc = None
    try:
        # An interrupt between the start and the assignment would leave it running.
        with interrupts_wait():
            # The group lets us end mmdebstrap's and make's children with them.
            proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, env=env, cwd=cwd,
                                    preexec_fn=die_with_parent, start_new_session=True,
                                    pass_fds=pass_fds)
            _running.add(proc)
        output = proc.communicate()[0].decode(errors="replace")
    except BaseException as err:
        if proc:
            end_group(proc)
        elif isinstance(err, OSError):
            raise LabError(f"{what}: cannot start {argv[0]}: {err.strerror}") from err
        raise
    finally:
        _running.discard(proc)
    if log:
        log.write_text(f"$ {' '.join(argv)}\n{output}")
    return proc.returncode, output


def is_ending() -> bool:
    """True once end_all() was called: what failed since then may have failed because of it."""
    return _is_ending.is_set()


def end_all() -> None:
    """Ends what other threads have running, and lets them start nothing more.

    They cannot be interrupted themselves.  For good: whoever calls this is about to end.
    """
    _is_ending.set()
    for proc in list(_running):
        end_group(proc)


def end_group(proc: subprocess.Popen, patience: float = 10, first=signal.SIGTERM) -> None:
    """TERM lets mmdebstrap remove its temporary folder; KILL follows."""
    for sig in (first, signal.SIGKILL):
        try:
            os.killpg(proc.pid, sig)
        except ProcessLookupError:
            pass
        try:
            proc.wait(patience)
            if sig == signal.SIGKILL:
                return
        except subprocess.TimeoutExpired:
            continue
    proc.wait()
