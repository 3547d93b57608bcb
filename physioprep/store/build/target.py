"""The interface of a target: a place where a store can be made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from physioprep.lock import Held
from physioprep.store.build.journal import Entry
from physioprep.store.build.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.harmonise import Recipe
    from physioprep.store.build.gather import Contents


class Target(Protocol):
    """A place where a store is made: `FolderTarget` on a disk, `ObjectTarget` at a URL.

    An ingest calls, in this order: `hold`; `learnt` and `unfinished`; `prepare`; for each block
    `entry`, and `forget` or, when its task has ended, `finished`; `complete`; `discard`.
    """

    @property
    def path(self) -> Path | str:
        """Folder or URL of the store."""

    def exists(self) -> bool:
        """Return whether `path` exists."""

    def check(self, inputs: Iterable[str | Path], *, replaces: bool) -> None:
        """Raise unless a store may be made here.

        Parameters
        ----------
        inputs : iterable of path-like
            Folders of the raw files.
        replaces : bool
            Whether a store that is there would be replaced.

        Raises
        ------
        StoreError
            The target overlaps an input, is a link, or holds anything that is not a store of
            physioprep.
        """

    def hold(self) -> AbstractContextManager[Held]:
        """Return a context that locks the target against other ingests.

        Returns
        -------
        context manager
            Entering it raises a StoreError if another process holds the lock; it gives a `Held`.
        """

    def refuse_append(self) -> None:
        """Raise a StoreError if stores of this kind cannot be extended."""

    def learnt(self) -> dict[str, Any]:
        """Return the dtypes that an unfinished run found.

        Returns
        -------
        dict
            As given to `learn`; empty if there is no such run.
        """

    def learn(self, plan: Plan, found: Mapping[str, Any]) -> None:
        """Save dtypes, and remove the blocks of a plan with other dtypes.

        Parameters
        ----------
        plan : Plan
            Plan to abandon.
        found : mapping
            ``inputs``, hash of manifest and recipe; ``dtypes``, group to dtype. JSON values.
        """

    def unfinished(self, plan: Plan, *, give_up: bool) -> bool:
        """Return whether an unfinished ingest of another plan exists at the target.

        Parameters
        ----------
        plan : Plan
            Plan of this ingest.
        give_up : bool
            Remove the unfinished ingests of other plans.

        Returns
        -------
        bool
            False if `give_up`.
        """

    def prepare(
        self, plan: Plan, manifest: pd.DataFrame, recipe: Recipe, root: str | Path | None
    ) -> str | Path:
        """Make the working folder.

        Parameters
        ----------
        plan : Plan
            Plan of the ingest.
        manifest : pandas.DataFrame
            Manifest that `plan` was made from.
        recipe : Recipe
            Recipe of the store.
        root : str or Path, optional
            Folder or URL of the raw files; by default as in the manifest.

        Returns
        -------
        str or Path
            Working folder or its URL, a parameter of the tasks.
        """

    def entry(self, block: int) -> Entry | None:
        """Return the journal's entry of a block.

        Parameters
        ----------
        block : int
            Number of the block.

        Returns
        -------
        Entry or None
            None if the block must be done (again).
        """

    def finished(self, block: int) -> Entry | None:
        """Return the entry of a block whose task has just ended.

        Parameters
        ----------
        block : int
            Number of the block.

        Returns
        -------
        Entry or None
            None if it is missing or damaged.
        """

    def forget(self, block: int) -> None:
        """Remove the entry of a block.

        Parameters
        ----------
        block : int
            Number of the block.
        """

    def complete(
        self, commit: Callable[[Path], Contents], n_before: int, *, replace: bool
    ) -> Contents:
        """Write all of the store except its samples, and publish it at `path`.

        Parameters
        ----------
        commit : callable
            Completes the store in a working folder.
        n_before : int
            The store is published only if it has more records than this.
        replace : bool
            Whether a store at `path` is replaced. One that appeared meanwhile is refused.

        Returns
        -------
        Contents
            Of the completed store.
        """

    def discard(self) -> None:
        """Remove the working folders."""

    def size(self) -> int:
        """Return the size of the store.

        Returns
        -------
        int
            Bytes.
        """
