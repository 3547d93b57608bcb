"""DEAP and WESAD pickles made here, and pickles that mean harm."""

from __future__ import annotations

import os
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording
from physioprep.readers.pickles import load_pickle

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_deap(tmp_path: Path, protocol: int) -> None:
    data, labels = RNG.normal(0, 1, (3, 40, 200)), RNG.uniform(1, 9, (3, 4))
    path = tmp_path / "s01.dat"
    path.write_bytes(pickle.dumps({"labels": labels, "data": data}, protocol))
    format = None if protocol else "pickles"
    recording = read_recording(f"{path}#v02", format=format)
    group = recording.groups[0]
    assert np.array_equal(group.digital, data[1])
    assert (group.sampling_rate, len(group.channels), group.units[0]) == (128.0, 40, "uV")
    assert recording.metadata["liking"] == labels[1, 3]
    assert read_header(f"{path}#v03", format=format).groups[0].n_samples == 200
    with pytest.raises(UnreadableFileError, match="trial 4 of 3"):
        read_recording(f"{path}#v04", format=format)
    assert protocol == 0 or detect_format(f"{path}#v02") == "pickles"


def python2_array(array: np.ndarray) -> bytes:
    """Pickle an array as Python 2's cPickle did: its bytes are a str."""
    head = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    shape = b"(" + b"".join(b"M" + int(n).to_bytes(2, "little") for n in array.shape) + b"t"
    dtype = b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNN"
    dtype += b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    raw = array.astype("<f8").tobytes()
    body = b"T" + len(raw).to_bytes(4, "little") + raw
    return head + b"(K\x01" + shape + dtype + b"\x89" + body + b"tb."


def test_python_2_arrays(tmp_path: Path) -> None:
    array = RNG.normal(0, 1, (3, 4))
    path = tmp_path / "a.pkl"
    path.write_bytes(python2_array(array))
    assert np.array_equal(load_pickle(path), array)


def wesad() -> dict[str, Any]:
    n = 1400
    chest = {"ACC": RNG.normal(0, 1, (n, 3))}
    chest |= {name: RNG.normal(0, 1, (n, 1)) for name in ("ECG", "EMG", "EDA", "Resp")}
    chest["Temp"] = RNG.normal(30, 1, (n, 1)).astype(np.float32)
    wrist = {"ACC": RNG.integers(-128, 128, (64, 3)).astype(float)}
    wrist |= {"BVP": RNG.normal(0, 1, (128, 1)), "EDA": RNG.normal(0, 1, (8, 1))}
    wrist["TEMP"] = RNG.normal(30, 1, (8, 1))
    label = np.repeat([0, 1, 2, 7], [350, 700, 175, 175])
    return {"signal": {"chest": chest, "wrist": wrist}, "label": label, "subject": "S2"}


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_wesad(tmp_path: Path, protocol: int) -> None:
    content = wesad()
    path = tmp_path / "S2.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    recording = read_recording(path)
    rates = {group.sampling_rate: group for group in recording.groups}
    assert set(rates) == {700.0, 32.0, 64.0, 4.0}
    chest = rates[700.0]
    assert chest.channels[:4] == ("chest ACC x", "chest ACC y", "chest ACC z", "chest ECG")
    assert np.array_equal(chest.digital[3], content["signal"]["chest"]["ECG"][:, 0])
    assert np.array_equal(rates[32.0].digital, content["signal"]["wrist"]["ACC"].T)
    table = recording.annotations
    assert table["text"].tolist() == ["undefined", "baseline", "stress", "ignore"]
    assert table["onset"].tolist() == [0.0, 0.5, 1.5, 1.75]
    assert table["duration"].tolist() == [0.5, 1.0, 0.25, 0.25]
    assert recording.metadata["subject"] == "S2"


class Harm:
    def __reduce__(self) -> Any:
        return os.system, ("echo harm > harm.txt",)


