"""`derive` of pictures: files or tars, the same for any workers, gone on with after a kill."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app
from physioprep.deriving import run as run_module
from physioprep.deriving import task as task_module
from physioprep.deriving.paper.spec import PictureSpec, spec_from
from physioprep.errors import PhysioprepError
from physioprep.hashes import sha256_of
from tests.deriving.heart import RATE_HZ, drawn_ecg


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pictures") / "hearts.zarr"
    signals = [
        np.stack([drawn_ecg(12 + 3 * n, 0.7 + 0.05 * n, gain, n)[0] for gain in (1.0, 0.6)])
        for n in range(5)
    ]
    pp.from_arrays(
        [signal.astype(np.float32) for signal in signals], channels=["II", "V5"],
        rate_hz=RATE_HZ, units="mV", out=out,
    )  # fmt: skip
    return out


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


SMALL = PictureSpec(dpi=30, pages=0, per_tar=4)
TARS = PictureSpec(dpi=30, pages=0, per_tar=4, tars=True, augment=("shadow", "rotation"))


def drawn(store: Path, out: Path, spec: PictureSpec = SMALL, **more: object) -> pp.DeriveResult:
    return pp.derive(store, out, kinds=["pictures"], pictures=spec, **more)  # type: ignore[arg-type]


def test_every_picture_has_its_rows_and_the_samples_of_the_store(
    store: Path, tmp_path: Path
) -> None:
    result = drawn(store, tmp_path / "out", scheduler="sync")
    table = pd.read_parquet(result.path / "pictures.parquet")
    assert len(table) == result.rows["pictures"] == 2 * (2 + 2 + 2 + 3 + 3)
    files = {path for path in hashes(result.path) if path.startswith("pictures/")}
    assert files == set(table["file"])
    assert result.summary() == {"pictures": len(files)}
    assert pp.verify(result.path).problems == ()
    for row in table.itertuples():
        with Image.open(result.path / str(row.file)) as image:
            assert image.size == (row.width_px, row.height_px)
    lengths = table[table["lead"] == "V5"].groupby("record_id", sort=False)["n_samples"].sum()
    records = pp.open_store(store).records
    assert sorted(lengths) == sorted(500 * (12 + 3 * n) for n in range(5))
    assert set(lengths.index) == set(records["record_id"])
    second = table[(table["page"] == 1) & (table["lead"] == "II")]
    assert set(second["first_sample"]) == {5000}


def test_tars_hold_the_same_pictures_as_files(store: Path, tmp_path: Path) -> None:
    files = drawn(store, tmp_path / "files", scheduler="sync").path
    tars = drawn(
        store, tmp_path / "tars", PictureSpec(**{**vars(SMALL), "tars": True}), scheduler="sync"
    ).path
    table = pd.read_parquet(tars / "pictures.parquet").drop_duplicates("name")
    by_name = {Path(name).name: sha for name, sha in hashes(files).items() if "/" in name}
    found = {}
    for file, rows in table.groupby("file"):
        with tarfile.open(tars / str(file)) as tar:
            assert tar.getnames() == rows["name"].tolist()
            for member in tar:
                assert (member.mtime, member.uid, member.gid, member.uname) == (0, 0, 0, "")
                content = tar.extractfile(member)
                assert content is not None
                (tmp_path / "one").write_bytes(content.read())
                found[member.name] = sha256_of(tmp_path / "one")
                assert member.name.count(".") == 1  # WebDataset's key ends at the first dot
    assert found == by_name
    assert sorted(path.name for path in (tars / "pictures").iterdir()) == [
        "000000.tar", "000001.tar", "000002.tar",
    ]  # fmt: skip


@pytest.mark.parametrize("spec", [SMALL, TARS])
def test_bytes_are_the_same_for_any_workers(store: Path, tmp_path: Path, spec: PictureSpec) -> None:
    one = drawn(store, tmp_path / "one", spec, scheduler="sync").path
    two = drawn(store, tmp_path / "two", spec, scheduler="processes", workers=2).path
    assert hashes(one) == hashes(two)


@pytest.mark.parametrize("spec", [SMALL, TARS])
def test_killed_anywhere_it_goes_on(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: PictureSpec
) -> None:
    whole = hashes(drawn(store, tmp_path / "whole", spec, scheduler="sync").path)
    out, made = tmp_path / "out", list[int]()
    tables = task_module._tables

    def counted(job: object, kind: str, numbers: range) -> object:
        made.append(numbers.start)
        if len(made) == 2:
            raise KeyboardInterrupt
        return tables(job, kind, numbers)  # type: ignore[arg-type]

    monkeypatch.setattr(task_module, "_tables", counted)
    with pytest.raises(KeyboardInterrupt):
        drawn(store, out, spec, scheduler="sync")
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "put_in_place", _killed)
        with pytest.raises(KeyboardInterrupt):
            drawn(store, out, spec, scheduler="sync")
    assert not out.exists()
    # the last tar is cut, as by a full disk: it alone is made again
    tar = sorted(tmp_path.rglob("pictures-*.tar"))[-1]
    content = tar.read_bytes()
    tar.unlink()  # not in place: the picture folder may hold a link to it
    tar.write_bytes(content[:-1500])
    assert hashes(drawn(store, out, spec, scheduler="sync").path) == whole
    assert len(made) == len(set(made)) + 2


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_pictures_are_made_only_when_asked(store: Path, tmp_path: Path) -> None:
    result = pp.derive(store, tmp_path / "tables", scheduler="sync", pictures=SMALL)
    assert "pictures" not in result.rows
    assert not (result.path / "pictures").exists()


def test_the_options_become_the_plan(store: Path, tmp_path: Path) -> None:
    options = [
        "--pictures", "--layout", "3x4", "--speed", "50", "--gain", "5", "--size", "400x300",
        "--grid", "green", "--no-names", "--no-pulse", "--text", "--page", "5", "--pages", "2",
        "--augment", "jpeg,crease", "--seed", "7", "--tars", "--per-tar", "3",
    ]  # fmt: skip
    out = tmp_path / "out"
    ran = CliRunner().invoke(app, ["derive", str(store), "-o", str(out), *options])
    assert ran.exit_code == 0, ran.output
    plan = json.loads((out / "derived.json").read_text())["plan"]
    assert spec_from(plan["pictures"]) == PictureSpec(
        "3x4", 50, 5, 100, (400, 300), "green", False, False, True, 5, 2, ("crease", "jpeg"), 7,
        True, 3, "ecg",
    )  # fmt: skip
    assert plan["kinds"] == ["pictures"]
    assert plan["pillow"]
    with tarfile.open(out / "pictures" / "000000.tar") as tar:
        content = tar.extractfile(tar.getmembers()[0])
        assert content is not None
        assert Image.open(io.BytesIO(content.read())).format == "JPEG"
    table = pd.read_parquet(out / "pictures.parquet")
    absent = table[table["reason"].notna()]
    assert set(table["lead"]) - set(absent["lead"]) == {"II", "V5"}


def test_the_help_has_a_group_of_pictures() -> None:
    said = CliRunner().invoke(app, ["derive", "--help"]).output
    options, pictures = said.index("Options:"), said.index("Pictures:")
    assert options < said.index("--beats") < said.index("--help") < pictures
    assert pictures < said.index("--pictures") < said.index("--tars")


def test_what_cannot_be_drawn_is_refused_in_one_line(store: Path, tmp_path: Path) -> None:
    for options, said in (
        (["--size", "wide"], "WIDTHxHEIGHT"),
        (["--augment", "rotation,crumple"], "no augmentation 'crumple'"),
        (["--speed", "30"], "paper speed 30 mm/s: 25, 50"),
    ):
        ran = CliRunner().invoke(
            app, ["derive", str(store), "-o", str(tmp_path / "t"), "--pictures", *options]
        )
        assert ran.exit_code != 0
        assert said in str(ran.exception) + ran.output
    volts = tmp_path / "volts.zarr"
    pp.from_arrays(
        np.zeros((1, 1, 5000), np.int16), channels=["II"], rate_hz=500, units="uV", out=volts
    )
    with pytest.raises(PhysioprepError, match="in uV; pictures are made of mV: ingest it with"):
        drawn(volts, tmp_path / "t")
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--beats", "--layout", "3x4"], "options of --pictures without --pictures"),
        (["--beats", "--scalogram-band", "1", "30"], "options of --scalograms without"),
        (["--pictures", "--method", "dwt"], "options of --beats without --beats"),
        (["--pictures", "--montage", "tcp"], "montage and sensitivity are of EEG"),
        (["--pictures", "--sensitivity", "10"], "montage and sensitivity are of EEG"),
        (["--pictures", "--speed", "30"], "paper speed 30 mm/s: 25, 50"),
        (["--pictures", "--pictures-of", "eeg", "--gain", "5"], "gain is of ECG"),
        (["--pictures", "--pictures-of", "eeg", "--layout", "3x4"], "layout 3x4: of ECG"),
    ],
)
def test_options_that_change_nothing_are_refused(
    store: Path, tmp_path: Path, options: list[str], told: str
) -> None:
    ran = CliRunner().invoke(app, ["derive", str(store), "-o", str(tmp_path / "out"), *options])
    assert ran.exit_code == 2
    assert told in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
