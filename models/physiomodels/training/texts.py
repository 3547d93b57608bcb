"""Vectors of the texts of records, such as reports: of a file, or hashed TF-IDF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physiomodels.training.data import window_table
from physioprep.errors import ModelError
from physioprep.hashes import read_regular
from physioprep.local_path import local_path

if TYPE_CHECKING:
    from physioprep.shards import Shards

#: Buckets that words and pairs of words are hashed into.
BUCKETS: Final = 1024


def text_vectors(
    shards: Shards, partner: str, vectors: str | Path | None, where: str | None
) -> NDArray[np.float32]:
    """Return one vector per record of shards.

    Parameters
    ----------
    shards : Shards
        Opened.
    partner : str
        A text label of theirs, where there is no file.
    vectors : path-like or None
        ``.parquet``: ``record_id`` (and ``corpus``, where names repeat), and one column ``vector``
        of lists or a column per number. ``.npz``: arrays ``record_id`` and ``vector``. ``.npy``: a
        row per record, by its number (``record`` of a batch).
    where : str or None
        Query on the window manifest: the training windows, whose texts set how rare a word is.

    Returns
    -------
    ndarray of float32, shape (record, width)
        By the shards' number of a record; NaN where it has no text.

    Raises
    ------
    ModelError
        The file cannot be used, or the shards have no such text.
    """
    if vectors is None:
        return _tf_idf(shards, partner, where)
    path = local_path(vectors, ModelError)
    records = _records(shards)
    try:
        found = _read(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        cause = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelError(f"{path}: no vectors by record ({cause})") from error
    if isinstance(found, np.ndarray):
        if found.ndim != 2 or len(found) < len(records):
            raise ModelError(f"{path}: {found.shape}, not a row for each of {len(records)} records")
        return found.astype(np.float32)
    by_name, width = found
    out = np.full((len(records), width), np.nan, np.float32)
    for number, names in enumerate(records):
        for name in names:
            if name in by_name:
                out[number] = by_name[name]
    if not np.isfinite(out).all(1).any():
        raise ModelError(f"{path}: vectors of none of the {len(records)} records of the shards")
    return out


def _records(shards: Shards) -> list[tuple[Any, ...]]:
    """Return by number how a record may be called: by its name, or with its corpus."""
    table, numbers = window_table(shards), record_numbers(shards)
    names: list[tuple[Any, ...]] = [()] * (int(numbers.max()) + 1)
    for number, corpus, record in zip(
        numbers.tolist(), table["corpus"], table["record_id"], strict=True
    ):
        names[number] = (record, (corpus, record))
    return names


def record_numbers(shards: Shards) -> NDArray[np.int64]:
    """Return the number of the record of every window.

    Parameters
    ----------
    shards : Shards
        Opened.

    Returns
    -------
    ndarray of int64, shape (window,)
        As ``record`` of a batch.
    """
    return np.asarray(shards.rows("record", 0, shards.n_windows), np.int64)


def _read(path: Path) -> Any:
    """Return an array by number, or vectors by name and their width."""
    import io

    import pandas as pd

    data = io.BytesIO(read_regular(path))
    if path.suffix == ".npy":
        return np.load(data, allow_pickle=False)
    if path.suffix == ".npz":
        with np.load(data, allow_pickle=False) as held:
            names, values = held["record_id"].tolist(), held["vector"].astype(np.float32)
    else:
        table = pd.read_parquet(data)
        keys = [name for name in ("corpus", "record_id") if name in table]
        names = list(table["record_id"])
        if len(keys) == 2:
            names = list(zip(table["corpus"], table["record_id"], strict=True))
        rest = table.drop(columns=keys)
        values = np.stack(list(rest["vector"])) if "vector" in rest else rest.to_numpy()
        values = values.astype(np.float32)
    if values.ndim != 2 or len(names) != len(values):
        raise ValueError(f"{len(names)} names for vectors of shape {values.shape}")
    if len(set(names)) != len(names):
        raise ValueError("a record is there twice")
    return dict(zip(names, values, strict=True)), values.shape[1]


def _tf_idf(shards: Shards, label: str, where: str | None) -> NDArray[np.float32]:
    """Return hashed words and pairs of words; how rare each is, the training windows say."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    texts = shards.texts(label)
    counts = HashingVectorizer(
        n_features=BUCKETS, ngram_range=(1, 2), norm=None, alternate_sign=False
    ).transform([text or "" for text in texts])
    chosen = np.ones(shards.n_windows, bool) if where is None else shards.mask(where)
    numbers = np.unique(record_numbers(shards)[chosen]).tolist()
    seen = [number for number in numbers if texts[number]]
    if not seen:
        raise ModelError(f"{shards.path}: no training window has a text {label}")
    rare = TfidfTransformer(sublinear_tf=True).fit(counts[seen])
    found = rare.transform(counts).toarray().astype(np.float32)
    found[[not text for text in texts]] = np.nan
    return np.asarray(found, np.float32)
