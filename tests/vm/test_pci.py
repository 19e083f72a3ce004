# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The adapter as a PCI device: functions come and go as on hardware, and leave nothing behind.

    host a: cable0 -- PF 0 -- VF 0 .. VF 31        host b the same; nothing is loaded at first
            cable1 -- PF 1 -- VF 0 .. VF 31
"""

import itertools
import json
import re
import time

import pytest

from kit import IP_BATCH, Moved, Protection, each, ip_lines, ping, poll, queue_pairs, unprotect
from lab import adapter, frames

pytestmark = pytest.mark.lab(scenario="bare")

CACHES = re.compile(r"^(\S*iroce\S*|rvt\S*)\s", re.M)


@pytest.fixture
def host(lab):
    """Host a without the module before and after."""
    yield lab.a
    unload(lab.a)


def unload(host):
    if "iroce " in host.run("lsmod").stdout:
        host.run("rmmod iroce", timeout=120)
    assert not host.run("ls -d /sys/bus/pci/drivers/iroce", check=False).stdout


def is_loaded(host):
    return bool(re.search(r"^iroce ", host.run("lsmod").stdout, re.M))


def netdevs(host):
    host.run("udevadm settle")
    return {li["ifname"] for li in json.loads(host.run("ip -j link").stdout)}


def rdma_links(host):
    return {li["ifname"] for li in json.loads(host.run("rdma -j link").stdout)}


def pci_devices(host):
    return set(host.run("ls /sys/bus/pci/devices").stdout.split())


def ready(host, pci):
    return adapter.devices(host, pci)


# ---- loading -------------------------------------------------------------------------------------

def test_one_adapter_with_two_ports_shows_two_pfs(host):
    pfs = adapter.load(host, "cable0,cable1")
    assert len(pfs) == 2
    for pf in pfs:
        function = ready(host, pf)
        total = host.run(f"cat /sys/bus/pci/devices/{pf}/sriov_totalvfs").stdout
        assert int(total) >= 16
        assert function.rdmadev in rdma_links(host)


def test_two_adapters_are_independent(host):
    pfs = adapter.load(host, "cable0/cable1")
    assert len(pfs) == 2
    assert len({pf.split(":")[0] + pf.split(":")[1] for pf in pfs}) == 2, "not on buses of their own"
    for pf in pfs:
        ready(host, pf)
    guids = {json.dumps(li.get("sys_image_guid")) for li in
             json.loads(host.run("rdma -j dev show").stdout)}
    assert len(guids) == 2


@pytest.mark.parametrize("cables", ["", "nosuchdev", "cable0,nosuchdev", "cable0,cable0",
                                    "cable0/cable0", ",", "/", "cable0,", "lo", "x" * 300,
                                    "cable0,cable1,cable0,cable1,cable0",
                                    "/".join(["cable0"] * 40)],
                         ids=lambda value: value[:24] or "empty")
def test_wrong_cables_are_refused_with_a_reason(host, cables):
    before = netdevs(host)
    host.run("dmesg -C")
    done = host.run(["modprobe", "iroce", f"cables={cables}"], check=False, timeout=60)
    assert done.rc and not is_loaded(host), f"loaded with cables={cables!r}"
    said = host.run("dmesg").stdout
    assert "iroce: " in said, "the kernel log does not say why"
    assert netdevs(host) == before


@pytest.mark.parametrize("option", ["num_vfs=9999", "num_vfs=-1", "num_vfs=many", "cables"])
def test_wrong_parameters_are_refused(host, option):
    words = [option] if option == "cables" else ["cables=cable0", option]
    done = host.run(["modprobe", "iroce", *words], check=False, timeout=60)
    assert done.rc and not is_loaded(host)


def test_a_cable_that_disappears_does_not_take_the_adapter_with_it(host):
    host.run("ip link add dummy7 type dummy && ip link set dummy7 up")
    try:
        pf = adapter.load(host, "dummy7")[0]
        function = ready(host, pf)
        host.run(f"ip link set {function.netdev} up && ip link del dummy7")
        poll(lambda: host.run(f"cat /sys/class/net/{function.netdev}/carrier", check=False
                              ).stdout.strip() == "0", 10, "no carrier without a cable")
        host.run(f"ping -c1 -W1 -I {function.netdev} 192.0.2.1", check=False)
    finally:
        host.run("ip link del dummy7", check=False)


# ---- functions -----------------------------------------------------------------------------------

@pytest.mark.dealt
def test_sixteen_vfs_each_have_a_netdev_and_an_rdma_device(host):
    pf = adapter.load(host)[0]
    before = netdevs(host), rdma_links(host)
    vfs = [ready(host, pci) for pci in adapter.make_vfs(host, pf, 16)]
    assert len({vf.netdev for vf in vfs}) == len({vf.rdmadev for vf in vfs}) == 16
    macs = {li["ifname"]: li["address"] for li in json.loads(host.run("ip -j link").stdout)}
    assert len({macs[vf.netdev] for vf in vfs}) == 16
    host.run(f"echo 0 > /sys/bus/pci/devices/{pf}/sriov_numvfs", timeout=120)
    assert (netdevs(host), rdma_links(host)) == before


@pytest.mark.dealt
def test_all_vfs_come_and_go_again_and_again(host, again):
    pf = adapter.load(host)[0]
    total = int(host.run(f"cat /sys/bus/pci/devices/{pf}/sriov_totalvfs").stdout)
    before = pci_devices(host)
    for count in itertools.islice(itertools.cycle((total, 1, 7, 2, 3, 6, 1, 5, 4, 8)), again(3, 10)):
        adapter.make_vfs(host, pf, count)
        assert len(pci_devices(host)) == len(before) + count
        host.run(f"echo 0 > /sys/bus/pci/devices/{pf}/sriov_numvfs", timeout=120)
        assert pci_devices(host) == before
    too_many = host.run(f"echo {total + 1} > /sys/bus/pci/devices/{pf}/sriov_numvfs", check=False)
    assert too_many.rc


def test_a_vf_is_unbound_and_bound_and_works_again(lab, host):
    try:
        ends = []
        for number, each in enumerate((lab.a, lab.b)):
            pf = adapter.load(each)[0]
            vf = ready(each, adapter.make_vfs(each, pf, 1)[0])
            ends.append((each, vf, f"10.55.0.{number + 1}"))
        for _ in range(3):
            for each, vf, ip in ends:
                each.run(f"echo {vf.pci} > /sys/bus/pci/drivers/iroce/unbind")
                assert not each.run(f"ls /sys/bus/pci/devices/{vf.pci}/net", check=False).stdout
                each.run(f"echo {vf.pci} > /sys/bus/pci/drivers/iroce/bind")
                vf = ready(each, vf.pci)
                each.run(f"ip link set {vf.netdev} up && ip addr add {ip}/24 dev {vf.netdev}")
            lab.a.run("ping -c1 -W5 10.55.0.2")
    finally:
        unload(lab.b)


def test_mac_address_and_mtu_can_be_set(lab, host):
    try:
        for number, each in enumerate((lab.a, lab.b)):
            pf = adapter.load(each)[0]
            vf = ready(each, adapter.make_vfs(each, pf, 1)[0])
            dev = vf.netdev
            each.run(f"ip link set {dev} address 02:55:00:00:00:0{number + 1} && "
                     f"ip link set {dev} mtu 9000 && ip link set {dev} up && "
                     f"ip addr add 10.55.0.{number + 1}/24 dev {dev}")
            link = json.loads(each.run(f"ip -j link show {dev}").stdout)[0]
            assert (link["address"], link["mtu"]) == (f"02:55:00:00:00:0{number + 1}", 9000)
            for mtu in (60, 9001, 65536):
                assert each.run(f"ip link set {dev} mtu {mtu}", check=False).rc, mtu
            assert each.run(f"ip link set {dev} address 01:00:00:00:00:01", check=False).rc
        lab.a.run("ping -c1 -W5 -s 8000 -M do 10.55.0.2")
    finally:
        unload(lab.b)


def test_carrier_follows_the_cable(lab, host):
    pf = adapter.load(host)[0]
    vf = ready(host, adapter.make_vfs(host, pf, 1)[0])
    host.run(f"ip link set {vf.netdev} up")

    def carrier():
        return host.run(f"cat /sys/class/net/{vf.netdev}/carrier").stdout.strip()

    def port():
        return host.run(f"rdma link show {vf.rdmadev}/1").stdout

    poll(lambda: carrier() == "1" and "state ACTIVE" in port(), 20)
    lab.cut(0)
    try:
        poll(lambda: carrier() == "0" and "state DOWN" in port(), 20, "carrier 0, port DOWN")
    finally:
        lab.plug(0)
    poll(lambda: carrier() == "1" and "state ACTIVE" in port(), 20, "carrier 1, port ACTIVE")


def test_functions_of_one_port_talk_through_the_switch_inside(lab, host, wire):
    """Two VFs of host a, no cable needed."""
    pf = adapter.load(host)[0]
    one, two = [ready(host, pci) for pci in adapter.make_vfs(host, pf, 2)]
    host.run(f"ip netns add n2 && ip link set {two.netdev} netns n2 && "
             f"ip link set {one.netdev} up && ip addr add 10.66.0.1/24 dev {one.netdev} && "
             f"ip -n n2 link set {two.netdev} up && "
             f"ip -n n2 addr add 10.66.0.2/24 dev {two.netdev}")
    try:
        host.run("ping -c2 -W5 10.66.0.2")
        assert not [f for f in wire.frames() if f.kind == "icmp"], "went over the cable"
    finally:
        host.run(f"ip -n n2 link set {two.netdev} netns 1; ip netns del n2")


# Prints the source of each frame that comes to a netdev.
SNIFFER = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((sys.argv[1], 0))
print("ready", flush=True)
while True:
    print(s.recv(2048)[6:12].hex(), flush=True)
"""


