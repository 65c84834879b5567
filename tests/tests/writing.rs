//! What a page is written with: every kind of block and mark, by mouse, by keys and as Markdown, and by two people at once.

use tests::{Pair, Result, same_page, wait_until};
use thirtyfour::Key;

#[tokio::test(flavor = "multi_thread")]
async fn markdown_that_is_typed_becomes_formatting() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina
        .write(
            "# Rivers\n**Long** and *wide*, `4 m`, ~~dry~~ ==full==\n- Tana\nAthi\n\n1. Weser\nElbe\n\n[] measure\ndraw\n\n\
             > Panta rhei\n\n```let depth = 4;\n\n---Below",
        )
        .await?;
    let expected = "<h1>Rivers</h1>\
                    <p><strong>Long</strong> and <em>wide</em>, <code>4 m</code>, <s>dry</s> <mark>full</mark></p>\
                    <ul><li><p>Tana</p></li><li><p>Athi</p></li></ul>\
                    <ol><li><p>Weser</p></li><li><p>Elbe</p></li></ol>\
                    <ul><li><p>☐measure</p></li><li><p>☐draw</p></li></ul>\
                    <blockquote><p>Panta rhei</p></blockquote>\
                    <pre><code>let depth = 4;</code></pre>\
                    <div><hr></hr><div>Below</div></div>";
    jonas.wait_for_page(expected).await?;
    assert_eq!(same_page(&[amina, jonas]).await?, expected);

    // It is there without a connection, too.
    amina.wait_for_status("On the relay").await?;
    pair.journey.link(0).cut();
    amina.reload().await?;
    amina.wait_for_page(expected).await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_toolbar_makes_and_unmakes_every_kind() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("one two").await?;
    for (name, tag) in [
        ("Bold", "strong"),
        ("Italic", "em"),
        ("Underline", "u"),
        ("Strikethrough", "s"),
        ("Code", "code"),
        ("Highlight", "mark"),
        ("Subscript", "sub"),
        ("Superscript", "sup"),
    ] {
        amina.select("two").await?;
        amina.press(name).await?;
        jonas
            .wait_for_page(&format!("<p>one <{tag}>two</{tag}></p>"))
            .await?;
        amina.press(name).await?;
        jonas.wait_for_page("<p>one two</p>").await?;
    }
    for (name, whole) in [
        ("Bulleted list", "<ul><li><p>one two</p></li></ul>"),
        ("Numbered list", "<ol><li><p>one two</p></li></ol>"),
        ("Check list", "<ul><li><p>☐one two</p></li></ul>"),
        ("Quote", "<blockquote><p>one two</p></blockquote>"),
    ] {
        amina.go_behind("one two").await?;
        amina.press(name).await?;
        jonas.wait_for_page(whole).await?;
        amina.press(name).await?;
        wait_until("it is a paragraph again", async || {
            Ok(jonas.page().await? == "<p>one two</p>")
        })
        .await?;
    }
    for (style, whole) in [
        ("Heading 1", "<h1>one two</h1>"),
        ("Heading 3", "<h3>one two</h3>"),
        ("Code block", "<pre><code>one two</code></pre>"),
        ("Callout", "<aside><p>one two</p></aside>"),
        ("Paragraph", "<p>one two</p>"),
    ] {
        amina.choose("Style", style).await?;
        jonas.wait_for_page(whole).await?;
        same_page(&[amina, jonas]).await?;
    }
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_ticked_by_mouse_and_by_keys_and_both_see_it() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("[] measure\ndraw").await?;
    jonas.wait_for_page("☐draw").await?;
    jonas
        .run("document.querySelector('[aria-label=Page] input[aria-label=Done]').click()")
        .await?;
    amina.wait_for_page("<p>☑measure</p>").await?;
    amina.control(Key::Enter.value()).await?;
    jonas
        .wait_for_page("<p>☑measure</p></li><li><p>☑draw</p>")
        .await?;
    amina.control(Key::Enter.value()).await?;
    jonas
        .wait_for_page("<p>☑measure</p></li><li><p>☐draw</p>")
        .await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_whole_after_two_changed_it_apart() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.go_to_end().await?;
    amina.press("Table").await?;
    amina
        .keys("Place\tDepth\tWidth\tGarissa\t4\t90\tHola\t3\t80")
        .await?;
    jonas.wait_for_page("<td><p>80</p></td>").await?;
    assert_eq!(
        jonas
            .run("return document.querySelectorAll('[role=columnheader]').length")
            .await?,
        3
    );

    pair.journey.link(0).cut();
    pair.journey.link(1).cut();
    amina.go_behind("Garissa").await?;
    amina.press("Row below").await?;
    amina.press("Column before").await?;
    jonas.go_behind("Depth").await?;
    jonas.press("Column after").await?;
    jonas.go_behind("Hola").await?;
    jonas.keys(" bridge").await?;
    jonas.press("Row below").await?;
    pair.journey.link(0).restore();
    pair.journey.link(1).restore();

    let mut page = String::new();
    wait_until("both see what both did", async || {
        page = same_page(&[amina, jonas]).await?;
        Ok(page.contains("Hola bridge") && page.matches("<tr>").count() == 5)
    })
    .await?;
    for word in ["Place", "Depth", "Width", "Garissa", "90", "80"] {
        assert_eq!(page.matches(word).count(), 1, "{word} in {page}");
    }
    assert_eq!(page.matches("<table>").count(), 1, "{page}");
    let rows: Vec<usize> = page
        .split("<tr>")
        .skip(1)
        .map(|row| row.matches("<td>").count())
        .collect();
    // The rows that both had before have both new columns; a row that one added has that one's.
    assert_eq!(rows.iter().filter(|cells| **cells == 5).count(), 3, "{page}");
    assert!(rows.iter().all(|cells| (3..=5).contains(cells)), "{page}");
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn latex_is_shown_as_a_formula_while_nobody_is_in_it() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina
        .write("so $a^2$ is\n$$ \\frac{1}{2}\n\nand \\nosuch$")
        .await?;
    let shown = "[...document.querySelectorAll('[aria-label=Page] math')].map((math) => [
                   math.getAttribute('display') ?? 'inline',
                   math.querySelector('annotation').textContent,
                   math.getBoundingClientRect().height > 5,
                 ])";
    let formulas = serde_json::json!([["inline", "a^2", true], ["block", "\\frac{1}{2}", true]]);
    for browser in [amina, jonas] {
        wait_until("both formulas are shown", async || {
            Ok(browser.run(&format!("return {shown}")).await? == formulas)
        })
        .await?;
    }
    // Who goes in sees what was typed, and changes it.
    jonas.go_behind(" is").await?;
    for _ in 0..3 {
        jonas.keys(Key::Left + "").await?;
    }
    jonas.keys("+b").await?;
    wait_until("the formula is another one for who is not in it", async || {
        let found = amina.run(&format!("return {shown}")).await?;
        Ok(found[0][1] == "a^2+b" && found[0][2] == true)
    })
    .await?;
    let own = jonas.run(&format!("return {shown}.length")).await?;
    assert_eq!(own, 1, "the one that he is in is shown as it is typed");
    // Right before it, and right behind it, there is room for words.
    jonas.keys(Key::Right + "ly").await?;
    jonas.select("so ").await?;
    jonas.keys(Key::Right + "(").await?;
    amina.wait_for_page("<p>so (").await?;
    wait_until("what is beside a formula is no part of it", async || {
        Ok(amina.run(&format!("return {shown}")).await?[0][1] == "a^2+b")
    })
    .await?;
    let beside = "const text = document.querySelector('[aria-label=Page] p').cloneNode(true);
                  text.querySelector('.math-shown').remove();
                  return text.textContent";
    for browser in [amina, jonas] {
        assert_eq!(browser.run(beside).await?, "so (a^2+bly is");
    }
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_lead_through_formulas_in_either_direction_of_text() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    let first = async |latex: &str| {
        wait_until("the formula is this one", async || {
            let annotation =
                "return document.querySelector('[aria-label=Page] math annotation')?.textContent";
            Ok(jonas.run(annotation).await? == latex)
        })
        .await
    };
    amina.write("سل $x+y$ سل").await?;
    first("x+y").await?;
    // Behind the first word and over the space; into the formula from the right; over one letter.
    amina.select("سل").await?;
    for _ in 0..4 {
        amina.keys(Key::Left + "").await?;
    }
    amina.keys("2").await?;
    first("x+2y").await?;
    // Over the other three, and out of it.
    for _ in 0..4 {
        amina.keys(Key::Left + "").await?;
    }
    amina.keys("!").await?;
    jonas.wait_for_page("! سل</p>").await?;
    first("x+2y").await?;

    // Backspace behind a formula leads into it.
    amina.control('a').await?;
    amina.keys("b $a$").await?;
    first("a").await?;
    amina.keys(Key::Left + Key::Right + Key::Backspace + "q").await?;
    jonas.wait_for_page("<p>b ").await?;
    first("aq").await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_formula_opens_only_for_who_writes_and_where_it_is_now() -> Result<()> {
    let pair = Pair::meet().await?;
    let seen = pair
        .amina
        .run(
            r#"const shape = (type) => ({ type, parents: [], attrs: {}, isEmbed: false });
               const block = (type, ...runs) => ({ shape: shape(type), runs: runs.map(([text, math]) => ({ text, marks: math ? { math } : {} })) });
               const host = document.body.appendChild(document.createElement('div'));
               let told = null;
               const editor = meridianEditor.mount(host, {
                 label: 'Beside it', done: 'Done', editable: false,
                 blocks: [block('paragraph', ['x+y', true], [' سلام']), block('math-block', ['z']), block('paragraph', ['end'])],
                 math: (latex) => `<math id="page"><mi id="name">${latex}</mi></math>`,
                 onEdits() {}, onSelection: (selection) => { told = selection; }, onState() {}, onComposition() {},
               });
               const page = host.firstChild;
               const formulas = () => [...page.querySelectorAll('math')].map((math) => math.textContent).join(' ');
               const click = (selector) => page.querySelector(selector).dispatchEvent(
                 new MouseEvent('mousedown', { bubbles: true, cancelable: true, clientX: 10000 }));
               const seen = {};
               seen.direction = getComputedStyle(page.querySelector('p')).direction;
               seen.names = page.querySelectorAll('[id]').length;
               page.focus();
               click('span.math-shown');
               seen.read = formulas();
               editor.setEditable(true);
               editor.apply([{ op: 'text', block: 0, offset: 7, delete: 0, insert: [{ text: '!', marks: {} }] }]);
               editor.apply([{ op: 'split', block: 2, offset: 1, shape: shape('paragraph') }]);
               click('div.math-shown');
               seen.block = [formulas(), told.head];
               dispatchEvent(new Event('beforeprint'));
               seen.printed = formulas();
               dispatchEvent(new Event('afterprint'));
               editor.apply([{ op: 'blocks', from: 0, count: 0, blocks: [block('paragraph', ['top'])] }]);
               click('span.math-shown');
               seen.text = [formulas(), told.head];
               page.blur();
               seen.left = formulas();
               editor.destroy();
               host.remove();
               return seen;"#,
        )
        .await?;
    assert_eq!(
        seen,
        serde_json::json!({
            "direction": "rtl",
            "names": 0,
            "read": "x+y z",
            "block": ["x+y", { "block": 1, "offset": 1 }],
            "printed": "x+y z",
            "text": ["z", { "block": 1, "offset": 3 }],
            "left": "x+y z",
        })
    );
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_leads_only_where_a_link_may() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("see here").await?;
    amina.select("here").await?;
    amina.press("Link").await?;
    amina.fill("Address", "javascript:alert(1)").await?;
    amina.press("Set link").await?;
    amina.wait_for_words("This is no address").await?;
    amina.fill("Address", "example.org/tana").await?;
    amina.press("Set link").await?;
    jonas.wait_for_page("<p>see <a>here</a></p>").await?;
    assert_eq!(
        jonas
            .run("return document.querySelector('[aria-label=Page] a').href")
            .await?,
        "https://example.org/tana"
    );
    amina.select("here").await?;
    amina.press("Link").await?;
    amina.press("Remove link").await?;
    jonas.wait_for_page("<p>see here</p>").await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_can_be_ticked_only_while_the_page_can_be_changed() -> Result<()> {
    let pair = Pair::meet().await?;
    let seen = pair
        .amina
        .run(
            "const host = document.body.appendChild(document.createElement('div'));
             let edits = 0;
             const item = { shape: { type: 'unordered-list-item', parents: [], attrs: { checked: false }, isEmbed: false }, runs: [] };
             const editor = meridianEditor.mount(host, {
               label: 'Beside it', done: 'Done', blocks: [item], editable: true, math: () => undefined,
               onEdits: () => edits++, onSelection() {}, onState() {}, onComposition() {},
             });
             const seen = [];
             const tick = () => {
               const box = host.querySelector('input');
               const { disabled } = box;
               // As a click that was on its way already.
               box.disabled = false;
               box.click();
               seen.push([disabled, edits]);
             };
             tick();
             editor.setEditable(false);
             tick();
             editor.setEditable(true);
             tick();
             editor.destroy();
             host.remove();
             return seen;",
        )
        .await?;
    assert_eq!(seen, serde_json::json!([[false, 1], [true, 1], [false, 2]]));
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_out_of_cells_leaves_the_table_and_comes_back_with_its_headings() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.go_to_end().await?;
    amina.press("Table").await?;
    amina.keys("Place\tDepth\tWidth\tTana\t4\t90").await?;
    jonas.wait_for_page("<td><p>90</p></td>").await?;
    // The clipboard is one of the test's own: a browser without a screen may have none.
    let over = "const page = document.querySelector('[aria-label=Page]');
                const textOf = (part) => {
                  const texts = document.createTreeWalker(page, NodeFilter.SHOW_TEXT);
                  while (texts.nextNode()) if (texts.currentNode.data === part) return texts.currentNode;
                };
                page.focus();
                getSelection().setBaseAndExtent(textOf('Place'), 0, textOf('Tana'), 4);
                document.dispatchEvent(new Event('selectionchange'));";
    let cut = amina
        .run(&format!(
            "{over}
             const clipboardData = new DataTransfer();
             page.dispatchEvent(new ClipboardEvent('cut', {{ clipboardData, bubbles: true, cancelable: true }}));
             return clipboardData.getData('text/html');"
        ))
        .await?;
    jonas
        .wait_for_page("<tr><td><p></p></td><td><p>4</p></td><td><p>90</p></td></tr>")
        .await?;
    amina.keys("Here").await?;
    jonas
        .wait_for_page("<tr><td><p>Here</p></td><td><p></p></td><td><p></p></td></tr>")
        .await?;
    amina.write("below\n").await?;
    amina
        .run(&format!(
            "const clipboardData = new DataTransfer();
             clipboardData.setData('text/html', {cut});
             document.querySelector('[aria-label=Page]')
               .dispatchEvent(new ClipboardEvent('paste', {{ clipboardData, bubbles: true, cancelable: true }}));"
        ))
        .await?;
    jonas.wait_for_page("<td><p>Tana</p></td>").await?;
    let headings = jonas
        .run("return [...document.querySelectorAll('[role=columnheader]')].map((cell) => cell.textContent)")
        .await?;
    assert_eq!(
        headings,
        serde_json::json!(["Here", "", "", "Place", "Depth", "Width"])
    );
    same_page(&[amina, jonas]).await?;
    pair.part().await
}

/// Who looks through a list by keys changes nothing on the way.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_in_the_toolbar_is_opened_by_keys_and_what_is_chosen_is_one_step_to_undo() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("Rivers").await?;
    jonas.wait_for_page("<p>Rivers</p>").await?;
    amina
        .run("globalThis.meridianStyles = []; new MutationObserver(() => meridianStyles.push(document.querySelector('.editor :is(p, h1, h2, h3)').tagName)).observe(document.querySelector('.editor'), { childList: true, subtree: true })")
        .await?;
    amina.tab_back_to("Style").await?;
    amina.choose_by_keys(3).await?;
    jonas.wait_for_page("<h3>Rivers</h3>").await?;
    amina.wait_for_focus("Page").await?;
    let passed = "return [...new Set(globalThis.meridianStyles)]";
    assert_eq!(amina.run(passed).await?, serde_json::json!(["H3"]));
    amina.control('z').await?;
    jonas.wait_for_page("<p>Rivers</p>").await?;

    // A letter looks for a choice, and takes none yet.
    amina.tab_back_to("Style").await?;
    amina.keys("c").await?;
    wait_until("the list is open", async || {
        Ok(amina
            .run("return document.querySelector('select:open') !== null")
            .await?
            == true)
    })
    .await?;
    assert_eq!(same_page(&[amina, jonas]).await?, "<p>Rivers</p>");
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_toolbar_says_what_does_nothing_in_a_table_and_stays_in_view() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write(&"River\n".repeat(60)).await?;
    amina.press("Table").await?;
    amina.keys("Place").await?;
    jonas.wait_for_page("<td><p>Place</p></td>").await?;
    // Nothing to do again, and no text to comment on or to change: these are idle anywhere.
    let idle = "return [...document.querySelectorAll('[role=toolbar] [aria-disabled=true]')]
                  .map((tool) => tool.ariaLabel).filter((name) => !['Redo', 'Comment', 'Suggest a change'].includes(name))";
    assert_eq!(
        amina.run(idle).await?,
        serde_json::json!([
            "Style",
            "Bulleted list",
            "Numbered list",
            "Check list",
            "Indent",
            "Outdent",
            "Quote",
            "Divider",
            "Table"
        ])
    );
    amina.choose("Style", "Heading 1").await?;
    wait_until("the list shows what the cell is", async || {
        let shown = "return document.querySelector('select[aria-label=Style]').selectedOptions[0].text";
        Ok(amina.run(shown).await? == "Paragraph")
    })
    .await?;
    let tools = amina
        .run(
            "const tools = document.querySelector('[aria-label=\"Table tools\"]').getBoundingClientRect();
             return [scrollY > 0, tools.top >= 0 && tools.bottom < innerHeight]",
        )
        .await?;
    assert_eq!(tools, serde_json::json!([true, true]));

    amina.go_to_end().await?;
    amina.press("Bulleted list").await?;
    wait_until("no table is made in a list", async || {
        Ok(amina.run(idle).await? == serde_json::json!(["Table"]))
    })
    .await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn control_and_k_ask_for_a_link_where_text_is_written() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("see here").await?;
    amina.select("here").await?;
    amina.control('k').await?;
    amina.find("dialog", "Link").await?;
    amina.fill("Address", "https://example.org").await?;
    amina.press("Set link").await?;
    jonas.wait_for_page("<p>see <a>here</a></p>").await?;
    amina.press("Link").await?;
    amina.press("Cancel").await?;
    wait_until("the dialog is gone", async || {
        Ok(amina.look_for("dialog", "Link").await?.is_none())
    })
    .await?;
    // The text of a version is nobody's to write.
    amina.press("History").await?;
    let press = "const shown = document.querySelector('dialog .editor'); \
                 const init = { key: 'k', code: 'KeyK', ctrlKey: true, bubbles: true, cancelable: true }; \
                 shown?.dispatchEvent(new KeyboardEvent('keydown', init)); return shown !== null";
    wait_until("a version is shown, and the keys are pressed in it", async || {
        Ok(amina.run(press).await? == true)
    })
    .await?;
    assert!(amina.look_for("dialog", "Link").await?.is_none());
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_nest_an_item_and_take_it_back() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("- one\ntwo").await?;
    let flat = "<ul><li><p>one</p></li><li><p>two</p></li></ul>";
    jonas.wait_for_page(flat).await?;
    amina.press("Indent").await?;
    jonas
        .wait_for_page("<ul><li><p>one</p><ul><li><p>two</p></li></ul></li></ul>")
        .await?;
    amina.press("Outdent").await?;
    jonas.wait_for_page(flat).await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_focus_comes_back_from_the_dialog_of_a_link() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("see here").await?;
    amina.press("Link").await?;
    amina.press("Cancel").await?;
    wait_until("the caret is back where it was", async || {
        let place = "return [document.activeElement.ariaLabel, getSelection().anchorOffset]";
        Ok(amina.run(place).await? == serde_json::json!(["Page", 8]))
    })
    .await?;
    amina.keys(" and").await?;
    jonas.wait_for_page("<p>see here and</p>").await?;
    amina.select("here").await?;
    amina.press("Link").await?;
    amina.fill("Address", "https:example.org").await?;
    amina.press("Set link").await?;
    amina.wait_for_words("This is no address").await?;
    amina.fill("Address", "https://example.org").await?;
    amina.press("Set link").await?;
    jonas.wait_for_page("<p>see <a>here</a> and</p>").await?;
    amina.keys("there").await?;
    jonas.wait_for_page("there").await?;
    pair.part().await
}
