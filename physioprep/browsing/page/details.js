/** @module Beside the records: the flag, findings, labels and annotations of the active one. */

import { post } from "./api.js";
import { afterPause, byId, choice, make } from "./dom.js";
import { wordOf } from "./layers.js";
import { clock } from "./scale.js";

const MOST_ROWS = 200;

export class Details {
  /** @param {Object} app see app.js */
  constructor(app) {
    this.app = app;
    this.element = byId("details");
    this.panel = null;
  }

  /** @param {import("./panel.js").RecordPanel|null} panel */
  show(panel) {
    this.panel = panel;
    if (!panel) {
      this.element.replaceChildren(make("p", { class: "muted", text: "No record is open." }));
      return;
    }
    const { record } = panel;
    this.near = make("div", { class: "near" });
    this.element.replaceChildren(
      make("h2", { text: record.record_id, title: record.record_id }),
      this.flagPart(panel),
      this.findingsPart(panel),
      this.annotationsPart(panel),
      table("Labels", record.labels),
      table("Metadata", { subject: record.subject_id, corpus: record.corpus, ...record.metadata, duration_s: record.duration_s, subject_id: null }),
    );
    this.refreshNear(panel);
  }

  /** Keep or drop, with a note. */
  flagPart(panel) {
    const { flag } = panel.record;
    const disabled = !this.app.canFlag(panel);
    const button = (keep, text, key) =>
      make("button", { text, class: keep === null ? "clear" : keep ? "keep" : "drop", disabled, title: `${text} (${key})`, "aria-pressed": String(flag.keep === keep), on: { click: () => this.setFlag(panel, { keep }) } });
    const note = make("textarea", { rows: "2", id: "note", placeholder: "Note", "aria-label": "Note", disabled });
    note.value = flag.note;
    note.addEventListener("input", afterPause(() => this.setFlag(panel, { note: note.value }), 600));
    note.addEventListener("change", () => this.setFlag(panel, { note: note.value }));
    this.saved = make("span", { class: "muted saved", role: "status" });
    if (disabled) this.saved.textContent = "Start with --decisions FLAGS.tsv to save flags.";
    return make("div", { class: "part flags" },
      make("div", { class: "row" }, button(true, "Keep", "k"), button(false, "Drop", "x"), button(null, "No flag", "u")), note, this.saved);
  }

  /**
   * Save a flag; what is not given stays.
   * @param {import("./panel.js").RecordPanel} panel
   * @param {{keep?: boolean|null, note?: string}} change
   */
  async setFlag(panel, change) {
    const { flag } = panel.record;
    const next = { ...flag, ...change };
    if (!this.app.canFlag(panel)) {
      this.app.say("Start with --decisions FLAGS.tsv to save flags.");
      return;
    }
    if (next.keep === flag.keep && next.note === flag.note) return;
    try {
      const kept = await post("api/flags", { ...panel.address, ...next });
      panel.record.flag = { keep: kept.keep ?? null, note: kept.note ?? "" };
      this.app.onFlag(panel);
      if (this.panel === panel) this.showFlag(panel.record.flag);
    } catch (error) {
      if (this.panel === panel) this.saved.textContent = "Not saved.";
      this.app.say(error.message);
    }
  }

  showFlag({ keep }) {
    for (const button of this.element.querySelectorAll(".flags button")) {
      const its = { keep: true, drop: false, clear: null }[button.className];
      button.setAttribute("aria-pressed", String(its === keep));
    }
    this.saved.textContent = "Saved.";
  }

  findingsPart(panel) {
    const { findings } = panel.record;
    const rows = findings.slice(0, MOST_ROWS).map((one) => {
      const where = one.start_s === null ? "whole record" : clock(one.start_s, 1);
      return make("li", {}, make("button", { class: `finding ${one.severity}`, title: one.message, disabled: one.start_s === null, on: { click: () => this.goTo(panel, one) } },
        make("b", { text: one.check }), make("span", { class: "muted", text: ` ${where}${one.channel ? ` ${one.channel}` : ""}` }), make("span", { class: "message", text: one.message })));
    });
    return listPart(`Findings (${findings.length})`, rows, findings.length, "none");
  }

