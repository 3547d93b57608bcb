"""Labels of leads and streams: where one holds what the file says of people, it is replaced.

A label is a text that a person may have typed. It is hidden in the tree of the file, before
anything is read from it, so that signals, beats, tables and notes have the same one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from physioprep.plain_text import counted
from physioprep.readers.naming import Known, names_nobody

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_STANDARD: Final = frozenset(
    ["I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"]
)


@dataclass(frozen=True)
class Labels:
    """What is written for each label of a file.

    Parameters
    ----------
    known : Known
        What the file says of people.
    what : str
        Beginning of the names that stand for hidden labels.
    hidden : dict of str to str
        Those so far.
    """

    known: Known
    what: str = "lead"
    hidden: dict[str, str] = field(default_factory=dict)

    def shown(self, label: str) -> str:
        """Return a label, or what stands for it.

        Parameters
        ----------
        label : str

        Returns
        -------
        str
            Names of ECG leads stay, whoever is called so.

        Examples
        --------
        >>> from physioprep.readers.naming import known_of
        >>> labels = Labels(known_of(["Smith^John"]))
        >>> [labels.shown(each) for each in ("V1", "JohnSmith", "Resp", "JohnSmith")]
        ['V1', 'lead-1', 'Resp', 'lead-1']
        """
        if label.strip().upper() in _STANDARD or names_nobody(label, self.known):
            return label
        return self.hidden.setdefault(label.strip(), f"{self.what}-{len(self.hidden) + 1}")

    def hide(
        self, elements: Iterable[Element], attribute: str = "", separator: str | None = None
    ) -> None:
        """Replace labels in a tree.

        Parameters
        ----------
        elements : iterable of Element
        attribute : str
            Its value is the label; by default the element's text.
        separator : str, optional
            What stands between labels where there are several in one text.
        """
        for each in elements:
            text = (each.get(attribute) if attribute else each.text) or ""
            labels = [text] if separator is None else text.split(separator)
            shown = [self.shown(label) for label in labels]
            if shown == labels:
                continue
            together = (separator or "").join(shown)
            if attribute:
                each.set(attribute, together)
            else:
                each.text = together

    def notes(self) -> list[str]:
        """Return a note where labels are hidden.

        Returns
        -------
        list of str
        """
        if not self.hidden:
            return []
        n_labels = counted(len(self.hidden), "label")
        return [f"{n_labels} replaced ({self.what}-1 …): they hold a name of the file"]
