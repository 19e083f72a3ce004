# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Runs programs of the host so that none of them outlives us and a failure explains itself."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from pathlib import Path

from .config import LabError

PR_SET_PDEATHSIG = 1
_running: set[subprocess.Popen] = set()
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def tail(text: str, lines: int = 25) -> str:
    return "\n".join(text.rstrip().splitlines()[-lines:])


def run(argv, what: str, log: Path | None = None, env: dict | None = None, cwd=None,
        hint=None) -> str:
    """Runs argv in its own process group; on any exception (Ctrl-C too) the group is ended.

    Returns its output (both streams).  A failure becomes LabError with the last lines; hint(output)
    may return a sentence that says what to do.
    """
    argv = [str(a) for a in argv]
    try:
        # The group lets us end mmdebstrap's and make's children with them.
        proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, env=env, cwd=cwd,
                                preexec_fn=die_with_parent, start_new_session=True)
    except OSError as err:
        raise LabError(f"{what}: cannot start {argv[0]}: {err.strerror}") from err
    _running.add(proc)
    try:
        output = proc.communicate()[0].decode(errors="replace")
    except BaseException:
        end_group(proc)
        raise
    finally:
        _running.discard(proc)
    if log:
        log.write_text(f"$ {' '.join(argv)}\n{output}")
    if proc.returncode:
        text = f"{what} failed (exit status {proc.returncode})"
        advice = hint(output) if hint else None
        if advice:
            text += f": {advice}"
        text += "\n" + tail(output)
        if log:
            text += f"\n(all of it: {log})"
        raise LabError(text)
    return output


def end_all() -> None:
    """Ends what other threads have running: they cannot be interrupted, their programs can."""
    for proc in list(_running):
        try:
            os.killpg(proc.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass


def end_group(proc: subprocess.Popen, patience: float = 10) -> None:
    """TERM lets mmdebstrap remove its temporary folder; KILL follows."""
    for sig in (signal.SIGTERM, signal.SIGKILL):
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
