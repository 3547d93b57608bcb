"""One answer from several signals: pooled embeddings of each encoder under one head."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.heads import make_head
from physiomodels.model.patches import Patches
from physioprep.errors import ModelError

FUSIONS = ("concat", "gated", "cross-attention", "late")
POOLINGS = ("mean", "attention")


class FusionClassifier(nn.Module):
    """Classify windows from the encoders of one or more modalities.

    Parameters
    ----------
    n_classes : int
        Outputs: classes, or 1 of a number.
    kind : {"class", "classes", "number"}
        What the outputs mean: see `physiomodels.training.kinds`.
    n_epochs : int or None
        Epochs of a window that is a sequence: each is encoded and answered, with the others in
        view of the head.
    fusion : {"concat", "gated", "cross-attention", "late"}
        "concat" (the paper's, arXiv 2512.15250): embeddings side by side under one head. "gated":
        their sum, weighted per window (Arevalo et al., arXiv 1702.01992, with a softmax over the
        modalities present). "cross-attention": each embedding attends to the other signals'
        patches. "late": one head per modality, mean of the logits of those present.
    pooling : {"mean", "attention"}
        Over the patches present.
    hidden : int
        Width of the head's hidden layer; 0: a linear head.
    dropout : float
        Before the head's last layer.
    modality_dropout : float
        Chance, in training, that a window loses one of its modalities: a learned placeholder takes
        the embedding's place, as it does where a modality is missing.
    **encoders : CrissCrossEncoder
        By modality: ``ecg=...``, ``eeg=...``.

    Raises
    ------
    ModelError
        If `fusion` or `pooling` is unknown, or there is no encoder.

    Examples
    --------
    >>> import torch
    >>> ecg, eeg = (CrissCrossEncoder(50, 32, 1, 4, 64) for _ in range(2))
    >>> model = FusionClassifier(ecg=ecg, eeg=eeg).eval()
    >>> windows = {"ecg": Patches(torch.randn(3, 1, 10, 50), None),
    ...            "eeg": Patches(torch.randn(3, 19, 10, 50), None)}
    >>> model(windows).shape                                      # logits (window, class)
    torch.Size([3, 2])
    >>> model({"ecg": windows["ecg"]}).shape                      # no EEG at the bedside
    torch.Size([3, 2])
    """

    centre: Tensor
    spread: Tensor

    def __init__(
        self,
        *,
        n_classes: int = 2,
        kind: str = "class",
        n_epochs: int | None = None,
        fusion: str = "concat",
        pooling: str = "mean",
        hidden: int = 32,
        dropout: float = 0.2,
        modality_dropout: float = 0.0,
        **encoders: CrissCrossEncoder,
    ) -> None:
        super().__init__()
        if fusion not in FUSIONS or pooling not in POOLINGS or not encoders:
            raise ModelError(
                f"fusion {fusion!r} of {FUSIONS}, pooling {pooling!r} of {POOLINGS}, "
                f"{len(encoders)} encoders (at least 1)"
            )
        self.config: dict[str, Any] = {
            "n_classes": n_classes,
            "kind": kind,
            "n_epochs": n_epochs,
            "fusion": fusion,
            "pooling": pooling,
            "hidden": hidden,
            "dropout": dropout,
            "modality_dropout": modality_dropout,
            "encoders": {name: encoder.config for name, encoder in encoders.items()},
        }
        self.fusion, self.modality_dropout = fusion, modality_dropout
        self.kind, self.n_epochs = kind, n_epochs
        if kind == "number":  # of the training windows: the outputs are deviations in units of it
            self.register_buffer("centre", torch.zeros(()))
            self.register_buffer("spread", torch.ones(()))
        self.encoders = nn.ModuleDict(encoders)
        widths = {name: encoder.d_model for name, encoder in encoders.items()}
        self.pools = nn.ModuleDict({name: _Pool(width, pooling) for name, width in widths.items()})
        self.placeholders = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(width)) for name, width in widths.items()}
        )
        common = max(widths.values())
        if fusion in ("gated", "cross-attention"):
            self.common = nn.ModuleDict({k: nn.Linear(w, common) for k, w in widths.items()})
        if fusion == "gated":
            self.gate = nn.Linear(sum(widths.values()), len(widths))
        if fusion == "cross-attention":
            self.ask = nn.MultiheadAttention(common, 4, batch_first=True)
        inputs = {
            "concat": [sum(widths.values())],
            "gated": [common],
            "cross-attention": [2 * common * len(widths)],
            "late": list(widths.values()),
        }[fusion]
        self.heads = nn.ModuleList(
            make_head(width, hidden, n_classes, dropout, n_epochs) for width in inputs
        )

    @property
    def separable(self) -> bool:
        """Whether the mean over a window's patches is all that the head sees of them.

        Returns
        -------
        bool
        """
        return self.config["pooling"] == "mean" and self.fusion != "cross-attention"

    def forward(self, inputs: Mapping[str, Patches]) -> Tensor:
        """Classify windows.

        Parameters
        ----------
        inputs : mapping of str to Patches
            By modality; one may be missing, and so may all patches of a window. Of a sequence the
            epochs of all windows, one after another, in the place of windows.

        Returns
        -------
        Tensor, shape (window, class); of a sequence (window, epoch, class)
            Logits, or deviations of a number.
        """
        return self.answer(*self.encode(inputs))

    def answer(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Classify windows from what `encode` gave.

        Parameters
        ----------
        features : mapping of str to Tensor, shape (window, channel, patch, width)
            By modality.
        present : mapping of str to Tensor of bool, shape (window, channel, patch)
            By modality.

        Returns
        -------
        Tensor, shape (window, class); of a sequence (window, epoch, class)
            Logits, or deviations of a number.
        """
        available = torch.stack([flags.flatten(1).any(1) for flags in present.values()], dim=1)
        available = self._drop(available)
        pooled: dict[str, Tensor] = {}
        for n, name in enumerate(self.encoders):
            embedding = self.pools[name](features[name], present[name])
            placeholder = self.placeholders[name].expand_as(embedding)
            pooled[name] = torch.where(available[:, n, None], embedding, placeholder)
        if self.fusion == "late":
            logits = [head(e) for head, e in zip(self.heads, pooled.values(), strict=True)]
            weight = torch.where(available.any(1, keepdim=True), available, True).float()
            weight = weight / weight.sum(1, keepdim=True)
            return self._by_window((torch.stack(logits, dim=1) * weight[..., None]).sum(1))
        if self.fusion == "cross-attention":
            joint = self._cross_attend(features, present, pooled, available)
        elif self.fusion == "gated":
            joint = self._gate(pooled, available)
        else:
            joint = torch.cat(list(pooled.values()), dim=1)
        return self._by_window(self.heads[0](joint))

    def _by_window(self, outputs: Tensor) -> Tensor:
        if self.n_epochs is None:
            return outputs
        return outputs.reshape(-1, self.n_epochs, outputs.shape[-1])

    @torch.no_grad()
    def standardise(self, encoded: Iterable[tuple[Mapping[str, Tensor], ...]]) -> None:
        """Set the mean and deviation of each embedding.

        Parameters
        ----------
        encoded : iterable of (features, present)
            What `encode` gave for the training windows, batch by batch.
        """
        seen: dict[str, list[Tensor]] = {name: [] for name in self.encoders}
        for features, present in encoded:
            for name, vectors in seen.items():
                available = present[name].flatten(1).any(1)
                pool = self.pools[name]
                assert isinstance(pool, _Pool)
                vectors.append(pool.pool(features[name], present[name])[available])
        for name, vectors in seen.items():
            embeddings, pool = torch.cat(vectors), self.pools[name]
            if len(embeddings) > 1:
                pool.mean = embeddings.mean(0)
                pool.deviation = embeddings.std(0).clamp(min=1e-6)

    def encode(self, inputs: Mapping[str, Patches]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Encode windows.

        Parameters
        ----------
        inputs : mapping of str to Patches
            By modality; one may be missing.

        Returns
        -------
        features : dict of str to Tensor, shape (window, channel, patch, width)
            By modality.
        present : dict of str to Tensor of bool, shape (window, channel, patch)
            By modality; all False for a missing one.

        Raises
        ------
        ModelError
            If no input belongs to any of the encoders.
        """
        known = [patches for name, patches in inputs.items() if name in self.encoders]
        if not known:
            raise ModelError(f"no input for any of the encoders {', '.join(self.encoders)}")
        features, present = {}, {}
        for name, encoder in self.encoders.items():
            if name in inputs:
                x, available = inputs[name].x, inputs[name].present
                features[name] = encoder(x, None, available)
                full = torch.ones(x.shape[:3], dtype=torch.bool, device=x.device)
                present[name] = full if available is None else available.bool()
            else:
                no_patch = (len(known[0].x), 1, 1)
                placeholder = self.placeholders[name]
                features[name] = placeholder.new_zeros(*no_patch, len(placeholder))
                present[name] = placeholder.new_zeros(no_patch, dtype=torch.bool)
        return features, present

    def _drop(self, available: Tensor) -> Tensor:
        """In training, take one modality from some of the windows that have several."""
        if not self.training or not self.modality_dropout or available.shape[1] < 2:
            return available
        chance = torch.rand(available.shape, device=available.device).masked_fill(~available, -1.0)
        lost = F.one_hot(chance.argmax(1), available.shape[1]).bool()
        chosen = torch.rand(len(available), device=available.device) < self.modality_dropout
        return available & ~(lost & (chosen & (available.sum(1) > 1))[:, None])

    def _gate(self, pooled: dict[str, Tensor], available: Tensor) -> Tensor:
        scores = self.gate(torch.cat(list(pooled.values()), dim=1))
        scores = scores.masked_fill(~available & available.any(1, keepdim=True), -torch.inf)
        values = torch.stack([torch.tanh(self.common[k](e)) for k, e in pooled.items()], dim=1)
        return torch.sum(values * scores.softmax(1)[..., None], dim=1)

    def _cross_attend(
        self,
        features: Mapping[str, Tensor],
        present: Mapping[str, Tensor],
        pooled: dict[str, Tensor],
        available: Tensor,
    ) -> Tensor:
        """Concatenate each embedding with the result of its attention to the others' patches."""
        tokens, padded = {}, {}
        for n, name in enumerate(self.encoders):
            own = F.layer_norm(features[name], features[name].shape[-1:]).flatten(1, 2)
            spare = pooled[name][:, None]  # the placeholder where the signal is missing
            tokens[name] = self.common[name](torch.cat((own, spare), dim=1))
            flags = present[name].flatten(1) & available[:, n, None]
            padded[name] = ~torch.cat((flags, ~available[:, n, None]), dim=1)
        parts = []
        for name, embedding in pooled.items():
            question = self.common[name](embedding)
            others = [other for other in pooled if other != name] or [name]
            keys = torch.cat([tokens[other] for other in others], dim=1)
            padding = torch.cat([padded[other] for other in others], dim=1)
            found, _ = self.ask(
                question[:, None], keys, keys, key_padding_mask=padding, need_weights=False
            )
            parts += [question, found[:, 0]]
        return torch.cat(parts, dim=1)


class _Pool(nn.Module):
    """From the features of a window's patches to one vector, standardised."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int, pooling: str) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1) if pooling == "attention" else None
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def forward(self, features: Tensor, present: Tensor) -> Tensor:
        """Return (batch, width) from features (batch, channel, patch, width)."""
        return (self.pool(features, present) - self.mean) / self.deviation

    def pool(self, features: Tensor, present: Tensor) -> Tensor:
        """Return the mean over what is present, weighted where attention is asked for."""
        if self.score is None:
            return mean_over(features, present)
        flat, available = features.flatten(1, 2), present.flatten(1)
        score = self.score(F.layer_norm(flat, flat.shape[-1:]))[..., 0]
        weight = score.masked_fill(~available, torch.finfo(score.dtype).min).softmax(1)
        return torch.sum(flat * weight[..., None], dim=1)


def mean_over(features: Tensor, present: Tensor) -> Tensor:
    """Return the mean of features over the patches that are present.

    Parameters
    ----------
    features : Tensor, shape (window, channel, patch, width)
        From an encoder.
    present : Tensor of bool, shape (window, channel, patch)
        Which patches count.

    Returns
    -------
    Tensor, shape (window, width)
        Zero where no patch is present.
    """
    weight = present.flatten(1).to(features.dtype)
    weight = weight / weight.sum(1, keepdim=True).clamp(min=1)
    return torch.sum(features.flatten(1, 2) * weight[..., None], dim=1)
