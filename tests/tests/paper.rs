//! A page on paper: what the browser makes of it when it prints.

use std::fs;
use std::io::Read as _;

use flate2::read::ZlibDecoder;
use tests::{ColorScheme, Pair, Profile, Result, wait_until};

/// A page of every kind of block, with text in three scripts.
const PAGE: &str = "# From the mountain to the sea

The Tana rises in the Aberdare Range and flows over **a thousand kilometres** to the Indian Ocean; [here](https://example.org/tana)
is a map, and `depth = 4` is code.

## يجري النهر

يجري النهر من الجنوب إلى الشمال، ويبلغ طوله أكثر من **ألف** كيلومتر.

- Garitheni
  - at the bridge
  - below it
- Garissa

1. measure
2. draw

- [x] done
- [ ] not yet

> Panta rhei

> [!NOTE]
> Bring boots.

```
let depth = 4;
```

$$v = \\frac{s}{t}$$

| Place | Depth | Width |
| --- | --- | --- |
| Garissa | 4 | 70 |
| Hola | 3 | 60 |

गंगा नदी लम्बी है।

***

![A blue field](data:image/png;base64,PICTURE)

*At Garissa*
";

/// What stands in the streams of a PDF.
fn streams(pdf: &[u8]) -> Vec<String> {
    let find = |from: usize, what: &[u8]| {
        let rest = pdf.get(from..)?;
        rest.windows(what.len())
            .position(|part| part == what)
            .map(|at| from + at)
    };
    let mut streams = Vec::new();
    let mut at = 0;
    while let Some(begin) = find(at, b"stream\n") {
        let begin = begin + b"stream\n".len();
        let Some(end) = find(begin, b"endstream") else {
            break;
        };
        let mut text = Vec::new();
        if ZlibDecoder::new(&pdf[begin..end]).read_to_end(&mut text).is_ok() {
            streams.push(String::from_utf8_lossy(&text).into_owned());
        }
        at = end + b"endstream".len();
    }
    streams
}

/// The numbers before an operator of a page's content.
fn numbers<const N: usize>(words: &[&str], at: usize) -> Option<[f64; N]> {
    let words = words.get(at.checked_sub(N)?..at)?;
    let numbers: Vec<f64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    numbers.try_into().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_on_paper_is_text_dark_on_white() -> Result<()> {
    let pair = Pair::meet().await?;
    let amina = &pair.amina;
    let picture = amina
        .run(
            "const canvas = new OffscreenCanvas(600, 300);
             const context = canvas.getContext('2d');
             context.fillStyle = '#0b5563';
             context.fillRect(0, 0, 600, 300);
             const bytes = new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer());
             return btoa(String.fromCharCode(...bytes));",
        )
        .await?;
    let folder = Profile::new()?;
    let file = folder.path().join("page.md");
    fs::write(
        &file,
        PAGE.replace("PICTURE", picture.as_str().unwrap_or_default()),
    )
    .unwrap();
    amina.import_page(&file, "Paragraphs, items and cells").await?;
    wait_until("the picture is shown", async || {
        let shown = "return document.querySelector('[aria-label=Page] figure')?.dataset.state === 'shown'";
        Ok(amina.run(shown).await? == true)
    })
    .await?;
    amina.prefer(ColorScheme::Dark).await?;
    let pdf = amina.print_to_pdf("page-on-paper").await?;

    // A4, in points.
    let text = String::from_utf8_lossy(&pdf);
    let boxes: Vec<&str> = text
        .split("/MediaBox [")
        .skip(1)
        .filter_map(|rest| rest.split(']').next())
        .collect();
    assert!(!boxes.is_empty());
    for sheet in boxes {
        let sides: Vec<f64> = sheet
            .split_whitespace()
            .filter_map(|side| side.parse().ok())
            .collect();
        assert!(
            (sides[2] - 595.0).abs() < 2.0 && (sides[3] - 842.0).abs() < 2.0,
            "{sheet}"
        );
    }

    let mut letters = 0;
    for content in streams(&pdf).iter().filter(|content| content.contains("BT\n")) {
        let words: Vec<&str> = content.split_ascii_whitespace().collect();
        let mut fill = 0.0;
        for (at, word) in words.iter().enumerate() {
            match *word {
                "rg" => {
                    let [red, green, blue] = numbers(&words, at).expect("a colour");
                    fill = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
                }
                "Tj" | "TJ" => {
                    letters += 1;
                    assert!(fill < 0.45, "letters are as light as {fill}");
                }
                "re" => {
                    let [_, _, width, height] = numbers(&words, at).expect("a rectangle");
                    let is_filled = words.get(at + 1).is_some_and(|next| *next == "f");
                    let is_large = width.abs() > 100.0 && height.abs() > 20.0;
                    assert!(
                        !(is_filled && is_large) || fill > 0.5,
                        "a field as dark as {fill}: {width} × {height}"
                    );
                }
                _ => {}
            }
        }
    }
    // It is text that can be searched and read aloud, not its picture.
    assert!(letters > 20, "{letters}");
    assert!(text.contains("/ToUnicode"));
    assert!(text.contains("/Image"), "the picture is there");
    pair.part().await
}
