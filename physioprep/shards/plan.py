"""Which windows there could be: pure arithmetic on the stores' records, no samples read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ShardError
from physioprep.harmonise.channels import ECG_LEADS
from physioprep.shards.source import Source
from physioprep.shards.spec import ShardSpec, canonical_sha256
from physioprep.shards.split import split_subjects

if TYPE_CHECKING:
    import pandas as pd

#: Bytes of candidate windows that one cutting task handles.
_RUN_BYTES = 64 << 20
_RUN_BYTES_MIN = 2 << 20


@dataclass(frozen=True, eq=False)
class ModalityPlan:
    """One modality of the shards.

    Parameters
    ----------
    name : str
    channels, units : tuple of str
        Union over the stores; ECG leads in their order.
    rate_hz : float
    n_samples : int
        Samples of a window.
    """

    name: str
    channels: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: float
    n_samples: int


@dataclass(frozen=True, eq=False)
class LabelPlan:
    """A label of each record.

    Parameters
    ----------
    name : str
        With its ``label_``.
    values : ndarray, shape (record,)
        int64 codes with -1 for unknown, or float32 with NaN.
    categories : tuple of str or None
        What the codes mean; None where the label is a number.
    """

    name: str
    values: NDArray[Any]
    categories: tuple[str, ...] | None


@dataclass(frozen=True, eq=False)
class Plan:
    """Candidate windows, in the order of stores, records and time.

    Parameters
    ----------
    spec : ShardSpec
    sources : tuple of Source
    modalities : tuple of ModalityPlan
    records : pandas.DataFrame
        Records of all stores; ``store`` and ``store_record`` say where each is.
    labels : tuple of LabelPlan
    record : ndarray of int32, shape (candidate,)
        Row of `records`.
    start_s : ndarray of float64, shape (candidate,)
        From the record's start.
    runs : ndarray of int64, shape (run + 1,)
        Task *i* cuts candidates ``runs[i]`` up to ``runs[i + 1]``: whole records.
    sha256 : str
        Of all that decides the result.
    """

    spec: ShardSpec
    sources: tuple[Source, ...]
    modalities: tuple[ModalityPlan, ...]
    records: pd.DataFrame
    labels: tuple[LabelPlan, ...]
    record: NDArray[np.int32]
    start_s: NDArray[np.float64]
    runs: NDArray[np.int64]
    sha256: str


def plan_windows(sources: Sequence[Source], spec: ShardSpec) -> Plan:
    """Lay out every window that the spec allows before its samples are seen.

    Parameters
    ----------
    sources : sequence of Source
    spec : ShardSpec

    Raises
    ------
    ShardError
        If the stores do not fit together, a column or modality is missing, or no window
        is left.
    """
    sources = tuple(sources)
    modalities = _modalities(sources, spec)
    records = _records(sources)
    record, start_s = _candidates(sources, modalities, records, spec)
    if not record.size:
        raise ShardError(f"no record has a window of {spec.window_s:g} s that the options allow")
    records["split"] = _splits(records, spec)
    identity = {"spec": spec.to_dict(), "stores": [source.identity for source in sources]}
    return Plan(
        spec=spec,
        sources=sources,
        modalities=modalities,
        records=records,
        labels=tuple(_label(records, name) for name in _label_names(records, spec)),
        record=record,
        start_s=start_s,
        runs=_runs(record, modalities),
        sha256=canonical_sha256(identity),
    )


def _modalities(sources: tuple[Source, ...], spec: ShardSpec) -> tuple[ModalityPlan, ...]:
    held = list(dict.fromkeys(name for source in sources for name in source.groups))
    wanted = list(spec.modalities or sorted(held))
    for name in (*wanted, *spec.max_abs, *spec.min_std):
        if name not in held:
            raise ShardError(f"no store holds modality {name!r}, only {', '.join(sorted(held))}")
    return tuple(_modality(name, sources, spec.window_s) for name in wanted)


def _modality(name: str, sources: tuple[Source, ...], window_s: float) -> ModalityPlan:
    unit_of: dict[str, str] = {}
    rates: dict[float, Source] = {}
    for source in sources:
        if name not in source.groups:
            continue
        group = source.groups[name]
        rates[group.rate_hz] = source
        for channel, unit in zip(group.channels, group.units, strict=True):
            if unit_of.setdefault(channel, unit) != unit:
                raise ShardError(
                    f"{source.path}: {name} channel {channel} is in {unit}, "
                    f"in another store in {unit_of[channel]}"
                )
    if len(rates) > 1:
        found = ", ".join(f"{rate:g} Hz in {source.path}" for rate, source in rates.items())
        raise ShardError(f"{name} has several sampling rates: {found}")
    rate_hz = next(iter(rates))
    n_samples = round(window_s * rate_hz)
    if abs(n_samples - window_s * rate_hz) > 1e-6 * n_samples:
        raise ShardError(
            f"a window of {window_s:g} s is no whole number of {name} samples at {rate_hz:g} Hz"
        )
    place = {lead: number for number, lead in enumerate(ECG_LEADS)}
    channels = tuple(sorted(unit_of, key=lambda channel: place.get(channel, len(place))))
    return ModalityPlan(
        name, channels, tuple(unit_of[channel] for channel in channels), rate_hz, n_samples
    )


def _records(sources: tuple[Source, ...]) -> pd.DataFrame:
    import pandas as pd

    frames = []
    for number, source in enumerate(sources):
        # Columns without any value have no type worth keeping, and pandas warns of them.
        frame = source.records.dropna(axis=1, how="all")
        own = np.arange(len(frame))
        frames.append(frame.assign(store=number, store_record=own))
    records = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    columns = list(dict.fromkeys(name for source in sources for name in source.records.columns))
    records = records.reindex(columns=[*columns, "store", "store_record"])
    twice = records.duplicated(["corpus", "record_id"])
    if twice.any():
        row = records[twice].iloc[0]
        raise ShardError(f"record {row['corpus']}/{row['record_id']} is in two of the stores")
    return records


def query_mask(frame: pd.DataFrame, where: str, what: str) -> NDArray[np.bool_]:
    """Return which rows of a table a pandas query keeps.

    Raises
    ------
    ShardError
        If the query is wrong, or names a column that is not there.
    """
    numbered = frame.reset_index(drop=True)
    try:
        kept = numbered.query(where, engine="python").index
    except Exception as error:  # pandas raises nearly anything on a bad query
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        names = ", ".join(map(str, frame.columns))
        raise ShardError(f"query {where!r} on the {what}: {cause} (columns: {names})") from None
    mask = np.zeros(len(frame), bool)
    mask[kept] = True
    return mask


def _lengths(
    sources: tuple[Source, ...], modality: ModalityPlan, records: pd.DataFrame
) -> NDArray[np.int64]:
    """Return the samples each record has in a modality; 0 where it lacks it."""
    lengths = []
    for source in sources:
        group = source.groups.get(modality.name)
        if group is None:
            lengths.append(np.zeros(len(source.records), np.int64))
        else:
            lengths.append(np.where(group.present.any(axis=1), group.length, 0))
    return np.concatenate(lengths)


def _candidates(
    sources: tuple[Source, ...],
    modalities: tuple[ModalityPlan, ...],
    records: pd.DataFrame,
    spec: ShardSpec,
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    lengths = np.stack([_lengths(sources, modality, records) for modality in modalities])
    rates = np.array([modality.rate_hz for modality in modalities])
    ends_s = lengths / rates[:, None]
    end_s = ends_s.min(axis=0) if spec.pairs == "complete" else ends_s.max(axis=0)
    chosen = (
        query_mask(records, spec.where, "records") if spec.where else np.ones(len(records), bool)
    )
    found_record, found_start = [], []
    for where, from_s, to_s in spec.regions or ((None, None, None),):
        here = chosen & query_mask(records, where, "records") if where else chosen
        rows = np.flatnonzero(here)
        begin = _bound(from_s, 0.0, end_s[rows]) + spec.trim_s
        stop = _bound(to_s, end_s[rows], end_s[rows]) - spec.trim_s
        # The slack is far below a sample, and above the rounding of seconds.
        count = np.floor((stop - begin - spec.window_s) / spec.stride_s + 1e-6).astype(np.int64) + 1
        count = np.maximum(count, 0)
        step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        found_record.append(np.repeat(rows, count))
        found_start.append(np.repeat(begin, count) + step * spec.stride_s)
    pairs = np.empty(sum(map(len, found_start)), [("record", np.int64), ("start", np.float64)])
    pairs["record"], pairs["start"] = np.concatenate(found_record), np.concatenate(found_start)
    pairs = np.unique(pairs)  # regions may overlap
    record, start_s = pairs["record"], pairs["start"]
    inside = np.stack(
        [
            np.round(start_s * modality.rate_hz) + modality.n_samples <= length[record]
            for modality, length in zip(modalities, lengths, strict=True)
        ]
    )
    good = inside.all(axis=0) if spec.pairs == "complete" else inside.any(axis=0)
    return record[good].astype(np.int32), start_s[good]


def _bound(value: float | None, default: Any, end_s: NDArray[np.float64]) -> NDArray[np.float64]:
    if value is None:
        value = default
    bound = np.broadcast_to(
        end_s + value if np.ndim(value) == 0 and value < 0 else value, end_s.shape
    )
    clipped: NDArray[np.float64] = np.clip(bound, 0.0, end_s)
    return clipped


def _splits(records: pd.DataFrame, spec: ShardSpec) -> Any:
    if spec.split is None:
        if "split" not in records:
            return None
        return records["split"]
    # A record whose subject is unknown counts as a subject of its own.
    subject = records["subject_id"].fillna(records["record_id"]).astype(str)
    return split_subjects(
        records["corpus"].astype(str).tolist(), subject.tolist(), spec.split, spec.seed
    )


def _label_names(records: pd.DataFrame, spec: ShardSpec) -> list[str]:
    held = [str(name) for name in records.columns if str(name).startswith("label_")]
    if spec.labels is None:
        return [name for name in held if _is_plain(records[name])]
    names = [name if name.startswith("label_") else f"label_{name}" for name in spec.labels]
    for name in names:
        if name not in held:
            raise ShardError(f"no store has a column {name}, only {', '.join(held) or 'no labels'}")
    return names


def _is_plain(column: pd.Series[Any]) -> bool:
    return not any(isinstance(value, list | tuple | np.ndarray) for value in column)


def _label(records: pd.DataFrame, name: str) -> LabelPlan:
    import pandas as pd

    column = records[name]
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return LabelPlan(name, column.to_numpy(np.float32, na_value=np.nan), None)
    texts = [None if pd.isna(value) else str(value) for value in column]
    categories = tuple(sorted({text for text in texts if text is not None}))
    code = {category: number for number, category in enumerate(categories)}
    codes = np.array([-1 if text is None else code[text] for text in texts], np.int64)
    return LabelPlan(name, codes, categories)


def _runs(record: NDArray[np.int32], modalities: tuple[ModalityPlan, ...]) -> NDArray[np.int64]:
    """Cut the candidates into tasks of whole records and some tens of MiB."""
    window_bytes = sum(2 * len(modality.channels) * modality.n_samples for modality in modalities)
    wanted = np.clip(record.size * window_bytes // 16, _RUN_BYTES_MIN, _RUN_BYTES)
    # A record begins where the number changes; a run begins with the record that crosses a
    # multiple of the wanted size.
    begins = np.flatnonzero(np.concatenate(([True], record[1:] != record[:-1])))
    share = begins * window_bytes // wanted
    first = begins[np.concatenate(([True], share[1:] != share[:-1]))]
    return np.concatenate((first, [record.size])).astype(np.int64)
