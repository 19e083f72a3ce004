# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The judge judged: captures made here, with faults planted, and the verdicts they must get."""

import os
import struct

import pytest

from lab import aead, frames, judge
from lab.frames import Frame, Pcap, read_pcap, write_pcap
from lab.judge import Guilty, NonceOracle, Opener, Sa

MAC_A, MAC_B = "02:1b:0a:00:00:00", "02:1b:0b:00:00:00"
IP_A, IP_B = "192.168.200.1", "192.168.200.2"
IP6_A, IP6_B = "fd00:200::1", "fd00:200::2"
KEY = bytes(range(20))
SA = Sa(IP_A, IP_B, 0x1001, KEY)
SA6 = Sa(IP6_A, IP6_B, 0x1006, bytes(range(100, 136)), esn=True)


def roce(psn=1, six=False, payload=b"x" * 64, **ip):
    src, dst = (IP6_A, IP6_B) if six else (IP_A, IP_B)
    return frames.roce_packet(src, dst, frames.bth(0x04, 0x11, psn, ack=True) + payload, **ip)


def sealed(psn=1, seq=None, sa=SA, packet=None, iv=None):
    packet = packet or roce(psn, six=":" in sa.dst)
    body = judge.seal(packet, sa.spi, psn if seq is None else seq, sa.key, iv, sa.esn)
    return frames.ip_frame(MAC_B, MAC_A, body)


def clear(packet, vlan=None):
    return frames.ip_frame(MAC_B, MAC_A, packet, vlan)


def numbered(raws):
    return [Frame(raw, i + 1) for i, raw in enumerate(raws)]


# ---- frames ------------------------------------------------------------------------------------

@pytest.mark.parametrize("raw,kind", [
    (clear(roce()), "roce"),
    (clear(roce(six=True)), "roce"),
    (clear(roce(), vlan=7), "roce"),
    (sealed(), "esp"),
    (sealed(sa=SA6), "esp"),
    (clear(frames.ip_packet(IP_A, IP_B, 17, frames.udp(5, 6, b""))), "udp"),
    (clear(frames.ip_packet(IP_A, IP_B, 17, frames.udp(4500, 4500, b"\0\0\1\1" + b"x" * 30))),
     "esp-udp"),
    (clear(frames.ip_packet(IP_A, IP_B, 17, frames.udp(4500, 4500, b"\0\0\0\0ike"))), "udp"),
    (clear(frames.ip_packet(IP6_A, IP6_B, 58, bytes((135, 0)) + b"\0" * 22)), "nd"),
    (clear(frames.ip_packet(IP6_A, IP6_B, 58, bytes((128, 0)) + b"\0" * 22)), "icmp6"),
    (clear(frames.ip_packet(IP6_A, IP6_B, 0, bytes((58, 0)) + b"\5\2\0\0\1\0" + bytes((143,))
                            + b"\0" * 23)), "mld"),
    (clear(frames.ip_packet(IP_A, IP_B, 6, b"\0" * 20)), "tcp"),
    (clear(frames.ip_packet(IP_A, IP_B, 47, b"\0" * 20)), "ip"),
    (frames.ethernet(MAC_B, MAC_A, 0x8915, b"\0" * 60), "rocev1"),
    (frames.ethernet("ff:ff:ff:ff:ff:ff", MAC_A, 0x0806, b"\0" * 28), "arp"),
    (frames.ethernet(MAC_B, MAC_A, 0x1234, b"\0" * 28), "other"),
    (b"short", "malformed"),
])
def test_frames_are_recognised(raw, kind):
    assert Frame(raw).kind == kind


def test_every_truncation_parses_without_an_exception():
    for raw in (clear(roce(), vlan=3), sealed(), sealed(sa=SA6), clear(roce(six=True))):
        for size in range(len(raw)):
            Frame(raw[:size]).describe()


def test_random_frames_parse_without_an_exception():
    for _ in range(2000):
        Frame(os.urandom(12) + struct.pack("!H", 0x0800) + b"\x45" + os.urandom(60)).describe()
        Frame(os.urandom(12) + struct.pack("!H", 0x86DD) + b"\x60" + os.urandom(80)).describe()


