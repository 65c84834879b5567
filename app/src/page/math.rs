//! Formulas: MathML of the LaTeX that people type.

use math_core::{LatexToMathML, MathCoreConfig, MathDisplay};

/// The longest formula that is shown as one, in bytes.
const LONGEST: usize = 2000;

/// The converter recurses for what stands in a group or is the argument of a command. With so many of both the stack lasts.
const MOST_COMMANDS: usize = 150;
const DEEPEST_GROUP: usize = 40;

/// The MathML of a formula in the text, or of one on a line of its own; none if the LaTeX has no meaning.
pub(crate) fn mathml(latex: &str, block: bool) -> Option<String> {
    if latex.len() > LONGEST
        || latex.matches('\\').count() > MOST_COMMANDS
        || deepest_group(latex) > DEEPEST_GROUP
    {
        return None;
    }
    let config = MathCoreConfig {
        // Who reads LaTeX finds it in the copied formula, too.
        annotation: true,
        ..MathCoreConfig::default()
    };
    let converter = LatexToMathML::new(config).ok()?;
    let display = if block {
        MathDisplay::Block
    } else {
        MathDisplay::Inline
    };
    let converted = converter.convert_with_local_state(latex, display);
    converted.ok().map(|converted| converted.mathml)
}

fn deepest_group(latex: &str) -> usize {
    let mut depth: usize = 0;
    let mut deepest = 0;
    for letter in latex.bytes() {
        match letter {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn what_schools_write_is_shown() {
        for latex in [
            r"a^2 + b^2 = c^2",
            r"x = \frac{-b \pm \sqrt{b^2 - 4ac}}{2a}",
            r"\int_0^\infty e^{-x^2}\,dx = \frac{\sqrt{\pi}}{2}",
            r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}",
            r"\begin{cases} x & x > 0 \\ -x & x \le 0 \end{cases}",
            r"\vec{F} = m \cdot \vec{a}",
            r"\mathbb{N} \subset \mathbb{R}",
        ] {
            for block in [false, true] {
                let made = mathml(latex, block).unwrap_or_default();
                assert!(
                    made.starts_with("<math") && made.ends_with("</math>"),
                    "{latex}: {made}"
                );
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_has_no_meaning_is_no_formula() {
        for latex in [r"\frac{a}", r"\nosuchthing", "{", "}", r"\left( x", r"x^^2", r"\"] {
            assert_eq!(mathml(latex, false), None, "{latex}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn text_stays_text() {
        let made = mathml(r"\text{<script>alert(1)</script>} < \text{a & b}", true).unwrap_or_default();
        assert!(!made.contains("<script") && !made.contains("& "), "{made}");
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn nothing_that_is_typed_exhausts_the_stack() {
        let openers = [
            "{",
            "_{",
            "x^{",
            r"\sqrt",
            r"\sqrt{",
            r"\frac",
            r"\tfrac1",
            r"\left(",
            r"\begin{matrix}",
            r"\color{red}{",
            r"\mathbf{",
            r"\hat",
            "^",
            "'",
            "(",
        ];
        for opener in openers {
            for count in [MOST_COMMANDS, LONGEST / opener.len()] {
                for closer in ["", "}"] {
                    let latex = format!("{}x{}", opener.repeat(count), closer.repeat(count));
                    let _either = mathml(&latex, true);
                }
            }
            let groups = if opener.ends_with('{') {
                DEEPEST_GROUP
            } else {
                MOST_COMMANDS
            };
            let latex = format!("{}x{}", opener.repeat(groups), "}".repeat(groups));
            let _either = mathml(&latex, false);
        }
    }
}
