import assert from "node:assert/strict";
import { test } from "node:test";
import { readable } from "../src/paste.ts";

test("source lines become spaces, preformatted ones stay", () => {
  assert.equal(readable("<p>\n  one\n  two<br>three</p><pre class=x>a\n  b</pre>\n<h2> t</h2>"), "<p>one two<br>three</p><pre class=x>a\n  b</pre> <h2>t</h2>");
});

test("styles are read under a name that the security policy leaves alone", () => {
  assert.equal(readable('<b\tstyle="font-weight:700">a style=b</b>'), '<b data-style="font-weight:700">a style=b</b>');
});

test("what was copied from an editor stays as it is", () => {
  const html = '<p data-pm-slice="1 1 []">a\n b</p>';
  assert.equal(readable(html), html);
});
