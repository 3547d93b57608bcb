/** @module The rows of a view: which channel, where its baseline lies, and how many pixels a unit takes. */

import { chooseEcgGain, chooseSensitivity, inMicrovolts, pxPerUnit } from "./scale.js";

/**
 * @typedef {Object} Level Of a channel, in its unit.
 * @property {number} middle median
 * @property {number} spread from the 2nd to the 98th percentile
 * @property {number} reach from the median to the farther one of nearly the least and nearly the greatest value
 */

/**
 * @typedef {Object} Row
 * @property {string} name
 * @property {string} unit
 * @property {number} y px, of its baseline
 * @property {number} height px
 * @property {number} middle value that lies on the baseline
 * @property {number} scale px upwards for one unit
 * @property {boolean} fitted whether the scale was fitted to the row, since the unit is no voltage
 */

const SAMPLE = 4000;

/**
 * Measure a channel in pieces; null where it has no sample.
 * @param {import("./api.js").Piece[]} pieces
 * @param {string} name
 * @returns {Level|null}
 */
export function level(pieces, name) {
  const found = [];
  for (const piece of pieces) {
    const values = piece.values[piece.places.get(name)] ?? [];
    const step = Math.max(1, Math.floor((values.length * pieces.length) / SAMPLE)) | 1; // odd: both edges of envelopes
    for (let i = 0; i < values.length; i += step) if (Number.isFinite(values[i])) found.push(values[i]);
  }
  if (!found.length) return null;
  const sorted = Float32Array.from(found).sort();
  const at = (part) => sorted[Math.round(part * (sorted.length - 1))];
  const middle = at(0.5);
  return { middle, spread: at(0.98) - at(0.02), reach: Math.max(at(0.998) - middle, middle - at(0.002)) };
}

/**
 * Choose the gain at which a record is shown first.
 * @param {import("./scale.js").Kind} kind
 * @param {{unit: string, level: Level|null}[]} channels
 * @param {number} height px of a row
 * @returns {number}
 */
export function firstGain(kind, channels, height) {
  const known = channels.filter(({ unit, level: one }) => one && inMicrovolts(unit));
  const inUv = (what) => known.map(({ unit, level: one }) => one[what] * inMicrovolts(unit));
  if (kind === "eeg") return chooseSensitivity(inUv("spread"), height);
  return kind === "ecg" ? chooseEcgGain(inUv("reach"), height) : 1;
}

/** Room above the first row and below the last, in rows. */
const EDGE = 0.5;

/**
 * @param {number} height px of all rows
 * @param {number} count of rows
 * @returns {number} px of a row
 */
export function rowHeight(height, count) {
  return height / (Math.max(1, count) + EDGE);
}

/**
 * Lay out rows one under the other.
 * @param {{name: string, unit: string}[]} channels
 * @param {Map<string, Level>} levels
 * @param {{kind: import("./scale.js").Kind, gain: number, top: number, height: number}} page
 * @returns {Row[]}
 */
export function layRows(channels, levels, { kind, gain, top, height }) {
  const each = rowHeight(height, channels.length);
  return channels.map(({ name, unit }, i) => {
    const { middle, spread } = levels.get(name) ?? { middle: 0, spread: 0 };
    const known = pxPerUnit(kind, gain, unit);
    const factor = kind === "other" ? gain : 1;
    const scale = known ?? (spread > 0 ? (0.7 * each * factor) / spread : 0);
    return { name, unit, y: Math.round(top + each * (i + 0.5 + EDGE / 2)), height: each, middle, scale, fitted: known === null };
  });
}
