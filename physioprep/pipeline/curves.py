"""Curves of trainings for the report: losses, and what the checks of a pretraining said."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from physioprep.plain_text import plain_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Panels of the checks: title, and columns of the loss table with their names there.
_PANELS: Final[Mapping[str, Mapping[str, str]]] = {
    "masked error": {"loss": "training", "held_out": "held out"},
    "effective rank": {"rank": "embeddings held out"},
    "dead features, flat leads (share)": {"dead": "features", "flat_leads": "leads"},
    "nearest window is the same person's": {"person": "share", "person_chance": "chance"},
    "probe of corpus (balanced accuracy)": {"corpus": "probe", "corpus_chance": "chance"},
    "probe of the label (AUROC)": {"label": "probe"},
}
_LEADS: Final = "held-out error by lead"
_COLOURS: Final = ("#1f5f8b", "#c1762d")


def draw_losses(losses: Mapping[str, pd.DataFrame]) -> bytes:
    """Draw loss against epoch, one panel per training.

    Parameters
    ----------
    losses : mapping of str to DataFrame
        Columns ``epoch`` and ``loss``; with a column ``run``, one line per run.

    Returns
    -------
    bytes
        A PNG file.
    """
    axes, finish = _panels(len(losses))
    for axis, (name, table) in zip(axes, losses.items(), strict=True):
        for _, run in table.groupby("run") if "run" in table else [(0, table)]:
            axis.plot(run["epoch"], run["loss"], color=_COLOURS[0], alpha=0.6, linewidth=1.2)
        axis.set_title(name, fontsize=9)
    axes[0].set_ylabel("loss", fontsize=8)
    return finish()


def was_checked(table: pd.DataFrame) -> bool:
    """Return whether a loss table holds what checks said.

    Parameters
    ----------
    table : DataFrame
        Of `physiomodels.pretrain`.

    Returns
    -------
    bool
    """
    return "held_out" in table


def draw_checks(table: pd.DataFrame) -> bytes:
    """Draw what the checks of a pretraining said against the epoch.

    Parameters
    ----------
    table : DataFrame
        ``epoch`` and the columns of `physiomodels.training.checks.Checks.look`.

    Returns
    -------
    bytes
        A PNG file.
    """
    panels = {
        title: {column: name for column, name in held.items() if column in table}
        for title, held in _PANELS.items()
    }
    leads = [str(name) for name in table if str(name).startswith("error_")]
    panels[_LEADS] = {column: column.removeprefix("error_") for column in leads}
    panels = {title: held for title, held in panels.items() if held}
    axes, finish = _panels(len(panels))
    for axis, (title, held) in zip(axes, panels.items(), strict=True):
        cycle = _COLOURS if title != _LEADS else [None] * len(held)
        for (column, name), colour in zip(held.items(), cycle, strict=False):
            axis.plot(table["epoch"], table[column], color=colour, linewidth=1.2, label=name)
        axis.set_title(title, fontsize=9)
        axis.legend(frameon=False, fontsize=7, ncols=1 + len(held) // 6)
    return finish()


def _panels(number: int) -> tuple[list[Axes], Callable[[], bytes]]:
    """Return so many panels, and what makes a PNG file of them."""
    from matplotlib.figure import Figure

    columns = min(3, number)
    rows = -(-number // columns)
    figure = Figure(figsize=(3.6 * columns, 2.5 * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flatten())
    for axis in axes:
        axis.set_xlabel("epoch", fontsize=8)
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[number:]:
        axis.set_visible(False)

    def finish() -> bytes:
        buffer = io.BytesIO()
        plain_figure(figure).savefig(buffer, format="png", dpi=130)
        return buffer.getvalue()

    return axes[:number], finish
