"""The answer to each request for data: plain JSON values, or bytes of samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from physioprep.browsing import query_values as values_of
from physioprep.browsing.annotations import marks_between, nearest_mark
from physioprep.browsing.browser import Browser
from physioprep.browsing.filtering import filtered, list_steps, parse_steps
from physioprep.browsing.montages import in_montage, list_montages
from physioprep.browsing.piece import cut_piece
from physioprep.browsing.record_table import plain_cell
from physioprep.browsing.refusal import RefusedError
from physioprep.browsing.source import Opened
from physioprep.browsing.trace import Trace
from physioprep.browsing.waves import waves_between
from physioprep.decisions import Decision, RecordName

Values = Mapping[str, str]
#: Columns of a table that an answer holds at most, and columns of a screen.
_MOST_ROWS: Final = 1_000
_MOST_POINTS: Final = 20_000
_MOST_MARKS: Final = 20_000
#: No record is as long, s.
_LATEST_S: Final = 1e9


def sources(browser: Browser, values: Values) -> list[dict[str, Any]]:
    """Answer ``/api/sources``.

    Parameters
    ----------
    browser : Browser
    values : mapping of str to str
        Of the request: none.

    Returns
    -------
    list of dict
        See the docstring of `physioprep.browsing`, as for all answers.
    """
    return [
        {
            "source": number, "kind": one.kind, "title": one.title, "n_records": one.table.n_rows,
            "columns": [*one.table.columns, "n_findings", "flag"],
            "decisions": browser.flags.path is not None,
        }
        for number, one in enumerate(browser.sources)
    ]  # fmt: skip


def records(browser: Browser, values: Values) -> dict[str, Any]:
    """Answer ``/api/records``.

    Parameters
    ----------
    browser : Browser
    values : mapping of str to str
        Of the request.

    Returns
    -------
    dict

    Raises
    ------
    RefusedError
        A value is wrong.
    """
    source = _source(browser, values)
    one = browser.sources[source]
    descending = values_of.choice(values, "descending", ("0", "1"), "0") == "1"
    offset = values_of.whole(values, "offset", 0, 1 << 40, 0)
    limit = values_of.whole(values, "limit", 0, _MOST_ROWS, 100)
    n_findings = browser.n_findings[source]
    sort = values.get("sort", "")
    extra = {"n_findings": n_findings}
    if sort == "flag":  # noted, kept and dropped ones, the last first where it descends
        extra["flag"] = [0] * one.table.n_rows
        for row, name in enumerate(zip(*one.ids, strict=True)):
            keep = browser.flags.of(name).keep
            noted = int(bool(browser.flags.of(name).note))
            extra["flag"][row] = noted if keep is None else 2 if keep else 3
    found = one.table.rows(values.get("q", ""), sort, descending, extra)
    rows = []
    for row in found[offset : offset + limit]:
        flag = browser.flags.of(one.name(row))
        rows.append(
            {
                "key": str(row), "n_findings": n_findings[row], "flag": flag.keep,
                "noted": bool(flag.note), "values": one.table.cells(row),
            }
        )  # fmt: skip
    return {"total": len(found), "rows": rows}


def record(browser: Browser, values: Values) -> dict[str, Any]:
    """Answer ``/api/record``.

    Parameters
    ----------
    browser : Browser
    values : mapping of str to str
        Of the request.

    Returns
    -------
    dict

    Raises
    ------
    PhysioprepError
        There is no such record, or it cannot be read.
    """
    source, number = _place(browser, values)
    one = browser.sources[source]
    opened = browser.opened(source, number)
    wants_raw = values_of.choice(values, "raw", ("0", "1"), "0") == "1"
    raw = browser.opened(source, number, raw=True) if wants_raw else None
    has_raw = one.open_raw is not None and one.kind == "store"
    cells = {name: plain_cell(value) for name, value in opened.row.items()}
    known = {name: cell for name, cell in cells.items() if cell is not None}
    corpus, record_id = one.name(number)
    flag = browser.flags.of((corpus, record_id))
    return {
        "record_id": record_id,
        "subject_id": known.get("subject_id"),
        "corpus": corpus,
        "duration_s": max((t.n_samples / t.rate_hz for t in opened.traces.values()), default=None),
        "labels": {n.removeprefix("label_"): c for n, c in known.items() if n.startswith("label_")},
        "metadata": {
            n: c
            for n, c in known.items()
            if not n.startswith("label_") and n not in ("root", "file_sha256", "sha256")
        },
        "signals": [_described(trace, has_raw) for trace in opened.traces.values()],
        "raw": None if raw is None else [_described(t, False) for t in raw.traces.values()],
        "problem": opened.problem,
        "annotators": _annotators(opened),
        "findings": browser.findings_of(one, number),
        "flag": {"keep": flag.keep, "note": flag.note},
    }


def _described(trace: Trace, has_raw: bool) -> dict[str, Any]:
    channels = zip(trace.channels, trace.units, trace.status, strict=True)
    return {
        "modality": trace.modality, "kind": trace.kind, "rate_hz": trace.rate_hz,
        "n_samples": trace.n_samples, "start_s": trace.start_s,
        "channels": [{"name": n, "unit": u, "status": s} for n, u, s in channels],
        "reference": trace.reference, "has_raw": has_raw, "montages": list_montages(trace),
        "steps": list_steps(trace.rate_hz),
    }  # fmt: skip


def _annotators(opened: Opened) -> list[dict[str, Any]]:
    counts = Counter(opened.marks().annotators)
    return [{"name": name, "count": count} for name, count in counts.most_common()]


def signal(browser: Browser, values: Values) -> bytes:
    """Answer ``/api/signal``.

    Parameters
    ----------
    browser : Browser
    values : mapping of str to str
        Of the request.

    Returns
    -------
    bytes

    Raises
    ------
    PhysioprepError
        There is no such record or channel, or a value is wrong.
    """
    source, number = _place(browser, values)
    start_s, stop_s = stretch(values)
    points = values_of.whole(values, "points", 1, _MOST_POINTS, 2_000)
    trace, name = shown_trace(browser, source, number, values)
    channels = values_of.names(values, "channels")
    piece = cut_piece(trace, name, browser.envelopes, channels, start_s, stop_s, points)
    return piece.to_bytes()


def annotated(browser: Browser, values: Values) -> dict[str, Any]:
    """Answer ``/api/annotations``.

    Parameters
    ----------
    browser : Browser
    values : mapping of str to str
        Of the request.

    Returns
    -------
    dict

    Raises
    ------
    PhysioprepError
        There is no such record, or a value is wrong.
    """
    marks = browser.opened(*_place(browser, values)).marks()
    annotator = values.get("annotator", "")
    jump = values_of.choice(values, "jump", ("no", "next", "previous"), "no")
    if jump != "no":
        time_s = values_of.number(values, "time_s")
        symbol = values.get("symbol", "")
        return {"row": nearest_mark(marks, annotator, time_s, symbol, forwards=jump == "next")}
    limit = values_of.whole(values, "limit", 0, _MOST_MARKS, _MOST_ROWS)
    return marks_between(marks, annotator, *stretch(values), limit)


def delineation(browser: Browser, values: Values) -> list[dict[str, Any]]:
    """Answer ``/api/delineation``.

    Parameters
    ----------
    browser : Browser
    values : mapping of str to str
        Of the request.

    Returns
    -------
    list of dict

    Raises
    ------
    PhysioprepError
        There is no such record or lead, or a value is wrong.
    """
    source, number = _place(browser, values)
    trace, _ = shown_trace(browser, source, number, values)
    return waves_between(trace, values.get("channel", ""), *stretch(values))


def flags(browser: Browser, values: Values) -> list[dict[str, Any]]:
    """Answer ``GET /api/flags``.

    Parameters
    ----------
    browser : Browser
    values : mapping of str to str
        Of the request: none.

    Returns
    -------
    list of dict
    """
    return [
        _flagged(number, one.first_rows[name], name, flag)
        for number, one in enumerate(browser.sources)
        for name, flag in browser.flags.all().items()
        if name in one.first_rows
    ]


def set_flag(browser: Browser, body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer ``POST /api/flags``.

    Parameters
    ----------
    browser : Browser
    body : mapping of str to object
        Of the request.

    Returns
    -------
    dict

    Raises
    ------
    RefusedError
        A value is wrong, or nothing can be saved.
    """
    keep, note = body.get("keep"), body.get("note", "")
    if not (keep is None or isinstance(keep, bool)) or not isinstance(note, str):
        raise RefusedError("keep is true, false or null, and note is a text")
    place = {name: str(body.get(name, "")) for name in ("source", "key")}
    source, number = _place(browser, place)
    name = browser.sources[source].name(number)
    return _flagged(source, number, name, browser.flags.decide(name, keep, note))


