"""NWB files made with h5py, after the format's schema: series, times, tables, people, damage."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, person, read_recording
from tests.readers.planted import NAME

LFP = np.random.default_rng(1).integers(-3000, 3000, (60, 2)).astype(np.int16)
ECG = np.linspace(-1, 1, 30).astype(np.float32)
GAPS = np.concatenate([np.arange(30), np.arange(30) + 50]) / 100 + 2


def series(place: Any, name: str, kind: str, data: Any, **said: Any) -> Any:
    made = place.create_group(name)
    made.attrs.update({"neurodata_type": kind, "namespace": "core", "comments": NAME})
    made.attrs["description"] = NAME
    attributes = {"conversion": 1.0, "offset": 0.0, "unit": "volts"} | said
    rate, first = attributes.pop("rate", None), attributes.pop("first", 0.0)
    stamps = attributes.pop("stamps", None)
    values = made.create_dataset("data", data=data)
    values.attrs.update({key: value for key, value in attributes.items() if value is not None})
    if rate is not None:
        made["starting_time"] = first
        made["starting_time"].attrs["rate"] = rate
    if stamps is not None:
        made["timestamps"] = stamps
    return made


def table(place: Any, name: str, kind: str, **columns: Any) -> Any:
    made = place.create_group(name)
    made.attrs.update({"neurodata_type": kind, "description": NAME})
    for key, values in columns.items():
        made[key] = values
    return made


def fill(file: Any) -> None:
    file.attrs.update({"nwb_version": "2.7.0", "neurodata_type": "NWBFile"})
    file["session_start_time"] = "2021-03-04T05:06:07.250000+01:00"
    file["timestamps_reference_time"] = "2021-03-04T05:06:07.250000+01:00"
    for name in ("session_description", "identifier", "general/institution", "general/lab",
                 "general/notes", "general/keywords", "general/protocol"):  # fmt: skip
        file[name] = NAME
    file["general/experimenter"] = [NAME]
    for name, text in {"subject_id": NAME, "age": "P30Y6M", "sex": "F", "species": NAME,
                       "description": NAME, "genotype": NAME}.items():  # fmt: skip
        file[f"general/subject/{name}"] = text
    electrodes = table(
        file["general"].create_group("extracellular_ephys"), "electrodes", "DynamicTable",
        id=[10, 11, 12], label=["LA1", "LA2", "LB1"], location=["CA1", NAME, "HC"],
        x=[1.0, np.nan, 3.0], imp=[5e3, 6e3, 7e3], group_name=[NAME] * 3, filtering=[NAME] * 3,
    )  # fmt: skip
    assert electrodes.name
    file["general/extracellular_ephys/probe"] = NAME
    acquisition = file.create_group("acquisition")
    raw = series(acquisition, "raw", "ElectricalSeries", LFP, conversion=1e-6, offset=0.5,
                 rate=100.0, first=1.5)  # fmt: skip
    raw["electrodes"] = [2, 0]
    raw["channel_conversion"] = [1.0, 0.25]
    gaps = series(acquisition, "gaps", "ElectricalSeries", LFP, stamps=GAPS)
    gaps["electrodes"] = [0, 1]
    series(acquisition, "ecg", "TimeSeries", ECG, unit="mV", rate=25.0)
    series(acquisition, "running", "TimeSeries", ECG, unit="m/s", rate=25.0)
    text = series(acquisition, "marks", "AnnotationSeries", ["go", "stop"], stamps=[1.25, 0.5])
    assert text.name
    states = series(acquisition, "sleep", "IntervalSeries", np.array([1, -1, 2], np.int8),
                    stamps=[1.0, 3.0, 5.0])  # fmt: skip
    assert states.name
    intervals = file.create_group("intervals")
    table(intervals, "trials", "TimeIntervals", id=[0, 1], start_time=[0.0, 2.0],
          stop_time=[1.0, 2.5], stimulus=["left", "right"], correct=[True, False],
          comments=[NAME, NAME])  # fmt: skip
    table(intervals, "epochs", "TimeIntervals", id=[0], start_time=[0.25], stop_time=[0.75],
          tags=["a", "b"], tags_index=[2])  # fmt: skip
    table(file.create_group("events"), "licks", "EventsTable", timestamp=[4.0], annotation=[NAME])


def made(change: Callable[[Any], None] | None = None) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        fill(file)
        if change is not None:
            change(file)
    return out.getvalue()


def write(folder: Path, change: Callable[[Any], None] | None = None) -> Path:
    path = folder / "a.nwb"
    path.write_bytes(made(change))
    return path


def planted() -> dict[str, bytes]:
    return {"a.nwb": made()}


def test_each_series_of_voltages_is_a_group(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert detect_format(path) == "nwb"
    found = read_recording(path)
    ecg, gaps, raw = found.groups
    assert (raw.channels, raw.units, raw.sampling_rate) == (("LB1", "LA1"), ("volts",) * 2, 100.0)
    assert raw.digital.dtype == np.int16
    assert np.array_equal(raw.digital, LFP.T)
    want = LFP.T * (1e-6 * np.array([[1.0], [0.25]])) + 0.5
    assert np.allclose(raw.physical(), want, rtol=1e-15, atol=0)
    assert raw.segments == ((0, 1.5),)
    assert gaps.sampling_rate == 100.0
    assert gaps.segments == ((0, 2.0), (30, 2.5))
    assert (ecg.channels, ecg.units, ecg.digital.dtype) == (("ecg",), ("mV",), np.float32)
    assert np.array_equal(ecg.digital[0], ECG)
    assert found.metadata["not_read"] == ["series running (of no voltage)"]
    assert found.start_time == datetime(2021, 3, 4, 5, 6, 7, 250000)
    assert found.metadata["utc_offset"] == "+0100"
    places = found.metadata["series"][2]["electrodes"]
    assert places == [{"x": 3.0, "imp": 7e3, "location": "HC"},
                      {"x": 1.0, "imp": 5e3, "location": "CA1"}]  # fmt: skip


def test_intervals_and_events_are_annotations(tmp_path: Path) -> None:
    rows = read_recording(write(tmp_path)).annotations
    assert rows[["onset", "duration", "text", "code"]].fillna(-1).to_numpy().tolist() == [
        [0.0, 1.0, "correct=True; stimulus=left", "trials"],
        [0.25, 0.5, "a, b", "epochs"],
        [0.5, -1, "stop", "marks"],
        [1.0, 2.0, "sleep 1", "sleep"],
        [1.25, -1, "go", "marks"],
        [2.0, 0.5, "correct=False; stimulus=right", "trials"],
        [5.0, -1, "sleep 2", "sleep"],
    ]


def test_nobody_is_named(tmp_path: Path) -> None:
    person.use_key(b"key")
    found = read_recording(write(tmp_path))
    assert NAME not in repr(found) + repr(found.metadata) + found.annotations.to_csv()
    assert (found.metadata["age"], found.metadata["sex"]) == (30.5, "F")
    assert found.metadata["pseudonym"] == person.pseudonym(NAME)
    assert any("1 annotations that may name" in note for note in found.metadata["notes"])


def test_times_from_elsewhere_are_counted_from_the_first_sample(tmp_path: Path) -> None:
    def change(file: Any) -> None:
        for name in ("raw", "ecg"):
            file[f"acquisition/{name}/starting_time"][()] = 1e6
        file["acquisition/gaps/timestamps"][...] = GAPS + 1e6

    found = read_recording(write(tmp_path, change))
    assert [group.segments[0][1] for group in found.groups] == [0.0, 2.0, 0.0]
    assert found.start_time == datetime(2021, 3, 15, 18, 52, 47, 250000)


def test_stamps_that_are_irregular_are_said_to_be_left_out(tmp_path: Path) -> None:
    def change(file: Any) -> None:
        file["acquisition/gaps/timestamps"][...] = np.sort(np.random.default_rng(2).random(60))

    assert "series gaps (irregular)" in read_recording(write(tmp_path, change)).metadata["not_read"]


def test_another_ending_is_read_all_the_same(tmp_path: Path) -> None:
    path = write(tmp_path).rename(tmp_path / "a.h5")
    assert detect_format(path) == "hdf5"
    found = read_recording(path)
    assert found.format == "nwb"
    assert np.array_equal(found.groups[2].digital, LFP.T)


@pytest.mark.filterwarnings("ignore")
def test_pynwb_writes_what_is_read(tmp_path: Path) -> None:
    pynwb = pytest.importorskip("pynwb")
    from pynwb.ecephys import LFP as Container
    from pynwb.ecephys import ElectricalSeries

    zone = datetime.fromisoformat("2020-01-02T03:04:05+00:00")
    file = pynwb.NWBFile(session_description="s", identifier="i", session_start_time=zone)
    group = file.create_electrode_group(
        name="g", description="d", location="l", device=file.create_device(name="amp")
    )
    for _ in range(3):
        file.add_electrode(location="CA1", group=group)
    chosen = file.create_electrode_table_region(region=[2, 0], description="x")
    lfp = ElectricalSeries(name="lfp", data=LFP, electrodes=chosen, timestamps=GAPS)
    module = file.create_processing_module(name="ecephys", description="x")
    module.add(Container(electrical_series=lfp))
    with pynwb.NWBHDF5IO(tmp_path / "a.nwb", "w") as out:
        out.write(file)
    (found,) = read_recording(tmp_path / "a.nwb").groups
    assert found.channels == ("electrode 2", "electrode 0")
    assert found.segments == ((0, 2.0), (30, 2.5))
    assert np.array_equal(found.digital, LFP.T)


def _external(file: Any) -> None:
    file["other"] = h5py.ExternalLink("b.nwb", "/x")


def _no_electrode(file: Any) -> None:
    file["acquisition/raw/electrodes"][0] = 9


def _no_scale(file: Any) -> None:
    file["acquisition/raw/data"].attrs["conversion"] = 0.0


def _no_times(file: Any) -> None:
    del file["acquisition/gaps/timestamps"]


def _short_times(file: Any) -> None:
    del file["acquisition/gaps/timestamps"]
    file["acquisition/gaps/timestamps"] = GAPS[:-1]


def _no_version(file: Any) -> None:
    del file.attrs["nwb_version"]


def _bomb(file: Any) -> None:
    series(file["acquisition"], "z", "TimeSeries", np.zeros(0), rate=1.0)
    del file["acquisition/z/data"]
    data = file["acquisition/z"].create_dataset(
        "data", (1 << 32,), "f8", chunks=(1 << 20,), compression="gzip"
    )
    data.attrs["unit"] = "volts"


def _long_column(file: Any) -> None:
    table(file, "t", "TimeIntervals")
    file["t"].create_dataset("start_time", (1 << 40,), "f8", chunks=(1 << 20,))


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (_external, "external link"),
        (_no_electrode, "not in the table"),
        (_no_scale, "conversion of 0"),
        (_no_times, "without a time for each"),
        (_short_times, "without a time for each"),
        (_no_version, "no NWB"),
        (_bomb, "raises the limit"),
        (_long_column, "over the limit"),
    ],
)
def test_damage_is_one_error(tmp_path: Path, change: Callable[[Any], None], cause: str) -> None:
    path = write(tmp_path, change)
    with pytest.raises(UnreadableFileError, match=cause):
        read_recording(path)


def test_a_file_without_voltages_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nwb"
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.0"
    with pytest.raises(UnreadableFileError, match="no series of voltages"):
        read_recording(path)
