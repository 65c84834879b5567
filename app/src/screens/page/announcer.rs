//! Tells who hears the page, and does not see it, that others write in it: who and where, now and then.

use std::time::Duration;

use leptos::prelude::*;

use super::Open;
use crate::messages::say;

/// Where somebody is comes a little after what they wrote.
const FIRST: Duration = Duration::from_millis(1_500);

/// No more often than this.
const EVERY: Duration = Duration::from_secs(6);

/// What is told, and what there is to tell next time.
#[derive(Clone, Copy)]
struct Telling {
    open: Open,
    text: RwSignal<String>,
    /// Whether others wrote since it was told last.
    news: StoredValue<bool>,
    /// Whether the time for the next telling is set.
    waits: StoredValue<bool>,
}

impl Telling {
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
        if news {
            self.text.set(sentence(self.open));
            self.tell_in(EVERY);
        } else {
            // The same sentence is news again after a pause.
            self.text.set(String::new());
            self.waits.set_value(false);
        }
    }
}

#[component]
pub(super) fn Announcer(open: Open) -> impl IntoView {
    let by_others = RwSignal::from(open.with_value(|session| session.written_by_others.clone()));
    let telling = Telling {
        open,
        text: RwSignal::new(String::new()),
        news: StoredValue::new(false),
        waits: StoredValue::new(false),
    };
    Effect::new(move |again: Option<()>| {
        by_others.track();
        if again.is_some() {
            telling.news.set_value(true);
            if !telling.waits.get_value() {
                telling.tell_in(FIRST);
            }
        }
    });
    view! {
        <p class="off-screen" role="status" aria-label=say().others_edits()>
            {telling.text}
        </p>
    }
}

fn sentence(open: Open) -> String {
    let (names, heading) = open.with_value(|session| (session.last_writers(), session.last_heading()));
    match (names.is_empty(), heading.is_empty()) {
        (true, true) => say().others_edit().to_owned(),
        (true, false) => say().others_edit_under(&heading),
        (false, true) => say().edits(&names.join(", ")),
        (false, false) => say().edits_under(&heading, &names.join(", ")),
    }
}
