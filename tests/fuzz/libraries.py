"""What libraries parse: tables, arrays, MATLAB, HDF5, pickles and the formats of MNE-Python.

These formats have no checksums of their own (a ZIP archive has). Where a plain decoder of the same
bytes is at hand, its values are compared; where only samples are damaged, only as many samples
may differ as bytes do; else the promises of a `Recording` hold.
"""

from __future__ import annotations

import csv
import io
import pickle
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from physioprep.readers import read_recording
from physioprep.recording import Recording
from tests.fuzz.attack import Mutant, Subject
from tests.fuzz.native import unsound
from tests.readers.test_mat import amigos, dreamer, write_v73
from tests.readers.test_mne_others import cnt_file, gdf_file, nihon_file
from tests.readers.test_pickles import wesad

VALUES = np.random.default_rng(1).integers(-900, 900, (2, 200)).astype(np.int16)
ABOUT = "sampling_rate: 100\nchannels: [I, II]\nunits: mV\n"
Write = Callable[[Path], None]


def sound(good: Recording, found: Recording, mutant: Mutant) -> str | None:
    return unsound(found)


def table(name: str, write: Write, folder: Path) -> Path:
    write(folder / name)
    (folder / "physioprep.yaml").write_text(ABOUT)
    return folder / name


def as_frame() -> pd.DataFrame:
    return pd.DataFrame(VALUES.T, columns=["I", "II"])


def of_text_table(separator: str | None, good: Any, found: Recording, mutant: Mutant) -> str | None:
    """The numbers are those of the csv module, where every cell is a plain number."""
    problem = unsound(found)
    if problem:
        return problem
    try:
        text = mutant.after.decode()
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator or " "))
        held = [number for number, line in enumerate(lines) if line]
        names = lines[held[0]]
        # An empty line between others is a missing sample of every channel.
        lines = [line or ["", ""] for line in lines[held[0] + 1 : held[-1] + 1]]
        columns = [[float(line[names.index(c)] or "nan") for line in lines] for c in ("I", "II")]
    except (ValueError, IndexError, csv.Error):
        return None
    if len(names) != 2 or any(len(line) != 2 for line in lines) or '"' in text:
        return None
    rows = found.groups[0].digital.astype(np.float64)
    equal = np.array_equal(rows, np.array(columns), equal_nan=True)
    return None if equal else "other numbers than the text holds"


def of_npy(good: Any, found: Recording, mutant: Mutant) -> str | None:
    """The samples are those that NumPy loads."""
    theirs = np.load(mutant.target, allow_pickle=False)
    theirs = theirs["val"] if mutant.target.suffix == ".npz" else theirs
    equal = np.array_equal(found.groups[0].digital, theirs.T, equal_nan=True)
    return unsound(found) or (None if equal else "other samples than NumPy's")


def of_damaged_samples(good: Recording, found: Recording, mutant: Mutant) -> str | None:
    """Only samples are damaged: no more of them differ than bytes do."""
    problem = unsound(found)
    if problem or len(mutant.after) != len(mutant.before) or mutant.target.suffix not in (
        ".eeg", ".fdt",
    ):  # fmt: skip
        return problem
    theirs = np.concatenate([group.digital.ravel() for group in found.groups])
    ours = np.concatenate([group.digital.ravel() for group in good.groups])
    changed = sum(a != b for a, b in zip(mutant.before, mutant.after, strict=True))
    if theirs.shape != ours.shape:
        return f"{theirs.shape} samples, not {ours.shape}"
    differ = int((~((ours == theirs) | (np.isnan(ours) & np.isnan(theirs)))).sum())
    return None if differ <= changed else f"{differ} samples differ, {changed} bytes do"


def brainvision(folder: Path) -> Path:
    (folder / "a.vhdr").write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nCodepage=UTF-8\n"
        "DataFile=a.eeg\nMarkerFile=a.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\n"
        "NumberOfChannels=2\nSamplingInterval=4000\n[Binary Infos]\nBinaryFormat=INT_16\n"
        "[Channel Infos]\nCh1=Fp1,,0.5,µV\nCh2=Fp2,,0.5,µV\n",
        encoding="utf-8",
    )
    (folder / "a.vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\nCodepage=UTF-8\n"
        "DataFile=a.eeg\n[Marker Infos]\nMk1=New Segment,,1,1,0,20200131120000000000\n"
        "Mk2=Stimulus,S  1,50,1,0\nMk3=Comment,eyes open,120,20,0\n"
    )
    (folder / "a.eeg").write_bytes(np.ascontiguousarray(VALUES.T).astype("<i2").tobytes())
    return folder / "a.vhdr"


def eeglab(separate: bool, folder: Path) -> Path:
    from scipy.io import savemat

    names = np.array([("Fz",), ("Cz",)], dtype=[("labels", object)])
    events = [("type", object), ("latency", object), ("duration", object)]
    data: Any = VALUES.astype(np.float32)
    if separate:
        data.T.astype("<f4").tofile(folder / "a.fdt")
        data = "a.fdt"
    content = {
        "setname": "a", "filename": "a.set", "nbchan": 2, "trials": 1, "pnts": 200, "srate": 128.0,
        "xmin": 0.0, "xmax": 199 / 128, "data": data, "chanlocs": names, "ref": "common",
        "event": np.array([("square", 65.0, 1.0)], events), "epoch": [], "icawinv": [],
        "icasphere": [], "icaweights": [],
    }  # fmt: skip
    savemat(folder / "a.set", {"EEG": content}, appendmat=False)
    return folder / "a.set"


