# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""One host is one QEMU: its command line, its monitor, and whether KVM may be used."""

from __future__ import annotations

import ctypes
import fcntl
import json
import mmap
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from . import boot, kernelname, snapshot, tools
from .channel import PORTS
from .config import CABLES, LabError, cache_root, make_dir
from .image import Image
from .kernels import Kernel
from .run import die_with_parent, interrupts_wait

# What finds no CPU of its own is emulated: erms and fsrm off, for QEMU counts and runs `rep movsb`
# byte by byte, where the kernel would take it for the fastest copy there is.
EMULATED_CPU = "max,-erms,-fsrm"
# Headroom for cables: an adapter may want more than its functions' MTU on its cable.
CABLE_MAX_MTU = 9216
# Of virtio's receive ring; the bench lets cables deliver whole windows at once.
RX_QUEUE, COUNTED_RX_QUEUE = 256, 1024
PROBE_SECONDS = 25

# An HPET that the guest's kernel has stopped using leaves the old timer ticking 250 times a second in
# QEMU, for ever: 5 % of a real CPU for each idle host.
MACHINE = "q35,hpet=off"

# Caches of processes and files, none of which a module of ours or the network allocates from. Red
# zones, poison and checks are on there as everywhere; who allocated an object last is not noted: two
# walks of the stack for each, a third of what starting a program costs.
QUIET_CACHES = ("vm_area_struct,vma_lock,maple_node,anon_vma,anon_vma_chain,mm_struct,task_struct,"
                "signal_cache,sighand_cache,files_cache,fs_cache,cred_jar,pid,names_cache,filp,"
                "dentry,inode_cache,proc_inode_cache,shmem_inode_cache,ovl_inode,"
                "squashfs_inode_cache,radix_tree_node,lsm_file_cache,lsm_inode_cache")
# What finds memory faults; costs speed, so the bench goes without.  A deferrable KFENCE takes its
# samples while the host does something, and does not wake it for them (5 % of a CPU).  Security
# modules that look at every file and program have no policy here and cost the hosts 20 %.
DEBUG_ARGS = (f"slub_debug=FZPU;FZP,{QUIET_CACHES} page_poison=1 kfence.sample_interval=5 "
              "kfence.deferrable=1 ignore_loglevel lsm=lockdown,yama")

# A kernel that was built to find faults needs none of that; each of its reports counts.
# no5lvl: identify_cpu() forgets for a moment what the CPU can do, and KASAN asks it whether page tables
# have five levels: an interrupt then is a report for each access, and the console never ends.
DEBUG_KERNEL_ARGS = "ignore_loglevel kasan_multi_shot no5lvl"

# A busy machine without KVM may take a CPU from a guest for long: that is no stall.
PATIENT_ARGS = ("rcupdate.rcu_cpu_stall_timeout=120 watchdog_thresh=60 "
                "workqueue.watchdog_thresh=120 sysctl.kernel.hung_task_timeout_secs=300")


