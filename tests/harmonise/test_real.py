"""Recipes applied to real recordings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from physioprep.errors import RecipeError
from physioprep.harmonise import HarmonisedGroup, harmonise, load_recipe
from physioprep.harmonise.units import UnknownUnitError
from physioprep.recording import SignalGroup
from tests.harmonise.made import MISSING


@pytest.mark.realdata
def test_real_recordings_keep_their_beats(shared_data: Path) -> None:
    """mitdb 208 at 200 Hz against float64 resampling and MNE-Python's filter."""
    import mne
    from scipy.signal import firwin, resample_poly

    from physioprep.readers import read_recording

    recording = read_recording(shared_data / "mitdb" / "208")
    ecg = harmonise(recording, load_recipe("ecg-200hz"))["ecg"]
    physical = recording.groups[0].physical()[:, : 360 * 120]
    window = firwin(4001, 0.95 / 9, window=("kaiser", 10.0))
    reference = resample_poly(physical, 5, 9, axis=1, window=window, padtype="line")
    reference = mne.filter.filter_data(reference, 200.0, 0.5, 40.0, verbose="ERROR")
    order = [recording.groups[0].channels.index(name) for name in ecg.source_channels]
    inside = np.s_[:, 800 : 200 * 120 - 800]
    difference = ecg.physical()[:, : 200 * 120] - reference[order]
    assert np.abs(difference[inside]).max() < 0.0005 + 1e-4 * reference.std()


@pytest.mark.realdata
def test_every_real_recording_is_harmonised(shared_data: Path) -> None:
    """Native gives the file's integers back; the paired recipe all ECG and EEG."""
    from physioprep.errors import PhysioprepError
    from physioprep.readers import read_recording

    endings = ("*.hea", "*.edf", "*.bdf", "*.vhdr")
    paths = [path for ending in endings for path in sorted(shared_data.rglob(ending))]
    paths = [p for i, p in enumerate(paths) if p.parts[-2][:2] != "A0" and i % 12 == 0]
    paired = replace(load_recipe("paired-200hz"), unknown_channels="skip")
    kept = harmonised = 0
    for path in paths:
        try:
            recording = read_recording(path)
        except PhysioprepError:
            continue
        for key, group in harmonise(recording, load_recipe("native")).items():
            assert group.digital.shape[0] == len(group.channels), (path, key)
        for source in recording.groups:
            if len(source.segments) == 1 and source.segments[0][1] == 0:
                kept += _appears_in(source, harmonise(recording, load_recipe("native")))
        try:
            result = harmonise(recording, paired)
        except (RecipeError, UnknownUnitError):
            continue
        for group in result.values():
            assert np.isfinite(group.physical()[group.digital != MISSING]).all(), path
            harmonised += 1
    assert kept > 50
    assert harmonised > 50


def _appears_in(source: SignalGroup, groups: dict[str, HarmonisedGroup]) -> bool:
    """Every channel's samples are in a native group of that name, unchanged."""
    rows = {
        (name, group.rate_hz): row
        for group in groups.values()
        for name, row in zip(group.source_channels, group.digital, strict=True)
    }
    for name, samples in zip(source.channels, source.digital, strict=True):
        if source.channels.count(name) == 1:
            found = rows[name, source.sampling_rate]
            assert np.array_equal(found, samples, equal_nan=found.dtype.kind == "f")
    return True
