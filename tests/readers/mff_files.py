"""Small MFF folders, made byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 250
PLANTED = "PLANTEDNAME"


def block(samples: NDArray[np.float32], rate: int = RATE_HZ, *, header: bool = True) -> bytes:
    n, length = samples.shape
    data = samples.astype("<f4").tobytes()
    if not header:
        return struct.pack("<i", 0) + data
    offsets = (4 * length * np.arange(n)).astype("<i4").tobytes()
    kinds = np.full(n, (rate << 8) + 32, "<i4").tobytes()
    more = struct.pack("<iiqqi", 24, 1, 1, length, n)
    size = 16 + 8 * n + len(more)
    return struct.pack("<4i", 1, size, len(data), n) + offsets + kinds + more + data


SPACES = {"fileInfo": "info", "dataInfo": "info_n", "eventTrack": "event", "PNSSet": "pnsSet"}


def xml(root: str, inner: str) -> str:
    space = SPACES.get(root, root)
    return (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<{root} '
        f'xmlns="http://www.egi.com/{space}_mff" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"{inner}</{root}>"
    )


def epochs(rows: Sequence[tuple[int, int, int, int]]) -> str:
    names = ("beginTime", "endTime", "firstBlock", "lastBlock")
    inner = "".join(
        "<epoch>"
        + "".join(f"<{name}>{value}</{name}>" for name, value in zip(names, row, strict=True))
        + "</epoch>"
        for row in rows
    )
    return xml("epochs", inner)


def sensors(names: Sequence[str], kinds: Sequence[int], more: str = "") -> str:
    inner = "".join(
        f"<sensor><name>{name}</name><number>{at + 1}</number><type>{kind}</type>{more}</sensor>"
        for at, (name, kind) in enumerate(zip(names, kinds, strict=True))
    )
    return f"<name>Net 2</name><sensors>{inner}</sensors>"


def calibration(kind: str, values: Sequence[float]) -> str:
    inner = "".join(f'<ch n="{at + 1}">{value!r}</ch>' for at, value in enumerate(values))
    return (
        f"<calibration><beginTime>0</beginTime><endTime>0</endTime><type>{kind}</type>"
        f"<channels>{inner}</channels></calibration>"
    )


def about(kind: str, more: str = "") -> str:
    inner = f"<generalInformation><fileDataType><{kind}/></fileDataType></generalInformation>"
    return xml("dataInfo", inner + more)


def event(time: str, code: str, label: str = "", keys: str = "") -> str:
    return (
        f"<event><beginTime>{time}</beginTime><duration>20000</duration><code>{code}</code>"
        f"<label>{label}</label><description>{PLANTED}</description>"
        f"<sourceDevice>{PLANTED}</sourceDevice><keys>{keys}</keys></event>"
    )


def key(code: str, value: str) -> str:
    return f'<key><keyCode>{code}</keyCode><data dataType="short">{value}</data></key>'


SUBJECT = xml(
    "patient",
    "<fields>"
    + "".join(
        f"<field><name>{name}</name><data>{value}</data></field>"
        for name, value in {
            "Patient ID": PLANTED,
            "Last (Family) Name": PLANTED,
            "Date of Birth": "1990-05-06",
            "Gender": "Female",
            "Patient History": PLANTED,
        }.items()
    )
    + "</fields>",
)
INFO = (
    "<mffVersion>3</mffVersion><recordTime>2020-01-29T06:19:39.202537-08:00</recordTime>"
    f"<acquisitionVersion>5.4 {PLANTED}</acquisitionVersion><ampType>NA400</ampType>"
    f"<ampSerialNumber>{PLANTED}</ampSerialNumber>"
)
EEG = np.arange(36, dtype=np.float32).reshape(3, 12) - np.float32(7.25)
PNS = np.arange(12, dtype=np.float32)[None] * np.float32(0.5)
GAINS = (0.9996811523437501, 1.25, 1.0)


def files(**changed: str | bytes | None) -> dict[str, bytes]:
    """Return an MFF of two epochs with a gap: 5 + 3 samples, and 4 more, 100 ms after."""
    pieces = [EEG[:, :5], EEG[:, 5:8], EEG[:, 8:]]
    signal1 = (
        block(pieces[0]) + block(np.ascontiguousarray(pieces[1])) + block(pieces[2])
    )  # fmt: skip
    signal2 = block(PNS[:, :4]) + block(PNS[:, 4:8], header=False)
    signal2 += block(PNS[:, 8:], header=False)
    calibrations = calibration("GCAL", GAINS) + calibration("ICAL", (5.0, 6.0, 0.0))
    made: dict[str, str | bytes | None] = {
        "info.xml": xml("fileInfo", INFO),
        "info1.xml": about("EEG", f"<calibrations>{calibrations}</calibrations>"),
        "info2.xml": about("PNSData"),
        "signal1.bin": signal1,
        "signal2.bin": signal2,
        "epochs.xml": epochs([(0, 32000, 1, 2), (132000, 148000, 3, 3)]),
        "sensorLayout.xml": xml("sensorLayout", sensors(("", "", "VREF", "COM"), (0, 0, 1, 2))),
        "pnsSet.xml": xml("PNSSet", sensors(("ECG",), (0,), "<unit>mV</unit>")),
        "subject.xml": SUBJECT,
        "Events_ECI.xml": xml(
            "eventTrack",
            f"<name>{PLANTED}</name>"
            + event("2020-01-29T06:19:39.338537-08:00", "stm+", "go", key("cel#", "4"))
            + event("2020-01-29T14:19:39.212537123+00:00", "DIN1", "", key("subj", "77")),
        ),
        "history.xml": xml("historyEntries", f"<entries><entry>{PLANTED}</entry></entries>"),
    }
    made |= changed
    return {
        name: content if isinstance(content, bytes) else content.encode()
        for name, content in made.items()
        if content is not None
    }


def make(folder: Path, **changed: str | bytes | None) -> Path:
    """Write the files of an MFF."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files(**changed).items():
        (folder / name).write_bytes(content)
    return folder