def kvm_works(image: Image, kernel: Kernel, progress) -> bool:
    """True if this kernel has really booted under KVM since the machine started."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    boot_id = snapshot.boot_id()
    verdict = make_dir(cache_root()) / f"kvm-{os.getuid()}.json"
    try:
        known = json.loads(verdict.read_text())
        if known.get("boot") == boot_id and kernel.key in known["works"]:
            return known["works"][kernel.key]
    except (OSError, ValueError, KeyError):
        known = {}
    with progress.step("trying whether KVM can boot a host"):
        works = _probe(image, kernel)
    if known.get("boot") != boot_id:
        known = {"boot": boot_id, "works": {}}
    known["works"][kernel.key] = works
    tmp = verdict.with_suffix(f".{os.getpid()}")
    tmp.write_text(json.dumps(known))
    tmp.rename(verdict)
    return works


def _probe(image: Image, kernel: Kernel) -> bool:
    argv = [*tools.qemu(image), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-machine", MACHINE, "-accel", "kvm", "-cpu", "host", "-m", "512", "-smp", "1",
            "-kernel", kernel.vmlinuz, "-initrd", boot.ensure(image, kernel),
            "-append", "console=ttyS0 panic=-1 lab.probe=1", "-serial", "stdio"]
    try:
        out = subprocess.run([str(a) for a in argv], check=False, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             env=tools.environment(image), timeout=PROBE_SECONDS).stdout
    except subprocess.TimeoutExpired as err:
        out = err.stdout or b""
    except OSError:
        return False
    return b"roce-ipsec-lab: probe ok" in out


# Emulated hosts boot with one CPU and are given the others when they are up: a boot on several costs
# more, and one snapshot serves hosts with one CPU and with two.
EMULATED_CPUS = 2
LATER_ARGS = "maxcpus=1"

# With -icount the TSC counts instructions.
COUNTED_CLOCK_ARGS = "tsc_early_khz=1000000 tsc=nowatchdog"


def clock_args() -> str:
    """How a guest without KVM learns the rate of its TSC, which is this machine's.

    Its own measurement goes wrong by a factor of ten where other programs keep the CPUs busy, and
    then all its time-outs do.  The other clocks cost a trip into QEMU for every look at the time.
    """
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as handle:
        flags = next((line for line in handle if line.startswith("flags")), "").split()
    if "constant_tsc" not in flags or "nonstop_tsc" not in flags:
        return "tsc=unstable"
    return f"tsc_early_khz={host_tsc_khz()} tsc=nowatchdog"


def host_tsc_khz() -> int:
    # rdtsc; shl rdx, 32; or rax, rdx; ret
    code = bytes.fromhex("0f3148c1e2204809d0c3")
    with mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as page:
        page.write(code)
        pin = ctypes.c_char.from_buffer(page)
        rdtsc = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(pin))

        def sample() -> tuple[int, int]:
            """(nanoseconds, ticks) of one moment: of many tries the least disturbed."""
            tries = []
            for _ in range(50):
                before = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
                ticks = rdtsc()
                after = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
                tries.append((after - before, before, ticks))
            _, when, ticks = min(tries)
            return when, ticks

        t0, c0 = sample()
        time.sleep(0.1)
        t1, c1 = sample()
        del pin
    return round((c1 - c0) * 1e6 / (t1 - t0))


def mac(host: str, cable: int) -> str:
    return f"02:1b:0{host}:00:00:0{cable}"


class Machine:
    """Files and process of one host.  folder: sockets; logs: console and captures."""

    def __init__(self, host: str, state: Path, logs: Path):
        self.host = host
        self.folder = state / host
        self.state = state
        self.console = logs / f"console-{host}.log"
        self.output = logs / f"qemu-{host}.log"
        self.logs = logs

    def pcap(self, cable: int) -> Path:
        return self.logs / f"{self.host}{cable}.pcap"

    def cable_socket(self, host: str, cable: int) -> Path:
        return self.state / f"{host}{cable}.sock"

    def _cable_args(self, cable: int, capture: bool, icount: bool) -> list[str]:
        peer = "b" if self.host == "a" else "a"
        args = ["-netdev", f"dgram,id=cable{cable},local.type=unix,remote.type=unix,"
                f"local.path={self.cable_socket(self.host, cable)},"
                f"remote.path={self.cable_socket(peer, cable)}"]
        # Without offloads a capture shows what a wire would carry: whole checksums, no
        # superpackets.
        offloads = ",".join(f"{name}=off" for name in (
            "csum", "gso", "guest_csum", "guest_tso4", "guest_tso6", "guest_ecn", "guest_ufo",
            "host_tso4", "host_tso6", "host_ecn", "host_ufo"))
        args += ["-device", f"virtio-net-pci,netdev=cable{cable},id=nic{cable},"
                 f"mac={mac(self.host, cable)},host_mtu={CABLE_MAX_MTU},mrg_rxbuf=on,"
                 f"rx_queue_size={COUNTED_RX_QUEUE if icount else RX_QUEUE},"
                 f"romfile=,{offloads}"]
        if capture:
            args += ["-object", f"filter-dump,id=dump{cable},netdev=cable{cable},"
                     f"file={self.pcap(cable)}"]
        return args

    def argv(self, image: Image, kernel: Kernel, *, kvm: bool, cpus: int, memory: int, mtu: int,
             debug: bool, disks: list[Path], capture: bool, icount: bool = False) -> list[str]:
        """icount: one instruction is one nanosecond of the guest's time.

        Without KVM and icount a host boots with one of its CPUs: Lab switches the others on.
        """
        disks = [kernel.disk, *disks]
        later = not kvm and not icount
        clock = "" if kvm else COUNTED_CLOCK_ARGS if icount else clock_args()
        patience = f"{PATIENT_ARGS} {clock}"
        looks = DEBUG_KERNEL_ARGS if kernelname.is_debug(kernel) else DEBUG_ARGS
        append = ["console=ttyS0", "panic=-1", "mitigations=off", f"lab.host={self.host}",
                  f"lab.mtu={mtu}", patience, looks if debug else "loglevel=5",
                  f"lab.parts={len(disks)}", f"lab.ports={PORTS}"]
        append += [LATER_ARGS] if later else []
        args = [*tools.qemu(image), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                "-name", f"roce-ipsec-lab-{self.host}", "-machine", MACHINE, "-m", str(memory),
                "-smp", str(max(cpus, EMULATED_CPUS) if later else cpus)]
        args += ["-accel", "kvm", "-cpu", "host"] if kvm else \
                ["-accel", f"tcg,thread={'single' if icount else 'multi'},tb-size=256",
                 "-cpu", EMULATED_CPU]
        # Another one for every QEMU, so that no two hosts have the same random numbers.
        args += ["-device", "vmgenid,guid=auto"]
        if icount:
            args += ["-icount", "shift=0,sleep=on,align=off"]
        args += ["-kernel", str(kernel.vmlinuz), "-initrd", str(boot.ensure(image, kernel)),
                 "-append", " ".join(append),
                 "-chardev", f"file,id=console,path={self.console}", "-serial", "chardev:console",
                 "-qmp", f"unix:{self.folder}/qmp.sock,server=on,wait=off"]
        for number, path in enumerate([image.squashfs, *disks]):
            serial = f"part{number}" if number else "root"
            args += ["-drive", f"if=none,id={serial},file={path},format=raw,readonly=on",
                     "-device", f"virtio-blk-pci,drive={serial},serial={serial}"]
        args += ["-device", f"virtio-serial-pci,max_ports={PORTS + 1}"]
        for port in range(PORTS):
            args += ["-chardev", f"socket,id=agent{port},path={self.folder}/agent{port}.sock,"
                     "server=on,wait=off",
                     "-device", f"virtserialport,chardev=agent{port},name=agent{port}"]
        for cable in CABLES:
            args += self._cable_args(cable, capture, icount)
        return args

    def start(self, argv: list[str], env: dict[str, str], keep: bool) -> None:
        """keep: the host outlives this process (`roce-ipsec-lab up`)."""
        self.folder.mkdir()
        for port in range(PORTS):
            (self.folder / f"agent{port}.lock").touch()
        with open(self.output, "wb") as output, interrupts_wait():
            try:
                proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output,
                                        stderr=subprocess.STDOUT, start_new_session=True,
                                        env=env, cwd="/", preexec_fn=None if keep else die_with_parent)
            except OSError as err:
                raise LabError(f"cannot start {argv[0]}: {err.strerror}") from err
            try:
                (self.folder / "pid").write_text(f"{proc.pid} {start_time(proc.pid)}\n")
            except OSError:
                proc.kill()		# nobody could find it later
                raise

    def wait_monitor(self, timeout: float = 30) -> None:
        """A QEMU that has just been started has its monitor in a moment."""
        end = time.monotonic() + timeout
        while True:
            try:
                self.qmp("query-status")
                return
            except LabError:
                if self.pid() is None or time.monotonic() > end:
                    raise
            time.sleep(0.02)

    def pid(self) -> int | None:
        """The running QEMU's process id, never that of somebody who reused the number."""
        try:
            pid, started = (self.folder / "pid").read_text().split()
        except (OSError, ValueError):
            return None
        return int(pid) if start_time(int(pid)) == started else None

    def cpu_seconds(self) -> float:
        """What QEMU has used of this machine's CPUs."""
        pid = self.pid()
        fields = _stat(pid) if pid else None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0

    def own_fault(self) -> str | None:
        """The assertion that QEMU itself fell over, if it did."""
        try:
            lines = self.output.read_text(errors="replace").splitlines()
        except OSError:
            return None
        return next((line.strip() for line in lines if "Assertion `" in line), None)

    def why_dead(self) -> str:
        """What QEMU said, and the console's last lines; a QEMU that never ran has no console."""
        said = []
        for path, lines in ((self.output, 20), (self.console, 8)):
            try:
                said += path.read_text(errors="replace").strip().splitlines()[-lines:]
            except OSError:
                continue
        return "\n".join(said)

    def kill(self) -> None:
        pid = self.pid()
        if pid is None:
            return
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.wait_gone(10)

    def wait_gone(self, timeout: float) -> bool:
        end = time.monotonic() + timeout
        while self.pid() is not None:
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def qmp(self, command: str, **arguments):
        """One command on the monitor; QEMU serves one client at a time, hence the lock."""
        with open(self.folder / "qmp.lock", "a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                sock.settimeout(20)
                try:
                    sock.connect(str(self.folder / "qmp.sock"))
                    stream = sock.makefile("rw", encoding="utf-8")
                    stream.readline()
                    _qmp_call(stream, "qmp_capabilities", {})
                    return _qmp_call(stream, command, arguments)
                except OSError as err:
                    raise LabError(f"host {self.host}: its monitor does not answer") from err


def _qmp_call(stream, command: str, arguments: dict):
    stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
    stream.flush()
    for line in stream:
        answer = json.loads(line)
        if "return" in answer:
            return answer["return"]
        if "error" in answer:
            raise LabError(f"QEMU refused {command}: {answer['error'].get('desc')}")
    raise LabError(f"QEMU closed its monitor during {command}")


def _stat(pid: int) -> list[str] | None:
    """Of /proc/PID/stat what is behind the name, the state first; None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as handle:
            return handle.read().rpartition(")")[2].split()
    except OSError:
        return None


def start_time(pid: int) -> str | None:
    """When a live process started (clock ticks since boot); None for a dead one."""
    fields = _stat(pid)
    if not fields:
        return None
    if fields[0] == "Z":
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass
        return None
    return fields[19]
