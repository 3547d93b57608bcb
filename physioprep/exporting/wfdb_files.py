"""A record as WFDB files: header, samples as they are stored, annotations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.atomic import write_bytes
from physioprep.errors import PhysioprepError
from physioprep.exporting.part import Part, annotations_until, one_rate

if TYPE_CHECKING:
    import pandas as pd

#: WFDB's formats of whole numbers: bits, and the value that stands for a missing sample.
FORMATS: Final = {"16": (16, -(2**15)), "24": (24, -(2**23)), "32": (32, -(2**31))}


def wfdb_files(
    parts: Sequence[Part],
    annotations: pd.DataFrame,
    folder: str | Path,
    *,
    record_id: str,
    start_time: datetime | None = None,
) -> Path:
    """Write a record as ``NAME.hea``, ``NAME.dat`` and, with annotations, ``NAME.atr``.

    Parameters
    ----------
    parts : sequence of Part
        Whole numbers, of one sampling rate.
    annotations : pandas.DataFrame
        As `physioprep.open_store(...).annotations` gives them.
    folder : path-like
        Is made where it is missing; files of the record must not be there yet.
    record_id : str
        Gives the name: what WFDB does not allow in one becomes ``_``.
    start_time : datetime, optional
        Base time and date.

    Returns
    -------
    Path
        The header file.

    Raises
    ------
    PhysioprepError
        If the samples are floats, the parts have several rates, or a file is there.

    Notes
    -----
    Samples are the stored whole numbers, and the gain is ``1 / scale``. WFDB's baseline is a whole
    number: where the digital value of 0 lies between two, the header's comment says by how much
    the physical values are shifted, at most half a step.

    Annotations before the first sample, which WFDB does not know, are left out with a warning;
    those after the last one are written. Notes at the first sample are written, too, and
    `physioprep.read_recording` reads them; ``wfdb.rdann`` takes them for definitions of the file
    and leaves them out.
    """
    import wfdb

    rate_hz = one_rate(parts, record_id)
    name = re.sub(r"[^A-Za-z0-9_-]", "_", record_id)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    header = folder / f"{name}.hea"
    if any((folder / f"{name}{end}").exists() for end in (".hea", ".dat", ".atr")):
        raise PhysioprepError(f"{header}: files of this record are there already")
    form, digital = _samples(parts, record_id)
    scale = np.concatenate([part.scale for part in parts]).astype(np.float64)
    at_zero = -np.concatenate([part.offset for part in parts]).astype(np.float64) / scale
    baseline = np.rint(at_zero).astype(int)
    channels = [channel for part in parts for channel in part.channels]
    units = [unit for part in parts for unit in part.units]
    comments = [
        f"{channels[row]}: physical values shifted by {shift:.3g} {units[row]}: "
        "its baseline is no whole number"
        for row, shift in enumerate((at_zero - baseline) * scale)
        if abs(shift) > 1e-6 * scale[row]
    ]
    with TemporaryDirectory() as work:
        wfdb.wrsamp(
            name, fs=rate_hz, units=[unit.replace(" ", "_") or "NU" for unit in units],
            sig_name=channels, d_signal=digital.T, fmt=[form] * len(channels),
            adc_gain=(1 / scale).tolist(), baseline=baseline.tolist(), comments=comments,
            base_datetime=start_time and start_time.replace(tzinfo=None), write_dir=work,
        )  # fmt: skip
        taken = annotations_until(annotations, np.inf, record_id)
        _write_annotations(taken, name, rate_hz, Path(work))
        # the header last: without it there is no record
        for file in sorted(Path(work).iterdir(), key=lambda file: file.suffix == ".hea"):
            write_bytes(folder / file.name, file.read_bytes())
    return header


def _samples(parts: Sequence[Part], record_id: str) -> tuple[str, NDArray[Any]]:
    """Return the smallest format that holds all samples, and them, missing ones marked."""
    if any(part.digital.dtype.kind == "f" for part in parts):
        raise PhysioprepError(
            f"record {record_id}: its samples are floats, WFDB holds whole numbers; "
            "write EDF (24 bits) or use MNE"
        )
    digital = np.concatenate([part.digital.astype(np.int64) for part in parts])
    missing = np.concatenate([part.missing() for part in parts])
    most = int(np.abs(digital[~missing]).max(initial=0))
    for form, (bits, sentinel) in FORMATS.items():
        if most < 2 ** (bits - 1):
            digital[missing] = sentinel
            return form, digital
    raise PhysioprepError(f"record {record_id}: samples of over 32 bits")


def _write_annotations(table: pd.DataFrame, name: str, rate_hz: float, folder: Path) -> None:
    from wfdb.io.annotation import ann_label_table

    if not len(table):
        return
    samples = np.rint(table["onset"].to_numpy(float) * rate_hz).astype(np.int64)
    known = set(ann_label_table["symbol"])
    symbols, notes = [], []
    for code, text, duration in zip(table["code"], table["text"], table["duration"], strict=True):
        symbols.append(code if code in known else '"')
        note = str(text or "") if code in known else str(text or code or "")
        lasts = f" ({duration:g} s)" if duration == duration and duration > 0 else ""
        notes.append(note + lasts)
    import wfdb

    order = np.argsort(samples, kind="stable")
    wfdb.wrann(
        name, "atr", samples[order], symbol=[symbols[at] for at in order],
        subtype=table["subtype"].to_numpy()[order], num=table["num"].to_numpy()[order],
        chan=np.maximum(table["channel"].to_numpy()[order], 0),
        aux_note=[notes[at] for at in order], fs=rate_hz, write_dir=str(folder),
    )  # fmt: skip
