"""Every key of the expected values is compared here, or stands in a list that says why not.

A key that neither table knows fails the test: so a new one cannot go unseen.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from physioprep.readers import read_recording
from physioprep.recording import Recording
from tests.readers import xdf_keys

pytestmark = pytest.mark.realdata
FOLDERS = (
    *("biopac_acq", "cardiosoft_xml", "dicom", "egi", "empatica_e4", "faros_csv", "hl7_aecg"),
    *("ishne", "muse_csv", "muse_xml", "openbci_txt", "philips_sierra_xml", "scp", "xdf"),
)
#: Of the file and of how its values were found.
PROVENANCE = frozenset(
    ("agreement", "annotations_are", "file", "format", "holds", "licence", "notes", "obtained")
) | {"personal_data", "sha256", "size", "source", "why_not_copied"}
#: What readers do not hand on.
LEFT_OUT = {
    "earliest_marker_created_at": "when somebody set a marker, not when the recording began",
    "recorder": "free text",
    "header_lines": "what they say of rate and channels is compared; the rest is the layout",
    "n_columns": "the layout",
    "first_row_last_columns": "the clock of the computer, left out where it is no start",
    "last_row_last_columns": "the same",
    "encoding": "of the text",
    "last_time": "a stamp of whole milliseconds, by which the rate was found",
    "group.first_valid": "zeros at the ends of a median beat are samples as the others",
    "group.last_valid": "the same",
    "sections": "lengths of the parts of the file",
    "header": "the version of the container",
    "group.first_clock_offsets": "the times by them are compared",
    "group.stream_id": "a number that no reader hands on",
    "group.n_stamped": "how the stamps are stored, which the times show",
    "group.name": "a name of the one who wrote the values",
    "group.start_unit": "the axis of the series, by which its start is found",
    "group.first5_time": "stamps; the rate that they give is compared",
    "group.last5_time": "the same",
    "channel.index": "the order in the file, which groups keep",
    "channel.note": "words",
    "channel.lead_quality": "a code that no other format has",
}


#: Names that the file gives, and the numbers of mffpy for them.
MFF = {"ECG": "1", "EMG": "2", "VREF": "E257"}


class Row(NamedTuple):
    """A channel as it was read; `block` is its group, or the dict of its median beat."""

    block: Any
    at: int
    name: str
    unit: str
    rate_hz: float
    digital: Any
    physical: Any
    step: float
    first: int  # channel number of the first of its group, -1 of a median beat


def rows_of(found: Recording) -> Iterator[Row]:
    n = 0
    for group in found.groups:
        # the values of EGI's files were found by their own software, in float32
        values = group.physical(np.float32) if found.format == "mff" else group.physical()
        digital = group.digital
        for at, name in enumerate(group.channels):
            scaled = (group.units[at], group.sampling_rate, digital[at], values[at])
            yield Row(group, at, name, *scaled, 1 / group.gain[at], n)
        n += len(group.channels)
    for beat in found.metadata.get("median_beats", ()):
        for at, name in enumerate(beat["channels"]):
            gain, digital = beat["gain"][at], beat["digital"][at]
            values = (digital - beat.get("baseline", [0] * 99)[at]) / gain
            about = (beat["units"][at], beat["sampling_rate"], digital, values, 1 / gain)
            yield Row(beat, at, name, *about, -1)


def near(value: float, stated: float, rel: float = 1e-12) -> bool:
    return bool(value == pytest.approx(stated, rel=rel, abs=1e-12))


def sha(values: Any, kind: str) -> str:
    return hashlib.sha256(values.astype(kind).tobytes()).hexdigest()


def listed(found: Recording, key: str, row: Row) -> Any:
    """Return what metadata says of a channel; of a median beat nothing is said."""
    return found.metadata[key][row.first + row.at]


Channel = Callable[[Row, Any, Recording, dict[str, Any]], bool]
CHANNEL: dict[str, Channel] = {
    "name": lambda r, v, f, _: r.name.endswith(v.removeprefix("Lead ").partition(" (E")[0])
    or f.format == "openbci"
    or MFF.get(r.name) == v
    or r.name == v,
    "unit": lambda r, v, *_: (r.unit == (v or "").partition(" (")[0]
                              or (r.unit, v) == ("g", "1/64 g")),
    "n_samples": lambda r, v, *_: len(r.digital) == v,
    "first5_digital": lambda r, v, *_: r.digital[:5].tolist() == v,
    "last5_digital": lambda r, v, *_: r.digital[-5:].tolist() == v,
    "first5_physical": lambda r, v, *_: bool(np.allclose(r.physical[:5], v, rtol=4e-16, atol=0)),
    "last5_physical": lambda r, v, *_: bool(np.allclose(r.physical[-5:], v, rtol=4e-16, atol=0)),
    "digital_min": lambda r, v, *_: r.digital.min() == v,
    "digital_max": lambda r, v, *_: r.digital.max() == v,
    "digital_sum": lambda r, v, *_: r.digital.sum(dtype=np.int64) == v,
    "physical_min": lambda r, v, *_: near(np.nanmin(r.physical), v, 1e-15),
    "physical_max": lambda r, v, *_: near(np.nanmax(r.physical), v, 1e-15),
    "physical_sum": lambda r, v, *_: near(r.physical.sum(dtype=np.float64), v, 1e-9),
    "digital_sha256_int32le": lambda r, v, *_: sha(r.digital, "<i4") == v,
    "physical_sha256_float64le": lambda r, v, *_: sha(r.physical, "<f8") == v,
    "physical_per_digital": lambda r, v, *_: near(r.step, v, 2e-16),
    "offset_physical": lambda r, v, *_: near(r.physical[0] - r.digital[0] * r.step, v),
    "stored_as": lambda r, v, *_: str(r.digital.dtype) == v,
    "file_unit": lambda r, v, *_: (v, r.unit) == ("MICROVOLTS", "uV"),
    "crc32_in_file": lambda r, v, *_: zlib.crc32(r.digital.astype("<i2").tobytes()) == v,
    "trailing_zeros": lambda r, v, *_: not r.digital[-v:].any() and r.digital[-v - 1] != 0,
    "resolution_nv": lambda r, v, *_: near(r.step * 1000, v),
    "lead_spec": lambda r, v, f, _: listed(f, "lead_codes", r) == v,
    "code": lambda r, v, f, _: r.first < 0
    or v in (f.metadata["lead_codes"].get(r.name) if isinstance(f.metadata["lead_codes"], dict)
             else listed(f, "lead_codes", r),),
    "sensitivity": lambda r, v, _, all: near(r.step, v * all["correction_factor"]),
    "correction_factor": lambda r, v, _, all: near(r.step, v * all["sensitivity"]),
    "baseline": lambda r, v, *_: near(r.physical[0] - r.digital[0] * r.step, v),
    "filter_low_hz": lambda r, v, f, _: r.first < 0 or listed(f, "filter_low_hz", r) == v,
    "filter_high_hz": lambda r, v, f, _: r.first < 0 or listed(f, "filter_high_hz", r) == v,
}  # fmt: skip


def onset(row: Row) -> float:
    return float(row.block.segments[0][1]) if row.first >= 0 else 0.0


def start(found: Recording, text: str) -> bool:
    return found.start_time == datetime.fromisoformat(text).replace(tzinfo=None)


def filtered(key: str, factor: float = 1.0) -> Channel:
    return lambda _, v, found, __: near(found.metadata[key], float(v) * factor)


GROUP: dict[str, Channel] = {
    "sampling_rate_hz": lambda r, v, *_: v is None or near(r.rate_hz, v),
    "n_samples": lambda r, v, *_: len(r.digital) == v,
    "n_channels": lambda _, v, __, all: len(all["channels"]) == v,
    "originality": lambda r, v, *_: (r.first < 0) == (v == "DERIVED"),
    "increment_s": lambda r, v, *_: near(1 / r.rate_hz, v),
    "sample_interval_us": lambda r, v, *_: near(1e6 / r.rate_hz, v),
    "start": lambda r, v, f, _: r.first < 0 or (start(f, v) if isinstance(v, str) else v == 0),
    "start_time": lambda r, v, f, _: (
        f.start_time + timedelta(seconds=onset(r)) == datetime.fromisoformat(v).replace(tzinfo=None)
    ),
    "start_unix": lambda r, v, f, _: near(
        (f.start_time - datetime(1970, 1, 1)).total_seconds() + onset(r), v
    ),
    "high_pass": filtered("high_pass_hz", 0.01),
    "low_pass": filtered("low_pass_hz"),
    "ac": filtered("notch_hz"),
    **xdf_keys.GROUP,
    "segment_lengths": lambda r, v, *_: (
        np.diff([*(first for first, _ in r.block.segments), len(r.digital)]).tolist() == v
    ),
    "rate_from_stamps": lambda r, v, *_: abs(v / r.rate_hz - 1) < 0.1,
}


def statements(found: Recording) -> list[str]:
    return [each["text"] for each in found.metadata.get("statements", ())]


def said(found: Recording) -> int:
    """Return how many annotations a file has: rows, those of median beats, statements."""
    beats = found.metadata.get("median_beats", ())
    n = len(found.annotations) + sum(len(each.get("annotations", ())) for each in beats)
    n += len(statements(found)) if found.format in ("dicom", "philips_xml") else 0
    n += len(found.metadata.get("measurements", ())) if found.format == "dicom" else 0
    n -= (found.annotations["text"] == "IBI").sum() if found.format == "empatica" else 0
    n -= (found.annotations["source"] == "calibration").sum()  # Philips' pulse
    n -= 11 if found.format == "cardiosoft_xml" else 0  # events of the full disclosure
    return int(n)


def one(found: Recording, number: int, v: Any) -> bool:
    """Return whether the annotation of a number is as stated, in each format's own words."""
    if isinstance(v, str):
        return statements(found)[number].startswith(v)
    if "referenced_channels" in v or "concept" in v:
        texts = statements(found)
        measured = found.metadata.get("measurements", {})
        return texts[number] == v["text"] if "text" in v else measured["rr_ms"] == float(v["value"])
    row = found.annotations.query("text != 'IBI'").iloc[number]
    if isinstance(v, list):
        return [row["num"], row["subtype"], round(row["onset"] * 1000)] == v
    if "raw_time" in v:  # by the clock of the stream, as the first samples
        zero = min(each["first_stamp_s"] for each in found.metadata["streams"]
                   if each["format"] != "string")  # fmt: skip
        return bool(row["text"] == v["value"][0] and near(row["onset"], v["raw_time"] - zero))
    if "time_ms" in v:
        return bool((row["text"], round(row["onset"] * 1000)) == (v["beat_class"], v["time_ms"]))
    if "tag_unix" in v:
        seconds = v["seconds_from_bvp_start"]
        return near(row["onset"], seconds, 1e-6)
    if "sample_index" in v:
        return (row["text"], row["sample"], row["code"]) == (
            v["text"], v["sample_index"], v["type"] or "")  # fmt: skip
    if "column" in v:
        return (row["text"], row["sample"]) == (f"{v['column']}={v['value']:g}", v["sample"])
    if "low" in v:
        value = f"{v['value']} {v['unit']}" if v["unit"] else v["value"]
        return (row["code"], row["text"]) == (v["code"], value)
    assert found.start_time is not None
    at = found.start_time + timedelta(seconds=row["onset"])
    return (row["text"], at) == (v["text"], datetime.fromisoformat(v["time"]))


