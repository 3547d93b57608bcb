/** @module What lies behind traces and beside them: paper, seconds, names of channels, calibration. */

import { PX_PER_MM, clock, inMicrovolts, tickStep } from "./scale.js";
import { xOf } from "./traces.js";

/** Heights and widths of the margins, px. */
export const GUTTER = 86;
export const TOP = 22;
export const BOTTOM = 20;
export const FONT = "system-ui, sans-serif";
const PULSE_MM = 5;

/** @type {Map<string, CanvasPattern>} */
const patterns = new Map();

/**
 * Return a tile of ECG paper of 5 mm, with lines each millimetre.
 * @param {CanvasRenderingContext2D} ctx
 * @param {Object<string, string>} colours
 * @param {number} ratio device pixels in a CSS pixel
 * @returns {CanvasPattern}
 */
function paperPattern(ctx, colours, ratio) {
  const name = `${colours.paper} ${colours.minor} ${colours.major} ${ratio}`;
  if (!patterns.has(name)) {
    const side = Math.round(5 * PX_PER_MM * ratio);
    const tile = new OffscreenCanvas(side, side);
    const on = tile.getContext("2d");
    const line = Math.max(1, Math.floor(ratio));
    on.fillStyle = colours.paper;
    on.fillRect(0, 0, side, side);
    for (let mm = 4; mm >= 0; mm--) {
      const place = Math.round((mm * side) / 5);
      on.fillStyle = mm ? colours.minor : colours.major;
      on.fillRect(place, 0, line, side);
      on.fillRect(0, place, side, line);
    }
    patterns.set(name, ctx.createPattern(tile, "repeat"));
  }
  return patterns.get(name);
}

/**
 * Draw ECG paper, which moves with the signal.
 * @param {CanvasRenderingContext2D} ctx in CSS pixels
 * @param {{width: number, height: number, ratio: number}} size
 * @param {import("./traces.js").Window} at
 * @param {Object<string, string>} colours
 */
export function drawPaper(ctx, size, at, colours) {
  const pattern = paperPattern(ctx, colours, size.ratio);
  const moved = Math.round((at.left - at.start_s * at.pxPerS) * size.ratio);
  ctx.save();
  ctx.setTransform(1, 0, 0, 1, moved, Math.round(TOP * size.ratio));
  ctx.fillStyle = pattern;
  ctx.fillRect(-moved, -Math.round(TOP * size.ratio), size.width * size.ratio, size.height * size.ratio);
  ctx.restore();
}

/**
 * Draw a page of EEG: a line each second, a strong one each fifth.
 * @param {CanvasRenderingContext2D} ctx
 * @param {{width: number, height: number}} size
 * @param {import("./traces.js").Window} at
 * @param {Object<string, string>} colours
 */
export function drawSeconds(ctx, size, at, colours) {
  ctx.fillStyle = colours.sheet;
  ctx.fillRect(0, 0, size.width, size.height);
  const step = at.pxPerS >= 20 ? 1 : tickStep(at.pxPerS);
  for (let n = Math.ceil(at.start_s / step); xOf(at, n * step) <= at.right; n++) {
    ctx.fillStyle = n % 5 ? colours.second : colours.fifth;
    ctx.fillRect(Math.round(xOf(at, n * step)), TOP, 1, size.height - TOP - BOTTOM);
  }
}

/**
 * Write the seconds below.
 * @param {CanvasRenderingContext2D} ctx
 * @param {{width: number, height: number}} size
 * @param {import("./traces.js").Window} at
 * @param {Object<string, string>} colours
 */
export function drawClock(ctx, size, at, colours) {
  const y = size.height - BOTTOM;
  ctx.fillStyle = colours.margin;
  ctx.fillRect(0, y, size.width, BOTTOM);
  ctx.fillStyle = colours.ink;
  ctx.font = `11px ${FONT}`;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  const step = tickStep(at.pxPerS);
  const decimals = step >= 1 ? 0 : step >= 0.1 ? 1 : 2;
  for (let n = Math.max(0, Math.ceil(at.start_s / step)); xOf(at, n * step) < at.right; n++) {
    const x = Math.round(xOf(at, n * step));
    ctx.fillRect(x, y, 1, 4);
    if (x > at.left + 14 && x < at.right - 22) ctx.fillText(clock(n * step, decimals), x, y + BOTTOM / 2 + 2);
  }
}

