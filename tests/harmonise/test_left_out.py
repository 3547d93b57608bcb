"""A channel that harmonising leaves away is named in a flag; one that is used is not."""

import numpy as np
import pytest

from physioprep.harmonise import Recipe, harmonise, load_recipe
from physioprep.harmonise.plan import NoChannelError, plan_groups
from physioprep.harmonise.units import UnknownUnitError
from physioprep.recording import SignalGroup
from tests.harmonise.made import Build, Record, noise

EEG = ("EEG Fp1", "EEG F7", "EEG T3", "EEG Cz", "EEG A1", "EEG A2", "EEG A2-A1")


def flags(make_group: Build, make_recording: Record, names: tuple[str, ...], recipe: Recipe) -> set:
    recording = make_recording(make_group(names, noise(len(names), 2000)))
    groups = harmonise(recording, recipe)
    first, *others = groups.values()
    assert not any("left-out" in flag for group in others for flag in group.flags)
    return {flag for flag in first.flags if "left-out" in flag}


def of(modality: str, **keys: object) -> Recipe:
    about = {"rate_hz": 200, "band_hz": [0.5, 40], **keys}
    return Recipe.from_dict({"name": "mine", "modalities": {modality: about}})


def test_nothing_is_flagged_where_nothing_is_left_out(
    make_group: Build, make_recording: Record
) -> None:
    for recipe in (load_recipe("ecg-200hz"), of("ecg", derive_leads=True), load_recipe("native")):
        assert flags(make_group, make_recording, ("I", "II", "MLII"), recipe) == set()


def test_other_kinds_unknown_names_and_whole_modalities(
    make_group: Build, make_recording: Record
) -> None:
    names = ("II", "Resp", "EEG Cz", "EEG Fz", "Event marker", "wobble  x", "")
    content = {**load_recipe("ecg-200hz").to_dict(), "unknown_channels": "skip"}
    assert flags(make_group, make_recording, names, Recipe.from_dict(content)) == {
        "modality-left-out:resp",
        "modality-left-out:eeg",
        "channel-left-out:Event marker",
        "channel-left-out:wobble x",
        "channel-left-out:(no name)",
    }


def test_leads_that_the_recipe_does_not_list(make_group: Build, make_recording: Record) -> None:
    only = of("ecg", channels=["II", "V1"])
    assert flags(make_group, make_recording, ("I", "II", "V6"), only) == {
        "channel-left-out:I",
        "channel-left-out:V6",
    }
    paired = load_recipe("paired-200hz")
    assert flags(make_group, make_recording, ("EEG Cz", "II", "Resp"), paired) == {
        "modality-left-out:resp"
    }


def test_a_unit_of_another_quantity_leaves_an_electrode_out(
    make_group: Build, make_recording: Record
) -> None:
    recording = make_recording(
        make_group(("EEG Cz",), noise(1, 2000)), make_group(("CP6",), noise(1, 2000), unit="µS")
    )
    eeg = harmonise(recording, load_recipe("eeg-200hz"))["eeg"]
    assert "channel-left-out:CP6" in eeg.flags


@pytest.mark.parametrize(
    ("reference", "left"),
    [
        ("", set()),
        ("average", {"EEG A2-A1"}),
        ("linked-mastoids", {"EEG A2-A1"}),  # the mastoids are the reference
        ("tcp", {"EEG A2-A1", "EEG A2", "EEG Cz"}),
    ],
)
def test_what_a_reference_uses_is_not_left_out(
    reference: str, left: set[str], make_group: Build, make_recording: Record
) -> None:
    found = flags(make_group, make_recording, EEG, of("eeg", reference=reference))
    assert found == {f"channel-left-out:{name}" for name in left}


