//! Where the newest work is, in words. The words must be true at every moment, from the very keystroke on.

use replica::view::{Link, Work};

use crate::messages::say;

/// Where the edits are that this tab made and the replica's views do not count yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LocalWork {
    /// Durable on this device; a view that says so has yet to come.
    Durable,
    /// Typed, or handed to the replica, and not yet durable.
    Saving,
    /// The device could not store it.
    NotSaved,
}

impl From<LocalWork> for Work {
    fn from(work: LocalWork) -> Work {
        match work {
            LocalWork::Durable => Work::OnThisDevice,
            LocalWork::Saving => Work::Saving,
            LocalWork::NotSaved => Work::NotSaved,
        }
    }
}

/// The worst of what the replica says and what this tab knows.
pub(crate) fn worst(
    views: impl IntoIterator<Item = Work>,
    local: impl IntoIterator<Item = LocalWork>,
) -> Work {
    let local = local.into_iter().map(Work::from);
    views.into_iter().chain(local).max().unwrap_or(Work::OnTheRelay)
}

/// What the region `Sync` speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The replica has not started, or does not know yet what the screen shows.
    Unknown,
    /// This person belongs to no classroom: there is nothing to connect for.
    Nothing,
    Work(Work),
}

/// The text of the region `Sync`. `link` is `None` before the replica has started.
pub(crate) fn text(link: Option<Link>, subject: Subject) -> String {
    match (link, subject) {
        (None, _) => say().starting().to_owned(),
        (Some(_), Subject::Nothing) => say().nothing_to_sync().to_owned(),
        (Some(Link::Online), Subject::Unknown) => String::new(),
        (Some(Link::Offline), Subject::Unknown) => say().offline().to_owned(),
        (Some(Link::Exchanging), Subject::Unknown) => say().online_slowly().to_owned(),
        (Some(Link::Online), Subject::Work(work)) => word(work).to_owned(),
        (Some(Link::Offline), Subject::Work(work)) => format!("{} · {}", say().offline(), word(work)),
        (Some(Link::Exchanging), Subject::Work(work)) => {
            format!("{} · {}", say().online_slowly(), word(work))
        }
    }
}

/// A document's or classroom's state, in a list.
pub(crate) fn word(work: Work) -> &'static str {
    match work {
        Work::OnTheRelay => say().on_the_relay(),
        Work::OnThisDevice => say().on_this_device(),
        Work::Saving => say().saving(),
        Work::NotSaved => say().not_saved(),
    }
}

/// The state as a class for its colour and sign.
pub(crate) fn class(work: Work) -> &'static str {
    match work {
        Work::OnTheRelay => "work-relay",
        Work::OnThisDevice => "work-device",
        Work::Saving => "work-saving",
        Work::NotSaved => "work-not-saved",
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn the_worst_state_is_told() {
        assert_eq!(worst([], []), Work::OnTheRelay);
        assert_eq!(
            worst([Work::OnTheRelay, Work::OnThisDevice], []),
            Work::OnThisDevice
        );
        assert_eq!(worst([Work::OnTheRelay], [LocalWork::Saving]), Work::Saving);
        assert_eq!(
            worst([Work::OnTheRelay], [LocalWork::Durable]),
            Work::OnThisDevice
        );
        assert_eq!(worst([Work::NotSaved], [LocalWork::Saving]), Work::NotSaved);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_text_never_claims_more_than_is_so() {
        let online = Some(Link::Online);
        let offline = Some(Link::Offline);
        assert_eq!(text(online, Subject::Work(Work::OnTheRelay)), "On the relay");
        assert_eq!(
            text(offline, Subject::Work(Work::OnThisDevice)),
            "Offline · On this device"
        );
        assert_eq!(
            text(offline, Subject::Work(Work::OnTheRelay)),
            "Offline · On the relay"
        );
        assert_eq!(
            text(Some(Link::Exchanging), Subject::Work(Work::OnTheRelay)),
            "Online, the slow way · On the relay"
        );
        assert_eq!(text(online, Subject::Work(Work::Saving)), "Saving…");
        assert_eq!(text(None, Subject::Unknown), "Starting…");
        for work in [Work::OnThisDevice, Work::Saving, Work::NotSaved] {
            assert!(!text(online, Subject::Work(work)).contains("On the relay"));
            assert!(text(offline, Subject::Work(work)).contains("Offline"));
        }
    }
}
