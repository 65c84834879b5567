//! A page on several replicas: whatever is written where, in whatever order it arrives, all show the same, and the edits
//! that the editor is given lead from what it showed to what is there.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use documents::page::edit::{Block, Edit, Marks, Run, Shape, Value, apply_to_blocks};
use documents::page::{Page, Remote};
use proptest::prelude::*;

/// A random edit before it is fitted to a page: numbers are taken modulo what is there.
#[derive(Clone, Debug)]
enum Wish {
    Type(usize, usize, Vec<Run>),
    Delete(usize, usize, usize),
    Mark(usize, usize, usize, &'static str, Value),
    Split(usize, usize, Shape),
    Join(usize),
    Shape(usize, Shape),
    Blocks(usize, usize, Vec<Block>),
    Rework(usize, usize, Vec<Wish>),
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-d ]{1,6}",
        Just("é😀".to_owned()),
        Just("👩‍👧".to_owned()),
        Just("\u{fffc}".to_owned())
    ]
}

fn mark() -> impl Strategy<Value = (&'static str, Value)> {
    prop_oneof![
        Just(("strong", Value::Boolean(true))),
        Just(("em", Value::Boolean(true))),
        Just(("link", Value::Text("{\"href\":\"a\"}".to_owned()))),
        Just(("link", Value::Text("{\"href\":\"b\"}".to_owned()))),
        Just(("__ext__size", Value::Integer(3))),
        Just(("__ext__size", Value::Number(1.5))),
    ]
}

fn marks() -> impl Strategy<Value = Marks> {
    prop::collection::vec(mark(), 0..3).prop_map(|marks| {
        marks
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    })
}

fn runs(most: usize) -> impl Strategy<Value = Vec<Run>> {
    prop::collection::vec(
        (texts(), marks()).prop_map(|(text, marks)| Run { text, marks }),
        0..=most,
    )
}

fn shape() -> impl Strategy<Value = Shape> {
    let kind = prop_oneof![
        Just("paragraph"),
        Just("heading"),
        Just("unordered-list-item"),
        Just("__ext__map")
    ];
    let parents = prop::collection::vec(prop_oneof![Just("unordered-list-item"), Just("blockquote")], 0..3);
    let attrs = prop_oneof![
        Just(BTreeMap::new()),
        (1..4_i64).prop_map(|level| BTreeMap::from([("level".to_owned(), Value::Integer(level))])),
        Just(BTreeMap::from([
            ("alt".to_owned(), Value::Text("x".to_owned())),
            ("n".to_owned(), Value::Null)
        ])),
    ];
    (kind, parents, attrs, any::<bool>()).prop_map(|(kind, parents, attrs, is_embed)| Shape {
        kind: kind.to_owned(),
        parents: parents.into_iter().map(str::to_owned).collect(),
        attrs,
        is_embed,
    })
}

fn block() -> impl Strategy<Value = Block> {
    (shape(), runs(2)).prop_map(|(shape, runs)| Block { shape, runs })
}

fn wish() -> impl Strategy<Value = Wish> {
    let n = || 0..1000_usize;
    let removable = (mark(), any::<bool>());
    let leaf = prop_oneof![
        4 => (n(), n(), runs(2)).prop_map(|(block, offset, runs)| Wish::Type(block, offset, runs)),
        3 => (n(), n(), n()).prop_map(|(block, from, to)| Wish::Delete(block, from, to)),
        3 => (n(), n(), n(), removable).prop_map(|(block, from, to, ((name, value), remove))| {
            Wish::Mark(block, from, to, name, if remove { Value::Null } else { value })
        }),
        3 => (n(), n(), shape()).prop_map(|(block, offset, shape)| Wish::Split(block, offset, shape)),
        2 => n().prop_map(Wish::Join),
        2 => (n(), shape()).prop_map(|(block, shape)| Wish::Shape(block, shape)),
        1 => (n(), n(), prop::collection::vec(block(), 0..3)).prop_map(|(from, to, blocks)| Wish::Blocks(from, to, blocks)),
    ];
    let inner = leaf.clone();
    prop_oneof![
        8 => leaf,
        1 => (n(), n(), prop::collection::vec(inner, 1..4)).prop_map(|(from, to, wishes)| Wish::Rework(from, to, wishes)),
    ]
}

