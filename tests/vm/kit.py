# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What the tests share: the wire, SAs typed by hand, counters, and a queue pair on a string."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import time
from pathlib import Path

from lab import CommandFailed, judge, scenario
from lab.aead import random_key
from lab.adapter import gid_index
from lab.frames import Frame, Pcap
from lab.perftest import End

CABLES = (0, 1)

# Emulated hosts share a machine with others: what a quiet one needs, times this.
PATIENCE = 2


def poll(question, timeout: float = 20, what: str = "", every: float = 0.1):
    """The first true answer of question(); fails after timeout seconds on a quiet machine."""
    timeout *= PATIENCE
    end = time.monotonic() + timeout
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < end, f"did not happen within {timeout} s: {what or question}"
        time.sleep(every)


def each(lab, command, check: bool = True, timeout: float = 120, argv=None) -> dict[str, str]:
    """Runs a shell script in both hosts at once: command, or what command(host) returns.

    argv: what reads it instead of a shell.  Through standard input: a command that fails is
    printed, and there are keys in some.
    """
    argv = argv or (["sh", "-e"] if check else ["sh"])
    procs = {name: host.spawn(argv, input=command(host) if callable(command) else command)
             for name, host in lab.hosts.items()}
    done = {name: proc.wait(timeout) for name, proc in procs.items()}
    for name, result in done.items():
        assert not check or not result.rc, f"host {name}: {result.output}"
    return {name: result.stdout for name, result in done.items()}


# Many `ip` commands in one process, each of which must succeed: a process is what costs in a host.
IP_BATCH = ["ip", "-batch", "-"]


def ip_lines(*commands: str) -> str:
    """`ip ...` commands as IP_BATCH reads them."""
    return "".join(command.removeprefix("ip ") + "\n" for command in commands)


class Wire:
    """The four captures of a lab, read on as they grow, and the oracle over all of them."""

    def __init__(self, lab):
        self.lab = lab
        self.oracle = judge.NonceOracle()
        self.keys: dict[tuple, judge.Sa] = {}
        self._pcaps = {(c, h): Pcap(lab.pcap(c, h)) for c in CABLES for h in lab.hosts}
        self._frames: dict[tuple[int, str], list[Frame]] = {key: [] for key in self._pcaps}
        self._macs: dict[str, set[str]] = {h: set() for h in lab.hosts}

    def start(self, name: str = "") -> None:
        """finish() of the test before has learnt what there is, unless the lab is a new one."""
        each(self.lab, f'echo "<5>test: {name}" > /dev/kmsg')
        if not any(self._macs.values()):
            self.learn()
        self.forget()

    def finish(self) -> None:
        with contextlib.suppress(Exception):
            # A host that a test has shut down cannot be asked; what was learnt before counts.
            self.learn()
        self.forget()

    def skip(self) -> None:
        """What is there already is none of this run's business."""
        for pcap in self._pcaps.values():
            pcap.skip()

    def learn(self) -> None:
        """The hosts' MAC addresses, and the keys of the SAs that are there now."""
        for name, text in each(self.lab, ip_lines("link", "xfrm state"), argv=IP_BATCH).items():
            self._macs[name] |= set(re.findall(r"link/ether (\S+)", text))
            self.add_keys(judge.sas_from_xfrm(text))

    def add_keys(self, sas) -> None:
        for sa in sas:
            self.keys[sa.id, sa.key_id] = sa
        self.oracle.learn(sas)

    def poll(self) -> None:
        for key, pcap in self._pcaps.items():
            self._frames[key] += pcap.read()

    def take(self) -> dict[tuple[int, str], list[Frame]]:
        """What came until now, by cable and host: it goes to the oracle and is not asked for any more."""
        self.poll()
        taken, self._frames = self._frames, {key: [] for key in self._frames}
        for (cable, host), frames in taken.items():
            self.oracle.add(self.lab.pcap(cable, host), frames, self._macs[host])
        return taken

    def forget(self) -> None:
        self.take()

    def disown(self) -> None:
        """What came until now never gets to the oracle: a test broke the sender on purpose."""
        self.poll()
        self._frames = {key: [] for key in self._frames}

    def frames(self, cable: int | None = None, host: str | None = None) -> list[Frame]:
        """Since the test began (or forget()); at all ends, or one end, or one host's ends."""
        self.poll()
        return [f for (c, h), frames in self._frames.items() for f in frames
                if cable in (None, c) and host in (None, h)]

    def check_no_cleartext(self, addresses=()) -> None:
        judge.check_no_cleartext(self.frames(), addresses, "the cables")

    def examine(self, cable: int = 0, host: str = "a", **more) -> judge.Report:
        return judge.examine(self.frames(cable, host), list(self.keys.values()), **more)

    def check_sealed_roce(self, at_least: int = 1, cable: int = 0, host: str = "a"
                          ) -> judge.Report:
        """The capture of one end shows RoCE in ESP and nowhere else, on any cable."""
        self.check_no_cleartext()
        report = self.examine(cable, host)
        report.check_sealed_roce(at_least)
        return report


