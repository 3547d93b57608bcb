"""The columns of a manifest, their types, and what makes a manifest valid."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from physioprep.errors import ManifestError, UnreadableFileError
from physioprep.file_systems import check_address
from physioprep.manifest.cells import is_null, label_kind
from physioprep.manifest.lacking import fill_counts, missing_columns

if TYPE_CHECKING:
    import pandas as pd

#: Version of the columns below; written to the metadata of Parquet files.
SCHEMA_VERSION: Final = 1

#: Column to (type, meaning), in order. ``label_*`` columns (text, number or list[text]) come
#: before ``age``. Types: ``text``, ``number`` (float64), ``integer`` (nullable), ``time``
#: (datetime64[us]), ``list[text]``, ``list[number]``, ``list[integer]``,
#: ``list[list[text]]``.
COLUMNS: Final[dict[str, tuple[str, str]]] = {
    "corpus": ("text", "corpus name, as in `physioprep corpora`"),
    "corpus_version": ("text", "published version of the corpus"),
    "record_id": ("text", "unique within the corpus"),
    "subject_id": ("text", "the person; the same for all of one person's recordings"),
    "session": ("text", "which visit or run of the subject"),
    "root": ("text", "absolute folder of the corpus on the machine that scanned it"),
    "path": ("text", "file to read, relative to root, with '/'; 'file#part' in a container"),
    "format": ("text", "reader that understands it"),
    "files": ("list[text]", "every file the recording is made of, relative to root"),
    "file_sha256": ("list[text]", "SHA-256 of each of files; null where hashing was off"),
    "sha256": ("text", "that of the only file, or of the lines 'hash  name' of several"),
    "bytes": ("integer", "size of files together"),
    "start_time": ("time", "as in the header, without time zone"),
    "duration_s": ("number", "s, gaps included"),
    "modality": ("list[text]", "ecg, eeg, resp, emg, eog, ppg, gsr, temp, abp, pcg or other"),
    "sampling_rate": ("list[number]", "Hz"),
    "n_samples": (
        "list[integer]",
        "samples per channel; null where only reading the file shows it",
    ),
    "channels": ("list[list[text]]", "source names"),
    "units": ("list[list[text]]", "as written in the file"),
    "age": ("number", "years at recording"),
    "sex": ("text", "F or M"),
    "split": ("text", "official split or fold"),
    "flags": ("list[text]", "what was found or done, see the corpus facts"),
    "faults": ("list[text]", "ids of known faults of this recording, see the corpus facts"),
    "error": ("text", "why the recording could not be scanned"),
}
#: The lists that have one element per signal group.
GROUP_COLUMNS: Final = ("modality", "sampling_rate", "n_samples", "channels", "units")
_LABELS_BEFORE = "age"
_NULLABLE_LISTS = ("file_sha256",)
_OLDEST: Final = 120


@dataclass(frozen=True)
class SignalInfo:
    """One (modality, sampling rate) group of a recording.

    Parameters
    ----------
    modality : str
    sampling_rate : float
        Hz.
    n_samples : int or None
        Samples per channel; None where only reading the file shows it.
    channels, units : tuple of str
        Source names, and units as written, one per channel.
    """

    modality: str
    sampling_rate: float
    n_samples: int | None
    channels: tuple[str, ...]
    units: tuple[str, ...]


def groups_of(row: Mapping[str, Any] | pd.Series[Any]) -> list[SignalInfo]:
    """Return the signal groups of a manifest row.

    Parameters
    ----------
    row : mapping or pandas.Series
        A row with the columns of `GROUP_COLUMNS`.

    Returns
    -------
    list of SignalInfo
        One per (modality, sampling rate).

    Examples
    --------
    >>> groups_of({"modality": ["ecg"], "sampling_rate": [360.0], "n_samples": [650000],
    ...            "channels": [["MLII", "V1"]], "units": [["mV", "mV"]]})
    [SignalInfo(modality='ecg', sampling_rate=360.0, n_samples=650000,
     channels=('MLII', 'V1'), units=('mV', 'mV'))]
    """
    return [
        SignalInfo(modality, float(rate), None if is_null(n) else int(n), tuple(names), tuple(u))
        for modality, rate, n, names, u in zip(*(row[c] for c in GROUP_COLUMNS), strict=True)
    ]


def natural_key(text: str) -> tuple[str | int, ...]:
    """Return a sort key that puts ``"A2"`` before ``"A10"``.

    Parameters
    ----------
    text : str
        For example a record id.

    Returns
    -------
    tuple of (str or int)

    Examples
    --------
    >>> sorted(["A10", "A2", "B1"], key=natural_key)
    ['A2', 'A10', 'B1']
    """
    parts = re.split(r"([0-9]+)", text)
    return tuple(int(part) if i % 2 else part for i, part in enumerate(parts))


def label_columns(frame: pd.DataFrame) -> list[str]:
    """Return the ``label_*`` columns, in order.

    Parameters
    ----------
    frame : pandas.DataFrame
        A manifest.

    Returns
    -------
    list of str

    Examples
    --------
    >>> import pandas as pd
    >>> label_columns(pd.DataFrame(columns=["corpus", "label_rhythm", "age"]))
    ['label_rhythm']
    """
    return [str(name) for name in frame.columns if str(name).startswith("label_")]


def make_manifest(columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Build a manifest from plain lists: order the columns and rows, fix the types, validate.

    Parameters
    ----------
    columns : mapping of str to sequence
        The columns of `COLUMNS` that are not null everywhere, and any ``label_*``.

    Returns
    -------
    pandas.DataFrame
        A valid manifest, sorted by corpus and record id.

    Raises
    ------
    ManifestError
        As `validate`.

    Examples
    --------
    >>> frame = make_manifest({"corpus": ["mine"] * 2, "record_id": ["r10", "r9"],
    ...                        "path": ["r10.edf", "r9.edf"]})
    >>> frame["record_id"].tolist(), frame["duration_s"].isna().all()
    (['r9', 'r10'], np.True_)
    """
    import pandas as pd

    n = len(columns["record_id"])
    labels = [name for name in columns if name.startswith("label_")]
    ordered: dict[str, Any] = {}
    for name in order_of(labels):
        kind = COLUMNS[name][0] if name in COLUMNS else "label"
        values = columns.get(name)
        if values is None:
            blank = kind.startswith("list") and name not in _NULLABLE_LISTS
            values = [[] for _ in range(n)] if blank else [None] * n
        ordered[name] = make_series(name, kind, values)
    frame = pd.DataFrame(ordered)
    frame = _sorted(frame)
    fill_counts(frame)
    validate(frame)
    return frame


