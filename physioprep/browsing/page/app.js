/** @module The page: a list of records, the records that are open, and what is told of the active one. */

import { ask } from "./api.js";
import { byId, choice, listen } from "./dom.js";
import { Details } from "./details.js";
import { listenToKeys, writeHelp } from "./keys.js";
import { RecordList } from "./list.js";
import { RecordPanel } from "./panel.js";
import { startTheme, theme } from "./theme.js";

const MOST_PANELS = 4;
const MODES = ["stored", "raw", "both"];

class App {
  constructor() {
    this.layers = { annotations: true, delineation: false };
    /** @type {RecordPanel[]} */
    this.panels = [];
    /** @type {RecordPanel|null} */
    this.active = null;
    this.sources = [];
    this.opening = 0;
    this.turnTheme = startTheme(() => this.onTheme());
    this.list = new RecordList((address) => this.open(address), (text) => this.say(text));
    this.details = new Details(this);
    this.records = byId("records");
  }

  async start() {
    this.buttons();
    listenToKeys(this);
    writeHelp();
    this.onTheme();
    this.details.show(null);
    new ResizeObserver(() => this.panels.forEach((panel) => panel.resize())).observe(this.records);
    try {
      this.sources = await ask("api/sources");
      await this.useSource(this.fromAddress().source ?? 0);
    } catch (error) {
      this.say(error.message);
    }
  }

  buttons() {
    const click = (id, action) => listen(byId(id), { click: action });
    click("theme", () => this.nextTheme());
    click("help-button", () => this.help());
    click("list-button", () => this.showList());
    click("details-button", () => this.showDetails());
    for (const name of ["annotations", "delineation"]) click(`layer-${name}`, () => this.toggleLayer(name));
    click("together", () => this.setTogether(!this.together));
    click("help-close", () => byId("help").close());
    this.setTogether(true);
    this.showLayers();
  }

  /** Show the records of a source, and the first one; or the one that the address names. */
  async useSource(number) {
    const source = this.sources.find((one) => one.source === number) ?? this.sources[0];
    const titles = this.sources.map((one) => [one.source, `${one.title} (${one.kind})`]);
    byId("sources").replaceChildren(choice(titles, source.source, (value) => this.useSource(Number(value)), { "aria-label": "Source" }));
    await this.list.useSource(source);
    const { key, start_s } = this.fromAddress();
    if (key !== null && this.panels.length === 0) {
      this.list.show(key);
      await this.open({ source: source.source, key }, start_s);
    } else if (this.list.total) await this.list.open(0);
  }

  /** Open a record: in place of the one that is not pinned, else beside the others. */
  async open(address, start_s = 0) {
    const turn = ++this.opening;
    const begun = performance.now();
    let record;
    try {
      record = await ask("api/record", address);
    } catch (error) {
      this.say(error.message);
      return;
    }
    if (turn !== this.opening) return; // another one was asked for since
    const panel = new RecordPanel(record, address, this, begun);
    const free = this.panels.find((one) => !one.pinned) ?? (this.panels.length >= MOST_PANELS ? this.panels.at(-1) : null);
    if (free) {
      this.keepLook(free, panel);
      free.element.replaceWith(panel.element);
      free.close();
      this.panels[this.panels.indexOf(free)] = panel;
    } else {
      this.records.append(panel.element);
      this.panels.push(panel);
    }
    this.records.dataset.panels = String(this.panels.length);
    this.activate(panel);
    this.panels.forEach((one) => one.resize());
    panel.jumpTo(start_s);
    this.say("");
  }

  /** The next record is looked at as the one before: same signal, steps, montage. */
  keepLook(before, panel) {
    const same = panel.record.signals.find(({ modality }) => modality === before.signal?.modality);
    if (!same) return;
    panel.montage = same.montages.includes(before.montage) ? before.montage : "stored";
    panel.steps = before.steps;
    panel.useSignal(same.modality);
    panel.shown.speed = before.shown.speed;
    panel.toolbar.refresh();
  }

  /** @param {RecordPanel} panel */
  activate(panel) {
    if (this.active === panel) return;
    this.active = panel;
    for (const one of this.panels) one.element.classList.toggle("active", one === panel);
    this.details.show(panel);
  }

  close(panel) {
    this.panels = this.panels.filter((one) => one !== panel);
    panel.close();
    this.records.dataset.panels = String(this.panels.length);
    this.active = null;
    if (this.panels.length) this.activate(this.panels[0]);
    else this.details.show(null);
  }

  pin(panel) {
    panel.pinned = !panel.pinned;
    panel.toolbar.refreshPin();
    this.say(panel.pinned ? "Pinned: the next record opens beside this one." : "");
  }

  /** Pan a panel by seconds, and with it the others. */
  move(panel, seconds) {
    for (const one of this.together ? this.panels : [panel]) one.pan(seconds);
  }

