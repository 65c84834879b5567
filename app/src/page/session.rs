//! A page while it is open: takes the editor's edits in at once, makes changes of them now and then, and shows those of others.

mod brought_pictures;
pub(crate) mod comments;
#[cfg(test)]
mod convergence;
mod files;
mod pictures;
mod suggestions;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use documents::change::{self, Hash};
use documents::document::Actor;
use documents::page::edit::{Edit, Point};
use leptos::prelude::*;
use replica::command::{Answer, Command, CursorRange, Problem};
use replica::view::{Presence, Work};
use wasm_bindgen::JsValue;
use web_sys::{Blob, File, HtmlElement, HtmlImageElement};

use self::comments::Comments;
use self::pictures::Picturing;
use super::block_menu::block_menu;
use super::draft::Draft;
use super::editor::{Editor, EditorCommand, Formatting, Found, Listener, Picture, RemoteCursor, Selection};
use super::pictures::Pictures;
use super::reading::Written;
use super::versions::Unseen;
use super::{pace, pieces, seen};
use crate::components::avatar::shown_name;
use crate::languages;
use crate::link::{Link, PageUpdate, Place};
use crate::messages::say;
use crate::sync::LocalWork;

pub(crate) use files::{Brought, NotBrought};
pub(crate) use pictures::{NotKept, Subject};

/// One open page. It lives on after its screen until everything typed is durable.
pub(crate) struct Session {
    link: Link,
    sessions: Sessions,
    place: Place,
    draft: RefCell<Option<Draft>>,
    editor: RefCell<Option<Rc<Editor>>>,
    on_screen: Cell<bool>,
    flush: Cell<Option<TimeoutHandle>>,
    /// A flush came due while a change was on its way to storage.
    flush_is_due: Cell<bool>,
    /// Counts up when changes are handed over anew: answers to the earlier handing over don't count.
    handing_over: Cell<u32>,
    /// The device could not store the oldest change: it is tried again.
    failed: Cell<bool>,
    selection: Cell<Option<Selection>>,
    cursor_timer: Cell<Option<TimeoutHandle>>,
    /// When changes of others are taken in next, since taking the last ones in took long.
    rest: Cell<Option<TimeoutHandle>>,
    /// How long taking the last ones in took, in milliseconds, and when that was.
    took: Cell<(f64, f64)>,
    /// When this person last typed, in milliseconds since 1970.
    typed: Cell<f64>,
    /// Who is there, as heard while this person types and not shown yet.
    people_due: RefCell<Option<Vec<Presence>>>,
    /// Whether a timer waits for this person to pause.
    awaits_pause: Cell<bool>,
    /// When each of the others last wrote, in milliseconds since 1970.
    writers: RefCell<HashMap<Vec<u8>, f64>>,
    /// What this person saw last, until they look at the text.
    seen: RefCell<Option<Vec<Hash>>>,
    pub(crate) phase: ArcRwSignal<Phase>,
    pub(crate) title: ArcRwSignal<String>,
    pub(crate) people: ArcRwSignal<Vec<Presence>>,
    pub(crate) formatting: ArcRwSignal<Formatting>,
    pub(crate) comments: Comments,
    pub(crate) pictures: Rc<Pictures>,
    pub(crate) picturing: Picturing,
    pub(crate) unseen: ArcRwSignal<Option<Unseen>>,
    /// What is looked for was found so often; none when nothing is.
    pub(crate) found: ArcRwSignal<Option<Found>>,
    /// Told whenever the text becomes another one, by whomever.
    pub(crate) written: ArcTrigger,
    /// What others wrote last.
    pub(crate) written_by_others: ArcRwSignal<Option<Written>>,
}

/// How far a page has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Opening,
    /// The page is known, its content has not arrived.
    NotHere,
    Ready,
    /// The replica can't open it.
    Failed(Problem),
    /// What the replica gave is no page.
    Broken,
}

/// The open pages of this tab. Copies are the same.
#[derive(Clone, Copy)]
pub(crate) struct Sessions(StoredValue<HashMap<Place, Rc<Session>>, LocalStorage>);

