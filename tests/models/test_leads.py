"""Leads from other leads: linear regression and scores against plain ones, people kept apart."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from physiomodels.config import load_config
from physiomodels.leads.config import LeadsConfig
from physiomodels.leads.linear import moments_of
from physiomodels.leads.network import predict_network, train_network
from physiomodels.leads.run import reconstruct_leads
from physiomodels.leads.scores import inconsistency, pearson, rmse
from physiomodels.leads.summary import summarise
from physiomodels.leads.table import difference_line
from physiomodels.leads.windows import complete, folds_of, stream_of
from physioprep.cli import app
from physioprep.errors import ModelError, PhysioprepError
from physioprep.shards import open_shards, shard
from physioprep.verifying import verify

NAMES = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V5"]
LIMB = np.array([[1, 0], [0, 1], [-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]])
CONFIG: dict[str, Any] = {
    "encoder": {"patch_size": 50, "d_model": 32, "depth": 1, "heads": 2, "ffn": 32, "dropout": 0.0},
    "inputs": ["I", "II,V1"],
    "folds": 3,
    "epochs": 1,
}


def heart(rng: np.random.Generator) -> np.ndarray:
    """Beats of a dipole that turns, in µV: limb leads are its sums, chest leads a person's own."""
    t = np.arange(800) / 100
    phase = (t * rng.uniform(1, 1.6) + rng.random()) % 1
    wave = [np.exp(-(((phase - at) / width) ** 2)) for at, width in ((0.4, 0.03), (0.7, 0.08))]
    dipole = np.stack([800 * wave[0] + 200 * wave[1], 400 * wave[0] - 150 * wave[1], 300 * wave[1]])
    chest = np.array([[-0.6, 0.1, 1], [0.9, 0.3, -0.4]]) + 0.1 * rng.normal(size=(2, 3))
    limb = LIMB @ np.round(dipole[:2])
    return np.round(np.concatenate([limb, chest @ dipole + 10 * rng.normal(size=(2, 800))]))


@pytest.fixture(scope="module")
def heart_shards(tmp_path_factory: pytest.TempPathFactory, toy_stores: Any) -> Path:
    """18 records of 9 people, two windows of 4 s each."""
    rng = np.random.default_rng(0)
    signals = [heart(rng).astype(np.int16) for _ in range(18)]
    folder = tmp_path_factory.mktemp("leads")
    groups = {"ecg": toy_stores.group(signals, channels=NAMES)}
    store = toy_stores._write_store(folder / "store.zarr", groups)
    shard(store, folder / "shards", window_s=4.0, workers=1)
    return folder / "shards"


@pytest.fixture(scope="module")
def made(heart_shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "leads"
    reconstruct_leads(heart_shards, out, load_config(LeadsConfig, CONFIG), device="cpu")
    return out


def whole(shards: Path) -> np.ndarray:
    opened = open_shards(shards)
    return np.concatenate([opened.read(n, "ecg") for n in range(opened.n_chunks)]).astype(float)


def test_linear_regression_is_that_of_scikit_learn(heart_shards: Path) -> None:
    from sklearn.linear_model import LinearRegression

    opened, trained = open_shards(heart_shards), np.arange(0, 20)
    moments = moments_of(complete(stream_of(opened, "ecg", trained, 8, None), "ecg"), "w")
    signal, given = whole(heart_shards), [1, 6]
    samples = signal[trained].transpose(0, 2, 1).reshape(-1, len(NAMES))
    np.testing.assert_allclose(moments.mean, samples.mean(0), atol=1e-9)
    fitted = LinearRegression().fit(samples[:, given], samples)
    rest = signal[20:]
    wanted = fitted.predict(rest.transpose(0, 2, 1).reshape(-1, len(NAMES))[:, given])
    found = moments.predict(rest, given).transpose(0, 2, 1).reshape(-1, len(NAMES))
    np.testing.assert_allclose(found, wanted, atol=1e-7)


def test_scores_are_plain_ones() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 3, 50)), rng.normal(size=(2, 3, 50))
    b[1, 2] = 4.0
    r = pearson(a, b)
    assert r[0, 1] == pytest.approx(np.corrcoef(a[0, 1], b[0, 1])[0, 1])
    assert np.isnan(r[1, 2])  # a flat line has none
    assert rmse(a, b)[1, 0] == pytest.approx(np.sqrt(np.mean((a[1, 0] - b[1, 0]) ** 2)))


