"""Labels of a manifest keep their type and every digit, in every format."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from physioprep.errors import ManifestError
from physioprep.manifest import make_manifest, read_manifest, write_manifest

ODD = [
    "007",
    "1e5",
    "nan",
    "-inf",
    "1_000",
    "'007",
    "''7",
    "[]",
    '["a"]',
    "'[x]",
    "-5",
    "\t5",
    "=1",
]


def manifest(cells: list[Any]) -> pd.DataFrame:
    return make_manifest(
        {
            "corpus": ["mine"] * len(cells),
            "record_id": [f"r{number}" for number in range(len(cells))],
            "path": ["a.edf"] * len(cells),
            "label_x": cells,
        }
    )


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.none() | st.sampled_from(ODD) | st.text("0'-+.e[]=\"a ", min_size=1, max_size=5),
        min_size=1, max_size=4,
    )
)  # fmt: skip
@example(ODD)
@example(["426783006", None])
def test_texts_come_back_as_they_were(tmp_path: Path, cells: list[str | None]) -> None:
    for ending in ("parquet", "csv", "json"):
        path = write_manifest(manifest(cells), tmp_path / f"m.{ending}", overwrite=True)
        assert read_manifest(path)["label_x"].tolist() == cells


def test_numbers_stay_numbers_and_texts_texts_when_pandas_filters_a_csv(tmp_path: Path) -> None:
    for cells in (["007", "AF"], [7.0, 0.5]):
        path = write_manifest(manifest(cells), tmp_path / "m.csv", overwrite=True)
        pd.read_csv(path).iloc[:1].to_csv(tmp_path / "k.csv", index=False)
        assert read_manifest(tmp_path / "k.csv")["label_x"].tolist() == cells[:1]


def test_codes_of_more_digits_than_a_number_has_stay_texts(tmp_path: Path) -> None:
    path = write_manifest(manifest([3.0, 5.0]), tmp_path / "m.csv")
    rows = path.read_text().replace(",3.0,", ",12345678901234567,")
    path.write_text(rows.replace(",5.0,", ",426783006,"))
    assert read_manifest(path)["label_x"].tolist() == ["12345678901234567", "426783006"]


def test_whole_numbers_that_would_lose_digits_are_refused() -> None:
    assert manifest([2**53, None])["label_x"].tolist()[0] == 2**53
    with pytest.raises(ManifestError, match=r"label_x: 12345678901234567 .* make the column text"):
        manifest([12345678901234567, None])
