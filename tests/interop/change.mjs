// Opens an exported page with the packages that others use, looks whether it is the page it should be, and changes it there:
// node change.mjs PAGE.automerge EXPECTED.json CHANGED.automerge
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import * as A from "@automerge/automerge";
import { basicSchemaAdapter, init, pmNodeToSpans } from "@automerge/prosemirror";
import { EditorState } from "prosemirror-state";

const [page, expected, changed] = process.argv.slice(2);
const { title, blocks } = JSON.parse(readFileSync(expected, "utf8"));

let doc = A.load(readFileSync(page));
const listeners = new Set();
const handle = {
  doc: () => doc,
  change(make) {
    doc = A.change(doc, make);
  },
  on: (_, listener) => listeners.add(listener),
  off: (_, listener) => listeners.delete(listener),
};
assert.equal(String(doc.title), title);

// The blocks and marks as Automerge gives them.
const given = [];
for (const span of A.spans(doc, ["text"])) {
  if (span.type === "block") given.push({ shape: plain(span.value), runs: [] });
  else given.at(-1).runs.push({ text: span.value, marks: { ...span.marks } });
}
assert.deepEqual(given, blocks);

// What the editor shows of them: each text with its marks, in blocks of the right kinds.
const { pmDoc, plugin, schema } = init(handle, ["text"], { schemaAdapter: basicSchemaAdapter });
pmDoc.check();
const shown = [];
pmDoc.descendants((node, _, parent) => {
  if (!node.isTextblock) return true;
  const marks = (text) =>
    text.marks.flatMap((mark) => (mark.type.name === "unknownMark" ? Object.keys(mark.attrs.unknownMarks) : [mark.type.name]));
  shown.push({ node: node.type.name, within: parent.type.name, attrs: {}, texts: [] });
  // A picture stands in a line there, and the line under it goes on behind it.
  node.forEach((child) => {
    if (child.isText) shown.at(-1).texts.push([child.text, marks(child).sort()]);
    else shown.push({ node: child.type.name, within: node.type.name, attrs: child.attrs, texts: [] });
  });
  return false;
});
const known = { heading: "heading", "code-block": "code_block", image: "image" };
const holds = {
  blockquote: "blockquote",
  aside: "aside",
  "unordered-list-item": "list_item",
  "ordered-list-item": "list_item",
};
const written = shown.filter(({ texts }) => texts.length > 0);
for (const { shape, runs } of blocks.filter(({ runs }) => runs.length > 0)) {
  const next = written.shift();
  // Code takes no marks there.
  assert.deepEqual(next.texts, runs.map(({ text, marks }) => [text, Object.keys(marks).sort()]));
  assert.equal(next.node, known[shape.type] ?? "paragraph", shape.type);
  if (shape.type === "image") assert.deepEqual([String(next.attrs.src), String(next.attrs.alt)], [shape.attrs.src, shape.attrs.alt]);
  if (shape.type in holds) assert.equal(next.within, holds[shape.type]);
}
assert.equal(written.length, 0);

// And back: what the editor holds is what the document holds, unknown kinds too.
const back = [...pmNodeToSpans(basicSchemaAdapter, pmDoc)].filter((span) => span.type === "block");
assert.deepEqual(back.map((span) => String(span.value.type)), blocks.map(({ shape }) => shape.type));

// Somebody types there, and makes a word bold.
let state = EditorState.create({ doc: pmDoc, plugins: [plugin] });
state = state.apply(state.tr.insertText(" and lakes", find(state.doc, "Rivers") + "Rivers".length));
const word = find(state.doc, "boots");
state = state.apply(state.tr.addMark(word, word + "boots".length, schema.marks.strong.create()));
writeFileSync(changed, A.save(doc));

function find(node, text) {
  let found = null;
  node.descendants((child, position) => {
    if (found === null && child.isText && child.text.includes(text)) found = position + child.text.indexOf(text);
  });
  assert.notEqual(found, null);
  return found;
}

function plain({ type, parents, attrs, isEmbed }) {
  // Strings that are not texts are objects there.
  const values = Object.entries(attrs).map(([name, value]) => [name, typeof value === "object" ? String(value) : value]);
  return { type: String(type), parents: parents.map(String), attrs: Object.fromEntries(values), isEmbed };
}
