"""The working folder of an ingest: its files, what workers receive, and what they return."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.harmonise import Recipe
from physioprep.samples import NO_SENTINEL
from physioprep.store.build.expect import Expected, Signature
from physioprep.store.format.layout import POSITION, POSITION_FRAME, GroupLayout

#: Names inside the working folder of an ingest.
JOB: Final = "job.json"
TABLE: Final = "records.arrow"
JOURNAL: Final = "journal"
STORE: Final = "store"
#: Arrays per record and channel, beside the samples: dtype, and value if the channel is absent.
PER_CHANNEL: Final[dict[str, tuple[str, Any]]] = {
    "scale": ("float32", np.nan),
    "offset": ("float32", np.nan),
    "invalid": ("int32", NO_SENTINEL),
    "present": ("bool", False),
    "derived": ("bool", False),
    "unit": ("int16", -1),
    "source_index": ("int16", -1),
    "n_saturated": ("int64", 0),
    "quantisation_rms": ("float32", np.nan),
}


def positions_layout(n_channels: int) -> dict[str, tuple[str, tuple[int, ...], Any]]:
    """Return the arrays of positions: dtype, shape of a record, and value where there is none.

    Parameters
    ----------
    n_channels : int

    Returns
    -------
    dict of str to (str, tuple of int, object)
    """
    return {POSITION: ("float64", (n_channels, 3), np.nan), POSITION_FRAME: ("<U32", (), "")}


@dataclass(frozen=True, eq=False)
class Job:
    """Parameters that all blocks of one ingest share.

    Parameters
    ----------
    plan_sha256 : str
        Hash of the plan.
    recipe : Recipe
        Recipe of the store.
    layouts : tuple of GroupLayout
        The modalities of the store.
    signatures : tuple of Signature
        Distinct sets of signals, and the groups each must be harmonised to.
    names : mapping of (str, float) to str
        Key and rate (Hz) of an `Expected` to the name of its group.
    shards : mapping of group name to ndarray of int64, shape (block + 1,)
        Block *b* writes shards ``shards[name][b]`` up to, not including, ``shards[name][b + 1]``.
    verify : bool
        Whether readers check checksums.
    on_checksum : str
        What is done with a record whose samples fail the checksum of their header, see
        `read_source`.
    """

    plan_sha256: str
    recipe: Recipe
    layouts: tuple[GroupLayout, ...]
    signatures: tuple[Signature, ...]
    names: Mapping[tuple[str, float], str]
    shards: Mapping[str, NDArray[np.int64]]
    verify: bool = True
    on_checksum: str = ""


def encode_job(job: Job) -> bytes:
    """Return a job as JSON.

    Workers read it from a folder or a bucket, so it must contain only data, no code.

    Parameters
    ----------
    job : Job
        Parameters of the ingest.

    Returns
    -------
    bytes
        JSON text in UTF-8.
    """
    plain = {
        "plan_sha256": job.plan_sha256,
        "recipe": job.recipe.to_dict(),
        "layouts": [asdict(layout) for layout in job.layouts],
        "signatures": [
            {
                "modalities": [[*pair, name] for pair, name in signature.modalities.items()],
                "expected": [asdict(each) for each in signature.expected],
                "rates": list(signature.rates),
            }
            for signature in job.signatures
        ],
        "names": [[key, rate_hz, name] for (key, rate_hz), name in job.names.items()],
        "shards": {name: numbers.tolist() for name, numbers in job.shards.items()},
        "verify": job.verify,
        "on_checksum": job.on_checksum,
    }
    return json.dumps(plain).encode()


def decode_job(data: bytes) -> Job:
    """Return the job that `encode_job` wrote.

    Parameters
    ----------
    data : bytes
        Result of `encode_job`.

    Returns
    -------
    Job
        Equal to the encoded one.

    Raises
    ------
    RecipeError
        Its recipe is not valid.
    """
    plain = json.loads(data)
    return Job(
        plain["plan_sha256"],
        Recipe.from_dict(plain["recipe"]),
        tuple(GroupLayout(**_with_tuples(each)) for each in plain["layouts"]),
        tuple(
            Signature(
                {(channel, unit): name for channel, unit, name in each["modalities"]},
                tuple(Expected(**_with_tuples(one)) for one in each["expected"]),
                tuple(each.get("rates", ())),  # of an ingest that an earlier version began: none
            )
            for each in plain["signatures"]
        ),
        {(key, rate_hz): name for key, rate_hz, name in plain["names"]},
        {name: np.array(numbers, np.int64) for name, numbers in plain["shards"].items()},
        plain["verify"],
        plain["on_checksum"],
    )


def _with_tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields of a frozen dataclass, with lists converted to tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}


@dataclass(frozen=True)
class BlockResult:
    """Result of the task of one block.

    Parameters
    ----------
    block : int
        Number of the block.
    n_records : int
        Number of its records.
    n_failed : int
        Number of its records in quarantine.
    wider : mapping of group name to dtype name
        Groups whose native samples do not fit in the planned dtype, to a sufficient one. If not
        empty, the block has no journal entry and must be done again.
    target_error : str or None
        Why the target could not be written; the ingest must stop then.
    died_before : bool
        A process died in this block before. Nothing was done; the block must be run in a
        separate process.
    """

    block: int
    n_records: int
    n_failed: int = 0
    wider: Mapping[str, str] = field(default_factory=dict)
    target_error: str | None = None
    died_before: bool = False


def shard_path(group: str, shard: int) -> str:
    """Return the path of a shard, relative to the store (Zarr's default chunk keys).

    Parameters
    ----------
    group : str
        Name of the group.
    shard : int
        Number of the shard.

    Returns
    -------
    str
        With ``/``.

    Examples
    --------
    >>> shard_path("ecg", 3)
    'ecg/signal/c/0/3'
    """
    return f"{group}/signal/c/0/{shard}"
