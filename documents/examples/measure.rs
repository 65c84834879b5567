//! Times what typing on a large page costs: `cargo run --release -p documents --example measure`.

use std::time::{Duration, Instant};

use documents::page::Page;
use documents::page::edit::{Block, Edit, Marks, Run, Shape, Value};

/// A page of about 100 KB: 1,000 paragraphs, some words strong, one link in each tenth.
fn large() -> Result<Page, documents::Error> {
    let mut page = Page::new([1; 16])?;
    page.commit(0);
    let run = |text: &str, name: Option<&str>| Run {
        text: text.to_owned(),
        marks: name
            .map(|name| Marks::from([(name.to_owned(), Value::Boolean(true))]))
            .unwrap_or_default(),
    };
    for number in 0..1000 {
        let mut runs = vec![run("The water of the river is measured each week by ", None)];
        if number % 5 == 0 {
            runs.push(run("both classes", Some("strong")));
        }
        if number % 10 == 0 {
            runs.push(run(" together", Some("link")));
        }
        runs.push(run(", and what they find is put here.", None));
        let block = Block {
            shape: Shape::paragraph(),
            runs,
        };
        page.apply(&[Edit::Blocks {
            from: number,
            count: 0,
            blocks: vec![block],
        }])?;
        page.commit(number as i64);
    }
    Ok(page)
}

/// Median and 95th percentile of an edit, median of a commit, and the changes.
type Typed = (Duration, Duration, Duration, Vec<Vec<u8>>);

fn typing(page: &mut Page, block: usize) -> Result<Typed, documents::Error> {
    let mut applies = Vec::new();
    let mut commits = Vec::new();
    let mut changes = Vec::new();
    for offset in 0..200 {
        let insert = vec![Run {
            text: "x".to_owned(),
            marks: Marks::new(),
        }];
        let before = Instant::now();
        page.apply(&[Edit::Text {
            block,
            offset,
            delete: 0,
            insert,
        }])?;
        applies.push(before.elapsed());
        if offset % 10 == 9 {
            let before = Instant::now();
            changes.extend(page.commit(2000));
            commits.push(before.elapsed());
        }
    }
    applies.sort();
    commits.sort();
    Ok((applies[100], applies[190], commits[commits.len() / 2], changes))
}

fn main() -> Result<(), documents::Error> {
    let mut page = large()?;
    let saved = page.save()?;
    println!(
        "{} characters, saved as {} bytes",
        page.text_plain().len(),
        saved.len()
    );
    let before = Instant::now();
    let mut other = Page::load(&saved, [2; 16])?;
    println!("load: {:?}", before.elapsed());
    for block in [0, 500, 999] {
        let (median, most, commit, changes) = typing(&mut page, block)?;
        println!("block {block}: apply p50 {median:?}, p95 {most:?}; commit p50 {commit:?}");
        let mut receives = Vec::new();
        for change in changes {
            let before = Instant::now();
            let remote = other.apply_changes(&[change])?;
            receives.push(before.elapsed());
            assert_eq!(remote.edits.len(), 1);
        }
        receives.sort();
        println!(
            "block {block}: a remote change of 10 characters p50 {:?}",
            receives[receives.len() / 2]
        );
    }
    let before = Instant::now();
    for block in 0..100 {
        other.apply(&[Edit::Text {
            block,
            offset: 10,
            delete: 30,
            insert: Vec::new(),
        }])?;
    }
    println!("deleting 3,000 characters: {:?}", before.elapsed());
    assert_eq!(page.blocks().len(), other.blocks().len());
    Ok(())
}
