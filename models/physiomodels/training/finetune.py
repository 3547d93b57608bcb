"""Train a classifier on labelled windows, and predict with it; both read shards alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from physiomodels.config import EncoderConfig, FinetuneConfig
from physiomodels.model.device import choose_device
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.fusion import FusionClassifier, mean_over
from physiomodels.model.lora import lora_state, merge_lora
from physiomodels.model.patches import Patches, to_patches
from physiomodels.training.classifier import Classifier, build, classes_of, load_encoder
from physiomodels.training.data import check_fit, open_stream, window_table
from physiomodels.training.folder import carry_over, list_files
from physiomodels.training.optimise import decay_groups, warmup_cosine
from physiomodels.training.run_card import card_of, run_card, unfinished_in_words
from physioprep.atomic import write_text
from physioprep.errors import ModelError
from physioprep.hashes import HASHES
from physioprep.new_folder import new_folder
from physioprep.outputs import CLASSIFIER, LISTED
from physioprep.shards import open_shards

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards
    from physioprep.stream import ShardStream

Progress = Callable[[int, int], None]
_WARMUP: Final = 0.1  # of all steps
_BATCH: Final = 64  # windows that are encoded at once where none is trained on
_FILES: Final = (
    *("config.json", "model.safetensors", "lora.safetensors", "loss.csv", "card.json"), HASHES
)  # fmt: skip
#: Features and presence by modality, and targets.
Encoded = tuple[dict[str, Tensor], dict[str, Tensor], Tensor]


def finetune(
    shards: str | Path | Shards,
    out: str | Path,
    config: FinetuneConfig | None = None,
    *,
    label: str,
    encoders: Mapping[str, str | Path | CrissCrossEncoder | EncoderConfig],
    where: str | None = None,
    device: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Classifier:
    """Train a classifier and save it.

    Parameters
    ----------
    shards : path-like or Shards
        Made by `physioprep.shard`, with the label.
    out : path-like
        Folder: ``config.json``, ``model.safetensors``, ``loss.csv``, ``card.json``; of mode "lora"
        also ``lora.safetensors``, the additions alone (merged into the model beside it). It
        appears whole, at the end. The card says under ``unfinished_pretraining`` which encoders
        are half-trained.
    config : FinetuneConfig, optional
        Fusion, mode and training.
    label : str
        Column of the window manifest, ``label_...``; windows without one are left out.
    encoders : mapping
        By modality: a folder of `physiomodels.pretrain` (its ``best``), an encoder, or the sizes
        of one with random weights.
    where : str, optional
        Query on the window manifest: train on these windows alone.
    device : str, optional
        By default "cuda" where there is a GPU, else "cpu".
    overwrite : bool
        Replace an older classifier at `out`, at the end.
    progress : callable, optional
        Called with (steps done, steps in all).

    Returns
    -------
    Classifier
        With the model on `device`.

    Raises
    ------
    ModelError
        If shards, label, configuration and weights do not fit together, or `out` exists.
    """
    import pandas as pd

    config = config or FinetuneConfig()
    opened, out = open_shards(shards), Path(out)
    paths = [source for source in encoders.values() if isinstance(source, str | Path)]
    with new_folder(
        out, CLASSIFIER, overwrite=overwrite, inputs=[opened.path, *paths], error=ModelError
    ) as folder:
        torch.manual_seed(config.seed)
        loaded = {name: load_encoder(source) for name, source in encoders.items()}
        rates = {
            name: check_fit(opened, name, encoder.patch_size, _trained_rate(encoders[name]))
            for name, encoder in loaded.items()
        }
        classes = classes_of(opened, label)  # raises where there is no such label
        if where is not None:
            held = window_table(opened, _labelled(label, where))[label].unique()
            classes = classes_of(opened, label, set(held))
        model = build(loaded, len(classes), config)
        history = fit(
            model, opened, config, label, classes=classes, where=where, device=device,
            progress=progress,
        )  # fmt: skip
        additions = lora_state(model.encoders)
        merge_lora(model.encoders)
        classifier = Classifier(model, label, classes, rates)
        classifier.save_pretrained(folder)
        if additions:
            from safetensors.torch import save_file

            save_file({k: v.cpu() for k, v in additions.items()}, folder / "lora.safetensors")
        pd.DataFrame(history).to_csv(folder / "loss.csv", index=False)
        card = run_card(opened, where, config) | {"label": label, "classes": classes}
        if half := unfinished_in_words(encoders):
            card["unfinished_pretraining"] = half
        write_text(folder / "card.json", json.dumps(card | LISTED, indent=2))
        list_files(folder, _FILES)
        carry_over(out, folder, _FILES)
    return classifier


def _trained_rate(source: object) -> float | None:
    """Return the sampling rate on the card beside an encoder's folder, None without one."""
    card = card_of(Path(source)) if isinstance(source, (str, Path)) else None
    return None if card is None else float(card["rate_hz"])


