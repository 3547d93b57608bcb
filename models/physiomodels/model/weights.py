"""Weights and configurations on disk: safetensors beside a JSON, loaded in full or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from physioprep.atomic import make_folders, write_bytes
from physioprep.errors import ModelError, StoreError
from physioprep.hashes import HASHES, listed_file, read_regular, sha256_of, write_hashes
from physioprep.outputs import says_listed
from physioprep.store.sums import listed_hashes

_FILES: Final = ("config.json", "model.safetensors")


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dict, without running code of the file.

    Parameters
    ----------
    path : Path
        ``.safetensors``, or a torch file.

    Returns
    -------
    dict of str to Tensor
        On the CPU.

    Raises
    ------
    ModelError
        If the file is missing, cannot be read, or holds no state dict.
    """
    from safetensors.torch import load_file

    if not path.is_file():
        raise ModelError(f"{path}: no such weights file")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each format raises its own, torch with many lines of text
        cause = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelError(f"{path}: no readable weights file ({cause})") from error
    if not isinstance(state, Mapping):
        raise ModelError(f"{path}: holds a {type(state).__name__}, not a state dict")
    return dict(state)


def load_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load weights where all names and shapes agree.

    Parameters
    ----------
    model : Module
        Its weights are replaced.
    state : mapping of str to Tensor
        Weights.

    Raises
    ------
    ModelError
        If a tensor is missing, unknown, or of another shape; the message names all of them.
    """
    own = model.state_dict()
    odd = [f"missing {key}" for key in own if key not in state]
    odd += [f"extra {key}" for key in state if key not in own]
    odd += [
        f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    if odd:
        raise ModelError(f"weights do not fit: {'; '.join(odd)}")
    model.load_state_dict(dict(state))


def save_folder(model: nn.Module, config: Mapping[str, Any], folder: Path) -> None:
    """Write ``config.json``, ``model.safetensors`` and their hashes, each whole or not at all.

    Parameters
    ----------
    model : Module
        Its state dict is written.
    config : mapping
        JSON values from which the module can be built again.
    folder : Path
        Made where it does not exist.
    """
    from safetensors.torch import save

    make_folders(folder)
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    files = {
        "config.json": json.dumps(dict(config), indent=2).encode(),
        "model.safetensors": save(state),
    }
    for name, content in files.items():
        write_bytes(folder / name, content)
    write_hashes(folder, files)  # for `physioprep verify`


def damage_of(folder: Path, *, loaded: bool = False) -> list[str]:
    """Compare the files of a model with its hashes.

    Parameters
    ----------
    folder : Path
        Also one without hashes, made elsewhere.
    loaded : bool
        Compare only the files that `load_folder` reads.

    Returns
    -------
    list of str
        One line per file that is missing or changed.

    Raises
    ------
    ModelError
        The list of hashes is damaged.
    """
    try:
        hashes = listed_hashes(folder)
    except StoreError as error:
        raise ModelError(str(error)) from None
    if hashes is None:
        return [f"{HASHES} is missing, which its card names"] if says_listed(folder) else []
    problems = [f"{HASHES} does not name {name}" for name in _FILES if name not in hashes]
    for name, stated in hashes.items():
        if loaded and name not in _FILES:
            continue
        try:
            if sha256_of(listed_file(folder, name)) != stated:
                problems.append(f"{name} is changed since it was written")
        except OSError as error:
            problems.append(f"{name}: {error.strerror}")
    return problems


def load_folder(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what `save_folder` wrote.

    Parameters
    ----------
    folder : Path
        With ``config.json`` and ``model.safetensors``.

    Returns
    -------
    config : dict
        JSON values.
    state : dict of str to Tensor
        Weights.

    Raises
    ------
    ModelError
        If there is no saved model, it cannot be read, or a file is not the one that was saved.
    """
    problems = damage_of(folder, loaded=True)
    if problems:
        raise ModelError(f"{folder}/{problems[0]}; `physioprep verify` lists all damage")
    try:
        config = json.loads(read_regular(folder / "config.json"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder}: no saved model (config.json: {error})") from error
    if not isinstance(config, dict):
        raise ModelError(f"{folder}: config.json is no configuration")
    return config, load_weights(folder / "model.safetensors")
