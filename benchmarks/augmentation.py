"""What augmentation and weak labels do with few labels: cinc2017, rhythm, 5 % of the labels.

    python benchmarks/augmentation.py ../shared/data -o build/augmentation

An encoder is pretrained on ``cinc2017_more`` without labels; each arm fine-tunes it whole on 5 % of
the labels of these records, for the same number of steps, and is scored once, per record, on the
1,060 records of ``cinc2017``. The settings of an arm were not searched. One line per arm and seed
goes to ``scores.csv``; what is there is not done again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import yaml

import physioprep as pp
from physiomodels.augment import AugmentConfig
from physiomodels.config import EncoderConfig, FinetuneConfig, PretrainConfig
from physiomodels.metrics.one_class import ranking
from physiomodels.model.masking import DualMask
from physiomodels.training.finetune import finetune
from physiomodels.training.predict import predict
from physiomodels.training.pretrain import pretrain
from physiomodels.training.pseudo import pseudo_label
from physioprep.shards import Shards

SHARE: Final = 0.05
STEPS: Final = 150  # of 32 windows; the same for every arm, to a whole number of epochs

PRETRAIN = PretrainConfig(
    encoder=EncoderConfig(patch_size=50, d_model=64, depth=4, heads=4, ffn=256, dropout=0.0),
    mask=DualMask(temporal_ratio=0.5, patch_ratio=0.0, span=4),
    epochs=12,
    batch_size=64,
    lr=2e-3,
)
NOISE = {
    "name": "noise-200hz",
    "description": "Noise of nstdb in the band of ecg-200hz.",
    "modalities": {"other": {"rate_hz": 200, "band_hz": [0.5, 40], "units": "mV", "step": 0.001}},
}


def make_shards(data: Path, name: str, out: Path) -> Path:
    path = out / f"{name}.shards"
    if not path.exists():
        manifest = pp.scan(data / name, "cinc2017", hashes=False)
        pp.ingest(manifest, out / f"{name}.zarr", "ecg-200hz", root=data / name)
        pp.shard(out / f"{name}.zarr", path, window_s=10.0, labels=["label_rhythm"])
    return path


def arms_of(noise: Path) -> dict[str, dict[str, Any]]:
    """Return the arms: an augmentation, a teacher, both or none."""
    mixup, warp = {"mixup": 0.4}, {"warp": 0.3}
    real = {"noise": str(noise), "snr_db": (0.0, 20.0), "noise_rate": 0.5}
    return {
        "none": {"augment": None},
        "mixup": {"augment": AugmentConfig(**mixup)},
        "time warp": {"augment": AugmentConfig(**warp)},
        "noise": {"augment": AugmentConfig(**real)},
        "all three": {"augment": AugmentConfig(**mixup, **warp, **real)},
        "pseudo-labels": {"augment": None, "teacher": "none"},
        "pseudo-labels and all three": {
            "augment": AugmentConfig(**mixup, **warp, **real), "teacher": "none"
        },
    }  # fmt: skip


def make_noise(data: Path, out: Path) -> Path:
    path = out / "nstdb.zarr"
    if not path.exists():
        manifest = pp.scan(data / "nstdb", "nstdb", hashes=False)
        recipe = out / "noise-200hz.yaml"
        recipe.write_text(yaml.safe_dump(NOISE))
        pp.ingest(manifest, path, recipe, root=data / "nstdb")
    return path


def drawn(shards: Shards, share: float, seed: int) -> list[str]:
    """Draw records, the same share of each class."""
    records = shards.windows.drop_duplicates("record_id").dropna(subset="label_rhythm")
    rng = np.random.default_rng(seed)
    chosen: list[str] = []
    for _, group in records.groupby("label_rhythm"):
        n = max(1, round(share * len(group)))
        chosen += rng.choice(np.sort(group["record_id"]), n, replace=False).tolist()
    return sorted(chosen)


def by_record(answers: pd.DataFrame, shards: Shards) -> pd.DataFrame:
    """Return the mean of each record's probabilities over its windows, and its label."""
    table = answers.merge(shards.windows[["window", "record_id", "label_rhythm"]], on="window")
    table = table.dropna(subset="label_rhythm").drop(columns="window")
    return table.groupby("record_id").agg(
        {
            name: "first" if name == "label_rhythm" else "mean"
            for name in table
            if name != "record_id"
        }
    )


def figures(truth: np.ndarray, p: np.ndarray) -> tuple[float, float]:
    """Macro AUROC and F1 of records: their classes, and the probabilities of each."""
    held = range(p.shape[1])
    told = p.argmax(1)
    aucs = [ranking(truth == code, p[:, code])[0] for code in held]
    both = [((told == code) & (truth == code)).sum() for code in held]
    either = [(told == code).sum() + (truth == code).sum() for code in held]
    return float(np.mean(aucs)), float(np.mean(2 * np.array(both) / np.maximum(either, 1)))


