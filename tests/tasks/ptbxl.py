"""Raw files of the tasks ptbxl-*, simulated in the structure of PTB-XL."""

from pathlib import Path

from physioprep.pipeline.task_list import load_task
from tests.tasks.files import ecg

LEADS = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")
#: Lines of scp_statements.csv, its first seven columns.
STATEMENTS = """\
,description,diagnostic,form,rhythm,diagnostic_class,diagnostic_subclass
NDT,non-diagnostic T abnormalities,1.0,1.0,,STTC,STTC
NORM,normal ECG,1.0,,,NORM,NORM
IMI,inferior myocardial infarction,1.0,,,MI,IMI
ILMI,inferolateral myocardial infarction,1.0,,,MI,IMI
LVH,left ventricular hypertrophy,1.0,,,HYP,LVH
1AVB,first degree AV block,1.0,,,CD,_AVB
ABQRS,abnormal QRS,,1.0,,,
VCLVH,voltage criteria (QRS) for left ventricular hypertrophy,,1.0,,,
SR,sinus rhythm,,,1.0,,
AFIB,atrial fibrillation,,,1.0,,
"""
#: What a record of each kind states, and what that comes to in each task.
KINDS = {
    "a": {
        "all": ("NORM", "SR"), "diag": ("NORM",), "super": ("NORM",), "sub": ("NORM",),
        "form": (), "rhythm": ("SR",),
    },
    "b": {
        "all": ("IMI", "ILMI", "NDT", "AFIB"), "diag": ("IMI", "ILMI", "NDT"),
        "super": ("MI", "STTC"), "sub": ("IMI", "STTC"), "form": ("NDT",), "rhythm": ("AFIB",),
    },
    "c": {
        "all": ("LVH", "VCLVH", "SR"), "diag": ("LVH",), "super": ("HYP",), "sub": ("LVH",),
        "form": ("VCLVH",), "rhythm": ("SR",),
    },
    "d": {
        "all": ("1AVB", "ABQRS", "SR"), "diag": ("1AVB",), "super": ("CD",), "sub": ("_AVB",),
        "form": ("ABQRS",), "rhythm": ("SR",),
    },
    "e": {
        "all": ("SR",), "diag": (), "super": (), "sub": (), "form": (), "rhythm": ("SR",),
    },
    "f": {
        "all": ("ABQRS",), "diag": (), "super": (), "sub": (), "form": ("ABQRS",), "rhythm": (),
    },
}  # fmt: skip
#: Kinds of the records in each fold.
FOLDS = {1: "abcdef", 8: "abcda", 9: "fedcba", 10: "bcadfe"}
PARTS = {"train": (1, 8), "validation": (9,), "test": (10,)}


def make(raw: Path) -> None:
    """Write every record at 100 Hz, and one at 500 Hz as well."""
    rows = ["ecg_id,patient_id,age,sex,report,scp_codes,strat_fold,filename_lr,filename_hr"]
    number = 0
    for fold, kinds in FOLDS.items():
        for kind in kinds:
            number += 1
            likely = {code: 100.0 * (place == 0) for place, code in enumerate(KINDS[kind]["all"])}
            rows.append(f'{number},{100 + number}.0,60.0,1,sinusrhythmus,"{likely}",{fold},x,x')
            for folder, ending, rate_hz in (("records100", "lr", 100), ("records500", "hr", 500)):
                if ending == "lr" or number == 1:
                    path = raw / folder / "00000" / f"{number:05d}_{ending}"
                    ecg(path, LEADS, rate_hz=rate_hz, seconds=10, seed=number)
    (raw / "ptbxl_database.csv").write_text("\n".join(rows) + "\n")
    (raw / "scp_statements.csv").write_text(STATEMENTS)


def expected(task: str) -> dict[str, dict[str, int]]:
    """Count the records with any label of the task, and those with each."""
    found = {}
    published = load_task(f"ptbxl-{task}")[1].windows or {}
    for part, folds in {"all": tuple(FOLDS), **PARTS}.items():
        held = [KINDS[kind][task] for fold in folds for kind in FOLDS[fold]]
        names = {name for kind in KINDS.values() for name in kind[task]} | set(published[part])
        each = {name: sum(name in labels for labels in held) for name in names}
        found[part] = each | {"total": sum(map(bool, held))}
    return found