impl Sessions {
    pub(crate) fn new() -> Self {
        Self(StoredValue::new_local(HashMap::new()))
    }

    /// Opens a page, or goes on with it if its last edits are still on their way to storage.
    pub(crate) fn open(self, link: Link, place: Place) -> Rc<Session> {
        let session = self
            .0
            .with_value(|open| open.get(&place).cloned())
            .unwrap_or_else(|| {
                let session = Session::start(link, self, place);
                self.0.update_value(|open| {
                    open.insert(place, session.clone());
                });
                session
            });
        session.on_screen.set(true);
        session
    }

    /// Makes changes of everything that was typed, in all pages: the tab may go away.
    pub(crate) fn flush(self) {
        let open: Vec<Rc<Session>> = self.0.with_value(|open| open.values().cloned().collect());
        for session in open {
            session.flush();
        }
    }

    /// The tab came to the front, or went from it: what comes meanwhile nobody sees.
    pub(crate) fn turn(self, is_in_front: bool) {
        let open: Vec<Rc<Session>> = self.0.with_value(|open| open.values().cloned().collect());
        for session in open {
            if is_in_front {
                session.seen.replace(seen::heads_on(&session.place));
                session.look_for_unseen();
            } else {
                session.note_seen();
            }
        }
    }
}

impl Session {
    fn start(link: Link, sessions: Sessions, place: Place) -> Rc<Self> {
        let session = Rc::new(Self {
            link,
            sessions,
            place,
            draft: RefCell::default(),
            editor: RefCell::default(),
            on_screen: Cell::new(true),
            flush: Cell::default(),
            flush_is_due: Cell::default(),
            handing_over: Cell::default(),
            selection: Cell::default(),
            cursor_timer: Cell::default(),
            rest: Cell::default(),
            took: Cell::default(),
            typed: Cell::new(f64::NEG_INFINITY),
            people_due: RefCell::new(None),
            awaits_pause: Cell::new(false),
            writers: RefCell::default(),
            seen: RefCell::new(seen::heads_on(&place)),
            phase: ArcRwSignal::new(Phase::Opening),
            title: ArcRwSignal::default(),
            people: ArcRwSignal::default(),
            formatting: ArcRwSignal::default(),
            comments: Comments::default(),
            pictures: Pictures::new(link, place),
            picturing: Picturing::default(),
            unseen: ArcRwSignal::default(),
            found: ArcRwSignal::default(),
            written: ArcTrigger::new(),
            written_by_others: ArcRwSignal::default(),
            failed: Cell::default(),
        });
        let listener = Rc::downgrade(&session);
        link.on_page(place, move |update| {
            if let Some(session) = listener.upgrade() {
                session.take(update);
            }
        });
        let (classroom, document) = place;
        let opened = Rc::downgrade(&session);
        link.ask(Command::OpenPage { classroom, document }, move |answer| {
            if let (Err(problem), Some(session)) = (answer, opened.upgrade()) {
                session.phase.set(Phase::Failed(problem));
            }
        });
        session
    }

    /// Puts the editor on the screen. Fails if its script did not load.
    pub(crate) fn show(self: &Rc<Self>, host: &HtmlElement, editable: bool) -> Result<(), JsValue> {
        self.editor.take();
        let Some(blocks) = self.with_draft(|draft| draft.blocks().to_vec()) else {
            return Ok(());
        };
        let names = (say().page(), say().item_done());
        let editor = Editor::mount(host, names, Some(&block_menu()), &blocks, editable, self)?;
        self.editor.replace(Some(Rc::new(editor)));
        self.show_cursors();
        self.dress_threads();
        if editable {
            self.settle_suggestions();
        }
        Ok(())
    }

    pub(crate) fn set_editable(&self, editable: bool) {
        if let Some(editor) = self.editor() {
            report(editor.set_editable(editable));
        }
    }

    /// The screen went away.
    pub(crate) fn leave(self: &Rc<Self>) {
        self.note_seen();
        self.editor.take();
        self.on_screen.set(false);
        self.compose(false);
        self.selection.set(None);
        self.flush();
        self.send_cursor();
        self.close_if_done();
    }

