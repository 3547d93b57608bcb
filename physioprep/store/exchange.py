"""The note of an exchange of two stores on an object store, by which readers find the new one.

Objects cannot be renamed, so the new store is copied over the old one, object by object, while
nothing is at the store's root. From when the new store is whole in the working prefix, until it
is whole at its own, a note in the working prefix says where readers find it.
"""

from __future__ import annotations

import json
import re
from typing import Final

from physioprep import remote
from physioprep.hub_address import is_hub

#: Name of the note in the working prefix.
NOTE: Final = "exchange.json"
#: Ending of the working folder of an ingest that replaces a store; the store in it.
STAGED: Final = "-new"
STORE: Final = "store"
_FOLDER: Final = re.compile(f"[0-9a-f]{{16}}{STAGED}")


def work_of(target: str, name: str = "") -> str:
    """Return the working prefix of an ingest into an object store.

    Parameters
    ----------
    target : str
        URL of the store.
    name : str
        Of something in it.

    Returns
    -------
    str

    Examples
    --------
    >>> work_of("s3://bucket/x.zarr", "exchange.json")
    's3://bucket/.x.zarr.partial/exchange.json'
    """
    parent, _, own = target.rpartition("/")
    return f"{parent}/.{own}.partial/{name}".rstrip("/")


def noted(target: str) -> str | None:
    """Return the working folder whose store is about to become the store at a URL.

    Parameters
    ----------
    target : str
        URL of the store, ``s3://`` or ``gs://``.

    Returns
    -------
    str or None
        Its name in the working prefix; None where no exchange is under way.
    """
    if remote.is_web(target) or is_hub(target):
        return None
    try:
        name = json.loads(remote.fetch(work_of(target, NOTE)))["folder"]
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return name if isinstance(name, str) and _FOLDER.fullmatch(name) else None


def note(target: str, folder: str) -> None:
    """Write the note: from now on readers that find no root at a URL read from elsewhere.

    Parameters
    ----------
    target : str
        URL of the store.
    folder : str
        Working folder whose store is whole, its root included.
    """
    remote.put(work_of(target, NOTE), json.dumps({"folder": folder}).encode())
