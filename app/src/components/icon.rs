//! The few pictures, drawn in the colour of the text around them.

use leptos::prelude::*;

/// The mark: a globe with its meridians, and two places on it.
#[component]
pub(crate) fn Mark() -> impl IntoView {
    view! {
        <svg class="mark" viewBox="0 0 40 40" aria-hidden="true">
            <g fill="none" stroke="currentColor" stroke-linecap="round" stroke-width="2">
                <circle cx="20" cy="20" r="15" />
                <path d="M20 5c-9 8-9 22 0 30" />
                <path class="faint" d="M20 5c9 8 9 22 0 30" />
                <path class="faint" d="M6 14.5c8.5 3.5 19.5 3.5 28 0" />
                <path d="M6 25.5c8.5-3.5 19.5-3.5 28 0" />
            </g>
            <circle class="place" cx="6.5" cy="25.5" r="3.5" />
            <circle class="place" cx="33.5" cy="25.5" r="3.5" />
        </svg>
    }
}

/// Meridians from pole to pole, for behind a screen.
#[component]
pub(crate) fn Meridians() -> impl IntoView {
    view! {
        <svg class="meridians" viewBox="0 0 600 600" aria-hidden="true" preserveAspectRatio="xMidYMid slice">
            <g class="graticule" fill="none" stroke="currentColor" stroke-width="1.5">
                <circle cx="300" cy="300" r="280" />
                <ellipse cx="300" cy="300" rx="70" ry="280" />
                <ellipse cx="300" cy="300" rx="140" ry="280" />
                <ellipse cx="300" cy="300" rx="215" ry="280" />
                <path d="M300 20v560" />
                <path d="M58 160c150 50 334 50 484 0" />
                <path d="M20 300h560" />
                <path d="M58 440c150-50 334-50 484 0" />
            </g>
            <path class="route" d="M128 240C210 130 390 130 468 320" />
            <circle class="place" cx="128" cy="240" r="8" />
            <circle class="place" cx="468" cy="320" r="8" />
        </svg>
    }
}

/// A sheet with lines.
#[component]
pub(crate) fn Sheet() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M6 3.5h8l4 4v13H6z M14 3.5v4h4 M9 12h6 M9 15.5h6" />
        </svg>
    }
}

/// An arrow back to where one came from; turned round where people read from the right.
#[component]
pub(crate) fn Back() -> impl IntoView {
    view! {
        <svg class="icon icon-directed" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M14.5 5.5 8 12l6.5 6.5" />
        </svg>
    }
}

#[component]
pub(crate) fn Plus() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M12 5.5v13 M5.5 12h13" />
        </svg>
    }
}

/// An envelope that lets somebody in.
#[component]
pub(crate) fn Letter() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M3.5 6.5h17v11h-17z M3.5 7.5 12 13.5l8.5-6" />
        </svg>
    }
}

#[component]
pub(crate) fn CommentIcon() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M4 5h16v11h-8.5L7 20v-4H4z M8 9h8 M8 12h5" />
        </svg>
    }
}

#[component]
pub(crate) fn SuggestIcon() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M4 19h16 M7 15l1-4 8-8 3 3-8 8z M14 5l3 3" />
        </svg>
    }
}

#[component]
pub(crate) fn FindIcon() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M10.5 5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11z M14.5 14.5 20 20" />
        </svg>
    }
}

#[component]
pub(crate) fn OutlineIcon() -> impl IntoView {
    view! {
        <svg class="icon icon-directed" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M4 6h12 M8 11h12 M8 15h12 M12 19.5h8" />
        </svg>
    }
}

#[component]
pub(crate) fn ReadAloudIcon() -> impl IntoView {
    view! {
        <svg class="icon icon-directed" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5z M15.5 9a4 4 0 0 1 0 6 M18 6.5a7.5 7.5 0 0 1 0 11" />
        </svg>
    }
}

#[component]
pub(crate) fn StopIcon() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M6.5 6.5h11v11h-11z" />
        </svg>
    }
}

#[component]
pub(crate) fn UpIcon() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M5.5 15 12 8.5l6.5 6.5" />
        </svg>
    }
}

