"""Is a pretraining still sound? Looked at while it runs, on windows that it is not trained on.

Held-out error: does it only learn its windows by heart. Effective rank: do embeddings collapse.
Probes of person and corpus: is what they hold a shortcut. Flat leads, and the error lead by lead:
is a lead dead.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from physiomodels.config import CheckConfig, PretrainConfig
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.lead_masks import hide_leads
from physiomodels.model.patches import Patches, to_patches
from physiomodels.model.pooling import pool_features
from physiomodels.training.data import open_stream, pretraining_rows, window_table
from physiomodels.training.label_probe import label_probe
from physiomodels.training.lead_task import task_of
from physioprep.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards

Floats = NDArray[np.float64]
_BATCH: Final = 64
#: Features whose deviation over windows is below this share of the median one are dead.
_DEAD: Final = 1e-3
#: Windows of a corpus for the probe of corpus: a large one must not drown the others.
_PER_CORPUS: Final = 40


def trained_on(where: str | None, checks: CheckConfig | None) -> str | None:
    """Return the query of the windows that are trained on: without those that are looked at.

    Parameters
    ----------
    where : str or None
        Query on the window manifest.
    checks : CheckConfig or None
        What is looked at.

    Returns
    -------
    str or None

    Examples
    --------
    >>> trained_on("corpus == 'a'", CheckConfig(where="record_id == '7'"))
    "(corpus == 'a') and not (record_id == '7')"
    """
    if checks is None:
        return where
    alone = f"not ({checks.where})"
    return alone if where is None else f"({where}) and {alone}"


class Checks:
    """What is looked at after every epoch.

    Parameters
    ----------
    shards : Shards
        Of the pretraining.
    config : PretrainConfig
        With `checks`.
    where : str or None
        Query of the windows that are trained on, for the probe of corpus.
    device : str
        Where the encoder is.

    Raises
    ------
    ModelError
        If there are too few windows to look at, or a person has windows on both sides.
    """

    def __init__(
        self, shards: Shards, config: PretrainConfig, where: str | None, device: str
    ) -> None:
        assert config.checks is not None
        self.shards, self.config, self.asked, self.device = shards, config, config.checks, device
        self.leads = task_of(config, shards)
        held = window_table(shards, self.asked.where)
        trained = window_table(shards, where)
        if len(held) < 2 or (len(held) and not len(trained)):
            raise ModelError(f"checks: {len(held)} windows satisfy {self.asked.where!r}")
        both = set(_people(held)) & set(_people(trained))
        if both:
            raise ModelError(
                f"checks: {len(both)} persons or records are trained on as well ({min(both)} ...)"
            )
        self.held = _some(held, self.asked.windows)
        self.sample = pd_concat(
            [_some(part, _PER_CORPUS) for _, part in trained.groupby("corpus", sort=True)]
        )

    def look(self, encoder: CrissCrossEncoder) -> dict[str, float]:
        """Look at an encoder; neither it nor the random state changes.

        Parameters
        ----------
        encoder : CrissCrossEncoder
            Put back into training mode.

        Returns
        -------
        dict of str to float
            ``held_out``: error on what is hidden of windows that are not trained on (1: the
            patches' variance). ``rank``: effective rank of their embeddings; ``dead``: share of
            features that hardly vary. ``person``: share of windows whose nearest other window is of
            the same person (or record), ``person_chance``. ``corpus``: balanced accuracy of a
            probe, on windows that are trained on, ``corpus_chance``. ``label``: AUROC of a probe,
            where a label is asked for. ``flat_leads``: share of leads without any variation.
            ``error_<lead>``: as ``held_out``.
        """
        encoder.eval()
        try:
            with torch.no_grad():
                vectors, errors, flat = self._encode(encoder, self.held, hidden=True)
                others, _, _ = self._encode(encoder, self.sample, hidden=False)
        finally:
            encoder.train()
        error, count = (sum(part) for part in zip(*errors.values(), strict=True))
        found = {"held_out": error / max(count, 1)} | _spread(vectors) | {"flat_leads": flat}
        found |= _nearest(vectors, _people(self.held).to_numpy())
        if self.sample["corpus"].nunique() > 1:
            found |= _corpora(others, self.sample)
        if self.asked.label is not None:
            found |= label_probe(vectors, self.held, self.asked.label)
        return found | {f"error_{name}": e / n for name, (e, n) in sorted(errors.items()) if n}

    def _encode(
        self, encoder: CrissCrossEncoder, windows: pd.DataFrame, *, hidden: bool
    ) -> tuple[Floats, dict[str, list[float]], float]:
        """Return embeddings in the windows' order, summed errors by lead, and flat leads."""
        config = self.config
        name, size = config.modality, config.encoder.patch_size
        where = f"window in {windows['window'].tolist()}"
        errors: dict[str, list[float]] = {}
        vectors, counts = [], np.zeros(2)
        leads = self.shards.modalities[name].channels
        for batch in open_stream(self.shards, [name], _BATCH, where=where, shuffle=False):
            rows = pretraining_rows(batch, name)
            patches = to_patches(rows, name, size, self.device)
            full = torch.ones(patches.x.shape[:3], dtype=torch.bool, device=self.device)
            present = full if patches.present is None else patches.present
            features = encoder(patches.x, None, patches.present)
            pooled = pool_features(features, present, self.asked.pooling)
            vectors.append(pooled.reshape(len(batch["index"]), -1, pooled.shape[-1]).mean(1))
            if hidden:
                sample = rows["index"].to(self.device)
                window = sample // (len(sample) // len(batch["index"]))
                mask, counted = hide_leads(self.leads, config.mask, patches, sample, window, leads)
                wanted = present if counted is None else present & counted
                _add(errors, _by_lead(encoder, patches, mask, mask & wanted), patches, leads)
                exists = present.any(2)
                still = exists & ~(patches.x.abs().amax((2, 3)) > 0)
                counts += [float(still.sum()), float(exists.sum())]
        return (
            torch.cat(vectors).double().cpu().numpy(), errors, float(counts[0] / max(counts[1], 1)),
        )  # fmt: skip


def pd_concat(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Join parts of a window table, in the order of the windows.

    Parameters
    ----------
    parts : list of pandas.DataFrame
        Of one table.

    Returns
    -------
    pandas.DataFrame
    """
    import pandas as pd

    return pd.concat(parts).sort_values("window")


def _some(windows: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return at most so many windows, the same in every run, whole persons where that will do."""
    if len(windows) <= most:
        return windows
    people = _people(windows)
    order = np.random.default_rng(0).permutation(people.unique())
    place = people.map({name: n for n, name in enumerate(order)})
    return windows.iloc[np.sort(np.argsort(place.to_numpy(), kind="stable")[:most])]


def _people(windows: pd.DataFrame) -> pd.Series[str]:
    """Return whose a window is: a person's, or a record's whose person is unknown."""
    own = windows["subject_id"].astype(object)
    own = own.where(own.notna(), "record " + windows["record_id"].astype(str))
    return windows["corpus"].astype(str) + "/" + own.astype(str)


def _by_lead(
    encoder: CrissCrossEncoder, patches: Patches, mask: torch.Tensor, counted: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return summed squared errors and numbers of samples by lead of the batch."""
    features = encoder(patches.x, mask, patches.present)
    error = (encoder.reconstruct(features) - patches.x).square().sum(3) * counted
    return error.sum((0, 2)), counted.sum((0, 2)) * patches.x.shape[3]


def _add(
    errors: dict[str, list[float]],
    found: tuple[torch.Tensor, torch.Tensor],
    patches: Patches,
    leads: tuple[str, ...],
) -> None:
    names = leads
    if patches.leads is not None:
        names = tuple(n for n, used in zip(leads, patches.leads.tolist(), strict=True) if used)
    for name, error, count in zip(names, *(part.tolist() for part in found), strict=True):
        held = errors.setdefault(name, [0.0, 0.0])
        held[0] += error
        held[1] += count


def _spread(vectors: Floats) -> dict[str, float]:
    """Return the effective rank (Roy & Vetterli, 2007) and the share of dead features."""
    values = np.linalg.svd(vectors - vectors.mean(0), compute_uv=False) ** 2
    share = values / max(values.sum(), 1e-300)
    rank = np.exp(-np.sum(share * np.log(np.maximum(share, 1e-300))))
    deviation = vectors.std(0)
    return {
        "rank": float(rank),
        "dead": float(np.mean(deviation <= _DEAD * np.median(deviation))),
    }


def _nearest(vectors: Floats, people: NDArray[Any]) -> dict[str, float]:
    """Return how often the nearest other window is of the same person, and by chance."""
    from sklearn.neighbors import NearestNeighbors

    _, own, count = np.unique(people, return_inverse=True, return_counts=True)
    several = count[own] > 1
    if not several.any():
        return {}
    scaled = (vectors - vectors.mean(0)) / np.maximum(vectors.std(0), 1e-9)
    found = NearestNeighbors(n_neighbors=2).fit(scaled).kneighbors(return_distance=False)[:, 0]
    chance = (count[own] - 1) / (len(people) - 1)
    return {
        "person": float(np.mean((own[found] == own)[several])),
        "person_chance": float(chance[several].mean()),
    }


def _corpora(vectors: Floats, windows: pd.DataFrame) -> dict[str, float]:
    """Return how well a linear probe tells the corpora of people that it did not learn from."""
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import GroupKFold, cross_val_predict

    people = _people(windows).to_numpy(str)
    corpus = windows["corpus"].to_numpy(str)
    n_people = {name: len(np.unique(people[corpus == name])) for name in np.unique(corpus)}
    kept = np.isin(corpus, [name for name, n in n_people.items() if n >= 2])  # both sides have it
    if len(np.unique(corpus[kept])) < 2:
        return {}
    from physiomodels.training.label_probe import linear_probe

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of folds that lack a corpus
        answered = cross_val_predict(
            linear_probe(), vectors[kept], corpus[kept], groups=people[kept], cv=GroupKFold(2)
        )
        score = balanced_accuracy_score(corpus[kept], answered)
    return {"corpus": float(score), "corpus_chance": 1 / len(np.unique(corpus[kept]))}
