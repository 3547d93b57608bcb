"""Check that a store follows from its sources by its recipe: derive some records again."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physioprep.auditing.findings import Comparison, Finding
from physioprep.auditing.inputs import Input, Key, Name
from physioprep.errors import PhysioprepError
from physioprep.store.build.result import CHECKSUM

if TYPE_CHECKING:
    from physioprep.harmonise import Recipe
    from physioprep.store import Store

#: Records of a store that are derived again.
RECORDS = 5


def check_recipe(
    inputs: Sequence[Input], name: Name, n: int = RECORDS
) -> tuple[list[Finding], list[Comparison]]:
    """Derive records of each store again from their files, and compare the samples.

    Parameters
    ----------
    inputs : sequence of Input
        A store is checked where a manifest among them has its records and their files exist.
    name : callable
        Writes the name of a recording; see `namer`.
    n : int
        Records per store, always the same ones.

    Returns
    -------
    findings : list of Finding
        ``recipe-mismatch``, one per record and modality that differ.
    compared : list of Comparison
        How many were derived again.
    """
    findings: list[Finding] = []
    compared: list[Comparison] = []
    for one in inputs:
        for manifest in (m for m in inputs if m.kind == "manifest"):
            if one.kind == "store":
                rows = _sample(one, manifest, n)
                if rows:
                    found = _derive(one, manifest, rows, name)
                    findings += found
                    sets = (manifest.path.name, one.path.name)
                    by = "records derived again by the store's recipe, sample by sample"
                    compared.append(Comparison("recipe", sets, by, len(rows), len(rows)))
                    break
    return findings, compared


def _sample(store: Input, manifest: Input, n: int) -> list[Key]:
    """Return keys in both whose folder exists, drawn with a fixed seed."""
    here = set(store.keys)
    frame = manifest.records
    roots = {root for root in frame["root"].dropna().unique() if Path(root).is_dir()}
    usable = frame["root"].isin(roots) & frame["error"].isna()
    keys = [key for key, good in zip(manifest.keys, usable, strict=True) if good and key in here]
    if len(keys) > n:
        chosen = np.sort(np.random.default_rng(0).choice(len(keys), n, replace=False))
        keys = [keys[place] for place in chosen]
    return keys


def _derive(one: Input, manifest: Input, keys: list[Key], name: Name) -> list[Finding]:
    from physioprep.manifest import read_manifest
    from physioprep.store import ingest, open_store

    assert one.store is not None
    frame = read_manifest(manifest.path)
    wanted = set(keys)
    chosen = [key in wanted for key in zip(frame["corpus"], frame["record_id"], strict=True)]
    try:
        recipe = _recipe(one.store)
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "again.zarr"
            chosen_rows = frame[chosen].reset_index(drop=True)
            # the store has them all, so that those of a wrong checksum were flagged
            ingest(chosen_rows, target, recipe, on_checksum="flag", scheduler="sync")
            return _compare(one, open_store(target), keys, name)
    except PhysioprepError as error:
        detail = f"{one.path.name}: its records cannot be derived again: {error}"
        return [Finding("recipe-mismatch", "error", (), detail, {"store": one.path.name})]


def _recipe(store: Store) -> Recipe:
    """Read the recipe from a store's attributes, and compare its hash with the stated one."""
    from physioprep.harmonise import Recipe

    recipe = Recipe.from_dict(store.attrs["recipe"])
    if recipe.sha256 != store.attrs["recipe_sha256"]:
        raise PhysioprepError(
            f"the hash of its recipe is {recipe.sha256[:12]}…, but it states "
            f"{store.attrs['recipe_sha256'][:12]}…"
        )
    return recipe


def _compare(one: Input, again: Store, keys: list[Key], name: Name) -> list[Finding]:
    store = one.store
    assert store is not None
    place = {key: row for row, key in enumerate(one.keys)}
    fresh = dict(zip(zip(again.records["corpus"], again.records["record_id"], strict=True),
                     range(len(again.records)), strict=True))  # fmt: skip
    bad = again.quarantine
    why = dict(zip(zip(bad["corpus"], bad["record_id"], strict=True), bad["reason"], strict=True))
    flags = again.records["flags"].tolist()
    out = []
    for key in keys:
        if key not in fresh:
            detail = "the store has it, but it cannot be derived from its files"
            detail += f": {why[key]}" if key in why else ""
            out.append(Finding("recipe-mismatch", "error", (name(key),), detail, {}))
            continue
        failed = CHECKSUM in flags[fresh[key]]
        for modality in store.modalities:
            worst, n = _differences(store, place[key], again, fresh[key], modality)
            if n == 0:
                continue
            how = f"by up to {worst:.3g} steps" if np.isfinite(worst) else "in length or channels"
            detail = f"{modality} differs from its files processed by the recipe, {how}"
            severity = "error" if worst > 1 else "warning"
            evidence: dict[str, Any] = {"modality": modality, "samples": n,
                        "steps": round(worst, 3) if np.isfinite(worst) else None}  # fmt: skip
            if failed:
                detail += "; its file fails the checksum of its header"
                evidence["checksum_failed"] = True
            out.append(Finding("recipe-mismatch", severity, (name(key),), detail, evidence))
    return out


def _differences(
    store: Store, row: int, again: Store, fresh: int, modality: str
) -> tuple[float, int]:
    """Return the largest difference in steps, and the number of samples that differ."""
    if modality not in again.modalities:
        return (float("inf"), 1) if store.table(modality, "length")[row] else (0.0, 0)
    one, two = (
        {
            channel: values
            for channel, values, there in zip(
                s.channels(modality), s.read(at, modality), s.table(modality, "present")[at],
                strict=True,
            )
            if there
        }
        for s, at in ((store, row), (again, fresh))
    )  # fmt: skip
    if one.keys() != two.keys() or any(one[c].shape != two[c].shape for c in one):
        return float("inf"), 1
    worst, n = 0.0, 0
    scale = dict(zip(store.channels(modality), store.table(modality, "scale")[row], strict=True))
    for channel in one:
        a, b = one[channel], two[channel]
        differ = ~((a == b) | (np.isnan(a) & np.isnan(b)))
        if differ.any():
            n += int(differ.sum())
            distance = np.nan_to_num(np.abs(a - b)[differ], nan=np.inf).max()
            worst = max(worst, float(distance / abs(scale[channel] or 1)))
    return worst, n
