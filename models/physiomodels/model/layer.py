"""One layer of the criss-cross encoder: attention across leads and across time, side by side."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from physiomodels.model.dropout import Dropout


class CrissCrossLayer(nn.Module):
    """Pre-norm layer: the first half of a vector attends across leads, the second across time.

    Parameters
    ----------
    d_model, heads, ffn : int
        Width; attention heads, half of them per direction; width of the feed-forward part.
    dropout, attention_dropout : float
        After attention and feed-forward part; on the attention weights.
    """

    def __init__(
        self, d_model: int, heads: int, ffn: int, dropout: float, attention_dropout: float
    ) -> None:
        super().__init__()
        self.self_attn_s = nn.MultiheadAttention(d_model // 2, heads // 2, attention_dropout)
        self.self_attn_t = nn.MultiheadAttention(d_model // 2, heads // 2, attention_dropout)
        self.linear1 = nn.Linear(d_model, ffn)
        self.linear2 = nn.Linear(ffn, d_model)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, lead_mask: Tensor | None, time_mask: Tensor | None) -> Tensor:
        """Return the input after one layer.

        Parameters
        ----------
        x : Tensor, shape (batch, channel, patch, d_model)
            Vectors of patches.
        lead_mask, time_mask : Tensor of bool or None
            Which leads, and which patches, attend to which, from
            `physiomodels.model.presence.key_mask`.

        Returns
        -------
        Tensor, shape (batch, channel, patch, d_model)
        """
        leads, time = self.norm1(x).chunk(2, dim=-1)
        across_leads = _attend(self.self_attn_s, leads, lead_mask, across_leads=True)
        across_time = _attend(self.self_attn_t, time, time_mask, across_leads=False)
        attended = torch.cat((across_leads, across_time), dim=-1)
        x = x + self.dropout(attended, inplace=True)
        hidden = self.dropout(F.gelu(self.linear1(self.norm2(x))), inplace=True)
        return torch.add(x, self.dropout(self.linear2(hidden)))


def _attend(
    attention: nn.MultiheadAttention, x: Tensor, key_mask: Tensor | None, *, across_leads: bool
) -> Tensor:
    """Self-attention over leads or over patches of x (batch, channel, patch, width), uncopied.

    For the leads, query, key and value are projected separately: (patch, head) is then one axis of
    even stride, and the kernel reads and writes the leads of all patches without a copy.
    """
    batch, channels, patches, width = x.shape
    heads = attention.num_heads
    rows = x.flatten(0, 2)  # a view; with two axes the matrix product itself adds the bias
    weight, bias = attention.in_proj_weight, attention.in_proj_bias
    if across_leads:
        pairs = zip(weight.chunk(3), bias.chunk(3), strict=True)
        shape = (batch, channels, patches * heads, width // heads)
        q, k, v = (F.linear(rows, w, b).view(shape).transpose(1, 2) for w, b in pairs)
    else:
        qkv = F.linear(rows, weight, bias).view(batch * channels, patches, 3, heads, -1)
        q, k, v = (part.transpose(1, 2) for part in qkv.unbind(2))
    if key_mask is not None:  # (batch, patch or channel, length, length) -> one per head
        key_mask = (
            key_mask.repeat_interleave(heads, dim=1)
            if across_leads
            else key_mask.flatten(0, 1).unsqueeze(1)
        )
    dropout = attention.dropout if attention.training else 0.0
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=key_mask, dropout_p=dropout)
    merged = out.transpose(1, 2).reshape(-1, width)
    return F.linear(merged, attention.out_proj.weight, attention.out_proj.bias).view(x.shape)
