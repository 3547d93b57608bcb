/** @module One canvas: a signal of a record, stored or raw, over the seconds that its panel shows. */

import { make } from "./dom.js";
import { drawAnnotations, drawFindings, drawWaves } from "./layers.js";
import { BOTTOM, FONT, GUTTER, TOP, drawClock, drawGutter, drawPaper, drawSeconds } from "./paper.js";
import { Pieces, numbersIn, stretch } from "./pieces.js";
import { firstGain, layRows, level, rowHeight } from "./rows.js";
import { kindOf } from "./scale.js";
import { drawTrace, shadeGaps } from "./traces.js";
import { colours } from "./theme.js";

/**
 * @typedef {Object} Shown What a panel shows, the same for its views.
 * @property {number} start_s of the left edge
 * @property {number} speed mm/s
 * @property {number|null} gain null until the first samples are here
 * @property {number} direction 1 while panning on, -1 back
 */

export class TraceView {
  /**
   * @param {import("./panel.js").RecordPanel} panel
   * @param {Object} signal of the record, see /api/record
   * @param {boolean} raw whether it is that of the raw file
   */
  constructor(panel, signal, raw) {
    this.panel = panel;
    this.signal = signal;
    this.raw = raw;
    this.kind = kindOf(signal.kind);
    this.levels = new Map();
    /** @type {import("./rows.js").Row[]} */
    this.rows = [];
    this.resetChannels();
    this.pieces = new Pieces(() => panel.redraw());
    this.canvas = make("canvas", { class: "trace", tabindex: "-1" });
    this.caption = make("div", { class: "caption" });
    this.element = make("div", { class: "view" }, this.caption, make("div", { class: "paper" }, this.canvas));
    this.size = { width: 300, height: 200, ratio: 1 };
    this.stretch = null;
    this.before = null;
    this.drawn = 0;
  }

  /** All channels that the record has; those of a raw file in the order of the stored ones. */
  resetChannels() {
    const order = new Map((this.panel.record.signals ?? []).flatMap(({ channels }) => channels).map(({ name }, i) => [name, i]));
    const place = ({ name }) => order.get(name) ?? order.size;
    this.channels = this.signal.channels.filter(({ status }) => status !== "absent");
    if (this.raw) this.channels.sort((a, b) => place(a) - place(b));
  }

  /** Montage of this signal: a raw file may lack the electrodes of the one chosen. */
  get montage() {
    return this.signal.montages.includes(this.panel.montage) ? this.panel.montage : "stored";
  }

  /** Steps that are applied: beside the stored signal, the raw one stays as it is. */
  get steps() {
    return this.raw && this.panel.mode === "both" ? [] : this.panel.steps;
  }

  /** Channels on the page. */
  get shownChannels() {
    return this.channels.filter(({ name }) => !this.panel.hidden.has(name));
  }

  /** Take the size that the page gives. */
  measure() {
    const { width, height } = this.canvas.parentElement.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    this.size = { width: Math.max(200, Math.floor(width)), height: Math.max(90, Math.floor(height)), ratio };
    this.canvas.width = Math.round(this.size.width * ratio);
    this.canvas.height = Math.round(this.size.height * ratio);
  }

  /** Ask anew: other steps, montage, channels. */
  reset(levels = true) {
    if (levels) this.levels.clear();
    this.pieces.forgetErrors();
    this.before = null;
    this.stretch = null;
  }

  /**
   * @returns {import("./traces.js").Window}
   */
  window() {
    const { width, ratio } = this.size;
    const pxPerS = this.panel.pxPerS;
    const start_s = Math.round(this.panel.shown.start_s * pxPerS * ratio) / (pxPerS * ratio); // whole pixels
    return { start_s, pxPerS, left: GUTTER, right: width };
  }

  /** @returns {import("./pieces.js").Stretch} what is fetched at this scale */
  wanted(at) {
    const page_s = (at.right - at.left) / at.pxPerS;
    const piece_s = 2 ** Math.ceil(Math.log2(page_s));
    const some = this.panel.hidden.size ? this.shownChannels.map(({ name }) => encodeURIComponent(name)).join(",") : null;
    const query = {
      ...this.panel.address,
      modality: this.signal.modality,
      channels: some,
      montage: this.montage,
      steps: this.steps.length ? JSON.stringify(this.steps) : null,
      raw: this.raw ? 1 : null,
      points: Math.ceil(piece_s * at.pxPerS),
    };
    return stretch(query, piece_s, [0, this.signal.n_samples / this.signal.rate_hz]);
  }

  /** Draw all that is here, and ask for what is not. */
  draw() {
    const at = this.window();
    const pieces = this.fetched(at);
    this.place(pieces.filter(Boolean));
    const ctx = this.canvas.getContext("2d", { alpha: false }); // all of it is painted
    ctx.setTransform(this.size.ratio, 0, 0, this.size.ratio, 0, 0);
    (this.kind === "ecg" ? drawPaper : drawSeconds)(ctx, this.size, at, colours);
    this.drawRows(ctx, pieces, at);
    drawClock(ctx, this.size, at, colours);
    ctx.fillStyle = colours.margin;
    ctx.fillRect(0, 0, this.size.width, TOP - 5);
    this.drawLayers(ctx, at);
    const marks = new Map(this.signal.channels.map(({ name, status }) => [name, status === "bad" ? " (bad)" : ""]));
    const mark = (name) => marks.get(name) ?? "";
    drawGutter(ctx, this.size, this.rows, { kind: this.kind, chosen: this.panel.chosenLead, colours, mark });
    this.drawMessage(ctx, at, pieces);
    this.canvas.dataset.drawn = String(++this.drawn);
    const complete = pieces.length > 0 && pieces.every(Boolean);
    this.canvas.dataset.complete = String(complete);
    if (complete) this.canvas.dataset.openMs ??= (performance.now() - this.panel.begun_ms).toFixed(0);
  }

