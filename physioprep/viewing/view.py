"""Draw a record of a store, given as its path or opened, or a raw file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from physioprep.channel_choice import Channels
from physioprep.drawing.look import STORED, Look
from physioprep.drawing.page import MM_PER_S
from physioprep.errors import PhysioprepError
from physioprep.pictures import picture_at, save_picture
from physioprep.store.draw import plot_record
from physioprep.store.open import open_store
from physioprep.store.read import Store
from physioprep.viewing.raw_file import draw_file


def view(
    store: Store | str | Path,
    record: str | None,
    out: str | Path,
    *,
    start_s: float = 0.0,
    duration_s: float = 10.0,
    modality: str | None = None,
    channels: Channels | None = None,
    mm_per_mv: float | None = None,
    uv_per_mm: float | None = None,
    mm_per_s: float = MM_PER_S,
    montage: str = STORED,
    annotators: Sequence[str] | None = None,
    dpi: float = 160.0,
) -> Path:
    """Draw a record: ECG on paper at 25 mm/s and 10 mm/mV, EEG as a montage.

    Parameters
    ----------
    store : Store, path-like or str
        A store, opened or not; a URL too. Or a raw file of any format, if `record` is None.
    record : str or None
        One of ``store.records["record_id"]``, or ``corpus/id``; None for a raw file.
    out : path-like
        The picture: ``.png``, ``.pdf`` or ``.svg``; or a folder that is there, for ``RECORD.png``.
    start_s, duration_s : float
        Part to draw, s; it ends with the record. At most 300 s.
    modality : str, optional
        Draw only this one: ``"ecg"``, ``"eeg"``. Default: all, on one time axis.
    channels : str, sequence of str, or mapping, optional
        Only these, in this order: ``["II", "V1"]``, or by modality ``{"ecg": ["II"]}``; after
        `montage`.
    mm_per_mv : float, optional
        Gain of ECG. Default: 10 mm/mV, halved until the traces fit.
    uv_per_mm : float, optional
        Sensitivity of EEG. Default: one at which a typical channel fills its row.
    mm_per_s : float
        Paper speed, 5 to 100.
    montage : {"stored", "average", "linked-mastoids", "tcp"}
        Of EEG: as stored, or computed for the picture.
    annotators : sequence of str, optional
        Whose annotations are shown (``["atr"]``). Default: all.
    dpi : float
        Dots per inch of a ``.png``.

    Returns
    -------
    Path
        The picture.

    Raises
    ------
    PhysioprepError
        The store, the record, the modality or a channel does not exist, the part is outside the
        record or too long, a scale or montage is impossible, or `out` has another suffix.
    """
    look = Look(channels, mm_per_mv, uv_per_mm, mm_per_s, montage, annotators)
    if record is None:
        return _raw_file(store, out, dpi, start_s, duration_s, modality, look)
    opened = store if isinstance(store, Store) else open_store(store)
    return plot_record(
        opened, record, out, start_s=start_s, duration_s=duration_s, modality=modality, look=look,
        dpi=dpi,
    )  # fmt: skip


def _raw_file(
    path: Store | str | Path,
    out: str | Path,
    dpi: float,
    start_s: float,
    duration_s: float,
    modality: str | None,
    look: Look,
) -> Path:
    if isinstance(path, Store) or (Path(path) / "zarr.json").is_file():
        where = path.path if isinstance(path, Store) else path
        raise PhysioprepError(f"{where}: a store; name a record of it")
    picture = picture_at(Path(out), Path(path).name)
    figure = draw_file(path, start_s=start_s, duration_s=duration_s, modality=modality, look=look)
    return save_picture(figure, picture, dpi=dpi, inputs=[path])
