"""What `split` of a `ShardSpec` can be: fractions, a published split, rules, or early and late."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Literal

from physioprep.errors import CorpusError, ShardError
from physioprep.splits import PARTS, Split, check_split

#: Fractions by name; the name of a published split; rules by part; ``{"chronological": {...}}``.
Choice = Mapping[str, Any] | str
CHRONOLOGICAL: Final = "chronological"
#: Of a split: a name, rules, shares of the subjects (by a hash) or of each one's windows.
Form = Literal["none", "name", "chronological", "rules", "fractions"]
#: Of ``"chronological"`` alone: our choice.
_SHARES: Final = {"train": 0.6, "validation": 0.2, "test": 0.2}
_TRIALS_OF: Final = "trials_of"


def parse_choice(value: Any) -> Choice | None:
    """Return a split in the form that a `ShardSpec` holds.

    Parameters
    ----------
    value : None, str, mapping, Split, or list of pairs
        As a user gives it, or as `choice_json` made it.

    Returns
    -------
    mapping, str or None

    Raises
    ------
    ShardError
        If it is none of these.

    Examples
    --------
    >>> parse_choice("chronological")
    {'chronological': {'train': 0.6, 'validation': 0.2, 'test': 0.2}}
    >>> parse_choice([["train", 0.5], ["test", 0.5]])
    {'train': 0.5, 'test': 0.5}
    """
    if isinstance(value, Split):
        value = {**value.parts, **({_TRIALS_OF: value.trials_of} if value.trials_of else {})}
    if value is None or (isinstance(value, str) and value != CHRONOLOGICAL):
        return value
    if value == CHRONOLOGICAL:
        return {CHRONOLOGICAL: dict(_SHARES)}
    try:
        found = dict(value)
    except (TypeError, ValueError):
        raise ShardError(f"split {str(value)[:80]!r}: a name, fractions or rules") from None
    if set(found) == {CHRONOLOGICAL} and not isinstance(found[CHRONOLOGICAL], int | float):
        shares = found[CHRONOLOGICAL]
        return {CHRONOLOGICAL: dict(_SHARES if shares is None else shares)}
    if "rules" in found and set(found) <= {"rules", _TRIALS_OF}:  # from `choice_json`
        return dict(found["rules"]) | {
            key: text for key, text in found.items() if key == _TRIALS_OF and text
        }
    return found


def form_of(choice: Choice | None) -> Form:
    """Return which of its forms a split has.

    Parameters
    ----------
    choice : Choice or None
        From `parse_choice`.

    Returns
    -------
    {"none", "name", "chronological", "rules", "fractions"}

    Examples
    --------
    >>> form_of({"train": {"subjects": ["1"]}}), form_of({"train": 0.5, "test": 0.5})
    ('rules', 'fractions')
    """
    if choice is None:
        return "none"
    if isinstance(choice, str):
        return "name"
    if CHRONOLOGICAL in choice:
        return CHRONOLOGICAL
    own = any(isinstance(value, Mapping) for value in choice.values())
    return "rules" if own else "fractions"


def own_split(choice: Mapping[str, Any]) -> Split:
    """Return the split of a user's own rules.

    Parameters
    ----------
    choice : mapping
        Rules by part, and perhaps ``trials_of``.

    Returns
    -------
    Split
    """
    parts = {name: rules for name, rules in choice.items() if name != _TRIALS_OF}
    return Split("of the recipe", "", "", parts, choice.get(_TRIALS_OF))


def choice_cause(choice: Choice | None) -> str:
    """Return what is wrong with a split, or "".

    Parameters
    ----------
    choice : Choice or None
        From `parse_choice`.

    Returns
    -------
    str

    Examples
    --------
    >>> choice_cause({"train": 0.5, "test": 0.4})
    'the fractions of a split must sum to 1'
    >>> choice_cause({"chronological": {"early": 1}})
    "chronological: no part 'early'; they are train, validation, test"
    """
    form = form_of(choice)
    if choice is None or isinstance(choice, str):
        return "" if choice is None or choice.strip() else "a split has a name"
    if form == "rules":
        try:
            check_split(own_split(choice), "split")
        except CorpusError as error:
            return str(error)
        return ""
    shares, what = choice, ""
    if form == CHRONOLOGICAL:
        shares, what = choice[CHRONOLOGICAL], "chronological: "
        if len(choice) > 1 or not isinstance(shares, Mapping):
            return "chronological: shares by part were expected"
        for name in shares:
            if name not in PARTS:
                return f"{what}no part {name!r}; they are {', '.join(PARTS)}"
    numbers = list(shares.values())
    if not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
        return f"{what}the fractions of a split are numbers, its rules mappings"
    if not all(math.isfinite(n) for n in numbers) or abs(sum(numbers) - 1) >= 1e-6:
        return f"{what}the fractions of a split must sum to 1"
    return "" if min(numbers) >= 0 else f"{what}the fractions of a split must not be negative"


def choice_json(choice: Choice | None) -> Any:
    """Return a split as JSON values, in which the order of its parts is kept.

    Parameters
    ----------
    choice : Choice or None

    Returns
    -------
    list, dict, str or None
        `parse_choice` reads it again.
    """
    if choice is None or isinstance(choice, str):
        return choice
    form = form_of(choice)
    if form == "rules":
        content = own_split(choice).content
        return {"rules": content["parts"], _TRIALS_OF: content[_TRIALS_OF]}
    if form == CHRONOLOGICAL:
        return {CHRONOLOGICAL: [list(pair) for pair in choice[CHRONOLOGICAL].items()]}
    return list(choice.items())  # the form of shards that are older than the others


def choice_parts(choice: Choice | None) -> tuple[str, ...]:
    """Return the names of the parts whose codes a plan holds.

    Parameters
    ----------
    choice : Choice or None

    Returns
    -------
    tuple of str
    """
    if isinstance(choice, Mapping) and CHRONOLOGICAL in choice:
        return tuple(choice[CHRONOLOGICAL])
    return PARTS
