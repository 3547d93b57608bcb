"""Headers of known kinds and records of the usual one, against the whole grammar and reader."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import read_recording, wfdb, wfdb_kinds, wfdb_plain
from physioprep.readers.wfdb_formats import PACKING, STREAMED, n_bytes, unpack
from physioprep.readers.wfdb_header import parse_header

HEADERS = (
    "{r} 2 500 5000\n{r}.dat 16 1000.0(0)/mV 16 0 19 25580 0 I\n"
    "{r}.dat 16 1000.0(0)/mV 16 0 -16 -11386 0 II\n",
    "{r} 2 500 5000 01-Jan-2020 10:20:30\r\n{r}.mat 16+24 1000/mV 16 0 -254 21756 0 I\r\n"
    "{r}.mat 16+24 1000/mV 16 0 264 -599 0 a b c\r\n#Age: 74\r\n#Sex: Male\r\n",
    "{r} 1 360/1000(0) 650000 12:00:00 01/02/1990\n{r}.dat\t212 200 11  1024 995 -22131 0 MLII \n"
    "\n# 69 M 1085 1629 x1\n#\n",
    "{r} 1 250\n{r}_x.dat 80 5/uV 8 0 1 2 0 a",
)


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    wfdb_kinds._kinds.clear()
    wfdb_kinds._seen.clear()
    yield
    wfdb_kinds._kinds.clear()
    wfdb_kinds._seen.clear()


def both(text: str, record: str) -> tuple[Any, Any]:
    """What the grammar makes of a header, and what its kind does, if it is known."""
    try:
        parsed: Any = parse_header(text, Path(f"/x/{record}.hea"))
    except UnreadableFileError as error:
        parsed = error
    twin = wfdb_kinds.recognise(text, record)
    return parsed, None if twin is None else wfdb_kinds.header_of(twin, record)


def teach(*texts: str) -> None:
    for text in texts:
        for record in ("one", "two"):
            own = text.format(r=record)
            wfdb_kinds.learn(own, record, parse_header(own, Path(f"{record}.hea")))


@pytest.mark.parametrize("text", HEADERS)
def test_the_third_header_of_a_kind_is_recognised(text: str) -> None:
    own = text.format(r="one")
    wfdb_kinds.learn(own, "one", parse_header(own, Path("one.hea")))
    assert both(own, "one")[1] is None  # the first may be the only one of its kind
    teach(text)
    for record in ("three", "a.b", "x-1", "Ä", "(", "one"):
        parsed, known = both(text.format(r=record), record)
        assert known == parsed, record
    for gain in ("1001.0(0)", "1000", "1000/uV"):
        changed = text.format(r="r").replace("1000.0(0)", gain)
        parsed, known = both(changed, "r")
        assert known == (parsed if changed == text.format(r="r") else None)


def test_a_changed_header_is_read_as_by_the_grammar() -> None:
    teach(*HEADERS)
    rng = random.Random(0)
    letters = " \t\n\r#0159-+./()x:a~\0٢_\v"
    n_known = 0
    for _ in range(6000):
        text = list(rng.choice(HEADERS).format(r="rec"))
        for _ in range(rng.choice((1, 1, 2, 4))):
            at = rng.randrange(len(text))
            text[at : at + rng.randrange(2)] = rng.choice(letters) * rng.randrange(2)
        parsed, known = both("".join(text), "rec")
        if known is not None:
            assert known == parsed, "".join(text)
            n_known += 1
    assert n_known > 500


@pytest.mark.parametrize("record", ["a b", "#a", "~", "r 2", ""])
def test_odd_names_are_for_the_grammar(record: str) -> None:
    teach(HEADERS[0])
    parsed, known = both(HEADERS[0].format(r=record), record)
    assert known is None or known == parsed


def test_names_of_other_files_are_for_the_grammar() -> None:
    teach(HEADERS[0])
    for file in ("../rec", "/etc/rec", "other", "rec.dat.."):
        text = HEADERS[0].replace("{r}.dat", f"{file}.dat").format(r="rec")
        assert both(text, "rec")[1] is None


def test_few_kinds_are_kept_and_the_last_used_is_first() -> None:
    many = [HEADERS[0].replace("1000.0", f"{100 + i}.0") for i in range(12)]
    teach(*many)
    assert len(wfdb_kinds._kinds) == 8
    assert both(many[0].format(r="r"), "r")[1] is None
    for text in (many[5], many[11], many[5]):
        parsed, known = both(text.format(r="r"), "r")
        assert known == parsed


def record_of(folder: Path, format: int, name: str, n_signals: int = 3, n: int = 700) -> Path:
    """Write any bytes as a record of a format, with its checksums and initial values."""
    rng = np.random.default_rng(format + len(name))
    data = rng.integers(0, 255, n_bytes(format, n * n_signals), np.uint8)
    samples = unpack(data, format, n * n_signals).reshape(n, n_signals).astype(np.int64)
    lines = "".join(
        f"{name}.dat {format}+4 200.5(7)/mV 12 0 {samples[0, i]} {samples[:, i].sum() & 0xFFFF}"
        f" 0 lead {i}\n"
        for i in range(n_signals)
    )
    (folder / f"{name}.dat").write_bytes(b"head" + data.tobytes())
    (folder / f"{name}.hea").write_text(f"{name} {n_signals} 250 {n}\n{lines}# note\n")
    return folder / f"{name}.hea"


def read_both(path: Path, monkeypatch: pytest.MonkeyPatch, verify: bool = True) -> tuple[Any, Any]:
    found: list[Any] = []
    for known in (True, False):
        with monkeypatch.context() as patch:
            if not known:
                patch.setattr(wfdb_kinds, "recognise", lambda *_: None)
            try:
                found.append(read_recording(path, verify=verify))
            except UnreadableFileError as error:
                found.append(str(error))
    return found[0], found[1]


def assert_same(one: Any, other: Any) -> None:
    if isinstance(one, str) or isinstance(other, str):
        assert one == other
        return
    names = ("path", "format", "files", "start_time", "metadata")
    assert [getattr(one, name) for name in names] == [getattr(other, name) for name in names]
    notes = [{n: repr(v) for n, v in each.annotation_columns.items()} for each in (one, other)]
    assert notes[0] == notes[1]
    (ours,), (theirs,) = one.groups, other.groups
    for name, value in vars(theirs).items():
        mine = getattr(ours, name)
        if isinstance(value, np.ndarray):
            assert mine.dtype == value.dtype
            assert mine.flags.writeable
            np.testing.assert_array_equal(mine, value)
        else:
            assert mine == value, name


@pytest.fixture
def n_plain(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry per record whose samples are read in the short way."""
    counts: list[int] = []
    decode = wfdb_plain.decode

    def count(*arguments: Any) -> None:
        counts.append(1)
        decode(*arguments)

    monkeypatch.setattr(wfdb_plain, "decode", count)
    return counts


