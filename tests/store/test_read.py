from pathlib import Path

import numpy as np
import pytest

import physioprep as pp
from physioprep.auditing.inputs import open_input
from physioprep.auditing.signals import read_ahead, signals_of
from physioprep.errors import StoreError


@pytest.mark.parametrize("rows", [[0], [0, 1, 2], [0, 2], [1, 2, 3]])
def test_rows_read_at_once_are_those_read_one_by_one(undisturbed: Path, rows: list[int]) -> None:
    store = pp.open_store(undisturbed)
    for modality in store.modalities:
        for row, found in zip(rows, store.read_rows(rows, modality), strict=True):
            np.testing.assert_array_equal(found, store.read(row, modality))


def test_rows_of_no_such_modality(undisturbed: Path) -> None:
    with pytest.raises(StoreError, match="no modality 'ppg'"):
        pp.open_store(undisturbed).read_rows([0], "ppg")


def test_what_an_audit_reads_ahead_is_what_it_reads(undisturbed: Path) -> None:
    one = open_input(undisturbed)
    short = one.records.index[one.records["record_id"].isin(["short", "v"])]
    assert read_ahead([(one, int(row)) for row in one.records.index]) == {}  # hours: too much
    ahead = read_ahead([(one, int(row)) for row in short])
    assert len(ahead) == 2
    plain = {(signal.key[1], signal.modality): signal.values for signal in signals_of(one)}
    records = one.records["record_id"]
    for (_, row, modality), values in ahead.items():
        present = np.isfinite(values).any(axis=1)
        np.testing.assert_array_equal(values[present], plain[records[row], modality])


def test_damage_is_left_to_each_record(undisturbed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = open_input(undisturbed)
    rows = one.records.index[one.records["record_id"].isin(["short", "v"])].tolist()
    assert read_ahead([(one, row) for row in rows])

    def damaged(*_: object) -> None:
        raise StoreError("damaged")

    monkeypatch.setattr(type(one.store), "read_rows", damaged)
    assert read_ahead([(one, row) for row in rows]) == {}


def test_lists_of_a_column_are_parsed_once_and_shared_by_no_two_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from physioprep.store.format import columns

    texts = ['["I","II"]', "", '["I","II"]', "[]", '[["a"],["b"]]', '["I","II"]', '[["a"],["b"]]']
    parsed: list[str] = []
    real = columns.json.loads
    monkeypatch.setattr(columns.json, "loads", lambda text: parsed.append(text) or real(text))
    found = columns.decode_column("channels", np.array(texts, object), "list[text]").tolist()
    assert parsed.count('["I","II"]') == 1
    assert found == [real(text) if text else None for text in texts]
    found[0].append("x")
    found[4][0].append("x")
    assert (found[2], found[5], found[6]) == (["I", "II"], ["I", "II"], [["a"], ["b"]])