  /**
   * Return the pieces of the page; while those of a new scale are on their way, the ones before.
   * @param {import("./traces.js").Window} at
   * @returns {(import("./api.js").Piece|undefined)[]}
   */
  fetched(at) {
    const now = this.wanted(at);
    if (this.stretch && this.stretch.name !== now.name) this.before = this.stretch;
    this.stretch = now;
    const stop_s = at.start_s + (at.right - at.left) / at.pxPerS;
    const here = numbersIn(now, at.start_s, stop_s);
    const beside = numbersIn(now, at.start_s, stop_s, 2).filter((number) => !here.includes(number));
    const middle = (here[0] + here.at(-1)) / 2;
    const way = (number) => Math.abs(number - middle) - (Math.sign(number - middle) === this.panel.shown.direction ? 0.6 : 0);
    this.pieces.want(now, [...here, ...beside.sort((a, b) => way(a) - way(b))]);
    const found = here.map((number) => this.pieces.get(now, number));
    this.error = found.find((piece) => piece?.error)?.error ?? "";
    const good = found.map((piece) => (piece?.error ? undefined : piece));
    if (this.error || !this.before || good.every(Boolean)) return good;
    return numbersIn(this.before, at.start_s, stop_s)
      .map((number) => this.pieces.get(this.before, number))
      .map((piece) => (piece?.error ? undefined : piece));
  }

  /** Lay out the rows by what is known of the channels. */
  place(pieces) {
    if (pieces.length && this.montage !== "stored" && !this.panel.hidden.size) {
      this.channels = pieces[0].channels;
      this.panel.onChannels();
    }
    const names = this.shownChannels;
    const { height } = this.size;
    const page = { kind: this.kind, top: TOP, height: height - TOP - BOTTOM };
    for (const { name } of names) {
      if (this.levels.has(name) || !pieces.some(({ places }) => places.has(name))) continue;
      const one = level(pieces, name);
      if (one) this.levels.set(name, one);
    }
    if (this.panel.shown.gain === null && pieces.length) {
      const known = names.map(({ name, unit }) => ({ unit, level: this.levels.get(name) ?? null }));
      this.panel.takeGain(firstGain(this.kind, known, rowHeight(page.height, names.length)), true);
    }
    this.rows = layRows(names, this.levels, { ...page, gain: this.panel.shown.gain ?? 10 });
  }

  drawRows(ctx, pieces, at) {
    ctx.save();
    ctx.beginPath();
    ctx.rect(at.left, TOP - 5, at.right - at.left, this.size.height - TOP - BOTTOM + 5);
    ctx.clip();
    ctx.fillStyle = colours.gap;
    for (const row of this.rows) shadeGaps(ctx, pieces, row, at);
    const { modality, kind } = this.signal;
    const here = this.panel.record.findings.filter((one) => !one.modality || [modality, kind].includes(one.modality));
    drawFindings(ctx, here, this.rows, at, { height: this.size.height, colours });
    ctx.strokeStyle = colours.trace;
    ctx.lineWidth = this.rows.length > 24 ? 0.9 : 1.2;
    ctx.lineJoin = "bevel";
    for (const row of this.rows) drawTrace(ctx, pieces, row, at);
    ctx.restore();
  }

  drawLayers(ctx, at) {
    const { height } = this.size;
    const { layers, marks } = this.panel;
    ctx.save();
    ctx.beginPath();
    ctx.rect(at.left, 0, at.right - at.left, height - BOTTOM);
    ctx.clip();
    if (layers.annotations) drawAnnotations(ctx, marks.annotations, this.rows, at, { height, colours, chosen: marks.chosen });
    if (layers.delineation && !this.raw && this.kind === "ecg") {
      drawWaves(ctx, marks.waves, this.rows.find(({ name }) => name === this.panel.chosenLead), at, colours);
    }
    ctx.restore();
  }

  drawMessage(ctx, at, pieces) {
    const text = this.error || (pieces.some(Boolean) ? "" : pieces.length ? "reading …" : "no samples here");
    if (!text) return;
    ctx.font = `13px ${FONT}`;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    ctx.fillStyle = this.error ? colours.bad : colours.muted;
    ctx.fillText(text.slice(0, 160), (at.left + at.right) / 2, this.size.height / 2, at.right - at.left - 20);
  }

  /** Put rows that have drifted off their place back on it. */
  recentre(always = false) {
    const at = this.window();
    const stop_s = at.start_s + (at.right - at.left) / at.pxPerS;
    const pieces = numbersIn(this.stretch ?? this.wanted(at), at.start_s, stop_s)
      .map((number) => this.pieces.get(this.stretch, number))
      .filter((piece) => piece && !piece.error);
    for (const row of this.rows) {
      const now = level(pieces, row.name);
      const off = now ? Math.abs((now.middle - row.middle) * row.scale) : 0;
      if (now && (always || off > row.height * 0.6)) this.levels.set(row.name, now);
    }
  }

  /**
   * @param {number} y px on the canvas
   * @returns {import("./rows.js").Row|undefined} the row there
   */
  rowAt(y) {
    return this.rows.find((row) => Math.abs(row.y - y) <= row.height / 2);
  }

  close() {
    this.pieces.close();
  }
}