@pytest.mark.parametrize("format", sorted(STREAMED & set(PACKING)))
@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("n_signals", [1, 2, 3])
def test_a_usual_record_is_read_as_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_plain: list[int], format: int,
    verify: bool, n_signals: int,
) -> None:  # fmt: skip
    for name in ("a", "b"):
        read_recording(record_of(tmp_path, format, name, n_signals))
    one, other = read_both(record_of(tmp_path, format, "c", n_signals), monkeypatch, verify)
    assert_same(one, other)
    assert len(n_plain) == 1
    assert one.metadata["comments"] == ["note"]


def spoil(change: str, path: Path) -> None:
    data = path.with_suffix(".dat")
    raw, text = data.read_bytes(), path.read_text()
    if change == "longer":
        data.write_bytes(raw + bytes(9))
    elif change == "shorter":
        data.write_bytes(raw[:-1])
    elif change == "missing":
        data.unlink()
    elif change == "a folder":
        data.unlink()
        data.mkdir()
    elif change == "a link out":
        data.rename(path.parent.parent / "out.dat")
        data.symlink_to(path.parent.parent / "out.dat")
    elif change == "a link within":
        data.rename(path.parent / "in.dat")
        data.symlink_to(path.parent / "in.dat")
    elif change == "damaged":
        data.write_bytes(raw[:99] + bytes([raw[99] ^ 1]) + raw[100:])
    elif change == "first value":
        fields = text.splitlines()[1].split(" ")
        fields[5] = str(int(fields[5]) + 1)
        path.write_text(text.replace(text.splitlines()[1], " ".join(fields)))
    elif change == "checksums of 0":
        lines = [line.split(" ") for line in text.splitlines()]
        lines = [[*f[:6], "0", *f[7:]] if ".dat" in f[0] else f for f in lines]
        path.write_text("\n".join(" ".join(fields) for fields in lines))
    elif change == "no length":
        path.write_text(text.replace(" 250 700", " 250"))
    elif change == "annotations":
        path.with_suffix(".atr").write_bytes(bytes([10, 4, 0, 0]))


@pytest.mark.parametrize(
    "change",
    ["longer", "shorter", "missing", "a folder", "a link out", "a link within", "damaged",
     "first value", "checksums of 0", "no length", "annotations"],
)  # fmt: skip
def test_an_unusual_record_is_read_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name in ("a", "b"):
        read_recording(record_of(folder, 16, name))
    path = record_of(folder, 16, "c")
    spoil(change, path)
    assert_same(*read_both(path, monkeypatch))


def test_a_matrix_of_another_shape_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_plain: list[int]
) -> None:
    def write(name: str, columns: int) -> Path:
        path = record_of(tmp_path, 16, name)
        path.write_text(path.read_text().replace(".dat 16+4", ".mat 16+24"))
        words = np.array([30, 3, columns, 0, 4], "<i4").tobytes()
        raw = path.with_suffix(".dat").read_bytes()[4:]
        path.with_suffix(".mat").write_bytes(words + b"val\0" + raw)
        return path

    for name in ("a", "b"):
        read_recording(write(name, 700))
    assert_same(*read_both(write("c", 700), monkeypatch))
    assert len(n_plain) == 1
    one, other = read_both(write("d", 701), monkeypatch)
    assert one == other
    assert "holds a 3 x 701 matrix" in one


@pytest.mark.realdata
def test_real_headers_are_read_as_by_the_grammar(shared_data: Path) -> None:
    n_known = 0
    for path in sorted(shared_data.rglob("*.hea")):
        _, name, text = wfdb._text_of(path)
        try:
            parsed = parse_header(text, path)
        except UnreadableFileError:
            assert wfdb_kinds.recognise(text, name) is None, path
            continue
        twin = wfdb_kinds.recognise(text, name)
        if twin is not None:
            assert wfdb_kinds.header_of(twin, name) == parsed, path
            n_known += 1
        wfdb_kinds.learn(text, name, parsed)
    assert n_known > 500
