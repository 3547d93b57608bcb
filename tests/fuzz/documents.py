"""Text that people send: tables of corpora, facts, recipes, pipelines, labels, manifests.

What is accepted must be whole: a manifest can be written and read again the same, a recipe means
the same after it was written down, a scan lists as many recordings as there are.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from physiomodels.config import EvaluateConfig, FinetuneConfig, PretrainConfig, as_dict, load_config
from physioprep.corpora import corpus_module
from physioprep.corpora.faults import faults_by_record, faults_by_signal
from physioprep.corpora.label_files import read_labels
from physioprep.corpora.scan import scan
from physioprep.corpora.trial_tables import read_trials
from physioprep.documents import read_text
from physioprep.errors import CorpusError
from physioprep.facts import parse_facts
from physioprep.harmonise.recipe import load_recipe
from physioprep.manifest import make_manifest, read_manifest, write_manifest
from physioprep.pipeline.recipe import load_pipeline
from physioprep.recording import GroupHeader, Header
from physioprep.shards.annotation_label import read_annotation_labels
from tests.corpora.conftest import edf_file, wfdb_record
from tests.fuzz.attack import Mutant, Subject

ROOT = Path(__file__).resolve().parents[2]
Judge = Callable[[Any, Any, Mutant], str | None]
Texts = dict[str, str]


def copied(source: Path, folder: Path) -> Path:
    shutil.copy(source, folder / source.name)
    return folder / source.name


def written(name: str, text: str, folder: Path) -> Path:
    (folder / name).write_text(text)
    return folder / name


def of_facts(good: Any, found: Any, mutant: Mutant) -> str | None:
    one = np.ones(1)
    group = GroupHeader(("PLETH",), ("NU",), 250.0, 75_000, one, 0 * one, np.nan * one)
    header = Header(Path("a.hea"), "wfdb", (group,), (Path("a.hea"),))
    faults_by_record(found)("114")
    faults_by_signal(found)(header)
    return None


def of_document(read: Callable[[Path], Any], plain: Any, good: Any, found: Any, m: Mutant) -> Any:
    """It means the same after it was written down again."""
    again = m.path.with_name("again.yaml")
    again.write_text(yaml.safe_dump(plain(found)))
    return None if read(again) == found else "means something else once written down"


def anything(good: Any, found: Any, mutant: Mutant) -> str | None:
    return None


LABELS = """stage:
  categories: {"Sleep stage [1-4]": sleep, "Sleep stage W": wake}
  rule: centre
  of: text
beat:
  where: source == 'atr'
  of: code
  lasts: false
  rule: any
  categories: [["[VE]", ventricular], ["[NLR]", normal]]
  otherwise: none