  /** Put the left edge of a panel at a second, and move the others as far. */
  moveTo(panel, start_s) {
    const seconds = panel.within(start_s) - panel.shown.start_s;
    for (const one of this.together ? this.panels : [panel]) one.jumpTo(one.shown.start_s + seconds);
  }

  /** Change the scale of a panel, and that of others drawn in the same way. */
  scale(panel, change) {
    const same = (one) => one === panel || (this.together && one.kind === panel.kind);
    for (const one of this.panels.filter(same)) {
      change(one);
      if (one !== panel) one.useSpeed(panel.shown.speed);
    }
  }

  setTogether(on) {
    this.together = on;
    byId("together").setAttribute("aria-pressed", String(on));
  }

  toggleLayer(name) {
    this.layers[name] = !this.layers[name];
    this.showLayers();
    for (const panel of this.panels) {
      panel.redraw();
      panel.marks.delineate();
    }
  }

  showLayers() {
    for (const [name, on] of Object.entries(this.layers)) byId(`layer-${name}`).setAttribute("aria-pressed", String(on));
  }

  /** Jump to the next or previous annotation, of the symbol that is looked for. */
  async jump(panel, way) {
    try {
      const row = await panel.marks.find(way, this.details.symbol());
      if (row) this.showAnnotation(panel, row);
      else this.say(`There is no ${way} ${this.details.symbol() || "annotation"}.`);
    } catch (error) {
      this.say(error.message);
    }
  }

  showAnnotation(panel, one) {
    panel.marks.chosen = one.time_s;
    if (one.channel && panel.views[0]?.shownChannels.some(({ name }) => name === one.channel)) panel.chosenLead = one.channel;
    panel.show(one.time_s);
    this.details.refreshNear(panel);
  }

  /** Jump to the next finding that has a second; after the last, to the first. */
  nextFinding(panel) {
    const placed = panel.record.findings.filter(({ start_s }) => start_s !== null).sort((a, b) => a.start_s - b.start_s);
    const now = panel.shown.start_s + panel.page_s / 2 + 1e-6;
    const next = placed.find(({ start_s }) => start_s > now) ?? placed[0];
    if (next) this.details.goTo(panel, next);
    else this.say("This record has no finding with a second.");
  }

  nextMode(panel) {
    if (!panel.record.signals.some(({ has_raw }) => has_raw)) return this.say("There is no raw file at hand: start with --raw ROOT.");
    return panel.useMode(MODES[(MODES.indexOf(panel.mode) + 1) % MODES.length]);
  }

  nextMontage(panel) {
    if (!panel.signal) return;
    const { montages } = panel.signal;
    panel.toolbar.useMontage(montages[(montages.indexOf(panel.montage) + 1) % montages.length]);
  }

  nextPanel() {
    this.activate(this.panels[(this.panels.indexOf(this.active) + 1) % this.panels.length]);
  }

  /** @returns {boolean} whether flags of a panel's record can be saved */
  canFlag(panel) {
    return Boolean(this.sources.find(({ source }) => source === panel.address.source)?.decisions);
  }

  onFlag(panel) {
    const { keep, note } = panel.record.flag;
    if (panel.address.source === this.list.query.source) this.list.mark(panel.address.key, keep, note);
    this.say(keep === null ? "No flag." : keep ? "Kept." : "Dropped.");
  }

  onMarks(panel) {
    this.details.refreshNear(panel);
  }

  onRest(panel) {
    if (panel !== this.active) return;
    this.details.refreshNear(panel);
    const { source, key } = panel.address;
    const hash = new URLSearchParams({ source, key, t: panel.shown.start_s.toFixed(2) });
    history.replaceState(null, "", `#${hash}`);
  }

  /** @returns {{source: number|null, key: string|null, start_s: number}} what the address says behind # */
  fromAddress() {
    const hash = new URLSearchParams(location.hash.slice(1));
    const [source, start_s] = [hash.get("source"), Number(hash.get("t"))];
    return { source: source === null ? null : Number(source), key: hash.get("key"), start_s: Number.isFinite(start_s) ? start_s : 0 };
  }

  onTheme() {
    byId("theme").textContent = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" }[theme()];
    for (const panel of this.panels) {
      panel.overview.drawnAt = "";
      panel.redraw();
    }
  }

  nextTheme() {
    this.turnTheme();
  }

  showList(on = document.body.classList.contains("no-list")) {
    document.body.classList.toggle("no-list", !on);
  }

  showDetails(on = document.body.classList.contains("no-details")) {
    document.body.classList.toggle("no-details", !on);
  }

  help() {
    const dialog = byId("help");
    if (dialog.open) dialog.close();
    else dialog.showModal();
  }

  /** @param {string} text of a note or an error; empty: none */
  say(text) {
    byId("status").textContent = text;
  }
}

new App().start();
