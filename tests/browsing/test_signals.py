"""What the page is given of signals is what the store, the shards and the raw files hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import physioprep as pp
from tests.browsing.conftest import Client


def test_samples_are_those_of_the_store(client: Client, store: Path) -> None:
    opened = pp.open_store(store)
    record = opened.record(str(opened.records["record_id"].iloc[1]), start_s=2, stop_s=6)
    header, values = client.signal(source=0, key=1, modality="eeg", start_s=2, stop_s=6)
    assert (header["form"], header["every"], header["start_s"]) == ("samples", 1, 2.0)
    assert [one["name"] for one in header["channels"]] == record["eeg_channel"].to_numpy().tolist()
    np.testing.assert_array_equal(values, record["eeg"].to_numpy())