    pub(crate) fn command(&self, command: EditorCommand) {
        if let Some(editor) = self.editor() {
            report(editor.command(command));
        }
    }

    pub(crate) fn focus(&self) {
        if let Some(editor) = self.editor() {
            report(editor.focus());
        }
    }

    /// The languages that people here likely write in: what the page says already, and what they write where the schools are.
    pub(crate) fn languages(&self) -> Vec<String> {
        let of_page = self.with_draft(|draft| {
            let said = draft.blocks().iter().filter_map(|block| block.shape.language());
            let mut languages: Vec<String> = Vec::new();
            for language in said {
                if !languages.iter().any(|other| other == language) {
                    languages.push(language.to_owned());
                }
            }
            languages
        });
        let of_schools = self.link.classrooms.with_untracked(|classrooms| {
            let schools = classrooms.get(&self.place.0).map(|view| view.schools.as_slice());
            let countries = schools.unwrap_or_default().iter().map(|school| &school.country);
            countries
                .filter_map(|country| languages::of_country(country))
                .collect::<Vec<_>>()
        });
        of_page
            .unwrap_or_default()
            .into_iter()
            .chain(of_schools)
            .collect()
    }

    /// The person changed the title.
    pub(crate) fn set_title(self: &Rc<Self>, title: &str) {
        match self.with_draft(|draft| draft.set_title(title)) {
            Some(Ok(())) => {
                self.title.set(title.to_owned());
                self.edited();
            }
            Some(Err(error)) => {
                // Too long: the field shows again what is stored.
                leptos::logging::warn!("the title was not taken: {error}");
                self.title.notify();
                self.show_title();
            }
            None => {}
        }
    }

    /// Makes a change of what was typed since the last one, at once, and takes in what waited for that.
    pub(crate) fn flush(self: &Rc<Self>) {
        self.flush_own();
        if self.rest.get().is_none() {
            self.take_held_back();
        }
    }

    pub(super) fn flush_own(self: &Rc<Self>) {
        if let Some(timer) = self.flush.take() {
            timer.clear();
        }
        self.flush_is_due.set(false);
        self.with_draft(|draft| draft.commit(now()));
        self.place_threads();
        // After a failure the order must stay: the oldest is tried first.
        if !self.failed.get() {
            self.hand_over();
        }
    }

    fn take(self: &Rc<Self>, update: PageUpdate) {
        match update {
            PageUpdate::Opened { saved, actor, upto } => self.opened(&saved, actor, upto),
            PageUpdate::Changes(changes) => self.take_changes(changes),
            PageUpdate::Presence(people) => {
                self.people_due.replace(Some(people));
                self.show_people_in_pause();
            }
        }
    }

    /// A frame that shows others' cursors may come just before one's own next letter, which then waits for another one. So they
    /// are shown when this person pauses, or right behind a letter.
    fn show_people_in_pause(self: &Rc<Self>) {
        let Some(wait) = pace::until_pause(milliseconds() - self.typed.get()) else {
            return self.show_people();
        };
        if !self.awaits_pause.replace(true) {
            let session = self.clone();
            let look_again = move || {
                session.awaits_pause.set(false);
                if session.people_due.borrow().is_some() {
                    session.show_people_in_pause();
                }
            };
            set_timeout(look_again, wait);
        }
    }

    fn show_people_behind_letter(self: &Rc<Self>) {
        if self.people_due.borrow().is_some() {
            let session = self.clone();
            let painted = move || set_timeout(move || session.show_people(), std::time::Duration::ZERO);
            request_animation_frame(painted);
        }
    }

    fn show_people(&self) {
        let due = self.people_due.take();
        let news = due.filter(|due| self.people.with_untracked(|known| known != due));
        if let Some(people) = news {
            self.people.set(people);
            self.catch_up();
            self.show_cursors();
        }
    }

