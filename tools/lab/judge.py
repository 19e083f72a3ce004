# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The outside judge: says from captures taken outside the guests what was on the cables.

It trusts neither the kernel under test nor any code of this project: frames are parsed here,
tshark decrypts, libcrypto opens as a second opinion, the ICRC is computed from the standard.

    frames -> classify (frames.py) -> cleartext that must not be there?
                  |
                  +-> ESP -> tshark decrypts -> RoCEv2 inside, ICRC right?
                  +-> ESP of the sender's side -> NonceOracle: a nonce twice?
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import hashlib
import re
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import Iterable, Sequence

from . import aead, image, tools
from .frames import (PROTO_ESP, PROTO_UDP, ROCE_PORT, Frame, Pcap, checksum, icrc_is_right,
                     ip_frame, ip_packet, packed, udp, write_pcap)

# tshark decodes this many frames of one question; more are sampled evenly (libcrypto opens all).
TSHARK_LIMIT = 20000
SHOW = 8


class JudgeError(Exception):
    """The judge cannot work (no tshark, unreadable capture): no verdict at all."""


class Guilty(AssertionError):
    """The capture shows what must not be; the text says which frames."""


# ---- SAs ---------------------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Sa:
    """One direction of an association, with its key (AES key and 4 bytes of salt): never shown."""

    src: str
    dst: str
    spi: int
    key: bytes = dataclasses.field(repr=False)
    esn: bool = False
    reqid: int = 0

    @property
    def id(self) -> tuple[bytes, int]:
        return packed(self.dst), self.spi

    @property
    def key_id(self) -> str:
        """Tells keys apart without telling them."""
        return hashlib.sha256(b"judge" + self.key).hexdigest()[:12]


def sas_from_xfrm(text: str) -> list[Sa]:
    """The ESP SAs with rfc4106 keys in the output of `ip xfrm state` (with or without -s)."""
    found = []
    for block in re.split(r"(?m)^(?=src )", text):
        ends = re.match(r"src (\S+) dst (\S+)", block)
        spi = re.search(r"proto esp spi (0x[0-9a-f]+)", block)
        key = re.search(r"aead rfc4106\(gcm\(aes\)\) (?:\S*\s)?0x([0-9a-f]+)(?: \(\d+ bits\))? 128",
                        block)
        if not (ends and spi and key):
            continue
        reqid = re.search(r"reqid (\d+)", block)
        flags = re.search(r"flag ([^\n]*)", block)
        found.append(Sa(ends[1], ends[2], int(spi[1], 16), bytes.fromhex(key[1]),
                        bool(flags and re.search(r"\besn\b", flags[1])),
                        int(reqid[1]) if reqid else 0))
    return found


# ---- what must not be there --------------------------------------------------------------------

def cleartext_roce(frames: Iterable[Frame]) -> list[Frame]:
    """Every RoCE frame that is not inside ESP.

    Counts RoCEv1 too, and pieces of fragmented UDP: an adapter that leaks leaks in any form.
    """
    return [f for f in frames
            if f.kind in ("roce", "rocev1") or (f.kind == "fragment" and f.proto == PROTO_UDP)]


# Neighbour discovery and listener reports are multicast or unprotected by nature; ARP is no IP.
_ALWAYS_CLEAR = ("esp", "esp-udp", "nd", "mld")


def cleartext_ip(frames: Iterable[Frame], addresses: Sequence[str]) -> list[Frame]:
    """Every IP frame between two of the given addresses that is not ESP (ND and MLD apart)."""
    ends = {packed(a) for a in addresses}
    return [f for f in frames
            if f.version and f.kind not in _ALWAYS_CLEAR and f.src in ends and f.dst in ends]


def frames_with(frames: Iterable[Frame], needle: bytes) -> list[Frame]:
    """Every frame that shows these bytes as they are: for payloads marked with a canary."""
    return [f for f in frames if needle in f.raw]


def list_frames(frames: Sequence[Frame]) -> str:
    lines = ["  " + f.describe() for f in frames[:SHOW]]
    if len(frames) > SHOW:
        lines.append(f"  ... and {len(frames) - SHOW} more")
    return "\n".join(lines)


