"""Files of BIOPAC AcqKnowledge: made byte by byte, and real ones with known values."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physioprep.errors import UnreadableFileError
from physioprep.readers import biopac, detect_format, read_header, read_recording
from tests.readers.acq_files import PLANTED, SIGNALS, Acq, Signal

KINDS = [
    Acq(SIGNALS, 38, "<"),
    Acq(SIGNALS, 38, ">"),
    Acq(SIGNALS, 41, "<", compressed=True),
    Acq(SIGNALS, 132, ">"),
    Acq(SIGNALS, 132, "<", compressed=True),
    Acq(SIGNALS, 132, ">", foreign=bytes(11) + b"\7" * 8),  # then types at an odd position
    Acq(SIGNALS, 132, ">", compressed=True),  # headers big-endian, samples little-endian
]


def write(folder: Path, content: bytes) -> Path:
    path = folder / "a.acq"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("acq", KINDS)
def test_samples_scales_and_markers_are_as_stored(tmp_path: Path, acq: Acq) -> None:
    path = write(tmp_path, acq.content())
    assert detect_format(path) == "biopac"
    found = read_recording(path)
    fast, slow, fine = found.groups
    assert (fast.channels, fast.sampling_rate) == (("fast", "fast"), 500.0)
    assert fast.digital.dtype == np.int16
    assert fast.digital.tolist() == [[1, -2, 3, -4, 5, -6, 7], [9, 8, 7, 6, 5, 4, 3]]
    assert fast.physical()[:, 0].tolist() == [2.5, -0.25]
    assert (slow.digital.tolist(), slow.units) == ([[100, 200, 300]], ("Volts",))
    assert slow.sampling_rate == pytest.approx(500 / 3)
    assert np.allclose(slow.physical(), [[10, 20, 30]], rtol=1e-15)
    assert fine.digital.tolist() == [SIGNALS[2].values]  # scale and offset do not count
    assert fine.physical().tolist() == [SIGNALS[2].values]
    late = acq.revision == 132
    assert found.annotations[["onset", "text", "code", "channel", "sample"]].values.tolist() == [
        [0.0, "Segment 1", "flag" if late else "", 2 if late else -1, 0],
        [0.006, "x", "flag" if late else "", 2 if late else -1, 3],
    ]
    assert found.start_time is None
    assert found.metadata["compressed"] is acq.compressed
    assert read_header(path).groups[1].n_samples == 3


def planted() -> dict[str, bytes]:
    """Return a file with a name in every text but names, units and markers."""
    return {"a.acq": KINDS[0].content()}


@pytest.mark.parametrize("acq", KINDS)
def test_free_texts_stay_in_the_file(tmp_path: Path, acq: Acq) -> None:
    content = acq.content()
    assert PLANTED.encode() in content
    found = read_recording(write(tmp_path, content))
    assert PLANTED not in f"{found!r}{found.metadata!r}{found.annotations.to_csv()}"


@pytest.mark.parametrize("acq", [KINDS[0], KINDS[3]])
def test_a_cut_anywhere_behind_the_samples_is_noticed(tmp_path: Path, acq: Acq) -> None:
    content = acq.content()
    begin = len(acq.before()) + len(acq.interleaved())
    journal = begin + len(acq.behind()) + 8  # and then enough to know what is to come
    for n_bytes in (n for n in range(begin, len(content), 3) if not journal - 8 <= n < journal):
        path = write(tmp_path, content[:n_bytes])
        with pytest.raises(UnreadableFileError, match="AcqKnowledge"):
            biopac.read(path)


def test_channels_that_end_before_others_are_groups_of_their_own(tmp_path: Path) -> None:
    signals = [Signal("a", [1, 2, 3, 4]), Signal("b", [5, 6]), Signal("c", []), Signal("d", [7, 8])]
    found = read_recording(write(tmp_path, Acq(signals).content()))
    assert [group.channels for group in found.groups] == [("a",), ("b", "d")]
    assert found.groups[0].digital.tolist() == [[1, 2, 3, 4]]
    assert found.groups[1].digital.tolist() == [[5, 6], [7, 8]]
    assert found.metadata["notes"] == ["channels left out, which have no sample: 1"]


def test_interleaving_is_that_of_bioread(tmp_path: Path) -> None:
    bioread = pytest.importorskip("bioread")
    random = np.random.default_rng(0)
    for _ in range(20):
        signals = [
            Signal(f"c{k}", random.integers(-9, 9, random.integers(1, 40)).tolist(), divider=int(d))
            for k, d in enumerate(random.integers(1, 7, 4))
        ]
        path = write(tmp_path, Acq(signals).content())
        groups = biopac.read(path).groups
        ours = {
            name: row.tolist()
            for group in groups
            for name, row in zip(group.channels, group.digital, strict=True)
        }
        theirs = {
            channel.name: channel.raw_data.tolist() for channel in bioread.read(path).channels
        }
        assert ours == theirs == {signal.name: signal.values for signal in signals}


def test_a_scale_of_zero_is_no_scale(tmp_path: Path) -> None:
    path = write(tmp_path, Acq([replace(SIGNALS[0], scale=0.0)]).content())
    found = read_recording(path)
    assert np.isnan(found.groups[0].physical()).all()
    assert found.metadata["flags"] == ["no-scale:fast"]


@pytest.mark.parametrize("acq", KINDS[:5])
def test_each_cut_of_a_file_is_one_error(tmp_path: Path, acq: Acq) -> None:
    content = acq.content()
    for n in [*range(20, len(content) - 1, 37), len(content) - 9, len(content) - 1]:
        path = write(tmp_path, content[:n])
        if 0 < len(acq.tail()) - len(content) + n < 8 and not acq.compressed:
            assert "may be cut off" in biopac.read(path).metadata["notes"][0]
            continue
        with pytest.raises(UnreadableFileError):
            biopac.read(path)


def _with(content: bytes, at: int, value: bytes) -> bytes:
    return content[:at] + value + content[at + len(value) :]


PLAIN = KINDS[0].content()
SMALL = KINDS[2].content()
FIRST = 1894  # the first channel's header
END = len(KINDS[0].before()) + len(KINDS[0].interleaved())


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (_with(PLAIN, 2, b"\xff\xff"), "known revision"),
        (_with(PLAIN, 10, b"\xff\x7f"), "32767 channels, over the limit"),
        (_with(PLAIN, 16, bytes(8)), "a sampling rate of nan"),
        (_with(PLAIN, FIRST, bytes(4)), "a header of 0 bytes"),
        (_with(PLAIN, FIRST + 88, b"\xff\xff\xff\x7f"), "are stated"),
        (_with(PLAIN, FIRST + 88, b"\xff\xff\xff\xff"), "a channel of -1 samples"),
        (_with(PLAIN, FIRST + 250, b"\xff\xff"), "at 1/-1 of the base rate"),
        (_with(PLAIN, END + 4, b"\xff\xff\xff\x7f"), "2147483647 markers, over the limit"),
        (_with(PLAIN, END + 8 + 10, b"\xf0\xff"), "a marker is damaged"),
        (_with(SMALL, len(SMALL) - 5, b"\0\1\2\3"), "compressed samples are damaged"),
        (
            _with(SMALL, SMALL.index(b"\x78\x9c") - 11, b"\1\1"),
            "are not the 257 bytes",
        ),
        (
            _with(SMALL, SMALL.index(b"\x78\x9c") - 11, b"\x10"),
            "are not the 16 bytes",
        ),
        (
            _with(SMALL, SMALL.index(b"\x78\x9c") - 11, b"\x0c"),
            "are not the 12 bytes",
        ),
        (b"", "no header"),
    ],
)
def test_damage_is_one_error(tmp_path: Path, content: bytes, cause: str) -> None:
    began = time.monotonic()
    with pytest.raises(UnreadableFileError, match=cause):
        biopac.read(write(tmp_path, content))
    assert time.monotonic() - began < 1


def test_damaged_markers_are_noted_where_nothing_is_verified(tmp_path: Path) -> None:
    found = biopac.read(write(tmp_path, PLAIN[: END + 3]), verify=False)
    assert found.groups[0].n_samples == 7
    assert found.metadata["not_read"] == ["damaged markers or journal"]


def test_a_cut_behind_the_journal_is_noticed(tmp_path: Path) -> None:
    acq = Acq(SIGNALS, 132, ">")
    content, end = acq.content(), len(acq.tail())
    assert biopac.read(write(tmp_path, content)).metadata["notes"] == []
    for cut in (1, 40, 50, 70, 130):
        path = write(tmp_path, content[:-cut])
        with pytest.raises(UnreadableFileError, match="cut off behind its journal"):
            biopac.read(path)
        found = biopac.read(path, verify=False)
        assert found.groups[0].n_samples == 7
        assert "cut off behind its journal" in found.metadata["notes"][0]
    found = biopac.read(write(tmp_path, content[: 4 - end]))  # of a form that is not known
    assert "the file may be cut off" in found.metadata["notes"][0]
    with pytest.raises(UnreadableFileError, match="more than it states behind its journal"):
        biopac.read(write(tmp_path, content + b"1"))


@pytest.mark.parametrize("acq", KINDS[:3])
def test_bytes_behind_the_last_part_of_version_3_are_noted(tmp_path: Path, acq: Acq) -> None:
    assert biopac.read(write(tmp_path, acq.content())).metadata["notes"] == []
    found = biopac.read(write(tmp_path, acq.content() + b"\xff" * 1000))
    assert found.metadata["notes"] == ["1000 bytes behind its last part: not read"]
    assert found.groups[0].n_samples == 7


@pytest.mark.parametrize("acq", [KINDS[0], KINDS[3]])
def test_the_journal_is_said_to_be_there(tmp_path: Path, acq: Acq) -> None:
    found = biopac.read(write(tmp_path, acq.content()))
    assert found.metadata["not_read"] == ["journal (free text)"]
    empty = biopac.read(write(tmp_path, replace(acq, journal=b"").content()))
    assert "not_read" not in empty.metadata


def test_a_flipped_bit_of_the_sampling_interval_is_noticed(tmp_path: Path) -> None:
    fast = write(tmp_path, replace(KINDS[0], sample_ms=1000 / 512_000).content())
    with pytest.raises(UnreadableFileError, match="512000 Hz, over the 400000 Hz"):
        biopac.read(fast)
    odd = biopac.read(write(tmp_path, replace(KINDS[0], sample_ms=2.0 + 2**-18).content()))
    assert "may be damaged" in odd.metadata["notes"][0]
    for sample_ms in (2.0, 1 / 3, 0.0025, 1000 / 44_100, 60_000.0):
        plain = biopac.read(write(tmp_path, replace(KINDS[0], sample_ms=sample_ms).content()))
        assert plain.metadata["notes"] == []


def test_another_number_of_compressed_samples_than_stated(tmp_path: Path) -> None:
    at = 1944 + 88
    path = write(tmp_path, _with(SMALL, at, b"\6"))
    with pytest.raises(UnreadableFileError, match="has 7 samples, its header says 6"):
        biopac.read(path)
    assert biopac.read(path, verify=False).groups[0].n_samples == 7


def test_the_ending_counts_since_the_content_says_little() -> None:
    assert biopac.is_mine(Path("A.ACQ"), PLAIN[:4096])
    assert not biopac.is_mine(Path("a.dat"), PLAIN[:4096])
    assert not biopac.is_mine(Path("a.acq"), b"text, not samples of anything at all")


def test_without_bioread_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bioread", None)
    with pytest.raises(UnreadableFileError, match=r"pip install 'physioprep\[clinical\]'"):
        biopac.read(write(tmp_path, PLAIN))


@pytest.mark.parametrize("number", range(5))
@settings(
    max_examples=80,
    deadline=2000,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    edits=st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_any_damage_gives_a_recording_or_the_one_error(
    tmp_path: Path, number: int, edits: list[tuple[int, int]], cut: float
) -> None:
    acq = KINDS[number]
    data = bytearray(acq.content())
    used = [*range(24), *range(len(acq.before()) - 1200, len(data))]  # not the zeros between
    for where, value in edits:
        data[used[where % len(used)]] = value
    path = write(tmp_path, bytes(data[: int(cut * len(data))]))
    for verify in (True, False):
        try:
            found = biopac.read(path, verify=verify)
        except UnreadableFileError as error:
            assert "damaged (" not in str(error)  # noqa: PT017 - no fault of ours
            continue
        for group in found.groups:
            assert group.digital.shape == (len(group.channels), group.n_samples)
            assert np.isfinite(group.sampling_rate)


@pytest.mark.realdata
def test_every_value_of_the_real_files_is_as_expected(shared_data: Path) -> None:
    folder = shared_data / "clinical_formats" / "biopac_acq"
    abouts = sorted(folder.glob("*.expected.json"))
    for about in abouts:
        expected = json.loads(about.read_text())
        found = read_recording(Path(str(about).removesuffix(".expected.json")))
        assert found.metadata["file_revision"] == expected["file_revision"]
        assert found.metadata["compressed"] == expected["compressed"]
        assert found.start_time is expected["start_time"]
        rows = [(group, at) for group in found.groups for at in range(len(group.channels))]
        wanted = [(group, each) for group in expected["groups"] for each in group["channels"]]
        assert len(rows) == len(wanted)
        for group, each in wanted:
            same = [pair for pair in rows if _is(pair[0], pair[1], group, each)]
            assert same, (about.name, each["name"])
            rows.remove(same[0])
        marks = found.annotations
        assert len(marks) == expected["n_annotations"]
        for row, want in zip(marks.itertuples(), expected["first3_annotations"], strict=False):
            said = (row.text, row.sample, row.code)
            assert said == (want["text"], want["sample_index"], want["type"] or "")
            assert row.onset == want["sample_index"] / expected["base_samples_per_second"]
            assert (row.channel >= 0) == (want["channel_number"] is not None)
    assert len(abouts) >= 1


def _is(group, at, stated, channel) -> bool:  # type: ignore[no-untyped-def]
    """Return whether a channel has all values that are stated."""
    if (group.channels[at], group.units[at]) != (channel["name"], channel["unit"]):
        return False
    if (group.sampling_rate, group.n_samples) != (stated["sampling_rate_hz"], channel["n_samples"]):
        return False
    if str(group.digital.dtype) != channel["stored_as"]:
        return False
    values = group.physical()[at]
    if "digital_sha256_int32le" in channel:
        raw = group.digital[at].astype("<i4")
        if hashlib.sha256(raw.tobytes()).hexdigest() != channel["digital_sha256_int32le"]:
            return False
        assert int(raw.sum(dtype=np.int64)) == channel["digital_sum"]
        assert 1 / group.gain[at] == channel["physical_per_digital"]
    else:
        digest = hashlib.sha256(values.astype("<f8").tobytes()).hexdigest()
        assert digest == channel["physical_sha256_float64le"]
    assert values[:5].tolist() == channel["first5_physical"]
    assert values[-5:].tolist() == channel["last5_physical"]
    assert (values.min(), values.max()) == (channel["physical_min"], channel["physical_max"])
    assert values.sum() == pytest.approx(channel["physical_sum"], rel=1e-12)
    return True
