"""Read what MNE-Python reads: BrainVision, EEGLAB, GDF, CNT, FIF, Nihon Kohden and others.

MNE parses; its samples are returned unchanged, in SI units (V, not µV), as float64. What a file
states and MNE leaves unused is read beside it: units, rates, sizes, pauses, bad channels.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.positions import stated
from physioprep.readers import brainvision, brainvision_markers, eeglab, gdf, persyst
from physioprep.readers.hdf5_check import check_hdf5
from physioprep.readers.mat_file import load_mat
from physioprep.readers.mat_sizes import check_sizes
from physioprep.readers.own_units import in_own_units
from physioprep.readers.parser_limits import allow
from physioprep.readers.parts import header_of, stamp, unscaled
from physioprep.readers.pauses import flagged, with_pauses
from physioprep.recording import BAD_CHANNEL, Header, Recording, annotation_columns
from physioprep.trees import files_below

#: Endings that MNE reads here; EDF and BDF only with ``format="mne"``.
SUFFIXES = (
    *(".vhdr", ".ahdr", ".set", ".gdf", ".cnt", ".fif", ".fif.gz", ".eeg", ".mff", ".nxe"),
    *(".lay", ".snirf", ".sqd", ".con", ".mefd", ".nedf", ".ns3", ".cdt", ".ds"),
)
_NEIGHBOURS = (
    *(".eeg", ".vmrk", ".avg", ".amrk", ".dat", ".fdt", ".pnt", ".log", ".21e", ".pat"),
    *(".21E", ".PNT", ".LOG", ".PAT"),
)
#: MNE's time for a BrainVision marker of 26 bytes, in that for as many bytes of samples.
_MARKERS = 4
#: What MNE warns of and is read right here, or noted in other words.
_MENDED = ("Unsupported physical dim", "Unknown types found", "The data contains 'boundary'")
_HEAD_FRAME = 4  # FIFFV_COORD_HEAD
_ELECTRODES = (2, 802, 902)  # FIFFV_EEG_CH, SEEG, ECOG
_UNITS = {107: "V", 112: "T", 201: "T/m", 101: "S", 114: "degC", 6: "M"}  # FIFF_UNIT_*


def read_header(path: Path) -> Header:
    """Describe a recording that MNE reads.

    Parameters
    ----------
    path : Path
        A file or, for some formats, a folder.

    Returns
    -------
    Header
        Number of samples and rate without reading the samples.

    Raises
    ------
    UnreadableFileError
        The file is missing or MNE cannot read it.
    """
    return header_of(_read(path, samples=False, strict=False))


def read(path: Path, verify: bool = True) -> Recording:
    """Read a recording through MNE.

    Parameters
    ----------
    path : Path
        A file or, for some formats, a folder.
    verify : bool
        Raise where a file of samples does not have the size that its header states. If False, its
        whole samples are read where MNE reads the right ones, and ``metadata["notes"]`` says so.

    Returns
    -------
    Recording
        One group (MNE resamples all channels to one rate, but those of GDF, of which there is a
        group for each), float64; voltages in V.

    Raises
    ------
    UnreadableFileError
        The file is missing or MNE cannot read it.

    Examples
    --------
    >>> import mne, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a_raw.fif"
    >>> info = mne.create_info(["Cz"], 100.0, "eeg")
    >>> _ = mne.io.RawArray(np.zeros((1, 200)), info, verbose="error").save(path, verbose="error")
    >>> read(path).groups[0].units, read(path).duration_s
    (('V',), 2.0)
    """
    return _read(path, samples=True, strict=verify)


def _read(path: Path, *, samples: bool, strict: bool) -> Recording:
    stamp(path)
    _check_hdf5(path)
    if path.suffix.lower() == ".set":
        check_sizes(path)
    if path.suffix == ".eeg":  # BrainVision's samples, if its header is beside them
        headers = [path.with_suffix(suffix) for suffix in brainvision.HEADERS]
        path = next((header for header in headers if header.is_file()), path)
    markers = path.with_suffix(".vmrk")
    stated = None
    if path.suffix in brainvision.HEADERS:
        stated = brainvision.parse_header(path)
        if markers.is_file():  # MNE takes 30 us for each
            allow(_MARKERS * markers.stat().st_size)
    own_list = _own_list(stated)
    try:
        with brainvision.read_rows() as rows, eeglab.kept() as loaded:
            raw, cut = _open(path, strict=strict, markers=own_list is None)
        notes = []
        if stated is not None:
            notes = brainvision.check_size(path, stated, Path(raw.filenames[0]), strict=strict)
        others = (file for file in _files(path, raw) if file not in (path, markers))
        allow(sum(file.stat().st_size for file in others))
        limits.check(path, len(raw.ch_names), limits.MAX_CHANNELS, "channels")
        pauses: list[str] = []
        cuts_s: list[float] = []
        if path.suffix.lower() == ".lay":
            pauses, lost, cuts_s = persyst.check_layout(path, Path(raw.filenames[0]), strict=strict)
            cut += lost
        elif loaded:
            samples_file = Path(raw.filenames[0])
            notes += eeglab.check_samples(loaded[-1], samples_file, int(raw.n_times))
        data = raw.get_data() if samples else np.empty((len(raw.ch_names), 0))
        recording = _recording(path, raw, data, rows.renamed, notes)
        if path.suffix.lower() == ".gdf":
            recording = gdf.as_stored(recording, raw, samples=samples)
        elif loaded:
            recording = _as_eeglab(recording, loaded[-1])
        elif stated is not None:
            units = brainvision.own_units(rows, recording.groups[0].units)
            recording = in_own_units(recording, units)
            if stated.segmentation:
                pauses = [f"SegmentationType={stated.segmentation}: pieces of a recording"]
        if path.name.lower().endswith((".fif", ".fif.gz")):
            recording = _with_positions(recording, raw)
        if own_list is not None:
            recording = _with_markers(recording, own_list, raw)
        recording = flagged(recording, ["cut-off"], cut) if cut else recording
        return with_pauses(_with_bads(recording, raw), pauses, cuts_s)
    except UnreadableFileError:
        raise
    except MemoryError:
        raise UnreadableFileError(path, "does not fit into memory") from None
    except Exception as error:  # MNE's readers raise nearly anything on damaged files
        if path.suffix.lower() == ".set" and (found := _epochs(path, samples=samples)) is not None:
            return found
        text = " ".join(str(error).split())[:200]
        text = "no cause given" if 'File "' in text else text  # a traceback within a message
        cause = f"MNE cannot read it ({type(error).__name__}: {text})"
        raise UnreadableFileError(path, cause) from error


def _open(path: Path, *, strict: bool, markers: bool) -> tuple[Any, list[str]]:
    """Open a file with MNE; return what is missing of it, too."""
    import mne

    # of a damaged .cnt, MNE names the cause only if called for one of the two formats
    neuroscan = path.suffix.lower() == ".cnt" and not _is_riff(path)
    reader = mne.io.read_raw_cnt if neuroscan else mne.io.read_raw
    options = {} if markers else {"overrides": {"marker_fname": False}}
    try:
        with warnings.catch_warnings():  # MNE reads a cut FIF file up to where it ends
            warnings.filterwarnings("error", "Invalid tag with only", RuntimeWarning)
            for text in _MENDED:
                warnings.filterwarnings("ignore", text, RuntimeWarning)
            return reader(path, preload=False, verbose="warning", **options), []
    except RuntimeWarning as cut:
        cause = " ".join(str(cut).replace(f"{path.parent}/", "").split())
        if strict:
            raise UnreadableFileError(path, f"cut off ({cause})") from None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Invalid tag with only", RuntimeWarning)
        raw = reader(path, preload=False, verbose="warning", **options)
    return raw, [f"{path.name}: cut off ({cause})"]


def _epochs(path: Path, *, samples: bool) -> Recording | None:
    """Return the trials of an EEGLAB file that MNE refuses as no raw one."""
    from physioprep.readers.eeglab_epochs import read_epochs

    try:
        content = load_mat(path)
    except UnreadableFileError:
        return None  # MNE's own cause is better
    return read_epochs(path, content, samples=samples)


def _as_eeglab(recording: Recording, eeg: Any) -> Recording:
    """Add what an EEGLAB file states of its channels."""
    units, notes = eeglab.own_units(eeg, list(recording.groups[0].channels))
    recording = flagged(in_own_units(recording, units), [], notes)
    places, notes = eeglab.stated_positions(eeg, list(recording.groups[0].channels))
    recording = replace(recording, metadata={**recording.metadata, **stated(places, "eeglab")})
    recording = flagged(recording, [], notes) if notes else recording
    unnamed = eeglab.unnamed_note(eeg)
    return flagged(recording, [eeglab.UNNAMED], unnamed) if unnamed else recording


def _with_positions(recording: Recording, raw: Any) -> Recording:
    """Add the places of electrodes that a FIF file states, m, in MNE's frame of the head."""
    places = {
        name: about["loc"][:3]
        for name, about in zip(recording.groups[0].channels, raw.info["chs"], strict=True)
        if int(about["kind"]) in _ELECTRODES
        and int(about["coord_frame"]) == _HEAD_FRAME
        and np.any(about["loc"][:3])
    }
    return replace(recording, metadata={**recording.metadata, **stated(places, "head")})


