"""Damage of every clinical format: one error that names file and cause, soon, in little memory."""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import physioprep as pp
from physioprep import limits
from physioprep.corpora.entry import FOLDER_ENDINGS
from physioprep.errors import UnreadableFileError
from physioprep.readers import read_header, read_recording
from physioprep.readers.recognise import BY_CONTENT, RECORDED
from tests.readers.planted import NAME, write_planted

XML = {
    "muse_xml": "RestingECG", "philips_xml": "restingecgdata",
    "cardiosoft_xml": "CardiologyXML", "hl7_aecg": "AnnotatedECG",
}  # fmt: skip
#: Of EGI's simple binary, whose files hold no texts, its own tests.
FILES = sorted(BY_CONTENT.keys() - {"egi_raw"})
#: Seconds of the processor, and bytes, that a refusal may take.
SOON_S, LITTLE = 1.0, 160 << 20


def refusal(format: str, path: Path) -> str:
    """Read with the module itself; return the cause of the one error."""
    module = import_module(BY_CONTENT[format])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    with pytest.raises(UnreadableFileError) as caught:
        module.read(path, verify=True)
    assert time.process_time() - begun < SOON_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < LITTLE >> 10
    error = caught.value
    assert Path(error.path) == path
    assert len(error.cause) > 5
    assert "\n" not in error.cause
    assert NAME not in str(error)
    assert "its reader" not in error.cause
    return error.cause


def one_file(format: str, folder: Path) -> Path:
    path = write_planted(format, folder)
    if path.is_dir():
        pytest.skip("a folder: its own tests cut its files")
    import_module(BY_CONTENT[format]).read(path, verify=True)  # and loads its library
    return path


@pytest.mark.parametrize("format", FILES)
def test_what_is_no_such_file_is_refused(format: str, tmp_path: Path) -> None:
    path = one_file(format, tmp_path)
    size = path.stat().st_size
    for content in (b"\0", bytes(size), random.Random(1).randbytes(size), bytes(4 << 20)):
        path.write_bytes(content)
        refusal(format, path)


@pytest.mark.parametrize("format", FILES)
def test_an_empty_file_is_said_to_be_empty(format: str, tmp_path: Path) -> None:
    path = one_file(format, tmp_path)
    path.write_bytes(b"")
    refusal(format, path)
    for read in (read_recording, read_header):
        with pytest.raises(UnreadableFileError, match="is empty"):
            read(path, format=format)
        with pytest.raises(UnreadableFileError, match="is empty"):
            read(path)


def test_a_scan_takes_empty_files_of_endings_of_recordings(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    names = [f"r{n}{each}" for n, each in enumerate(RECORDED) if each not in FOLDER_ENDINGS]
    for name in names:
        (raw / name).touch()
    for name in ("notes.txt", "a.zip", "a.ann", "b.raw"):
        (raw / name).touch()
    rows = pp.scan(raw, "folder")
    assert sorted(rows["path"]) == sorted(names)
    assert rows["error"].str.endswith("is empty").all()


@pytest.mark.parametrize("format", FILES)
@pytest.mark.parametrize("percent", [1, 10, 50, 99])
def test_a_cut_file_is_refused_or_has_a_whole_end(
    format: str, percent: int, tmp_path: Path
) -> None:
    path = one_file(format, tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * percent // 100])
    if format in TEXTS and percent > 1:
        path.write_bytes(content[: len(content) * percent // 100].rstrip(b"\n") + b",x")
    cause = refusal(format, path)
    if format in XML:
        assert "cut off: its XML ends in line" in cause
    if format == "dicom":
        assert "byte" in cause


#: A text cut at the end of a line cannot be told from a shorter one.
TEXTS = ("openbci", "muse_csv", "empatica", "faros", "polar", "apple_ecg")


def bombs(root: str) -> Iterator[tuple[str, bytes]]:
    yield "tags and references", f"<{root}>{'<a/>' * 3_000_000}</{root}>".encode()
    yield "tags and references", f"<{root}>{'&lt;' * 3_000_000}</{root}>".encode()
    yield "tags and references", f"<{root}>{'<?a?>' * 3_000_000}</{root}>".encode()
    yield "nested too deep", f"<{root}>{'<a>' * 100_000}".encode()
    yield "tag or comment of over", f"<{root} a='{'x' * 30_000_000}'/>".encode()
    yield "tag or comment of over", f"<{root}><!--{'x' * 30_000_000}--></{root}>".encode()
    many = " ".join(f"a{number}='x'" for number in range(300_000))
    yield "tag or comment of over", f"<{root} {many}/>".encode()
    entities = "".join(f"<!ENTITY e{n + 1} '{f'&e{n};' * 10}'>" for n in range(9))
    start = f"<!DOCTYPE {root} [<!ENTITY e0 'x'>{entities}]>"
    yield "document type", f"{start}<{root}>&e9;</{root}>".encode()
    outside = f"<!DOCTYPE {root} [<!ENTITY e0 SYSTEM 'file:///etc/passwd'>]>"
    yield "document type", f"{outside}<{root}>&e0;</{root}>".encode()
    yield "encoding", f"<?xml version='1.0' encoding='{NAME}'?><{root}/>".encode()
    yield "", f"<{root}><WaveFormData>{'A' * 30_000_000}</WaveFormData></{root}>".encode()


@pytest.mark.parametrize("format", XML)
def test_bombs_of_xml(format: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    for cause, content in bombs(XML[format]):
        path.write_bytes(content)
        said = refusal(format, path)
        # where texts are bounded, an endless tag is met by that bound first
        assert cause in said or (cause.startswith("tag") and "without a tag, over" in said)


@pytest.mark.parametrize("format", sorted(XML))
def test_an_xml_over_the_limit_is_not_read(format: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    with path.open("wb") as file:
        file.write(f"<{XML[format]}>".encode())
        file.truncate(limits.MAX_TEXT_BYTES + 1)
    assert "over the limit" in refusal(format, path)
