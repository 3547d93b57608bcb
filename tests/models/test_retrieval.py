"""Retrieval: ranks against sorting, and pairs as a model embeds them."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from physiomodels.config import EncoderConfig, PretrainConfig
from physiomodels.embeddings.pairs import embed_pairs
from physiomodels.metrics.retrieval import partner_ranks, retrieval
from physiomodels.model.alignment import AlignConfig
from physiomodels.training.pretrain import pretrain
from physioprep.errors import ModelError

SIZES = EncoderConfig(patch_size=50, d_model=32, depth=1, heads=4, ffn=64, dropout=0.0)
CONFIG = PretrainConfig(
    encoder=SIZES, epochs=40, batch_size=20, lr=3e-3,
    align=AlignConfig("eeg", encoder=SIZES, width=16, masking=0.0),
)  # fmt: skip


@pytest.mark.parametrize("grouped", [False, True])
def test_ranks_are_those_of_sorting(grouped: bool) -> None:
    rng = np.random.default_rng(0)
    own, other = rng.normal(size=(2, 40, 6)) * rng.uniform(0.1, 9, (2, 40, 1))
    other[7] = other[3] * 2  # equal but for its length: the middle of the two places
    group = rng.integers(0, 3, 40)
    ranks, sizes = partner_ranks(own, other, group if grouped else None)
    for n in range(40):
        rivals = [m for m in range(40) if not grouped or group[m] == group[n]]
        cosine = {
            m: own[n] @ other[m] / np.linalg.norm(own[n]) / np.linalg.norm(other[m]) for m in rivals
        }
        order = sorted(rivals, key=lambda m: -cosine[m])
        places = [order.index(m) + 1 for m in rivals if abs(cosine[m] - cosine[n]) < 1e-9]
        assert ranks[n] == np.mean(places)
        assert sizes[n] == len(rivals)
    found = retrieval(ranks, sizes, at=(1, 5))
    assert found["recall@5"] == np.mean(ranks <= 5)
    assert found["chance@5"] == pytest.approx(np.mean([5 / s for s in sizes]))
    assert found["median_rank"] == np.median(ranks)


@pytest.mark.parametrize("sizes", [[10], [11], [18, 18, 18, 6], [1, 2, 30], [4, 4, 7]])
def test_the_rank_by_chance_is_the_median_of_all_ranks_there_are(sizes: list[int]) -> None:
    shared = math.lcm(*sizes)  # as many ranks of each window, whatever its candidates
    ranks = np.concatenate([np.repeat(np.arange(1, s + 1), shared // s) for s in sizes])
    found = retrieval(np.ones(len(sizes)), np.array(sizes))
    assert found["chance_rank"] == np.median(ranks)


def test_random_vectors_are_found_by_chance() -> None:
    rng = np.random.default_rng(1)
    own, other = rng.normal(size=(2, 2000, 8))
    found = retrieval(*partner_ranks(own, other))
    assert found["recall@10"] == pytest.approx(found["chance@10"], abs=0.005)
    assert found["median_rank"] == pytest.approx(found["chance_rank"], rel=0.1)


def test_pairs_of_new_people_are_found_better_than_by_chance(shards: Path, tmp_path: Path) -> None:
    """The condition is in both signals; the last person has no EEG, so no pair."""
    pretrain(shards, tmp_path / "m", CONFIG, where="subject_id < 's005'")
    pairs = embed_pairs(shards, tmp_path / "m" / "last", where="subject_id >= 's005'", batch_size=7)
    again = embed_pairs(shards, tmp_path / "m" / "last", where="subject_id >= 's005'")
    np.testing.assert_allclose(pairs.own, again.own, atol=1e-5)
    assert pairs.windows.tolist() == again.windows.tolist()
    assert len(pairs.windows) == 16
    assert np.linalg.norm(pairs.other, axis=1) == pytest.approx(1, abs=1e-5)
    found = retrieval(*partner_ranks(pairs.own, pairs.other))
    assert found["median_rank"] < 0.75 * found["chance_rank"]


def test_a_model_that_is_not_aligned_is_refused(shards: Path, tmp_path: Path) -> None:
    pretrain(shards, tmp_path / "m", replace(CONFIG, align=None, epochs=1))
    with pytest.raises(ModelError, match="alignment"):
        embed_pairs(shards, tmp_path / "m" / "last")
