"""Addresses of repositories on Hugging Face's hub: ``hub://owner/name[@revision][/path]``.

A dataset is meant (a store or shards); ``hub://models/owner/name`` is a model, and
``hub://datasets/owner/name`` says it in full. A ``/`` within a revision is written ``%2F``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, unquote

from physioprep.errors import UnreadableFileError

SCHEME: Final = "hub://"
_ADDRESS: Final = re.compile(
    r"hub://(?:(?P<kind>datasets|models)/)?(?P<repo>[\w-][\w.-]*/[\w-][\w.-]*)"
    r"(?:@(?P<revision>[^/@]+))?(?:/(?P<path>.*))?",
    re.IGNORECASE,
)
_COMMIT: Final = re.compile("[0-9a-f]{40}")
#: Files beside a store or shards in a repository of the hub, which are not of it.
CARD: Final = "README.md"
CROISSANT: Final = "croissant.json"
RECORDS_TABLE: Final = "records.parquet"
GIT: Final = ".gitattributes"
#: As long as it is there, a push is not finished.
NOTE: Final = ".physioprep-push.json"
BESIDE: Final = frozenset((CARD, CROISSANT, RECORDS_TABLE, GIT, NOTE))


@dataclass(frozen=True)
class HubAddress:
    """An address on the hub.

    Parameters
    ----------
    repo : str
        ``owner/name``.
    kind : {'dataset', 'model'} or None
        None where the address does not say it.
    revision : str or None
        Branch, tag or commit.
    path : str
        Within the repository, without a slash at its ends.
    """

    repo: str
    kind: str | None = None
    revision: str | None = None
    path: str = ""

    def __str__(self) -> str:
        kind = f"{self.kind}s/" if self.kind == "model" else ""
        revision = f"@{quote(self.revision, safe='')}" if self.revision else ""
        return f"{SCHEME}{kind}{self.repo}{revision}{'/' if self.path else ''}{self.path}"

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a commit, whose files never change.

        Returns
        -------
        bool
        """
        return self.revision is not None and _COMMIT.fullmatch(self.revision) is not None

    def at(self, revision: str, kind: str) -> HubAddress:
        """Return the same place at another revision.

        Parameters
        ----------
        revision : str
            Branch, tag or commit.
        kind : {'dataset', 'model'}

        Returns
        -------
        HubAddress
        """
        return replace(self, revision=revision, kind=kind)

    @property
    def fsspec_path(self) -> str:
        """The path as ``huggingface_hub.HfFileSystem`` takes it.

        Returns
        -------
        str
        """
        kind = "" if self.kind == "model" else "datasets/"
        revision = f"@{quote(self.revision, safe='')}" if self.revision else ""
        return f"{kind}{self.repo}{revision}{'/' if self.path else ''}{self.path}"


def is_hub(url: object) -> bool:
    """Return whether an address is of the hub.

    Parameters
    ----------
    url : object
        Only text can be.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_hub("hub://owner/name"), is_hub("s3://bucket/x")
    (True, False)
    """
    return isinstance(url, str) and url[: len(SCHEME)].lower() == SCHEME


def parse_hub(url: str) -> HubAddress:
    """Take an address of the hub apart.

    Parameters
    ----------
    url : str
        ``hub://[datasets/|models/]owner/name[@revision][/path]``.

    Returns
    -------
    HubAddress

    Raises
    ------
    UnreadableFileError
        It is none.

    Examples
    --------
    >>> parse_hub("hub://heart/mitdb@v1/ecg/zarr.json")
    HubAddress(repo='heart/mitdb', kind=None, revision='v1', path='ecg/zarr.json')
    >>> str(parse_hub("hub://models/heart/encoder"))
    'hub://models/heart/encoder'
    >>> parse_hub("hub://mitdb")
    Traceback (most recent call last):
        ...
    physioprep.errors.UnreadableFileError: hub://mitdb: no hub://owner/name[@revision]
    """
    found = _ADDRESS.fullmatch(url)
    if found is None:
        raise UnreadableFileError(url, "no hub://owner/name[@revision]")
    kind, revision = found["kind"], found["revision"]
    return HubAddress(
        found["repo"],
        kind.lower().removesuffix("s") if kind else None,
        unquote(revision) if revision else None,
        (found["path"] or "").strip("/"),
    )
