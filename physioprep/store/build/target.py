"""What a place must be able to do for a store to be made there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from physioprep.store.build.journal import Entry
from physioprep.store.build.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.harmonise import Recipe
    from physioprep.store.build.gather import Contents


class Target(Protocol):
    """A place where a store is made: `FolderTarget` on a disk, `ObjectTarget` behind a URL.

    An ingest calls, in this order: `hold`; `learnt` and `unfinished`; `prepare`; for each block
    `entry`, and `forget` or, when its task has ended, `finished`; `complete`; `discard`.
    """

    @property
    def path(self) -> Path | str:
        """Folder or URL of the store to be."""

    def exists(self) -> bool:
        """Return whether something is at `path`."""

    def hold(self) -> AbstractContextManager[None]:
        """Return a context that keeps other ingests from the target.

        Returns
        -------
        context manager

        Raises
        ------
        StoreError
            Another process holds it.
        """

    def refuse_append(self) -> None:
        """Raise a StoreError if a store here cannot be extended."""

    def learnt(self) -> dict[str, Any]:
        """Return what an unfinished run learnt of its dtypes.

        Returns
        -------
        dict
            Empty if there is none.
        """

    def learn(self, plan: Plan, found: Mapping[str, Any]) -> None:
        """Remember dtypes, and give up the blocks of `plan`, which has others.

        Parameters
        ----------
        plan : Plan
            The plan that is given up.
        found : mapping
            ``inputs`` and ``dtypes``; JSON values.
        """

    def unfinished(self, plan: Plan, *, give_up: bool) -> bool:
        """Return whether another ingest lies here unfinished.

        Parameters
        ----------
        plan : Plan
            Ours.
        give_up : bool
            Remove another one instead.

        Returns
        -------
        bool
        """

    def prepare(
        self, plan: Plan, manifest: pd.DataFrame, recipe: Recipe, root: str | Path | None
    ) -> str | Path:
        """Lay out the working folder.

        Parameters
        ----------
        plan : Plan
            What is to be done.
        manifest : pandas.DataFrame
            That the plan was made from.
        recipe : Recipe
            What is done to each recording.
        root : str or Path, optional
            Where the raw files are now.

        Returns
        -------
        str or Path
            The working folder, which tasks are told.
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
            None if the block is to be done (again).
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
        """

    def forget(self, block: int) -> None:
        """Remove the entry of a block.

        Parameters
        ----------
        block : int
            Number of the block.
        """

    def complete(self, commit: Callable[[Path], Contents], n_before: int) -> Contents:
        """Write all that is not samples, and put the store in its place.

        Parameters
        ----------
        commit : callable
            Completes the store in a working folder.
        n_before : int
            The store is put in its place only if it has more records than this.

        Returns
        -------
        Contents
            Of the store.
        """

    def discard(self) -> None:
        """Remove what was there to make the store."""

    def size(self) -> int:
        """Return the bytes of the store.

        Returns
        -------
        int
        """
