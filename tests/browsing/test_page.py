"""The page in headless Chromium: it opens, pans, jumps, saves flags, and no name hurts it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import physioprep as pp
from physioprep.browsing.browser import open_browser
from physioprep.decisions import read_decisions
from tests.browsing.conftest import Client, served
from tests.browsing.webdriver import Chromium, absent, started

pytestmark = pytest.mark.skipif(bool(absent()), reason=f"no headless Chromium: {absent()}")

RIGHT, LEFT, UP, END, HOME = "\ue014", "\ue012", "\ue013", "\ue010", "\ue011"
DRAWN = "[...document.querySelectorAll('canvas.trace')].every(c => c.dataset.complete === 'true')"
TITLE = "document.querySelector('.panel.active h2').textContent"
TIME = "document.querySelector('.panel.active .time').textContent"


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with started(tmp_path_factory.mktemp("profile")) as chromium:
        yield chromium


@pytest.fixture
def flags(tmp_path: Path) -> Path:
    return tmp_path / "flags.tsv"


@pytest.fixture
def page(window: Chromium, store: Path, raw: Path, flags: Path) -> Iterator[Chromium]:
    """The page of a store, its first record drawn."""
    for client in served(open_browser([store], raw=raw, decisions=flags)):
        show(window, client)
        yield window
        assert window.log() == []  # no error, nothing that the policy refused


def show(window: Chromium, client: Client, fragment: str = "") -> None:
    window.open("about:blank")
    window.log()
    window.open(client.server.url + fragment)
    window.wait(f"document.querySelector('canvas.trace') && {DRAWN}")


def test_it_opens_and_fetches_nothing_from_elsewhere(page: Chromium, store: Path) -> None:
    ids = list(pp.open_store(store).records["record_id"].to_numpy())
    listed = "[...document.querySelectorAll('.record')].map(r => r.children[2].textContent)"
    assert page.run(f"return {listed}") == ids
    assert page.run(f"return {TITLE}") == ids[0]
    hosts = "performance.getEntriesByType('resource').map(r => new URL(r.name).origin)"
    assert page.run(f"return [...new Set({hosts})]") == [page.run("return location.origin")]


def test_the_keyboard_pans_zooms_and_turns_pages(page: Chromium, store: Path) -> None:
    ids = list(pp.open_store(store).records["record_id"].to_numpy())
    page.wait(f"{TIME}.startsWith('0:00.0')")
    page.keys(RIGHT, RIGHT)
    page.wait(f"!{TIME}.startsWith('0:00.0') && {DRAWN}")
    page.keys(HOME)
    page.wait(f"{TIME}.startsWith('0:00.0')")
    page.keys("+")
    page.wait("document.querySelector('.speed').value === '50'")
    page.keys("-", "-")
    page.wait("document.querySelector('.speed').value === '12.5'")
    gain = page.run("return document.querySelector('.gain').value")
    page.keys(UP)
    page.wait("Number(document.querySelector('.gain').value) > Number(arguments[0])", gain)
    page.keys("0")
    page.wait(f"{DRAWN} && {TIME}.split(/ – | of /)[1].split('.')[0] === {TIME}.split(' of ')[1]")
    page.keys("n")
    page.wait(f"{TITLE} === arguments[0] && {DRAWN}", ids[1])
    page.keys("c", "n")  # pinned: the next one opens beside it
    page.wait(f"document.querySelectorAll('.panel').length === 2 && {DRAWN}")
    page.keys("?")
    page.wait("document.querySelector('#help').open")
    page.keys("?")
    page.wait("!document.querySelector('#help').open")
    page.keys("/")
    page.wait("document.activeElement.id === 'search'")
    page.keys(*ids[2])
    page.wait("document.querySelector('#list-rows').dataset.query === arguments[0]", ids[2])
    assert page.run("return document.querySelectorAll('.record').length") == 1


def test_raw_stands_above_stored_on_the_same_seconds(page: Chromium) -> None:
    page.keys("r", "r")
    page.wait(f"document.querySelectorAll('canvas.trace').length === 2 && {DRAWN}", timeout_s=60)
    page.wait("[...document.querySelectorAll('.caption')].every(c => c.textContent)")
    captions = page.run("return [...document.querySelectorAll('.caption')].map(c => c.textContent)")
    assert captions[0].startswith("stored")
    assert captions[1].startswith("raw file")


def test_filters_montage_leads_and_layers_draw_anew(page: Chromium) -> None:
    asked = "performance.getEntriesByType('resource').map(r => decodeURIComponent(r.name))"
    page.run("document.querySelector('[data-step=lowpass]').click()")
    page.wait(f'{asked}.some(n => n.includes(\'"name":"lowpass","high_hz":40\')) && {DRAWN}')
    page.keys("d")
    page.wait(f"{asked}.some(n => n.includes('/api/delineation'))")
    shown = page.run("return document.querySelector('.leads summary').textContent")
    page.run("document.querySelector('.leads input').click()")
    page.wait("document.querySelector('.leads summary').textContent !== arguments[0]", shown)
    pressed = "document.querySelector('#layer-delineation').getAttribute('aria-pressed')"
    assert page.run(f"return {pressed}") == "true"


def test_a_flag_ends_in_the_table_that_shard_takes(
    page: Chromium, store: Path, flags: Path
) -> None:
    records = pp.open_store(store).records
    page.keys("x")
    page.wait("document.querySelector('.record .flag').textContent === '✗'")
    page.keys("e", *"bad lead")
    page.wait("document.querySelector('.saved').textContent === 'Saved.'")
    name = str(records["corpus"].to_numpy()[0]), str(records["record_id"].to_numpy()[0])
    page.wait("document.querySelector('#note').value === 'bad lead'")
    page.run("document.querySelector('#note').dispatchEvent(new Event('change'))")
    page.wait("document.querySelector('.saved').textContent === 'Saved.'")
    assert read_decisions(flags)[name].keep is False
    out = flags.parent / "kept.shards"
    command = ["shard", str(store), "-o", str(out), "--window", "8", "--records", str(flags)]
    done = subprocess.run(
        [sys.executable, "-m", "physioprep", *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert name[1] not in set(pd.read_parquet(out / "manifest.parquet")["record_id"])


@pytest.mark.realdata
def test_jumps_to_annotations(window: Chromium, shared_data: Path, tmp_path: Path) -> None:
    manifest = pp.write_manifest(pp.scan(shared_data / "mitdb", "mitdb"), tmp_path / "m.parquet")
    chosen = "document.querySelector('.near button.chosen')?.textContent"
    for client in served(open_browser([manifest])):
        show(
            window, client, "#source=0&key=3"
        )  # 208: its beats 2 and 3 are V at 0.58 s, N at 1.34 s
        window.keys("]")
        window.wait(f"{chosen} && {DRAWN}")
        window.run("document.querySelector('#symbol').value = 'V'")
        seen = []
        for _ in range(3):
            seen.append(window.run(f"return {chosen}"))
            window.keys("]")
            window.wait(f"{chosen} && {chosen} !== arguments[0]", seen[-1])
        assert all(" V " in text for text in seen[1:]), seen
        assert seen[1:] == sorted(seen[1:])
        assert window.log() == []


HOSTILE = [
    "<img src=x onerror='window.hurt=1'>",
    "\"><script>window.hurt=1</script>",
    "../../etc/passwd",
    "javascript:window.hurt=1",
    "${window.hurt=1}{{7*7}}",
    "a&b=c#d%2e%2e%2f?e",
    "\u202egnp.exe",
    "x" * 10_000,
]  # fmt: skip


def test_hostile_ids_do_nothing(
    window: Chromium, manifest: Path, raw: Path, tmp_path: Path
) -> None:
    table = pp.read_manifest(manifest)
    table = pd.concat([table] * 8, ignore_index=True).iloc[: len(HOSTILE)]
    table["record_id"] = HOSTILE
    table["subject_id"] = HOSTILE
    bad = tmp_path / "hostile.parquet"
    table.to_parquet(bad)
    for client in served(open_browser([bad], raw=raw, decisions=tmp_path / "f.tsv")):
        show(window, client)
        for id_ in HOSTILE:
            window.wait(f"{TITLE} === arguments[0] && {DRAWN}", id_)
            window.keys("k")
            window.wait("document.querySelector('.saved').textContent === 'Saved.'")
            window.keys("n")
        assert window.run("return window.hurt === undefined")
        assert (
            window.run("return document.querySelectorAll('#list img, script:not([src])').length")
            == 0
        )
        assert len(read_decisions(tmp_path / "f.tsv")) == len(HOSTILE)
        assert window.log() == []


def test_long_ids_keep_their_end_and_are_whole_in_the_details(
    window: Chromium, manifest: Path, raw: Path, tmp_path: Path
) -> None:
    """Ids that are paths differ at their end; it stands in the list and above the record."""
    table = pp.read_manifest(manifest).iloc[:2].copy()
    ids = [f"ward-12/{'a-folder-with-a-long-name/' * 5}visit-0{i}" for i in (1, 2)]
    table["record_id"] = ids
    long = tmp_path / "long.parquet"
    table.to_parquet(long)
    for client in served(open_browser([long], raw=raw)):
        show(window, client)
        assert window.run(f"return {TITLE}") == ids[0]
        seen = """
            return [...document.querySelectorAll('.record .id, .panel h2.id')]
                .map(id => [id.title, id.querySelector('.end')]).map(([title, end]) =>
                    [title, end.textContent, end.scrollWidth <= end.clientWidth]);
        """
        ends = [[id_, id_[-18:], True] for id_ in (*ids, ids[0])]
        assert window.run(seen) == ends
        assert window.run("return document.querySelector('#details h2').textContent") == ids[0]


def test_windows_of_shards_say_where_they_begin(window: Chromium, shards: Path) -> None:
    first = pp.open_shards(shards).windows.iloc[0]
    at = f"from 0:{first['start_s']:04.1f}"
    for client in served(open_browser([shards])):
        show(window, client)
        said = "return document.querySelector(arguments[0]).textContent"
        assert window.run(said, "#list-count").endswith(" windows")
        assert window.run(said, ".panel .about").startswith(at)
        assert window.run("return document.querySelector('#list-head').textContent").startswith(
            "⚑!record_idstart_s"
        )


def test_lines_of_many_annotations_leave_the_trace_visible(window: Chromium, shards: Path) -> None:
    """A mark a pixel: their lines together hide less than half of what is below."""
    for client in served(open_browser([shards])):
        show(window, client)
        alpha = """
            const module = new URL('layers.js', document.querySelector('script').src).href;
            return import(module).then(({ drawAnnotations }) => {
                const canvas = new OffscreenCanvas(300, 100), ctx = canvas.getContext('2d');
                const at = { start_s: 0, pxPerS: 1, left: 0, right: 300 };
                const marks = Array.from({ length: 3000 }, (_, i) =>
                    ({ time_s: i / 10, duration_s: null, symbol: 'V', text: '', channel: null }));
                const how = { height: 100, colours: { mark: '#f00' }, chosen: null };
                drawAnnotations(ctx, marks, [], at, how);
                return ctx.getImageData(150, 60, 1, 1).data[3];
            });
        """
        assert 0 < window.run(alpha) < 128


def test_the_first_gain_cuts_no_outer_trace(window: Chromium, shards: Path) -> None:
    """Two leads of 2.4 mV fit rows of 170 px at 10 mm/mV; rows of 72 px, of two views, at 5."""
    for client in served(open_browser([shards])):
        show(window, client)
        gains = """
            const module = new URL('scale.js', document.querySelector('script').src).href;
            return import(module).then(({ chooseEcgGain }) =>
                [170, 72].map(px => chooseEcgGain([2400, 2400], px)));
        """
        assert window.run(gains) == [10, 5]


def test_a_smaller_panel_fits_its_gain_anew_but_for_one_that_the_user_chose(page: Chromium) -> None:
    gains = "[...document.querySelectorAll('.gain')].map(e => Number(e.value))"
    page.resize(1400, 420)
    try:
        page.wait(DRAWN)
        (fitted,) = page.run(f"return {gains}")
        page.keys("c", "n")  # the next one takes half of the height
        page.wait(f"document.querySelectorAll('.panel').length === 2 && {DRAWN}")
        page.wait(f"{gains}[0] < arguments[0]", fitted)
        page.keys(UP)
        page.wait(f"{gains}[1] > {gains}[0]")
        chosen = page.run(f"return {gains}[1]")
        page.resize(1400, 900)
        page.wait(f"{gains}[0] === arguments[0] && {DRAWN}", fitted)
        assert page.run(f"return {gains}[1]") == chosen
    finally:
        page.resize(1400, 900)


def test_missing_samples_are_a_gap(window: Chromium, raw: Path, tmp_path: Path) -> None:
    """From second 2 to 4 nothing is drawn but the shade of the gap; a zero would be a line."""
    copy = shutil.copytree(raw.parent / "demo-ecg", tmp_path / "demo-ecg")
    samples = np.fromfile(copy / "00001.dat", "<i2").reshape(-1, 12)
    samples[1000:2000] = -32768  # of WFDB: no sample here; at 500 Hz
    samples.tofile(copy / "00001.dat")
    manifest = pp.write_manifest(pp.scan(copy, "demo-ecg"), tmp_path / "gap.parquet")
    for client in served(open_browser([manifest])):
        show(window, client)
        window.wait("document.querySelector('.caption').textContent")
        dark = """
            const canvas = document.querySelector('canvas.trace');
            const width = 86, px = 100;  // gutter; 25 mm/s of 4 px
            const column = (second) => canvas.getContext('2d').getImageData(
                width + second * px, 30, 1, canvas.height - 60).data;
            const isDark = (d, i) => d[i] < 90 && d[i + 1] < 90 && d[i + 2] < 90;
            return [0.5, 1.5, 2.1, 3, 3.9, 4.5, 5.5].map(column).map(
                d => d.filter((_, i) => i % 4 === 0 && isDark(d, i)).length > 0);
        """
        assert window.run(dark) == [True, True, False, False, False, True, True]
