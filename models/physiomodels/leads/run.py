"""Reconstruct leads from others on people that no model knows, and write what came out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from physiomodels.leads.config import LeadsConfig
from physiomodels.leads.linear import Moments, moments_of
from physiomodels.leads.network import predict_network, train_network
from physiomodels.leads.scores import Floats, inconsistency, pearson, rmse
from physiomodels.leads.summary import summarise
from physiomodels.leads.table import as_markdown
from physiomodels.leads.windows import Ints, complete, folds_of, people_of, stream_of
from physiomodels.model.device import choose_device
from physiomodels.training.data import check_fit
from physiomodels.training.run_card import run_card
from physioprep.atomic import write_text
from physioprep.channel_choice import check_names
from physioprep.errors import ModelError
from physioprep.hashes import write_hashes
from physioprep.local_path import local_path
from physioprep.new_folder import new_folder
from physioprep.outputs import LEADS, LEADS_MARK
from physioprep.shards import open_shards

if TYPE_CHECKING:
    import pandas as pd

    from physiomodels.model.encoder import CrissCrossEncoder
    from physioprep.shards import Shards

ARMS: Final = ("mean", "linear", "encoder")
_BATCH: Final = 32
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class LeadsResult:
    """What `reconstruct_leads` leaves.

    Parameters
    ----------
    path : Path
        ``leads.json``, ``leads.md``, ``windows.parquet`` (a row for each tested window, set of
        inputs, model and lead) and ``SHA256SUMS``.
    results : dict
        The content of ``leads.json``.
    """

    path: Path
    results: dict[str, Any]


def reconstruct_leads(
    shards: str | Path | Shards,
    out: str | Path,
    config: LeadsConfig | None = None,
    *,
    device: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> LeadsResult:
    """Reconstruct all leads from a few: the mean, linear regression and the encoder side by side.

    People are parted into folds. Of each fold mean and regression are those of the other people's
    samples, and one encoder is trained on the other people's windows, for all sets of inputs.

    Parameters
    ----------
    shards : path-like or Shards
        Made by `physioprep.shard`. Windows that lack a lead or a sample are left out.
    out : path-like
        Folder to make.
    config : LeadsConfig, optional
        Inputs, encoder and training.
    device : str, optional
        By default "cuda" where there is a GPU, else "cpu".
    overwrite : bool
        Whether an older folder of this kind may be replaced.
    progress : callable, optional
        Called with (epochs done, epochs in all), over all folds.

    Returns
    -------
    LeadsResult

    Raises
    ------
    ModelError
        Shards and configuration do not fit, people are too few, or no window has all leads.
    PhysioprepError
        `out` may not be written.
    """
    config = config or LeadsConfig()
    device, out = choose_device(device), local_path(out, ModelError)
    opened = open_shards(shards)
    check_fit(opened, config.modality, config.encoder.patch_size, None)
    held = opened.modalities[config.modality]
    for leads in config.sets:
        check_names(leads, {config.modality: held.channels}, str(opened.path))
        if set(leads) >= set(held.channels):
            raise ModelError(f"inputs {' '.join(leads)}: no lead is left to reconstruct")
    if len(set(held.units)) > 1:
        raise ModelError(f"{opened.path}: {config.modality} in units {', '.join(held.units)}")
    with new_folder(
        out, LEADS, overwrite=overwrite, inputs=[opened.path], error=ModelError
    ) as folder:
        rows = _all_folds(opened, config, device, progress)
        rows.to_parquet(folder / "windows.parquet", index=False)
        results = _results(opened, config, rows, held.units[0], held.channels)
        write_text(folder / LEADS_MARK, json.dumps(results, indent=1))
        write_text(folder / "leads.md", as_markdown(results))
        write_hashes(folder)
    return LeadsResult(out, results)


def _all_folds(
    shards: Shards, config: LeadsConfig, device: str, progress: Progress | None
) -> pd.DataFrame:
    import pandas as pd

    windows, people = people_of(shards, config.where)
    folds = folds_of(people, config.folds, config.seed)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, len(folds) * config.epochs)

    parts = []
    for number, tested in enumerate(folds):
        trained = np.setdiff1d(np.arange(len(windows)), tested)
        stream = stream_of(shards, config.modality, windows[trained], _BATCH, None)
        channels = shards.modalities[config.modality].channels
        of = f"{shards.path}: {', '.join(channels)}"
        moments = moments_of(complete(stream, config.modality), of)
        encoder = train_network(shards, config, windows[trained], number, device, step)
        parts.append(_tested(shards, config, windows[tested], moments, encoder).assign(fold=number))
    rows = pd.concat(parts, ignore_index=True)
    if rows.empty:
        raise ModelError(f"{shards.path}: no window has all leads of {config.modality}")
    return rows.assign(person=pd.Series(people, index=windows).loc[rows["window"]].to_numpy())


def _tested(
    shards: Shards,
    config: LeadsConfig,
    windows: Ints,
    moments: Moments,
    encoder: CrissCrossEncoder,
) -> pd.DataFrame:
    """Return a row for each window, set of inputs, model and lead."""
    import pandas as pd

    channels = shards.modalities[config.modality].channels
    rows: list[pd.DataFrame] = []
    stream = stream_of(shards, config.modality, windows, _BATCH, None)
    for signal, number in complete(stream, config.modality):
        truth = signal.double().numpy()
        for leads in config.sets:
            given = [channels.index(lead) for lead in leads]
            for arm in ARMS:
                found = _predicted(arm, signal, given, moments, encoder)
                found[:, given] = truth[:, given]
                rows.append(_scored(truth, found, channels, number, arm, leads))
    return pd.concat(rows) if rows else pd.DataFrame()


def _predicted(
    arm: str,
    signal: torch.Tensor,
    given: list[int],
    moments: Moments,
    encoder: CrissCrossEncoder,
) -> Floats:
    if arm == "mean":
        return np.broadcast_to(moments.mean[:, None], signal.shape).copy()
    if arm == "linear":
        return moments.predict(signal.double().numpy(), given)
    return predict_network(encoder, signal, given).double().numpy()


def _scored(
    truth: Floats,
    found: Floats,
    channels: tuple[str, ...],
    number: torch.Tensor,
    arm: str,
    leads: tuple[str, ...],
) -> pd.DataFrame:
    import pandas as pd

    n_windows, n_leads = truth.shape[:2]
    limb, recorded = inconsistency(found, channels), inconsistency(truth, channels)
    missing = np.full(n_windows, np.nan)

    def by_lead(values: dict[str, Floats]) -> Floats:
        return np.stack([values.get(name, missing) for name in channels], 1).ravel()

    return pd.DataFrame(
        {
            "window": np.repeat(number.numpy(), n_leads),
            "inputs": " ".join(leads),
            "arm": arm,
            "lead": list(channels) * n_windows,
            "is_input": [channel in leads for channel in channels] * n_windows,
            "pearson": pearson(truth, found).ravel(),
            "rmse": rmse(truth, found).ravel(),
            "inconsistency": by_lead(limb),
            "inconsistency_recorded": by_lead(recorded),
        }
    )


def _results(
    shards: Shards, config: LeadsConfig, rows: pd.DataFrame, unit: str, channels: tuple[str, ...]
) -> dict[str, Any]:
    card = run_card(shards, config.where, config)
    kept = ("run", "shards_sha256", "stores", "n_windows", "git", "versions")
    corpora = sorted(shards.windows["corpus"].dropna().unique().tolist())
    return {
        "schema": "physiomodels.leads",
        **{name: card[name] for name in kept},
        "config": asdict(config),
        "unit": unit,
        "leads": list(channels),
        "corpora": corpora,
        "people": int(rows["person"].nunique()),
        "windows": int(rows["window"].nunique()),
        "inputs": summarise(rows, config.bootstrap, config.seed),
    }
