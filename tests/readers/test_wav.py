"""WAV: the stored integers, whatever their width; one clear error on what is damaged."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import wavfile

from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording
from tests.readers.fuzz_damage import FUZZ, check_damaged, cuts, edits, of_one_file
from tests.readers.planted import NAME


def wav(samples: np.ndarray, rate_hz: int = 2000) -> bytes:
    buffer = io.BytesIO()
    wavfile.write(buffer, rate_hz, samples)
    return buffer.getvalue()


RAMP = (np.arange(-300, 300) * 100).astype(np.int16)
GOOD = wav(RAMP)


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def riff(*chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + sum(map(len, chunks))) + b"WAVE" + b"".join(chunks)


def planted() -> dict[str, bytes]:
    """Return a file with a name in every text that recorders write."""
    name = NAME.encode()
    tags = (b"INAM", b"IART", b"ICMT", b"IENG", b"ISFT", b"ICOP", b"ISBJ", b"ICRD")
    info = chunk(b"LIST", b"INFO" + b"".join(chunk(tag, name + b"\0") for tag in tags))
    texts = struct.pack("<256s32s32s10s8s", name, name, name, b"2001-02-03", b"04:05:06")
    bext = chunk(b"bext", texts + bytes(8 + 2 + 64 + 190) + name)
    notes = chunk(b"LIST", b"adtl" + chunk(b"labl", bytes(4) + name + b"\0"))
    xml = chunk(b"iXML", b"<BWFXML><NOTE>" + name + b"</NOTE></BWFXML>")
    tag = chunk(b"id3 ", b"ID3\3\0\0\0\0\0\x20TIT2\0\0\0\x0c\0\0\0" + name)
    beat = (np.sin(np.arange(8000) / 20) * 3000).astype(np.int16)
    fmt, data = GOOD[12:36], chunk(b"data", beat.tobytes())
    return {"a.wav": riff(bext, fmt, info, xml, data, notes, tag, chunk(b"PLAN", name))}


def test_an_error_shows_no_text_that_is_taken_for_a_chunk(tmp_path: Path) -> None:
    lying = chunk(b"LIST", b"INFO" + chunk(b"IART", b"Anna" * 4))
    content = riff(GOOD[12:36], lying[:4] + struct.pack("<I", 12) + lying[8:], GOOD[36:])
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(UnreadableFileError, match="its chunk at byte 56 states") as caught:
        read_recording(tmp_path / "a.wav")
    assert "Anna" not in str(caught.value)


@pytest.mark.parametrize("dtype", ["i2", "i4", "u1", "f4", "f8"])
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_are_the_stored_ones(tmp_path: Path, dtype: str, channels: int) -> None:
    rng = np.random.default_rng(0)
    low, high = (0, 256) if dtype == "u1" else (-(2**15), 2**15)
    stored = rng.integers(low, high, (500, channels)).astype(dtype)
    if dtype == "i4":
        stored = stored * 2**16 + 1
    (tmp_path / "a.wav").write_bytes(wav(stored if channels > 1 else stored[:, 0]))
    assert detect_format(tmp_path / "a.wav") == "wav"
    (group,) = read_recording(tmp_path / "a.wav").groups
    assert group.channels == (("WAV",) if channels == 1 else ("WAV 1", "WAV 2"))
    assert (group.sampling_rate, group.units[0]) == (2000.0, "")
    np.testing.assert_array_equal(group.digital, stored.T)
    expected = stored.T.astype(float) - (128 if dtype == "u1" else 0)
    np.testing.assert_array_equal(group.physical(), expected)
    assert read_header(tmp_path / "a.wav").groups[0].n_samples == 500


def test_24_bits_and_the_longer_form_are_read_as_libsndfile_does(tmp_path: Path) -> None:
    stored = np.random.default_rng(0).integers(-(2**23), 2**23, 400, np.int32)
    for name, form in (("a.wav", "WAV"), ("b.wav", "WAVEX")):
        soundfile.write(tmp_path / name, stored * 256, 4000, "PCM_24", format=form)
        (group,) = read_recording(tmp_path / name).groups
        np.testing.assert_array_equal(group.digital[0], stored)


def test_other_chunks_are_passed_over(tmp_path: Path) -> None:
    fmt, data = GOOD[12:36], GOOD[36:]
    content = fmt + b"LIST\x03\0\0\0abc\0" + data + b"junk\x02\0\0\0xy"
    head = b"RIFF" + struct.pack("<I", 4 + len(content)) + b"WAVE"
    (tmp_path / "a.wav").write_bytes(head + content)
    np.testing.assert_array_equal(read_recording(tmp_path / "a.wav").groups[0].digital[0], RAMP)


def changed(at: int, form: str, value: int) -> bytes:
    raw = bytearray(GOOD)
    struct.pack_into(form, raw, at, value)
    return bytes(raw)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD[:-100], "is cut off: 1144 bytes of the 1244 that it states"),
        (GOOD[:30], "is cut off: 30 bytes"),
        (changed(40, "<I", 5000), "its chunk data states 5000 bytes, the file has 1200 more"),
        (changed(40, "<I", 1199), "are no whole number of frames of 2"),
        (changed(40, "<I", 0), "holds no sample"),
        (changed(16, "<I", 4_000_000), "has no chunk data"),
        (changed(20, "<H", 17), "samples of kind 17"),
        (changed(22, "<H", 0), "states 0 channels at 2000 Hz"),
        (changed(24, "<I", 0), "states 1 channels at 0 Hz"),
        (changed(24, "<I", 999), "not those of 1 channels of 16 bits at 999 Hz"),
        (changed(34, "<H", 12), "samples of 12 bits"),
        (b"RIFX" + GOOD[4:], "only RIFF is read"),
        (GOOD[:12] + b"zzzz\xff\xff\xff\x7f" + GOOD[20:], "chunk at byte 12 states 2147483647"),
    ],
)
def test_damage_is_one_clear_error(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(UnreadableFileError, match=said):
        read_recording(tmp_path / "a.wav")


def test_unverified_what_is_there_is_read_and_noted(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(GOOD[:-101])
    found = read_recording(tmp_path / "a.wav", verify=False)
    np.testing.assert_array_equal(found.groups[0].digital[0], RAMP[:-51])
    assert "is cut off: 1143 bytes" in found.metadata["notes"][0]


@FUZZ
@given(changes=edits, cut=cuts, verify=st.booleans())
@pytest.mark.parametrize("name", ["mono", "stereo"])
def test_damaged_bytes_are_an_error_or_a_recording(
    tmp_path: Path, name: str, changes: list[tuple[float, int]], cut: float | None, verify: bool
) -> None:
    data = wav(RAMP[:20]) if name == "mono" else wav(RAMP[:40].reshape(20, 2))
    check_damaged(tmp_path / "a.wav", of_one_file(data), changes, cut, verify)
