"""Channels chosen when shards are cut: no new ingest, in the order asked, part of the hash."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from physioprep.cli import app
from physioprep.errors import ShardError
from physioprep.shards import ShardSpec, open_shards, shard

MakeGroup = Callable[..., dict[str, Any]]
WriteStore = Callable[..., Path]


def read(folder: Path, modality: str) -> dict[tuple[str, float], np.ndarray]:
    """Return the samples of each window by record and start."""
    shards = open_shards(folder)
    whole = np.concatenate([shards.read(chunk, modality) for chunk in range(shards.n_chunks)])
    rows = shards.windows[["record_id", "start_s"]].itertuples(index=False, name=None)
    return dict(zip(rows, whole, strict=True))


def test_chosen_channels_hold_the_samples_that_all_hold(paired: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"window_s": 1.0, "min_valid": 0.0}
    shard(paired, tmp_path / "all", **options)
    chosen = shard(paired, tmp_path / "few", channels={"eeg": ["O1", "Fp1"]}, **options)
    shards = open_shards(tmp_path / "few")
    assert shards.modalities["eeg"].channels == ("O1", "Fp1")
    assert (
        shards.modalities["ecg"].channels
        == open_shards(tmp_path / "all").modalities["ecg"].channels
    )
    assert chosen.n_windows == open_shards(tmp_path / "all").n_windows
    held = read(tmp_path / "all", "eeg")  # Fp1, Cz, O1
    for key, few in read(tmp_path / "few", "eeg").items():
        np.testing.assert_array_equal(few, held[key][[2, 0]])


def test_the_choice_is_part_of_the_hash(paired: Path, tmp_path: Path) -> None:
    hashes = [
        shard(paired, tmp_path / str(number), window_s=1.0, channels=channels)
        and open_shards(tmp_path / str(number)).attrs["plan_sha256"]
        for number, channels in enumerate((None, "II", "V1,II", "II,V1"))
    ]
    assert len(set(hashes)) == 4
    spec = ShardSpec.of(channels=["ecg=II,V1", "eeg=Cz"])
    assert ShardSpec.from_dict(spec.to_dict()) == spec
    assert "channels" not in ShardSpec().to_dict()  # shards made before keep their hash


def test_what_is_unknown_is_one_error_that_lists_what_is_there(
    paired: Path, tmp_path: Path
) -> None:
    for channels, words in (
        ("aVR", "no channel aVR; it has ecg: II, V1; eeg: Fp1, Cz, O1"),
        ({"eeg": ["fp1"]}, "no channel fp1; did you mean 'Fp1'?; it has eeg: Fp1, Cz, O1"),
        ({"ppg": ["x"]}, "no modality 'ppg', only ecg, eeg"),
        ("II,Cz", "II, Cz are not of one modality"),
        ("II,II", "each name once"),
        ("", "each name once"),
        ([1], "no channel 1"),
        ({"ecg": 3}, "3 is no list of names"),
    ):
        with pytest.raises(ShardError, match=words.replace("?", r"\?")):
            shard(paired, tmp_path / "s", window_s=1.0, channels=channels)  # type: ignore[arg-type]
    assert not (tmp_path / "s").exists()


def test_records_without_a_chosen_channel_have_no_window(
    make_group: MakeGroup, write_store: WriteStore, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    signals = [rng.integers(-900, 900, (2, 300)).astype(np.int16) for _ in range(4)]
    store = write_store(tmp_path / "s.zarr", {"ecg": make_group(signals, channels=["I", "V1"])})
    import zarr

    present = zarr.open_group(store, mode="r+")["ecg/present"]
    flags = present[...]
    flags[1, 1] = False
    present[...] = flags
    result = shard(store, tmp_path / "s", window_s=1.0, channels="V1")
    assert not result.left_out  # no window of it was laid out, none was cut and thrown away
    windows = open_shards(tmp_path / "s").windows
    assert sorted(windows["record_id"].unique()) == ["r000", "r002", "r003"]


def test_the_command_chooses(paired: Path, tmp_path: Path) -> None:
    command = ["shard", str(paired), "-o", str(tmp_path / "s"), "--window", "1"]
    done = CliRunner().invoke(app, [*command, "--channels", "ecg=V1", "--channels", "eeg=O1,Cz"])
    assert done.exit_code == 0, done.output
    shards = open_shards(tmp_path / "s")
    held = {name: each.channels for name, each in shards.modalities.items()}
    assert held == {"ecg": ("V1",), "eeg": ("O1", "Cz")}
    assert shards.attrs["spec"]["channels"] == {"ecg": ["V1"], "eeg": ["O1", "Cz"]}
