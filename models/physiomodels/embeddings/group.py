"""The Zarr group that embeddings are kept in, with the manifest's columns beside them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physiomodels.training.classifier import weights_files
from physiomodels.training.run_card import unfinished
from physioprep.errors import ModelError
from physioprep.hashes import sha256_of, write_hashes
from physioprep.new_folder import new_folder
from physioprep.outputs import EMBEDDINGS, PICTURE, check_output
from physioprep.zarr_files import Files, write_files

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import zarr
    from numpy.typing import NDArray

SCHEMA = "physiomodels.embeddings"
#: Keys of the attribute ``left_out``, and how the summary says it.
NO_WINDOW: Final = "records without a window"
INVALID: Final = "windows without a whole valid patch"


@contextmanager
def new_group(
    out: str | Path, *, overwrite: bool, inputs: list[str | Path], picture: str | Path | None
) -> Iterator[Path]:
    """Give the folder of a group, which takes the place of `out` if the block succeeds.

    Parameters
    ----------
    out : path-like
        Group to make; an older one stays until the new one is complete.
    overwrite : bool
        Whether an older one may be replaced.
    inputs : list of path-like
        What is read for it.
    picture : path-like or None
        Picture file that will be drawn.

    Yields
    ------
    Path
        For `write_group`.

    Raises
    ------
    ModelError
        `out` exists and may not be replaced, or it or `picture` is not ours or overlaps an input.
    """
    if picture is not None:
        check_output(picture, PICTURE, overwrite=True, inputs=[out, *inputs], error=ModelError)
    with new_folder(
        Path(out), EMBEDDINGS, overwrite=overwrite, inputs=inputs, error=ModelError
    ) as folder:
        yield folder


def provenance_of(
    kind: str, source: str | Path, attrs: Mapping[str, Any], model: str | Path, **options: Any
) -> dict[str, Any]:
    """Describe where embeddings come from; by hashes, so that it is the same on any machine.

    Parameters
    ----------
    kind : {"shards", "store"}
        Of `source`.
    source : path-like
        Shards or store; its name is kept.
    attrs : mapping
        Attributes of its root group.
    model : path-like
        What the encoders were loaded from; its name is kept.
    **options
        How windows were chosen and cut.

    Returns
    -------
    dict
        JSON values: ``source``, ``model`` with the SHA-256 of each file that was loaded,
        ``options`` and ``software``.
    """
    hashed = ("plan_sha256", "recipe_sha256")
    files = weights_files(model)
    names = ("physioprep", "torch", "numpy", "zarr")
    return {
        "source": {"kind": kind, "name": Path(source).name}
        | {name: attrs[name] for name in hashed if name in attrs},
        "model": {
            "name": Path(model).name,
            "sha256": {file.name: sha256_of(file) for file in files if file.is_file()},
        },
        "options": {name: value for name, value in options.items() if value is not None},
        "software": {name: version(name) for name in names},
    }


def write_group(
    folder: Path,
    vectors: NDArray[np.float32],
    table: pd.DataFrame,
    modalities: list[str],
    model: str | Path,
    provenance: Mapping[str, Any],
    *,
    left_out: Mapping[str, int] | None = None,
) -> None:
    """Write the Zarr group.

    Parameters
    ----------
    folder : Path
        From `new_group`.
    vectors : ndarray of float32, shape (row, feature)
        Embeddings.
    table : pandas.DataFrame
        Their columns of the manifest.
    modalities : list of str
        Of the encoders, in the order of the features.
    model : path-like
        What the encoders were loaded from; if its pretraining is not finished, the attribute
        ``unfinished_pretraining`` says so.
    provenance : mapping
        From `provenance_of`: the attribute of this name.
    left_out : mapping of str to int, optional
        What has no embedding: the attribute of this name, where there is any.
    """
    import zarr
    from zarr.storage import MemoryStore

    files: Files = {}
    attributes: dict[str, Any] = {
        "schema": SCHEMA,
        "schema_version": 1,
        "modalities": modalities,
        "provenance": dict(provenance),
    }
    if left_out:
        attributes["left_out"] = dict(left_out)
    if (so_far := unfinished(Path(model))) is not None:
        attributes["unfinished_pretraining"] = so_far
    group = zarr.create_group(MemoryStore(files), attributes=attributes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr's, on its string type
        _column(group, "embedding", vectors)
        for name in table.columns:
            values = table[name]
            if values.dtype.kind not in "iufb":
                values = values.astype(object).where(values.notna(), "").astype(str)
            _column(group, name, values.to_numpy())
        # so that listing the arrays does not meet SHA256SUMS, of which zarr warns
        zarr.consolidate_metadata(group.store)
    write_files(folder, files)
    write_hashes(folder)


def _column(group: zarr.Group, name: str, values: NDArray[Any]) -> None:
    text = values.dtype.kind in "OTU"
    array = group.create_array(
        name,
        shape=values.shape,
        dtype="string" if text else values.dtype,
        dimension_names=["window", "feature"][: values.ndim],
    )
    array[...] = values


def summary_of(out: str | Path) -> dict[str, object]:
    """Return what `embed` prints of a group that it made.

    Parameters
    ----------
    out : path-like
        The group.

    Returns
    -------
    dict of str to object
        The group's path, its vectors, of how many records they are, and what was left out.
    """
    from physioprep.describe import describe_path

    held = describe_path(out)
    said = ("embeddings", "vectors", "records", NO_WINDOW, INVALID)
    return {name: held[name] for name in said if name in held}