def same_place(mac):
    """Some addresses with the same hash_64(.., 8) of the kernel, which knows no secret."""
    def place(addr):
        return (addr * 0x61C8864680B583EB & (1 << 64) - 1) >> 56

    there = place(int(mac.replace(":", ""), 16))
    found = (addr for addr in itertools.count(0x020000000100) if place(addr) == there)
    return [addr.to_bytes(6, "big").hex(":") for addr in itertools.islice(found, 3)]


def test_finding_R15_a_vf_gets_no_address_that_another_has(lab, host):
    """A tenant that took its neighbour's address, or the peer's, got what was sent to it."""
    pf = adapter.load(host)[0]
    port = ready(host, pf).netdev
    vfs = [ready(host, pci).netdev for pci in adapter.make_vfs(host, pf, 3)]
    host.run(f"ip link set {port} up; " + "; ".join(f"ip link set {dev} up" for dev in vfs))

    def address(dev):
        return host.run(f"cat /sys/class/net/{dev}/address").stdout.strip()

    def takes(dev, mac):
        return not host.run(f"ip link set {dev} address {mac}", check=False).rc

    def links():
        return json.loads(host.run(f"ip -j link show {port}").stdout)[0]["vfinfo_list"]

    neighbour, stranger, free = address(vfs[0]), "02:11:22:33:44:55", "02:11:22:33:44:66"
    given = "02:11:22:33:44:77"
    assert all(vf["spoofchk"] for vf in links())
    assert not takes(vfs[1], neighbour)
    # Who has been seen behind the cable: the frame is there when it has come to a VF.
    with host.spawn(["python3", "-c", SNIFFER, vfs[0]]) as sniffer:
        sniffer.wait_output("ready")
        lab.inject("a", 0, frames.ip_frame("ff:ff:ff:ff:ff:ff", stranger, b"\x45" + b"\0" * 59))
        sniffer.wait_output(stranger.replace(":", ""))
    assert not takes(vfs[1], stranger)
    # Nor when somebody else's has been seen since: in a table by hash it had the stranger's place.
    with host.spawn(["python3", "-c", SNIFFER, vfs[0]]) as sniffer:
        sniffer.wait_output("ready")
        for source in same_place(stranger):
            lab.inject("a", 0, frames.ip_frame("ff:ff:ff:ff:ff:ff", source, b"\x45" + b"\0" * 59))
        sniffer.wait_output(source.replace(":", ""))
    assert not takes(vfs[1], stranger)
    # Nor as one of a macvlan's: entered, and not counted, whatever changes in the switch.
    host.run(f"ip link add link {vfs[1]} name mv type macvlan mode private && "
             f"ip link set mv address {stranger} up && ip maddr add 01:00:5e:00:00:42 dev {vfs[1]} && "
             f"ip maddr del 01:00:5e:00:00:42 dev {vfs[1]}")
    with host.spawn(["python3", "-c", SNIFFER, "mv"]) as sniffer, \
            host.spawn(["python3", "-c", SNIFFER, vfs[0]]) as other:
        sniffer.wait_output("ready")
        other.wait_output("ready")
        lab.inject("a", 0, frames.ip_frame(stranger, "02:00:00:00:00:21", b"\x45" + b"\0" * 59))
        lab.inject("a", 0, frames.ip_frame("ff:ff:ff:ff:ff:ff", "02:00:00:00:00:22",
                                           b"\x45" + b"\0" * 59))
        other.wait_output("020000000022")
        assert "020000000021" not in sniffer.stdout
    host.run("ip link del mv")
    assert takes(vfs[1], free)
    # The PF's word: who had chosen the address loses it, and cannot have it again.
    host.run(f"ip link set {vfs[2]} address {given} && ip link set {port} vf 0 mac {given}")
    assert address(vfs[0]) == given
    assert not takes(vfs[1], given)
    # Whom the PF trusts may share it.
    host.run(f"ip link set {port} vf 1 trust on")
    assert takes(vfs[1], given) and takes(vfs[1], stranger)


