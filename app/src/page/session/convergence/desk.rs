//! A desk: a session with its editor, and in the place of its worker one that stores what it is given, and hands on that of others.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use documents::page::Page;
use documents::page::comments::Thread;
use documents::page::edit::Block;
use js_sys::{Object, Reflect, Uint8Array};
use leptos::prelude::{GetUntracked as _, document};
use protocol::{ClassroomId, DocumentId, MemberId};
use replica::command::{Answer, Command, CursorRange, Problem};
use replica::view::{Presence, Update};
use serde::Deserialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{HtmlElement, Worker};

use super::super::{Session, Sessions};
use super::acts::{Deed, Lane};
use crate::envelope::{self, FromWorker, ToWorker};
use crate::link::{Link, Place};
use crate::page::editor::{Picture, PlacedPicture, Query};

pub(super) struct Desk {
    number: usize,
    place: Place,
    session: Rc<Session>,
    host: HtmlElement,
    worker: Object,
    /// What the session told its worker, until that comes to it.
    told: Rc<RefCell<VecDeque<Vec<u8>>>>,
    _listener: Closure<dyn Fn(Uint8Array)>,
    connected: bool,
    composing: bool,
    /// What its device has of the page, and the last command that it carried out.
    stored: Page,
    upto: Option<u32>,
    lanes: u8,
    /// Its own changes that are stored, and how many of them have left.
    log: Vec<Vec<u8>>,
    sent: usize,
    /// How many changes of each desk it was handed.
    taken: Vec<usize>,
    cursor: Option<CursorRange>,
}

/// What an editor shows.
#[derive(Deserialize)]
pub(super) struct Look {
    /// The document as ProseMirror writes it.
    pub(super) shown: String,
    pub(super) blocks: Vec<Block>,
    pub(super) wrong: Option<String>,
}

/// What is on a page, and said of it.
#[derive(Debug, PartialEq)]
pub(super) struct Content {
    pub(super) title: String,
    pub(super) blocks: Vec<Block>,
    threads: Vec<Thread>,
}

impl Content {
    pub(super) fn of(page: &Page) -> Self {
        Self {
            title: page.title(),
            blocks: page.blocks().to_vec(),
            threads: page.threads(),
        }
    }
}

impl Desk {
    /// Sits down at a page.
    pub(super) fn open(number: usize, desks: usize, saved: &[u8]) -> Self {
        let id = u8::try_from(number + 1).unwrap();
        let place = (ClassroomId([7; 32]), DocumentId([id; 16]));
        let told = Rc::new(RefCell::new(VecDeque::new()));
        let hears = told.clone();
        let listener: Closure<dyn Fn(Uint8Array)> =
            Closure::new(move |bytes: Uint8Array| hears.borrow_mut().push_back(bytes.to_vec()));
        let worker = Object::new();
        Reflect::set(&worker, &"postMessage".into(), listener.as_ref()).unwrap();
        let link = Link::to(Ok(worker.clone().unchecked_into::<Worker>()));
        let host: HtmlElement = document().create_element("div").unwrap().unchecked_into();
        document().body().unwrap().append_child(&host).unwrap();
        let mut desk = Self {
            number,
            place,
            session: Sessions::new().open(link, place),
            host,
            worker,
            told,
            _listener: listener,
            connected: true,
            composing: false,
            stored: Page::load(saved, [77; 16]).unwrap(),
            upto: None,
            lanes: 0,
            log: Vec::new(),
            sent: 0,
            taken: vec![0; desks],
            cursor: None,
        };
        desk.hand_page_over();
        desk.store();
        desk.session.show(&desk.host, true).unwrap();
        desk
    }

