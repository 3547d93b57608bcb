"""The parts of the facts of a corpus: versions, labels, channel roles, known faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

#: What is done about a known fault: ``fix`` (corrected where a recipe harmonises, never in
#: a native store), ``flag`` (kept and marked), ``drop`` (marked for leaving out of training
#: sets, see docs/corpora.md).
ACTIONS: Final = ("fix", "flag", "drop")


@dataclass(frozen=True)
class Version:
    """Counts of one published version of a corpus when it is complete.

    Counts that were not checked are None.

    Parameters
    ----------
    version : str
        As in the publication, for example ``"1.0.3"``.
    records, subjects : int or None
        Recordings, counted as by a scan, and persons.
    hours : float or None
        Total duration, h.
    bytes : int or None
        Size of the unpacked download.
    labels : mapping of str to (mapping of str to int)
        Number of recordings per label and value.
    sha256sums : str or None
        SHA-256 of the publisher's SHA256SUMS.txt.
    url : str or None
        Web folder of the files of this version.
    """

    version: str
    records: int | None = None
    subjects: int | None = None
    hours: float | None = None
    bytes: int | None = None
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    sha256sums: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Label:
    """A label column of a corpus: what it means and how it is coded.

    Parameters
    ----------
    name : str
        The manifest column without ``label_``.
    what : str
        Meaning and source.
    coding : str or None
        Terminology: ``"SCP-ECG"``, ``"SNOMED CT"``, ``"AAMI EC57"``, ...
    values : mapping of str to str
        Meaning per code, where the list is short.
    unit : str or None
        Of a number: ``"years"``, ``"ms"``, ``"1/min"``, ...
    codes : mapping of str to tuple of str
        Codes of `coding` that each value stands for, where values are classes of codes.
    text : bool
        Whether it is free text (a report), which is no class: shards keep it only if asked.
    """

    name: str
    what: str
    coding: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    unit: str | None = None
    codes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    text: bool = False


@dataclass(frozen=True)
class ChannelRole:
    """The modality of channels by their source name.

    Parameters
    ----------
    match : str
        Regular expression for the whole source name.
    modality : str
        ``"ecg"``, ``"eeg"``, ...
    units : str or None
        Units, where the file states none.
    """

    match: str
    modality: str
    units: str | None = None


@dataclass(frozen=True)
class Fault:
    """A known fault of a corpus.

    Parameters
    ----------
    id : str
        Short name, used in the ``faults`` of a manifest row.
    what : str
        What is wrong.
    detected : str
        How it was detected.
    action : {'fix', 'flag', 'drop'}
        What is done about it, see `ACTIONS`.
    records : tuple of str
        Affected record ids, ``*`` as a wildcard. Empty where the header or the samples show
        the fault.
    signal : mapping
        How a header shows it: regular expressions for the whole ``name`` or ``unit`` of one
        channel, or for both. Empty where the header does not show it.
    citation : str or None
        Publication or page that documents it.
    fix : mapping
        For ``fix``: the correction, see `physioprep.corpora.fix`.
    on_checksum : {'flag'} or None
        ``flag``: an ingest takes the records although they fail the checksum of their header.
    """

    id: str
    what: str
    detected: str
    action: str
    records: tuple[str, ...] = ()
    signal: Mapping[str, str] = field(default_factory=dict)
    citation: str | None = None
    fix: Mapping[str, Any] = field(default_factory=dict)
    on_checksum: str | None = None
