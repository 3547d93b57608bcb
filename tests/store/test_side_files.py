"""Damage beside the samples costs a record its annotations, not its samples; its flags say so."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import physioprep as pp
from physioprep.corpora.known import chbmit
from physioprep.errors import UnreadableFileError


def edf_plus(path: Path, tals: list[bytes]) -> None:
    """One channel of 10 Hz; its values count up."""
    labels, n_records = ("EEG Cz", "EDF Annotations"), len(tals)
    head = b"0       " + b"X X X X".ljust(80) + b"Startdate X X X X".ljust(80)
    head += b"01.01.2000.00.00" + b"768".ljust(8) + b"EDF+C".ljust(44)
    head += str(n_records).encode().ljust(8) + b"1".ljust(8) + b"2".ljust(4)
    for width, texts in (
        (16, labels), (80, ("", "")), (8, ("uV", "")), (8, ("-3276.8", "-1")),
        (8, ("3276.7", "1")), (8, ("-32768",) * 2), (8, ("32767",) * 2), (80, ("", "")),
        (8, ("10", "20")), (32, ("", "")),
    ):  # fmt: skip
        head += b"".join(text.encode().ljust(width) for text in texts)
    samples = np.arange(10 * n_records, dtype="<i2").reshape(n_records, 10)
    body = b"".join(
        row.tobytes() + tal.ljust(40, b"\0") for row, tal in zip(samples, tals, strict=True)
    )
    path.write_bytes(head + body)


def ingest(folder: Path, out: Path, corpus: str = "folder") -> pp.Store:
    manifest = pp.scan(folder, corpus)
    assert manifest["error"].isna().all()
    pp.ingest(manifest, out, "native", scheduler="sync")
    return pp.open_store(out)


def test_the_samples_are_ingested_and_what_is_lost_is_flagged(
    tmp_path: Path, wfdb_writer: Callable[..., None], make_noise: Callable[..., np.ndarray]
) -> None:
    raw, signal = tmp_path / "raw", make_noise(1, 500)
    for name in ("text", "cut", "whole"):
        wfdb_writer(raw, name, signal)
    (raw / "text.stf").write_text("1 0 0 0\n")
    (raw / "cut.atr").write_bytes(np.array([60 << 10, 55 << 10, 0], "<u2").tobytes())
    tals = [b"+%d\x14\x14\0" % i for i in range(4)]
    edf_plus(raw / "good.edf", tals)
    edf_plus(raw / "first.edf", [b"+0,5\x14bad\x14\0", *tals[1:]])
    edf_plus(raw / "later.edf", [*tals[:3], b"oops\x14\0"])
    store = ingest(raw, tmp_path / "s.zarr")
    assert len(store.quarantine) == 0
    flags = store.records.set_index("record_id")["flags"].to_dict()
    lost = ["not-read:damaged annotations"]
    assert flags == {
        **{"text": ["not-read:text.stf"], "cut": ["not-read:cut.atr"], "whole": [], "good": []},
        **{"first": lost, "later": lost},
    }
    for name in ("first", "later", "good"):
        values = store.record(name)["eeg"].values[0]
        np.testing.assert_allclose(values, np.arange(40) / 10, rtol=1e-6)


def test_damaged_annotations_of_a_corpus_are_flagged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(path: Path) -> None:
        raise UnreadableFileError(path, "row 3 has 2 cells, not 4")

    (tmp_path / "raw" / "chb01").mkdir(parents=True)
    edf_plus(tmp_path / "raw" / "chb01" / "chb01_01.edf", [b"+%d\x14\x14\0" % i for i in range(4)])
    monkeypatch.setattr(chbmit, "read_annotations", damaged)
    store = ingest(tmp_path / "raw", tmp_path / "s.zarr", "chbmit")
    assert "not-read:annotations of its corpus" in store.records["flags"][0]
