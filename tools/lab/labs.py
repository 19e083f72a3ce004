# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The two hosts together: boot, cables, captures, end."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import cache as folders
from . import boot, ending, faults, image, kernelname, project, qemu, scenario, snapshot, tools
from .channel import Channel
from .config import (CABLES, HOSTS, MTUS, SCENARIOS, LabError, available_memory,
                     cache_root, check_private, lab_name, locked, make_dir, need_disk, state_dir)
from .host import Host
from .progress import Progress
from .run import interrupts_wait

MEMORY_MB, DEBUG_MEMORY_MB = 1024, 2560	# shadow memory, quarantine, records of each object
BOOT_SECONDS, DEBUG_BOOT_SECONDS = 180, 900
QEMU_OVERHEAD_MB = 300


class EmulatorDied(LabError):
    """QEMU fell over one of its own assertions: no word about the guest."""


class LabFault(LabError):
    """A kernel reported a fault on its console."""

    def __init__(self, found: list[str]):
        self.faults = found
        super().__init__("kernel faults on the consoles:\n" + "\n---\n".join(found))


def default_cpus(kvm: bool) -> int:
    """CPUs of a host: races need two to show, but only where the machine can run them all.

    Emulated CPUs that share a real one spin for each other's time slices: where a test needs two
    of them it says so.
    """
    return 2 if kvm or (os.cpu_count() or 1) >= 2 * len(HOSTS) else 1


