"""Windows as tar files of WebDataset: a ``.npy`` per modality and a ``.json``."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.shard_exports.pieces import pieces_of
from physioprep.shard_exports.rows import rows_of
from physioprep.shard_exports.windows import (
    Progress,
    chosen_modalities,
    chosen_windows,
    counts_of,
    read_windows,
    splits_of,
)
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
    chosen = chosen_windows(shards, where)
    names = chosen_modalities(shards, modalities)
    pieces = pieces_of(splits := splits_of(shards), chosen, per_file)
    left = list(pieces.sizes)
    missing = 0
    with ExitStack() as stack:
        tars: dict[int, tarfile.TarFile] = {}
        for windows in read_windows(shards, names, chosen, progress):
            missing += windows.missing()
            rows = rows_of(shards, windows)
            for row, number in enumerate(windows.numbers.tolist()):
                file = int(pieces.file_of[number])
                if file not in tars:
                    tars[file] = stack.enter_context(
                        tarfile.open(
                            folder / f"{pieces.names[file]}.tar", "w",
                            format=tarfile.USTAR_FORMAT,
                        )
                    )  # fmt: skip
                for name in names:
                    content = _npy(windows.signals[name][row])
                    _add(tars[file], f"{number:08d}.{name}.npy", content)
                content = json.dumps(rows[row], ensure_ascii=False, sort_keys=True).encode()
                _add(tars[file], f"{number:08d}.json", content)
                left[file] -= 1
                if not left[file]:
                    tars[file].close()  # few are open at a time, however many there are
    return {"windows": counts_of(splits[chosen].tolist()), "missing samples": missing}


def _npy(values: NDArray[np.float32]) -> bytes:
    content = io.BytesIO()
    np.save(content, np.ascontiguousarray(values), allow_pickle=False)
    return content.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # without times and owners
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
