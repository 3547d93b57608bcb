"""What of a person leaves a reader."""

from __future__ import annotations

from datetime import date

import pytest

from physioprep.readers import person as people


@pytest.fixture(autouse=True)
def _with_key() -> object:
    before = people.key_in_use()
    people.use_key(b"a secret")
    yield
    people.use_key(before)


def test_one_person_has_one_pseudonym_under_one_key_and_another_under_another() -> None:
    first = people.person(identity="4711")["pseudonym"]
    assert people.person(identity=" 4711", names="Muster")["pseudonym"] == first
    assert people.person(identity="4712")["pseudonym"] != first
    people.use_key(b"another")
    assert people.person(identity="4711")["pseudonym"] != first


def test_neither_name_nor_birth_date_nor_id_is_handed_on() -> None:
    said = people.person(
        identity="4711",
        names="Maria Muster",
        sex="female",
        birth_date=date(1950, 3, 4),
        recorded=date(2020, 3, 4),
    )
    assert said["age"] == 70.0
    assert said["sex"] == "F"
    assert said["identifying"] == ["id", "name", "birth date"]
    assert not {"4711", "Maria", "1950"} & set(str(said).replace("'", " ").split())


def test_what_is_unknown_is_absent() -> None:
    assert people.person(identity="unknown", sex="O", age_years=900) == {"identifying": []}


@pytest.mark.parametrize(("stated", "told"), [(89.0, 89.0), (89.5, 90.0), (90, 90.0), (104, 90.0)])
def test_an_age_above_89_is_90(stated: float, told: float) -> None:
    assert people.person(age_years=stated)["age"] == told
    said = people.person(birth_date=date(1920, 1, 1), recorded=date(2020, 1, 1))
    assert said["age"] == 90.0


def test_without_an_id_name_and_birth_date_tell_people_apart() -> None:
    one = people.person(names="Muster", birth_date=date(1950, 3, 4))["pseudonym"]
    other = people.person(names="Muster", birth_date=date(1950, 3, 5))["pseudonym"]
    assert one != other


def test_a_shift_is_one_per_person_and_into_the_past() -> None:
    assert people.days_of_shift("a", b"k") == people.days_of_shift("a", b"k") < 0
    assert people.days_of_shift("a", b"k") != people.days_of_shift("b", b"k")