def _with_bads(recording: Recording, raw: Any) -> Recording:
    """Flag the channels that the file marks as bad, as those that BIDS marks."""
    bads = [str(name) for name in raw.info["bads"]]
    return flagged(recording, [f"{BAD_CHANNEL}{', '.join(bads)}"], []) if bads else recording


def _own_list(stated: brainvision.BrainVisionHeader | None) -> Path | None:
    """Return the list of markers if our own code reads it, not MNE: it is long or damaged."""
    markers = stated.markers if stated is not None else None
    if markers is None:
        return None
    if markers.stat().st_size >= brainvision_markers.LONG_BYTES:
        return markers
    return None if brainvision_markers.is_sound(markers) else markers


def _with_markers(recording: Recording, markers: Path, raw: Any) -> Recording:
    """Add a list of markers that MNE left out."""
    rate_hz, n_samples = float(raw.info["sfreq"]), int(raw.n_times)
    found = brainvision_markers.read_markers(markers, rate_hz, n_samples)
    metadata = {**recording.metadata, "notes": [*recording.metadata["notes"], *found.notes]}
    if found.not_read:
        metadata["not_read"] = found.not_read
    return replace(
        recording,
        files=tuple(dict.fromkeys([*recording.files, markers])),
        start_time=found.start,
        metadata=metadata,
        annotation_columns=annotation_columns(found.onset_s, found.duration_s, found.text, "mne"),
    )