#[component]
pub(crate) fn DownIcon() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M5.5 9 12 15.5 18.5 9" />
        </svg>
    }
}

#[component]
pub(crate) fn CloseIcon() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M6.5 6.5l11 11 M17.5 6.5l-11 11" />
        </svg>
    }
}

#[component]
pub(crate) fn BulletedListIcon() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M9.5 6.5h10 M9.5 12h10 M9.5 17.5h10 M5 6.5h.01 M5 12h.01 M5 17.5h.01" />
        </svg>
    }
}

/// Drawn as it is read from the left.
#[component]
pub(crate) fn IndentIcon() -> impl IntoView {
    view! {
        <svg class="icon icon-directed" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M4 5.5h16 M11 12h9 M4 18.5h16 M4 9.5l3 2.5-3 2.5" />
        </svg>
    }
}

#[component]
pub(crate) fn OutdentIcon() -> impl IntoView {
    view! {
        <svg class="icon icon-directed" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M4 5.5h16 M11 12h9 M4 18.5h16 M7 9.5 4 12l3 2.5" />
        </svg>
    }
}

#[component]
pub(crate) fn NumberedListIcon() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M10.5 6.5h9 M10.5 12h9 M10.5 17.5h9 M4 5l1.5-1v5 M4 14.5c1-1.3 3-.6 2.5.7-.3.9-1.5 1.6-2.5 2.8h3" />
        </svg>
    }
}

#[component]
pub(crate) fn CheckListIcon() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M11.5 6.5h8 M11.5 12h8 M11.5 17.5h8 M4 6.5l1.5 1.5L8.5 5 M4 12l1.5 1.5 3-3 M4 17.5 5.5 19l3-3" />
        </svg>
    }
}

#[component]
pub(crate) fn QuoteIcon() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M5 6v12 M9.5 7.5h10 M9.5 12h10 M9.5 16.5h6.5" />
        </svg>
    }
}

#[component]
pub(crate) fn CodeIcon() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M8.5 7.5 4 12l4.5 4.5 M15.5 7.5 20 12l-4.5 4.5" />
        </svg>
    }
}

#[component]
pub(crate) fn HighlightIcon() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M4.5 19.5h15 M8 15.5l8.5-9 3 3-8.5 7.5z M8 15.5l-1.5 2h3l1.5-.5" />
        </svg>
    }
}

#[component]
pub(crate) fn DividerIcon() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M4 12h16 M7 7h10 M7 17h10" />
        </svg>
    }
}

#[component]
pub(crate) fn LinkIcon() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M10 14a4 4 0 0 0 5.7 0l3-3a4 4 0 0 0-5.7-5.7l-1 1 M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1" />
        </svg>
    }
}

#[component]
pub(crate) fn TableIcon() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M4 5.5h16v13H4z M4 10h16 M4 14.5h16 M12 5.5v13" />
        </svg>
    }
}

/// Hills under a sun.
#[component]
pub(crate) fn ImageIcon() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M4 5.5h16v13H4z M4 16l4.5-4.5 4 4 3-3L20 17 M15.5 9h.01" />
        </svg>
    }
}

#[component]
pub(crate) fn SubscriptIcon() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M4.5 6l8 9 M12.5 6l-8 9 M16 16c.5-1.4 3-1.2 2.8.4-.1 1-1.6 1.8-2.8 3.1h3" />
        </svg>
    }
}

#[component]
pub(crate) fn SuperscriptIcon() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M4.5 9l8 9 M12.5 9l-8 9 M16 5.5c.5-1.4 3-1.2 2.8.4-.1 1-1.6 1.8-2.8 3.1h3" />
        </svg>
    }
}

#[component]
pub(crate) fn UndoIcon() -> impl IntoView {
    view! {
        <svg class="icon icon-directed" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M8.5 5 4.5 9l4 4 M4.5 9H14a5 5 0 0 1 0 10h-3" />
        </svg>
    }
}

#[component]
pub(crate) fn RedoIcon() -> impl IntoView {
    view! {
        <svg class="icon icon-directed" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M15.5 5l4 4-4 4 M19.5 9H10a5 5 0 0 0 0 10h3" />
        </svg>
    }
}
