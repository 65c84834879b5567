import assert from "node:assert/strict";
import { test } from "node:test";
import { hasStyle, readable } from "../src/paste.ts";
import { inPlainMarkup } from "../src/word_processors.ts";

/** An item as Word writes it. */
const item = (level: number, sign: string, text: string) =>
  `<p class=MsoListParagraphCxSpMiddle style='margin-left:36.0pt;mso-add-space:auto;\ntext-indent:-18.0pt;mso-list:l0 level${level} lfo1'>` +
  `<!--[if !supportLists]--><span style='font-family:Symbol;mso-list:Ignore'>${sign}<span style='font:7.0pt "Times New Roman"'>&nbsp;&nbsp;&nbsp; </span></span><!--[endif]-->` +
  `<b style='mso-bidi-font-weight:normal'>${text}</b><o:p></o:p></p>\n\n`;

const shown = (html: string) => html.replace(/ (?:class|style)=(?:'[^']*'|"[^"]*"|\w+)/g, "").replace(/\s+/g, " ");

test("lists of Word become lists", () => {
  const word = `<!--StartFragment--><p class=MsoNormal>Before<o:p>&nbsp;</o:p></p>\n${item(1, "·", "one")}${item(2, "o", "within")}${item(2, "a)", "counted")}${item(1, "§", "two")}` +
    `<p class=MsoNormal>Between</p>\n${item(1, "(1)", "first")}${item(3, "iv.", "deep")}${item(1, "2.", "second")}<!--EndFragment-->`;
  const b = (text: string) => `<p><b>${text}</b></p>`;
  const expected =
    `<!--StartFragment--><p>Before</p> <ul><li>${b("one")}<ul><li>${b("within")}</li></ul><ol><li>${b("counted")}</li></ol></li><li>${b("two")}</li></ul> ` +
    `<p>Between</p> <ol><li>${b("first")}<ol><li>${b("deep")}</li></ol></li><li>${b("second")}</li></ol> <!--EndFragment-->`;
  assert.equal(shown(inPlainMarkup(word)), expected);
  // Once more it is what it is.
  assert.equal(inPlainMarkup(inPlainMarkup(word)), inPlainMarkup(word));
});

test("the signs of older Word's markup, and of other scripts, are signs", () => {
  const old = (sign: string, text: string) =>
    `<p style="mso-list:l1 level1 lfo2"><![if !supportLists]><span>${sign}<span>&nbsp; </span></span><![endif]>${text}</p>`;
  assert.equal(shown(inPlainMarkup(old("·", "a") + old("·", "b"))), "<ul><li><p>a</p></li><li><p>b</p></li></ul>");
  assert.equal(shown(inPlainMarkup(old("一、", "甲") + old("二、", "乙"))), "<ol><li><p>甲</p></li><li><p>乙</p></li></ol>");
  assert.equal(shown(inPlainMarkup(old("१.", "क"))), "<ol><li><p>क</p></li></ol>");
});

test("what begins deeper than its list is an item of it", () => {
  assert.equal(shown(inPlainMarkup(item(3, "·", "a") + item(1, "·", "b"))).trim(), "<ul><li><p><b>a</b></p></li><li><p><b>b</b></p></li></ul>");
});

test("items of Google Docs say whether they are done, and their boxes are no pictures", () => {
  const docs =
    '<ul><li dir="ltr" role="checkbox" aria-checked="true" aria-level="1"><img src="data:image/png;base64,AAAA" alt="checked" aria-roledescription="checkbox" />' +
    '<p dir="ltr" role="presentation"><span>measure</span></p></li><li role="checkbox" aria-checked="false"><p>draw</p></li></ul>';
  const expected =
    '<ul><li dir="ltr" role="checkbox" aria-checked="true" aria-level="1"><p data-checked="true" dir="ltr" role="presentation"><span>measure</span></p></li>' +
    '<li role="checkbox" aria-checked="false"><p data-checked="false">draw</p></li></ul>';
  assert.equal(inPlainMarkup(docs), expected);
  assert.equal(inPlainMarkup(expected), expected);
});

test("rows of headings say that they are", () => {
  const table = "<table><tr><th>Place</th><th>Depth</th></tr><tr><th>Garissa</th><td>4</td></tr></table>";
  assert.equal(inPlainMarkup(table), '<table><tr><th><p data-header="true">Place</th><th>Depth</th></tr><tr><th>Garissa</th><td>4</td></tr></table>');
  const word = "<table><thead><tr style='a'><td width=3><p class=MsoNormal>Place</p></td><td><p>Depth</p></td></tr></thead><tr><td><p>Hola</p></td></tr></table>";
  const expected = word.replace("<p class", '<p data-header="true" class');
  assert.equal(inPlainMarkup(word), expected);
  assert.equal(inPlainMarkup(expected), expected);
});

test("what is no word processor's stays as it is", () => {
  const html = '<ul><li>a</li></ul><p style="text-indent:0">b</p><table><tr><td>c</td></tr></table><ol><li><p>d</p></li></ol>';
  assert.equal(inPlainMarkup(html), html);
});

test("what Word says of letters that change beside others it does not say of all", () => {
  const weight = (style: string) => hasStyle(style, /^font-weight$/i, /^(normal|bold)$/i);
  assert(weight("color:red; Font-Weight: bold"));
  assert(!weight("mso-bidi-font-weight:normal"));
  assert(!weight("mso-ansi-language:EN-US;mso-bidi-font-weight:bold"));
});

test("styles of items are read like others", () => {
  assert.match(readable(item(1, "·", "x")), /<ul><li><p [^>]*data-style='[^']*text-indent:-18.0pt;'><b data-style='mso-bidi-font-weight:normal'>x<\/b><\/p><\/li><\/ul>/);
});

/** The levels of the items of lists, as they stand in each other: `a(b c) d`. */
function nested(...levels: number[]): string {
  const letters = levels.map((level, i) => item(level, "·", String.fromCharCode(97 + i))).join("");
  return shown(inPlainMarkup(letters)).trim().replace(/<\/?(?:p|b)>|<\/li>|<ul>(?=<li>)/g, (tag) => (tag === "<ul>" ? "(" : "")).replaceAll("</ul>", ")").replace(/<li>/g, " ").replaceAll("( ", "(").trim();
}

test("items of Word stand beside those of their level", () => {
  assert.equal(nested(2, 2, 2), "(a b c)");
  assert.equal(nested(1, 3, 3, 2, 1), "(a(b c d) e)");
  assert.equal(nested(3, 3, 1), "(a b c)");
  assert.equal(nested(3, 3, 2), "(a b c)");
  assert.equal(nested(1, 3, 3), "(a(b c))");
  assert.equal(nested(1, 2, 3, 2, 3, 1), "(a(b(c) d(e)) f)");
});

test("numbers of several levels are numbers, and a bullet that is a letter is none", () => {
  const list = (sign: string) => /<([uo]l)>/.exec(shown(inPlainMarkup(item(1, sign, "x"))))?.[1];
  for (const sign of ["1", "1.", "1.1", "1.1.1", "1.1.", "１．", "１", "(2)", "iv.", "A)", "१.२"]) assert.equal(list(sign), "ol", sign);
  for (const sign of ["o", "·", "§", "-", "Ø", ""]) assert.equal(list(sign), "ul", sign);
});

test("numbers of headings are no text", () => {
  const heading = "<h1 style='mso-list:l0 level1 lfo1'><![if !supportLists]><span>1<span>&nbsp;&nbsp; </span></span><![endif]>Introduction</h1>";
  assert.equal(shown(inPlainMarkup(heading)), "<h1>Introduction</h1>");
});

test("a picture in a row of headings may be large", () => {
  const picture = `<img src="data:image/png;base64,${"A".repeat(8_000_000)}">`;
  const table = (row: string) => `<table><thead><tr><td><p>${row}</p></td></tr></thead></table>`;
  assert.equal(inPlainMarkup(table(picture)).length, table(picture).length + ' data-header="true"'.length);
});

test("a table in a cell leaves the row around it what it is", () => {
  const inner = "<table><tr><td>a</td></tr></table>";
  const html = `<table><tr><th>${inner}</th></tr></table>`;
  assert.equal(inPlainMarkup(html), html);
});
