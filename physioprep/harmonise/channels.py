"""Channel names: from the spelling in a file to the standard name.

EEG electrodes take their modern 10-20 / 10-10 / 10-05 names (T7, not T3; Jurcak, Tsuzuki and Dan
2007, doi 10.1016/j.neuroimage.2006.09.024), ECG leads the AHA/IEC ones. An unknown name is an
error and never a guess: a recipe's ``aliases`` can name the channel.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from physioprep.errors import RecipeError
from physioprep.harmonise.amplifiers import KINDS, without_amplifier
from physioprep.harmonise.units import is_other_quantity
from physioprep.harmonise.unknown import unknown_text

#: The standard leads in their standard order.
ECG_LEADS: tuple[str, ...] = (
    "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6",
)  # fmt: skip
#: The leads of the vectorcardiogram (Frank 1956), which PTB has beside the twelve.
FRANK_LEADS: tuple[str, ...] = ("Vx", "Vy", "Vz")
#: Every modality that `modality_of` can return.
MODALITIES: tuple[str, ...] = (
    "ecg", "eeg", "resp", "emg", "eog", "ppg", "gsr", "temp", "abp", "pcg", "other",
)  # fmt: skip


class UnknownChannelError(RecipeError):
    """A channel name is in no table; a recipe's ``aliases`` can name the channel."""


# ECG leads beside the twelve: modified limb and chest leads of Holters and monitors, right and
# posterior precordial leads, EASI, and channels named only "ECG".
_ECG_OTHER = (
    *FRANK_LEADS, "V", "V7", "V8", "V9", "V1R", "V2R", "V3R", "V4R", "V5R", "V6R",
    "MLI", "MLII", "MLIII", "MV1", "MV2", "ML5", "MCL1", "MCL6", "CM1", "CM2", "CM4", "CM5",
    "CC5", "E-S", "A-S", "A-I", "-aVR",
)  # fmt: skip
_ECG_ALIASES = {
    "di": "I", "dii": "II", "diii": "III", "d1": "I", "d2": "II", "d3": "III",
    "lead i": "I", "lead ii": "II", "lead iii": "III", "ecg lead i": "I",
    "ecg lead ii": "II", "ecg lead iii": "III", "mdc_ecg_lead_i": "I",
    "mdc_ecg_lead_ii": "II", "mdc_ecg_lead_iii": "III",
    "avr-": "-aVR", "inverted avr": "-aVR", "ml2": "MLII", "ml1": "MLI", "ml3": "MLIII",
    "x lead": "Vx", "y lead": "Vy", "z lead": "Vz", "frank x": "Vx", "frank y": "Vy",
    "frank z": "Vz", "ecg i filtered": "I-filtered",
    "chest ecg": "ECG",  # the one lead of WESAD
    "ecg right": "ECG-right", "ecg left": "ECG-left", "ecg r": "ECG-right", "ecg l": "ECG-left",
}  # fmt: skip

