"""Recipes: what ships, what is refused and why, and what the hash sees."""

from pathlib import Path

import pytest

from physioprep.errors import RecipeError
from physioprep.harmonise import Recipe, load_recipe
from physioprep.harmonise.recipe import list_recipes

MINE = {"name": "mine", "modalities": {"ecg": {"rate_hz": 250, "band_hz": [0.5, 40]}}}


def test_what_ships() -> None:
    assert list_recipes() == [
        "ecg-200hz",
        "ecg-500hz",
        "ecgfounder",
        "eeg-200hz",
        "native",
        "paired-200hz",
        "paired-ppg-200hz",
    ]
    recipes = [load_recipe(name) for name in list_recipes()]
    assert [recipe.name for recipe in recipes] == list_recipes()
    assert len({recipe.sha256 for recipe in recipes}) == len(recipes)
    eeg = load_recipe("eeg-200hz").modalities["eeg"]
    assert (eeg.rate_hz, eeg.band_hz, eeg.step, eeg.units) == (200.0, (0.3, 75.0), 0.1, "µV")
    ecg = load_recipe("ecg-200hz").modalities["ecg"]
    assert (ecg.rate_hz, ecg.band_hz, ecg.step, ecg.units) == (200.0, (0.5, 40.0), 0.001, "mV")
    paired = load_recipe("paired-200hz").modalities
    assert paired == {"ecg": ecg, "eeg": eeg}


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nmodalities:\n  ecg: {rate_hz: 250, band_hz: [0.5, 40]}\n")
    assert load_recipe(path) == Recipe.from_dict(MINE)
    assert load_recipe(str(path)).modalities["ecg"].units == "mV"


def test_the_hash_sees_what_is_done_and_nothing_else() -> None:
    recipe = Recipe.from_dict(MINE)
    assert Recipe.from_dict(recipe.to_dict()).sha256 == recipe.sha256
    renamed = Recipe.from_dict({**MINE, "name": "other", "description": "x"})
    assert renamed.sha256 == recipe.sha256
    spelled_out = {"ecg": {"rate_hz": 250.0, "band_hz": [0.5, 40.0], "design": "fir"}}
    assert Recipe.from_dict({**MINE, "modalities": spelled_out}).sha256 == recipe.sha256
    for change in (
        {"modalities": {"ecg": {"rate_hz": 250, "band_hz": [0.5, 45]}}},
        {"modalities": {"ecg": {"rate_hz": 250, "band_hz": [0.5, 40], "derive_leads": True}}},
        {"aliases": {"x": "II"}},
        {"unknown_channels": "skip"},
    ):
        assert Recipe.from_dict({**MINE, **change}).sha256 != recipe.sha256


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "no `name`"),
        ({"name": "a"}, "either `native: true` or `modalities`"),
        ({"name": "a", "native": True, "modalities": MINE["modalities"]}, "either"),
        ({"name": "a", "modality": {}}, "unknown key 'modality'"),
        ({"name": "a", "modalities": {"ekg": {"rate_hz": 1}}}, "ekg: unknown modality"),
        ({"name": "a", "modalities": {"ecg": {}}}, "no `rate_hz`"),
        ({"name": "a", "modalities": {"ecg": 200}}, "a mapping with at least"),
        ({"name": "a", "modalities": {"ecg": {"rate_hz": "200"}}}, "'200', not a float"),
        ({"name": "a", "modalities": {"ecg": {"rate_hz": -1}}}, "`rate_hz` must be positive"),
        ({"name": "a", "modalities": {"ecg": {"rate_hz": True}}}, "True, not a float"),
        ({"name": "a", "modalities": {"ecg": {"rate_hz": 80, "band_hz": [0.5, 40]}}}, "40 Hz"),
        ({"name": "a", "modalities": {"ecg": {"rate_hz": 200, "band_hz": 40}}}, "not a list"),
        ({"name": "a", "modalities": {"ecg": {"rate_hz": 200, "band_hz": [1]}}}, "[low, high]"),
        ({"name": "a", "modalities": {"ecg": {"rate_hz": 200, "step": 0}}}, "`step`"),
        ({"name": "a", "modalities": {"ecg": {"rate_hz": 200, "dtype": "int8"}}}, "`dtype`"),
        ({"name": "a", "modalities": {"ecg": {"rate_hz": 200, "reference": "tcp"}}}, "is for eeg"),
        ({"name": "a", "modalities": {"eeg": {"rate_hz": 200, "reference": "Cz"}}}, "one of"),
        ({"name": "a", "modalities": {"eeg": {"rate_hz": 200, "derive_leads": True}}}, "for ecg"),
        (
            {"name": "a", "modalities": {"ecg": {"rate_hz": 200, "design": "iir"}}},
            "`design` must be",
        ),
        ({**MINE, "unknown_channels": "guess"}, "unknown_channels"),
        ({**MINE, "aliases": ["x"]}, "`aliases` must be a mapping"),
    ],
)
def test_what_is_refused(content: dict[str, object], said: str) -> None:
    with pytest.raises(RecipeError) as error:
        Recipe.from_dict(content)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["- a\n", "name: [", "", "7"])
def test_files_that_are_no_recipe(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"broken\.yaml") as error:
        load_recipe(path)
    assert "\n" not in str(error.value)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(RecipeError, match="ecg-200hz, ecg-500hz"):
        load_recipe("ecg-201hz")


def test_a_base_gives_what_is_not_said() -> None:
    base = load_recipe("paired-200hz")
    said = {"name": "mine", "base": "paired-200hz"}
    assert Recipe.from_dict(said).sha256 == base.sha256
    mine = Recipe.from_dict(
        {**said, "modalities": {"ecg": {"assume_unit": "uV"}, "resp": {"rate_hz": 25}}}
    )
    assert mine.name == "mine"
    assert mine.modalities["eeg"] == base.modalities["eeg"]
    assert mine.modalities["ecg"].band_hz == (0.5, 40.0)
    assert mine.modalities["ecg"].assume_unit == "uV"
    assert mine.modalities["resp"].rate_hz == 25.0
    assert mine.sha256 != base.sha256
    assert load_recipe("paired-200hz") == base  # the shipped one is not touched
    with pytest.raises(RecipeError, match="`base` is 'mine', not one of ecg-200hz"):
        Recipe.from_dict({"name": "mine", "base": "mine"})
    with pytest.raises(RecipeError, match="ecg: must be a mapping of what differs from ecg-200hz"):
        Recipe.from_dict({"name": "mine", "base": "ecg-200hz", "modalities": {"ecg": 5}})
