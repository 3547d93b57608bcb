/** @module Layers over traces: annotations, delineated waves, findings of the audit. */

import { BOTTOM, FONT, TOP, shortened } from "./paper.js";
import { xOf } from "./traces.js";

/**
 * @typedef {Object} Annotation
 * @property {number} time_s
 * @property {number|null} duration_s
 * @property {string} symbol
 * @property {string} text
 * @property {string|null} channel
 */

/** Lines of annotations closer than this are fainter, so that traces stay visible, px. */
const CLOSE_PX = 12;

/**
 * Say in a word what an annotation is.
 * @param {Annotation} one
 * @returns {string}
 */
export function wordOf({ symbol, text }) {
  return (symbol === "+" || !symbol ? text : symbol) || symbol || "•";
}

/**
 * Draw annotations: a mark on the upper edge, over their row where they name a channel; a bar where they last.
 * @param {CanvasRenderingContext2D} ctx
 * @param {Annotation[]} annotations in order of time
 * @param {import("./rows.js").Row[]} rows
 * @param {import("./traces.js").Window} at
 * @param {{height: number, colours: Object<string, string>, chosen: number|null}} how
 */
export function drawAnnotations(ctx, annotations, rows, at, { height, colours, chosen }) {
  const free = new Map(); // by row: from where on there is room for a word
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  const strength = strengthOf(annotations, at);
  for (const one of annotations) {
    const row = rows.find(({ name }) => name === one.channel);
    if (one.channel && !row) continue; // its lead is not shown
    const x = xOf(at, one.time_s);
    const colour = one.time_s === chosen ? colours.accent : wordOf(one) === "N" ? colours.normal : colours.mark;
    ctx.fillStyle = colour;
    if (one.duration_s > 0) drawLasting(ctx, x, xOf(at, one.time_s + one.duration_s), row, at, colour);
    const [top, bottom] = row ? [row.y - row.height / 2, row.y + row.height / 2] : [TOP - 6, height - BOTTOM];
    const reaches = x >= at.left || (one.duration_s > 0 && xOf(at, one.time_s + one.duration_s) > at.left);
    if (x > at.right || !reaches) continue;
    if (x >= at.left) drawLine(ctx, x, top, bottom, one.time_s === chosen ? 0.9 : strength);
    drawWord(ctx, wordOf(one), x, row ? top + 6 : TOP / 2, at, free, row?.name ?? "");
  }
}

/** @returns {number} how opaque lines are: 0.28, less where they stand close */
function strengthOf(annotations, at) {
  const here = annotations.filter(({ time_s }) => xOf(at, time_s) >= at.left && xOf(at, time_s) <= at.right).length;
  return 0.28 * Math.min(1, (at.right - at.left) / (Math.max(1, here) * CLOSE_PX));
}

function drawLine(ctx, x, top, bottom, alpha) {
  ctx.globalAlpha = alpha;
  ctx.fillRect(Math.round(x), top, alpha > 0.5 ? 2 : 1, bottom - top);
  ctx.globalAlpha = 1;
}

function drawLasting(ctx, from, to, row, at, colour) {
  const [left, right] = [Math.max(from, at.left), Math.min(to, at.right)];
  if (right <= left) return;
  ctx.fillStyle = colour;
  ctx.globalAlpha = 0.75;
  ctx.fillRect(left, row ? row.y - row.height / 2 : TOP - 4, Math.max(1, right - left - 1), 3);
  ctx.globalAlpha = 1;
}

function drawWord(ctx, word, x, y, at, free, place) {
  const begin = Math.max(x - 3, at.left + 3); // what began before the page is named at its edge
  if (begin < (free.get(place) ?? -Infinity)) return;
  ctx.font = `600 11px ${FONT}`;
  const text = shortened(ctx, word, 110);
  ctx.fillText(text, begin, y);
  free.set(place, begin + ctx.measureText(text).width + 4);
}

/**
 * Draw waves below the trace of their lead.
 * @param {CanvasRenderingContext2D} ctx
 * @param {{kind: string, onset_s: number|null, peak_s: number|null, offset_s: number|null}[]} waves
 * @param {import("./rows.js").Row|undefined} row
 * @param {import("./traces.js").Window} at
 * @param {Object<string, string>} colours
 */
export function drawWaves(ctx, waves, row, at, colours) {
  if (!row) return;
  const y = Math.round(row.y + Math.max(8, row.height * 0.36));
  ctx.font = `700 10px ${FONT}`;
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  let free = -Infinity; // from where on there is room for a word
  for (const { kind, onset_s, peak_s, offset_s } of waves) {
    ctx.fillStyle = colours[`wave${kind}`] ?? colours.mark;
    const from = xOf(at, onset_s ?? peak_s);
    const to = xOf(at, offset_s ?? peak_s);
    if (onset_s !== null && offset_s !== null) ctx.fillRect(from, y, Math.max(2, to - from), 4);
    if (peak_s === null) continue;
    const peak = xOf(at, peak_s);
    ctx.fillRect(Math.round(peak), y - 5, 1, 9);
    const half = ctx.measureText(kind).width / 2;
    if (at.pxPerS < 60 || row.height < 60 || peak - half < free) continue;
    ctx.fillText(kind, peak, y + 6);
    free = peak + half + 1;
  }
}

/**
 * Shade where findings are: over their row, or over all.
 * @param {CanvasRenderingContext2D} ctx
 * @param {{start_s: number|null, stop_s: number|null, channel: string|null}[]} findings
 * @param {import("./rows.js").Row[]} rows
 * @param {import("./traces.js").Window} at
 * @param {{height: number, colours: Object<string, string>}} how
 */
export function drawFindings(ctx, findings, rows, at, { height, colours }) {
  for (const { start_s, stop_s, channel } of findings) {
    if (start_s === null) continue;
    const from = Math.max(at.left, xOf(at, start_s));
    const to = Math.min(at.right, xOf(at, stop_s ?? start_s));
    if (to < at.left || from > at.right) continue;
    const row = rows.find(({ name }) => name === channel);
    const [top, bottom] = row ? [row.y - row.height / 2, row.y + row.height / 2] : [TOP, height - BOTTOM];
    ctx.globalAlpha = 0.16;
    ctx.fillStyle = colours.finding;
    ctx.fillRect(from, top, Math.max(3, to - from), bottom - top);
    ctx.globalAlpha = 0.9;
    ctx.fillRect(from, top, Math.max(3, to - from), 2);
    ctx.globalAlpha = 1;
  }
}
