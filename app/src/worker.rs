//! The worker: runs the replica and does its I/O. The tab sends numbered commands and gets views.
//!
//! Start: open the store and the channel to the other tabs, take over what tabs that are gone have left, read everything,
//! start the replica. Until then what arrives waits.

mod attachments;
mod exchange;
mod lanes;
mod socket;
mod store;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use getrandom::SysRng;
use js_sys::{Array, Date, Reflect, Uint8Array};
use protocol::rand_core::UnwrapErr;
use protocol::{ChunkHash, ClassroomId, LaneId};
use replica::store::{Records, Table};
use replica::view::Update;
use replica::{Effect, Event, Replica};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{BroadcastChannel, DedicatedWorkerGlobalScope, MessageEvent};

use attachments::{Attachments, Upload};
use exchange::Exchange;
use lanes::Hold;
use socket::Socket;
use store::{News, Store};

use crate::envelope::{self, FromWorker, ToWorker, Unreadable};

/// The channel of the tabs. What they tell each other says its version.
const TABS: &str = "meridian tabs";

/// How long a tab has to hand over what was typed before its store is closed for a newer version, in milliseconds.
const HAND_OVER: i32 = 1000;

/// After so many sockets in a row that the relay did not speak through, it is asked by requests.
const ENOUGH_FAILURES: u32 = 2;

/// How often the replica hears that time went by, in milliseconds.
const TICK: i32 = 1000;

/// Runs in the worker once the module is ready there.
#[wasm_bindgen]
pub fn run_worker() {
    let Ok(scope) = js_sys::global().dyn_into::<DedicatedWorkerGlobalScope>() else {
        return;
    };
    let shell = Rc::new_cyclic(|weak: &Weak<Shell>| {
        let weak = weak.clone();
        Shell {
            scope,
            store: Store::new(move |news| {
                if let Some(shell) = weak.upgrade() {
                    shell.store_news(news);
                }
            }),
            tabs: RefCell::new(None),
            replica: RefCell::new(None),
            events: RefCell::default(),
            socket: RefCell::new(None),
            is_heard: Cell::new(false),
            failures: Cell::new(0),
            exchange: RefCell::new(None),
            attachments: RefCell::new(None),
        }
    });
    shell.listen();
    spawn_local(async move {
        if let Err(error) = shell.clone().start().await {
            // Ends up at the tab as the worker's error, which says that the app could not start.
            report_error(&error);
        }
    });
}

struct Shell {
    scope: DedicatedWorkerGlobalScope,
    store: Rc<Store>,
    tabs: RefCell<Option<BroadcastChannel>>,
    /// `None` until it has started.
    replica: RefCell<Option<Replica<UnwrapErr<SysRng>>>>,
    /// What has happened and was not handled yet.
    events: RefCell<VecDeque<Event>>,
    socket: RefCell<Option<Socket>>,
    /// Whether the relay has spoken through the socket.
    is_heard: Cell<bool>,
    /// Through how many sockets in a row it has not.
    failures: Cell<u32>,
    /// Set while there is no socket to be had.
    exchange: RefCell<Option<Rc<Exchange>>>,
    /// The requests for chunks of attachments on the connection that there is.
    attachments: RefCell<Option<Rc<Attachments>>>,
}

