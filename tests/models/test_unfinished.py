"""Whatever uses a half-trained encoder says so, in the same words."""

import json
from pathlib import Path

import pytest
import yaml

from physiomodels.config import EncoderConfig, PretrainConfig
from physiomodels.training.pretrain import pretrain
from physioprep.cli import app

TINY = EncoderConfig(patch_size=50, d_model=16, depth=1, heads=2, ffn=16)
WORDS = "pretraining not finished: 1 of 2 epochs"
#: Subjects that the encoder sees, and the others.
SEEN, OTHERS = "subject_id < 's004'", "subject_id >= 's004'"


@pytest.fixture(scope="module")
def encoders(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """By whether it is finished."""
    folder = tmp_path_factory.mktemp("encoders")
    config = PretrainConfig(encoder=TINY, epochs=2, batch_size=8)
    whole = pretrain(shards, folder / "whole", config, where=SEEN)
    steps = whole.history["step"].tolist()
    half = pretrain(shards, folder / "half", config, where=SEEN, stop_after=steps[0] + 1)
    return {True: whole.folder, False: half.folder}


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as ended:
        app([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert not ended.value.code, err
    return " ".join(out.split())


@pytest.mark.parametrize("finished", [False, True])
def test_finetune(
    shards: Path, tmp_path: Path, encoders: dict[bool, Path], finished: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "f.yaml").write_text("{mode: probe, epochs: 1}")
    said = run(
        capsys, "finetune", shards, "-o", tmp_path / "model", "--label", "label_condition",
        "--encoder", f"ecg={encoders[finished]}", "--config", tmp_path / "f.yaml",
    )  # fmt: skip
    assert (f"encoder ecg {WORDS}" in said) != finished, said
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    assert card.get("unfinished_pretraining") == (None if finished else {"encoder ecg": WORDS})


@pytest.mark.parametrize("finished", [False, True])
def test_evaluate(
    shards: Path, tmp_path: Path, encoders: dict[bool, Path], finished: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    config = {
        "modalities": ["ecg"], "folds": 2, "repeats": 1, "where": OTHERS, "baseline": False,
        "weights": ["pretrained"], "bootstrap": 5, "finetune": {"mode": "probe", "epochs": 1},
    }  # fmt: skip
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(config))
    said = run(
        capsys, "evaluate", shards, "-o", tmp_path / "results", "--config", tmp_path / "e.yaml",
        "--weights", f"ecg={encoders[finished] / 'best'}", "--scheduler", "sync",
    )  # fmt: skip
    assert (f"encoder ecg {WORDS}" in said) != finished, said
    kept = (tmp_path / "results" / "results.json").read_text()
    assert ('"unfinished_pretraining": "1 of 2 epochs"' in kept) != finished
