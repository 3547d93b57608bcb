"""Pretraining from some leads to others: what is hidden, what counts, and that it is learned."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from physiomodels.config import CheckConfig, EncoderConfig, PretrainConfig, load_config
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.lead_masks import LeadTask, hide_leads
from physiomodels.model.masking import DualMask
from physiomodels.model.patches import to_patches
from physiomodels.training.pretrain import pretrain
from physiomodels.training.run_card import run_digest
from physioprep.cli import app
from physioprep.errors import ModelError, ShardError
from physioprep.lead_views import LeadView
from physioprep.shards import open_shards
from physioprep.stream import ShardStream

NAMES = ("Fz", "Cz", "Pz")
TINY = PretrainConfig(
    modality="eeg",
    encoder=EncoderConfig(patch_size=50, d_model=32, depth=2, heads=4, ffn=64, dropout=0.0),
    input_leads="Cz",
    target_leads="Fz",
    epochs=1,
    batch_size=64,
)


def test_leads_that_are_not_given_are_hidden() -> None:
    batch = {"eeg": torch.randn(3, 3, 100), "present_eeg": torch.ones(3, 3, dtype=torch.bool)}
    batch["present_eeg"][1, 1] = batch["present_eeg"][2, 2] = False  # no Cz; no Pz
    patches = to_patches(batch, "eeg", 50)
    number = torch.arange(3)
    task = LeadTask(LeadView.of("Cz"), LeadView.of("Fz Cz"))
    hidden, counted = hide_leads(task, DualMask(), patches, number, number, NAMES)
    assert hidden[:, :, 0].tolist() == [[True, False, True], [False] * 3, [True, False, False]]
    assert torch.equal(hidden[:, :, 0], hidden[:, :, 1])
    assert counted is not None
    assert counted[0, :, 0].tolist() == [True, True, False]
    plain, every = hide_leads(LeadTask(), DualMask(), patches, number, number, NAMES)
    assert every is None
    assert torch.equal(plain, DualMask()(number, 3, 2, present=patches.present))


def test_leads_of_a_batch_without_a_lead_are_its_own() -> None:
    """A lead that no window of a batch has is not in its patches."""
    batch = {"eeg": torch.randn(2, 3, 100), "present_eeg": torch.tensor([[False, True, True]] * 2)}
    patches = to_patches(batch, "eeg", 50)
    task = LeadTask(LeadView.of("Cz"), LeadView.of("Pz"))
    number = torch.arange(2)
    hidden, counted = hide_leads(task, DualMask(), patches, number, number, NAMES)
    assert counted is not None
    assert hidden[:, :, 0].tolist() == counted[:, :, 0].tolist() == [[False, True]] * 2


def test_the_loss_is_that_of_the_targets(shards: Path, tmp_path: Path) -> None:
    found = pretrain(shards, tmp_path, TINY).history["loss"][0]
    torch.manual_seed(0)
    encoder = CrissCrossEncoder(**asdict(TINY.encoder)).train()
    batch = next(iter(ShardStream(shards, batch_size=64, modalities=["eeg"])))
    patches = to_patches(batch, "eeg", 50)
    assert patches.present is not None  # some windows have no EEG
    mask = torch.zeros(patches.x.shape[:3], dtype=torch.bool)
    mask[:, [0, 2]] = True
    with torch.no_grad():
        answer = encoder.reconstruct(encoder(patches.x, mask, patches.present))
    error = (answer - patches.x).square()[:, 0][patches.present[:, 0]]
    assert found == pytest.approx(float(error.mean()), rel=1e-5)


def test_a_lead_is_learned_from_another(shards: Path, tmp_path: Path) -> None:
    config = replace(TINY, epochs=30, batch_size=16, lr=5e-3)  # the rhythm is in all of them
    losses = pretrain(shards, tmp_path, config).history["loss"]
    assert losses.iloc[-1] < 0.8 * losses.iloc[0]


def test_subsets_are_those_that_a_stream_draws(shards: Path, tmp_path: Path) -> None:
    text = "Cz:0.5,Fz Pz:0.5"
    task = LeadTask(LeadView.of(text), None, seed=3)
    for batch in ShardStream(
        shards, batch_size=64, modalities=["eeg"], seed=3, where="eeg_max_abs > 0"
    ):
        patches = to_patches(batch, "eeg", 50)
        number = batch["index"]
        hidden, _ = hide_leads(task, DualMask(), patches, number, number, NAMES)
    stream = ShardStream(
        shards, batch_size=64, modalities=["eeg"], seed=3, input_leads=text,
        where="eeg_max_abs > 0",
    )  # fmt: skip
    given = next(iter(stream))
    flags = given["present_eeg"][:, [1, 0, 2]]  # Cz, Fz, Pz
    assert torch.equal(~hidden[:, :, 0], flags)
    assert 0 < flags[:, 1].float().mean() < 1
    pretrain(shards, tmp_path, replace(TINY, input_leads=text, target_leads=None))


def test_checks_look_at_the_targets(shards: Path, tmp_path: Path) -> None:
    checks = CheckConfig(where="subject_id in ['s001', 's002']")
    history = pretrain(shards, tmp_path, replace(TINY, checks=checks)).history
    assert "error_Fz" in history
    assert not {"error_Cz", "error_Pz"} & set(history.columns)
    assert history["held_out"][0] == pytest.approx(history["error_Fz"][0])


def test_a_run_without_leads_is_the_one_that_it_was(shards: Path) -> None:
    opened = open_shards(shards)
    plain = replace(TINY, input_leads=None, target_leads=None)
    before = asdict(plain)
    for name in ("checks", "input_leads", "target_leads"):
        del before[name]
    identity = {"shards_sha256": opened.attrs["plan_sha256"], "where": None, "config": before}
    import hashlib

    text = json.dumps(identity, sort_keys=True).encode()
    assert run_digest(opened, None, plain) == hashlib.sha256(text).hexdigest()
    assert run_digest(opened, None, TINY) != run_digest(opened, None, plain)


def test_what_is_wrong_is_said(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="no channel Oz; it has eeg: Fz, Cz, Pz"):
        pretrain(shards, tmp_path, replace(TINY, input_leads="Oz"))
    with pytest.raises((ModelError, ShardError), match="no 'LEAD LEAD:SHARE'"):
        load_config(PretrainConfig, {"input_leads": "I:x"})


@pytest.mark.parametrize(
    ("inputs", "targets"), [("Cz Fz", "Fz"), ("Fz,Cz,Pz", None), ("Fz Cz:1,Pz Fz:1", "Fz")]
)
def test_nothing_to_learn_is_refused(
    shards: Path, tmp_path: Path, inputs: str, targets: str | None
) -> None:
    config = replace(TINY, input_leads=inputs, target_leads=targets)
    with pytest.raises(ModelError, match="nothing is hidden and nothing learnt"):
        pretrain(shards, tmp_path / "out", config)
    assert not (tmp_path / "out" / "best").exists()
    pretrain(shards, tmp_path / "out", replace(config, visible_weight=1.0))


def test_the_picture_shows_what_is_trained(shards: Path, tmp_path: Path) -> None:
    pretrain(shards, tmp_path, replace(TINY, target_leads="Fz"), picture_every=1)
    with np.load(tmp_path / "pictures" / "step-000001.npz") as held:
        assert held["channels"].tolist() == list(NAMES)
        assert held["hidden"].all(axis=1).tolist() == [True, False, True]
        assert held["hidden"].any(axis=1).tolist() == [True, False, True]


def test_the_command_takes_leads(shards: Path, tmp_path: Path) -> None:
    config = tmp_path / "tiny.yaml"
    config.write_text(
        "modality: eeg\nepochs: 1\nencoder: {patch_size: 50, d_model: 16, depth: 1, heads: 2}\n"
    )
    command = ["pretrain", str(shards), "-o", str(tmp_path / "out"), "--config", str(config)]
    done = CliRunner().invoke(app, [*command, "--input-leads", "Cz", "--target-leads", "Fz,Pz"])
    assert done.exit_code == 0, done.output
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert (card["config"]["input_leads"], card["config"]["target_leads"]) == ("Cz", "Fz,Pz")
