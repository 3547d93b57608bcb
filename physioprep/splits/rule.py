"""A split as data, and what is wrong with one that somebody wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from physioprep.errors import CorpusError
from physioprep.query import query_columns
from physioprep.splits.names import expand
from physioprep.suggest import did_you_mean

#: What a part of a published split is for.
PARTS: Final = ("train", "validation", "test")
#: Rules that list names.
LISTS: Final = ("subjects", "records", "folders")
#: Rules on the windows of a record.
OF_WINDOWS: Final = ("trials", "windows")
RULES: Final = (*LISTS, "column", "exactly", "order", "csv", "where", "rest", *OF_WINDOWS)


@dataclass(frozen=True)
class Split:
    """A published split: what ``splits`` of ``manifests/<corpus>.yaml`` holds.

    Parameters
    ----------
    name : str
        As ``--split`` takes it: the paper or repository that defines it.
    what : str
        What it is, and what it is not.
    citation : str
        Where it is defined.
    parts : mapping of str to mapping
        By part (see `PARTS`): the rules that its records keep to, all of them. ``subjects``,
        ``records`` and ``folders`` are lists (``S001-S070`` is a range, ``*`` matches any text);
        ``column: {name: list}`` values of a column (``exactly`` has no ranges and wildcards);
        ``where`` a query on the records; ``order:
        {of: column, take: [from, to], within: columns}`` the first ones in sorted order, by
        number or (with a point) by share; ``csv: {file, key, column, values}`` a table of the
        publisher; ``rest: true`` what is in no other part. ``trials`` (numbers from 0) and
        ``windows`` (a query) choose windows.
    trials_of : str or None
        Query on the annotations: which are the trials that are numbered. None: all.

    Examples
    --------
    >>> parts = {"train": {"subjects": ["chb01-chb20"]}, "test": {"rest": True}}
    >>> Split("mine", "by case", "none", parts).per_window
    False
    """

    name: str
    what: str
    citation: str
    parts: Mapping[str, Mapping[str, Any]]
    trials_of: str | None = None

    @property
    def per_window(self) -> bool:
        """Whether windows of one record can be in several parts.

        Returns
        -------
        bool
        """
        return any(set(OF_WINDOWS) & set(rules) for rules in self.parts.values())

    @property
    def counts_trials(self) -> bool:
        """Whether the rules name trials by their numbers.

        Returns
        -------
        bool
        """
        return any(
            "trials" in rules or "event" in query_columns(rules.get("windows", "True"), "windows")
            for rules in self.parts.values()
        )

    @property
    def content(self) -> dict[str, Any]:
        """The rule as JSON values, without the words about it: what decides the result.

        Returns
        -------
        dict
        """
        parts = [[part, _plain(rules)] for part, rules in self.parts.items()]
        return {"parts": parts, "trials_of": self.trials_of}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def check_split(split: Split, where: str) -> None:
    """Raise an error unless the rules of a split can be applied.

    Parameters
    ----------
    split : Split
    where : str
        What it is, for the error.

    Raises
    ------
    CorpusError
        If a part or rule is unknown, or a value has another form.

    Examples
    --------
    >>> check_split(Split("x", "", "", {"train": {"subject": ["a"]}}), "split 'x'")
    Traceback (most recent call last):
        ...
    physioprep.errors.CorpusError: split 'x': part 'train': no rule 'subject'; did you mean ...
    """
    if not split.parts:
        raise CorpusError(f"{where}: no parts")
    for part, rules in split.parts.items():
        if part not in PARTS:
            hint = did_you_mean(part, PARTS) or f" (they are {', '.join(PARTS)})"
            raise CorpusError(f"{where}: no part {part!r}{hint}")
        here = f"{where}: part {part!r}"
        if not isinstance(rules, Mapping) or not rules:
            raise CorpusError(f"{here}: a mapping of rules was expected")
        for name, value in rules.items():
            if name not in RULES:
                hint = did_you_mean(str(name), RULES) or f" (they are {', '.join(RULES)})"
                raise CorpusError(f"{here}: no rule {name!r}{hint}")
            cause = _cause(str(name), value)
            if cause:
                raise CorpusError(f"{here}: {name}: {cause}")
        if "rest" in rules and len(rules) > 1:
            raise CorpusError(f"{here}: 'rest' stands alone")


def _cause(name: str, value: Any) -> str:
    """Return what is wrong with the value of a rule, or ""."""
    if name in (*LISTS, "trials"):
        return _list_cause(value)
    if name in ("where", "windows"):
        return "" if isinstance(value, str) and value.strip() else "a query was expected"
    if name == "rest":
        return "" if value is True else "it is true, or is left out"
    if not isinstance(value, Mapping):
        return f"a mapping was expected, not {str(value)[:40]!r}"
    if name in ("column", "exactly"):
        if not value:
            return "no column is named"
        return next(filter(None, map(_list_cause, value.values())), "")
    return _order_cause(value) if name == "order" else _csv_cause(value)


def _list_cause(value: Any) -> str:
    if not isinstance(value, list | tuple) or not value:
        return f"a list of names was expected, not {str(value)[:40]!r}"
    if not all(isinstance(item, str | int | float) for item in value):
        return "a list of names was expected"
    try:
        expand(value)
    except ValueError as error:
        return str(error)
    return ""


def _order_cause(value: Mapping[str, Any]) -> str:
    if not {"of", "take"} <= set(value) <= {"of", "take", "within"}:
        return "it has 'of', 'take' and perhaps 'within'"
    take = value["take"]
    if not isinstance(value["of"], str) or not isinstance(take, list | tuple) or len(take) != 2:
        return "'of' is a column, 'take' is [from, to]"
    for end in take:
        if end is not None and (isinstance(end, bool) or not isinstance(end, int | float)):
            return f"take: {end!r} is no number"
        if end is not None and (end < 0 or (isinstance(end, float) and end > 1)):
            return f"take: {end!r}: a number from 0, or a share (with a point) of at most 1"
    within = value.get("within", ())
    if not isinstance(within, list | tuple) or not all(isinstance(one, str) for one in within):
        return "'within' is a list of columns"
    return ""


def _csv_cause(value: Mapping[str, Any]) -> str:
    needed = {"file", "key", "column", "values"}
    if not needed <= set(value) <= needed | {"of"}:
        return "it has 'file', 'key', 'column', 'values' and perhaps 'of'"
    texts = [value[name] for name in ("file", "key", "column")] + [value.get("of", "record_id")]
    if not all(isinstance(text, str) and text for text in texts):
        return "'file', 'key', 'column' and 'of' are texts"
    return _list_cause(value["values"])
