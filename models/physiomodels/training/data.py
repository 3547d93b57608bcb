"""What training and prediction read of shards: the stream, the window table, its queries."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from physioprep.errors import ModelError
from physioprep.shards import open_shards

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards
    from physioprep.stream import ShardStream


def open_stream(
    shards: str | Path | Shards,
    modalities: Iterable[str],
    batch_size: int,
    *,
    where: str | None = None,
    seed: int = 0,
    shuffle: bool = True,
) -> ShardStream:
    """Open the stream that all training and all prediction of this package reads.

    Parameters
    ----------
    shards : path-like or Shards
        Opened shards are not opened again, and keep the windows of each query.
    modalities : iterable of str
        Which signals.
    batch_size : int
        Windows per batch and process.
    where : str, optional
        Query on the window manifest.
    seed : int
        Of the order.
    shuffle : bool
        False: in the order of the shards.

    Returns
    -------
    ShardStream
    """
    from physioprep.stream import ShardStream

    return ShardStream(
        shards,
        batch_size=batch_size,
        seed=seed,
        where=where,
        shuffle=shuffle,
        modalities=tuple(modalities),
    )


def window_table(shards: str | Path | Shards, where: str | None = None) -> pd.DataFrame:
    """Return the shards' manifest.

    Parameters
    ----------
    shards : path-like or Shards
        Made by `physioprep.shard`.
    where : str, optional
        Query: the rows that it keeps.

    Returns
    -------
    pandas.DataFrame
        One row per window: ``window``, ``corpus``, ``subject_id``, ``label_*`` ...
    """
    opened = open_shards(shards)
    return opened.windows if where is None else opened.windows[opened.mask(where)]


def check_fit(
    shards: str | Path | Shards, modality: str, patch_size: int, rate_hz: float | None
) -> float:
    """Return the sampling rate of a modality after checking that an encoder can take it.

    Parameters
    ----------
    shards : path-like or Shards
        Made by `physioprep.shard`.
    modality : str
        Of the encoder.
    patch_size : int
        Samples per patch.
    rate_hz : float or None
        Sampling rate that the encoder was trained at, Hz; None where it is unknown.

    Returns
    -------
    float
        Hz.

    Raises
    ------
    ModelError
        If the shards lack the modality, their rate is not the one the encoder was trained at, or
        their windows are no whole number of patches.
    """
    opened = open_shards(shards)
    held = opened.modalities
    if modality not in held:
        raise ModelError(
            f"{opened.path}: the model takes {modality}; the shards hold {', '.join(held)}"
        )
    found = held[modality]
    if rate_hz is not None and found.rate_hz != rate_hz:
        raise ModelError(
            f"{opened.path}: {modality} at {found.rate_hz:g} Hz; "
            f"the model was made at {rate_hz:g} Hz"
        )
    if found.n_samples % patch_size:
        raise ModelError(
            f"{opened.path}: {modality} windows of {found.n_samples} samples cannot be cut into "
            f"patches of {patch_size}"
        )
    return found.rate_hz


def subject_keys(windows: pd.DataFrame) -> pd.Series[str]:
    """Return ``corpus/subject`` of each window: a subject's name is unique in its corpus only.

    Parameters
    ----------
    windows : pandas.DataFrame
        ``corpus``, ``subject_id``, ``record_id``.

    Returns
    -------
    pandas.Series of str

    Raises
    ------
    ModelError
        If a window has no subject: nothing could keep it out of a test set.
    """
    if windows["subject_id"].isna().any():
        odd = windows.loc[windows["subject_id"].isna(), "record_id"].iloc[0]
        raise ModelError(f"record {odd} has no subject: windows cannot be grouped by subject")
    return windows["corpus"].astype(str) + "/" + windows["subject_id"].astype(str)


def where_subjects(keys: Iterable[str], *, inside: bool) -> str:
    """Return a query for the windows inside, or outside, a set of subjects.

    A window of one of these corpora whose subject is unknown is neither inside nor outside.

    Parameters
    ----------
    keys : iterable of str
        ``corpus/subject``.
    inside : bool
        Whether to keep the windows of these subjects, or all others.

    Returns
    -------
    str

    Examples
    --------
    >>> where_subjects(["eegmat/S01", "eegmat/S02"], inside=True)
    "(corpus == 'eegmat' and subject_id in ['S01', 'S02'])"
    >>> where_subjects(["eegmat/S01"], inside=False)
    "(corpus != 'eegmat' or (subject_id == subject_id and subject_id not in ['S01']))"
    """
    by_corpus: dict[str, list[str]] = {}
    for key in sorted(keys):
        corpus, subject = key.split("/", 1)
        by_corpus.setdefault(corpus, []).append(subject)
    if inside:
        terms = [f"(corpus == {c!r} and subject_id in {s!r})" for c, s in by_corpus.items()]
        return " or ".join(terms)
    terms = [
        f"(corpus != {c!r} or (subject_id == subject_id and subject_id not in {s!r}))"
        for c, s in by_corpus.items()
    ]
    return " and ".join(terms)
