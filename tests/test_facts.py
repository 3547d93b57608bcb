"""Facts files say what they should, and a mistake in one is an error that names it."""

import re

import pytest

from physioprep.corpora import corpus_module
from physioprep.errors import CorpusError
from physioprep.facts import list_corpora, load_facts, parse_facts

MINIMAL = """
title: T
summary: S
modalities: [ecg]
licence: L
citation: C
url: ""
access: open
layout: "*.hea"
format: WFDB
"""


@pytest.mark.parametrize("name", list_corpora())
def test_every_corpus_has_facts_and_a_module(name: str):
    facts = load_facts(name)
    assert facts.name == name
    assert callable(corpus_module(name).find)
    assert facts.layout
    assert facts.leads
    assert facts.subjects
    if facts.access not in ("open", "your own"):
        assert facts.obtain, "what must a user do to get it?"
    if facts.doi is not None:
        assert re.fullmatch(r"10\.\d{4,9}/\S+", facts.doi)


@pytest.mark.parametrize("name", list_corpora())
def test_every_fault_says_how_one_sees_it_and_where_it_is_documented(name: str):
    for fault in load_facts(name).faults:
        assert fault.what, fault.id
        assert fault.detected, fault.id
        assert fault.citation, fault.id
        assert re.search(r"https?://", fault.citation), fault.id


@pytest.mark.parametrize("name", list_corpora())
def test_open_corpora_say_where_they_are(name: str):
    facts = load_facts(name)
    if facts.access == "open":
        assert facts.url.startswith("https://")
        assert facts.versions


def test_simulated_corpora_say_so_loudly():
    for name in ("demo-ecg", "demo-paired"):
        facts = load_facts(name)
        assert facts.simulated
        assert "SIMULATED" in facts.title
        assert "SIMULATED" in facts.summary
    assert not load_facts("mitdb").simulated


def test_an_unknown_corpus_names_the_known():
    with pytest.raises(CorpusError, match="unknown corpus 'mitbd'; did you mean 'mitdb'"):
        load_facts("mitbd")
    with pytest.raises(CorpusError, match=r"unknown corpus 'x'; known: .*mitdb"):
        load_facts("x")
    with pytest.raises(CorpusError, match=r"unknown corpus '\.\./pyproject'"):
        load_facts("../pyproject")


def test_versions_and_faults_are_found_by_name():
    facts = load_facts("mitdb")
    assert facts.version("1.0.0").subjects == 47
    assert facts.fault("no-mlii").records == ("102", "104")
    with pytest.raises(CorpusError, match=r"no known version '9' \(known: 1\.0\.0\)"):
        facts.version("9")
    with pytest.raises(CorpusError, match="no known fault 'x'"):
        facts.fault("x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", "a mapping was expected, not list"),
        ("a: [", "not YAML"),
        (MINIMAL.replace("title: T", ""), "'title' is missing"),
        (MINIMAL + "license: L", "unknown field 'license'"),
        (MINIMAL.replace("open", "stolen"), "access 'stolen' is not one of"),
        (MINIMAL + "channels: [{match: '(', modality: ecg}]", "channel pattern"),
        (MINIMAL + "channels: [{match: 'a{99999999999}', modality: ecg}]", "channel pattern"),
        (MINIMAL + "faults: [{id: a, what: w, detected: d}]", r"faults\[0\]: 'action' is missing"),
        (MINIMAL + "faults: [{id: a, what: w, detected: d, action: mend}]", "action 'mend'"),
        (
            MINIMAL + "faults: [{id: a, what: w, detected: d, action: fix}]",
            "'fix' goes with action",
        ),
        (
            MINIMAL
            + "faults: [{id: a, what: w, detected: d, action: flag}, "
            + "{id: a, what: w, detected: d, action: flag}]",
            "'a' is listed twice",
        ),
    ],
)
def test_a_mistake_in_a_facts_file_is_named(text: str, said: str):
    with pytest.raises(CorpusError, match=said):
        parse_facts("mine", text)


def test_an_explicit_null_means_not_known():
    facts = parse_facts("mine", MINIMAL + "versions: [{version: '1', records: null}]\ndoi: null")
    assert facts.version("1").records is None
    assert facts.doi is None


def test_a_fault_is_told_by_names_and_units_only():
    fault = "faults: [{id: f, what: w, detected: d, action: flag, signal: {%s}}]"
    parsed = parse_facts("mine", MINIMAL + fault % 'name: "-", unit: NU')
    assert parsed.faults[0].signal == {"name": "-", "unit": "NU"}
    with pytest.raises(CorpusError, match="'signal' has a name and a unit only"):
        parse_facts("mine", MINIMAL + fault % "rate: high")
    with pytest.raises(CorpusError, match=r"channel pattern '\('"):
        parse_facts("mine", MINIMAL + fault % 'name: "("')
