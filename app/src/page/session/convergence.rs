//! Several real editors on one page, in a real browser, with a connection between them that is cut and comes back: whatever their
//! people do, in the end all show the same, and hold the same. Of the app only the replicas are not there ([`desk`]).
//!
//! `convergence/README.md` says how to run many histories, and how to repeat one.

mod acts;
mod desk;

use std::collections::BTreeMap;
use std::fmt;

use documents::page::Page;
use leptos::prelude::Owner;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{console_log, wasm_bindgen_test};

use acts::{Act, Deed, History};
use desk::{Content, Desk, hands};

/// How many histories are run, and from which seed on.
const HISTORIES: Option<&str> = option_env!("MERIDIAN_HISTORIES");
const FROM: Option<&str> = option_env!("MERIDIAN_HISTORIES_FROM");
const FEW: u64 = 30;

/// So many that break a promise are told, and no more are run.
const MOST_TOLD: usize = 5;

/// What was promised and did not hold.
#[derive(Debug)]
struct Broken {
    promise: Promise,
    how: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// Nothing is thrown, and nothing complained of.
    Quiet,
    /// What is done is told as small edits: no blocks are replaced whole for want of a better way to say it.
    Small,
    /// What an editor shows is allowed by its schema, and is what its blocks are shown as.
    Valid,
    /// An editor shows what its page holds.
    Shown,
    /// A page holds what its document says when it is read anew.
    Read,
    /// All documents are equal.
    Equal,
    /// All editors show the same.
    Same,
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: {}", self.promise, self.how)
    }
}

#[wasm_bindgen_test]
async fn editors_show_the_same_once_everything_has_arrived() {
    hands::load().await;
    let number = |text: Option<&str>| text.map(|text| text.parse::<u64>().unwrap());
    let from = number(FROM).unwrap_or_default();
    let count = number(HISTORIES).unwrap_or(FEW);
    let (mut ran, mut acts, mut broken) = (0, 0, Vec::new());
    let mut effective = BTreeMap::new();
    for seed in from..from + count {
        let history = History::of_seed(seed);
        ran += 1;
        acts += history.acts.len();
        if let Err(error) = run(&history, &mut effective).await {
            broken.push(tell(seed, history, error).await);
            if broken.len() == MOST_TOLD {
                break;
            }
        }
    }
    console_log!("{ran} histories, {acts} acts; what changed a page: {effective:?}");
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
    let untried = |name: &&&str| !effective.contains_key(**name);
    let untried: Vec<_> = Deed::CHANGING.iter().filter(untried).collect();
    assert!(count < FEW || untried.is_empty(), "changed nothing: {untried:?}");
}

/// Leaves acts out as long as the same promise stays broken, and says what is left.
async fn tell(seed: u64, mut history: History, mut broken: Broken) -> String {
    let mut piece = history.acts.len() / 2;
    while piece > 0 {
        let mut from = 0;
        while from < history.acts.len() {
            let mut shorter = history.clone();
            shorter.acts.drain(from..(from + piece).min(history.acts.len()));
            match run(&shorter, &mut BTreeMap::new()).await {
                Err(again) if again.promise == broken.promise => (history, broken) = (shorter, again),
                _ => from += piece,
            }
        }
        piece /= 2;
    }
    let acts: Vec<String> = history.acts.iter().map(|act| format!("  {act:?}")).collect();
    format!(
        "history {seed}, {} desks, page {}: {broken}\n{}",
        history.desks,
        history.page,
        acts.join("\n")
    )
}

/// `effective` counts the deeds that changed a page, by their names.
async fn run(history: &History, effective: &mut BTreeMap<String, usize>) -> Result<(), Broken> {
    // Who drives the browser asks it now and then how far it is.
    JsFuture::from(hands::rest()).await.unwrap();
    let owner = Owner::new();
    owner.set();
    hands::begin();
    let saved = history.saved_page();
    let mut desks: Vec<Desk> = (0..history.desks)
        .map(|number| Desk::open(number, history.desks, &saved))
        .collect();
    let mut result = quiet(());
    for act in history.acts.iter().chain([&Act::Meet]) {
        if result.is_err() {
            break;
        }
        result = match act {
            Act::Do(desk, deed) => carry_out(deed, &mut desks[*desk], effective).await,
            Act::Meet => meet(&mut desks).await,
            _ => go_on(act, &mut desks).await,
        };
    }
    drop(desks);
    hands::end();
    owner.cleanup();
    result
}