def test_ethernet_padding_does_not_count():
    short = clear(frames.ip_packet(IP_A, IP_B, 17, frames.udp(5, 6, b"")))
    assert Frame(short + b"\0" * 20).payload == Frame(short).payload


def test_a_growing_capture_is_read_on(tmp_path):
    path = tmp_path / "x.pcap"
    write_pcap(path, [clear(roce(i)) for i in range(3)])
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    pcap = Pcap(path)
    assert [f.number for f in pcap.read()] == [1, 2]
    path.write_bytes(whole)
    assert [f.number for f in pcap.read()] == [3]


def test_what_is_no_capture_is_refused(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(b"no capture, but long enough to have a head")
    with pytest.raises(frames.PcapError):
        read_pcap(path)


# ---- ICRC --------------------------------------------------------------------------------------

@pytest.mark.parametrize("six", [False, True])
def test_icrc_covers_what_routers_leave_alone(six):
    packet = roce(six=six)
    size = 40 if six else 20
    assert frames.icrc_is_right(packet)
    may_change = {7} | {1, 2, 3} if six else {1, 8, 10, 11}
    may_change |= {size + 6, size + 7, size + 12}
    for at in range(1, len(packet)):
        other = bytearray(packet)
        other[at] ^= 0x10
        assert frames.icrc_is_right(bytes(other)) == (at in may_change), f"byte {at}"


# Sent by stock rdma_rxe of Debian's stable kernel: an acknowledgement over IPv4, a send over IPv6.
RXE = ("4500003048fd40004011c66ac0a8d502c0a8d501c14412b7001c00001100ffff0000001200c535f91f0000015bb9"
       "91f1",
       "6000000000281140fd000009000000000000000000000001fd000009000000000000000000000002d53312b70028"
       "00000400ffff0000001980ea38090000562b8670667000000d9100000100f64a85e9")


@pytest.mark.parametrize("packet", RXE, ids=["v4", "v6"])
def test_icrc_agrees_with_an_implementation_that_is_not_ours(packet):
    packet = bytes.fromhex(packet)
    assert frames.icrc_is_right(packet)
    assert not frames.icrc_is_right(packet[:-5] + bytes((packet[-5] ^ 1,)) + packet[-4:])


# ---- leaks -------------------------------------------------------------------------------------

def test_a_clean_capture_is_clean():
    judge.check_no_cleartext(numbered([sealed(i) for i in range(1, 20)]), [IP_A, IP_B])


@pytest.mark.parametrize("leak", [
    clear(roce(99)), clear(roce(99, six=True)), clear(roce(99), vlan=5),
    frames.ethernet(MAC_B, MAC_A, 0x8915, b"\0" * 60)])
def test_one_cleartext_roce_frame_among_many_is_found(leak):
    raws = [sealed(i) for i in range(1, 20)]
    raws.insert(7, leak)
    with pytest.raises(Guilty, match="frame 8: roce"):
        judge.check_no_cleartext(numbered(raws))


def test_a_fragment_of_udp_is_a_leak():
    packet = bytearray(roce(99, payload=b"y" * 64))
    struct.pack_into("!H", packet, 6, 0x0004)
    with pytest.raises(Guilty):
        judge.check_no_cleartext(numbered([clear(bytes(packet))]))


def test_cleartext_between_protected_addresses_is_found_and_others_are_not():
    ping = frames.ip_packet(IP_A, IP_B, 1, b"\x08\0" + b"\0" * 30)
    other = frames.ip_packet("10.9.9.1", "10.9.9.2", 1, b"\x08\0" + b"\0" * 30)
    judge.check_no_cleartext(numbered([clear(other)]), [IP_A, IP_B])
    with pytest.raises(Guilty, match="icmp"):
        judge.check_no_cleartext(numbered([clear(other), clear(ping)]), [IP_A, IP_B])


def test_a_canary_in_clear_is_found():
    raws = [sealed(packet=roce(payload=b"CANARY" * 9 + b"..")),
            clear(frames.ip_packet(IP_A, IP_B, 99, b"..CANARY.."))]
    assert [f.number for f in judge.frames_with(numbered(raws), b"CANARY")] == [2]


# ---- opening -----------------------------------------------------------------------------------

def test_gcm_agrees_with_the_published_vector():
    # McGrew and Viega, "The Galois/Counter Mode of Operation", test case 4.
    gcm = aead.Gcm(bytes.fromhex("feffe9928665731c6d6a8f9467308308"))
    plain = bytes.fromhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                          "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39")
    aad = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    nonce = bytes.fromhex("cafebabefacedbaddecaf888")
    box = gcm.seal(nonce, plain, aad)
    assert box[-16:].hex() == "5bc94fbc3221a5db94fae95ae7121a47"
    assert gcm.open(nonce, box, aad) == plain
    with pytest.raises(aead.BadTag):
        gcm.open(nonce, box, aad[:-1])


