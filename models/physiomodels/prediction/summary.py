"""What is said of a table of answers: counts, and the table as a terminal shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas as pd

#: Lines of reasons.
_SHOWN: Final = 5


def summary_of(table: pd.DataFrame, per: str) -> dict[str, Any]:
    """Return the figures of a table of answers.

    Parameters
    ----------
    table : pandas.DataFrame
        From `physiomodels.predict_recordings`.
    per : {"record", "window"}
        What a row is.

    Returns
    -------
    dict
        Rows, rows without an answer and why, decisions and how often, and how many records lack
        channels of the training; only what there is to report.
    """
    bad = table["error"].notna()
    facts: dict[str, Any] = {"label": table.attrs["label"], f"{per}s": int((~bad).sum())}
    if "decision" in table:
        counts = table.loc[~bad, "decision"].replace("", "(none)").value_counts()
        facts["decisions"] = {str(name): int(count) for name, count in counts.items()}
    if lacking := int((table["absent"].fillna("") != "").sum()):
        facts["lack channels of the training"] = lacking
    if bad.any():
        facts["without an answer"] = int(bad.sum())
        rows = table[bad].head(_SHOWN)
        facts["reasons"] = [
            {"record": str(name), "reason": str(why)}
            for name, why in zip(rows["record_id"], rows["error"], strict=True)
        ]
        if bad.sum() > _SHOWN:
            facts["further reasons"] = f"{int(bad.sum()) - _SHOWN}, in the table"
    return facts


def shown(table: pd.DataFrame) -> tuple[list[str], list[list[object]]]:
    """Return a table of answers as a terminal shows it.

    Parameters
    ----------
    table : pandas.DataFrame
        From `physiomodels.predict_recordings`.

    Returns
    -------
    columns : list of str
        Without those that are empty, or the same path again.
    rows : list of list
        Numbers rounded to four digits; None where there is none.
    """
    kept = table.drop(columns=["source", "path", "error"])
    columns = [str(name) for name in kept if not kept[name].isin([None, ""]).all()]
    rows = [[_cell(value) for value in row] for row in kept[columns].to_numpy(object)]
    return columns, rows


def _cell(value: Any) -> object:
    if value is None or value != value:  # NaN
        return None
    return round(value, 4) if isinstance(value, float) else value