def test_finding_R4_nobody_sends_from_any_context(host):
    """netpoll (netconsole) would enter sealing on a CPU that is in the midst of it."""
    pf = adapter.load(host)[0]
    dev = ready(host, adapter.make_vfs(host, pf, 1)[0]).netdev
    host.run(f"ip link set {dev} up && ip addr add 10.77.0.1/24 dev {dev}")
    host.run(f"modprobe netconsole netconsole=@10.77.0.1/{dev},@10.77.0.2/02:00:00:00:00:02; "
             "rmmod netconsole", check=False)
    log = host.run("dmesg | tail -n 20").stdout
    assert f"{dev} doesn't support polling" in log, log


# ---- what a PF decides about its VFs -------------------------------------------------------------

def vf_list(host, port):
    return json.loads(host.run(f"ip -j -s -d link show {port}").stdout)[0]["vfinfo_list"]


@pytest.mark.dealt
def test_finding_CNI_what_plugins_set_of_a_vf_is_taken_shown_and_kept(host):
    """SR-IOV CNI, libvirt and networkd stop at the first "Operation not supported"."""
    pf = adapter.load(host)[0]
    port = ready(host, pf).netdev
    pci = adapter.make_vfs(host, pf, 1)[0]
    vf = f"link set {port} vf 0"
    fresh = vf_list(host, port)[0]
    # What SR-IOV CNI sets, in its order, with its defaults; and how it puts them back.
    host.run(IP_BATCH, input=ip_lines(
        f"{vf} vlan 0", f"{vf} vlan 0 qos 0", f"{vf} mac 02:55:00:00:00:07",
        f"{vf} min_tx_rate 0 max_tx_rate 0", f"{vf} rate 0", f"{vf} spoofchk on", f"{vf} trust off",
        f"{vf} state auto", f"{vf} vlan 0 qos 0", f"{vf} mac 00:00:00:00:00:00", f"{vf} query_rss off"))
    assert vf_list(host, port)[0] == {**fresh, "stats": vf_list(host, port)[0]["stats"]}
    refused = ("min_tx_rate 10 max_tx_rate 100", "vlan 4095", "vlan 9 proto 802.1ad", "vlan 0 qos 3")
    done = host.run("dmesg -C; " + "; ".join(f"ip {vf} {what} 2>&1 && echo TAKEN" for what in refused) +
                    "; dmesg", check=False).stdout
    assert "TAKEN" not in done and done.count("vf 0 vlan: ") == 3 and done.count("vf 0 min_tx_rate: ") == 1
    host.run(IP_BATCH, input=ip_lines(
        f"{vf} vlan 100 qos 3", f"{vf} max_tx_rate 50", f"{vf} query_rss on",
        f"{vf} mac 02:55:00:00:00:08"))

    def said():
        one = vf_list(host, port)[0]
        return {name: one[name] for name in one if name not in ("stats", "link_state")}

    before = said()
    assert before["vlan_list"][0]["vlan"] == 100 and before["vlan_list"][0]["qos"] == 3
    assert before["rate"] == {"max_tx": 50, "min_tx": 0} and before["query_rss_en"]
    host.run(f"cd /sys/bus/pci/drivers/iroce && echo {pci} > unbind && echo {pci} > bind")
    bound = ready(host, pci)
    after = said()
    # The core refuses `node_guid` for Ethernet; the GUID follows the address that the PF gave.
    guid = host.run(f"cat /sys/class/infiniband/{bound.rdmadev}/node_guid").stdout.strip()
    assert guid == "0055:00ff:fe00:0008" and after["node guid"] == "00:55:00:ff:fe:00:00:08"
    assert after == {**before, "node guid": after["node guid"], "port guid": after["node guid"]}
    host.run(f"echo 0 > /sys/bus/pci/devices/{pf}/sriov_numvfs", timeout=60)
    adapter.make_vfs(host, pf, 1)
    assert vf_list(host, port)[0] == fresh


