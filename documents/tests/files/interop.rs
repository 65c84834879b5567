//! The npm packages that others open pages with, `@automerge/automerge` and `@automerge/prosemirror`, and what comes back.

use std::fs;
use std::path::Path;
use std::process::Command;

use documents::page::Page;
use documents::page::edit::{Edit, Value};
use documents::page::import::{Merge, merge};

use super::pages::{everything, run, shown};

/// The page as the packages change it: `tests/interop/change.mjs` looks at it first.
fn changed_elsewhere(page: &mut Page, test: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/interop");
    let at = std::env::temp_dir().join(format!("meridian-interop-{test}-{}", std::process::id()));
    fs::create_dir_all(&at).unwrap();
    let [original, expected, changed] =
        ["page.automerge", "page.json", "changed.automerge"].map(|name| at.join(name));
    fs::write(&original, page.save().unwrap()).unwrap();
    let json = serde_json::json!({ "title": page.title(), "blocks": page.blocks() });
    fs::write(&expected, json.to_string()).unwrap();
    let node = Command::new("node")
        .arg("change.mjs")
        .args([&original, &expected, &changed])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(node.status.success(), "{}", String::from_utf8_lossy(&node.stderr));
    let bytes = fs::read(changed).unwrap();
    fs::remove_dir_all(at).unwrap();
    bytes
}

fn block_of(page: &Page, text: &str) -> usize {
    page.blocks()
        .iter()
        .position(|block| block.text().starts_with(text))
        .unwrap()
}

#[test]
#[ignore = "cargo xtask test installs npm's packages for it"]
fn a_page_goes_to_the_packages_of_others_and_back() {
    let mut page = everything();
    let file = changed_elsewhere(&mut page, "back");

    // Meanwhile somebody writes here.
    let quote = block_of(&page, "Panta rhei");
    let insert = vec![run(", he said", &[])];
    page.apply(&[Edit::Text {
        block: quote,
        offset: 10,
        delete: 0,
        insert,
    }])
    .unwrap();
    page.commit(1_800_000_100);

    let before = page.blocks().to_vec();
    let Merge::Changed(changes) = merge(&page, &file).unwrap() else {
        panic!("it is the page, changed")
    };
    assert_eq!((changes.left, &changes.title), (0, &None));
    page.apply(&changes.edits).unwrap();
    page.commit_note(1_800_000_200, changes.note).unwrap();

    let mut expected = before;
    expected[0].runs = vec![run("Rivers and lakes", &[])];
    let callout = block_of(&page, "Bring boots");
    expected[callout].runs = vec![
        run("Bring ", &[]),
        run("boots", &[("strong", Value::Boolean(true))]),
    ];
    assert_eq!(shown(page.blocks()), shown(&expected));
    assert_eq!(page.blocks(), expected);

    // All of it is the work of who brought it, and the same file brings nothing more.
    let saved = page.save().unwrap();
    let copy = Page::load(&saved, [9; 16]).unwrap();
    assert!(copy.document().is_only_of(&[[1; 16]].into()));
    assert!(matches!(merge(&copy, &file).unwrap(), Merge::Known));
}

#[test]
#[ignore = "cargo xtask test installs npm's packages for it"]
fn what_others_made_of_a_page_that_is_not_here_is_text() {
    let mut page = everything();
    let file = changed_elsewhere(&mut page, "other");
    let other = super::pages::page("Another", Vec::new());
    // The same actor began both, but they are two pages.
    let Merge::Other(imported) = merge(&other, &file).unwrap() else {
        panic!("it is another page")
    };
    assert_eq!(imported.title.as_deref(), Some("Rivers & <water>"));
    assert_eq!(imported.blocks.len(), page.blocks().len());
}
