"""The run card: from what data, code and configuration a model came."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physiomodels.config import as_dict
from physiomodels.training.data import window_table
from physioprep.hashes import read_regular
from physioprep.shards import open_shards

if TYPE_CHECKING:
    from physioprep.shards import Shards


def run_card(shards: str | Path | Shards, where: str | None, config: Any) -> dict[str, Any]:
    """Describe a training run.

    Parameters
    ----------
    shards : path-like or Shards
        What it reads; named by hash, not by path.
    where : str or None
        Query on the window manifest.
    config : dataclass
        Its whole configuration.

    Returns
    -------
    dict
        ``run`` (sha256 of data, query and configuration), ``config``, ``shards_sha256``,
        ``stores``, ``where``, ``n_windows``, ``subjects`` (``corpus/subject``),
        ``records_without_subject`` (``corpus/record``), ``git``, ``versions``.
    """
    opened = open_shards(shards)
    windows = window_table(opened, where)
    unknown = windows["subject_id"].isna()
    corpus = windows["corpus"].astype(str) + "/"
    subjects = corpus[~unknown] + windows.loc[~unknown, "subject_id"].astype(str)
    records = corpus[unknown] + windows.loc[unknown, "record_id"].astype(str)
    names = ("physioprep", "torch", "numpy", "zarr", "pandas")
    return _identity(opened, where, config) | {
        "run": run_digest(opened, where, config),
        "stores": opened.attrs.get("stores"),
        "n_windows": len(windows),
        "subjects": sorted(subjects.unique().tolist()),
        "records_without_subject": sorted(records.unique().tolist()),
        "git": _git_revision(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in names},
    }


def run_digest(shards: Shards, where: str | None, config: Any) -> str:
    """Return the hash of a run's data, query and configuration.

    Parameters
    ----------
    shards : Shards
        What it reads.
    where : str or None
        Query on the window manifest.
    config : dataclass
        Its whole configuration.

    Returns
    -------
    str
        sha256, hexadecimal.
    """
    identity = json.dumps(_identity(shards, where, config), sort_keys=True)
    return hashlib.sha256(identity.encode()).hexdigest()


def card_of(folder: Path) -> dict[str, Any] | None:
    """Read the run card in a folder of `physiomodels.pretrain`.

    Parameters
    ----------
    folder : Path
        Its ``best`` is looked at first, as for the weights.

    Returns
    -------
    dict or None
        None where there is no card.
    """
    for card in (folder / "best" / "card.json", folder / "card.json"):
        if card.is_file():
            loaded: dict[str, Any] = json.loads(card.read_text(encoding="utf-8"))
            return loaded
    return None


def unfinished(folder: Path) -> str | None:
    """Say how far a pretraining came that is not finished.

    Parameters
    ----------
    folder : Path
        Of `physiomodels.pretrain`, or ``best`` or ``last`` in it.

    Returns
    -------
    str or None
        ``"1 of 3 epochs"``; None where it is finished, or no card says it.
    """
    top = folder.parent if folder.name in ("best", "last") else folder
    try:
        card = json.loads(read_regular(top / "card.json"))
        done, epochs = int(card["epoch"]), int(card["config"]["epochs"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return f"{done} of {epochs} epochs" if done < epochs else None


def unfinished_in_words(models: Mapping[str, Any]) -> dict[str, str]:
    """Say which encoders come from a pretraining that is not finished.

    Parameters
    ----------
    models : mapping of str to object
        By modality, which may be empty: what is no path has no card.

    Returns
    -------
    dict of str to str
        Lines for a summary: ``{"encoder ecg": "pretraining not finished: 1 of 3 epochs"}``.
    """
    return {
        f"encoder {name}".strip(): f"pretraining not finished: {so_far}"
        for name, model in models.items()
        if isinstance(model, str | Path) and (so_far := unfinished(Path(model))) is not None
    }


def _identity(shards: Shards, where: str | None, config: Any) -> dict[str, Any]:
    return {
        "shards_sha256": shards.attrs.get("plan_sha256"),
        "where": where,
        "config": as_dict(config),
    }


def _git_revision() -> str | None:
    """Return the commit of this checkout, with "+" where it is modified; None outside of one."""
    here = Path(__file__).resolve().parent
    command = ["git", "-C", str(here), "describe", "--always", "--abbrev=40", "--dirty=+"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
