import assert from "node:assert/strict";
import { test } from "node:test";
import { dataPictures, isOnePicture, readable, withPictures } from "../src/paste.ts";

test("source lines become spaces, preformatted ones stay", () => {
  assert.equal(readable("<p>\n  one\n  two<br>three</p><pre class=x>a\n  b</pre>\n<h2> t</h2>"), "<p>one two<br>three</p><pre class=x>a\n  b</pre> <h2>t</h2>");
});

test("styles are read under a name that the security policy leaves alone", () => {
  assert.equal(readable('<b\tstyle="font-weight:700">a style=b</b>'), '<b data-style="font-weight:700">a style=b</b>');
});

test("source lines between blocks are nothing", () => {
  assert.equal(readable("<b><p>one</p>\n<ul>\n<li>two</li>\n<li>three</li>\n</ul>\n<h2>four</h2>\n</b> five"), "<b><p>one</p><ul> <li>two</li><li>three</li></ul><h2>four</h2></b> five");
});

test("style sheets are left out", () => {
  assert.equal(readable("<head><STYLE type=x><!-- p > b { color: red } --></STYLE ></head><p>a</p>"), "<head></head><p>a</p>");
});

test("what was copied from an editor stays as it is", () => {
  const html = '<p data-pm-slice="1 1 []">a\n b</p>';
  assert.equal(readable(html), html);
});

const data = "data:image/png;base64,AAAA";

test("pictures at other addresses leave their description", () => {
  assert.equal(readable('<p>a</p><img src="https://x.org/y.png" alt="far &amp; <b>" width=3>b'), "<p>a</p><output>far &amp; &lt;b></output>b");
  assert.equal(readable("<img alt='' src='file:///c:/x.png'><img src=cid:7 alt=short><img alt>"), "<output>short</output>");
  assert.equal(readable('<figure><img alt="a > b" src="//x.org"><figcaption>c</figcaption></figure>'), "<figure><output>a > b</output><figcaption>c</figcaption></figure>");
  const kept = `<img src="${data}" alt="x"><img src="attachment:AQ">`;
  assert.equal(readable(kept), kept);
  assert.equal(readable(`<p data-pm-slice="0 0 []">${kept}<img src="blob:x" alt="y"></p>`), `<p data-pm-slice="0 0 []">${kept}<output>y</output></p>`);
});

test("pictures in markup are found, and others put in their place", () => {
  const html = `<p>a</p><img src='${data}' alt='1 "x" &amp;'><img src="attachment:AQ"><img alt="2" src="data:image/svg+xml,x"><IMG SRC=${data}><img alt="gone" src="${data}">`;
  assert.deepEqual(dataPictures(html), [data, data, data]);
  const picture = (alt: string | null) => ({ src: 'attachment:"', alt, width: 4, height: null });
  assert.equal(
    withPictures(html, [picture(null), picture("<&"), null]),
    '<p>a</p><img src="attachment:&quot;" alt="1 &quot;x&quot; &amp;" width="4"><img src="attachment:AQ"><img alt="2" src="data:image/svg+xml,x">' +
      '<img src="attachment:&quot;" alt="&lt;&amp;" width="4"><output>gone</output>',
  );
});

test("only who copied from an editor has said that a picture is decoration", () => {
  const put = (html: string) => withPictures(html, [{ src: "attachment:AQ", alt: null, width: null, height: null }]);
  assert.equal(put(`<img src="${data}" alt="">`), '<img src="attachment:AQ">');
  assert.equal(put(`<figure data-pm-slice="0 0 []"><img src="${data}" alt=""></figure>`), '<figure data-pm-slice="0 0 []"><img src="attachment:AQ" alt=""></figure>');
  assert.equal(put(`<figure data-pm-slice="0 0 []"><img src="${data}"></figure>`), '<figure data-pm-slice="0 0 []"><img src="attachment:AQ"></figure>');
});

test("one picture without text is told from text with pictures", () => {
  assert(isOnePicture('<meta charset="utf-8"><img src="https://x.org/y.png" alt="words here"/>'));
  const word = "<html><head><meta charset=utf-8><style>\n<!-- p { margin: 0 } -->\n</style></head><body><!--[if gte mso 9]><xml><w:View>Normal</w:View></xml><![endif]-->";
  assert(isOnePicture(`${word}<!--StartFragment--><p><img src="file:///x.png"></p><!--EndFragment--><xml>More</xml></body></html>`));
  assert(!isOnePicture(`${word}<!--StartFragment--><p>a <img src="file:///x.png"></p><!--EndFragment--></body></html>`));
  assert(!isOnePicture("<p>a<img src=x></p>"));
  assert(!isOnePicture("<img src=x><img src=y>"));
  assert(!isOnePicture("<p></p>"));
});

test("quotes hold a value only behind the sign that says so", () => {
  assert.equal(readable('<p title=">">a<img alt="x > y" src="https://x.org">b<br "><img src=//x.org alt=z></p>'), '<p title=">">a<output>x > y</output>b<br "><output>z</output></p>');
});

test("whatever is left open in markup, reading it takes as long as it is", () => {
  const hostile = [
    '<li aria-checked="true"', "<tr><td>x", "<tr><th>x", "<thead>", "<thead><tr>", "<p ", '<img "', "<img src='", '<img =">', "<style>", "<pre>", "<!--", "<!-- -->", "<![if !supportLists]>",
    "<p style='mso-list:l0 level1'>", "<p style='mso-list:l0 level1'><!-- --></p>", "<a", "<", "<xml>", "<table><tr><th>", "<o:p> ", "<p> ", "= ", "<a = ", "<p style='mso-list:l0 level9'>x</p><p style='mso-list:l0 level1'>y</p>",
  ];
  for (const part of hostile) {
    for (const html of [part.repeat(200_000 / part.length), `${part.repeat(200_000 / part.length)}>`]) {
      const begin = performance.now();
      readable(html);
      dataPictures(html);
      isOnePicture(html);
      withPictures(html, []);
      // Each takes some milliseconds; what grows with the square takes minutes.
      assert(performance.now() - begin < 3_000, `${part}: ${performance.now() - begin} ms`);
    }
  }
});