# Signals beside ECG and EEG, with each known spelling: name (lower case) -> (canonical, modality).
_OTHER = {
    "resp": ("Resp", "resp"), "respiration": ("Resp", "resp"), "respiratory": ("Resp", "resp"),
    "resp oro-nasal": ("Resp oro-nasal", "resp"), "resp (abdominal)": ("Resp abdominal", "resp"),
    "resp (abdomen)": ("Resp abdominal", "resp"), "resp (chest)": ("Resp chest", "resp"),
    "resp (nasal)": ("Resp nasal", "resp"), "resp (sum)": ("Resp sum", "resp"),
    "resp1": ("Resp1", "resp"), "resp2": ("Resp2", "resp"), "chest/resp": ("Resp", "resp"),
    "respiration belt": ("Resp", "resp"), "airflow": ("Airflow", "resp"), "rsp": ("Resp", "resp"),
    "emg": ("EMG", "emg"), "emg submental": ("EMG submental", "emg"),
    "emg-ref": ("EMG", "emg"), "zemg": ("EMG zygomaticus", "emg"), "lleg": ("Left leg", "emg"),
    "temg": ("EMG trapezius", "emg"), "chin": ("Chin", "emg"), "chin1": ("Chin1", "emg"),
    "chin2": ("Chin2", "emg"), "rleg": ("Right leg", "emg"),
    "eog": ("EOG", "eog"), "eog horizontal": ("HEOG", "eog"), "heog": ("HEOG", "eog"),
    "veog": ("VEOG", "eog"), "eog vertical": ("VEOG", "eog"), "heogli": ("HEOG-left", "eog"),
    "heogre": ("HEOG-right", "eog"), "veogo": ("VEOG-upper", "eog"), "roc": ("ROC", "eog"),
    "veogu": ("VEOG-lower", "eog"), "veog_i": ("VEOG-I", "eog"), "loc": ("LOC", "eog"),
    "veog_ii": ("VEOG-II", "eog"), "leog": ("LEOG", "eog"), "reog": ("REOG", "eog"),
    "ieog": ("IEOG", "eog"), "eog (right)": ("REOG", "eog"), "eog (left)": ("LEOG", "eog"),
    "pleth": ("Pleth", "ppg"), "ppg": ("PPG", "ppg"), "bvp": ("BVP", "ppg"),
    "plet": ("Pleth", "ppg"), "plethysmograph": ("Pleth", "ppg"), "fingertip ppg": ("PPG", "ppg"),
    "gsr": ("GSR", "gsr"), "eda": ("EDA", "gsr"), "foot gsr": ("GSR foot", "gsr"),
    "hand gsr": ("GSR hand", "gsr"), "gsr1": ("GSR1", "gsr"), "gsr2": ("GSR2", "gsr"),
    "temp": ("Temp", "temp"), "temperature": ("Temp", "temp"),
    "temp rectal": ("Temp rectal", "temp"), "skin temperature": ("Temp skin", "temp"),
    "abp": ("ABP", "abp"), "bp": ("BP", "abp"), "art": ("ART", "abp"), "pap": ("PAP", "abp"),
    "chest emg": ("EMG chest", "emg"), "chest eda": ("EDA chest", "gsr"),
    "chest temp": ("Temp chest", "temp"), "chest resp": ("Resp chest", "resp"),
    "wrist bvp": ("BVP wrist", "ppg"), "wrist eda": ("EDA wrist", "gsr"),
    "wrist temp": ("Temp wrist", "temp"),
    "pcg": ("PCG", "pcg"), "phonocardiogram": ("PCG", "pcg"), "heart sound": ("PCG", "pcg"),
    "cvp": ("CVP", "abp"), "icp": ("ICP", "abp"), "ibp": ("IBP", "abp"),
    **{
        name.lower(): (name, "other")
        for name in (
            "HR", "PULSE", "PULSE RATE", "SpO2", "SaO2", "SO2", "SV", "NBPDias", "NBPMean",
            "NBPSys", "Event marker", "marker", "Status", "EDF Annotations", "BDF Annotations",
            "IBI", "BURSTS", "SUPPR", "PHOTIC", "PHOTIC-REF", "Trigger", "STI 014", "Erg1", "Erg2",
            "ReRef", "DIG DTRIG", "REF_EEG REF_EEG", "Familiarity", "noise1", "noise2",
            "VNS", "LUE-RAE", "LOC-ROC", "EKG1-CHIN",  # beside CHB-MIT's scalp EEG
            "ACC", "ACC x", "ACC y", "ACC z", "chest ACC x", "chest ACC y", "chest ACC z",
            "wrist ACC x", "wrist ACC y", "wrist ACC z", "HL", "Vb", "CO2", "EtCO2", "Snore", "Pos",
        )
    },
}  # fmt: skip

# BioSemi's external electrodes (their places differ by study) and DC inputs.
_AUXILIARY = re.compile(r"(exg\d+|dc\d+|ana\d+)(?:-dc|-ref)?")
# Inputs of OpenBCI's boards and Muse's headbands, which anything may be on. (OpenBCI's electrodes,
# "EXG Channel 0", are somewhere on a person: a recipe's aliases say where.)
_INPUT = re.compile(
    r"(?:accel|analog|digital) channel \d+(?: \(d\d+\))?|(?:left|right) aux|aux_?(?:left|right|\d)"
)
# ISHNE's leads without a place: an ECG all the same.
_UNPLACED = re.compile(r"lead (\d+) \(spec \d+\)")

