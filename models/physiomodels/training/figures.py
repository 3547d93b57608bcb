"""The figures of a fine-tuned model as its card has them, for a summary and a small table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

_NO_VALIDATION: Final = "none: the last epoch is kept (no window of part validation)"
_NO_TEST: Final = "none: no window of part test with a label"
#: Names that a line lists.
_SHOWN: Final = 5


def in_words(card: Mapping[str, Any]) -> dict[str, str]:
    """Return what a card says of validation and test, as lines of a summary.

    Parameters
    ----------
    card : mapping
        Of `physiomodels.finetune`.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> held = {"epoch": 3, "epochs": 10, "metric": "auroc", "value": 0.91234, "windows": 40}
    >>> in_words({"validation": held, "test": None})
    {'epoch kept': '3 of 10', 'validation': 'auroc 0.9123 on 40 windows',
     'test': 'none: no window of part test with a label'}
    """
    said: dict[str, str] = {}
    validation, test = card["validation"], card["test"]
    if validation is None:
        said["validation"] = _NO_VALIDATION
    else:
        said["epoch kept"] = f"{validation['epoch']} of {validation['epochs']}"
        value = _text(validation["value"])
        said["validation"] = f"{validation['metric']} {value} on {validation['windows']} windows"
    if test is None:
        return said | {"test": _NO_TEST}
    unit = unit_of(test)
    people = f"{test[unit]} {unit}" if test[unit] != 1 else f"one {unit.removesuffix('s')}"
    said["test"] = f"{test['windows']} windows of {people}, scored once"
    if test["of_other_classes"]:
        said["test: not scored"] = (
            f"{test['of_other_classes']} windows of classes that no training window has"
        )
    if met := test["also_trained"]:
        more = f" and {len(met) - _SHOWN} more" if len(met) > _SHOWN else ""
        said["test: warning"] = f"also trained on: {', '.join(met[:_SHOWN])}{more}"
    for name, count in test["also_pretrained"].items():
        said[f"test: encoder {name}"] = f"its pretraining met {count} of the test's {unit}"
    return said


def unit_of(test: Mapping[str, Any]) -> str:
    """Return whose windows were drawn for the intervals of a test.

    Parameters
    ----------
    test : mapping
        Of a card.

    Returns
    -------
    {"subjects", "records"}
    """
    return "subjects" if "subjects" in test else "records"


def table_of_test(test: Mapping[str, Any]) -> tuple[tuple[str, ...], list[list[object]]]:
    """Return the scores of a test as a table.

    Parameters
    ----------
    test : mapping
        Of a card.

    Returns
    -------
    columns : tuple of str
    rows : list of list
        One per metric: value, and ends of its interval.
    """
    ci = f"ci95_{unit_of(test)}"
    rows: list[list[object]] = [
        [name, _text(one["value"]), _interval(one[ci])] for name, one in test["metrics"].items()
    ]
    return ("test", "value", f"95 % over {unit_of(test)}"), rows


def _interval(ends: Sequence[float | None]) -> str:
    return "unknown" if None in ends else " to ".join(map(_text, ends))


def _text(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
