"""Plan a store: determine the position of every sample before any sample is read.

The same manifest and recipe give the same plan and the same `Plan.sha256` on any machine. Lengths
come from the headers that the scan read. A record whose samples differ from its header goes to
quarantine, and its place stays empty, so that the positions of other records do not change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.harmonise.clocks import OWN_CLOCK, synchronised_shape
from physioprep.manifest import GROUP_COLUMNS
from physioprep.store.build.expect import (
    EXCLUDED,
    Refused,
    Signals,
    Signature,
    expect,
    group_names,
    with_gaps,
)
from physioprep.store.build.extent import Extent
from physioprep.store.format.columns import column_kind, encode_column, hash_values, stored_columns
from physioprep.store.format.layout import (
    SCHEMA,
    SCHEMA_VERSION,
    GroupLayout,
    block_bounds,
    group_layout,
    place,
)

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.harmonise import Recipe


#: Rows encoded at once, so that the texts of a million records are not in memory together.
_ROWS: Final = 65_536


@dataclass(frozen=True)
class Refusal:
    """A recording that cannot be planned, and why.

    Parameters
    ----------
    row : int
        Its row in the manifest.
    stage : str
        Step that failed: ``"scan"`` or ``"plan"``; `EXCLUDED` where none did.
    reason : str
        One line.
    """

    row: int
    stage: str
    reason: str


@dataclass(frozen=True, eq=False)
class Plan:
    """The position of every sample of a store.

    Parameters
    ----------
    layouts : tuple of GroupLayout
        The modalities, in order of name.
    rows : ndarray of int64, shape (record,)
        Manifest row of each planned record.
    start, length : mapping of group name to ndarray of int64, shape (record,)
        First sample in ``signal``, and samples per channel; 0 if a record lacks the modality.
    bounds : ndarray of int64, shape (block + 1,)
        Block *b* holds records ``bounds[b]`` up to, not including, ``bounds[b + 1]``.
    shards : mapping of group name to ndarray of int64, shape (block + 1,)
        Block *b* writes shards ``shards[name][b]`` up to, not including, ``shards[name][b + 1]``.
    signature : ndarray of int32, shape (record,)
        Index into `signatures` per record.
    signatures : tuple of Signature
        Distinct sets of signals, and the groups each must be harmonised to.
    names : mapping of (str, float) to str
        Key and rate (Hz) of an `Expected` to the name of its group.
    refused : tuple of Refusal
        Recordings that cannot be planned.
    recipe_sha256, inputs_sha256, sha256 : str
        Hash of the recipe; of manifest and recipe; of the whole plan.
    on_checksum : str
        What is done with a record whose samples fail the checksum of their header, see
        `physioprep.store.build.sources.read_source`.
    where : str
        Query that chose the rows of the manifest; "" for all.
    """

    layouts: tuple[GroupLayout, ...]
    rows: NDArray[np.int64]
    start: Mapping[str, NDArray[np.int64]]
    length: Mapping[str, NDArray[np.int64]]
    bounds: NDArray[np.int64]
    shards: Mapping[str, NDArray[np.int64]]
    signature: NDArray[np.int32]
    signatures: tuple[Signature, ...]
    names: Mapping[tuple[str, float], str]
    refused: tuple[Refusal, ...]
    recipe_sha256: str
    inputs_sha256: str
    sha256: str = ""
    on_checksum: str = ""
    where: str = ""

    @property
    def n_records(self) -> int:
        """Number of planned records.

        Returns
        -------
        int
            Without `refused`.
        """
        return len(self.rows)

    @property
    def failed(self) -> tuple[Refusal, ...]:
        """Return the recordings that cannot be planned though the recipe asks for them.

        Returns
        -------
        tuple of Refusal
            `refused` without those that the recipe excludes.
        """
        return tuple(refusal for refusal in self.refused if refusal.stage != EXCLUDED)

    @property
    def n_blocks(self) -> int:
        """Number of blocks; one task writes one block.

        Returns
        -------
        int
            0 if no record could be planned.
        """
        return len(self.bounds) - 1


def make_plan(
    manifest: pd.DataFrame,
    recipe: Recipe,
    *,
    dtypes: Mapping[str, str] | None = None,
    onto: Extent | None = None,
    on_checksum: str = "",
    where: str = "",
) -> Plan:
    """Plan a store.

    Parameters
    ----------
    manifest : pandas.DataFrame
        A valid manifest.
    recipe : Recipe
        Recipe of the store.
    dtypes : mapping of str to str, optional
        For recipes that keep the source's digital samples: the dtype of each group that
        needs more than int16. Headers do not state it, so ingest finds it while reading.
    onto : Extent, optional
        The store to extend: the records are placed after its own.
    on_checksum : {"", "quarantine", "flag"}
        As in `Plan`.
    where : str
        Query that chose the manifest's rows.

    Returns
    -------
    Plan
        Records that the recipe cannot be applied to are among its `refused`.

    Raises
    ------
    StoreError
        The records do not fit in the store `onto`.

    Examples
    --------
    >>> from physioprep.harmonise import load_recipe
    >>> from physioprep.manifest import make_manifest
    >>> manifest = make_manifest({
    ...     "corpus": ["mine"], "record_id": ["1"], "path": ["1.edf"], "modality": [["ecg"]],
    ...     "sampling_rate": [[500.0]], "n_samples": [[5000]], "channels": [[["II"]]],
    ...     "units": [[["mV"]]], "duration_s": [10.0]})
    >>> plan = make_plan(manifest, load_recipe("ecg-200hz"))
    >>> plan.length["ecg"].tolist(), plan.layouts[0].channels
    ([2000], ('II',))
    """
    said = [on_checksum] if on_checksum or where else []
    said += [where] if where else []
    digest = hashlib.sha256(json.dumps([SCHEMA, SCHEMA_VERSION, recipe.sha256, *said]).encode())
    texts: dict[str, list[str]] = {name: [] for name in GROUP_COLUMNS}
    for name in stored_columns(manifest):
        kind = column_kind(name, manifest[name])
        digest.update(json.dumps([name, len(manifest)]).encode())
        for first in range(0, len(manifest), _ROWS):
            values, _ = encode_column(kind, manifest[name].iloc[first : first + _ROWS])
            hash_values(digest, values)
            if name in GROUP_COLUMNS:
                texts[name] += values.tolist()
    errors = manifest["error"].tolist()
    durations = manifest["duration_s"].tolist()
    shapes = _Shapes(recipe)
    flags = manifest["flags"].tolist() if "flags" in manifest else [()] * len(manifest)
    refused, rows, codes, lengths = [], [], [], []
    for row, shape in enumerate(zip(*(texts[name] for name in GROUP_COLUMNS), strict=True)):
        if isinstance(errors[row], str):
            refused.append(Refusal(row, "scan", errors[row]))
            continue
        if any(flag.startswith(OWN_CLOCK) for flag in flags[row] or ()):
            durations[row] = None  # by the stamps: numbers of samples have the gaps in them
            if recipe.synchronises:
                shape = _synchronised(shape, flags[row])
        outcome = shapes.of(shape, durations[row])
        if isinstance(outcome, Refused):
            refused.append(Refusal(row, outcome.stage, outcome.reason))
        else:
            rows.append(row)
            codes.append(outcome[0])
            lengths.append(outcome[1])
    plan = _arrange(
        np.array(rows, np.int64),
        np.array(codes, np.int32),
        lengths,
        shapes.signatures,
        refused=tuple(refused),
        dtypes=dtypes or {},
        hashes=(recipe.sha256, digest.hexdigest()),
        onto=onto,
    )
    return replace(plan, on_checksum=on_checksum, where=where)


def _synchronised(shape: tuple[str, ...], flags: Sequence[str]) -> tuple[str, ...]:
    """Return a description of signals by one clock; its numbers of samples include gaps."""
    rates, counts = synchronised_shape(json.loads(shape[1]), json.loads(shape[2]), flags)
    return (shape[0], json.dumps(rates), json.dumps(counts), *shape[3:])


class _Shapes:
    """Cache of the signature and lengths that one recipe gives for each description of signals."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.signatures: list[Signature] = []
        self._code: dict[tuple[str, ...], int] = {}
        self._outcome: dict[Any, tuple[int, tuple[int, ...]] | Refused] = {}

    def of(
        self, shape: tuple[str, ...], duration_s: float | None
    ) -> tuple[int, tuple[int, ...]] | Refused:
        """Return (signature, length of each expected group), or why it cannot be planned."""
        key = (shape, duration_s)
        if key not in self._outcome:
            self._outcome[key] = self._work_out(shape, duration_s)
        return self._outcome[key]

    def _work_out(
        self, shape: tuple[str, ...], duration_s: float | None
    ) -> tuple[int, tuple[int, ...]] | Refused:
        modality, rates, counts, channels, units = map(json.loads, shape)
        if any(count is None for count in counts):
            return Refused("plan", "the manifest has no n_samples of it")
        signals = Signals(
            tuple(modality), tuple(rates), tuple(map(tuple, channels)), tuple(map(tuple, units))
        )
        outcome = expect(signals, with_gaps(rates, counts, duration_s), self.recipe)
        if isinstance(outcome, Refused):
            return outcome
        if max(outcome[1]) <= 0:
            return Refused("plan", "it holds no samples")
        key = (shape[0], shape[1], shape[3], shape[4])
        if key not in self._code:
            self._code[key] = len(self.signatures)
            self.signatures.append(outcome[0])
        return self._code[key], outcome[1]


