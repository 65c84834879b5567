//! A text as a QR code.

use fast_qr::QRBuilder;
use leptos::prelude::*;

/// The quiet border that readers need, in modules.
const BORDER: usize = 4;

/// Nothing if the text is too long for a QR code.
#[component]
pub(crate) fn QrCode(text: String, label: &'static str) -> impl IntoView {
    drawing(&text).map(|(path, size)| {
        view! {
            <svg class="qr-code" role="img" aria-label=label viewBox=format!("0 0 {size} {size}") shape-rendering="crispEdges">
                <rect class="qr-light" width=size height=size />
                <path class="qr-dark" d=path />
            </svg>
        }
    })
}

/// The dark modules as an SVG path, and the side of the square they are in.
fn drawing(text: &str) -> Option<(String, usize)> {
    let code = QRBuilder::new(text).build().ok()?;
    let mut path = String::new();
    for row in 0..code.size {
        let mut column = 0;
        while column < code.size {
            let run = (column..code.size)
                .take_while(|at| code[row][*at].value())
                .count();
            if run > 0 {
                path.push_str(&format!("M{} {}h{run}v1h-{run}z", column + BORDER, row + BORDER));
            }
            column += run.max(1);
        }
    }
    Some((path, code.size + 2 * BORDER))
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn the_corners_are_finders() {
        let (path, size) = drawing("https://example.org/join#secret").unwrap();
        // The upper left finder's first row: seven dark modules from the corner on.
        assert!(path.starts_with("M4 4h7v1h-7z"));
        assert!(path.contains(&format!("M{} 4h7v1h-7z", size - BORDER - 7)));
        assert!(drawing(&"x".repeat(5_000)).is_none());
    }
}
