"""Real files of wearables, against values that independent readers gave."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import physioprep as pp
from physioprep.readers import read_recording

pytestmark = pytest.mark.realdata
FOLDERS = ("openbci_txt", "empatica_e4", "muse_csv", "faros_csv")


def _hash(channel: dict[str, object]) -> tuple[str, str]:
    for key, dtype in (("physical_sha256_float64le", "<f8"), ("digital_sha256_int32le", "<i4")):
        if key in channel:
            return str(channel[key]), dtype
    raise KeyError(channel)


@pytest.mark.parametrize(
    ("folder", "recipe", "channels"),
    [
        ("faros_csv", "ecg-200hz", ["ECG"]),
        ("muse_csv", "eeg-200hz", ["TP9", "AF7", "AF8", "TP10"]),
        ("ishne", "ecg-200hz", ["ECG1", "ECG2", "ECG3"]),
    ],
)
def test_default_recipes_know_the_names(
    shared_data: Path, tmp_path: Path, folder: str, recipe: str, channels: list[str]
) -> None:
    manifest = pp.scan(shared_data / "clinical_formats" / folder, "folder", hashes=False)
    assert not [error for error in manifest["error"] if error]
    pp.ingest(manifest, tmp_path / "s.zarr", recipe=recipe)
    store = pp.open_store(tmp_path / "s.zarr")
    assert store.quarantine.empty
    assert sorted(store.channels(store.modalities[0])) == sorted(channels)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_sample_is_as_expected(shared_data: Path, folder: str) -> None:
    n_files = 0
    for about in sorted((shared_data / "clinical_formats" / folder).glob("*.expected.json")):
        expected = json.loads(about.read_text())
        found = read_recording(Path(str(about).removesuffix(".expected.json")))
        by_hash = {}
        for group in found.groups:
            for row, name in enumerate(group.channels):
                for values, dtype in ((group.physical(), "<f8"), (group.digital, "<i4")):
                    digest = hashlib.sha256(values[row].astype(dtype).tobytes()).hexdigest()
                    by_hash[digest] = (name, group)
        for group in expected["groups"]:
            for channel in group["channels"]:
                name, ours = by_hash[_hash(channel)[0]]
                assert name.endswith(channel["name"])
                assert ours.n_samples == group["n_samples"]
                if group["sampling_rate_hz"]:
                    assert ours.sampling_rate == group["sampling_rate_hz"]
        times = found.annotations.query("text != 'IBI'")
        assert len(times) == expected["n_annotations"]
        if expected["start_time"]:
            start = expected["start_time"].replace("T", " ").removesuffix("+00:00")
            assert np.datetime64(found.start_time) == np.datetime64(start)
        n_files += 1
    assert n_files >= 1
