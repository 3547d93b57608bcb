import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
import zarr

from physiomodels.config import EncoderConfig, FinetuneConfig, PretrainConfig
from physiomodels.embeddings.of_shards import embed
from physiomodels.embeddings.of_store import embed_store
from physiomodels.embeddings.picture import draw
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.masking import DualMask
from physiomodels.training.data import window_table
from physiomodels.training.finetune import finetune
from physiomodels.training.pretrain import pretrain
from physiomodels.training.reconstruction import reconstruct
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
        features = encoder(standard.view(1, 1, 10, 50)).flatten(1, 2)
        moments = torch.cat((features.mean(1), features.std(1, correction=0)), 1)
        expected = moments.detach().numpy()[0]
        np.testing.assert_allclose(vectors[row], expected, atol=1e-4)
    with xr.open_zarr(out) as opened:
        assert opened["embedding"].dims == ("window", "feature")


def test_a_classifier_gives_its_encoders_side_by_side(shards: Path, tmp_path: Path) -> None:
    finetune(
        shards, tmp_path / "classifier", FinetuneConfig(epochs=1), label="label_condition",
        encoders={"ecg": TINY, "eeg": replace(TINY, d_model=24, heads=4)},
    )  # fmt: skip
    out = embed(shards, tmp_path / "classifier", tmp_path / "e.zarr")
    vectors = np.asarray(zarr.open_group(str(out), mode="r")["embedding"])
    assert vectors.shape == (64, 2 * 40)  # means and deviations
    absent = (window_table(shards)["subject_id"] == "s007").to_numpy()
    assert not vectors[absent, 32:].any()
    assert vectors[~absent, 32:].any(1).all()


def test_nothing_is_overwritten_or_guessed(shards: Path, folder: Path, tmp_path: Path) -> None:
    embed(shards, folder, tmp_path / "e.zarr")
    with pytest.raises(ModelError, match="exists"):
        embed(shards, folder, tmp_path / "e.zarr")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years of work")
    (tmp_path / "mine.png").write_bytes(b"mine")
    for out, picture in (("home", "new.png"), ("new.zarr", "mine.png")):
        with pytest.raises(ModelError, match="never replaced"):
            embed(shards, folder, tmp_path / out, overwrite=True, picture=tmp_path / picture)
    with pytest.raises(ModelError, match="the input"):
        embed(shards, folder, shards, overwrite=True)
    assert (tmp_path / "home" / "thesis.tex").read_text() == "years of work"
    assert (tmp_path / "mine.png").read_bytes() == b"mine"
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


@pytest.fixture(scope="module")
def store(shards: Path) -> Path:
    return shards.parent / "store.zarr"


def test_a_store_gives_what_its_shards_give(
    shards: Path, store: Path, folder: Path, tmp_path: Path
) -> None:
    expected = zarr.open_group(str(embed(shards, folder, tmp_path / "s.zarr")), mode="r")
    calls: list[tuple[int, int]] = []
    out = embed_store(
        store, folder, tmp_path / "e.zarr", window_s=5.0, workers=2, picture=tmp_path / "e.png",
        progress=lambda *call: calls.append(call),
    )  # fmt: skip
    assert calls == [(64, 64)]
    assert (tmp_path / "e.png").read_bytes().startswith(PNG)
    found = zarr.open_group(str(out), mode="r")

    def rows(group: zarr.Group) -> dict[tuple[str, float], np.ndarray]:
        columns = (np.asarray(group[name][:]) for name in ("record_id", "start_s", "embedding"))  # type: ignore[index]
        return {(str(r), float(s)): v for r, s, v in zip(*columns, strict=True)}

    ours, theirs = rows(found), rows(expected)
    assert len(ours) == 64
    assert ours.keys() == theirs.keys()
    for key, vector in theirs.items():
        np.testing.assert_allclose(ours[key], vector, atol=1e-5)
    assert {"subject_id", "corpus", "label_condition"} <= set(found.array_keys())
    records = embed_store(store, folder, tmp_path / "r.zarr", window_s=5.0, per="record")
    group = zarr.open_group(str(records), mode="r")
    assert np.asarray(group["n_windows"]).tolist() == [4] * 16
    name = str(group["record_id"][2])  # type: ignore[index]
    mean = np.mean([vector for (record, _), vector in theirs.items() if record == name], axis=0)
    np.testing.assert_allclose(np.asarray(group["embedding"])[2], mean, atol=1e-5)


