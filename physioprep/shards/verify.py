"""Compare every file of shards with their table of checksums."""

from __future__ import annotations

from pathlib import Path

from physioprep import remote
from physioprep.errors import ShardError
from physioprep.hashes import read_regular
from physioprep.shards.checksums import TABLE, crc_of_bytes, difference, stated_sums
from physioprep.store.verify import Progress, VerifyResult, names_below


def verify_shards(path: str | Path, *, progress: Progress | None = None) -> VerifyResult:
    """Read every file of shards and compare it with the checksum taken when it was written.

    Parameters
    ----------
    path : Path, or str for a URL
        A shards folder.
    progress : callable, optional
        Called with (number of files done, number of files).

    Returns
    -------
    VerifyResult
        Missing and changed files are among its `problems`; they raise no error.

    Raises
    ------
    ShardError
        If the table of checksums is missing or damaged.
    """

    def read(name: str) -> bytes:
        if isinstance(path, Path):
            return read_regular(path / name)
        return remote.fetch(remote.join(path, name))

    try:
        sums = stated_sums(read, str(path))
    except OSError as error:
        raise ShardError(f"{path}/{TABLE}: {error.strerror}") from None
    if sums is None:
        raise ShardError(f"{path}: has no {TABLE}: it cannot be verified; make it again")
    problems = []
    for number, (name, stated) in enumerate(sums.items(), 1):
        if isinstance(path, Path):
            problem = difference(path, name, stated)
        else:
            try:
                content = read(name)
                same = (len(content), crc_of_bytes(content)) == stated
                problem = (
                    "" if same else f"{name}: changed since it was written (its CRC-32C differs)"
                )
            except FileNotFoundError:
                problem = f"{name}: missing"
        if problem:
            problems.append(problem)
        if progress:
            progress(number, len(sums))
    strays = sorted(names_below(path) - sums.keys() - {TABLE})
    problems += [f"{name}: not part of these shards" for name in strays]
    size = sum(n_bytes for n_bytes, _ in sums.values())
    return VerifyResult(path, len(sums), size, tuple(problems), "shards")
