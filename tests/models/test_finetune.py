from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from physiomodels.config import EncoderConfig, FinetuneConfig, PretrainConfig
from physiomodels.data import where_subjects, window_table
from physiomodels.finetune import Classifier, finetune, load_encoder, predict
from physiomodels.pretrain import pretrain
from physioprep.errors import ModelError

TINY = EncoderConfig(patch_size=50, d_model=32, depth=2, heads=4, ffn=64, dropout=0.0)
CONFIG = FinetuneConfig(epochs=12, batch_size=16, lr=3e-3)
TRAIN = where_subjects([f"toy/s{n:03d}" for n in range(6)], inside=True)
TEST = where_subjects(["toy/s006", "toy/s007"], inside=True)


@pytest.mark.parametrize("mode", ["full", "frozen", "probe"])
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
    monkeypatch.setattr("physiomodels.finetune._embed_once", lambda *_: None)
    streamed = finetune(shards, tmp_path / "b", config, **arguments).model.heads.state_dict()
    for name, value in cached.items():  # one batch of all windows: their order does not matter
        torch.testing.assert_close(value, streamed[name], atol=1e-5, rtol=1e-4)


def test_shards_and_weights_that_do_not_match(shards: Path, tmp_path: Path) -> None:
    def tune(label: str = "label_condition", **encoders: object) -> None:
        finetune(shards, tmp_path / "out", CONFIG, label=label, encoders=encoders)  # type: ignore[arg-type]

    with pytest.raises(ModelError, match="no label label_mood; the shards hold label_condition"):
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
