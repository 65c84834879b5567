//! Makes a failing history short: leaves out acts as long as the same rule stays broken (delta debugging).

use crate::act::Act;
use crate::broken::Rule;

/// The shortest list of acts found that still breaks `rule`. `breaks` runs a list, and may be called a few hundred times.
pub(crate) fn shorten(acts: &[Act], rule: Rule, breaks: &dyn Fn(&[Act]) -> Option<Rule>) -> Vec<Act> {
    let mut acts = acts.to_vec();
    let mut length = acts.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        let mut shortened = false;
        while at < acts.len() {
            let end = (at + length).min(acts.len());
            let rest = [&acts[..at], &acts[end..]].concat();
            if breaks(&rest) == Some(rule) {
                acts = rest;
                shortened = true;
            } else {
                at = end;
            }
        }
        if length > 1 {
            length = length.div_ceil(2);
        } else if !shortened {
            return acts;
        }
    }
}
