//! What is written by input methods, in the scripts that need them, while others write in the same block.

use tests::{Browser, Pair, Result, same_page, wait_until};
use thirtyfour::Key;

/// What an input method shows of a word until it is there, and the word.
struct Word {
    shown: &'static [&'static str],
    word: &'static str,
}

/// A script: where it is written, and what.
struct Script {
    name: &'static str,
    /// What makes the block, as Markdown that is typed.
    begin: &'static str,
    words: &'static [Word],
}

const SCRIPTS: &[Script] = &[
    Script {
        name: "Chinese, by sounds",
        begin: "",
        words: &[
            Word {
                shown: &["n", "ni", "ni h", "ni hao"],
                word: "你好",
            },
            Word {
                shown: &["h", "he"],
                word: "河",
            },
        ],
    },
    Script {
        name: "Japanese",
        begin: "## ",
        words: &[
            Word {
                shown: &["k", "か", "かw", "かわ", "川"],
                word: "川",
            },
            Word {
                shown: &["な", "なg", "なが", "な", "なが", "ながい"],
                word: "長い",
            },
        ],
    },
    Script {
        name: "Korean, a syllable at a time",
        begin: "- ",
        words: &[
            Word {
                shown: &["ㅎ", "하", "한"],
                word: "한",
            },
            Word {
                shown: &["ㄱ", "가", "강"],
                word: "강",
            },
        ],
    },
    Script {
        name: "Hindi",
        begin: "> ",
        words: &[
            Word {
                shown: &["न", "नद", "नदी"],
                word: "नदी ",
            },
            Word {
                shown: &["क", "क्", "क्ष", "क्षि", "क्षिप्रा"],
                word: "क्षिप्रा",
            },
        ],
    },
    Script {
        name: "Arabic",
        begin: "1. ",
        words: &[
            Word {
                shown: &["ا", "ال", "النه", "النهر"],
                word: "النهر ",
            },
            Word {
                shown: &["ط", "طو", "طويل"],
                word: "طويل",
            },
        ],
    },
    Script {
        name: "Vietnamese",
        begin: "[] ",
        words: &[
            Word {
                shown: &["s", "so", "sô", "sông"],
                word: "sông ",
            },
            Word {
                shown: &["H", "Hô", "Hồ", "Hồn", "Hồng"],
                word: "Hồng",
            },
        ],
    },
];

/// The text of each block, in order.
async fn texts(browser: &Browser) -> Result<Vec<String>> {
    let texts = browser
        .run(
            "const blocks = document.querySelectorAll('[aria-label=Page] :is(p, h1, h2, h3, pre)');
             return [...blocks].map((block) => block.textContent);",
        )
        .await?;
    let texts = texts.as_array().into_iter().flatten();
    Ok(texts
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect())
}

async fn wait_for_text(browser: &Browser, text: &str) -> Result<()> {
    let mut last = Vec::new();
    let waited = wait_until(&format!("a block is {text:?}"), async || {
        last = texts(browser).await?;
        Ok(last.iter().any(|other| other == text))
    })
    .await;
    waited.map_err(|error| error.instead(&last.join("|")))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_script_is_composed_while_another_writes_beside_it() -> Result<()> {
    for script in SCRIPTS {
        let pair = Pair::meet().await?;
        let (amina, jonas) = (&pair.amina, &pair.jonas);
        amina.write(script.begin).await?;
        // Half of it bold: what is composed is beside that.
        amina.keys("**so**: ").await?;
        wait_for_text(jonas, "so: ").await?;
        jonas.go_to_end().await?;
        jonas.watch_composition().await?;
        let mut written = String::from("so: ");
        for (number, Word { shown, word }) in script.words.iter().enumerate() {
            for (step, part) in shown.iter().enumerate() {
                jonas.compose(part).await?;
                let here = format!("{written}{part}");
                wait_for_text(jonas, &here).await?;
                if step == 1 && number == 0 {
                    // In the same block, before it.
                    amina.go_behind("so").await?;
                    amina.keys(Key::Home + "!").await?;
                    amina.wait_for_status("On the relay").await?;
                }
            }
            jonas.commit_composition(word).await?;
            written = format!(
                "{}{word}",
                written.replacen("so: ", "!so: ", usize::from(number == 0))
            );
            wait_for_text(jonas, &written).await?;
            wait_for_text(amina, &written).await?;
        }
        // Each began and ended once: nothing that arrived ended one.
        let ends: Vec<String> = jonas.watched_composition().await?;
        let expected: Vec<String> = script
            .words
            .iter()
            .flat_map(|Word { word, .. }| ["compositionstart ".to_owned(), format!("compositionend {word}")])
            .collect();
        assert_eq!(ends, expected, "{}", script.name);
        same_page(&[amina, jonas]).await?;
        pair.part().await?;
    }
    Ok(())
}