/**
 * Write the names of rows on the left, with a calibration pulse of 1 mV on ECG paper.
 * @param {CanvasRenderingContext2D} ctx
 * @param {{width: number, height: number}} size
 * @param {import("./rows.js").Row[]} rows
 * @param {{kind: string, chosen: string|null, colours: Object<string, string>, mark: (name: string) => string}} how
 *   `mark`: what stands behind a name, as (bad)
 */
export function drawGutter(ctx, size, rows, { kind, chosen, colours, mark }) {
  ctx.fillStyle = colours.margin;
  ctx.fillRect(0, 0, GUTTER, size.height);
  ctx.fillStyle = colours.line;
  ctx.fillRect(GUTTER - 1, 0, 1, size.height);
  const least = rows.length ? rows[0].height : 0;
  const pixels = Math.max(7, Math.min(12, least * 0.9));
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  const last = rows.at(-1);
  for (const row of rows) {
    ctx.font = `${row.name === chosen ? "700" : "500"} ${pixels}px ${FONT}`;
    ctx.fillStyle = row.name === chosen ? colours.accent : channelColour(kind, row.name, colours);
    const room = kind === "ecg" && !row.fitted ? GUTTER - 44 : GUTTER - 30;
    ctx.fillText(shortened(ctx, row.name + mark(row.name), room), 7, row.y);
    if (kind === "ecg" && !row.fitted) {
      if (row === last || pulsePx(row) < row.height) drawPulse(ctx, row, colours); // else they would overlap
    } else if (row.fitted && row.height > 34) drawUnit(ctx, row, colours);
  }
  if (kind === "eeg" && rows.length) drawBar(ctx, size, rows[0], colours);
}

/** Electrodes of the left hemisphere have odd numbers, those of the right even ones. */
function channelColour(kind, name, colours) {
  if (kind !== "eeg") return colours.ink;
  const numbers = [...name.matchAll(/[A-Za-z](\d+)(?=h?(?:-|$))/g)].map((found) => Number(found[1]) % 2);
  if (!numbers.length || new Set(numbers).size > 1) return colours.ink;
  return numbers[0] ? colours.leftSide : colours.rightSide;
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {string} text
 * @param {number} room px
 * @returns {string} with … where it is too long
 */
export function shortened(ctx, text, room) {
  const line = text.slice(0, 80).replace(/[\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g, "·");
  if (ctx.measureText(line).width <= room && line.length === text.length) return line;
  let length = line.length;
  while (length > 1 && ctx.measureText(`${line.slice(0, length)}…`).width > room) length--;
  return `${line.slice(0, length)}…`;
}

function pulsePx(row) {
  return (row.scale * 1000) / inMicrovolts(row.unit);
}

function drawPulse(ctx, row, colours) {
  const height = pulsePx(row);
  const [x, width] = [GUTTER - 34, PULSE_MM * PX_PER_MM];
  ctx.strokeStyle = colours.trace;
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.moveTo(x, row.y + 0.5);
  for (const [dx, y] of [[3, 0], [3, height], [3 + width, height], [3 + width, 0], [6 + width, 0]]) {
    ctx.lineTo(x + dx + 0.5, Math.round(row.y - y) + 0.5);
  }
  ctx.stroke();
}

function drawUnit(ctx, row, colours) {
  ctx.font = `9.5px ${FONT}`;
  ctx.fillStyle = colours.muted;
  ctx.fillText(shortened(ctx, `fitted, ${row.unit || "no unit"}`, GUTTER - 12), 7, row.y + 13);
}

/** Draw a bar of as many µV as give a length that is good to read. */
function drawBar(ctx, size, row, colours) {
  if (!row.scale || row.fitted) return;
  const pxPerUv = Math.abs(row.scale) / inMicrovolts(row.unit);
  const uv = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((one) => one * pxPerUv >= 16) ?? 10000;
  const [x, bottom, length] = [GUTTER - 9, size.height - BOTTOM - 4, uv * pxPerUv];
  ctx.fillStyle = colours.accent;
  ctx.fillRect(x, bottom - length, 3, length);
  ctx.font = `600 10px ${FONT}`;
  ctx.save(); // upright, beside the names of channels
  ctx.translate(x - 8, bottom);
  ctx.rotate(-Math.PI / 2);
  ctx.fillText(`${uv} µV`, 0, 0);
  ctx.restore();
}
