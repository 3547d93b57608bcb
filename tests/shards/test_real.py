"""Windows and labels of real recordings, against wfdb's and MNE's own reading of the files."""

from pathlib import Path
from typing import Any

import mne
import numpy as np
import pandas as pd
import pytest
import wfdb

import physioprep as pp
from physioprep.shards import PRESETS, open_shards, shard
from physioprep.store.open import open_store

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def mitdb(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("mitdb") / "mitdb.zarr"
    manifest = pp.scan(shared_data / "mitdb", "mitdb")
    pp.ingest(manifest[manifest["record_id"].isin(["207", "208"])], target, "ecg-200hz")
    return target


def test_rhythm_of_each_window_is_what_wfdb_reads(
    mitdb: Path, shared_data: Path, tmp_path: Path
) -> None:
    labels = {
        "rhythm": {"where": "code == '+'", "rule": "majority"},
        "middle": {"where": "code == '+'", "rule": "centre"},
        "vfl": {"where": "code == '+'", "rule": "any", "categories": {r"\(VFL": "yes"},
                "otherwise": "no"},
    }  # fmt: skip
    shard(mitdb, tmp_path / "s", window_s=5.0, annotation_labels=labels)
    rows = open_shards(tmp_path / "s").windows
    assert set(rows["label_vfl"]) == {"yes", "no"}
    for record, own in rows.groupby("record_id"):
        notes = wfdb.rdann(str(shared_data / "mitdb" / str(record)), "atr")
        # The rhythm at each of the file's 360 samples a second, as text.
        state = np.full(650_000, None, object)
        for sample, symbol, text in zip(notes.sample, notes.symbol, notes.aux_note, strict=True):
            if symbol == "+":
                state[sample:] = text.rstrip("\0")
        for row in own.itertuples():
            first = round(row.start_s * 360)
            held = pd.Series(state[first : first + 1800]).value_counts(dropna=False)
            if len(held) < 2 or held.iloc[0] > held.iloc[1]:
                wanted = held.index[0]
                assert row.label_rhythm == wanted or (pd.isna(row.label_rhythm) and wanted is None)
            middle = state[first + 900]
            assert row.label_middle == middle or (pd.isna(row.label_middle) and middle is None)
            assert (row.label_vfl == "yes") == ("(VFL" in held.index)
    assert rows["label_rhythm"].nunique() > 3


def test_beats_and_rhythm_of_each_epoch_are_what_wfdb_reads(
    mitdb: Path, shared_data: Path, tmp_path: Path
) -> None:
    kinds = {"N": "NLRe", "V": "VE", "S": "AaJS"}
    labels = {
        "beats": {"of": "code", "lasts": False, "rule": "all", "spans": True,
                  "categories": {f"[{codes}]": name for name, codes in kinds.items()}},
        "rhythm": {"where": "code == '+'", "rule": "centre", "spans": True},
    }  # fmt: skip
    shard(mitdb, tmp_path / "s", window_s=30.0, epoch_s=1.0, annotation_labels=labels)
    shards = open_shards(tmp_path / "s")
    assert set(shards.categories("beats") or ()) == set(kinds)
    beats, rhythm = shards.values("beats"), shards.values("rhythm")
    names = np.array([*(shards.categories("rhythm") or ()), None], object)
    rows = shards.windows.assign(record=shards.rows("record", 0, shards.n_windows))
    n_beats = 0
    for record, own in rows.groupby("record_id"):
        notes = wfdb.rdann(str(shared_data / "mitdb" / str(record)), "atr")
        symbols = np.array(notes.symbol, object)
        state = np.full(650_000, None, object)
        for sample, symbol, text in zip(notes.sample, symbols, notes.aux_note, strict=True):
            if symbol == "+":
                state[sample:] = text.rstrip("\0")
        for row in own.itertuples():
            for epoch in range(30):
                first = round((row.start_s + epoch) * 360)
                inside = (notes.sample >= first) & (notes.sample < first + 360)
                held = {n for n, codes in kinds.items() if set(symbols[inside]) & set(codes)}
                wanted = [int(n in held) for n in shards.categories("beats") or ()]
                assert beats[row.Index, epoch].tolist() == (wanted if held else [255] * 3)
                assert names[rhythm[row.Index, epoch]] == state[first + 180]
        spans = shards.spans("beats")
        own_spans = spans[spans["record"] == own["record"].iloc[0]]
        for name, codes in kinds.items():
            samples = notes.sample[np.isin(symbols, list(codes))]
            found = own_spans[own_spans["category"] == name]
            np.testing.assert_allclose(found["start_s"], samples / 360, atol=1e-9)
            assert (found["stop_s"] == found["start_s"]).all()
            n_beats += len(samples)
    assert n_beats == len(shards.spans("beats")) > 4000


def test_windows_around_beats_are_at_wfdbs_samples(
    mitdb: Path, shared_data: Path, tmp_path: Path
) -> None:
    labels = {"beat": {"of": "code", "lasts": False, "rule": "centre",
                       "where": "code.str.fullmatch('[NLRBAaJSVrFejnE/fQ?]')"}}  # fmt: skip
    result = shard(mitdb, tmp_path / "s", window_s=0.8, align="beat", annotation_labels=labels)
    assert result.aligned_to == "annotated heart beats"
    shards, store = open_shards(tmp_path / "s"), open_store(mitdb)
    rows = shards.windows
    values = np.concatenate([shards.read(chunk, "ecg") for chunk in range(shards.n_chunks)])
    beyond = 0
    for record, own in rows.groupby("record_id"):
        notes = wfdb.rdann(str(shared_data / "mitdb" / str(record)), "atr")
        signal = store.record(str(record))["ecg"].to_numpy()
        wanted = {}
        for sample, symbol in zip(notes.sample.tolist(), notes.symbol, strict=True):
            if symbol in "NLRBAaJSVrFejnE/fQ?":
                start = sample / 360 - 0.4
                if start >= 0 and round(start * 200) + 160 <= signal.shape[1]:
                    wanted[round(start, 6)] = symbol
                else:
                    beyond += 1
        found = dict(zip(own["start_s"].round(6), own["label_beat"], strict=True))
        assert found == wanted
        names = store.record(str(record))["channel"].values.tolist()
        place = [shards.modalities["ecg"].channels.index(name) for name in names]
        for row in own.iloc[:50].itertuples():
            first = round(row.start_s * 200)
            held = signal[:, first : first + 160]
            np.testing.assert_array_equal(values[row.window][place], held)
    assert result.left_out["beyond the record's ends"] == beyond


def test_detected_beats_are_neurokits(mitdb: Path, tmp_path: Path) -> None:
    import neurokit2

    result = shard(mitdb, tmp_path / "s", window_s=0.8, align="r_peak", where="record_id == '208'")
    assert result.aligned_to.startswith("R peaks detected by NeuroKit2 ")
    signal = open_store(mitdb).record("208")["ecg"].sel(channel="MLII").to_numpy()
    cleaned = neurokit2.ecg_clean(signal.astype(np.float64), sampling_rate=200)
    peaks = neurokit2.ecg_findpeaks(cleaned, sampling_rate=200)["ECG_R_Peaks"]
    wanted = sorted(peak / 200 - 0.4 for peak in peaks if 80 <= peak <= len(signal) - 80)
    np.testing.assert_allclose(sorted(open_shards(tmp_path / "s").windows["start_s"]), wanted)
    notes = open_store(mitdb).annotations("208")
    beats = notes.loc[notes["code"].isin(list("NVFAQ")), "onset"].to_numpy()
    off = np.abs(np.array(wanted)[:, None] + 0.4 - beats[None]).min(axis=1)
    assert (off < 0.15).mean() > 0.97


def test_motor_imagery_events_are_what_mne_reads(shared_data: Path, tmp_path: Path) -> None:
    pp.ingest(
        pp.scan(shared_data / "eegmmidb" / "S001", "folder"), tmp_path / "e.zarr", "eeg-200hz"
    )
    store, wanted, stages = open_store(tmp_path / "e.zarr"), {}, {}
    for record, path in zip(store.records["record_id"], store.records["path"], strict=True):
        notes = mne.read_annotations(shared_data / "eegmmidb" / "S001" / path)
        stages[record] = notes
        for onset, text in zip(notes.onset, notes.description, strict=True):
            if text in ("T1", "T2"):
                wanted[record, round(onset, 4)] = text
    labels: Any = {"fist": {"categories": {"T1": "T1", "T2": "T2"}, "rule": "centre"},
                   "most": {"rule": "majority"}}  # fmt: skip
    shard(
        store.path, tmp_path / "s", window_s=4.0, align="annotation",
        align_where="text in ['T1', 'T2']", annotation_labels=labels,
    )  # fmt: skip
    rows = open_shards(tmp_path / "s").windows
    starts = zip(rows["record_id"], rows["start_s"].round(4), strict=True)
    assert dict(zip(starts, rows["label_fist"], strict=True)) == wanted
    assert wanted
    shard(store.path, tmp_path / "t", window_s=2.0, annotation_labels=labels)
    for row in open_shards(tmp_path / "t").windows.itertuples():
        notes, seconds = stages[row.record_id], dict[str, float]()
        for onset, duration, text in zip(
            notes.onset, notes.duration, notes.description, strict=True
        ):
            held = min(onset + duration, row.start_s + 2) - max(onset, row.start_s)
            seconds[text] = seconds.get(text, 0.0) + max(0.0, held)
        best = max(seconds.values())
        if sorted(seconds.values())[-2:-1] != [best] and best > 1:
            assert seconds[row.label_most] == best


def test_cbramods_preset_on_real_eeg(shared_data: Path, tmp_path: Path) -> None:
    pp.ingest(pp.scan(shared_data / "eegmat", "eegmat"), tmp_path / "e.zarr", "paired-200hz")
    result = shard(
        tmp_path / "e.zarr", tmp_path / "s", window_s=5.0, modalities=["eeg"], **PRESETS["cbramod"]
    )
    store, wanted, loud = open_store(tmp_path / "e.zarr"), set(), 0
    for record in store.records["record_id"]:
        signal = store.record(record)["eeg"].to_numpy()
        start = 60.0
        while start + 5 <= signal.shape[1] / 200 - 60 + 1e-9:
            piece = signal[:, round(start * 200) : round(start * 200) + 1000]
            if np.abs(piece).max() <= 100:
                wanted.add((record, start))
            else:
                loud += 1
            start += 5.0
    rows = open_shards(tmp_path / "s").windows
    assert set(zip(rows["record_id"], rows["start_s"], strict=True)) == wanted
    assert result.left_out == ({"above the amplitude limit": loud} if loud else {})
    assert wanted


def test_de_chazals_split_of_the_records_at_hand(shared_data: Path, tmp_path: Path) -> None:
    manifest = pp.scan(shared_data / "mitdb", "mitdb")
    held = sorted(set(manifest["record_id"]) & {"102", "114", "207", "208"})
    assert held == ["102", "114", "207", "208"]
    pp.ingest(manifest[manifest["record_id"].isin(held)], tmp_path / "s.zarr", "ecg-200hz")
    result = shard(tmp_path / "s.zarr", tmp_path / "s", window_s=60, split="de-chazal")
    assert result.split is not None
    assert set(result.split["parts"]) == {"train"}  # none of DS2 is here
    assert result.split["parts"]["train"]["records"] == 3
    assert result.split["in_no_part"]["records"] == 1  # 102 is paced
    assert len(result.split["missing"]) == 41
    windows = open_shards(result.path).windows
    paced = windows["record_id"] == "102"
    assert windows.loc[paced, "split"].isna().all()
    assert (windows.loc[~paced, "split"] == "train").all()
