"""An exported encoder gives the encoder's numbers, for any sizes, and says what it takes."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from physiomodels.config import EncoderConfig
from physiomodels.exporting import run as exporting
from physiomodels.exporting.program import EncoderProgram, example
from physiomodels.exporting.run import WITHOUT_ONNX, export_encoder
from physiomodels.model.encoder import CrissCrossEncoder
from physioprep.cli import app
from physioprep.errors import ModelError

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's exporters warn of themselves
SIZES = EncoderConfig(patch_size=50, d_model=16, depth=1, heads=4, ffn=32)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[CrissCrossEncoder, Path]:
    torch.manual_seed(1)
    encoder = CrissCrossEncoder(**asdict(SIZES)).eval()
    for parameter in encoder.parameters():  # no weight is 0 or 1, so that each one counts
        torch.nn.init.normal_(parameter, std=0.2)
    path = tmp_path_factory.mktemp("encoder") / "ecg"
    encoder.save_pretrained(path)
    (path / "card.json").write_text('{"modality": "ecg", "rate_hz": 200.0}')
    return encoder, path


def largest_difference(encoder: CrissCrossEncoder, run: Callable[..., Any], shape: Any) -> float:
    x, present = example(encoder, shape, seed=9)
    x[~present] = float("nan")  # what is absent may be anything
    with torch.no_grad():
        expected = encoder(x, None, present)
    found = torch.as_tensor(run(x, present))
    assert found.shape == expected.shape
    assert bool((found[~present] == 0).all())
    return float((expected - found).abs().max() / max(1.0, float(expected.abs().max())))


def test_the_program_before_it_is_traced(saved: tuple[CrissCrossEncoder, Path]) -> None:
    encoder, _ = saved
    program = EncoderProgram(encoder)
    for shape in ((2, 3, 4), (1, 1, 1), (2, 12, 10), (3, 40, 2)):
        with torch.no_grad():
            assert largest_difference(encoder, program, shape) < 1e-5
    x, present = torch.randn(2, 3, 4, 50), torch.ones(2, 3, 4, dtype=torch.bool)
    with torch.no_grad():
        torch.testing.assert_close(program(x, present), encoder(x), atol=1e-5, rtol=0)


def test_torch_export_takes_any_sizes(
    saved: tuple[CrissCrossEncoder, Path], tmp_path: Path
) -> None:
    encoder, path = saved
    made = export_encoder(path, tmp_path / "e.pt2", "torch-export")
    extra = {"physioprep": ""}
    program = torch.export.load(tmp_path / "e.pt2", extra_files=extra).module()
    for shape in ((1, 1, 10), (4, 12, 3), (2, 2, 2)):
        assert largest_difference(encoder, program, shape) < 1e-5
    about = json.loads((tmp_path / "e.json").read_text())
    assert about == made.about
    assert about["largest_difference"] <= 1e-5
    assert about["inputs"]["x"]["shape"] == ["batch", "channel", "patch", 50]
    assert (about["rate_hz"], about["patch_s"], about["modality"]) == (200.0, 0.25, "ecg")
    assert "standard deviation" in about["inputs"]["x"]["scale"]
    assert json.loads(extra["physioprep"])["weights_sha256"] == about["weights_sha256"]


def test_onnx_gives_the_same_numbers(
    saved: tuple[CrissCrossEncoder, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    encoder, path = saved
    export_encoder(path, tmp_path / "e.onnx", "onnx")
    assert capfd.readouterr() == ("", "")  # torch's exporter tells of itself
    session = runtime.InferenceSession(str(tmp_path / "e.onnx"))

    def run(x: torch.Tensor, present: torch.Tensor) -> np.ndarray:
        found = session.run(None, {"x": x.numpy(), "present": present.numpy()})[0]
        return np.asarray(found)

    for shape in ((1, 1, 10), (4, 12, 3), (2, 2, 2)):
        assert largest_difference(encoder, run, shape) < 1e-5
    held = onnx.load(str(tmp_path / "e.onnx"))
    about = json.loads({p.key: p.value for p in held.metadata_props}["physioprep"])
    assert about["patch_size"] == 50


def test_what_a_caller_silenced_stays_silent_while_exporters_run() -> None:
    logging.disable(logging.CRITICAL)
    try:
        with exporting._exporters_quiet():
            assert logging.root.manager.disable == logging.CRITICAL
    finally:
        logging.disable(logging.NOTSET)


def test_a_fixed_size_and_what_is_refused(
    saved: tuple[CrissCrossEncoder, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = saved
    out = tmp_path / "e.pt2"
    arguments = ["export", str(path), "-o", str(out), "--as", "torch-export", "--shape", "1,2,1"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "(1, 2, 1, 50)" in done.output
    for more, cause in (
        ([], "exists; overwrite it"),
        (["--overwrite", "--shape", "1,2"], "three numbers from 1 on"),
        (["--overwrite", "--shape", "a"], "three whole numbers"),
        (["--overwrite", "--modality", "eeg"], ""),  # a single encoder takes the name that is given
    ):
        found = CliRunner().invoke(app, [*arguments, *more])
        assert found.exit_code == (2 if cause else 0), found.output
        assert cause in found.output + found.stderr
    with pytest.raises(ModelError, match=r"ends in \.onnx"):
        export_encoder(path, out, "onnx")
    with pytest.raises(ModelError, match="no export of a model as 'tflite'"):
        export_encoder(path, out, "tflite")
    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)
    with pytest.raises(ModelError, match=r"other\.pt2: not written: it differs"):
        export_encoder(path, tmp_path / "other.pt2", "torch-export", shape=(1, 2, 2))
    assert not (tmp_path / "other.pt2").exists()


def test_onnx_without_its_packages_is_one_line(
    saved: tuple[CrissCrossEncoder, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnx", None)  # as where it is not installed
    with pytest.raises(ModelError, match="ONNX needs onnx and onnxscript") as said:
        export_encoder(saved[1], tmp_path / "e.onnx", "onnx")
    assert str(said.value) == WITHOUT_ONNX
