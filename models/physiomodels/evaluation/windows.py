"""Which windows an evaluation has, whose they are, and how they are split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from physiomodels.config import EvaluateConfig
from physiomodels.evaluation.protocol import (
    FROM_SPLIT,
    PARTS,
    Fold,
    fixed_fold,
    grouped_by,
    make_folds,
)
from physiomodels.training.data import subject_keys, where_subjects, window_table
from physiomodels.training.labels import Labels, classes_of, read_labels, strata_of, target_of
from physioprep.errors import ModelError
from physioprep.suggest import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards


def choose_windows(shards: Shards, config: EvaluateConfig) -> tuple[pd.DataFrame, Labels]:
    """Return the labelled windows of an evaluation.

    Parameters
    ----------
    shards : Shards
        With the label.
    config : EvaluateConfig
        Label, query, protocol.

    Returns
    -------
    windows : pandas.DataFrame
        One row per window: columns of the manifest, ``subject`` (or record), ``code`` (of one class
        its number among the classes; else a code by which subsets are balanced) and ``stratum``.
    labels : Labels
        Target and classes.

    Raises
    ------
    ModelError
        If there is no such label or window, or no split where the protocol needs one.
    """
    import pandas as pd

    target_of(shards, config.label)  # raises where there is no such label
    where = config.where
    if config.protocol in FROM_SPLIT:
        _check_split(shards, config)
        parts = f"split in {list(PARTS)!r}"
        where = parts if where is None else f"({where}) and {parts}"
    table = window_table(shards, where)
    known = read_labels(shards, config.label, classes=_all_classes(shards, config.label)).known
    table = table[known[table["window"]]].sort_values("window").reset_index(drop=True)
    if not len(table):
        matches = f" matches {config.where}" if config.where else ""
        raise ModelError(f"{shards.path}: no window with a {config.label}{matches}")
    labels = read_labels(shards, config.label, where=where)
    numbers = table["window"].to_numpy(np.int64)
    table["code"] = strata_of(labels, numbers)
    if unit_of(config.protocol, table) == "record":
        table["subject"] = table["corpus"].astype(str) + "/" + table["record_id"].astype(str)
    else:
        table["subject"] = subject_keys(table)
    names = config.stratify or (config.label,)
    strata = pd.concat([_strata(shards, name, table) for name in names], axis=1)
    joint = strata.agg("|".join, axis=1)
    table["stratum"] = joint.astype("category").cat.codes.astype(np.int64)
    if config.protocol in FROM_SPLIT:
        _check_parts(shards, config, table)
    return table, labels


def calibration_windows(
    shards: Shards, calibration_shards: Shards, windows: pd.DataFrame, config: EvaluateConfig
) -> pd.DataFrame:
    """Return the windows of other shards that calibrate.

    Parameters
    ----------
    shards, calibration_shards : Shards
        Windows that are evaluated; those that calibrate, of any label or none.
    windows : pandas.DataFrame
        Those that are evaluated, from `choose_windows`.
    config : EvaluateConfig
        Its modalities.

    Returns
    -------
    pandas.DataFrame
        ``window``, ``subject``, ``record_id``, ``start_s`` of the people who are evaluated.

    Raises
    ------
    ModelError
        If somebody has no such window, or one has seconds in common with an evaluated window:
        which windows calibrate may follow their labels, and then would tell them.
    """
    table = window_table(calibration_shards).sort_values("window")
    table = table[table["subject_id"].notna()]
    table = table.assign(subject=subject_keys(table))
    table = table[table["subject"].isin(windows["subject"])].reset_index(drop=True)
    missing = sorted(set(windows["subject"]) - set(table["subject"]))
    if missing:
        raise ModelError(
            f"{calibration_shards.path}: no window of {missing[0]} to calibrate on "
            f"({len(missing)} people have none)"
        )
    evaluated_s, own_s = (_length_s(one, config) for one in (shards, calibration_shards))
    starts: dict[tuple[str, str], list[float]] = {}
    for corpus, record, start in _places(windows):
        starts.setdefault((corpus, record), []).append(start)
    for corpus, record, start in _places(table):
        if any(-evaluated_s < at - start < own_s for at in starts.get((corpus, record), ())):
            raise ModelError(
                f"{calibration_shards.path}: a window of {record} at {start:g} s has seconds in "
                "common with an evaluated one: calibrate on others, or without calibration shards "
                "on all that are evaluated"
            )
    return table[["window", "subject", "record_id", "start_s"]]


def _length_s(shards: Shards, config: EvaluateConfig) -> float:
    held = [shards.modalities[name] for name in config.modalities if name in shards.modalities]
    return max((one.n_samples / one.rate_hz for one in held), default=0.0)


def _places(windows: pd.DataFrame) -> Iterator[tuple[str, str, float]]:
    names = (windows[name].astype(str) for name in ("corpus", "record_id"))
    return zip(*names, windows["start_s"].astype(float).tolist(), strict=True)


def protocol_of(shards: Shards, split: str) -> str:
    """Return the protocol that follows a split by its name.

    Parameters
    ----------
    shards : Shards
        Cut with it.
    split : str
        Name of a published split, or "chronological".

    Returns
    -------
    {"fixed", "chronological"}

    Raises
    ------
    ModelError
        If the shards were cut with another split, or with none.
    """
    held = (shards.attrs.get("split") or {}).get("name")
    if held != split:
        found = f"split {held!r}" if held else "no published split"
        raise ModelError(
            f"{shards.path}: cut with {found}; cut the stores again with `shard --split {split}`"
            f"{did_you_mean(split, [held] if held else [])}"
        )
    return "chronological" if split == "chronological" else "fixed"


def unit_of(protocol: str, windows: pd.DataFrame) -> str:
    """Return whose windows are kept together, and drawn for confidence intervals.

    Parameters
    ----------
    protocol : str
        One of `physiomodels.evaluation.protocol.PROTOCOLS`.
    windows : pandas.DataFrame
        ``subject_id``.

    Returns
    -------
    {"subject", "record"}
        Of a split, records where subjects are not known of every window.
    """
    if protocol in FROM_SPLIT and windows["subject_id"].isna().any():
        return "record"
    return grouped_by(protocol)


def folds_of(windows: pd.DataFrame, config: EvaluateConfig) -> dict[tuple[int, int], Fold]:
    """Split windows.

    Parameters
    ----------
    windows : pandas.DataFrame
        From `choose_windows`.
    config : EvaluateConfig
        Protocol, folds, repeats.

    Returns
    -------
    dict of (repeat, fold) to Fold
        Rows of `windows`.
    """
    if config.protocol in FROM_SPLIT:
        fold = fixed_fold(windows["split"].to_numpy(object))
        return {(repeat, 0): fold for repeat in range(config.repeats)}
    groups, strata = windows["subject"].to_numpy(object), windows["stratum"].to_numpy(np.int64)
    return {
        (repeat, number): split
        for repeat in range(config.repeats)
        for number, split in enumerate(
            make_folds(groups, strata, config.protocol, config.folds, config.seed + repeat)
        )
    }


def outside(
    config: EvaluateConfig, held_out: pd.DataFrame, unit: str, *, same: bool = True
) -> str | None:
    """Return a query for pretraining windows that tell nothing about windows held out.

    Parameters
    ----------
    config : EvaluateConfig
        Its protocol counts.
    held_out : pandas.DataFrame
        Test windows, and those of validation: ``corpus``, ``record_id``, ``subject``.
    unit : {"subject", "record"}
        What ``subject`` names.
    same : bool
        Whether the windows to pretrain on are those that are evaluated, with the same split.

    Returns
    -------
    str or None
        None under "within-subject": the same people are in training and test anyway, and the
        test windows take part in pretraining without their labels. Of a split, its part "train";
        of other windows those of whoever is in no other part.
    """
    if config.protocol == "within-subject":
        return None
    if config.protocol in FROM_SPLIT and same:
        return "split == 'train'"
    if unit == "record":
        return " and ".join(
            f"(corpus != {corpus!r} or record_id not in {sorted(set(rows['record_id']))!r})"
            for corpus, rows in held_out.groupby("corpus")
        )
    return where_subjects(set(held_out["subject"]), inside=False)


def parts_of(windows: pd.DataFrame, labels: Labels, unit: str) -> dict[str, Any]:
    """Describe a split: what is in each part, and who is in several.

    Parameters
    ----------
    windows : pandas.DataFrame
        From `choose_windows`.
    labels : Labels
        Target.
    unit : {"subject", "record"}
        What ``subject`` names.

    Returns
    -------
    dict
        By part: ``n_windows``, ``n_subjects`` (or records), and ``classes``, how many windows
        (epochs) have each; and under ``shared`` by pairs of parts who is in both.
    """
    parts = [name for name in PARTS if (windows["split"] == name).any()]
    held = {name: windows[windows["split"] == name] for name in parts}
    who = {name: set(rows["subject"]) for name, rows in held.items()}
    return {
        name: {
            "n_windows": len(rows),
            f"n_{unit}s": len(who[name]),
            "classes": balance(labels, rows),
        }
        for name, rows in held.items()
    } | {
        "shared": {
            f"{a}, {b}": sorted(who[a] & who[b])
            for n, a in enumerate(parts)
            for b in parts[n + 1 :]
        }
    }


def balance(labels: Labels, windows: pd.DataFrame) -> dict[str, int]:
    """Count classes.

    Parameters
    ----------
    labels : Labels
        Target.
    windows : pandas.DataFrame
        ``window``.

    Returns
    -------
    dict of str to int
        How many windows (of a sequence: epochs) have each class; empty of a number.
    """
    truth = labels.truth[windows["window"]]
    if labels.target.kind == "classes":
        counts = (truth == 1).reshape(-1, truth.shape[-1]).sum(0)
    elif labels.target.kind == "class":
        counts = np.bincount(truth[truth >= 0].ravel(), minlength=len(labels.classes))
    else:
        return {}
    return dict(zip(labels.classes, counts.tolist(), strict=True))


def _all_classes(shards: Shards, label: str) -> Sequence[str] | None:
    """Return the classes before any is left out, for those who have them."""
    return classes_of(shards, label) if target_of(shards, label).kind == "class" else None


def _strata(shards: Shards, name: str, table: pd.DataFrame) -> pd.Series[str]:
    """Return as text by which a label's windows are balanced."""
    import pandas as pd

    target = target_of(shards, name)
    if target.kind == "class" and not target.is_sequence:
        classes_of(shards, name)  # raises where there is one alone
        return table[name].astype(str)
    labels = read_labels(shards, name, classes=_all_classes(shards, name))
    numbers = table["window"].to_numpy(np.int64)
    return pd.Series(strata_of(labels, numbers), table.index).astype(str)


def _check_split(shards: Shards, config: EvaluateConfig) -> None:
    columns = window_table(shards).columns
    if "split" not in columns or window_table(shards)["split"].isna().all():
        raise ModelError(
            f"{shards.path}: protocol {config.protocol!r} needs a split; these shards have none"
        )


def _check_parts(shards: Shards, config: EvaluateConfig, table: pd.DataFrame) -> None:
    for part in ("train", "test"):
        if not (table["split"] == part).any():
            held = ", ".join(window_table(shards)["split"].dropna().astype(str).unique())
            raise ModelError(
                f"{shards.path}: protocol {config.protocol!r}: no labelled window in part "
                f"{part!r}; the shards' split has {held}"
            )
