import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from physiomodels.model.encoder import CrissCrossEncoder
from physioprep.errors import ModelError

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "golden"
Make = Callable[..., CrissCrossEncoder]


class BlankModule(ModuleType):
    def __getattr__(self, name: str) -> object:
        return sys.modules.get(f"{self.__name__}.{name}", torch.nn.Module)


def golden(name: str) -> dict[str, Tensor]:
    path = GOLDEN / f"cbramod_2layer_{name}.npz"
    if not path.is_file():
        pytest.skip(f"reference values absent: no {path}")
    with np.load(path) as values:
        return {key: torch.from_numpy(values[key]) for key in values}


def weights_of(values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key[6:]: value for key, value in values.items() if key.startswith("param/")}


def relative_error(ours: Tensor, reference: Tensor) -> float:
    return float((ours - reference).abs().max() / reference.abs().max())


@pytest.mark.parametrize("name", ["eeg19", "ecg12"])
@torch.no_grad()
def test_gives_the_numbers_of_the_published_network(name: str) -> None:
    values = golden(name)
    encoder = CrissCrossEncoder.from_cbramod(weights_of(values)).eval()
    x, mask = values["x"], values["mask"]
    assert len(encoder.encoder["layers"]) == 2  # type: ignore[arg-type]
    assert relative_error(encoder.embed_patches(x), values["patch_embedding"]) < 1e-5
    assert relative_error(encoder(x), values["features"]) < 1e-5
    assert relative_error(encoder.reconstruct(encoder(x)), values["output"]) < 1e-5
    masked = encoder.reconstruct(encoder(x, mask))
    assert relative_error(masked, values["masked_output"]) < 1e-5
    assert relative_error(encoder.masked_loss(x, mask), values["masked_loss"]) < 1e-5
    everything = torch.ones(x.shape[:2], dtype=torch.bool)
    assert relative_error(encoder(x, present=everything), values["features"]) < 1e-5