/// The nth place between characters of a block.
fn offset(block: &Block, n: usize) -> usize {
    let text = block.text();
    let mut offsets = vec![0];
    for character in text.chars() {
        offsets.push(offsets[offsets.len() - 1] + character.len_utf16());
    }
    offsets[n % offsets.len()]
}

fn fit(blocks: &[Block], wish: &Wish) -> Option<Edit> {
    let at = |n: &usize| n % blocks.len();
    let span = |block: usize, from: &usize, to: &usize| {
        let (a, b) = (offset(&blocks[block], *from), offset(&blocks[block], *to));
        (a.min(b), a.max(b))
    };
    Some(match wish {
        Wish::Type(block, n, runs) => {
            let block = at(block);
            Edit::Text {
                block,
                offset: offset(&blocks[block], *n),
                delete: 0,
                insert: runs.clone(),
            }
        }
        Wish::Delete(block, from, to) => {
            let block = at(block);
            let (from, to) = span(block, from, to);
            Edit::Text {
                block,
                offset: from,
                delete: to - from,
                insert: Vec::new(),
            }
        }
        Wish::Mark(block, from, to, name, value) => {
            let block = at(block);
            let (from, to) = span(block, from, to);
            Edit::Mark {
                block,
                from,
                to,
                name: (*name).to_owned(),
                value: value.clone(),
            }
        }
        Wish::Split(block, n, shape) => {
            let block = at(block);
            Edit::Split {
                block,
                offset: offset(&blocks[block], *n),
                shape: shape.clone(),
            }
        }
        Wish::Join(block) if at(block) == 0 => return None,
        Wish::Join(block) => Edit::Join { block: at(block) },
        Wish::Shape(block, shape) => Edit::Shape {
            block: at(block),
            shape: shape.clone(),
        },
        Wish::Blocks(from, to, new) => {
            let (from, to) = (at(from).min(at(to)), at(from).max(at(to)));
            if new.is_empty() && to - from == blocks.len() {
                return None;
            }
            Edit::Blocks {
                from,
                count: to - from,
                blocks: new.clone(),
            }
        }
        // What an editor does that can only say "these blocks are now those": small changes inside a range.
        Wish::Rework(from, to, wishes) => {
            let (from, to) = (at(from).min(at(to)), at(from).max(at(to)) + 1);
            let mut new = blocks[from..to].to_vec();
            for wish in wishes {
                if let Some(edit) = fit(&new, wish) {
                    apply_to_blocks(&mut new, &edit).unwrap();
                }
            }
            Edit::Blocks {
                from,
                count: to - from,
                blocks: new,
            }
        }
    })
}

/// A page and what its editor shows, which knows only the edits it makes and is given.
struct Replica {
    page: Page,
    shown: Vec<Block>,
    outbox: Vec<Vec<u8>>,
    time: i64,
}

impl Replica {
    fn new(number: u8, founding: &[u8]) -> Replica {
        let mut page = Page::empty([number; 16]).unwrap();
        let mut shown = page.blocks().to_vec();
        follow(&mut shown, &page.apply_changes(&[founding.to_vec()]).unwrap());
        Replica {
            page,
            shown,
            outbox: Vec::new(),
            time: 0,
        }
    }

    fn edit(&mut self, wish: &Wish) {
        if let Some(edit) = fit(&self.shown, wish) {
            apply_to_blocks(&mut self.shown, &edit).unwrap();
            self.page.apply(&[edit]).unwrap();
            assert_eq!(self.page.blocks(), self.shown);
        }
    }

    fn commit(&mut self) {
        self.time += 1;
        self.outbox.extend(self.page.commit(self.time));
        self.check();
    }

