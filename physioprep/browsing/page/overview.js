/** @module The whole record in one strip, drawn by uPlot: where the page is, where findings are; click to go there. */

import uPlot from "./uPlot.esm.js";
import { askSignal } from "./api.js";
import { make } from "./dom.js";
import { clock } from "./scale.js";
import { colours } from "./theme.js";

const HEIGHT = 74;
const TICKS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800];

export class Overview {
  /** @param {import("./panel.js").RecordPanel} panel */
  constructor(panel) {
    this.panel = panel;
    this.element = make("div", { class: "overview", title: "The whole record: click to go there" });
    this.plot = null;
    this.loaded = "";
    this.drawnAt = "";
    let down = false;
    const go = (event) => {
      const x = event.clientX - this.plot.over.getBoundingClientRect().left;
      panel.app.moveTo(panel, this.plot.posToVal(x, "x") - panel.page_s / 2);
    };
    this.element.addEventListener("pointerdown", (event) => {
      if (!this.plot) return;
      down = true;
      this.element.setPointerCapture(event.pointerId);
      go(event);
    });
    this.element.addEventListener("pointermove", (event) => down && go(event));
    this.element.addEventListener("pointerup", () => (down = false));
  }

  reset() {
    this.loaded = "";
    this.panel.redraw();
  }

  /** Fetch the whole record, of the chosen lead, unless it is here. */
  async load() {
    const { panel } = this;
    const view = panel.views[0];
    if (!view || !panel.chosenLead) return;
    const lead = view.montage === "stored" ? panel.chosenLead : view.signal.channels.find(({ status }) => status !== "absent")?.name;
    const query = { ...panel.address, modality: view.signal.modality, channels: encodeURIComponent(lead), raw: view.raw ? 1 : null, start_s: 0, stop_s: panel.duration_s, points: 600 };
    const name = JSON.stringify(query);
    if (name === this.loaded) return;
    this.loaded = name;
    try {
      const piece = await askSignal(query);
      if (this.loaded === name && !panel.closed) this.make(piece, lead);
    } catch (error) {
      panel.say(error.message);
    }
  }

  /**
   * @param {import("./api.js").Piece} piece
   * @param {string} lead
   */
  make(piece, lead) {
    this.plot?.destroy();
    const width = piece.form === "envelope" ? 2 : 1;
    const times = Array.from({ length: piece.columns }, (_, i) => piece.start_s + i / piece.rate_hz);
    const edge = (side) => times.map((_, i) => {
      const value = piece.values[0][i * width + side];
      return Number.isNaN(value) ? null : value;
    });
    const data = [times, edge(0), edge(width - 1)];
    const line = { stroke: () => colours.overview, width: 1, points: { show: false }, spanGaps: false };
    const axis = { stroke: () => colours.muted, size: 22, incrs: TICKS_S, space: 70, font: "10px system-ui", ticks: { size: 4, stroke: () => colours.line }, grid: { show: false }, values: (_, ticks) => ticks.map((tick) => clock(tick)) };
    this.plot = new uPlot(
      {
        width: Math.max(80, this.element.clientWidth), height: HEIGHT, legend: { show: false }, cursor: { show: false }, padding: [4, 16, 0, 16],
        scales: { x: { time: false, range: [0, this.panel.duration_s] } },
        axes: [axis, { show: false }],
        series: [{}, line, line],
        bands: [{ series: [2, 1], fill: () => colours.overview }],
        hooks: { draw: [(plot) => this.drawOver(plot)] },
      },
      data,
      this.element,
    );
    this.element.dataset.lead = lead;
    this.drawnAt = "";
    this.draw();
  }

  /** Draw anew, where the page has moved by a pixel. */
  draw() {
    if (!this.plot) return;
    const place = `${this.placeOf(this.plot).map(Math.round)} ${colours.accent}`;
    if (place === this.drawnAt) return;
    this.drawnAt = place;
    this.plot.redraw(false);
  }

  /** @returns {[number, number]} device px of the page's left and right edge */
  placeOf(plot) {
    const [start_s, stop_s] = this.panel.page();
    return [plot.valToPos(start_s, "x", true), plot.valToPos(stop_s, "x", true)];
  }

  drawOver(plot) {
    const { ctx, bbox } = plot;
    const [left, right] = this.placeOf(plot);
    ctx.save();
    ctx.fillStyle = colours.finding;
    for (const { start_s, stop_s } of this.panel.record.findings) {
      if (start_s === null) continue;
      const from = plot.valToPos(start_s, "x", true);
      ctx.globalAlpha = 0.75;
      ctx.fillRect(from, bbox.top, Math.max(3, plot.valToPos(stop_s ?? start_s, "x", true) - from), 5);
    }
    ctx.globalAlpha = 0.2;
    ctx.fillStyle = colours.accent;
    ctx.fillRect(left, bbox.top, Math.max(3, right - left), bbox.height);
    ctx.globalAlpha = 1;
    ctx.strokeStyle = colours.accent;
    ctx.lineWidth = Math.max(1, window.devicePixelRatio);
    ctx.strokeRect(left, bbox.top + 1, Math.max(3, right - left), bbox.height - 2);
    ctx.restore();
  }

  resize() {
    if (this.plot) this.plot.setSize({ width: Math.max(80, this.element.clientWidth), height: HEIGHT });
    this.drawnAt = "";
  }

  close() {
    this.plot?.destroy();
  }
}