@pytest.mark.parametrize(
    "scheduler", ["threads", pytest.param("processes", marks=pytest.mark.long)]
)
def test_no_scheduler_changes_an_embedding(
    shards: Path, store: Path, folder: Path, tmp_path: Path, scheduler: str
) -> None:
    for make, source in ((embed, shards), (embed_store, store)):
        vectors = []
        for name in ("sync", scheduler):
            out = make(
                source, folder, tmp_path / f"{make.__name__}-{name}.zarr", scheduler=name,
                workers=2, where="subject_id != 's002'",
            )  # fmt: skip
            vectors.append(np.asarray(zarr.open_group(str(out), mode="r")["embedding"]))
        assert len(vectors[0]) > 20
        assert np.array_equal(*vectors)


def test_windows_without_the_signal_are_left_out(
    store: Path, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(0)
    CrissCrossEncoder(50, 16, 1, 4, 32).save_pretrained(tmp_path / "eeg")
    out = embed_store(store, tmp_path / "eeg", tmp_path / "e.zarr", window_s=5.0, modality="eeg")
    subjects = zarr.open_group(str(out), mode="r")["subject_id"][:]  # type: ignore[index]
    assert "s007" not in set(subjects)  # the last two records have no EEG
    assert len(subjects) == 56
    with pytest.raises(ModelError, match="cannot be cut into patches of 50"):
        embed_store(store, folder, tmp_path / "f.zarr", window_s=5.2)
    with pytest.raises(ModelError, match="exists"):
        embed_store(store, folder, out, window_s=5.0)
    with pytest.raises(ModelError, match="per"):
        embed_store(store, folder, tmp_path / "f.zarr", per="beat")
    assert not (tmp_path / "f.zarr").exists()


def test_other_projections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 6)).astype(np.float32)
    vectors[20:] += 8
    table = pd.DataFrame({"corpus": "toy", "subject_id": ["a"] * 20 + ["b"] * 20})
    with pytest.raises(ModelError, match='"pca" or "umap"'):
        draw(vectors, table, tmp_path / "p.png", "tsne")
    with pytest.raises(ModelError, match="too few"):
        draw(vectors[:2], table[:2], tmp_path / "p.png")
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "umap", None)
        with pytest.raises(ModelError, match="umap-learn is not installed"):
            draw(vectors, table, tmp_path / "p.png", "umap")


@pytest.mark.long  # numba compiles for half a minute
def test_umap_keeps_two_clouds_apart() -> None:
    if find_spec("umap") is None:
        pytest.skip("umap-learn is not installed")
    code = (
        "import numpy as np; from physiomodels.embeddings.picture import project\n"
        "vectors = np.random.default_rng(0).normal(size=(40, 6)).astype('f4'); vectors[20:] += 8\n"
        "points, axes = project(vectors, 'umap')\n"
        "centres = points[:20].mean(0), points[20:].mean(0)\n"
        "spread = max(points[:20].std(), points[20:].std())\n"
        "print(axes[0], np.linalg.norm(centres[0] - centres[1]) > spread)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "UMAP 1 True"


def test_embeddings_of_an_unfinished_pretraining_say_so(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from physioprep.cli import app

    config = PretrainConfig(encoder=TINY, epochs=2, batch_size=32)
    steps = pretrain(shards, tmp_path / "whole", config).history["step"].tolist()
    half = pretrain(shards, tmp_path / "half", config, stop_after=steps[0] + 1).folder
    for model, stated in (
        (half, "1 of 2 epochs"),
        (half / "best", "1 of 2 epochs"),
        (tmp_path / "whole", None),
        (tmp_path / "whole" / "best", None),
    ):
        out = str(tmp_path / "e.zarr")
        with pytest.raises(SystemExit) as ended:
            app(["embed", str(shards), "-m", str(model), "-o", out, "--overwrite"])
        assert not ended.value.code
        assert zarr.open_group(out, mode="r").attrs.get("unfinished_pretraining") == stated
        said = " ".join(capsys.readouterr()[0].split())
        assert ("pretraining not finished: 1 of 2 epochs" in said) == (stated is not None)


def test_a_picture_tells_more_than_ten_subjects_apart(tmp_path: Path, monkeypatch) -> None:
    from physiomodels.embeddings import picture

    kept = []
    monkeypatch.setattr(picture, "save_picture", lambda figure, *_, **__: kept.append(figure))
    for n in (25, 90):
        table = pd.DataFrame({"subject_id": [f"s{i}" for i in range(n)], "corpus": ["mine"] * n})
        vectors = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
        picture.draw(vectors, table, tmp_path / "e.png")
    few, many = (figure.axes[0] for figure in kept)
    looks = {
        (tuple(dots.get_facecolor()[0]), dots.get_paths()[0].vertices.tobytes())
        for dots in few.collections
    }
    assert len(looks) == 25
    assert [text.get_text() for text in few.get_legend().get_texts()][:2] == ["s0", "s1"]
    assert many.get_legend() is None
    assert "too many" in many.get_title()