  goTo(panel, { start_s, channel }) {
    if (channel && panel.views[0]?.shownChannels.some(({ name }) => name === channel)) panel.chosenLead = channel;
    panel.show(start_s);
  }

  annotationsPart(panel) {
    const { annotators } = panel.record;
    const count = panel.marks.count;
    if (!count) return make("div", { class: "part" }, make("h3", { text: "Annotations" }), make("p", { class: "muted", text: "none" }));
    const names = [["", `all (${count})`], ...annotators.map(({ name, count: of }) => [name, `${name || "unnamed"} (${of})`])];
    const symbol = make("input", { id: "symbol", size: "4", placeholder: "any", "aria-label": "Symbol to look for", title: "Symbol or text to look for" });
    const step = (way, text, key) => make("button", { text, title: `${way} annotation (${key})`, "aria-label": `${way} annotation`, on: { click: () => this.app.jump(panel, way) } });
    return make("div", { class: "part" },
      make("h3", { text: "Annotations" }),
      make("div", { class: "row" },
        ...(annotators.length > 1 ? [choice(names, panel.marks.annotator, (name) => panel.marks.setAnnotator(name), { "aria-label": "Annotator" })] : []),
        step("previous", "‹", "["), symbol, step("next", "›", "]")),
      this.near);
  }

  /** @returns {string} the symbol to look for; empty: any */
  symbol() {
    return byId("symbol")?.value.trim() ?? "";
  }

  /** List the annotations of the page. */
  refreshNear(panel) {
    if (panel !== this.panel || !this.near) return;
    const [start_s, stop_s] = panel.page();
    const here = panel.marks.annotations.filter(({ time_s, duration_s }) => time_s <= stop_s && time_s + (duration_s ?? 0) >= start_s);
    const rows = here.slice(0, MOST_ROWS).map((one) => {
      const chosen = one.time_s === panel.marks.chosen;
      const what = [one.text === wordOf(one) ? "" : one.text, one.channel ?? "", one.duration_s ? `${Number(one.duration_s.toPrecision(3))} s` : ""];
      return make("li", {}, make("button", { class: chosen ? "chosen" : "", on: { click: () => this.app.showAnnotation(panel, one) } },
        make("span", { class: "muted", text: clock(one.time_s, 2) }), make("b", { text: ` ${wordOf(one)} ` }), make("span", { text: what.filter(Boolean).join(" ") })));
    });
    this.near.replaceChildren(make("ul", {}, ...rows), ...more(here.length));
  }
}

function more(count) {
  return count > MOST_ROWS ? [make("p", { class: "muted", text: `and ${count - MOST_ROWS} more` })] : [];
}

function listPart(title, rows, count, none) {
  const body = rows.length ? make("ul", {}, ...rows) : make("p", { class: "muted", text: none });
  return make("div", { class: "part" }, make("h3", { text: title }), body, ...more(count));
}

function textOf(value) {
  if (typeof value === "object") return JSON.stringify(value);
  return typeof value === "number" ? String(Number(value.toPrecision(9))) : String(value);
}

/** A name that may be broken behind each _, rather than inside a word. */
function breakable(name) {
  return name.split(/(?<=_)/).flatMap((part, i) => (i ? [make("wbr"), part] : [part]));
}

/** A table of names and values; unknown values are left out. */
function table(title, values) {
  const known = Object.entries(values ?? {}).filter(([, value]) => value !== null && value !== "" && value !== undefined);
  const rows = known.map(([name, value]) =>
    make("tr", {}, make("th", {}, ...breakable(name)), make("td", { text: textOf(value) })));
  return make("div", { class: "part" }, make("h3", { text: title }), rows.length ? make("table", {}, ...rows) : make("p", { class: "muted", text: "none" }));
}
