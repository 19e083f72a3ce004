# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Tests of the lab itself that need no hosts: a cache, a state folder and no disk of their own."""

import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import madeup  # noqa: E402
from lab import kernels  # noqa: E402
from lab.progress import Progress  # noqa: E402


class Said(Progress):
    """Keeps what was said."""

    def __init__(self):
        super().__init__(quiet=True)
        self.lines = []

    def say(self, text):
        self.lines.append(text)


@pytest.fixture
def progress():
    return Said()


@pytest.fixture
def debian(tmp_path, monkeypatch):
    """A made-up mirror with a stable kernel, and nothing in its backports."""
    monkeypatch.setenv("ROCE_IPSEC_LAB_MIRROR", f"file://{tmp_path}/mirror")
    monkeypatch.setenv("ROCE_IPSEC_LAB_MIRROR_TRUSTED", "yes")
    mirror = madeup.Mirror(tmp_path / "mirror")
    mirror.kernel(madeup.SUITE, madeup.STABLE)
    return mirror


@pytest.fixture
def instant(debian, monkeypatch):
    """The same without apt, for tests of what comes after it."""
    monkeypatch.setattr(kernels, "Apt", madeup.instant_apt(debian))
    return debian


@pytest.fixture
def img(tmp_path):
    return madeup.Image(tmp_path / "image")


@pytest.fixture
def fetched(monkeypatch):
    """The kernels made so far; depmod and mksquashfs are pretended."""
    return madeup.pretend_image_programs(monkeypatch, kernels)


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """No test sees, or touches, the caches and labs of whoever runs it.

    The state folder must have a short path, for sockets: not below pytest's own.
    """
    short = tempfile.mkdtemp(prefix="lab-test-", dir="/tmp")
    monkeypatch.setenv("ROCE_IPSEC_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ROCE_IPSEC_LAB_STATE", f"{short}/state")
    for name in ("NAME", "SOURCE", "MIRROR", "MIRROR_TRUSTED"):
        monkeypatch.delenv(f"ROCE_IPSEC_LAB_{name}", raising=False)
    yield Path(short)
    shutil.rmtree(short)


@pytest.fixture(autouse=True, scope="session")
def signals():
    """As in a terminal: a run in the background, or under nohup, is born with some ignored,
    and would hand that on to the programs whose interrupts are tested."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL,
             signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
