"""Labels of a teacher for the next round of training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from physiomodels.training.classifier import Classifier
from physiomodels.training.data import check_fit
from physiomodels.training.predict import predict
from physiomodels.training.soft import check_pseudo_output, pseudo_labels, write_pseudo
from physioprep.bounds import SOME
from physioprep.errors import ModelError
from physioprep.local_path import local_path
from physioprep.shards import open_shards
from physioprep.shards.target import epochs_of

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards


def pseudo_label(
    shards: str | Path | Shards,
    teacher: str | Path | Classifier,
    out: str | Path,
    *,
    where: str | None = None,
    least: float = 0.0,
    temperature: float = 1.0,
    device: str | None = None,
    overwrite: bool = False,
) -> pd.DataFrame:
    """Label windows by a trained model, for `physiomodels.finetune` with ``pseudo=out``.

    Parameters
    ----------
    shards : path-like or Shards
        With the teacher's signals; a label is not needed.
    teacher : path-like or Classifier
        From `physiomodels.finetune`.
    out : path-like
        A Parquet file.
    where : str, optional
        Query on the window manifest: label these windows alone. Leave out whoever is to be tested.
    least, temperature : float
        As for `physiomodels.training.soft.pseudo_labels`.
    device : str, optional
        By default "cuda" where there is a GPU, else "cpu".
    overwrite : bool
        Replace older labels of a teacher at `out`.

    Returns
    -------
    pandas.DataFrame
        ``window``, ``p_0``, ``p_1`` ... or ``predicted``, and ``weight``.

    Raises
    ------
    ModelError
        Shards and teacher do not fit, an argument is out of bounds, no window is left, or `out`
        exists.
    """
    path, opened = local_path(out, ModelError), open_shards(shards)
    if not 0 <= least <= 1 or temperature not in SOME:
        raise ModelError(f"least {least:g} from 0 to 1, temperature {temperature:g}: {SOME}")
    check_pseudo_output(path, overwrite=overwrite)
    if not isinstance(teacher, Classifier):
        teacher = Classifier.from_pretrained(teacher)
    n_epochs = epochs_of(opened.attrs) if teacher.model.n_epochs else None
    for name, rate_hz in teacher.rates_hz.items():
        if name in opened.modalities:
            check_fit(opened, name, teacher.model.encoders[name].patch_size, rate_hz, n_epochs)  # type: ignore[arg-type]
    answers = predict(teacher.model, opened, where=where, device=device)
    kind = teacher.model.kind
    table = pseudo_labels(answers, kind, least=least, temperature=temperature)
    if table.empty:
        raise ModelError(f"no window is answered with a confidence of {least:g}")
    write_pseudo(path, table, opened, teacher.label, teacher.classes, kind)
    return table
