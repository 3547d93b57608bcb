"""A label of each window, made from the annotations: what is asked for, and how it is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Final

from physioprep.documents import load_yaml, read_text
from physioprep.errors import ShardError
from physioprep.patterns import matches
from physioprep.suggest import did_you_mean

RULES: Final = ("majority", "any", "centre", "all", "own")


@dataclass(frozen=True, kw_only=True)
class AnnotationLabel:
    """A label of each window, made from the annotations of its record.

    Parameters
    ----------
    name : str
        Becomes the array and column ``label_<name>``.
    where : str or None
        Pandas query on the annotations (``onset, duration, text, source, code, channel,
        subtype, num``, and the columns of their records) that selects which ones count. None: all.
    of : {"text", "code"}
        Which field of an annotation names its category.
    categories : mapping of str to str, sequence of (str, str), or None
        Regular expressions and the category of each. An annotation has the category of the
        first expression that matches the whole of its text (or code); annotations that match
        none do not count. None: the text (or code) itself is the category. As in queries, there
        is no look-around and no back-reference.
    cases : mapping of str to str, sequence of (str, str), or None
        In place of `of` and `categories`: the query that makes an annotation one of a category,
        by category; the first that holds decides. Queries are as in `where`, so that a category
        can depend on annotation and record together.
    number : bool
        The text is a number, and so is the label: the value that holds at most, not a category.
    rule : {"majority", "any", "centre", "all", "own"}
        ``"majority"``: the category that holds for most of the window (for instants: that most
        annotations in the window have). ``"any"``: the first of `categories` that occurs in the
        window at all. ``"centre"``: the category that holds at the window's middle (for
        instants: of the annotation nearest to the middle, within 0.15 s). ``"all"``: every
        category that occurs in the window, so that the label is several classes at once.
        ``"own"``: that of the annotation that the window is aligned to.
    lasts : bool
        True: an annotation holds for its stated duration; if none is stated, until the next
        annotation of the same source and code (WFDB rhythm changes), or the record's end. Where
        several hold, the one that began last decides. False: it is an instant (beats).
    otherwise : str or None
        Category where no annotation holds. None: unknown. With rule ``"all"`` also ``""``: none
        of the categories holds there, and there is no further one.
    spans : bool
        Keep the annotations' intervals beside the windows, for event scoring: `Shards.spans`.

    Raises
    ------
    ShardError
        If a value is not allowed.

    Examples
    --------
    >>> AnnotationLabel(name="beat", of="code", lasts=False, rule="any",
    ...                 categories={"[VE]": "ventricular", "[NLR]": "normal"}).pairs
    (('[VE]', 'ventricular'), ('[NLR]', 'normal'))
    """

    name: str
    where: str | None = None
    of: str = "text"
    categories: Mapping[str, str] | Sequence[tuple[str, str]] | None = None
    rule: str = "majority"
    lasts: bool = True
    otherwise: str | None = None
    spans: bool = False
    cases: Mapping[str, str] | Sequence[tuple[str, str]] | None = None
    number: bool = False

    def __post_init__(self) -> None:
        about = f"annotation label {self.name!r}"
        checks = (
            (self.name.isidentifier(), f"{about}: a name is letters, digits and _"),
            (self.of in ("text", "code"), f"{about}: of is 'text' or 'code', not {self.of!r}"),
            (self.rule in RULES, f"{about}: rule {self.rule!r} is none of {', '.join(RULES)}"),
            (
                self.rule != "any" or bool(self.categories or self.cases),
                f"{about}: rule 'any' needs categories, in the order in which they win",
            ),
            (
                not (self.cases and self.categories),
                f"{about}: give categories or cases, not both",
            ),
            (
                not self.number or not (self.cases or self.categories or self.otherwise),
                f"{about}: a number has no categories",
            ),
            (not self.number or self.rule != "all", f"{about}: a number is one at a time"),
            (
                self.rule == "all" or self.otherwise != "",
                f"{about}: otherwise is a category; '' is for rule 'all'",
            ),
        )
        for good, cause in (*self._types(about), *checks):
            if not good:
                raise ShardError(cause)
        for pattern, _ in self.pairs or ():
            matches((), pattern, "fullmatch", lambda cause: ShardError(f"{about}: {cause}"))

    def _types(self, about: str) -> Iterator[tuple[bool, str]]:
        """Yield whether each field is of its type, and what to say where it is not."""
        for key in ("lasts", "spans"):
            value = getattr(self, key)
            yield isinstance(value, bool), f"{about}: {key} is true or false, not {value!r}"
        held = self.categories
        names = [*(held.values() if isinstance(held, Mapping) else (n for _, n in held or ()))]
        for value in (*names, *([] if self.otherwise is None else [self.otherwise])):
            # 1e5 would become '100000.0'
            text = isinstance(value, str | int) and not isinstance(value, bool)
            yield text, f"{about}: category {value!r} is no text; write it in quotes"

    @property
    def pairs(self) -> tuple[tuple[str, str], ...] | None:
        """Regular expressions and their categories, in order; None where there are none.

        Returns
        -------
        tuple of (str, str), or None
        """
        return _pairs(self.categories)

    @property
    def queries(self) -> tuple[tuple[str, str], ...] | None:
        """Categories and the query of each, in order; None where there are none.

        Returns
        -------
        tuple of (str, str), or None
        """
        return _pairs(self.cases)

    def normalised(self) -> AnnotationLabel:
        """Return the same label with its categories and cases as tuples of pairs.

        Returns
        -------
        AnnotationLabel
        """
        return dataclasses.replace(self, categories=self.pairs, cases=self.queries)


def _pairs(
    held: Mapping[str, str] | Sequence[tuple[str, str]] | None,
) -> tuple[tuple[str, str], ...] | None:
    if held is None:
        return None
    items = held.items() if isinstance(held, Mapping) else held
    return tuple((str(first), str(second)) for first, second in items)


def parse_annotation_labels(
    labels: Sequence[AnnotationLabel] | Mapping[str, Mapping[str, Any]],
) -> tuple[AnnotationLabel, ...]:
    """Return labels that were given as objects, or as a mapping as a YAML file has them.

    Parameters
    ----------
    labels : sequence of AnnotationLabel, or mapping of str to mapping
        As a mapping: the name of each label, and its other fields by name.

    Returns
    -------
    tuple of AnnotationLabel
        Their categories as tuples of pairs.

    Raises
    ------
    ShardError
        If a field is unknown, or its value is not allowed.

    Examples
    --------
    >>> parse_annotation_labels({"stage": {"rule": "centre"}})[0].rule
    'centre'
    """
    if not isinstance(labels, Mapping):
        return tuple(label.normalised() for label in labels)
    parsed = []
    for name, fields in labels.items():
        _check_fields(f"annotation label {name!r}", fields)
        parsed.append(AnnotationLabel(name=str(name), **fields).normalised())
    return tuple(parsed)


#: What the fields of a label hold, as a YAML file has them, and how to say it.
_FIELDS: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "where": ((str, NoneType), "a text"),
    "of": ((str,), "a text"),
    "categories": ((Mapping, list, tuple, NoneType), "a mapping of patterns to texts"),
    "rule": ((str,), "a text"),
    "lasts": ((bool,), "true or false"),
    "otherwise": ((str, NoneType), "a text"),
    "spans": ((bool,), "true or false"),
    "cases": ((Mapping, list, tuple, NoneType), "a mapping of texts to queries"),
    "number": ((bool,), "true or false"),
}


def _check_fields(about: str, fields: Any) -> None:
    """Refuse fields that a label does not have, or of another type."""
    if not isinstance(fields, Mapping):
        raise ShardError(f"{about}: {fields!r}: not a mapping of its fields")
    for key, value in fields.items():
        if key not in _FIELDS:
            hint = did_you_mean(str(key), _FIELDS) or f" (known: {', '.join(_FIELDS)})"
            raise ShardError(f"{about}: unknown key `{key}`{hint}")
        kinds, words = _FIELDS[key]
        if not isinstance(value, kinds):
            raise ShardError(f"{about}: {key}: {value!r} is not {words}")


def read_annotation_labels(file: Path) -> tuple[AnnotationLabel, ...]:
    """Read labels from a YAML file: a mapping of their names to their fields.

    Parameters
    ----------
    file : Path
        In UTF-8; see docs/shards.md.

    Returns
    -------
    tuple of AnnotationLabel

    Raises
    ------
    ShardError
        If the file cannot be read, is not such a mapping, or a value is not allowed.
    """
    text = read_text(file, lambda cause: ShardError(f"{file}: {cause}"))
    labels = load_yaml(text, lambda cause: ShardError(f"{file}: {cause}"))
    if not isinstance(labels, dict) or not all(isinstance(each, dict) for each in labels.values()):
        raise ShardError(f"{file}: not a mapping of label names to their fields")
    try:
        return parse_annotation_labels(labels)
    except ShardError as error:
        raise ShardError(f"{file}: {error}") from None
