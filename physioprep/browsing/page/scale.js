/** @module Millimetres, speeds and gains, as on paper. */

/** CSS pixels in a millimetre. By definition of CSS they are 3.78; 4 makes all lines of the paper equally sharp. */
export const PX_PER_MM = 4;
const ECG_SPEEDS = [400, 200, 100, 50, 25, 12.5, 5, 2.5, 1, 0.5, 0.25, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];
const EEG_SPEEDS = [480, 240, 120, 60, 30, 15, 7.5, 3, 1.5, 0.75, 0.3, 0.15, 0.07, 0.03, 0.015, 0.007, 0.003, 0.001];
const ECG_GAINS = [80, 40, 20, 10, 5, 2.5, 1.25, 0.5];
const EEG_SENSITIVITIES = [0.5, 1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 1000];
const FACTORS = [16, 8, 4, 2, 1, 0.5, 0.25, 0.125];
const IN_UV = { V: 1e6, mV: 1e3, uV: 1, "µV": 1, "μV": 1, nV: 1e-3 };

/**
 * @typedef {"ecg"|"eeg"|"other"} Kind How a modality is drawn: on ECG paper, as a montage, or fitted to its rows.
 */

/**
 * @param {string} modality
 * @returns {Kind}
 */
export function kindOf(modality) {
  return modality === "ecg" || modality === "eeg" ? modality : "other";
}

/**
 * @param {Kind} kind
 * @returns {number[]} mm/s, fastest first
 */
export function speedsOf(kind) {
  return kind === "ecg" ? ECG_SPEEDS : EEG_SPEEDS;
}

/**
 * @param {Kind} kind
 * @returns {number[]} ECG mm/mV, EEG µV/mm, else a factor; the largest trace first
 */
export function gainsOf(kind) {
  return { ecg: ECG_GAINS, eeg: EEG_SENSITIVITIES, other: FACTORS }[kind];
}

/**
 * @param {Kind} kind
 * @param {number} gain
 * @returns {string}
 */
export function describeGain(kind, gain) {
  if (kind === "ecg") return `${gain} mm/mV`;
  return kind === "eeg" ? `${gain} µV/mm` : `fitted × ${gain}`;
}

/**
 * @param {Kind} kind
 * @returns {number} mm/s
 */
export function usualSpeed(kind) {
  return kind === "ecg" ? 25 : 30;
}

/**
 * Pixels that one unit of a channel takes upwards; null where its unit is no voltage, so that it has to be fitted.
 * EEG is drawn negative up, as it is read.
 * @param {Kind} kind
 * @param {number} gain
 * @param {string} unit
 * @returns {number|null}
 */
export function pxPerUnit(kind, gain, unit) {
  const uv = IN_UV[unit];
  if (kind === "other" || uv === undefined) return null;
  return kind === "ecg" ? (uv / 1000) * gain * PX_PER_MM : (-uv / gain) * PX_PER_MM;
}

/**
 * Choose the sensitivity at which a typical channel reaches a little into the rows beside its own.
 * @param {number[]} spreads of the channels, µV
 * @param {number} rowHeight px
 * @returns {number} µV/mm
 */
export function chooseSensitivity(spreads, rowHeight) {
  if (!spreads.length) return 7;
  const wanted = spreads.sort((a, b) => a - b)[spreads.length >> 1] / (rowHeight / PX_PER_MM);
  return EEG_SENSITIVITIES.find((one) => one >= wanted * 0.7) ?? EEG_SENSITIVITIES.at(-1);
}

/**
 * Choose 10 mm/mV, or less where traces would lie over one another, or the first or last be cut at the edge.
 * @param {number[]} reaches of the leads to one side, µV, in the order of their rows
 * @param {number} rowHeight px
 * @returns {number} mm/mV
 */
export function chooseEcgGain(reaches, rowHeight) {
  const pxPerGain = reaches.map((uv) => (uv / 1000) * PX_PER_MM);
  const outer = Math.max(pxPerGain[0] ?? 0, pxPerGain.at(-1) ?? 0); // from its baseline to the edge is ¾ of a row
  const sorted = pxPerGain.sort((a, b) => a - b);
  const [typical, largest] = [sorted[sorted.length >> 1] ?? 0, sorted.at(-1) ?? 0];
  const fits = (one) => one <= 10 && typical * one <= 1.1 * rowHeight && largest * one <= 1.8 * rowHeight && outer * one <= 0.8 * rowHeight;
  return ECG_GAINS.find(fits) ?? ECG_GAINS.at(-1);
}

/**
 * @param {string} unit
 * @returns {number|undefined} µV
 */
export function inMicrovolts(unit) {
  return IN_UV[unit];
}

/**
 * Write a time of a record: 7.25 s as 0:07.25.
 * @param {number} time_s
 * @param {number} decimals
 * @returns {string}
 */
export function clock(time_s, decimals = 0) {
  const unit = 10 ** decimals;
  const total = Math.round(Math.abs(time_s) * unit) / unit;
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const seconds = (total % 60).toFixed(decimals).padStart(decimals ? decimals + 3 : 2, "0");
  const sign = time_s < 0 ? "−" : "";
  return hours ? `${sign}${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${sign}${minutes}:${seconds}`;
}

const TICKS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400];

/**
 * Choose the distance of labelled seconds.
 * @param {number} pxPerS
 * @returns {number} s
 */
export function tickStep(pxPerS) {
  return TICKS.find((step) => step * pxPerS >= 70) ?? 28800;
}
