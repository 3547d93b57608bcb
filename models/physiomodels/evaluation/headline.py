"""What a result says first: differences between arms, paired over people, with their intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from physiomodels.evaluation.names import metric_name, signals_name, verdict_name

_OVER: Final = {
    "random": "random weights",
    "features": "plain features (linear)",
    "boosted": "plain features (gradient boosting)",
}


def headline_of(result: Mapping[str, Any]) -> list[str]:
    """Return the differences of a result as lines, by its main metric.

    Parameters
    ----------
    result : mapping
        The content of ``results.json``.

    Returns
    -------
    list of str
        Fused against each signal alone, pretrained against random weights and against features,
        calibrated against not. Where 0 is within the interval, the line says "no clear difference".
    """
    main, ci = result["metrics"][0], f"ci95_{result['grouped_by']}s"
    said: dict[str, list[str]] = {}
    for gain in _leading(result):
        figure = gain["metrics"][main]
        if "verdict" not in figure:  # of an earlier version
            continue
        about, what = _words(gain)
        said.setdefault(about, []).append(f"{what} {_difference(figure, ci)}")
    return [f"{about}, {metric_name(main)}: {'; '.join(each)}." for about, each in said.items()]


def _leading(result: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the differences of all labels and, of calibrations, the first with all windows."""
    calibration = result.get("calibration")
    method = next(iter(calibration["methods"])) if calibration else None
    for gain in result.get("gains", ()):
        if method is None or (gain["calibration"], gain["calibration_windows"]) == (method, "all"):
            yield gain


def _words(gain: Mapping[str, Any]) -> tuple[str, str]:
    signals = signals_name(gain["modalities"])
    if gain["what"] == "fusion":
        return f"{signals} minus {signals_name(gain['over_modalities'])} alone", gain["of"]
    if gain["what"] == "calibration":
        return f"Calibrated ({gain['calibration']}) minus not, {gain['of']}", signals
    return f"Pretrained minus {_OVER[gain['over']]}", signals


def _difference(figure: Mapping[str, Any], ci: str) -> str:
    ends = [f"{end:+.3f}" for end in figure[ci] if end is not None]
    if figure["verdict"] == "unknown" or figure["pooled"] is None or len(ends) < 2:
        return "unknown"
    said = f"{figure['pooled']:+.3f} ({ends[0]} to {ends[1]})"
    return f"{verdict_name(figure['verdict'])}: {said}"