"""


def manifest(name: str, folder: Path) -> Path:
    frame = make_manifest(
        {
            "corpus": ["mine"] * 3,
            "record_id": ["1", "2", "3"],
            "path": ["1.edf", "2.edf", "3.edf"],
            "root": ["/data"] * 3,
            "files": [["1.edf"], ["2.edf", "2.ann"], ["3.edf"]],
            "age": [30.0, None, 42.0],
            "sampling_rates": [[100.0], [100.0, 50.0], [250.0]],
            "label_condition": ["rest", None, "task"],
            "start_time": [pd.Timestamp("2020-01-31T12:00:00"), None, None],
        }
    )
    write_manifest(frame, folder / name)
    return folder / name


def of_manifest(good: pd.DataFrame, found: pd.DataFrame, mutant: Mutant) -> str | None:
    """It can be written, and read again the same."""
    for name in ("again.parquet", "again.csv")[: 1 if mutant.path.suffix == ".parquet" else 2]:
        write_manifest(found, mutant.path.with_name(name))
        again = read_manifest(mutant.path.with_name(name))
        if name == "again.parquet":
            pd.testing.assert_frame_equal(found, again)
        elif len(again) != len(found):
            return "other rows once written down"
    return None


def corpus(name: str, files: Texts, records: tuple[str, ...], folder: Path) -> Path:
    """Write records of a corpus and the tables beside them."""
    for record in records:
        if record.endswith(".edf"):
            edf_file(folder / record, ["EEG Fp1", "EEG Cz", "ECG"])
        elif record.endswith(".hdf5"):
            code15_part(folder / record)
        elif record.endswith(".mat"):
            from scipy.io import savemat

            data = {"sex": "Male", "age": 60, "data": np.arange(120.0).reshape(12, 10)}
            savemat(folder / record, {"ECG": data})
        else:
            wfdb_record(folder / record, n_samples=10)
    for file, text in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)
    return folder


def code15_part(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file["exam_id"] = np.array([11, 77, 0])
        file["tracings"] = np.ones((3, 16, 12), np.float32)


def scanned(name: str, folder: Path) -> pd.DataFrame:
    """Scan a corpus, and read the annotations that it keeps in formats of its own."""
    frame = scan(folder, name, hashes=False)
    module: Any = corpus_module(name)
    if hasattr(module, "read_annotations"):
        for path in frame["path"]:
            columns = module.read_annotations(folder / path)
            assert len({len(column) for column in columns.values()}) <= 1  # {}: there are none
    return frame


def with_labels_beside(folder: Path) -> pd.DataFrame:
    """Scan a folder, and read the files of labels that its rows list."""
    frame = scan(folder, "folder", hashes=False)
    for path, files in zip(frame["path"], frame["files"], strict=True):
        listed = [folder / name for name in files]
        trials = read_trials(folder / path, listed, {"record_id": path.rpartition(".")[0]})
        for columns in (read_labels(folder / path, listed), trials):
            assert len({len(column) for column in columns.values()}) <= 1
    return frame


def of_scan(good: pd.DataFrame, found: pd.DataFrame, mutant: Mutant) -> str | None:
    """As many recordings as there are, in a manifest that can be written and read."""
    if len(found) != len(good):
        return f"{len(found)} recordings, not {len(good)}"
    failed = found["error"].dropna().tolist()
    if any("reader failed" in error or "fault of physioprep" in error for error in failed):
        return f"{failed[0]}"
    file = mutant.path.parent / "again.parquet"
    write_manifest(found, file, overwrite=True)
    pd.testing.assert_frame_equal(found, read_manifest(file))
    file.unlink()
    return None


def of_labels(good: pd.DataFrame, found: pd.DataFrame, mutant: Mutant) -> str | None:
    """As `of_scan`; a text that no description names any more may be a table with an error."""
    return of_scan(good, found[found["error"].isna()].reset_index(drop=True), mutant)


PTB_XL = "ecg_id,patient_id,age,sex,strat_fold,scp_codes\n" + "".join(
    f"{n},15709.0,56.0,1,3,\"{{'NORM': 100.0, 'LVOLT': 0.0, 'SR': 0.0}}\"\n" for n in (1, 2)
)
STATEMENTS = (
    ",description,diagnostic,form,rhythm,diagnostic_class,diagnostic_subclass\n"
    "NORM,normal,1.0,,,NORM,NORM\nSR,x,,,1.0,,\n"
)
EXAMS = (
    "exam_id,age,is_male,1dAVb,RBBB,patient_id,timey,normal_ecg,trace_file\n"
    "11,38,True,False,False,523632,2.098628,True,exams_part0.hdf5\n"
    "77,73,False,True,False,1724173,6.657529,False,exams_part0.hdf5\n"
)
SUMMARY = (
    "Data Sampling Rate: 256 Hz\n\nFile Name: chb01_03.edf\nFile Start Time: 13:43:04\n"
    "Number of Seizures in File: 1\nSeizure Start Time: 2996 seconds\n"
    "Seizure End Time: 3036 seconds\n\nFile Name: chb01_04.edf\nNumber of Seizures in File: 0\n"
)
CSV_BI = (
    "# version = csv_v1.0.0\n# duration = 301.00 secs\n\nchannel,start_time,stop_time,label,c\n"
    "TERM,0.0000,36.8868,bckg,1.0\nTERM,36.8868,183.3055,seiz,1.0\n"
)
LABELS_BESIDE = {
    "a.tse": "version = tse_v1.0.0\n\n0.0 1.5 bckg 1.0\n1.5 2.0 seiz 1.0\n",
    "a.lbl": "version = lbl_v1.0.0\nmontage = 0, FP1-F7: EEG FP1-REF -- EEG F7-REF\n"
    "symbols[0] = {0: 'bckg', 1: 'seiz'}\nlabel = {0, 0, 0.0, 1.5, 0, [0.0, 1.0]}\n",
    "a-nsrr.xml": "<PSGAnnotation><ScoredEvents><ScoredEvent><EventType>Stages|Stages</EventType>"
    "<EventConcept>Wake|0</EventConcept><Start>0</Start><Duration>30</Duration></ScoredEvent>"
    "</ScoredEvents></PSGAnnotation>",
    "b.xml": "<CMPStudyConfig><EpochLength>30</EpochLength><SleepStages><SleepStage>0</SleepStage>"
    "<SleepStage>2</SleepStage></SleepStages></CMPStudyConfig>",
    "a.txt": "RemLogic Event Export\nPatient:\tN 1\n\nSleep Stage\tTime [hh:mm:ss]\tEvent\t"
    "Duration[s]\tLocation\nW\t00:00:00\tSLEEP-S0\t30\tROC-LOC\n",
    "b_1.txt": "0\n0\n1\n5\n",
    "t.csv": "record,start,stop,emotion\na,0,1.5,sad\nb,0.5,1,happy\n",
    "physioprep.yaml": 'hypnogram: {file: "{stem}_1.txt", epoch_s: 30, stages: {0: W, 5: REM}}\n'
    "events: {file: t.csv}\n",
}
PEOPLE = "participant_id\tage\tsex\nsub-01\t27\tF\nsub-02\tn/a\tM\n"
CHANNELS = "name\ttype\tunits\nEEG Fp1\tEEG\tuV\nEEG Cz\tEEG\tuV\nECG\tECG\tuV\n"
CORPORA: dict[str, tuple[Texts, tuple[str, ...]]] = {
    "folder": (
        {"records.csv": "record_id,subject_id,age,sex,label_x\na,s1,40,F,1\nb,s2,,M,two\n"},
        ("a", "b"),
    ),
    "bids": (
        {
            "participants.tsv": PEOPLE,
            "sub-01/eeg/sub-01_task-rest_channels.tsv": CHANNELS,
            "sub-02/eeg/sub-02_task-rest_channels.tsv": CHANNELS,
        },
        ("sub-01/eeg/sub-01_task-rest_eeg.edf", "sub-02/eeg/sub-02_task-rest_eeg.edf"),
    ),
    "ptb-xl": (
        {"ptbxl_database.csv": PTB_XL, "scp_statements.csv": STATEMENTS},
        ("records100/00001_lr", "records100/00002_lr"),
    ),
    "code15": ({"exams.csv": EXAMS}, ("exams_part0.hdf5",)),
    "chbmit": (
        {
            "SUBJECT-INFO": "Case\tGender\tAge\nchb01\tF\t11\nchb02\tM\t11\n",
            "chb01/chb01-summary.txt": SUMMARY,
        },
        ("chb01/chb01_03.edf", "chb01/chb01_04.edf"),
    ),
    "tusz": (
        {"edf/train/aaaaaaac/s001_2002/01_tcp_ar/aaaaaaac_s001_t000.csv_bi": CSV_BI},
        ("edf/train/aaaaaaac/s001_2002/01_tcp_ar/aaaaaaac_s001_t000.edf",),
    ),
    "tuev": (
        {"edf/train/aaaaaaar/aaaaaaar_00000001.rec": "13,237.3,238.3,6\n5,10,11,1\n"},
        ("edf/train/aaaaaaar/aaaaaaar_00000001.edf",),
    ),
    "mimic-iv-ecg": (
        {
            "machine_measurements.csv": "subject_id,study_id,report_0,report_1\n"
            '10000032,40689238,Sinus rhythm,"Low, QRS"\n10000032,44458630,Sinus rhythm,\n'
        },
        (
            "files/p1000/p10000032/s40689238/40689238",
            "files/p1000/p10000032/s44458630/44458630",
        ),
    ),
    "cpsc2018": (
        {"REFERENCE.csv": "Recording,First_label,Second_label,Third_label\nA0001,5,,\nA2,1,8,\n"},
        ("A0001.mat", "A0002.mat"),
    ),
    "cinc2015": ({"ALARMS": "a103l,Asystole,0\nv102s,Tachycardia,1\n"}, ("a103l", "v102s")),
    "cinc2017": ({"REFERENCE.csv": "A00001,N\nA00002,~\n"}, ("A00001", "A00002")),
    "ludb": ({"ludb.csv": "ID,Sex,Age,Rhythms\n1,F,51,Sinus\n2,M,>89,x\n"}, ("data/1", "data/2")),
    "eegmat": (
        {"subject-info.csv": "Subject,Age,Gender,Recording year,Number of subtractions,"
         "Count quality\n"
         "Subject00,21,F,2011,9.7,0\nSubject01,18,F,2011,29.35,1\n"},
        ("Subject00_1.edf", "Subject01_2.edf"),
    ),
}  # fmt: skip


def _facts(path: Path) -> Any:
    """As `load_facts`, of a file that does not ship."""
    text = read_text(path, lambda cause: CorpusError(f"{path}: {cause}"))
    return parse_facts(path.stem, text)


def _config(kind: Any, folder: Path) -> Path:
    return written("config.yaml", yaml.safe_dump(as_dict(kind())), folder)


def _plain_recipe(recipe: Any) -> Any:
    return json.loads(json.dumps(recipe.to_dict()))


DOCUMENTS: dict[str, Subject] = {
    **{
        f"facts-{name}": Subject(
            partial(copied, ROOT / f"manifests/{name}.yaml"), ("*.yaml",), _facts, of_facts
        )
        for name in ("mitdb", "ptb-xl", "chbmit", "tusz")
    },
    **{
        f"recipe-{name}": Subject(
            partial(copied, ROOT / f"physioprep/harmonise/recipes/{name}.yaml"), ("*.yaml",),
            load_recipe, partial(of_document, load_recipe, _plain_recipe),
        )
        for name in ("ecg-200hz", "paired-200hz")
    },
    **{
        f"pipeline-{name}": Subject(
            partial(copied, ROOT / f"pipelines/{name}.yaml"), ("*.yaml",), load_pipeline, anything
        )
        for name in ("demo", "deap")
    },
    "labels": Subject(
        partial(written, "labels.yaml", LABELS), ("*.yaml",), read_annotation_labels, anything
    ),
    **{
        f"config-{kind.__name__}": Subject(
            partial(_config, kind), ("*.yaml",), partial(load_config, kind),
            partial(of_document, partial(load_config, kind), as_dict),
        )
        for kind in (PretrainConfig, FinetuneConfig, EvaluateConfig)
    },
    **{
        f"manifest-{ending}": Subject(
            partial(manifest, f"m.{ending}"), ("m.*",), read_manifest, of_manifest
        )
        for ending in ("parquet", "csv", "json")
    },
    "labels-beside": Subject(
        partial(corpus, "folder", LABELS_BESIDE, ("a.edf", "b.edf")), tuple(LABELS_BESIDE),
        with_labels_beside, of_labels,
    ),
    **{
        f"tables-{name}": Subject(
            partial(corpus, name, files, records), tuple(files), partial(scanned, name), of_scan
        )
        for name, (files, records) in CORPORA.items()
    },
}  # fmt: skip
