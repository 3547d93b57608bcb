"""References, montages and derived leads."""

import numpy as np
import pytest

from physioprep.errors import RecipeError
from physioprep.harmonise.leads import derivable_leads, derive_leads
from physioprep.harmonise.montage import TCP_PAIRS, rereference, rereferenced_channels

NAMES = ("Fp1", "F7", "T7", "A1", "A2", "A2-A1")


def samples(n: int = 6) -> np.ndarray:
    return np.random.default_rng(8).standard_normal((n, 50)).astype(np.float32)


def test_average_sums_to_zero_and_ignores_what_is_missing() -> None:
    x = samples()
    y, names = rereference(x, NAMES, "average")
    assert names == NAMES[:5]
    assert np.abs(y.sum(axis=0)).max() < 1e-5
    x[0, 10:20] = np.nan
    y, _ = rereference(x, NAMES, "average")
    assert np.isnan(y[0, 10:20]).all()
    assert np.allclose(y[1, 10:20], x[1, 10:20] - x[1:5, 10:20].mean(axis=0), atol=1e-6)


def test_linked_mastoids() -> None:
    x = samples()
    y, names = rereference(x, NAMES, "linked-mastoids")
    assert names == ("Fp1", "F7", "T7")
    assert np.allclose(y[1], x[1] - (x[3] + x[4]) / 2)
    with pytest.raises(RecipeError, match="M1 and M2"):
        rereference(x, ("Fp1", "F7", "T7", "A1", "C3", "C4"), "linked-mastoids")


def test_tcp_keeps_the_pairs_that_can_be_formed() -> None:
    x = samples()
    y, names = rereference(x, NAMES, "tcp")
    assert names == ("Fp1-F7", "F7-T7", "A1-T7")
    assert np.array_equal(y[2], x[3] - x[2])
    assert len(TCP_PAIRS) == 22
    with pytest.raises(RecipeError, match="tcp"):
        rereferenced_channels(("Oz",), "tcp")
    with pytest.raises(RecipeError, match="unknown reference"):
        rereferenced_channels(NAMES, "cz")


def test_limb_leads_obey_einthoven_and_goldberger() -> None:
    x, names = derive_leads(samples(2), ("I", "II"))
    row = dict(zip(names, x, strict=True))
    assert np.allclose(row["III"], row["II"] - row["I"], atol=1e-6)
    assert np.allclose(row["aVR"], -(row["I"] + row["II"]) / 2, atol=1e-6)
    assert np.allclose(row["aVL"], (row["I"] - row["III"]) / 2, atol=1e-6)
    assert np.allclose(row["aVF"], (row["II"] + row["III"]) / 2, atol=1e-6)
    assert derivable_leads(names) == ()
    assert derivable_leads(("II", "V1")) == ()


def test_a_bad_electrode_is_not_in_the_average() -> None:
    """As in MNE, which leaves the bad one as recorded; here it has the reference of the others."""
    x = samples()
    x[1] += 1000
    x[2, 10:20] = np.nan
    y, names = rereference(x, NAMES, "average", {"F7"})
    good = np.nanmean(x[[0, 2, 3, 4]], axis=0)
    np.testing.assert_allclose(y, x[:5] - good, atol=1e-4)
    mne = pytest.importorskip("mne")
    info = mne.create_info(list(names), 100.0, "eeg")
    info["bads"] = ["F7"]
    raw = mne.io.RawArray(np.nan_to_num(x[:5]).astype(float), info, verbose="error")
    theirs = raw.set_eeg_reference("average", verbose="error").get_data()
    rows, there = np.ix_([0, 2, 3, 4], ~np.isnan(x[2]))
    np.testing.assert_allclose(y[rows, there], theirs[rows, there], atol=1e-5)
    for bad in ({"Fp1", "F7", "T7", "A1"}, set(NAMES)):
        with pytest.raises(RecipeError, match="not marked bad"):
            rereference(x, NAMES, "average", bad)
