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
    """Open TensorBoard's event file in a folder.

    Parameters
    ----------
    folder : Path
        Made where it does not exist.
    step : int
        Last step of a run that resumes; what it wrote after that step is hidden. 0: a new run.

    Returns
    -------
    SummaryWriter

    Raises
    ------
    ModelError
        If tensorboard is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its own imports
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ModelError(
                "tensorboard is not installed: pip install 'physioprep[tensorboard]'"
            ) from error
        # `purge_step` is the first step that is written again
        return SummaryWriter(str(folder), purge_step=step + 1 if step else None)


def write_scalars(board: SummaryWriter, step: int, scalars: Mapping[str, float]) -> None:
    """Write one value per name, visible at once.

    Parameters
    ----------
    board : SummaryWriter
        From `open_board`.
    step : int
        Number of the step.
    scalars : mapping of str to float
        Values by name.
    """
    for name, value in scalars.items():
        board.add_scalar(name, value, step)
    board.flush()
