//! Large edits in pieces, so that no change becomes larger than what can be sent at once.

use documents::page::edit::{Block, Edit, Run, Value};

/// What a block's marker weighs in a change, roughly, in bytes.
const MARKER: usize = 128;

/// The same edits in batches, of which none inserts much more than `limit` bytes.
pub(crate) fn in_batches(edits: Vec<Edit>, limit: usize) -> Vec<Vec<Edit>> {
    if edits.iter().map(weight).sum::<usize>() <= limit {
        return vec![edits];
    }
    let mut batches = vec![Vec::new()];
    let mut filled = 0;
    for edit in edits.into_iter().flat_map(|edit| in_pieces(edit, limit)) {
        let weight = weight(&edit);
        if filled + weight > limit && filled > 0 {
            batches.push(Vec::new());
            filled = 0;
        }
        filled += weight;
        if let Some(batch) = batches.last_mut() {
            batch.push(edit);
        }
    }
    batches
}

/// How many bytes an edit inserts, roughly.
pub(crate) fn weight(edit: &Edit) -> usize {
    match edit {
        Edit::Text { insert, .. } => weight_of_runs(insert),
        Edit::Blocks { blocks, .. } => blocks.iter().map(weight_of_block).sum(),
        Edit::Split { .. } | Edit::Shape { .. } => MARKER,
        Edit::Mark { .. } | Edit::Join { .. } => 0,
    }
}

fn weight_of_block(block: &Block) -> usize {
    MARKER + weight_of_values(block.shape.attrs.values()) + weight_of_runs(&block.runs)
}

fn weight_of_runs(runs: &[Run]) -> usize {
    runs.iter()
        .map(|run| run.text.len() + weight_of_values(run.marks.values()))
        .sum()
}

fn weight_of_values<'a>(values: impl Iterator<Item = &'a Value>) -> usize {
    values
        .map(|value| match value {
            Value::Text(text) => text.len(),
            _ => 1,
        })
        .sum()
}

/// One edit as several that come to the same.
fn in_pieces(edit: Edit, limit: usize) -> Vec<Edit> {
    if weight(&edit) <= limit {
        return vec![edit];
    }
    match edit {
        Edit::Text {
            block,
            offset,
            delete,
            insert,
        } => insert_text(block, offset, delete, insert, limit),
        Edit::Blocks { from, count, blocks } => replace_blocks(from, count, blocks, limit),
        small => vec![small],
    }
}

fn insert_text(block: usize, offset: usize, delete: usize, insert: Vec<Run>, limit: usize) -> Vec<Edit> {
    let mut offset = offset;
    let mut delete = delete;
    let mut edits = Vec::new();
    for run in cut_runs(insert, limit) {
        let width = run.text.encode_utf16().count();
        edits.push(Edit::Text {
            block,
            offset,
            delete,
            insert: vec![run],
        });
        offset += width;
        delete = 0;
    }
    edits
}

fn replace_blocks(from: usize, count: usize, blocks: Vec<Block>, limit: usize) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut group = Vec::new();
    let mut filled = 0;
    let mut at = from;
    let mut count = count;
    let mut put = |group: &mut Vec<Block>, at: &mut usize| {
        let from = *at;
        *at += group.len();
        Edit::Blocks {
            from,
            count: std::mem::take(&mut count),
            blocks: std::mem::take(group),
        }
    };
    for mut block in blocks {
        let weight = weight_of_block(&block);
        if filled + weight > limit && !group.is_empty() {
            edits.push(put(&mut group, &mut at));
            filled = 0;
        }
        filled += weight;
        if weight > limit {
            // Its marker, then its text after it.
            let runs = std::mem::take(&mut block.runs);
            group.push(block);
            edits.push(put(&mut group, &mut at));
            edits.extend(insert_text(at - 1, 0, 0, runs, limit));
            filled = 0;
        } else {
            group.push(block);
        }
    }
    if !group.is_empty() {
        edits.push(put(&mut group, &mut at));
    }
    edits
}

/// Runs of at most `limit` bytes each (more only if one character is longer).
fn cut_runs(runs: Vec<Run>, limit: usize) -> Vec<Run> {
    let mut cut = Vec::new();
    for run in runs {
        let mut rest = run.text.as_str();
        while rest.len() > limit {
            let end = rest
                .char_indices()
                .map(|(at, character)| at + character.len_utf8())
                .take_while(|end| *end <= limit)
                .last()
                .unwrap_or_else(|| rest.chars().next().map_or(0, char::len_utf8));
            let (piece, after) = rest.split_at(end);
            cut.push(Run {
                text: piece.to_owned(),
                marks: run.marks.clone(),
            });
            rest = after;
        }
        if !rest.is_empty() {
            cut.push(Run {
                text: rest.to_owned(),
                marks: run.marks.clone(),
            });
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use documents::page::edit::{Shape, apply_to_blocks};
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn paragraph(text: &str) -> Block {
        let runs = if text.is_empty() {
            Vec::new()
        } else {
            vec![run(text)]
        };
        Block {
            shape: Shape::paragraph(),
            runs,
        }
    }

    fn run(text: &str) -> Run {
        Run {
            text: text.to_owned(),
            marks: Default::default(),
        }
    }

    fn after(edits: &[Edit]) -> Vec<Block> {
        let mut blocks = vec![paragraph("first"), paragraph("second"), paragraph("third")];
        for edit in edits {
            apply_to_blocks(&mut blocks, edit).unwrap();
        }
        blocks
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn pieces_come_to_the_same_and_are_small() {
        let limit = 300;
        let long = "Ärger 😀 und Wasser. ".repeat(100);
        let cases = [
            vec![Edit::Text {
                block: 1,
                offset: 3,
                delete: 2,
                insert: vec![run(&long), run("end")],
            }],
            vec![Edit::Blocks {
                from: 1,
                count: 2,
                blocks: vec![paragraph("a"), paragraph(&long), paragraph("b")],
            }],
            vec![Edit::Blocks {
                from: 0,
                count: 3,
                blocks: (0..50).map(|_| paragraph("short")).collect(),
            }],
            vec![
                Edit::Join { block: 1 },
                Edit::Text {
                    block: 0,
                    offset: 0,
                    delete: 11,
                    insert: vec![run(&long)],
                },
                Edit::Split {
                    block: 0,
                    offset: 4,
                    shape: Shape::paragraph(),
                },
            ],
        ];
        for edits in cases {
            let batches = in_batches(edits.clone(), limit);
            assert!(batches.len() > 1);
            for batch in &batches {
                assert!(batch.iter().map(weight).sum::<usize>() <= limit + MARKER);
            }
            assert_eq!(after(&batches.concat()), after(&edits));
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn small_edits_stay_together() {
        let edits = vec![
            Edit::Text {
                block: 0,
                offset: 0,
                delete: 0,
                insert: vec![run("a")],
            },
            Edit::Blocks {
                from: 0,
                count: 1,
                blocks: Vec::new(),
            },
        ];
        assert_eq!(in_batches(edits.clone(), 300), [edits]);
    }
}
