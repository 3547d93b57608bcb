"""Beat sequences of windows, against a slow loop over the same table."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import physioprep as pp
from physioprep.errors import ShardError
from physioprep.shards import open_shards
from physioprep.stream import ShardStream
from physioprep.stream.beats import Beats, BeatSpec, beat_sequence, read_beats
from tests.deriving.heart import RATE_HZ, drawn_ecg


def test_beats_of_a_derived_table_are_cut_around_their_r_peaks(tmp_path: Path) -> None:
    signals = [
        np.stack([drawn_ecg(10.0, rr_s, gain, 3)[0] for gain in (1.0, 0.5)]).astype(np.float32)
        for rr_s in (0.6, 1.2)
    ]
    signals.append(np.zeros((2, 5000), np.float32))
    pp.from_arrays(
        signals, channels=["II", "V5"], rate_hz=RATE_HZ, units="mV", out=tmp_path / "s.zarr"
    )
    pp.shard(tmp_path / "s.zarr", tmp_path / "w", window_s=5.0, workers=1)
    pp.derive(tmp_path / "w", tmp_path / "tables", kinds=["beats"], scheduler="sync")
    shards = open_shards(tmp_path / "w")
    beats = read_beats(tmp_path / "tables", shards.n_windows)
    spec = BeatSpec(n_beats=6, before_s=0.2, after_s=0.4)
    stream = ShardStream(tmp_path / "w", modalities=["ecg"], batch_size=4, shuffle=False)
    table = pd.read_parquet(tmp_path / "tables" / "beats.parquet")
    table = table[table["lead"] == "II"]
    seen, whole, short = 0, 0, 0
    for batch in stream:
        found = beat_sequence(batch, "ecg", RATE_HZ, beats, spec)
        assert found["ecg"] is batch["ecg"]
        assert found["beats_ecg"].shape[1:] == (6, 2, 300)
        for row, number in enumerate(batch["index"].tolist()):
            own = sorted(table.loc[table["window"] == number, "r_sample"])[:6]
            assert found["beats_present_ecg"][row].tolist() == [n < len(own) for n in range(6)]
            short += len(own) < 6
            for place in range(6):
                wanted = np.zeros((2, 300), np.float32)
                if place < len(own):
                    for sample in range(300):
                        at = own[place] - 100 + sample
                        if 0 <= at < 2500:
                            wanted[:, sample] = batch["ecg"][row, :, at]
                    assert found["beats_r_s_ecg"][row, place] == pytest.approx(own[place] / RATE_HZ)
                    whole += 1
                assert np.array_equal(found["beats_ecg"][row, place].numpy(), wanted)
            seen += 1
    assert seen == shards.n_windows
    assert whole > 15
    assert short >= 2  # slow hearts, and flat records
    with pytest.raises(ShardError, match="of other shards"):
        read_beats(tmp_path / "tables", 1)
    with pytest.raises(ShardError, match="no beats of windows"):
        read_beats(tmp_path, 3)


def test_beats_are_resampled_to_a_size() -> None:
    """A line stays a line."""
    signal = torch.arange(100.0).reshape(1, 1, 100)
    beats = Beats(torch.tensor([0, 1]), torch.tensor([50]))
    batch = {"ecg": signal, "index": torch.tensor([0])}
    spec = BeatSpec(n_beats=1, before_s=0.1, after_s=0.11, size=5)
    found = beat_sequence(batch, "ecg", 100.0, beats, spec)["beats_ecg"]
    assert torch.allclose(found, torch.tensor([[[[40.0, 45.0, 50.0, 55.0, 60.0]]]]))


def test_without_any_beat_all_places_are_empty_and_odd_requests_are_refused() -> None:
    batch = {"ecg": torch.ones(2, 1, 50), "index": torch.tensor([0, 1])}
    beats = Beats(torch.zeros(3, dtype=torch.int64), torch.empty(0, dtype=torch.int64))
    found = beat_sequence(batch, "ecg", 100.0, beats, BeatSpec(n_beats=2))
    assert not found["beats_present_ecg"].any()
    assert not found["beats_ecg"].any()
    for odd in ({"n_beats": 0}, {"size": 1}, {"before_s": -0.1}, {"after_s": float("nan")}):
        with pytest.raises(ShardError):
            BeatSpec(**odd)  # type: ignore[arg-type]
    with pytest.raises(ShardError, match="without epochs"):
        beat_sequence(batch | {"ecg": torch.ones(2, 3, 1, 50)}, "ecg", 100.0, beats, BeatSpec())
