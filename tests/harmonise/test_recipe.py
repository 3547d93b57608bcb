"""Recipes: what ships, what is refused and why, and what the hash sees."""

from pathlib import Path

import pytest

from physioprep.errors import RecipeError
from physioprep.harmonise import Recipe, load_recipe
from physioprep.harmonise.modality_recipe import ModalityRecipe
from physioprep.harmonise.recipe import list_recipes

MINE = {"name": "mine", "modalities": {"ecg": {"rate_hz": 250, "band_hz": [0.5, 40]}}}


def test_what_ships() -> None:
    assert list_recipes() == [
        "ecg-200hz",
        "ecg-500hz",
        "ecg-ppg-125hz",
        "ecgfounder",
        "eeg-200hz",
        "native",
        "paired-200hz",
        "paired-ppg-200hz",
        "pcg-1000hz",
        "wesad-chest",
        "wesad-wrist",
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


def test_a_step_that_is_not_stated_holds_the_signals_of_its_modality() -> None:
    bare = {"rate_hz": 200}
    steps = {"ecg": 0.001, "eeg": 0.1, "eog": 1.0, "emg": 1.0}
    recipe = Recipe.from_dict({"name": "a", "modalities": dict.fromkeys(steps, bare)})
    assert {name: one.step for name, one in recipe.modalities.items()} == steps
    for modality, units, step in (
        ("ecg", "uV", 1.0), ("ecg", "V", 1e-6), ("eeg", "mV", 1e-4), ("eeg", "V", 1e-7),
    ):  # fmt: skip
        content = {"name": "a", "modalities": {modality: {**bare, "units": units}}}
        assert Recipe.from_dict(content).modalities[modality].step == step
    made = Recipe("a", modalities={"eeg": ModalityRecipe(rate_hz=200.0, units="µV")})
    assert made.modalities["eeg"].step == 0.1


@pytest.mark.parametrize("modality", ["ppg", "resp", "gsr", "temp", "abp", "pcg", "other"])
def test_modalities_without_a_usual_size_are_floats_or_state_a_step(modality: str) -> None:
    def read(**more: object) -> ModalityRecipe:
        content = {"name": "a", "modalities": {modality: {"rate_hz": 200, **more}}}
        return Recipe.from_dict(content).modalities[modality]

    assert read().dtype == read(dtype="float32").dtype == "float32"
    assert (read(step=0.5).dtype, read(step=0.5).step) == ("int16", 0.5)
    with pytest.raises(RecipeError, match=rf"recipe a: {modality}: write `step`, or `dtype: float"):
        read(dtype="int16")
    with pytest.raises(RecipeError, match="in the source's unit"):
        Recipe("a", modalities={"ecg": ModalityRecipe(rate_hz=200.0)})


def test_other_units_on_a_base_convert_its_step() -> None:
    for base, modality, units, step in (
        ("ecg-200hz", "ecg", "uV", 1.0), ("eeg-200hz", "eeg", "mV", 1e-4),
    ):  # fmt: skip
        content = {"name": "a", "base": base, "modalities": {modality: {"units": units}}}
        assert Recipe.from_dict(content).modalities[modality].step == step
    for more in ({}, {"units": "mV"}, {"assume_unit": "mV"}):
        content = {"name": "a", "base": "ecg-500hz", "modalities": {"ecg": more}}
        assert Recipe.from_dict(content).modalities["ecg"].step == 0.001
    integers = {"name": "a", "base": "paired-ppg-200hz", "modalities": {"ppg": {"dtype": "int16"}}}
    with pytest.raises(RecipeError, match="write `step`"):
        Recipe.from_dict(integers)


def test_the_hashes_of_what_ships_stay() -> None:
    start = {name: load_recipe(name).sha256[:12] for name in list_recipes()}
    assert start == {
        "ecg-200hz": "589b9486cd53",
        "ecg-500hz": "78700c6bb17a",
        "ecg-ppg-125hz": "e247277f7db5",
        "ecgfounder": "a2597a7464b9",
        "eeg-200hz": "654317adf722",
        "native": "43e6d8c68cc7",
        "paired-200hz": "9dc6043973a4",
        "paired-ppg-200hz": "8b2a61dee0a5",
        "pcg-1000hz": "363a9425252d",
        "wesad-chest": "5a727d199421",
        "wesad-wrist": "f84390097022",
    }
