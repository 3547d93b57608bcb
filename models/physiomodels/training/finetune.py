"""Train a classifier on labelled windows, and predict with it; both read shards alone."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from physiomodels.config import EncoderConfig, FinetuneConfig
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.fusion import FusionClassifier, mean_over
from physiomodels.model.lora import add_lora, lora_state, merge_lora
from physiomodels.model.patches import Patches, to_patches
from physiomodels.model.weights import load_folder, load_state, save_folder
from physiomodels.training.data import check_fit, open_stream, window_table
from physiomodels.training.pretrain import decay_groups, warmup_cosine
from physiomodels.training.run_card import run_card
from physioprep.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)
Progress = Callable[[int, int], None]
_WARMUP = 0.1  # of all steps
#: What is trained: everything; low-rank additions and the head; the head; a linear head.
MODES = ("full", "lora", "frozen", "probe")
#: Features and presence by modality, and targets.
Encoded = tuple[dict[str, Tensor], dict[str, Tensor], Tensor]


@dataclass(frozen=True)
class Classifier:
    """A trained model with what it needs to be used again.

    Parameters
    ----------
    model : FusionClassifier
    label : str
        ``label_...`` column that it predicts.
    classes : tuple of str
        What its outputs mean, in order.
    rates_hz : mapping of str to float
        Sampling rate a modality that it was trained at.
    """

    model: FusionClassifier
    label: str
    classes: tuple[str, ...]
    rates_hz: Mapping[str, float]

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.json`` and ``model.safetensors`` into a folder."""
        config = {"model": self.model.config, "label": self.label, "classes": list(self.classes)}
        save_folder(self.model, config | {"rates_hz": dict(self.rates_hz)}, Path(folder))

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Load what `save_pretrained` wrote; a ModelError names what does not fit."""
        config, state = load_folder(Path(folder))
        try:
            sizes: dict[str, Any] = dict(config["model"])
            encoders = {k: CrissCrossEncoder(**v) for k, v in sizes.pop("encoders").items()}
            model = FusionClassifier(**(sizes | encoders))
            made = cls(model, config["label"], tuple(config["classes"]), config["rates_hz"])
        except (KeyError, TypeError) as error:
            raise ModelError(f"{folder}: no saved classifier ({error})") from error
        load_state(model, state)
        model.eval()
        return made


def finetune(
    shards: str | Path,
    out: str | Path,
    config: FinetuneConfig | None = None,
    *,
    label: str,
    encoders: Mapping[str, str | Path | CrissCrossEncoder | EncoderConfig],
    where: str | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> Classifier:
    """Train a classifier and save it.

    Parameters
    ----------
    shards : path-like
        Made by `physioprep.shard`, with the label.
    out : path-like
        Folder: ``config.json``, ``model.safetensors``, ``loss.csv``, ``card.json``; of mode "lora"
        also ``lora.safetensors``, the additions alone (merged into the model beside it).
    config : FinetuneConfig, optional
        Fusion, mode and training.
    label : str
        Column of the window manifest, ``label_...``; windows without one are left out.
    encoders : mapping
        By modality: a folder of `pretrain` (its ``best``), an encoder, or the sizes of one with
        random weights.
    where : str, optional
        Query on the window manifest: train on these windows alone.
    device : str, optional
        "cuda" where there is one, else "cpu".
    progress : callable, optional
        Called with (steps done, steps in all).

    Raises
    ------
    ModelError
        Where shards, label, configuration and weights do not fit together.
    """
    import pandas as pd

    config = config or FinetuneConfig()
    torch.manual_seed(config.seed)
    loaded = {name: load_encoder(source) for name, source in encoders.items()}
    rates = {
        name: check_fit(shards, name, encoder.patch_size, _trained_rate(encoders[name]))
        for name, encoder in loaded.items()
    }
    classes = classes_of(shards, label)
    model = build(loaded, len(classes), config)
    history = fit(model, shards, config, label, where=where, device=device, progress=progress)
    additions = lora_state(model.encoders)
    merge_lora(model.encoders)
    classifier = Classifier(model, label, classes, rates)
    out = Path(out)
    classifier.save_pretrained(out)
    (out / "lora.safetensors").unlink(missing_ok=True)
    if additions:
        from safetensors.torch import save_file

        save_file({k: v.cpu() for k, v in additions.items()}, out / "lora.safetensors")
    pd.DataFrame(history).to_csv(out / "loss.csv", index=False)
    card = run_card(shards, where, config) | {"label": label, "classes": classes}
    (out / "card.json").write_text(json.dumps(card, indent=2), encoding="utf-8")
    return classifier


def load_encoder(source: str | Path | CrissCrossEncoder | EncoderConfig) -> CrissCrossEncoder:
    """Return an encoder from a folder, a CBraMod weights file, sizes, or as it is."""
    if isinstance(source, CrissCrossEncoder):
        return source
    if isinstance(source, EncoderConfig):
        return CrissCrossEncoder(**asdict(source))
    path = Path(source)
    if path.is_file():
        return CrissCrossEncoder.from_cbramod(path)
    return CrissCrossEncoder.from_pretrained(path)


def _trained_rate(source: object) -> float | None:
    """Return the sampling rate on the card beside an encoder's folder, None without one."""
    if not isinstance(source, (str, Path)):
        return None
    for card in (Path(source) / "best" / "card.json", Path(source) / "card.json"):
        if card.is_file():
            return float(json.loads(card.read_text(encoding="utf-8"))["rate_hz"])
    return None


