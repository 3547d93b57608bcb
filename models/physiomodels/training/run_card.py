"""The run card: from what data, code and configuration a model came."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physiomodels.config import as_dict
from physiomodels.training.data import window_table
from physioprep.bounds import RATE
from physioprep.documents import load_json, read_text
from physioprep.errors import ModelError
from physioprep.hashes import read_regular
from physioprep.limits import MAX_TEXT_BYTES
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

    Raises
    ------
    ModelError
        It is no card: not JSON, or a key holds what it cannot mean.
    """
    for path in (folder / "best" / "card.json", folder / "card.json"):
        if path.exists():
            return _checked(path)
    return None


def _checked(path: Path) -> dict[str, Any]:
    text = read_text(path, lambda cause: ModelError(f"{path}: {cause}"), limit=MAX_TEXT_BYTES)
    card = load_json(text, lambda cause: ModelError(f"{path}: {cause}"))
    if not isinstance(card, dict):
        raise ModelError(f"{path}: no run card")
    for key, fits in _MEANING.items():
        if key in card and not fits(card[key]):
            raise ModelError(f"{path}: {key} is {str(card[key])[:80]}, which means nothing")
    return card


def is_rate(value: object) -> bool:
    """Return whether a value of a file is a sampling rate.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool

    Examples
    --------
    >>> is_rate(250), is_rate(0), is_rate("x"), is_rate(True)
    (True, False, False, False)
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and value in RATE


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


#: What a key of a card may hold.
_MEANING: Final[dict[str, Callable[[object], bool]]] = {
    "subjects": _are_texts,
    "records_without_subject": _are_texts,
    "rate_hz": is_rate,
    "modality": lambda value: isinstance(value, str),
    "config": lambda value: isinstance(value, dict),
}


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
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
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
    values = as_dict(config)
    for name in ("checks", "input_leads", "target_leads"):
        if values.get(name, "") is None:  # a run without them is the one that it was before
            del values[name]
    return {
        "shards_sha256": shards.attrs.get("plan_sha256"),
        "where": where,
        "config": values,
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
