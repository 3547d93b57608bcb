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
from physiomodels.model.pooling import POOLING, POOLINGS, Pool
from physioprep.errors import ModelError

FUSIONS = ("concat", "gated", "cross-attention", "late")


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
    pooling : {"mean-deviation", "mean", "per-lead", "attention"}
        Over the patches present (`physiomodels.model.pooling`).
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
    questions: nn.ModuleDict | None

    def __init__(
        self,
        *,
        n_classes: int = 2,
        kind: str = "class",
        n_epochs: int | None = None,
        fusion: str = "concat",
        pooling: str = POOLING,
        hidden: int = 32,
        dropout: float = 0.2,
        modality_dropout: float = 0.0,
        **encoders: CrissCrossEncoder,
    ) -> None:
        super().__init__()
        if fusion not in FUSIONS or pooling not in POOLINGS or not encoders:
            raise ModelError(
                f"fusion {fusion!r} of {FUSIONS}, pooling {pooling!r} of {tuple(POOLINGS)}, "
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
        pools = {name: Pool(encoder.d_model, pooling) for name, encoder in encoders.items()}
        self.pools = nn.ModuleDict(pools)
        widths = {name: pool.width for name, pool in pools.items()}
        self.placeholders = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(width)) for name, width in widths.items()}
        )
        common = self._make_fusion(fusion, widths)
        inputs = {
            "concat": [sum(widths.values())],
            "gated": [common],
            "cross-attention": [2 * common * len(widths)],
            "late": list(widths.values()),
        }[fusion]
        self.heads = nn.ModuleList(
            make_head(width, hidden, n_classes, dropout, n_epochs) for width in inputs
        )

    def _make_fusion(self, fusion: str, widths: Mapping[str, int]) -> int:
        """Make what a fusion has beside the heads; return its common width."""
        if fusion == "gated":
            common = max(widths.values())
            self.common = nn.ModuleDict({k: nn.Linear(w, common) for k, w in widths.items()})
            self.gate = nn.Linear(sum(widths.values()), len(widths))
            return common
        patch: dict[str, Any] = {name: each.d_model for name, each in self.encoders.items()}
        common = int(max(patch.values()))
        self.questions = None
        if fusion == "cross-attention":
            self.common = nn.ModuleDict({k: nn.Linear(w, common) for k, w in patch.items()})
            self.ask = nn.MultiheadAttention(common, 4, batch_first=True)
            if patch != widths:  # a window's vector is wider than a patch's
                self.questions = nn.ModuleDict({k: nn.Linear(w, common) for k, w in widths.items()})
        return common

    @property
    def separable(self) -> bool:
        """Whether one vector per window, which has no weights, is all that the head sees of it.

        Returns
        -------
        bool
        """
        return self.config["pooling"] != "attention" and self.fusion != "cross-attention"

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

    def answer(
        self,
        features: Mapping[str, Tensor],
        present: Mapping[str, Tensor],
        *,
        pooled: bool = False,
    ) -> Tensor:
        """Classify windows from what `encode` gave.

        Parameters
        ----------
        features : mapping of str to Tensor, shape (window, channel, patch, width)
            By modality.
        present : mapping of str to Tensor of bool, shape (window, channel, patch)
            By modality.
        pooled : bool
            Whether each window's vector stands in the place of its patches
            (`physiomodels.training.encode.encode_once`).

        Returns
        -------
        Tensor, shape (window, class); of a sequence (window, epoch, class)
            Logits, or deviations of a number.
        """
        available = torch.stack([flags.flatten(1).any(1) for flags in present.values()], dim=1)
        available = self._drop(available)
        vectors: dict[str, Tensor] = {}
        for n, name in enumerate(self.encoders):
            embedding = self.pools[name](features[name], present[name], pooled=pooled)
            placeholder = self.placeholders[name].expand_as(embedding)
            vectors[name] = torch.where(available[:, n, None], embedding, placeholder)
        if self.fusion == "late":
            logits = [head(e) for head, e in zip(self.heads, vectors.values(), strict=True)]
            weight = torch.where(available.any(1, keepdim=True), available, True).float()
            weight = weight / weight.sum(1, keepdim=True)
            return self._by_window((torch.stack(logits, dim=1) * weight[..., None]).sum(1))
        if self.fusion == "cross-attention":
            joint = self._cross_attend(features, present, vectors, available)
        elif self.fusion == "gated":
            joint = self._gate(vectors, available)
        else:
            joint = torch.cat(list(vectors.values()), dim=1)
        return self._by_window(self.heads[0](joint))

    def _by_window(self, outputs: Tensor) -> Tensor:
        if self.n_epochs is None:
            return outputs
        return outputs.reshape(-1, self.n_epochs, outputs.shape[-1])

    @torch.no_grad()
    def standardise(
        self, encoded: Iterable[tuple[Mapping[str, Tensor], ...]], *, pooled: bool = False
    ) -> None:
        """Set the mean and deviation of each embedding.

        Parameters
        ----------
        encoded : iterable of (features, present)
            What `encode` gave for the training windows, batch by batch.
        pooled : bool
            As for `answer`.
        """
        seen: dict[str, list[Tensor]] = {name: [] for name in self.encoders}
        for features, present in encoded:
            for name, vectors in seen.items():
                available = present[name].flatten(1).any(1)
                pool = self.pools[name]
                assert isinstance(pool, Pool)
                held = features[name]
                found = held[:, 0, 0] if pooled else pool.pool(held, present[name])
                vectors.append(found[available])
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
                features[name] = placeholder.new_zeros(*no_patch, encoder.d_model)
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
            if self.questions is None:
                tokens[name] = self.common[name](torch.cat((own, spare), dim=1))
            else:
                parts = (self.common[name](own), self.questions[name](spare))
                tokens[name] = torch.cat(parts, dim=1)
            flags = present[name].flatten(1) & available[:, n, None]
            padded[name] = ~torch.cat((flags, ~available[:, n, None]), dim=1)
        joint = []
        asking = self.common if self.questions is None else self.questions
        for name, embedding in pooled.items():
            question = asking[name](embedding)
            others = [other for other in pooled if other != name] or [name]
            keys = torch.cat([tokens[other] for other in others], dim=1)
            padding = torch.cat([padded[other] for other in others], dim=1)
            found, _ = self.ask(
                question[:, None], keys, keys, key_padding_mask=padding, need_weights=False
            )
            joint += [question, found[:, 0]]
        return torch.cat(joint, dim=1)