def fif(folder: Path) -> Path:
    import mne

    info = mne.create_info(["Fp1", "ECG"], 100.0, ["eeg", "ecg"])
    raw = mne.io.RawArray(VALUES * 1e-6, info, verbose="error")
    raw.set_annotations(mne.Annotations([0.5, 1.0], [0.25, 0.0], ["BAD", "blink"]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw.save(folder / "a_raw.fif", fmt="single", verbose="error")
    return folder / "a_raw.fif"


def mne_other(write: Write, name: str, folder: Path) -> Path:
    write(folder / name)
    return folder / name


def mat(kind: str, folder: Path) -> Path:
    """Write a container of a corpus in MATLAB 5 or 7.3."""
    from scipy.io import savemat

    rng = np.random.default_rng(0)
    write: Any = write_v73 if kind.endswith("73") else savemat
    if kind == "cpsc-zip":
        write = partial(savemat, do_compression=True)
    if kind.startswith("dreamer"):
        write(folder / "DREAMER.mat", dreamer(1, 2))
        return folder / "DREAMER.mat#s01/v01/stimuli"
    if kind.startswith("amigos"):
        write(folder / "Data_Preprocessed_P01.mat", amigos())
        return folder / "Data_Preprocessed_P01.mat#v02"
    data = rng.normal(0, 1, (12, 60))
    write(folder / "A0001.mat", {"ECG": {"sex": "Female", "age": 64, "data": data}})
    return folder / "A0001.mat"


def code15(folder: Path) -> Path:
    import h5py

    tracings = np.random.default_rng(0).normal(0, 1, (3, 64, 12)).astype(np.float32)
    with h5py.File(folder / "exams_part0.hdf5", "w") as file:
        file["exam_id"] = np.array([1169160, 77, 0])
        file.create_dataset("tracings", data=tracings, chunks=(1, 64, 12), compression="gzip")
    return folder / "exams_part0.hdf5#77"


def pickled(kind: str, folder: Path) -> Path:
    rng = np.random.default_rng(0)
    if kind == "wesad":
        content: Any = wesad()
        (folder / "S2.pkl").write_bytes(pickle.dumps(content, 2))
        return folder / "S2.pkl"
    content = {"labels": rng.uniform(1, 9, (2, 4)), "data": rng.normal(0, 1, (2, 40, 20))}
    (folder / "s01.dat").write_bytes(pickle.dumps(content, 2))
    return folder / "s01.dat#v02"


def described(folder: Path) -> Path:
    path = table("a.csv", lambda file: as_frame().to_csv(file, index=False), folder)
    (folder / "physioprep.yaml").write_text(
        ABOUT + "gain: [200, 100]\nbaseline: 3\nmissing: -32768\nstart_time: 2020-01-31T12:00:00\n"
    )
    return path


def _guarded(make: Any, targets: tuple[str, ...], judge: Any = sound) -> Subject:
    return Subject(make, targets, read_recording, judge, guarded=True)


LIBRARIES: dict[str, Subject] = {
    "csv": _guarded(
        partial(table, "a.csv", lambda path: as_frame().to_csv(path, index=False)),
        ("a.csv",), partial(of_text_table, ","),
    ),
    "tsv": _guarded(
        partial(table, "a.tsv", lambda path: as_frame().to_csv(path, index=False, sep="\t")),
        ("a.tsv",), partial(of_text_table, "\t"),
    ),
    "txt": _guarded(
        partial(table, "a.txt", lambda path: as_frame().to_csv(path, index=False, sep=" ")),
        ("a.txt",),
    ),
    "description": _guarded(described, ("physioprep.yaml",)),
    "parquet": _guarded(
        partial(table, "a.parquet", lambda path: as_frame().to_parquet(path)), ("a.parquet",)
    ),
    "npy": _guarded(
        partial(table, "a.npy", lambda path: np.save(path, VALUES.T)), ("a.npy",), of_npy
    ),
    "npz": _guarded(
        partial(table, "a.npz", lambda path: np.savez_compressed(path, val=VALUES.T)),
        ("a.npz",), of_npy,
    ),
    **{
        f"mat-{kind}": _guarded(partial(mat, kind), ("*.mat",))
        for kind in ("cpsc", "cpsc-zip", "cpsc-73", "dreamer", "dreamer-73", "amigos-73")
    },
    "hdf5": _guarded(code15, ("*.hdf5",)),
    "deap": _guarded(partial(pickled, "deap"), ("s01.dat",)),
    "wesad": _guarded(partial(pickled, "wesad"), ("S2.pkl",)),
    "brainvision": _guarded(brainvision, ("a.*",), of_damaged_samples),
    "eeglab": _guarded(partial(eeglab, False), ("a.set",)),
    "eeglab-fdt": _guarded(partial(eeglab, True), ("a.*",), of_damaged_samples),
    "fif": _guarded(fif, ("*.fif",)),
    "gdf": _guarded(partial(mne_other, gdf_file, "a.gdf"), ("a.*",)),
    "cnt": _guarded(partial(mne_other, cnt_file, "a.cnt"), ("a.*",)),
    "nihon-kohden": _guarded(partial(mne_other, nihon_file, "A.EEG"), ("A.*",)),
}  # fmt: skip
