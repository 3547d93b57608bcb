"""What training and prediction read of shards: the stream, the window table, its queries."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from physioprep.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.stream import ShardStream


def open_stream(
    shards: str | Path,
    modalities: Iterable[str],
    batch_size: int,
    *,
    where: str | None = None,
    seed: int = 0,
    shuffle: bool = True,
) -> ShardStream:
    """Open the stream that all training and all prediction of this package reads."""
    from physioprep.stream import ShardStream

    return ShardStream(
        shards,
        batch_size=batch_size,
        seed=seed,
        where=where,
        shuffle=shuffle,
        modalities=tuple(modalities),
    )


def window_table(shards: str | Path, where: str | None = None) -> pd.DataFrame:
    """Return the shards' manifest, one row a window: window, corpus, subject_id, label_* ..."""
    from physioprep.shards import open_shards
    from physioprep.shards.query import query_mask

    windows = open_shards(shards).windows
    return windows if where is None else windows[query_mask(windows, where, "windows")]


def check_fit(shards: str | Path, modality: str, patch_size: int, rate_hz: float | None) -> float:
    """Return the sampling rate of a modality after checking that an encoder can take it.

    Raises
    ------
    ModelError
        The shards lack the modality, their rate is not the one the encoder was trained at, or
        their windows are no whole number of patches.
    """
    from physioprep.shards import open_shards

    held = open_shards(shards).modalities
    if modality not in held:
        raise ModelError(f"{shards}: the model takes {modality}; the shards hold {', '.join(held)}")
    found = held[modality]
    if rate_hz is not None and found.rate_hz != rate_hz:
        raise ModelError(
            f"{shards}: {modality} at {found.rate_hz:g} Hz; the model was made at {rate_hz:g} Hz"
        )
    if found.n_samples % patch_size:
        raise ModelError(
            f"{shards}: {modality} windows of {found.n_samples} samples cannot be cut into "
            f"patches of {patch_size}"
        )
    return found.rate_hz


def subject_keys(windows: pd.DataFrame) -> pd.Series[str]:
    """Return ``corpus/subject`` a window, for a subject's name means nothing outside its corpus.

    Raises
    ------
    ModelError
        Where a window has no subject: nothing could keep it out of a test set.
    """
    if windows["subject_id"].isna().any():
        odd = windows.loc[windows["subject_id"].isna(), "record_id"].iloc[0]
        raise ModelError(f"record {odd} has no subject: windows cannot be grouped by subject")
    return windows["corpus"].astype(str) + "/" + windows["subject_id"].astype(str)


def where_subjects(keys: Iterable[str], *, inside: bool) -> str:
    """Return a query for the windows inside, or outside, a set of ``corpus/subject``.

    Outside means provably so: of the corpora named, a window without a subject is left out.

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
