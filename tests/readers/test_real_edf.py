"""Every real EDF and BDF file, against pyedflib and mne."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from physioprep.readers import read_header, read_recording
from tests.readers.spread import spread

pytestmark = [pytest.mark.realdata, pytest.mark.filterwarnings("ignore")]

PYEDFLIB_REFUSES = {"test.bdf"}


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.long)])
def test_every_file_against_pyedflib(shared_data: Path, every: int) -> None:
    """The short form takes the first file of each folder, and each fourth after it."""
    import pyedflib

    checked = 0
    for path in spread(shared_data, "*.[eb]df", every):
        ours, header = read_recording(path), read_header(path)
        assert ours.start_time == header.start_time
        for group, described in zip(ours.groups, header.groups, strict=True):
            assert group.channels == described.channels
            assert group.n_samples == described.n_samples == group.digital.shape[1]
        if path.name in PYEDFLIB_REFUSES:
            continue
        with pyedflib.EdfReader(str(path)) as theirs:
            numbers = range(theirs.signals_in_file)
            rates = list(dict.fromkeys(theirs.samples_in_datarecord(i) for i in numbers))
            rows: Counter[int] = Counter()
            for i in numbers:
                per_record = theirs.samples_in_datarecord(i)
                group, row = ours.groups[rates.index(per_record)], rows[per_record]
                rows[per_record] += 1
                assert np.array_equal(group.digital[row], theirs.readSignal(i, digital=True))
                np.testing.assert_allclose(
                    group.physical()[row], theirs.readSignal(i), rtol=1e-9, atol=1e-9
                )
                assert group.channels[row] == theirs.getLabel(i)
                assert group.units[row] == theirs.getPhysicalDimension(i).strip()
                assert group.sampling_rate == pytest.approx(theirs.getSampleFrequency(i))
            onset, duration, text = theirs.readAnnotations()
            table = ours.annotations.query("source == 'edf+'")
            order = np.argsort(onset, kind="stable")
            np.testing.assert_allclose(table["onset"], onset[order], atol=1e-6)
            assert table["text"].tolist() == text[order].tolist()
            stated = np.where(duration[order] < 0, np.nan, duration[order])
            np.testing.assert_allclose(table["duration"], stated, atol=1e-6)
        checked += 1
    assert checked >= 62 // every


def test_bdf_that_pyedflib_refuses_against_mne(shared_data: Path) -> None:
    import mne

    path = shared_data / "formats_mne_python/test.bdf"
    theirs = mne.io.read_raw_bdf(path, preload=True, verbose="error")
    ours = read_recording(path)
    assert len(ours.groups) == 1
    group = ours.groups[0]
    assert list(group.channels) == theirs.ch_names
    assert group.sampling_rate == theirs.info["sfreq"]
    eeg = mne.pick_types(theirs.info, eeg=True)
    np.testing.assert_allclose(group.physical()[eeg], theirs.get_data(eeg) * 1e6, rtol=1e-9)
    # mne wants triggers to last two samples; its low 16 bits are ours
    events = mne.find_events(theirs, mask=0xFFFF, mask_type="and", verbose="error", min_duration=0)
    triggers = ours.annotations.query("source == 'status'")
    changes = {(int(sample), int(code)) for sample, _, code in events}
    assert changes <= set(zip(triggers["sample"], triggers["code"].astype(int), strict=True))


def test_start_of_the_subsecond_file(shared_data: Path) -> None:
    recording = read_recording(shared_data / "formats_edfio/test_subsecond.edf")
    # pyedflib 0.1.42 says .039453: it drops the fraction's first digit
    assert recording.start_time == datetime(2020, 1, 24, 4, 5, 56, 394531)


def test_edf_and_bdf_twins_agree(shared_data: Path) -> None:
    folder = shared_data / "sleep_edfx_excerpt"
    edf, bdf = (read_recording(folder / f"short_psg.{kind}") for kind in ("edf", "bdf"))
    for one, other in zip(edf.groups, bdf.groups, strict=True):
        assert one.channels == other.channels
        span = np.abs(one.physical()).max()
        np.testing.assert_allclose(one.physical(), other.physical(), atol=1e-3 * span)
    stages = read_recording(folder / "SC4001EC-Hypnogram.edf").annotations
    assert stages["text"].iloc[0] == "Sleep stage W"
    assert stages["duration"].iloc[0] == 30630.0
