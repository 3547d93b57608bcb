"""A recipe applied to recordings: whole, in blocks, at several rates."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physioprep.errors import RecipeError
from physioprep.harmonise import Recipe, harmonise, harmonise_blocks, load_recipe, plan_groups
from physioprep.harmonise.channels import ECG_LEADS, UnknownChannelError
from physioprep.harmonise.functions import bandpass, resample
from physioprep.harmonise.units import UnknownUnitError
from tests.harmonise.made import MISSING, NONE, Build, Record, noise, recipe


def test_the_slow_way_gives_the_same(make_group: Build, make_recording: Record) -> None:
    digital = noise(2, 5000) + np.int16(500)
    recording = make_recording(make_group(("V1", "ii"), digital, gain=250.0, baseline=12.0))
    ecg = harmonise(recording, load_recipe("ecg-200hz"))["ecg"]
    physical = recording.groups[0].physical()
    slow = bandpass(resample(physical, 500, 200), 200, 0.5, 40.0)
    assert ecg.channels == ("II", "V1")
    assert ecg.source_channels == ("ii", "V1")
    assert ecg.units == ("mV", "mV")
    assert ecg.digital.dtype == np.int16
    # One pass differs from two at the ends, where the second pass reflects what the first made.
    difference = np.abs(ecg.physical() - slow[::-1])
    assert difference[:, 700:-700].max() < 0.0005 + 1e-4 * slow.std()
    assert ecg.quantisation_rms == pytest.approx([0.001 / np.sqrt(12)] * 2, rel=0.05)
    assert not ecg.n_saturated.any()
    assert not ecg.derived.any()


def test_microvolt_sources_become_millivolts(make_group: Build, make_recording: Record) -> None:
    digital = noise(1, 5000)
    volts = {"uV": 1.0, "mV": 1000.0, "V": 1e6, "nV": 1e-3}
    results = [
        harmonise(make_recording(make_group(("I",), digital, unit=u, gain=g)), recipe())["ecg"]
        for u, g in volts.items()
    ]
    for result in results[1:]:
        assert np.abs(result.digital.astype(int) - results[0].digital).max() <= 1


def test_units_that_are_not_stated_are_an_error_unless_the_recipe_says_them(
    make_group: Build, make_recording: Record
) -> None:
    for unit in ("", "NU", "adu"):
        recording = make_recording(make_group(("I",), noise(1, 1000), unit=unit))
        with pytest.raises(UnknownUnitError, match=r"channel .I. states no unit.*`assume_unit`"):
            harmonise(recording, recipe())
        assert harmonise(recording, recipe(assume_unit="mV"))["ecg"].units == ("mV",)
    stated = make_recording(make_group(("I",), noise(1, 1000), unit="uV"))
    said = harmonise(stated, recipe(assume_unit="mV"))[
        "ecg"
    ]  # the file's own unit takes precedence
    assert np.array_equal(said.digital, harmonise(stated, recipe())["ecg"].digital)


def test_native_keeps_every_integer(make_group: Build, make_recording: Record) -> None:
    digital = noise(3, 40_000)
    digital[0, 5:9] = -2048
    group = make_group(("MLII", "EEG Cz", "V1"), digital, 360.0, gain=200.0, baseline=1024.0)
    group = replace(group, invalid=np.array([-2048.0, np.nan, -32768.0]))
    native = harmonise(make_recording(group), load_recipe("native"))
    assert list(native) == ["ecg", "eeg"]
    assert native["ecg"].channels == ("MLII", "V1")
    assert np.array_equal(native["ecg"].digital, digital[[0, 2]])
    assert np.array_equal(native["eeg"].digital, digital[[1]])
    assert native["ecg"].invalid.tolist() == [-2048, -32768]
    assert native["eeg"].invalid.tolist() == [NONE]
    physical = group.physical()
    assert np.allclose(native["ecg"].physical(), physical[[0, 2]], atol=1e-5, equal_nan=True)
    assert np.isnan(native["ecg"].physical()[0, 5:9]).all()


def test_native_keeps_rates_apart(make_group: Build, make_recording: Record) -> None:
    slow = make_group(("V",), noise(1, 1000), 125.0)
    fast = make_group(("I", "II"), noise(2, 2000), 250.0)
    native = harmonise(make_recording(slow, fast), load_recipe("native"))
    assert {key: group.channels for key, group in native.items()} == {
        "ecg_125hz": ("V",),
        "ecg": ("I", "II"),
    }
    assert native["ecg_125hz"].modality == "ecg"


def test_native_keeps_unknown_names(make_group: Build, make_recording: Record) -> None:
    native = harmonise(
        make_recording(make_group(("col 0", "T3"), noise(2, 9))), load_recipe("native")
    )
    assert native["other"].channels == ("col 0",)
    assert native["eeg"].channels == ("T7",)


def test_other_recipes_join_rates_on_one_timeline(
    make_group: Build, make_recording: Record
) -> None:
    t = [np.arange(10 * rate) / rate for rate in (250, 500)]
    tone = [(2000 * np.sin(2 * np.pi * 7 * s)).astype(np.int16)[None] for s in t]
    one, two = make_group(("V1",), tone[0], 250.0), make_group(("II",), tone[1][:, :4000], 500.0)
    ecg = harmonise(make_recording(one, two), recipe())["ecg"]
    assert ecg.channels == ("II", "V1")
    x = ecg.physical()
    assert x.shape == (2, 2000)
    assert np.isnan(x[0, 1600:]).all()  # the second group ends after 8 s
    assert not np.isnan(x[0, :1600]).any()
    assert not np.isnan(x[1]).any()
    assert np.abs(x[0] - x[1])[700:900].max() < 0.003


def test_unknown_names_raise(make_group: Build, make_recording: Record) -> None:
    recording = make_recording(make_group(("II", "wobble"), noise(2, 1000)))
    with pytest.raises(UnknownChannelError, match="wobble"):
        harmonise(recording, load_recipe("ecg-200hz"))
    skipping = replace(load_recipe("ecg-200hz"), unknown_channels="skip")
    assert harmonise(recording, skipping)["ecg"].channels == ("II",)
    naming = replace(load_recipe("ecg-200hz"), aliases={"wobble": "V1"})
    assert harmonise(recording, naming)["ecg"].channels == ("II", "V1")


def test_an_unknown_name_of_another_quantity_is_no_lead(
    make_group: Build, make_recording: Record
) -> None:
    group = replace(make_group(("II", "wobble"), noise(2, 1000)), units=("mV", "mg"))
    ecg = harmonise(make_recording(group), load_recipe("ecg-200hz"))["ecg"]
    assert ecg.channels == ("II",)
    assert "channel-left-out:wobble" in ecg.flags
    pulse = {"rate_hz": 200, "band_hz": [0.5, 8]}
    asking = Recipe.from_dict({"name": "mine", "modalities": {"ecg": pulse, "ppg": pulse}})
    with pytest.raises(UnknownChannelError, match="wobble"):  # it may be what is asked for
        harmonise(make_recording(group), asking)


def test_nothing_of_the_modality_is_an_error(make_group: Build, make_recording: Record) -> None:
    recording = make_recording(make_group(("EEG Cz",), noise(1, 1000), unit="uV"))
    with pytest.raises(RecipeError, match=r"no ecg channel .* EEG Cz"):
        harmonise(recording, load_recipe("ecg-200hz"))
    assert list(harmonise(recording, load_recipe("paired-200hz"))) == ["eeg"]


def test_a_corpus_decides_the_modality(make_group: Build, make_recording: Record) -> None:
    recording = make_recording(make_group(("EXG1",), noise(1, 1000), unit="uV"))
    ecg = harmonise(recording, load_recipe("ecg-200hz"), lambda name, unit: "ecg")["ecg"]
    assert ecg.channels == ("EXG1",)


def test_repeated_names_are_numbered(make_group: Build, make_recording: Record) -> None:
    recording = make_recording(make_group(("T8-P8", "T8-P8"), noise(2, 1000), unit="uV"))
    assert harmonise(recording, load_recipe("eeg-200hz"))["eeg"].channels == ("T8-P8", "T8-P8 (2)")


def test_leads_are_derived_only_when_asked(make_group: Build, make_recording: Record) -> None:
    recording = make_recording(make_group(("I", "II", "V1"), noise(3, 5000)))
    assert harmonise(recording, recipe())["ecg"].channels == ("I", "II", "V1")
    ecg = harmonise(recording, recipe(derive_leads=True))["ecg"]
    assert ecg.channels == (*ECG_LEADS[:6], "V1")
    assert ecg.derived.tolist() == [False, False, True, True, True, True, False]
    assert ecg.source_channels[2] == ""
    x = ecg.physical()
    assert np.abs(x[2] - (x[1] - x[0])).max() < 0.0021  # three roundings to 1 µV


def test_montage(make_group: Build, make_recording: Record) -> None:
    names = ("EEG FP1-REF", "EEG F7-REF", "EEG T3-REF", "EEG EKG1-REF")
    recording = make_recording(make_group(names, noise(4, 5000), unit="uV", gain=10.0))
    montage = {"rate_hz": 200, "band_hz": [0.3, 75], "step": 0.1, "reference": "tcp"}
    eeg = harmonise(recording, Recipe.from_dict({"name": "t", "modalities": {"eeg": montage}}))[
        "eeg"
    ]
    assert eeg.channels == ("Fp1-F7", "F7-T7")
    assert eeg.derived.all()
    assert eeg.units == ("µV", "µV")


def test_saturation_is_counted(make_group: Build, make_recording: Record) -> None:
    square = np.where(np.arange(5000) // 250 % 2, 30_000, -30_000).astype(np.int16)[None]
    ecg = harmonise(make_recording(make_group(("I",), square, gain=500.0)), recipe())["ecg"]
    at_the_end = int((np.abs(ecg.digital.astype(int)) == 32767).sum())
    assert ecg.n_saturated.tolist() == [at_the_end]
    assert at_the_end > 100
    assert ecg.flags == ("implausible-amplitude:I", "saturated:I")


@pytest.mark.parametrize("units", ["µV", "mV", "V", "nV", ""])
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_implausible_amplitudes_in_any_unit(
    make_group: Build, make_recording: Record, units: str, dtype: str
) -> None:
    wave = np.sin(np.arange(5000) / 10)
    for modality, name, rms_uv, bad in (
        ("eeg", "Cz", 1.7, False), ("eeg", "Cz", 25_000, True), ("eeg", "Cz", 0.03, True),
        ("eeg", "Cz", 1000, False), ("ecg", "I", 500, False), ("ecg", "I", 25_000, True),
    ):  # fmt: skip
        group = make_group((name,), wave[None] * rms_uv * 2**0.5, unit="uV", gain=1.0)
        step = {"µV": 1.0, "mV": 1e-3, "V": 1e-6, "nV": 1e3, "": 1.0}[units] * rms_uv / 1e4
        said = {"rate_hz": 500, "units": units, "dtype": dtype}
        said |= {"step": step} if dtype == "int16" else {}
        made = Recipe.from_dict({"name": "t", "modalities": {modality: said}})
        flags = harmonise(make_recording(group), made)[modality].flags
        assert flags == ((f"implausible-amplitude:{name}",) if bad else ()), (modality, rms_uv)


def test_float32_is_an_option(make_group: Build, make_recording: Record) -> None:
    recording = make_recording(make_group(("I",), noise(1, 5000)))
    exact = harmonise(recording, recipe(dtype="float32"))["ecg"]
    rounded = harmonise(recording, recipe())["ecg"]
    assert exact.digital.dtype == np.float32
    assert exact.scale.tolist() == [1.0]
    assert np.abs(exact.physical() - rounded.physical()).max() <= 0.00051
    rms = np.sqrt(np.mean((exact.physical() - rounded.physical()) ** 2))
    assert rounded.quantisation_rms[0] == pytest.approx(rms, rel=1e-3)


def test_without_a_highpass_the_level_stays(make_group: Build, make_recording: Record) -> None:
    digital = np.full((1, 4000), 1500, np.int16)
    group = make_group(("I",), digital, gain=1000.0, baseline=500.0)
    for wide in (np.int16, np.int32, np.float64):
        level = replace(group, digital=digital.astype(wide))
        ecg = harmonise(make_recording(level), recipe(band_hz=[None, 40]))["ecg"]
        assert (ecg.digital == 1000).all()


def test_ecgfounder_normalises(make_group: Build, make_recording: Record) -> None:
    from scipy.signal import butter, filtfilt, iirnotch, medfilt

    t = np.arange(20_000) / 500
    beats = 800 * np.exp(-0.5 * ((t % 0.8 - 0.4) / 0.02) ** 2)
    digital = np.stack([beats * k for k in range(1, 13)]).astype(np.int16) + noise(
        12, 20_000, size=20
    )
    recording = make_recording(make_group(ECG_LEADS, digital))
    ecg = harmonise(recording, load_recipe("ecgfounder"))["ecg"]
    assert ecg.units == ("1",) * 12
    x = ecg.physical()
    assert abs(float(x.mean())) < 1e-3
    assert abs(float(x.std()) - 1) < 1e-3
    y = filtfilt(*iirnotch(50, 30, fs=500), digital / 1000, padtype="even", padlen=4900)
    y = filtfilt(*butter(4, [0.67, 40], "bandpass", fs=500), y, padtype="even", padlen=4900)
    y = y - np.stack([medfilt(row, 201) for row in y])
    y = (y - y.mean()) / y.std()
    rounding = 0.0006 * ecg.scale[0] / 0.001  # to 1 µV, before the normalisation
    assert np.abs(x - y)[:, 5000:-5000].max() < rounding + 0.01


@settings(deadline=None, max_examples=10)
@given(
    n=st.integers(0, 400_000),
    rate_hz=st.sampled_from([250.0, 360.0, 500.0]),
    gap=st.tuples(st.integers(0, 400_000), st.integers(0, 100_000)),
    name=st.sampled_from(["native", "ecg-200hz", "ecg-500hz", "ecgfounder"]),
)
def test_blocks_put_together_are_the_whole(
    make_group: Build,
    make_recording: Record,
    n: int,
    rate_hz: float,
    gap: tuple[int, int],
    name: str,
) -> None:
    digital = noise(2, n)
    digital[1, gap[0] : gap[0] + gap[1]] = MISSING
    recording = make_recording(make_group(("I", "II"), digital, rate_hz))
    whole = harmonise(recording, load_recipe(name))["ecg"]
    parts: list[np.ndarray] = []
    starts: list[int] = []

    def sink(key: str, start: int, block: np.ndarray) -> None:
        assert key == "ecg"
        starts.append(start)
        parts.append(block.copy())

    group = harmonise_blocks(recording, load_recipe(name), sink)["ecg"]
    assert starts == list(np.cumsum([0, *[part.shape[1] for part in parts]])[:-1])
    joined = np.concatenate(parts, axis=1) if parts else np.empty((2, 0), np.int16)
    assert np.array_equal(joined, whole.digital)
    assert np.array_equal(group.n_saturated, whole.n_saturated)
    assert np.array_equal(group.quantisation_rms, whole.quantisation_rms)
    assert plan_groups(recording.groups, load_recipe(name))["ecg"].n_samples == joined.shape[1]


def test_a_memory_map_is_read_piece_by_piece(
    tmp_path: Path, make_group: Build, make_recording: Record
) -> None:
    import tracemalloc

    hours = 2
    n = hours * 3600 * 250
    path = tmp_path / "holter.i2"
    stored = np.memmap(path, np.int16, "w+", shape=(n, 12))
    stored[:] = noise(1, n).T
    stored.flush()
    digital = np.memmap(path, np.int16, "r", shape=(n, 12)).T
    recording = make_recording(make_group(ECG_LEADS, digital, 250.0))
    harmonise_blocks(recording, load_recipe("ecg-200hz"), lambda *_: None)
    tracemalloc.start()
    harmonise_blocks(recording, load_recipe("ecg-200hz"), lambda *_: None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6 < digital.nbytes


def test_eeg_of_a_recipe_without_step_is_not_clipped(
    make_group: Build, make_recording: Record
) -> None:
    t = np.arange(5000) / 250
    x = np.round(100 * np.sin(2 * np.pi * 10 * t)).astype(np.int16)[None]  # ±100 µV
    recording = make_recording(make_group(("EEG Cz",), x, 250.0, unit="uV", gain=1.0))
    mine = {"name": "mine", "modalities": {"eeg": {"rate_hz": 250, "band_hz": [0.5, 70]}}}
    eeg = harmonise(recording, Recipe.from_dict(mine))["eeg"]
    assert eeg.n_saturated.tolist() == [0]
    assert np.abs(eeg.physical()).max() == pytest.approx(100, rel=0.02)
    assert eeg.flags == ()


@pytest.mark.parametrize(("n_high", "flags"), [(6, ("saturated:II",)), (5, ()), (0, ())])
def test_saturation_above_one_in_a_thousand_is_a_flag(
    n_high: int, flags: tuple[str, ...], make_group: Build, make_recording: Record
) -> None:
    digital = noise(2, 5000, size=3)
    digital[1, 100 : 100 + n_high] = 4000  # of mV: far beyond ±32.8 mV
    recording = make_recording(make_group(("I", "II"), digital, 200.0, gain=1.0))
    ecg = harmonise(recording, recipe(band_hz=[None, None]))["ecg"]
    assert ecg.n_saturated.tolist() == [0, n_high]
    assert tuple(flag for flag in ecg.flags if "saturated" in flag) == flags


@pytest.mark.parametrize("reference", ["average", "linked-mastoids"])
def test_a_bad_channel_of_the_record_is_kept_out_of_a_reference(
    make_group: Build, make_recording: Record, reference: str
) -> None:
    about = {"rate_hz": 200, "band_hz": [None, None], "reference": reference}
    recipe = Recipe.from_dict({"name": "r", "modalities": {"eeg": about}})
    names = ("EEG Fp1", " EEG T3 ", "Cz", "A1", "A2")
    x = noise(5, 2000)
    plain = make_recording(make_group(names, x, 200, unit="uV", gain=10.0))
    flags = ["bad-channel:EEG T3, A1", "cut-off"]
    marked = replace(plain, metadata={"flags": flags})
    one, two = (harmonise(each, recipe)["eeg"] for each in (plain, marked))
    assert one.channels == two.channels
    if reference == "average":
        difference = (x / 10)[[0, 2, 4]].mean(axis=0) - (x / 10).mean(axis=0)
        found = one.physical() - two.physical()
        np.testing.assert_allclose(found, np.tile(difference, (5, 1)), atol=0.11)
        assert not any("bad" in flag for flag in two.flags)
    else:  # it needs both; what was asked for is done, and said
        assert np.array_equal(one.digital, two.digital)
        assert two.flags == (*one.flags, "bad-reference:A1")
    average = replace(
        recipe, modalities={"eeg": replace(recipe.modalities["eeg"], reference="average")}
    )
    most = replace(plain, metadata={"flags": ["bad-channel:EEG T3, A1, A2, Cz"]})
    with pytest.raises(RecipeError, match="not marked bad"):
        harmonise(most, average)
