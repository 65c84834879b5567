//! How much is written.

use leptos::prelude::*;

use super::super::Open;
use crate::components::dialog::Dialog;
use crate::intl;
use crate::messages::say;
use crate::page::editor::Count;

/// Counted when it opens: on a long page that takes a moment, which nobody should wait for at each key.
#[component]
pub(super) fn WordCount(open: Open, counting: RwSignal<bool>) -> impl IntoView {
    let counts = open.with_value(|session| session.counts());
    let page = counts.map(|counts| counts.page);
    let selection = counts.and_then(|counts| counts.selection);
    type Row = (&'static str, fn(Count) -> u32);
    let rows: [Row; 3] = [
        (say().count_words(), |count| count.words),
        (say().count_characters(), |count| count.characters),
        (say().count_characters_without_spaces(), |count| {
            count.characters_without_spaces
        }),
    ];
    let language = intl::variety_of(say().tag());
    let cell = |count: Option<Count>, read: fn(Count) -> u32| {
        count.map(|count| view! { <td>{intl::number(&language, read(count))}</td> })
    };
    let rows = rows.map(|(name, read)| {
        view! {
            <tr>
                <th scope="row">{name}</th>
                {cell(page, read)}
                {cell(selection, read)}
            </tr>
        }
    });
    view! {
        <Dialog title=say().word_count().to_owned() on_close=move || counting.set(false)>
            <table class="counts">
                <thead>
                    <tr>
                        <td></td>
                        <th scope="col">{say().count_page()}</th>
                        {selection.map(|_| view! { <th scope="col">{say().count_selection()}</th> })}
                    </tr>
                </thead>
                <tbody>{rows.into_iter().collect_view()}</tbody>
            </table>
            <p class="hint">{say().count_no_formulas()}</p>
            <form class="dialog-form" method="dialog">
                <div class="form-foot">
                    <button type="submit" class="button button-quiet" autofocus>
                        {say().close()}
                    </button>
                </div>
            </form>
        </Dialog>
    }
}
