//! axe-core, run in the page: what hinders people with screen readers, with little sight, or without a mouse.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::error::Doing;
use crate::{Browser, Error, Result};

impl Browser {
    /// What hinders people seriously on this screen: each with the rule and the elements.
    ///
    /// # Errors
    /// If axe-core is not installed or does not run.
    pub async fn barriers(&self) -> Result<Vec<String>> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("axe/node_modules/axe-core/axe.min.js");
        if !path.exists() {
            return Err(Error::NotBuilt(path));
        }
        let axe = fs::read_to_string(&path).doing("read axe-core")?;
        // Inside a function, the library would stay invisible to the next script.
        self.run(&format!(
            "if (!globalThis.axe) {{ {axe}\n globalThis.axe = axe; }}"
        ))
        .await?;
        let found = self
            .run(
                "const { violations, passes } = await axe.run(document, {
                   resultTypes: ['violations'], rules: { 'target-size': { enabled: true } },
                 });
                 const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
                 const told = serious.map(({ id, help, nodes }) =>
                   `${id}: ${help}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`);
                 return { told, rules: passes.length };",
            )
            .await?;
        // A run that applied no rule would find nothing, ever.
        if found["rules"].as_u64().is_none_or(|rules| rules == 0) {
            return Err(Error::Answer { method: "axe.run" });
        }
        let told = found["told"]
            .as_array()
            .ok_or(Error::Answer { method: "axe.run" })?;
        Ok(told.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }
}
