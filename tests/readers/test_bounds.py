"""Small files that promise much: one clear error, or the content, in 5 s and 1 GB.

Seconds are processor time, so that a busy machine does not fail a test.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep import limits
from physioprep.errors import PhysioprepError, UnreadableFileError
from physioprep.manifest import make_manifest, read_manifest, write_manifest
from physioprep.readers import read_header, read_recording
from physioprep.readers.parts import pick
from physioprep.readers.wfdb_header import parse_header

SECONDS, BYTES = 5, 1 << 30


def used_s() -> float:
    """Return the processor time of this process and of children that have ended, s."""
    return sum(os.times()[:4])


def outcome(read: Callable[[], object]) -> str:
    """Return the error of a call, "" for none; run in a fork of 1 GB that ends after 60 s."""
    get, put = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(60)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, used + BYTES))
        begin, text = used_s(), ""
        try:
            read()
        except BaseException as error:
            text = str(error) if isinstance(error, PhysioprepError) else f"FOREIGN {error!r}"
        os.write(put, json.dumps([text[:500], used_s() - begin]).encode())
        os._exit(0)
    os.close(put)
    with os.fdopen(get, "rb") as file:
        answer = file.read()
    _, status = os.waitpid(child, 0)
    assert not status, f"killed by signal {status}"
    text, seconds = json.loads(answer)
    assert seconds < SECONDS
    assert "FOREIGN" not in text, text
    assert "memory" not in text, text
    assert len(text) < 400
    return str(text)


def refused(path: Path, cause: str, **options: Any) -> None:
    assert cause in outcome(lambda: read_recording(path, **options))
    outcome(lambda: read_header(path))


LINE = "a.dat 16 200 16 0 0 0 0 I\n"
NULL = "~ 0 200 16 0 0 0 0 I\n"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (f"a 1 250 1000000000000\n{LINE}", "samples per signal, over the limit"),
        (f"a 1 250 99000000000\n{LINE}", "shorter than its header"),
        (f"a 1 250 1000000000000\n{NULL}", "samples per signal, over the limit"),
        ("a 400 250 1000000\n" + 400 * NULL, "would take"),
        ("a 1000000 250 10\n" + LINE, "1000000 signals, over the limit"),
        ("a 100000 250 1\n" + 100_000 * "a.dat 16\n", "100000 signals, over the limit"),
        ("a 1 250 10\na.dat 16x999999999 200 16 0 0 0 0 I\n", "shorter than its header"),
        ("a 1 250 10\na.dat 16+100000000000000 200 16 0 0 0 0 I\n", "shorter than its"),
        ("a/2 1 250 1000000000100\na_1 100\n~ 1000000000000\n", "samples per signal"),
        ("a/2 1 250\na_1 100\n~ 1000000000000\n", "samples per signal, over the limit"),
        ("a/100000 1 250 100000\n" + 100_000 * "s 1\n", "100000 segments, over the limit"),
        ("a 1 250 10\na.dat 16 " + 1_000_000 * "1" + " 16 0 0 0 0 I\n", "bad gain"),
        ("a 1 250 10\n" + LINE + 5_000_000 * "#", "bytes of header, over the limit"),
    ],
    ids=range(13),
)
def test_wfdb_headers(tmp_path: Path, text: str, cause: str) -> None:
    (tmp_path / "a.hea").write_text(text)
    (tmp_path / "a.dat").write_bytes(bytes(300))
    refused(tmp_path / "a", cause)


def test_rates_that_none_can_be(tmp_path: Path) -> None:
    from scipy.io import savemat

    (tmp_path / "w.hea").write_text("w 1 99000000 10\n" + LINE)
    (tmp_path / "a.dat").write_bytes(bytes(20))
    np.save(tmp_path / "n.npy", np.zeros((50, 1)))
    (tmp_path / "n.yaml").write_text("sampling_rate: 1.0e+8\nchannels: [Cz]\nunits: uV\n")
    (tmp_path / "t.csv").write_text("t,x\n0,1\n1e-9,2\n2e-9,3\n")
    (tmp_path / "t.yaml").write_text("time: t\nchannels: [x]\nunits: uV\n")
    names = ["w.hea", "n.npy", "t.csv"]
    for number, rate_hz in enumerate((math.nan, math.inf, 0.0, -250.0, 1e300)):
        names.append(f"{number}.set")
        eeg = {"data": np.zeros((1, 50)), "pnts": 50, "trials": 1, "nbchan": 1, "xmin": 0.0}
        eeg |= {"srate": rate_hz, "chanlocs": [], "event": [], "icawinv": [], "xmax": 1.0}
        savemat(tmp_path / names[-1], {"EEG": eeg | {"icasphere": [], "icaweights": []}})
    for name in names:
        for read in (read_recording, read_header):
            with pytest.raises(UnreadableFileError, match=r"(rate of|sfreq must)"):
                read(tmp_path / name)


@pytest.mark.parametrize(
    "line",
    [
        "a.dat 16 200(1e999)/mV 16 0 0 0 0 I",
        "a.dat 16 1e999/mV 16 0 0 0 0 I",
        "a.dat 16 1e-320/mV 16 0 0 0 0 I",
        "a.dat 16 2٠0/mV 16 0 0 0 0 I",
        "a.dat 1٦ 200/mV 16 0 0 0 0 I",
        "a.dat 16 200/mV 16 0 ٣ 0 0 I",
        "a.dat 16 200/mV 16 ٣ 0 0 0 I",
        "a.dat 16 200/mV 16 0 0 ٣",
    ],
)
def test_wfdb_numbers_are_finite_and_ascii(line: str) -> None:
    with pytest.raises(UnreadableFileError, match="bad"):
        parse_header(f"a 1 250 3\n{line}\n", Path("a.hea"))


def test_wfdb_rate_and_time_are_ascii() -> None:
    with pytest.raises(UnreadableFileError, match="bad sampling rate"):
        parse_header(f"a 1 ٢50 3\n{LINE}", Path("a.hea"))
    assert parse_header(f"a 1 250 3 1٢:00:00\n{LINE}", Path("a.hea")).start_time is None


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        (b"\x01\x04" * 10_000_000, "annotations, over the limit"),
        (bytes(40_000_000), "bytes of annotations, over the limit"),
        (struct.pack("<HHH", 59 << 10, 0x7FFF, 0xFFFF) * 300_000, ""),
        (struct.pack("<HH", 63 << 10 | 2, 0) * 5_000_000, "notes and skips, over the limit"),
    ],
)
def test_wfdb_annotations(tmp_path: Path, raw: bytes, cause: str) -> None:
    (tmp_path / "a.hea").write_text(f"a 1 250 10\n{LINE}")
    (tmp_path / "a.dat").write_bytes(bytes(300))
    (tmp_path / "a.atr").write_bytes(raw + b"\0\0")

    def read() -> None:
        """Raise what a damaged list of annotations notes: the signals are read without it."""
        recording = read_recording(tmp_path / "a")
        assert recording.groups[0].n_samples == 10
        if recording.metadata["notes"]:
            raise UnreadableFileError(tmp_path / "a", "; ".join(recording.metadata["notes"]))

    assert cause in outcome(read)


def test_flac_of_zeros(tmp_path: Path) -> None:
    import soundfile

    with soundfile.SoundFile(
        tmp_path / "a.dat", "w", 500, 8, subtype="PCM_16", format="FLAC"
    ) as file:
        piece = np.zeros((1 << 17, 8), np.int16)
        for _ in range(160):
            file.write(piece)
    n = 160 << 17
    text = f"a 8 500 {n}\n" + 8 * "a.dat 516 200 16 0 0 0 0 I\n"
    (tmp_path / "a.hea").write_text(text)
    refused(tmp_path / "a", "decompressed")
    (tmp_path / "a.hea").write_text(text.replace(str(n), "100"))
    assert read_recording(tmp_path / "a").groups[0].digital.shape == (8, 100)


def edf(path: Path, **given: Any) -> Path:
    """Write an EDF of equal signals: n_records, duration, n_signals, n_samples, label, data."""
    values = {"n_records": 1, "duration": "1", "n_signals": 1, "n_samples": 1, "label": "ECG",
              "reserved": "", "data": b"", "kind": b"0       "} | given  # fmt: skip

    def text(value: object, width: int) -> bytes:
        return str(value).encode()[:width].ljust(width)

    n = int(values["n_signals"])
    head = values["kind"] + text("", 160) + b"01.01.0000.00.00" + text(256 * (n + 1), 8)
    head += text(values["reserved"], 44) + text(values["n_records"], 8)
    head += text(values["duration"], 8) + text(n, 4)
    fields = ((values["label"], 16), ("", 80), ("uV", 8), (-1, 8), (1, 8), (-32768, 8), (32767, 8),
              ("", 80), (values["n_samples"], 8), ("", 32))  # fmt: skip
    path.write_bytes(head + b"".join(text(v, w) * n for v, w in fields) + values["data"])
    return path


ANNOTATIONS = "EDF Annotations"


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"n_records": 99_999_999}, "shorter than its header"),
        ({"n_records": 99_999_999, "n_samples": 99_999_999}, "samples per signal, over"),
        ({"n_samples": 99_999_999}, "shorter than its header"),
        ({"n_signals": 9_999, "data": bytes(19_998)}, "9999 signals, over the limit"),
        ({"duration": "1e-300", "data": bytes(2)}, "samples in 1e-300 s"),
        ({"n_records": "9e99999", "data": bytes(2)}, "bad number of data records"),
        (
            {"n_records": 2_000_000, "n_samples": 5, "label": ANNOTATIONS, "reserved": "EDF+D",
             "data": b"+1\x14\x14\0\0\0\0\0\0" * 2_000_000},
            "data records with annotations, over the limit",
        ),
        (
            {"n_records": 1_000_000, "n_samples": 5, "label": ANNOTATIONS, "reserved": "EDF+C",
             "data": b"+1\x14\x14\0\0\0\0\0\0" * 1_000_000},
            "",
        ),
        (
            {"n_samples": 500_000, "label": ANNOTATIONS, "reserved": "EDF+C",
             "data": b"+" + b"1" * 999_998 + b"\x14"},
            "damaged annotation",
        ),
        (
            {"n_samples": 4_000_000, "label": "Status", "kind": b"\xffBIOSEMI",
             "data": b"\1\0\0\2\0\0" * 2_000_000},
            "triggers, over the limit",
        ),
    ],
    ids=range(10),
)  # fmt: skip
def test_edf(tmp_path: Path, given: dict[str, Any], cause: str) -> None:
    refused(edf(tmp_path / "a.edf", **given), cause)


def test_edf_of_as_many_rates_as_signals(tmp_path: Path) -> None:
    """The places of 4,000 signals are computed once, not for each rate."""
    n = 4_000
    path = edf(tmp_path / "a.edf", n_signals=n, n_records=1)
    raw = bytearray(path.read_bytes())
    at = 256 + n * 216
    for number in range(n):
        raw[at + 8 * number : at + 8 * number + 8] = str(number + 1).ljust(8).encode()
    path.write_bytes(bytes(raw) + bytes(n * (n + 1)))
    assert outcome(lambda: read_recording(path)) == ""


def npy(shape: str, kind: str = "<f8") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def table(path: Path, content: bytes | None = None, *, about: str = "") -> Path:
    if content is not None:
        path.write_bytes(content)
    about = about or "sampling_rate: 100\nchannels: [a]\nunits: mV\n"
    path.with_suffix(".yaml").write_text(about)
    return path


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("a.npy", npy("(1000000000000,)"), "holds"),
        ("a.npy", npy("(1000000000000000,)", "|S0"), "not of numbers"),
        ("a.csv", b"a\n" + b"1" * 20_000_000, "bytes in a line, over the limit"),
        ("a.csv", b",".join(b"a%d" % i for i in range(100_000)) + b"\n", "columns, over"),
        ("a.txt", b"a b\n" + b" " * 3_000_000 + b"x", "bytes in a line, over the limit"),
        ("a.csv", b'a\n"' + b"1\n" * 2_000_000, "field larger than field limit"),
    ],
    ids=range(6),
)
def test_tables(tmp_path: Path, name: str, content: bytes, cause: str) -> None:
    refused(table(tmp_path / name, content), cause)


def test_npz_of_zeros(tmp_path: Path) -> None:
    path = table(tmp_path / "a.npz")
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w") as file,
    ):
        file.write(npy("(64000000,)"))
        for _ in range(512):
            file.write(bytes(1_000_000))
    refused(path, "decompressed")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", npy("(1000000000000,)"))
    refused(path, "holds")


def test_parquet_of_zeros(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = table(tmp_path / "a.parquet")
    with pq.ParquetWriter(path, pa.schema([("a", pa.float64())]), compression="zstd") as file:
        for _ in range(20):
            file.write_table(pa.table({"a": np.zeros(2_000_000)}))
    refused(path, "decompressed")
    pq.write_table(pa.table({"a": ["x" * 100_000] * 1000}), path)
    refused(path, "holds string, not numbers")


MERGES = "a: &a {x: 1, y: 2}\n" + "".join(
    f"{c}: &{c} {{<<: [{','.join(['*' + p] * 10)}]}}\n"
    for p, c in zip("abcdefgh", "bcdefghi", strict=True)
)
LISTS = MERGES.replace("{<<: ", "").replace("]}", "]")


@pytest.mark.parametrize(
    ("about", "cause"),
    [
        (MERGES, "values"),
        (LISTS, "values"),
        ("[" * 5_000, "nested deeper"),
        ("{a: " * 5_000, "nested deeper"),
        ("channels: &x [*x]\nsampling_rate: 1\n", "an alias inside"),
        ("channels: [a]\nsampling_rate: " + "1" * 5_000, "not YAML"),
        ("channels: [a]\nsampling_rate: " + "1" * 4_000, "sampling_rate is"),
        ("channels: [a]\nsampling_rate: 1\ngain: 1.0e-320\n", "gain is"),
        ("channels: [a]\nsampling_rate: 1\nbaseline: .inf\n", "baseline is"),
        ("x" * 5_000_000, "over the limit"),
    ],
    ids=range(10),
)
def test_descriptions(tmp_path: Path, about: str, cause: str) -> None:
    refused(table(tmp_path / "a.csv", b"a\n1\n2\n", about=about), cause)


def test_manifests(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "a.json").write_text("[" * 100_000)
    assert "not a Croissant" in outcome(lambda: read_manifest(tmp_path / "a.json"))
    (tmp_path / "a.csv").write_text("corpus,files\nx," + "[" * 100_000 + "\n")
    assert "nested too deep" in outcome(lambda: read_manifest(tmp_path / "a.csv"))
    frame = make_manifest({"corpus": ["mine"], "record_id": ["1"], "path": ["1.edf"]})
    path = write_manifest(frame, tmp_path / "m.parquet")
    schema = pq.read_schema(path).append(pa.field("label_x", pa.float64()))
    n = 1_000_000
    columns = [*[pa.nulls(n, field.type) for field in schema][:-1], pa.array(np.zeros(n))]
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), path, compression="zstd")
    assert "raises the limit" in outcome(lambda: read_manifest(path))


def test_a_part_of_many_digits() -> None:
    with pytest.raises(UnreadableFileError, match="of 2"):
        pick(["a", "b"], "1" * 5_000, "clip", "x.mat")
    assert pick(["a", "b"], "0" * 20 + "2", "clip", "x.mat") == "b"


def test_names_that_are_none(tmp_path: Path) -> None:
    for name in ("a\0b.edf", "x" * 5_000, "x#" + "1" * 5_000):
        with pytest.raises(UnreadableFileError):
            read_recording(str(tmp_path / name))


def test_the_factor_raises_limits() -> None:
    code = "from physioprep import limits; print(limits.MAX_CHANNELS)"
    for value, expected in (("", "4096"), ("2.5", "10240")):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={**os.environ, limits.VARIABLE: value},
        )  # fmt: skip
        assert done.stdout.strip() == expected
    for wrong in ("two", "0", "-1", "nan", "inf"):
        with pytest.raises(PhysioprepError, match="must be a number"):
            limits.read_factor(wrong)


def test_every_limit_is_in_the_table() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "readers.md").read_text()
    for name in vars(limits):
        if name.startswith("MAX_"):
            assert f"`{name}`" in text, name
