//! Whether a screen fits its size.

use serde_json::Value;

use crate::{Browser, Error, Result};

/// The smallest type that a status may be set in, in CSS pixels.
const SMALLEST_TYPE: u32 = 12;

impl Browser {
    /// What sticks out of a screen of this width, and whether the status can be read.
    ///
    /// # Errors
    /// If the browser can't say.
    pub async fn layout_problems(&self, width: u32) -> Result<Vec<String>> {
        let found = self
            .run(&format!(
                "const problems = [];
                 const told = (element) => element.outerHTML.slice(0, 120);
                 if (document.scrollingElement.scrollWidth > {width}) {{
                   const wide = [...document.body.querySelectorAll('*')].filter((element) => {{
                     const {{ left, right }} = element.getBoundingClientRect();
                     return left < -1 || right > {width} + 1;
                   }});
                   problems.push(`the screen is ${{document.scrollingElement.scrollWidth}} wide: ${{wide.map(told).join(' ')}}`);
                 }}
                 for (const box of document.querySelectorAll('[role=menu], dialog[open]')) {{
                   const {{ left, right }} = box.getBoundingClientRect();
                   if (left < 0 || right > {width}) problems.push(`it sticks out, from ${{left}} to ${{right}}: ${{told(box)}}`);
                 }}
                 const status = document.querySelector('[role=status][aria-label=Sync]');
                 const box = status?.getBoundingClientRect();
                 if (!status?.checkVisibility() || box.width < 1 || box.height < 1 || box.left < 0 || box.right > {width} || box.top < 0)
                   problems.push('the status is not on the screen');
                 else {{
                   if (status.scrollWidth > status.clientWidth + 1) problems.push(`the status is cut off: ${{told(status)}}`);
                   const size = parseFloat(getComputedStyle(status).fontSize);
                   if (size < {SMALLEST_TYPE}) problems.push(`the status is set in ${{size}} px`);
                 }}
                 return problems;"
            ))
            .await?;
        let found = found.as_array().ok_or(Error::Answer { method: "execute" })?;
        Ok(found
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect())
    }

    /// Waits until nothing moves or fades any more: endless animations aside.
    ///
    /// # Errors
    /// If the browser can't say.
    pub async fn wait_until_still(&self) -> Result<()> {
        self.run(
            "const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
             await painted();
             const ends = (animation) => animation.effect?.getComputedTiming().endTime !== Infinity;
             await Promise.allSettled(document.getAnimations().filter(ends).map(({ finished }) => finished));
             await painted();",
        )
        .await?;
        Ok(())
    }
}
