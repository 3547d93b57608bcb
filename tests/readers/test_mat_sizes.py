"""Compressed variables of MATLAB files are refused by what they state, or where it is a lie."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers import mat, mne
from physioprep.readers.mat_sizes import check_sizes


def element(kind: int, body: bytes) -> bytes:
    return struct.pack("<II", kind, len(body)) + body + bytes(-len(body) % 8)


def zeros(n_bytes: int, states: int) -> bytes:
    flags = element(6, struct.pack("<II", 6, 0)) + element(5, struct.pack("<ii", n_bytes // 8, 1))
    inner = flags + element(1, b"EEG") + struct.pack("<II", 9, n_bytes)
    packed = zlib.compress(struct.pack("<II", 14, states) + inner + bytes(n_bytes))
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
    return head + struct.pack("<II", 15, len(packed)) + packed


@pytest.mark.parametrize(
    ("states", "cause"),
    [(1000, "a variable that states 1000 bytes holds"), (8 << 20, "decompressed, .* would take")],
)
@pytest.mark.parametrize("ending", ["mat", "set"])
def test_zeros_that_grow_are_not_loaded(
    states: int, cause: str, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_INFLATED_BYTES", 4 << 20)
    path = tmp_path / f"a.{ending}"
    path.write_bytes(zeros(8 << 20, states))
    with pytest.raises(UnreadableFileError, match=cause):
        (mne if ending == "set" else mat).read(path)


def test_a_flood_of_variables_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    one = zeros(8, 72)
    path.write_bytes(one + one[128:] * 20_000)
    with pytest.raises(UnreadableFileError, match="16385 variables, over the limit"):
        mat.read(path)


@pytest.mark.parametrize("form", ["5", "4"])
def test_right_files_pass(form: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    content = {"x": rng.normal(size=(300, 500)), "n": np.zeros((1000, 100)), "t": "a text"}
    savemat(tmp_path / "a.mat", content, format=form, do_compression=form == "5")
    check_sizes(tmp_path / "a.mat")
