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
from typing import Final

from physioprep.documents import read_text
from physioprep.errors import CorpusError
from physioprep.facts_parts import ACTIONS, ChannelRole, Fault, Label, Version
from physioprep.facts_yaml import build, build_all, read_mapping
from physioprep.splits.rule import Split, check_split
from physioprep.suggest import did_you_mean

__all__ = [
    "ACCESS",
    "ACTIONS",
    "ChannelRole",
    "Facts",
    "Fault",
    "Label",
    "Split",
    "Version",
    "data_folder",
    "list_corpora",
    "load_facts",
    "parse_facts",
]

#: How a corpus is obtained.
ACCESS: Final = ("open", "registration", "credentialed", "request", "made here", "your own")


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
        Columns of the manifest.
    versions : tuple of Version
        Oldest first.
    faults : tuple of Fault
        Known ones.
    splits : tuple of Split
        Published ones.

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
    splits: tuple[Split, ...] = ()

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

    def split(self, name: str) -> Split:
        """Return one published split by name.

        Parameters
        ----------
        name : str
            `Split.name`.

        Returns
        -------
        Split

        Raises
        ------
        CorpusError
            It is not listed.
        """
        names = [known.name for known in self.splits]
        for known in self.splits:
            if known.name == name:
                return known
        hint = did_you_mean(name, names) or f" (known: {', '.join(names) or 'none'})"
        raise CorpusError(f"{self.name} has no split {name!r}{hint}")


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
        ("splits", Split),
    ):
        raw[key] = build_all(kind, raw.get(key, []), f"{where}: {key}")
    facts: Facts = build(Facts, raw, where)
    if facts.access not in ACCESS:
        raise CorpusError(f"{where}: access {facts.access!r} is not one of {', '.join(ACCESS)}")
    _check_faults(facts, where)
    _check_splits(facts, where)
    patterns = [role.match for role in facts.channels]
    patterns += [pattern for fault in facts.faults for pattern in fault.signal.values()]
    for pattern in patterns:
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
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


def _check_splits(facts: Facts, where: str) -> None:
    """Raise `CorpusError` unless the names of splits are unique and their rules can be applied."""
    names = [split.name for split in facts.splits]
    for split in facts.splits:
        if names.count(split.name) > 1:
            raise CorpusError(f"{where}: split {split.name!r} is listed twice")
        if not split.what or not split.citation:
            raise CorpusError(f"{where}: split {split.name!r}: 'what' and 'citation' are needed")
        check_split(split, f"{where}: split {split.name!r}")
