"""DREAMER and DEAP from files of their structure to result tables. SIMULATED: nobody was recorded.

The files are as ../shared/reference/RESTRICTED_FORMATS.md describes them, with short trials whose
signals depend a little on the ratings, so that a lost label or a shifted window shows in the table.
"""

import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy.io import savemat
from typer.testing import CliRunner

from physioprep.cli import app

PIPELINES = Path(__file__).parents[1] / "pipelines"
TARGETS = ("valence", "arousal", "dominance")
PROTOCOLS = ("subject-grouped", "calibrated", "within-subject")
ELECTRODES = "AF3 F7 F3 FC5 T7 P7 O1 O2 P8 T8 FC6 F4 F8 AF4".split()  # noqa: SIM905
WHOLE = pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.long)])
TINY = {"patch_size": 200, "d_model": 16, "depth": 1, "heads": 2, "ffn": 16, "dropout": 0.0}


def cells(items: list[np.ndarray]) -> np.ndarray:
    """Return MATLAB's (n, 1) cell."""
    out = np.empty((len(items), 1), object)
    for place, item in enumerate(items):
        out[place, 0] = item
    return out


def rhythm(rng: np.random.Generator, n_channels: int, n: int, amplitude: float) -> np.ndarray:
    """10 Hz of an amplitude in noise, µV at 128 Hz, (time, channel)."""
    t = np.arange(n)[:, None] / 128
    wave = amplitude * np.sin(2 * np.pi * (10 * t + rng.random(n_channels)))
    return wave + 5 * rng.normal(size=(n, n_channels))


def beats(rng: np.random.Generator, n: int, rate_hz: int, hr: float, width_s: float) -> np.ndarray:
    phase = (np.arange(n) / rate_hz * hr / 60 + rng.random()) % 1
    pulse = np.exp(-(((phase - 0.5) * 60 / hr / width_s) ** 2))
    return 500 * pulse + 5 * rng.normal(size=n)


def dreamer_file(path: Path, n_subjects: int, seconds: int = 9) -> dict[str, np.ndarray]:
    """Write DREAMER.mat: 18 clips a subject, time-major cells, integer ratings 1 to 5."""
    rng = np.random.default_rng(0)
    ratings = {name: rng.integers(1, 6, (n_subjects, 18)) for name in TARGETS}
    subjects = np.empty((1, n_subjects), object)
    for s in range(n_subjects):
        eeg: dict[str, list[np.ndarray]] = {"baseline": [], "stimuli": []}
        ecg: dict[str, list[np.ndarray]] = {"baseline": [], "stimuli": []}
        for clip in range(18):
            alpha = 4.0 + 3.0 * ratings["valence"][s, clip]
            hr = 55 + 8 * ratings["arousal"][s, clip]
            for kind, length in (("baseline", 5), ("stimuli", seconds + clip % 2)):
                n = length * 128
                eeg[kind].append(4200 + rhythm(rng, 14, n, alpha if kind == "stimuli" else 4))
                one = 2000 + beats(rng, 2 * n, 256, hr, 0.03)
                ecg[kind].append(np.stack([one, one[::-1]], axis=1))
        subjects[0, s] = {
            "Age": str(22 + s), "Gender": "male" if s % 2 else "female",
            "EEG": {kind: cells(items) for kind, items in eeg.items()},
            "ECG": {kind: cells(items) for kind, items in ecg.items()},
            **{f"Score{n.capitalize()}": ratings[n][s][:, None].astype(float) for n in TARGETS},
        }  # fmt: skip
    electrodes = np.empty((1, 14), object)
    electrodes[0] = ELECTRODES
    content = {
        "Data": subjects, "EEG_SamplingRate": 128, "ECG_SamplingRate": 256,
        "EEG_Electrodes": electrodes, "noOfSubjects": n_subjects, "noOfVideoSequences": 18,
        "Disclaimer": "SIMULATED for a test", "Provider": "SIMULATED", "Version": "1.0.2",
        "Acknowledgement": "",
    }  # fmt: skip
    savemat(path, {"DREAMER": content})
    return ratings