@pytest.mark.dealt
@pytest.mark.lab(scenario="vf")
def test_finding_CNI_a_port_vlan_and_a_rate_are_the_switchs_to_keep(lab, wire, programs):
    """RoCE, sealed, and host traffic of a VF; and what its PF, and monitoring, see of it."""
    a, dev = lab.a, lab.a.env["NETDEV"]
    port = {host.name: host.run(f"ls /sys/class/net/{host.env['NETDEV']}/device/physfn/net").stdout.strip()
            for host in lab.hosts.values()}
    macs = {host.name: host.run(f"cat /sys/class/net/{host.env['NETDEV']}/address").stdout.strip()
            for host in lab.hosts.values()}
    data = "/sys/class/infiniband/{}/ports/1/counters/port_{}_data"
    packet = b"\x45" + b"\0" * 59

    def set_vfs(*what):
        each(lab, lambda host: ip_lines(*(f"link set {port[host.name]} vf 0 {w}" for w in what)),
             argv=IP_BATCH)

    def counted(host):
        names = [data.format(host.env["RDMADEV"], way) for way in ("xmit", "rcv")]
        return [int(line) for line in host.run(["cat", *names]).stdout.split()]

    Protection(lab, wire).up()
    set_vfs("vlan 100 qos 3")
    try:
        wire.forget()
        moved = Moved(a)
        ping(a)
        with queue_pairs(lab, programs) as (left, right):
            begin, seen = [counted(lab.a), counted(lab.b)], vf_list(a, port["a"])[0]["stats"]
            left.ask(f"write 16 4096 {right.target()}")
            # Both ends count the same, whatever sealing makes of it, in units of four bytes.
            (sent, got), (sent_b, got_b) = [[now - then for now, then in zip(counted(host), old)]
                                            for host, old in zip(lab.hosts.values(), begin)]
            assert sent * 4 > 16 * 4096 and abs(sent - got_b) <= 1 and abs(sent_b - got) <= 1
            stats = vf_list(a, port["a"])[0]["stats"]
            assert stats["tx"]["tx_bytes"] - seen["tx"]["tx_bytes"] >= 16 * 4096
            assert stats["rx"]["packets"] > seen["rx"]["packets"]
            carried = [f for f in wire.frames(0)
                       if f.src_mac in (frames.mac_bytes(mac) for mac in macs.values())]
            wire.check_sealed_roce(16)
            assert not [f.describe() for f in carried if f.vlans != (100,) or f.raw[14] >> 5 != 3]
            # A rate: 512 kB at 4 Mbit/s need a second.
            a.run(f"ip link set {port['a']} vf 0 max_tx_rate 4")
            begin = time.monotonic()
            left.ask(f"write 8 65536 {right.target()}")
            took = time.monotonic() - begin
            assert took >= 0.95, took
        assert not moved["tx_drop_rate"] and not moved["rx_drop_port_vlan"]
        # Another VLAN's, nobody's and the VF's own tag.
        a.run(f"ip link add link {dev} name own type vlan id 5 && ip link set own up")
        for vlan in (200, None):
            lab.inject("a", 0, frames.ip_frame(macs["a"], "02:00:00:00:00:21", packet, vlan))
        moved.wait("rx_drop_port_vlan", 2)
        moved.wait("tx_drop_port_vlan", 1)
        assert not [f.describe() for f in wire.frames(0, "a") if len(f.vlans) == 2]
        assert vf_list(a, port["a"])[0]["stats"]["rx"]["dropped"] >= 2
    finally:
        a.run("ip link del own", check=False)
        set_vfs("max_tx_rate 0", "vlan 0")
        unprotect(lab)
    ping(a)
    assert [f for f in wire.frames(0, "a") if not f.vlans]


