# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Shows what is going on, and for how long, whenever it takes longer than a moment.

On a terminal one line that counts seconds; elsewhere plain lines, so that logs stay readable.
Everything goes to standard error: standard output belongs to the commands.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time


class Progress:
    """quiet: only what failed.  Steps may nest; the innermost one is shown."""

    def __init__(self, stream=None, quiet: bool = False):
        self.stream = stream or sys.stderr
        self.quiet = quiet
        self.tty = self.stream.isatty()
        self._lock = threading.Lock()
        self._stack: list[list] = []

    def say(self, text: str) -> None:
        if self.quiet:
            return
        with self._lock:
            self._clear()
            self._write(text + "\n")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(text)
            self.stream.flush()

    def _clear(self) -> None:
        if self.tty and self._stack:
            self._write("\r\033[K")

    @contextlib.contextmanager
    def step(self, text: str):
        """Shows text while the block runs, then how long it took (if it took long)."""
        begin = time.monotonic()
        stop = threading.Event()
        entry = [text, begin]
        with self._lock:
            self._stack.append(entry)
        ticker = None
        if not self.quiet:
            ticker = threading.Thread(target=self._tick, args=(entry, stop), daemon=True)
            ticker.start()
        done = False
        try:
            yield
            done = True
        finally:
            stop.set()
            if ticker:
                ticker.join()
            with self._lock:
                self._clear()
                self._stack.remove(entry)
                took = time.monotonic() - begin
                if not self.quiet and (took >= 2 or not done):
                    self._write(f"{text}: {'done' if done else 'failed'} ({took:.0f} s)\n")

    def _tick(self, entry: list, stop: threading.Event) -> None:
        """A terminal gets a running clock, a log one line at the start and one a minute."""
        said = 0.0
        wait = 0.5
        while not stop.wait(wait):
            took = time.monotonic() - entry[1]
            with self._lock:
                if not self._stack or self._stack[-1] is not entry:
                    continue
                if self.tty:
                    self._write(f"\r\033[K{entry[0]} ... {took:.0f} s")
                elif took >= 2 and (not said or took - said >= 60):
                    self._write(f"{entry[0]} ... {took:.0f} s\n" if said else f"{entry[0]} ...\n")
                    said = took
            wait = 1
