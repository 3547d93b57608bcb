"""Facts of public corpora: ``manifests/<name>.yaml`` as frozen dataclasses.

A facts file states what recordings themselves do not tell: licence, citation, counts of a
complete copy, meaning of the labels, known faults. No recording is read here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from physioprep.documents import read_text
from physioprep.errors import CorpusError
from physioprep.facts_yaml import build, build_all, read_mapping
from physioprep.suggest import did_you_mean

#: What is done about a known fault: ``fix`` (corrected where a recipe harmonises, never in
#: a native store), ``flag`` (kept and marked), ``drop`` (marked for leaving out of training
#: sets, see docs/corpora.md).
ACTIONS: Final = ("fix", "flag", "drop")
#: How a corpus is obtained.
ACCESS: Final = ("open", "registration", "credentialed", "request", "made here", "your own")


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
    """

    name: str
    what: str
    coding: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)


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


@dataclass(frozen=True)
class Facts:
    """Facts of a corpus that its recordings do not tell.

    Parameters
    ----------
    name : str
        Name of the corpus, for example ``"ptb-xl"``.
    title, summary : str
        Full name; one or two sentences.
    modalities : tuple of str
        ``"ecg"``, ``"eeg"``, ...
    licence, citation, url, access : str
        As published; `access` is one of `ACCESS`.
    layout : str
        Files that a scan looks for.
    format : str
        File format.
    simulated : bool
        True where a simulator made the data.
    doi : str or None
        DOI of the data, not of the paper about them.
    obtain : str or None
        What to apply for, where `access` is not open.
    sampling_rates : tuple of float
        Hz.
    leads : str
        Channels, in words.
    subjects : str
        How subjects are identified.
    subject_alias : mapping of str to str
        Other subject ids of the same person.
    folds : str or None
        Official split, in words.
    annotations : str or None
        Annotations within recordings.
    annotators : tuple of str
        Sources (extensions of annotation files) that are the reference. Empty: all are.
    channels : tuple of ChannelRole
        Modality of channels whose names or units do not show it.
    labels : tuple of Label
    versions : tuple of Version
        Oldest first.
    faults : tuple of Fault

    Examples
    --------
    >>> facts = load_facts("mitdb")
    >>> facts.title, facts.doi, facts.version("1.0.0").records
    ('MIT-BIH Arrhythmia Database', '10.13026/C2F305', 48)
    """

    name: str
    title: str
    summary: str
    modalities: tuple[str, ...]
    licence: str
    citation: str
    url: str
    access: str
    layout: str
    format: str
    simulated: bool = False
    doi: str | None = None
    obtain: str | None = None
    sampling_rates: tuple[float, ...] = ()
    leads: str = ""
    subjects: str = ""
    subject_alias: Mapping[str, str] = field(default_factory=dict)
    folds: str | None = None
    annotations: str | None = None
    annotators: tuple[str, ...] = ()
    channels: tuple[ChannelRole, ...] = ()
    labels: tuple[Label, ...] = ()
    versions: tuple[Version, ...] = ()
    faults: tuple[Fault, ...] = ()

    def version(self, version: str) -> Version:
        """Return the facts of one version.

        Parameters
        ----------
        version : str
            As in the publication: ``"1.0.3"``.

        Returns
        -------
        Version

        Raises
        ------
        CorpusError
            It is not listed.
        """
        for known in self.versions:
            if known.version == version:
                return known
        listed = ", ".join(known.version for known in self.versions) or "none"
        raise CorpusError(f"{self.name} has no known version {version!r} (known: {listed})")

    def fault(self, fault_id: str) -> Fault:
        """Return one fault by id.

        Parameters
        ----------
        fault_id : str
            `Fault.id`.

        Returns
        -------
        Fault

        Raises
        ------
        CorpusError
            It is not listed.
        """
        for known in self.faults:
            if known.id == fault_id:
                return known
        raise CorpusError(f"{self.name} has no known fault {fault_id!r}")


