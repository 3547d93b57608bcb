"""How others feed windows to torch: each writes the same int16 windows, and reads batches back.

`PEERS` maps a name to (write, read): ``write(windows, path)`` once, ``read(path, workers)``
yields batches, float32 tensors in mV of shape (batch, channel, time), in a random order. Each
follows the example of its project's own documentation; a peer that is not installed raises
ImportError in `write`.
"""

from __future__ import annotations

import io
import pickle
import sys
import tarfile
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

BATCH = 256
#: One digital step of the windows, in mV.
STEP = np.float32(0.001)


def write_memory_map(windows: np.ndarray, path: Path) -> None:
    np.save(path / "windows.npy", windows)


def read_memory_map(path: Path, workers: int) -> Iterator[torch.Tensor]:
    """The floor: sorted random batches of a memory map."""
    windows = np.load(path / "windows.npy", mmap_mode="r")
    order = np.random.default_rng(0).permutation(len(windows))
    for low in range(0, len(order), BATCH):
        batch = windows[np.sort(order[low : low + BATCH])].astype(np.float32)
        batch *= STEP
        yield torch.from_numpy(batch)


def write_zarr(windows: np.ndarray, path: Path) -> None:
    import zarr

    chunks = (1, *windows.shape[1:])
    array = zarr.create_array(
        str(path / "z"), shape=windows.shape, dtype=windows.dtype, chunks=chunks
    )
    array[...] = windows


class ZarrWindows(Dataset[torch.Tensor]):
    """One window at a time by ``z[i]``."""

    def __init__(self, path: Path) -> None:
        import zarr

        self.path, self.array = path, None
        self.count = zarr.open_array(str(path / "z"), mode="r").shape[0]

    def __len__(self) -> int:
        return min(self.count, 1000)  # about a millisecond each: no more are needed

    def __getitem__(self, number: int) -> torch.Tensor:
        import zarr

        if self.array is None:
            self.array = zarr.open_array(str(self.path / "z"), mode="r")
        where = number * 7919 % self.count
        return torch.from_numpy(self.array[where] * STEP)


def read_zarr(path: Path, workers: int) -> Iterator[torch.Tensor]:
    yield from DataLoader(ZarrWindows(path), BATCH, shuffle=True, num_workers=workers)


def write_hdf5(windows: np.ndarray, path: Path) -> None:
    import h5py

    with h5py.File(path / "windows.h5", "w") as file:
        file.create_dataset("x", data=windows, chunks=(1, *windows.shape[1:]))


class Hdf5Windows(Dataset[torch.Tensor]):
    """A window a chunk, the file opened in the worker."""

    def __init__(self, path: Path) -> None:
        import h5py

        self.path, self.data = path, None
        with h5py.File(path / "windows.h5") as file:
            self.count = len(file["x"])

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> torch.Tensor:
        import h5py

        if self.data is None:
            self.data = h5py.File(self.path / "windows.h5")["x"]
        return torch.from_numpy(self.data[number] * STEP)


def read_hdf5(path: Path, workers: int) -> Iterator[torch.Tensor]:
    yield from DataLoader(Hdf5Windows(path), BATCH, shuffle=True, num_workers=workers)


def write_lmdb(windows: np.ndarray, path: Path) -> None:
    """As CBraMod's preprocessing writes it: float64 pickles, a transaction each."""
    import lmdb

    with lmdb.open(str(path / "lmdb"), map_size=1 << 38, sync=False) as store:
        for number, window in enumerate(windows):
            with store.begin(write=True) as transaction:
                sample = {"sample": window.astype(np.float64) * 0.001, "label": 0}
                transaction.put(f"{number}".encode(), pickle.dumps(sample))


class LmdbPickles(Dataset[torch.Tensor]):
    """CBraMod's loader."""

    def __init__(self, path: Path) -> None:
        import lmdb

        self.path, self.store = path / "lmdb", None
        with lmdb.open(str(self.path), readonly=True, lock=False) as store:
            self.count = store.stat()["entries"]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> torch.Tensor:
        import lmdb

        if self.store is None:
            self.store = lmdb.open(str(self.path), readonly=True, lock=False, readahead=True)
        with self.store.begin() as transaction:
            sample = pickle.loads(transaction.get(f"{number}".encode()))["sample"]
        return torch.from_numpy(sample).float()