def as_arrays(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    truth = np.unique(table["label_rhythm"].to_numpy(str), return_inverse=True)[1]
    return truth, table.filter(regex="^p_").to_numpy(np.float64)


def one_run(
    pool: Shards, test: Shards, arm: str, options: dict[str, Any], seed: int, out: Path
) -> dict[str, Any]:
    records = drawn(pool, SHARE, seed)
    where = f"record_id in {records}"
    n_windows = int(pool.mask(where).sum())
    told: Path | None = None
    if "teacher" in options:
        told = out / f"pseudo-{seed}.parquet"
        if not told.exists():
            pseudo_label(pool, out / f"{options['teacher']}-{seed}", told, least=0.6)
        windows = set(pd.read_parquet(told)["window"]) | set(np.flatnonzero(pool.mask(where)))
        n_windows = len(windows)
    config = FinetuneConfig(
        epochs=max(1, round(STEPS * 32 / n_windows)), batch_size=32, lr=1e-3, encoder_lr=3e-4,
        augment=options["augment"], seed=seed,
    )  # fmt: skip
    folder = out / f"{arm.replace(' ', '-')}-{seed}"
    classifier = finetune(
        pool, folder, config, label="label_rhythm", where=where, pseudo=told,
        encoders={"ecg": out / "encoder" / "last"}, device="cpu", overwrite=True,
    )  # fmt: skip
    if list(classifier.classes) != sorted(test.windows["label_rhythm"].dropna().unique()):
        raise SystemExit(f"classes {classifier.classes} are not those of the test records")
    answers = by_record(predict(classifier.model, test, device="cpu"), test)
    answers.to_parquet(folder / "records.parquet")
    loss = pd.read_csv(folder / "loss.csv")["loss"].iloc[-1]
    row = {"arm": arm, "seed": seed, "labelled records": len(records), "windows": n_windows}
    auroc, f1 = figures(*as_arrays(answers))
    return row | {"loss": loss, "auroc": auroc, "f1": f1}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    out = arguments.out
    pool = pp.open_shards(make_shards(arguments.data, "cinc2017_more", out))
    test = pp.open_shards(make_shards(arguments.data, "cinc2017", out))
    pretrain(pool, out / "encoder", PRETRAIN, device="cpu")
    file = out / "scores.csv"
    rows = pd.read_csv(file).to_dict("records") if file.exists() else []
    done = {(row["arm"], row["seed"]) for row in rows}
    arms = arms_of(make_noise(arguments.data, out))
    for seed in range(arguments.seeds):
        for arm, options in arms.items():
            if (arm, seed) not in done:
                rows.append(one_run(pool, test, arm, options, seed, out))
                pd.DataFrame(rows).to_csv(file, index=False)
                print(rows[-1], flush=True)
    summary(pd.DataFrame(rows), out)


def summary(scores: pd.DataFrame, out: Path, draws: int = 1000) -> None:
    """Print each arm, mean of the seeds, and its difference from none, paired over test records.

    The interval draws records, alike for all arms; what seeds change is said beside it.
    """
    arms, seeds = list(scores["arm"].unique()), sorted(scores["seed"].unique())
    held = {}
    for arm in arms:
        for seed in seeds:
            file = out / f"{arm.replace(' ', '-')}-{seed}" / "records.parquet"
            held[arm, seed] = as_arrays(pd.read_parquet(file))
    rng, drawn = np.random.default_rng(0), {arm: [] for arm in arms}
    n_records = len(held["none", seeds[0]][0])
    for _ in range(draws):
        rows = rng.integers(0, n_records, n_records)
        for arm in arms:
            each = [figures(*(part[rows] for part in held[arm, seed])) for seed in seeds]
            drawn[arm].append(np.mean(each, axis=0))
    for number, metric in enumerate(("auroc", "f1")):
        for arm in arms:
            one = scores.loc[scores["arm"] == arm, metric]
            base = scores.loc[scores["arm"] == "none", metric].mean()
            gain = (np.array(drawn[arm]) - np.array(drawn["none"]))[:, number]
            low, high = np.quantile(gain, (0.025, 0.975))
            print(
                f"{metric:5} {arm:28} {one.mean():.3f} (seeds {one.min():.3f} to {one.max():.3f}) "
                f"{one.mean() - base:+.3f} ({low:+.3f} to {high:+.3f})"
            )


if __name__ == "__main__":
    main()