    fn opened(self: &Rc<Self>, saved: &[u8], actor: Actor, upto: Option<u32>) {
        if self.draft.borrow().is_some() {
            return self.rebuilt(saved, actor, upto);
        }
        match Draft::open(saved, actor) {
            Ok(draft) => {
                self.title.set(draft.page().title());
                self.draft.replace(Some(draft));
                self.read_threads();
                self.show_phase();
                self.look_for_unseen();
            }
            Err(error) => {
                leptos::logging::error!("the page can't be opened: {error}");
                self.phase.set(Phase::Broken);
            }
        }
    }

    /// The replica hands the page over again, to go on with that.
    fn rebuilt(self: &Rc<Self>, saved: &[u8], actor: Actor, upto: Option<u32>) {
        self.catch_up();
        let shown = self.with_draft(|draft| draft.blocks().to_vec());
        let rebuilt = self.with_draft(|draft| {
            // What is not handed over by now is made again, or goes with the next flush.
            draft.commit(now());
            draft.rebuild(saved, actor, upto)
        });
        if let Some(Err(error)) = rebuilt {
            leptos::logging::error!("the page can't be opened again: {error}");
            self.phase.set(Phase::Broken);
            return;
        }
        self.failed.set(false);
        self.show_title();
        self.read_threads();
        self.show_phase();
        if self.with_draft(|draft| draft.blocks().to_vec()) != shown {
            self.show_blocks();
        }
        self.flush_own();
        self.note_work();
    }

    /// Changes of others arrived. They wait while what is being typed here is about to become a change (it must, before
    /// theirs go in), and while the page rests from the last ones.
    fn take_changes(self: &Rc<Self>, changes: Vec<Vec<u8>>) {
        self.note_writers(&changes);
        self.with_draft(|draft| draft.hold_back(changes));
        if self.flush.get().is_none() && self.rest.get().is_none() {
            self.take_held_back();
        }
    }

    fn take_held_back(self: &Rc<Self>) {
        if self.with_draft(|draft| draft.has_held_back()) != Some(true) {
            return;
        }
        self.catch_up();
        self.flush_own();
        let begun = milliseconds();
        let writers = self.with_draft(|draft| draft.held_back_writers());
        let taken = self.with_draft(Draft::take_held_back);
        match taken {
            Some(Ok(remote)) => {
                for (index, error) in &remote.refused {
                    leptos::logging::warn!("change {index} was not taken: {error}");
                }
                if remote.title_changed {
                    self.show_title();
                }
                self.show_phase();
                self.written.notify();
                self.note_others(&remote.edits, writers.unwrap_or_default());
                match self.editor().map(|editor| editor.apply(&remote.edits)) {
                    Some(Err(error)) => {
                        leptos::logging::warn!("the editor could not follow: {error:?}");
                        self.show_blocks();
                    }
                    _ => self.show_cursors(),
                }
                if remote.threads_changed {
                    self.read_threads();
                } else if !remote.edits.is_empty() {
                    self.place_threads();
                }
                self.look_for_unseen();
            }
            Some(Err(error)) => {
                leptos::logging::error!("changes could not be taken: {error}");
                self.show_everything();
            }
            None => {}
        }
        let now = milliseconds();
        self.took.set((now - begun, now));
        self.rest();
    }

    /// On a long page taking changes in is slow: others' typing must not take all the time of this person's. False if there is no
    /// need to wait any more.
    fn rest(self: &Rc<Self>) -> bool {
        let now = milliseconds();
        let (took, at) = self.took.get();
        let rest = pace::rest(took, now - at, now - self.typed.get());
        let timer = rest.and_then(|rest| {
            let session = self.clone();
            let go_on = move || {
                session.rest.set(None);
                if !session.rest() && session.flush.get().is_none() {
                    session.take_held_back();
                }
            };
            set_timeout_with_handle(go_on, rest)
                .inspect_err(report_error)
                .ok()
        });
        self.rest.set(timer);
        timer.is_some()
    }

    fn note_writers(&self, changes: &[Vec<u8>]) {
        let now = milliseconds();
        let mut writers = self.writers.borrow_mut();
        writers.retain(|_, wrote_at| now - *wrote_at < pace::WRITES_FOR);
        for change in changes {
            if let Ok(info) = change::inspect(change) {
                writers.insert(info.actor, now);
            }
        }
    }

