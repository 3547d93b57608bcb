"""Measurements of `derive` beside those that the makers of electrocardiographs wrote into files.

    OMP_NUM_THREADS=1 python benchmarks/derive_measurements.py ../shared/data/clinical_formats
    OMP_NUM_THREADS=1 python benchmarks/derive_measurements.py mimic-iv-ecg --corpus mimic-iv-ecg

Of a folder all ECG files with measurements (MUSE, Philips, SCP-ECG, DICOM, CardioSoft, HL7); of
MIMIC-IV-ECG its `machine_measurements.csv`. The chain is `scan`, `ingest`, `derive`. Recordings
that state the same measurements are one and count once; axes that are all equal are a
placeholder. Differences are ours less the machine's; of axes the shorter way round.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

import physioprep as pp
from physioprep.deriving.delineation import METHODS

FORMATS = ("muse_xml/", "philips_sierra_xml/", "scp/", "dicom/", "cardiosoft_xml/", "hl7_aecg/")
#: The two beats of this example are 5 s apart at the 100 Hz that it states, 57/min it says.
LEFT_OUT = ("hl7_aecg/mindray_benehart_r12.xml",)
NAMES = (
    "heart_rate_bpm", "pr_ms", "qrs_ms", "qt_ms", "p_axis_deg", "qrs_axis_deg", "t_axis_deg",
)  # fmt: skip
#: Of MIMIC-IV-ECG: from the columns of its table.
_MIMIC = {
    "heart_rate_bpm": lambda t: 60_000 / t["label_rr_interval"],
    "pr_ms": lambda t: t["label_qrs_onset"] - t["label_p_onset"],
    "qrs_ms": lambda t: t["label_qrs_end"] - t["label_qrs_onset"],
    "qt_ms": lambda t: t["label_t_end"] - t["label_qrs_onset"],
    **{
        f"{wave}_axis_deg": lambda t, wave=wave: t[f"label_{wave}_axis"]
        for wave in ("p", "qrs", "t")
    },
}


def manifests_of(data: Path, corpus: str) -> pd.DataFrame:
    """Return the manifest of a corpus, or of the folders of clinical formats."""
    if corpus != "folder":
        return pp.scan(data, corpus, hashes=False)
    table = pp.scan(data, "folder", labels="vendor", hashes=False)
    chosen = table["path"].str.startswith(FORMATS) & ~table["path"].isin(LEFT_OUT)
    return table[chosen].reset_index(drop=True)


def machine_of(records: pd.DataFrame, corpus: str) -> pd.DataFrame:
    """Return the machine's numbers of each record, once per recording."""
    made = records[["corpus", "record_id"]].copy()
    for name in NAMES:
        if corpus == "mimic-iv-ecg":
            made[name] = _MIMIC[name](records)
        else:
            made[name] = records.get(f"label_{name}", np.nan)
    made[list(NAMES)] = made[list(NAMES)].astype(float)
    axes = [name for name in NAMES if name.endswith("_axis_deg")]
    made.loc[made[axes].nunique(axis=1) == 1, axes] = np.nan
    made = made[made[list(NAMES)].notna().any(axis=1)]
    return made.drop_duplicates(list(NAMES)) if corpus == "folder" else made


def differences(ours: pd.DataFrame, machine: pd.DataFrame) -> pd.DataFrame:
    """Return ours less the machine's, one row per record."""
    both = machine.merge(ours, on=["corpus", "record_id"], suffixes=("_machine", ""))
    found = both[["record_id"]].copy()
    for name in NAMES:
        less = both[name] - both[f"{name}_machine"]
        found[name] = (less + 180) % 360 - 180 if name.endswith("_axis_deg") else less
    return found


def table(found: dict[str, pd.DataFrame], machine: pd.DataFrame) -> str:
    """Return mean and standard deviation of the differences by method."""
    methods = list(found)
    lines = [f"| measurement | stated | {' | '.join(methods)} |"]
    lines.append(f"|---|---:|{'---|' * len(methods)}")
    for name in NAMES:
        cells = [f"{name} | {int(machine[name].notna().sum())}"]
        for method in methods:
            less = found[method][name].dropna()
            spread = less.std(ddof=1) if len(less) > 1 else 0.0
            cells.append(
                f"{less.mean():+.1f} ± {spread:.1f} ({len(less)})" if len(less) else "none"
            )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def judge(
    data: Path, corpus: str, methods: Sequence[str], work: Path
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Return the differences by method, and the machine's numbers."""
    manifest = manifests_of(data, corpus)
    pp.ingest(manifest, work / "s.zarr", recipe="ecg-500hz")
    machine = machine_of(pp.open_store(work / "s.zarr").records, corpus)
    found = {}
    for method in methods:
        made = pp.derive(work / "s.zarr", work / method, kinds=["beats"], method=method)
        found[method] = differences(pd.read_parquet(made.path / "records.parquet"), machine)
    return found, machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--corpus", default="folder")
    parser.add_argument("--method", nargs="+", default=list(METHODS))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        found, machine = judge(args.data, args.corpus, args.method, Path(work))
    print(f"{len(machine)} recordings with measurements\n{table(found, machine)}")
    print(found[args.method[0]].round(1).to_string(index=False))


if __name__ == "__main__":
    main()
