"""Patch length, width, depth, masks and lr, one at a time, on the pretraining side alone.

    python benchmarks/search.py ../shared/data -o build/search

Records of cinc2017_more, one lead. Those whose name ends in 0 or 5 are left out of pretraining:
they are the proxy. Looked at are the masked error on them, and a probe of their rhythm, record by
record, in five folds of their own, by the probe of the checks (its strength is fixed). No record of
cinc2017, which the tables of docs/models.md test, is read. Each setting has the same windows and
steps; processor time is given beside (near 0 where the encoder was there already). A masked error
compares settings of one patch length and mask alone.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import torch
from probing import by_record, intervals, make_store, out_of_fold, vectors_of

import physioprep as pp
from physiomodels.config import CheckConfig, EncoderConfig, PretrainConfig
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.masking import DualMask
from physiomodels.training.pretrain import pretrain

HELD: Final = "record_id.str.endswith('0') or record_id.str.endswith('5')"
BASE = PretrainConfig(
    encoder=EncoderConfig(patch_size=50, d_model=64, depth=2, heads=4, ffn=128, dropout=0.0),
    mask=DualMask(temporal_ratio=0.5, patch_ratio=0.0, span=4),
    epochs=1,
    batch_size=32,
    lr=2e-3,
    checks=CheckConfig(where=HELD, windows=1000),
)
#: Changes of the base, by section. The hidden stretches of all patch lengths last 1 s.
SETTINGS: dict[str, dict[str, Any]] = {
    "base": {},
    "patches of 0.125 s": {"encoder": {"patch_size": 25}, "mask": {"span": 8}},
    "patches of 0.5 s": {"encoder": {"patch_size": 100}, "mask": {"span": 2}},
    "width 32": {"encoder": {"d_model": 32, "ffn": 64}},
    "width 128": {"encoder": {"d_model": 128, "ffn": 256}},
    "depth 4": {"encoder": {"depth": 4}},
    "single patches hidden": {"mask": {"span": 1}},
    "stretches of 2 s": {"mask": {"span": 8}},
    "30 % hidden": {"mask": {"temporal_ratio": 0.3}},
    "70 % hidden": {"mask": {"temporal_ratio": 0.7}},
    "lr 1e-3": {"lr": 1e-3},
    "lr 4e-3": {"lr": 4e-3},
}


def config_of(changes: dict[str, Any]) -> PretrainConfig:
    parts = dict(changes)
    for name in ("encoder", "mask"):
        if name in parts:
            parts[name] = replace(getattr(BASE, name), **parts[name])
    return replace(BASE, **parts)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    arguments = parser.parse_args()
    out = arguments.out
    torch.set_num_threads(1)
    whole, held = out / "search.shards", out / "held.shards"
    store = make_store(arguments.data / "cinc2017_more", "cinc2017", out)
    if not whole.exists():
        pp.shard(store, whole, window_s=10.0, labels=[])
    if not held.exists():
        pp.shard(store, held, window_s=10.0, labels=["label_rhythm"], where=HELD)
    shards = pp.open_shards(held)
    records = shards.windows.drop_duplicates("record_id").set_index("record_id").sort_index()
    truth = np.unique(records["label_rhythm"].to_numpy(str), return_inverse=True)[1]
    print(len(truth), "records left out:", np.bincount(truth).tolist(), flush=True)
    answers, rows = {}, []
    for name in ["random weights", *arguments.only]:
        started, row = time.process_time(), {"arm": name}
        torch.manual_seed(0)
        encoder = CrissCrossEncoder(**vars(BASE.encoder)).eval()
        if name != "random weights":
            config = config_of(SETTINGS[name])
            done = pretrain(whole, out / name.replace(" ", "-"), config, device="cpu")
            encoder = done.encoder
            last = done.history.iloc[-1]
            row |= {key: round(float(last[key]), 3) for key in ("loss", "held_out", "rank")}
            row["processor_s"] = round(time.process_time() - started)
        x = by_record(vectors_of(shards, encoder), shards.windows["record_id"].tolist())
        values = x.to_numpy(np.float64)
        p = out_of_fold(values, truth, x.index.to_numpy(str), model="probe")
        answers[name] = [p]
        rows.append(row)
        print(row, flush=True)
    table = intervals(truth, records.index.to_numpy(str), answers, ["base"])
    table = table[table["metric"] == "auroc"].drop(columns="metric")
    table = pd.DataFrame(rows).merge(table, on="arm")
    table.to_csv(out / "search.csv", index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
