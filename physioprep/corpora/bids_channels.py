"""Channels and electrodes of BIDS: ``channels.tsv`` and ``electrodes.tsv``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from physioprep.corpora.bids_tables import cell, number, read_json, read_tsv
from physioprep.errors import CorpusError
from physioprep.recording import BAD_CHANNEL, Header

#: Channel types of the specification to modalities.
TYPES: Final = {
    **dict.fromkeys(("EEG", "ECOG", "SEEG", "DBS", "IEEG"), "eeg"),
    **dict.fromkeys(("EOG", "HEOG", "VEOG"), "eog"),
    **{"ECG": "ecg", "EKG": "ecg", "EMG": "emg", "GSR": "gsr", "EDA": "gsr", "RESP": "resp"},
    **{"TEMP": "temp", "PPG": "ppg"},
    **dict.fromkeys(
        (
            *(
                "AUDIO",
                "EYEGAZE",
                "PUPIL",
                "MISC",
                "OTHER",
                "REF",
                "SYSCLOCK",
                "TRIG",
                "ADC",
                "DAC",
            ),
            *("HLU", "FITERR", "MEGMAG", "MEGGRADAXIAL", "MEGGRADPLANAR", "MEGREFMAG"),
            *("MEGREFGRADAXIAL", "MEGREFGRADPLANAR", "MEGOTHER", "PD", "NIRSCWAMPLITUDE"),
            *("NIRSCWFLUORESCENSEAMPLITUDE", "NIRSCWOPTICALDENSITY", "NIRSCWHBO", "NIRSCWHBR"),
            *("NIRSCWMUA", "ACCEL", "ANGACCEL", "GYRO", "JNTANG", "MAGN", "ORNT", "POS", "VEL"),
            *("LATENCY", "GAZE", "STIM"),
        ),
        "other",
    ),
}
#: Channels that readers take as annotations.
_EVENTS: Final = ("TRIG", "STIM")
_VOLTS: Final = ("V", "mV", "uV", "nV")
_MOST: Final = 3


@dataclass(frozen=True)
class Channel:
    """A row of ``channels.tsv``; None: not known.

    Parameters
    ----------
    kind : str or None
        Its type, in upper case.
    unit : str or None
    rate_hz : float or None
    is_bad : bool
    """

    kind: str | None
    unit: str | None = None
    rate_hz: float | None = None
    is_bad: bool = False


def read_channels(path: Path, root: Path) -> tuple[dict[str, Channel], list[str]]:
    """Read ``channels.tsv``.

    Parameters
    ----------
    path : Path
    root : Path
        Folder of the corpus.

    Returns
    -------
    dict of str to Channel
        By name.
    list of str
        What is wrong with rows.

    Raises
    ------
    CorpusError
        The file cannot be read, or has no column ``name``.
    """
    table = read_tsv(path, root)
    if table.rows and "name" not in table.rows[0]:
        raise CorpusError(f"{path}: no column 'name'")
    found: dict[str, Channel] = {}
    problems = list(table.problems)
    for row in table.rows:
        kind = cell(row, "type")
        channel = Channel(
            None if kind is None else kind.upper(),
            cell(row, "units"),
            number(cell(row, "sampling_frequency")),
            (cell(row, "status") or "").lower() == "bad",
        )
        if found.setdefault(row["name"], channel) != channel:
            problems.append(f"two rows of {row['name']} differ: the first one counts")
    return found, problems


def channel_of(table: Mapping[str, Channel], name: str) -> Channel | None:
    """Return the row of a channel, by its name or, where it has no other, its letters in any case.

    Parameters
    ----------
    table : mapping of str to Channel
        From `read_channels`.
    name : str
        In the file.

    Returns
    -------
    Channel or None

    Examples
    --------
    >>> channel_of({"Fp1": Channel("EEG")}, "FP1").kind
    'EEG'
    """
    name = name.strip()
    if name in table:
        return table[name]
    alike = [row for own, row in table.items() if own.lower() == name.lower()]
    return alike[0] if len(alike) == 1 else None


def modality_of_type(channel: Channel | None) -> str | None:
    """Return the modality by the type; None where the type says nothing.

    Parameters
    ----------
    channel : Channel or None

    Returns
    -------
    str or None

    Examples
    --------
    >>> modality_of_type(Channel("SEEG")), modality_of_type(Channel("MISC"))
    ('eeg', 'other')
    >>> modality_of_type(Channel(None)) is modality_of_type(Channel("EEG CHANNEL")) is None
    True
    """
    return None if channel is None or channel.kind is None else TYPES.get(channel.kind)


def channel_flags(header: Header, table: Mapping[str, Channel]) -> list[str]:
    """Compare a recording's channels with ``channels.tsv``.

    Parameters
    ----------
    header : Header
        Of the recording.
    table : mapping of str to Channel
        From `read_channels`.

    Returns
    -------
    list of str
        ``type-by-name:…``: channels whose type the table does not give, or in no word of the
        specification; ``bad-channel:…``; ``unit-differs:…`` and ``rate-differs:…`` from those in
        the file; ``no-such-channel:…``: rows of channels that the file does not have.
    """
    untyped, bad, unit, rate, present = [], [], [], [], set()
    source_units: Mapping[str, str] = header.metadata.get("source_units", {})
    is_scaled = header.format == "mne"  # to V: the file's own unit is in the metadata, if anywhere
    for group in header.groups:
        for name, own in zip(group.channels, group.units, strict=True):
            name = name.strip()
            present.add(name.lower())
            row = channel_of(table, name)
            if modality_of_type(row) is None:
                untyped.append(name)
            if row is None:
                continue
            if row.is_bad:
                bad.append(name)
            stated = _unit(source_units.get(name, "") if is_scaled else own)
            if stated in _VOLTS and _unit(row.unit or stated) not in (stated, ""):
                unit.append(f"{name} {stated} ({row.unit})")
            if row.rate_hz is not None and not math.isclose(
                row.rate_hz, group.sampling_rate, rel_tol=1e-3
            ):
                rate.append(f"{name} {group.sampling_rate:g} Hz ({row.rate_hz:g})")
    told = {
        "type-by-name": untyped,
        BAD_CHANNEL[:-1]: bad,
        "unit-differs": unit,
        "rate-differs": rate,
        "no-such-channel": [
            name
            for name, row in table.items()
            if name.lower() not in present and row.kind not in _EVENTS
        ],
    }
    return [  # of bad channels all, since an average reference must know them
        f"{flag}:{', '.join(names) if names is bad else some_of(names)}"
        for flag, names in told.items()
        if names
    ]


def _unit(text: str) -> str:
    return text.strip().replace("µ", "u").replace("μ", "u")


def some_of(names: Iterable[str]) -> str:
    """Return the first of several names, and how many more there are.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    str

    Examples
    --------
    >>> some_of("abcde")
    'a, b, c and 2 more'
    """
    names = list(names)
    more = len(names) - _MOST
    return ", ".join(names[:_MOST]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True)
class Electrodes:
    """Positions of electrodes.

    Parameters
    ----------
    positions : dict of str to (float, float, float)
        x, y and z by name; NaN where one is not known.
    unit : str or None
        ``"m"``, ``"mm"``, ...; None where coordsystem.json does not state it.
    system : str or None
        The coordinate system, for example ``"CapTrak"``.
    problems : list of str
        What is wrong with rows.
    """

    positions: dict[str, tuple[float, float, float]]
    unit: str | None
    system: str | None
    problems: list[str]


def read_electrodes(path: Path, root: Path, coordinates: Path | None) -> Electrodes:
    """Read ``electrodes.tsv``.

    Parameters
    ----------
    path : Path
    root : Path
        Folder of the corpus.
    coordinates : Path or None
        The coordsystem.json that belongs to it.

    Returns
    -------
    Electrodes

    Raises
    ------
    CorpusError
        The file cannot be read, or has no column ``name``.
    """
    table = read_tsv(path, root)
    if table.rows and "name" not in table.rows[0]:
        raise CorpusError(f"{path}: no column 'name'")
    positions = {}
    for row in table.rows:
        x, y, z = (number(cell(row, axis)) for axis in "xyz")
        positions[row["name"]] = tuple(math.nan if one is None else one for one in (x, y, z))
    said = read_json(coordinates, root) if coordinates is not None else {}
    unit, system = (
        next((str(said[key]) for key in sorted(said) if key.endswith(ending)), None)
        for ending in ("CoordinateUnits", "CoordinateSystem")
    )
    return Electrodes(positions, unit, system, table.problems)  # type: ignore[arg-type]