def _recording(
    path: Path, raw: Any, data: NDArray[Any], renamed: Mapping[str, str], notes: list[str]
) -> Recording:
    units = [_UNITS.get(int(channel["unit"]), "") for channel in raw.info["chs"]]
    names = [renamed.get(name, name) for name in raw.ch_names]
    group = unscaled(names, units, float(raw.info["sfreq"]), data, path)
    group = replace(group, n_samples=int(raw.n_times))  # without samples, the group counts none
    measured = raw.info["meas_date"]
    start = measured and (measured + timedelta(seconds=float(raw.first_time))).replace(tzinfo=None)
    metadata = {
        "kinds": raw.get_channel_types(),
        "source_units": dict(getattr(raw, "_orig_units", None) or {}),
        "highpass_hz": float(raw.info["highpass"]),
        "lowpass_hz": float(raw.info["lowpass"]),
        "notes": notes,
    }
    files = _files(path, raw)
    return Recording(path, "mne", (group,), files, start, metadata, _annotations(raw))


def _check_hdf5(path: Path) -> None:
    """Refuse EEGLAB's .set and SNIRF files whose samples HDF5 would take from another file."""
    import h5py

    if path.suffix.lower() in (".set", ".snirf") and path.is_file() and h5py.is_hdf5(path):
        try:
            with h5py.File(path, "r") as opened:
                check_hdf5(opened, path)
        except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
            text = " ".join(str(error).split())[:200]
            raise UnreadableFileError(path, f"not a readable HDF5 file ({text})") from error


def _is_riff(path: Path) -> bool:
    """Return True for ANT Neuro's .cnt, False for Neuroscan's."""
    with path.open("rb") as file:
        return file.read(4) in (b"RIFF", b"RF64")


def _files(path: Path, raw: Any) -> tuple[Path, ...]:
    if path.is_dir():  # one recording, with all that is in it
        return tuple(sorted(files_below(path)))
    named = [Path(name) for name in raw.filenames if name is not None]
    beside = [path.with_suffix(suffix) for suffix in _NEIGHBOURS]
    found = [file for file in (*named, *beside) if file.is_file()]
    return tuple(dict.fromkeys([path, *found]))


def _annotations(raw: Any) -> dict[str, Any]:
    table = raw.annotations
    # MNE counts from the measurement date, and without one from as far before the first sample
    onset = np.asarray(table.onset, np.float64) - float(raw.first_time)
    return annotation_columns(onset, table.duration, list(map(str, table.description)), "mne")
