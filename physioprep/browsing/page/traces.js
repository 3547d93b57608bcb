/** @module Draws the samples of rows. A missing sample ends the line: it is a gap, and shaded. */

/**
 * @typedef {Object} Window Which seconds lie where on the canvas.
 * @property {number} start_s at `left`
 * @property {number} pxPerS
 * @property {number} left px
 * @property {number} right px
 */

/** Samples farther apart than this are drawn as dots, too. */
const DOT_PX = 9;

/**
 * @param {Window} at
 * @param {number} time_s
 * @returns {number} px
 */
export function xOf(at, time_s) {
  return at.left + (time_s - at.start_s) * at.pxPerS;
}

/**
 * Return the columns of a piece that lie on the canvas, and one more on each side.
 * @param {import("./api.js").Piece} piece
 * @param {Window} at
 * @returns {[number, number]} first, and one past the last
 */
function shown(piece, at) {
  const first = Math.floor((at.start_s - piece.start_s) * piece.rate_hz) - 1;
  const last = Math.ceil((at.start_s + (at.right - at.left) / at.pxPerS - piece.start_s) * piece.rate_hz) + 2;
  return [Math.max(0, first), Math.min(piece.columns, last)];
}

/**
 * Draw one row.
 * @param {CanvasRenderingContext2D} ctx its stroke style is set
 * @param {(import("./api.js").Piece|undefined)[]} pieces side by side in time; undefined: not here yet
 * @param {import("./rows.js").Row} row
 * @param {Window} at
 */
export function drawTrace(ctx, pieces, row, at) {
  const pen = { down: false };
  ctx.beginPath();
  for (const piece of pieces) {
    const values = piece?.values[piece.places.get(row.name)];
    if (!values) pen.down = false;
    else if (piece.form === "envelope") traceEnvelope(ctx, piece, values, row, at, pen);
    else traceSamples(ctx, piece, values, row, at, pen);
  }
  ctx.stroke();
}

function traceSamples(ctx, piece, values, row, at, pen) {
  const [first, last] = shown(piece, at);
  const step = at.pxPerS / piece.rate_hz;
  const origin = xOf(at, piece.start_s);
  const dots = step >= DOT_PX;
  for (let i = first; i < last; i++) {
    const value = values[i];
    if (value !== value) {
      pen.down = false; // NaN
      continue;
    }
    const x = origin + i * step;
    const y = row.y - (value - row.middle) * row.scale;
    if (pen.down) ctx.lineTo(x, y);
    else {
      ctx.moveTo(x, y);
      ctx.lineTo(x + 0.5, y); // so that a single sample between gaps is seen
    }
    if (dots) ctx.rect(x - 1, y - 1, 2, 2), ctx.moveTo(x, y);
    pen.down = true;
  }
}

function traceEnvelope(ctx, piece, values, row, at, pen) {
  const [first, last] = shown(piece, at);
  const step = at.pxPerS / piece.rate_hz;
  const origin = xOf(at, piece.start_s) + step / 2;
  for (let i = first; i < last; i++) {
    const least = values[2 * i];
    if (least !== least) {
      pen.down = false;
      continue;
    }
    const x = origin + i * step;
    const low = row.y - (least - row.middle) * row.scale;
    const high = row.y - (values[2 * i + 1] - row.middle) * row.scale;
    if (pen.down) ctx.lineTo(x, low);
    else ctx.moveTo(x, low + 0.5);
    ctx.lineTo(x, high);
    pen.down = true;
  }
}

/**
 * Find where a channel has no samples, within a piece.
 * @param {import("./api.js").Piece} piece
 * @param {string} name
 * @returns {[number, number][]} seconds
 */
export function gapsOf(piece, name) {
  const values = piece.values[piece.places.get(name)];
  if (!values) return [];
  const width = piece.form === "envelope" ? 2 : 1;
  const gaps = [];
  let begin = -1;
  for (let i = 0; i <= piece.columns; i++) {
    const missing = i < piece.columns && Number.isNaN(values[i * width]);
    if (missing && begin < 0) begin = i;
    if (!missing && begin >= 0) {
      gaps.push([piece.start_s + begin / piece.rate_hz, piece.start_s + i / piece.rate_hz]);
      begin = -1;
    }
  }
  return gaps;
}

/**
 * Shade where a row has no samples.
 * @param {CanvasRenderingContext2D} ctx its fill style is set
 * @param {(import("./api.js").Piece|undefined)[]} pieces
 * @param {import("./rows.js").Row} row
 * @param {Window} at
 */
export function shadeGaps(ctx, pieces, row, at) {
  for (const piece of pieces) {
    for (const [from_s, to_s] of piece?.gaps.get(row.name) ?? []) {
      const from = Math.max(at.left, xOf(at, from_s));
      const to = Math.min(at.right, xOf(at, to_s));
      if (to > from) ctx.fillRect(from, row.y - row.height * 0.4, Math.max(1, to - from), row.height * 0.8);
    }
  }
}