@torch.no_grad()
def test_agrees_with_braindecode(monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("braindecode") is None:
        pytest.skip("braindecode is not installed")
    try:
        import torchaudio  # noqa: F401
    except (ImportError, OSError):  # built for another torch; CBraMod uses nothing of it
        for name in ("torchaudio", "torchaudio.functional", "torchaudio.transforms"):
            monkeypatch.setitem(sys.modules, name, BlankModule(name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what braindecode's own imports deprecate
        cbramod = import_module("braindecode.models.cbramod")
    torch.manual_seed(1)
    reference = cbramod.CBraMod(n_outputs=2, n_chans=5, n_times=1400, n_layer=3).eval()
    encoder = CrissCrossEncoder.from_cbramod(reference.state_dict()).eval()
    x = torch.randn(2, 5, 1400)
    mask = torch.rand(2, 5, 7) < 0.5
    for hidden in (None, mask):
        theirs = reference(x, mask=hidden, return_features=True)["features"]
        ours = encoder.reconstruct(encoder(x.unflatten(-1, (7, 200)), hidden))
        assert relative_error(ours, theirs) < 1e-5


@pytest.mark.parametrize(
    "sizes",
    [
        {"patch_size": 64, "d_model": 96, "heads": 2},
        {"patch_size": 200, "d_model": 64, "position_kernel": (3, 5)},
        {"patch_size": 33, "d_model": 40},
        {"patch_size": 100, "conv_stride": 10, "d_model": 60, "heads": 6},
    ],
)
@torch.no_grad()
def test_other_sizes(make_encoder: Make, sizes: dict[str, int]) -> None:
    encoder = make_encoder(**sizes)
    x = torch.randn(2, 3, 4, encoder.patch_size)
    features = encoder(x)
    assert features.shape == (2, 3, 4, encoder.d_model)
    assert encoder.reconstruct(features).shape == x.shape
    assert CrissCrossEncoder(**encoder.config).config == encoder.config


@torch.no_grad()
def test_attention_is_criss_cross(make_encoder: Make) -> None:
    encoder = make_encoder(position_kernel=(1, 1), depth=1)
    hidden = torch.randn(1, 4, 5, 32)
    layer = encoder.encoder["layers"][0]  # type: ignore[index]
    before = layer(hidden, None, None)
    hidden[0, 1, 2] = torch.randn(32)  # lead 1, patch 2
    moved = (layer(hidden, None, None) - before).abs().amax(-1)[0] > 1e-6
    expected = torch.zeros(4, 5, dtype=torch.bool)
    expected[1], expected[:, 2] = True, True
    assert torch.equal(moved, expected)


@torch.no_grad()
@pytest.mark.parametrize("masked", [False, True])
def test_a_sample_has_the_features_that_it_would_have_alone(
    make_encoder: Make, masked: bool
) -> None:
    encoder = make_encoder(position_kernel=(5, 3), depth=3)
    torch.nn.init.normal_(encoder.patch_embedding.mask_encoding)
    for parameter in encoder.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    x = torch.randn(4, 7, 6, 50)
    leads = [[0, 1, 2, 3, 4, 5, 6], [0, 2, 5], [3], [1, 2, 3, 4]]  # gaps too
    patches = [[0, 1, 2, 3, 4, 5], [0, 1, 2], [0, 1, 2, 3], [1, 3, 5]]
    present = torch.zeros(4, 7, 6, dtype=torch.bool)
    for n in range(4):
        present[n, torch.tensor(leads[n])[:, None], torch.tensor(patches[n])] = True
    mask = (torch.rand(4, 7, 6) < 0.3) if masked else None
    x[~present] = torch.nan  # nothing of what is absent may show
    together = encoder(x, mask, present)
    assert torch.equal(together[~present], torch.zeros_like(together[~present]))
    for n in range(4):
        own = torch.tensor(leads[n])[:, None], torch.tensor(patches[n])
        alone = encoder(x[n][own][None], None if mask is None else mask[n][own][None])[0]
        assert relative_error(together[n][own], alone) < 1e-5


def test_absent_leads_leave_the_gradients_finite(make_encoder: Make) -> None:
    encoder = make_encoder().train()
    present = torch.tensor([[True, False, True], [False, False, False]])
    x = torch.where(present[..., None, None], torch.randn(2, 3, 4, 50), torch.nan)
    loss = encoder.masked_loss(x, torch.ones(2, 3, 4), present)
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad for p in encoder.parameters() if p.grad is not None]
    assert len(gradients) == sum(p.requires_grad for p in encoder.parameters())
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@torch.no_grad()
def test_masked_loss_counts_what_is_hidden_and_there(make_encoder: Make) -> None:
    encoder = make_encoder()
    x, mask = torch.randn(2, 3, 4, 50), torch.rand(2, 3, 4) < 0.5
    present = torch.tensor([[True, True, True], [True, False, True]])
    out = encoder.reconstruct(encoder(x, mask, present))
    chosen = mask & present[..., None]
    expected = ((out - x) ** 2)[chosen].mean()
    assert float(encoder.masked_loss(x, mask, present)) == pytest.approx(float(expected), rel=1e-5)
    assert float(encoder.masked_loss(x, torch.zeros(2, 3, 4), present)) == 0.0


@torch.no_grad()
def test_spectral_and_visible_parts_of_the_loss(make_encoder: Make) -> None:
    encoder = make_encoder()
    x, mask = torch.randn(2, 3, 4, 50), torch.rand(2, 3, 4) < 0.5
    out = encoder.reconstruct(encoder(x, mask))
    plain = encoder.masked_loss(x, mask)
    seen = encoder.masked_loss(x, mask, visible_weight=0.3) - plain
    assert float(seen) == pytest.approx(0.3 * float(((out - x) ** 2)[~mask].mean()), rel=1e-4)
    spectral = encoder.masked_loss(x, mask, spectral_weight=0.5) - plain
    difference = torch.fft.rfft(out, norm="ortho").abs() - torch.fft.rfft(x, norm="ortho").abs()
    expected = 0.5 * 2 * (difference**2)[mask].sum() / (mask.sum() * 50)
    assert float(spectral) == pytest.approx(float(expected), rel=1e-4)


def test_sound_initialisation_starts_at_the_variance_of_the_target() -> None:
    torch.manual_seed(0)
    x = 0.2 * torch.randn(4, 6, 5, 200)
    mask = torch.rand(4, 6, 5) < 0.5
    sizes = {"depth": 4, "d_model": 200, "ffn": 400}
    losses = {
        init: float(CrissCrossEncoder(**sizes, init=init).eval().masked_loss(x, mask).detach())
        for init in ("sound", "cbramod")
    }
    assert losses["sound"] == pytest.approx(0.04, rel=0.2)
    assert losses["cbramod"] > 5 * losses["sound"]
    with pytest.raises(ModelError, match="zeros"):
        CrissCrossEncoder(init="zeros")  # type: ignore[arg-type]


def test_weights_that_do_not_fit_are_named(make_encoder: Make, tmp_path: Path) -> None:
    state = make_encoder(patch_size=200, d_model=200, heads=8, depth=1).state_dict()
    path = tmp_path / "weights.safetensors"
    save_file(state, path)
    assert CrissCrossEncoder.from_cbramod(path).config["depth"] == 1
    torch.save(state, tmp_path / "weights.pth")
    assert CrissCrossEncoder.from_cbramod(tmp_path / "weights.pth").config["ffn"] == 64
    without = {k: v for k, v in state.items() if k != "encoder.layers.0.norm2.bias"}
    with pytest.raises(ModelError, match=r"missing encoder\.layers\.0\.norm2\.bias"):
        CrissCrossEncoder.from_cbramod(without)
    with pytest.raises(ModelError, match=r"extra head\.weight"):
        CrissCrossEncoder.from_cbramod(state | {"head.weight": torch.zeros(1)})
    with pytest.raises(ModelError, match=r"missing patch_embedding\.proj_in\.0\.weight"):
        CrissCrossEncoder.from_cbramod({})
    path.write_bytes(b"not weights")
    with pytest.raises(ModelError, match=r"weights\.safetensors: no readable"):
        CrissCrossEncoder.from_cbramod(path)
    with pytest.raises(ModelError, match="no such"):
        CrissCrossEncoder.from_cbramod(tmp_path / "absent.pth")


@pytest.mark.parametrize("sizes", [{"d_model": 33}, {"heads": 3}, {"position_kernel": (4, 7)}])
def test_sizes_that_do_not_fit_together(make_encoder: Make, sizes: dict[str, int]) -> None:
    with pytest.raises(ModelError):
        make_encoder(**sizes)
    with pytest.raises(ModelError, match="takes"):
        make_encoder()(torch.zeros(1, 2, 3, 49))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_compiles_without_a_graph_break(make_encoder: Make, given: bool, training: bool) -> None:
    dynamo = pytest.importorskip("torch._dynamo")
    encoder = make_encoder(depth=1, dropout=0.1).train(training)
    x, mask, present = torch.randn(2, 3, 4, 50), None, None
    if given:
        mask = torch.rand(2, 3, 4) < 0.5
        present = torch.tensor([[True, True, True], [True, False, True]])
    dynamo.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dynamo's own
        found = dynamo.explain(encoder)(x, mask, present)
        assert found.graph_count == 1, found.break_reasons
        assert found.graph_break_count == 0, found.break_reasons
        if not training:
            compiled = torch.compile(encoder, backend="eager", fullgraph=True)
            torch.testing.assert_close(compiled(x, mask, present), encoder(x, mask, present))
    dynamo.reset()


def test_saves_and_loads_with_the_hubs_mixin(
    make_encoder: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = make_encoder()
    encoder.save_pretrained(tmp_path / "plain")
    assert sorted(p.name for p in (tmp_path / "plain").iterdir()) == [
        "SHA256SUMS",
        "config.json",
        "model.safetensors",
    ]
    loaded = CrissCrossEncoder.from_pretrained(tmp_path / "plain").eval()
    x = torch.randn(1, 2, 3, 50)
    assert torch.equal(loaded(x), encoder(x))
    hub = pytest.importorskip("huggingface_hub")
    assert isinstance(encoder, hub.ModelHubMixin)
    pushed: dict[str, list[str]] = {}

    class Api:  # stands where the network would begin
        def __init__(self, **_: object) -> None: ...

        def create_repo(self, repo_id: str, **_: object) -> object:
            return type("Url", (), {"repo_id": repo_id})

        def upload_folder(self, *, repo_id: str, folder_path: Path, **_: object) -> None:
            pushed[repo_id] = sorted(path.name for path in Path(folder_path).iterdir())

    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Api)
    encoder.push_to_hub("me/ecg")
    assert pushed == {"me/ecg": ["README.md", "SHA256SUMS", "config.json", "model.safetensors"]}
    monkeypatch.setattr(hub, "snapshot_download", lambda name, **_: str(tmp_path / "plain"))
    again = CrissCrossEncoder.from_pretrained("me/ecg", revision="main").eval()
    assert torch.equal(again(x), encoder(x))

    def unreachable(name: str, **_: object) -> str:
        raise ConnectionError("no network")

    monkeypatch.setattr(hub, "snapshot_download", unreachable)
    with pytest.raises(ModelError, match=r"me/ecg: no such folder.*no network"):
        CrissCrossEncoder.from_pretrained("me/ecg")
    with pytest.raises(ModelError, match="no saved model"):
        CrissCrossEncoder.from_pretrained(tmp_path / "absent")
