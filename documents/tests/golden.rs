//! The saved forms of documents stay readable, and what is written stays the same bytes. After a change on purpose:
//! `MERIDIAN_GOLDEN=write cargo test -p documents --test golden`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;

use documents::classroom::{Classroom, Kind, Listing, Profile, School};
use documents::fold::{Limits, fold, unfold};
use documents::page::Page;
use documents::page::comments::{NewMessage, NewProposal, Stretch, mention};
use documents::page::edit::{Block, Edit, Marks, Point, Run, Shape, Value};

fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("MERIDIAN_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
    std::fs::read(&path).unwrap()
}

fn run(text: &str, marks: &[(&str, Value)]) -> Run {
    let marks: Marks = marks
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    Run {
        text: text.to_owned(),
        marks,
    }
}

fn shape(kind: &str, parents: &[&str], attrs: &[(&str, Value)]) -> Shape {
    Shape {
        kind: kind.to_owned(),
        parents: parents.iter().map(|parent| (*parent).to_owned()).collect(),
        attrs: attrs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        is_embed: false,
    }
}

fn blocks() -> Vec<Block> {
    let strong = ("strong", Value::Boolean(true));
    let link = (
        "link",
        Value::Text(r#"{"href":"https://example.org/","title":null}"#.to_owned()),
    );
    vec![
        Block {
            shape: shape("heading", &[], &[("level", Value::Integer(1))]),
            runs: vec![run("Our river 🌊", &[])],
        },
        Block {
            shape: shape("paragraph", &[], &[]),
            runs: vec![
                run("It is ", &[]),
                run("cold", std::slice::from_ref(&strong)),
                run(" and ", &[strong, ("em", Value::Boolean(true))]),
                run("clear", &[link]),
                run(".", &[]),
            ],
        },
        Block {
            shape: shape("unordered-list-item", &[], &[]),
            runs: vec![run("fish", &[])],
        },
        Block {
            shape: shape("ordered-list-item", &["unordered-list-item"], &[]),
            runs: vec![run("trout", &[])],
        },
        Block {
            shape: shape("paragraph", &["blockquote"], &[]),
            runs: Vec::new(),
        },
        Block {
            shape: shape("__ext__map", &[], &[("zoom", Value::Number(1.5))]),
            runs: vec![run("x", &[("__ext__size", Value::Integer(3))])],
        },
    ]
}

#[test]
fn a_page() {
    let mut page = Page::new([1; 16]).unwrap();
    page.set_title("The Minho").unwrap();
    page.commit(1_800_000_000);
    page.apply(&[Edit::Blocks {
        from: 0,
        count: 1,
        blocks: blocks(),
    }])
    .unwrap();
    page.commit(1_800_000_060);
    assert_eq!(page.blocks(), blocks());
    let saved = page.save().unwrap();
    let kept = golden("page.automerge", &saved);
    assert!(kept == saved, "a page is saved as other bytes than before");
    let read = Page::load(&kept, [2; 16]).unwrap();
    assert_eq!(read.blocks(), blocks());
    assert_eq!(read.title(), "The Minho");
    assert!(
        read.text_plain()
            .starts_with("The Minho\nOur river 🌊\nIt is cold and clear.\nfish\n")
    );
}

#[test]
fn a_page_with_comments() {
    let mut page = Page::new([1; 16]).unwrap();
    page.apply(&[Edit::Blocks {
        from: 0,
        count: 1,
        blocks: blocks(),
    }])
    .unwrap();
    page.commit(1_800_000_000);
    let point = |block, offset| Point { block, offset };
    let text = format!("{}, is it?", mention(&[6; 32]));
    let message = |id, author, text| NewMessage {
        id: [id; 16],
        author: [author; 32],
        at: 1_800_000_060_000 + i64::from(id),
        text,
    };
    let place = (point(0, 4), point(1, 10));
    page.add_comment([7; 16], place, &message(1, 5, &text)).unwrap();
    page.commit(1_800_000_060);
    page.reply(&[7; 16], &message(2, 6, "It was.")).unwrap();
    let answer = ("It was, in March.", 1_800_000_070_000);
    page.edit_message(&[7; 16], &[2; 16], &[6; 32], answer).unwrap();
    page.resolve(&[7; 16], [5; 32]).unwrap();
    page.commit(1_800_000_070);
    let saved = page.save().unwrap();
    let kept = golden("page-comments.automerge", &saved);
    assert!(kept == saved, "comments are saved as other bytes than before");
    let read = Page::load(&kept, [2; 16]).unwrap();
    assert_eq!(read.threads(), page.threads());
    let threads = read.threads();
    assert_eq!(threads[0].quote, "river 🌊 It is cold");
    assert_eq!(threads[0].messages[1].text, "It was, in March.");
    assert_eq!(threads[0].resolved_by, Some([5; 32]));
}

#[test]
fn a_page_with_suggestions() {
    let mut page = Page::new([1; 16]).unwrap();
    page.apply(&[Edit::Blocks {
        from: 0,
        count: 1,
        blocks: blocks(),
    }])
    .unwrap();
    page.commit(1_800_000_000);
    let point = |block, offset| Point { block, offset };
    let message = |id, text| NewMessage {
        id: [id; 16],
        author: [5; 32],
        at: 1_800_000_060_000 + i64::from(id),
        text,
    };
    let river = NewProposal {
        replaces: "river 🌊",
        proposes: "brook 🌊",
    };
    let fish = NewProposal {
        replaces: "fish",
        proposes: "",
    };
    let (there, below) = ((point(0, 4), point(0, 12)), (point(2, 0), point(2, 4)));
    page.suggest([7; 16], there, &message(1, "It is small."), &river)
        .unwrap();
    page.suggest([8; 16], below, &message(2, ""), &fish).unwrap();
    page.commit(1_800_000_060);
    let edits = page.edits_to_accept(&[7; 16]).unwrap();
    page.apply(&edits).unwrap();
    page.accept(&[7; 16], [6; 32]).unwrap();
    page.resolve(&[8; 16], [6; 32]).unwrap();
    page.commit(1_800_000_070);
    let saved = page.save().unwrap();
    let kept = golden("page-suggestions.automerge", &saved);
    assert!(kept == saved, "suggestions are saved as other bytes than before");
    let read = Page::load(&kept, [2; 16]).unwrap();
    assert_eq!(read.threads(), page.threads());
    let threads = read.threads();
    let accepted = |index: usize| threads[index].suggestion.as_ref().map(|of| of.accepted);
    assert_eq!(read.blocks()[0].text(), "Our brook 🌊");
    assert_eq!((accepted(0), accepted(1)), (Some(true), Some(false)));
    assert!(threads.iter().all(|thread| thread.resolved_by == Some([6; 32])));
}

#[test]
fn a_page_with_insertions() {
    let mut page = Page::new([1; 16]).unwrap();
    let empty = Block {
        shape: shape("paragraph", &[], &[]),
        runs: Vec::new(),
    };
    let blocks = vec![blocks().remove(0), empty];
    page.apply(&[Edit::Blocks {
        from: 0,
        count: 1,
        blocks,
    }])
    .unwrap();
    page.commit(1_800_000_000);
    let mut suggest = |id, (block, offset), proposes| {
        let message = NewMessage {
            id: [id; 16],
            author: [5; 32],
            at: 1_800_000_060_000 + i64::from(id),
            text: "",
        };
        let proposal = NewProposal {
            replaces: "",
            proposes,
        };
        let place = Point { block, offset };
        page.suggest([id; 16], (place, place), &message, &proposal)
            .unwrap();
    };
    suggest(7, (0, 10), " wide");
    suggest(8, (1, 0), "It flows.");
    page.commit(1_800_000_060);
    let edits = page.edits_to_accept(&[8; 16]).unwrap();
    page.apply(&edits).unwrap();
    page.accept(&[8; 16], [6; 32]).unwrap();
    page.note_once(&[8; 16]).unwrap();
    page.commit(1_800_000_070);
    let saved = page.save().unwrap();
    let kept = golden("page-insertions.automerge", &saved);
    assert!(kept == saved, "insertions are saved as other bytes than before");
    let read = Page::load(&kept, [2; 16]).unwrap();
    assert_eq!(read.threads(), page.threads());
    assert_eq!(read.blocks()[1].text(), "It flows.");
    let threads = read.threads();
    let Stretch { block, from, to } = threads[0].anchors[0];
    assert_eq!((block, from, to), (0, 10, 10));
}

#[test]
fn a_page_with_pictures() {
    let text = |text: &str| Value::Text(text.to_owned());
    let picture = |attrs: &[(&str, Value)], line: &str| Block {
        shape: Shape {
            is_embed: true,
            ..shape("image", &[], attrs)
        },
        runs: Some(run(line, &[]))
            .filter(|run| !run.text.is_empty())
            .into_iter()
            .collect(),
    };
    let mut pictures = vec![
        blocks().remove(0),
        picture(
            &[
                ("src", text("attachment:AQIDBA")),
                ("alt", text("The river in March")),
                ("width", Value::Integer(1600)),
                ("height", Value::Integer(1200)),
            ],
            "From the bridge",
        ),
        picture(&[("src", text("attachment:AQIDBQ"))], ""),
    ];
    let mut page = Page::new([1; 16]).unwrap();
    page.apply(&[Edit::Blocks {
        from: 0,
        count: 1,
        blocks: pictures.clone(),
    }])
    .unwrap();
    page.commit(1_800_000_000);
    pictures[2].shape.attrs.insert("alt".to_owned(), text(""));
    page.apply(&[Edit::Shape {
        block: 2,
        shape: pictures[2].shape.clone(),
    }])
    .unwrap();
    page.commit(1_800_000_060);
    let saved = page.save().unwrap();
    let kept = golden("page-pictures.automerge", &saved);
    assert!(kept == saved, "pictures are saved as other bytes than before");
    let read = Page::load(&kept, [2; 16]).unwrap();
    assert_eq!(read.blocks(), pictures);
    let attachments: Vec<&str> = read.attachments().into_iter().collect();
    assert_eq!(attachments, ["attachment:AQIDBA", "attachment:AQIDBQ"]);
}

#[test]
fn a_classroom() {
    let school = School {
        name: "Escola do Rio".to_owned(),
        country: "PT".to_owned(),
        time_zone: "Europe/Lisbon".to_owned(),
    };
    let founder = Profile {
        name: "Ana".to_owned(),
        school: [7; 16],
    };
    let mut classroom = Classroom::found([1; 16], "Rivers", [5; 32], &founder, &school).unwrap();
    let listing = Listing {
        kind: Kind::Page,
        created_by: [5; 32],
        created_at: 1_800_000_000,
        space: None,
    };
    classroom.add_document([9; 16], &listing).unwrap();
    classroom.commit(1_800_000_000);
    let saved = classroom.save().unwrap();
    let kept = golden("classroom.automerge", &saved);
    assert!(kept == saved, "a classroom is saved as other bytes than before");
    let read = Classroom::load(&kept, [2; 16]).unwrap();
    assert_eq!(read.name(), "Rivers");
    assert_eq!(read.schools(), [([7; 16], school)].into());
    assert_eq!(read.profiles(), [([5; 32], founder)].into());
    assert_eq!(read.documents(), [([9; 16], listing)].into());
}

#[test]
fn a_fold() {
    let mut page = Page::new([1; 16]).unwrap();
    let mut changes = vec![page.commit(1_800_000_000).unwrap()];
    page.apply(&[Edit::Blocks {
        from: 0,
        count: 1,
        blocks: blocks(),
    }])
    .unwrap();
    changes.push(page.commit(1_800_000_060).unwrap());
    page.set_title("The Minho").unwrap();
    changes.push(page.commit(1_800_000_061).unwrap());
    let folded = fold(&changes).unwrap();
    let kept = golden("changes.fold", &folded);
    assert!(kept == folded, "changes are folded to other bytes than before");
    assert_eq!(unfold(&kept, Limits::FOLD).unwrap(), changes);
}
