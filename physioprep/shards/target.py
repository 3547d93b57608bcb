"""What a label of shards is: one class, several, a number or a text; of a window or its epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from physioprep.shards.cache import ShardFiles
from physioprep.shards.metadata import read_metadata
from physioprep.store.format.layout import array_name

KINDS: Final = ("class", "classes", "number", "text")
#: In a target of several classes: the source does not say whether the class holds.
NOT_STATED: Final = 255


@dataclass(frozen=True)
class Target:
    """A label of shards, as a training target.

    Parameters
    ----------
    name : str
        With its ``label_``.
    kind : {"class", "classes", "number", "text"}
        ``"class"``: one category of each window, int64 (window,), -1 unknown. ``"classes"``:
        any number of categories, uint8 (window, class): 1 present, 0 absent, 255 not stated.
        ``"number"``: float32 (window,), NaN unknown; float64 where a whole number would lose
        digits. ``"text"``: a text of the record.
    categories : tuple of str
        Meaning of code or column 0, 1, ...; empty for numbers and texts.
    unit : str or None
        Of a number, where it is known.
    n_epochs : int or None
        Epochs of a window, where each has its own label: values then have a second axis of
        this length. None: one label a window.

    Examples
    --------
    >>> Target("label_stage", "class", ("N1", "N2"), n_epochs=20).is_sequence
    True
    """

    name: str
    kind: str
    categories: tuple[str, ...] = ()
    unit: str | None = None
    n_epochs: int | None = None

    @property
    def is_sequence(self) -> bool:
        """Whether each epoch of a window has its own label.

        Returns
        -------
        bool
        """
        return self.n_epochs is not None


def label_name(label: str, known: Sequence[str]) -> str | None:
    """Return the full name of a label.

    Parameters
    ----------
    label : str
        With or without its ``label_``.
    known : sequence of str
        Full names.

    Returns
    -------
    str or None
        None where it is not among `known`.

    Examples
    --------
    >>> label_name("stage", ["label_stage"])
    'label_stage'
    """
    name = label if label.startswith("label_") else f"label_{label}"
    return name if name in known else None


def epochs_of(attrs: Mapping[str, Any]) -> int | None:
    """Return how many epochs a window of shards has.

    Parameters
    ----------
    attrs : mapping
        Attributes of the root group.

    Returns
    -------
    int or None
        None where windows are not cut into epochs.

    Examples
    --------
    >>> epochs_of({"spec": {"window_s": 600.0, "epoch_s": 30.0}})
    20
    """
    spec = attrs["spec"]
    return round(spec["window_s"] / spec["epoch_s"]) if spec.get("epoch_s") else None


def read_target(files: ShardFiles, name: str) -> Target:
    """Read what the array of a label holds.

    Parameters
    ----------
    files : ShardFiles
    name : str
        Of a label that is an array, with its ``label_``.

    Returns
    -------
    Target

    Raises
    ------
    ValueError
        The array's attributes and its shape contradict one another.
    """
    metadata = read_metadata(files, array_name(name))
    attributes: dict[str, Any] = metadata["attributes"]
    found = attributes.get("categories")
    # Shards made before there were several kinds do not name it.
    kind = attributes.get("kind", "number" if found is None else "class")
    categories = () if found is None else tuple(map(str, found))
    width = list(metadata["shape"][1:])
    if kind == "classes" and (not width or width.pop() != len(categories)):
        raise ValueError(f"{name}: {len(categories)} categories in an array {metadata['shape']}")
    if kind not in KINDS[:3] or len(width) > 1:
        raise ValueError(f"{name}: {kind!r} in an array {metadata['shape']}")
    return Target(name, kind, categories, attributes.get("unit"), width[0] if width else None)