@pytest.mark.parametrize("sa", [SA, SA6], ids=["v4", "v6-esn-256"])
def test_both_openers_give_back_the_packet(sa):
    six = ":" in sa.dst
    made = numbered([sealed(i, sa=sa) for i in range(1, 6)])
    for i, opened in enumerate(judge.tshark_open(made, [sa])):
        assert opened.packet == roce(i + 1, six=six)
        assert "infiniband" in opened.protocols and opened.has_right_icrc
    for i, frame in enumerate(made):
        assert Opener([sa]).open(frame)[1].packet == roce(i + 1, six=six)
    report = judge.examine(made, [SA, SA6])
    report.check_sealed_roce(5)
    assert report.tshark_roce == report.sealed_roce == 5


def test_the_high_half_of_an_esn_is_authenticated():
    frame = Frame(sealed(seq=(1 << 32) + 5, sa=SA6, iv=b"\1" * 8))
    assert Opener([SA6]).open(frame, high=[0]) is None
    assert Opener([SA6]).open(frame, high=[1])


def test_a_flipped_bit_is_not_opened():
    raw = bytearray(sealed())
    raw[60] ^= 1
    assert Opener([SA]).open(Frame(bytes(raw))) is None
    with pytest.raises(Guilty, match="no known SA opens"):
        judge.examine(numbered([bytes(raw)]), [SA]).check_sealed_roce()


def test_a_wrong_icrc_inside_esp_is_found():
    bad = bytearray(roce(3))
    bad[-6] ^= 1
    raws = [sealed(1), sealed(2), sealed(3, packet=bytes(bad)), sealed(4)]
    with pytest.raises(Guilty, match="wrong ICRC in: 1 frame.*\n.*frame 3"):
        judge.examine(numbered(raws), [SA]).check_sealed_roce()


def test_no_traffic_is_no_proof():
    with pytest.raises(Guilty, match="0 sealed RoCE"):
        judge.examine([], [SA]).check_sealed_roce()


def test_host_traffic_inside_esp_is_told_apart():
    ping = frames.ip_packet(IP_A, IP_B, 1, b"\x08\0" + b"\0" * 30)
    report = judge.examine(numbered([sealed(1), sealed(2, packet=ping)]), [SA])
    assert report.sealed_kinds == {"roce": 1, "icmp": 1}


# ---- the SAs -----------------------------------------------------------------------------------

XFRM_STATE = f"""\
src {IP_A} dst {IP_B}
\tproto esp spi 0x00001001 reqid 7 mode transport
\treplay-window 0 flag esn
\taead rfc4106(gcm(aes)) 0x{KEY.hex()} 128
\tanti-replay esn context:
\t seq-hi 0x0, seq 0x0, oseq-hi 0x0, oseq 0x5
\t replay_window 32, bitmap-length 1
\t 00000000
\tcrypto offload parameters: dev ens1 dir out mode packet
src {IP_B} dst {IP_A}
\tproto esp spi 0x00001002(4098) reqid 7(0x00000007) mode transport
\treplay-window 32 seq 0x00000000 flag  (0x00000000)
\taead rfc4106(gcm(aes)) 0x{"ab" * 36} (288 bits) 128
src {IP_B} dst {IP_A}
\tproto esp spi 0x00001003 reqid 7 mode transport
\tauth-trunc hmac(sha256) 0x{"cd" * 32} 128
"""


