"""Pictures of a window that is hidden and reconstructed, and of the masks themselves."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.lead_masks import LeadTask, hide_leads
from physiomodels.model.masking import DualMask
from physiomodels.model.patches import to_patches
from physiomodels.training.data import open_stream, pretraining_rows
from physioprep.atomic import make_folders, temporary_file
from physioprep.drawing.signals import is_simulated
from physioprep.outputs import PICTURE, Kind, check_output
from physioprep.pictures import save_picture
from physioprep.shards import open_shards
from physioprep.shards.target import epochs_of

if TYPE_CHECKING:
    from physioprep.shards import Shards

_NAMES = {"signal", "reconstruction", "hidden", "channels", "rate_hz"}
_ARRAYS = Kind("arrays of a reconstruction", lambda path: _names_in(path) == _NAMES)
_LEADS = 12  # rows of a picture
_SECONDS = 10  # of a window, at most


def reconstruct(
    encoder: CrissCrossEncoder,
    shards: str | Path | Shards,
    out: str | Path,
    *,
    modality: str,
    mask: DualMask,
    leads: LeadTask | None = None,
    where: str | None = None,
) -> Path:
    """Hide parts of a window, reconstruct them, and draw both.

    Parameters
    ----------
    encoder : CrissCrossEncoder
        Pretrained; it is set to evaluation mode.
    shards : path-like
        The first window that `where` keeps is taken.
    out : path-like
        ``.png`` of the picture; ``.npz`` of the same name beside it holds ``signal``,
        ``reconstruction`` (channel, time; as the encoder sees them), ``hidden`` (channel, time),
        ``channels`` and ``rate_hz``.
    modality : str
        Of the encoder.
    mask : DualMask
        What to hide.
    leads : LeadTask, optional
        Of an encoder that was trained from some leads to others: what it is not given is hidden,
        in place of the mask.
    where : str, optional
        Query on the window manifest; best one for windows that the encoder was not trained on.

    Returns
    -------
    Path
        The picture.

    Raises
    ------
    PhysioprepError
        A file of one of these names is there that physioprep did not make.
    """
    out, opened = Path(out), open_shards(shards)
    check_output(out, PICTURE, overwrite=True, inputs=[opened.path])
    check_output(out.with_suffix(".npz"), _ARRAYS, overwrite=True)
    device = next(encoder.parameters()).device
    batch = next(iter(open_stream(opened, [modality], 1, where=where, shuffle=False)))
    batch = pretraining_rows(batch, modality)  # of a sequence the first window's epochs
    patches = to_patches(batch, modality, encoder.patch_size, str(device))
    held, sample = opened.modalities[modality], batch["index"].to(device)
    window = sample // (epochs_of(opened.attrs) or 1)
    hidden, counted = hide_leads(leads or LeadTask(), mask, patches, sample, window, held.channels)
    answered = (hidden if counted is None else hidden & counted)[0]
    encoder.eval()
    with torch.no_grad():
        answer = encoder.reconstruct(encoder(patches.x, hidden, patches.present))
    present = batch[f"present_{modality}"][0].numpy()
    arrays = {
        "signal": patches.x[0].flatten(1).cpu().numpy(),
        "reconstruction": answer[0].flatten(1).cpu().numpy(),
        "hidden": hidden[0].repeat_interleave(encoder.patch_size, dim=1).cpu().numpy(),
        # `to_patches` leaves out absent leads, unless all are
        "channels": np.array(held.channels)[present if present.any() else slice(None)],
        "rate_hz": np.array(held.rate_hz),
    }
    make_folders(out.parent)
    with temporary_file(out.with_suffix(".npz")) as path:
        np.savez_compressed(path, allow_pickle=False, **arrays)
    corpora = opened.windows["corpus"].dropna().unique()
    asked = answered.repeat_interleave(encoder.patch_size, dim=1).cpu().numpy()
    _draw(arrays, asked, out, simulated=any(is_simulated(corpus) for corpus in corpora))
    return out


def _names_in(path: Path) -> set[str]:
    """Return the names of the arrays in an ``.npz`` file; none of anything else."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile):
        return set()


def _draw(
    arrays: dict[str, np.ndarray], answered: np.ndarray, out: Path, *, simulated: bool
) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rate = float(arrays["rate_hz"])
    rows, stop = min(len(arrays["signal"]), _LEADS), round(_SECONDS * rate)
    time_s = np.arange(arrays["signal"].shape[1])[:stop] / rate
    figure = Figure(figsize=(11, 1.2 + 1.1 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    if simulated:
        figure.suptitle("SIMULATED", color="#b00020", weight="bold", x=0.01, ha="left")
    for row, panel in enumerate(panels):
        signal, answer, hidden = (
            arrays[name][row, :stop] for name in ("signal", "reconstruction", "hidden")
        )
        panel.fill_between(
            time_s, 0, 1, where=hidden, transform=panel.get_xaxis_transform(), step="post",
            color="0.88", lw=0, label="hidden from the encoder",
        )  # fmt: skip
        panel.plot(time_s, signal, color="0.25", lw=0.8, label="recorded")
        shown = np.where(answered[row, :stop], answer, np.nan)
        panel.plot(time_s, shown, color="#c1272d", lw=1.1, label="reconstructed")
        panel.set_ylabel(str(arrays["channels"][row]), rotation=0, ha="right", va="center")
        panel.set_yticks([])
        panel.spines[["top", "right", "left"]].set_visible(False)
    panels[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False)
    panels[-1].set_xlabel("s")
    save_picture(figure, out)
