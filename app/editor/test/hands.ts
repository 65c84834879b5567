// What a person can do to an editor in a browser, and what they see there, for `app/src/page/session/convergence.rs`. Time passes when
// it is told to, and nothing is random: the same acts lead to the same page.
import "../src/main.ts";
import type { Node } from "prosemirror-model";
import { documentOf, flatten } from "../src/blocks.ts";
import { replacements } from "../src/edits.ts";
import { countBlocks, placeOf } from "../src/points.ts";

/** What ProseMirror keeps at the element of an editor. */
type Shown = HTMLElement & { pmViewDesc: { node: Node; domFromPos(position: number, side: number): { node: globalThis.Node; offset: number } } };

function shownIn(host: HTMLElement): Shown {
  return host.querySelector(".ProseMirror") as Shown;
}

/** The person looks at this editor: each has a window of their own. */
function enter(host: HTMLElement): Shown {
  const shown = shownIn(host);
  if (document.activeElement === shown) return shown;
  shown.focus({ preventScroll: true });
  // Until then the editor has told the browser what is selected there.
  pass(25);
  return shown;
}

// Acts

/** Selects from one point to another. Any numbers are taken, around the end of the page, or of a block's text, to its beginning. */
function select(host: HTMLElement, anchor: [number, number], head: [number, number]): void {
  const shown = enter(host);
  const doc = shown.pmViewDesc.node;
  const place = ([block, offset]: [number, number]) => {
    const { node, start } = placeOf(doc, block % countBlocks(doc));
    const within = offset % (node.content.size + 1);
    // No browser lets people select half a character.
    const half = (node.textContent.codePointAt(within - 1) ?? 0) > 0xffff;
    return shown.pmViewDesc.domFromPos(start + within - (half ? 1 : 0), 1);
  };
  const [from, to] = [place(anchor), place(head)];
  getSelection()?.setBaseAndExtent(from.node, from.offset, to.node, to.offset);
  tellOfSelection();
}

/** Types a letter: a key that the editor may take; what it leaves the browser writes. */
function type(host: HTMLElement, letter: string): void {
  const shown = enter(host);
  const key = { key: letter, charCode: letter.codePointAt(0) ?? 0, bubbles: true, cancelable: true };
  if (!shown.dispatchEvent(new KeyboardEvent("keydown", key))) return;
  if (letter.length > 1 || shown.dispatchEvent(new KeyboardEvent("keypress", key))) insert(host, letter);
}

/** Writes text at once, as dictation and keyboards on a screen do. */
function insert(host: HTMLElement, text: string): void {
  enter(host);
  document.execCommand("insertText", false, text);
}

const codes: Record<string, number> = { Backspace: 8, Tab: 9, Enter: 13, Escape: 27, ArrowDown: 40, Delete: 46 };
const whatBrowsersDo: Record<string, string> = { Backspace: "delete", Delete: "forwardDelete" };

/** Presses a key, as `Shift-Enter`. What the editor leaves the browser does. */
function press(host: HTMLElement, keys: string): void {
  const shown = enter(host);
  const held = keys.split("-");
  const key = held.pop() ?? "";
  const event = new KeyboardEvent("keydown", {
    key,
    keyCode: codes[key] ?? key.toUpperCase().charCodeAt(0),
    ctrlKey: held.includes("Ctrl"),
    shiftKey: held.includes("Shift"),
    altKey: held.includes("Alt"),
    bubbles: true,
    cancelable: true,
  });
  const left = whatBrowsersDo[key];
  if (shown.dispatchEvent(event) && left !== undefined) document.execCommand(left);
}

let clipboard = new DataTransfer();

/** Cuts or copies what is selected. */
function take(host: HTMLElement, how: "cut" | "copy"): void {
  const shown = enter(host);
  const taken = new DataTransfer();
  shown.dispatchEvent(new ClipboardEvent(how, { clipboardData: taken, bubbles: true, cancelable: true }));
  if (taken.types.length > 0) clipboard = taken;
}

/** Pastes this, or what was cut or copied last, by whomever. */
function paste(host: HTMLElement, html: string | undefined): void {
  const shown = enter(host);
  const pasted = new DataTransfer();
  pasted.setData("text/html", html ?? clipboard.getData("text/html"));
  pasted.setData("text/plain", html === undefined ? clipboard.getData("text/plain") : html.replace(/<[^>]*>/g, ""));
  shown.dispatchEvent(new ClipboardEvent("paste", { clipboardData: pasted, bubbles: true, cancelable: true }));
}