#: An array of a store has the name of a column, percent-encoded; a folder's name has 255 bytes.
_MAX_NAME_BYTES: Final = 200


def validate(frame: pd.DataFrame) -> None:
    """Check a manifest against the schema.

    Parameters
    ----------
    frame : pandas.DataFrame
        As `read_manifest` returns it.

    Raises
    ------
    ManifestError
        If a column is missing or unknown, a corpus, record id or path is null or empty, a record
        occurs twice, an age is not between 0 and 120, a sex is neither F nor M, the parallel lists
        of a row differ in length, a label is neither text, number nor list of texts, or a root is
        an address that may not be opened or written down.

    Examples
    --------
    >>> import pandas as pd
    >>> validate(pd.DataFrame({"corpus": ["mitdb"]}))
    Traceback (most recent call last):
        ...
    physioprep.errors.ManifestError: manifest lacks columns corpus_version, record_id, subject_id, \
session, root and 19 more
    """
    check_columns(frame)
    _check_lists(frame)


def check_columns(frame: pd.DataFrame) -> None:
    """Check all that `validate` checks except the lists, which a caller may check faster.

    Parameters
    ----------
    frame : pandas.DataFrame
        A manifest.

    Raises
    ------
    ManifestError
        As `validate`.
    """
    if lacks := missing_columns(map(str, frame.columns), COLUMNS):
        raise ManifestError(f"manifest {lacks}")
    for name in map(str, frame.columns):
        if name not in COLUMNS and not name.startswith("label_"):
            raise ManifestError(f"manifest has unknown column {name} (labels are label_*)")
        if len(name.encode(errors="replace")) > _MAX_NAME_BYTES:
            raise ManifestError(
                f"manifest column {name[:40]}... has a label of over {_MAX_NAME_BYTES} bytes"
            )
    for name in ("corpus", "record_id", "path"):
        empty = [not str(v).strip() or is_null(v) for v in frame[name].tolist()]
        if any(empty):
            row = empty.index(True)
            raise ManifestError(f"manifest row {row + 1}: {name} is empty{_identified(frame, row)}")
    twice = frame.duplicated(["corpus", "record_id"])
    if twice.any():
        first = frame.loc[twice.idxmax()]
        raise ManifestError(f"record {first['corpus']}/{first['record_id']} occurs twice")
    _check_people(frame)
    _check_roots(frame)
    for name in label_columns(frame):
        label_kind(name, frame[name])