    /// Something was typed: from now on the newest work is not durable.
    pub(super) fn edited(self: &Rc<Self>) {
        self.typed.set(milliseconds());
        self.show_people_behind_letter();
        self.note_work();
        self.written.notify();
        if self.with_draft(|draft| draft.is_full()) == Some(true) {
            self.flush();
        } else if self.flush.get().is_none() {
            self.note_writers(&[]);
            let session = self.clone();
            let is_online = untrack(|| self.link.is_online());
            let after = pace::flush_after(self.writers.borrow().len(), is_online);
            let timer = set_timeout_with_handle(move || session.flush_when_free(), after);
            self.flush.set(timer.inspect_err(report_error).ok());
        }
    }

    /// Waits for the change that is on its way to storage: a slow disk makes larger changes, not a longer queue.
    fn flush_when_free(self: &Rc<Self>) {
        self.flush.set(None);
        let busy = self.with_draft(|draft| draft.is_answered()) == Some(false);
        if busy {
            self.flush_is_due.set(true);
        } else {
            self.flush();
            if self.selection.get().is_some() {
                self.send_cursor_soon();
            }
        }
    }

    /// Gives the replica the changes that it was not given yet.
    fn hand_over(self: &Rc<Self>) {
        let (classroom, document) = self.place;
        let handing_over = self.handing_over.get();
        while let Some(change) = self
            .with_draft(|draft| draft.next_to_hand_over().cloned())
            .flatten()
        {
            let session = self.clone();
            let command = Command::Change {
                classroom,
                document,
                change,
            };
            let request = self.link.ask_numbered(command, move |request, answer| {
                if session.handing_over.get() != handing_over {
                    return;
                }
                match answer {
                    Err(problem) if problem != Problem::LaneEnded => session.keep_aside(request),
                    _ => session.answered(request, answer),
                }
            });
            self.with_draft(|draft| draft.handed_over(request));
        }
    }

    /// A change was not taken, for the page was locked, or the person may not write any more: the replica keeps it for them.
    fn keep_aside(self: &Rc<Self>, request: u32) {
        // In a copy of the page that came since then it is made again.
        let Some(change) = self.with_draft(|draft| draft.change_of(request)).flatten() else {
            return;
        };
        let (classroom, document) = self.place;
        let handing_over = self.handing_over.get();
        let session = self.clone();
        let command = Command::KeepAside {
            classroom,
            document,
            change,
        };
        let again = self.link.ask_numbered(command, move |request, answer| {
            if session.handing_over.get() == handing_over {
                session.answered(request, answer);
            }
        });
        self.with_draft(|draft| draft.handed_over_again(request, again));
    }

    fn answered(self: &Rc<Self>, request: u32, answer: Result<Answer, Problem>) {
        match answer {
            Ok(_) => {
                self.with_draft(|draft| draft.answered(request));
                self.failed.set(false);
                if self.flush_is_due.get() {
                    self.flush();
                }
            }
            // A fresh copy of the page follows, in which the edits are made again.
            Err(Problem::LaneEnded) => {
                self.with_draft(|draft| draft.refused(request));
            }
            Err(problem) => {
                self.forget_handing_over();
                self.failed.set(true);
                self.link.problem.set(Some(problem));
                let session = self.clone();
                set_timeout(move || session.try_again(), pace::RETRY);
            }
        }
        self.note_work();
        self.close_if_done();
    }

    fn try_again(self: &Rc<Self>) {
        // A page that was handed over again has seen to them already.
        if self.failed.get() {
            self.forget_handing_over();
            self.hand_over();
        }
    }

    fn forget_handing_over(&self) {
        self.handing_over.set(self.handing_over.get().wrapping_add(1));
        self.with_draft(Draft::forget_handing_over);
    }