def _arrange(
    rows: NDArray[np.int64],
    codes: NDArray[np.int32],
    lengths: Sequence[tuple[int, ...]],
    signatures: Sequence[Signature],
    *,
    refused: tuple[Refusal, ...],
    dtypes: Mapping[str, str],
    hashes: tuple[str, str],
    onto: Extent | None,
) -> Plan:
    names = group_names(signatures, np.bincount(codes, minlength=len(signatures)).tolist())
    if onto is not None:
        names = {pair: onto.name_of(*pair, name) for pair, name in names.items()}
    layouts = _layouts(signatures, names, dtypes)
    if onto is not None:
        layouts = onto.fit(layouts)
    length = {layout.name: np.zeros(len(rows), np.int64) for layout in layouts}
    for code, signature in enumerate(signatures):
        having = np.flatnonzero(codes == code)
        table = np.array([lengths[i] for i in having.tolist()], np.int64)
        for column, each in enumerate(signature.expected):
            length[names[each.key, each.rate_hz]][having] = table[:, column]
    chunks = [-(-length[layout.name] // layout.chunk) for layout in layouts]
    bounds = block_bounds(
        np.array(chunks, np.int64).reshape(len(layouts), len(rows)),
        np.array([layout.shard // layout.chunk for layout in layouts], np.int64),
    )
    places = {layout.name: place(length[layout.name], bounds, layout) for layout in layouts}
    behind = {layout.name: onto.n_shards[layout.name] if onto else 0 for layout in layouts}
    size = {layout.name: layout.shard for layout in layouts}
    plan = Plan(
        layouts=layouts,
        rows=rows,
        start={name: start + behind[name] * size[name] for name, (start, _) in places.items()},
        length=length,
        bounds=bounds,
        shards={name: shards + behind[name] for name, (_, shards) in places.items()},
        signature=codes,
        signatures=tuple(signatures),
        names=names,
        refused=refused,
        recipe_sha256=hashes[0],
        inputs_sha256=hashes[1],
    )
    return replace(plan, sha256=_hash(plan, onto))


def _layouts(
    signatures: Sequence[Signature],
    names: Mapping[tuple[str, float], str],
    dtypes: Mapping[str, str],
) -> tuple[GroupLayout, ...]:
    from physioprep.harmonise.channels import order_channels

    gathered: dict[str, dict[str, list[str]]] = {}
    first: dict[str, Any] = {}
    for signature in signatures:
        for each in signature.expected:
            name = names[each.key, each.rate_hz]
            first.setdefault(name, each)
            channels = gathered.setdefault(name, {})
            for channel, unit in zip(each.channels, each.units, strict=True):
                channels.setdefault(channel, []).append(unit)
    layouts = []
    for name, units in sorted(gathered.items()):
        each, found = first[name], list(units)
        ordered = tuple(found[i] for i in order_channels(found, each.modality))
        layouts.append(
            group_layout(
                name,
                each.modality,
                ordered,
                tuple(units[channel][0] for channel in ordered),
                each.rate_hz,
                dtypes.get(name, each.dtype),
                unit_names=tuple(sorted({unit for found in units.values() for unit in found})),
            )
        )
    return tuple(layouts)


def _hash(plan: Plan, onto: Extent | None) -> str:
    described = {
        "inputs": plan.inputs_sha256,
        "layouts": [asdict(layout) for layout in plan.layouts],
        "refused": [asdict(refusal) for refusal in plan.refused],
        "onto": onto.plan_sha256 if onto else None,
    }
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for layout in plan.layouts:
        for arrays in (plan.start, plan.length, plan.shards):
            digest.update(np.ascontiguousarray(arrays[layout.name], "<i8").tobytes())
    for array in (plan.rows, plan.bounds):
        digest.update(np.ascontiguousarray(array, "<i8").tobytes())
    return digest.hexdigest()
