"""EGI's MFF: folders made byte by byte, against mffpy, and with damage."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, person, read_header, read_recording
from tests.readers import mff_files as made


def planted() -> dict[str, bytes]:
    return {f"a.mff/{name}": content for name, content in made.files().items()}


def test_groups_epochs_and_events(tmp_path: Path) -> None:
    path = made.make(tmp_path / "a.mff")
    assert detect_format(path) == "mff"
    found = read_recording(path)
    eeg, pns = found.groups
    assert (eeg.channels, eeg.units) == (("E1", "E2", "VREF"), ("uV",) * 3)
    assert (pns.channels, pns.units, pns.sampling_rate) == (("ECG",), ("mV",), 250.0)
    assert eeg.digital.dtype == np.float32
    assert np.array_equal(eeg.digital, made.EEG)  # as stored
    assert np.array_equal(pns.digital, made.PNS)
    assert eeg.segments == pns.segments == ((0, 0.0), (8, 0.132))
    assert np.allclose(1 / eeg.gain, made.GAINS, rtol=1e-15, atol=0)
    wide = made.EEG.astype(np.float64) * np.array(made.GAINS)[:, None]
    assert np.allclose(eeg.physical(), wide, rtol=1e-15, atol=0)
    assert found.start_time == datetime(2020, 1, 29, 6, 19, 39, 202537)
    assert found.metadata["impedance_kohm"] == [5.0, 6.0, 0.0]
    table = found.annotations
    assert table["text"].tolist() == ["DIN1", "go"]
    assert table["code"].tolist() == ["DIN1", "stm+"]
    assert table["onset"].tolist() == [0.010000123, 0.136]
    assert table["duration"].tolist() == [0.02, 0.02]
    assert table["subtype"].tolist() == [0, 4]
    assert read_header(path).groups[0].n_samples == 12
    assert len(found.files) == 11


def test_nobody_is_named(tmp_path: Path) -> None:
    person.use_key(b"key")
    found = read_recording(made.make(tmp_path / "a.mff"))
    assert made.PLANTED not in repr(found)
    assert made.PLANTED not in repr(found.metadata) + found.annotations.to_csv()
    assert found.metadata["identifying"] == ["id", "name", "birth date"]
    assert (found.metadata["age"], found.metadata["sex"]) == (29.0, "F")
    assert found.metadata["device"] == "NA400"
    assert "software" not in found.metadata
    assert "77" not in found.annotations.to_csv()


def test_mffpy_reads_the_same(tmp_path: Path) -> None:
    mffpy = pytest.importorskip("mffpy")
    path = made.make(tmp_path / "a.mff")
    reader = mffpy.Reader(str(path))
    first, _ = reader.get_physical_samples_from_epoch(reader.epochs[0])["EEG"]
    later, _ = reader.get_physical_samples_from_epoch(reader.epochs[1])["EEG"]
    ours = read_recording(path).groups[0].physical(np.float32)
    assert np.array_equal(ours, np.concatenate([first, later], axis=1))


@pytest.mark.parametrize(
    ("time", "unit"), [("2020-01-29T06:19:39.202537000-08:00", 1000), ("2020-01-29T06:19:39Z", 1)]
)
def test_older_files_count_nanoseconds(tmp_path: Path, time: str, unit: int) -> None:
    info = made.INFO.replace("2020-01-29T06:19:39.202537-08:00", time)
    rows = [(0, 32000 * unit, 1, 2), (132000 * unit, 148000 * unit, 3, 3)]
    path = made.make(
        tmp_path / "a.mff",
        **{"info.xml": made.xml("fileInfo", info), "epochs.xml": made.epochs(rows)},
    )
    assert read_recording(path).groups[0].segments[1] == (8, 0.132)


def test_epochs_that_follow_each_other_are_one_segment(tmp_path: Path) -> None:
    rows = [(0, 20000, 1, 1), (20000, 48000, 2, 3)]
    path = made.make(tmp_path / "a.mff", **{"epochs.xml": made.epochs(rows)})
    assert read_recording(path).groups[0].segments == ((0, 0.0),)


def test_segments_of_categories_that_overlap_are_laid_apart(tmp_path: Path) -> None:
    def segment(begin: int, end: int, marked: str) -> str:
        status = f'<channels signalBin="1" exclusion="badChannels">{marked}</channels>'
        return (
            f'<seg status="bad"><beginTime>{begin}</beginTime><endTime>{end}</endTime>'
            f"<channelStatus>{status}</channelStatus></seg>"
        )

    rows = [(100000, 120000, 1, 1), (90000, 102000, 2, 2), (500000, 516000, 3, 3)]
    inner = f"<cat><name>odd</name><segments>{segment(90000, 102000, '2 3')}</segments></cat>"
    inner += f"<cat><name>even</name><segments>{segment(500000, 516000, '')}</segments></cat>"
    path = made.make(
        tmp_path / "a.mff",
        **{"epochs.xml": made.epochs(rows), "categories.xml": made.xml("categories", inner)},
    )
    found = read_recording(path)
    assert found.groups[0].segments == ((0, 0.0), (5, 1.02), (8, 2.032))
    assert found.metadata["epoch_begin_s"] == [0.1, 0.09, 0.5]
    table = found.annotations
    assert sorted(table["text"]) == ["badChannels", "badChannels", "even", "odd"]
    odd = table[table["text"] == "odd"].iloc[0]
    assert (odd["onset"], odd["code"]) == (1.02, "bad")
    assert sorted(table.loc[table["text"] == "badChannels", "channel"]) == [1, 2]
    assert any("2 events lie in no epoch" in note for note in found.metadata["notes"])


def test_averages_are_laid_apart(tmp_path: Path) -> None:
    """They follow each other without a gap, but are of different conditions."""

    def average(begin: int, end: int) -> str:
        times = f"<beginTime>{begin}</beginTime><endTime>{end}</endTime>"
        return f'<segments><seg status="unedited"><name>Average</name>{times}</seg></segments>'

    rows = [(0, 20000, 1, 1), (20000, 32000, 2, 2), (32000, 48000, 3, 3)]
    names = [
        f"<cat><name>{n}</name>{average(*r[:2])}</cat>" for n, r in zip("abc", rows, strict=True)
    ]
    path = made.make(
        tmp_path / "a.mff",
        **{"epochs.xml": made.epochs(rows), "subject.xml": None,
           "categories.xml": made.xml("categories", "".join(names).replace("a<", "a\uffff<"))},
    )  # fmt: skip
    for number in range(2):
        (path / "subjects").mkdir(exist_ok=True)
        (path / "subjects" / f"{number}.xml").write_text(made.SUBJECT)
    found = read_recording(path)
    assert found.groups[0].segments == ((0, 0.0), (5, 1.02), (8, 2.032))
    table = found.annotations[found.annotations["source"] == "mff category"]
    assert table["text"].tolist() == ["a", "b", "c"]
    assert table["onset"].tolist() == [0.0, 1.02, 2.032]
    assert found.metadata["identifying"] == ["id", "name", "birth date"]
    assert "pseudonym" not in found.metadata
    assert made.PLANTED not in repr(found)


def test_sensors_say_which_channel_is_theirs(tmp_path: Path) -> None:
    samples = np.stack([made.PNS[0], -made.PNS[0], 0 * made.PNS[0]])
    pieces = [np.ascontiguousarray(samples[:, at : at + 4]) for at in (0, 4, 8)]
    set_of = "".join(
        f"<sensor><name>{name}</name><mapping>{at}</mapping><unit>mbar</unit></sensor>"
        for name, at in (("Resp", 2), ("ECG", 1))
    )
    path = made.make(
        tmp_path / "a.mff",
        **{"signal2.bin": b"".join(map(made.block, pieces)),
           "pnsSet.xml": made.xml("PNSSet", f"<sensors>{set_of}</sensors>")},
    )  # fmt: skip
    pns = read_recording(path).groups[1]
    assert (pns.channels, pns.units) == (("ECG", "Resp", "PNS3"), ("mbar", "mbar", ""))


def test_bad_channels_of_the_file_are_flags(tmp_path: Path) -> None:
    more = '<channels exclusion="badChannels">2 3</channels>'
    path = made.make(tmp_path / "a.mff", **{"info1.xml": made.about("EEG", more)})
    assert read_recording(path).metadata["flags"] == ["bad-channel:E2, VREF"]


def test_other_kinds_of_signal_files_are_said_to_be_left_out(tmp_path: Path) -> None:
    path = made.make(tmp_path / "a.mff", **{"info2.xml": made.about("Spectral")})
    found = read_recording(path)
    assert len(found.groups) == 1
    assert found.metadata["not_read"] == ["signal2.bin"]


GOOD = made.block(made.EEG)
BOMB = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><fileInfo>&b;</fileInfo>'


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("signal1.bin", GOOD[:-1], "1 bytes are missing"),
        ("signal1.bin", b"", "empty"),
        ("signal1.bin", b"\0" * 64, "no block of MFF"),
        ("signal1.bin", GOOD[:20], "header is cut off"),
        ("signal1.bin", GOOD[:8] + b"\xff\xff\xff\x7f" + GOOD[12:], "for 3 channels|missing"),
        ("signal1.bin", GOOD[:12] + b"\xff\xff\xff\x7f" + GOOD[16:], "channels, over the limit"),
        ("signal1.bin", GOOD + made.block(made.EEG[:2]), "change within it"),
        ("signal1.bin", GOOD + made.block(made.EEG, 500), "change within it"),
        ("signal1.bin", GOOD * 4, "of no epoch"),
        ("signal1.bin", GOOD, "1 blocks, epochs.xml has 3"),
        ("info.xml", BOMB, "document type"),
        ("epochs.xml", made.epochs([(0, 5, 1, 2), (6, 9, 2, 3)]), "blocks in common"),
        ("epochs.xml", made.epochs([(9, 5, 1, 3)]), "without its times"),
        (
            "info1.xml",
            made.about("EEG", f"<calibrations>{made.calibration('GCAL', (0.0,))}</calibrations>"),
            "calibration of 0",
        ),
        ("info1.xml", made.about("EEG")[:-9], "its XML ends in"),
    ],
)
def test_damage_is_one_error(
    tmp_path: Path, name: str, content: str | bytes, cause: str
) -> None:  # fmt: skip
    path = made.make(tmp_path / "a.mff", **{name: content})
    with pytest.raises(UnreadableFileError, match=cause):
        read_recording(path)


def test_what_is_whole_of_a_cut_file_is_read_only_when_asked(tmp_path: Path) -> None:
    whole = (made.make(tmp_path / "a.mff") / "signal1.bin").read_bytes()
    path = made.make(tmp_path / "b.mff", **{"signal1.bin": whole[:-2]})
    with pytest.raises(UnreadableFileError, match="2 bytes are missing"):
        read_recording(path)
    found = read_recording(path, verify=False)
    assert np.array_equal(found.groups[0].digital, made.EEG[:, :8])
    assert found.metadata["flags"] == ["cut-off"]


@pytest.mark.realdata
def test_real_files_equal_their_expected_values(shared_data: Path) -> None:
    """The expected values are rounded to float32 after the calibration, as mffpy does it."""
    n = 0
    for file in sorted((shared_data / "clinical_formats/egi").glob("*.mff.expected.json")):
        expected = json.loads(file.read_text())
        found = read_recording(Path(str(file).removesuffix(".expected.json")))
        start = datetime.fromisoformat(expected["start_time"])
        assert found.start_time == start.replace(tzinfo=None)
        assert len(found.annotations) == expected["n_annotations"]
        groups = {g["n_channels"]: g for g in expected["groups"]}
        assert len(groups) == len(found.groups)
        for group in found.groups:
            want = groups[len(group.channels)]
            assert group.sampling_rate == want["sampling_rate_hz"]
            assert group.n_samples == want["n_samples"]
            rows = zip(group.physical(np.float32), group.physical(), want["channels"], strict=True)
            for row, exact, channel in rows:
                digest = hashlib.sha256(row.astype("<f8").tobytes()).hexdigest()
                assert digest == channel["physical_sha256_float64le"]
                assert exact.sum() == pytest.approx(channel["physical_sum"], rel=1e-6, abs=1e-9)
                n += 1
    assert n >= 259
