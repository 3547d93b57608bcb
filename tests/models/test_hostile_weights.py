"""Weights, configurations, cards and checkpoints that somebody sends: one clear error, at once."""

import io
import json
import os
import pickle
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from physiomodels.config import EncoderConfig, FinetuneConfig, PretrainConfig
from physiomodels.embeddings.encoders import load_encoders
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.sizes import n_parameters
from physiomodels.model.weights import load_weights
from physiomodels.training import checkpoint
from physiomodels.training.classifier import Classifier, build
from physiomodels.training.finetune import _trained_rate
from physiomodels.training.pretrain import pretrain
from physioprep.errors import ModelError

SIZES: dict[str, Any] = {"patch_size": 50, "d_model": 16, "depth": 1, "heads": 2, "ffn": 16}
CARD = {"modality": "ecg", "rate_hz": 100.0, "subjects": [], "config": {}}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A saved encoder with its card, without hashes: made elsewhere."""
    folder = tmp_path / "model"
    CrissCrossEncoder(**SIZES).save_pretrained(folder)
    (folder / "SHA256SUMS").unlink()
    (folder / "card.json").write_text(json.dumps(CARD))
    return folder


def refused(call: Callable[[], object], name: str) -> str:
    """Return the one error of a call; it names the file, and comes at once."""
    started = time.process_time()
    with pytest.raises(ModelError) as caught:
        call()
    assert time.process_time() - started < 5
    message = str(caught.value)
    assert name in message
    assert len(message) < 3000
    assert "(unexpected" not in message
    return message


def change(path: Path, **keys: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


@pytest.mark.parametrize(
    "keys",
    [
        *({"depth": n} for n in (0, -1, 10**5, 10**400, 1.5, True, "3", [[[[]]]])),
        *({"d_model": n} for n in (-16, 0, 17, 10**6)),
        {"d_model": 12000, "ffn": 12000},
        *({"ffn": n} for n in (0, 10**9, 2**70)),
        *({"heads": n} for n in (0, -2, 10**9)),
        *({"patch_size": n} for n in (0, -1, 10**9)),
        *({"conv_stride": n} for n in (0, -1, 10**9)),
        *({"position_kernel": n} for n in ([10**6 + 1, 10**6 + 1], [0, 7], "ab", [], 7)),
        *({"dropout": n} for n in (float("nan"), float("inf"), -1, 1, True)),
        *({"attention_dropout": n} for n in (float("nan"), 2)),
        {"learned_mask_token": 1},
        {"init": "other"},
        {"_target_": "os.system"},
    ],
    ids=str,
)
def test_a_configuration_with_impossible_sizes_is_one_error(
    model: Path, keys: dict[str, Any]
) -> None:
    change(model / "config.json", **keys)
    refused(lambda: CrissCrossEncoder.from_pretrained(model), str(model))


def test_a_large_model_is_compared_with_its_weights_before_it_is_built(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []
    before = torch.nn.Linear.__init__

    def spy(self: torch.nn.Linear, *sizes: Any, **options: Any) -> None:
        before(self, *sizes, **options)
        built.append(self.weight.device.type)

    monkeypatch.setattr(torch.nn.Linear, "__init__", spy)
    change(model / "config.json", d_model=2048, ffn=8192)  # within the limit
    refused(lambda: CrissCrossEncoder.from_pretrained(model), str(model))
    assert set(built) == {"meta"}


@pytest.mark.parametrize("text", ["[" * 200_000, "{", "[]", '{"depth":' + "9" * 6000 + "}", "\xff"])
def test_what_is_no_configuration_is_one_error(model: Path, text: str) -> None:
    (model / "config.json").write_bytes(text.encode("latin-1"))
    refused(lambda: CrissCrossEncoder.from_pretrained(model), "config.json")


def test_a_pipe_in_place_of_a_file_never_hangs(model: Path) -> None:
    for name in ("card.json", "model.safetensors", "config.json"):
        (model / name).unlink()
        os.mkfifo(model / name)
        refused(lambda: load_encoders(model, None), name)


def test_the_number_of_parameters_is_known_without_building() -> None:
    for sizes in (SIZES, SIZES | {"patch_size": 51, "position_kernel": (3, 5), "depth": 3}):
        encoder = CrissCrossEncoder(**sizes)
        names = ("patch_size", "d_model", "depth", "ffn", "position_kernel", "conv_stride")
        held = {name: encoder.config[name] for name in names}
        assert n_parameters(**held) == sum(x.numel() for x in encoder.state_dict().values())


def test_a_recipe_with_a_huge_encoder_is_one_error(shards: Path, tmp_path: Path) -> None:
    sizes = EncoderConfig(patch_size=50, d_model=12000, heads=4, ffn=12000)
    run = PretrainConfig(encoder=sizes)
    refused(lambda: pretrain(shards, tmp_path / "out", run), "parameters, over the limit")


def safetensors(header: dict[str, Any], data: bytes) -> bytes:
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def test_weights_of_other_numbers_are_refused(model: Path) -> None:
    path = model / "model.safetensors"
    good = path.read_bytes()
    end = 8 + struct.unpack("<Q", good[:8])[0]
    header, data = json.loads(good[8:end]), good[end:]
    first = next(name for name in header if name != "__metadata__")
    header[first]["dtype"] = "I32"
    path.write_bytes(safetensors(header, data))
    assert "I32" in refused(lambda: CrissCrossEncoder.from_pretrained(model), str(path))
    path.write_bytes(good[:end] + b"\xff" * len(data))
    message = refused(lambda: CrissCrossEncoder.from_pretrained(model), str(model))
    assert "not finite" in message
    path.write_bytes(good)
    CrissCrossEncoder.from_pretrained(model)


def test_a_header_of_many_tensors_is_refused_before_it_is_read(model: Path) -> None:
    path = model / "model.safetensors"
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    for number, cause in ((400_000, "bytes of a header"), (60_000, "tensors, over")):
        path.write_bytes(safetensors({f"t{i}": entry for i in range(number)}, b""))
        assert cause in refused(lambda: CrissCrossEncoder.from_pretrained(model), str(path))


def test_a_sparse_file_is_refused_before_it_is_hashed(model: Path) -> None:
    CrissCrossEncoder(**SIZES).save_pretrained(model)  # with hashes
    with (model / "model.safetensors").open("r+b") as file:
        file.truncate(1 << 36)
    refused(lambda: CrissCrossEncoder.from_pretrained(model), "model.safetensors")


def torch_file(pickled: bytes, compression: int = zipfile.ZIP_STORED, data: bytes = b"") -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/data/0", data)
    return held.getvalue()


def doubled(levels: int) -> bytes:
    """A dict whose key is a tuple that holds a tuple twice, and so on: its hash never ends."""
    rungs = b"".join(bytes([104, i, 104, i, 0x86, 113, i + 1]) for i in range(1, levels))
    return b"\x80\x02K\x01\x85q\x01" + rungs + b"}h" + bytes([levels]) + b"K\x01s."


PICKLED: dict[str, bytes] = {
    "bomb": torch_file(pickle.dumps({}, 2), zipfile.ZIP_DEFLATED, bytes(1 << 26)),
    "deep": torch_file(b"\x80\x02" + b"(" * 2_000_000 + b"t" * 1_000_000 + b"."),
    "tuples": torch_file(b"\x80\x02" + b")" + b"\x85" * 200_000 + b"."),
    "lists": torch_file(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."),
    "doubled": torch_file(doubled(35)),
    "long": torch_file(b"\x80\x02\x8b" + struct.pack("<i", 1000) + b"\x7f" * 1000 + b"."),
    "cut": torch_file(b"\x80\x02}"),
    "list": torch_file(pickle.dumps([1, 2], 2)),
    "tuple": torch_file(pickle.dumps((1,), 2)),
    "texts": torch_file(pickle.dumps({"a": "b"}, 2)),
    "legacy": pickle.dumps({"a": 1}),
    "empty": b"",
}


@pytest.mark.parametrize("name", PICKLED)
def test_a_torch_file_is_looked_at_before_it_is_loaded(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.pth"
    path.write_bytes(PICKLED[name])
    refused(lambda: load_weights(path), str(path))


@pytest.mark.parametrize("name", PICKLED)
def test_a_sealed_checkpoint_is_looked_at_before_it_is_loaded(
    name: str, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = PretrainConfig(encoder=EncoderConfig(**SIZES), epochs=1, batch_size=16)
    monkeypatch.setattr(torch, "save", lambda state, path: path.write_bytes(PICKLED[name]))
    (tmp_path / "enc").mkdir()
    pretrain(shards, tmp_path / "enc", run, stop_after=1)  # its seal is right
    refused(lambda: pretrain(shards, tmp_path / "enc", run), "checkpoint.pt")


def test_a_checkpoint_without_its_parts_is_one_error(shards: Path, tmp_path: Path) -> None:
    run = PretrainConfig(encoder=EncoderConfig(**SIZES), epochs=2, batch_size=16)
    pretrain(shards, tmp_path / "enc", run, stop_after=1)
    path = tmp_path / "enc" / "checkpoint.pt"
    whole = checkpoint.read_checkpoint(path)
    for key, value in {"encoder": [], "optimiser": 5, "counters": {}, "rng": None}.items():
        checkpoint.write_checkpoint(whole | {key: value}, path)
        refused(lambda: pretrain(shards, tmp_path / "enc", run), "checkpoint.pt")
    checkpoint.write_checkpoint(whole, path)
    pretrain(shards, tmp_path / "enc", run)


@pytest.mark.parametrize(
    "keys",
    [
        {"subjects": 5},
        {"subjects": [1]},
        {"records_without_subject": "x"},
        {"config": []},
        *({"rate_hz": rate} for rate in (0, "x", float("nan"), True, -1, None, 10**400)),
        {"modality": 5},
    ],
    ids=str,
)
def test_a_card_that_means_nothing_is_one_error(model: Path, keys: dict[str, Any]) -> None:
    change(model / "card.json", **keys)
    refused(lambda: load_encoders(model, None), "card.json")
    refused(lambda: _trained_rate(model), "card.json")
    for text in ("[]", "{", "[" * 200_000):
        (model / "card.json").write_text(text)
        refused(lambda: _trained_rate(model), "card.json")


@pytest.mark.parametrize(
    ("keys", "sizes"),
    [
        ({"rates_hz": {"ecg": 0}}, {}),
        ({"rates_hz": 5}, {}),
        ({"classes": 5}, {}),
        ({"label": None}, {}),
        ({"model": 5}, {}),
        ({}, {"hidden": 10**12}),
        ({}, {"hidden": 60_000, "n_classes": 10**6}),
        ({}, {"n_classes": 10**30}),
        ({}, {"n_classes": True}),
        ({}, {"dropout": float("nan")}),
        ({}, {"n_epochs": 0}),
        ({}, {"encoders": {}}),
        ({}, {"encoders": 5}),
        ({}, {"encoders": {"ecg": SIZES | {"depth": 10**6}}}),
    ],
    ids=str,
)
def test_a_classifier_that_means_nothing_is_one_error(
    tmp_path: Path, keys: dict[str, Any], sizes: dict[str, Any]
) -> None:
    net = build({"ecg": CrissCrossEncoder(**SIZES)}, 2, FinetuneConfig())
    folder = tmp_path / "m"
    Classifier(net, "label_a", ("a", "b"), {"ecg": 100.0}).save_pretrained(folder)
    (folder / "SHA256SUMS").unlink()
    Classifier.from_pretrained(folder)
    held = json.loads((folder / "config.json").read_text())
    change(folder / "config.json", **{"model": held["model"] | sizes} | keys)
    refused(lambda: Classifier.from_pretrained(folder), str(folder))


def test_weights_with_odd_shapes_have_no_sizes(tmp_path: Path) -> None:
    state = CrissCrossEncoder(**SIZES).state_dict()
    first = "patch_embedding.proj_in.0.weight"
    for odd in ({first: torch.zeros(())}, {"encoder.layers.x.norm1.bias": torch.zeros(1)}):
        save_file(state | odd, tmp_path / "a.safetensors")
        refused(lambda: CrissCrossEncoder.from_cbramod(tmp_path / "a.safetensors"), "a.safeten")
