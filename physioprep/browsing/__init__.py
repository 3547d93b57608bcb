"""Look through recordings on a local page: `physioprep browse`. The server; `page/` is the page.

Served on 127.0.0.1 only. The first part of each path is a secret token, so all paths below stand
behind ``/TOKEN``. Answers are JSON unless said; an error is ``{"error": "one plain sentence"}``
with status 4xx (400 wrong request, 403 wrong host or origin, 404 nothing there).

``GET /`` and ``GET /static/NAME``
    The files that lie in `page/` when the server starts: nothing else can be asked for.

``GET /api/sources``
    ``[{"source": 0, "kind": "store" | "shards" | "manifest", "title", "n_records", "columns":
    [names], "decisions": bool}]``, in the order given. ``columns`` can be sorted and searched;
    ``decisions`` says whether flags can be saved (``--decisions`` was given).

``GET /api/records?source=&q=&sort=&descending=0|1&offset=&limit=``
    ``{"total": n, "rows": [{"key", "n_findings", "flag": true | false | null, "noted": bool,
    "values": {column: text, number or null}}]}``. ``q``: words that must all occur in a row;
    ``column:word`` looks in that column alone. ``limit`` is at most 1,000. ``sort`` is
    a column, ``n_findings`` or ``flag``; without it the order is that of the source.

``GET /api/record?source=&key=``
    ``{"record_id", "subject_id", "corpus", "duration_s", "labels": {}, "metadata": {}, "signals": [
    {"modality", "kind": "ecg" | "eeg" ..., "rate_hz", "n_samples", "start_s", "channels": [{"name",
    "unit", "status": "good" | "bad" | "absent" | "derived"}], "reference", "has_raw", "montages":
    [names, "stored" first], "steps": [{"name", "label", "parameters": [{"name", "label", "unit",
    "default", "least", "most"}]}]}], "raw": the same, of the raw file; null unless it is
    asked for with ``&raw=1``, "problem": null or why there are no signals, "annotators":
    [{"name", "count"}], "findings": [{"check", "severity", "message", "start_s",
    "stop_s", "channel", "modality"}], "flag": {"keep": true | false | null, "note": ""}}``.
    ``modality`` is the key for ``/api/signal``: ``"ecg"``, ``"ecg_250hz"``.
    Units may differ from channel to channel. ``start_s`` of a window of shards is that within its
    record; all other times of that window count from the window's own start.

``GET /api/signal?source=&key=&modality=&start_s=&stop_s=&points=&channels=&montage=&steps=&raw=``
    ``application/octet-stream``: uint32 length of a JSON header (little endian), the header padded
    with spaces to a multiple of 4 bytes, then float32 (little endian), NaN where missing. Header:
    ``{"rate_hz", "start_s", "stop_s", "form": "samples" | "envelope", "every": samples of a column,
    "channels": [{"name", "unit"}], "shape": [c, n] or [c, n, 2]}``. Up to ``2 * points`` samples
    come as they are (``every`` is 1). Of more, a column of an envelope has the least and greatest
    of ``every`` samples, all of which were looked at; ``every`` is a power of two, columns begin at
    its multiples, so that they stay the same while one pans, and ``start_s`` and ``stop_s`` are
    those of the columns, which may be wider than what was asked for (the last column ends with
    the record). There are between ``points`` and ``2 * points`` columns. ``channels=A,B``: names
    joined by commas, each percent-encoded once more (a name may hold a comma); default: all. With a
    montage they are names of its rows. ``steps``: a JSON list of ``{"name": "bandpass", "low_hz":
    0.5, "high_hz": 40}``; they are applied in their order, then the montage. A stretch outside the
    record is cut; nothing left is an answer of shape ``[c, 0]``.

``GET /api/annotations?source=&key=&annotator=&start_s=&stop_s=&limit=``
    ``{"total", "next_s", "previous_s", "rows": [{"time_s", "duration_s", "symbol", "text",
    "channel", "annotator"}]}``: those that touch the stretch; ``total`` counts all of them there,
    ``next_s`` and ``previous_s`` are the nearest beyond it. With ``jump=next|previous&time_s=``
    and maybe ``symbol=`` (that or the text): ``{"row": the nearest one after or before, or null}``.

``GET /api/delineation?source=&key=&modality=&channel=&start_s=&stop_s=``
    ``[{"kind": "P" | "QRS" | "T", "onset_s", "peak_s", "offset_s"}]``, null where not found, of at
    most 120 s.

``GET /api/flags`` and ``POST /api/flags``
    ``[{"source", "key", "corpus", "record_id", "keep", "note"}]``; the body of POST is
    ``{"source", "key", "keep": true | false | null, "note": ""}``, its answer the flag as saved.
    Written to the decisions file before the answer (`physioprep.decisions`).
"""
