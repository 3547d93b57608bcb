"""Derive the tables of a run of records: the task that workers do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from physioprep.atomic import write_text
from physioprep.deriving import eeg
from physioprep.deriving.own_method import version_of
from physioprep.deriving.pairs import pair_records
from physioprep.deriving.paper.pieces import draw_records
from physioprep.deriving.paper.spec import spec_from
from physioprep.deriving.pieces import Recorded
from physioprep.deriving.plan import modality_of
from physioprep.deriving.record import Rows, add_record
from physioprep.deriving.records import records_of
from physioprep.deriving.scalograms import draw_scalograms
from physioprep.deriving.tables import KINDS, write_part
from physioprep.deriving.windows import windows_of
from physioprep.errors import PhysioprepError
from physioprep.hashes import sha256_of
from physioprep.shards.candidates import chosen_records
from physioprep.shards.source import Source, open_source
from physioprep.shards.spec import ShardSpec
from physioprep.stream.wavelets import ScalogramSpec

#: Kinds whose tasks make files beside the table, in a tar.
WITH_FILES: Final = ("pictures", "scalograms")


def derive_records(job: Mapping[str, Any], item: tuple[str, int, int]) -> None:
    """Write the parts of a run of records; nothing where an earlier run wrote them.

    Parameters
    ----------
    job : mapping
        From `physioprep.deriving.run.derive`.
    item : (str, int, int)
        Kind, first record, and the one after the last.
    """
    kind, first, stop = item
    files = {table: part_of(Path(job["work"]), kind, first, table) for table in KINDS[kind]}
    journal = part_of(Path(job["work"]), kind, first, "").with_suffix(".json")
    made = files | ({"tar": tar_of(Path(job["work"]), kind, first)} if kind in WITH_FILES else {})
    if _is_done(journal, made):
        return
    found = _tables(job, kind, range(first, stop))
    for table, path in files.items():
        write_part(path, table, found[table], job["of"])
    write_text(journal, json.dumps({name: sha256_of(path) for name, path in made.items()}))


def tar_of(work: Path, kind: str, first: int) -> Path:
    """Return the file that holds the pictures or arrays of a task.

    Parameters
    ----------
    work : Path
        Working folder.
    kind : str
        One of `WITH_FILES`.
    first : int
        First record of the task.

    Returns
    -------
    Path
    """
    return work / "parts" / f"{kind}-{first:08d}.tar"


def part_of(work: Path, kind: str, first: int, table: str) -> Path:
    """Return the file of a part of a table.

    Parameters
    ----------
    work : Path
        Working folder.
    kind : str
        A key of `KINDS`.
    first : int
        First record of the task.
    table : str
        Name of the table.

    Returns
    -------
    Path
    """
    return work / "parts" / f"{kind}-{first:08d}-{table}.parquet"


def _is_done(journal: Path, files: Mapping[str, Path]) -> bool:
    try:
        noted = json.loads(journal.read_bytes())
        return bool(noted == {name: sha256_of(path) for name, path in files.items()})
    except (OSError, ValueError):
        return False


def _tables(job: Mapping[str, Any], kind: str, numbers: range) -> dict[str, dict[str, list[Any]]]:
    if job["of"] == "shards":
        held = windows_of(job["run"], job["store"], modality_of(kind, ""), numbers, job["where"])
        return _derived(job, kind, held)
    source, chosen = _opened(job["run"], job["store"], job["where"])
    tar = tar_of(Path(job["work"]), kind, numbers.start)
    piece = job["pieces"].get(kind, [numbers.start]).index(numbers.start)
    if kind == "pictures":
        spec = spec_from(job["pictures"])
        return {kind: draw_records(source, numbers, chosen, spec, piece, tar)}
    if kind == "scalograms":
        wave, of = ScalogramSpec(**job["scalograms"]), job["scalograms_of"]
        return {
            kind: draw_scalograms(source, numbers, chosen, wave, of, job["window_s"], piece, tar)
        }
    if kind == "pairs":
        return pair_records(source, numbers, chosen)
    return _derived(job, kind, records_of(source, modality_of(kind, ""), numbers, chosen))


def _derived(
    job: Mapping[str, Any], kind: str, held: Iterable[Recorded]
) -> dict[str, dict[str, list[Any]]]:
    if version_of(job["method"]) != job["method_version"]:
        raise PhysioprepError(f"method {job['method']}: another version here than in the plan")
    rows, windows = Rows(), dict[str, list[Any]]()
    for recorded in held:
        if kind == "beats":
            add_record(rows, recorded, job["method"])
        else:
            eeg.add_record(windows, recorded, job["window_s"])
    return {"eeg": windows} if kind == "eeg" else vars(rows)


@lru_cache(maxsize=1)
def _opened(run: str, store: str, where: str | None) -> tuple[Source, Any]:
    source = open_source(store)
    return source, chosen_records(source.records, ShardSpec(where=where))