/** Begins to compose, with this written so far. */
function compose(host: HTMLElement, text: string): void {
  const shown = enter(host);
  shown.dispatchEvent(new CompositionEvent("compositionstart", { bubbles: true }));
  document.execCommand("insertText", false, text);
}

/** What was composed is written. */
function composed(host: HTMLElement): void {
  shownIn(host).dispatchEvent(new CompositionEvent("compositionend", { bubbles: true }));
}

// What is there to see

/** The document that an editor shows, and what is wrong with it. */
function look(host: HTMLElement): string {
  const doc = shownIn(host).pmViewDesc.node;
  const blocks = flatten(doc.content);
  let wrong: string | null = null;
  try {
    doc.check();
    if (!documentOf(blocks).eq(doc)) wrong = `its blocks would be shown as another one: ${documentOf(blocks)}`;
  } catch (error) {
    wrong = String(error);
  }
  return JSON.stringify({ shown: JSON.stringify(doc, sorted), blocks, wrong });
}

/** Attributes have no order. */
function sorted(_: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

// The world around

type Timer = { id: number; due: number; run: () => void };

const real = {
  setTimeout: window.setTimeout,
  clearTimeout: window.clearTimeout,
  now: Date.now,
  random: crypto.getRandomValues,
  error: console.error,
  warn: console.warn,
};
let time = 0;
let timers: Timer[] = [];
let troubles: string[] = [];

/** From here on it is the year 2023, and what is told to the console, or not caught, is noted. */
function begin(): void {
  time = 1_700_000_000_000;
  timers = [];
  troubles = [];
  clipboard = new DataTransfer();
  localStorage.clear();
  let next = 0;
  window.setTimeout = ((run: () => void, after = 0) => {
    timers.push({ id: ++next, due: time + after, run });
    return next;
  }) as typeof window.setTimeout;
  window.clearTimeout = (id) => void (timers = timers.filter((timer) => timer.id !== id));
  Date.now = () => time;
  let drawn = 0;
  crypto.getRandomValues = (array) => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    for (let i = 0; i < bytes.length; i++) bytes[i] = (drawn = (Math.imul(drawn, 0x915f77f5) + 12345) >>> 0) >>> 24;
    return array;
  };
  console.error = (...what) => {
    troubles.push(what.join(" "));
    // That was the last word.
    if (what.join(" ").includes("panicked at")) real.error.call(console, ...what);
  };
  console.warn = console.error;
  addEventListener("error", uncaught);
  addEventListener("selectionchange", whenever, true);
}

function end(): void {
  window.setTimeout = real.setTimeout;
  window.clearTimeout = real.clearTimeout;
  Date.now = real.now;
  crypto.getRandomValues = real.random;
  console.error = real.error;
  console.warn = real.warn;
  removeEventListener("error", uncaught);
  removeEventListener("selectionchange", whenever, true);
}

function uncaught(event: ErrorEvent): void {
  event.preventDefault();
  troubles.push(`${event.message} ${(event.error as Error | undefined)?.stack ?? ""}`);
}

// The browser tells of the selection when it comes to that. Here that is told at once.
function whenever(event: Event): void {
  if (event.isTrusted) event.stopImmediatePropagation();
}

function tellOfSelection(): void {
  document.dispatchEvent(new Event("selectionchange"));
}

/** Lets time pass, in milliseconds. */
function pass(milliseconds: number): void {
  const until = time + milliseconds;
  for (;;) {
    const next = timers.reduce<Timer | null>((first, timer) => (first !== null && first.due <= timer.due ? first : timer), null);
    if (next === null || next.due > until) break;
    timers = timers.filter((timer) => timer !== next);
    time = Math.max(time, next.due);
    next.run();
  }
  time = until;
}

/** Lets the browser come to what else it does. */
function rest(): Promise<void> {
  return new Promise((resolve) => real.setTimeout.call(window, resolve, 0));
}

const hands = {
  select, type, insert, press, take, paste, compose, composed, look, begin, end, rest, pass,
  troubles: () => troubles.splice(0).join("\n"),
  replacements: () => replacements,
};

declare global {
  var meridianHands: typeof hands;
}

globalThis.meridianHands = hands;
