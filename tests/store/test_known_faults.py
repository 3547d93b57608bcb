"""Known faults are put right where a recipe harmonises, never in a native store."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import physioprep as pp

pytestmark = pytest.mark.realdata


@pytest.fixture
def georgia(shared_data: Path, tmp_path: Path) -> Path:
    """E00009 with the gain of 4880 that its first release stated."""
    source = shared_data / "cinc2021" / "malformed_header"
    folder = tmp_path / "georgia"
    folder.mkdir()
    for suffix in (".hea", ".mat"):
        shutil.copy(source / f"E00009{suffix}", folder)
    return folder


def test_a_wrong_gain_is_corrected_and_the_native_store_keeps_the_file(
    georgia: Path, tmp_path: Path
) -> None:
    manifest = pp.scan(georgia, "cinc2020")
    assert "gain-4880" in manifest["faults"][0]
    stated = pp.read_recording(georgia / "E00009").groups[0].physical()
    pp.ingest(manifest, tmp_path / "native.zarr", "native")
    native = pp.open_store(tmp_path / "native.zarr").record("E00009")["ecg"].to_numpy()
    np.testing.assert_allclose(native, stated, rtol=1e-6)
    pp.ingest(manifest, tmp_path / "fixed.zarr", "ecg-500hz")
    fixed = pp.open_store(tmp_path / "fixed.zarr").record("E00009")["ecg"].to_numpy()
    assert np.ptp(fixed) / np.ptp(native) == pytest.approx(4.88, rel=0.15)


def test_annotations_in_files_of_their_own_reach_the_store(
    shared_data: Path, tmp_path: Path
) -> None:
    excerpt, root = shared_data / "sleep_edfx_excerpt", tmp_path / "sleep-edfx"
    folder = root / "sleep-cassette"
    folder.mkdir(parents=True)
    shutil.copy(excerpt / "short_psg.edf", folder / "SC4001E0-PSG.edf")
    shutil.copy(excerpt / "SC4001EC-Hypnogram.edf", folder)
    manifest = pp.scan(root, "sleep-edfx")
    pp.ingest(manifest, tmp_path / "s.zarr", "native")
    store = pp.open_store(tmp_path / "s.zarr")
    notes = store.annotations(store.records["record_id"][0])
    assert notes["text"].str.contains("Sleep stage").any()
