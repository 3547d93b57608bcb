"""From raw file to probability: as the long way gives it, and never a silently wrong row."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import physioprep as pp
from physiomodels import predict_recordings
from physiomodels.config import EncoderConfig, FinetuneConfig
from physiomodels.prediction.sources import find_sources
from physiomodels.prediction.table import write_table
from physiomodels.prediction.windows import check_shards
from physiomodels.training.classifier import Classifier
from physiomodels.training.finetune import finetune
from physiomodels.training.inputs import read_inputs
from physiomodels.training.predict import predict
from physioprep.cli import app
from physioprep.errors import ModelError
from physioprep.harmonise.recipe import Recipe, load_recipe

SIZES = EncoderConfig(patch_size=50, d_model=16, depth=1, heads=4, ffn=32, dropout=0.0)
TUNE = FinetuneConfig(
    mode="frozen", pooling="mean", epochs=6, batch_size=8, lr=1e-2, hidden=16, dropout=0.0
)
RECIPE = Recipe.from_dict(
    {"name": "small", "modalities": {"ecg": {"rate_hz": 100, "units": "mV", "band_hz": [0.5, 40]}}}
)


def write_record(
    folder: Path, name: str, *, quick: bool = False, leads: tuple[str, ...] = ("I", "II"),
    rate_hz: int = 250, seconds: float = 22.0, unit: str = "mV", seed: int = 0,
) -> Path:  # fmt: skip
    """Write beats of 60 or 140 a minute, in mV, as 16-bit WFDB."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    n = int(seconds * rate_hz)
    phase = (np.arange(n) / rate_hz * (140 if quick else 60) / 60 + rng.random()) % 1
    beat = np.exp(-(((phase - 0.5) / (0.07 if quick else 0.03)) ** 2))
    rows = [
        (200 * (1 + k) * beat + 4 * rng.normal(size=n)).astype("<i2") for k in range(len(leads))
    ]
    lines = [f"{name} {len(leads)} {rate_hz} {n}"]
    for lead, row in zip(leads, rows, strict=True):
        checksum = (int(row.astype(np.int64).sum()) + 0x8000) % 0x10000 - 0x8000
        lines.append(f"{name}.dat 16 200/{unit} 16 0 {row[0]} {checksum} 0 {lead}")
    (folder / f"{name}.dat").write_bytes(np.stack(rows).T.tobytes())
    path = folder / f"{name}.hea"
    path.write_text("\n".join(lines) + "\n")
    return path


