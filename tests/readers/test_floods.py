"""A flood of junk is refused at its first bad place: neither read to its end nor kept."""

from __future__ import annotations

import gzip
import random
import struct
import time
import tracemalloc
import zlib
from importlib import import_module
from pathlib import Path

import pytest

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers import dicom, mef, xdf, xdf_chunks
from physioprep.readers.recognise import BY_CONTENT
from tests.readers.planted import planted, write_planted

#: Bytes of a flood, and of what may be kept of it.
FLOOD, KEPT = 16 << 20, 6 << 20
TEXTS = ("openbci", "muse_csv", "polar", "faros", "apple_ecg", "empatica")
#: What stands, again and again, behind a right file.
BEHIND = {
    "one endless line": b"1",
    "one endless line of cells": b"1,1;1,",
    "lines of words": b"lorem ipsum\n",
    "rows of words": b"a,a,a,a,a,a,a,a\n",
    "blank lines": b"\n",
    "carriage returns": b"\r",
    "spaces": b" ",
    "a header": b"%a header\n",
}


def refused(format: str, path: Path) -> str:
    """Read with the module itself; return the cause of its one error."""
    module = import_module(BY_CONTENT[format])
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableFileError) as caught:
            module.read(path, verify=True)
        assert tracemalloc.get_traced_memory()[1] < KEPT
    finally:
        tracemalloc.stop()
    return caught.value.cause


