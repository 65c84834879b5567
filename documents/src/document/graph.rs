//! How the changes of a document depend on each other.

use std::collections::HashMap;

use automerge::ChangeHash;

/// Changes by number, in an order in which each comes after those it depends on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    numbers: HashMap<ChangeHash, u32>,
    nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
struct Node {
    hash: ChangeHash,
    parents: Box<[u32]>,
    /// The number after the last operation.
    end: u64,
}

impl Graph {
    /// Adds a change after those it depends on. One that is known stays as it is.
    pub(crate) fn add(&mut self, hash: ChangeHash, dependencies: &[ChangeHash], end: u64) {
        let Ok(number) = u32::try_from(self.nodes.len()) else {
            return;
        };
        if self.has(&hash) {
            return;
        }
        self.numbers.insert(hash, number);
        let parents = dependencies.iter().filter_map(|hash| self.numbers.get(hash));
        self.nodes.push(Node {
            hash,
            parents: parents.copied().collect(),
            end,
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn has(&self, hash: &ChangeHash) -> bool {
        self.numbers.contains_key(hash)
    }

    /// The number after the last operation of these changes.
    pub(crate) fn end(&self, hashes: &[ChangeHash]) -> u64 {
        let numbers = hashes.iter().filter_map(|hash| self.numbers.get(hash));
        let ends = numbers.filter_map(|number| self.nodes.get(*number as usize));
        ends.map(|node| node.end).max().unwrap_or(1)
    }

    /// Whether `change` is one of `heads` or in their past; none if that hangs on heads that are not known, or `change`
    /// itself is not. Looks only at what came here after `change`.
    pub(crate) fn is_in_past(&self, change: &ChangeHash, heads: &[ChangeHash]) -> Option<bool> {
        let wanted = *self.numbers.get(change)?;
        let mut seen = vec![false; self.nodes.len() - wanted as usize];
        let known = heads.iter().filter_map(|head| self.numbers.get(head));
        let mut next: Vec<u32> = known.copied().collect();
        let all_known = next.len() == heads.len();
        while let Some(number) = next.pop() {
            if number == wanted {
                return Some(true);
            }
            let place = number
                .checked_sub(wanted)
                .and_then(|place| seen.get_mut(place as usize));
            if let Some(seen) = place
                && !std::mem::replace(seen, true)
                && let Some(node) = self.nodes.get(number as usize)
            {
                next.extend_from_slice(&node.parents);
            }
        }
        all_known.then_some(false)
    }

    /// The changes that no other depends on.
    pub(crate) fn heads(&self) -> Vec<ChangeHash> {
        let mut heads = Vec::new();
        self.walk_back(|change, is_wanted| {
            if !is_wanted {
                heads.push(*change);
            }
            true
        });
        heads
    }

    /// Walks from the newest change to the oldest. `matters` is told of each whether one that matters depends on it, and says
    /// whether it matters.
    pub(crate) fn walk_back(&self, mut matters: impl FnMut(&ChangeHash, bool) -> bool) {
        let mut wanted = vec![false; self.nodes.len()];
        for (number, node) in self.nodes.iter().enumerate().rev() {
            if matters(&node.hash, wanted[number]) {
                for parent in &node.parents {
                    wanted[*parent as usize] = true;
                }
            }
        }
    }
}