# ---- addresses -----------------------------------------------------------------------------------

def local_ip(host, six: bool = False) -> str:
    return host.env["LOCAL_IP6" if six else "LOCAL_IP"]


def end(host, six: bool = False) -> End:
    """The host's RDMA device with the GID of its IPv4 or IPv6 address."""
    dev, ip = host.env["RDMADEV"], local_ip(host, six)
    # The IPv6 address, and its GID, may have been away meanwhile.
    index = gid_index(host, dev, ip) if six else int(host.env["GIDX"])
    return End(host, dev, index, ip, local_ip(host))


def vf_address(host) -> str:
    """PCI address of the function behind NETDEV."""
    return host.run(f"basename $(readlink /sys/class/net/{host.env['NETDEV']}/device)"
                    ).stdout.strip()


def rebind(host, pci):
    """Away and back, with the addresses that it had."""
    drivers = "/sys/bus/pci/drivers/iroce"
    dev, ip = host.env["NETDEV"], local_ip(host)
    host.run(f"echo {pci} > {drivers}/unbind && echo {pci} > {drivers}/bind", timeout=120)
    poll(lambda: not host.run(f"ip link show dev {dev}", check=False).rc, 30, "the netdev is back")
    host.run(f"ip link set {dev} up && ip addr add {ip}/24 dev {dev}")
    poll(lambda: host.run(f"cat /sys/class/net/{dev}/carrier", check=False).stdout.strip() == "1", 20)


def restore_addresses(lab) -> None:
    """A netdev that goes down loses its global IPv6 address."""
    for host in lab.hosts.values():
        dev, six = host.env["NETDEV"], host.env["LOCAL_IP6"]
        host.run(f"ip -6 addr show dev {dev} | grep -q {six}/ || "
                 f"ip addr add {six}/64 dev {dev} nodad")
        scenario.wait_ipv6(host)


def set_mtu(lab, mtu: int) -> None:
    each(lab, lambda host: ip_lines(f"link set {host.env['NETDEV']} mtu {mtu}"), argv=IP_BATCH)


def ping(host, six: bool = False, count: int = 1, check: bool = True, size: int = 56, wait: int = 5,
         **more):
    """wait: seconds for the last answer; few where none is to come and counters tell why."""
    return host.run(["ping", "-c", str(count), "-W", str(wait), "-i", "0.1", "-s", str(size),
                     local_ip(host.peer, six)], check=check, timeout=60, **more)


def wait_answer(host, what: str = "an answer", timeout: int = 40, six: bool = False):
    """Pings the peer until it answers: what comes back after a change may need a packet to do so."""
    end = time.monotonic() + timeout
    while True:
        # It ends at the first error as well, such as a neighbour that has not answered for 3 s.
        left = max(1, round(end - time.monotonic()))
        done = host.run(["ping", "-c", "1", "-w", str(left), "-i", "0.2", local_ip(host.peer, six)],
                        check=False, timeout=timeout + 40)
        if not done.rc:
            return
        if time.monotonic() >= end:
            there = [f"host {h.name}:\n{h.run('ip neigh; ip addr; ip xfrm policy', check=False).stdout}"
                     for h in (host, host.peer)]
            raise AssertionError("\n".join([f"did not come within {timeout} s: {what}", done.output,
                                            *there]))
        time.sleep(0.2)


@contextlib.contextmanager
def idle_connection(lab):
    """A TCP connection from a to b that nothing goes over: its socket keeps the route it has used."""
    ip, port = local_ip(lab.b), 5201
    with lab.b.spawn(["iperf3", "-s", "-B", ip]):
        lab.b.wait_port(port)
        with lab.a.spawn(["bash", "-c", f"exec 3<>/dev/tcp/{ip}/{port}; echo open; sleep 600"]) as here:
            here.wait_output("open")
            yield
            # Whoever ends it now has not been what the test waited for.
            assert lab.a.run(f"ss -tnH dst {ip} dport = {port}").stdout.startswith("ESTAB")


