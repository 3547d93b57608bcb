import itertools
from collections.abc import Callable

import pytest
import torch

from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.fusion import FUSIONS, FusionClassifier
from physiomodels.model.patches import Patches
from physiomodels.model.pooling import POOLINGS, mean_over
from physioprep.errors import ModelError

WAYS = list(itertools.product(FUSIONS, POOLINGS))
Make = Callable[..., CrissCrossEncoder]


def windows(n: int = 4, absent: tuple[int, ...] = ()) -> dict[str, Patches]:
    torch.manual_seed(2)
    present = torch.ones(n, 3, 6, dtype=torch.bool)
    present[list(absent)] = False
    return {
        "ecg": Patches(torch.randn(n, 1, 6, 50), None),
        "eeg": Patches(torch.randn(n, 3, 6, 50), present),
    }


def classifier(make_encoder: Make, fusion: str, pooling: str = "mean") -> FusionClassifier:
    torch.manual_seed(5)
    model = FusionClassifier(
        n_classes=3,
        fusion=fusion,
        pooling=pooling,
        ecg=make_encoder(),
        eeg=make_encoder(d_model=48),
    )
    for placeholder in model.placeholders.values():
        torch.nn.init.normal_(placeholder)
    return model.eval()


@pytest.mark.parametrize(("fusion", "pooling"), WAYS)
def test_a_missing_modality_changes_its_own_windows_alone(
    make_encoder: Make, fusion: str, pooling: str
) -> None:
    model = classifier(make_encoder, fusion, pooling)
    model.standardise([model.encode(windows(8))])
    whole, holed = model(windows()), model(windows(absent=(1, 3)))
    assert whole.shape == (4, 3)
    assert torch.isfinite(holed).all()
    torch.testing.assert_close(holed[[0, 2]], whole[[0, 2]], atol=1e-5, rtol=1e-5)
    assert (holed[[1, 3]] - whole[[1, 3]]).abs().max() > 1e-4
    without = model({"ecg": windows()["ecg"]})
    torch.testing.assert_close(without[[1, 3]], holed[[1, 3]], atol=1e-5, rtol=1e-5)
    nothing = {k: Patches(p.x, torch.zeros(p.x.shape[:3])) for k, p in windows().items()}
    assert torch.isfinite(model(nothing)).all()


@pytest.mark.parametrize(("fusion", "pooling"), WAYS)
def test_every_parameter_learns(make_encoder: Make, fusion: str, pooling: str) -> None:
    model = classifier(make_encoder, fusion, pooling).train()
    model(windows(absent=(0,))).square().sum().backward()
    idle = {"placeholders.ecg"}  # no ECG was missing
    if fusion in ("gated", "late"):  # these leave a missing one of two out instead
        idle.add("placeholders.eeg")
    for name, parameter in model.named_parameters():
        unused = "proj_out" in name or name in idle or not parameter.requires_grad
        learns = parameter.grad is not None and bool(parameter.grad.abs().max() > 0)
        softmax_shift = "in_proj_bias" in name or name.endswith(("score.bias", "gate.bias"))
        assert learns or unused or softmax_shift, name


def test_modality_dropout_takes_one_of_two(make_encoder: Make) -> None:
    model = classifier(make_encoder, "concat").train()
    model.modality_dropout = 0.5
    there = torch.ones(4000, 2, dtype=torch.bool)
    there[:1000, 0] = False
    left = model._drop(there)
    assert torch.equal(left[:1000], there[:1000])  # the only one stays
    assert (left[1000:].sum(1) >= 1).all()
    lost = (~left[1000:]).float().mean(0)
    assert torch.allclose(lost, torch.tensor([0.25, 0.25]), atol=0.04)
    assert torch.equal(model.eval()._drop(there), there)


def test_embeddings_are_standardised_over_the_training_windows(make_encoder: Make) -> None:
    model = classifier(make_encoder, "concat")
    training = windows(16, absent=(3, 4))
    model.standardise([model.encode(training)])
    features, present = model.encode(training)
    with torch.no_grad():
        eeg = model.pools["eeg"](features["eeg"], present["eeg"])
    there = present["eeg"].flatten(1).any(1)
    assert torch.allclose(eeg[there].mean(0), torch.zeros(48), atol=1e-4)
    assert torch.allclose(eeg[there].std(0), torch.ones(48), atol=1e-3)


def test_mean_over_what_is_present() -> None:
    features, present = torch.randn(2, 3, 4, 5), torch.rand(2, 3, 4) < 0.5
    for n in range(2):
        expected = features[n][present[n]].mean(0)
        assert torch.allclose(mean_over(features, present)[n], expected, atol=1e-6)


def test_what_does_not_exist_is_refused(make_encoder: Make) -> None:
    for wrong in ({"fusion": "sum"}, {"pooling": "max"}):
        with pytest.raises(ModelError, match="of"):
            FusionClassifier(ecg=make_encoder(), **wrong)
    with pytest.raises(ModelError, match="0 encoders"):
        FusionClassifier()
    with pytest.raises(ModelError, match="no input"):
        classifier(make_encoder, "concat")({"ppg": windows()["ecg"]})