    fn receive(&mut self, changes: &[Vec<u8>]) {
        self.commit();
        let remote = self.page.apply_changes(changes).unwrap();
        assert!(remote.refused.is_empty(), "{:?}", remote.refused);
        follow(&mut self.shown, &remote);
        self.check();
    }

    /// The blocks kept in memory are those that a reader of the saved document finds.
    fn check(&mut self) {
        assert_eq!(self.page.blocks(), self.shown);
        let read = Page::load(&self.page.save().unwrap(), [99; 16]).unwrap();
        assert_eq!(read.blocks(), self.shown);
    }
}

fn follow(shown: &mut Vec<Block>, remote: &Remote) {
    for edit in &remote.edits {
        apply_to_blocks(shown, edit).unwrap();
    }
}

fn founded() -> (Page, Vec<u8>) {
    let mut page = Page::new([1; 16]).unwrap();
    let change = page.commit(1_800_000_000).unwrap();
    (page, change)
}

#[derive(Clone, Debug)]
enum Step {
    Edit(usize, Wish),
    Commit(usize),
    /// Give some of what others wrote, in an order that depends on the number.
    Deliver(usize, usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..3_usize, wish()).prop_map(|(replica, wish)| Step::Edit(replica, wish)),
        2 => (0..3_usize).prop_map(Step::Commit),
        2 => (0..3_usize, 0..3_usize, 0..1000_usize).prop_map(|(from, to, order)| Step::Deliver(from, to, order)),
    ];
    prop::collection::vec(step, 1..40)
}

fn shuffled(changes: &[Vec<u8>], order: usize) -> Vec<Vec<u8>> {
    let mut changes = changes.to_vec();
    let length = changes.len();
    if length > 0 {
        changes.rotate_left(order % length);
        if order % 2 == 1 {
            changes.reverse();
        }
        changes.truncate(1 + order % length);
    }
    changes
}

proptest! {
    #[test]
    fn replicas_converge_and_editors_follow(steps in steps()) {
        let (_, founding) = founded();
        let mut replicas: Vec<Replica> = (2..5).map(|number| Replica::new(number, &founding)).collect();
        for step in &steps {
            match step {
                Step::Edit(replica, wish) => replicas[*replica].edit(wish),
                Step::Commit(replica) => replicas[*replica].commit(),
                Step::Deliver(from, to, order) => {
                    replicas[*from].commit();
                    let changes = shuffled(&replicas[*from].outbox, *order);
                    replicas[*to].receive(&changes);
                }
            }
        }
        replicas.iter_mut().for_each(Replica::commit);
        let all: Vec<Vec<u8>> = replicas.iter().flat_map(|replica| replica.outbox.clone()).collect();
        for (order, replica) in replicas.iter_mut().enumerate() {
            let mut changes = all.clone();
            if order == 1 {
                changes.reverse();
            }
            replica.receive(&changes);
        }
        prop_assert_eq!(&replicas[0].shown, &replicas[1].shown);
        prop_assert_eq!(&replicas[0].shown, &replicas[2].shown);
    }
}

fn plain(text: &str) -> Vec<Run> {
    vec![Run {
        text: text.to_owned(),
        marks: Marks::new(),
    }]
}

