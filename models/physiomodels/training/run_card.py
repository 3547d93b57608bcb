"""The run card: from what data, code and configuration a model came."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from physiomodels.config import as_dict
from physiomodels.training.data import window_table
from physioprep.shards import open_shards


def run_card(shards: str | Path, where: str | None, config: Any) -> dict[str, Any]:
    """Describe a training run.

    Parameters
    ----------
    shards : path-like
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
    attributes = open_shards(shards).attrs
    windows = window_table(shards, where)
    unknown = windows["subject_id"].isna()
    corpus = windows["corpus"].astype(str) + "/"
    subjects = corpus[~unknown] + windows.loc[~unknown, "subject_id"].astype(str)
    records = corpus[unknown] + windows.loc[unknown, "record_id"].astype(str)
    identity = {
        "shards_sha256": attributes.get("plan_sha256"),
        "where": where,
        "config": as_dict(config),
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    names = ("physioprep", "torch", "numpy", "zarr", "pandas")
    return identity | {
        "run": digest,
        "stores": attributes.get("stores"),
        "n_windows": len(windows),
        "subjects": sorted(subjects.unique().tolist()),
        "records_without_subject": sorted(records.unique().tolist()),
        "git": _git_revision(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in names},
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
