"""Which texts name a person whom the file's own fields name, however they are written."""

from __future__ import annotations

import unicodedata
from datetime import date

import pytest

from physioprep.readers.naming import NOBODY, known_of, names_nobody

BORN = date(1951, 2, 3)
#: As devices of several makers write them.
STANDARD = (
    *("Normal sinus rhythm", "Left axis deviation", "Normaler Sinusrhythmus", "Abnormal ECG"),
    "ST & T wave abnormality, consider anterolateral ischemia",
    *("Sinus bradycardia with 1st degree A-V block", "Atrial fibrillation", "Otherwise normal ECG"),
    "Right bundle branch block, plus right ventricular hypertrophy",
    *("Voltage criteria for LVH", "Poor R wave progression", "Low QRS voltage in limb leads"),
    *("Anteroseptal infarct, age undetermined", "Prolonged QT, QTc 480 ms", "QRS Complexes: 22"),
    *("ST>0.10mV, II III aVF, STd V1-V3", ">>> Acute MI <<<", "rate< 50", "QRSd >115mS"),
    *("Nonspecific intraventricular conduction delay", "Inferior infarct, acute (LCx)"),
    "Arrhythmia results of the full-disclosure ECG",
    *("Unconfirmed diagnosis", "Unbestätigter Befund", "Linkstyp", "AV-Block I. Grades"),
    *("Rechtsschenkelblock", "Verdacht auf Vorderwandinfarkt", "Linksventrikuläre Hypertrophie"),
    *("Rythme sinusal normal", "Bloc de branche droit complet", "Déviation axiale gauche"),
    *("Ritmo sinusal normal", "Desviación del eje a la izquierda", "Ritmo sinusale normale"),
    *(
        "Bradicardia sinusale",
        "窦性心律",
        "PR 160 ms, QRS 92 ms, QT/QTc 390/410 ms",
    ),
    *("Significant changes have occurred", "No previous ECGs available", "VE 3, SVE 12", "MAC55"),
    "This ECG has a His bundle",
)


@pytest.mark.parametrize("text", STANDARD)
@pytest.mark.parametrize(
    "name", ["Schmidt^Peter^T", "Johnson, Mary K.", "Müller Jürgen", "王^伟", "Hi^Thi"]
)
def test_standard_statements_stay(text: str, name: str) -> None:
    assert names_nobody(text, known_of([name], ids=["7712399"], born=[BORN]))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *[("Zqfamily^Anna Maria", text) for text in (
            "Zqfamilys EKG", "Z q f a m i l y", "Zqfa-mily", "Zq\N{SOFT HYPHEN}family",
            "Zqf\N{ZERO WIDTH SPACE}amily", "Ｚｑｆａｍｉｌｙ", "of Annamaria", "annamariazqfamily",
            "ZQFAMILYANNA", "z_q_family",
        )],
        *[("Müller", text) for text in ("Mueller", "MULLER", "Mu\u0308ller", "Müllers EKG")],
        *[("Mueller", text) for text in ("Müller", "Muller")],
        *[("Muller", text) for text in ("Müller", "Mueller")],
        *[("Strauß", "STRAUSS"), ("Strauss", "Strauß"), ("Sørensen", "Soerensen sa")],
        *[("José García", "GARCIA"), ("Østby", "ostby"), ("Åberg", "Aaberg")],
        *[("Ek^Bo", "seen: Ek"), ("Li", "LI was here"), ("Ek", "Ek's ECG"), ("Li^Wei", "liwei")],
        *[("Ek", "E k"), ("Li", "see L. I."), ("Bø", "Bo"), ("محمد", "محـمد")],
        *[("王伟", "患者王伟"), ("王^伟", "王伟的心电图"), ("Wang^Wei=王^伟", "患者 王 伟")],
        *[("O'Brien", "OBRIEN"), ("OBRIEN", "O'Brien"), ("O'Brien", "O\u2019Brien")],
        *[("Smith-Jones", "smithjones"), ("Sinus", "Normal sinus rhythm")],
    ],
)  # fmt: skip
def test_a_name_in_any_writing_is_found(name: str, text: str) -> None:
    assert not names_nobody(text, known_of([name]))
    assert not names_nobody(text, known_of([unicodedata.normalize("NFD", name)]))
    assert names_nobody("Atrial fibrillation", known_of([name]))


@pytest.mark.parametrize(
    "text", ["MRN7712399", "id 7712399", "77 12 399", "no. 0077-12-399", "７７１２３９９"]
)
def test_an_id_is_found(text: str) -> None:
    assert not names_nobody(text, known_of(ids=["7712399"]))
    assert not names_nobody(text, known_of(ids=["000771-2399"]))
    assert names_nobody("heart rate 77", known_of(ids=["77", "0000", "none", ""]))


@pytest.mark.parametrize(
    "text",
    [
        *("b 1951-02-03", "02-03-1951", "3.2.51", "03/02/1951", "x19510203", "3 2 1951", "030251"),
        *("3 Feb 1951", "February 3, 1951", "3. Februar 1951", "3 de febrero de 1951", "03FEB51"),
        *("3 février 1951", "3 febbraio 1951", "1951年2月3日", "3rd of Feb. 1951", "0 3 0 2 1951"),
        *("3 II 1951", "February the 3rd, 1951"),
    ],
)
def test_the_birth_date_is_found(text: str) -> None:
    assert not names_nobody(text, known_of(born=[BORN]))
    assert names_nobody(text, known_of(born=[date(1966, 7, 8)]))


@pytest.mark.parametrize(
    "text",
    [
        *("Reviewed by X", "Confirmed by: X", "Dr. X", "Dr X", "X, MD", "Befundet von X", "Gez. X"),
        *("Geprüft durch X", "Bestätigt von X", "validé par X", "Lu et interprété par X"),
        *("Médecin : X", "firmado por X", "Revisado por X", "refertato da X", "Dott. X"),
        *("a.b@c.de", "ask ann@clinic", "tel 030 1234567", "+49 30 1234567", "030/1234567"),
        *("(555) 123-4567", "Fax: 12345", "MRN 1", "born in May", "geb. 1951", "Frau X"),
        *("Read by X", "approved by X", "Signature X", "Oberarzt X", "Freigabe: X", "Vu par X"),
        *("Visto por X", "MD X", "Patient: X", "Telefonnr. 030", "01 23 45 67 89"),
    ],
)
def test_signatures_addresses_and_numbers_are_found(text: str) -> None:
    assert not names_nobody(text, NOBODY)