/// What another member whispers as a cursor is followed if it is one, and is nothing otherwise.
#[test]
fn a_cursor_stays_with_its_text() {
    let (mut page, founding) = founded();
    page.set_title("A title").unwrap();
    page.apply(&[Edit::Text {
        block: 0,
        offset: 0,
        delete: 0,
        insert: plain("cold water"),
    }])
    .unwrap();
    let typed = page.commit(1).unwrap();
    let mut other = Page::empty([2; 16]).unwrap();
    other.apply_changes(&[founding, typed]).unwrap();

    let (water, end) = (page.cursor_at(0, 5).unwrap(), page.cursor_at(0, 10).unwrap());
    other
        .apply(&[Edit::Text {
            block: 0,
            offset: 0,
            delete: 0,
            insert: plain("very "),
        }])
        .unwrap();
    other
        .apply(&[Edit::Split {
            block: 0,
            offset: 8,
            shape: Shape::paragraph(),
        }])
        .unwrap();
    assert_eq!(other.position_of(&water), Some((1, 2)));
    assert_eq!(other.position_of(&end), Some((1, 7)));
    assert!(page.cursor_at(0, 11).is_err());

    for nonsense in [
        "",
        "x",
        "é",
        "-",
        "@",
        "5@",
        "5@zz",
        "-5@01",
        "99999999999999999999@01",
        "4294967296@01",
    ] {
        assert_eq!(other.position_of(nonsense), None, "{nonsense}");
    }
    // Operations that are there, but are no places in the text: the texts themselves, the title's letters, a marker's map.
    let actor = "01".repeat(16);
    let places = (0..60)
        .filter(|number| other.position_of(&format!("{number}@{actor}")).is_some())
        .count();
    assert_eq!(places, "cold water".len() + 1);
}

/// Typing is told apart from replacing: one letter is one operation, and a paragraph that did not change is not written.
#[test]
fn only_what_differs_is_written() {
    let (mut page, _) = founded();
    let blocks: Vec<Block> = ["one", "two", "three"]
        .iter()
        .map(|text| Block {
            shape: Shape::paragraph(),
            runs: plain(text),
        })
        .collect();
    page.apply(&[Edit::Blocks {
        from: 0,
        count: 1,
        blocks: blocks.clone(),
    }])
    .unwrap();
    page.commit(1);
    page.apply(&[Edit::Blocks {
        from: 0,
        count: 3,
        blocks: blocks.clone(),
    }])
    .unwrap();
    assert_eq!(page.commit(2), None);
    let cursors = [page.cursor_at(0, 1).unwrap(), page.cursor_at(1, 1).unwrap()];
    let moved = vec![blocks[2].clone(), blocks[0].clone(), blocks[1].clone()];
    page.apply(&[Edit::Blocks {
        from: 0,
        count: 3,
        blocks: moved,
    }])
    .unwrap();
    let words: Vec<String> = page.blocks().iter().map(Block::text).collect();
    assert_eq!(words, ["three", "one", "two"]);
    page.commit(3);
    let places = cursors.map(|cursor| page.position_of(&cursor));
    assert_eq!(
        places,
        [Some((1, 1)), Some((2, 1))],
        "these two were not written anew"
    );
    page.apply(&[Edit::Text {
        block: 0,
        offset: 5,
        delete: 0,
        insert: plain("!"),
    }])
    .unwrap();
    let length = page.commit(4).unwrap().len();
    assert!(length < 110, "one letter is one operation, not {length} bytes");
}

#[test]
fn places_that_are_not_there_are_errors_and_change_nothing() {
    let (mut page, _) = founded();
    page.apply(&[Edit::Text {
        block: 0,
        offset: 0,
        delete: 0,
        insert: plain("a😀b"),
    }])
    .unwrap();
    page.commit(1);
    let before = page.blocks().to_vec();
    let shape = Shape::paragraph();
    for edit in [
        Edit::Text {
            block: 1,
            offset: 0,
            delete: 0,
            insert: plain("x"),
        },
        Edit::Text {
            block: 0,
            offset: 2,
            delete: 0,
            insert: plain("x"),
        },
        Edit::Text {
            block: 0,
            offset: 0,
            delete: 2,
            insert: Vec::new(),
        },
        Edit::Text {
            block: 0,
            offset: 3,
            delete: usize::MAX,
            insert: Vec::new(),
        },
        Edit::Mark {
            block: 0,
            from: 3,
            to: 1,
            name: "em".to_owned(),
            value: Value::Boolean(true),
        },
        Edit::Split {
            block: 0,
            offset: 5,
            shape: shape.clone(),
        },
        Edit::Join { block: 0 },
        Edit::Join { block: 1 },
        Edit::Shape { block: 7, shape },
        Edit::Blocks {
            from: 0,
            count: 1,
            blocks: Vec::new(),
        },
        Edit::Blocks {
            from: 1,
            count: usize::MAX,
            blocks: Vec::new(),
        },
    ] {
        assert!(page.apply(std::slice::from_ref(&edit)).is_err(), "{edit:?}");
        assert_eq!(page.blocks(), before);
        assert_eq!(page.commit(2), None, "{edit:?}");
    }
}