@pytest.mark.parametrize(
    "raw",
    [
        pickle.dumps({"data": Harm(), "labels": 1}),
        pickle.dumps(Harm(), 0),
        b"(S'echo harm > harm.txt'\nios\nsystem\n.",
        b"\x80\x02cbuiltins\neval\nX\x03\x00\x00\x001+1\x85R.",
        b"\x80\x04\x8c\x08builtins\x8c\x0bgetattr.__x\x93.",
        pickle.dumps(np.array([Harm()], object)),
        pickle.dumps(np.zeros(2, [("a", "f8")])),
        pickle.dumps(slice(1)),
        b"\x80\x02cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85\x81.",
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n"
        b"cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85U\x01b\x87R.",
    ],
)
def test_pickles_that_ask_for_more_are_refused(
    tmp_path: Path, raw: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "S2.pkl"
    path.write_bytes(raw)
    with pytest.raises(UnreadableFileError, match=r"S2\.pkl"):
        read_recording(path)
    assert not (tmp_path / "harm.txt").exists()


def text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


def name(module: str, function: str) -> bytes:
    return text(module) + text(function) + b"\x93"


NDARRAY = name("numpy", "ndarray")
DTYPE = name("numpy", "dtype")
RECONSTRUCT = name("numpy.core.multiarray", "_reconstruct") + NDARRAY + b"K\x00\x85C\x01b\x87R"


def array(dtype: bytes, shape: bytes = b"K\x04\x85", raw: bytes = b"C\x20" + 32 * b"A") -> bytes:
    return RECONSTRUCT + b"(K\x01" + shape + dtype + b"\x89" + raw + b"tb"


def dtype_state(flags: int, fields: bytes = b"N") -> bytes:
    state = b"(K\x03" + text("<") + b"N" + fields + b"NJ\xff\xff\xff\xffJ\xff\xff\xff\xffK"
    return DTYPE + text("f8") + b"\x85R" + state + bytes([flags]) + b"tb"


@pytest.mark.parametrize(
    ("body", "cause"),
    {
        "object pointers": (NDARRAY + b"K\x01\x85" + text("O") + b"C\x08AAAAAAAA\x87R", "a call"),
        "unset memory": (NDARRAY + b"M\x80\x00\x85" + text("f8") + b"\x86R", "a call"),
        "no values": (RECONSTRUCT, "an array without values"),
        "objects": (array(DTYPE + text("O8") + b"\x85R"), "the dtype O8"),
        "flags": (array(dtype_state(1)), "dtype that holds neither numbers nor text"),
        "fields": (array(dtype_state(0, b"}")), "dtype that holds neither numbers nor text"),
        "no bytes": (array(DTYPE + text("S0") + b"\x85R", b"\x8a\x06zzzzzz", b"C\x00"), "no bytes"),
        "too long": (array(dtype_state(0), b"K\x05\x85"), "an odd array"),
        "negative": (array(dtype_state(0), b"J\xff\xff\xff\xff\x85"), "an odd array"),
        "deep tuples": (b")" + b"\x85" * 1_000_000, "nesting of more than"),
        "deep dicts": ((b"}" + text("a")) * 5000 + b"N" + b"s" * 5000, "nesting of more"),
        "a deep key": (b"}" + b")" + b"\x85" * 1_000_000 + b"Ns", "nesting of more than"),
        "a list in itself": (b"]\x94h\x00a", "a list in two places"),
        "lists in lists": (b"]]a", "a list in a list"),
        "arrays in lists": (b"]" + array(dtype_state(0)) + b"a", "a _Array in a list"),
        "a list that is a dict": (b"}K\x01a", "items of what is no list"),
        "deep lists": (b"]" * 5000 + b"a" * 4999, "nesting of more than"),
        "itself": (b"}\x94" + text("a") + b"h\x00s", "a dict in two places"),
        "tuples": (b"}" + text("a") + b"K\x01\x85s", "a tuple as a value"),
        "another key": (b"}K\x01K\x01s", "a int as a key"),
        "many": (b"}" + (text("a") + b"Ns") * 100_000, "more than 20000 opcodes"),
        "a long number": (b"\x8b\x00\x00\x01\x00" + b"A" * 65536, "a number of 524287 bits"),
    }.values(),
)  # fmt: skip
def test_forged_pickles_build_nothing(tmp_path: Path, body: bytes, cause: str) -> None:
    path = tmp_path / "S2.pkl"
    path.write_bytes(b"\x80\x04" + body + b".")
    with pytest.raises(UnreadableFileError, match=cause):
        load_pickle(path)


def test_bytes_that_many_arrays_share_are_no_bomb(tmp_path: Path) -> None:
    raw = b"B\x00\x00\x01\x00" + bytes(65536) + b"\x94"  # 64 KiB, memo 0
    each = array(dtype_state(0), b"M\x00\x20\x85", b"h\x00")
    items = b"".join(text(str(k)) + each for k in range(50))
    path = tmp_path / "S2.pkl"
    path.write_bytes(b"\x80\x04}(" + text("raw") + raw + items + b"u.")
    with pytest.raises(UnreadableFileError, match="arrays larger than the file"):
        load_pickle(path)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["<f8", ">f4", "?", "<i2", "u1", "<U5", "S3", "<c16", "<f2"])
def test_arrays_of_numbers_and_text(tmp_path: Path, dtype: str, protocol: int) -> None:
    values = np.arange(12).reshape(3, 4).astype(dtype)
    for array in (values, np.asfortranarray(values), values[0, 0]):
        path = tmp_path / "a.pkl"
        path.write_bytes(pickle.dumps({"a": array, "n": 1.5, "t": "x", "none": None}, protocol))
        found = load_pickle(path)
        assert found["a"].dtype == array.dtype
        assert np.array_equal(found["a"], array)
        assert (found["n"], found["t"], found["none"]) == (1.5, "x", None)


def test_claims_of_size_take_no_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "S2.pkl"
    heads = [
        b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"abc.",  # bytes of 1 TB
        b"\x80\x02T\xff\xff\xff\x7fabc.",
        b"\x80\x02Nr\xff\xff\xff\x7f.",  # memo of 2**31 entries
        b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b"abc.",
        b"\x80\x04\x95" + (1 << 40).to_bytes(8, "little") + b"N.",
    ]
    tracemalloc.start()
    for raw in heads:
        path.write_bytes(raw)
        with pytest.raises(UnreadableFileError):
            read_recording(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()


def test_damaged_pickles_are_one_error_or_the_same_shape(tmp_path: Path) -> None:
    path = tmp_path / "s01.dat"
    content = {"labels": np.ones((2, 4)), "data": np.ones((2, 40, 3))}
    raw = pickle.dumps(content, 2)
    assert len(list(pickletools.genops(raw))) > 20
    for at in range(0, len(raw), 5):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 0x55]) + raw[at + 1 :])
        try:
            group = read_recording(f"{path}#v01", format="pickles").groups[0]
        except UnreadableFileError as error:
            assert "\n" not in str(error)  # noqa: PT017
            continue
        assert group.digital.shape == (40, group.n_samples)
    for length in range(0, len(raw), 101):
        path.write_bytes(raw[:length])
        with pytest.raises(UnreadableFileError):
            read_recording(f"{path}#v01", format="pickles")