class Lab:
    """See the package's documentation."""

    def __init__(self, name: str, info: dict):
        self.name = name
        self.info = info
        self.state = state_dir(name)
        self.logs = Path(info["logs"])
        self.hosts = {h: Host(self, h, qemu.Machine(h, self.state, self.logs)) for h in HOSTS}
        self.faults: list[str] = []
        self._cpus = 1		# of each host, that are known to be switched on

    a = property(lambda self: self.hosts["a"])
    b = property(lambda self: self.hosts["b"])
    kernel = property(lambda self: self.info["kernel"])	# its role
    # How many times longer a command may take than it says: kernels that look for faults are slow.
    patience = property(lambda self: DEBUG_BOOT_SECONDS // BOOT_SECONDS
                        if self.kernel in kernelname.DEBUG_NAMES else 1)
    scenario = property(lambda self: self.info["scenario"])
    mtu = property(lambda self: self.info["mtu"])
    kvm = property(lambda self: self.info["kvm"])

    def host(self, name: str) -> Host:
        if name not in self.hosts:
            raise LabError(f"there is no host {name!r}; hosts are a and b")
        return self.hosts[name]

    # -- start

    @classmethod
    def up(cls, kernel: str = "stable", scenario: str = "bare", mtu: int = 1500,
           name: str | None = None, cpus: int | None = None, memory: int | None = None,
           debug: bool = True, build: bool = True, capture: bool = True,
           progress: Progress | None = None, keep: bool = False, icount: bool = False,
           cold: bool = False) -> Lab:
        """Boots a lab; keep: it outlives this process, until somebody calls down().

        icount: for the bench, one instruction is a nanosecond of the hosts' time; never with KVM.
        cold: a real boot, even if there is a snapshot of one.
        """
        progress = progress or Progress(quiet=True)
        name = lab_name(name)
        kernelname.check(kernel)
        _check_choice("scenario", scenario, SCENARIOS)
        _check_choice("mtu", mtu, MTUS)
        state = state_dir(name)
        make_dir(state.parent, 0o700)
        check_private(state.parent)
        with locked(state.parent / f"{name}.lock",
                    lambda: progress.say(f"lab {name} is being started or stopped; waiting")):
            _clear_stale(name, state, progress)
            memory = memory or (DEBUG_MEMORY_MB if kernel in kernelname.DEBUG_NAMES else MEMORY_MB)
            _check_room(memory)
            img = image.ensure(progress)
            chosen = kernelname.choose(img, kernel, progress)
            parts = project.ensure(img, progress, project.parts_of(chosen) if build else [],
                                   strict=scenario != "bare")
            kvm = not icount and qemu.kvm_works(img, chosen, progress)
            cpus = cpus or default_cpus(kvm)
            info = {"kernel": chosen.role, "scenario": scenario, "mtu": mtu, "kvm": kvm,
                    "release": chosen.release, "icount": icount, "cold": cold, "debug": debug, "started": time.time(),
                    "logs": str(_log_dir(name)), "keep": keep}
            shutil.rmtree(info["logs"], ignore_errors=True)
            make_dir(Path(info["logs"]))
            state.mkdir(mode=0o700)
            (state / "lab.json").write_text(json.dumps(info))
            lab = cls(name, info)
            try:
                lab._boot(img, chosen, [p.disk for p in parts], cpus, memory, capture, progress)
                lab.switch_on(cpus)
                lab._prepare(progress)
            except BaseException:
                lab._kill()
                raise
        return lab

    def _boot(self, img, kernel, disks, cpus: int, memory: int, capture: bool, progress) -> None:
        boot.ensure(img, kernel)
        argvs = {name: host.machine.argv(img, kernel, kvm=self.kvm, cpus=cpus, memory=memory,
                                         mtu=self.mtu, debug=self.info["debug"], disks=disks,
                                         capture=capture, icount=self.info["icount"])
                 for name, host in self.hosts.items()}
        env = tools.environment(img)
        # KVM boots in the time that going on from a snapshot takes.
        saved = None if self.kvm or self.info["icount"] else \
            snapshot.folder_of(argvs, self.state, self.logs)
        if saved and not self.info["cold"] and folders.find(saved):
            try:
                self._resume(img, saved, argvs, env, kernel, progress)
                return
            except LabError as err:
                progress.say(f"booting anew: the snapshot does not serve ({err})")
                self._clear_machines()
                folders.remove_tree(saved)
        try:
            self._start(argvs, env, kernel, progress)
        except EmulatorDied as err:
            # Seen once in some 300 boots, with two CPUs (msix_table_mmio_write() of QEMU 10.0).
            progress.say(f"booting once more: {err}")
            self._clear_machines()
            self._start(argvs, env, kernel, progress)
        if saved and not self.info["cold"] and not self.scan():
            with progress.step("keeping the hosts as they are now"):
                snapshot.save(img, saved, {n: h.machine for n, h in self.hosts.items()})

    def _clear_machines(self) -> None:
        for host in self.hosts.values():
            host.machine.kill()
            shutil.rmtree(host.machine.folder, ignore_errors=True)
            for path in self.state.glob(f"{host.name}*.sock"):
                path.unlink()

    def _resume(self, img, saved: Path, argvs, env, kernel, progress) -> None:
        with progress.step(f"hosts a and b go on from a boot ({self.kernel} kernel "
                           f"{kernel.release})"):
            for name, host in self.hosts.items():
                host.machine.start([*argvs[name], "-incoming", "defer"], env,
                                   keep=self.info["keep"])
            snapshot.resume(img, saved, {n: h.machine for n, h in self.hosts.items()})
            for host in self.hosts.values():
                host.run(["busybox", "date", "-s", f"@{time.time():.0f}"])

    def _start(self, argvs, env, kernel, progress) -> None:
        how = "" if self.kvm else ", without KVM"
        with progress.step(f"booting hosts a and b ({self.kernel} kernel {kernel.release}{how})"):
            for name, host in self.hosts.items():
                host.machine.start(argvs[name], env, keep=self.info["keep"])
            patience = DEBUG_BOOT_SECONDS if kernelname.is_debug(kernel) else BOOT_SECONDS
            end = time.monotonic() + patience
            for host in self.hosts.values():
                self._wait_agent(host, end, patience)

    @staticmethod
    def _wait_agent(host: Host, end: float, patience: float) -> None:
        """The first command waits in the port until the agent reads it."""
        machine = host.machine
        while True:
            if machine.pid() is None:
                own = machine.own_fault()
                if own:
                    raise EmulatorDied(f"host {host.name}: {own}")
                raise LabError(f"host {host.name} died while booting\n{machine.why_dead()}")
            if time.monotonic() > end:
                raise LabError(f"host {host.name} did not boot in {patience:.0f} s; the last of "
                               f"{machine.console}:\n{machine.why_dead()}")
            try:
                Channel(machine.folder, host.name, timeout=5).close()
                return
            except LabError:
                time.sleep(0.1)

    def switch_on(self, cpus: int) -> None:
        """Of CPUs that hosts have booted without (qemu.LATER_ARGS), so that they have that many."""
        script = "\n".join(f"f=/sys/devices/system/cpu/cpu{n}/online; read -r on < $f; "
                           f"[ $on = 1 ] || echo 1 > $f" for n in range(self._cpus, cpus))
        if script:
            for host in self.hosts.values():
                host.run(script)
            self._cpus = cpus

    def _prepare(self, progress) -> None:
        for host in self.hosts.values():
            for cable in CABLES:
                result = host.run(["cat", f"/sys/class/net/cable{cable}/carrier"], check=False)
                if result.stdout.strip() != "1":
                    raise LabError(f"host {host.name}: cable{cable} has no carrier\n"
                                   f"{result.output}")
        scenario.prepare(self, progress)

    @classmethod
    def attach(cls, name: str | None = None) -> Lab:
        name = lab_name(name)
        try:
            info = json.loads((state_dir(name) / "lab.json").read_text())
        except (OSError, ValueError):
            raise LabError(f"lab {name} is not running; start it with: roce-ipsec-lab up") from None
        return cls(name, info)

    def is_running(self) -> bool:
        return all(h.machine.pid() is not None for h in self.hosts.values())

    # -- cables and logs

    def cut(self, cable: int) -> None:
        self._set_link(cable, False)

    def plug(self, cable: int) -> None:
        self._set_link(cable, True)

    def _set_link(self, cable: int, is_up: bool) -> None:
        _check_choice("cable", cable, CABLES)
        for host in self.hosts.values():
            host.qmp("set_link", name=f"cable{cable}", up=is_up)

    def pcap(self, cable: int, host: str = "a") -> Path:
        _check_choice("cable", cable, CABLES)
        return self.host(host).machine.pcap(cable)

    def pcaps(self) -> list[Path]:
        return [self.pcap(c, h) for h in HOSTS for c in CABLES]

    def inject(self, host: str, cable: int, frame: bytes) -> None:
        """An Ethernet frame (without FCS) arrives at that host's end of the cable."""
        _check_choice("cable", cable, CABLES)
        path = self.host(host).machine.cable_socket(host, cable)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(10)
            try:
                sock.sendto(frame, str(path))
            except OSError as err:
                raise LabError(f"cannot inject into {host}'s end of cable {cable}: "
                               f"{err.strerror or err}") from err

    def console(self, host: str) -> Path:
        return self.host(host).machine.console

    def mark(self, text: str) -> None:
        for host in self.hosts.values():
            host.run(["sh", "-c", 'echo "<5>roce-ipsec-lab: $1" > /dev/kmsg', "sh", text])

    def scan(self) -> list[str]:
        """Faults of the kernels, on their consoles."""
        return [f"host {h}: {fault}" for h in HOSTS
                for fault in faults.scan_text(faults.read(self.console(h)))]

    def crashes(self) -> list[str]:
        """Programs that died of a fault of their own."""
        return [f"host {h}: {line}" for h in HOSTS
                for line in faults.crashes_in(faults.read(self.console(h)))]

    # -- end

    def down(self, timeout: float = 30) -> list[str]:
        """Stops both hosts; returns what their consoles reported, and what did not come to rest."""
        dead = [h for h in self.hosts.values() if h.machine.pid() is None]
        alive = [h for h in self.hosts.values() if h not in dead]
        with ThreadPoolExecutor(len(HOSTS)) as pool:
            restless = [fault for found in pool.map(ending.restless, alive) for fault in found]
        for host in self.hosts.values():
            if host not in dead:
                try:
                    host.spawn("sync; busybox poweroff -f")
                except LabError:
                    pass
        end = time.monotonic() + timeout
        stuck = [h for h in self.hosts.values()
                 if not h.machine.wait_gone(max(0.1, end - time.monotonic()))]
        found = self.scan() + restless
        found += [f"host {h.name}: had died before\n{h.machine.why_dead()}" for h in dead]
        found += [f"host {h.name}: did not power off within {timeout:g} s" for h in stuck]
        self._kill()
        self.faults = found
        return found

    def _kill(self) -> None:
        with interrupts_wait():
            for host in self.hosts.values():
                host.machine.kill()
            shutil.rmtree(self.state, ignore_errors=True)

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, kind, *_) -> None:
        if kind and issubclass(kind, KeyboardInterrupt):
            self._kill()		# whoever interrupts does not want to wait for a shutdown
            return
        found = self.down()
        if found and kind is None:
            raise LabFault(found)