/// Two write into the first paragraph and take its marker away at the same time: nobody's words are lost.
#[test]
fn words_without_a_marker_are_shown_and_can_be_written_in() {
    let (page, founding) = founded();
    let mut one = page;
    let mut two = Page::empty([2; 16]).unwrap();
    two.apply_changes(&[founding]).unwrap();
    one.apply(&[Edit::Text {
        block: 0,
        offset: 0,
        delete: 0,
        insert: plain("first"),
    }])
    .unwrap();
    let typed = one.commit(1).unwrap();
    two.apply(&[Edit::Split {
        block: 0,
        offset: 0,
        shape: Shape::paragraph(),
    }])
    .unwrap();
    two.apply(&[Edit::Text {
        block: 1,
        offset: 0,
        delete: 0,
        insert: plain("second"),
    }])
    .unwrap();
    two.apply(&[Edit::Blocks {
        from: 0,
        count: 1,
        blocks: Vec::new(),
    }])
    .unwrap();
    let removed = two.commit(1).unwrap();
    one.apply_changes(&[removed]).unwrap();
    two.apply_changes(&[typed]).unwrap();
    assert_eq!(one.blocks(), two.blocks());
    let words: String = one.blocks().iter().map(Block::text).collect();
    assert!(words.contains("first") && words.contains("second"), "{words}");
    one.apply(&[Edit::Text {
        block: 0,
        offset: 0,
        delete: 0,
        insert: plain("the "),
    }])
    .unwrap();
    let more = one.commit(2).unwrap();
    two.apply_changes(&[more]).unwrap();
    assert_eq!(one.blocks(), two.blocks());
}

#[test]
fn a_picture_says_what_it_can() {
    use documents::page::picture::{Picture, media_type};
    let shape = |attrs: &[(&str, Value)]| Shape {
        kind: "image".to_owned(),
        attrs: attrs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        is_embed: true,
        ..Shape::paragraph()
    };
    let text = |text: &str| Value::Text(text.to_owned());
    let said = shape(&[
        ("src", text("attachment:AQ")),
        ("alt", text("")),
        ("width", Value::Integer(7)),
    ]);
    let picture = Picture {
        src: "attachment:AQ",
        alt: Some(""),
        width: Some(7),
        height: None,
    };
    assert_eq!(said.picture(), Some(picture));
    let nothing = Picture {
        src: "",
        alt: None,
        width: None,
        height: None,
    };
    let foreign = shape(&[
        ("src", Value::Null),
        ("alt", Value::Integer(1)),
        ("width", Value::Integer(-7)),
        ("height", text("7")),
    ]);
    assert_eq!(foreign.picture(), Some(nothing));
    let is_embed = false;
    assert_eq!(Shape { is_embed, ..said }.picture(), None);
    assert_eq!(Shape::paragraph().picture(), None);

    assert_eq!(media_type(b"\x89PNG\r\n\x1a\n..."), Some("image/png"));
    assert_eq!(media_type(b"\xff\xd8\xff\xe0"), Some("image/jpeg"));
    assert_eq!(media_type(b"GIF89a"), Some("image/gif"));
    assert_eq!(media_type(b"RIFF\0\0\0\0WEBPVP8 "), Some("image/webp"));
    for other in [&b"<svg/>"[..], b"", b"GIF8", b"RIFF\0\0\0\0WAVE", b"\x89PN"] {
        assert_eq!(media_type(other), None);
    }
}
