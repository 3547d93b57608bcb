"""A checkpoint is gone on from byte for byte as it was written, or not at all."""

import os
import random
import shutil
from pathlib import Path

import pytest
import torch

from physiomodels.config import EncoderConfig, EvaluateConfig, FinetuneConfig, PretrainConfig
from physiomodels.evaluation.evaluate import evaluate
from physiomodels.training import checkpoint
from physiomodels.training.pretrain import can_resume, pretrain
from physioprep.errors import ModelError

ENCODER = EncoderConfig(patch_size=50, d_model=16, depth=1, heads=2, ffn=16)
RUN = PretrainConfig(encoder=ENCODER, epochs=2, batch_size=16)


@pytest.fixture(scope="module")
def half(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pretraining that stopped after its first step."""
    torch.set_num_threads(1)  # as in the tests, which compare bits
    out = tmp_path_factory.mktemp("half") / "enc"
    pretrain(shards, out, RUN, stop_after=1)
    return out


def weights_of(out: Path) -> bytes:
    return (out / "last" / "model.safetensors").read_bytes()


def test_any_flipped_or_lost_byte_of_a_checkpoint_is_one_clear_error(
    half: Path, shards: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(half, tmp_path / "enc")
    path = out / "checkpoint.pt"
    assert can_resume(out, shards, RUN, None)
    whole = path.read_bytes()
    rng = random.Random(0)
    places = [0, len(whole) - 1, len(whole) - 40, *rng.sample(range(len(whole)), 20)]
    flipped = [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in places]
    for number, damaged in enumerate([*flipped, whole[:-1], whole[:-75], whole[:50], b""]):
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match=r"checkpoint\.pt: the checkpoint is damaged"):
            pretrain(shards, out, RUN)
        assert path.read_bytes() == damaged, number
        assert not can_resume(out, shards, RUN, None)  # a pipeline makes it again
    pretrain(shards, out, RUN, resume=False)


def test_a_kill_between_the_checkpoint_and_the_list_of_hashes_is_resumed(
    half: Path, shards: Path, tmp_path: Path
) -> None:
    pretrain(shards, tmp_path / "whole", RUN)
    out = shutil.copytree(half, tmp_path / "enc")
    (out / "SHA256SUMS").unlink()
    pretrain(shards, out, RUN)
    assert weights_of(out) == weights_of(tmp_path / "whole")


def test_a_checkpoint_has_its_seal_before_it_has_its_name(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = []
    replace = Path.replace

    def note(self: Path, target: Path) -> Path:
        if Path(target).name == "checkpoint.pt":
            named.append(checkpoint.damage_of_checkpoint(self))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", note)
    pretrain(shards, tmp_path / "enc", RUN)
    assert named == [None] * RUN.epochs


def test_torch_reads_a_checkpoint_as_before(half: Path) -> None:
    state = torch.load(half / "checkpoint.pt", weights_only=True)
    assert state["counters"]["step"] == 1


def test_a_pipe_is_no_checkpoint(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "checkpoint.pt")
    with pytest.raises(ModelError, match=r"checkpoint\.pt: a pipe, not a file"):
        checkpoint.read_checkpoint(tmp_path / "checkpoint.pt")


def test_an_evaluation_makes_a_pretraining_with_a_damaged_checkpoint_anew(
    shards: Path, tmp_path: Path
) -> None:
    config = EvaluateConfig(
        modalities=("ecg",),
        folds=2,
        repeats=1,
        pretrain={"ecg": RUN},
        finetune=FinetuneConfig(mode="probe", epochs=1),
        bootstrap=5,
    )
    whole = evaluate(shards, tmp_path / "whole", config)

    class Killed(BaseException):
        pass

    def die(done: int, total: int) -> None:
        if done == 2:  # the features, and one encoder
            raise Killed

    with pytest.raises(Killed):
        evaluate(shards, tmp_path / "out", config, progress=die)
    path = sorted(tmp_path.glob(".out.partial/**/checkpoint.pt"))[0]
    for done in path.parent.glob("*"):  # as if killed between two checkpoints
        if done.is_file() and done.name not in ("checkpoint.pt", "card.json"):
            done.unlink()
    path.write_bytes(path.read_bytes()[:-1000])
    found = evaluate(shards, tmp_path / "out", config)
    assert found.predictions.equals(whole.predictions)