    /// Tells the status where this page's newest edit is.
    fn note_work(&self) {
        let durable = self.with_draft(|draft| draft.is_durable()) != Some(false);
        let work = if self.failed.get() {
            Some(LocalWork::NotSaved)
        } else if !durable {
            Some(LocalWork::Saving)
        } else {
            // Until a view counts the edit, the view before must not be believed.
            let noted = self
                .link
                .local_work
                .with_untracked(|work| work.contains_key(&self.place));
            (noted && self.view_says_on_the_relay()).then_some(LocalWork::Durable)
        };
        self.link.note_local_work(self.place, work);
    }

    fn view_says_on_the_relay(&self) -> bool {
        let (classroom, document) = self.place;
        self.link.classrooms.with_untracked(|classrooms| {
            let documents = classrooms.get(&classroom).map(|classroom| &classroom.documents);
            documents
                .and_then(|documents| documents.iter().find(|other| other.id == document))
                .is_some_and(|document| document.work == Work::OnTheRelay)
        })
    }

    fn close_if_done(self: &Rc<Self>) {
        let done = self.with_draft(|draft| draft.is_durable()) != Some(false);
        if self.on_screen.get() || !done {
            return;
        }
        let (classroom, document) = self.place;
        self.link.forget_page(&self.place);
        self.link.tell(Command::ClosePage { classroom, document });
        self.sessions.0.update_value(|open| {
            open.remove(&self.place);
        });
    }

    fn compose(self: &Rc<Self>, active: bool) {
        self.with_draft(|draft| draft.compose(active));
        if !active && self.rest.get().is_none() {
            self.take_held_back();
        }
    }

    fn send_cursor_soon(self: &Rc<Self>) {
        if self.cursor_timer.get().is_some() {
            return;
        }
        let session = self.clone();
        let timer = set_timeout_with_handle(
            move || {
                session.cursor_timer.set(None);
                session.send_cursor();
            },
            pace::CURSOR,
        );
        self.cursor_timer.set(timer.inspect_err(report_error).ok());
    }

    fn send_cursor(self: &Rc<Self>) {
        // Others can't find a place in text that they don't have yet: the flush sends the cursor after it.
        if self.with_draft(|draft| draft.is_edited()) == Some(true) {
            return;
        }
        let (classroom, document) = self.place;
        let cursor = self
            .selection
            .get()
            .and_then(|selection| self.cursor_of(selection));
        self.link.tell(Command::Cursor {
            classroom,
            document,
            cursor,
        });
    }

    fn cursor_of(&self, selection: Selection) -> Option<CursorRange> {
        self.with_draft(|draft| {
            let at = |point: Point| draft.page().cursor_at(point.block, point.offset).ok();
            Some(CursorRange {
                anchor: at(selection.anchor)?,
                head: at(selection.head)?,
            })
        })
        .flatten()
    }

    fn show_cursors(&self) {
        let Some(editor) = self.editor() else { return };
        let cursors = self.with_draft(|draft| {
            let point = |cursor: &str| {
                let (block, offset) = draft.page().position_of(cursor)?;
                Some(Point { block, offset })
            };
            self.people.with_untracked(|people| {
                people
                    .iter()
                    .filter_map(|person| {
                        let cursor = person.cursor.as_ref()?;
                        Some(RemoteCursor {
                            id: person.id.clone(),
                            name: shown_name(&person.name),
                            color: person.colour,
                            anchor: point(&cursor.anchor)?,
                            head: point(&cursor.head)?,
                        })
                    })
                    .collect::<Vec<_>>()
            })
        });
        report(editor.set_cursors(&cursors.unwrap_or_default()));
    }

    /// Has the editor tell what it shows and the page does not hold yet, before something else is drawn.
    pub(super) fn catch_up(&self) {
        if let Some(editor) = self.editor() {
            report(editor.catch_up());
        }
    }

    fn show_everything(self: &Rc<Self>) {
        self.show_title();
        self.read_threads();
        self.show_phase();
        self.show_blocks();
    }

    pub(super) fn show_title(&self) {
        if let Some(title) = self.with_draft(|draft| draft.page().title()) {
            self.title.set(title);
        }
    }

