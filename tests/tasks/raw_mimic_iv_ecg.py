"""Raw files of the task mimic-iv-ecg, simulated in the structure of MIMIC-IV-ECG."""

from pathlib import Path

from tests.tasks.files import ecg

LEADS = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
#: RR interval of each study, ms; 29999 is none. Study 3 has no row, study 4 is one of patient 1.
RR = (800, 29999, None, 1000, *range(510, 1200, 30))
PATIENT_OF = {4: 1}


def make(raw: Path) -> None:
    """Write the files."""
    rows = [
        "subject_id,study_id,cart_id,ecg_time,report_0,report_1,report_2,bandwidth,filtering,"
        "rr_interval,p_onset,p_end,qrs_onset,qrs_end,t_end,p_axis,qrs_axis,t_axis"
    ]
    for number, rr in enumerate(RR, 1):
        patient, study = 10000000 + PATIENT_OF.get(number, number), 40000000 + number
        path = raw / "files" / f"p{str(patient)[:4]}" / f"p{patient}" / f"s{study}" / str(study)
        ecg(path, LEADS, rate_hz=500, seconds=10, seed=number)
        if rr is not None:
            said = "Sinus rhythm,,Borderline ECG,0.005-150 Hz,60 Hz"
            numbers = f"{rr},40,150,190,280,29999,60,{number},45"
            rows.append(f"{patient},{study},1,2180-07-23 08:44:00,{said},{numbers}")
    (raw / "machine_measurements.csv").write_text("\n".join(rows) + "\n")


def expected() -> dict[str, dict[str, int]]:
    """Count the ECGs with an RR interval."""
    return {"all": {"total": sum(rr not in (None, 29999) for rr in RR)}}
