"""The audit of the simulated corpora, as in `make demo`: the planted faults and nothing else."""

import json
from pathlib import Path

import pytest

import physioprep as pp
from physioprep.simulation import simulate

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:neurokit2")
#: Checks that may name a planted fault beside its own: equal files are one file, and one person.
SAYS = {
    "duplicate-signal": {"duplicate-file", "duplicate-subject"},
    "flat-lead": {"flat-lead"},
    "lead-swap": {"lead-swap"},
    "unreadable-file": {"unreadable-file"},
}


@pytest.mark.parametrize(
    ("n_patients", "n_subjects"), [(5, 2), pytest.param(24, 16, marks=pytest.mark.long)]
)
def test_the_audit_names_the_planted_faults_only(
    n_patients: int, n_subjects: int, tmp_path: Path
) -> None:
    raw = simulate(tmp_path / "raw", n_patients=n_patients, n_subjects=n_subjects, workers=1)
    audited: list[Path] = []
    planted: set[tuple[str, frozenset[str]]] = set()
    for corpus, recipe in (("demo-ecg", "ecg-200hz"), ("demo-paired", "paired-200hz")):
        manifest = pp.scan(raw / corpus, corpus, scheduler="sync")
        audited.append(pp.write_manifest(manifest, tmp_path / f"{corpus}.parquet"))
        store = tmp_path / f"{corpus}.zarr"
        pp.ingest(manifest, store, recipe, scheduler="sync")
        audited.append(store)
        for fault in json.loads((raw / corpus / "PLANTED_FAULTS.json").read_text()):
            planted |= {(check, frozenset(fault["records"])) for check in SAYS[fault["check"]]}
    found = pp.audit(audited, scheduler="sync").findings
    assert {(one.check, frozenset(one.records)) for one in found} == planted
    assert len(found) == len(planted)
