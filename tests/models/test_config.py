from pathlib import Path

import pandas as pd
import pytest
import torch

from physiomodels.config import EvaluateConfig, PretrainConfig, load_config
from physiomodels.model.patches import to_patches
from physiomodels.training.data import subject_keys, where_subjects
from physioprep.errors import ModelError


def test_a_yaml_file_becomes_a_frozen_configuration(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "label: label_valence\nmodalities: [eeg]\n"
        "pretrain:\n  eeg: {lr: 1e-3, epochs: 2, mask: {temporal_ratio: 1}, "
        "encoder: {conv_stride: 10}}\n"
    )
    config = load_config(EvaluateConfig, path)
    assert config.modalities == ("eeg",)
    assert config.pretrain["eeg"].lr == 1e-3
    assert config.pretrain["eeg"].mask.temporal_ratio == 1.0
    assert config.pretrain["eeg"].encoder.conv_stride == 10
    assert config.folds == EvaluateConfig().folds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr: fast", "PretrainConfig.lr is 'fast', not float"),
        ("epochs: 1.5", "PretrainConfig.epochs is 1.5, not int"),
        ("epochs: true", "PretrainConfig.epochs is True, not int"),
        ("mask: {ratio: 1}", "PretrainConfig.mask has no field ratio"),
        ("mask: {patch_ratio: 2}", "each within 0 to 1"),
        ("- a", "no mapping"),
        ("a: [", "config.yaml"),
    ],
)
def test_a_wrong_value_is_named_with_its_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ModelError, match=r"config\.yaml") as caught:
        load_config(PretrainConfig, path)
    assert message in str(caught.value)
    with pytest.raises(ModelError, match=r"absent\.yaml"):
        load_config(PretrainConfig, tmp_path / "absent.yaml")


def test_a_name_that_is_not_shipped_is_answered_with_those_that_are() -> None:
    shipped = "cinc2017, deap, demo, dreamer, eegmat"
    with pytest.raises(ModelError, match=f"^no config 'nope'; shipped: {shipped}$"):
        load_config(EvaluateConfig, "nope")
    with pytest.raises(
        ModelError, match=f"^no config 'nope'; shipped for evaluate alone: {shipped}$"
    ):
        load_config(PretrainConfig, "nope")


def test_shipped_configurations_load() -> None:
    folder = Path(__file__).parents[2] / "models" / "physiomodels" / "configs"
    names = [path.stem for path in folder.glob("*.yaml")]
    assert {"demo", "eegmat"} <= set(names)
    for name in names:
        assert load_config(EvaluateConfig, name).label


def test_subjects_are_kept_outside_by_corpus_and_name() -> None:
    table = pd.DataFrame(
        {
            "corpus": ["a", "a", "b", "a", "b"],
            "subject_id": ["1", "2", "1", None, None],
            "record_id": list("vwxyz"),
        }
    )
    outside = table.query(where_subjects(["a/1"], inside=False), engine="python")
    assert outside["record_id"].tolist() == ["w", "x", "z"]
    inside = table.query(where_subjects(["a/1", "b/1"], inside=True), engine="python")
    assert inside["record_id"].tolist() == ["v", "x"]
    assert subject_keys(table[:3]).tolist() == ["a/1", "a/2", "b/1"]
    with pytest.raises(ModelError, match="record y has no subject"):
        subject_keys(table)


def test_patches_are_scaled_and_know_their_holes() -> None:
    torch.manual_seed(0)
    ecg = 3 + 0.2 * torch.randn(2, 2, 400)
    ecg[0, 1, 250] = torch.nan
    ecg[1, 0] = 5.0  # flat
    batch = {"ecg": ecg, "present_ecg": torch.ones(2, 2, dtype=torch.bool)}
    patches = to_patches(batch, "ecg", 100)
    assert patches.present is not None
    expected = torch.ones(2, 2, 4, dtype=torch.bool)
    expected[0, 1, 2] = False
    assert torch.equal(patches.present, expected)
    x = patches.x.flatten(2)
    assert x[0, 0].mean() == pytest.approx(0, abs=1e-5)
    assert x[0, 0].std(correction=0) == pytest.approx(1, rel=1e-5)
    valid = x[0, 1][torch.isfinite(x[0, 1])]
    assert valid.std(correction=0) == pytest.approx(1, rel=1e-5)
    assert not x[1, 0].any()
    with pytest.raises(ModelError, match="400 samples cannot be cut into patches of 150"):
        to_patches(batch, "ecg", 150)
    with pytest.raises(ModelError, match="the model takes eeg; the shards hold ecg"):
        to_patches(batch, "eeg", 100)
