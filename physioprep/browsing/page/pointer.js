/** @module The mouse on a panel: drag and wheel to pan, Ctrl and wheel to zoom, a click on a name to choose its lead. */

import { GUTTER } from "./paper.js";
import { clock } from "./scale.js";

/**
 * @param {import("./panel.js").RecordPanel} panel
 */
export function listenToPointer(panel) {
  const element = panel.viewsElement;
  let drag = null;
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const place = placeOf(panel, event);
    if (!place) return;
    if (place.x < GUTTER) {
      chooseLeadAt(panel, place);
      return;
    }
    drag = { x: event.clientX, start_s: panel.shown.start_s };
    element.setPointerCapture(event.pointerId);
    element.classList.add("dragging");
  });
  element.addEventListener("pointermove", (event) => {
    if (drag) panel.app.moveTo(panel, drag.start_s - (event.clientX - drag.x) / panel.pxPerS);
    else readOff(panel, event);
  });
  const end = () => {
    drag = null;
    element.classList.remove("dragging");
  };
  element.addEventListener("pointerup", end);
  element.addEventListener("pointercancel", end);
  element.addEventListener("pointerleave", () => panel.toolbar.readout(""));
  element.addEventListener("wheel", (event) => turn(panel, event), { passive: false });
}

/** @returns {{view: import("./view.js").TraceView, x: number, y: number}|null} */
function placeOf(panel, event) {
  const view = panel.views.find(({ canvas }) => canvas === event.target);
  if (!view) return null;
  const box = view.canvas.getBoundingClientRect();
  return { view, x: event.clientX - box.left, y: event.clientY - box.top };
}

function chooseLeadAt(panel, { view, y }) {
  const row = view.rowAt(y);
  if (row) panel.chosenLead = row.name;
  panel.overview.reset();
  panel.redraw();
}

/** Write time and value under the pointer. */
function readOff(panel, event) {
  const place = placeOf(panel, event);
  const row = place && place.x >= GUTTER ? place.view.rowAt(place.y) : null;
  if (!row) return panel.toolbar.readout("");
  const time_s = panel.shown.start_s + (place.x - GUTTER) / panel.pxPerS;
  const value = row.scale ? `${(row.middle - (place.y - row.y) / row.scale).toPrecision(3)} ${row.unit}` : "";
  return panel.toolbar.readout(`${clock(time_s, 2)}  ${row.name.slice(0, 24)}  ${value}`);
}

function turn(panel, event) {
  const place = placeOf(panel, event);
  if (!place) return;
  event.preventDefault();
  if (event.ctrlKey || event.metaKey) {
    const at_s = panel.shown.start_s + Math.max(0, place.x - GUTTER) / panel.pxPerS;
    panel.zoom(event.deltaY < 0 ? 1 : -1, at_s);
  } else {
    const way = Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.deltaY;
    panel.app.move(panel, way / panel.pxPerS);
  }
}