    pub(super) fn carry_out(&mut self, deed: &Deed) {
        self.end_composition();
        let member = MemberId([u8::try_from(self.number).unwrap(); 32]);
        let session = self.session.clone();
        match deed {
            Deed::Select(anchor, head) => hands::select(&self.host, pair(*anchor), pair(*head)),
            Deed::Type(letter) => hands::type_letter(&self.host, letter),
            Deed::Insert(text) => hands::insert(&self.host, text),
            Deed::Press(keys) => hands::press(&self.host, keys),
            Deed::Cut => hands::take(&self.host, "cut"),
            Deed::Copy => hands::take(&self.host, "copy"),
            Deed::Paste(html) => hands::paste(&self.host, *html),
            Deed::Compose(text) => {
                hands::compose(&self.host, text);
                self.composing = true;
            }
            Deed::Command(command) => session.command(command.clone()),
            Deed::Replace { text, with, all } => {
                let editor = session.editor().unwrap();
                let query = Query {
                    text: (*text).to_owned(),
                    match_case: false,
                };
                editor.find(Some(&query)).unwrap();
                if *all {
                    editor.replace_all(with).unwrap();
                } else {
                    editor.replace(with).unwrap();
                }
                editor.find(None).unwrap();
            }
            Deed::InsertPicture(src) => session.insert_picture(&Picture {
                src: (*src).to_owned(),
                alt: None,
                width: Some(4),
                height: Some(3),
            }),
            Deed::DescribePicture(number, alt) => {
                let placed = session.with_draft(|draft| {
                    let blocks = draft.blocks().iter().enumerate();
                    let pictures: Vec<PlacedPicture> = blocks
                        .filter_map(|(block, content)| {
                            let picture = Picture::of(content.shape.picture()?);
                            Some(PlacedPicture { block, picture })
                        })
                        .collect();
                    pictures.get(number % pictures.len().max(1)).cloned()
                });
                if let Some(placed) = placed.flatten() {
                    session.change_picture(&placed, |picture| picture.alt = alt.map(str::to_owned));
                }
            }
            // What can't be read is refused; what is thrown is noticed. Without pictures nothing is waited for.
            Deed::Import(name, text) => {
                let (session, name, text) = (session.clone(), *name, *text);
                spawn_local(async move {
                    session.import(name, text.as_bytes(), || true).await.ok();
                });
            }
            Deed::Title(title) => session.set_title(title),
            Deed::BeginComment => drop(session.begin_comment()),
            // The text may be gone.
            Deed::Comment(text) => drop(session.add_comment(member, text)),
            Deed::Resolve(number) => {
                let threads = session.comments.threads.get_untracked();
                if let Some(thread) = threads.get(number % threads.len().max(1)) {
                    session
                        .resolve(member, &thread.id, thread.resolved_by.is_none())
                        .unwrap();
                }
            }
            Deed::Restore(number) => {
                let past = session.past().unwrap().sessions;
                if let Some(version) = past.get(number % past.len().max(1)) {
                    session.restore(&version.version);
                }
            }
        }
    }

    pub(super) fn end_composition(&mut self) {
        if std::mem::take(&mut self.composing) {
            hands::composed(&self.host);
            hands::pass(200);
        }
    }

    /// Does what the session asked of its worker.
    pub(super) fn store(&mut self) {
        self.answer(|desk, change| {
            desk.stored.apply_changes(std::slice::from_ref(&change)).unwrap();
            desk.log.push(change);
            Ok(Answer::Done)
        });
        self.send();
    }

    /// Hands the page over again, as it is stored. The lane that has ended takes nothing more.
    pub(super) fn reopen(&mut self, lane: Lane) {
        self.end_composition();
        if lane == Lane::Another {
            self.answer(|_, _| Err(Problem::LaneEnded));
            self.lanes += 1;
        }
        self.hand_page_over();
    }

    fn answer(&mut self, mut change: impl FnMut(&mut Self, Vec<u8>) -> Result<Answer, Problem>) {
        loop {
            let Some(bytes) = self.told.borrow_mut().pop_front() else {
                break;
            };
            let Ok(ToWorker::Command(request, command)) = envelope::decode(&bytes) else {
                continue;
            };
            let result = match command {
                Command::Change { change: made, .. } => change(self, made),
                Command::Cursor { cursor, .. } => {
                    self.cursor = cursor;
                    Ok(Answer::Done)
                }
                Command::Authors { .. } => Ok(Answer::Authors(Vec::new())),
                Command::OpenPage { .. } | Command::ClosePage { .. } => Ok(Answer::Done),
                other => panic!("asked for {other:?}"),
            };
            if result.is_ok() {
                self.upto = Some(request);
            }
            self.hand(Update::Answered { request, result });
        }
    }

    fn hand_page_over(&mut self) {
        let (classroom, document) = self.place;
        let mut actor = [self.lanes; 16];
        actor[0] = u8::try_from(self.number + 1).unwrap();
        let saved = self.stored.save().unwrap();
        self.hand(Update::Opened {
            classroom,
            document,
            saved,
            actor,
            upto: self.upto,
        });
        // What builds on changes that have not arrived is in no saved page.
        let waiting = self.stored.document().waiting();
        self.hand(Update::Changes {
            classroom,
            document,
            changes: waiting.into_iter().map(<[u8]>::to_vec).collect(),
        });
    }

    pub(super) fn connect(&mut self, connected: bool) {
        self.connected = connected;
        self.send();
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }

    fn send(&mut self) {
        if self.connected {
            self.sent = self.log.len();
        }
    }

    pub(super) fn has_of(&self, other: usize) -> usize {
        self.taken[other]
    }

