"""Train a model on labelled windows and save it; it reads shards alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from physiomodels.config import EncoderConfig, FinetuneConfig
from physiomodels.model.device import choose_device
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.lora import lora_state, merge_lora
from physiomodels.training.classifier import Classifier, build, load_encoder
from physiomodels.training.data import check_fit
from physiomodels.training.fit import fit
from physiomodels.training.folder import carry_over, list_files
from physiomodels.training.inputs import INPUTS, RECIPE, recipes_of, write_inputs
from physiomodels.training.labels import Labels, full_label, read_labels
from physiomodels.training.parts import Parts, parts_of
from physiomodels.training.run_card import card_of, run_card, unfinished_in_words
from physiomodels.training.scores import (
    scores_of_test,
    selection_of,
    threshold_of,
    validation_of,
)
from physiomodels.training.soft import read_pseudo
from physioprep.atomic import write_text
from physioprep.errors import ModelError
from physioprep.hashes import HASHES, sha256_of
from physioprep.local_path import local_path
from physioprep.new_folder import new_folder
from physioprep.outputs import CLASSIFIER, LISTED
from physioprep.shards import open_shards

if TYPE_CHECKING:
    from physioprep.shards import Shards

Progress = Callable[[int, int], None]
_FILES: Final = (
    *("config.json", "model.safetensors", "lora.safetensors", "loss.csv", "card.json"),
    *(INPUTS, RECIPE, HASHES),
)


def finetune(
    shards: str | Path | Shards,
    out: str | Path,
    config: FinetuneConfig | None = None,
    *,
    label: str,
    encoders: Mapping[str, str | Path | CrissCrossEncoder | EncoderConfig],
    where: str | None = None,
    pseudo: str | Path | None = None,
    device: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Classifier:
    """Train a classifier, or what predicts a number, and save it.

    Parameters
    ----------
    shards : path-like or Shards
        Made by `physioprep.shard`, with the label.
    out : path-like
        Folder: ``config.json``, ``model.safetensors``, ``loss.csv``, ``card.json``; of mode "lora"
        also ``lora.safetensors``, the additions alone (merged into the model beside it); and how
        its windows were made, ``inputs.json`` and ``recipe.yaml``
        (`physiomodels.training.inputs`). It appears whole, at the end. The card says under
        ``unfinished_pretraining`` which encoders are half-trained, under ``validation`` the epoch
        that was chosen and its figure, under ``test`` the scores of the test windows; either is
        null where the chosen windows have no such part.
    config : FinetuneConfig, optional
        Fusion, mode and training.
    label : str
        Column of the window manifest, ``label_...``; windows without one are left out.
    encoders : mapping
        By modality: a folder of `physiomodels.pretrain` (its ``best``), an encoder, or the sizes
        of one with random weights.
    where : str, optional
        Query on the window manifest: use these windows alone. Of a split (column ``split``) those
        in "train" are trained on, those in "validation" choose the epoch, and those in "test" are
        scored once, by the finished model (`physiomodels.training.parts`).
    pseudo : path-like, optional
        Labels of a teacher for further windows (`physiomodels.training.pseudo.pseudo_label`), which
        count by its confidence; a window of `where` with a label keeps it. None of them may be in
        the validation or the test part.
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
    out, device = local_path(out, ModelError), choose_device(device)
    opened = open_shards(shards)
    paths = [source for source in encoders.values() if isinstance(source, str | Path)]
    torch.manual_seed(config.seed)
    # what is wrong with inputs and options shows before what is at `out` is looked at
    loaded = {name: load_encoder(source) for name, source in encoders.items()}
    label = full_label(opened, label)
    parts = parts_of(opened, where)
    labels = read_labels(opened, label, where=parts.train)
    n_epochs = labels.target.n_epochs
    rates = {
        name: check_fit(opened, name, encoder.patch_size, _trained_rate(encoders[name]), n_epochs)
        for name, encoder in loaded.items()
    }
    _check_before(pseudo, opened, labels, parts)
    model = build(loaded, labels.n_outputs, config, kind=labels.target.kind, n_epochs=n_epochs)
    with new_folder(
        out, CLASSIFIER, overwrite=overwrite, inputs=[opened.path, *paths], error=ModelError
    ) as folder:
        selection = selection_of(opened, labels, parts.validation)
        history = fit(
            model, opened, config, label, classes=labels.classes, where=parts.train, pseudo=pseudo,
            selection=selection, device=device, progress=progress,
        )  # fmt: skip
        additions = lora_state(model.encoders)
        merge_lora(model.encoders)
        figures: dict[str, Any] = {"validation": None, "test": None}
        threshold = None
        if selection is not None:
            figures["validation"] = validation_of(opened, history, selection)
            threshold = threshold_of(model, opened, labels, selection, device)
        classifier = Classifier(model, label, labels.classes, rates, threshold)
        classifier.save_pretrained(folder)
        if parts.test is not None:  # after all else: nothing that is saved above may follow it
            figures["test"] = scores_of_test(
                model, opened, labels, parts.test, train=parts.train, encoders=encoders,
                seed=config.seed, device=device,
            )  # fmt: skip
        pd.DataFrame(history).to_csv(folder / "loss.csv", index=False)
        write_inputs(opened, list(encoders), folder)
        card = _card(opened, parts.train, config, labels, encoders, pseudo) | figures
        _finish(folder, out, additions, card)
    return classifier


def _finish(
    folder: Path, out: Path, additions: Mapping[str, torch.Tensor], card: Mapping[str, Any]
) -> None:
    """Write the additions of LoRA, the card and the hashes; keep what a user put beside them."""
    if additions:
        from safetensors.torch import save_file

        save_file({k: v.cpu() for k, v in additions.items()}, folder / "lora.safetensors")
    write_text(folder / "card.json", json.dumps(dict(card) | LISTED, indent=2))
    list_files(folder, _FILES)
    carry_over(out, folder, _FILES)


def _card(
    shards: Shards,
    train: str | None,
    config: FinetuneConfig,
    labels: Labels,
    encoders: Mapping[str, Any],
    pseudo: str | Path | None,
) -> dict[str, Any]:
    """Return the run card, without figures."""
    target = labels.target
    card = run_card(shards, train, config) | {
        "label": target.name, "classes": labels.classes, "kind": target.kind,
        "unit": target.unit, "n_epochs": target.n_epochs,
    }  # fmt: skip
    if pseudo is not None:
        card["pseudo_labels_sha256"] = sha256_of(pseudo)
    if half := unfinished_in_words(encoders):
        card["unfinished_pretraining"] = half
    return card


def _check_before(pseudo: str | Path | None, shards: Shards, labels: Labels, parts: Parts) -> None:
    """Refuse shards without recipes, and to train on what chooses the epoch, or is scored."""
    recipes_of(shards)  # `write_inputs` asks for them when all is trained
    if pseudo is None:
        return
    windows = read_pseudo(pseudo, shards, labels).windows
    for name, query in (("validation", parts.validation), ("test", parts.test)):
        if query is not None and (count := int(shards.mask(query)[windows].sum())):
            raise ModelError(
                f"{pseudo}: {count} of its windows are in part {name}, which is not trained on: "
                "label others (`pseudo-label --where`), or leave that part out by --where"
            )


def _trained_rate(source: object) -> float | None:
    """Return the sampling rate on the card beside an encoder's folder, None without one."""
    card = card_of(Path(source)) if isinstance(source, (str, Path)) else None
    if card is None:
        return None
    if "rate_hz" not in card:
        raise ModelError(f"{source}: its run card states no rate_hz")
    return float(card["rate_hz"])
