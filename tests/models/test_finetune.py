from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from physiomodels.config import EncoderConfig, FinetuneConfig, PretrainConfig
from physiomodels.model.fusion import FusionClassifier
from physiomodels.model.patches import Patches, to_patches
from physiomodels.training.classifier import Classifier, load_encoder
from physiomodels.training.data import open_stream, where_subjects, window_table
from physiomodels.training.finetune import finetune
from physiomodels.training.predict import predict
from physiomodels.training.pretrain import pretrain
from physioprep.errors import ModelError

TINY = EncoderConfig(patch_size=50, d_model=32, depth=2, heads=4, ffn=64, dropout=0.0)
CONFIG = FinetuneConfig(epochs=12, batch_size=16, lr=3e-3)
TRAIN = where_subjects([f"toy/s{n:03d}" for n in range(6)], inside=True)
TEST = where_subjects(["toy/s006", "toy/s007"], inside=True)


def iter_windows(
    model: FusionClassifier, path: Path
) -> Iterator[tuple[dict[str, torch.Tensor], dict[str, Patches]]]:
    for batch in open_stream(path, ["ecg"], 8, shuffle=False):
        yield batch, {"ecg": to_patches(batch, "ecg", model.encoders["ecg"].patch_size)}


@pytest.mark.parametrize("mode", ["full", "lora", "frozen", "probe"])
def test_learns_what_carries_over_to_other_subjects(
    shards: Path, tmp_path: Path, mode: str
) -> None:
    made = finetune(
        shards,
        tmp_path,
        replace(CONFIG, mode=mode),
        label="label_condition",
        encoders={"ecg": TINY, "eeg": TINY},
        where=TRAIN,
    )
    assert made.classes == ("rest", "task")
    answers = predict(made.model, shards, where=TEST)
    table = window_table(shards, TEST).set_index("window").loc[answers["window"]]
    right = (answers["p_1"].to_numpy() > 0.5) == (table["label_condition"] == "task").to_numpy()
    assert right[table["subject_id"] == "s006"].mean() > 0.8  # s007 has no EEG
    assert np.allclose(answers[["p_0", "p_1"]].sum(axis=1), 1)
    again = Classifier.from_pretrained(tmp_path)
    assert again.classes == made.classes
    assert predict(again.model, shards, where=TEST).equals(answers)
    assert (tmp_path / "loss.csv").is_file()


def test_frozen_encoders_stay_and_the_cache_is_the_stream(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    encoder = load_encoder(TINY)
    before = [parameter.clone() for parameter in encoder.parameters()]
    config = replace(CONFIG, mode="probe", epochs=1, batch_size=1000, modality_dropout=0.0)
    arguments = {"label": "label_condition", "encoders": {"ecg": encoder}, "where": TRAIN}
    cached = finetune(shards, tmp_path / "a", config, **arguments).model.heads.state_dict()
    for old, new in zip(before, encoder.parameters(), strict=True):
        assert torch.equal(old, new)
    monkeypatch.setattr("physiomodels.training.fit.encode_once", lambda *_: None)
    streamed = finetune(shards, tmp_path / "b", config, **arguments).model.heads.state_dict()
    for name, value in cached.items():  # one batch of all windows: their order does not matter
        torch.testing.assert_close(value, streamed[name], atol=1e-5, rtol=1e-4)


def test_shards_and_weights_that_do_not_match(shards: Path, tmp_path: Path) -> None:
    def tune(label: str = "label_condition", **encoders: object) -> None:
        finetune(shards, tmp_path / "out", CONFIG, label=label, encoders=encoders)  # type: ignore[arg-type]

    with pytest.raises(ModelError, match=r"no label label_mood; did you mean .label_condition"):
        tune("label_mood", ecg=TINY)
    with pytest.raises(ModelError, match="the model takes ppg"):
        tune(ppg=TINY)
    with pytest.raises(ModelError, match="no saved model"):
        tune(ecg=tmp_path / "nowhere")
    folder = tmp_path / "encoder"
    pretrain(shards, folder, PretrainConfig(encoder=TINY, epochs=1))
    card = folder / "best" / "card.json"
    card.write_text(card.read_text().replace('"rate_hz": 100.0', '"rate_hz": 250.0'))
    with pytest.raises(ModelError, match="ecg at 100 Hz; the model was made at 250 Hz"):
        tune(ecg=folder)
    with pytest.raises(ModelError, match="fewer than two classes"):
        finetune(
            shards, tmp_path / "out", CONFIG, label="label_condition", encoders={"ecg": TINY},
            where="label_condition == 'rest'",
        )  # fmt: skip
    with pytest.raises(ModelError, match='mode "half"'):
        finetune(
            shards, tmp_path / "out", replace(CONFIG, mode="half"), label="label_condition",
            encoders={"ecg": TINY},
        )  # fmt: skip


def test_a_modality_dropped_in_training_may_be_missing_at_the_bedside(
    shards: Path, tmp_path: Path
) -> None:
    """Trained with both and with dropout, ECG alone tells; shards without EEG are predicted."""
    from physioprep.shards import shard

    made = finetune(
        shards, tmp_path / "model", replace(CONFIG, mode="probe", modality_dropout=0.5),
        label="label_condition", encoders={"ecg": TINY, "eeg": TINY}, where=TRAIN,
    )  # fmt: skip
    placeholder = made.model.placeholders["eeg"]
    assert placeholder.abs().max() > 0  # it was learned: it starts as zeros
    store = shards.parent / "store.zarr"
    shard(store, tmp_path / "ecg.shards", window_s=5.0, modalities=["ecg"], workers=1)
    answers = predict(made.model, tmp_path / "ecg.shards", where=TEST)
    table = window_table(tmp_path / "ecg.shards", TEST).set_index("window").loc[answers["window"]]
    right = (answers["p_1"].to_numpy() > 0.5) == (table["label_condition"] == "task").to_numpy()
    assert right.mean() > 0.8
    batch, windows = next(iter_windows(made.model, tmp_path / "ecg.shards"))
    alone = made.model({"ecg": windows["ecg"]}).softmax(1)[:, 1]
    both = predict(made.model, tmp_path / "ecg.shards").set_index("window")["p_1"]
    assert np.allclose(both.loc[batch["index"].numpy()], alone.detach(), atol=1e-6)


def test_shards_with_none_of_the_modalities_are_refused(shards: Path, tmp_path: Path) -> None:
    from physioprep.shards import shard

    made = finetune(
        shards, tmp_path / "model", replace(CONFIG, mode="probe", epochs=1),
        label="label_condition", encoders={"eeg": TINY},
    )  # fmt: skip
    store = shards.parent / "store.zarr"
    shard(store, tmp_path / "ecg.shards", window_s=5.0, modalities=["ecg"], workers=1)
    with pytest.raises(ModelError, match="the model takes eeg; the shards hold ecg"):
        predict(made.model, tmp_path / "ecg.shards")
