"""Every real WFDB record and annotation file, against wfdb."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import read_header, read_recording
from physioprep.readers.wfdb_annotations import KNOWN_EXTENSIONS, read_annotations
from tests.readers.spread import spread

pytestmark = [pytest.mark.realdata, pytest.mark.filterwarnings("ignore")]

WFDB_REFUSES = {"E00009", "E00015", "binformats", "3234460_layout"}
NO_WAVEFORM = {"slp01a", "slp04", "slp14", "slp60"}


def compare(ours: Any, theirs: Any, physical: Any, name: str) -> None:
    rates = list(dict.fromkeys(theirs.samps_per_frame))
    rows: dict[int, int] = defaultdict(int)
    for i, per_frame in enumerate(theirs.samps_per_frame):
        group = ours.groups[rates.index(per_frame)]
        row, rows[per_frame] = rows[per_frame], rows[per_frame] + 1
        wanted = theirs.e_d_signal[i]
        assert np.array_equal(group.digital[row], wanted), (name, i)
        np.testing.assert_allclose(
            group.physical()[row], physical.e_p_signal[i], rtol=1e-12, atol=1e-12, err_msg=name
        )
        assert group.channels[row] == theirs.sig_name[i]
        assert group.units[row] == theirs.units[i]
        assert group.sampling_rate == theirs.fs * per_frame
    assert ours.metadata["comments"] == theirs.comments


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.long)])
def test_every_record(shared_data: Path, every: int) -> None:
    """The short form takes the first record of each folder, and each fourth after it."""
    import wfdb

    checked, states = 0, set()
    for header in spread(shared_data, "*.hea", every):
        record = str(header.with_suffix(""))
        if header.stem in WFDB_REFUSES | NO_WAVEFORM:
            continue
        ours = read_recording(header)
        theirs = wfdb.rdrecord(record, physical=False, smooth_frames=False, m2s=False)
        if isinstance(theirs, wfdb.MultiRecord):
            continue
        physical = wfdb.rdrecord(record, smooth_frames=False)
        compare(ours, theirs, physical, header.name)
        for group, described in zip(ours.groups, read_header(header).groups, strict=True):
            assert group.channels == described.channels
            assert group.n_samples == described.n_samples == group.digital.shape[1]
            assert np.array_equal(group.gain, described.gain)
        states |= set(ours.metadata["checksums"]) if "cinc2017" not in record else set()
        checked += 1
    assert checked >= 1240 // every
    assert states == {"verified"}


def test_records_that_wfdb_refuses(shared_data: Path) -> None:
    georgia = read_recording(shared_data / "cinc2021/malformed_header/E00009")
    assert georgia.groups[0].digital.shape == (12, 5000)
    assert set(georgia.metadata["checksums"]) == {"verified"}
    assert georgia.start_time is not None
    path = shared_data / "wfdb_odd_formats/binformats"  # physical only: widths differ
    formats = read_recording(path)
    assert set(formats.metadata["checksums"]) == {"verified"}
    import wfdb

    theirs = wfdb.rdrecord(str(path)).p_signal.T
    np.testing.assert_allclose(formats.groups[0].physical(), theirs, rtol=1e-12)
    layout = read_header(shared_data / "wfdb_odd_formats/multi-segment/s25047/3234460_layout")
    assert layout.groups[0].channels == ("II", "V", "ABP")
    for name in sorted(NO_WAVEFORM):
        path = shared_data / "slpdb_annotations_only" / name
        assert read_header(path).groups[0].sampling_rate == 250.0
        with pytest.raises(UnreadableFileError, match=r"\.dat: no such file"):
            read_recording(path)
    with pytest.raises(UnreadableFileError):
        read_header(shared_data / "drivedb/faulty_header_git_conflict_drive17a.hea.txt")


def test_multi_segment_records(shared_data: Path) -> None:
    import wfdb

    folder = shared_data / "wfdb_odd_formats/multi-segment"
    variable = folder / "s25047/s25047-2704-05-04-10-44"
    ours, theirs = read_recording(variable), wfdb.rdrecord(str(variable))
    assert np.array_equal(ours.groups[0].physical().T, theirs.p_signal, equal_nan=True)
    assert ours.groups[0].channels == tuple(theirs.sig_name)
    fixed = read_recording(folder / "041s/041s")
    slow = fixed.groups[1]
    theirs = [
        wfdb.rdrecord(str(folder / "041s" / name), smooth_frames=False, m2s=False)
        for name in ("041s01", "041s02")
    ]
    for group, numbers in zip(fixed.groups, [(0, 1, 2), (3, 4, 5, 6)], strict=True):
        wanted = [np.concatenate([part.e_p_signal[n] for part in theirs]) for n in numbers]
        np.testing.assert_allclose(group.physical(), wanted, rtol=1e-12)
    assert slow.sampling_rate == 125.0


def test_every_annotation_file(shared_data: Path) -> None:
    import wfdb

    checked = 0
    for path in sorted(shared_data.rglob("*")):
        stem, _, extension = str(path).rpartition(".")
        if extension not in KNOWN_EXTENSIONS or path.stem == "README":
            continue
        if "clinical_formats" in path.parts:  # an ISHNE Holter file is called .ecg, too
            continue
        theirs = wfdb.rdann(stem, extension)
        ours = read_annotations(path, float(theirs.fs or 1))
        # wfdb drops every note at sample 0; gqrs writes its command line there
        keep = ~((ours["sample"] == 0) & (ours["code"] == '"'))
        assert np.array_equal(ours["sample"][keep], theirs.sample), path
        assert ours["code"][keep].tolist() == list(theirs.symbol)
        assert ours["text"][keep].tolist() == [note.rstrip("\0") for note in theirs.aux_note]
        for mine, name in (("channel", "chan"), ("num", "num"), ("subtype", "subtype")):
            assert np.array_equal(ours[mine][keep], getattr(theirs, name))
        if theirs.fs:
            np.testing.assert_allclose(ours["onset"][keep], theirs.sample / theirs.fs)
        checked += 1
    assert checked >= 165


def test_beats_of_mitdb_208(shared_data: Path) -> None:
    table = read_recording(shared_data / "mitdb/208").annotations
    # counts of the MIT-BIH directory (physionet.org/physiobank/database/html/mitdbdir)
    assert (table["code"] == "N").sum() == 1586
    assert (table["code"] == "V").sum() == 992
    assert (table["code"] == "F").sum() == 373
    assert table["source"].unique().tolist() == ["atr"]
