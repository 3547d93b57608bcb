/** @module The list of records: searched and sorted by the server, of which only the rows in sight exist. */

import { ask } from "./api.js";
import { afterPause, byId, make, partsOfId } from "./dom.js";

const ROW_PX = 28;
const BLOCK = 200;
const BLOCKS_KEPT = 40;
const SEARCH_PAUSE_MS = 60;
/** Columns that come first; others follow as the source has them. */
const FIRST = ["record_id", "start_s", "subject_id", "duration_s"];
/** Widths of the column of ids, for short and for long ones, px. */
const [ID_NARROW_PX, ID_WIDE_PX] = [118, 206];
const MARKS = [["flag", "", "34px"], ["n_findings", "!", "40px"]];

export class RecordList {
  /**
   * @param {function({source: number, key: string}): void} onOpen
   * @param {function(string): void} onError
   */
  constructor(onOpen, onError) {
    this.onOpen = onOpen;
    this.onError = onError;
    this.query = { source: 0, q: "", sort: null, descending: 0 };
    this.columns = [];
    this.total = 0;
    this.chosen = 0;
    this.openKey = null;
    /** @type {Map<number, Object[]|Promise<void>>} */
    this.blocks = new Map();
    this.turn = 0;
    this.head = byId("list-head");
    this.body = byId("list-body");
    this.rows = byId("list-rows");
    this.count = byId("list-count");
    this.search = byId("search");
    this.body.addEventListener("scroll", () => this.draw());
    this.search.addEventListener("input", () => (this.typed_ms = performance.now()));
    this.search.addEventListener("input", afterPause(() => this.find(), SEARCH_PAUSE_MS));
    new ResizeObserver(() => this.draw()).observe(this.body);
  }

  /** @param {{source: number, columns: string[]}} source */
  async useSource({ source, columns, kind }) {
    this.unit = kind === "shards" ? "window" : "record";
    this.query = { ...this.query, source, sort: null, descending: 0 };
    const first = FIRST.filter((name) => columns.includes(name));
    this.columns = [...first, ...columns.filter((name) => !first.includes(name) && !MARKS.some(([mark]) => mark === name))];
    this.sortable = new Set(columns);
    this.drawHead();
    await this.reload();
  }

  find() {
    this.query.q = this.search.value.trim();
    return this.reload();
  }

  /** Ask anew, from the first row. */
  async reload() {
    const turn = ++this.turn;
    try {
      const answer = await this.request(0);
      if (turn !== this.turn) return;
      this.blocks = new Map([[0, answer.rows]]);
      this.total = answer.total;
      this.chosen = answer.rows.findIndex(({ key }) => key === this.openKey); // -1: none of these is open
      this.body.scrollTop = 0;
      this.count.textContent = `${this.total.toLocaleString("en")} ${this.unit}${this.total === 1 ? "" : "s"}`;
      this.fitIds(answer.rows);
      this.rows.style.height = `${this.total * ROW_PX}px`;
      this.draw();
      if (this.typed_ms) this.rows.dataset.searchMs = (performance.now() - this.typed_ms).toFixed(1);
      this.typed_ms = 0;
      this.rows.dataset.query = this.query.q;
    } catch (error) {
      this.onError(error.message);
    }
  }

  request(block) {
    const { source, q, sort, descending } = this.query;
    return ask("api/records", { source, q, sort, descending, offset: block * BLOCK, limit: BLOCK });
  }

  /** @returns {Object|null} a row, or null while it is on its way */
  row(number) {
    const block = Math.floor(number / BLOCK);
    const found = this.blocks.get(block);
    if (Array.isArray(found)) return found[number - block * BLOCK] ?? null;
    if (!found) this.fetchBlock(block);
    return null;
  }

  async fetchBlock(block) {
    const turn = this.turn;
    const arrival = this.request(block).then(({ rows }) => {
      if (turn !== this.turn) return;
      this.blocks.set(block, rows);
      for (const old of this.blocks.keys()) if (this.blocks.size > BLOCKS_KEPT && old !== block) this.blocks.delete(old);
      this.draw();
    });
    this.blocks.set(block, arrival);
    arrival.catch((error) => {
      this.blocks.delete(block);
      this.onError(error.message);
    });
    await arrival.catch(() => {});
  }

