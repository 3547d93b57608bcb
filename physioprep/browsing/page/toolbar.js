/** @module The controls above a record. */

import { choice, make, partsOfId } from "./dom.js";
import { clock, describeGain, gainsOf, speedsOf } from "./scale.js";

const MODES = [["stored", "stored"], ["raw", "raw file"], ["both", "raw and stored"]];
const MONTAGES = { stored: "as stored", average: "average reference", "linked-mastoids": "linked mastoids", tcp: "bipolar (TCP)" };

export class Toolbar {
  /** @param {import("./panel.js").RecordPanel} panel */
  constructor(panel) {
    this.panel = panel;
    const { record } = panel;
    this.time = make("output", { class: "time" });
    this.under = make("output", { class: "readout" });
    this.controls = make("div", { class: "controls" });
    this.pin = make("button", { class: "pin", "aria-pressed": "false", text: "Pin", title: "Keep this record beside others (c)", on: { click: () => panel.app.pin(panel) } });
    this.element = make(
      "header",
      { class: "panel-head" },
      make("div", { class: "title" },
        make("h2", { class: "id", title: record.record_id }, ...partsOfId(record.record_id)),
        make("span", { class: "about", text: aboutRecord(record) }),
        this.time, this.pin,
        make("button", { class: "close", text: "×", title: "Close", "aria-label": "Close this record", on: { click: () => panel.app.close(panel) } })),
      this.controls,
    );
  }

  /** Build the controls anew: another signal is shown. */
  refresh() {
    const { panel } = this;
    const { record, signal } = panel;
    if (!signal) return;
    this.leads = make("details", { class: "pop leads" });
    this.scale = make("span", { class: "pair" });
    this.controls.replaceChildren(
      ...this.signalChoices(record, signal),
      this.scale,
      this.leads,
      this.filterPop(signal),
      this.under,
    );
    this.refreshScale();
    this.refreshLeads();
  }

  signalChoices(record, signal) {
    const { panel } = this;
    const found = [];
    if (record.signals.length > 1) {
      const names = record.signals.map(({ modality }) => [modality, modality]);
      found.push(choice(names, signal.modality, (name) => panel.useSignal(name), { title: "Signal", "aria-label": "Signal" }));
    }
    if (record.signals.some(({ has_raw }) => has_raw)) {
      found.push(choice(MODES, panel.mode, (mode) => panel.useMode(mode), { class: "mode", title: "Stored samples, the raw file, or both (r)", "aria-label": "Stored or raw" }));
    }
    if (signal.montages.length > 1) {
      const names = signal.montages.map((name) => [name, MONTAGES[name] ?? name]);
      found.push(choice(names, panel.montage, (name) => this.useMontage(name), { class: "montage", title: "Montage (m)", "aria-label": "Montage" }));
    }
    return found;
  }

  useMontage(name) {
    const { panel } = this;
    panel.montage = name;
    panel.hidden.clear();
    for (const view of panel.views) view.resetChannels();
    panel.changed();
  }

  /** Speed and gain, as they are now. */
  refreshScale() {
    const { panel } = this;
    if (!this.scale) return;
    const { speed, gain } = panel.shown;
    const speeds = withNow(speedsOf(panel.kind), speed).map((one) => [one, `${Number(one.toPrecision(3))} mm/s`]);
    const gains = withNow(gainsOf(panel.kind), gain ?? 1).map((one) => [one, describeGain(panel.kind, one)]);
    this.scale.replaceChildren(
      choice(speeds, speed, (value) => panel.app.scale(panel, () => panel.useSpeed(Number(value))), { class: "speed", title: "Paper speed (+ and −)", "aria-label": "Paper speed" }),
      choice(gains, gain ?? 1, (value) => { panel.takeGain(Number(value)); panel.redraw(); }, { class: "gain", title: "Gain (arrows up and down)", "aria-label": "Gain" }),
    );
  }