def deap_files(folder: Path, n_subjects: int, seconds: int = 8) -> np.ndarray:
    """Write sNN.dat: pickles of protocol 2, 40 trials of 40 channels, 3 s of baseline first."""
    rng = np.random.default_rng(1)
    folder.mkdir(parents=True)
    ratings = rng.uniform(1, 9, (n_subjects, 40, 4))
    for s in range(n_subjects):
        data = np.empty((40, 40, (3 + seconds) * 128))
        for trial in range(40):
            high = ratings[s, trial] > 5
            n = data.shape[2]
            data[trial, :32] = rhythm(rng, 32, n, 15 if high[0] else 3).T
            data[trial, 32:] = rng.normal(size=(8, n))
            data[trial, 38] = beats(rng, n, 128, 90 if high[1] else 60, 0.15)
            # the baseline says the opposite: taking it for the trial would show
            data[trial, :32, :384] = rhythm(rng, 32, 384, 3 if high[0] else 15).T
        content = {"labels": ratings[s], "data": data}
        (folder / f"s{s + 1:02}.dat").write_bytes(pickle.dumps(content, protocol=2))
    return ratings


def scaled_down(name: str, path: Path, where: str, whole: bool) -> Path:
    """Write a shipped recipe with windows of 4 s, tiny encoders and few passes, SIMULATED.

    The whole protocol pretrains in every fold and asks what fewer labels do; the short one takes
    encoders at random weights and features alone.
    """
    recipe: dict[str, Any] = yaml.safe_load((PIPELINES / f"{name}.yaml").read_text())
    config = Path(__file__).parents[1] / "models/physiomodels/configs" / f"{name}.yaml"
    settings: dict[str, Any] = yaml.safe_load(config.read_text())
    settings |= {"folds": 2, "repeats": 1, "bootstrap": 20}
    settings["label_shares"] = [0.25] if whole else []
    settings["weights"] = ["pretrained", "random"] if whole else ["random"]
    settings["finetune"] |= {"epochs": 5}
    for one in settings["pretrain"].values():
        one |= {"epochs": 1, "encoder": TINY, "batch_size": 64}
    recipe["simulated"] = True
    recipe["steps"] = [step for step in recipe["steps"] if "audit" not in step]  # it has its tests
    for step in recipe["steps"]:
        if "shard" in step:
            length = 3 if step["shard"]["out"] == "baseline.shards" else 4
            step["shard"] |= {"window_s": length, "where": where}
        if "evaluate" in step:
            step["evaluate"]["config"] = settings
    path.write_text(yaml.safe_dump(recipe))
    return path


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("physioprep.console._out.width", 250)


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two more that import torch would take longer than all they do here."""
    monkeypatch.setattr("physiomodels.evaluation.evaluate._SMALL", float("inf"))


def ran(recipe: Path, raw: Path, out: Path, whole: bool) -> tuple[str, dict[tuple[str, str], Any]]:
    """Run a recipe as a user does; return what was printed and the results by target, protocol."""
    arguments = ["run", str(recipe), "--raw", str(raw), "--out", str(out)]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code in (0, 1), answer.output
    results = {
        (path.parts[-3], path.parts[-2]): json.loads(path.read_text())
        for path in out.glob("results/*/*/results.json")
    }
    assert set(results) == {
        (f"{target}_high", protocol) for target in TARGETS for protocol in PROTOCOLS
    }
    for (_, protocol), found in results.items():
        assert found["simulated"] is True
        assert found["protocol"] == protocol
        pretrained = {"pretrained"} if whole else set()
        assert {arm["weights"] for arm in found["arms"]} == {
            *("random", "features", "boosted"), *pretrained
        }  # fmt: skip
        curve = out / "results" / "valence_high" / protocol / "label_efficiency.png"
        assert curve.is_file() == whole
    return answer.output, results


def auroc(found: dict[str, Any], signal: str, weights: str) -> float:
    (arm,) = (a for a in found["arms"] if a["modalities"] == [signal] and a["weights"] == weights)
    return float(arm["metrics"]["auroc"]["pooled"])


def check_page(out: Path, printed: str, signals: str) -> None:
    assert "SIMULATED DATA." in printed
    for target in TARGETS:
        for protocol in PROTOCOLS:
            assert f"{target} high, {protocol}" in " ".join(printed.split())
    flat = re.sub(r"\s+", " ", printed)
    assert signals in flat
    assert "windows of each subject are in training AND in test" in flat
    assert "windows that are not tested (a baseline), without labels" in flat
    assert re.search(r"valence high: high \d+ \(\d+ %\), low \d+ \(\d+ %\)", flat)
    page = (out / "report.html").read_text()
    assert "SIMULATED" in page


@pytest.mark.long  # `tests/tasks` takes DREAMER's files to scores in seconds
@WHOLE
@pytest.mark.filterwarnings("ignore::DeprecationWarning:neurokit2")
def test_dreamer_from_its_file_to_the_table(
    tmp_path: Path, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "raw").mkdir()
    n_subjects = 23 if whole else 4
    ratings = dreamer_file(tmp_path / "raw" / "DREAMER.mat", n_subjects)
    monkeypatch.setattr("physioprep.corpora.known.dreamer.N_SUBJECTS", n_subjects)
    recipe = scaled_down("dreamer", tmp_path / "recipe.yaml", "subject_id <= 's04'", whole)
    printed, results = ran(recipe, tmp_path / "raw", tmp_path / "out", whole)
    check_page(tmp_path / "out", printed, "EEG + ECG")
    beside = " ".join(re.sub("[│┃]", " ", printed).split())
    for figure in ("0.8479", "0.8669", "0.8114"):  # the paper's, arousal, dominance and valence
        assert figure in beside
    said = beside.count("published: arXiv 2512.15250, DREAMER (protocol: not stated)")
    assert said == len(TARGETS) * len(PROTOCOLS)
    for target in TARGETS:
        found = results[f"{target}_high", "subject-grouped"]
        high = 2 * int((ratings[target][:4] > 3).sum())  # two windows of 4 s a clip
        assert found["class_balance"] == {"high": high, "low": 4 * 18 * 2 - high}
        assert all(not entry["test_subjects_seen"] for entry in found["pretraining"])
    assert auroc(results["valence_high", "subject-grouped"], "eeg", "features") > 0.9
    assert auroc(results["arousal_high", "subject-grouped"], "ecg", "features") > 0.9
    assert auroc(results["dominance_high", "subject-grouped"], "eeg", "features") < 0.7


@pytest.mark.long
@WHOLE
@pytest.mark.filterwarnings("ignore::DeprecationWarning:neurokit2")
def test_deap_from_its_files_to_the_table(tmp_path: Path, whole: bool) -> None:
    ratings = deap_files(tmp_path / "raw" / "data_preprocessed_python", n_subjects=3)
    recipe = scaled_down("deap", tmp_path / "recipe.yaml", "subject_id <= 's03'", whole)
    printed, results = ran(recipe, tmp_path / "raw", tmp_path / "out", whole)
    check_page(tmp_path / "out", printed, "EEG + PPG")
    assert "ECG" not in printed.replace("there is no ECG in it", "")
    found = results["valence_high", "subject-grouped"]
    high = 2 * int((ratings[:, :, 0] > 5).sum())  # 3 to 7 and 7 to 11 s: not the baseline
    assert found["class_balance"] == {"high": high, "low": 3 * 40 * 2 - high}
    assert auroc(found, "eeg", "features") > 0.95
    assert auroc(results["arousal_high", "subject-grouped"], "ppg", "features") > 0.9
