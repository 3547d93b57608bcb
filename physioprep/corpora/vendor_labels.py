"""Labels from what the devices of clinical files say: their measurements and statements.

The word ``vendor`` makes a label of each measurement (``label_pr_ms``), and of all statements
(``label_statement_codes``, ``label_statements``). A YAML file says which, and what they mean::

    pr: {measurement: pr_ms}              # label_pr, a number
    codes: {statements: codes}            # a list; or texts
    af: {statement: [161, atrial fibrillation]}              # true or false
    rhythm: {statement: {af: [161], sinus: [19, sinus rhythm]}}   # the first that fits

A number, or a text that is a statement's whole code, means that code; other texts are looked for as
whole words in the texts of statements, in capitals or not. Where a file has no statements, or one
was left out since it names a person and none of the others fits, the label is unknown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from physioprep import limits
from physioprep.corpora.entry import Entry, LabelValue
from physioprep.documents import load_yaml
from physioprep.errors import CorpusError, UnreadableFileError
from physioprep.plain_text import quoted
from physioprep.readers.regular import read_text
from physioprep.suggest import did_you_mean

#: Asks for a label of everything.
VENDOR: Final = "vendor"
#: What a file says of labels: rules by the names of labels, or `VENDOR`.
Rules = Mapping[str, Mapping[str, Any]] | str
_KINDS: Final = ("measurement", "statement", "statements")
_NAME: Final = re.compile(r"\w[\w-]{0,99}")


def read_rules(source: str | Path | None) -> Rules | None:
    """Read which labels are made of measurements and statements.

    Parameters
    ----------
    source : path-like or None
        A YAML file, or the word ``vendor``. None: no labels.

    Returns
    -------
    Rules or None

    Raises
    ------
    CorpusError
        The file cannot be read, or says something else.

    Examples
    --------
    >>> read_rules("vendor"), read_rules(None)
    ('vendor', None)
    """
    if source is None or str(source) == VENDOR:
        return None if source is None else VENDOR

    def refuse(cause: str) -> CorpusError:
        return CorpusError(f"{source}: {cause}")

    try:
        text = read_text(source, limits.MAX_YAML_BYTES)
    except UnreadableFileError as error:
        raise CorpusError(str(error)) from None
    said = load_yaml(text, refuse)
    if not isinstance(said, dict) or not said:
        raise CorpusError(f"{source}: names no label, as in 'pr: {{measurement: pr_ms}}'")
    rules: dict[str, Mapping[str, Any]] = {}
    for key, rule in said.items():
        name = str(key).removeprefix("label_")
        if not _NAME.fullmatch(name):
            raise CorpusError(f"{source}: {quoted(str(key)[:40])} is no name of a label")
        if not isinstance(rule, dict) or len(rule) != 1:
            raise CorpusError(f"{source}: {name}: say one of {', '.join(_KINDS)}")
        rules[name] = _checked(name, rule, refuse)
    return rules


def _checked(name: str, rule: Mapping[str, Any], refuse: Any) -> dict[str, Any]:
    kind, said = next(iter(rule.items()))
    if kind == "measurement" and isinstance(said, str):
        return {kind: said}
    if kind == "statements" and said in ("codes", "texts"):
        return {kind: said}
    if kind == "statement":
        if isinstance(said, dict) and said:
            return {kind: {str(each): _wanted(name, some, refuse) for each, some in said.items()}}
        return {kind: _wanted(name, said, refuse)}
    if kind in _KINDS:
        raise refuse(f"{name}: {kind} is not {'codes or texts' if kind[-1] == 's' else 'a name'}")
    raise refuse(f"{name}: unknown key {quoted(str(kind)[:40])}{did_you_mean(str(kind), _KINDS)}")


def _wanted(name: str, said: Any, refuse: Any) -> list[str]:
    """Return codes and words of statements as texts."""
    items = said if isinstance(said, list) else [said]
    for each in items:
        if isinstance(each, bool) or not isinstance(each, str | int) or not str(each).strip():
            raise refuse(f"{name}: statement {quoted(str(each)[:40])}: neither a code nor a text")
    if not items:
        raise refuse(f"{name}: names no statement")
    return [str(each).strip() for each in items]


def with_vendor_labels(entry: Entry, metadata: Mapping[str, Any], rules: Rules | None) -> Entry:
    """Add labels of what a header says of measurements and statements.

    Parameters
    ----------
    entry : Entry
        Labels that it has stay.
    metadata : mapping
        Of the header: ``"measurements"``, ``"statements"``, ``"statements_left_out"``.
    rules : Rules or None
        As `read_rules` gives them.

    Returns
    -------
    Entry

    Examples
    --------
    >>> said = {"measurements": {"pr_ms": 160}, "statements": [{"code": "161", "text": "AF"}]}
    >>> with_vendor_labels(Entry("a", "a.xml"), said, {"af": {"statement": ["161"]}}).labels
    {'af': 'true'}
    """
    if rules is None:
        return entry
    measured, statements = metadata.get("measurements") or {}, metadata.get("statements")
    left_out = bool(metadata.get("statements_left_out"))
    made: dict[str, LabelValue] = {}
    if isinstance(rules, str):
        made |= {name: _number(value) for name, value in measured.items()}
        if statements is not None:
            made["statement_codes"] = _all(statements, "code")
            made["statements"] = _all(statements, "text")
    else:
        for name, rule in rules.items():
            kind, said = next(iter(rule.items()))
            if kind == "measurement":
                made[name] = _number(measured.get(said))
            elif kind == "statements":
                key = "code" if said == "codes" else "text"
                made[name] = None if statements is None else _all(statements, key)
            else:
                made[name] = _class(statements, said, left_out=left_out)
    return replace(entry, labels={**made, **entry.labels}) if made else entry


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _all(statements: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    return list(dict.fromkeys(str(each[key]) for each in statements if each.get(key)))


def _class(
    statements: Sequence[Mapping[str, Any]] | None,
    said: Sequence[str] | Mapping[str, Sequence[str]],
    *,
    left_out: bool,
) -> str | None:
    """Return the class of a record by its statements."""
    if not statements:
        return None
    classes = said if isinstance(said, Mapping) else {"true": said}
    for name, wanted in classes.items():
        if any(_fits(each, text) for text in wanted for each in statements):
            return name
    return None if left_out or isinstance(said, Mapping) else "false"


def _fits(statement: Mapping[str, Any], wanted: str) -> bool:
    if str(statement.get("code", "")) == wanted:
        return True
    if wanted.isdecimal():
        return False  # of a code; "12 leads" is no code 12
    pattern = rf"(?<!\w){re.escape(wanted)}(?!\w)"
    return re.search(pattern, str(statement.get("text", "")), re.IGNORECASE) is not None


def empty_labels(columns: Mapping[str, list[Any]], rules: Rules | None) -> list[str]:
    """Say which labels that were asked for no recording has.

    Parameters
    ----------
    columns : mapping of str to list
        Of the manifest.
    rules : Rules or None
        As `read_rules` gives them.

    Returns
    -------
    list of str
    """
    if rules is None:
        return []
    if isinstance(rules, str):
        found = any(name.startswith("label_") for name in columns)
        return [] if found else ["labels: no recording has measurements or statements"]
    empty = [
        name
        for name in rules
        if all(value is None for value in columns.get(f"label_{name}", [None]))
    ]
    return [f"label_{name}: no recording has it ({rules[name]})" for name in empty]
