"""From the raw folder to a harmonised store: every real corpus at hand, by its natural recipe."""

from pathlib import Path

import numpy as np
import pytest

import physioprep as pp

pytestmark = pytest.mark.realdata
N_RECORDS = 12

# folder, corpus, recipe -> channels of the first modality's first record
REAL = {
    ("cinc2015", "cinc2015", "ecg-200hz"): None,
    ("cinc2017", "cinc2017", "ecg-200hz"): 1,
    ("cinc2021", "cinc2021", "ecg-500hz"): 12,
    ("cinc2021_ptbxl_twins", "cinc2021", "ecg-500hz"): 12,
    ("cpsc2018_cinc2020", "cinc2020", "ecg-200hz"): 12,
    ("cpsc2018_matlab_struct", "cpsc2018", "ecg-200hz"): 12,
    ("cpsc2021", "cpsc2021", "ecg-200hz"): 2,
    ("drivedb", "drivedb", "ecg-200hz"): 1,
    ("ecgiddb", "ecgiddb", "ecg-200hz"): 1,  # its filtered copy is left out
    ("eegmat", "eegmat", "paired-200hz"): 1,
    ("eegmmidb", "eegmmidb", "eeg-200hz"): 64,
    ("formats_tiny_bids", "bids", "eeg-200hz"): None,
    ("ludb", "ludb", "ecg-500hz"): 12,
    ("mitdb", "mitdb", "ecg-200hz"): 2,
    ("ptbdb", "ptbdb", "ecg-500hz"): 15,
    ("ptbxl", "ptb-xl", "ecg-500hz"): 12,
    ("ptbxl", "ptb-xl", "ecgfounder"): 12,
}


@pytest.mark.parametrize(("folder", "corpus", "recipe"), REAL)
def test_every_record_is_scanned_and_harmonised(
    shared_data: Path, tmp_path: Path, folder: str, corpus: str, recipe: str
):
    manifest = pp.scan(shared_data / folder, corpus, hashes=False)
    assert manifest["error"].isna().all()
    some = manifest.head(N_RECORDS)
    result = pp.ingest(some, tmp_path / "s.zarr", recipe, workers=1)
    assert (result.n_records, result.quarantined) == (len(some), ())
    store = pp.open_store(tmp_path / "s.zarr")
    assert store.records["record_id"].tolist() == some["record_id"].tolist()
    assert store.records["faults"].map(list).tolist() == some["faults"].map(list).tolist()
    for _, row in some.iterrows():
        record = store.record(row["record_id"])
        for modality, signal in record.data_vars.items():
            rate_hz = 500 if recipe in ("ecg-500hz", "ecgfounder") else 200
            assert signal.shape[1] == pytest.approx(row["duration_s"] * rate_hz, abs=1.01)
            there = signal.values[~np.isnan(signal.values)]
            assert there.size or row["faults"], (row["record_id"], modality)
    wanted = REAL[folder, corpus, recipe]
    first = store.record(some["record_id"].iloc[0])
    if wanted is not None:
        assert len(next(iter(first.data_vars.values()))) == wanted


def test_what_is_marked_to_be_dropped_is_left_out_by_the_query_of_the_docs(
    shared_data: Path, tmp_path: Path
):
    manifest = pp.scan(shared_data / "ptbxl", "ptb-xl", hashes=False)
    marked = manifest["flags"].map(lambda flags: any(flag.startswith("drop:") for flag in flags))
    assert marked.sum() == 4  # 145 and 463, each at two rates
    some = manifest[marked | (np.arange(len(manifest)) < 10)]
    pp.ingest(some, tmp_path / "s.zarr", "ecg-200hz", workers=1)
    assert len(pp.open_store(tmp_path / "s.zarr")) == len(some)
    where = "not flags.str.join(' ').str.contains('drop:')"
    result = pp.shard([tmp_path / "s.zarr"], tmp_path / "s.shards", where=where, workers=1)
    assert result.n_windows == len(some) - 4  # one window of 10 s each