# ---- SAs and policies, as an operator types them -------------------------------------------------

# Not from 1: a lab may be attached to again, and SPIs must still never come twice.
_numbers = itertools.count(int(time.time()) % (1 << 28))


class Flow:
    """One direction of protection between the hosts: an SA at each end and a policy at each end.

    Every instance has an SPI, a key and a reqid of its own: nothing is ever used twice.
    """

    def __init__(self, src, dst, six: bool = False, *, bits: int = 128, esn: bool = True,
                 window: int = 128, reqid: int | None = None, selector: str = "",
                 priority: int | None = None, more: str = ""):
        number = next(_numbers)
        self.src, self.dst, self.six = src, dst, six
        self.src_ip, self.dst_ip = local_ip(src, six), local_ip(dst, six)
        self.spi = 0x1000 + number
        self.reqid = reqid or 100 + number
        self.key = random_key(bits)
        self.esn, self.window = esn, window
        self.selector, self.priority, self.more = selector, priority, more

    @property
    def sa(self) -> judge.Sa:
        return judge.Sa(self.src_ip, self.dst_ip, self.spi, self.key, self.esn, self.reqid)

    def direction(self, host) -> str:
        return "out" if host is self.src else "in"

    def state_command(self, host) -> str:
        way = self.direction(host)
        offload = f"offload packet dev {host.env['NETDEV']} dir {way}" if is_offloading(host) \
            else ""
        esn = "flag esn " if self.esn else ""
        # An SA that says it is outbound has no window: the kernel refuses one.
        window = "" if offload and way == "out" else f"replay-window {self.window} "
        return (f"ip xfrm state add src {self.src_ip} dst {self.dst_ip} proto esp "
                f"spi {self.spi:#x} reqid {self.reqid} mode transport {esn}{window}"
                f"aead 'rfc4106(gcm(aes))' 0x{self.key.hex()} 128 "
                f"{offload} {self.more}")

    def policy_command(self, host, verb: str = "add") -> str:
        way = self.direction(host)
        offload = f"offload packet dev {host.env['NETDEV']}" if is_offloading(host) else ""
        prio = f"priority {self.priority}" if self.priority is not None else ""
        return (f"ip xfrm policy {verb} src {self.src_ip} dst {self.dst_ip} {self.selector} "
                f"dir {way} {prio} tmpl src {self.src_ip} dst {self.dst_ip} proto esp "
                f"reqid {self.reqid} mode transport {offload}")

    def add_state(self, host) -> None:
        host.run(IP_BATCH, input=ip_lines(self.state_command(host)))

    def add_policy(self, host) -> None:
        host.run(IP_BATCH, input=ip_lines(self.policy_command(host)))

    def delete_state(self, host) -> None:
        host.run(f"ip xfrm state delete src {self.src_ip} dst {self.dst_ip} proto esp "
                 f"spi {self.spi:#x}")

    def delete_policy(self, host) -> None:
        host.run(f"ip xfrm policy delete src {self.src_ip} dst {self.dst_ip} {self.selector} "
                 f"dir {self.direction(host)}")

    def state(self, host) -> dict:
        """What `ip -s xfrm state` tells of the SA."""
        text = host.run(f"ip -s xfrm state get src {self.src_ip} dst {self.dst_ip} proto esp "
                        f"spi {self.spi:#x}").stdout
        def number(pattern):
            found = re.search(pattern, text)
            return int(found[1], 0) if found else None
        return {"text": text, "packets": number(r"(\d+)\(packets\)"),
                "bytes": number(r"(\d+)\(bytes\), \d+\(packets\)"),
                "replay": number(r"replay (\d+)"), "failed": number(r"failed (\d+)"),
                "oseq": number(r"oseq(?: |=)(0x[0-9a-f]+)"), "mode": "mode packet" in text}


