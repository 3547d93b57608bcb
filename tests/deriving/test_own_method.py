"""A method of delineation of the user's own: named, checked, and part of the plan."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app
from physioprep.deriving.delineation import delineate
from physioprep.deriving.own_method import own_method, version_of
from physioprep.errors import PhysioprepError, RecipeError
from physioprep.pipeline.check import _check_derive
from physioprep.pipeline.place import Place, Step
from tests.deriving.heart import RATE_HZ, drawn_ecg

TOY = '''
__version__ = "1.5"

def waves(cleaned, rate_hz, r_peaks):
    """Each QRS from 40 ms before its R peak to 60 ms after it."""
    return {"qrs_onset": r_peaks - round(0.04 * rate_hz),
            "qrs_offset": (r_peaks + round(0.06 * rate_hz))[::-1]}

def fails(cleaned, rate_hz, r_peaks):
    raise ValueError("no")

def odd(cleaned, rate_hz, r_peaks):
    return {"qrs": r_peaks}

def outside(cleaned, rate_hz, r_peaks):
    return {"t_peak": r_peaks + len(cleaned)}

number = 3
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module on the search path, which no test before has imported."""
    (tmp_path / "code").mkdir()
    path = tmp_path / "code" / "toy_waves.py"
    path.write_text(TOY)
    monkeypatch.syspath_prepend(str(path.parent))
    monkeypatch.delitem(sys.modules, "toy_waves", raising=False)
    own_method.cache_clear()
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    signal = drawn_ecg(10.0, 0.8, 1.0, 3)[0].astype(np.float32)[None]
    return pp.from_arrays(
        [signal], channels=["II"], rate_hz=RATE_HZ, units="mV", out=tmp_path / "s.zarr"
    ).path


def test_its_points_are_those_of_the_table(toy: Path, store: Path, tmp_path: Path) -> None:
    arguments = ["derive", str(store), "-o", str(tmp_path / "t"), "--beats", "--method"]
    result = CliRunner().invoke(app, [*arguments, "toy_waves:waves", "--scheduler", "sync"])
    assert result.exit_code == 0, result.output
    beats = pd.read_parquet(tmp_path / "t" / "beats.parquet")
    assert len(beats) > 8
    np.testing.assert_allclose(beats["r_s"] - beats["qrs_onset_s"], 0.04, atol=1e-9)
    np.testing.assert_allclose(beats["qrs_offset_s"] - beats["r_s"], 0.06, atol=1e-9)
    assert beats["p_peak_s"].isna().all()
    plan = json.loads((tmp_path / "t" / "derived.json").read_text())["plan"]
    assert plan["method"] == "toy_waves:waves"
    assert plan["method_version"].startswith("1.5 sha256:")


def test_other_code_is_another_plan(
    toy: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(name: str) -> str:
        return pp.derive(
            store, tmp_path / name, kinds=["beats"], method="toy_waves:waves", scheduler="sync"
        ).plan_sha256

    first = made("a")
    assert made("b") == first
    toy.write_text(TOY.replace("0.06", "0.05"))
    assert made("c") != first
    assert version_of("dwt") is None


def test_workers_import_it_too(toy: Path, store: Path, tmp_path: Path) -> None:
    options = {"kinds": ["beats"], "method": "toy_waves:waves"}
    pp.derive(store, tmp_path / "a", scheduler="sync", **options)  # type: ignore[arg-type]
    pp.derive(store, tmp_path / "b", scheduler="processes", workers=1, **options)  # type: ignore[arg-type]
    same = [(tmp_path / name / "beats.parquet").read_bytes() for name in "ab"]
    assert same[0] == same[1]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("toy_waves:none", "cannot be imported: AttributeError"),
        ("toy_wavs:waves", r"cannot be imported \(installed, or on PYTHONPATH\?\): ModuleNotFound"),
        ("toy_waves:number", "int is no function"),
        ("./toy_waves.py:waves", "write module:function"),
        ("https://host/x:y", "write module:function"),
        ("toy_waves:fails", "beats at 500 Hz: ValueError: no"),
        ("toy_waves:odd", "no point 'qrs': p_onset"),
        ("toy_waves:outside", "t_peak: a sample outside of the signal"),
    ],
)
def test_what_is_wrong_with_it_is_said(toy: Path, name: str, message: str) -> None:
    with pytest.raises(PhysioprepError, match=message) as caught:
        delineate(drawn_ecg(5.0, 0.8, 1.0, 3)[0], RATE_HZ, np.array([500, 900, 1300]), name)
    assert "\n" not in str(caught.value)


def test_a_pipeline_names_no_code(toy: Path) -> None:
    step = Step("derive", {"store": "s.zarr", "out": "t", "method": "toy_waves:waves"})
    with pytest.raises(RecipeError, match="a recipe names no code to import"):
        _check_derive(step.arguments, Place(raw=Path(), out=Path(), title="t", simulated=False))
    assert "toy_waves" not in sys.modules
