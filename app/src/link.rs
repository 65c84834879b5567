//! The tab's end of the link to its replica, which lives in a worker.
//!
//! Commands go out numbered and are answered once each; views come unasked, whole, and are kept in signals.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use js_sys::{Array, Object, Reflect, Uint8Array};
use leptos::prelude::{Update as _, *};
use protocol::{ClassroomId, DocumentId};
use replica::command::{Answer, Command, Problem};
use replica::view::{Classroom, Home, Presence, Update, Work};
use wasm_bindgen::prelude::*;
use web_sys::{Document, MessageEvent, Worker, WorkerOptions, WorkerType};

use crate::envelope::{self, FromWorker, ToWorker, Unreadable};
use crate::page::seen;
use crate::sync::{self, LocalWork};

/// Which document of which classroom.
pub(crate) type Place = (ClassroomId, DocumentId);

/// What arrives for a page that is open in this tab.
pub(crate) enum PageUpdate {
    Opened {
        saved: Vec<u8>,
        actor: [u8; 16],
        upto: Option<u32>,
    },
    Changes(Vec<Vec<u8>>),
    Presence(Vec<Presence>),
}

type OnAnswer = Box<dyn FnOnce(Result<Answer, Problem>)>;
type OnPart = Rc<dyn Fn(Vec<u8>)>;
type OnPage = Rc<dyn Fn(PageUpdate)>;

/// The link. Copies are the same link.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    inner: StoredValue<Rc<Inner>, LocalStorage>,
    /// `None` until the replica has started.
    pub(crate) home: RwSignal<Option<Home>>,
    pub(crate) classrooms: RwSignal<BTreeMap<ClassroomId, Classroom>>,
    /// Edits of this tab that the replica has not confirmed as durable, by page.
    pub(crate) local_work: RwSignal<BTreeMap<Place, LocalWork>>,
    /// Why the last change that failed could not be stored.
    pub(crate) problem: RwSignal<Option<Problem>>,
    /// The worker did not start, or broke.
    pub(crate) broken: RwSignal<bool>,
    /// The dialog for a picture went away with its page, or with the right to write there, and something was begun in it.
    pub(crate) picture_given_up: RwSignal<bool>,
    /// A newer version of the app has taken over the store: this one can't write there any more.
    pub(crate) outdated: RwSignal<bool>,
    /// What is to be done before that happens.
    on_hand_over: StoredValue<Option<Rc<dyn Fn()>>, LocalStorage>,
}

struct Inner {
    worker: Option<Worker>,
    next_request: RefCell<u32>,
    waiting: RefCell<HashMap<u32, Waiting>>,
    pages: RefCell<HashMap<Place, OnPage>>,
}

/// What waits for a command's answer.
struct Waiting {
    /// Takes the parts that come before it.
    on_part: Option<OnPart>,
    on_answer: OnAnswer,
}

impl Link {
    /// Starts the worker. Call once, at the root: the signals live as long as their owner.
    pub(crate) fn start() -> Self {
        Self::to(start_worker(&document()))
    }

    /// The link to a worker that was started, if it was.
    pub(crate) fn to(worker: Result<Worker, JsValue>) -> Self {
        let broken = RwSignal::new(worker.is_err());
        if let Err(error) = &worker {
            leptos::logging::error!("the worker did not start: {error:?}");
        }
        let inner = Inner {
            worker: worker.ok(),
            next_request: RefCell::new(0),
            waiting: RefCell::default(),
            pages: RefCell::default(),
        };
        let link = Self {
            inner: StoredValue::new_local(Rc::new(inner)),
            home: RwSignal::new(None),
            classrooms: RwSignal::default(),
            local_work: RwSignal::default(),
            problem: RwSignal::new(None),
            broken,
            picture_given_up: RwSignal::new(false),
            outdated: RwSignal::new(false),
            on_hand_over: StoredValue::new_local(None),
        };
        link.listen();
        link
    }

    /// Whether the replica has started.
    pub(crate) fn has_started(self) -> bool {
        self.home.with_untracked(Option::is_some)
    }

    /// Ends the worker, whatever it is doing.
    pub(crate) fn stop(self) {
        if let Some(worker) = &self.inner().worker {
            worker.terminate();
        }
    }

    /// Sends a command; `on_answer` is called when it was carried out, or could not be.
    pub(crate) fn ask(self, command: Command, on_answer: impl FnOnce(Result<Answer, Problem>) + 'static) {
        self.send(command, None, move |_| Box::new(on_answer));
    }

