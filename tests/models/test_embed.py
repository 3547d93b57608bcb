from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
import zarr

from physiomodels.config import EncoderConfig, FinetuneConfig, PretrainConfig
from physiomodels.data import window_table
from physiomodels.embed import embed
from physiomodels.encoder import CrissCrossEncoder
from physiomodels.finetune import finetune
from physiomodels.masking import DualMask
from physiomodels.picture import reconstruct
from physiomodels.pretrain import pretrain
from physioprep.errors import ModelError
from physioprep.shards import open_shards

TINY = EncoderConfig(patch_size=50, d_model=16, depth=1, heads=4, ffn=32, dropout=0.0)
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def folder(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("encoder")
    pretrain(shards, out, PretrainConfig(encoder=TINY, epochs=1))
    return out


def test_each_window_has_its_own_embedding_and_row(
    shards: Path, folder: Path, tmp_path: Path
) -> None:
    done: list[tuple[int, int]] = []
    where = "subject_id != 's002'"
    out = embed(
        shards, folder, tmp_path / "e.zarr", where=where, picture=tmp_path / "e.png",
        progress=lambda *call: done.append(call),
    )  # fmt: skip
    table = window_table(shards, where)
    assert done[-1] == (56, 56)
    assert (tmp_path / "e.png").read_bytes().startswith(PNG)
    group = zarr.open_group(str(out), mode="r")
    assert group.attrs["modalities"] == ["ecg"]
    assert list(group["record_id"][:]) == table["record_id"].tolist()  # type: ignore[index]
    assert list(group["label_condition"][:]) == table["label_condition"].fillna("").tolist()  # type: ignore[index]
    vectors = np.asarray(group["embedding"])
    encoder = CrissCrossEncoder.from_pretrained(folder / "best").eval()
    held = open_shards(shards)
    for row in (0, 17, 55):
        window = int(table["window"].iloc[row])
        chunk, place = divmod(window, held.windows_per_chunk)
        signal = torch.from_numpy(held.read(chunk, "ecg")[place])
        standard = (signal - signal.mean()) / signal.std(correction=0)
        expected = encoder(standard.view(1, 1, 10, 50)).mean((1, 2)).detach().numpy()[0]
        np.testing.assert_allclose(vectors[row], expected, atol=1e-4)
    with xr.open_zarr(out, consolidated=False) as opened:
        assert opened["embedding"].dims == ("window", "feature")


def test_a_classifier_gives_its_encoders_side_by_side(shards: Path, tmp_path: Path) -> None:
    finetune(
        shards, tmp_path / "classifier", FinetuneConfig(epochs=1), label="label_condition",
        encoders={"ecg": TINY, "eeg": replace(TINY, d_model=24, heads=4)},
    )  # fmt: skip
    out = embed(shards, tmp_path / "classifier", tmp_path / "e.zarr")
    vectors = np.asarray(zarr.open_group(str(out), mode="r")["embedding"])
    assert vectors.shape == (64, 40)
    absent = (window_table(shards)["subject_id"] == "s007").to_numpy()
    assert not vectors[absent, 16:].any()
    assert vectors[~absent, 16:].any(1).all()


def test_nothing_is_overwritten_or_guessed(shards: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "e.zarr").mkdir()
    with pytest.raises(ModelError, match="exists"):
        embed(shards, folder, tmp_path / "e.zarr")
    CrissCrossEncoder.from_pretrained(folder / "best").save_pretrained(tmp_path / "bare")
    with pytest.raises(ModelError, match="name the modality"):
        embed(shards, tmp_path / "bare", tmp_path / "new.zarr")
    embed(shards, tmp_path / "bare", tmp_path / "e.zarr", modality="ecg", overwrite=True)


def test_a_reconstruction_is_drawn_and_kept(shards: Path, folder: Path, tmp_path: Path) -> None:
    encoder = CrissCrossEncoder.from_pretrained(folder)
    out = reconstruct(
        encoder, shards, tmp_path / "r.png", modality="ecg",
        mask=DualMask(temporal_ratio=0.3, patch_ratio=0), where="subject_id == 's003'",
    )  # fmt: skip
    assert out.read_bytes().startswith(PNG)
    with np.load(tmp_path / "r.npz") as kept:
        assert kept["signal"].shape == kept["reconstruction"].shape == (1, 500)
        assert kept["hidden"].sum() == 150
        assert kept["channels"].tolist() == ["I"]