def _check_people(frame: pd.DataFrame) -> None:
    """Refuse ages and sexes that are none: a scan makes them null."""
    ages, sexes = frame["age"].tolist(), frame["sex"].tolist()
    for row, (age, sex) in enumerate(zip(ages, sexes, strict=True)):
        bad = ""
        if not is_null(age) and not 0 <= age <= _OLDEST:
            bad = f"age is {age:g}, no number of years from 0 to {_OLDEST}"
        elif not is_null(sex) and sex not in ("F", "M"):
            bad = f"sex is {sex!r}, neither F nor M"
        if bad:
            raise ManifestError(f"manifest row {row + 1}: {bad}{_identified(frame, row)}")


def _identified(frame: pd.DataFrame, row: int) -> str:
    """Return what else tells which row it is, for a message."""
    held = {name: str(frame[name].iloc[row]) for name in ("corpus", "record_id", "path")}
    known = [
        f"{name} {text}" for name, text in held.items() if text.strip(" \t") and text != "None"
    ]
    return f" ({', '.join(known)})" if known else ""


def _check_roots(frame: pd.DataFrame) -> None:
    """Refuse addresses with passwords: a root reaches working folders, logs and reports."""
    for root in frame["root"].dropna().unique().tolist():
        if "://" in str(root):
            try:
                check_address(str(root))
            except UnreadableFileError as refused:
                raise ManifestError(f"manifest column root: {refused}") from None


def _check_lists(frame: pd.DataFrame) -> None:
    ids = frame["record_id"].tolist()
    for name, (kind, _) in COLUMNS.items():
        if kind.startswith("list"):
            for record, value in zip(ids, frame[name].tolist(), strict=True):
                if not isinstance(value, list) and not (value is None and name in _NULLABLE_LISTS):
                    raise ManifestError(f"record {record}: {name} is not a list")
    columns = [frame[name].tolist() for name in GROUP_COLUMNS]
    for record, modality, rates, counts, channels, units in zip(ids, *columns, strict=True):
        if not len(modality) == len(rates) == len(counts) == len(channels) == len(units):
            raise ManifestError(f"record {record}: {', '.join(GROUP_COLUMNS)} differ in length")
        if [*map(len, channels)] != [*map(len, units)]:
            raise ManifestError(f"record {record}: channels and units differ in length")


def order_of(labels: Sequence[str]) -> list[str]:
    """Return the columns of a manifest in their order.

    Parameters
    ----------
    labels : sequence of str
        Its ``label_*``.

    Returns
    -------
    list of str
    """
    names = list(COLUMNS)
    at = names.index(_LABELS_BEFORE)
    return [*names[:at], *labels, *names[at:]]


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    keys = [natural_key(record) for record in frame["record_id"]]
    corpus = frame["corpus"].tolist()
    order = sorted(range(len(frame)), key=lambda i: (corpus[i], keys[i]))
    return frame.iloc[order].reset_index(drop=True)


def _exact(name: str, value: Any) -> float:
    """Return a number as float64, which holds whole numbers of up to 15 digits.

    Raises
    ------
    ManifestError
        It would lose digits.
    """
    number = float(value)
    if isinstance(value, int) and int(number) != value:
        cause = f"{value} has more digits than a number keeps: make the column text"
        raise ManifestError(f"manifest column {name}: {cause}")
    return number


def make_series(name: str, kind: str, values: Sequence[Any]) -> pd.Series[Any]:
    """Return a column of the type that its kind has in `COLUMNS`.

    Parameters
    ----------
    name : str
        Column, for the error.
    kind : str
        A type of `COLUMNS`, or ``"label"`` (text, number or list[text]).
    values : sequence
        Plain Python values; null as None or NaN.

    Returns
    -------
    pandas.Series

    Raises
    ------
    ManifestError
        A whole number has more digits than a number keeps.
    """
    import pandas as pd

    if kind == "label":
        kind = label_kind(name, pd.Series(list(values), dtype=object))
    if kind == "number":
        plain = [math.nan if is_null(value) else _exact(name, value) for value in values]
        return pd.Series(plain, dtype="float64")
    if kind == "integer":
        return pd.Series([pd.NA if is_null(v) else int(v) for v in values], dtype="Int64")
    if kind == "time":
        times = [pd.NaT if is_null(value) else value for value in values]
        return pd.Series(times, dtype="datetime64[us]")
    return pd.Series([None if is_null(value) else value for value in values], dtype=object)
