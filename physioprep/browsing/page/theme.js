/** @module Light and dark: as the system has it, or as chosen. */

const NAMES = ["auto", "light", "dark"];
const KEPT_AS = "physioprep-browse-theme";
const COLOURS = [
  "paper", "minor", "major", "sheet", "second", "fifth", "margin", "line", "ink", "muted", "trace", "accent", "mark",
  "normal", "finding", "gap", "bad", "leftSide", "rightSide", "waveP", "waveQRS", "waveT", "overview",
];

/**
 * Colours of the canvas by name: those of style.css.
 * @type {Object<string, string>}
 */
export const colours = {};

function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of COLOURS) colours[name] = style.getPropertyValue(`--${name}`).trim();
}

/**
 * @returns {string} auto, light or dark
 */
export function theme() {
  return document.documentElement.dataset.theme ?? "auto";
}

/** @param {string} name */
function setTheme(name) {
  document.documentElement.dataset.theme = name;
  try {
    localStorage.setItem(KEPT_AS, name);
  } catch {
    // a browser that keeps nothing: the theme holds for this page
  }
  readColours();
}

/**
 * Begin with the theme that was chosen before.
 * @param {function(): void} onChange also called when the system turns dark
 * @returns {function(): void} turns to the next theme
 */
export function startTheme(onChange) {
  let kept = null;
  try {
    kept = localStorage.getItem(KEPT_AS);
  } catch {
    // as above
  }
  setTheme(NAMES.includes(kept) ? kept : "auto");
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    readColours();
    onChange();
  });
  return () => {
    setTheme(NAMES[(NAMES.indexOf(theme()) + 1) % NAMES.length]);
    onChange();
  };
}