def train(folder: Path) -> Path:
    """Train on twelve records, and return the model's folder; manifest, store, shards beside it."""
    raw = folder / "raw"
    lines = ["record_id,subject_id,label_state"]
    for number in range(12):
        write_record(raw, f"t{number:02d}", quick=number % 2 == 1, seed=number)
        lines.append(f"t{number:02d},s{number},{'quick' if number % 2 else 'calm'}")
    (raw / "records.csv").write_text("\n".join(lines) + "\n")
    pp.write_manifest(pp.scan(raw, "folder"), folder / "m.parquet")
    pp.ingest(folder / "m.parquet", folder / "s.zarr", RECIPE, scheduler="sync")
    split = {"train": 0.5, "validation": 0.25, "test": 0.25}
    pp.shard(
        folder / "s.zarr", folder / "w", window_s=5.0, stride_s=2.5, split=split, workers=1,
        min_std={"ecg": 0.001},
    )  # fmt: skip
    finetune(folder / "w", folder / "model", TUNE, label="state", encoders={"ecg": SIZES})
    return folder / "model"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of other people, at other rates and with other leads, and what is no recording."""
    folder = tmp_path_factory.mktemp("new") / "clinic"
    write_record(folder, "calm", seed=91)
    write_record(folder, "quick", quick=True, seed=92, rate_hz=500)
    write_record(folder, "one-lead", seed=93, leads=("II",))
    write_record(folder, "chest", seed=94, leads=("V1",))
    write_record(folder, "short", seed=95, seconds=3.0)
    write_record(folder, "strange", seed=96, unit="furlong")
    write_record(folder, "cut", seed=97)
    content = (folder / "cut.dat").read_bytes()
    (folder / "cut.dat").write_bytes(content[: len(content) // 2])
    write_record(folder, "flat", seed=98)
    (folder / "flat.hea").write_text("flat 1 250 5500\nflat.dat 16 200/mV 16 0 0 0 0 II\n")
    (folder / "flat.dat").write_bytes(bytes(11000))
    (folder / "notes.txt").write_text("nothing to see")
    return folder


GOOD = ["calm", "one-lead", "quick"]


def long_way(model: Path, raw: Path, out: Path) -> pd.DataFrame:
    """Scan, ingest, shard and predict, as a user would, of the good records."""
    manifest = pp.scan(raw, "folder")
    manifest = manifest[manifest["record_id"].isin(GOOD)]
    pp.ingest(manifest, out / "s.zarr", load_recipe(model / "recipe.yaml"), scheduler="sync")
    pp.shard(
        out / "s.zarr", out / "w", window_s=5.0, stride_s=2.5, min_std={"ecg": 0.001}, workers=1
    )
    answers = predict(Classifier.from_pretrained(model).model, out / "w")
    return pp.open_shards(out / "w").windows.merge(answers, on="window")


def test_it_is_what_the_long_way_gives(model: Path, new: Path, tmp_path: Path) -> None:
    expected = long_way(model, new, tmp_path).sort_values(["record_id", "start_s"])
    found = predict_recordings(model, new, per="window")
    found = found[found["record_id"].isin(GOOD)].sort_values(["record_id", "start_s"])
    assert found["start_s"].tolist() == expected["start_s"].tolist()
    np.testing.assert_allclose(found["p_calm"], expected["p_0"], atol=1e-6, rtol=0)
    records = predict_recordings(model, new).set_index("record_id")
    means = expected.groupby("record_id")[["p_0", "p_1"]].mean()
    np.testing.assert_allclose(records.loc[GOOD, "p_quick"], means["p_1"], atol=1e-6, rtol=0)
    assert records.loc[GOOD, "windows"].tolist() == expected.groupby("record_id").size().tolist()
    assert load_recipe(model / "recipe.yaml").sha256 == RECIPE.sha256


def test_each_bad_record_is_a_row_with_its_reason(model: Path, new: Path) -> None:
    rows = predict_recordings(model, new).set_index("record_id")
    assert rows.loc["quick", "decision"] == "quick"
    assert rows.loc["calm", "decision"] == "calm"
    assert rows.loc["one-lead", "absent"] == "I"
    assert rows.loc[GOOD, "error"].isna().all()
    reasons = {
        "chest": "none of the ecg channels of the model (I, II): V1",
        "short": "lasts 3 s: shorter than a window of 5 s",
        "strange": "furlong",
        "cut": "cut.dat",
        "flat": "no good window of 7: 7 flat",
    }
    for name, reason in reasons.items():
        assert reason in rows.loc[name, "error"], rows.loc[name, "error"]
    bad = rows.loc[list(reasons)]
    assert bad[["p_calm", "p_quick", "decision"]].isna().all(axis=None)
    assert set(rows.index) == {*GOOD, *reasons}


def test_files_stores_and_shards_give_the_same(model: Path, new: Path, tmp_path: Path) -> None:
    long_way(model, new, tmp_path)
    whole = predict_recordings(model, new).set_index("record_id").loc[GOOD]
    manifest = pp.write_manifest(pp.scan(new, "folder"), tmp_path / "m.parquet")
    files = [new / "calm.hea", new / "quick.dat", new / "one-lead"]
    for source in (files, manifest, tmp_path / "s.zarr", tmp_path / "w"):
        found = predict_recordings(model, source).set_index("record_id").loc[GOOD]  # type: ignore[arg-type]
        np.testing.assert_allclose(found["p_calm"], whole["p_calm"], atol=1e-6, rtol=0)
        assert found["absent"].tolist() == whole["absent"].tolist()
        assert found["windows"].dtype == whole["windows"].dtype == np.int64
        if source != tmp_path / "w":  # shards do not say where their records were
            assert found["path"].tolist() == [f"{name}.hea" for name in GOOD]
    assert len(predict_recordings(model, files)) == 3
    lost = predict_recordings(model, [new / "notes.txt", new / "calm.hea"])
    assert lost["record_id"].tolist() == ["calm", "notes.txt"]
    assert lost["windows"].tolist() == [7, 0]
    assert "no recording that is read: a text" in lost["error"][1]
    alone = predict_recordings(model, new / "notes.txt")
    assert alone["p_calm"].isna().all()
    assert len(alone) == 1


@pytest.mark.parametrize("given", [("clinic", "clinic/calm.hea"), ("clinic/calm.hea", "clinic")])
def test_a_folder_is_not_lost_beside_its_own_file(
    new: Path, given: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(new.parent)
    with pytest.raises(ModelError, match="clinic: is given whole, and files in it, too"):
        find_sources(given)
    for name in given:  # a folder has more than one spelling
        rest = [str(new.parent / one) if one == name else one for one in given]
        with pytest.raises(ModelError, match="clinic: is given whole, and files in it, too"):
            find_sources(rest)


def test_a_folder_is_not_taken_again_by_one_above_it(new: Path) -> None:
    for given in ([new.parent, new], [new / "calm.hea", new.parent]):
        with pytest.raises(ModelError, match=r"calm\.hea: is given twice, by .* and by .*"):
            find_sources(given)


def test_recordings_are_given_once_and_what_lies_in_a_folder_need_not_be_of_it(
    model: Path, new: Path, tmp_path: Path
) -> None:
    clinic = shutil.copytree(new, tmp_path / "clinic")
    own = pp.write_manifest(pp.scan(clinic, "folder"), tmp_path / "own.parquet")
    (tmp_path / "calm.hea").symlink_to(clinic / "calm.hea")
    (tmp_path / "calm.dat").symlink_to(clinic / "calm.dat")
    for other in (own, tmp_path / "calm.hea"):
        for given in ([clinic, other], [other, clinic]):
            with pytest.raises(ModelError, match=r"calm\.hea: is given twice, by .* and by .*"):
                find_sources(given)
    others = pp.write_manifest(pp.scan(new, "folder"), clinic / "others.parquet")
    shutil.copytree(model.parent / "s.zarr", clinic / "s.zarr")  # a scan takes no store
    assert [one.path for one in find_sources([clinic, others, clinic / "s.zarr"])] == [
        clinic, others, clinic / "s.zarr",
    ]  # fmt: skip


def test_shards_that_do_not_name_their_recipes_are_refused(model: Path) -> None:
    shards = pp.open_shards(model.parent / "w")
    for stores in [], [{}], [*shards.attrs["stores"], {"recipe_sha256": None}]:
        held = SimpleNamespace(path=shards.path, attrs=dict(shards.attrs) | {"stores": stores})
        with pytest.raises(ModelError, match="does not state the recipe of each of its stores"):
            check_shards(held, read_inputs(model))  # type: ignore[arg-type]
    check_shards(shards, read_inputs(model))


def test_shards_without_recipes_are_refused_before_the_training(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model keeps the recipes: found out at its end, hours would be lost."""
    monkeypatch.setattr("physiomodels.training.finetune.fit", lambda *_, **__: pytest.fail("late"))
    shards = pp.open_shards(model.parent / "w")
    bare = replace(shards, attrs=shards.attrs | {"stores": [{}]})
    with pytest.raises(ModelError, match="does not state the recipe of each of its stores"):
        finetune(bare, tmp_path / "x", TUNE, label="state", encoders={"ecg": SIZES})
    assert not (tmp_path / "x").exists()