def read_lmdb(path: Path, workers: int) -> Iterator[torch.Tensor]:
    yield from DataLoader(LmdbPickles(path), BATCH, shuffle=True, num_workers=workers)


def write_litdata(windows: np.ndarray, path: Path) -> None:
    from litdata.streaming import Cache

    cache = Cache(str(path / "litdata"), chunk_bytes="64MB")
    for number, window in enumerate(windows):
        cache[number] = {"x": window}
    cache.done()
    cache.merge()


def read_litdata(path: Path, workers: int) -> Iterator[torch.Tensor]:
    from litdata import StreamingDataLoader, StreamingDataset

    data = StreamingDataset(str(path / "litdata"), shuffle=True)
    for batch in StreamingDataLoader(data, batch_size=BATCH, num_workers=workers):
        yield batch["x"].float() * float(STEP)


def _without_torchvision() -> None:
    """Let MDS import where there is no torchvision, which only its picture datasets need."""
    if find_spec("torchvision") is not None:
        return
    for name in ("torchvision.datasets", "torchvision.transforms.functional", "torchvision"):
        for end in range(name.count(".") + 1):
            part = name.rsplit(".", end)[0]
            sys.modules.setdefault(part, ModuleType(part)).__spec__ = ModuleSpec(part, None)
    sys.modules["torchvision.datasets"].VisionDataset = object  # type: ignore[attr-defined]
    sys.modules["torchvision.transforms.functional"].to_tensor = None  # type: ignore[attr-defined]


def write_mds(windows: np.ndarray, path: Path) -> None:
    _without_torchvision()
    from streaming import MDSWriter

    channels, samples = windows.shape[1:]
    columns = {"x": f"ndarray:int16:{channels},{samples}"}
    with MDSWriter(out=str(path / "mds"), columns=columns) as out:
        for window in windows:
            out.write({"x": window})


def read_mds(path: Path, workers: int) -> Iterator[torch.Tensor]:
    _without_torchvision()
    from streaming import StreamingDataset
    from streaming.base.util import clean_stale_shared_memory

    clean_stale_shared_memory()
    data = StreamingDataset(local=str(path / "mds"), shuffle=True, batch_size=BATCH)
    for batch in DataLoader(data, BATCH, num_workers=workers):
        yield batch["x"].float() * float(STEP)


def write_webdataset(windows: np.ndarray, path: Path) -> None:
    (path / "wds").mkdir()
    for shard in range(-(-len(windows) // 1000)):
        with tarfile.open(path / "wds" / f"{shard:04d}.tar", "w") as out:
            for number in range(shard * 1000, min(len(windows), (shard + 1) * 1000)):
                buffer = io.BytesIO()
                np.save(buffer, windows[number])
                entry = tarfile.TarInfo(f"{number:08d}.npy")
                entry.size = buffer.tell()
                buffer.seek(0)
                out.addfile(entry, buffer)


def read_webdataset(path: Path, workers: int) -> Iterator[torch.Tensor]:
    import webdataset

    files = sorted(str(file) for file in (path / "wds").glob("*.tar"))
    data = webdataset.WebDataset(files, shardshuffle=100, empty_check=False)
    batches = data.shuffle(1000).decode().to_tuple("npy").batched(BATCH)
    for (batch,) in webdataset.WebLoader(batches, batch_size=None, num_workers=workers):
        yield torch.as_tensor(batch).float() * float(STEP)


Write = Callable[[np.ndarray, Path], None]
Read = Callable[[Path, int], Iterator[Any]]
PEERS: dict[str, tuple[Write, Read, tuple[int, ...]]] = {
    "memory map": (write_memory_map, read_memory_map, (0,)),
    "LMDB + float64 pickles": (write_lmdb, read_lmdb, (0, 2)),
    "litdata": (write_litdata, read_litdata, (0, 2)),
    "MDS": (write_mds, read_mds, (0, 2)),
    "webdataset": (write_webdataset, read_webdataset, (0, 2)),
    "HDF5": (write_hdf5, read_hdf5, (0, 2)),
    "zarr z[i]": (write_zarr, read_zarr, (0, 2)),
}
