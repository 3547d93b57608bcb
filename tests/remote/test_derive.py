"""Tables derived from a store and shards in an object store: the bytes of those on the disk."""

from pathlib import Path

import numpy as np
import pytest

import physioprep as pp
from physioprep.deriving.windows import is_shards
from tests.deriving.heart import RATE_HZ, drawn_ecg
from tests.remote.s3 import FaultyS3, upload

pytest.importorskip("s3fs", reason="needs physioprep[remote]")
pytest.importorskip("moto.server", reason="needs moto[server], a real S3 API on loopback")


def test_store_and_shards_at_a_url_give_the_same_tables(
    tmp_path: Path, bucket: str, server: FaultyS3
) -> None:
    signals = [drawn_ecg(16.0, 0.7 + 0.1 * n, seed=n)[0][None] for n in range(2)]
    pp.from_arrays(
        [signal.astype(np.float32) for signal in signals], channels=["II"], rate_hz=RATE_HZ,
        units="mV", out=tmp_path / "s.zarr",
    )  # fmt: skip
    pp.shard(tmp_path / "s.zarr", tmp_path / "w", window_s=8.0, workers=1)
    for name in ("s.zarr", "w"):
        upload(tmp_path / name, f"{bucket}/{name}")
        assert is_shards(f"{bucket}/{name}") == (name == "w")
        here = pp.derive(tmp_path / name, tmp_path / f"here-{name}", scheduler="sync").path
        server.fault = lambda number, request: "503" if number in (2, 9) else None
        there = pp.derive(f"{bucket}/{name}", tmp_path / f"there-{name}", scheduler="sync").path
        server.reset()
        for table in ("beats", "leads", "records", "median_beats"):
            one, two = (folder / f"{table}.parquet" for folder in (here, there))
            assert one.read_bytes() == two.read_bytes()
