//! Dialogs: the box, and the one that asks before something is done.

use std::rc::Rc;

use leptos::html;
use leptos::prelude::*;
use leptos_router::hooks::use_location;
use replica::command::{Answer, Command, Problem};
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlDialogElement, SubmitEvent};

use crate::link::use_link;
use crate::messages::say;
use crate::screens::create::ProblemLine;

/// A modal box. It opens when it is put on the screen; `on_close` takes it away.
#[component]
pub(crate) fn Dialog(
    title: String,
    on_close: impl Fn() + 'static,
    #[prop(default = "dialog")] class: &'static str,
    children: Children,
) -> impl IntoView {
    let dialog = NodeRef::<html::Dialog>::new();
    Effect::new(move || {
        if let Some(dialog) = dialog.get()
            && !dialog.open()
            && let Err(error) = dialog.show_modal()
        {
            leptos::logging::error!("the dialog does not open: {error:?}");
        }
    });
    view! {
        <dialog class=class aria-labelledby="dialog-title" node_ref=dialog on:close=move |_| on_close()>
            <h2 id="dialog-title">
                <bdi>{title}</bdi>
            </h2>
            {children()}
        </dialog>
    }
}

/// Whether a form is sent by the button that cancels: that closes the dialog, and the focus goes back to where it was.
pub(crate) fn cancels(event: &SubmitEvent) -> bool {
    event
        .submitter()
        .is_some_and(|button| button.has_attribute("formmethod"))
}

/// Closes the dialog that something stands in. Until then nothing outside it can have the focus.
pub(crate) fn close_around(element: &Element) {
    let dialog = element.closest("dialog").ok().flatten();
    if let Some(dialog) = dialog.and_then(|dialog| dialog.dyn_into::<HtmlDialogElement>().ok()) {
        dialog.close();
    }
}

/// Something that is asked before it is done.
pub(crate) struct Question {
    pub(crate) title: String,
    /// What happens, paragraph by paragraph.
    pub(crate) text: Vec<String>,
    /// What there is to choose from, if anything.
    pub(crate) choices: Vec<Choice>,
    /// Whether the first is chosen until the person chooses.
    pub(crate) first_is_chosen: bool,
    pub(crate) legend: &'static str,
    /// The button that does it. Empty if there is nothing to ask: it is done as the dialog opens.
    pub(crate) confirm: &'static str,
    /// What is done, by the place of the choice.
    pub(crate) command: Box<dyn Fn(usize) -> Command>,
    /// What is told of the answer; with nothing to tell, the dialog closes.
    pub(crate) told: Box<dyn Fn(Answer) -> Option<String>>,
}

pub(crate) struct Choice {
    pub(crate) name: String,
    pub(crate) hint: &'static str,
}

impl Question {
    /// A question with nothing to choose, and nothing to tell when it is done.
    pub(crate) fn new(
        title: String,
        confirm: &'static str,
        command: impl Fn(usize) -> Command + 'static,
    ) -> Self {
        Self {
            title,
            text: Vec::new(),
            choices: Vec::new(),
            first_is_chosen: true,
            legend: "",
            confirm,
            command: Box::new(command),
            told: Box::new(|_| None),
        }
    }
}

/// The question that is on the screen. Copies are the same.
#[derive(Clone, Copy)]
pub(crate) struct Questions(RwSignal<Option<Rc<Question>>, LocalStorage>);

impl Questions {
    pub(crate) fn new() -> Self {
        Self(RwSignal::new_local(None))
    }

    pub(crate) fn ask(self, question: Question) {
        self.0.set(Some(Rc::new(question)));
    }
}

pub(crate) fn use_questions() -> Questions {
    expect_context()
}

/// Puts the question on the screen, whatever screen that is.
#[component]
pub(crate) fn AskedQuestion() -> impl IntoView {
    let Questions(asked) = use_questions();
    let path = use_location().pathname;
    // A question belongs to its screen.
    Effect::new(move |before: Option<String>| {
        let path = path.get();
        if before.is_some_and(|before| before != path) {
            asked.set(None);
        }
        path
    });
    move || {
        asked.get().map(|question| {
            let question = StoredValue::new_local(question);
            view! { <QuestionDialog asked question /> }
        })
    }
}

#[component]
fn QuestionDialog(
    asked: RwSignal<Option<Rc<Question>>, LocalStorage>,
    question: StoredValue<Rc<Question>, LocalStorage>,
) -> impl IntoView {
    let link = use_link();
    let chosen = RwSignal::new(0);
    let busy = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    let told = RwSignal::new(None::<String>);
    let carry_out = move || {
        busy.set(true);
        problem.set(None);
        let question = question.get_value();
        link.ask((question.command)(chosen.get_untracked()), move |answer| {
            if busy.try_set(false).is_some() {
                // The dialog is gone; nobody waits for the answer.
                return;
            }
            match answer.map(|answer| (question.told)(answer)) {
                Ok(None) => asked.set(None),
                Ok(outcome) => told.set(outcome),
                Err(reason) => problem.set(Some(reason)),
            }
        });
    };
    let question = question.get_value();
    let at_once = question.confirm.is_empty();
    if at_once {
        carry_out();
    }
    let on_submit = move |event: SubmitEvent| {
        if cancels(&event) {
            return;
        }
        event.prevent_default();
        if !busy.get_untracked() {
            carry_out();
        }
    };
    let text: Vec<AnyView> = question
        .text
        .iter()
        .map(|sentence| view! { <p>{sentence.clone()}</p> }.into_any())
        .collect();
    let choices: Vec<AnyView> = question
        .choices
        .iter()
        .enumerate()
        .map(|(index, choice)| {
            view! {
                <label class="choice">
                    <input
                        type="radio"
                        name="choice"
                        aria-labelledby=format!("choice-{index}")
                        aria-describedby=format!("choice-{index}-hint")
                        required
                        checked=index == 0 && question.first_is_chosen
                        on:change=move |_| chosen.set(index)
                    />
                    <span>
                        <bdi id=format!("choice-{index}")>{choice.name.clone()}</bdi>
                        <span class="hint" id=format!("choice-{index}-hint")>
                            {choice.hint}
                        </span>
                    </span>
                </label>
            }
            .into_any()
        })
        .collect();
    let legend = question.legend;
    let confirm = question.confirm;
    // Who presses Enter too soon has done nothing.
    let careful = choices.is_empty();
    let done = Memo::new(move |_| at_once || told.with(Option::is_some));
    let choices = (!choices.is_empty()).then(|| {
        view! {
            <fieldset class="choices" disabled=move || done.get()>
                <legend>{legend}</legend>
                {choices}
            </fieldset>
        }
    });
    view! {
        <Dialog title=question.title.clone() on_close=move || asked.set(None)>
            {text}
            <form class="dialog-form" on:submit=on_submit>
                {choices}
                <p class="outcome" role="status" aria-label=say().outcome()>
                    {move || if busy.get() { say().working().to_owned() } else { told.get().unwrap_or_default() }}
                </p>
                <ProblemLine problem />
                // The first button is the one that Enter presses in a field.
                <div class="form-foot">
                    <button
                        type="submit"
                        class="button button-main"
                        hidden=move || done.get()
                        aria-disabled=move || busy.get().to_string()
                    >
                        {confirm}
                    </button>
                    <button
                        type="submit"
                        formmethod="dialog"
                        formnovalidate
                        class="button button-quiet"
                        autofocus=careful
                    >
                        {move || if done.get() { say().close() } else { say().cancel() }}
                    </button>
                </div>
            </form>
        </Dialog>
    }
}
