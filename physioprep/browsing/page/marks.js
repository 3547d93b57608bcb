/** @module Fetches what lies over the traces: annotations around the page, and the waves of its chosen lead. */

import { ask } from "./api.js";

const MOST = 3000;
const MOST_WAVES_S = 60;

export class Marks {
  /** @param {import("./panel.js").RecordPanel} panel */
  constructor(panel) {
    this.panel = panel;
    /** @type {import("./layers.js").Annotation[]} */
    this.annotations = [];
    this.total = 0;
    /** @type {number|null} time of the annotation that was jumped to */
    this.chosen = null;
    /** @type {{kind: string, onset_s: number|null, peak_s: number|null, offset_s: number|null}[]} */
    this.waves = [];
    this.wavesNote = "";
    this.annotator = "";
    this.range = null;
    this.asking = false;
    this.wavesOf = "";
  }

  /** Number of annotations of the record, of all annotators. */
  get count() {
    return this.panel.record.annotators.reduce((sum, { count }) => sum + count, 0);
  }

  /** Choose whose annotations are shown; empty: everybody's. */
  setAnnotator(name) {
    this.annotator = name;
    this.range = null;
    this.follow();
  }

  /** Fetch annotations where the page has left those that are here. */
  async follow() {
    const [start_s, stop_s] = this.panel.page();
    if (!this.count || this.asking) return;
    if (this.range && start_s >= this.range[0] && stop_s <= this.range[1]) return;
    this.asking = true;
    const page_s = stop_s - start_s;
    const range = [start_s - page_s, stop_s + page_s];
    const query = { ...this.panel.address, annotator: this.annotator, start_s: range[0], stop_s: range[1], limit: MOST };
    try {
      const answer = await ask("api/annotations", query);
      this.annotations = answer.rows.map((one) => this.onLead(one));
      this.total = answer.total;
      this.range = range;
    } catch (error) {
      this.panel.say(error.message);
      this.range = range; // not asked again until the page is elsewhere
    }
    this.asking = false;
    this.panel.onMarks();
  }

  /** Where annotators are named after leads (i, ii, avr of LUDB), theirs lie over that lead. */
  onLead(one) {
    const name = String(one.annotator ?? "").toLowerCase();
    const lead = one.channel ? null : this.panel.signal.channels.find((channel) => channel.name.toLowerCase() === name);
    return lead ? { ...one, channel: lead.name } : one;
  }

  /**
   * Find the next annotation after the chosen one, or after the middle of the page.
   * @param {"next"|"previous"} way
   * @param {string} symbol of those to look for; empty: any
   * @returns {Promise<import("./layers.js").Annotation|null>}
   */
  async find(way, symbol) {
    const [start_s, stop_s] = this.panel.page();
    const chosen = this.chosen !== null && this.chosen >= start_s && this.chosen <= stop_s;
    const time_s = chosen ? this.chosen : (start_s + stop_s) / 2;
    const query = { ...this.panel.address, annotator: this.annotator, jump: way, time_s, symbol: symbol || null };
    const { row } = await ask("api/annotations", query);
    return row && this.onLead(row);
  }

  /** Fetch the waves of the page, once it rests. */
  async delineate() {
    const [start_s, stop_s] = this.panel.page();
    const { chosenLead, signal } = this.panel;
    if (!signal || !chosenLead) return;
    const name = `${signal.modality} ${chosenLead} ${start_s} ${stop_s}`;
    if (!this.panel.layers.delineation || signal.kind !== "ecg" || name === this.wavesOf) return;
    this.wavesOf = name;
    this.wavesNote = "";
    if (stop_s - start_s > MOST_WAVES_S) {
      this.waves = [];
      this.wavesNote = `waves: zoom in to ${MOST_WAVES_S} s or less`;
    } else {
      const query = { ...this.panel.address, modality: signal.modality, channel: chosenLead, start_s, stop_s };
      try {
        this.waves = await ask("api/delineation", query);
        if (!this.waves.length) this.wavesNote = `waves: none found in ${chosenLead}`;
      } catch (error) {
        this.waves = [];
        this.wavesNote = error.message;
      }
    }
    this.panel.onMarks();
  }
}
