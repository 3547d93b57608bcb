/** @module Keeps fetched stretches of signal, ahead of what is shown and behind it, so that panning waits for nothing. */

import { askSignal } from "./api.js";
import { gapsOf } from "./traces.js";

const LIMIT_BYTES = 128 * 2 ** 20;
const AT_ONCE = 4;

/**
 * @typedef {Object} Stretch What a view shows: the query without its times, and the grid of its pieces.
 * @property {Object<string, *>} query
 * @property {number} piece_s length of a piece; piece 0 begins at second 0
 * @property {[number, number]} range_s where the signal lies
 * @property {string} name of query and grid together
 */

/**
 * @param {Object<string, *>} query
 * @param {number} piece_s
 * @param {[number, number]} range_s
 * @returns {Stretch}
 */
export function stretch(query, piece_s, range_s) {
  return { query, piece_s, range_s, name: JSON.stringify([query, piece_s]) };
}

/**
 * Return the numbers of the pieces that hold a time range, with `beside` more on each side.
 * @param {Stretch} of
 * @param {number} start_s
 * @param {number} stop_s
 * @param {number} beside
 * @returns {number[]} in order of time
 */
export function numbersIn(of, start_s, stop_s, beside = 0) {
  const [from, to] = of.range_s;
  const least = Math.floor(Math.max(start_s - beside * of.piece_s, from) / of.piece_s);
  const greatest = Math.ceil(Math.min(stop_s + beside * of.piece_s, to) / of.piece_s) - 1;
  return Array.from({ length: Math.max(0, greatest - least + 1) }, (_, i) => least + i);
}

export class Pieces {
  /** @param {function(): void} onArrival called when a piece came, or could not be had */
  constructor(onArrival) {
    this.onArrival = onArrival;
    /** @type {Map<string, import("./api.js").Piece|{error: string}>} oldest use first */
    this.kept = new Map();
    this.bytes = 0;
    /** @type {Map<string, AbortController>} */
    this.running = new Map();
    /** @type {{key: string, of: Stretch, number: number}[]} */
    this.waiting = [];
  }

  /**
   * Return a piece, if it is here.
   * @param {Stretch} of
   * @param {number} number
   * @returns {import("./api.js").Piece|{error: string}|undefined}
   */
  get(of, number) {
    const key = `${of.name}#${number}`;
    const piece = this.kept.get(key);
    if (piece) {
      this.kept.delete(key);
      this.kept.set(key, piece);
    }
    return piece;
  }

  /**
   * Say which pieces are wanted now, the most urgent first; those asked for before and not begun are forgotten.
   * @param {Stretch} of
   * @param {number[]} numbers
   */
  want(of, numbers) {
    const wanted = numbers.map((number) => ({ key: `${of.name}#${number}`, of, number }));
    const keys = new Set(wanted.map(({ key }) => key));
    for (const [key, controller] of this.running) if (!keys.has(key)) controller.abort();
    this.waiting = wanted.filter(({ key }) => !this.kept.has(key) && !this.running.has(key));
    this.begin();
  }

  begin() {
    while (this.waiting.length && this.running.size < AT_ONCE) this.fetch(this.waiting.shift());
  }

  /** @param {{key: string, of: Stretch, number: number}} wanted */
  async fetch({ key, of, number }) {
    const controller = new AbortController();
    this.running.set(key, controller);
    const times = {
      start_s: Math.max(number * of.piece_s, of.range_s[0]),
      stop_s: Math.min((number + 1) * of.piece_s, of.range_s[1]),
    };
    try {
      const piece = await askSignal({ ...of.query, ...times }, controller.signal);
      piece.gaps = new Map(piece.channels.map(({ name }) => [name, gapsOf(piece, name)]));
      this.keep(key, piece);
    } catch (error) {
      if (!controller.signal.aborted) this.keep(key, { error: error.message, bytes: 0 });
    }
    this.running.delete(key);
    this.begin();
    this.onArrival();
  }

  /**
   * @param {string} key
   * @param {{bytes: number}} piece
   */
  keep(key, piece) {
    this.kept.set(key, piece);
    this.bytes += piece.bytes;
    for (const [oldest, old] of this.kept) {
      if (this.bytes <= LIMIT_BYTES) break;
      this.kept.delete(oldest);
      this.bytes -= old.bytes;
    }
  }

  /** Forget what could not be had, so that it is asked for again. */
  forgetErrors() {
    for (const [key, piece] of this.kept) if ("error" in piece) this.kept.delete(key);
  }

  /** Stop all that runs: the record is closed. */
  close() {
    this.waiting = [];
    for (const controller of this.running.values()) controller.abort();
  }
}
