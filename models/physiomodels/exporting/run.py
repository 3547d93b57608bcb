"""`export_encoder`: the encoder of a model as a `torch.export` program, or as ONNX."""

from __future__ import annotations

import io
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from physiomodels.embeddings.encoders import load_encoders
from physiomodels.exporting.program import AXES, INPUTS, LEAST, OUTPUT, example, traced
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.patches import UNIT_UV
from physiomodels.training.classifier import weights_files
from physiomodels.training.inputs import INPUTS as MADE_BY
from physiomodels.training.inputs import read_inputs
from physiomodels.training.run_card import card_of
from physioprep.atomic import make_folders, write_bytes, write_text
from physioprep.errors import ModelError
from physioprep.hashes import sha256_of
from physioprep.local_path import local_path
from physioprep.outputs import Kind, check_output, named
from physioprep.versions import software

#: Forms of a program, and the ending of each.
FORMS: Final = {"onnx": ".onnx", "torch-export": ".pt2"}
#: In the metadata of a program.
KEY: Final = "physioprep"
#: Largest difference to eager torch, of the largest value (at least 1).
TOLERANCE: Final = 1e-5
WITHOUT_ONNX: Final = "ONNX needs onnx and onnxscript: pip install 'physioprep[onnx]'"
_SCHEMA: Final = "physiomodels.encoder_program"
#: Sizes that free axes are compared at.
_COMPARED: Final = ((2, 3, 4), (1, 1, 10), (3, 12, 2))

Run = Callable[[Tensor, Tensor], Tensor]


def _is_program(path: Path) -> bool:
    beside = path.with_suffix(".json")
    try:
        content = json.loads(beside.read_bytes()[: 1 << 20])
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("schema") == _SCHEMA


_PROGRAM: Final = Kind("an exported encoder", _is_program)


@dataclass(frozen=True)
class EncoderExport:
    """An encoder that left.

    Parameters
    ----------
    path : Path
        The program; `about` is beside it as JSON, and in its metadata.
    about : dict
        Form, modality, inputs and output with their shapes, units and scale, patch length, rate
        and leads where known, the hash of the weights, and ``largest_difference`` to eager torch.
    """

    path: Path
    about: dict[str, Any]


def export_encoder(
    model: str | Path,
    out: str | Path,
    form: str,
    *,
    modality: str | None = None,
    shape: Sequence[int] | None = None,
    overwrite: bool = False,
) -> EncoderExport:
    """Write the encoder of a model as a program that runs without this package.

    The program is run on the CPU and compared with the encoder before it takes its place.

    Parameters
    ----------
    model : path-like
        Folder of `physiomodels.pretrain` or `physiomodels.finetune`, or CBraMod's weights.
    out : path-like
        File: ``.onnx``, or ``.pt2`` for `torch.export.load`.
    form : {"onnx", "torch-export"}
        Of the program.
    modality : str, optional
        Which encoder, where the model has several, or no card says what it takes.
    shape : sequence of int, optional
        Samples, leads and patches to fix. By default any numbers are taken.
    overwrite : bool
        Replace an older program at `out`.

    Returns
    -------
    EncoderExport

    Raises
    ------
    ModelError
        There is no such model, encoder or form; ONNX's packages are missing; `out` exists; or the
        program does not give the encoder's numbers.
    """
    path = named(local_path(out, ModelError), ModelError)
    if form not in FORMS:
        raise ModelError(f"no export of a model as {form!r}; there are {', '.join(FORMS)}")
    if path.suffix != FORMS[form]:
        raise ModelError(f"{path}: an encoder as {form} ends in {FORMS[form]}")
    name, encoder = _chosen(model, modality)
    check_output(path, _PROGRAM, overwrite=overwrite, inputs=[local_path(model, ModelError)],
                 error=ModelError)  # fmt: skip
    about = _about(Path(model), form, name, encoder, shape)
    with _exporters_quiet():
        content, run, by = _WRITE[form](encoder, shape, about)
    about["largest_difference"] = _compared(encoder, run, shape, path)
    about["compared_by"] = by
    make_folders(path.parent)
    write_bytes(path, content)
    write_text(path.with_suffix(".json"), json.dumps(about, indent=2, ensure_ascii=False))
    return EncoderExport(path, about)


