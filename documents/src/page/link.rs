//! Where a link leads.

use serde::{Deserialize, Serialize};

use super::edit::Value;

/// What the value of the mark `link` says, as `@automerge/prosemirror` writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Target {
    #[serde(default)]
    pub(super) href: String,
    #[serde(default)]
    pub(super) title: String,
}

impl Target {
    /// Where a mark leads; none if it is nowhere harmless.
    pub(super) fn of(value: &Value) -> Option<Target> {
        let Value::Text(json) = value else { return None };
        let target: Target = serde_json::from_str(json).ok()?;
        is_harmless(&target.href).then_some(target)
    }

    pub(super) fn value(&self) -> Value {
        Value::Text(serde_json::to_string(self).unwrap_or_default())
    }
}

/// Whether an address may be made clickable: nothing is run by following it.
pub(super) fn is_harmless(address: &str) -> bool {
    let address = address.trim();
    ["http:", "https:", "mailto:", "tel:"].iter().any(|scheme| {
        address
            .get(..scheme.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
    })
}