@pytest.mark.dealt
@pytest.mark.lab(scenario="bond-plain")
def test_finding_CNI_a_bond_of_vfs_in_a_port_vlan_is_tagged_at_each_port(lab, wire, programs):
    def vlan(number):
        each(lab, lambda host: "".join(
            f"ip link set $(ls /sys/class/net/{host.env[port]}/device/physfn/net) vf 0 vlan {number}\n"
            for port in ("PORT", "PORT1")))

    vlan(100)
    try:
        wire.forget()
        with queue_pairs(lab, programs) as (left, right):
            left.ask(f"write 16 4096 {right.target()}")
        roce = [f for f in wire.frames() if f.kind == "roce"]
        assert len(roce) >= 64 and not [f.describe() for f in roce if f.vlans != (100,)]
    finally:
        vlan(0)


def test_ethtool_knows_the_standard_things(host):
    pf = adapter.load(host)[0]
    dev = ready(host, adapter.make_vfs(host, pf, 1)[0]).netdev
    assert "driver: iroce" in host.run(f"ethtool -i {dev}").stdout
    assert "bus-info: 0" in host.run(f"ethtool -i {dev}").stdout or \
        ":" in host.run(f"ethtool -i {dev}").stdout
    features = host.run(f"ethtool -k {dev}").stdout
    assert re.search(r"esp-hw-offload: on", features)
    host.run(f"ethtool {dev}")
    # What every NIC is asked for: told, and not to be changed.
    told = host.run(f"for q in g l c a n; do ethtool -$q {dev} || exit; done").stdout
    for line in (r"RX:\s+8192", r"TX:\s+4096", r"Combined:\s+\d", r"rx-usecs:\s+0",
                 r"RX:\s+off", r"\d+ RX rings available", "Total 0 rules"):
        assert re.search(line, told), f"{line}: {told}"
    said = host.run(f"dmesg -C; for q in '-G {dev} rx 100' '-C {dev} rx-usecs 5' '-A {dev} rx on'; do "
                    "ethtool $q 2>&1 && echo TAKEN; done; dmesg", check=False).stdout
    assert "TAKEN" not in said
    for reason in ("their length is fixed", "0 only", "a function has none"):
        assert reason in said, f"{reason}: {said}"