def check_no_cleartext(frames: Sequence[Frame], addresses: Sequence[str] = (),
                       what: str = "the capture") -> None:
    """Raises Guilty if RoCE, or any IP between the addresses, went unsealed."""
    leaks = cleartext_roce(frames)
    if addresses:
        known = {id(f) for f in leaks}
        leaks += [f for f in cleartext_ip(frames, addresses) if id(f) not in known]
    if leaks:
        leaks.sort(key=lambda f: f.number)
        raise Guilty(f"{what}: {len(leaks)} cleartext frame(s) of {len(frames)}\n"
                     + list_frames(leaks))


# ---- ESP opened --------------------------------------------------------------------------------

@dataclasses.dataclass
class Opened:
    """An ESP packet as it was before sealing: packet is the whole IP packet in its clear form."""

    frame: Frame
    packet: bytes = dataclasses.field(repr=False)
    proto: int
    protocols: str = ""     # tshark's own view, e.g. eth:ethertype:ip:esp:udp:infiniband

    @property
    def payload(self) -> bytes:
        return self.packet[20 if self.packet[0] >> 4 == 4 else 40:]

    @property
    def is_roce(self) -> bool:
        body = self.payload
        return (self.proto == PROTO_UDP and len(body) >= 8
                and int.from_bytes(body[2:4], "big") == ROCE_PORT)

    @property
    def has_right_icrc(self) -> bool:
        return icrc_is_right(self.packet)

    def inner_frame(self) -> Frame:
        """As a frame of its own, for the classifier."""
        return Frame(self.frame.raw[:self.frame.l3] + self.packet, self.frame.number,
                     self.frame.time)


def _strip_trailer(frame: Frame, plain: bytes) -> tuple[bytes, int] | None:
    """RFC 4303 2.4-2.6: padding 1, 2, 3, .., its length, next header; None if it is not that."""
    if len(plain) < 2:
        return None
    pad, proto = plain[-2], plain[-1]
    if pad + 2 > len(plain) or plain[-2 - pad:-2] != bytes(range(1, pad + 1)):
        return None
    return _clear_form(frame, plain[:-2 - pad], proto), proto


def _clear_form(frame: Frame, inner: bytes, proto: int) -> bytes:
    """The IP header as it was before transport mode changed protocol and length."""
    head = bytearray(frame.raw[frame.l3:frame.l4])
    if frame.version == 4:
        struct.pack_into("!H", head, 2, len(head) + len(inner))
        head[9] = proto
        head[10:12] = b"\0\0"
        struct.pack_into("!H", head, 10, checksum(bytes(head)))
    else:
        struct.pack_into("!H", head, 4, len(head) - 40 + len(inner))
        head[6] = proto
    return bytes(head) + inner


def seal(packet: bytes, spi: int, seq: int, key: bytes, iv: bytes | None = None,
         esn: bool = False) -> bytes:
    """An ESP packet in transport mode around an IP packet: forgeries and the judge's own tests."""
    size = 20 if packet[0] >> 4 == 4 else 40
    proto = packet[9] if size == 20 else packet[6]
    inner = packet[size:]
    pad = -(len(inner) + 2) % 4
    plain = inner + bytes(range(1, pad + 1)) + bytes((pad, proto))
    head = struct.pack("!II", spi, seq & 0xFFFFFFFF)
    aad = struct.pack("!IQ", spi, seq) if esn else head
    iv = struct.pack("!Q", seq) if iv is None else iv
    body = head + iv + aead.Gcm(key[:-4]).seal(key[-4:] + iv, plain, aad)
    outer = bytearray(packet[:size]) + body
    if size == 20:
        struct.pack_into("!H", outer, 2, len(outer))
        outer[9] = PROTO_ESP
        outer[10:12] = b"\0\0"
        struct.pack_into("!H", outer, 10, checksum(bytes(outer[:20])))
    else:
        struct.pack_into("!H", outer, 4, len(outer) - 40)
        outer[6] = PROTO_ESP
    return bytes(outer)