def test_what_does_not_fit_the_model_is_refused(model: Path, new: Path, tmp_path: Path) -> None:
    manifest = pp.scan(new, "folder")
    manifest = manifest[manifest["record_id"] == "calm"]
    pp.ingest(manifest, tmp_path / "other.zarr", "ecg-200hz", scheduler="sync")
    with pytest.raises(ModelError, match=r"other\.zarr: made by another recipe"):
        predict_recordings(model, tmp_path / "other.zarr")
    pp.ingest(manifest, tmp_path / "s.zarr", RECIPE, scheduler="sync")
    pp.shard(tmp_path / "s.zarr", tmp_path / "w", window_s=4.0, workers=1)
    with pytest.raises(ModelError, match="windows of 4 s; the model was trained on windows of 5 s"):
        predict_recordings(model, tmp_path / "w")
    with pytest.raises(ModelError, match="no such file or folder"):
        predict_recordings(model, new / "nobody.edf")
    with pytest.raises(ModelError, match="no saved model"):
        predict_recordings(new, new)
    with pytest.raises(ModelError, match="per 'patient'"):
        predict_recordings(model, new, per="patient")
    recipe = model / "recipe.yaml"
    held = recipe.read_text()
    try:
        recipe.write_text(held.replace("rate_hz: 100.0", "rate_hz: 120.0"))
        with pytest.raises(ModelError, match="its hash is"):
            predict_recordings(model, new)
    finally:
        recipe.write_text(held)


def test_the_command_line_writes_a_table(model: Path, new: Path, tmp_path: Path) -> None:
    def run(*arguments: object) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["predict", str(model), *map(str, arguments)])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.stdout

    out = tmp_path / "answers.csv"
    code, text = run(new / "calm.hea", new / "quick.hea", "-o", out)
    assert code == 0
    assert "calm: 1; quick: 1" in text
    table = pd.read_csv(out)
    assert table["decision"].tolist() == ["calm", "quick"]
    assert run(new, "-o", out)[0] == 2
    assert run(new, "-o", out, "--overwrite")[0] == 1  # some have no answer
    code, text = run(new, "-o", tmp_path / "w.parquet", "--per", "window", "--json")
    assert code == 1
    assert (
        json.loads(text)["windows"] == pd.read_parquet(tmp_path / "w.parquet")["error"].isna().sum()
    )
    code, text = run(new / "calm.hea", "--json")
    assert code == 0
    assert json.loads(text)["rows"][0]["decision"] == "calm"
    assert "calm" in run(new / "calm.hea")[1]
    assert run(new, "-o", tmp_path / "x.xlsx")[0] == 2
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ModelError, match="is not a table of predictions"):
        write_table(table, tmp_path / "mine.csv", overwrite=True)