# ---- nothing stays behind ------------------------------------------------------------------------

def slab_objects(host):
    """Active objects of the caches that are ours or rdmavt's."""
    text = host.run("cat /proc/slabinfo").stdout
    return {m[1]: int(m[2]) for m in re.finditer(r"^(\S*iroce\S*)\s+(\d+)", text, re.M)}


# How often the kernel has made a PCI host bridge, and how often one has gone.
BRIDGES = """
cd /sys/kernel/tracing
case $1 in
begin)	echo "p:bridge_made pci_alloc_host_bridge" > kprobe_events
	echo "p:bridge_gone pci_release_host_bridge_dev" >> kprobe_events
	echo 1 > events/kprobes/enable ;;
end)	grep -c bridge_made: trace; grep -c bridge_gone: trace
	echo 0 > events/kprobes/enable; echo > kprobe_events; echo > trace ;;
esac"""


@pytest.mark.dealt
def test_vfs_made_after_the_parameter_was_set_begin_closed(host):
    pf = adapter.load(host)[0]
    for word, flag in (("Y", "on"), ("N", "off")):
        host.run(f"echo {word} > /sys/module/iroce/parameters/closed_until_protected")
        vf = ready(host, adapter.make_vfs(host, pf, 1)[0])
        flags = host.run(f"ethtool --show-priv-flags {vf.netdev}").stdout
        assert re.search(rf"ipsec-closed-until-protected\s*: {flag}", flags), flags
        host.run(f"echo 0 > /sys/bus/pci/devices/{pf}/sriov_numvfs")


