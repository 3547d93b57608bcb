"""Beat sequences of windows, against a slow loop over the same table."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app
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


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of 24 windows at several rates, and their tables."""
    out = tmp_path_factory.mktemp("sequences")
    signals = [
        np.stack([drawn_ecg(15.0, rr_s, gain, 3)[0] for gain in (1.0, 0.5)]).astype(np.float32)
        for rr_s in (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)
    ]
    pp.from_arrays(signals, channels=["II", "V5"], rate_hz=RATE_HZ, units="mV", out=out / "s.zarr")
    pp.shard(out / "s.zarr", out / "w", window_s=5.0, windows_per_chunk=4, workers=1)
    pp.derive(out / "w", out / "tables", kinds=["beats"], scheduler="sync")
    return out


def streamed(made: Path, **changes: object) -> ShardStream:
    spec = BeatSpec(n_beats=3, tables=made / "tables")
    options = {"batch_size": 4, "seed": 5, "beats": spec, "rank": 0, "world_size": 1} | changes
    return ShardStream(made / "w", **options)  # type: ignore[arg-type]


def test_a_stream_of_sequences_is_the_same_for_any_world_size_and_resumes(made: Path) -> None:
    beats, cut = read_beats(made / "tables", 24), BeatSpec(n_beats=3)
    one = [beat_sequence(batch, "ecg", RATE_HZ, beats, cut) for batch in streamed(made, beats=None)]
    own = list(streamed(made))
    assert len(own) == 6
    for ours, theirs in zip(own, one, strict=True):
        assert ours.keys() == theirs.keys()
        assert ours["beats_ecg"].shape == (4, 3, 2, 400)
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    ranks = [list(streamed(made, batch_size=2, rank=rank, world_size=2)) for rank in (0, 1)]
    for whole, first, second in zip(own, *ranks, strict=True):
        order = whole["index"].argsort()
        both = {name: torch.cat([first[name], second[name]]) for name in whole}
        parts = both["index"].argsort()
        assert torch.equal(both["beats_ecg"][parts], whole["beats_ecg"][order])
    stopped = streamed(made)
    batches = iter(stopped)
    next(batches), next(batches)
    state = stopped.state_dict()
    moved = made / "elsewhere"
    shutil.copytree(made / "tables", moved)
    resumed = streamed(made, beats=BeatSpec(n_beats=3, tables=moved))
    resumed.load_state_dict(state)
    for left, expected in zip(resumed, own[2:], strict=True):
        assert torch.equal(left["beats_ecg"], expected["beats_ecg"])
    with pytest.raises(ShardError, match="of another table or cut of beats"):
        streamed(made, beats=BeatSpec(n_beats=4, tables=moved)).load_state_dict(state)


def test_tables_of_something_else_are_refused(made: Path, tmp_path: Path) -> None:
    pp.derive(made / "s.zarr", tmp_path / "of-store", kinds=["beats"], scheduler="sync")
    some = {"kinds": ["beats"], "scheduler": "sync", "where": "start_s == 0"}
    pp.derive(made / "w", tmp_path / "some", **some)  # type: ignore[arg-type]
    for tables, message in (
        (None, "say the folder of tables"),
        (tmp_path / "nowhere", "no tables of `derive`"),
        (tmp_path / "of-store", "not made of"),
        (tmp_path / "some", "derive all of them"),
    ):
        with pytest.raises(ShardError, match=message):
            streamed(made, beats=BeatSpec(tables=tables))
    with pytest.raises(ShardError, match="not of raw samples"):
        streamed(made, raw=True)


def test_the_verb_streams_sequences(made: Path) -> None:
    def told(*more: str) -> Result:
        return CliRunner().invoke(app, ["stream", str(made / "w"), "--json", *more])

    beats = ["--align", "beat", "--sequence", "3", "--beats", str(made / "tables")]
    shown = json.loads(told(*beats, "--before", "0.2", "--beat-size", "64").stdout)
    assert shown["beats_ecg"] == "(24, 3, 2, 64) float32"
    assert shown["beats_present_ecg"] == "(24, 3) bool"
    for wrong in (beats[:2], beats[2:], ["--after", "0.4"], ["--align", "r_peak", *beats[2:]]):
        result = told(*wrong)
        assert result.exit_code == 2
        assert "--align beat --sequence N --beats" in result.stderr


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