class Opener:
    """Opens ESP with libcrypto, authenticating it: header, ESN's high half and all."""

    def __init__(self, sas: Iterable[Sa]):
        self._sas: dict[tuple[bytes, int], list[tuple[Sa, aead.Gcm]]] = collections.defaultdict(list)
        for sa in sas:
            self._sas[sa.id].append((sa, aead.Gcm(sa.key[:-4])))

    def open(self, frame: Frame, high: Sequence[int] = (0, 1)) -> tuple[Sa, Opened] | None:
        """high: values to try for the upper half of an ESN.  None: not sealed by a known SA."""
        at = frame.esp_at
        sealed = frame.raw[at + 16:frame.end]
        for sa, gcm in self._sas.get((frame.dst, frame.spi), ()):
            nonce = sa.key[-4:] + frame.iv
            for hi in high if sa.esn else (0,):
                aad = frame.raw[at:at + 8]
                if sa.esn:
                    aad = aad[:4] + struct.pack("!I", hi) + aad[4:]
                try:
                    stripped = _strip_trailer(frame, gcm.open(nonce, sealed, aad))
                except aead.BadTag:
                    continue
                if stripped:
                    return sa, Opened(frame, *stripped)
        return None


def tshark_version() -> str:
    return _run_tshark(["--version"]).splitlines()[0]


@functools.cache
def _guest_image() -> image.Image:
    """Looked for once: the judge asks its tshark hundreds of times."""
    found = image.find()
    if not found:
        raise JudgeError("there is no guest image, which brings tshark; roce-ipsec-lab setup")
    return found


