"""Records of a store as a BIDS dataset, through MNE-BIDS."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from physioprep.errors import PhysioprepError
from physioprep.exporting.mne_raw import set_positions
from physioprep.positions import Positions

WITHOUT_BIDS = "needs mne-bids: pip install 'physioprep[bids]'"


def bids_label(text: str) -> str:
    """Return a text as a BIDS label: letters and digits only.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Raises
    ------
    PhysioprepError
        If it has neither.

    Examples
    --------
    >>> bids_label("Subject 00_1")
    'Subject001'
    """
    label = re.sub(r"[^A-Za-z0-9]", "", text)
    if not label:
        raise PhysioprepError(f"{text!r} has no letter or digit for a BIDS label")
    return label


def bids_folder(
    records: Iterable[tuple[str, str]],
    write_edf: Callable[[str, Path], tuple[Path, list[str], list[Positions]]],
    folder: str | Path,
    *,
    task: str = "rest",
) -> Path:
    """Write EEG records as a BIDS dataset: EDF or BDF files with their sidecars.

    Parameters
    ----------
    records : iterable of (str, str)
        Record id, and subject. Several records of a subject become runs 1, 2, ...
    write_edf : callable
        Takes a record id and a path without ending, writes an ``.edf`` or ``.bdf`` file there, and
        returns it, MNE's type of each channel, and positions of electrodes that the source file
        states: those in MNE's frame ``head`` become ``electrodes.tsv``.
    folder : path-like
        Of the dataset; must be empty or missing.
    task : str
        BIDS task label.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    PhysioprepError
        If the folder holds something, two subjects get one label, a record has no EEG, or
        mne-bids is missing.

    References
    ----------
    BIDS specification, https://bids-specification.readthedocs.io, "Electroencephalography".
    """
    try:
        import mne_bids
    except ModuleNotFoundError:
        raise PhysioprepError(f"BIDS {WITHOUT_BIDS}") from None
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise PhysioprepError(f"{folder}: is not empty")
    runs: dict[str, list[str]] = {}
    owner: dict[str, str] = {}
    for record_id, subject in records:
        label = bids_label(subject)
        if owner.setdefault(label, subject) != subject:
            raise PhysioprepError(f"subjects {owner[label]} and {subject} are both BIDS {label}")
        runs.setdefault(label, []).append(record_id)
    for label, ids in runs.items():
        for run, record_id in enumerate(ids, start=1):
            place = mne_bids.BIDSPath(
                subject=label, task=bids_label(task), run=f"{run:02d}" if len(ids) > 1 else None,
                root=folder, datatype="eeg",
            )  # fmt: skip
            with TemporaryDirectory() as work:
                edf, kinds, positions = write_edf(record_id, Path(work) / "record")
                if "eeg" not in kinds:
                    raise PhysioprepError(
                        f"{record_id}: BIDS has no place for a recording without EEG"
                    )
                _write(mne_bids, edf, kinds, positions, place)
    return folder


def _write(
    mne_bids: Any, edf: Path, kinds: list[str], positions: list[Positions], place: Any
) -> None:
    import mne

    read = mne.io.read_raw_bdf if edf.suffix == ".bdf" else mne.io.read_raw_edf
    raw = read(edf, preload=False, verbose="error")  # not loaded: MNE-BIDS then copies the file
    others = {n: kind for n, kind in zip(raw.ch_names, kinds, strict=True) if kind != "eeg"}
    raw.set_channel_types(others, verbose="error")
    if positions and all(each.is_head for each in positions):
        set_positions(raw, positions)
    mne_bids.write_raw_bids(raw, place, overwrite=False, verbose="error")