@pytest.mark.dealt
def test_loads_leave_no_netdev_pci_device_bridge_or_slab_object(host, again):
    """The soak found the bridges: pci_remove_root_bus() does not release what pci_create_root_bus() made."""
    adapter.load(host)
    unload(host)
    before = netdevs(host), pci_devices(host), rdma_links(host)
    host.run(["sh", "-e", "-c", BRIDGES, "sh", "begin"])
    loads, adapters = again(5, 20), 0
    for round_ in range(loads):
        shape = ("cable0/cable1", "cable0,cable1")[round_ % 2]
        adapters += len(shape.split("/"))
        pf = adapter.load(host, shape)[0]
        if round_ % 5 == 0:
            adapter.make_vfs(host, pf, 4)
        unload(host)
    assert (netdevs(host), pci_devices(host), rdma_links(host)) == before
    made, gone = map(int, host.run(["sh", "-c", BRIDGES, "sh", "end"]).stdout.split())
    assert made == gone == adapters, "PCI host bridges made and gone: one for each adapter"
    assert not slab_objects(host)
    # Somebody else's use of ib_uverbs is none of this module's business.
    host.run("modprobe rdma_ucm")
    adapter.load(host)
    assert not host.run("modprobe -r iroce", timeout=60).output


def test_unload_with_sas_policies_and_addresses_leaves_nothing(host):
    pf = adapter.load(host)[0]
    vf = ready(host, adapter.make_vfs(host, pf, 1)[0])
    dev = vf.netdev
    host.run(f"ip link set {dev} up && ip addr add 10.77.0.1/24 dev {dev}")
    for n in range(5):
        host.run(f"ip xfrm state add src 10.77.0.1 dst 10.77.0.{n + 2} proto esp spi {n + 700} "
                 f"reqid {n + 1} mode transport aead 'rfc4106(gcm(aes))' 0x{n:040x} 128 "
                 f"offload packet dev {dev} dir out && "
                 f"ip xfrm policy add src 10.77.0.1 dst 10.77.0.{n + 2} dir out tmpl "
                 f"src 10.77.0.1 dst 10.77.0.{n + 2} proto esp reqid {n + 1} mode transport "
                 f"offload packet dev {dev}")
    unload(host)
    assert "mode packet" not in host.run("ip xfrm state; ip xfrm policy").stdout
    assert not slab_objects(host)
    host.run("ip xfrm state flush; ip xfrm policy flush")


def test_the_module_unloads_after_rdma_programs_were_killed(lab, host, programs):
    pf = adapter.load(host)[0]
    vf = ready(host, adapter.make_vfs(host, pf, 1)[0])
    host.run(f"ip link set {vf.netdev} up && ip addr add 10.77.0.1/24 dev {vf.netdev}")
    with host.spawn(["ibv_rc_pingpong", "-d", vf.rdmadev, "-g", "1"]) as proc:
        poll(lambda: vf.rdmadev in host.run("rdma resource show qp").stdout
             and "ibv_rc_pingpong" in host.run("rdma resource show qp").stdout, 20)
        resources = json.loads(host.run(f"rdma -j resource show {vf.rdmadev}").stdout)
        assert resources
        proc.kill(9)
        proc.wait(10)
    poll(lambda: "ibv_rc_pingpong" not in host.run("rdma resource show qp").stdout, 20)
    unload(host)
    assert not slab_objects(host)
