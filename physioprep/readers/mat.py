"""Read recordings from MATLAB files whose structure is known.

=========  ==================================  ===========================================
corpus     known by                            parts
=========  ==================================  ===========================================
CPSC 2018  ``ECG.data``                        none: one recording a file
DREAMER    ``DREAMER.Data``                    ``#s01/v01/stimuli``, ``#s01/v01/baseline``
AMIGOS     ``joined_data``                     ``#v01`` .. ``#v20``
DEAP       ``data`` and ``labels``             ``#v01`` .. ``#v40``
=========  ==================================  ===========================================

A Challenge ``.mat`` is a WFDB signal file: the ``.hea`` beside it says its rate, leads and
units, and the WFDB reader reads it. Alone it holds nothing but numbers; describe it with a YAML
file (see `physioprep.readers.table`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import UnreadableFileError
from physioprep.readers.deap import deap_recording
from physioprep.readers.mat_file import load_mat
from physioprep.readers.parts import header_of, numbered, pick, split_part, unscaled
from physioprep.recording import Header, Recording

_TWELVE_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_EMOTIV = "AF3 F7 F3 FC5 T7 P7 O1 O2 P8 T8 FC6 F4 F8 AF4".split()  # noqa: SIM905
_AMIGOS_RATINGS = (
    *("arousal", "valence", "dominance", "liking", "familiarity", "neutral"),
    *("disgust", "happiness", "surprise", "anger", "fear", "sadness"),
)


def read_header(path: Path) -> Header:
    """Describe one recording of a MATLAB file; see the module for names of parts.

    Parameters
    ----------
    path : Path
        ``file.mat`` or ``file.mat#part``.

    Returns
    -------
    Header

    Raises
    ------
    UnreadableFileError
        The file is missing, damaged, of an unknown structure, or has no such part.
    """
    return header_of(read(path))


def read(path: Path, verify: bool = True) -> Recording:
    """Read one recording of a MATLAB file; see the module for names of parts.

    Parameters
    ----------
    path : Path
        ``file.mat`` or ``file.mat#part``.
    verify : bool
        Without effect: nothing in these files can be checked.

    Returns
    -------
    Recording
        Samples as stored, units as the corpus documents them, ``""`` where it does not.

    Raises
    ------
    UnreadableFileError
        The file is missing, damaged, of an unknown structure, or has no such part.

    Examples
    --------
    >>> import tempfile
    >>> from scipy.io import savemat
    >>> path = Path(tempfile.mkdtemp()) / "A0001.mat"
    >>> savemat(path, {"ECG": {"sex": "Male", "age": 60, "data": np.ones((12, 500))}})
    >>> read(path).metadata["age"], read(path).duration_s
    (60, 1.0)
    """
    file, part = split_part(path)
    content = load_mat(file)
    try:
        if isinstance(content.get("ECG"), dict) and "data" in content["ECG"]:
            return _cpsc2018(content["ECG"], path, file, part)
        if isinstance(content.get("DREAMER"), dict):
            return _dreamer(content["DREAMER"], path, file, part)
        if "joined_data" in content:
            return _amigos(content, path, file, part)
        if {"data", "labels"} <= set(content):
            return deap_recording(content["data"], content["labels"], path, file, part, "mat")
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        cause = f"not of the structure it seems to have ({type(error).__name__}: {error})"
        raise UnreadableFileError(path, " ".join(cause.split())) from None
    if "val" in content:
        cause = "a Challenge signal file without its .hea: its rate, leads and units are unknown"
        raise UnreadableFileError(path, cause)
    names = ", ".join(sorted(content))[:80]
    raise UnreadableFileError(path, f"MATLAB variables of no known corpus: {names}")


def _cpsc2018(ecg: dict[str, Any], path: Path, file: Path, part: str) -> Recording:
    if part:
        raise UnreadableFileError(path, "has no parts")
    data = np.asarray(ecg["data"])
    group = unscaled(_TWELVE_LEADS, ["mV"] * 12, 500.0, data, path)
    metadata = {"layout": "cpsc2018", "sex": _one(ecg.get("sex")), "age": _one(ecg.get("age"))}
    return Recording(path, "mat", (group,), (file,), None, metadata)


def _dreamer(dreamer: dict[str, Any], path: Path, file: Path, part: str) -> Recording:
    number, clip, kind = numbered(part, r"s(\d+)/v(\d+)/(stimuli|baseline)", path)
    subject = pick(_many(dreamer["Data"]), number, "subject", path)
    electrodes = [str(name) for name in _many(dreamer["EEG_Electrodes"])]
    eeg = np.asarray(pick(_many(subject["EEG"][kind]), clip, "clip", path))
    ecg = np.asarray(pick(_many(subject["ECG"][kind]), clip, "clip", path))
    rates = (_one(dreamer["EEG_SamplingRate"]), _one(dreamer["ECG_SamplingRate"]))
    groups = (
        unscaled(electrodes, [""] * len(electrodes), rates[0], eeg.T, path),
        unscaled(["ECG 1", "ECG 2"], [""] * 2, rates[1], ecg.T, path),
    )
    scores = {
        name.lower(): _one(np.asarray(subject[f"Score{name}"]).ravel()[int(clip) - 1])
        for name in ("Valence", "Arousal", "Dominance")
    }
    who = {"age": _one(subject.get("Age")), "gender": _one(subject.get("Gender"))}
    return Recording(path, "mat", groups, (file,), None, {"layout": "dreamer"} | scores | who)


def _amigos(content: dict[str, Any], path: Path, file: Path, part: str) -> Recording:
    (video,) = numbered(part, r"v(\d+)", path)
    data = np.asarray(pick(_many(content["joined_data"]), video, "video", path))
    if data.size == 0:
        raise UnreadableFileError(path, "an empty cell: the subject has no such video")
    channels = [*_EMOTIV, "ECG right", "ECG left", "GSR"]
    group = unscaled(channels, ["uV"] * 14 + [""] * 3, 128.0, data.T, path)
    metadata: dict[str, Any] = {"layout": "amigos", "baseline_s": 5.0}
    own = np.asarray(_many(content["labels_selfassessment"])[int(video) - 1], np.float64).ravel()
    if own.size == len(_AMIGOS_RATINGS):
        metadata |= dict(zip(_AMIGOS_RATINGS, own.tolist(), strict=True))
    if "VideoIDs" in content:
        metadata["video"] = _one(_many(content["VideoIDs"])[int(video) - 1])
    if "labels_ext_annotation" in content:
        others = np.asarray(_many(content["labels_ext_annotation"])[int(video) - 1], np.float64)
        metadata["external_annotation"] = others.tolist()
    return Recording(path, "mat", (group,), (file,), None, metadata)


def _many(value: Any) -> list[Any]:
    """Return a cell's items; one structure or text alone is a list of one."""
    return list(value) if isinstance(value, list) else [value]


def _one(value: Any) -> Any:
    """Return the one number or text in a MATLAB array."""
    if isinstance(value, list):
        return _one(value[0]) if len(value) == 1 else value
    if isinstance(value, np.ndarray | np.generic):
        array: NDArray[Any] = np.asarray(value)
        return array.item() if array.size == 1 else array.ravel().tolist()
    return value
