"""Labels out of annotations: events scored by their intervals, sequences streamed by epochs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physiomodels.config import EncoderConfig, EvaluateConfig, FinetuneConfig, PretrainConfig
from physiomodels.evaluation.evaluate import evaluate
from physiomodels.metrics.spans import counts_of, runs, scores
from physiomodels.model.masking import DualMask
from physiomodels.training.data import open_stream
from physiomodels.training.finetune import finetune
from physiomodels.training.predict import predict
from physiomodels.training.reconstruction import reconstruct
from physioprep.shards import open_shards, shard

TINY = EncoderConfig(patch_size=50, d_model=16, depth=1, heads=4, ffn=32, dropout=0.0)
PRETRAIN = PretrainConfig(encoder=TINY, mask=DualMask(temporal_ratio=0.3), epochs=1, batch_size=4)
CONFIG = EvaluateConfig(
    label="label_state", positive="seizure", modalities=("eeg",), folds=2, repeats=1, bootstrap=20,
    pretrain={"eeg": PRETRAIN}, weights=("random",), baseline=False,
    finetune=FinetuneConfig(mode="frozen", epochs=15, batch_size=16, lr=1e-2, hidden=16),
)  # fmt: skip
#: Start and end of the seizures of each record, s; 100 s apart are two, 3 s are in one window.
SEIZURES = ([(203, 232)], [(50, 81), (181, 200)], [], [(47, 50)], [(300, 399)], [(7, 28)])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, toy_stores: Any) -> Path:
    """SIMULATED: six records of 400 s, of three people; in seizures the rhythm is another."""
    rng = np.random.default_rng(2)
    t = np.arange(40_000) / 100
    signals, notes = [], []
    for record, events in enumerate(SEIZURES):
        inside = np.zeros(len(t), bool)
        edge = 0.0
        for start, stop in events:
            inside |= (t >= start) & (t < stop)
            notes.append((record, edge, start - edge, "bckg", "tse", ""))
            notes.append((record, float(start), float(stop - start), "seiz", "tse", ""))
            edge = float(stop)
        notes.append((record, edge, 400 - edge, "bckg", "tse", ""))
        wave = np.where(inside, np.sin(2 * np.pi * 3 * t), 0.3 * np.sin(2 * np.pi * 11 * t))
        signals.append((900 * wave + 60 * rng.normal(size=(2, len(t)))).astype(np.int16))
    return Path(
        toy_stores._write_store(
            tmp_path_factory.mktemp("events") / "store.zarr",
            {"eeg": toy_stores.group(signals, channels=["Cz", "O1"], unit="µV", scale=0.1)},
            annotations=sorted(note for note in notes if note[2] > 0),
        )
    )


STATE: dict[str, Any] = {"categories": {"seiz": "seizure", "bckg": "background"}, "spans": True}


def test_events_are_the_intervals_of_the_annotations(store: Path, tmp_path: Path) -> None:
    shard(store, tmp_path / "s", window_s=10.0, annotation_labels={"state": STATE}, workers=1)
    names = ("event_sensitivity", "event_precision", "false_alarms_per_hour", "sample_sensitivity")
    found = evaluate(tmp_path / "s", tmp_path / "out", replace(CONFIG, metrics=names))
    (arm,) = found.results["arms"]
    assert found.results["classes"] == ["seizure", "background"]
    total = np.zeros(7)
    for record, events in enumerate(SEIZURES):
        rows = found.predictions[found.predictions["record_id"] == f"r{record:03d}"]
        said = (rows["p_0"] > rows["p_1"]).to_numpy()
        total += counts_of(events, runs(rows["start_s"].to_numpy(float), 10.0, said), 400.0)
    assert total[0] == 6  # two of record 1; the seizure of 3 s is no window's, and counts
    assert total[3] == sum(stop - start for events in SEIZURES for start, stop in events)
    expected = scores(total)
    for name in names:
        assert arm["metrics"][name]["pooled"] == pytest.approx(expected[name])
    assert arm["metrics"]["event_sensitivity"]["pooled"] > 0.6


def test_a_sequence_is_streamed_pretrained_and_scored_by_epochs(
    store: Path, tmp_path: Path
) -> None:
    labels = {"annotation_labels": {"state": STATE}, "workers": 1}
    shard(store, tmp_path / "s", window_s=50.0, epoch_s=10.0, **labels)
    shard(store, tmp_path / "whole", window_s=50.0, **labels)
    batch = next(iter(open_stream(tmp_path / "s", ["eeg"], 3, shuffle=False)))
    assert batch["eeg"].shape == (3, 5, 2, 1000)
    assert open_shards(tmp_path / "s").target("state").n_epochs == 5
    config = replace(CONFIG, weights=("pretrained", "random"), metrics=("macro_f1", "auroc"))
    found = evaluate(tmp_path / "s", tmp_path / "out", config)
    assert found.results["target"]["n_epochs"] == 5
    assert set(found.predictions["start_s"] % 10) == {0.0}
    assert len(found.predictions) == 2 * 6 * 40
    for arm in found.results["arms"]:
        assert arm["metrics"]["auroc"]["mean"] > 0.8
    # encoders were pretrained on epochs of 20 patches, and draw a picture of one
    with np.load(tmp_path / "out" / "reconstruction_eeg.npz") as kept:
        assert kept["signal"].shape[1] == 1000
    # a label of whole windows joins the epochs of shards that have them
    made = finetune(
        tmp_path / "whole", tmp_path / "m", CONFIG.finetune, label="label_state",
        encoders={"eeg": TINY},
    )  # fmt: skip
    one, other = (predict(made.model, tmp_path / name) for name in ("whole", "s"))
    assert np.allclose(one, other)
    assert reconstruct(
        made.model.encoders["eeg"], tmp_path / "whole", tmp_path / "p.png", modality="eeg",
        mask=PRETRAIN.mask,
    ).is_file()  # fmt: skip