@contextmanager
def _exporters_quiet() -> Iterator[None]:
    """Hold back what torch's exporters say about themselves; their errors are raised."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _chosen(model: str | Path, modality: str | None) -> tuple[str, CrissCrossEncoder]:
    held = dict(load_encoders(model, modality))
    if modality is None and len(held) > 1:
        raise ModelError(f"{model}: has encoders of {', '.join(held)}: say which (--modality)")
    name = modality or next(iter(held))
    if name not in held:
        raise ModelError(f"{model}: has no encoder of {name}, only of {', '.join(held)}")
    return name, held[name]


def _about(
    model: Path, form: str, name: str, encoder: CrissCrossEncoder, shape: Sequence[int] | None
) -> dict[str, Any]:
    """Describe a program: what it takes and gives, and where it comes from."""
    sizes: list[int | str] = list(AXES) if shape is None else list(shape)
    if name in UNIT_UV:
        scale = f"µV divided by {UNIT_UV[name]:g}"
    else:
        scale = (
            "each lead of a window less its mean, divided by its standard deviation (at least "
            "1e-6), both over the samples that are not missing; so any unit will do"
        )
    about: dict[str, Any] = {
        "schema": _SCHEMA,
        "form": form,
        "modality": name,
        "patch_size": encoder.patch_size,
        "inputs": {
            "x": {"shape": [*sizes, encoder.patch_size], "dtype": "float32", "scale": scale},
            "present": {
                "shape": sizes,
                "dtype": "bool",
                "what": "false where a patch does not exist, or one of its samples is missing",
            },
        },
        "outputs": {
            OUTPUT: {
                "shape": [*sizes, encoder.d_model],
                "dtype": "float32",
                "what": "features of every patch; 0 where it is not present",
            }
        },
        "weights_sha256": sha256_of(next(
            path for path in weights_files(model) if path.suffix != ".json"
        )),
        **({"least": dict(LEAST)} if shape is None else {}),
        "versions": software(),
    }  # fmt: skip
    card = card_of(model) if model.is_dir() else None
    if card is not None and "rate_hz" in card:
        about["rate_hz"] = float(card["rate_hz"])
    if (model / MADE_BY).is_file():
        signal = read_inputs(model).signals[name]
        about |= {"rate_hz": signal.rate_hz, "channels": list(signal.channels)}
        about["units"] = list(signal.units)
    if "rate_hz" in about:
        about["patch_s"] = encoder.patch_size / about["rate_hz"]
    return about


def _torch_export(
    encoder: CrissCrossEncoder, shape: Sequence[int] | None, about: dict[str, Any]
) -> tuple[bytes, Run, str]:
    program = traced(encoder, shape)
    with io.BytesIO() as file:
        torch.export.save(program, file, extra_files={KEY: json.dumps(about)})
        content = file.getvalue()
    again = torch.export.load(io.BytesIO(content)).module()
    return content, again, f"torch {torch.__version__}"


def _onnx(
    encoder: CrissCrossEncoder, shape: Sequence[int] | None, about: dict[str, Any]
) -> tuple[bytes, Run, str]:
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name not in ("onnx", "onnxscript"):
            raise
        raise ModelError(WITHOUT_ONNX) from None
    with tempfile.TemporaryDirectory(prefix="physioprep-onnx-") as folder:
        file = Path(folder) / "encoder.onnx"
        program = torch.onnx.export(
            traced(encoder, shape), input_names=list(INPUTS), output_names=[OUTPUT], dynamo=True,
            verbose=False,
        )  # fmt: skip
        assert program is not None
        program.save(os.fspath(file), external_data=False)
        held = onnx.load(os.fspath(file))
    entry = held.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps(about)
    content: bytes = held.SerializeToString()
    try:
        import onnxruntime
    except ModuleNotFoundError:
        from onnx.reference import ReferenceEvaluator

        evaluator = ReferenceEvaluator(held)
        return content, _of_numpy(evaluator.run), f"onnx {onnx.__version__} (reference)"
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return content, _of_numpy(session.run), f"onnxruntime {onnxruntime.__version__}"


def _of_numpy(run: Callable[..., Any]) -> Run:
    def answer(x: Tensor, present: Tensor) -> Tensor:
        given = dict(zip(INPUTS, (x.numpy(), present.numpy()), strict=True))
        return torch.from_numpy(run(None, given)[0])

    return answer


_WRITE: Final[dict[str, Callable[..., tuple[bytes, Run, str]]]] = {
    "onnx": _onnx, "torch-export": _torch_export,
}  # fmt: skip


def _compared(
    encoder: CrissCrossEncoder, run: Run, shape: Sequence[int] | None, path: Path
) -> float:
    """Return the largest difference between a program and its encoder, of the largest value."""
    eager, largest = encoder.cpu().float().eval(), 0.0
    for number, sizes in enumerate(_COMPARED if shape is None else [tuple(shape)]):
        x, present = example(encoder, sizes, seed=1 + number)
        with torch.no_grad():
            expected, found = eager(x, None, present), run(x, present)
        scale = max(1.0, float(expected.abs().max()))
        largest = max(largest, float((expected - found).abs().max()) / scale)
    if not largest <= TOLERANCE:
        raise ModelError(
            f"{path}: not written: it differs from the encoder by {largest:.2g} of the largest "
            f"value, and may by {TOLERANCE:g}"
        )
    return largest
