"""The option ``--split`` of `physioprep shard`, in all its forms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physioprep.errors import PhysioprepError

if TYPE_CHECKING:
    from physioprep.shards.split_choice import Choice


def split_of(
    texts: Sequence[str] | None, stores: Sequence[str], raw: Path | None = None
) -> Choice | None:
    """Return the split that ``--split`` states, as `ShardSpec.of` takes it.

    Parameters
    ----------
    texts : sequence of str or None
        ``NAME=FRACTION``, one for each part; a name; ``chronological``, alone or with fractions; or
        a YAML file of rules by part.
    stores : sequence of str
        Whose corpora hold the split, where `raw` is given.
    raw : Path, optional
        Raw files of the corpus: tables of the publisher that the split needs are read there.

    Returns
    -------
    Choice or None

    Raises
    ------
    PhysioprepError
        If it is none of these.

    Examples
    --------
    >>> split_of(["train=0.8", "test=0.2"], [])
    {'train': 0.8, 'test': 0.2}
    >>> split_of(["chronological"], [])
    'chronological'
    """
    if not texts:
        return None
    names = [text for text in texts if "=" not in text]
    if len(names) > 1 or (names and names != ["chronological"] and len(texts) > 1):
        raise PhysioprepError(f"--split {' '.join(texts)}: one name, or NAME=FRACTION of each part")
    shares = {text.partition("=")[0]: _number(text) for text in texts if "=" in text}
    if not names:
        return shares
    if shares:
        return {"chronological": shares}
    if names[0].endswith((".yaml", ".yml")):
        choice: Choice = _rules(Path(names[0]))
    else:
        choice = names[0]
    return choice if raw is None else _with_tables(choice, stores, raw)


def _number(text: str) -> float:
    try:
        value = float(text.partition("=")[2])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise PhysioprepError(f"{text!r} is not NAME=NUMBER")
    return value


def _rules(path: Path) -> dict[str, Any]:
    from physioprep.documents import load_yaml, read_text

    def refuse(cause: str) -> Exception:
        return PhysioprepError(f"{path}: {cause}")

    rules = load_yaml(read_text(path, refuse), refuse)
    if not isinstance(rules, dict):
        raise refuse("rules by part were expected: train: {subjects: [...]}")
    return rules


def _with_tables(choice: Choice, stores: Sequence[str], raw: Path) -> Choice | None:
    from physioprep.shards import listed_split
    from physioprep.store.open import open_store

    corpora = {str(one) for store in stores for one in open_store(store).records["corpus"].unique()}
    return listed_split(choice, sorted(corpora), raw)
