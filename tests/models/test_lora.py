from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from physiomodels.config import EncoderConfig, FinetuneConfig
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.lora import add_lora, load_lora, lora_state, merge_lora
from physiomodels.model.weights import load_weights
from physiomodels.training.classifier import Classifier, load_encoder
from physiomodels.training.finetune import finetune
from physiomodels.training.predict import predict
from physioprep.errors import ModelError

Make = Callable[..., CrissCrossEncoder]
SIZES = EncoderConfig(patch_size=50, d_model=32, depth=2, heads=4, ffn=64, dropout=0.0)


def disturb(encoder: CrissCrossEncoder) -> None:
    torch.manual_seed(9)
    for name, parameter in encoder.named_parameters():
        if name.endswith(".up"):
            torch.nn.init.normal_(parameter, std=0.1)


def test_starts_where_the_encoder_stands_and_merges_exactly(make_encoder: Make) -> None:
    encoder, x = make_encoder(), torch.randn(3, 4, 6, 50)
    plain = encoder(x)
    names = set(encoder.state_dict())
    add_lora(encoder, 4, 8.0)
    assert torch.equal(encoder(x), plain)
    disturb(encoder)
    adapted = encoder(x)
    assert (adapted - plain).abs().max() > 1e-2
    merge_lora(encoder)
    assert torch.equal(encoder(x), adapted)
    assert set(encoder.state_dict()) == names


def test_the_sum_is_the_one_of_the_paper(make_encoder: Make) -> None:
    encoder = make_encoder()
    linear = encoder.encoder["layers"][1].linear1  # type: ignore[attr-defined]
    weight = linear.weight.detach().clone()
    add_lora(encoder, 3, 6.0)
    disturb(encoder)
    state = lora_state(encoder)
    up, down = (state[f"encoder.layers.1.linear1.weight.{name}"] for name in ("up", "down"))
    x = torch.randn(5, 32)
    expected = x @ weight.T + linear.bias + 6.0 / 3 * (x @ down.T) @ up.T
    torch.testing.assert_close(linear(x), expected, atol=1e-5, rtol=1e-5)


def test_only_the_additions_train(make_encoder: Make) -> None:
    encoder = make_encoder()
    before = {name: value.clone() for name, value in encoder.named_parameters()}
    count = add_lora(encoder, 4, 8.0)
    # rank · (in + out): two attentions of width 16 (48 and 16 rows), two feed-forward layers
    assert count == 2 * 4 * (2 * (48 + 16) + 2 * (16 + 16) + 2 * (32 + 64))
    trained = [p for p in encoder.parameters() if p.requires_grad]
    assert sum(p.numel() for p in trained) == count
    optimiser = torch.optim.AdamW(trained, lr=1e-2, weight_decay=0.1)
    for _ in range(3):
        encoder(torch.randn(2, 3, 5, 50)).square().mean().backward()
        optimiser.step()
        optimiser.zero_grad()
    after = dict(encoder.named_parameters())
    moved = 0
    for name, value in before.items():
        if name in after:
            assert torch.equal(after[name], value), name
        else:
            path, _, leaf = name.rpartition(".")
            assert torch.equal(after[f"{path}.parametrizations.{leaf}.original"], value), name
            moved += 1
    assert moved == 2 * 6
    assert all(state.abs().max() > 0 for name, state in lora_state(encoder).items())


def test_finetuning_keeps_the_encoder_and_saves_additions_that_make_it_again(
    shards: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    encoder = load_encoder(SIZES)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    config = FinetuneConfig(
        mode="lora", epochs=3, batch_size=16, encoder_lr=1e-2, lora_rank=2, lora_alpha=4.0
    )
    encoder.save_pretrained(tmp_path / "encoder")
    arguments = {"label": "label_condition", "encoders": {"ecg": tmp_path / "encoder"}}
    made = finetune(shards, tmp_path / "out", config, **arguments)  # type: ignore[arg-type]
    answers = predict(made.model, shards)
    assert predict(Classifier.from_pretrained(tmp_path / "out").model, shards).equals(answers)
    tuned = made.model.encoders["ecg"].state_dict()
    changed = {name for name, value in before.items() if not torch.equal(tuned[name], value)}
    layers = [f"encoder.layers.{n}." for n in (0, 1)]
    assert changed == {
        layer + name
        for layer in layers
        for name in (
            *(f"self_attn_{way}.in_proj_weight" for way in "st"),
            *(f"self_attn_{way}.out_proj.weight" for way in "st"),
            *("linear1.weight", "linear2.weight"),
        )
    }
    additions = load_weights(tmp_path / "out" / "lora.safetensors")
    again = torch.nn.ModuleDict({"ecg": load_encoder(tmp_path / "encoder")})
    load_lora(again, additions)
    merge_lora(again)
    for name, value in again["ecg"].state_dict().items():
        assert torch.equal(value, tuned[name]), name
    probe = replace(config, mode="probe")
    finetune(shards, tmp_path / "out", probe, overwrite=True, **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "out" / "lora.safetensors").exists()  # of the run before


def test_what_does_not_fit_is_named(make_encoder: Make) -> None:
    with pytest.raises(ModelError, match="lora_rank 17: 1 to 16"):
        add_lora(make_encoder(), 17, 1.0)
    with pytest.raises(ModelError, match="no encoder's layers"):
        add_lora(torch.nn.Linear(3, 3), 1, 1.0)
    deep, shallow = make_encoder(depth=3), make_encoder()
    add_lora(deep, 2, 1.0)
    with pytest.raises(ModelError, match=r"do not fit: encoder\.layers\.2\."):
        load_lora(shallow, lora_state(deep))
    with pytest.raises(ModelError, match="0 ranks among 0"):
        load_lora(make_encoder(), {})
