"""Records that a table of decisions leaves out of shards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from physioprep.decisions import left_out, read_decisions
from physioprep.errors import ShardError
from physioprep.shards.source import open_source


def records_left_out(
    path: str | Path, stores: Sequence[str | Path]
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the records of stores that a table says to leave out.

    Parameters
    ----------
    path : path-like
        From `physioprep browse --decisions`, or written by hand; see `physioprep.decisions`.
    stores : sequence of path-like

    Returns
    -------
    leave_out : tuple of str
        ``corpus/record_id``, sorted: for `ShardSpec.leave_out`.
    facts : dict of str to int
        For the summary: how many those are, and how many rows name a record of another store.

    Raises
    ------
    PhysioprepError
        It is no table of decisions.
    ShardError
        It names no record of the stores.
    """
    decisions = read_decisions(path)
    held = {
        f"{corpus}/{record}"
        for records in (open_source(store).records for store in stores)
        for corpus, record in zip(records["corpus"], records["record_id"], strict=True)
    }
    n_other = sum("/".join(name) not in held for name in decisions)
    if decisions and n_other == len(decisions):
        raise ShardError(f"{path}: names no record of {', '.join(map(str, stores))}")
    gone = tuple(name for name in left_out(decisions) if name in held)
    facts = {"records left out by decision": len(gone)}
    return gone, facts | ({"decisions on other records": n_other} if n_other else {})
