"""The extent of a store that is to be extended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from physioprep.errors import StoreError
from physioprep.store.format.layout import GroupLayout


@dataclass(frozen=True)
class Extent:
    """Groups and sizes of an existing store, for a plan that extends it.

    Parameters
    ----------
    layouts : tuple of GroupLayout
        Its modalities.
    n_shards : mapping of group name to int
        Number of shards of each.
    plan_sha256 : str
        Hash of the plan of the store.
    """

    layouts: tuple[GroupLayout, ...]
    n_shards: Mapping[str, int]
    plan_sha256: str

    def name_of(self, key: str, rate_hz: float, name: str) -> str:
        """Return the existing group for a key and rate.

        Parameters
        ----------
        key : str
            Key of an `Expected`.
        rate_hz : float
            Its sampling rate, Hz.
        name : str
            Name to return if the store has no such group.

        Returns
        -------
        str
            Name of the group.
        """
        fitting = [
            layout.name
            for layout in self.layouts
            if layout.rate_hz == rate_hz and layout.modality == key.split("_")[0]
        ]
        return key if key in fitting else (fitting[0] if fitting else name)

    def fit(self, layouts: tuple[GroupLayout, ...]) -> tuple[GroupLayout, ...]:
        """Return the layouts of the store, if the records to add fit in them.

        Parameters
        ----------
        layouts : tuple of GroupLayout
            Planned for the records to add.

        Returns
        -------
        tuple of GroupLayout
            Those of the store.

        Raises
        ------
        StoreError
            The store lacks a modality, rate, channel or unit of `layouts`.
        """
        mine = {layout.name: layout for layout in self.layouts}
        for layout in layouts:
            held = mine.get(layout.name)
            if held is None or held.rate_hz != layout.rate_hz:
                raise StoreError(
                    f"it holds no {layout.modality} at {layout.rate_hz:g} Hz: make a new store"
                )
            for what, old, new in (
                ("channel", held.channels, layout.channels),
                ("unit", held.unit_names, layout.unit_names),
            ):
                more = [name for name in new if name not in old]
                if more:
                    raise StoreError(
                        f"it holds no {layout.name} {what} {more[0]}: make a new store"
                    )
        return self.layouts