@pytest.mark.parametrize("format", TEXTS)
def test_a_flood_behind_a_text_is_not_read_to_its_end(format: str, tmp_path: Path) -> None:
    path = write_planted(format, tmp_path)
    import_module(BY_CONTENT[format]).read(path, verify=True)  # loads its libraries
    file = tmp_path / next(iter(planted(format)))
    content = file.read_bytes().rstrip(b"\n") + b"\n"
    for piece in BEHIND.values():
        file.write_bytes(content + piece * (FLOOD // len(piece)))
        assert refused(format, path)


def xml(format: str) -> tuple[bytes, bytes]:
    """Return a right file, cut behind its root's tag."""
    content = next(iter(planted(format).values()))
    at = content.index(b">", content.index(ROOTS[format])) + 1
    return content[:at], content[at:]


ROOTS = {
    "muse_xml": b"<RestingECG", "philips_xml": b"<restingecgdata",
    "cardiosoft_xml": b"<CardiologyXML", "hl7_aecg": b"<AnnotatedECG",
}  # fmt: skip
SAMPLES = {
    "muse_xml": b"WaveFormData", "philips_xml": b"parsedwaveforms",
    "cardiosoft_xml": b"WaveformData", "hl7_aecg": b"digits",
}  # fmt: skip


@pytest.mark.parametrize("format", ROOTS)
@pytest.mark.parametrize(
    ("flood", "cause"),
    [
        (b"<a>" + b"1 " * 800_000 + b"</a>", "bytes and more.* over the limit"),
        ((b"<a>" + b"1 " * 500_000 + b"</a>") * 20, "texts of together .* over the limit"),
        ((b"<a b='" + b"1 " * 500_000 + b"'/>") * 20, "texts of together .* over the limit"),
        (b"<SAMPLES>1 2\n#", "holds what is no sample"),
        (b"<SAMPLES>" + b"1 " * 3_000_000 + b"</SAMPLES>", "bytes and more"),
    ],
)
def test_texts_of_an_xml_have_limits(
    format: str, flood: bytes, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_XML_SAMPLE_BYTES", 5 << 20, raising=False)
    begin, rest = xml(format)
    (tmp_path / "a.xml").write_bytes(begin + flood.replace(b"SAMPLES", SAMPLES[format]) + rest)
    with pytest.raises(UnreadableFileError, match=cause):
        import_module(BY_CONTENT[format]).read(tmp_path / "a.xml", verify=True)


@pytest.mark.parametrize("format", ["cardiosoft_xml", "hl7_aecg"])
def test_a_flood_of_samples_beside_short_leads_is_not_parsed(format: str, tmp_path: Path) -> None:
    content = next(iter(planted(format).values()))
    at = content.index(b">", content.index(b"<" + SAMPLES[format])) + 1
    between = b" " if format == "hl7_aecg" else b","
    flood = (b"1" + between) * 500_000
    (tmp_path / "a.xml").write_bytes(content[:at] + flood + content[at:])
    with pytest.raises(UnreadableFileError, match=r"differ in length: .* bytes of samples"):
        import_module(BY_CONTENT[format]).read(tmp_path / "a.xml", verify=True)


def test_many_samples_in_one_element_are_read(tmp_path: Path) -> None:
    begin, rest = xml("cardiosoft_xml")
    found = import_module(BY_CONTENT["cardiosoft_xml"])
    (tmp_path / "a.xml").write_bytes(begin + b"<WaveformData>" + b"1," * 1_500_000 +
                                     b"1</WaveformData>" + rest)  # fmt: skip
    assert found.read(tmp_path / "a.xml", verify=True).groups


def test_a_gzip_that_grows_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_INFLATED_BYTES", 4 << 20, raising=False)
    path = tmp_path / "a.xdfz"
    path.write_bytes(gzip.compress(b"XDF:" + bytes(FLOOD), 9))
    with pytest.raises(UnreadableFileError, match=r"unpacked, .* would take"):
        xdf.read(path)
    path.write_bytes(gzip.compress(b"ABC:" + bytes(FLOOD), 9))
    assert refused("xdf", path) == "no XDF: does not begin with XDF:"


@pytest.mark.parametrize("chunk", [b"\1\2\xff\xff", b"\1\x12\5\0" + xdf_chunks._BOUNDARY])
def test_a_flood_of_chunks_of_xdf_is_refused(chunk: bytes, tmp_path: Path) -> None:
    path = write_planted("xdf", tmp_path)
    with path.open("ab") as file:
        file.write(chunk * 60_000)
    with pytest.raises(UnreadableFileError, match="50001 chunks without a sample, over the limit"):
        xdf.read(path)


@pytest.mark.parametrize(
    ("chunk", "name"),
    [(b"\1\x16\4\0" + struct.pack("<I2d", 7, 1, 2), "MAX_CLOCK_OFFSETS"),
     (b"\1\x0d\3\0" + struct.pack("<I2BB2h", 7, 1, 1, 0, 5, 6), "MAX_SINGLE_SAMPLES")],
)  # fmt: skip
def test_a_flood_of_small_chunks_of_xdf_is_refused(
    chunk: bytes, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, name, 2_000, raising=False)
    path = write_planted("xdf", tmp_path)
    with path.open("ab") as file:
        file.write(chunk * 1_900)
    assert xdf.read(path).groups
    with path.open("ab") as file:
        file.write(chunk * 200)
    with pytest.raises(UnreadableFileError, match=r"2001 .* over the limit"):
        xdf.read(path)


def test_a_deflated_dicom_that_grows_is_not_inflated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_INFLATED_BYTES", 4 << 20, raising=False)
    syntax = b"\2\0\x10\0UI" + struct.pack("<H", 22) + b"1.2.840.10008.1.2.1.99"
    meta = b"\2\0\0\0UL\4\0" + struct.pack("<I", len(syntax)) + syntax
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(FLOOD)) + packer.flush()
    path = tmp_path / "a.dcm"
    path.write_bytes(bytes(128) + b"DICM" + meta + packed)
    with pytest.raises(UnreadableFileError, match=r"inflated, .* would take"):
        dicom.read(path)


def test_a_flood_of_elements_of_dicom_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    element = b"\x08\0\x60\0CS\2\0OT"
    path.write_bytes(bytes(128) + b"DICM" + element * 50_000)
    with pytest.raises(UnreadableFileError, match="over 20000 elements that lie in no other"):
        dicom.read(path)


def test_zeros_behind_records_of_mef_are_no_records(tmp_path: Path) -> None:
    path = write_planted("mef", tmp_path)
    before = mef.read(path)
    with (tmp_path / next(iter(planted("mef")))).open("ab") as file:
        file.write(bytes(1 << 20))
    found = mef.read(path)
    assert len(found.annotations) == len(before.annotations)
    assert any("records are damaged from byte" in note for note in found.metadata["notes"])


def test_a_large_part_of_an_mff_that_is_no_xml_is_not_mended(tmp_path: Path) -> None:
    path = write_planted("mff", tmp_path)
    with (path / "info.xml").open("ab") as file:
        file.write(b"\1" * FLOOD)
    assert refused("mff", path)


#: In the middle of a right file and behind it.
LARGE = {"zeros": b"\0", "ones": b"1", "cells": b"1,", "words": b"lorem ipsum\n", "ends": b"\n"}


@pytest.mark.long
@pytest.mark.parametrize("format", sorted(BY_CONTENT.keys() - {"egi_raw"}))
def test_200_mb_of_junk_are_refused_within_a_second(format: str, tmp_path: Path) -> None:
    module = import_module(BY_CONTENT[format])
    path = write_planted(format, tmp_path)
    module.read(path, verify=True)
    file = tmp_path / next(iter(planted(format)))
    content = file.read_bytes()
    for name, piece in {"junk": random.Random(1).randbytes(1 << 20), **LARGE}.items():
        for at in (len(content) // 2, len(content)):
            flood = piece * ((1 << 20) // len(piece))
            with file.open("wb") as out:
                out.write(content[:at])
                out.writelines([flood] * 200)
                out.write(content[at:])
            begun = time.process_time()
            try:
                module.read(path, verify=True)
                cause = "read"
            except UnreadableFileError as error:
                cause = error.cause
            seconds = time.process_time() - begun
            print(f"{format} {name} at {at}: {seconds:.2f} s, {cause}")
            assert cause == "read" or seconds < 1
