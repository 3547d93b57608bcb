"""Windows as tar files of WebDataset: a ``.npy`` per modality and a ``.json``."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.shard_exports.pieces import write_pieces
from physioprep.shard_exports.rows import rows_of
from physioprep.shard_exports.windows import Progress, Windows, chosen_modalities
from physioprep.shards.opened import Shards


def write_webdataset(
    shards: Shards,
    folder: Path,
    *,
    modalities: Sequence[str] | None = None,
    where: str | None = None,
    per_file: int = 1024,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write windows as tar files, the same bytes each time.

    Parameters
    ----------
    shards : Shards
    folder : Path
        Empty; gets ``train-00000-of-00002.tar`` and so on, by split.
    modalities : sequence of str, optional
        Default: all.
    where : str, optional
        Pandas query on the window manifest.
    per_file : int
        Most windows of a tar.
    progress : callable, optional
        Called with (chunks done, chunks in all).

    Returns
    -------
    dict
        ``windows`` by split, ``missing samples``.

    Raises
    ------
    ShardError
        An argument does not fit the shards, or they are damaged.

    References
    ----------
    github.com/webdataset/webdataset: files of one name up to its first dot are a sample.
    """
    names = chosen_modalities(shards, modalities)

    def open_file(name: str) -> tarfile.TarFile:
        return tarfile.open(folder / f"{name}.tar", "w", format=tarfile.USTAR_FORMAT)

    def prepare(windows: Windows) -> tuple[Windows, list[dict[str, Any]]]:
        return windows, rows_of(shards, windows)

    def add(
        tar: tarfile.TarFile,
        prepared: tuple[Windows, list[dict[str, Any]]],
        here: NDArray[np.intp],
    ) -> None:
        windows, rows = prepared
        for row in here.tolist():
            number = int(windows.numbers[row])
            for name in names:
                _add(tar, f"{number:08d}.{name}.npy", _npy(windows.signals[name][row]))
            content = json.dumps(rows[row], ensure_ascii=False, sort_keys=True).encode()
            _add(tar, f"{number:08d}.json", content)

    return write_pieces(
        shards, names, where, per_file, progress, open_file=open_file, prepare=prepare, add=add
    )


def _npy(values: NDArray[np.float32]) -> bytes:
    content = io.BytesIO()
    np.save(content, np.ascontiguousarray(values), allow_pickle=False)
    return content.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # without times and owners
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