# Placeholders in CHB-MIT's montages, without a signal.
_DUMMY = re.compile(r"-|--\d+|\.")

_ECG_TABLE = {name.lower(): name for name in (*ECG_LEADS, *_ECG_OTHER)} | _ECG_ALIASES
# Rows of the 10-05 system; earlobes, mastoids and sphenoidal electrodes are listed below.
_EEG = re.compile(
    r"(NFp|Fp|AFp|AFF|AF|FFC|FFT|FCC|FTT|FC|FT|F|CCP|CPP|CP|C|TTP|TPP|TP|T|PPO|POO|PO|P|OI|O|I|N)"
    r"(z|\d{1,2})(h?)",
    re.IGNORECASE,
)
_EEG_ROWS = {
    row.lower(): row
    for row in (
        "NFp", "Fp", "AFp", "AFF", "AF", "FFC", "FFT", "FCC", "FTT", "FC", "FT", "F", "CCP", "CPP",
        "CP", "C", "TTP", "TPP", "TP", "T", "PPO", "POO", "PO", "P", "OI", "O", "I", "N",
    )
}  # fmt: skip
_EEG_BESIDE = {
    name.lower(): name for name in ("A1", "A2", "M1", "M2", "Sp1", "Sp2", "Pg1", "Pg2", "Nasion")
}
# The 1958 names of four electrodes, renamed by the 10-10 system (ACNS guideline 2, 2016).
_EEG_OLD = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
_REFERENCE = re.compile(r"[-\s](REF|LE|AR|AVG|AVE|CAR|A1A2|M1M2|CS2)$", re.IGNORECASE)


def canonical_channel(source_name: str) -> str:
    """Return the standard name of a channel.

    Parameters
    ----------
    source_name : str
        As in the file, padding and prefixes included.

    Returns
    -------
    str
        A 10-20 electrode (``"Fp1"``), a bipolar pair of them (``"A2-A1"``), an ECG lead
        (``"aVR"``, ``"MLII"``, ``"ECG"``) or the name of another known signal (``"Resp"``).

    Raises
    ------
    UnknownChannelError
        If the name is in no table.

    Examples
    --------
    >>> [canonical_channel(name) for name in ("EEG Fp1", "Fc5.", "T3", "EEG FP2-REF", "AVR")]
    ['Fp1', 'FC5', 'T7', 'Fp2', 'aVR']
    >>> canonical_channel("wobble")
    Traceback (most recent call last):
        ...
    physioprep.harmonise.channels.UnknownChannelError: unknown channel 'wobble': ...
    """
    found = _resolve(source_name)
    if found is None:
        raise UnknownChannelError(unknown_text([source_name]))
    return found[0]


def modality_of(source_name: str, unit: str = "") -> str:
    """Return the modality of a channel, by its name and unit.

    Parameters
    ----------
    source_name : str
        As in the file.
    unit : str
        As in the file. A unit of another quantity (µS, °C) decides over an electrode's name.

    Returns
    -------
    str
        One of `MODALITIES`; ``"other"`` for known signals of other kinds and for unknown
        names, so that a scan can list these (`canonical_channel` raises).

    Examples
    --------
    >>> [modality_of(n, u) for n, u in (("II", "mV"), ("EEG Cz", "uV"), ("CP6", "µS"), ("x", ""))]
    ['ecg', 'eeg', 'other', 'other']
    """
    found = _resolve(source_name)
    if found is None:
        return "other"
    if found[1] in ("ecg", "eeg", "eog", "emg") and is_other_quantity(unit):
        return "other"
    return found[1]


def is_known(source_name: str) -> bool:
    """Return whether a channel name is known.

    Parameters
    ----------
    source_name : str
        As in the file.

    Returns
    -------
    bool
        Whether `canonical_channel` returns a name for it.

    Examples
    --------
    >>> is_known("Cz.."), is_known("col 0")
    (True, False)
    """
    return _resolve(source_name) is not None


