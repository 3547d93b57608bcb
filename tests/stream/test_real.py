"""From real recordings to batches: what the stream gives is what the file holds."""

from pathlib import Path

import numpy as np
import pytest

import physioprep as pp
from physioprep.shards import open_shards


@pytest.mark.realdata
def test_mitdb_native_comes_out_exact(shared_data: Path, tmp_path: Path) -> None:
    manifest = pp.scan(shared_data / "mitdb", corpus="mitdb", hashes=False).head(2)
    pp.ingest(manifest, tmp_path / "store.zarr", recipe="native")
    pp.shard(tmp_path / "store.zarr", tmp_path / "shards", window_s=10.0, codec="lz4")
    windows = open_shards(tmp_path / "shards").windows
    recordings = {
        row.record_id: pp.read_recording(Path(row.root) / row.path) for row in manifest.itertuples()
    }
    stream = pp.ShardStream(tmp_path / "shards", batch_size=64)
    channels = stream.shards.modalities["ecg"].channels
    seen = 0
    for batch in stream:
        for number, index in enumerate(batch["index"].tolist()):
            group = recordings[windows.at[index, "record_id"]].groups[0]
            first = round(windows.at[index, "start_s"] * group.sampling_rate)
            wanted = group.physical()[:, first : first + 3600] if number == 0 else None
            for row, name in enumerate(group.channels):
                place = channels.index(name)
                assert batch["present"][number, place]
                if wanted is not None:
                    np.testing.assert_allclose(
                        batch["ecg"][number, place].numpy(), wanted[row], rtol=0, atol=1e-6
                    )
            seen += 1
    assert seen == len(windows) == 2 * 180
