"""Files that name other files: nothing outside the folder of the corpus is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from physioprep.corpora.scan import scan
from physioprep.errors import UnreadableFileError
from physioprep.readers import read_header, read_recording
from physioprep.readers.confinement import is_inside
from physioprep.store.build.sources import check_sources, read_source

SECRET = bytes(range(65, 91)) * 400


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """An empty folder, and a secret beside it."""
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "secret.eeg").write_bytes(SECRET)
    (tmp_path / "secret.fdt").write_bytes(SECRET)
    folder = tmp_path / "corpus"
    folder.mkdir()
    return folder


def vhdr(folder: Path, data: str = "a.eeg", markers: str | None = None, more: str = "") -> Path:
    path = folder / "a.vhdr"
    marker = "" if markers is None else f"MarkerFile={markers}\n"
    path.write_text(
        f"Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nDataFile={data}\n"
        f"{marker}DataFormat=BINARY\nDataOrientation=MULTIPLEXED\nNumberOfChannels=2\n"
        "SamplingInterval=4000\n[Binary Infos]\nBinaryFormat=INT_16\n[Channel Infos]\n"
        f"Ch1=Fp1,,0.5,µV\nCh2=Fp2,,0.5,µV\n{more}",
        encoding="utf-8",
    )
    return path


MARKERS = (
    "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\nDataFile=a.eeg\n"
    "[Marker Infos]\nMk1=Stimulus,S 1,5,1,0\n"
)


def eeglab(folder: Path, data: str) -> Path:
    from scipy.io import savemat

    path = folder / "a.set"
    eeg = {
        **{"nbchan": 2, "trials": 1, "pnts": 100, "srate": 100.0, "xmin": 0.0, "xmax": 0.99},
        **{"data": data, "chanlocs": [], "event": [], "epoch": [], "setname": "a"},
        **{"chaninfo": {}, "icawinv": [], "icasphere": [], "icaweights": [], "ref": "common"},
    }
    savemat(path, {"EEG": eeg}, appendmat=False)
    return path


@pytest.mark.parametrize(
    "name", ["../secret.eeg", "{top}/secret.eeg", "link.eeg", "sub/../../secret"]
)
def test_brainvision_reads_no_other_folder(corpus: Path, name: str) -> None:
    (corpus / "sub").mkdir()
    (corpus / "link.eeg").symlink_to(corpus.parent / "secret.eeg")
    path = vhdr(corpus, name.format(top=corpus.parent))
    with pytest.raises(UnreadableFileError, match="outside the folder of its corpus"):
        read_recording(path)


@pytest.mark.parametrize("line", ["DataFile:../secret.eeg", "datafile =\n ../secret.eeg"])
def test_brainvision_by_odd_spelling(corpus: Path, line: str) -> None:
    path = vhdr(corpus)
    path.write_text(path.read_text("utf-8").replace("DataFile=a.eeg", line), "utf-8")
    with pytest.raises(UnreadableFileError):
        read_recording(path)


def test_brainvision_reads_no_markers_elsewhere(corpus: Path) -> None:
    (corpus / "a.eeg").write_bytes(bytes(400))
    (corpus.parent / "m.vmrk").write_text(MARKERS)
    with pytest.raises(UnreadableFileError, match="outside the folder of its corpus"):
        read_recording(vhdr(corpus, markers="../m.vmrk"))
    (corpus / "m.vmrk").write_text(MARKERS)
    assert len(read_recording(vhdr(corpus, markers="m.vmrk")).annotations) == 1


def test_a_corpus_may_share_folders(corpus: Path) -> None:
    (corpus / "data").mkdir()
    (corpus / "headers").mkdir()
    (corpus / "data" / "a.eeg").write_bytes(bytes(400))
    path = vhdr(corpus / "headers", "../data/a.eeg")
    with pytest.raises(UnreadableFileError, match="outside"):
        read_recording(path)
    assert read_recording(path, root=corpus).groups[0].n_samples == 100


def test_environment_of_the_process_is_no_signal(corpus: Path) -> None:
    with pytest.raises(UnreadableFileError, match="outside the folder of its corpus"):
        read_recording(vhdr(corpus, "/proc/self/environ"))


@pytest.mark.parametrize("name", ["../secret.fdt", "{top}/secret.fdt"])
def test_eeglab_reads_no_other_folder(corpus: Path, name: str) -> None:
    path = eeglab(corpus, name.format(top=corpus.parent))
    with pytest.raises(UnreadableFileError, match="outside the folder of its corpus"):
        read_recording(path)
    (corpus / "a.fdt").write_bytes(np.arange(200, dtype=np.float32).tobytes())
    assert read_recording(eeglab(corpus, "a.fdt")).groups[0].n_samples == 100


def external_link(file: h5py.File, outside: Path) -> None:
    with h5py.File(outside / "other.h5", "w") as other:
        other["x"] = np.ones((1, 4096, 12), np.float32)
    file["tracings"] = h5py.ExternalLink(str(outside / "other.h5"), "x")


def external_storage(file: h5py.File, outside: Path) -> None:
    where = [(str(outside / "secret"), 0, 4096 * 2)]
    file.create_dataset("tracings", (1, 4096, 2), "u1", external=where)


def virtual(file: h5py.File, outside: Path) -> None:
    with h5py.File(outside / "other.h5", "w") as other:
        other["x"] = np.ones((1, 4096, 12), np.float32)
    layout = h5py.VirtualLayout((1, 4096, 12), np.float32)
    layout[:] = h5py.VirtualSource(str(outside / "other.h5"), "x", (1, 4096, 12))
    file.create_virtual_dataset("tracings", layout)


def deep_in_a_group(file: h5py.File, outside: Path) -> None:
    external_storage(file.create_group("a").create_group("b"), outside)
    file["tracings"] = h5py.SoftLink("/a/b/tracings")


def by_reference(file: h5py.File, outside: Path) -> None:
    group = file.create_group("#refs#")
    external_storage(group, outside)
    file["ECG"] = np.array([group["tracings"].ref], h5py.ref_dtype)


HOWS: list[Callable[[h5py.File, Path], None]] = [
    external_link, external_storage, virtual, deep_in_a_group, by_reference,
]  # fmt: skip


@pytest.mark.parametrize("ending", [".hdf5", ".mat", ".snirf", ".set"])
@pytest.mark.parametrize("how", HOWS)
def test_hdf5_reads_no_other_file(corpus: Path, how: Any, ending: str) -> None:
    path = corpus / f"exams{ending}"
    with h5py.File(path, "w") as file:
        file["exam_id"] = [77]
        how(file, corpus.parent)
    for name in (path, f"{path}#77"):
        with pytest.raises(UnreadableFileError, match=r"refers to another file|no such file"):
            read_recording(name)


def test_a_bare_file_may_be_a_link_but_not_what_it_names(corpus: Path) -> None:
    (corpus / "b.hea").write_text("b 1 250 3\nb.dat 16 200/mV 16 0 65 66 0 I\n")
    (corpus / "b.dat").symlink_to(corpus.parent / "secret")
    with pytest.raises(UnreadableFileError, match="outside the folder of the recording"):
        read_recording(corpus / "b", verify=False)
    other = corpus.parent / "mine.csv"
    other.write_text("t,x\n0,1\n0.5,2\n1,3\n")
    (corpus / "a.csv").symlink_to(other)
    (corpus / "a.yaml").write_text("time: t\nchannels: {ECG: x}\nunits: mV\n")
    assert read_recording(corpus / "a.csv").groups[0].n_samples == 3
    with pytest.raises(UnreadableFileError, match="outside the folder of its corpus"):
        read_recording(corpus / "a.csv", root=corpus)


def test_a_scan_reads_no_links_out_of_the_corpus(corpus: Path) -> None:
    for name in ("good", "bad"):
        (corpus / f"{name}.hea").write_text(f"{name} 1 250 3\n{name}.dat 16 200/mV 16 0 1 6 0 I\n")
        (corpus / f"{name}.dat").write_bytes(bytes([1, 0, 2, 0, 3, 0]))
    (corpus / "bad.hea").rename(corpus.parent / "bad.hea")
    (corpus / "bad.hea").symlink_to(corpus.parent / "bad.hea")
    table = scan(corpus, "folder").set_index("record_id")
    assert table.loc["good", "error"] is None or pd.isna(table.loc["good", "error"])
    assert "outside the folder of its corpus" in table.loc["bad", "error"]


@pytest.mark.parametrize("name", ["../secret.hea", "{top}/secret.hea", "link.hea"])
def test_a_manifest_names_nothing_outside(corpus: Path, name: str) -> None:
    (corpus.parent / "secret.hea").write_text("secret 1 250 3\nsecret.dat 16 200/mV 16 0 1 6 0 I\n")
    (corpus.parent / "secret.dat").write_bytes(bytes([1, 0, 2, 0, 3, 0]))
    (corpus / "link.hea").symlink_to(corpus.parent / "secret.hea")
    path = name.format(top=corpus.parent)
    record = {
        **{"root": str(corpus), "path": path, "files": [path], "file_sha256": None},
        **{"format": "wfdb", "corpus": "mine", "faults": []},
    }
    with pytest.raises(UnreadableFileError, match="outside the folder of its corpus"):
        read_source(record, verify=True)
    with pytest.raises(UnreadableFileError, match="outside the folder of its corpus"):
        check_sources(record)


def test_inside(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "ab").mkdir()
    (tmp_path / "way").symlink_to(tmp_path / "a")
    a = str(tmp_path / "a")
    assert is_inside(f"{a}/x", str(tmp_path / "way"))
    assert is_inside(f"{tmp_path}/way/x", a)
    assert not is_inside(f"{tmp_path}/ab/x", a)
    assert not is_inside(f"{a}/..", a)
    assert not is_inside(f"{a}/../ab/x", a)
    assert is_inside(f"{a}/x", "/")
    Path(f"{a}/loop").symlink_to("loop")
    assert read_error(f"{a}/loop")


def read_error(name: str) -> str:
    with pytest.raises(UnreadableFileError) as error:
        read_header(name)
    return str(error.value)