  /** Give the column of ids the room that those of the first rows need. */
  fitIds(rows) {
    const longest = Math.max(0, ...rows.map(({ values }) => textOf(values.record_id).length));
    this.idWidth_px = longest > 13 ? ID_WIDE_PX : ID_NARROW_PX;
    this.body.style.setProperty("--columns", this.widths());
  }

  widths() {
    return [...MARKS.map(([, , width]) => width), ...this.columns.map((name) => (name === "record_id" ? `${this.idWidth_px ?? ID_NARROW_PX}px` : "96px"))].join(" ");
  }

  drawHead() {
    this.body.style.setProperty("--columns", this.widths());
    const cells = [...MARKS, ...this.columns.map((name) => [name, name])].map(([name, text]) => {
      const now = this.query.sort === name ? (this.query.descending ? " ▼" : " ▲") : "";
      const sort = { "aria-label": `sort by ${name}`, title: name, disabled: !this.sortable.has(name), on: { click: () => this.sortBy(name) } };
      return make("button", { ...sort, text: (name === "flag" ? "⚑" : text) + now });
    });
    this.head.replaceChildren(...cells);
  }

  sortBy(name) {
    const again = this.query.sort === name;
    this.query.descending = again ? 1 - this.query.descending : 0;
    this.query.sort = name;
    this.drawHead();
    return this.reload();
  }

  /** Draw the rows in sight. */
  draw() {
    const first = Math.max(0, Math.floor(this.body.scrollTop / ROW_PX) - 4);
    const last = Math.min(this.total, first + Math.ceil(this.body.clientHeight / ROW_PX) + 8);
    const rows = [];
    for (let number = first; number < last; number++) rows.push(this.drawRow(number));
    this.rows.replaceChildren(...rows);
    if (!this.total) this.rows.replaceChildren(make("p", { class: "muted empty", text: `No ${this.unit} has all these words.` }));
  }

  drawRow(number) {
    const row = this.row(number);
    const chosen = row && row.key === this.openKey;
    const element = make("div", { class: `record${chosen ? " chosen" : ""}`, role: "row", "aria-selected": String(Boolean(chosen)), on: { click: () => this.open(number) } });
    element.style.top = `${number * ROW_PX}px`;
    if (!row) return element;
    element.append(
      make("span", { class: `flag ${wordOfFlag(row.flag)}`, text: { keep: "✓", drop: "✗" }[wordOfFlag(row.flag)] ?? (row.noted ? "✎" : ""), title: wordOfFlag(row.flag) }),
      make("span", { class: "findings", text: row.n_findings || "", title: row.n_findings ? `${row.n_findings} findings` : "" }),
      ...this.columns.map((name) => {
        const text = textOf(row.values[name]);
        const title = text.slice(0, 500);
        if (name === "record_id") return make("span", { class: "id", title }, ...partsOfId(text));
        return make("span", { text: text.slice(0, 200), title });
      }),
    );
    return element;
  }

  /** Open a row, and bring it in sight. */
  async open(number) {
    if (!this.total) return;
    this.chosen = Math.max(0, Math.min(this.total - 1, number));
    if (!this.row(this.chosen)) await this.blocks.get(Math.floor(this.chosen / BLOCK));
    const row = this.row(this.chosen);
    if (!row) return;
    this.openKey = row.key;
    const top = this.chosen * ROW_PX;
    const { scrollTop, clientHeight } = this.body;
    if (top < scrollTop || top + 3 * ROW_PX > scrollTop + clientHeight) this.body.scrollTop = top - clientHeight / 3;
    this.draw();
    this.onOpen({ source: this.query.source, key: row.key });
  }

  /** Mark a record as open, wherever it stands. */
  show(key) {
    this.openKey = key;
    this.chosen = (this.blocks.get(0) ?? []).findIndex((row) => row.key === key);
    this.draw();
  }

  /** Show a flag that was saved. */
  mark(key, keep, note) {
    for (const rows of this.blocks.values()) {
      const row = Array.isArray(rows) && rows.find((one) => one.key === key);
      if (row) Object.assign(row, { flag: keep, noted: Boolean(note) });
    }
    this.draw();
  }
}

function wordOfFlag(keep) {
  return keep === true ? "keep" : keep === false ? "drop" : "";
}

function textOf(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(7))) : String(value);
}
