"""What an ingest says of what it left out, clipped, or took in spite of a checksum."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import physioprep as pp
from physioprep.facts import load_facts
from physioprep.harmonise import Recipe
from physioprep.store.build.result import count_flags


def write(path: Path, leads: tuple[str, ...], *, size: int = 100, wrong: int = 0) -> None:
    """Write a WFDB record of 10 s at 200 Hz; `wrong` is added to each stated checksum."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(path.name))
    x = (size * rng.standard_normal((len(leads), 2000))).astype("<i2")
    lines = [f"{path.name} {len(leads)} 200 2000"]
    for lead, row in zip(leads, x, strict=True):
        total = int(row.astype(np.int64).sum()) + wrong
        checksum = (total + 0x8000) % 0x10000 - 0x8000
        lines.append(f"{path.name}.dat 16 1000/mV 16 0 {row[0]} {checksum} 0 {lead}")
    path.with_name(path.name + ".hea").write_text("\n".join(lines) + "\n")
    path.with_name(path.name + ".dat").write_bytes(x.T.tobytes())


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write(tmp_path / "raw" / "a", ("II", "V5"))
    write(tmp_path / "raw" / "b", ("II", "Resp", "Event marker"))
    write(tmp_path / "raw" / "c", ("II", "Event marker", "EEG Cz"))
    for number in range(7):
        write(tmp_path / "raw" / f"eeg{number}", ("EEG Cz",))
    return tmp_path / "raw"


def flags_of(store: Path) -> dict[str, list[str]]:
    records = pp.open_store(store).records
    return dict(zip(records["record_id"], map(list, records["flags"]), strict=True))


def test_channels_left_out_are_flags_and_counts(raw: Path, tmp_path: Path) -> None:
    result = pp.ingest(pp.scan(raw, "folder"), tmp_path / "s.zarr", "ecg-200hz")
    assert flags_of(tmp_path / "s.zarr") == {
        "a": [],
        "b": ["modality-left-out:resp", "channel-left-out:Event marker"],
        "c": ["modality-left-out:eeg", "channel-left-out:Event marker"],
    }
    left = {"Event marker": 2, "resp (all)": 1, "eeg (all)": 1}
    assert result.left_out == result.summary()["channels left out"] == left
    native = pp.ingest(pp.scan(raw, "folder"), tmp_path / "n.zarr", "native")
    assert (native.left_out, native.flagged, native.excluded) == ({}, {}, ())


def test_records_that_the_recipe_excludes_are_one_line_and_no_failure(
    raw: Path, tmp_path: Path
) -> None:
    manifest = pp.scan(raw, "folder")
    path = tmp_path / "s.zarr"
    result = pp.ingest(manifest, path, "ecg-200hz", on_error="abort")
    assert result.quarantined == ()
    assert len(result.excluded) == result.summary()["excluded by the recipe"] == 7
    assert result.notes() == [
        "excluded: 7 records, no ecg channel for recipe ecg-200hz: folder/eeg0, folder/eeg1, "
        "folder/eeg2, folder/eeg3, folder/eeg4 and 2 more"
    ]
    store = pp.open_store(path)
    assert set(store.quarantine["stage"]) == {"excluded"}
    assert (store.attrs["n_quarantined"], store.attrs["n_excluded"]) == (0, 7)
    assert pp.info(path)["excluded by the recipe"] == 7
    with pytest.raises(pp.StoreError, match="eeg0 is excluded by the recipe: no ecg channel"):
        store.index("eeg0")
    report = pp.audit([path])
    assert "unreadable-file" not in {finding.check for finding in report.findings}
    again = pp.ingest(manifest, path, "ecg-200hz")
    assert (again.excluded, again.left_out) == (result.excluded, result.left_out)


def test_leads_that_a_recipe_lists_exclude_records_too(raw: Path, tmp_path: Path) -> None:
    content = {"name": "v5", "base": "ecg-200hz", "modalities": {"ecg": {"channels": ["V5"]}}}
    recipe = Recipe.from_dict(content)
    result = pp.ingest(pp.scan(raw, "folder"), tmp_path / "s.zarr", recipe)
    assert (result.n_records, len(result.excluded), result.quarantined) == (1, 9, ())
    assert result.left_out == {"II": 1}
    assert len(result.notes()) == 1


def test_saturation_is_counted(tmp_path: Path) -> None:
    write(tmp_path / "raw" / "loud", ("II",), size=8000)
    write(tmp_path / "raw" / "soft", ("II",), size=100)
    content = {"name": "fine", "base": "ecg-200hz", "modalities": {"ecg": {"step": 1e-4}}}
    recipe = Recipe.from_dict(content)
    result = pp.ingest(pp.scan(tmp_path / "raw", "folder"), tmp_path / "s.zarr", recipe)
    assert result.summary()["flagged"] == {"saturated": 1}
    assert flags_of(tmp_path / "s.zarr")["loud"] == ["saturated:II"]


