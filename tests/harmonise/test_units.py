"""Spellings of units: understood and scaled, or refused by name; never taken for no ECG or EEG."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from physioprep.harmonise import harmonise, load_recipe, modality_of
from physioprep.harmonise.recipe import Recipe
from physioprep.harmonise.units import UnknownUnitError, factor, is_other_quantity, is_understood
from tests.harmonise.made import Build, Record, noise

MICROVOLTS = (
    *("uV", "µV", "μV", "UV", "uVolt", "uVolts", "µVolt", "microvolt", "microvolts", "Microvolts"),
    *("microV", "mikroV", "u V", " µV ", "[uV]", "(µV)", "uV\0", "㎶"),
    # the micro sign in UTF-8 read as Latin-1 (once, and twice), in CP437 and in Shift-JIS
    *("ÂµV", "Î¼V", "Ã‚ÂµV", "æV", "\x83\xcaV", "\ufffdV"),
)
NOT_UNDERSTOOD = (
    "10uV",
    "uV/bit",
    "uV rms",
    "uVp-p",
    ".V",
    "?V",
    "furlong",
    "10^-6 V",
    "µ",
    "mV/s",
)
OTHER = (
    *("mmHg", "µS", "uS", "°C", "degC", "S", "Ohm", "kΩ", "%", "bpm", "l/min", "m/s^2", "g"),
    *("cmH2O", "1/min", "T/m", "fT", "Boolean"),
)


@pytest.mark.parametrize("unit", MICROVOLTS)
def test_microvolts_in_any_spelling(unit: str) -> None:
    assert factor(unit, "µV") == 1.0
    assert factor(unit, "mV") == 0.001
    assert modality_of("EEG Fp2", unit) == "eeg"
    assert is_understood(unit)


def test_other_sizes_of_volts() -> None:
    sizes = {"mVolt": 1e3, "millivolts": 1e3, "V": 1e6, "Volts": 1e6, "nV": 1e-3, "pV": 1e-6}
    for unit, size in sizes.items():
        assert factor(unit, "µV") == size
    assert factor("kV", "µV") == 1e9


@pytest.mark.parametrize("unit", NOT_UNDERSTOOD)
def test_a_unit_that_is_not_understood_is_an_error_that_names_channel_and_unit(
    unit: str, make_group: Build, make_recording: Record
) -> None:
    assert not is_other_quantity(unit)
    assert not is_understood(unit)
    with pytest.raises(UnknownUnitError, match="is not understood"):
        factor(unit, "µV")
    for recipe, channel, modality in (("eeg-200hz", "EEG Cz", "eeg"), ("ecg-200hz", "V1", "ecg")):
        assert modality_of(channel, unit) == modality
        good = make_group(("EEG Fp1" if modality == "eeg" else "II",), noise(1, 2000))
        recording = make_recording(good, make_group((channel,), noise(1, 2000), unit=unit))
        with pytest.raises(UnknownUnitError) as caught:
            harmonise(recording, load_recipe(recipe))
        assert repr(channel) in str(caught.value)
        assert repr(unit) in str(caught.value)
        said = {"name": "mine", "base": recipe, "modalities": {modality: {"assume_unit": "uV"}}}
        group = harmonise(recording, Recipe.from_dict(said))[modality]
        assert len(group.channels) == 2
        assert np.isfinite(group.physical()).all()


@pytest.mark.parametrize("unit", OTHER)
def test_another_quantity_decides_over_the_name(unit: str) -> None:
    assert is_other_quantity(unit)
    assert modality_of("CP6", unit) == "other"
    with pytest.raises(UnknownUnitError, match="cannot be converted"):
        factor(unit, "µV")


@given(st.text(max_size=10))
def test_any_text_is_a_voltage_or_one_line(unit: str) -> None:
    assert not (is_other_quantity(unit) and not is_understood(unit))
    if is_understood(unit) and not is_other_quantity(unit):
        assert factor(unit, "V") > 0
        return
    with pytest.raises(UnknownUnitError) as caught:
        factor(unit, "V")
    assert len(str(caught.value).splitlines()) == 1