  /** The list of leads, on or off. */
  refreshLeads() {
    const { panel, leads } = this;
    const channels = panel.views[0]?.channels ?? [];
    const absent = panel.montage === "stored" ? panel.signal.channels.filter(({ status }) => status === "absent") : [];
    const boxes = channels.map(({ name }) =>
      make("label", {}, make("input", { type: "checkbox", checked: !panel.hidden.has(name), on: { change: () => panel.toggleLead(name) } }), make("span", { text: name })));
    const all = (on) => () => {
      panel.hidden = new Set(on ? [] : channels.slice(1).map(({ name }) => name));
      panel.changed(false);
    };
    leads.replaceChildren(
      make("summary", { text: `Leads ${channels.length - panel.hidden.size}/${channels.length}` }),
      make("div", { class: "pop-body" },
        make("div", { class: "row" }, make("button", { text: "all", on: { click: all(true) } }), make("button", { text: "first only", on: { click: all(false) } })),
        make("div", { class: "boxes" }, ...boxes),
        ...(absent.length ? [make("p", { class: "muted", text: `not in this record: ${absent.map(({ name }) => name).join(", ")}` })] : [])),
    );
  }

  /** The steps that recipes have, to switch on for looking. */
  filterPop(signal) {
    const { panel } = this;
    const open = this.filters?.open ?? false;
    const rows = signal.steps.map((step) => this.filterRow(step));
    this.filters = make("details", { class: "pop filters", open },
      make("summary", { text: panel.steps.length ? `Filters (${panel.steps.length})` : "Filters" }),
      make("div", { class: "pop-body" }, ...rows, make("p", { class: "muted", text: "The steps of recipes, zero-phase, in this order." })));
    return this.filters;
  }

  filterRow(step) {
    const { panel } = this;
    const now = panel.steps.find(({ name }) => name === step.name);
    const inputs = step.parameters.map((one) =>
      make("input", { type: "number", step: "any", min: one.least, max: one.most, value: now?.[one.name] ?? one.default, "aria-label": `${step.label} ${one.label}`, "data-name": one.name }));
    const box = make("input", { type: "checkbox", checked: Boolean(now), "data-step": step.name });
    const change = () => {
      const values = inputs.map((input) => [input.dataset.name, Number(input.value)]);
      const others = panel.steps.filter(({ name }) => name !== step.name);
      panel.steps = box.checked ? [...others, { name: step.name, ...Object.fromEntries(values) }] : others;
      panel.steps.sort((a, b) => place(panel, a) - place(panel, b));
      panel.changed();
    };
    for (const input of [box, ...inputs]) input.addEventListener("change", change);
    const parts = step.parameters.flatMap((one, i) => [make("span", { text: ` ${one.label} ` }), inputs[i], make("span", { text: ` ${one.unit}` })]);
    return make("div", { class: "filter" }, make("label", {}, box, make("span", { text: step.label })), ...parts);
  }

  /** @returns {string} a step in words: band-pass 0.5–40 Hz */
  wordsOf(step) {
    const known = this.panel.signal.steps.find(({ name }) => name === step.name);
    const numbers = (known?.parameters ?? []).map((one) => `${one.label} ${step[one.name]}${one.unit ? ` ${one.unit}` : ""}`);
    return `${known?.label ?? step.name} ${numbers.join(" ")}`;
  }

  refreshTime() {
    const [start_s, stop_s] = this.panel.page();
    const decimals = stop_s - start_s < 20 ? 1 : 0;
    const text = `${clock(start_s, decimals)} – ${clock(stop_s, decimals)} of ${clock(this.panel.duration_s)}`;
    if (this.time.textContent !== text) this.time.textContent = text;
  }

  /** @param {string} text time and value under the pointer */
  readout(text) {
    this.under.textContent = text;
  }

  refreshPin() {
    this.pin.setAttribute("aria-pressed", String(this.panel.pinned));
  }
}

function place(panel, step) {
  return panel.signal.steps.findIndex(({ name }) => name === step.name);
}

/** Add a value that is between those of a list, so that it can be shown as chosen. */
function withNow(list, now) {
  return list.includes(now) ? list : [...list, now].sort((a, b) => (list[0] > list[1] ? b - a : a - b));
}

function aboutRecord({ subject_id, corpus, duration_s, metadata }) {
  const from_s = metadata?.window === undefined ? null : metadata.start_s; // of a window, in its record
  const parts = [typeof from_s === "number" ? `from ${clock(from_s, 1)}` : "", subject_id ? `subject ${subject_id}` : "", corpus ?? "", duration_s ? clock(duration_s) : ""];
  return parts.filter(Boolean).join(" · ");
}