    /// What this person saw last, as long as they have not looked at the text.
    pub(super) fn seen(&self) -> Option<Vec<Hash>> {
        self.seen.borrow().clone()
    }

    /// Notes what is shown as seen.
    fn note_seen(&self) {
        if self.editor.borrow().is_some()
            && let Some(heads) = self.with_draft(|draft| draft.page().document().newest())
        {
            seen::note_heads(&self.place, &heads);
        }
    }

    fn show_phase(&self) {
        let present = self.with_draft(|draft| draft.page().is_present()) == Some(true);
        let phase = if present { Phase::Ready } else { Phase::NotHere };
        if self.phase.get_untracked() != phase {
            self.phase.set(phase);
        }
    }

    fn show_blocks(&self) {
        self.written.notify();
        let blocks = self.with_draft(|draft| draft.blocks().to_vec());
        if let (Some(editor), Some(blocks)) = (self.editor(), blocks) {
            report(editor.reset(&blocks));
            self.show_cursors();
        }
    }

    /// Shows the document again as it is, when the editor is done with what it is doing.
    pub(super) fn show_blocks_soon(self: &Rc<Self>) {
        let session = self.clone();
        set_timeout(move || session.show_blocks(), std::time::Duration::ZERO);
    }

    /// The editor, without keeping it borrowed: it calls back while it works.
    pub(super) fn editor(&self) -> Option<Rc<Editor>> {
        self.editor.borrow().clone()
    }

    pub(super) fn with_draft<T>(&self, work: impl FnOnce(&mut Draft) -> T) -> Option<T> {
        self.draft.borrow_mut().as_mut().map(work)
    }
}

impl Listener for Session {
    fn edited(self: Rc<Self>, edits: Vec<Edit>) {
        let batches = pieces::in_batches(edits, pace::MOST_PENDING);
        let several = batches.len() > 1;
        for batch in batches {
            if let Some(Err(error)) = self.with_draft(|draft| draft.edit(&batch)) {
                leptos::logging::error!("an edit was not taken: {error}");
                self.show_blocks_soon();
                break;
            }
            if several {
                // Only one's own: the editor shows all batches already, the document does not.
                self.flush_own();
            }
        }
        Session::edited(&self);
    }

    fn selected(self: Rc<Self>, selection: Option<Selection>) {
        if selection.is_some() {
            // From now on they see what comes as it comes.
            self.seen.take();
        }
        if self.selection.replace(selection) != selection {
            self.send_cursor_soon();
        }
    }

    fn formatted(self: Rc<Self>, formatting: Formatting) {
        if self.formatting.with_untracked(|known| *known != formatting) {
            self.follow_caret(&formatting);
            self.formatting.set(formatting);
        }
    }

    fn composing(self: Rc<Self>, active: bool) {
        self.compose(active);
    }

    fn found(self: Rc<Self>, found: Option<Found>) {
        self.found.set(found);
    }

    fn lost(self: Rc<Self>) {
        self.show_blocks_soon();
    }

    fn show_picture(self: Rc<Self>, address: &str, image: &HtmlImageElement) {
        self.pictures.show(address, image);
    }

    fn ask_for_picture(self: Rc<Self>) {
        Session::ask_for_picture(&self);
    }

    fn files(self: Rc<Self>, files: Vec<File>) {
        self.ask_for_files(files);
    }

    async fn attach(self: Rc<Self>, picture: Blob) -> Option<Picture> {
        self.keep_file(&picture).await.ok()
    }
}

/// Seconds since 1970, by this device's clock.
pub(super) fn now() -> i64 {
    // Whole seconds fit for the next two hundred million years.
    #[allow(clippy::cast_possible_truncation)]
    let seconds = (milliseconds() / 1000.0) as i64;
    seconds
}

/// Milliseconds since 1970, by this device's clock.
fn milliseconds() -> f64 {
    js_sys::Date::now()
}

pub(super) fn report(result: Result<(), JsValue>) {
    if let Err(error) = result {
        report_error(&error);
    }
}

fn report_error(error: &JsValue) {
    leptos::logging::error!("{error:?}");
}
