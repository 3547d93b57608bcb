"""Files of stores and shards that are not what their checksums say."""

from __future__ import annotations

from pathlib import Path

from physioprep.auditing.findings import Finding
from physioprep.hashes import HASHES
from physioprep.shards.checksums import TABLE
from physioprep.shards.verify import verify_shards
from physioprep.store.verify import verify_listed

#: Files that a finding names.
_NAMED = 20


def check_damage(path: Path, kind: str) -> list[Finding]:
    """Find damage of a store or of shards by reading all of it.

    Parameters
    ----------
    path : Path
        Their folder.
    kind : {'store', 'shards'}

    Returns
    -------
    list of Finding
        ``damaged-store`` or ``damaged-shards``; none where there are no checksums, as of an
        earlier version.

    Raises
    ------
    PhysioprepError
        If the list of checksums is damaged.
    """
    if not (path / (TABLE if kind == "shards" else HASHES)).is_file():
        return []
    check = verify_shards(path) if kind == "shards" else verify_listed(path, "store")
    if not check.problems:
        return []
    whose = "the shards" if kind == "shards" else "the store"
    detail = f"{len(check.problems)} files of {whose} are damaged: {check.problems[0]}"
    evidence = {"files": list(check.problems[:_NAMED]), "n": len(check.problems)}
    if kind == "shards":
        return [Finding("damaged-shards", "error", (), detail, evidence)]
    return [Finding("damaged-store", "error", (), detail, evidence)]
