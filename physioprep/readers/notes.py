"""What libraries warn of while they read a file: it goes into the recording's notes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from physioprep.recording import Header, Recording

#: Warnings about a library's own code: they say nothing of the file.
_OF_CODE: Final = (
    DeprecationWarning,
    PendingDeprecationWarning,
    ImportWarning,
    ResourceWarning,
)
#: Most notes of a file, and characters of each; a damaged file may give one for every marker.
_MOST: Final = 50
_LONGEST: Final = 300


@contextmanager
def collected() -> Iterator[list[str]]:
    """Collect all that is warned of while the block runs, instead of printing it.

    Not for threads: Python keeps the filters of warnings once per process.

    Yields
    ------
    list of str
        Filled when the block ends: each text once, on one line.

    Examples
    --------
    >>> with collected() as notes:
    ...     warnings.warn("the file is odd", RuntimeWarning)
    >>> notes
    ['the file is odd']
    """
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for category in _OF_CODE:
            warnings.simplefilter("ignore", category)
        yield notes
    texts = dict.fromkeys(" ".join(str(item.message).split()) for item in caught)
    notes += [text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…" for text in texts][:_MOST]
    if len(texts) > _MOST:
        notes.append(f"and {len(texts) - _MOST} more warnings")


def with_notes(result: Any, notes: list[str]) -> Any:
    """Add notes to a recording or header.

    Parameters
    ----------
    result : Recording, Header or anything else
        The latter is returned as it is.
    notes : list of str

    Returns
    -------
    Any
        A copy with ``metadata["notes"]``.

    Examples
    --------
    >>> from pathlib import Path
    >>> with_notes(Header(Path("a.mat"), "mat", (), ()), ["odd"]).metadata
    {'notes': ['odd']}
    """
    if not notes or not isinstance(result, Recording | Header):
        return result
    metadata = dict(result.metadata)
    metadata["notes"] = [*metadata.get("notes", ()), *notes]
    return replace(result, metadata=metadata)
