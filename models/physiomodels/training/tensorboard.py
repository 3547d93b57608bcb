"""Watch a training run: scalars for TensorBoard, and pictures of what is reconstructed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from physioprep.errors import ModelError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


def open_board(folder: Path, step: int) -> SummaryWriter:
    """Open TensorBoard's event file in a folder; what a stopped run wrote after `step` is hidden.

    Raises
    ------
    ModelError
        Where tensorboard is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own imports
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ModelError(
                "tensorboard is not installed: pip install 'physioprep[tensorboard]'"
            ) from error
        # `purge_step` is the first step that is written anew
        return SummaryWriter(str(folder), purge_step=step + 1 if step else None)


def write_scalars(board: SummaryWriter, step: int, scalars: Mapping[str, float]) -> None:
    """Write one value a name, and let them be seen at once."""
    for name, value in scalars.items():
        board.add_scalar(name, value, step)
    board.flush()
