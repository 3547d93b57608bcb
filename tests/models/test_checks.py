"""What is looked at while an encoder is pretrained, on windows that it is not trained on."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from physiomodels.config import CheckConfig, EncoderConfig, PretrainConfig
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.masking import DualMask
from physiomodels.training.checks import Checks, _nearest, _spread, trained_on
from physiomodels.training.label_probe import label_probe
from physiomodels.training.pretrain import can_resume, pretrain
from physiomodels.training.run_card import run_digest
from physioprep.errors import ModelError
from physioprep.shards import open_shards

LOOKED_AT = CheckConfig(where="subject_id in ['s006', 's007']", label="label_condition")
TINY = PretrainConfig(
    encoder=EncoderConfig(patch_size=50, d_model=32, depth=1, heads=4, ffn=64, dropout=0.1),
    mask=DualMask(temporal_ratio=0.3, patch_ratio=0.1),
    epochs=2,
    batch_size=16,
    lr=3e-3,
    checks=LOOKED_AT,
)


def test_looking_changes_nothing_and_nobody_looked_at_is_trained_on(
    shards: Path, tmp_path: Path
) -> None:
    looked = pretrain(shards, tmp_path / "looked", TINY)
    where = trained_on(None, LOOKED_AT)
    blind = pretrain(shards, tmp_path / "blind", replace(TINY, checks=None), where=where)
    for a, b in zip(looked.encoder.parameters(), blind.encoder.parameters(), strict=True):
        assert torch.equal(a, b)
    card = json.loads((tmp_path / "looked" / "best" / "card.json").read_text())
    assert card["subjects"] == [f"toy/s{n:03d}" for n in range(6)]
    table = pd.read_csv(tmp_path / "looked" / "loss.csv")
    assert {"held_out", "rank", "dead", "flat_leads", "person", "person_chance"} <= set(table)
    (lead,) = [name for name in table if name.startswith("error_")]
    assert table["held_out"].to_numpy() == pytest.approx(table[lead].to_numpy())
    assert not (tmp_path / "blind" / "loss.csv").read_text().count("held_out")
    assert can_resume(tmp_path / "looked", shards, TINY, None)


def test_a_stopped_run_keeps_what_was_seen(shards: Path, tmp_path: Path) -> None:
    whole = pretrain(shards, tmp_path / "whole", TINY).history
    pretrain(shards, tmp_path / "cut", TINY, stop_after=4)
    rest = pretrain(shards, tmp_path / "cut", TINY).history
    columns = [name for name in whole if name != "windows_per_s"]
    pd.testing.assert_frame_equal(whole[columns], rest[columns])


def test_a_run_without_checks_is_the_one_that_it_was_before(shards: Path) -> None:
    opened, plain = open_shards(shards), replace(TINY, checks=None)
    assert run_digest(opened, None, TINY) != run_digest(opened, None, plain)
    # as written by the version before there were checks and lead views
    values = {"shards_sha256": opened.attrs.get("plan_sha256"), "where": None}
    import hashlib

    from physiomodels.config import as_dict

    config = as_dict(plain)
    for name in ("checks", "input_leads", "target_leads"):
        del config[name]
    text = json.dumps(values | {"config": config}, sort_keys=True)
    assert run_digest(opened, None, plain) == hashlib.sha256(text.encode()).hexdigest()


def test_persons_on_both_sides_are_refused(shards: Path, tmp_path: Path) -> None:
    half = replace(TINY, checks=CheckConfig(where="start_s < 5"))
    with pytest.raises(ModelError, match=r"8 persons or records are trained on as well \(toy/s000"):
        pretrain(shards, tmp_path, half)
    with pytest.raises(ModelError, match="checks: 0 windows"):
        pretrain(shards, tmp_path / "none", replace(TINY, checks=CheckConfig(where="start_s < 0")))
    wrong = replace(TINY, checks=replace(LOOKED_AT, label="label_x"))
    with pytest.raises(ModelError, match="no label_x"):
        pretrain(shards, tmp_path / "label", wrong)


def test_collapse_shows() -> None:
    rng = np.random.default_rng(0)
    line = rng.normal(size=(500, 1)) * np.ones((1, 20))
    assert _spread(line)["rank"] == pytest.approx(1.0)
    found = _spread(rng.normal(size=(5000, 20)))
    assert found["rank"] == pytest.approx(20, rel=0.02)
    assert found["dead"] == 0.0
    dead = rng.normal(size=(500, 20))
    dead[:, :5] = 3.0
    assert _spread(dead)["dead"] == 0.25


def test_a_shortcut_by_person_shows() -> None:
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(50).astype(str), 4)
    noise = rng.normal(size=(200, 10))
    chance = 3 / 199
    assert _nearest(noise, people)["person_chance"] == pytest.approx(chance)
    assert _nearest(noise, people)["person"] < 0.06
    own = np.repeat(rng.normal(size=(50, 10)), 4, axis=0) * 20
    assert _nearest(own + noise, people)["person"] > 0.95
    assert _nearest(noise, np.arange(200).astype(str)) == {}


def test_flat_leads_and_each_lead_s_error(shards: Path) -> None:
    config = replace(TINY, modality="eeg", checks=CheckConfig(where="subject_id == 's006'"))
    opened = open_shards(shards)
    checks = Checks(opened, config, trained_on(None, config.checks), "cpu")
    torch.manual_seed(0)
    encoder = CrissCrossEncoder(50, 32, 1, 4, 64)
    found = checks.look(encoder)
    assert encoder.training
    errors = [name for name in found if name.startswith("error_")]
    assert len(errors) == 3
    assert np.mean([found[name] for name in errors]) == pytest.approx(found["held_out"], rel=0.02)
    assert found["flat_leads"] == 0.0


def test_a_label_is_probed_by_record() -> None:
    rng = np.random.default_rng(0)
    record = np.repeat(np.arange(60), 3)
    windows = pd.DataFrame(
        {"corpus": "toy", "record_id": record.astype(str), "label_x": [["a"], ["b"], None] * 60}
    )
    windows["label_x"] = [[("a", "b", "c")[n % 3]] for n in record]
    vectors = rng.normal(size=(180, 5))
    assert label_probe(vectors, windows, "label_x")["label"] == pytest.approx(0.5, abs=0.15)
    vectors[:, 0] += 3 * (record % 3)
    assert label_probe(vectors, windows, "label_x")["label"] > 0.8
    assert label_probe(vectors[:6], windows[:6], "label_x") == {}
