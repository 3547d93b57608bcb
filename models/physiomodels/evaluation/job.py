"""The input of the tasks of an evaluation: plain data in its working folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from physiomodels.config import EvaluateConfig, PretrainConfig, as_dict, load_config
from physiomodels.evaluation.derived import tables_of
from physiomodels.evaluation.plan import Plan, Pretraining
from physiomodels.evaluation.protocol import Fold
from physiomodels.metrics.choice import Scoring
from physioprep.atomic import make_folders, temporary_file, write_text
from physioprep.errors import ModelError
from physioprep.shards import open_shards

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards

_JOB: Final = Path("tasks", "job.json")
#: Columns of the windows that tasks need.
_COLUMNS: Final = ["window", "corpus", "record_id", "subject_id", "start_s", "subject", "code"]


def write_job(
    work: Path,
    plans: Sequence[Plan],
    shards: Shards,
    pretrain_shards: Shards,
    cache: Path,
    device: str,
    calibration_shards: Shards | None = None,
) -> dict[str, Any]:
    """Write the input of the tasks, as plain data.

    Parameters
    ----------
    work : Path
        Working folder.
    plans : sequence of Plan
        Evaluations, in order.
    shards, pretrain_shards : Shards
        Tasks open them by their paths.
    cache : Path
        Folder of encoders and features.
    device : str
        Where tasks run their models.
    calibration_shards : Shards, optional
        Windows that calibrate.

    Returns
    -------
    dict
        The job of `physioprep.parallel.run.run_tasks`.
    """
    tasks = work / _JOB.parent
    make_folders(tasks, work / "folds", cache)
    distinct = list(distinct_pretrainings(plans).values())
    content = {
        "shards": str(shards.home),
        "pretrain_shards": str(pretrain_shards.home),
        "cache": str(cache),
        "device": device,
        "torch": version("torch"),
        "pretrainings": [[one.name, as_dict(one.config), one.where] for one in distinct],
        "calibration_shards": calibration_shards and str(calibration_shards.home),
        "features": feature_tasks(plans),
        "evaluations": [
            {
                "config": as_dict(plan.config),
                "scoring": asdict(plan.scoring),
                "features": {name: str(cache / file) for name, file in plan.features.items()},
                "calibrating": {
                    name: str(cache / file) for name, file in plan.calibrating_features.items()
                },
                "encoders": {
                    f"{repeat}-{fold}": _encoders(plan, cache, repeat, fold)
                    for repeat, fold in plan.folds
                },
            }
            for plan in plans
        ],
    }
    for number, plan in enumerate(plans):
        _write_table(tasks / f"windows-{number}.parquet", plan.windows[_COLUMNS])
        _write_table(tasks / f"folds-{number}.parquet", _fold_table(plan.folds))
        _write_table(tasks / f"members-{number}.parquet", plan.members)
        if plan.calibrating is not None:
            _write_table(tasks / f"calibrating-{number}.parquet", plan.calibrating)
    text = json.dumps(content)
    write_text(work / _JOB, text)
    return {"folder": str(work.resolve()), "sha256": hashlib.sha256(text.encode()).hexdigest()}


#: File, modality, query on the windows, epochs per window, whether they are of the windows that
#: calibrate, and the derived tables that they are read from.
FeatureTask = tuple[str, str, str | None, int | None, bool, tuple[str, ...]]


def feature_tasks(plans: Sequence[Plan]) -> list[FeatureTask]:
    """List the tables of features that evaluations need.

    Parameters
    ----------
    plans : sequence of Plan
        Evaluations.

    Returns
    -------
    list of FeatureTask
        In order of the files.
    """
    found: dict[str, FeatureTask] = {}
    for plan in plans:
        n_epochs = plan.labels.target.n_epochs
        for name, file in plan.features.items():
            paths = tuple(table.path for table in tables_of(plan.derived, name))
            found[file] = (file, name, plan.config.where, n_epochs, False, paths)
        for name, file in plan.calibrating_features.items():
            found.setdefault(file, (file, name, None, n_epochs, True, ()))
    return [found[file] for file in sorted(found)]


def distinct_pretrainings(plans: Sequence[Plan]) -> dict[str, Pretraining]:
    """Return each pretraining that evaluations need once.

    Parameters
    ----------
    plans : sequence of Plan
        Evaluations.

    Returns
    -------
    dict of str to Pretraining
        By name, in the order of need.
    """
    return {one.name: one for plan in plans for one in plan.pretrainings.values()}


def _encoders(plan: Plan, cache: Path, repeat: int, fold: int) -> dict[str, str]:
    """Return by modality where the pretrained encoder of a fold is."""
    made = {
        key[2]: str(cache / one.name / "last")
        for key, one in plan.pretrainings.items()
        if key[:2] == (repeat, fold)
    }
    return {**plan.sources, **made}


def _fold_table(folds: Mapping[tuple[int, int], Fold]) -> pd.DataFrame:
    """List the test and validation rows of every fold; all others are training rows."""
    import pandas as pd

    parts = [
        pd.DataFrame({"repeat": repeat, "fold": fold, "part": part, "row": rows})
        for (repeat, fold), split in folds.items()
        for part, rows in (("test", split.test), ("validation", split.validation))
    ]
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True, eq=False)
class Job:
    """What the tasks of an evaluation have in common, read back.

    Parameters
    ----------
    work, cache : Path
        Working folder; folder of encoders and features.
    shards, pretrain_shards : Shards
        Opened once per process.
    device : str
        Where models run.
    pretrainings : tuple of Pretraining
        By number.
    features : tuple of FeatureTask
        By number.
    evaluations : tuple of Evaluated
        By number.
    calibration_shards : Shards or None
        Windows that calibrate.
    """

    work: Path
    cache: Path
    shards: Shards
    pretrain_shards: Shards
    device: str
    pretrainings: tuple[Pretraining, ...]
    features: tuple[FeatureTask, ...]
    evaluations: tuple[Evaluated, ...]
    calibration_shards: Shards | None


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What the folds of one evaluation have in common.

    Parameters
    ----------
    config : EvaluateConfig
        Label, protocol, training.
    scoring : Scoring
        Classes and metrics.
    encoders : dict of str to dict of str to str
        By ``repeat-fold`` and modality: the pretrained encoder's path.
    features : dict of str to str
        By modality: file of the baseline's features.
    calibrating : dict of str to str
        The same of windows of other shards that calibrate.
    tables : (Path, Path)
        Windows and folds.
    """

    config: EvaluateConfig
    scoring: Scoring
    encoders: dict[str, dict[str, str]]
    features: dict[str, str]
    calibrating: dict[str, str]
    tables: tuple[Path, Path]

    def members(self) -> pd.DataFrame:
        """Return the windows that belong to each row that is answered.

        Returns
        -------
        pandas.DataFrame
        """
        path = self.tables[0]
        return _read_table(path.with_name(path.name.replace("windows", "members")))

    def calibration_windows(self) -> pd.DataFrame | None:
        """Return the windows of other shards that calibrate.

        Returns
        -------
        pandas.DataFrame or None
        """
        path = self.tables[0]
        path = path.with_name(path.name.replace("windows", "calibrating"))
        return _read_table(path) if path.is_file() else None

    def split(self, repeat: int, fold: int) -> tuple[pd.DataFrame, Fold]:
        """Return the windows and one fold's rows of them.

        Parameters
        ----------
        repeat, fold : int
            Numbers.

        Returns
        -------
        windows : pandas.DataFrame
            Of all folds.
        fold : Fold
            Rows of training, of test and of validation.
        """
        windows, folds = (_read_table(path) for path in self.tables)
        held = folds[(folds["repeat"] == repeat) & (folds["fold"] == fold)]
        test, validation = (
            held.loc[held["part"] == part, "row"].to_numpy(np.int64)
            for part in ("test", "validation")
        )
        train = np.setdiff1d(np.arange(len(windows)), held["row"])
        return windows, Fold(train, test, validation)