@lru_cache(maxsize=4096)
def _resolve(source_name: str) -> tuple[str, str] | None:
    """Return (canonical name, modality), or None for a name in no table."""
    name = " ".join(source_name.split()).rstrip(".,").strip()
    lower = name.lower()
    if lower in _OTHER:
        return _OTHER[lower]
    if _DUMMY.fullmatch(source_name.strip()):
        return "-", "other"
    if match := _AUXILIARY.fullmatch(lower):
        return match[1].upper(), "other"
    if _INPUT.fullmatch(lower):
        return name, "other"
    if match := _UNPLACED.fullmatch(lower):
        return f"ECG{match[1]}", "ecg"
    if found := _ecg(lower):
        return found, "ecg"
    if found := _eeg(name):
        return found, "eeg"
    if parts := _of_amplifier(name):
        return parts
    without = _REFERENCE.sub("", name)
    return _prefixed(name) or (_OTHER.get(without.lower()) if without != name else None)


def _of_amplifier(name: str) -> tuple[str, str] | None:
    """Return what a channel is by its own name, or by the amplifier that it is named after."""
    parts = without_amplifier(name)
    if parts is None:
        return None
    found, kind = _resolve(parts[0]), KINDS.get(parts[1])
    return kind if kind is not None and (found is None or found[1] == "other") else found


def _ecg(lower: str) -> str | None:
    if lower in _ECG_TABLE:
        return _ECG_TABLE[lower]
    if match := re.fullmatch(r"(?:ecg|ekg)[\s_]*(?:(?:ecg|ekg)[\s_]*)?(\d*)", lower):
        return f"ECG{match[1]}"
    return None


def _electrode(name: str) -> str | None:
    if beside := _EEG_BESIDE.get(name.lower()):
        return beside
    match = _EEG.fullmatch(name)
    if not match:
        return None
    row, number, half = match.groups()
    modern = f"{_EEG_ROWS[row.lower()]}{number.lower().lstrip('0')}{half.lower()}"
    return _EEG_OLD.get(modern, modern)


def _eeg(name: str) -> str | None:
    """Return an electrode or a bipolar pair; the suffix of a common reference is dropped."""
    name = _REFERENCE.sub("", name.strip("() "))
    parts = [_electrode(part.strip()) for part in name.split("-")]
    if all(parts) and len(parts) <= 2:
        return "-".join(part for part in parts if part)
    return None


def _prefixed(name: str) -> tuple[str, str] | None:
    """Resolve EDF's standard labels: a signal type, a blank, and the sensor."""
    kind, _, rest = name.partition(" ")
    rest, kind = rest.strip(), kind.upper()
    bare = _REFERENCE.sub("", rest.strip("() "))
    if name.startswith("RAW_") and (electrode := _eeg(name[4:])):  # Mind Monitor
        return electrode, "eeg"
    if not bare:
        return None
    if kind in ("ECG", "EKG") and (lead := _ecg(bare.lower())):
        return lead, "ecg"
    if kind == "EEG":
        if lead := _ecg(bare.lower()) if bare[:3].upper() in ("EKG", "ECG") else None:
            return lead, "ecg"
        if electrode := _eeg(rest):
            return electrode, "eeg"
        if bare.isdigit():  # TUEG's unnamed extra inputs, "EEG 20-REF"
            return bare, "other"
        return _OTHER.get(bare.lower())
    if kind in ("EOG", "EMG"):
        return _OTHER.get(bare.lower(), (f"{kind} {bare}", kind.lower()))
    if kind in ("RESP", "TEMP"):
        return f"{kind.title()} {bare}", kind.lower()
    return None


def order_channels(names: Sequence[str], modality: str) -> list[int]:
    """Return the order of channels in a harmonised group.

    Parameters
    ----------
    names : sequence of str
        Canonical names.
    modality : str
        ``"ecg"``: the twelve leads come first, in their standard order. All other channels
        keep the order of the file.

    Returns
    -------
    list of int
        Indices into `names`.

    Examples
    --------
    >>> order_channels(("V1", "MLII", "II", "I"), "ecg")
    [3, 2, 0, 1]
    """
    rank = {lead: i for i, lead in enumerate(ECG_LEADS)} if modality == "ecg" else {}
    return sorted(range(len(names)), key=lambda i: rank.get(names[i], len(rank)))