def check_does_not_move(lab, flow: Flow) -> None:
    """Each way to migrate the SA is refused with a reason, at both ends, and leaves it as it was."""
    for host in lab.hosts.values():
        host.put(Path(__file__).parent / "src/migrate_nl.py", "/tmp/migrate_nl.py")
        for how in ("state", "software", "policy"):
            # Only the source moves: the copy is to have the SA's own identity.
            done = host.run(["python3", "/tmp/migrate_nl.py", how, flow.direction(host), flow.src_ip,
                             flow.dst_ip, str(flow.spi), str(flow.reqid), "192.0.2.77"])
            answer = json.loads(done.stdout)
            assert answer["errno"] and answer["said"], f"host {host.name}, {how}: {answer}"
            text = host.run("ip xfrm state").stdout
            assert text.count(f"spi {flow.spi:#010x}") == 1 and "192.0.2.77" not in text and \
                text.count("mode packet") == 2, text


def is_offloading(host) -> bool:
    """False for a host whose RDMA device is rdma_rxe: there software xfrm does the work."""
    return not host.env["RDMADEV"].startswith("rxe")


def protecting(flows, host) -> str:
    """Their states and policies at this end, as IP_BATCH reads them."""
    return ip_lines(*[flow.state_command(host) for flow in flows],
                    *[flow.policy_command(host) for flow in flows])


class Protection:
    """Both directions between a and b, for one address family."""

    def __init__(self, lab, wire: Wire, six: bool = False, **flow):
        self.lab, self.wire, self.six, self.options = lab, wire, six, flow
        self.out = Flow(lab.a, lab.b, six, **flow)
        self.back = Flow(lab.b, lab.a, six, **flow)
        self.flows = [self.out, self.back]

    def up(self) -> "Protection":
        for flow in self.flows:
            self.wire.add_keys([flow.sa])
        each(self.lab, lambda host: protecting(self.flows, host), argv=IP_BATCH)
        return self

    def fresh(self, which: Flow) -> Flow:
        """A new SA for the same policy: new SPI, new key, same reqid."""
        flow = Flow(which.src, which.dst, self.six, **{**self.options, "reqid": which.reqid})
        self.wire.add_keys([flow.sa])
        self.flows[self.flows.index(which)] = flow
        if which is self.out:
            self.out = flow
        else:
            self.back = flow
        return flow


def unprotect(lab) -> None:
    """Back to cleartext on purpose: a policy that merely goes leaves the flow closed (I1)."""
    def script(host) -> str:
        dev = host.env["NETDEV"]
        text = f"ip -force -batch - << end\n{ip_lines('xfrm policy flush', 'xfrm state flush')}end\n"
        if is_offloading(host):
            # clsact has the fence of roce-ipsec-setup, where a scenario or a test has put it.
            text += f"""tc qdisc del dev {dev} clsact
                ethtool --set-priv-flags {dev} ipsec-fail-closed off
                ethtool --set-priv-flags {dev} ipsec-fail-closed on"""
        return text

    each(lab, script, check=False)


# ---- counters ------------------------------------------------------------------------------------

def ethtool(host) -> dict[str, int]:
    text = host.run(["ethtool", "-S", host.env["NETDEV"]]).stdout
    return {name: int(value) for name, value in re.findall(r"^\s*(\S+): (\d+)$", text, re.M)}


def hw_counters(host) -> dict[str, int]:
    dev = host.env["RDMADEV"]
    text = host.run(f"grep -H . /sys/class/infiniband/{dev}/ports/1/hw_counters/*").stdout
    return {Path(name).name: int(value) for name, value in
            re.findall(r"^([^:]+):(\d+)$", text, re.M) if "lifespan" not in name}


def xfrm_stat(host) -> dict[str, int]:
    text = host.run("cat /proc/net/xfrm_stat").stdout
    return {name: int(value) for name, value in re.findall(r"^(\S+)\s+(\d+)$", text, re.M)}


# A netlink socket of protocol 6 (NETLINK_XFRM) that is in a group: sk, protocol, port, groups.
XFRM_LISTENS = r"grep -qE '^[^ ]+ +6 +[0-9]+ +0*[1-9a-f]' /proc/net/netlink"


@contextlib.contextmanager
def xfrm_events(host, what: str):
    """`ip xfrm monitor WHAT`, which listens when the block begins: an event comes once."""
    with host.spawn(["ip", "xfrm", "monitor", what]) as monitor:
        poll(lambda: not host.run(XFRM_LISTENS, check=False).rc, 20, "somebody listens to xfrm's events")
        yield monitor
        monitor.stop()


