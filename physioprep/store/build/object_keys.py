"""Which objects under a prefix are ours: only such are ever replaced or deleted.

An object store has no folders and no marks on them, so that a name decides: the names that
`ObjectTarget` gives, and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final

from physioprep import remote
from physioprep.errors import StoreError
from physioprep.hashes import HASHES
from physioprep.store.build.work import JOB, JOURNAL, STORE, TABLE
from physioprep.store.exchange import NOTE
from physioprep.store.format.layout import QUARANTINE, SCHEMA

_ROOT: Final = "zarr.json"
_STORE_KEY: Final = re.compile(
    rf"({re.escape(_ROOT)}|{re.escape(HASHES)}|{re.escape(QUARANTINE)}"
    r"|\w+(/\w+)?/zarr\.json|\w+/\w+/c(/\d+)*)"
)
_WORK_KEY: Final = re.compile(
    rf"dtypes\.json|{re.escape(NOTE)}|[0-9a-f]{{16}}(-new)?/({re.escape(JOB)}|{re.escape(TABLE)}|{JOURNAL}/\d+\.entry"
    rf"|{STORE}/{_STORE_KEY.pattern})"
)


def is_store_key(name: str) -> bool:
    """Return whether a store has objects of this name.

    Parameters
    ----------
    name : str
        Relative to the store.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_store_key("ecg/signal/c/0/3"), is_store_key("records/age/zarr.json")
    (True, True)
    >>> is_store_key("thesis.tex"), is_store_key("backup/photos/1.jpg")
    (False, False)
    """
    return _STORE_KEY.fullmatch(name) is not None


def is_work_key(name: str) -> bool:
    """Return whether the working prefix of an ingest has objects of this name.

    Parameters
    ----------
    name : str
        Relative to the prefix ``.NAME.partial``.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_work_key("0123456789abcdef/job.json"), is_work_key("notes.txt")
    (True, False)
    """
    return _WORK_KEY.fullmatch(name) is not None


def check_prefix(path: str, work: str) -> None:
    """Raise unless a prefix and its working prefix are empty or hold our objects alone.

    Parameters
    ----------
    path : str
        URL of the store to be.
    work : str
        URL of its working prefix.

    Raises
    ------
    StoreError
        Something there is not ours; its name is said.
    """
    names = remote.listing(path)
    _refuse_foreign(path, (name for name in names if not is_store_key(name)))
    working = remote.listing(work)
    _refuse_foreign(work, (name for name in working if not is_work_key(name)))
    if _ROOT in names:
        if not _is_ours(remote.fetch(remote.join(path, _ROOT))):
            raise StoreError(
                f"{path}: holds a Zarr group that is not a store of physioprep: it is never "
                "replaced; choose another name"
            )
    elif names and not working:  # shards without a store, and no ingest that is under way
        raise StoreError(
            f"{path}: holds {min(names)}, and neither a store nor an unfinished ingest; "
            "choose another name or remove it"
        )


def _refuse_foreign(url: str, names: Iterable[str]) -> None:
    foreign = min(names, default=None)
    if foreign is not None:
        raise StoreError(
            f"{url}: holds {foreign}, which is not part of a store of physioprep: nothing there "
            "is replaced or deleted; choose another name"
        )


def _is_ours(data: bytes) -> bool:
    try:
        attributes = json.loads(data)["attributes"]
        return bool(attributes["schema"] == SCHEMA)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