def classes_of(shards: str | Path, label: str) -> tuple[str, ...]:
    """Return what the codes of a label mean.

    Raises
    ------
    ModelError
        Where the shards lack the label, or it is a number, not a class.
    """
    from physioprep.shards import open_shards

    opened = open_shards(shards)
    if label not in opened.labels:
        held = ", ".join(opened.labels) or "none"
        raise ModelError(f"{shards}: no label {label}; the shards hold {held}")
    classes = opened.categories(label)
    if classes is None or len(classes) < 2:
        raise ModelError(f"{shards}: {label} has no two classes to tell apart")
    return classes


def build(
    encoders: Mapping[str, CrissCrossEncoder], n_classes: int, config: FinetuneConfig
) -> FusionClassifier:
    """Put a head of `config` on encoders, and additions into them where its mode is "lora"."""
    if config.mode not in MODES:
        raise ModelError(f'mode "{config.mode}": one of {", ".join(MODES)}')
    model = FusionClassifier(
        n_classes=n_classes,
        fusion=config.fusion,
        pooling=config.pooling,
        hidden=0 if config.mode == "probe" else config.hidden,
        dropout=config.dropout,
        modality_dropout=config.modality_dropout,
        **encoders,
    )
    for parameter in model.encoders.parameters():
        parameter.requires_grad_(config.mode == "full")
    if config.mode == "lora":
        add_lora(model.encoders, config.lora_rank, config.lora_alpha)
    return model