def attributes(found: Recording, stated: dict[str, str]) -> bool:
    """Compare what Philips states of its waveforms; how they are coded shows in the samples."""
    about, group = found.metadata, found.groups[0]
    same = [near(group.n_samples / group.sampling_rate, int(stated["durationperchannel"]) / 1000)]
    if "leadlabels" in stated:
        same.append(stated["leadlabels"].split()[:12] == list(group.channels))
        same.append(int(stated["numberofleads"]) == len(group.channels))
        same.append(near(1 / group.gain[0], float(stated["resolution"])))
        same.append(int(stated["samplespersecond"]) == group.sampling_rate)
        same.append(float(stated["hipass"]) == about["highpass_hz"])
        same.append(float(stated["lowpass"]) == about["lowpass_hz"])
    return all(same)


def beats(found: Recording, stated: dict[str, str] | None) -> bool:
    if stated is None:
        return "median_beats" not in found.metadata
    (beat,) = found.metadata["median_beats"]
    rate, step = beat["sampling_rate"], 1 / beat["gain"][0]
    return rate == float(stated["samplespersec"]) and near(step, float(stated["resolution"]))


def intervals(found: Recording, stated: list[list[float]]) -> bool:
    table = found.annotations.query("text == 'IBI'").head(3)
    ends = (table["onset"] + table["duration"]).tolist()
    return bool(np.allclose(list(zip(ends, table["duration"], strict=True)), stated))


