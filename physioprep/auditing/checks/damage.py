"""Files of shards that are not what their checksums say."""

from __future__ import annotations

from pathlib import Path

from physioprep.auditing.findings import Finding
from physioprep.shards.checksums import TABLE
from physioprep.shards.verify import verify_shards

#: Files that a finding names.
_NAMED = 20


def check_damage(path: Path) -> list[Finding]:
    """Find damage of shards by reading all of them.

    Parameters
    ----------
    path : Path
        A shards folder.

    Returns
    -------
    list of Finding
        ``damaged-shards``; none for shards without checksums, which were made by an earlier
        version.

    Raises
    ------
    ShardError
        If the table of checksums is damaged.
    """
    if not (path / TABLE).is_file():
        return []
    problems = verify_shards(path).problems
    if not problems:
        return []
    detail = f"{len(problems)} files of the shards are damaged: {problems[0]}"
    evidence = {"files": list(problems[:_NAMED]), "n": len(problems)}
    return [Finding("damaged-shards", "error", (), detail, evidence)]
