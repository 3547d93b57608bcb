from pathlib import Path

import numpy as np
import pytest

from physiomodels.evaluation.label_efficiency import draw_curves, label_order, n_labels, same_steps

RNG = np.random.default_rng(0)
SUBJECTS = RNG.choice(np.array(["a", "b", "c", "d"], dtype=object), 400, p=[0.4, 0.3, 0.2, 0.1])
LABELS = RNG.choice(3, 400, p=[0.6, 0.38, 0.02])


@pytest.mark.parametrize("seed", [0, 1])
def test_subsets_are_nested_and_hold_every_subjects_share_of_every_class(seed: int) -> None:
    order = label_order(SUBJECTS, LABELS, seed)
    assert sorted(order) == list(range(400))
    chosen: set[int] = set()
    for share in (0.01, 0.05, 0.1, 0.25, 1.0):
        n = n_labels(share, 400, 3)
        subset = order[:n]
        assert chosen < set(subset)  # nested
        chosen = set(subset)
        assert set(LABELS[subset]) == {0, 1, 2}
        for subject in "abcd":
            for code in range(3):
                cell = (subject == SUBJECTS) & (code == LABELS)
                assert abs(cell[subset].sum() - n / 400 * cell.sum()) < 2.5, (subject, code, share)


def test_another_seed_another_order() -> None:
    first, again, other = (label_order(SUBJECTS, LABELS, seed).tolist() for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_smallest_subsets_and_budgets() -> None:
    assert n_labels(0.01, 40, 2) == 2
    assert n_labels(0.5, 1, 2) == 1
    assert same_steps(40, 32, 640, 7) == 800  # 20 batches then, 1 now
    assert same_steps(40, 32, 640, 640) == 40


def test_the_picture_says_protocol_and_simulation(tmp_path: Path) -> None:
    from PIL import Image

    means = {0.01: None, 0.1: 0.6, 1.0: 0.8}
    arms = [
        {
            "modalities": [signal], "weights": weights, "label_share": share,
            "metrics": {"auroc": {"mean": means[share], "sd_folds": None}},
        }
        for signal in ("ecg", "eeg")
        for weights in ("pretrained", "random", "features")
        for share in means
    ]  # fmt: skip
    results = {"label_efficiency": arms, "label": "label_x", "protocol": "subject-grouped"}
    plain = draw_curves(results, tmp_path / "a.png")
    marked = draw_curves(results | {"simulated": True}, tmp_path / "b.png")
    pixels = [
        np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3) for path in (plain, marked)
    ]
    red = [(np.abs(p.astype(int) - (0xB0, 0x00, 0x20)).max(1) < 40).sum() for p in pixels]
    assert red[0] == 0 < red[1]
