"""Open what an audit is given: manifests, stores and shards, as tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physioprep.errors import PhysioprepError
from physioprep.hashes import read_regular
from physioprep.local_path import local_path

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.store import Store

#: A recording: (corpus, record id).
Key = tuple[str, str]
#: Writes the name of a recording as the report shows it; see `namer`.
Name = Callable[[Key], str]


@dataclass(frozen=True, eq=False)
class Input:
    """One input of an audit, opened.

    Parameters
    ----------
    path : Path
    kind : {'manifest', 'store', 'shards'}
    records : pandas.DataFrame
        Manifest rows; of shards, one row per recording with ``corpus, record_id, subject_id,
        split``.
    refused : pandas.DataFrame
        ``corpus, record_id, path, reason`` of recordings that a scan or an ingest refused; of a
        store, also ``stage``.
    store : Store or None
        Where samples are read from.
    windows : pandas.DataFrame or None
        Of shards: one row per window.
    attrs : mapping
        Attributes of a store or shards.
    """

    path: Path
    kind: str
    records: pd.DataFrame
    refused: pd.DataFrame
    store: Store | None = None
    windows: pd.DataFrame | None = None
    attrs: Any = None

    @cached_property
    def statistics(self) -> dict[str, tuple[int, int]]:
        """Return what the normalisation statistics of shards were computed from.

        Returns
        -------
        dict of str to tuple of int
            By modality: number of samples in the statistics, and samples per window.
        """
        import zarr

        from physioprep.zarr_metadata import checked

        out: dict[str, tuple[int, int]] = {}
        shards: Any = zarr.open_group(checked(self.path), mode="r")
        for name in self.attrs["modalities"]:  # listing the group would warn of its tables
            group = shards[name]
            counted = group.attrs.get("statistics", {}).get("n_samples")
            if counted:
                out[name] = (max(counted), int(group["signal"].shape[-1]))
        return out

    @property
    def corpora(self) -> tuple[str, ...]:
        """Return the corpora of its recordings.

        Returns
        -------
        tuple of str
            Sorted.
        """
        return tuple(sorted({str(name) for name in self.records["corpus"]}))

    @property
    def recipe(self) -> str | None:
        """Return the name of a store's recipe.

        Returns
        -------
        str or None
            None where physioprep does not ship it.
        """
        from physioprep.harmonise.recipe import list_recipes, load_recipe

        name = str((self.attrs or {}).get("recipe", {}).get("name"))
        if name not in list_recipes():
            return None
        return name if load_recipe(name).sha256 == self.attrs["recipe_sha256"] else None

    @property
    def keys(self) -> list[Key]:
        """Return the key of each row.

        Returns
        -------
        list of tuple of str
            (corpus, record id).
        """
        return list(zip(self.records["corpus"], self.records["record_id"], strict=True))


def open_input(path: str | Path, root: Path | None = None) -> Input:
    """Open a manifest (file), a store or shards (folder).

    Parameters
    ----------
    path : path-like
    root : Path, optional
        Folder of the raw files of a manifest, where it is not the one that it states.

    Returns
    -------
    Input

    Raises
    ------
    PhysioprepError
        If it is none of these, or of another schema.
    """
    path = local_path(path)
    if path.is_dir():
        return _open_folder(path)
    from physioprep.auditing.arrow_columns import read_table

    frame = read_table(path)
    if root is not None:
        frame = frame.assign(root=str(root.absolute()))
    bad = frame[frame["error"].notna()]
    refused = bad[["corpus", "record_id", "path"]].assign(reason=bad["error"])
    return Input(path, "manifest", frame, refused)


def _open_folder(path: Path) -> Input:
    import json

    import pandas as pd

    try:
        attributes = json.loads(read_regular(path / "zarr.json"))["attributes"]
        schema = attributes["schema"]
    except (OSError, ValueError, KeyError, TypeError):
        raise PhysioprepError(f"{path}: neither a manifest, a store nor shards") from None
    if schema == "physioprep.shards":
        if attributes.get("schema_version") != 1:
            raise PhysioprepError(
                f"{path}: shards of schema {attributes.get('schema_version')!r}, not 1"
            )
        from physioprep.shards.open import open_shards

        windows = open_shards(path).windows
        wanted = ["corpus", "record_id", "subject_id", "split"]
        records = windows[[name for name in wanted if name in windows]].drop_duplicates()
        none = pd.DataFrame({name: [] for name in ("corpus", "record_id", "path", "reason")})
        return Input(
            path, "shards", records.reset_index(drop=True), none, windows=windows, attrs=attributes
        )
    from physioprep.store import open_store

    store = open_store(path)
    return Input(path, "store", store.records, store.quarantine, store, attrs=store.attrs)


def sampled(one: Input, n: int | None, seed: int = 0) -> Input:
    """Draw the recordings whose signals are to be read.

    Parameters
    ----------
    one : Input
    n : int or None
        Number of recordings; all where None. Shards are never sampled.
    seed : int
        Same seed, same recordings.

    Returns
    -------
    Input
        With the drawn rows only, under their index labels.
    """
    if n is None or n >= len(one.records) or one.kind == "shards":
        return one
    chosen = np.sort(np.random.default_rng(seed).choice(len(one.records), n, replace=False))
    return replace(one, records=one.records.iloc[chosen])


def namer(*, many: bool) -> Name:
    """Return a function that writes the name of a recording.

    Parameters
    ----------
    many : bool
        Whether several corpora are audited, so that a name needs its corpus.

    Returns
    -------
    callable
        ``name(key)`` gives ``corpus/record`` or ``record``.

    Examples
    --------
    >>> namer(many=True)(("mitdb", "100")), namer(many=False)(("mitdb", "100"))
    ('mitdb/100', '100')
    """

    def name(key: Key) -> str:
        return f"{key[0]}/{key[1]}" if many else str(key[1])

    return name
