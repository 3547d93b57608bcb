"""`verify` names every changed or missing file of a model, and damaged weights are not loaded."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import physioprep as pp
from physiomodels.config import EncoderConfig, FinetuneConfig, PretrainConfig
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.training.classifier import Classifier
from physiomodels.training.finetune import finetune
from physiomodels.training.pretrain import pretrain
from physioprep.errors import ModelError, PhysioprepError

ENCODER = EncoderConfig(patch_size=50, d_model=16, depth=1, heads=2, ffn=16)
RUN = PretrainConfig(encoder=ENCODER, epochs=2, batch_size=16)
OF_WEIGHTS = ["config.json", "model.safetensors", "card.json"]
OF_RUN = [
    *("loss.csv", "checkpoint.pt", "card.json"),
    *(f"{folder}/{name}" for folder in ("best", "last") for name in [*OF_WEIGHTS, "SHA256SUMS"]),
]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def hurt_each(folder: Path, names: list[str]) -> None:
    """Delete, flip and cut each file in turn; each time, `verify` names it."""
    assert pp.verify(folder).problems == ()
    for name in names:
        path = folder / name
        before = path.read_bytes()
        for damage in (Path.unlink, flip, cut):
            damage(path)
            try:
                problems = pp.verify(folder).problems
            except PhysioprepError as error:  # a list of hashes that is none
                problems = (str(error).replace(f"{folder}/", ""),)
            assert any(line.startswith(f"{name}:") for line in problems), (name, problems)
            path.write_bytes(before)
    assert pp.verify(folder).problems == ()


@pytest.fixture(scope="module")
def trained(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "enc"
    pretrain(shards, out, RUN)
    return out


def test_a_pretraining(trained: Path, tmp_path: Path) -> None:
    out = shutil.copytree(trained, tmp_path / "enc")
    hurt_each(out, OF_RUN)
    (out / "notes.txt").write_text("mine")  # what a user adds is not the run's
    assert pp.verify(out).problems == ()


def test_a_classifier(trained: Path, shards: Path, tmp_path: Path) -> None:
    config = FinetuneConfig(mode="lora", epochs=1)
    out = tmp_path / "clf"
    finetune(shards, out, config, label="label_condition", encoders={"ecg": trained})
    hurt_each(out, [*OF_WEIGHTS, "loss.csv", "lora.safetensors"])
    for damage in (lambda path: path.write_bytes(b""), Path.unlink):
        damage(out / "SHA256SUMS")
        assert pp.verify(out).problems
        with pytest.raises(ModelError, match="SHA256SUMS"):
            Classifier.from_pretrained(out)


@pytest.mark.parametrize("folder", [".", "best"])
def test_a_list_that_is_empty_or_missing(trained: Path, tmp_path: Path, folder: str) -> None:
    out = shutil.copytree(trained, tmp_path / "enc")
    for damage in (lambda path: path.write_bytes(b""), Path.unlink):
        damage(out / folder / "SHA256SUMS")
        assert any("SHA256SUMS: " in line for line in pp.verify(out).problems)
        assert pp.verify(out / folder).problems
        if folder == "best":
            with pytest.raises(ModelError, match=r"best/SHA256SUMS"):
                CrissCrossEncoder.from_pretrained(out)


def test_models_of_earlier_versions(trained: Path, tmp_path: Path) -> None:
    out = shutil.copytree(trained, tmp_path / "enc")
    for card in out.rglob("card.json"):
        held = json.loads(card.read_text())
        assert held.pop("hashes") == "SHA256SUMS"
        card.write_text(json.dumps(held))
    for listing in out.rglob("SHA256SUMS"):
        listing.unlink()
    CrissCrossEncoder.from_pretrained(out)
    with pytest.raises(PhysioprepError, match="cannot be verified"):
        pp.verify(out)


def test_the_list_follows_a_run(shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "enc"
    pretrain(shards, out, RUN, stop_after=1)
    assert pp.verify(out).problems == ()
    pretrain(shards, out, RUN)
    assert pp.verify(out).problems == ()
    pretrain(shards, out, replace(RUN, epochs=1), resume=False)
    assert pp.verify(out).problems == ()