class Moved:
    """How far counters went since it was made: moved["ipsec_tx_pkts"]."""

    def __init__(self, host, read=ethtool):
        self.host, self.read = host, read
        self.before = read(host)

    def now(self) -> dict[str, int]:
        return {n: v - self.before.get(n, 0) for n, v in self.read(self.host).items()
                if v != self.before.get(n, 0)}

    def __getitem__(self, name: str) -> int:
        return self.now().get(name, 0)

    def wait(self, name: str, at_least: int = 1, timeout: float = 20) -> int:
        poll(lambda: self[name] >= at_least, timeout,
             f"host {self.host.name}: {name} + {at_least}, moved: {self.now()}")
        return self[name]


# ---- a queue pair on a string --------------------------------------------------------------------

_ANSWERED = re.compile(r"^(ok|error .*)\n", re.M)

class Vt:
    """tests/vm/src/vt.c in a host: a queue pair that outlives what the test does around it."""

    def __init__(self, host, programs: Path, six: bool = False, mtu: int = 1024,
                 size: int = 1 << 20):
        self.host = host
        self.end = end(host, six)
        host.put(programs / "vt", "/tmp/vt", 0o755, once=True)
        self.proc = host.spawn(["/tmp/vt", "-d", self.end.dev, "-g", str(self.end.gidx),
                                "-m", str(mtu), "-s", str(size)], is_fed=True)
        self.proc.wait_output("ready", 30)
        self._seen = len("ready\n")
        self.info = self.ask("info")

    def begin(self, command: str) -> None:
        """Asks without waiting for the answer: finish() does."""
        self.proc.feed(command + "\n")

    def finish(self, command: str, check: bool = True, timeout: float = 60) -> dict[str, str]:
        """The answer, name: value; "ok" is empty if it is an error, or if the process has ended."""
        with contextlib.suppress(*([] if check else [CommandFailed])):
            self.proc.wait_match(_ANSWERED, self._seen, timeout)
        found = _ANSWERED.search(self.proc.stdout, self._seen)
        text = self.proc.stdout[self._seen:found.end()] if found else ""
        self._seen += len(text)
        self.lines = text.splitlines()
        answer = dict(line.split(" ", 1) for line in self.lines if " " in line)
        answer["ok"] = "ok" if self.lines[-1:] == ["ok"] else ""
        if check:
            assert answer["ok"], f"vt on host {self.host.name}: {command}: {text}" \
                                 f"{self.proc.stderr}"
        return answer

    def ask(self, command: str, check: bool = True, timeout: float = 60) -> dict[str, str]:
        self.begin(command)
        return self.finish(command, check, timeout)

    def connect(self, peer: "Vt", timeout: int = 14, retry: int = 7) -> None:
        i = peer.info
        self.ask(f"connect qpn={i['qpn']} psn={i['psn']} gid={i['gid']} timeout={timeout} "
                 f"retry={retry}")

    def target(self) -> str:
        """Remote address and key of this side's memory, as the other side's commands want it."""
        return f"{self.info['addr']} {self.info['rkey']}"

    def done(self) -> int:
        return int(self.ask("done")["good"])

    def state(self) -> str:
        return self.ask("state")["state"]

    def events(self) -> list[str]:
        """Asynchronous events so far, in their order: the numbers of enum ibv_event_type."""
        self.ask("events")
        return [line.split()[1] for line in self.lines if line.startswith("event ")]

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.begin("quit")
            self.proc.wait(10)
        with contextlib.suppress(Exception):
            self.proc.kill(9)


@contextlib.contextmanager
def queue_pairs(lab, programs: Path, six: bool = False, mtu: int = 1024, timeout: int = 17,
                retry: int = 7, face=None):
    """A connected pair (a's side, b's side); face: what stands for host a, such as a pod there."""
    a = b = None
    try:
        a = Vt(face or lab.a, programs, six, mtu)
        b = Vt(lab.b, programs, six, mtu)
        a.connect(b, timeout, retry)
        b.connect(a, timeout, retry)
        yield a, b
    finally:
        for side in (a, b):
            if side:
                side.close()


@contextlib.contextmanager
def traffic(a: Vt, b: Vt, size: int = 2048, until: int = 20, depth: int = 1, drain: bool = True):
    """Endless writes from a to b, depth of them every 5 ms; the block runs once some have arrived.

    drain: at the end it waits for what is on its way, or until that has failed.
    """
    a.ask(f"traffic {size} {b.target()} {depth}")
    poll(lambda: a.done() >= until, 30, "writes from a to b")
    yield
    a.ask("traffic-stop" if drain else "traffic-stop now", check=False)
