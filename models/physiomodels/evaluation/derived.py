"""Derived tables (`physioprep.derive`, or any with the same keys) as plain features of windows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physiomodels.evaluation.protocol import Fold
from physiomodels.training.data import window_table
from physioprep.deriving.plan import modality_of
from physioprep.deriving.tables import KINDS
from physioprep.errors import ModelError
from physioprep.hashes import sha256_of
from physioprep.local_path import local_path
from physioprep.outputs import DERIVED_MARK

if TYPE_CHECKING:
    import pandas as pd

    from physiomodels.config import EvaluateConfig
    from physioprep.shards import Shards

#: Tables that a folder is read for; `beats` has many columns, and is read where it is named.
_OF_FOLDER: Final = ("records", "leads", "eeg")
#: Tables whose rows are no features.
_NO_FEATURES: Final = ("pictures", "scalograms", "median_beats")
_MODALITY: Final = {
    table: modality_of(kind, "")
    for kind, tables in KINDS.items()
    for table in tables
    if table not in _NO_FEATURES
}
_RECORD: Final = ["corpus", "record_id"]
#: Columns that say where a row is, and not what was measured.
_PLACES: Final = (
    *_RECORD, "subject_id", "window", "start_s", "lead", "channel", "beat", "r_s", "r_sample",
)  # fmt: skip


@dataclass(frozen=True)
class DerivedTable:
    """A table of features.

    Parameters
    ----------
    path : str
        Parquet file.
    modality : str
        Signal that it was derived from.
    by : {"record", "window"}
        What its rows are joined by.
    sha256 : str
        Of the file.
    """

    path: str
    modality: str
    by: str
    sha256: str


def tables_of(tables: Sequence[DerivedTable], modality: str) -> list[DerivedTable]:
    """Return the tables of a modality.

    Parameters
    ----------
    tables : sequence of DerivedTable
        All.
    modality : str
        Name.

    Returns
    -------
    list of DerivedTable
    """
    return [table for table in tables if table.modality == modality]


def read_tables(
    paths: Sequence[str], shards: Shards, modalities: Sequence[str]
) -> tuple[DerivedTable, ...]:
    """Find the tables that an evaluation names.

    Parameters
    ----------
    paths : sequence of str
        Folders of `physioprep.derive`, or Parquet files.
    shards : Shards
        Windows to join them to.
    modalities : sequence of str
        That are evaluated; a table whose name is none of `derive`'s belongs to the first.

    Returns
    -------
    tuple of DerivedTable
        Those of the modalities.

    Raises
    ------
    ModelError
        A path holds no such table, has no key to join by, or is of other shards; or none is of
        these modalities.
    """
    found = []
    for path in paths:
        for file in _files(local_path(path, ModelError)):
            modality = _MODALITY.get(file.stem, modalities[0])
            if modality in modalities:
                by = _joined_by(file, shards)
                found.append(DerivedTable(str(file.absolute()), modality, by, sha256_of(file)))
    if paths and not found:
        raise ModelError(f"{', '.join(paths)}: no table of {', '.join(modalities)}")
    return tuple(found)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        held = [path / f"{name}.parquet" for name in _OF_FOLDER]
        held = [file for file in held if file.is_file()]
        if not held:
            raise ModelError(
                f"{path}: none of {', '.join(file + '.parquet' for file in _OF_FOLDER)}"
            )
        return held
    if path.stem in _NO_FEATURES:
        raise ModelError(f"{path}: {path.stem} are no features; try {', '.join(_OF_FOLDER)}")
    if not path.is_file():
        raise ModelError(f"{path}: no table here")
    return [path]


def _joined_by(file: Path, shards: Shards) -> str:
    """Return what a table is joined by; refuse one that is of windows of other shards."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        names = parquet.read_schema(file).names
    except (pa.ArrowException, OSError) as error:
        raise ModelError(f"{file}: no Parquet table: {error}") from error
    plan = _plan_beside(file)
    if plan.get("of") == "shards":
        if plan.get("store_sha256") != shards.attrs.get("plan_sha256"):
            raise ModelError(f"{file}: derived from windows of other shards than {shards.path}")
        return "window"
    if all(name in names for name in _RECORD):
        return "record"
    if "window" in names:
        return "window"
    raise ModelError(f"{file}: no columns corpus and record_id, nor window, to join it by")


