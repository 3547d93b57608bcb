"""Damaged files of wearables: the one allowed error, or a recording."""

from __future__ import annotations

import io
import zipfile
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physioprep.errors import UnreadableFileError
from physioprep.readers import muse_csv
from physioprep.readers.recognise import BY_CONTENT

OPENBCI = (
    b"%OpenBCI Raw EXG Data\n%Number of channels = 1\n%Sample Rate = 250 Hz\n"
    b"Sample Index, EXG Channel 0, Timestamp, Marker Channel\n"
    b"0, 1.5, 1557936053329, 0\n1, 2.5, 1557936053333, 1\n5, 3.5, 1557936053341, 0\n"
)
MUSE = b"timestamps,TP9,AF7,AF8,TP10\n5.0,1,2,3,4\n5.00390625,1,2,3,4\n5.0078125,1,2,3,4\n"
MONITOR = (
    b"TimeStamp,RAW_TP9,Elements\n2021-04-05 15:48:04.000,800.5\n"
    b"2021-04-05 15:48:04.002,,blink\n2021-04-05 15:48:04.004,800.5\n"
)
POLAR = b"Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]\n" + b"".join(
    b"2026-07-16T21:34:53.930;%d;%.3f;%d\n" % (7692308 * at, 7.692 * at, 3 * at) for at in range(9)
)
APPLE = (
    'Name,A\nDate of Birth,"Jan 1, 1980"\nRecorded Date,2020-10-19 18:40:53 +0200\n'
    'Classification,Sinus Rhythm\nSymptoms,\nSoftware Version,1.90\nDevice,"Watch5,2"\n'
    "Sample Rate,512 hertz\n\nLead,Lead I\nUnit,µV\n\n-3.25\n17.5\n"
).encode()


def _atc() -> bytes:
    blocks = ((b"fmt ", b"\1\x2c\1\xf4\1\0\0\0"), (b"ecg ", bytes(20)), (b"ann ", bytes(10)))
    content = b"ALIVE\0\0\0\5\0\0\0"
    for name, data in blocks:
        whole = name + len(data).to_bytes(4, "little") + data
        content += whole + sum(whole).to_bytes(4, "little")
    return content


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("BVP.csv", "100.0\n64.0\n" + "0.5\n" * 50)
        archive.writestr("EDA.csv", "100.0\n4.0\n" + "0.25\n" * 9)
        archive.writestr("tags.csv", "101.5\n")
    return buffer.getvalue()


FILES = {
    "openbci": ("a.txt", OPENBCI),
    "muse_csv": ("a.csv", MUSE),
    "mind": ("a.csv", MONITOR),
    "empatica": ("a.zip", _zip()),
    "polar": ("a.txt", POLAR),
    "apple_ecg": ("a.csv", APPLE),
    "alivecor": ("a.atc", _atc()),
    "faros": ("meta.json", b'{"start_time": "2018-10-12 16:54:12", "sample_freqs": {"ECG": 5.0}}'),
}
READERS = {"mind": muse_csv} | {name: import_module(module) for name, module in BY_CONTENT.items()}
edits = st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), min_size=1, max_size=4)


@pytest.mark.parametrize("kind", FILES)
@settings(
    max_examples=60,
    deadline=5000,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(edits=edits, cut=st.one_of(st.just(1.0), st.floats(0, 1)))
def test_damage_gives_one_error_or_a_recording(
    tmp_path: Path, kind: str, edits: list[tuple[float, int]], cut: float
) -> None:
    name, content = FILES[kind]
    data = bytearray(content[: int(cut * len(content))])
    for where, value in edits:
        if data:
            data[int(where * len(data))] = value
    path = tmp_path / name
    path.write_bytes(data)
    (tmp_path / "ECG.csv").write_text("ECG\n1.5\n2.5\n")
    for verify in (True, False):
        try:
            found = READERS[kind].read(path, verify=verify)
        except UnreadableFileError:
            continue  # nothing else is allowed
        for group in found.groups:
            assert group.digital.shape == (len(group.channels), group.n_samples)
            assert np.isfinite(group.sampling_rate)
