/** @module The keyboard: each key does what its line in the help says. */

import { byId, make } from "./dom.js";

/** A step of the arrows, as a part of the page. */
const STEP = 0.2;

/**
 * @typedef {[string[], string, function(Object, Object): void]} Key keys as in KeyboardEvent.key, what they do, how:
 *   called with the app and the active panel
 */

/** @type {Key[]} */
const KEYS = [
  [["ArrowRight"], "later", (app, panel) => app.move(panel, STEP * panel.page_s)],
  [["ArrowLeft"], "earlier", (app, panel) => app.move(panel, -STEP * panel.page_s)],
  [["PageDown", " "], "next page", (app, panel) => app.move(panel, panel.page_s)],
  [["PageUp"], "page before", (app, panel) => app.move(panel, -panel.page_s)],
  [["Home"], "begin of the record", (app, panel) => app.moveTo(panel, 0)],
  [["End"], "end of the record", (app, panel) => app.moveTo(panel, panel.duration_s)],
  [["+", "="], "zoom in", (app, panel) => app.scale(panel, (one) => one.zoom(1))],
  [["-", "_"], "zoom out", (app, panel) => app.scale(panel, (one) => one.zoom(-1))],
  [["0"], "whole record", (app, panel) => app.scale(panel, (one) => one.useWhole())],
  [["ArrowUp"], "larger traces", (app, panel) => panel.changeGain(1)],
  [["ArrowDown"], "smaller traces", (app, panel) => panel.changeGain(-1)],
  [["."], "put traces back on their baselines", (app, panel) => { for (const view of panel.views) view.recentre(true); panel.redraw(); }],
  [["n"], "next record", (app) => app.list.open(app.list.chosen + 1)],
  [["p"], "record before", (app) => app.list.open(app.list.chosen - 1)],
  [["/"], "search", (app) => { app.showList(true); app.list.search.focus(); app.list.search.select(); }],
  [["a"], "annotations on or off", (app) => app.toggleLayer("annotations")],
  [["d"], "waves of the chosen lead (delineation) on or off", (app) => app.toggleLayer("delineation")],
  [["]"], "next annotation", (app, panel) => app.jump(panel, "next")],
  [["["], "annotation before", (app, panel) => app.jump(panel, "previous")],
  [["f"], "next finding", (app, panel) => app.nextFinding(panel)],
  [["k"], "keep this record", (app, panel) => app.details.setFlag(panel, { keep: true })],
  [["x"], "drop this record", (app, panel) => app.details.setFlag(panel, { keep: false })],
  [["u"], "no flag", (app, panel) => app.details.setFlag(panel, { keep: null })],
  [["e"], "write a note", (app) => { app.showDetails(true); byId("note")?.focus(); }],
  [["c"], "pin the record, so that the next one opens beside it", (app, panel) => app.pin(panel)],
  [["r"], "stored, raw file, or both", (app, panel) => app.nextMode(panel)],
  [["m"], "next montage", (app, panel) => app.nextMontage(panel)],
  [["Tab"], "next of the records side by side", (app) => app.nextPanel()],
  [["l"], "list on or off", (app) => app.showList()],
  [["i"], "details on or off", (app) => app.showDetails()],
  [["t"], "light, dark, or as the system", (app) => app.nextTheme()],
  [["?"], "this help", (app) => app.help()],
];
const WITHOUT_RECORD = new Set(["n", "p", "/", "l", "i", "t", "?"]);
const WORDS = { ArrowRight: "→", ArrowLeft: "←", ArrowUp: "↑", ArrowDown: "↓", " ": "Space", PageDown: "Page ↓", PageUp: "Page ↑" };

/** @param {Object} app see app.js */
export function listenToKeys(app) {
  const byKey = new Map(KEYS.flatMap(([keys, , action]) => keys.map((key) => [key, action])));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select");
    if (event.key === "Escape") return leave(app, event);
    if (typing) return afterTyping(app, event);
    const action = byKey.get(event.key);
    if (!action || !usable(app, event)) return;
    event.preventDefault();
    action(app, app.active);
  });
}

/** Whether a key may act: those of a record need one, and Tab and Space stay the browser's on its controls. */
function usable(app, event) {
  if (byId("help").open && event.key !== "?") return false;
  if (event.key === "Tab" && app.panels.length < 2) return false;
  const onControl = event.target.closest("button, summary, input");
  if (onControl && (event.key === " " || event.key === "Tab")) return false;
  return app.active !== null || WITHOUT_RECORD.has(event.key);
}

function leave(app, event) {
  for (const pop of document.querySelectorAll("details[open]")) pop.open = false;
  event.target.blur?.();
}

function afterTyping(app, event) {
  if (event.target.id === "search" && event.key === "Enter") {
    event.target.blur();
    app.list.open(0);
  }
  if (event.target.id === "symbol" && event.key === "Enter") app.jump(app.active, event.shiftKey ? "previous" : "next");
}

/** Write the list of keys into the help. */
export function writeHelp() {
  const rows = KEYS.map(([keys, does]) =>
    make("tr", {}, make("th", {}, ...keys.map((key) => make("kbd", { text: WORDS[key] ?? key }))), make("td", { text: does })));
  byId("help-keys").replaceChildren(...rows);
}