def _plan_beside(file: Path) -> Mapping[str, Any]:
    try:
        plan = json.loads((file.parent / DERIVED_MARK).read_bytes())["plan"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return plan if isinstance(plan, Mapping) else {}


def check_use(
    tables: Sequence[DerivedTable],
    config: EvaluateConfig,
    n_epochs: int | None,
    *,
    calibrated_elsewhere: bool,
) -> None:
    """Refuse what needs the signals of windows or epochs.

    Parameters
    ----------
    tables : sequence of DerivedTable
        None: nothing is refused.
    config : EvaluateConfig
        Its protocol and calibration.
    n_epochs : int or None
        Epochs of a window that have labels of their own.
    calibrated_elsewhere : bool
        Whether windows of other shards calibrate.

    Raises
    ------
    ModelError
        The tables cannot serve.
    """
    if not tables:
        return
    if n_epochs:
        raise ModelError("features of a table have no epochs: leave out features, or epoch_s")
    if calibrated_elsewhere:
        raise ModelError("calibration shards have no rows in features of a table")
    if config.protocol == "calibrated" and "align" in config.calibration.methods:
        raise ModelError("calibration 'align' changes signals: not with features of a table")


def check_folds(
    tables: Sequence[DerivedTable], windows: pd.DataFrame, folds: Mapping[tuple[int, int], Fold]
) -> None:
    """Refuse features of whole records where a record is trained on and tested.

    Its windows would have the same features, by which a model knows the record and its label.

    Parameters
    ----------
    tables : sequence of DerivedTable
        Of the evaluation.
    windows : pandas.DataFrame
        ``corpus`` and ``record_id``.
    folds : mapping of (int, int) to Fold
        Rows of `windows`.

    Raises
    ------
    ModelError
        A record is on both sides.
    """
    if not any(table.by == "record" for table in tables):
        return
    names = (windows["corpus"].astype(str) + "/" + windows["record_id"].astype(str)).to_numpy()
    for split in folds.values():
        both = set(names[split.train]) & {*names[split.test], *names[split.validation]}
        if both:
            raise ModelError(
                f"features of whole records, and {min(both)} is in training and test: derive "
                "features of the windows (physioprep derive SHARDS), or choose another protocol"
            )


def derived_features(
    paths: Sequence[str], shards: Shards, modality: str, where: str | None
) -> pd.DataFrame:
    """Return the columns of derived tables for each window.

    Parameters
    ----------
    paths : sequence of str
        Parquet files, all of one modality.
    shards : Shards
        That hold the windows.
    modality : str
        For the message.
    where : str or None
        Query on the windows.

    Returns
    -------
    pandas.DataFrame
        Indexed by window, in the order of the shards; NaN where a table has no row.

    Raises
    ------
    ModelError
        A table has no row of any window, or no column of numbers.
    """
    import pandas as pd

    windows = window_table(shards, where).sort_values("window").reset_index(drop=True)
    parts = []
    for path in paths:
        keys = ["window"] if _joined_by(Path(path), shards) == "window" else _RECORD
        table = wide(pd.read_parquet(path), keys, each_beat=Path(path).stem == "beats")
        if table.empty:
            raise ModelError(f"{path}: no column of numbers, or no row")
        asked = windows[keys]
        if len(keys) > 1:
            asked = asked.astype(str)
            index = pd.MultiIndex.from_frame(asked)
        else:
            index = pd.Index(asked["window"])
        if not index.isin(table.index).any():
            raise ModelError(f"{path}: no row of any window of {shards.path} ({modality})")
        parts.append(table.reindex(index).reset_index(drop=True))
    found = pd.concat(parts, axis=1)
    found = found.loc[:, ~found.columns.duplicated()]
    return found.set_axis(windows["window"].to_numpy(), axis=0)


def wide(table: pd.DataFrame, keys: Sequence[str], *, each_beat: bool = False) -> pd.DataFrame:
    """Return one row per record or window: a column for each number, and each lead or channel.

    Parameters
    ----------
    table : pandas.DataFrame
        A derived table.
    keys : sequence of str
        ``window``, or ``corpus`` and ``record_id``.
    each_beat : bool
        Rows are beats: times count from the R peak, and of each number there are median and
        standard deviation (``..._sd``) over the beats. Else there are means over rows.

    Returns
    -------
    pandas.DataFrame
        Indexed by the keys.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"window": [0, 0], "lead": ["I", "II"], "qt_ms": [400.0, 410.0]})
    >>> wide(table, ["window"]).to_dict("list")
    {'qt_ms_I': [400.0], 'qt_ms_II': [410.0]}
    """
    import pandas as pd

    numbers = [
        name
        for name in table.columns
        if name not in _PLACES and pd.api.types.is_numeric_dtype(table[name])
    ]
    values = table[numbers].astype(float)
    if each_beat:
        times = [name for name in numbers if name.endswith("_s")]
        values[times] = values[times].sub(table["r_s"], axis=0)
    by = [table[name] if name == "window" else table[name].astype(str) for name in keys]
    part = next((name for name in ("lead", "channel") if name in table.columns), None)
    groups = values.groupby(by if part is None else [*by, table[part]], sort=False)
    if each_beat:
        middle = groups.median()
        found = middle.join(groups.std(ddof=0).add_suffix("_sd"))
    else:
        found = groups.mean()
    if part is not None:
        spread = pd.DataFrame(found.unstack(part))
        pairs: list[Any] = spread.columns.tolist()
        return spread.set_axis([f"{name}_{lead}" for name, lead in pairs], axis=1)
    return found


def said_of(tables: Sequence[DerivedTable]) -> dict[str, tuple[str, str]]:
    """Return unit and definition of the columns of tables, where their metadata say them.

    Parameters
    ----------
    tables : sequence of DerivedTable
        Of the evaluation.

    Returns
    -------
    dict of str to (str, str)
        By the names of `derived_features`.
    """
    import pandas as pd
    from pyarrow import parquet

    found = {}
    for table in tables:
        schema = parquet.read_schema(table.path)
        part = next((name for name in ("lead", "channel") if name in schema.names), None)
        places: list[str | None] = [None]
        if part is not None:
            held = pd.read_parquet(table.path, columns=[part])[part].dropna()
            places = [str(name) for name in held.unique()]
        for field in schema:
            said = {key.decode(): text.decode() for key, text in (field.metadata or {}).items()}
            unit, definition = said.get("unit", ""), said.get("definition", "")
            for place in places:
                name = field.name if place is None else f"{field.name}_{place}"
                found[name] = (unit, definition if place is None else f"{place}: {definition}")
    return found
