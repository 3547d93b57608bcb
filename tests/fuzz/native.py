"""WFDB, FLAC, EDF and BDF: damaged records, compared with plain decoders of the same bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from physioprep.readers import read_header, read_recording
from physioprep.readers.wfdb_annotations import read_annotations
from physioprep.recording import Recording
from tests.fuzz.attack import Mutant, Subject
from tests.readers.conftest import RecordWriter, slow_bytes, slow_decode

Rows = list[list[float]]
FORMATS = (8, 16, 24, 32, 61, 80, 160, 212, 310, 311)
N_FRAMES, SPF = 31, (1, 2)


def read_both(path: Path) -> Recording:
    """Read header and samples, and see that they tell the same."""
    recording = read_recording(path)
    header = read_header(path)
    for mine, theirs in zip(header.groups, recording.groups, strict=True):
        assert mine.n_samples in (-1, theirs.n_samples), "the header has another length"
        assert mine.channels == theirs.channels, "the header has other channels"
    return recording


def rows_of(recording: Recording) -> Rows:
    return sorted(np.asarray(row).tolist() for group in recording.groups for row in group.digital)


def unsound(recording: Recording) -> str | None:
    """Return which promise of a `Recording` is broken, whatever the file."""
    for group in recording.groups:
        n = len(group.channels)
        if np.shape(group.digital) != (n, group.n_samples):
            return f"shape {np.shape(group.digital)}, not {(n, group.n_samples)}"
        if not len(group.units) == len(group.gain) == len(group.baseline) == len(group.invalid):
            return "units, gain, baseline and invalid differ in length"
        if not 0 < group.sampling_rate < np.inf:
            return f"sampling rate {group.sampling_rate}"
        finite = np.isfinite(group.gain).all() and np.isfinite(group.baseline).all()
        if not finite and "uncalibrated" not in recording.metadata:  # EDF without a scale
            return f"gain {group.gain}, baseline {group.baseline}"
        if group.digital.nbytes > 1 << 28:
            return f"{group.digital.nbytes} bytes"
        if group.digital.dtype.kind not in "iuf":
            return f"samples of {group.digital.dtype}"
    columns = recording.annotations
    if not np.isfinite(columns["onset"].to_numpy(np.float64)).all():
        return "an annotation without a time"
    if not all(isinstance(name, str) for group in recording.groups for name in group.channels):
        return "a channel without a name"
    return None


def same(good: Recording, found: Recording, mutant: Mutant) -> str | None:
    """Every change is noticed: a checksum covers all bytes, or they mean nothing."""
    return unsound(found) or (None if rows_of(found) == rows_of(good) else "other samples")


def wfdb_record(format: int, folder: Path) -> Path:
    RecordWriter(folder)("r", format, n_frames=N_FRAMES, spf=SPF, comments="# Age: 60\n")
    return folder / "r"


def of_damaged_samples(format: int, good: Recording, found: Recording, m: Mutant) -> str | None:
    """The samples are those that the damaged bytes hold, and their sums are as stated.

    A 16-bit sum cannot tell two changes that cancel, or bits above the 16th.
    """
    text = (m.target.parent / "r.hea").read_text()
    flat = slow_decode(m.after, format, N_FRAMES * sum(SPF))
    signals: Rows = []
    for number, width in enumerate(SPF):
        at = sum(SPF[:number])
        rows = [flat[f * sum(SPF) + at + k] for f in range(N_FRAMES) for k in range(width)]
        line = text.splitlines()[1 + number].split()
        if format == 8:
            rows = (np.cumsum(rows) + int(line[5])).tolist()
        if (sum(rows) - int(line[6])) % 65536:
            return "samples without their checksum"
        signals.append(rows)
    if len(m.after) < slow_bytes(format, N_FRAMES * sum(SPF)):
        return "samples beyond the end of the file"
    return unsound(found) or (None if rows_of(found) == sorted(signals) else "other samples")


def of_damaged_header(format: int, good: Recording, found: Recording, m: Mutant) -> str | None:
    """Each signal is one of the true ones, or a run of the same bytes with its stated checksum.

    Where the header states a checksum, the digital samples have it (or the header says that it
    is none); where it states another length, format or layout, wfdb reads the same.
    """
    problem = unsound(found)
    rows, true = rows_of(found), rows_of(good)
    if problem or rows == true:
        return problem
    states = found.metadata.get("checksums", ())
    if all(state == "verified" for state in states):
        return None  # sums of what is read are those stated: the header cannot say more
    theirs = by_wfdb(m.path)
    if theirs is None or theirs == rows:
        return None
    if all(row in true for row in rows):
        return None
    return f"{len(rows)} other rows than wfdb, {states}"


def by_wfdb(path: Path) -> Rows | None:
    import wfdb

    try:
        record = wfdb.rdrecord(str(path), physical=False, smooth_frames=False)
        return sorted(np.asarray(row).tolist() for row in record.e_d_signal)
    except Exception:  # it raises anything on damaged headers
        return None


def make_segments(folder: Path) -> Path:
    write = RecordWriter(folder)
    write("s1", 16, n_frames=20, spf=(1, 1), seed=1)
    write("s2", 16, n_frames=25, spf=(1, 1), seed=2)
    (folder / "m.hea").write_text("m/3 2 250 52\ns1 20\n~ 7\ns2 25\n")
    return folder / "m"


def make_variable(folder: Path) -> Path:
    write = RecordWriter(folder)
    write("s1", 16, n_frames=20, spf=(1, 1), seed=1)
    (folder / "lay.hea").write_text(
        "lay 2 250 0\n~ 0 200/mV 16 0 0 0 0 lead 0\n~ 0 200/mV 16 0 0 0 0 lead 1\n"
    )
    (folder / "m.hea").write_text("m/3 2 250 27\nlay 0\n~ 7\ns1 20\n")
    return folder / "m"


def make_annotated(folder: Path) -> Path:
    words = [1 << 10 | 50, 63 << 10 | 4, 0x4241, 0x4443, 5 << 10 | 70, 61 << 10 | 3, 62 << 10 | 1]
    words += [59 << 10, 1, 2, 28 << 10 | 9, 63 << 10 | 3, 0x4E28, 0x0041, 0]
    (folder / "r.atr").write_bytes(np.array(words, "<u2").tobytes())
    return folder / "r.atr"


def of_damaged_annotations(good: Any, found: Any, mutant: Mutant) -> str | None:
    if len({len(column) for column in found.values()}) != 1:
        return "columns of several lengths"
    if len(found["onset"]) > len(mutant.after) // 2:
        return "more annotations than words"
    return None if np.isfinite(found["onset"]).all() else "an annotation without a time"


def make_flac(folder: Path) -> Path:
    import io

    import soundfile

    values = np.random.default_rng(0).integers(-900, 900, (2, 300)).astype(np.int16)
    values = (values.cumsum(axis=1) // 8).astype(np.int16)
    buffer = io.BytesIO()
    soundfile.write(buffer, values.T, 8000, format="FLAC", subtype="PCM_16")
    (folder / "r.dat").write_bytes(buffer.getvalue())
    lines = ["r 2 250 300"]
    for row in values:
        total = (int(row.sum()) + 32768) % 65536 - 32768
        lines.append(f"r.dat 516 200 16 0 {row[0]} {total} 0 I")
    (folder / "r.hea").write_text("\n".join(lines) + "\n")
    return folder / "r"


EDF_RATES, EDF_RECORDS = (32, 32, 8), 4


def make_edf(kind: str, folder: Path) -> Path:
    """Write EDF, EDF+C with annotations, EDF+D or BDF with a Status channel."""
    rng = np.random.default_rng(0)
    width = 3 if kind == "bdf" else 2
    labels = [f"EEG {rate}" for rate in EDF_RATES]
    rates = [*EDF_RATES]
    if kind == "bdf":
        labels, rates = [*labels, "Status"], [*rates, 16]
    elif kind != "edf":
        labels, rates = [*labels, "EDF Annotations"], [*rates, 20]
    n, top = len(labels), 2 ** (8 * width - 1)
    reserved = {"edf+c": "EDF+C", "edf+d": "EDF+D", "bdf": "24BIT"}.get(kind, "")
    head = b"\xffBIOSEMI" if kind == "bdf" else b"0       "
    head += b"X X X X".ljust(80) + b"Startdate 31-JAN-2020 X X X".ljust(80) + b"31.01.2012.00.00"
    head += str(256 * (n + 1)).encode().ljust(8) + reserved.encode().ljust(44)
    head += str(EDF_RECORDS).encode().ljust(8) + b"1".ljust(8) + str(n).encode().ljust(4)
    sides = (-1000, 1000, -top, top - 1)
    fields = ((labels, 16), ([""] * n, 80), (["uV"] * n, 8), *(([side] * n, 8) for side in sides),
              ([""] * n, 80), (rates, 8), ([""] * n, 32))  # fmt: skip
    head += b"".join(str(v).encode().ljust(w) for values, w in fields for v in values)
    body = b""
    for record in range(EDF_RECORDS):
        for label, rate in zip(labels, rates, strict=True):
            if label == "EDF Annotations":
                at = record * (3 if kind == "edf+d" else 1)
                body += f"+{at}\x14\x14\0+{at}.5\x150.25\x14T1\x14\0".encode().ljust(40, b"\0")
            elif label == "Status":
                body += b"".join(int(v).to_bytes(3, "little") for v in [0] * 8 + [5] * 8)
            else:
                values = rng.integers(-900, 900, rate)
                body += b"".join(int(v).to_bytes(width, "little", signed=True) for v in values)
    path = folder / ("a.bdf" if kind == "bdf" else "a.edf")
    path.write_bytes(head + body)
    return path


def by_plain_edf(raw: bytes) -> Rows | None:
    """Decode an EDF or BDF field by field; None where the header is no plain one."""
    width = 3 if raw[:1] == b"\xff" else 2
    try:
        n = int(raw[252:256])
        at = 256 + 216 * n
        rates = [int(raw[at + 8 * i : at + 8 * i + 8]) for i in range(n)]
        labels = [raw[256 + 16 * i : 272 + 16 * i].decode("latin-1").strip() for i in range(n)]
        size = width * sum(rates)
        start = int(raw[184:192])
        n_records = (len(raw) - start) // size
    except (ValueError, ZeroDivisionError):
        return None
    if n < 1 or min(rates) < 0 or start != 256 * (n + 1):
        return None
    rows: dict[int, list[float]] = {}
    for record in range(n_records):
        at = start + record * size
        for i, rate in enumerate(rates):
            part = raw[at : at + width * rate]
            at += width * rate
            if labels[i] not in ("EDF Annotations", "BDF Annotations"):
                rows.setdefault(i, []).extend(
                    int.from_bytes(part[k : k + width], "little", signed=True)
                    for k in range(0, len(part), width)
                )
    return sorted(rows.values())


def of_damaged_edf(good: Recording, found: Recording, mutant: Mutant) -> str | None:
    """EDF has no checksums: the samples are those of a plain decoder of the damaged bytes."""
    problem = unsound(found)
    plain = by_plain_edf(mutant.after)
    if problem or plain is None or rows_of(found) == [row for row in plain if row]:
        return problem
    rows = rows_of(found)
    if all(row in plain for row in rows):
        return None  # a label that now names annotations
    return f"{len(rows)} rows are not those of the bytes"


def of_wfdb(format: int, good: Recording, found: Recording, mutant: Mutant) -> str | None:
    judge: Callable[..., str | None]
    judge = of_damaged_header if mutant.target.suffix == ".hea" else of_damaged_samples
    return judge(format, good, found, mutant)


def of_segments(good: Recording, found: Recording, mutant: Mutant) -> str | None:
    """Lengths come from the headers; every sample is one of the record, or a gap."""
    problem = unsound(found)
    held = {value for row in rows_of(good) for value in row} | {-32768}
    if problem or found.metadata["gains_vary"]:  # then all are physical values
        return problem
    if re.search(rb"(?m)^\S+\.dat (?!16 )", mutant.after):  # read in another format
        return None
    stray = {value for row in rows_of(found) for value in row} - held
    return f"{len(stray)} values that no segment holds" if len(stray) > 40 else None


NATIVE: dict[str, Subject] = {
    **{
        f"wfdb-{format}": Subject(
            partial(wfdb_record, format), ("r.*",), read_both, partial(of_wfdb, format)
        )
        for format in FORMATS
    },
    "wfdb-segments": Subject(make_segments, ("*.hea",), read_both, of_segments),
    "wfdb-variable": Subject(make_variable, ("*.hea",), read_both, of_segments),
    "wfdb-annotations": Subject(
        make_annotated, ("r.atr",), lambda path: read_annotations(path, 250.0),
        of_damaged_annotations,
    ),
    "flac": Subject(make_flac, ("r.dat",), read_both, same),
    **{
        kind: Subject(
            partial(make_edf, kind), ("a.*",), read_both, of_damaged_edf
        )
        for kind in ("edf", "edf+c", "edf+d", "bdf")
    },
}  # fmt: skip
