"""Pretrained against from scratch, trained whole, by share of the labels: cinc2017, rhythm.

    physioprep run pipelines/ecg-pretrain.yaml --raw ../shared/data --out build/ecg-pretrain
    python benchmarks/few_labels.py ../shared/data build/ecg-pretrain/encoder/last \
        -o build/few-labels

Labels are those of `cinc2017_more`, whose signals the encoder met without them; tested are the
records of `cinc2017`, none of which it met (its card is checked), each once, by the mean of its
windows. Every training whole has the same number of steps, to a whole number of epochs; with
`--steps` pretrained and scratch are trained for another number, beside the first. Beside them stand
logistic regression, its penalty chosen inside the labels, on frozen embeddings and on heart rate
and variability, and boosting on these. The answers of each arm, share and seed are kept; what is
there is not done again, so that `--arms`, `--shares`, `--seeds` and `--steps` may add to it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from augmentation import as_arrays, by_record, drawn, make_shards
from probing import figures as both_of

import physioprep as pp
from physiomodels.config import EncoderConfig, FinetuneConfig
from physiomodels.evaluation.baseline import features
from physiomodels.evaluation.inputs import as_arrays as vectors_of
from physiomodels.evaluation.plain_models import fitted
from physiomodels.evaluation.rows import mean_of, summary_of
from physiomodels.metrics.challenge2017 import score, scored_codes
from physiomodels.training.classifier import build, load_encoder
from physiomodels.training.encode import encode_once
from physiomodels.training.finetune import finetune
from physiomodels.training.predict import BATCH, predict
from physioprep.shards import Shards

SHARES: Final = (0.01, 0.05, 0.1, 0.25, 1.0)
STEPS: Final = 375  # of 32 windows: once all labels
WHOLE: Final = ("pretrained", "scratch")
TUNE: Final = FinetuneConfig(batch_size=32, lr=1e-3, encoder_lr=1e-3)
METRICS: Final = ("auroc", "macro_f1", "challenge2017")
ARMS: Final = (*WHOLE, "frozen", "random", "features", "boosted")
#: Which arm is compared with which.
PAIRS: Final = (
    *(("pretrained", other) for other in ("scratch", "features", "boosted")),
    *(("frozen", other) for other in ("random", "features", "boosted")),
)


def figures(truth: np.ndarray, p: np.ndarray, classes: list[str]) -> np.ndarray:
    found = both_of(truth, p)
    challenge = score(truth, p.argmax(1), scored_codes(classes))
    return np.array([found["auroc"], found["macro_f1"], challenge])


def tuned(
    pool: Shards,
    test: Shards,
    records: list[str],
    encoder: Any,
    seed: int,
    steps: int,
    folder: Path,
) -> pd.DataFrame:
    """Train whole on the windows of some records, and answer for the test records."""
    where = f"record_id in {records}"
    epochs = max(1, round(steps * TUNE.batch_size / int(pool.mask(where).sum())))
    model = finetune(
        pool, folder, replace(TUNE, epochs=epochs, seed=seed), label="label_rhythm", where=where,
        encoders={"ecg": encoder}, device="cpu", overwrite=True,
    ).model  # fmt: skip
    return by_record(predict(model, test, device="cpu"), test)


def per_record(shards: Shards, values: pd.DataFrame, summary: Callable[..., Any]) -> pd.DataFrame:
    """Return one row of numbers per record, and its label."""
    table = shards.windows.set_index("window").loc[values.index].dropna(subset="label_rhythm")
    names, rows = np.unique(table["record_id"].to_numpy(str), return_inverse=True)
    found = pd.DataFrame(summary(values.loc[table.index].to_numpy(float), rows, len(names)))
    labels = table.drop_duplicates("record_id").set_index("record_id")["label_rhythm"]
    return found.set_index(names).assign(label_rhythm=labels)


def embedded(shards: Shards, encoder: Any) -> pd.DataFrame:
    model = build({"ecg": encoder.eval()}, 2, FinetuneConfig(mode="probe"))
    found = encode_once(model, shards, None, BATCH, "cpu")
    assert found is not None
    return pd.DataFrame(vectors_of(found)["ecg"], index=found.windows.tolist())


def plain(
    arm: str, both: tuple[Shards, Shards], encoder: Any, seed: int, out: Path
) -> list[pd.DataFrame]:
    """Return what a plain model of an arm is given, of both sets of records."""
    found = []
    for shards in both:
        name = "features" if arm == "boosted" else f"random-{seed}" if arm == "random" else arm
        file = out / f"{name}-{Path(shards.path).stem}.parquet"
        if not file.exists():
            of = name.startswith("features")
            values = features(shards, "ecg") if of else embedded(shards, encoder)
            values.columns = values.columns.astype(str)
            values.to_parquet(file)
        summary = summary_of if name == "features" else mean_of
        found.append(per_record(shards, pd.read_parquet(file), summary))
    return found


def one_run(
    both: tuple[Shards, Shards], arm: str, share: float, seed: int, source: Path, out: Path
) -> pd.DataFrame:
    """Return the answers of an arm for the test records, and their labels."""
    records = drawn(both[0], share, seed)
    sizes = EncoderConfig(**load_encoder(source).config)
    name, _, steps = arm.partition("-")
    if name in WHOLE:
        encoder = source if name == "pretrained" else sizes
        folder = out / f"{arm}-{share}-{seed}"
        return tuned(*both, records, encoder, seed, int(steps or STEPS), folder)
    if arm == "random":
        import torch

        torch.manual_seed(seed)
    train, test = plain(arm, both, load_encoder(sizes if arm == "random" else source), seed, out)
    train = train.loc[sorted(records)]
    truth = np.unique(train.pop("label_rhythm").to_numpy(str), return_inverse=True)[1]
    labels = test.pop("label_rhythm")
    p = fitted(
        "class", train.to_numpy(), truth, train.index.to_numpy(object), labels.nunique(),
        "boosted" if arm == "boosted" else "features",
    )(test.to_numpy())  # fmt: skip
    table = pd.DataFrame(p, index=test.index, columns=[f"p_{n}" for n in range(p.shape[1])])
    return table.assign(label_rhythm=labels)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS)
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=STEPS, help="of the arms trained whole")
    asked = parser.parse_args()
    names = ("cinc2017_more", "cinc2017")
    pool, test = (pp.open_shards(make_shards(asked.data, name, asked.out)) for name in names)
    card = json.loads((asked.encoder / "card.json").read_text())
    tested = {f"cinc2017/{record}" for record in test.windows["record_id"]}
    if tested & set(card["records_without_subject"]):
        raise SystemExit(f"{asked.encoder} was pretrained on records of the test")
    longer = f"-{asked.steps}" if asked.steps != STEPS else ""
    arms = [arm + longer if arm in WHOLE else arm for arm in asked.arms]
    for seed in range(asked.seeds):
        for share in asked.shares:
            for arm in arms:
                file = asked.out / "answers" / f"{arm}_{share}_{seed}.parquet"
                if not file.exists():
                    found = one_run((pool, test), arm, share, seed, asked.encoder, asked.out)
                    file.parent.mkdir(exist_ok=True)
                    found.sort_index().to_parquet(file)
                    print(file.stem, figures(*as_arrays(found), classes_of(found)), flush=True)
    summary(asked.out)


def classes_of(table: pd.DataFrame) -> list[str]:
    return sorted(table["label_rhythm"].unique())


def summary(out: Path, draws: int = 1000) -> None:
    """Print each arm, mean and range over seeds, and differences paired over test records.

    The interval draws records, alike for all arms; what seeds change is said beside it.
    """
    held: dict[tuple[str, float], list[pd.DataFrame]] = {}
    for file in sorted((out / "answers").glob("*.parquet")):
        arm, share, _ = file.stem.split("_")
        held.setdefault((arm, float(share)), []).append(pd.read_parquet(file))
    classes = classes_of(next(iter(held.values()))[0])
    rng, rows = np.random.default_rng(0), []
    n = len(next(iter(held.values()))[0])
    drawn_rows = [rng.integers(0, n, n) for _ in range(draws)]
    means, spread = {}, {}
    for (arm, share), tables in held.items():
        parts = [as_arrays(table) for table in tables]
        each = np.array([figures(*part, classes) for part in parts])
        means[arm, share] = each.mean(0)
        spread[arm, share] = np.array(
            [
                np.mean([figures(*(one[take] for one in part), classes) for part in parts], axis=0)
                for take in drawn_rows
            ]
        )
        for metric, column in zip(METRICS, each.T, strict=True):
            row = {"arm": arm, "share": share, "metric": metric, "seeds": len(column)}
            rows.append(row | {"mean": column.mean(), "low": column.min(), "high": column.max()})
    gains = []
    pairs = [*PAIRS]
    for _, _, steps in (arm.partition("-") for arm in sorted({arm for arm, _ in held})):
        if steps:  # of longer trainings the same pairs
            long = {name: f"{name}-{steps}" for name in WHOLE}
            pairs += [(long[one], long.get(two, two)) for one, two in PAIRS if one in WHOLE]
    for arm, other in dict.fromkeys(pairs):
        for share in sorted({share for _, share in held}):
            if {(arm, share), (other, share)} <= held.keys():
                gain = means[arm, share] - means[other, share]
                ends = np.nanquantile(
                    spread[arm, share] - spread[other, share], (0.025, 0.975), axis=0
                )
                gains += [
                    {"arm": arm, "less": other, "share": share, "metric": metric, "gain": gain[k],
                     "low": ends[0, k], "high": ends[1, k]}
                    for k, metric in enumerate(METRICS)
                ]  # fmt: skip
    for name, table in (("scores", rows), ("gains", gains)):
        found = pd.DataFrame(table)
        found.to_csv(out / f"{name}.csv", index=False)
        print(found.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
