use serde_json::json;

/// One line of the table.
pub(crate) struct Measurement {
    /// What was measured, in the words of the budget.
    pub(crate) what: &'static str,
    /// The budget, with its unit; nothing if there is none.
    pub(crate) budget: Option<&'static str>,
    /// The figures, with their units.
    pub(crate) measured: String,
    /// Whether they keep to the budget.
    pub(crate) within: Option<bool>,
    /// How it was measured, in a sentence or two.
    pub(crate) how: String,
}

impl Measurement {
    pub(crate) fn to_json(&self) -> String {
        json!({
            "what": self.what,
            "budget": self.budget,
            "measured": self.measured,
            "within": self.within,
            "how": self.how,
        })
        .to_string()
    }
}
