"""From the embedding of a window to its outputs; of a sequence, with the other epochs in view."""

from __future__ import annotations

from typing import Final

from torch import Tensor, nn

from physioprep.errors import ModelError

_ATTENTION_HEADS: Final = 4


def make_head(
    width: int, hidden: int, n_outputs: int, dropout: float, n_epochs: int | None = None
) -> nn.Module:
    """Make a head.

    Parameters
    ----------
    width : int
        Of the embedding.
    hidden : int
        Width of the hidden layer; 0: a linear head, which sees each epoch by itself.
    n_outputs : int
        Outputs of a window, or of an epoch.
    dropout : float
        Before the last layer; of a sequence also in the transformer.
    n_epochs : int, optional
        Epochs of a window that is a sequence.

    Returns
    -------
    Module
        Takes (row, width), returns (row, output); the epochs of a window are rows in a row.

    Raises
    ------
    ModelError
        If the hidden layer of a sequence cannot be divided among the heads of its attention.

    Examples
    --------
    >>> import torch
    >>> make_head(16, 32, 5, 0.0, n_epochs=20)(torch.zeros(2 * 20, 16)).shape
    torch.Size([40, 5])
    """
    if hidden == 0:
        return nn.Linear(width, n_outputs)
    if n_epochs is not None:
        if hidden % _ATTENTION_HEADS:
            raise ModelError(f"hidden {hidden}: of a sequence, a multiple of {_ATTENTION_HEADS}")
        return SequenceHead(width, hidden, n_outputs, dropout, n_epochs)
    return nn.Sequential(
        nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, n_outputs)
    )


class SequenceHead(nn.Module):
    """One layer of a transformer over the epochs of a window, as CBraMod's model for ISRUC.

    A linear layer with GELU per epoch, one pre-norm layer of four heads (feed-forward part four
    times as wide), a linear layer per epoch. As there, epochs are not told their place.

    Parameters
    ----------
    width, hidden, n_outputs, dropout, n_epochs
        As for `make_head`.
    """

    def __init__(
        self, width: int, hidden: int, n_outputs: int, dropout: float, n_epochs: int
    ) -> None:
        super().__init__()
        self.n_epochs = n_epochs
        self.epoch = nn.Sequential(nn.Linear(width, hidden), nn.GELU())
        layer = nn.TransformerEncoderLayer(
            hidden, _ATTENTION_HEADS, 4 * hidden, dropout, "gelu", batch_first=True, norm_first=True
        )
        self.context = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.answer = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, n_outputs))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Answer each epoch.

        Parameters
        ----------
        embeddings : Tensor, shape (window * epoch, width)
            The epochs of a window one after another.

        Returns
        -------
        Tensor, shape (window * epoch, output)
        """
        epochs = self.epoch(embeddings)
        epochs = epochs.reshape(-1, self.n_epochs, epochs.shape[-1])
        answers: Tensor = self.answer(self.context(epochs))
        return answers.flatten(0, 1)
