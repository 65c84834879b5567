//! The blocks of a page as a tree: what stands in what, and which items make one list or table. For whoever writes a page
//! in a format that nests; `app/editor/src/blocks.ts` shows the same tree.

use super::edit::{Block, Value};

/// Deeper nesting than this is shown flat.
pub(super) const DEEPEST: usize = 32;

#[derive(Debug)]
pub(super) enum Node<'a> {
    /// A block of text. That of an item, whose kind is the item's, is a paragraph.
    Text(&'a Block),
    List {
        ordered: bool,
        items: Vec<Item<'a>>,
    },
    Quote(Item<'a>),
    Callout(Item<'a>),
    Table(Vec<Row<'a>>),
}

/// What one marker begins, and whatever else stands in it.
#[derive(Debug, Default)]
pub(super) struct Item<'a> {
    /// None if the item has lost its own marker.
    pub(super) marker: Option<&'a Block>,
    /// With the text of the marker.
    pub(super) content: Vec<Node<'a>>,
}

#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) is_header: bool,
    pub(super) cells: Vec<Vec<Node<'a>>>,
}

impl Item<'_> {
    /// Whether an item of a check list is done; none for another item.
    pub(super) fn checked(&self) -> Option<bool> {
        match self.marker?.shape.attrs.get("checked") {
            Some(Value::Boolean(checked)) => Some(*checked),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Container {
    Bulleted,
    Numbered,
    Quote,
    Callout,
    Row,
    Cell,
}

impl Container {
    /// A cell only holds something in a row.
    fn named(name: &str, parent: Option<Container>) -> Option<Container> {
        match name {
            "unordered-list-item" => Some(Self::Bulleted),
            "ordered-list-item" => Some(Self::Numbered),
            "blockquote" => Some(Self::Quote),
            "aside" => Some(Self::Callout),
            "table-row" => Some(Self::Row),
            "table-cell" if parent == Some(Self::Row) => Some(Self::Cell),
            _ => None,
        }
    }
}

/// A block, with what it stands in, and what it begins.
struct Placed<'a> {
    path: Vec<Container>,
    begins: Option<Container>,
    block: &'a Block,
}

/// The tree of a page.
pub(super) fn tree(blocks: &[Block]) -> Vec<Node<'_>> {
    let placed: Vec<Placed<'_>> = blocks.iter().map(placed).collect();
    nodes(&placed, 0)
}

fn placed(block: &Block) -> Placed<'_> {
    let shape = &block.shape;
    let mut path = Vec::new();
    if shape.parents.len() <= DEEPEST {
        for name in &shape.parents {
            match Container::named(name, path.last().copied()) {
                Some(container) => path.push(container),
                // What stands in something unknown is shown flat.
                None => {
                    return Placed {
                        path: Vec::new(),
                        begins: None,
                        block,
                    };
                }
            }
        }
    } else {
        return Placed {
            path,
            begins: None,
            block,
        };
    }
    let begins = Container::named(&shape.kind, path.last().copied())
        .filter(|_| !shape.is_embed && path.len() < DEEPEST);
    Placed { path, begins, block }
}

fn nodes<'a>(blocks: &[Placed<'a>], depth: usize) -> Vec<Node<'a>> {
    let mut nodes = Vec::new();
    each_child(blocks, depth, |child| match child {
        Child::Text(block) => nodes.push(Node::Text(block)),
        Child::Within(container @ (Container::Bulleted | Container::Numbered), marker, rest) => {
            let ordered = container == Container::Numbered;
            let item = item(marker, rest, depth);
            match nodes.last_mut() {
                Some(Node::List {
                    ordered: before,
                    items,
                }) if *before == ordered => items.push(item),
                _ => nodes.push(Node::List {
                    ordered,
                    items: vec![item],
                }),
            }
        }
        Child::Within(Container::Quote, marker, rest) => nodes.push(Node::Quote(item(marker, rest, depth))),
        Child::Within(Container::Callout, marker, rest) => {
            nodes.push(Node::Callout(item(marker, rest, depth)));
        }
        Child::Within(Container::Row | Container::Cell, marker, rest) => {
            let row = row(marker, rest, depth);
            match nodes.last_mut() {
                Some(Node::Table(rows)) => rows.push(row),
                _ => nodes.push(Node::Table(vec![row])),
            }
        }
    });
    nodes
}

fn item<'a>(marker: Option<&'a Block>, rest: &[Placed<'a>], depth: usize) -> Item<'a> {
    let mut content: Vec<Node<'a>> = marker.map(Node::Text).into_iter().collect();
    content.extend(nodes(rest, depth + 1));
    Item { marker, content }
}

/// A row's marker begins its first cell, too; what stands in a row behind a cell, but in none, is in one of its own.
fn row<'a>(marker: Option<&'a Block>, rest: &[Placed<'a>], depth: usize) -> Row<'a> {
    let is_header =
        marker.is_some_and(|marker| marker.shape.attrs.get("header") == Some(&Value::Boolean(true)));
    let mut cells: Vec<Vec<Node<'a>>> = Vec::new();
    let mut loose = marker.is_some();
    cells.extend(marker.map(|marker| vec![Node::Text(marker)]));
    let is_cell = |placed: &Placed<'_>| {
        placed.path.get(depth + 1) == Some(&Container::Cell)
            || placed.path.len() == depth + 1 && placed.begins == Some(Container::Cell)
    };
    for part in rest.chunk_by(|left, right| {
        is_cell(left) == is_cell(right)
            && !(right.path.len() == depth + 1 && right.begins == Some(Container::Cell))
    }) {
        if part.first().is_some_and(is_cell) {
            loose = false;
            each_child(part, depth + 1, |child| match child {
                Child::Within(_, marker, rest) => cells.push(item(marker, rest, depth + 1).content),
                Child::Text(block) => cells.push(vec![Node::Text(block)]),
            });
        } else if let Some(cell) = cells.last_mut().filter(|_| loose) {
            cell.extend(nodes(part, depth + 1));
        } else {
            loose = true;
            cells.push(nodes(part, depth + 1));
        }
    }
    Row { is_header, cells }
}

enum Child<'a, 'b> {
    Text(&'a Block),
    /// The marker, if there is one, and what else is in it.
    Within(Container, Option<&'a Block>, &'b [Placed<'a>]),
}

fn each_child<'a>(blocks: &[Placed<'a>], depth: usize, mut take: impl FnMut(Child<'a, '_>)) {
    let mut at = 0;
    while let Some(first) = blocks.get(at) {
        let begun = if first.path.len() > depth {
            None
        } else {
            first.begins
        };
        let Some(container) = first.path.get(depth).copied().or(begun) else {
            take(Child::Text(first.block));
            at += 1;
            continue;
        };
        let from = at + usize::from(begun.is_some());
        let within = |placed: &&Placed<'_>| placed.path.get(depth) == Some(&container);
        let to = from + blocks[from..].iter().take_while(within).count();
        take(Child::Within(
            container,
            begun.map(|_| first.block),
            &blocks[from..to],
        ));
        at = to;
    }
}