def fit(
    model: FusionClassifier,
    shards: str | Path | Shards,
    config: FinetuneConfig,
    label: str,
    *,
    classes: Sequence[str] | None = None,
    where: str | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> list[dict[str, float]]:
    """Train, in place, what `physiomodels.training.classifier.build` left trainable.

    The embeddings are first standardised by their mean and deviation over the training windows, so
    that the head meets encoders of any scale alike.

    Parameters
    ----------
    model : FusionClassifier
        Moved to `device`.
    shards : path-like or Shards
        With the label.
    config : FinetuneConfig
        Mode and training.
    label : str
        ``label_...`` column.
    classes : sequence of str, optional
        The classes by output of the model: all that the windows have. By default all of the
        shards, in the order of their codes.
    where : str, optional
        Query on the window manifest: train on these windows alone.
    device : str, optional
        By default "cuda" where there is a GPU, else "cpu".
    progress : callable, optional
        Called with (steps done, steps in all).

    Returns
    -------
    list of dict
        One per epoch: ``epoch``, ``loss``.

    Raises
    ------
    ModelError
        If fewer than two classes are there to train on.
    """
    opened, device = open_shards(shards), choose_device(device)
    model.to(device)
    labelled = _labelled(label, where)
    table = window_table(opened, labelled)
    if table[label].nunique() < 2:
        raise ModelError(f"{opened.path}: fewer than two classes of {label} to train on")
    stored = classes_of(opened, label)
    classes = stored if classes is None else classes
    outputs = {name: code for code, name in enumerate(classes)}
    weights = None
    if config.class_weights:
        weights = _class_weights(table[label].map(outputs), len(outputs)).to(device)
    output_of_code = torch.tensor([outputs.get(name, -1) for name in stored], device=device)
    frozen = config.mode in ("frozen", "probe")
    cached = _embed_once(model, opened, label, labelled, device) if frozen else None
    _standardise(model, cached, opened, labelled, device)
    optimiser = _optimiser(model, config)
    tops = [float(group["lr"]) for group in optimiser.param_groups]
    total = config.epochs * -(-len(table) // config.batch_size)
    stream = None
    if cached is None:
        stream = _stream(model, opened, labelled, config.batch_size, seed=config.seed)
    step, history = 0, []
    for epoch in range(config.epochs):
        model.train()
        model.encoders.train(not frozen)
        loss_sum = 0.0
        for features, present, target in _epoch(model, cached, stream, config, label, epoch):
            target = output_of_code[target.to(device)]
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


def _optimiser(model: FusionClassifier, config: FinetuneConfig) -> torch.optim.AdamW:
    head = [module for name, module in model.named_children() if name != "encoders"]
    groups = [(module, config.lr) for module in head]
    groups += [(encoder, config.encoder_lr) for encoder in model.encoders.children()]
    return torch.optim.AdamW(decay_groups(groups, config.weight_decay))


def _standardise(
    model: FusionClassifier, cached: Encoded | None, shards: Shards, where: str, device: str
) -> None:
    """Set the mean and deviation of each embedding over the training windows."""
    model.eval()
    with torch.no_grad():
        if cached is not None:
            model.standardise([cached[:2]])
        else:
            batches = _read(model, _stream(model, shards, where, _BATCH), device)
            model.standardise(model.encode(windows) for windows, _ in batches)


def _epoch(
    model: FusionClassifier,
    cached: Encoded | None,
    stream: ShardStream | None,
    config: FinetuneConfig,
    label: str,
    epoch: int,
) -> Iterator[Encoded]:
    """Yield the batches of one epoch, encoded, in the order of (seed, epoch)."""
    if cached is not None:
        yield from _deal(cached, config.batch_size, (config.seed, epoch))
    elif stream is not None:
        stream.set_epoch(epoch)
        device = str(next(model.parameters()).device)
        for windows, batch in _read(model, stream, device):
            yield (*model.encode(windows), batch[label])


def _embed_once(
    model: FusionClassifier, shards: Shards, label: str, where: str, device: str
) -> Encoded | None:
    """Encode the training windows once for frozen encoders, where one vector per window will do.

    The mean over patches is kept as the features of a single patch.
    """
    if not model.separable:
        return None
    features: dict[str, list[Tensor]] = {name: [] for name in model.encoders}
    present: dict[str, list[Tensor]] = {name: [] for name in model.encoders}
    targets = []
    model.eval()
    with torch.no_grad():
        for windows, batch in _read(model, _stream(model, shards, where, _BATCH), device):
            found, flags_of = model.encode(windows)
            for name, flags in flags_of.items():
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
    shards: str | Path | Shards,
    *,
    where: str | None = None,
    batch_size: int = _BATCH,
    device: str | None = None,
) -> pd.DataFrame:
    """Return class probabilities of windows.

    Modalities that the shards lack count as missing, as they do where a window lacks them.

    Parameters
    ----------
    model : FusionClassifier
        Moved to `device`, and set to evaluation mode.
    shards : path-like or Shards
        Made by `physioprep.shard`; labels are not needed.
    where : str, optional
        Query on the window manifest: predict these windows alone.
    batch_size : int
        Windows per forward pass.
    device : str, optional
        By default "cuda" where there is a GPU, else "cpu".

    Returns
    -------
    pandas.DataFrame
        ``window`` (number in the shards, in order) and ``p_0``, ``p_1``, ... per class.

    Raises
    ------
    ModelError
        If the shards hold none of the model's modalities.
    """
    import pandas as pd

    device = choose_device(device)
    model.to(device).eval()
    numbers, answers = [], []
    stream = _stream(model, open_shards(shards), where, batch_size)
    with torch.no_grad():
        for windows, batch in _read(model, stream, device):
            numbers.append(batch["index"].numpy().copy())
            answers.append(model(windows).softmax(1).double().cpu().numpy())
    columns = {f"p_{code}": column for code, column in enumerate(np.concatenate(answers).T)}
    return pd.DataFrame({"window": np.concatenate(numbers)} | columns)


def _stream(
    model: FusionClassifier,
    shards: Shards,
    where: str | None,
    batch_size: int,
    *,
    seed: int | None = None,
) -> ShardStream:
    """Open a stream of the model's modalities; shuffled by a seed, else in order."""
    held = [name for name in model.encoders if name in shards.modalities]
    if not held:
        wanted, found = " or ".join(model.encoders), ", ".join(shards.modalities)
        raise ModelError(f"{shards.path}: the model takes {wanted}; the shards hold {found}")
    return open_stream(
        shards, held, batch_size, where=where, seed=seed or 0, shuffle=seed is not None
    )


def _read(
    model: FusionClassifier, stream: ShardStream, device: str
) -> Iterator[tuple[dict[str, Patches], dict[str, Tensor]]]:
    """Yield batches as the model takes them, and as the stream gives them."""
    sizes: dict[str, Any] = {name: model.encoders[name].patch_size for name in stream.modalities}
    for batch in stream:
        windows = {name: to_patches(batch, name, size, device) for name, size in sizes.items()}
        yield windows, batch


def _labelled(label: str, where: str | None) -> str:
    """Return a query for the windows of `where` that have the label."""
    known = f"`{label}` == `{label}`"  # a missing value does not equal itself
    return known if where is None else f"({where}) and {known}"


def _class_weights(codes: pd.Series[Any], n_classes: int) -> Tensor:
    """Weight classes inversely to their frequency; those that do not occur get 0."""
    counts = np.bincount(codes.to_numpy(dtype=np.int64), minlength=n_classes)
    held = max(1, int((counts > 0).sum()))
    weights = np.where(counts > 0, counts.sum() / (held * np.maximum(counts, 1)), 0.0)
    return torch.tensor(weights, dtype=torch.float32)
