"""The checkpoint of a pretraining: one file that ends with the hash of all that is before it.

torch reads a damaged file as other weights. A hash in a second file would be older or newer than
the checkpoint after a kill between the two; one in the file itself gets its name with it.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any, BinaryIO, Final

import torch

from physiomodels.model.headers import HeaderError, check_torch_file
from physioprep.errors import ModelError
from physioprep.hashes import open_regular

#: Name of the checkpoint in a run's folder.
CHECKPOINT: Final = "checkpoint.pt"
#: The end of the file. What follows a torch file does not hinder torch from reading it.
_SEAL: Final = re.compile(rb"# sha256 ([0-9a-f]{64})\n")
_SEAL_BYTES: Final = len(b"# sha256 \n") + 64
_DAMAGED: Final = "the checkpoint is damaged: it does not end with its own hash"
_BLOCK: Final = 1 << 20


def write_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint, and the hash of it as its last line.

    Parameters
    ----------
    state : dict
        Tensors and plain values.
    path : Path
        Written as it is: give it a temporary name.
    """
    torch.save(state, path)
    with path.open("r+b") as file:
        digest = _digest(file, file.seek(0, os.SEEK_END))
        file.seek(0, os.SEEK_END)
        file.write(b"# sha256 %s\n" % digest)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint, if it is byte for byte what was written.

    Parameters
    ----------
    path : Path
        Of `write_checkpoint`.

    Returns
    -------
    dict
        On the CPU.

    Raises
    ------
    ModelError
        It cannot be read, or is damaged.
    """
    try:
        with open(path, "rb", opener=open_regular) as file:
            if not _is_whole(file):
                raise ModelError(
                    f"{path}: {_DAMAGED}; --no-resume starts anew (in Python resume=False)"
                )
            file.seek(0)
            check_torch_file(file)
            state = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None
    except ModelError:
        raise
    except HeaderError as error:
        raise ModelError(f"{path}: no readable checkpoint ({error})") from None
    except Exception as error:  # a seal on something else; torch raises many classes
        raise ModelError(f"{path}: no readable checkpoint") from error
    if not isinstance(state, dict):
        raise ModelError(f"{path}: holds a {type(state).__name__}, no state of a run")
    return state


def damage_of_checkpoint(path: Path) -> str | None:
    """Say what is wrong with a checkpoint.

    Parameters
    ----------
    path : Path
        Of `write_checkpoint`.

    Returns
    -------
    str or None
        One line that names it; None where it is whole, or there is none.
    """
    if not path.exists():
        return None
    try:
        with open(path, "rb", opener=open_regular) as file:
            return None if _is_whole(file) else f"{path}: {_DAMAGED}"
    except OSError as error:
        return f"{path}: {error.strerror or error}"


def _is_whole(file: BinaryIO) -> bool:
    """Return whether a file ends with the hash of what is before it."""
    end = file.seek(0, os.SEEK_END) - _SEAL_BYTES
    file.seek(max(0, end))
    seal = _SEAL.fullmatch(file.read())
    return seal is not None and seal[1] == _digest(file, end)


def _digest(file: BinaryIO, n_bytes: int) -> bytes:
    """Return the SHA-256 of the first bytes of a file."""
    digest = hashlib.sha256()
    file.seek(0)
    while n_bytes and (block := file.read(min(_BLOCK, n_bytes))):
        digest.update(block)
        n_bytes -= len(block)
    return digest.hexdigest().encode()
