"""The benchmarks that judge `derive`, on small files of the structure of QTDB and MIMIC-IV-ECG."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import wfdb

from tests.deriving.heart import RATE_HZ, WAVES, drawn_ecg
from tests.tasks import raw_qtdb

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def benchmark(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def qtdb(folder: Path, shift_s: float = 0.0) -> None:
    """Write a record of two leads with the marks of an expert on its drawn waves.

    Marks are later than the waves by `shift_s`; the second lead is flat.
    """
    signal, r_s = drawn_ecg(60.0)
    wfdb.wrsamp(
        "sel100", fs=RATE_HZ, units=["mV", "mV"], sig_name=["MLII", "V5"], fmt=["16", "16"],
        p_signal=np.stack([signal, 0 * signal], axis=1), write_dir=str(folder),
    )  # fmt: skip
    samples, signs = [], []
    for at in r_s[10:40] + shift_s:
        p, t = at + WAVES["p"][0], at + WAVES["t"][0]
        for time, sign in (
            (p - 0.05, "("), (p, "p"), (p + 0.05, ")"), (at - 0.045, "("), (at, "N"),
            (at + 0.05, ")"), (t, "t"), (t + 0.11, ")"),
        ):  # fmt: skip
            samples.append(round(time * RATE_HZ))
            signs.append(sign)
    wfdb.wrann("sel100", "x", np.array(samples), signs, write_dir=str(folder))
    (folder / "sel100.x").rename(folder / "sel100.q1c")


def test_marks_of_an_expert_of_qtdb_are_read_as_they_stand(tmp_path: Path) -> None:
    raw_qtdb.make(tmp_path)
    marks = benchmark("derive_accuracy").marks_of(tmp_path / "sel100", "q1c")
    count = raw_qtdb.BEATS - 3
    assert {name: len(found) for name, found in marks.items()} == {
        **dict.fromkeys(("p_onset", "p_peak", "p_offset", "qrs_onset", "qrs_offset"), count),
        "t_peak": count, "t_offset": count,
    }  # fmt: skip
    assert marks["p_onset"][0] == round(raw_qtdb.FIRST_S * raw_qtdb.RATE_HZ)


def test_drawn_waves_are_found_in_the_better_lead_and_a_shift_of_marks_is_told(
    tmp_path: Path,
) -> None:
    module = benchmark("derive_accuracy")
    means = []
    for place, shift_s in (("as_drawn", 0.0), ("late", 0.03)):
        (tmp_path / place).mkdir()
        qtdb(tmp_path / place, shift_s)
        marked, errors = module.judge([tmp_path / place / "sel100"], ["prominence"], "q1c")
        assert marked["t_peak"] == 30
        assert len(errors["prominence", "t_peak"]) == 30
        means.append(np.mean(errors["prominence", "t_peak"]))
    assert abs(means[0]) < 6
    assert means[1] - means[0] == pytest.approx(-30, abs=1)
    assert "| t_peak | 30 | 100%, " in module.table(marked, errors, ["prominence"])


def test_amplitudes_are_judged_by_the_marks_of_each_lead(tmp_path: Path) -> None:
    """A lead whose file is marked as drawn has no error, and one of 0.2 mV is counted."""
    module = benchmark("derive_accuracy")
    qtdb(tmp_path)
    for lead in ("mlii", "v5"):
        (tmp_path / f"sel100.{lead}").write_bytes((tmp_path / "sel100.q1c").read_bytes())
    errors = module.judge_amplitudes([tmp_path / "sel100"], ["prominence"])
    for name in module.AMPLITUDES:
        assert len(errors["prominence", name]) == 2
        assert np.abs(errors["prominence", name]).max() < 0.03
    assert "| R | " in module.table_of_amplitudes(errors, ["prominence"])
    assert "0 of 2 |" in module.table_of_amplitudes(errors, ["prominence"])
    shifted = {key: [value + 0.2 for value in values] for key, values in errors.items()}
    assert "2 of 2 |" in module.table_of_amplitudes(shifted, ["prominence"])


def test_of_a_mark_the_nearer_lead_counts_and_none_beyond_150_ms() -> None:
    errors_ms = benchmark("derive_accuracy").errors_ms
    leads = [np.array([100.0, 500.0]), np.array([112.0]), np.empty(0)]
    assert errors_ms([110, 300], leads, 500.0) == [4.0]


def test_beats_have_one_peak_each_and_none_in_flutter() -> None:
    module = benchmark("derive_beats")
    beats, peaks = np.array([100, 200, 300, 400]), np.array([90, 110, 205, 390, 480])
    assert module.found_of(beats, peaks, 15) == 3  # 110 is a second peak of the first beat
    assert module.found_of(beats, np.empty(0, np.int64), 15) == 0
    assert module.inside(peaks, [(100, 210), (480, 500)]).tolist() == [
        False, True, True, False, True
    ]  # fmt: skip


def test_measurements_of_a_machine_are_compared_with_ours(tmp_path: Path) -> None:
    """As MIMIC-IV-ECG has them: its table has times of points, and 29999 for none."""
    module = benchmark("derive_measurements")
    rows = [
        "subject_id,study_id,ecg_time,report_0,rr_interval,p_onset,p_end,qrs_onset,qrs_end,t_end,"
        "p_axis,qrs_axis,t_axis"
    ]
    names = ["I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6"]
    for number, (rr_ms, axis) in enumerate(((800, 29999), (810, 40)), 1):
        person, study = 10000000 + number, 40000000 + number
        folder = tmp_path / "raw" / "files" / "p1000" / f"p{person}" / f"s{study}"
        folder.mkdir(parents=True)
        signal = np.repeat(drawn_ecg(10.0, 0.8, seed=number)[0][:, None], 12, axis=1)
        wfdb.wrsamp(
            str(study), fs=RATE_HZ, units=["mV"] * 12, sig_name=names, fmt=["16"] * 12,
            p_signal=signal, write_dir=str(folder),
        )  # fmt: skip
        points = f"{rr_ms},63,140,230,320,640,{axis},{axis},{axis}"
        rows.append(f"{person},{study},2180-07-23 08:44:00,Sinus rhythm,{points}")
    (tmp_path / "raw" / "machine_measurements.csv").write_text("\n".join(rows) + "\n")
    found, machine = module.judge(tmp_path / "raw", "mimic-iv-ecg", ["prominence"], tmp_path)
    assert machine["pr_ms"].tolist() == [167.0, 167.0]
    assert machine["qt_ms"].tolist() == [410.0, 410.0]
    less = found["prominence"].sort_values("record_id")
    assert less["heart_rate_bpm"].to_numpy() == pytest.approx([0, 75 - 60_000 / 810], abs=0.3)
    assert less["pr_ms"].abs().max() < 15
    assert "| heart_rate_bpm | 2 | +" in module.table(found, machine)


def test_axes_differ_by_the_shorter_way_and_placeholders_do_not_count() -> None:
    module = benchmark("derive_measurements")
    records = pd.DataFrame(
        {
            "corpus": "folder", "record_id": ["a", "b", "c"], "label_qt_ms": [400, 400, 390],
            "label_p_axis_deg": [170.0, 170.0, 1.0], "label_qrs_axis_deg": [-170.0, -170.0, 1.0],
            "label_t_axis_deg": [10.0, 10.0, 1.0],
        }
    )  # fmt: skip
    machine = module.machine_of(records, "folder")
    assert machine["record_id"].tolist() == ["a", "c"]  # b is a over again
    assert machine.set_index("record_id").loc["c", "p_axis_deg"] is not None
    assert machine[["p_axis_deg", "t_axis_deg"]].iloc[1].isna().all()
    ours = machine.assign(p_axis_deg=-175.0, qrs_axis_deg=175.0)
    less = module.differences(ours, machine).set_index("record_id")
    assert (less.loc["a", "p_axis_deg"], less.loc["a", "qrs_axis_deg"]) == (15.0, -15.0)
