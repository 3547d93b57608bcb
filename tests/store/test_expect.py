"""Names of groups: one sampling rate each, however near two rates are."""

from pathlib import Path

import numpy as np

import physioprep as pp
from physioprep.store.build.expect import Expected, Signature, group_names
from tests.store.conftest import noise, write_wfdb


def signature(*groups: tuple[str, float]) -> Signature:
    one = ("I",), ("I",), ("mV",), "int16"
    return Signature({}, tuple(Expected(key, "ecg", rate, *one) for key, rate in groups))


def test_the_most_frequent_rate_has_the_plain_name() -> None:
    some = [signature(("ecg", 500.0)), signature(("ecg", 62.4725)), signature(("ecg", 250.0))]
    assert group_names(some, [1, 3, 1]) == {
        ("ecg", 62.4725): "ecg",
        ("ecg", 500.0): "ecg_500hz",
        ("ecg", 250.0): "ecg_250hz",
    }


def test_rates_that_differ_are_never_one_group() -> None:
    near = [256.0, 256.0001, 256.0002, 256.00000001, 600.614990234375, 600.6149]
    some = [signature(("ecg", 500.0)), *(signature(("ecg", rate)) for rate in near)]
    names = group_names(some, [9] + [1] * len(near))
    assert len(set(names.values())) == len(names)
    assert names["ecg", 256.0] == "ecg_256hz"
    assert names["ecg", 256.0001] == "ecg_256.0001hz"
    # a recording's second rate has a key that another recording's first rate would be named by
    some = [signature(("ecg", 500.0), ("ecg_256hz", 256.0001)), signature(("ecg", 256.0))]
    assert len(set(group_names(some, [2, 1]).values())) == 3


def test_two_groups_of_one_recording_are_never_one() -> None:
    twice = signature(("ecg", 256.0), ("ecg_256hz", 256.0))  # of different lengths
    names = group_names([signature(("ecg", 500.0)), twice], [5, 1])
    assert len(set(names.values())) == 3
    shared = [signature(("ecg", 500.0)), signature(("ecg", 1000.0), ("ecg_500hz", 500.0))]
    shared += [signature(("ecg", 250.0), ("ecg_500hz", 500.0))]
    names = group_names(shared, [1, 5, 1])  # equal rates of different recordings share one
    assert names["ecg", 500.0] == names["ecg_500hz", 500.0] == "ecg_500hz"


def test_a_native_store_of_nearly_equal_rates(tmp_path: Path) -> None:
    for number, rate in enumerate((500.0, 500.0, 256.0001, 256.0002)):
        write_wfdb(tmp_path / "raw", f"r{number}", noise(number, 2560), rate_hz=500.0)
        header = tmp_path / "raw" / f"r{number}.hea"
        header.write_text(header.read_text().replace(" 500 ", f" {rate} ", 1))
    pp.ingest(pp.scan(tmp_path / "raw", "folder"), tmp_path / "s.zarr", "native")
    store = pp.open_store(tmp_path / "s.zarr")
    found = {name: store.rate_hz(name) for name in store.modalities}
    assert found == {"ecg": 500.0, "ecg_256hz": 256.0001, "ecg_256.0002hz": 256.0002}
    for number in (2, 3):
        name = ("ecg_256hz", "ecg_256.0002hz")[number - 2]
        assert np.array_equal(store.digital(f"r{number}", name), noise(number, 2560))