    /// What it has sent behind so many changes, and its cursor.
    pub(super) fn gives(&self, known: usize, most: usize) -> (Vec<Vec<u8>>, Option<CursorRange>) {
        let changes = self.log[..self.sent].iter().skip(known).take(most);
        (changes.cloned().collect(), self.cursor.clone())
    }

    pub(super) fn take(&mut self, from: usize, changes: Vec<Vec<u8>>, cursor: Option<CursorRange>) {
        let (classroom, document) = self.place;
        self.taken[from] += changes.len();
        self.stored.apply_changes(&changes).unwrap();
        if !changes.is_empty() {
            self.hand(Update::Changes {
                classroom,
                document,
                changes,
            });
        }
        let person = Presence {
            id: from.to_string(),
            member: MemberId([u8::try_from(from).unwrap(); 32]),
            name: format!("Person {from}"),
            colour: 0,
            cursor,
        };
        self.hand(Update::Presence {
            classroom,
            document,
            people: vec![person],
        });
    }

    /// Whether nothing of its own is left to store, and nothing of others to take.
    pub(super) fn is_done(&self, desks: &[Desk]) -> bool {
        let durable = self
            .session
            .with_draft(|draft| draft.is_durable() && !draft.has_held_back());
        let everything = desks
            .iter()
            .zip(&self.taken)
            .all(|(other, taken)| other.number == self.number || other.log.len() == *taken);
        durable == Some(true) && everything && self.told.borrow().is_empty()
    }

    pub(super) fn look(&self) -> Look {
        read_json(&hands::look(&self.host))
    }

    pub(super) fn title(&self) -> String {
        self.session.title.get_untracked()
    }

    pub(super) fn content(&self) -> Content {
        self.session
            .with_draft(|draft| Content::of(draft.page()))
            .unwrap()
    }

    pub(super) fn save(&self) -> Vec<u8> {
        self.session.with_draft(|draft| draft.save().unwrap()).unwrap()
    }

    fn hand(&self, update: Update) {
        let bytes = envelope::encode(&FromWorker::Update(Box::new(update))).unwrap();
        let event = Object::new();
        Reflect::set(&event, &"data".into(), &Uint8Array::from(bytes.as_slice())).unwrap();
        let take: js_sys::Function = Reflect::get(&self.worker, &"onmessage".into())
            .unwrap()
            .unchecked_into();
        take.call1(&JsValue::NULL, &event).unwrap();
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.session.editor.take();
        self.host.remove();
    }
}

fn pair((block, offset): (u32, u32)) -> js_sys::Array {
    js_sys::Array::of2(&block.into(), &offset.into())
}

fn read_json<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_wasm_bindgen::from_value(js_sys::JSON::parse(text).unwrap()).unwrap()
}

/// `app/editor/test/hands.ts`
pub(super) mod hands {
    use wasm_bindgen::prelude::*;
    use wasm_bindgen_futures::JsFuture;
    use web_sys::HtmlElement;

    /// Where the browser finds them, among the files of this package.
    const SCRIPT: &str = "/editor/dist/hands.js";
    const STYLES: &str = "/editor/dist/main.css";

    pub(in super::super) async fn load() {
        let import = js_sys::Function::new_no_args(&format!(
            "const link = Object.assign(document.createElement('link'), {{ rel: 'stylesheet', href: '{STYLES}' }});
            document.head.append(link);
            const styled = new Promise((resolve, reject) => Object.assign(link, {{ onload: resolve, onerror: reject }}));
            return Promise.all([styled, import('{SCRIPT}')]);"
        ));
        let loading: js_sys::Promise = import.call0(&JsValue::NULL).unwrap().unchecked_into();
        JsFuture::from(loading)
            .await
            .expect("`npm run build:hands` in app/editor makes it");
    }

    #[wasm_bindgen(js_namespace = meridianHands)]
    extern "C" {
        pub(in super::super) fn begin();
        pub(in super::super) fn rest() -> js_sys::Promise;
        pub(in super::super) fn end();
        pub(in super::super) fn pass(milliseconds: u32);
        pub(in super::super) fn troubles() -> String;
        pub(in super::super) fn replacements() -> u32;
        pub(super) fn look(host: &HtmlElement) -> String;
        pub(super) fn select(host: &HtmlElement, anchor: js_sys::Array, head: js_sys::Array);
        #[wasm_bindgen(js_name = "type")]
        pub(super) fn type_letter(host: &HtmlElement, letter: &str);
        pub(super) fn insert(host: &HtmlElement, text: &str);
        pub(super) fn press(host: &HtmlElement, keys: &str);
        pub(super) fn take(host: &HtmlElement, how: &str);
        pub(super) fn paste(host: &HtmlElement, html: Option<&str>);
        pub(super) fn compose(host: &HtmlElement, text: &str);
        pub(super) fn composed(host: &HtmlElement);
    }
}
