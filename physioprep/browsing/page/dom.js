/** @module Makes elements. Text goes in by textContent alone, so that no name in a file is ever markup. */

/**
 * Make an element.
 * @param {string} tag
 * @param {Object<string, *>} attributes `text`, `class`, `on` (listeners by event), else attributes;
 *   null and false leave an attribute out.
 * @param {...(Node|string)} children
 * @returns {HTMLElement}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (name === "class") element.className = value;
    else if (name === "on") listen(element, value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/**
 * @param {EventTarget} target
 * @param {Object<string, EventListener>} listeners
 */
export function listen(target, listeners) {
  for (const [event, listener] of Object.entries(listeners)) target.addEventListener(event, listener);
}

/**
 * Make a select of [value, text] pairs.
 * @param {Array<[string|number, string]>} options
 * @param {string|number} chosen
 * @param {function(string): void} onChange
 * @param {Object<string, *>} attributes
 * @returns {HTMLSelectElement}
 */
export function choice(options, chosen, onChange, attributes = {}) {
  const change = (event) => onChange(event.target.value);
  const select = make("select", { ...attributes, on: { change } });
  for (const [value, text] of options) {
    select.append(make("option", { value: String(value), text, selected: String(value) === String(chosen) }));
  }
  return select;
}

/** How many characters at its end an id keeps where there is no room for all of it. */
const END_LETTERS = 18;

/**
 * Make the parts of an id of which the first gives way: ids that are paths differ at their end.
 * @param {string} id
 * @returns {HTMLElement[]}
 */
export function partsOfId(id) {
  const letters = [...id]; // no letter is cut in two
  const parts = [letters.slice(0, -END_LETTERS), letters.slice(-END_LETTERS)];
  return parts.filter(({ length }) => length).map((part, i) => make("bdi", { class: i ? "end" : "begin", text: part.join("") }));
}

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * Call a function once, some time after the last of several calls.
 * @param {function(...*): void} action
 * @param {number} wait_ms
 * @returns {function(...*): void}
 */
export function afterPause(action, wait_ms) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), wait_ms);
  };
}
