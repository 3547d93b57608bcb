"""Weights and configurations on disk: safetensors beside a JSON, loaded in full or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from torch import Tensor, nn

from physiomodels.model.headers import (
    HeaderError,
    check_safetensors,
    check_size,
    check_torch_file,
)
from physioprep.atomic import make_folders, write_bytes
from physioprep.documents import load_json
from physioprep.errors import ModelError, StoreError
from physioprep.hashes import (
    HASHES,
    listed_file,
    open_regular,
    read_regular,
    sha256_of,
    write_hashes,
)
from physioprep.limits import MAX_YAML_BYTES
from physioprep.outputs import says_listed
from physioprep.store.sums import listed_hashes

Model = TypeVar("Model", bound=nn.Module)

_FILES: Final = ("config.json", "model.safetensors")
#: Names that a message shows.
_SHOWN: Final = 20


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
        with open(path, "rb", opener=open_regular) as file:
            check_size(os.fstat(file.fileno()).st_size)
            if path.suffix == ".safetensors":
                check_safetensors(file)
                return dict(load_file(path))
            check_torch_file(file)
            state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # each format raises its own, torch with many lines of text
        cause = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelError(f"{path}: no readable weights file ({cause})") from error
    if not isinstance(state, Mapping):
        raise ModelError(f"{path}: holds a {type(state).__name__}, not a state dict")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ModelError(f"{path}: holds a {type(value).__name__} among its weights")
    return dict(state)


def load_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load weights where all names and shapes agree, and all numbers are finite.

    Parameters
    ----------
    model : Module
        Its weights are replaced.
    state : mapping of str to Tensor
        Weights.

    Raises
    ------
    ModelError
        If a tensor is missing, unknown, of another shape or kind of numbers, or not finite; the
        message names all of them.
    """
    check_fit(model, state)
    bad = [key for key, value in state.items() if not bool(torch.isfinite(value).all())]
    if bad:
        raise ModelError(f"weights are not finite: {_listed(bad)}")
    model.load_state_dict(dict(state))


def check_fit(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Compare names, shapes and kinds of numbers of weights with a model's.

    Parameters
    ----------
    model : Module
        Also one on torch's device "meta", which takes no memory.
    state : mapping of str to Tensor
        Weights.

    Raises
    ------
    ModelError
        They differ; the message names all that do.
    """
    own = model.state_dict()
    odd = [f"missing {key}" for key in own if key not in state]
    odd += [f"extra {key}" for key in state if key not in own]
    for key in own:
        if key in state and state[key].shape != own[key].shape:
            odd.append(f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}")
        elif key in state and state[key].is_floating_point() != own[key].is_floating_point():
            odd.append(f"{key} {state[key].dtype} instead of {own[key].dtype}")
    if odd:
        raise ModelError(f"weights do not fit: {_listed(odd)}")


def _listed(parts: list[str]) -> str:
    more = [f"and {len(parts) - _SHOWN} more"] if len(parts) > _SHOWN else []
    return "; ".join([*parts[:_SHOWN], *more])


def build_fitting(make: Callable[[], Model], state: Mapping[str, Tensor]) -> Model:
    """Build a model for weights, if they fit; where they do not, no memory is taken for it.

    Parameters
    ----------
    make : callable
        Builds the model. Called twice.
    state : mapping of str to Tensor
        Weights.

    Returns
    -------
    Module
        With these weights.

    Raises
    ------
    ModelError
        There is no model of this configuration, or the weights do not fit it.
    """
    try:
        with torch.device("meta"):
            check_fit(make(), state)
        model = make()
    except ModelError:
        raise
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise ModelError(f"no configuration of this model ({error})") from error
    except (RuntimeError, AssertionError) as error:  # torch's own, of sizes
        cause = str(error).partition("\n")[0]
        raise ModelError(f"no configuration of this model ({cause})") from error
    load_state(model, state)
    return model


@contextmanager
def named(source: object) -> Iterator[None]:
    """Put the name of what is loaded before the errors of loading it.

    Parameters
    ----------
    source : object
        A path; anything else has no name.

    Yields
    ------
    None

    Raises
    ------
    ModelError
        In place of one that does not begin with the name.
    """
    try:
        yield
    except ModelError as error:
        if not isinstance(source, str | Path) or str(error).startswith(str(source)):
            raise
        raise ModelError(f"{source}: {error}") from error


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
    try:  # before all of it is hashed
        check_size((folder / _FILES[1]).stat().st_size)
    except HeaderError as error:
        raise ModelError(f"{folder / _FILES[1]}: {error}") from None
    except OSError:
        pass  # missing: said below
    problems = damage_of(folder, loaded=True)
    if problems:
        raise ModelError(f"{folder}/{problems[0]}; `physioprep verify` lists all damage")
    try:
        data = read_regular(folder / "config.json", MAX_YAML_BYTES)
        config = load_json(data, ValueError)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder}: no saved model (config.json: {error})") from error
    if not isinstance(config, dict):
        raise ModelError(f"{folder}: config.json is no configuration")
    return config, load_weights(folder / "model.safetensors")
