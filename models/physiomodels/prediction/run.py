"""`predict_recordings`: new recordings to a table of answers, in one call."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physiomodels.model.device import choose_device
from physiomodels.prediction.answers import (
    OF_RECORD,
    OF_WINDOW,
    answer_columns,
    decided,
    record_answers,
    stacked,
    window_answers,
)
from physiomodels.prediction.sources import Source, find_sources
from physiomodels.prediction.windows import check_shards, cut_store
from physiomodels.training.classifier import Classifier
from physiomodels.training.inputs import RECIPE, ModelInputs, read_inputs
from physioprep.errors import ModelError, PhysioprepError
from physioprep.local_path import local_path
from physioprep.shards import open_shards
from physioprep.store import ingest, open_store

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[int, int], None]
#: What one answer is given for.
PER: Final = ("record", "window")
_TABLES: Final = {"record": OF_RECORD, "window": OF_WINDOW}


def predict_recordings(
    model: str | Path,
    sources: str | Path | Sequence[str | Path],
    *,
    per: str = "record",
    device: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Answer new recordings, from raw file to probability.

    Raw recordings are scanned, harmonised by the recipe in the model's folder and cut as its
    training windows were, in a temporary folder; what comes out is what `scan`, `ingest`, `shard`
    and `physiomodels.predict` give one after the other.

    Parameters
    ----------
    model : path-like
        Folder of `physiomodels.finetune`.
    sources : path-like, or sequence of path-like
        Raw files of any format that is read, folders of them, manifests, stores, or shards.
    per : {"record", "window"}
        What a row is. A record's answer is the mean of its windows' answers; a window is also an
        epoch of it, where each has its own answer (then records have none).
    device : str, optional
        By default "cuda" where there is a GPU, else "cpu".
    workers : int, optional
        Records harmonised at a time. By default as `physioprep.ingest` chooses.
    progress : callable, optional
        Called with (sources done, sources in all).

    Returns
    -------
    pandas.DataFrame
        ``source`` (as given, or the folder of the file), ``record_id``, ``path`` (null of
        shards); per record ``windows``, ``windows_left_out``, per window ``start_s``, s; then
        ``quality`` (share of samples that are not missing, in the worst channel), ``absent``
        (channels of the training that the record lacks), ``p_CLASS`` per class, ``decision``
        (of several classes at once ``"a; b"``, and ``threshold``) or ``predicted``; and ``error``:
        why there is no answer, else null. ``attrs`` has ``label``, ``kind`` and the ``notes`` of
        the scans.

    Raises
    ------
    ModelError
        There is no such model or file, the model's folder does not say how its windows were made,
        or stores and shards do not fit it. A raw recording that cannot be read or does not fit is
        a row with its ``error`` instead.
    PhysioprepError
        A folder has no recording, or a manifest cannot be read.
    """
    if per not in PER:
        raise ModelError(f"per {per!r}: one of {', '.join(PER)}")
    folder = local_path(model, ModelError)
    classifier, inputs = Classifier.from_pretrained(folder), read_inputs(folder)
    if per == "record" and classifier.model.n_epochs is not None:
        raise ModelError(
            f"{folder}: {classifier.label} has a value per epoch: no answer per record; use "
            "per='window'"
        )
    device = choose_device(device)
    found = find_sources([sources] if isinstance(sources, str | Path) else list(sources))
    if any(one.kind == "raw" for one in found) and inputs.recipe is None:
        raise ModelError(
            f"{folder}: has no {RECIPE}, since its training windows came from stores of several "
            "recipes, or of shards of an earlier version: give a store or shards instead"
        )
    frames = []
    for number, source in enumerate(found):
        with tempfile.TemporaryDirectory(prefix="physioprep-predict-") as work:
            one = _Run(classifier, inputs, per, device, workers, Path(work))
            frames.append(one.answer(source))
        if progress is not None:
            progress(number + 1, len(found))
    columns = [*_TABLES[per], "absent", *answer_columns(classifier), "error"]
    table = stacked([frame.reindex(columns=columns) for frame in frames])
    for name in ("windows", "windows_left_out") if per == "record" else ():
        table[name] = table[name].fillna(0).astype("int64")
    table.attrs = {
        "label": classifier.label,
        "kind": classifier.model.kind,
        "notes": [note for source in found for note in source.notes],
    }
    return table


