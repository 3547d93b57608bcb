"""XML may name a document type in another file, which is never opened; it declares nothing."""

import pytest

from physioprep.documents import load_xml

NAMED = b'<!DOCTYPE a SYSTEM "a.dtd"'


@pytest.mark.parametrize(
    "start",
    [NAMED + b">", NAMED + b"[]>", b'<!DOCTYPE a PUBLIC "-//a" "a.dtd">', b"<!--&b;--><?c?>"],
)
def test_a_document_type_elsewhere_is_read_past(start: bytes) -> None:
    if start.startswith(b"<!DOC"):
        with pytest.raises(ValueError, match="document type"):
            load_xml(start + b"<a>&amp;&#65;</a>", ValueError)
    found = load_xml(start + b"<a>&amp;&#65;</a>", ValueError, external_dtd=True)
    assert (found.tag, found.text) == ("a", "&A")


@pytest.mark.parametrize(
    "start",
    [
        b"<!DOCTYPE a>",
        b"<!DOCTYPE a []>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
        NAMED + b"[<!ENTITY b 'c'>]>",
        NAMED + b"[<!ENTITY b SYSTEM 'file:///etc/passwd'>]>",
        NAMED + b"[<!ENTITY % b SYSTEM 'file:///etc/passwd'> %b;]>",
        NAMED + b"[%b;]>",
        NAMED + b"[<!ELEMENT a ANY>]>",
        NAMED + b"[<!ATTLIST a b CDATA 'c'>]>",
        NAMED + b"[<!NOTATION b SYSTEM 'c'>]>",
    ],
)
def test_what_the_text_declares_is_refused(start: bytes) -> None:
    with pytest.raises(ValueError, match="document type"):
        load_xml(start + b"<a/>", ValueError, external_dtd=True)


@pytest.mark.parametrize("inner", [b"<a>&b;</a>", b"<a b='&b;'/>", b"<a><c>1&b;2</c></a>"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_an_entity_of_the_other_file_is_refused(inner: bytes, encoding: str) -> None:
    text = (NAMED + b">" + inner).decode().encode(encoding)
    with pytest.raises(ValueError, match="entity"):
        load_xml(text, ValueError, external_dtd=True)