async fn carry_out(
    deed: &Deed,
    desk: &mut Desk,
    effective: &mut BTreeMap<String, usize>,
) -> Result<(), Broken> {
    let replacements = hands::replacements();
    let before = desk.content();
    desk.carry_out(deed);
    told().await;
    if desk.content() != before {
        *effective.entry(deed.name()).or_default() += 1;
    }
    if hands::replacements() != replacements && !deed.may_replace() {
        return Err(Broken {
            promise: Promise::Small,
            how: format!("{deed:?} replaced blocks whole"),
        });
    }
    quiet(())
}

async fn go_on(act: &Act, desks: &mut [Desk]) -> Result<(), Broken> {
    match act {
        Act::Pass(milliseconds) => hands::pass(*milliseconds),
        Act::Store(desk) => desks[*desk].store(),
        Act::Reopen { desk, lane } => desks[*desk].reopen(*lane),
        Act::Connect(desk, connected) => desks[*desk].connect(*connected),
        Act::Arrive { at, from, most } => arrive(desks, *at, *from, *most),
        Act::Do(..) | Act::Meet => {}
    }
    told().await;
    quiet(())
}

/// What the browser tells a moment later, as that the text it shows was changed, was told.
async fn told() {
    for _ in 0..2 {
        JsFuture::from(js_sys::Promise::resolve(&JsValue::NULL))
            .await
            .unwrap();
    }
}

fn arrive(desks: &mut [Desk], at: usize, from: usize, most: usize) {
    if at != from && desks[at].is_connected() {
        let known = desks[at].has_of(from);
        let (changes, cursor) = desks[from].gives(known, most);
        desks[at].take(from, changes, cursor);
    }
}

/// Everything arrives everywhere.
async fn meet(desks: &mut [Desk]) -> Result<(), Broken> {
    for desk in desks.iter_mut() {
        desk.end_composition();
        desk.connect(true);
    }
    loop {
        told().await;
        hands::pass(3_000);
        told().await;
        desks.iter_mut().for_each(Desk::store);
        let all = 0..desks.len();
        let pairs = all.clone().flat_map(|at| all.clone().map(move |from| (at, from)));
        for (at, from) in pairs {
            arrive(desks, at, from, usize::MAX);
            told().await;
        }
        if desks.iter().all(|desk| desk.is_done(desks)) {
            break;
        }
    }
    quiet(())?;
    compare(desks)
}

fn quiet<T>(value: T) -> Result<T, Broken> {
    let troubles = hands::troubles();
    if troubles.is_empty() {
        return Ok(value);
    }
    Err(Broken {
        promise: Promise::Quiet,
        how: troubles,
    })
}

fn compare(desks: &mut [Desk]) -> Result<(), Broken> {
    let mut first: Option<(Vec<_>, String)> = None;
    for (number, desk) in desks.iter_mut().enumerate() {
        let broken = |promise, how: String| {
            Err(Broken {
                promise,
                how: format!("desk {number}: {how}"),
            })
        };
        let look = desk.look();
        let held = desk.content();
        if let Some(wrong) = look.wrong {
            return broken(Promise::Valid, wrong);
        }
        if look.blocks != held.blocks {
            return broken(
                Promise::Shown,
                format!("{:#?}\nis shown for\n{:#?}", look.blocks, held.blocks),
            );
        }
        if desk.title() != held.title {
            return broken(
                Promise::Shown,
                format!("{:?} is shown for {:?}", desk.title(), held.title),
            );
        }
        let anew = Page::load(&desk.save(), [77; 16]).unwrap();
        let read = Content::of(&anew);
        if read != held {
            return broken(Promise::Read, format!("{held:#?}\nis held for\n{read:#?}"));
        }
        let mut heads = anew.document().newest();
        heads.sort();
        match &first {
            None => first = Some((heads, look.shown)),
            Some((others, _)) if *others != heads => {
                return broken(Promise::Equal, format!("{heads:?} and not {others:?}"));
            }
            Some((_, shown)) if *shown != look.shown => {
                return broken(Promise::Same, format!("{}\nand not\n{shown}", look.shown));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
