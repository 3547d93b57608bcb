import dataclasses
import math
from pathlib import Path

import pandas as pd
import pytest
import torch

from physiomodels.config import (
    EncoderConfig,
    EvaluateConfig,
    FinetuneConfig,
    PretrainConfig,
    load_config,
)
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
        *[
            (f"{key}: {value}", f"PretrainConfig.{key} is {shown}: {bound}")
            for key, value, shown, bound in (
                ("epochs", "0", "0", "at least 1"),
                ("epochs", "-3", "-3", "at least 1"),
                ("batch_size", "0", "0", "at least 1"),
                ("accumulate", "0", "0", "at least 1"),
                ("lr", "-1e-3", "-0.001", "above 0"),
                ("lr", ".nan", "nan", "above 0"),
                ("lr", ".inf", "inf", "above 0"),
                ("lr", "nan", "nan", "above 0"),
                ("lr", "4e37", "4e+37", "above 0 and at most 1000000000"),
                ("weight_decay", "-1", "-1.0", "0 to 1000000000"),
                ("warmup", "1.5", "1.5", "0 to 1"),
                ("clip", "0", "0.0", "above 0"),
                ("visible_weight", "-.inf", "-inf", "0 to 1000000000"),
                ("checkpoint_every", "-1", "-1", "at least 0"),
                ("seed", "-1", "-1", "0 to 4294967295"),
                ("seed", str(2**70), str(2**70), "0 to 4294967295"),
            )
        ],
        ("encoder: {dropout: 1}", "PretrainConfig.encoder.dropout is 1.0: at least 0 and below 1"),
        ("encoder: {depth: 0}", "PretrainConfig.encoder.depth is 0: 1 to 1024"),
        ("encoder: {position_kernel: [-19, 7]}", "encoder.position_kernel is -19: 1 to 1023"),
        ("encoder: {position_kernel: [19]}", "encoder.position_kernel is [19], not 2 values"),
        ("encoder: {position_kernel: [a, b]}", "encoder.position_kernel is 'a', not int"),
        ("mask: {patch_ratio: .nan}", "each within 0 to 1"),
        ("mask: {seed: -1}", "PretrainConfig.mask.seed is -1: 0 to"),
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


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (FinetuneConfig, {"lr": -1}, "FinetuneConfig.lr is -1.0: above 0"),
        (FinetuneConfig, {"encoder_lr": -1}, "FinetuneConfig.encoder_lr is -1.0: 0 to 1000000000"),
        (FinetuneConfig, {"lora_rank": 0}, "FinetuneConfig.lora_rank is 0: 1 to 65536"),
        (FinetuneConfig, {"modality_dropout": 2}, "modality_dropout is 2.0: 0 to 1"),
        (EvaluateConfig, {"repeats": 0}, "EvaluateConfig.repeats is 0: at least 1"),
        (EvaluateConfig, {"label_shares": [math.nan]}, "label_shares is nan: above 0"),
        (EvaluateConfig, {"label_shares": [0]}, "label_shares is 0.0: above 0 and at most 1"),
        (EvaluateConfig, {"modalities": [1]}, "EvaluateConfig.modalities is 1, not str"),
        (EvaluateConfig, {"finetune": {"epochs": 0}}, "EvaluateConfig.finetune.epochs is 0"),
        (
            EvaluateConfig,
            {"pretrain": {"ecg": {"epochs": 0}}},
            "EvaluateConfig.pretrain.ecg.epochs is 0: at least 1",
        ),
    ],
)
def test_a_number_out_of_bounds_is_named_with_its_bound(
    kind: type[object], values: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelError) as caught:
        load_config(kind, values)
    assert message in str(caught.value)


@pytest.mark.parametrize("kind", [EncoderConfig, PretrainConfig, FinetuneConfig, EvaluateConfig])
def test_every_number_of_a_configuration_has_bounds(kind: type[object]) -> None:
    """In Python too: no field, also not a new one, takes a number that is none."""
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            for value in (math.nan, math.inf, -1):
                with pytest.raises(ModelError, match=f"{kind.__name__}.{field.name} is {value}:"):
                    kind(**{field.name: value})


@pytest.mark.parametrize("kind", [PretrainConfig, FinetuneConfig])
def test_no_factor_is_larger_than_a_tensor_takes(kind: type[object]) -> None:
    """Its product with another one, too, is a float32."""
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if isinstance(field.default, float):
            with pytest.raises(ModelError, match=f"{kind.__name__}.{field.name} is 3e\\+19: "):
                kind(**{field.name: 3e19})


def test_a_name_that_is_not_shipped_is_answered_with_those_that_are() -> None:
    shipped = "cinc2017, deap, demo, dreamer, eegmat"
    with pytest.raises(ModelError, match=f"^no config 'nope'; shipped: {shipped}$"):
        load_config(EvaluateConfig, "nope")
    with pytest.raises(
        ModelError, match=f"^no config 'nope'; shipped for evaluate alone: {shipped}$"
    ):
        load_config(PretrainConfig, "nope")


@pytest.mark.parametrize("kind", [PretrainConfig, FinetuneConfig])
def test_a_shipped_configuration_says_which_verb_it_is_for(kind: type[object]) -> None:
    with pytest.raises(ModelError, match=r"^eegmat: the shipped configs are for evaluate alone$"):
        load_config(kind, "eegmat")


def test_a_folder_does_not_hide_a_shipped_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cinc2017").mkdir()
    assert load_config(EvaluateConfig, "cinc2017").label == "label_rhythm"
    (tmp_path / "nope").mkdir()
    with pytest.raises(ModelError, match=r"^nope: a folder, not a file$"):
        load_config(EvaluateConfig, "nope")


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
    with pytest.raises(ModelError, match=r"record y has no subject.*protocol record-grouped"):
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


def test_pretraining_of_an_evaluation_is_by_modality() -> None:
    with pytest.raises(ModelError) as caught:
        load_config(EvaluateConfig, {"label": "label_a", "pretrain": {"epochs": 1}})
    said = (
        "EvaluateConfig.pretrain has one PretrainConfig for each modality, as {ecg: {epochs: 10}}"
    )
    assert said in str(caught.value)
    assert "'epochs' is a field of one" in str(caught.value)
    right = {"label": "label_a", "pretrain": {"ecg": {"epochs": 1}}}
    assert load_config(EvaluateConfig, right).pretrain["ecg"].epochs == 1
