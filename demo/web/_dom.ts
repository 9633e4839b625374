// This module is browser compatible.
//
// The page's elements by their ids, and the two things said on it everywhere.

/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/** The element of an id; the page has it. */
export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`The page has no element ${id}`);
  return found as T;
}

/** The button of an id. */
export function button(id: string): HTMLButtonElement {
  return element<HTMLButtonElement>(id);
}

/** Sets an element's text. */
export function say(id: string, text: string): void {
  element(id).textContent = text;
}

/** Tells screen readers what has happened. */
export function announce(text: string): void {
  say("log", text);
}

/** An element with text and class. */
export function make(
  tag: string,
  text = "",
  className = "",
): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className !== "") made.className = className;
  return made;
}

/** An SVG element with attributes. */
export function svg(
  tag: string,
  attributes: Readonly<Record<string, string | number>>,
  text?: string,
): SVGElement {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, String(value));
  }
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Waits until the page has been drawn once more. */
export function drawn(): Promise<void> {
  return new Promise((go) => setTimeout(go, 0));
}
