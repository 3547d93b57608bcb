/** @module Asks the server. The page lies at /TOKEN/, and so does all that it asks for. */

const BASE = new URL(".", window.location.href);

/**
 * @typedef {Object} Piece A stretch of signal as the server sends it.
 * @property {number} rate_hz of the samples, or of the columns of an envelope
 * @property {number} start_s of the first sample
 * @property {number} stop_s
 * @property {"samples"|"envelope"} form
 * @property {{name: string, unit: string}[]} channels
 * @property {number} columns samples, or columns of an envelope, of a channel
 * @property {Float32Array[]} values by channel; NaN where a sample is missing; of an envelope
 *   least and greatest in turn
 * @property {Map<string, number>} places of the channels among the values
 * @property {number} bytes
 */

/**
 * @param {string} path
 * @param {Object<string, *>} query null and undefined are left out
 * @returns {URL}
 */
export function address(path, query = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined) url.searchParams.set(name, value);
  }
  return url;
}

/**
 * @param {Response} response
 * @returns {Promise<Response>}
 * @throws {Error} with the server's own sentence
 */
async function checked(response) {
  if (response.ok) return response;
  let message = `The server answered ${response.status}.`;
  try {
    message = (await response.json()).error ?? message;
  } catch {
    // not JSON: the status is all there is
  }
  throw new Error(message);
}

/**
 * Ask for JSON.
 * @param {string} path
 * @param {Object<string, *>} query
 * @param {AbortSignal} [signal]
 * @returns {Promise<*>}
 */
export async function ask(path, query, signal) {
  const response = await checked(await fetch(address(path, query), { signal }));
  return response.json();
}

/**
 * @param {string} path
 * @param {Object} body
 * @returns {Promise<*>}
 */
export async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(address(path), { method: "POST", headers, body: JSON.stringify(body) });
  return (await checked(response)).json();
}

/**
 * Ask for a stretch of signal.
 * @param {Object<string, *>} query
 * @param {AbortSignal} [signal]
 * @returns {Promise<Piece>}
 */
export async function askSignal(query, signal) {
  const response = await checked(await fetch(address("api/signal", query), { signal }));
  return decodePiece(await response.arrayBuffer());
}

/**
 * Decode: length of the header (uint32), header (JSON, padded to 4 bytes), samples (float32).
 * @param {ArrayBuffer} buffer
 * @returns {Piece}
 */
export function decodePiece(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const first = 4 + Math.ceil(length / 4) * 4;
  const [channels, columns] = header.shape;
  const width = columns * (header.form === "envelope" ? 2 : 1);
  const values = [];
  for (let i = 0; i < channels; i++) values.push(new Float32Array(buffer, first + i * width * 4, width));
  const places = new Map(header.channels.map(({ name }, i) => [name, i]));
  const rate_hz = header.rate_hz / header.every;
  return { ...header, rate_hz, columns, values, places, bytes: buffer.byteLength };
}
