"""Labels of records out of the manifest's columns: classes, several classes, numbers and texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import CorpusError, ShardError
from physioprep.facts import Label, load_facts
from physioprep.shards.label_plan import LabelPlan, narrowed
from physioprep.shards.spec import ShardSpec
from physioprep.shards.target import NOT_STATED, label_name
from physioprep.suggest import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

#: Columns of the records that can be labels, too, and their unit.
_PLAIN: Final = {"label_age": "years", "label_sex": None}


def label_names(records: pd.DataFrame, spec: ShardSpec) -> list[str]:
    """Return the label columns of the records that a spec asks for.

    Parameters
    ----------
    records : pandas.DataFrame
        Records of all stores.
    spec : ShardSpec

    Returns
    -------
    list of str
        With their ``label_``; of a spec without `labels` all that are no texts, by the spec or
        by the facts of the corpora.

    Raises
    ------
    ShardError
        If a column is missing.
    """
    held = [str(name) for name in records.columns if str(name).startswith("label_")]
    if spec.labels is None:
        classes = _find(list(spec.label_categories), held)
        texts = {*text_names(records, spec), *(_texts_of_facts(records) - set(classes))}
        return [name for name in held if name not in texts]
    asked = {name.removeprefix("label_") for name in spec.labels}
    plain = [
        name
        for name in _PLAIN
        if (bare := name.removeprefix("label_")) in records
        and (bare in asked or records[bare].notna().any())  # none that nobody stated is offered
    ]
    return _find(spec.labels, [*held, *(name for name in plain if name not in held)])


def text_names(records: pd.DataFrame, spec: ShardSpec) -> list[str]:
    """Return the columns of the records that a spec keeps as texts.

    Parameters
    ----------
    records : pandas.DataFrame
        Records of all stores.
    spec : ShardSpec

    Returns
    -------
    list of str
        With their ``label_``.

    Raises
    ------
    ShardError
        If a column is missing, or holds anything else.
    """
    import pandas as pd

    held = [str(name) for name in records if str(name).startswith("label_")]
    names = _find(spec.texts, held) if spec.texts else []
    for name in names:
        kind = pd.api.types.infer_dtype(records[name], skipna=True)
        if kind not in ("string", "empty"):
            raise ShardError(f"texts: {name} holds no texts ({kind})")
    return names


def _texts_of_facts(records: pd.DataFrame) -> set[str]:
    """Return the columns that the facts of a corpus say are texts, no classes."""
    found = set()
    for corpus in sorted(set(records["corpus"].astype(str))) if "corpus" in records else ():
        found |= {f"label_{label.name}" for label in _labels_of(corpus) if label.text}
    return found


def _labels_of(corpus: str) -> tuple[Label, ...]:
    try:
        return load_facts(corpus).labels
    except CorpusError:  # a corpus of the user's own has no facts
        return ()


def _find(wanted: Sequence[str], held: list[str]) -> list[str]:
    found = []
    for name in wanted:
        full = label_name(name, held)
        if full is None:
            missing = name if name.startswith("label_") else f"label_{name}"
            bare = [each.removeprefix("label_") for each in held]  # the prefix is near to all
            near = did_you_mean(missing.removeprefix("label_"), bare) and did_you_mean(
                missing, held
            )
            hint = near or f", only {', '.join(held) or 'no labels'}"
            raise ShardError(f"no store has a column {missing}{hint}")
        found.append(full)
    return found


def record_label(records: pd.DataFrame, name: str, spec: ShardSpec) -> LabelPlan:
    """Return a label of the records.

    Parameters
    ----------
    records : pandas.DataFrame
        Records of all stores.
    name : str
        From `label_names`.
    spec : ShardSpec
        Its `label_categories`, else the sorted categories of all records, give the codes.

    Returns
    -------
    LabelPlan

    Raises
    ------
    ShardError
        If a number's categories are none, or the corpora give it in different units.
    """
    stated = _stated(name, spec)
    column = _in_categories(name, _column(records, name), stated)
    if stated is None and _is_number(column):
        values = narrowed(column.to_numpy(np.float64, na_value=np.nan))
        return LabelPlan(name, values, None, kind="number", unit=_unit(records, name))
    statements = _statements(column)
    known = [said for said in statements if said is not None]
    categories = stated or tuple(sorted({text for said in known for text in said}))
    code = {category: number for number, category in enumerate(categories)}
    is_stated = stated is not None
    if _is_list(column) and categories:  # of empty lists alone there is nothing to learn
        several = np.zeros((len(column), len(categories)), np.uint8)
        for row, said in enumerate(statements):
            if said is None:
                several[row] = NOT_STATED
            else:
                several[row, [code[text] for text in said if text in code]] = 1
        return LabelPlan(name, several, categories, stated=is_stated, kind="classes")
    codes = [code.get(said[0], -1) if said else -1 for said in statements]
    return LabelPlan(name, np.array(codes, np.int64), categories, stated=is_stated)


def unlisted(
    records: pd.DataFrame, spec: ShardSpec, used: NDArray[np.int64]
) -> dict[str, dict[str, int]]:
    """Count what some records state that is not among the categories that the user listed.

    Parameters
    ----------
    records : pandas.DataFrame
        Records of all stores.
    spec : ShardSpec
    used : ndarray of int64
        Rows of records with a window.

    Returns
    -------
    dict of str to dict of str to int
        By label and category, the number of records; empty where all is listed.
    """
    counts: dict[str, dict[str, int]] = {}
    for name in label_names(records, spec):
        stated = _stated(name, spec)
        if stated is None:
            continue
        said = _statements(_in_categories(name, _column(records, name), stated).iloc[used])
        texts = [text for each in said for text in dict.fromkeys(each or ())]
        others = Counter(text for text in texts if text not in stated)
        if others:
            counts[name] = dict(sorted(others.items()))
    return counts


def _column(records: pd.DataFrame, name: str) -> pd.Series[Any]:
    return records[name if name in records else name.removeprefix("label_")]


def _stated(name: str, spec: ShardSpec) -> tuple[str, ...] | None:
    given = spec.label_categories
    return given.get(name, given.get(name.removeprefix("label_")))


def _is_number(column: pd.Series[Any]) -> bool:
    import pandas as pd

    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _in_categories(
    name: str, column: pd.Series[Any], stated: tuple[str, ...] | None
) -> pd.Series[Any]:
    """Return a label; numbers whose categories the user stated as the texts of these."""
    if stated is None or not _is_number(column):
        return column
    try:
        text_of = {float(text): text for text in stated}
    except ValueError:
        raise ShardError(
            f"{name} is a number; its categories are numbers, not {', '.join(stated)}"
        ) from None
    if len(text_of) < len(stated):
        raise ShardError(f"{name}: of {', '.join(stated)}, two are the same number")
    return column.astype(object).map(
        lambda value: text_of.get(float(value), f"{float(value):g}"), na_action="ignore"
    )


def _is_list(column: pd.Series[Any]) -> bool:
    return any(isinstance(value, list | tuple | np.ndarray) for value in column)


def _statements(column: pd.Series[Any]) -> list[list[str] | None]:
    """Return what each record states: one text, or several; None where nothing is stated."""
    import pandas as pd

    return [
        [str(each) for each in value]
        if isinstance(value, list | tuple | np.ndarray)
        else None
        if pd.isna(value)
        else [str(value)]
        for value in column
    ]


def _unit(records: pd.DataFrame, name: str) -> str | None:
    """Return the unit that the facts of the corpora state of a number."""
    if name not in records:
        return _PLAIN[name]
    units: dict[str, str] = {}
    for corpus in sorted(set(records["corpus"][records[name].notna()].astype(str))):
        for label in _labels_of(corpus):
            if label.name == name.removeprefix("label_") and label.unit is not None:
                units[label.unit] = corpus
    if len(units) > 1:
        said = ", ".join(f"{unit} in {corpus}" for unit, corpus in units.items())
        raise ShardError(f"{name} has several units: {said}")
    return next(iter(units), None)