@pytest.mark.parametrize("recipe", ["ecg-200hz", "native"])
def test_a_failed_checksum_is_quarantined_or_flagged(tmp_path: Path, recipe: str) -> None:
    write(tmp_path / "raw" / "good", ("II",))
    write(tmp_path / "raw" / "bad", ("II",), wrong=5)
    manifest = pp.scan(tmp_path / "raw", "folder")
    for on_checksum in (None, "quarantine"):
        path = tmp_path / f"{on_checksum}.zarr"
        result = pp.ingest(manifest, path, recipe, on_checksum=on_checksum)
        (line,) = result.quarantined
        assert "checksum" in line
        assert "checksum-failed" not in result.flagged
    path = tmp_path / "flag.zarr"
    result = pp.ingest(manifest, path, recipe, on_checksum="flag")
    assert (result.quarantined, result.flagged) == ((), {"checksum-failed": 1})
    assert flags_of(path) == {"bad": ["checksum-failed"], "good": []}
    with pytest.raises(pp.StoreError, match="exists already"):  # other contents, so another plan
        pp.ingest(manifest, path, recipe)
    with pytest.raises(pp.StoreError, match="'quarantine' or 'flag', not 'skip'"):
        pp.ingest(manifest, tmp_path / "x.zarr", recipe, on_checksum="skip")


def test_the_facts_name_the_records_of_ecg_id_that_fail_in_every_copy(tmp_path: Path) -> None:
    fault = load_facts("ecgiddb").fault("checksum")
    assert (len(fault.records), fault.on_checksum) == (11, "flag")
    for name in ("Person_13/rec_2", "Person_13/rec_1"):  # the second is not named
        write(tmp_path / "raw" / name, ("ECG I", "ECG I filtered"), wrong=7)
    write(tmp_path / "raw" / "Person_15/rec_1", ("ECG I", "ECG I filtered"))  # repaired
    manifest = pp.scan(tmp_path / "raw", "ecgiddb")
    result = pp.ingest(manifest, tmp_path / "s.zarr", "ecg-200hz")
    (line,) = result.quarantined
    assert line.startswith("ecgiddb/Person_13/rec_1: ")
    flags = flags_of(tmp_path / "s.zarr")
    assert "checksum-failed" in flags["Person_13/rec_2"]
    assert "checksum-failed" not in flags["Person_15/rec_1"]
    strict = pp.ingest(manifest, tmp_path / "t.zarr", "ecg-200hz", on_checksum="quarantine")
    assert len(strict.quarantined) == 2


def test_flags_are_counted_by_record() -> None:
    texts = [json.dumps(["saturated:I", "saturated:II", "implausible-amplitude:I", "flag:x"])] * 3
    texts += ["", "[]", json.dumps(["channel-left-out:a:b"])]
    counts = count_flags(texts)
    assert counts == ({"flag:x": 3, "implausible-amplitude": 3, "saturated": 3}, {"a:b": 1})


def test_the_command_says_it_in_one_line_and_ends_well(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from physioprep.cli import app

    pp.write_manifest(pp.scan(raw, "folder"), tmp_path / "m.parquet")
    arguments = ["ingest", str(tmp_path / "m.parquet"), "-o", str(tmp_path / "s.zarr"), "--json"]
    with pytest.raises(SystemExit) as ended:
        app(arguments)
    out, err = capsys.readouterr()
    assert ended.value.code == 0
    assert json.loads(out)["excluded by the recipe"] == 7
    assert [line[:19] for line in err.splitlines() if "eeg" in line] == ["excluded: 7 records"]
    with pytest.raises(SystemExit) as ended:
        app([*arguments, "--on-checksum", "skip"])
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    assert "'quarantine' or 'flag', not 'skip'" in err


def test_what_an_ingest_says_is_what_its_store_holds(raw: Path, tmp_path: Path) -> None:
    """The second call finds the store complete, and describes what it reads there."""
    (raw / "broken.hea").write_text((raw / "a.hea").read_text().replace("a", "broken"))
    manifest, target = pp.scan(raw, "folder"), tmp_path / "s.zarr"
    made = pp.ingest(manifest, target, "ecg-200hz")
    read = pp.ingest(manifest, target, "ecg-200hz")
    assert made.flagged or made.left_out
    assert made.quarantined or made.excluded
    assert replace(made, seconds=0) == replace(read, seconds=0)
