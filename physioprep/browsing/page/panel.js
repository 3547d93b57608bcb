/** @module One record on the page: its time, scale, filters and leads, drawn by one view or by two. */

import { ask } from "./api.js";
import { afterPause, make } from "./dom.js";
import { Marks } from "./marks.js";
import { Overview } from "./overview.js";
import { GUTTER } from "./paper.js";
import { listenToPointer } from "./pointer.js";
import { PX_PER_MM, clock, describeGain, gainsOf, kindOf, speedsOf, usualSpeed } from "./scale.js";
import { Toolbar } from "./toolbar.js";
import { TraceView } from "./view.js";

const REST_MS = 250;
/** Leads whose waves are shown first. */
const RHYTHM = ["II", "MLII", "I"];

export class RecordPanel {
  /**
   * @param {Object} record from /api/record
   * @param {{source: number, key: string}} address
   * @param {Object} app what the page does: see app.js
   * @param {number} begun_ms when the record was asked for, of performance.now()
   */
  constructor(record, address, app, begun_ms) {
    this.record = record;
    this.address = address;
    this.app = app;
    this.layers = app.layers;
    this.pinned = false;
    this.begun_ms = begun_ms;
    this.mode = "stored";
    this.montage = "stored";
    this.steps = [];
    this.hidden = new Set();
    this.shown = { start_s: 0, speed: 25, gain: null, direction: 1 };
    this.target_s = 0;
    this.views = [];
    this.marks = new Marks(this);
    this.build();
    this.atRest = afterPause(() => this.rest(), REST_MS);
    this.useSignal(record.signals[0]?.modality ?? "");
    if (record.problem) this.say(record.problem);
  }

  build() {
    this.toolbar = new Toolbar(this);
    this.note = make("div", { class: "note", role: "status" });
    this.viewsElement = make("div", { class: "views" });
    this.overview = new Overview(this);
    this.element = make(
      "section",
      { class: "panel", "aria-label": `Record ${this.record.record_id}`, on: { pointerdown: () => this.app.activate(this) } },
      this.toolbar.element,
      this.viewsElement,
      this.note,
      this.overview.element,
    );
    listenToPointer(this);
  }

  /** The signal that the first view shows. */
  get signal() {
    return this.views[0]?.signal ?? this.record.signals[0];
  }

  get kind() {
    return kindOf(this.signal?.kind ?? "other");
  }

  get pxPerS() {
    return this.shown.speed * PX_PER_MM;
  }

  get duration_s() {
    return Math.max(0, ...this.views.map(({ signal }) => signal.n_samples / signal.rate_hz));
  }

  get page_s() {
    return Math.max(1, (this.views[0]?.size.width ?? 300) - GUTTER) / this.pxPerS;
  }

  /** @returns {[number, number]} seconds of the page, within the record */
  page() {
    const start_s = this.shown.start_s;
    return [Math.max(0, start_s), Math.max(0, Math.min(start_s + this.page_s, this.duration_s))];
  }

  /** Show a modality, at its usual speed and a gain that fits. */
  useSignal(modality) {
    const before = this.kind;
    this.closeViews();
    const stored = this.record.signals.find((signal) => signal.modality === modality);
    const raw = this.mode === "stored" ? null : this.rawSignal(stored);
    this.views = [
      ...(this.mode === "raw" || !stored ? [] : [new TraceView(this, stored, false)]),
      ...(raw ? [new TraceView(this, raw, true)] : []),
    ];
    if (before !== this.kind || this.marks.range === null) this.shown.speed = usualSpeed(this.kind);
    this.shown.gain = null;
    this.chooseLead();
    this.viewsElement.replaceChildren(...this.views.map(({ element }) => element));
    this.toolbar.refresh();
    this.overview.reset();
    this.resize();
  }

  /** The raw signal of the same modality; of the same kind, where the raw file names it otherwise. */
  rawSignal(stored) {
    const all = this.record.raw ?? [];
    return all.find(({ modality }) => modality === stored?.modality) ?? all.find(({ kind }) => kind === stored?.kind) ?? null;
  }

  /** Show the stored signal, the raw one, or both, one above the other. */
  async useMode(mode) {
    const modality = this.signal.modality;
    this.mode = mode;
    if (mode !== "stored" && !this.record.raw) {
      this.say("Reading the raw file …");
      try {
        this.record.raw = (await ask("api/record", { ...this.address, raw: 1 })).raw;
        this.say("");
      } catch (error) {
        this.mode = "stored";
        this.say(error.message);
        this.toolbar.refresh();
        return;
      }
      if (this.mode !== mode) return; // another one was chosen meanwhile
    }
    const stored = this.record.signals.some((one) => one.modality === modality) ? modality : this.record.signals[0]?.modality;
    if (mode !== "stored" && !this.rawSignal(this.record.signals.find((one) => one.modality === stored))) {
      this.mode = "stored";
      this.say("The raw file has no such signal.");
    }
    const speed = this.shown.speed;
    this.useSignal(stored);
    this.shown.speed = speed;
    this.changed();
  }

  /** Choose the lead whose waves are shown: II, if it is there. */
  chooseLead() {
    const names = (this.views[0]?.shownChannels ?? []).map(({ name }) => name);
    if (!names.includes(this.chosenLead)) this.chosenLead = RHYTHM.find((name) => names.includes(name)) ?? names[0] ?? null;
  }

