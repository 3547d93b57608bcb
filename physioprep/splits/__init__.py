"""Published splits as data: which records, or windows, are for training, validation and test.

`Split` is what ``manifests/<corpus>.yaml`` states, `assign` applies it to the records of a corpus.
"""

from physioprep.splits.assign import Assignment, Windows, assign
from physioprep.splits.names import expand
from physioprep.splits.rule import PARTS, Split, check_split

__all__ = [
    "PARTS",
    "Assignment",
    "Split",
    "Windows",
    "assign",
    "check_split",
    "expand",
]