impl Shell {
    /// Takes the tab's messages from now on.
    fn listen(self: &Rc<Self>) {
        let shell = self.clone();
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            match envelope::decode(&Uint8Array::new(&event.data()).to_vec()) {
                Ok(ToWorker::Command(request, command)) => {
                    shell.happened(Event::Command { request, command });
                }
                Ok(ToWorker::Network(true)) => shell.happened(Event::NetworkUp),
                Ok(ToWorker::Network(false)) => shell.network_is_gone(),
                Ok(ToWorker::Closing) => shell.happened(Event::Closing),
                Err(Unreadable::OtherVersion(_)) => shell.post(&newer_version()),
                Err(error) => report_error(&error.to_string().into()),
            }
        });
        self.scope
            .set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        on_message.forget();
    }

    async fn start(self: Rc<Self>) -> Result<(), JsValue> {
        self.listen_to_tabs()?;
        let before = self.store.read_tables(&Table::AT_START).await?;
        let mut adopted = Vec::new();
        for candidate in replica::lanes_left(&before) {
            // Without locks nobody knows whether its tab still lives. If it does, both send the same.
            if lanes::hold_if_free(&candidate).await != Hold::Elsewhere {
                adopted.push(candidate);
            }
        }
        // Another tab may have written until its lock was free: only what is read now counts.
        let records = self.store.read_tables(&Table::AT_START).await?;
        let origin = self.scope.location().origin();
        let rng = UnwrapErr(SysRng);
        let (replica, effects) = Replica::start(rng, now(), origin, &records, &adopted)
            .map_err(|error| JsValue::from(error.to_string()))?;
        *self.replica.borrow_mut() = Some(replica);
        self.carry_out(effects);
        self.handle_events();
        self.keep_time()
    }

    /// Notes an event and handles it, unless that is being done already.
    fn happened(self: &Rc<Self>, event: Event) {
        self.events.borrow_mut().push_back(event);
        self.handle_events();
    }

    fn handle_events(self: &Rc<Self>) {
        loop {
            // An effect may cause an event at once; it waits its turn in the queue.
            let Ok(mut replica) = self.replica.try_borrow_mut() else {
                return;
            };
            let Some(replica) = replica.as_mut() else { return };
            let Some(event) = self.events.borrow_mut().pop_front() else {
                return;
            };
            let effects = replica.handle(now(), event);
            self.carry_out(effects);
        }
    }

    fn carry_out(self: &Rc<Self>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Show(update) => self.post(&FromWorker::Update(Box::new(update))),
                Effect::Write(batch) => {
                    let shell = self.clone();
                    spawn_local(async move {
                        let written = shell.store.write(batch).await;
                        shell.happened(if written.is_ok() {
                            Event::Written
                        } else {
                            Event::WriteFailed
                        });
                    });
                }
                Effect::Read { ticket, ranges } => {
                    let shell = self.clone();
                    spawn_local(async move {
                        let event = match shell.store.read(&ranges).await {
                            Ok(records) => Event::Read { ticket, records },
                            Err(_) => Event::ReadFailed { ticket },
                        };
                        shell.happened(event);
                    });
                }
                Effect::ReadPage { ticket, range, most } => {
                    let shell = self.clone();
                    spawn_local(async move {
                        let event = match shell.store.read_page(&range, most).await {
                            Ok(records) => Event::Read { ticket, records },
                            Err(_) => Event::ReadFailed { ticket },
                        };
                        shell.happened(event);
                    });
                }
                Effect::Connect => self.connect(),
                Effect::Send(message) => {
                    if let Some(socket) = &*self.socket.borrow() {
                        socket.send(&message);
                    }
                }
                Effect::Exchange(request) => self.post_request(request),
                Effect::Upload {
                    classroom,
                    document,
                    chunk,
                    member,
                    signature,
                    bytes,
                } => self.bring(Upload {
                    classroom,
                    document,
                    chunk,
                    member,
                    signature,
                    bytes,
                }),
                Effect::Download { classroom, chunk } => self.fetch(classroom, chunk),
                Effect::Disconnect => {
                    self.disconnect();
                }
                Effect::TellTabs(note) => {
                    if let Some(tabs) = &*self.tabs.borrow()
                        && let Err(error) = tabs.post_message(&Uint8Array::from(note.as_slice()))
                    {
                        report_error(&error);
                    }
                }
                Effect::HoldLane(lane) => spawn_local(async move {
                    // A fresh lane is free; without locks nobody else would look for one.
                    lanes::hold_if_free(&lane).await;
                }),
                Effect::Adopt(lane) => self.adopt(lane),
                Effect::ClaimProfile(row) => {
                    let shell = self.clone();
                    spawn_local(async move {
                        shell.happened(match shell.store.claim_profile(row).await {
                            Ok(row) => Event::ProfileClaimed(row),
                            Err(_) => Event::ProfileClaimFailed,
                        });
                    });
                }
            }
        }
    }

    fn post(&self, message: &FromWorker) {
        let Ok(bytes) = envelope::encode(message) else {
            return;
        };
        let array = Uint8Array::from(bytes.as_slice());
        if let Err(error) = self
            .scope
            .post_message_with_transfer(&array, &Array::of1(&array.buffer()))
        {
            report_error(&error);
        }
    }

    fn store_news(self: &Rc<Self>, news: News) {
        match news {
            News::Outdated => self.post(&newer_version()),
            News::Wanted => {
                self.post(&FromWorker::HandOver);
                let shell = self.clone();
                let make_way = Closure::once_into_js(move || {
                    spawn_local(async move { shell.store.make_way().await });
                });
                let waits = self.scope.set_timeout_with_callback_and_timeout_and_arguments_0(
                    make_way.unchecked_ref(),
                    HAND_OVER,
                );
                if let Err(error) = waits {
                    report_error(&error);
                }
            }
        }
    }

    fn connect(self: &Rc<Self>) {
        if self.failures.get() >= ENOUGH_FAILURES {
            self.begin_exchanges();
            return;
        }
        self.is_heard.set(false);
        let weak = Rc::downgrade(self);
        let socket = Socket::open(&self.scope.location(), move |event| {
            let Some(shell) = weak.upgrade() else { return };
            match event {
                Event::Message(_) => {
                    shell.is_heard.set(true);
                    shell.failures.set(0);
                }
                Event::Disconnected if shell.socket_failed() => {
                    shell.end_attachments();
                    shell.socket.borrow_mut().take();
                    shell.begin_exchanges();
                    shell.handle_events();
                    return;
                }
                Event::Disconnected => shell.end_attachments(),
                _ => {}
            }
            shell.happened(event);
        });
        match socket {
            Ok(socket) => *self.socket.borrow_mut() = Some(socket),
            Err(_) => self.events.borrow_mut().push_back(Event::Disconnected),
        }
    }

    /// A socket is gone: says whether it is one too many of those that the relay did not speak through.
    fn socket_failed(&self) -> bool {
        if self.is_heard.get() {
            return false;
        }
        self.failures.set(self.failures.get() + 1);
        self.failures.get() >= ENOUGH_FAILURES
    }

    fn begin_exchanges(&self) {
        let event = match Exchange::new() {
            Ok(exchange) => {
                *self.exchange.borrow_mut() = Some(Rc::new(exchange));
                Event::Exchanging
            }
            Err(_) => Event::Disconnected,
        };
        self.events.borrow_mut().push_back(event);
    }

    fn post_request(self: &Rc<Self>, request: Vec<u8>) {
        let Some(exchange) = self.exchange.borrow().clone() else {
            return;
        };
        let shell = self.clone();
        spawn_local(async move {
            let event = exchange.post(&shell.scope, &request).await;
            let is_current = |current: &Rc<Exchange>| Rc::ptr_eq(current, &exchange);
            if !shell.exchange.borrow().as_ref().is_some_and(is_current) {
                return;
            }
            if !matches!(event, Event::Exchanged(_)) {
                // There is nothing to be reached this way: the next time begins with a socket.
                shell.failures.set(0);
                shell.end_attachments();
                shell.exchange.borrow_mut().take();
            }
            shell.happened(event);
        });
    }

    /// Brings a chunk to the relay.
    fn bring(self: &Rc<Self>, upload: Upload) {
        let shell = self.clone();
        self.with_attachments(async move |attachments| {
            let outcome = attachments.bring(&shell.scope, &upload).await;
            Event::Uploaded {
                classroom: upload.classroom,
                document: upload.document,
                chunk: upload.chunk,
                outcome,
            }
        });
    }

    /// Asks the relay for a chunk.
    fn fetch(self: &Rc<Self>, classroom: ClassroomId, chunk: ChunkHash) {
        let shell = self.clone();
        self.with_attachments(async move |attachments| Event::Downloaded {
            classroom,
            chunk,
            bytes: attachments.get(&shell.scope, &classroom, &chunk).await,
        });
    }

    /// What comes of it is told unless the connection is gone by then.
    fn with_attachments(self: &Rc<Self>, act: impl AsyncFnOnce(&Attachments) -> Event + 'static) {
        let attachments = self.attachments.borrow_mut().get_or_insert_default().clone();
        let shell = self.clone();
        spawn_local(async move {
            let event = act(&attachments).await;
            let is_current = |current: &Rc<Attachments>| Rc::ptr_eq(current, &attachments);
            if shell.attachments.borrow().as_ref().is_some_and(is_current) {
                shell.happened(event);
            }
        });
    }

    fn end_attachments(&self) {
        if let Some(attachments) = self.attachments.borrow_mut().take() {
            attachments.end();
        }
    }

    /// Gives up what there is; says whether there was something.
    fn disconnect(&self) -> bool {
        self.end_attachments();
        let had_exchange = self.exchange.borrow_mut().take();
        if let Some(exchange) = &had_exchange {
            exchange.end();
            // One socket is tried before the next.
            self.failures.set(ENOUGH_FAILURES - 1);
        }
        let had_socket = self.socket.borrow_mut().take().is_some();
        if had_socket {
            // A network that swallows sockets says nothing.
            self.socket_failed();
        }
        had_socket || had_exchange.is_some()
    }

    /// The browser says so; the connection may not notice for long.
    fn network_is_gone(self: &Rc<Self>) {
        if self.disconnect() {
            self.failures.set(0);
            self.happened(Event::Disconnected);
        }
    }

    /// Takes over a lane whose tab seems gone.
    fn adopt(self: &Rc<Self>, lane: LaneId) {
        let shell = self.clone();
        spawn_local(async move {
            if lanes::hold_if_free(&lane).await == Hold::Held
                && let Ok(records) = shell.store.read_tables(&Table::UNSENT).await
            {
                let records: Records = records;
                shell.happened(Event::Adopted { lane, records });
            }
        });
    }

    fn listen_to_tabs(self: &Rc<Self>) -> Result<(), JsValue> {
        let tabs = BroadcastChannel::new(TABS)?;
        let shell = self.clone();
        let on_note = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            shell.happened(Event::FromTab(Uint8Array::new(&event.data()).to_vec()));
        });
        tabs.set_onmessage(Some(on_note.as_ref().unchecked_ref()));
        on_note.forget();
        *self.tabs.borrow_mut() = Some(tabs);
        Ok(())
    }

    fn keep_time(self: &Rc<Self>) -> Result<(), JsValue> {
        let shell = self.clone();
        let on_tick = Closure::<dyn Fn()>::new(move || shell.happened(Event::Tick));
        self.scope
            .set_interval_with_callback_and_timeout_and_arguments_0(on_tick.as_ref().unchecked_ref(), TICK)?;
        on_tick.forget();
        Ok(())
    }
}

fn newer_version() -> FromWorker {
    FromWorker::Update(Box::new(Update::NewerVersion))
}

/// Milliseconds since 1970.
fn now() -> u64 {
    Date::now() as u64
}

/// Reports an error as if it had not been caught.
fn report_error(error: &JsValue) {
    let global = js_sys::global();
    let reported = Reflect::get(&global, &"reportError".into())
        .and_then(JsCast::dyn_into::<js_sys::Function>)
        .and_then(|report| report.call1(&global, error));
    if reported.is_err() {
        web_sys::console::error_1(error);
    }
}