    /// The same for who waits for the answer.
    pub(crate) async fn answer(self, command: Command) -> Result<Answer, Problem> {
        let slot = Rc::new(RefCell::new((None, None::<Waker>)));
        let filled = slot.clone();
        self.ask(command, move |answer| {
            let mut slot = filled.borrow_mut();
            slot.0 = Some(answer);
            if let Some(waker) = slot.1.take() {
                waker.wake();
            }
        });
        poll_fn(|context| {
            let mut slot = slot.borrow_mut();
            match slot.0.take() {
                Some(answer) => Poll::Ready(answer),
                None => {
                    slot.1 = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// The same for a command that is answered in parts, before its answer.
    pub(crate) fn ask_in_parts(self, command: Command, on_part: OnPart, on_answer: OnAnswer) {
        self.send(command, Some(on_part), move |_| on_answer);
    }

    /// The same for who needs to know the command's number.
    pub(crate) fn ask_numbered(
        self,
        command: Command,
        on_answer: impl FnOnce(u32, Result<Answer, Problem>) + 'static,
    ) -> u32 {
        self.send(command, None, move |request| {
            Box::new(move |answer| on_answer(request, answer))
        })
    }

    fn send(self, command: Command, on_part: Option<OnPart>, on_answer: impl FnOnce(u32) -> OnAnswer) -> u32 {
        let inner = self.inner();
        let request = inner.next_request.replace_with(|next| next.wrapping_add(1));
        let sent = match &inner.worker {
            Some(worker) => post(worker, &ToWorker::Command(request, command)),
            None => Err("there is no worker".into()),
        };
        let on_answer = on_answer(request);
        match sent {
            Ok(()) => {
                let waiting = Waiting { on_part, on_answer };
                inner.waiting.borrow_mut().insert(request, waiting);
            }
            Err(error) => {
                leptos::logging::error!("a command could not be sent: {error:?}");
                // Later, as an answer would come.
                set_timeout(
                    move || on_answer(Err(Problem::Internal)),
                    std::time::Duration::ZERO,
                );
            }
        }
        request
    }

    /// Says what the worker cannot see, or not on every browser: the network came or went, the tab goes away.
    pub(crate) fn notify(self, message: &ToWorker) {
        if let Some(worker) = &self.inner().worker
            && let Err(error) = post(worker, message)
        {
            leptos::logging::warn!("the worker was not told: {error:?}");
        }
    }

    /// Sends a command whose failure a person need not know of.
    pub(crate) fn tell(self, command: Command) {
        self.ask(command, |answer| {
            if let Err(problem) = answer {
                leptos::logging::warn!("not carried out: {problem:?}");
            }
        });
    }

    /// Hands on what arrives for a page, until another listener takes its place or [`Self::forget_page`].
    pub(crate) fn on_page(self, place: Place, listener: impl Fn(PageUpdate) + 'static) {
        self.inner().pages.borrow_mut().insert(place, Rc::new(listener));
    }

    pub(crate) fn forget_page(self, place: &Place) {
        self.inner().pages.borrow_mut().remove(place);
    }

    /// Says where the newest edit of a page is that the replica's views don't count.
    pub(crate) fn note_local_work(self, place: Place, work: Option<LocalWork>) {
        if self
            .local_work
            .with_untracked(|known| known.get(&place).copied() == work)
        {
            return;
        }
        self.local_work.update(|known| match work {
            Some(work) => {
                known.insert(place, work);
            }
            None => {
                known.remove(&place);
            }
        });
    }

    /// Calls `hand_over` when what was typed should be handed over at once.
    pub(crate) fn on_hand_over(self, hand_over: impl Fn() + 'static) {
        self.on_hand_over.set_value(Some(Rc::new(hand_over)));
    }

    /// Whether there is something that this device could not store.
    pub(crate) fn is_full(self) -> bool {
        let local: Vec<LocalWork> = self.local_work.with(|work| work.values().copied().collect());
        let views = self.home.with(|home| {
            let classrooms = home.iter().flat_map(|home| &home.classrooms);
            classrooms.map(|classroom| classroom.work).collect::<Vec<_>>()
        });
        sync::worst(views, local) == Work::NotSaved
    }

    /// Whether there is a connection.
    pub(crate) fn is_online(self) -> bool {
        self.home.with(|home| {
            home.as_ref()
                .is_some_and(|home| home.link != replica::view::Link::Offline)
        })
    }

    fn inner(self) -> Rc<Inner> {
        self.inner.get_value()
    }

    fn listen(self) {
        let inner = self.inner();
        let Some(worker) = &inner.worker else { return };
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            let bytes = Uint8Array::new(&event.data()).to_vec();
            match envelope::decode(&bytes) {
                Ok(FromWorker::Update(update)) => self.take(*update),
                Ok(FromWorker::HandOver) => {
                    if let Some(hand_over) = self.on_hand_over.get_value() {
                        hand_over();
                    }
                }
                Err(Unreadable::OtherVersion(_)) => self.outdated.set(true),
                Err(Unreadable::Damaged(error)) => {
                    leptos::logging::error!("the worker sent what can't be read: {error}");
                }
            }
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        on_message.forget();

        let on_error = Closure::<dyn Fn()>::new(move || self.broken.set(true));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        on_error.forget();
    }

    fn take(self, update: Update) {
        match update {
            Update::Answered { request, result } => {
                let waiting = self.inner().waiting.borrow_mut().remove(&request);
                if let Some(waiting) = waiting {
                    (waiting.on_answer)(result);
                }
            }
            Update::Exported { request, part } => {
                let inner = self.inner();
                let on_part = inner
                    .waiting
                    .borrow()
                    .get(&request)
                    .and_then(|waiting| waiting.on_part.clone());
                if let Some(on_part) = on_part {
                    on_part(part);
                }
            }
            Update::Home(home) => self.home.set(Some(home)),
            Update::Classroom(classroom) => self.take_classroom(classroom),
            Update::Opened {
                classroom,
                document,
                saved,
                actor,
                upto,
            } => {
                self.hand_on((classroom, document), PageUpdate::Opened { saved, actor, upto });
            }
            Update::Changes {
                classroom,
                document,
                changes,
            } => {
                self.hand_on((classroom, document), PageUpdate::Changes(changes));
            }
            Update::NewerVersion => self.outdated.set(true),
            Update::Presence {
                classroom,
                document,
                people,
            } => {
                self.hand_on((classroom, document), PageUpdate::Presence(people));
            }
        }
    }

    fn take_classroom(self, classroom: Classroom) {
        let id = classroom.id;
        seen::note_mentions(&classroom);
        self.classrooms.update(|classrooms| {
            classrooms.insert(id, classroom);
        });
        // What was durable before this view is counted in it.
        let confirmed = |(place, work): (&Place, &LocalWork)| place.0 == id && *work == LocalWork::Durable;
        if self.local_work.with_untracked(|work| work.iter().any(confirmed)) {
            self.local_work
                .update(|work| work.retain(|place, state| !confirmed((place, state))));
        }
    }

    fn hand_on(self, place: Place, update: PageUpdate) {
        // The listener may change the listeners.
        let listener = self.inner().pages.borrow().get(&place).cloned();
        if let Some(listener) = listener {
            listener(update);
        }
    }
}

/// The link of this tab.
pub(crate) fn use_link() -> Link {
    expect_context()
}

fn post(worker: &Worker, message: &ToWorker) -> Result<(), JsValue> {
    let bytes = envelope::encode(message).map_err(|error| error.to_string())?;
    let array = Uint8Array::from(bytes.as_slice());
    worker.post_message_with_transfer(&array, &Array::of1(&array.buffer()))
}

/// Starts the worker with the module that this page has compiled; the build says in the page where its files are.
fn start_worker(document: &Document) -> Result<Worker, JsValue> {
    let options = WorkerOptions::new();
    options.set_type(WorkerType::Module);
    let worker = Worker::new_with_options(&meta(document, "meridian-worker")?, &options)?;
    let message = Object::new();
    Reflect::set(&message, &"glue".into(), &meta(document, "meridian-glue")?.into())?;
    Reflect::set(&message, &"module".into(), &wasm_bindgen::module())?;
    worker.post_message(&message)?;
    Ok(worker)
}

fn meta(document: &Document, name: &str) -> Result<String, JsValue> {
    document
        .query_selector(&format!("meta[name={name}]"))?
        .and_then(|element| element.get_attribute("content"))
        .ok_or_else(|| format!("the page does not say where {name} is").into())
}