def _run_tshark(args: Sequence[str], home: str | None = None) -> str:
    env = dict(tools.environment(_guest_image()), LC_ALL="C.UTF-8")
    if home:
        env |= {"WIRESHARK_CONFIG_DIR": home, "HOME": home, "XDG_CONFIG_HOME": home}
    proc = subprocess.run([*tools.command(_guest_image(), "tshark"), *args], env=env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    if proc.returncode:
        raise JudgeError(f"tshark {args[0]}: exit status {proc.returncode}: {proc.stderr.strip()}")
    return proc.stdout


def _esp_sa_line(sa: Sa, fields: int) -> str:
    """One record of tshark's table of ESP SAs; versions after 4.0 know two more fields."""
    values = ["IPv6" if ":" in sa.dst else "IPv4", "*", sa.dst, f"0x{sa.spi:08x}",
              "AES-GCM with 16 octet ICV [RFC4106]", "0x" + sa.key.hex(), "NULL", "",
              "64-bit" if sa.esn else "32-bit", "0"]
    return ",".join(f'"{v}"' for v in values[:fields]) + "\n"


def _decode(frames: Sequence[Frame], sas: Sequence[Sa], fields: int) -> list[list[str]]:
    # Keys go through a file in a private folder: an argument would be seen by every user.
    with tempfile.TemporaryDirectory(prefix="judge-") as home:
        pcap = Path(home, "esp.pcap")
        write_pcap(pcap, frames)
        Path(home, "esp_sa").write_text("".join(_esp_sa_line(sa, fields) for sa in sas),
                                        encoding="ascii")
        text = _run_tshark(["-n", "-r", str(pcap), "-o", "esp.enable_encryption_decode:TRUE",
                            "-T", "fields", "-e", "frame.number", "-e", "frame.protocols",
                            "-e", "esp.decrypted_data"], home)
    return [line.split("\t") for line in text.splitlines()]


@functools.cache
def _table_fields() -> int:
    """How many fields this tshark's table of SAs has: found by trying on a packet of our own."""
    key = bytes(range(20))
    clear = ip_packet("192.0.2.1", "192.0.2.2", PROTO_UDP, udp(1, 2, b"judge"))
    mac = "02:00:00:00:00:01"
    probe = Frame(ip_frame(mac, mac, seal(clear, 0x101, 1, key)), 1)
    sa = Sa("192.0.2.1", "192.0.2.2", 0x101, key)
    for fields in (8, 10):
        with contextlib.suppress(JudgeError):
            rows = _decode([probe], [sa], fields)
            if rows and len(rows[0]) > 2 and clear[20:].hex() in rows[0][2]:
                return fields
    raise JudgeError(f"{tshark_version()} does not decrypt ESP with AES-GCM")


def tshark_open(frames: Sequence[Frame], sas: Sequence[Sa],
                limit: int = TSHARK_LIMIT) -> list[Opened]:
    """What tshark makes of the ESP frames among these; those it cannot open are left out."""
    esp = [f for f in frames if f.kind in ("esp", "esp-udp")]
    if len(esp) > limit:
        step = len(esp) / limit
        esp = [esp[int(i * step)] for i in range(limit)]
    if not esp or not sas:
        return []
    opened = []
    for row in _decode(esp, sas, _table_fields()):
        if len(row) < 3 or not row[2]:
            continue
        frame = esp[int(row[0]) - 1]
        stripped = _strip_trailer(frame, bytes.fromhex(row[2].replace(":", "")))
        if stripped:
            opened.append(Opened(frame, *stripped, protocols=row[1]))
    return opened


# ---- the whole verdict -------------------------------------------------------------------------

@dataclasses.dataclass
class Report:
    """What one capture, or a piece of it, says."""

    total: int = 0
    kinds: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    clear_roce: list[Frame] = dataclasses.field(default_factory=list)
    esp: int = 0
    authentic: int = 0          # opened and authenticated by libcrypto
    unopened: list[Frame] = dataclasses.field(default_factory=list)
    asked: int = 0              # shown to tshark
    tshark_opened: int = 0
    tshark_roce: int = 0        # tshark says: .. esp, udp, infiniband
    disagree: list[Frame] = dataclasses.field(default_factory=list)
    sealed_roce: int = 0
    wrong_icrc: list[Frame] = dataclasses.field(default_factory=list)
    sealed_kinds: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    def check_sealed_roce(self, at_least: int = 1) -> None:
        """Only ESP carries RoCE here, all of it opens, all ICRCs are right, tshark agrees."""
        for bad, text in ((self.clear_roce, "cleartext RoCE"),
                          (self.unopened, "ESP that no known SA opens"),
                          (self.disagree, "tshark and libcrypto disagree about"),
                          (self.wrong_icrc, "wrong ICRC in")):
            if bad:
                raise Guilty(f"{text}: {len(bad)} frame(s)\n" + list_frames(bad))
        if self.sealed_roce < at_least:
            raise Guilty(f"{self.sealed_roce} sealed RoCE packets, {at_least} expected; "
                         f"seen: {dict(self.kinds)}, inside ESP: {dict(self.sealed_kinds)}")
        if self.tshark_opened != self.asked:
            raise Guilty(f"tshark opened {self.tshark_opened} of {self.asked} ESP frames")


def examine(frames: Sequence[Frame], sas: Sequence[Sa], limit: int = TSHARK_LIMIT) -> Report:
    """Classifies, opens (twice: tshark and libcrypto), and checks every ICRC."""
    report = Report(total=len(frames))
    report.kinds.update(f.kind for f in frames)
    report.clear_roce = cleartext_roce(frames)
    report.wrong_icrc = [f for f in frames if f.kind == "roce" and not f.fragment
                         and not icrc_is_right(f.ip)]
    opener = Opener(sas)
    clear: dict[int, bytes] = {}
    for frame in frames:
        if frame.kind not in ("esp", "esp-udp"):
            continue
        report.esp += 1
        result = opener.open(frame)
        if not result:
            report.unopened.append(frame)
            continue
        report.authentic += 1
        opened = result[1]
        clear[id(frame)] = opened.packet
        report.sealed_kinds[opened.inner_frame().kind] += 1
        if opened.is_roce:
            report.sealed_roce += 1
            if not opened.has_right_icrc:
                report.wrong_icrc.append(frame)
    authentic = [f for f in frames if id(f) in clear]
    report.asked = min(len(authentic), limit)
    for opened in tshark_open(authentic, sas, limit):
        report.tshark_opened += 1
        # "infiniband" is what tshark calls the RoCE transport headers.
        says_roce = "esp" in opened.protocols and "infiniband" in opened.protocols
        report.tshark_roce += says_roce
        if opened.packet != clear[id(opened.frame)] or says_roce != opened.is_roce:
            report.disagree.append(opened.frame)
    return report


# ---- the nonce oracle (I3) ---------------------------------------------------------------------

class NonceOracle:
    """No (SA, IV) twice, and no (key, IV) twice where keys are known: over all captures given.

    A frame is looked at where it was sent: on the sender's own end of the cable, recognised by
    the sender's MAC addresses.  So the same frame at the other end is no repeat, nor is a replay
    that a test injects at the receiver's end.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[bytes, int], dict[bytes, tuple[int, int]]] = {}
        self._seqs: dict[tuple[bytes, int], dict[int, tuple[int, int]]] = {}
        self._sas: dict[tuple[bytes, int], dict[str, Sa]] = collections.defaultdict(dict)
        self._captures: list[Path] = []
        self._repeats: list[str] = []
        self.frames = 0

    def learn(self, sas: Iterable[Sa]) -> None:
        """Keys that were in use: lets repeats across SPIs be found, re-used SPIs be told apart."""
        for sa in sas:
            self._sas[sa.id][sa.key_id] = sa

    @property
    def associations(self) -> int:
        return len(self._seen)

    def add(self, path: Path | str, frames: Iterable[Frame], macs: Iterable[str]) -> int:
        """Frames of the capture at path, of the host that owns these MACs; returns how many."""
        path = Path(path)
        if path not in self._captures:
            self._captures.append(path)
        which = self._captures.index(path)
        own = {bytes.fromhex(m.replace(":", "")) for m in macs}
        added = 0
        for frame in frames:
            if frame.kind not in ("esp", "esp-udp") or frame.src_mac not in own:
                continue
            added += 1
            sa = (frame.dst, frame.spi)
            self._look(self._seen.setdefault(sa, {}), frame.iv, which, frame, "IV")
            self._look(self._seqs.setdefault(sa, {}), frame.seq, which, frame, "sequence number")
        self.frames += added
        return added

    def _look(self, seen: dict, value, which: int, frame: Frame, what: str) -> None:
        first = seen.setdefault(value, (which, frame.number))
        if first == (which, frame.number) or self._other_key(frame, first):
            return
        text = value.hex() if isinstance(value, bytes) else str(value)
        self._repeats.append(
            f"{what} {text} twice: {self._captures[first[0]].name} frame {first[1]}, then "
            f"{self._captures[which].name} {frame.describe()}")

    def _other_key(self, frame: Frame, first: tuple[int, int]) -> bool:
        """An SPI that was used again with another key: the two frames prove it by opening."""
        known = self._sas.get((frame.dst, frame.spi), {})
        if len(known) < 2:
            return False
        opener = Opener(known.values())
        now = opener.open(frame)
        for old in Pcap(self._captures[first[0]]).read():
            if old.number == first[1]:
                then = opener.open(old)
                return bool(now and then and now[0].key_id != then[0].key_id)
        return False

    def repeats(self) -> list[str]:
        found = list(self._repeats)
        by_key: dict[str, list[tuple[bytes, int]]] = collections.defaultdict(list)
        for sa_id, known in self._sas.items():
            if sa_id in self._seen and len(known) == 1:
                by_key[next(iter(known))].append(sa_id)
        for sharers in by_key.values():
            for i, one in enumerate(sharers):
                for two in sharers[i + 1:]:
                    both = self._seen[one].keys() & self._seen[two].keys()
                    for iv in sorted(both):
                        found.append(f"one key, IV {iv.hex()} twice: spi 0x{one[1]:08x} "
                                     f"{self._place(one, iv)}, spi 0x{two[1]:08x} "
                                     f"{self._place(two, iv)}")
        return found

    def _place(self, sa: tuple[bytes, int], iv: bytes) -> str:
        which, number = self._seen[sa][iv]
        return f"{self._captures[which].name} frame {number}"

    def check(self) -> None:
        found = self.repeats()
        if found:
            more = f"\n  ... and {len(found) - SHOW} more" if len(found) > SHOW else ""
            raise Guilty(f"I3 broken: {len(found)} nonce(s) used twice in {self.frames} frames\n  "
                         + "\n  ".join(found[:SHOW]) + more)
