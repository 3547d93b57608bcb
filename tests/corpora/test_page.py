"""The page of corpora says what the facts say, and is the one in docs/."""

from pathlib import Path

from physioprep.corpora.docs_page import corpora_page
from physioprep.facts import list_corpora, load_facts

PAGE = Path(__file__).resolve().parents[2] / "docs" / "corpora.md"


def test_the_page_in_docs_is_up_to_date():
    said = PAGE.read_text(encoding="utf-8")
    assert said == corpora_page(), "run: python -m physioprep.corpora.docs_page docs/corpora.md"


def test_the_page_names_every_corpus_fault_and_label():
    page = corpora_page()
    for name in list_corpora():
        facts = load_facts(name)
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert facts.licence in section
        assert facts.citation in section
        for fault in facts.faults:
            assert f"`{fault.id}`" in section
        for label in facts.labels:
            assert f"`label_{label.name}`" in section
        assert ("SIMULATED" in section) == facts.simulated


def test_tables_have_as_many_cells_as_their_heads():
    width = None
    for line in corpora_page().splitlines():
        if not line.startswith("|"):
            width = None
            continue
        cells = line.replace("\\|", "").count("|")
        assert width is None or cells == width, line
        width = cells
