"""Files of labels: TUH's, sleep scoring in XML, hypnograms in text; small files by hand."""

import math

import pytest

from physioprep.readers.hypnogram_text import has_empty_epochs, parse_hypnogram
from physioprep.readers.sleep_xml import parse_sleep_xml
from physioprep.readers.tuh_labels import parse_csv, parse_lbl, parse_tse

TSE = "# a comment\nversion = tse_v1.0.0\n\n0.0000 10.2775 bckg 1.0000\n10.2775 35.7775 fnsz 0.9\n"
LBL = """version = lbl_v1.0.0

# montage block
montage =  0, FP1-F7: EEG FP1-REF --  EEG F7-REF
montage = 21, P4-O2: EEG P4-REF -- EEG O2-REF
number_of_levels = 1
level[0] = 1
symbols[0] = {0: '(null)', 1: 'spsw', 2: 'fnsz', 3: 'bckg'}
label = {0, 0, 0.0000, 10.2775, 0, [0.0, 0.0, 0.0, 1.0]}
label = {0, 0, 10.2775, 35.7775, 21, [0.0, 0.0, 1.0, 0.0]}
"""
CSV = """# version = csv_v1.0.0
# bname = aaaaaaac_s001_t000
# duration = 301.00 secs
# montage_file = nedc_eas_default_montage.txt
#
channel,start_time,stop_time,label,confidence
FP1-F7,0.0000,36.8868,bckg,1.0000
TERM,36.8868,183.3055,cpsz,1.0000
"""
NSRR = b"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<PSGAnnotation><SoftwareVersion>Compumedics</SoftwareVersion><EpochLength>30</EpochLength>
<ScoredEvents>
<ScoredEvent><EventType/><EventConcept>Recording Start Time</EventConcept><Start>0</Start>
<Duration>120.0</Duration><ClockTime>00.00.00 20.00.00</ClockTime></ScoredEvent>
<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>Wake|0</EventConcept>
<Start>0.0</Start><Duration>60.0</Duration></ScoredEvent>
<ScoredEvent><EventType>Respiratory|Respiratory</EventType>
<EventConcept>Hypopnea|Hypopnea</EventConcept><Start>35.5</Start><Duration>14.2</Duration>
<SignalLocation>ABDO</SignalLocation></ScoredEvent>
<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>Stage 4 sleep|4</EventConcept>
<Start>60.0</Start><Duration>30.0</Duration></ScoredEvent>
<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>REM sleep|5</EventConcept>
<Start>90.0</Start><Duration>30.0</Duration></ScoredEvent>
</ScoredEvents></PSGAnnotation>"""
PROFUSION = b"""<?xml version="1.0"?>
<CMPStudyConfig><EpochLength>30</EpochLength><StepDetails></StepDetails>
<ScoredEvents><ScoredEvent><Name>Obstructive Apnea</Name><Start>12.5</Start>
<Duration>20</Duration><Input>NEW AIR</Input></ScoredEvent></ScoredEvents>
<SleepStages><SleepStage>0</SleepStage><SleepStage>2</SleepStage><SleepStage>4</SleepStage>
<SleepStage>9</SleepStage><SleepStage>7</SleepStage></SleepStages></CMPStudyConfig>"""


def test_tse_is_start_stop_label_probability():
    rows = parse_tse(TSE)
    assert [(row.onset, row.text, row.channel) for row in rows] == [
        (0.0, "bckg", -1), (10.2775, "fnsz", -1),
    ]  # fmt: skip
    assert rows[1].duration == pytest.approx(25.5)
    (several,) = parse_tse("version = tse_v1.0.0\n0 1 bckg 0.2 seiz 0.8\n")
    assert several.text == "seiz"


def test_lbl_names_the_symbol_and_the_derivation():
    rows = parse_lbl(LBL)
    assert [(row.text, row.code, row.channel) for row in rows] == [
        ("bckg", "FP1-F7", 0), ("fnsz", "P4-O2", 21),
    ]  # fmt: skip
    assert (rows[1].onset, rows[1].duration) == (10.2775, pytest.approx(25.5))


def test_csv_names_the_derivation_and_term_is_all():
    rows = parse_csv(CSV)
    assert [(row.text, row.code) for row in rows] == [("bckg", "FP1-F7"), ("cpsz", "")]
    assert (rows[1].onset, rows[1].duration) == (36.8868, pytest.approx(146.4187))


@pytest.mark.parametrize(
    ("parse", "text", "said"),
    [
        (parse_tse, "0 1 bckg 1\n", "no line 'version"),
        (parse_tse, LBL, "no line 'version"),
        (parse_tse, TSE + "3 x seiz 1\n", "'x' is no time"),
        (parse_tse, TSE + "40 39 seiz 1\n", "ends before it starts"),
        (parse_tse, TSE + "40 50 seiz\n", "not start, stop, label"),
        (parse_lbl, LBL.replace("0.0, 1.0, 0.0]", "0.0, 0, 0, 0, 1]"), "none of the symbols"),
        (parse_lbl, LBL + "label = {0, 0, 1\n", "an unknown line"),
        (parse_lbl, LBL.replace("0: '(null)'", "0: print()"), "table of symbols"),
        (parse_csv, CSV.replace("stop_time", "end"), "not a CSV with the columns channel"),
        (parse_csv, CSV + "TERM,1\n", "not a CSV"),
        (parse_csv, CSV + "TERM,1,nan,seiz,1\n", "'nan' is no time"),
    ],
)
def test_damaged_tuh_files_are_one_error(parse, text, said):
    with pytest.raises(ValueError, match=said):
        parse(text)


def test_nsrr_has_stages_and_other_events_apart():
    found = parse_sleep_xml(NSRR)
    stages = [(row.onset, row.duration, row.text, row.code) for row in found["nsrr-stages"]]
    assert stages == [(0, 60, "W", "0"), (60, 30, "N3", "4"), (90, 30, "REM", "5")]
    assert [row[:3] for row in found["nsrr-events"]] == [(35.5, 14.2, "Hypopnea")]


def test_profusion_lists_an_epoch_a_number():
    found = parse_sleep_xml(PROFUSION)
    stages = [(row.onset, row.text) for row in found["profusion-stages"]]
    assert stages == [(0, "W"), (30, "N2"), (60, "N3"), (90, "unscored"), (120, "stage 7")]
    assert [row[:3] for row in found["profusion-events"]] == [(12.5, 20, "Obstructive Apnea")]
    utf16 = PROFUSION.decode().replace('"1.0"', '"1.0" encoding="UTF-16"').encode("utf-16")
    assert parse_sleep_xml(utf16) == found


BOMB = b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB + b"<CMPStudyConfig>&b;</CMPStudyConfig>", "declares a document type"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><PSGAnnotation/>', "declares a document type"),
        (b"<a>" * 100_000, "nested too deep"),
        (NSRR[:-30], "cut off: its XML ends in line 15"),
        (b"", "is empty"),
        (b'<?xml version="1.0" encoding="klingon"?><PSGAnnotation/>', "not XML"),
        (b"<session/>", "neither PSGAnnotation nor CMPStudyConfig"),
        (NSRR.replace(b"<Start>60.0", b"<Start>soon"), "'soon' is no time"),
        (NSRR.replace(b"<Duration>14.2", b"<Duration>-14.2"), "an event of -14.2 s"),
        (PROFUSION.replace(b"<EpochLength>30</EpochLength>", b""), "EpochLength"),
        (PROFUSION.replace(b">30<", b">0<"), "EpochLength is '0'"),
    ],
)
def test_damaged_and_hostile_xml_is_one_error(text, said):
    with pytest.raises(ValueError, match=said):
        parse_sleep_xml(text)


def test_hypnograms_in_text():
    rows = parse_hypnogram("0\n\n5\nX\n", 30, {"0": "W", "5": "REM"})
    assert [row[:4] for row in rows] == [
        (0, 30, "W", "0"), (60, 30, "REM", "5"), (90, 30, "X", "X"),
    ]  # fmt: skip
    rows = parse_hypnogram("Onset;Duration;Event\n1.5;2;apnea\n9;;arousal\n")
    assert [row[:3] for row in rows[:1]] == [(1.5, 2, "apnea")]
    assert math.isnan(rows[1].duration)
    assert parse_hypnogram("onset\tstage\n0\tW\n", 20)[0].duration == 20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("W\nW\n", "state the length of an epoch"),
        ("", "is empty"),
        ("time,stage\n0,W\n", "no column 'onset'"),
        ("onset,duration\n0,30\n", "no column stage"),
        ("onset,stage\n0,W,1\n", "3 cells, not 2"),
        ("onset,duration,stage\n0,-1,W\n", "below 0"),
        ("onset,onset,stage\n0,1,W\n", "two columns of one name"),
    ],
)
def test_damaged_hypnograms_are_one_error(text, said):
    with pytest.raises(ValueError, match=said):
        parse_hypnogram(text)


@pytest.mark.parametrize(
    ("text", "onsets", "empty"),
    [
        ("0\n1\n\n2\n5\n", [0, 5, 15, 20], True),
        ("0\r\n1\r\n \r\n2\r\n", [0, 5, 15], True),
        ("\n\n0\n", [10], True),
        ("0\n1\n\n\n", [0, 5], False),
        ("0\r\r\n1\r\r\n", [0, 5], False),  # a line end that was written twice
        ("\nonset,stage\n\n0,W\n\n7,W\n", [0, 7], False),
    ],
)
def test_an_empty_line_is_an_epoch_without_a_stage(text, onsets, empty):
    assert [row.onset for row in parse_hypnogram(text, 5)] == onsets
    assert has_empty_epochs(text) is empty


def test_tables_may_say_start_and_stop():
    """As code books do: a trial a row, from when to when."""
    rows = parse_hypnogram("trial,start,end,label\n1,30,132.5,happy\n2,287,,fear\n", epoch_s=10)
    assert [(row.onset, row.duration, row.text) for row in rows] == [
        (30.0, 102.5, "happy"), (287.0, 10.0, "fear"),
    ]  # fmt: skip
    assert parse_hypnogram("Start\tStop\tEvent\n1\t2\tx\n")[0].duration == 1.0
    with pytest.raises(ValueError, match="ends before it starts"):
        parse_hypnogram("start;stop;label\n5;4;x\n")
    with pytest.raises(ValueError, match="no column stage, event, label or description"):
        parse_hypnogram("start,stop\n5,6\n")