Top = Callable[[Recording, Any], bool]
TOP: dict[str, Top] = {
    "start_time": lambda f, v: f.start_time is None if v is None else start(f, v),
    "n_annotations": lambda f, v: said(f) == v,
    "first3_annotations": lambda f, v: all(one(f, n, each) for n, each in enumerate(v)),
    "epochs": lambda f, v: all(
        near(f.groups[0].segments[n][1], each["t0_s"])
        and near(f.groups[0].n_samples / f.groups[0].sampling_rate, each["duration_s"])
        for n, each in enumerate(v)
    ),
    "n_ibi": lambda f, v: (f.annotations["text"] == "IBI").sum() == v,
    "first3_ibi": intervals,
    "file_revision": lambda f, v: f.metadata["file_revision"] == v,
    "compressed": lambda f, v: f.metadata["compressed"] == v,
    "base_samples_per_second": lambda f, v: v % max(g.sampling_rate for g in f.groups) == 0,
    "diagnosis": lambda f, v: statements(f)[: len(v)] == v,
    "start_time_field": lambda f, v: f.metadata["start_time_field"] == v,
    "timezone_offset": lambda f, v: f.metadata.get("utc_offset", "") == v,
    "sop_class": lambda f, v: v.endswith(f.metadata["sop_class"]),
    "transfer_syntax": lambda f, v: (
        (v, f.metadata["transfer_syntax"]) == ("1.2.840.10008.1.2.1", "Explicit VR Little Endian")
    ),
    "sample_count_field": lambda f, v: f.groups[0].n_samples == v,
    "dates_in_header": lambda f, v: (
        f.start_time is not None
        and [f.start_time.day, f.start_time.month, f.start_time.year] == v["record"]
    ),
    "columns": lambda f, v: (
        v is None or {n for g in f.groups for n in g.channels} <= {each.strip() for each in v}
    ),
    "n_rows": lambda f, v: f.groups[0].n_samples + len(f.annotations) == v,
    "muse_version": lambda f, v: f.metadata["muse_version"] == v,
    "n_diagnosis_statements": lambda f, v: len(statements(f)) == v,
    "not_stored_leads": lambda f, v: (
        not {*v.partition(" are")[0].split()} & {*f.groups[0].channels}
    ),
    "n_incomplete_rows": lambda f, v: sum("cut off" in n for n in f.metadata["notes"]) == v,
    "first_sample_index": lambda f, v: v == 0 and f.groups[0].segments[0] == (0, 0.0),
    "last_sample_index": lambda f, v: (f.groups[0].n_samples - 1) % 256 == v,
    "samples_missing_by_index_mod256": lambda f, v: f.metadata["samples_lost"] == v,
    "document_version": lambda f, v: f.metadata["format_version"] == v,
    "parsedwaveforms_attributes": attributes,
    "n_repbeats": lambda f, v: (
        sum(len(b["channels"]) for b in f.metadata.get("median_beats", ())) == v
    ),
    "repbeats_attributes": beats,
    "amplitude_multiplier_nv": lambda f, v: near(1000 / f.groups[0].gain[0], v),
    "difference_encoding": lambda f, v: (
        ("order" in f.metadata["compression"]) == (v > 0)
        and (not v or f.metadata["compression"].endswith(f"order {v}"))
    ),
    "huffman": lambda f, v: ("huffman" in f.metadata["compression"]) == ("table" in v),
    "bimodal": lambda f, v: ("bimodal" in f.metadata["compression"]) == bool(v),
    "reference_beat_subtracted": lambda f, v: ("beat" in f.metadata["compression"]) == v,
}