def test_sas_are_read_from_ip_xfrm_state():
    one, two = judge.sas_from_xfrm(XFRM_STATE)
    assert (one.src, one.dst, one.spi, one.key, one.esn, one.reqid) == \
        (IP_A, IP_B, 0x1001, KEY, True, 7)
    assert (two.spi, len(two.key), two.esn, two.reqid) == (0x1002, 36, False, 7)


def test_keys_are_never_shown():
    assert KEY.hex() not in repr(SA) + str(SA) and repr(KEY) not in repr(SA)


# ---- the nonce oracle --------------------------------------------------------------------------

def oracle_of(tmp_path, **captures):
    oracle = NonceOracle()
    for name, raws in captures.items():
        path = tmp_path / f"{name}.pcap"
        write_pcap(path, raws)
        oracle.add(path, read_pcap(path), [MAC_A if name[0] == "a" else MAC_B])
    return oracle


def test_distinct_nonces_pass(tmp_path):
    oracle = oracle_of(tmp_path, a0=[sealed(i) for i in range(1, 100)])
    oracle.check()
    assert (oracle.frames, oracle.associations) == (99, 1)


def test_a_repeated_nonce_is_found(tmp_path):
    raws = [sealed(i) for i in range(1, 10)]
    raws.append(sealed(50, iv=struct.pack("!Q", 4)))
    with pytest.raises(Guilty, match="IV 0000000000000004 twice: a0.pcap frame 4, .*frame 10"):
        oracle_of(tmp_path, a0=raws).check()


def test_a_repeat_on_the_other_cable_is_found(tmp_path):
    with pytest.raises(Guilty, match="a0.pcap frame 1, then a1.pcap frame 1"):
        oracle_of(tmp_path, a0=[sealed(1)], a1=[sealed(1)]).check()


def test_a_repeat_in_a_later_piece_of_a_capture_is_found(tmp_path):
    path = tmp_path / "a0.pcap"
    write_pcap(path, [sealed(1), sealed(2), sealed(1)])
    pcap, oracle = list(Pcap(path).read()), NonceOracle()
    oracle.add(path, pcap[:2], [MAC_A])
    oracle.check()
    oracle.add(path, pcap[2:], [MAC_A])
    with pytest.raises(Guilty):
        oracle.check()


def test_the_same_frame_at_both_ends_is_no_repeat(tmp_path):
    raws = [sealed(i) for i in range(1, 10)]
    oracle = oracle_of(tmp_path, a0=raws, b0=raws)
    oracle.check()
    assert oracle.frames == 9


def test_a_replay_injected_at_the_receiver_is_no_repeat(tmp_path):
    oracle_of(tmp_path, a0=[sealed(1)], b0=[sealed(1), sealed(1)]).check()


def test_one_key_on_two_spis_with_one_iv_is_found(tmp_path):
    other = Sa(IP_A, IP_B, 0x2002, KEY)
    oracle = oracle_of(tmp_path, a0=[sealed(1), sealed(1, sa=other)])
    oracle.check()
    oracle.learn([SA, other])
    with pytest.raises(Guilty, match="one key"):
        oracle.check()


def test_an_spi_used_again_with_a_fresh_key_is_no_repeat(tmp_path):
    fresh = Sa(IP_A, IP_B, SA.spi, aead.random_key())
    path = tmp_path / "a0.pcap"
    write_pcap(path, [sealed(1), sealed(1, sa=fresh)])
    oracle = NonceOracle()
    oracle.learn([SA, fresh])
    oracle.add(path, read_pcap(path), [MAC_A])
    oracle.check()


def test_a_repeated_sequence_number_is_found(tmp_path):
    with pytest.raises(Guilty, match="sequence number 1 twice"):
        oracle_of(tmp_path, a0=[sealed(1), sealed(2, seq=1, iv=b"12345678")]).check()