class _Run:
    """One source on its way to answers."""

    def __init__(
        self,
        classifier: Classifier,
        inputs: ModelInputs,
        per: str,
        device: str,
        workers: int | None,
        work: Path,
    ) -> None:
        self._classifier, self._inputs, self._per = classifier, inputs, per
        self._device, self._workers, self._work = device, workers, work

    def answer(self, source: Source) -> pd.DataFrame:
        """Return the rows of a source."""
        if source.kind == "shards":
            shards = open_shards(source.path)
            check_shards(shards, self._inputs)
            table = self._table(window_answers(
                self._classifier, shards, self._inputs, self._device
            ))  # fmt: skip
        elif source.kind == "store":
            table = self._of_store(source.path)
        else:
            table = self._of_files(source)
        if source.no_recordings:
            lost = [
                {"record_id": name, "path": name, "error": why}
                for name, why in source.no_recordings
            ]
            table = stacked([table, self._rows(lost)])
        return table.assign(source=str(source.path))

    def _table(self, windows: pd.DataFrame) -> pd.DataFrame:
        return windows if self._per == "window" else record_answers(windows, self._classifier)

    def _of_store(self, path: str | Path) -> pd.DataFrame:
        """Answer the records of a store; those without a window are rows, too."""
        number = len(list(self._work.iterdir()))
        shards, without = cut_store(
            path, self._inputs, self._work / f"{number}.shards", self._workers
        )
        frames = [self._rows([
            {"corpus": corpus, "record_id": record, "error": why}
            for (corpus, record), why in without.items()
        ])]  # fmt: skip
        if shards is not None:
            answers = window_answers(self._classifier, shards, self._inputs, self._device)
            frames.append(self._table(answers))
        table = stacked(frames)
        store = open_store(path)
        places = store.records[["corpus", "record_id", "path"]]
        table = table.drop(columns="path", errors="ignore")
        table = table.merge(places, how="left", on=["corpus", "record_id"])
        bad = store.quarantine
        rows = bad.rename(columns={"reason": "error"})[["corpus", "record_id", "path", "error"]]
        if len(rows):
            table = stacked([table, self._rows(rows.to_dict("records"))])
        return table.sort_values(["corpus", "record_id"], kind="stable")

    def _of_files(self, source: Source) -> pd.DataFrame:
        """Harmonise raw recordings into a temporary store, and answer its records."""
        manifest, recipe = source.manifest, self._inputs.recipe
        assert recipe is not None
        if manifest is None:
            return self._rows([])
        # Without harmonising, records of other rates do not go into one store.
        groups = [manifest] if not recipe.native else _one_by_one(manifest)
        return stacked([self._harmonised(one) for one in groups])

    def _harmonised(self, manifest: pd.DataFrame) -> pd.DataFrame:

        number = len(list(self._work.iterdir()))
        store = self._work / f"{number}.zarr"
        assert self._inputs.recipe is not None
        try:
            ingest(manifest, store, self._inputs.recipe, workers=self._workers)
            return self._of_store(store)
        except PhysioprepError as error:
            if len(manifest) == 1:
                row = manifest[["corpus", "record_id", "path"]].to_dict("records")[0]
                why = _own(str(error), store, row)
                return self._rows([row | {"error": why}])
        # None of them can be ingested, or they do not go into one store: each says its own reason.
        return stacked([self._harmonised(one) for one in _one_by_one(manifest)])

    def _rows(self, rows: list[dict[Any, Any]]) -> pd.DataFrame:
        import pandas as pd

        table = pd.DataFrame(rows, columns=["corpus", "record_id", "path", "error"])
        if self._per == "record":
            table = table.assign(windows=0, windows_left_out=0)
        return decided(table, self._classifier)


def _one_by_one(manifest: pd.DataFrame) -> list[pd.DataFrame]:
    return [manifest.iloc[[row]] for row in range(len(manifest))]


def _own(message: str, store: Path, row: dict[Any, Any]) -> str:
    """Return an error of the temporary store as one of its only recording."""
    for start in (
        f"{store}: no record can be ingested: {row['corpus']}/{row['record_id']}: ",
        f"{store}: ",
    ):
        message = message.removeprefix(start)
    return message