def abouts(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.expected.json"))
    assert found
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_key_is_compared(shared_data: Path, tmp_path: Path, folder: str) -> None:
    for about in abouts(shared_data / "clinical_formats" / folder):
        expected = json.loads(about.read_text())
        path = Path(str(about).removesuffix(".expected.json"))
        if not path.exists():  # it is in the installed package
            from pydicom.data import get_testdata_file

            shutil.copy(str(get_testdata_file("waveform_ecg.dcm")), path := tmp_path / "a.dcm")
        found = read_recording(path)
        rows = list(rows_of(found))
        for key, stated in expected.items():
            if key in PROVENANCE or key in LEFT_OUT or key == "groups":
                continue
            assert TOP[key](found, stated), (about.name, key, stated)
        for group in expected["groups"]:
            if not group["channels"]:  # a stream of markers
                xdf_keys.markers(found, group)
            for channel in group["channels"]:
                row = next(each for each in rows if same(each, channel, group))
                rows.remove(row)
                compare(CHANNEL, "channel", row, channel, found, about.name)
                compare(GROUP, "group", row, group, found, about.name)


def same(row: Row, channel: dict[str, Any], group: dict[str, Any]) -> bool:
    """Return whether all samples are those, of the name and rate stated."""
    kinds = (("digital_sha256_int32le", "<i4"), ("physical_sha256_float64le", "<f8"))
    key, kind = next(each for each in kinds if each[0] in channel)
    values = row.digital if kind == "<i4" else row.physical
    plain = channel["name"].removeprefix("Lead ").partition(" (E")[0]
    named = row.name.endswith(plain) or plain.startswith("EXG")  # numbered from 1 by others
    named = named or MFF.get(row.name) == plain
    rate_hz = group["sampling_rate_hz"]
    return named and rate_hz in (None, row.rate_hz) and sha(values, kind) == channel[key]


def compare(
    table: dict[str, Channel], of: str, row: Row, stated: dict[str, Any], found: Recording,
    name: str,
) -> None:  # fmt: skip
    for key, value in stated.items():
        if key == "channels" or f"{of}.{key}" in LEFT_OUT:
            continue
        assert table[key](row, value, found, stated), (name, row.name, key, value)
