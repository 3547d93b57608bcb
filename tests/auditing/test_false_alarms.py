"""At most 1 % of the recordings of any real folder are named without reason, by any check."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

import physioprep as pp
from physioprep.auditing import Finding, audit
from physioprep.errors import CorpusError
from physioprep.harmonise import Recipe

BOUND = 0.01
CORPORA = {"ptbxl": "ptb-xl", "mitdb": "mitdb", "cinc2017": "cinc2017", "eegmat": "eegmat"}
#: They state what stands in files and headers (equal bytes, NaN, one value for a second, two equal
#: start times, a unit), so there is nothing to be wrong about.
COUNTED = {
    "duplicate-file", "duplicate-leak", "duplicate-subject", "flat-lead", "gap", "known-fault",
    "missing-samples", "overlap", "privacy", "start-time", "units", "unreadable-file",
}  # fmt: skip
#: PTB-XL 1.0.2 removed them as duplicates.
TWINS = {f"{n:05d}_lr" for n in (137, 138, 143, 144, 145, 463)}
#: What is true of (folder, check), by looking at the recordings; see docs/audit.md for the reasons.
TRUE: dict[tuple[str, str], set[str]] = {
    ("cinc2015", "amplitude"): {"a152s"},  # 54 mV
    ("cinc2015", "clipping"): {"a152s"},
    ("cinc2021", "lead-swap"): {"E07501", "E07502"},  # V2 and V3, in QRS and in ST-T
    ("cinc2021_ptbxl_twins", "clipping"): {"HR00004"},  # one run of 53 equal samples
    ("cpsc2021", "offset"): {"data_101_6", "data_101_8", "data_101_9"},  # 5 mV
    ("eegmat", "amplitude"): {"Subject02_1", "Subject20_2"},  # faint ECG, says their page
    ("eegmat", "noisy"): {"Subject02_1", "Subject13_1"},
    ("eegmat", "bad-channel"): {"Subject01_2"},  # O2: 3.6 times the others, correlation 0.38
    ("eegmat", "lead-swap"): {"Subject02_1"},  # Fp2 and F4, in each third; others: 0.25 at most
    ("eegmmidb", "eeg-bridge"): {f"S001/S001R{n:02d}" for n in (1, 2, 4)},  # in every run
    ("eegmmidb_more", "eeg-bridge"): {  # the same pairs in both runs, others in other persons
        f"S{n:03d}/S{n:03d}R{run:02d}" for n in (2, 3, 4, 6) for run in (4, 6)
    },
    ("eegmmidb_more", "bad-channel"): {  # FT8, T10: the same in both runs
        f"S{n:03d}/S{n:03d}R{run:02d}" for n in (4, 5) for run in (4, 6)
    },
    ("ludb", "lead-inconsistent"): {  # 28 to 98 µV, all there are
        f"data/{n}" for n in (3, 22, 23, 59, 60, 67, 78, 119, 121, 144, 162, 192)
    },
    ("ptbxl", "clipping"): {"00004_hr"},  # the twin of HR00004
    ("ptbxl", "duplicate-signal"): TWINS,
    ("ptbxl", "near-duplicate"): TWINS,
    ("sleep_edfx_excerpt", "duplicate-signal"): {"short_psg", "short_psg.edf"},
    ("wfdb_odd_formats", "lead-inconsistent"): {"100_3chan"},  # its third lead is made up
}
#: Test patterns and cut or scaled excerpts of format makers, not recordings of a heart or brain.
PATTERNS = {
    *("formats_edfio", "formats_eeglab", "formats_mne_python", "formats_tiny_bids"),
    "clinical_formats",
}
SHORT_PASS = Recipe.from_dict({"name": "short-pass", "modalities": {"ecg": {
    "rate_hz": 200, "band_hz": [0.5, 15], "units": "mV", "step": 0.001}}})  # fmt: skip
THREE_LEADS = Recipe.from_dict({"name": "three-leads", "modalities": {"ecg": {
    "rate_hz": 250, "band_hz": [0.5, 40], "units": "mV", "step": 0.001,
    "channels": ["II", "aVR", "aVL"]}}})  # fmt: skip
TWELVE_LEADS = ("ludb", "cinc2021", "cpsc2018_cinc2020", "ptbdb", "ptbxl")
LARGE = {"cinc2017", "cinc2017_more", "eegmat"}


def folders() -> list[str]:
    data = Path(__file__).resolve().parents[3] / "shared" / "data"
    return sorted(one.name for one in data.iterdir() if one.is_dir()) if data.is_dir() else ["none"]


def false_alarms(folder: str, findings: Sequence[Finding]) -> dict[str, set[str]]:
    out: dict[str, set[str]] = defaultdict(set)
    for one in findings:
        if one.severity != "info" and one.check not in COUNTED:
            out[one.check] |= set(one.records) - TRUE.get((folder, one.check), set())
    return {check: names for check, names in out.items() if names}


def audited(data: Path, folder: str, recipe: str | Recipe | None) -> tuple[int, list[Finding]]:
    """Return the number of recordings of a folder, and the findings in them or in a store."""
    try:
        manifest = pp.scan(data / folder, CORPORA.get(folder, "folder"))
    except CorpusError:
        return 0, []
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / ("m.parquet" if recipe is None else "s.zarr")
        if recipe is None:
            pp.write_manifest(manifest, path)
        else:
            pp.ingest(manifest, path, recipe)
        return len(manifest), list(audit([path]).findings)


def check_bound(data: Path, folder: str, recipe: str | Recipe | None = None) -> None:
    if folder in PATTERNS:
        return
    n, findings = audited(data, folder, recipe)
    wrong = false_alarms(folder, findings)
    assert all(len(names) <= BOUND * n for names in wrong.values()), (folder, n, wrong)


@pytest.mark.realdata
@pytest.mark.parametrize("folder", sorted(set(folders()) - LARGE))
def test_files_as_they_lie_there(folder: str, shared_data: Path) -> None:
    check_bound(shared_data, folder)


@pytest.mark.realdata
@pytest.mark.parametrize(
    "recipe", ["ecg-200hz", SHORT_PASS, THREE_LEADS], ids=["ecg-200hz", "short-pass", "three-leads"]
)
@pytest.mark.parametrize("folder", TWELVE_LEADS)
def test_stores_of_narrow_bands_and_few_leads(
    folder: str, recipe: str | Recipe, shared_data: Path
) -> None:
    check_bound(shared_data, folder, recipe)


@pytest.mark.long
@pytest.mark.realdata
@pytest.mark.parametrize("recipe", [None, "ecg-200hz", SHORT_PASS])
@pytest.mark.parametrize("folder", sorted(LARGE))
def test_large_folders(folder: str, recipe: str | Recipe | None, shared_data: Path) -> None:
    check_bound(shared_data, folder, recipe)


def test_the_bound_can_be_missed() -> None:
    lone = Finding("sampling-rate", "warning", ("23",), "")
    true = Finding("offset", "warning", ("data_101_6",), "")
    assert false_alarms("ludb", [lone, true]) == {
        "sampling-rate": {"23"}, "offset": {"data_101_6"}
    }  # fmt: skip
    assert false_alarms("cpsc2021", [true, Finding("gap", "error", ("x",), "")]) == {}