def fit(
    model: FusionClassifier,
    shards: str | Path,
    config: FinetuneConfig,
    label: str,
    *,
    where: str | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> list[dict[str, float]]:
    """Train what `build` left to be trained, in place; return one row an epoch: epoch, loss.

    The embeddings are first standardised by their mean and deviation over the training windows, so
    that encoders of any scale meet the head alike. Parameters as for `finetune`.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    labelled = _labelled(label, where)
    table = window_table(shards, labelled)
    if table[label].nunique() < 2:
        raise ModelError(f"{shards}: fewer than two classes of {label} to train on")
    codes = {name: code for code, name in enumerate(classes_of(shards, label))}
    weights = None
    if config.class_weights:
        weights = _class_weights(table[label].map(codes), len(codes)).to(device)
    frozen = config.mode in ("frozen", "probe")
    cached = _embed_once(model, shards, label, labelled, device) if frozen else None
    model.eval()
    with torch.no_grad():
        if cached is not None:
            model.standardise([cached[:2]])
        else:
            stream = _read(model, shards, label, labelled, 64, device)
            model.standardise(model.encode(windows) for windows, _ in stream)
    head = [module for name, module in model.named_children() if name != "encoders"]
    groups = [(module, config.lr) for module in head]
    groups += [(encoder, config.encoder_lr) for encoder in model.encoders.children()]
    optimiser = torch.optim.AdamW(decay_groups(groups, config.weight_decay))
    tops = [float(group["lr"]) for group in optimiser.param_groups]
    total = config.epochs * -(-len(table) // config.batch_size)
    step, history = 0, []
    for epoch in range(config.epochs):
        model.train()
        model.encoders.train(not frozen)
        loss_sum = 0.0
        if cached is not None:
            batches = _deal(cached, config.batch_size, (config.seed, epoch))
        else:
            order = (config.seed, epoch)
            stream = _read(model, shards, label, labelled, config.batch_size, device, order)
            batches = ((*model.encode(windows), batch[label]) for windows, batch in stream)
        for features, present, target in batches:
            target = target.to(device)
            loss = F.cross_entropy(model.answer(features, present), target, weights)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            for group, top in zip(optimiser.param_groups, tops, strict=True):
                group["lr"] = top * warmup_cosine(step, total, _WARMUP)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            step += 1
            loss_sum += float(loss.detach()) * len(target)
            if progress is not None:
                progress(step, total)
        history.append({"epoch": epoch, "loss": loss_sum / len(table)})
    model.eval()
    return history


def _embed_once(
    model: FusionClassifier, shards: str | Path, label: str, where: str, device: str
) -> Encoded | None:
    """Encode the training windows once for frozen encoders, where one vector a window will do.

    The mean over patches is kept as the features of a single patch.
    """
    if not model.separable:
        return None
    features: dict[str, list[Tensor]] = {name: [] for name in model.encoders}
    present: dict[str, list[Tensor]] = {name: [] for name in model.encoders}
    targets = []
    model.eval()
    with torch.no_grad():
        for windows, batch in _read(model, shards, label, where, 64, device):
            found, there = model.encode(windows)
            for name, flags in there.items():
                features[name].append(mean_over(found[name], flags)[:, None, None])
                present[name].append(flags.flatten(1).any(1)[:, None, None])
            targets.append(batch[label].clone())
    return (
        {name: torch.cat(parts) for name, parts in features.items()},
        {name: torch.cat(parts) for name, parts in present.items()},
        torch.cat(targets),
    )


def _deal(encoded: Encoded, batch_size: int, order: tuple[int, int]) -> Iterator[Encoded]:
    features, present, targets = encoded
    shuffled = torch.from_numpy(np.random.default_rng(order).permutation(len(targets)))
    for chosen in torch.split(shuffled, batch_size):
        yield (
            {name: part[chosen] for name, part in features.items()},
            {name: part[chosen] for name, part in present.items()},
            targets[chosen],
        )


def predict(
    model: FusionClassifier,
    shards: str | Path,
    *,
    where: str | None = None,
    batch_size: int = 64,
    device: str | None = None,
) -> pd.DataFrame:
    """Return class probabilities of windows.

    Modalities that the shards lack count as missing, as they do where a window lacks them.

    Returns
    -------
    pandas.DataFrame
        ``window`` (number in the shards, in order) and ``p_0``, ``p_1``, ... a class.

    Raises
    ------
    ModelError
        Where the shards hold none of the model's modalities.
    """
    import pandas as pd

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device).eval()
    numbers, answers = [], []
    with torch.no_grad():
        for windows, batch in _read(model, shards, None, where, batch_size, device):
            numbers.append(batch["index"].numpy().copy())
            answers.append(model(windows).softmax(1).double().cpu().numpy())
    columns = {f"p_{code}": column for code, column in enumerate(np.concatenate(answers).T)}
    return pd.DataFrame({"window": np.concatenate(numbers)} | columns)


def _read(
    model: FusionClassifier,
    shards: str | Path,
    label: str | None,
    where: str | None,
    batch_size: int,
    device: str,
    shuffle: tuple[int, int] | None = None,
) -> Iterator[tuple[dict[str, Patches], dict[str, Tensor]]]:
    """Yield batches as the model takes them; in order, or shuffled by (seed, epoch)."""
    from physioprep.shards import open_shards

    seed, epoch = shuffle or (0, 0)
    held = open_shards(shards).modalities
    sizes: dict[str, Any] = {
        name: encoder.patch_size for name, encoder in model.encoders.items() if name in held
    }
    if not sizes:
        wanted = " or ".join(model.encoders)
        raise ModelError(f"{shards}: the model takes {wanted}; the shards hold {', '.join(held)}")
    stream = open_stream(
        shards, sizes, batch_size, where=where, seed=seed, shuffle=shuffle is not None
    )
    stream.set_epoch(epoch)
    for batch in stream:
        windows = {name: to_patches(batch, name, size, device) for name, size in sizes.items()}
        yield windows, batch


def _labelled(label: str, where: str | None) -> str:
    """Return a query for the windows of `where` that have the label."""
    known = f"`{label}` == `{label}`"  # nothing equals a missing value
    return known if where is None else f"({where}) and {known}"


def _class_weights(codes: pd.Series[Any], n_classes: int) -> Tensor:
    """Weight classes inversely to their frequency; those that do not occur get 0."""
    counts = np.bincount(codes.to_numpy(dtype=np.int64), minlength=n_classes)
    held = max(1, int((counts > 0).sum()))
    weights = np.where(counts > 0, counts.sum() / (held * np.maximum(counts, 1)), 0.0)
    return torch.tensor(weights, dtype=torch.float32)