def test_limb_leads_of_the_recordings_fit_each_other(heart_shards: Path) -> None:
    signal = whole(heart_shards)
    assert max(values.max() for values in inconsistency(signal, NAMES).values()) < 1e-3  # µV steps
    signal[:, NAMES.index("aVF")] += 0.1
    off = inconsistency(signal, NAMES)
    assert off["aVF"].min() == pytest.approx(0.1, abs=1e-3)
    assert off["III"].max() < 1e-3


def test_no_person_is_on_both_sides() -> None:
    people = [f"p{n // 3}" for n in range(30)]
    folds = folds_of(people, 4, seed=2)
    assert sorted(np.concatenate(folds).tolist()) == list(range(30))
    sides = [{people[row] for row in fold} for fold in folds]
    assert sum(map(len, sides)) == 10
    with pytest.raises(ModelError, match="10 people cannot be parted into 11 folds"):
        folds_of(people, 11, seed=0)


def test_models_are_fitted_on_the_other_people_alone(made: Path, heart_shards: Path) -> None:
    rows, signal = pd.read_parquet(made / "windows.parquet"), whole(heart_shards)
    windows = open_shards(heart_shards).windows
    assert (rows.groupby("person")["fold"].nunique() == 1).all()
    for fold, part in rows.groupby("fold"):
        tested = part["window"].unique()
        others = np.setdiff1d(windows["window"], rows.loc[rows["fold"] == fold, "window"])
        assert not set(windows["subject_id"][tested]) & set(windows["subject_id"][others])
        mean = signal[others].mean((0, 2))
        floor = part[(part["arm"] == "mean") & (part["inputs"] == "I") & (part["lead"] == "V5")]
        wanted = [np.sqrt(np.mean((signal[n, 7] - mean[7]) ** 2)) for n in floor["window"]]
        np.testing.assert_allclose(floor["rmse"], wanted, rtol=1e-5)
    assert sorted(rows["window"].unique()) == windows["window"].tolist()


def test_what_is_given_is_given_and_the_rest_is_not_seen(heart_shards: Path) -> None:
    config, opened = load_config(LeadsConfig, CONFIG), open_shards(heart_shards)
    encoder = train_network(opened, config, np.arange(8), 0, "cpu")
    signal = torch.from_numpy(whole(heart_shards)[:4]).float()
    other = signal.clone()
    other[:, [0, 2, 3, 4, 5, 7]] = torch.randn(4, 6, 400)
    found, same = (predict_network(encoder, each, [1, 6]) for each in (signal, other))
    torch.testing.assert_close(found, same, rtol=0, atol=0)
    # twice the amplitude gives twice the answer
    torch.testing.assert_close(predict_network(encoder, 2 * signal, [1, 6]), 2 * found)


def test_the_encoder_learns_leads(heart_shards: Path) -> None:
    torch.manual_seed(0)
    changed = CONFIG | {"epochs": 25, "inputs": ["I,II,V1"], "lr": 5e-3}
    config, opened = load_config(LeadsConfig, changed), open_shards(heart_shards)
    encoder = train_network(opened, config, np.arange(24), 0, "cpu")
    signal = torch.from_numpy(whole(heart_shards)[24:]).float()
    found = predict_network(encoder, signal, [0, 1, 6])
    for lead in (2, 3, 7):
        truth = signal[:, lead].numpy()
        assert np.nanmean(pearson(truth, found[:, lead].numpy())) > 0.5, NAMES[lead]


