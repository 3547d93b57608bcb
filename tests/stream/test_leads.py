"""Channels and lead views of a stream: the samples are those of the shards, the draw is fixed."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from physioprep.cli import app
from physioprep.errors import ShardError
from physioprep.lead_views import LeadView
from physioprep.shards import open_shards
from physioprep.stream import ShardStream, WindowStream
from physioprep.stream.leads import draw_leads
from physioprep.stream.transforms import physical

VIEW = {"I": 0.25, "V1 II": 0.75}


def whole(path: Path, modality: str) -> np.ndarray:
    shards = open_shards(path)
    return np.concatenate([shards.read(chunk, modality) for chunk in range(shards.n_chunks)])


def test_channels_are_those_asked_for_in_their_order(toy_shards: Path) -> None:
    held = whole(toy_shards, "ecg")
    stream = ShardStream(toy_shards, batch_size=32, channels=["V1", "I"])
    assert stream.channels == {"ecg": ("V1", "I"), "eeg": ("Cz", "Fp1")}
    plain = ShardStream(toy_shards, batch_size=32)
    for batch, other in zip(stream, plain, strict=True):
        assert torch.equal(batch["index"], other["index"])  # the order is the same
        np.testing.assert_array_equal(batch["ecg"].numpy(), held[batch["index"]][:, [2, 0]])
        assert torch.equal(batch["eeg"], other["eeg"])
        assert batch["present_ecg"].shape == (len(batch["index"]), 2)


def test_inputs_and_targets_are_of_the_same_window(toy_shards: Path) -> None:
    held = whole(toy_shards, "ecg")
    options = {"modalities": ["ecg"], "input_leads": "II", "target_leads": ("V1", "I")}
    stream = ShardStream(toy_shards, batch_size=32, **options)
    assert stream.channels == {"ecg": ("II",), "target_ecg": ("V1", "I")}
    for batch in stream:
        np.testing.assert_array_equal(batch["ecg"].numpy(), held[batch["index"]][:, [1]])
        np.testing.assert_array_equal(batch["target_ecg"].numpy(), held[batch["index"]][:, [2, 0]])
        assert batch["present"].shape == (len(batch["index"]), 1)
        assert batch["present_target_ecg"].all()
    raw = next(iter(ShardStream(toy_shards, batch_size=32, raw=True, **options)))
    scaled = physical(raw)
    np.testing.assert_array_equal(scaled["target_ecg"].numpy(), held[raw["index"]][:, [2, 0]])
    np.testing.assert_array_equal(scaled["ecg"].numpy(), held[raw["index"]][:, [1]])


def test_a_subset_is_drawn_by_seed_and_window_alone(toy_shards: Path) -> None:
    held = whole(toy_shards, "ecg")
    drawn: dict[int, list[bool]] = {}
    for world in (1, 2, 3):
        for rank in range(world):
            stream = ShardStream(
                toy_shards, batch_size=24 // world, seed=4, rank=rank, world_size=world,
                input_leads=VIEW, target_leads="I II V1",
            )  # fmt: skip
            for epoch in range(2):
                stream.set_epoch(epoch)
                for batch in stream:
                    for n, number in enumerate(batch["index"].tolist()):
                        flags = batch["present_ecg"][n].tolist()
                        assert drawn.setdefault(number, flags) == flags
                        given = held[number][[0, 2, 1]] * np.array(flags)[:, None]
                        np.testing.assert_array_equal(batch["ecg"][n].numpy(), given)
                        np.testing.assert_array_equal(batch["target_ecg"][n].numpy(), held[number])
    found = {tuple(flags) for flags in drawn.values()}
    assert found == {(True, False, False), (False, True, True)}
    share = np.mean([flags[0] for flags in drawn.values()])
    assert abs(share - 0.25) < 0.08  # of some 300
    other = draw_leads(LeadView.of(VIEW), ["I", "V1", "II"], torch.arange(len(drawn)), seed=5)
    assert [drawn[n] for n in range(len(drawn))] != other.tolist()


def test_inputs_and_targets_are_drawn_apart() -> None:
    view, index = LeadView.of({"I": 1, "II": 1}), torch.arange(4000)
    inputs = draw_leads(view, ["I", "II"], index, seed=0)[:, 0]
    targets = draw_leads(view, ["I", "II"], index, seed=0, purpose="target leads")[:, 0]
    assert abs(float((inputs == targets).float().mean()) - 0.5) < 0.04


def test_a_view_is_read_in_any_form() -> None:
    text = LeadView.of('I:0.5,"II V1 V5":0.5')
    assert text == LeadView.of({"I": 1, ("II", "V1", "V5"): 1})
    assert LeadView.of(text.to_text()) == text
    assert LeadView.of("II V1") == LeadView.of(["II", "V1"]) == LeadView.of("II, V1")
    assert text.leads == ("I", "II", "V1", "V5")
    for wrong in ("", "I:0,II:1", "I:x", "I,II:1", "I I", {"I": -1}, [1], {}):
        with pytest.raises(ShardError, match="leads"):
            LeadView.of(wrong)  # type: ignore[arg-type]


def test_a_state_of_another_choice_is_refused(toy_shards: Path) -> None:
    stream = ShardStream(toy_shards, batch_size=16, input_leads="I", target_leads="II")
    same = ShardStream(toy_shards, batch_size=16, input_leads=["I"], target_leads="II")
    same.load_state_dict(stream.state_dict())
    for options in ({}, {"input_leads": "I"}, {"channels": ["I", "II"]}):
        other = ShardStream(toy_shards, batch_size=16, **options)
        with pytest.raises(ShardError, match="another choice of channels or leads"):
            other.load_state_dict(stream.state_dict())


def test_unknown_names_are_one_error_that_lists_what_is_there(toy_shards: Path) -> None:
    for options in (
        {"channels": "aVR"},
        {"input_leads": "aVR"},
        {"target_leads": {"I": 1, "aVR": 1}},
    ):
        with pytest.raises(ShardError, match="no channel aVR; it has ecg: I, II, V1; eeg: Cz, Fp1"):
            ShardStream(toy_shards, batch_size=16, **options)
    with pytest.raises(ShardError, match="no channel II; did you mean 'I'"):
        ShardStream(toy_shards, batch_size=16, channels=["I", "V1"], input_leads="II")
    with pytest.raises(ShardError, match="not of one modality"):
        ShardStream(toy_shards, batch_size=16, input_leads="I", target_leads="Cz")


def test_windows_of_a_store_have_the_channels_asked_for(toy_store: Path) -> None:
    options = {"batch_size": 20, "window_s": 1.0, "shuffle": False}
    few = next(iter(WindowStream(toy_store, channels={"ecg": ["V1", "I"]}, **options)))
    every = next(iter(WindowStream(toy_store, **options)))
    assert torch.equal(few["ecg"], every["ecg"][:, [2, 0]])


def test_the_command_shows_inputs_and_targets(toy_shards: Path) -> None:
    command = ["stream", str(toy_shards), "--batch-size", "16", "--channels", "ecg=II,I,V1"]
    views = ["--input-leads", 'I:0.5,"II V1":0.5', "--target-leads", "V1", "--json"]
    done = CliRunner().invoke(app, [*command, *views])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["ecg"], said["target_ecg"]) == ("(16, 3, 100) float32", "(16, 1, 100) float32")
