"""Small files of BIOPAC AcqKnowledge, byte by byte."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

import numpy as np

PLANTED = "PLANTEDNAME"
#: Bytes of the graph's header and where it says that samples are compressed, by revision.
GRAPHS = {38: (1894, 0), 41: (1944, 1936), 132: (2400, 972)}
JOURNAL_HEAD = 262 + 4 + 290 + 26 + 4 + 4 + 4  # of version 5


@dataclass(frozen=True)
class Signal:
    name: str
    values: list[float]
    unit: str = "mV"
    divider: int = 1
    scale: float = 0.5
    offset: float = 2.0
    number: int = 1
    code: str = "h"  # struct: int16, or "d"


@dataclass(frozen=True)
class Acq:
    signals: list[Signal]
    revision: int = 38
    order: str = "<"
    compressed: bool = False
    markers: list[tuple[int, str]] = field(default_factory=lambda: [(0, "Segment 1"), (3, "x")])
    sample_ms: float = 2.0
    foreign: bytes = b""
    journal: bytes = f"{PLANTED} was here".encode()
    end: bytes | None = None  # behind the journal of version 5; by default as it is written

    def pack(self, layout: str, *values: object) -> bytes:
        return struct.pack(self.order + layout, *values)

    def before(self) -> bytes:
        """Return the headers before the samples."""
        size, flag = GRAPHS[self.revision]
        graph = bytearray(size)
        graph[:24] = self.pack("hiihhh", 0, self.revision, size, len(self.signals), 0, 0) + bytes(8)
        graph[16:24] = self.pack("d", self.sample_ms)
        if self.compressed:
            graph[flag : flag + 4] = self.pack("i", 1)
        if self.revision == 132:
            graph[2398:2400] = self.pack("h", 1)
            graph += self.pack("i", 40) + bytes(36)  # a header of padding
        late = self.revision == 132
        foreign = self.pack("i", 4 + len(self.foreign)) if late else self.pack("hh", 4, 0)
        types = [self.pack("hh", *((2, 2) if s.code == "h" else (8, 0))) for s in self.signals]
        heads = [self.channel(signal) for signal in self.signals]
        return bytes(graph) + b"".join(heads) + foreign + self.foreign + b"".join(types)

    def tail(self) -> bytes:
        """Return what version 5 writes behind the journal, and no reader reads."""
        if self.end is not None:
            return self.end
        text = b"<ack/>"
        said = self.pack("I", len(text)) + b"PXML" + bytes(4) + text
        last = b"\0\x64" + bytes(40)
        lists = b"Prop" + 2 * said + bytes(8) + b"SCO " + said
        return bytes(4) + self.pack("I", 0xDEADED3D) + bytes(50) + lists + self.pack(
            "I", 4 + len(last)
        ) + last  # fmt: skip

    def channel(self, signal: Signal) -> bytes:
        late = self.revision == 132
        size = 154 if late else 252
        name, unit = signal.name.encode(), signal.unit.encode()
        head = self.pack("ih40s4xhdd20s", size, 1, name, 0, 0.0, 0.0, unit)
        head += self.pack("iddhh", len(signal.values), signal.scale, signal.offset, 0, 0)
        head = head[:-4] + self.pack("hh", signal.number, 0)
        behind = bytes(40) if late else self.pack("hd128s", 0, 0.0, PLANTED.encode())
        return head + behind + self.pack("h", signal.divider)

    def interleaved(self) -> bytes:
        out = b""
        for tick in range(max(len(s.values) * s.divider for s in self.signals)):
            for signal in self.signals:
                at, rest = divmod(tick, signal.divider)
                if rest == 0 and at < len(signal.values):
                    out += self.pack(signal.code, signal.values[at])
        return out

    def behind(self) -> bytes:
        """Return the markers and the journal."""
        journal = self.journal
        n = len(self.markers)
        if self.revision == 132:
            out = self.pack("iii6x5sh16x", 0, n + 1, n, b"defl", 0)
            for sample, text in self.markers:
                said = text.encode() + b"\0"
                out += self.pack("I4xh4sQ8xh", sample, 7, b"flag", 1, len(said)) + said
            if not journal:
                return out + self.pack("ih", 6, 0)
            total = 4 + JOURNAL_HEAD + len(journal)
            head = bytes(JOURNAL_HEAD - 4) + self.pack("i", len(journal))
            return out + self.pack("i", total) + head + journal
        out = self.pack("ii", 0, n)
        for sample, text in self.markers:
            out += self.pack("ihhhh", sample, 0, 0, 0, len(text)) + text.encode() + b"\0"
        if self.revision >= 41:
            out += bytes(84) + b"".join(self.pack("ii20x", 0, k + 1) for k in range(n))
        return out + b"\x44\x33\x22\x11" + self.pack("hi", 1, len(journal)) + journal

    def squeezed(self) -> bytes:
        out = bytes(34) + self.pack("i", 3) + b"abc"
        if self.revision == 132:
            out = bytes(24) + self.pack("ii", 1, 2) + bytes(26) + b"abc"
        for signal in self.signals:
            raw = np.array(signal.values, "<i2" if signal.code == "h" else "<f8").tobytes()
            small = zlib.compress(raw)
            out += bytes(44) + self.pack("iiii", 2, 1, len(raw), len(small)) + b"abc" + small
        return out

    def content(self) -> bytes:
        if self.compressed:
            return self.before() + self.behind() + self.squeezed()
        tail = self.tail() if self.revision == 132 else b""
        return self.before() + self.interleaved() + self.behind() + tail


SIGNALS = [
    Signal("fast", [1, -2, 3, -4, 5, -6, 7], number=1),
    Signal("slow", [100, 200, 300], divider=3, scale=0.1, offset=0.0, unit="Volts", number=7),
    Signal("fine", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], code="d", scale=9.0, number=3),
    Signal("fast", [9, 8, 7, 6, 5, 4, 3], number=4, scale=-0.25),
]