def _check_choice(what: str, value, allowed) -> None:
    if value not in allowed:
        raise LabError(f"{what} {value!r}: one of {', '.join(str(a) for a in allowed)}")


def _log_dir(name: str) -> Path:
    """Consoles and captures may grow and are read after the end: not in the state folder."""
    return cache_root() / "logs" / f"{os.getuid()}-{name}"


def _clear_stale(name: str, state: Path, progress) -> None:
    if not state.exists():
        return
    check_private(state)
    try:
        old = Lab.attach(name)
    except LabError:
        shutil.rmtree(state, ignore_errors=True)
        return
    if all(h.machine.pid() is not None for h in old.hosts.values()):
        raise LabError(f"lab {name} is already running (kernel {old.kernel}, scenario "
                       f"{old.scenario}); stop it with: roce-ipsec-lab --lab {name} down\n"
                       "or use another name: roce-ipsec-lab --lab NAME ...")
    progress.say(f"lab {name} was left behind by a run that died; clearing it away")
    old._kill()


def memory_of_lab(memory: int = MEMORY_MB) -> int:
    """Megabytes that two hosts of that size take."""
    return len(HOSTS) * (memory + QEMU_OVERHEAD_MB)


def _check_room(memory: int) -> None:
    want = memory_of_lab(memory)
    have = available_memory()
    if have < want:
        raise LabError(f"two hosts of {memory} MB need {want} MB of free memory, {have} MB are "
                       "available; close something or use --memory")
    need_disk(cache_root(), 500, "a lab")