def data_folder(name: str) -> Path:
    """Return the folder of the facts of corpora or of the shipped pipelines.

    Parameters
    ----------
    name : str
        ``"manifests"`` or ``"pipelines"``.

    Returns
    -------
    Path
        In an installed package inside it, in a checkout at the repository's root.

    Examples
    --------
    >>> data_folder("manifests").is_dir()
    True
    """
    package = Path(__file__).resolve().parent
    packed = package / f"_{name}"
    return packed if packed.is_dir() else package.parent / name


def list_corpora() -> list[str]:
    """Return the names of all known corpora.

    Returns
    -------
    list of str
        Sorted.

    Examples
    --------
    >>> "mitdb" in list_corpora()
    True
    """
    return sorted(path.stem for path in data_folder("manifests").glob("*.yaml"))


@cache
def load_facts(name: str) -> Facts:
    """Read the facts of a corpus.

    Parameters
    ----------
    name : str
        One of `list_corpora`.

    Returns
    -------
    Facts
        Cached and shared: do not change its mappings.

    Raises
    ------
    CorpusError
        The corpus is unknown, or its facts file is malformed.

    Examples
    --------
    >>> load_facts("eegmat").modalities
    ('eeg', 'ecg')
    """
    path = data_folder("manifests") / f"{name}.yaml"
    if name not in list_corpora():
        hint = did_you_mean(name, list_corpora()) or f"; known: {', '.join(list_corpora())}"
        raise CorpusError(f"unknown corpus {name!r}{hint}")
    return parse_facts(name, read_text(path, lambda cause: CorpusError(f"{path}: {cause}")))


def parse_facts(name: str, text: str) -> Facts:
    """Build `Facts` from the text of a facts file.

    Parameters
    ----------
    name : str
        Name of the corpus.
    text : str
        YAML.

    Returns
    -------
    Facts

    Raises
    ------
    CorpusError
        The text is not YAML, lacks a field, or has an unknown one.

    Examples
    --------
    >>> parse_facts("mine", "title: T")
    Traceback (most recent call last):
        ...
    physioprep.errors.CorpusError: facts of mine: 'summary' is missing
    """
    where = f"facts of {name}"
    raw = read_mapping(text, where)
    raw["name"] = name
    for key, kind in (
        ("channels", ChannelRole),
        ("labels", Label),
        ("versions", Version),
        ("faults", Fault),
    ):
        raw[key] = build_all(kind, raw.get(key, []), f"{where}: {key}")
    facts: Facts = build(Facts, raw, where)
    if facts.access not in ACCESS:
        raise CorpusError(f"{where}: access {facts.access!r} is not one of {', '.join(ACCESS)}")
    _check_faults(facts, where)
    patterns = [role.match for role in facts.channels]
    patterns += [pattern for fault in facts.faults for pattern in fault.signal.values()]
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise CorpusError(f"{where}: channel pattern {pattern!r}: {error}") from None
    return facts


def _check_faults(facts: Facts, where: str) -> None:
    """Raise `CorpusError` unless fault ids are unique and their actions are known."""
    ids, actions = [fault.id for fault in facts.faults], ", ".join(ACTIONS)
    for fault in facts.faults:
        if ids.count(fault.id) > 1:
            raise CorpusError(f"{where}: fault {fault.id!r} is listed twice")
        for holds, rule in (
            (fault.action in ACTIONS, f"action {fault.action!r} is not one of {actions}"),
            (set(fault.signal) <= {"name", "unit"}, "'signal' has a name and a unit only"),
            ((fault.action == "fix") == bool(fault.fix), "'fix' goes with action 'fix' alone"),
            (fault.on_checksum in (None, "flag"), "'on_checksum' can only be flag"),
        ):
            if not holds:
                raise CorpusError(f"{where}: fault {fault.id!r}: {rule}")
