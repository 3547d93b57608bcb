"""The card of a repository on the hub: README.md, with what the hub reads in its YAML head."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final

import yaml

from physioprep.hub.audited import Verdict
from physioprep.hub.contents import Contents
from physioprep.hub.licences import FREE, Corpus
from physioprep.hub_address import CROISSANT, RECORDS_TABLE, HubAddress
from physioprep.versions import __version__

#: The last line of a card, by which one that somebody changed is known.
_MARK: Final = "\n<!-- card of physioprep, sha256 "
#: Upper ends of what the hub calls size categories, and their names.
_SIZES: Final = (
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"),
)  # fmt: skip


def card_of(
    contents: Contents,
    address: HubAddress,
    *,
    audit: Verdict | None = None,
    licence_checked: str | None = None,
) -> str:
    """Return the card of what is pushed.

    Parameters
    ----------
    contents : Contents
    address : HubAddress
        Where it goes: the card shows how to load it.
    audit : Verdict, optional
        Of an audit of it.
    licence_checked : str, optional
        Why it may be passed on, in the user's words.

    Returns
    -------
    str
        Markdown. The same for the same content and words.
    """
    n_bytes = sum(contents.files.values())
    parts = [
        f"---\n{yaml.safe_dump(_head(contents), sort_keys=False, allow_unicode=True)}---\n",
        f"# {_title(contents)}\n",
        f"{_what(contents)} {len(contents.files)} files, {n_bytes:,} bytes; made by physioprep "
        f"{_maker(contents)}.\n",
        f"## Load it\n\n{_load(contents, address)}",
        f"## How it was made\n\n{_table(_made(contents))}",
        f"## Sources, their licences and citations\n\n{_sources(contents.corpora)}",
    ]
    if licence_checked:
        parts.append(f"Whoever pushed this says of the licence: {_plain(licence_checked)}\n")
    if contents.kind != "model":
        parts.append(_audited(audit))
        parts.append(f"`{CROISSANT}` describes the tables for machines (Croissant 1.0).\n")
    text = "\n".join(parts)
    return f"{text}{_MARK}{_sha256(text)} -->\n"


def is_unchanged(card: str) -> bool:
    """Return whether a card is as `card_of` wrote it, and nobody changed it by hand.

    Parameters
    ----------
    card : str
        Markdown.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_unchanged("# My own words")
    False
    """
    text, mark, digest = card.rpartition(_MARK)
    return bool(mark) and digest == f"{_sha256(text)} -->\n"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _head(contents: Contents) -> dict[str, Any]:
    names = list(dict.fromkeys(each.licence for each in contents.corpora if each.licence))
    known = list(dict.fromkeys(FREE[name] for name in names if name in FREE))
    if not names or len(known) < len(names):
        licence: dict[str, Any] = {"license": "other", "license_name": "see-sources"}
    else:
        licence = {"license": known[0] if len(known) == 1 else known}
    tags = ["physioprep", *_modalities(contents), "biosignals"]
    if contents.kind == "model":
        return licence | {"library_name": "physioprep", "tags": tags}
    table = RECORDS_TABLE if contents.kind == "store" else "manifest.parquet"
    name = "records" if contents.kind == "store" else "windows"
    return licence | {
        "pretty_name": _title(contents),
        "tags": [*tags, "zarr", "croissant"],
        "size_categories": [_size(_rows(contents))],
        "configs": [{"config_name": name, "data_files": table}],
    }


def _modalities(contents: Contents) -> list[str]:
    if contents.kind == "model":
        return [str(contents.attrs["modality"])] if "modality" in contents.attrs else []
    return [str(each) for each in contents.attrs.get("modalities", ())]


def _rows(contents: Contents) -> int:
    return int(contents.attrs.get("n_records", contents.attrs.get("n_windows", 0)))


def _size(n: int) -> str:
    return next((name for most, name in _SIZES if n < most), "n>1T" if n >= 10**12 else "1B<n<10B")


def _title(contents: Contents) -> str:
    names = ", ".join(dict.fromkeys(each.name for each in contents.corpora)) or "own recordings"
    if contents.kind == "model":
        return f"{_role(contents)} trained on {names}"
    return (
        f"{names}: {contents.attrs['title'].rpartition(': ')[2]}"
        if (contents.kind == "store" and "title" in contents.attrs)
        else f"{names}: windows"
    )


def _role(contents: Contents) -> str:
    label = contents.attrs.get("label")
    if label is not None:
        return f"Classifier of {_plain(label)}"
    return f"{str(contents.attrs.get('modality', '')).upper()} encoder".strip()


def _what(contents: Contents) -> str:
    if contents.kind == "model":
        return "A model: weights as safetensors, its sizes as JSON, its run card."
    channels = ", ".join(_modalities(contents))
    if contents.kind == "store":
        return f"A Zarr v3 store of {_rows(contents)} records ({channels}), int16."
    window_s = contents.attrs.get("spec", {}).get("window_s")
    return f"Zarr v3 shards: {_rows(contents)} windows of {window_s:g} s ({channels}), int16."


def _maker(contents: Contents) -> str:
    software = contents.attrs.get("software") or contents.attrs.get("versions") or {}
    return _plain(software.get("physioprep", __version__))


def _load(contents: Contents, address: HubAddress) -> str:
    if contents.kind == "model":
        revision = f", revision={address.revision!r}" if address.revision else ""
        lines = ["from physiomodels import CrissCrossEncoder", ""]
        lines += [f'model = CrissCrossEncoder.from_pretrained("{address.repo}"{revision})']
        if "label" in contents.attrs:
            lines = ["import physioprep as pp", "", f'pp.pull("{address}", "model")']
    elif contents.kind == "store":
        lines = ["import physioprep as pp", "", f'store = pp.open_store("{address}")']
        lines += ["store.records  # a table; store.record(...) reads only what it shows"]
    else:
        lines = ["import physioprep as pp", "", f'shards = pp.open_shards("{address}")']
        lines += [f'stream = pp.ShardStream("{address}", batch_size=256)']
    code = "\n".join(lines)
    return (
        f"```python\n{code}\n```\n\nThis needs `pip install 'physioprep[hub]'`. "
        f"`physioprep pull {address} -o FOLDER` copies it and checks every file.\n"
    )


def _made(contents: Contents) -> dict[str, object]:
    attrs = contents.attrs
    rows: dict[str, object] = {f"{contents.list_name} (sha256)": contents.identity}
    for key in (
        *("recipe_sha256", "plan_sha256", "inputs_sha256", "where", "n_quarantined", "n_excluded"),
        *("run", "shards_sha256", "n_windows", "git", "label", "classes", "kind", "unit"),
        *("epoch", "step", "loss", "rate_hz", "unfinished_pretraining"),
    ):
        if attrs.get(key) not in (None, "", [], {}):
            rows[key] = attrs[key]
    recipe = attrs.get("recipe")
    if isinstance(recipe, dict) and recipe.get("name"):
        rows["recipe"] = recipe["name"]
    if contents.kind == "shards":
        rows |= {f"spec: {key}": value for key, value in attrs.get("spec", {}).items() if value}
    if contents.kind == "model":
        rows |= {f"config: {key}": value for key, value in attrs.get("config", {}).items()}
        if "subjects" in attrs:
            rows["subjects"] = len(attrs["subjects"])
    software = attrs.get("software") or attrs.get("versions") or {}
    rows |= {f"version: {key}": value for key, value in software.items()}
    return rows


def _sources(corpora: Iterable[Corpus]) -> str:
    rows = [
        f"- **{_plain(each.name)}**{f' {_plain(each.version)}' if each.version else ''}: licence "
        f"{_plain(each.licence or 'not stated')}. {_plain(each.citation or 'No citation known.')}"
        + (f" https://doi.org/{_plain(each.doi)}" if each.doi else "")
        + (f" {_plain(each.url)}" if each.url else "")
        for each in corpora
    ]
    return "\n".join(rows or ["- not stated"]) + "\n"


def _audited(audit: Verdict | None) -> str:
    if audit is None:
        return "## Audit\n\nNo audit was given with this push.\n"
    lines = [f"## Audit\n\nVerdict: **{_plain(audit.verdict)}** ({_plain(audit.of)}).\n"]
    rows = [
        f"| {_plain(severity)} | {_plain(check)} | {n or 'the whole'} |"
        for (severity, check), n in sorted(audit.counts.items())
    ]
    if rows:
        lines += ["| severity | check | records |\n|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _table(rows: dict[str, object]) -> str:
    body = "\n".join(f"| {_plain(key)} | {_plain(value)} |" for key, value in rows.items())
    return f"| | |\n|---|---|\n{body}\n"


def _plain(value: object) -> str:
    """Return a value as one line that Markdown and HTML take for text."""
    text = " ".join(str(value).split())[:400]
    for sign, shown in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("`", "\\`")):
        text = text.replace(sign, shown)
    return text
