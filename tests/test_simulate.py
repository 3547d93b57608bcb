"""The simulated corpora: true formats, exact physics, planted faults, same seed same bytes."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import physioprep as pp
from physioprep.errors import PhysioprepError
from physioprep.simulation import LEADS, simulate

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:neurokit2")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("raw") / "demo", n_patients=4, n_subjects=2, workers=1)


def millivolts(raw: Path, record: str) -> dict[str, np.ndarray]:
    group = pp.read_recording(raw / "demo-ecg" / record).groups[0]
    return dict(zip(group.channels, group.physical(), strict=True))


def test_limb_leads_obey_einthoven_and_goldberger(raw: Path) -> None:
    lead = millivolts(raw, "00001")
    assert tuple(lead) == LEADS
    step = 0.0011  # mV: rounding of each lead to 1 µV
    np.testing.assert_allclose(lead["III"], lead["II"] - lead["I"], atol=step)
    np.testing.assert_allclose(lead["aVR"], -(lead["I"] + lead["II"]) / 2, atol=step)
    np.testing.assert_allclose(lead["aVL"], lead["I"] - lead["II"] / 2, atol=step)
    np.testing.assert_allclose(lead["aVF"], lead["II"] - lead["I"] / 2, atol=step)
    assert 0.2 < lead["II"].max() < 3  # a heart, in mV


def test_planted_faults_are_there(raw: Path) -> None:
    planted = json.loads((raw / "demo-ecg" / "PLANTED_FAULTS.json").read_text())
    records = {fault["check"]: [r.split("/")[1] for r in fault["records"]] for fault in planted}
    assert np.all(millivolts(raw, records["flat-lead"][0])["V3"] == 0)
    swapped = millivolts(raw, records["lead-swap"][0])
    before = millivolts(raw, "00003")  # the same person, sitting on
    for record, sign in ((swapped, -1), (before, 1)):  # I and V6 look at the same wall
        assert sign * np.corrcoef(record["I"][:2000], record["V6"][:2000])[0, 1] > 0.5
    first, twin = (millivolts(raw, record) for record in records["duplicate-signal"])
    assert all(np.array_equal(first[lead], twin[lead]) for lead in LEADS)
    with pytest.raises(PhysioprepError, match="shorter"):
        pp.read_recording(raw / "demo-ecg" / records["unreadable-file"][0])


def test_paired_files_hold_eeg_in_microvolt_and_ecg_in_millivolt(raw: Path) -> None:
    group = pp.read_recording(raw / "demo-paired" / "sub-01_task-rest.edf").groups[0]
    assert group.units == ("uV",) * 8 + ("mV",)
    physical = group.physical()
    assert 5 < physical[:8].std() < 40
    assert 0.5 < physical[8].max() <= 1.0


def test_the_task_quickens_the_heart_of_most(raw: Path) -> None:
    import neurokit2 as nk

    def rate(path: Path) -> float:
        group = pp.read_recording(path).groups[0]
        _, found = nk.ecg_peaks(group.physical()[8], sampling_rate=group.sampling_rate)
        return 60 * group.sampling_rate / float(np.mean(np.diff(found["ECG_R_Peaks"])))

    rest, task = (
        np.array([rate(raw / "demo-paired" / f"sub-{n:02d}_task-{name}.edf") for n in (1, 2)])
        for name in ("rest", "task")
    )
    assert np.all((rest > 55) & (rest < 90))
    assert np.any(task > rest)


def test_same_seed_same_bytes(raw: Path, tmp_path: Path) -> None:
    again = simulate(tmp_path / "again", n_patients=4, n_subjects=2, workers=2)

    def hashes(root: Path) -> dict[str, str]:
        return {
            str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in root.rglob("*")
            if path.is_file()
        }

    assert hashes(again) == hashes(raw)


def test_everything_says_that_it_is_simulated(raw: Path) -> None:
    for folder in ("demo-ecg", "demo-paired"):
        assert "SIMULATED" in (raw / folder / "README.txt").read_text()
    for header in (raw / "demo-ecg").glob("*.hea"):
        assert "SIMULATED" in header.read_text()
    for edf in (raw / "demo-paired").glob("*.edf"):
        assert b"SIMULATED" in edf.read_bytes()[:256]


def test_an_existing_folder_is_left_alone(raw: Path) -> None:
    with pytest.raises(PhysioprepError, match="exists"):
        simulate(raw)


def test_overwriting_deletes_nothing_but_a_simulation(raw: Path, tmp_path: Path) -> None:
    mine = tmp_path / "thesis" / "data.csv"
    mine.parent.mkdir()
    mine.write_text("years of work")
    for folder in (mine.parent, mine):
        with pytest.raises(PhysioprepError, match="never replaced"):
            simulate(folder, overwrite=True)
    assert mine.read_text() == "years of work"


def test_a_simulation_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "new", n_patients=4, n_subjects=2, workers=1, progress=stop)
    assert list(tmp_path.iterdir()) == []