def _flagged(source: int, number: int, name: RecordName, flag: Decision) -> dict[str, Any]:
    return {
        "source": source, "key": str(number), "corpus": name[0], "record_id": name[1],
        "keep": flag.keep, "note": flag.note,
    }  # fmt: skip


def stretch(values: Values) -> tuple[float, float]:
    """Return the stretch that a request asks for.

    Parameters
    ----------
    values : mapping of str to str
        Of the request.

    Returns
    -------
    tuple of float
        Start and stop, s.

    Raises
    ------
    RefusedError
        It is none.
    """
    start_s, stop_s = values_of.number(values, "start_s"), values_of.number(values, "stop_s")
    if not -_LATEST_S <= start_s <= stop_s <= _LATEST_S:
        raise RefusedError("stop_s must not be before start_s")
    return start_s, stop_s


def shown_trace(
    browser: Browser, source: int, number: int, values: Values
) -> tuple[Trace, tuple[object, ...]]:
    """Return the signal that a request asks for, filtered and in its montage.

    Parameters
    ----------
    browser : Browser
    source, number : int
        Source and row.
    values : mapping of str to str
        Of the request.

    Returns
    -------
    trace : Trace
    name : tuple
        The same whenever its samples are the same.

    Raises
    ------
    RefusedError
        There is no such signal, step or montage.
    """
    raw = values_of.choice(values, "raw", ("0", "1"), "0") == "1"
    opened = browser.opened(source, number, raw=raw)
    modality = values.get("modality", "")
    if modality not in opened.traces:
        held = ", ".join(opened.traces) or "none"
        cause = opened.problem or f"no signal {modality[:40]!r}; it has {held}"
        raise RefusedError(cause, 404)
    trace = opened.traces[modality]
    filters = parse_steps(values.get("steps", ""), trace.rate_hz)
    montage = values.get("montage", "")
    shown = in_montage(filtered(trace, filters), montage)
    return shown, (source, number, raw, modality, filters, montage)


def _source(browser: Browser, values: Values) -> int:
    return values_of.whole(values, "source", 0, len(browser.sources) - 1, 0)


def _place(browser: Browser, values: Values) -> tuple[int, int]:
    source = _source(browser, values)
    n = browser.sources[source].table.n_rows
    key = values.get("key", "")
    if not (key.isascii() and key.isdigit() and len(key) <= 12 and int(key) < n):
        raise RefusedError("no such record", 404)
    return source, int(key)


#: What answers each path below ``/api/``.
ANSWERS: Final[Mapping[str, Callable[[Browser, Values], Any]]] = {
    "sources": sources,
    "records": records,
    "record": record,
    "signal": signal,
    "annotations": annotated,
    "delineation": delineation,
    "flags": flags,
}