def read_job(job: Mapping[str, Any]) -> Job:
    """Read what `write_job` wrote.

    Parameters
    ----------
    job : mapping
        What `write_job` returned.

    Returns
    -------
    Job

    Raises
    ------
    ModelError
        If this process has another version of torch, which would round in another way.
    """
    return _read_job(job["folder"], job["sha256"])


@lru_cache(maxsize=2)
def _read_job(folder: str, sha256: str) -> Job:
    work = Path(folder)
    text = (work / _JOB).read_text(encoding="utf-8")
    content = json.loads(text)
    if content["torch"] != version("torch"):
        raise ModelError(f"this worker has torch {version('torch')}, not {content['torch']}")
    shards = open_shards(content["shards"])
    same = content["pretrain_shards"] == content["shards"]
    tasks = work / _JOB.parent
    return Job(
        work=work,
        cache=Path(content["cache"]),
        shards=shards,
        pretrain_shards=shards if same else open_shards(content["pretrain_shards"]),
        device=content["device"],
        pretrainings=tuple(
            Pretraining(name, load_config(PretrainConfig, config), where)
            for name, config, where in content["pretrainings"]
        ),
        features=tuple((*task[:5], tuple(task[5])) for task in content["features"]),
        evaluations=tuple(
            Evaluated(
                config=load_config(EvaluateConfig, one["config"]),
                scoring=Scoring(
                    **one["scoring"]
                    | {key: tuple(one["scoring"][key]) for key in ("classes", "metrics")}
                ),
                encoders=one["encoders"],
                features=one["features"],
                calibrating=one["calibrating"],
                tables=(tasks / f"windows-{n}.parquet", tasks / f"folds-{n}.parquet"),
            )
            for n, one in enumerate(content["evaluations"])
        ),
        calibration_shards=content["calibration_shards"]
        and open_shards(content["calibration_shards"]),
    )


def _write_table(path: Path, table: pd.DataFrame) -> None:
    with temporary_file(path) as temporary:
        table.to_parquet(temporary, index=False)


def _read_table(path: Path) -> pd.DataFrame:
    return _table(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=16)
def _table(path: Path, _: int) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path)