  /** Other steps, montage or channels: fetch anew. */
  changed(levels = true) {
    for (const view of this.views) view.reset(levels);
    this.chooseLead();
    this.toolbar.refresh();
    this.redraw();
  }

  /** The channels of a montage became known. */
  onChannels() {
    this.toolbar.refreshLeads();
  }

  onMarks() {
    this.describe();
    this.redraw();
    this.app.onMarks(this);
  }

  /** @param {number} gain @param {boolean} fitted by the page, so that another size may change it */
  takeGain(gain, fitted = false) {
    this.shown.gain = gain;
    this.fitted = fitted;
    this.toolbar.refreshScale();
  }

  /** Move by seconds; the page glides there. */
  pan(seconds) {
    this.glideTo(this.target_s + seconds);
  }

  /** @param {number} start_s of the left edge */
  glideTo(start_s) {
    this.target_s = this.within(start_s);
    this.redraw();
  }

  /** Jump so that a second lies in the middle of the page. */
  show(time_s) {
    this.jumpTo(time_s - this.page_s / 2);
  }

  /** Jump without gliding. @param {number} start_s */
  jumpTo(start_s) {
    this.target_s = this.shown.start_s = this.within(start_s);
    this.redraw();
  }

  within(start_s) {
    return Math.min(Math.max(0, this.duration_s - this.page_s * 0.9), Math.max(0, start_s));
  }

  /**
   * Zoom in time by steps.
   * @param {number} steps above 0: in
   * @param {number} at_s second that stays in its place; default: the left edge
   */
  zoom(steps, at_s = this.shown.start_s) {
    const speeds = speedsOf(this.kind);
    const place = speeds.findIndex((speed) => speed <= this.shown.speed * 1.0001);
    this.useSpeed(speeds[Math.min(speeds.length - 1, Math.max(0, place - steps))], at_s);
  }

  useSpeed(speed, at_s = this.shown.start_s) {
    const px = (at_s - this.shown.start_s) * this.pxPerS;
    this.shown.speed = speed;
    this.jumpTo(at_s - px / this.pxPerS);
    this.toolbar.refreshScale();
  }

  /** Show the whole record. */
  useWhole() {
    const width = this.page_s * this.pxPerS;
    const fits = speedsOf(this.kind).find((speed) => this.duration_s * speed * PX_PER_MM <= width);
    this.useSpeed(fits ?? width / this.duration_s / PX_PER_MM, 0);
    this.jumpTo(0);
  }

  /** Larger or smaller traces. @param {number} steps above 0: larger */
  changeGain(steps) {
    const gains = gainsOf(this.kind);
    const place = Math.max(0, gains.indexOf(this.shown.gain));
    this.takeGain(gains[Math.min(gains.length - 1, Math.max(0, place - steps))]); // largest traces first
    this.redraw();
  }

  toggleLead(name) {
    if (!this.hidden.delete(name)) this.hidden.add(name);
    this.changed(false);
  }

  /** Draw at the next frame; and at those after it, as long as the page glides. */
  redraw() {
    if (this.frame || this.closed) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      const way = this.target_s - this.shown.start_s;
      if (Math.abs(way) * this.pxPerS < 1) this.shown.start_s = this.target_s;
      else this.shown.start_s += way * 0.22;
      if (way) this.shown.direction = Math.sign(way);
      for (const view of this.views) view.draw();
      this.overview.draw();
      this.marks.follow();
      this.toolbar.refreshTime();
      if (this.shown.start_s !== this.target_s) this.redraw();
      this.atRest();
    });
  }

  /** The page rests. */
  rest() {
    if (this.closed) return;
    for (const view of this.views) view.recentre();
    this.describe();
    this.overview.load();
    this.marks.delineate();
    this.app.onRest(this);
    for (const view of this.views) view.draw();
  }

  /** Say above each view what it shows. */
  describe() {
    for (const view of this.views) {
      const { signal, raw, steps } = view;
      const parts = [
        raw ? "raw file" : "stored", `${signal.modality}, ${signal.rate_hz} Hz`,
        view.montage !== "stored" ? view.montage : signal.reference ? `reference ${signal.reference}` : "",
        steps.map((step) => this.toolbar.wordsOf(step)).join(", "),
        `${this.shown.speed} mm/s`, this.shown.gain === null ? "" : describeGain(this.kind, this.shown.gain),
        this.marks.total > this.marks.annotations.length ? `${this.marks.annotations.length} of ${this.marks.total} annotations drawn` : "",
        raw ? "" : this.marks.wavesNote,
        view.channels.length && !view.shownChannels.length ? "no lead is switched on" : "",
      ];
      view.caption.textContent = parts.filter(Boolean).join(" · ");
    }
  }

  /** @param {string} text of a note or an error; empty: none */
  say(text) {
    this.note.textContent = text;
  }

  /** Take the size of the page. */
  resize() {
    if (!this.element.isConnected) return;
    for (const view of this.views) view.measure();
    if (this.fitted) this.shown.gain = null; // a gain that the user chose stays
    this.overview.resize();
    this.jumpTo(this.shown.start_s);
  }

  /** @returns {string} what the page holds, for screen readers */
  summary() {
    const [start_s, stop_s] = this.page();
    return `${this.record.record_id}, ${clock(start_s, 1)} to ${clock(stop_s, 1)}`;
  }

  closeViews() {
    for (const view of this.views) view.close();
  }

  close() {
    this.closed = true;
    cancelAnimationFrame(this.frame);
    this.closeViews();
    this.overview.close();
    this.element.remove();
  }
}