def test_a_recording_without_a_channel_for_the_recipe_has_its_own_error(
    make_group: Build, make_recording: Record
) -> None:
    group = make_group(("I", "II"), noise(2, 2000))
    for recipe in (load_recipe("eeg-200hz"), of("ecg", channels=["V7"])):
        with pytest.raises(NoChannelError, match="among: I, II"):
            plan_groups([group], recipe)


def mixed(make_group: Build, modality: str, good: tuple[str, ...], bad: str) -> list[SignalGroup]:
    unit = "mV" if modality == "ecg" else "uV"
    groups = [make_group(good, noise(len(good), 2000), unit=unit)]
    return [*groups, make_group((bad,), noise(1, 2000, seed=5), unit="10uVolt?")]


MASTOIDS = {"reference": "linked-mastoids"}


@pytest.mark.parametrize(
    ("modality", "keys", "good", "bad", "is_used"),
    [
        ("ecg", {"channels": ["II", "V1"]}, ("II", "V1"), "V6", False),
        ("ecg", {"channels": ["II", "V1"]}, ("II",), "V1", True),
        ("ecg", {"channels": ["III"], "derive_leads": True}, ("I", "II"), "V1", False),
        ("ecg", {"channels": ["III"], "derive_leads": True}, ("I",), "II", True),
        ("ecg", {"channels": ["II"], "derive_leads": True}, ("I", "III"), "II", True),
        ("ecg", {}, ("II",), "V1", True),
        ("eeg", {"channels": ["Cz"]}, ("EEG Cz",), "EEG Fz", False),
        ("eeg", {"channels": ["Cz"], "reference": "average"}, ("EEG Cz", "EEG Pz"), "EEG Fz", True),
        ("eeg", {"reference": "average"}, ("EEG Cz", "EEG Pz"), "EEG A2-A1", False),
        ("eeg", MASTOIDS, ("EEG Cz", "EEG A1", "EEG A2", "EEG M1"), "EEG M2", True),
        ("eeg", MASTOIDS, ("EEG Cz", "EEG M1", "EEG M2", "EEG A1"), "EEG A2", True),
        ("eeg", {"reference": "tcp"}, ("EEG Fp1", "EEG F7"), "EEG Fz", False),
        ("eeg", {"reference": "tcp"}, ("EEG Fp1",), "EEG F7", True),
    ],
)  # fmt: skip
def test_an_unknown_unit_costs_the_record_only_where_the_channel_is_used(
    modality: str, keys: dict[str, object], good: tuple[str, ...], bad: str, is_used: bool,
    make_group: Build, make_recording: Record,
) -> None:  # fmt: skip
    groups = mixed(make_group, modality, good, bad)
    if is_used:
        with pytest.raises(UnknownUnitError, match=f"'{bad}'.*not understood"):
            harmonise(make_recording(*groups), of(modality, **keys))
        return
    found = harmonise(make_recording(*groups), of(modality, **keys))[modality]
    assert f"channel-left-out:{bad}" in found.flags
    alone = harmonise(make_recording(groups[0]), of(modality, **keys))[modality]
    assert found.channels == alone.channels
    assert np.array_equal(found.physical(), alone.physical(), equal_nan=True)


def test_a_channel_without_a_scale_leaves_the_others_usable(
    make_group: Build, make_recording: Record
) -> None:
    group = make_group(("EEG Fp1", "EEG Cz", "EEG Pz"), noise(3, 2000), unit="uV", gain=10.0)
    group.gain[1] = group.baseline[1] = np.nan
    found = harmonise(make_recording(group), load_recipe("eeg-200hz"))["eeg"]
    assert (found.channels, found.flags) == (("Fp1", "Pz"), ("channel-left-out:EEG Cz",))
    assert not np.isnan(found.physical()).any()
    native = harmonise(make_recording(group), load_recipe("native"))
    assert {key: each.channels for key, each in native.items()} == {
        "eeg": ("Fp1", "Pz"),
        "other": ("Cz",),
    }
    assert native["other"].digital.tolist() == group.digital[1:2].tolist()
