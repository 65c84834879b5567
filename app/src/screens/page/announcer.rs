//! Tells who hears the page, and does not see it, what others do in it: who writes and where, who comments, now and
//! then; and what becomes of suggestions, whoever says so.

use std::time::Duration;

use leptos::prelude::*;

use super::Open;
use super::comments::Comments;
use crate::messages::say;

/// Who wrote may have to be asked for.
const FIRST: Duration = Duration::from_millis(1_500);

/// No more often than this.
const EVERY: Duration = Duration::from_secs(6);

/// For so long a sentence is gone that is to be heard again.
const AGAIN: Duration = Duration::from_millis(200);

/// What is told, and what there is to tell next time.
#[derive(Clone, Copy)]
struct Telling {
    open: Open,
    comments: Comments,
    text: RwSignal<String>,
    /// Whether others wrote since it was told last.
    news: StoredValue<bool>,
    /// Whether the time for the next telling is set.
    waits: StoredValue<bool>,
}

impl Telling {
    fn tell_soon(self) {
        if !self.waits.get_value() {
            self.tell_in(FIRST);
        }
    }

    fn tell_in(self, time: Duration) {
        self.waits.set_value(true);
        set_timeout(move || self.tell(), time);
    }

    fn tell(self) {
        // The page may be gone.
        let Some(news) = self.news.try_get_value() else {
            return;
        };
        self.news.set_value(false);
        let comments = self.comments;
        let edits = news.then(|| edits(self.open, comments));
        let commenters = comments.take_commenters();
        let commented = (!commenters.is_empty()).then(|| say().somebody_commented(&commenters.join(", ")));
        let decisions = comments.take_decisions();
        let is_news = commented.is_some() || !decisions.is_empty();
        let told: Vec<String> = edits.into_iter().chain(commented).chain(decisions).collect();
        if !told.is_empty() {
            self.put(told.join(". "), is_news);
            self.tell_in(EVERY);
        } else {
            // The same sentence is news again after a pause.
            self.text.set(String::new());
            self.waits.set_value(false);
        }
    }

    /// Each comment and each decision is news, though the sentence be the same. That somebody still writes is none.
    fn put(self, told: String, is_news: bool) {
        if is_news && self.text.with_untracked(|shown| *shown == told) {
            self.text.set(String::new());
            set_timeout(move || drop(self.text.try_set(told)), AGAIN);
        } else {
            self.text.set(told);
        }
    }
}

#[component]
pub(super) fn Announcer(open: Open, comments: Comments) -> impl IntoView {
    let by_others = RwSignal::from(open.with_value(|session| session.written_by_others.clone()));
    let telling = Telling {
        open,
        comments,
        text: RwSignal::new(String::new()),
        news: StoredValue::new(false),
        waits: StoredValue::new(false),
    };
    Effect::new(move |again: Option<()>| {
        by_others.track();
        if again.is_some() {
            telling.news.set_value(true);
            telling.tell_soon();
        }
    });
    Effect::new(move || {
        if comments.has_news_to_tell() {
            telling.tell_soon();
        }
    });
    view! {
        <p class="off-screen" role="status" aria-label=say().others_edits()>
            {telling.text}
        </p>
    }
}

fn edits(open: Open, comments: Comments) -> String {
    let (writers, heading) = open.with_value(|session| (session.last_writers(), session.last_heading()));
    let writers = writers.into_iter();
    let names: Vec<String> = writers
        .map(|writer| untrack(|| comments.name_of(writer)))
        .collect();
    match (names.is_empty(), heading.is_empty()) {
        (true, true) => say().others_edit().to_owned(),
        (true, false) => say().others_edit_under(&heading),
        (false, true) => say().edits(&names.join(", ")),
        (false, false) => say().edits_under(&heading, &names.join(", ")),
    }
}