def test_the_table_says_what_was_found(made: Path) -> None:
    results = json.loads((made / "leads.json").read_text())
    assert [one["inputs"] for one in results["inputs"]] == ["I", "II V1"]
    assert (results["people"], results["windows"], results["unit"]) == (9, 36, "mV")
    first = results["inputs"][0]
    assert first["targets"] == NAMES[1:]
    assert first["arms"]["linear"]["rmse"] < first["arms"]["mean"]["rmse"]
    assert first["arms"]["mean"]["pearson"] is None
    assert max(first["arms"]["linear"]["inconsistency"].values()) < 1e-3
    assert first["encoder_less_linear"]["rmse"]["is"] == "worse"  # after one epoch
    page = (made / "leads.md").read_text()
    assert page.count("| **all** |") == 2
    assert "- encoder minus linear, rmse: worse, +" in page
    level = {"difference": 0.01, "ci95": [-0.02, 0.03], "is": "none"}
    said = difference_line({"encoder_less_linear": {"rmse": level}}, "rmse", "mV")
    assert said == (
        "- encoder minus linear, rmse: no clear difference, +0.010 mV (-0.020 to 0.030)"
    )
    assert not verify(made).problems
    (made / "leads.md").write_text("x")
    assert verify(made).problems


def test_people_count_alike_and_a_difference_has_its_sign() -> None:
    def row(person: str, arm: str, r: float, error: float) -> dict[str, Any]:
        return {"inputs": "I", "arm": arm, "lead": "II", "is_input": False, "person": person,
                "pearson": r, "rmse": error, "inconsistency": np.nan,
                "inconsistency_recorded": np.nan}  # fmt: skip

    rows = [row("a", "linear", 0.9, 0.1)] * 3 + [row("b", "linear", 0.5, 0.3)]
    rows += [row("a", "encoder", 0.8, 0.2)] * 3 + [row("b", "encoder", 0.4, 0.4)]
    (one,) = summarise(pd.DataFrame(rows), 100, 0)
    assert one["arms"]["linear"]["pearson"] == pytest.approx(0.7)
    for score, gap in (("pearson", -0.1), ("rmse", 0.1)):
        held = one["encoder_less_linear"][score]
        assert held["difference"] == pytest.approx(gap)
        assert held["is"] == "worse"


def test_the_command_prints_tables_and_replaces_its_own_alone(
    heart_shards: Path, tmp_path: Path
) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(json.dumps(CONFIG))
    command = ["reconstruct-leads", str(heart_shards), "-o", str(tmp_path / "l")]
    command += ["--config", str(config), "--from", "II V1 V5", "--folds", "2"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "From II V1 V5" in done.stdout.splitlines()
    assert "exists" in str(CliRunner().invoke(app, command).output)
    (tmp_path / "l" / "own.txt").write_text("mine")
    assert CliRunner().invoke(app, [*command, "--overwrite"]).exit_code == 2


def test_what_does_not_fit_is_said(heart_shards: Path, tmp_path: Path) -> None:
    def of(changes: dict[str, Any]) -> None:
        config = load_config(LeadsConfig, CONFIG | changes)
        reconstruct_leads(heart_shards, tmp_path / "x", config)

    for changes, words in (
        ({"inputs": ["V2"]}, "no channel V2"),
        ({"inputs": [" ".join(NAMES)]}, "no lead is left"),
        ({"inputs": ["I:1,II:1"]}, "sets of leads"),
        ({"inputs": ["I II", "II I"]}, "the same leads twice"),
        ({"inputs": []}, "sets of leads"),
        ({"folds": 1}, "folds: at least 2"),
        ({"folds": 10}, "9 people cannot be parted"),
        ({"where": "window < 0"}, "no window satisfies|0 people"),
    ):
        with pytest.raises(PhysioprepError, match=words):
            of(changes)
        assert not (tmp_path / "x").exists()
    with pytest.raises(ModelError, match=r"^w\.shards: V1, MLII: no training window has all of"):
        moments_of([], "w.shards: V1, MLII")
