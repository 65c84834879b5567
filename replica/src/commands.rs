//! What a person asks, carried out.

use documents::classroom::{Kind, Listing};
use documents::page::Page;
use protocol::mischief::{Mischief, does};
use protocol::rand_core::CryptoRng;
use protocol::segment::Log;
use protocol::{ClassroomId, DocumentId, MemberId, SpaceId};

use crate::Replica;
use crate::classroom::{Classroom, Content, Copy, Held};
use crate::command::{Answer, Command, Problem};
use crate::store::{self, Table};

impl<R: CryptoRng> Replica<R> {
    pub(crate) fn command(&mut self, request: u32, command: Command) {
        let done = |replica: &mut Self, result: Result<(), Problem>| {
            replica.answer(request, result.map(|()| Answer::Done));
        };
        let result = match command {
            Command::Found {
                classroom_name,
                profile,
            } => self.found(request, &classroom_name, &profile),
            Command::FoundToken { classroom, token } => {
                let result = self.found_token(&classroom, token);
                done(self, result);
                Ok(())
            }
            Command::Preview { link } => self.preview(request, &link),
            Command::Join { link, profile } => self.join(request, &link, &profile),
            Command::NewPage { classroom, space } => self.new_page(request, &classroom, space),
            Command::StartAnew { classroom, document } => self.start_anew(request, classroom, document),
            Command::OpenPage { classroom, document } => {
                let result = self.open_page(&classroom, document);
                done(self, result);
                Ok(())
            }
            Command::ClosePage { classroom, document } => {
                self.close_page(&classroom, &document);
                done(self, Ok(()));
                Ok(())
            }
            Command::Change {
                classroom,
                document,
                change,
            } => self.change(request, &classroom, document, change),
            Command::KeepAside {
                classroom,
                document,
                change,
            } => self.keep_late(request, &classroom, document, change),
            Command::Cursor {
                classroom,
                document,
                cursor,
            } => {
                let result = self.move_cursor(&classroom, document, cursor);
                done(self, result);
                Ok(())
            }
            Command::Authors { classroom, document } => {
                let authors = self.authors(&classroom, document);
                self.answer(request, authors.map(Answer::Authors));
                Ok(())
            }
            Command::KeptAside { classroom, skip } => {
                let listed = self.list_aside(&classroom, skip);
                self.answer(request, listed.map(Answer::KeptAside));
                Ok(())
            }
            Command::ExportAside { classroom } => self.export_aside(request, &classroom),
            Command::Attach {
                classroom,
                document,
                content,
            } => self.attach(request, &classroom, document, &content),
            Command::Attachment {
                classroom,
                document,
                address,
            } => self.look_at_attachment(request, classroom, document, &address),
            Command::VerifyHistory { classroom, document } => {
                self.verify_history(request, &classroom, document)
            }
            Command::Card => {
                let words = self.me.as_ref().map(|me| me.seed.to_words());
                self.answer(request, words.map(Answer::Card).ok_or(Problem::Internal));
                Ok(())
            }
            Command::CardKept => self.card_kept(request),
            Command::Export { classroom } => self.export(request, classroom),
            Command::Import { import, part, last } => self.import(request, import, &part, last),
            Command::DeleteUnopened { classroom } => {
                self.delete_unopened(request, &classroom);
                Ok(())
            }
            Command::Invite { .. }
            | Command::EndInvite { .. }
            | Command::Approve { .. }
            | Command::Decline { .. }
            | Command::ChangeRole { .. }
            | Command::Remove { .. }
            | Command::Leave { .. }
            | Command::RotateKeys { .. }
            | Command::NewSpace { .. }
            | Command::Lock { .. }
            | Command::Close { .. } => self.roster_command(request, command),
        };
        if let Err(problem) = result {
            self.answer(request, Err(problem));
        }
    }

    /// Makes a page: its own first change, then its place in the classroom's list.
    fn new_page(&mut self, request: u32, id: &ClassroomId, space: Option<SpaceId>) -> Result<(), Problem> {
        let me = self.me.as_ref().ok_or(Problem::NotAllowed)?;
        let member = me.keys.id();
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        classroom.check_writer(&member, &classroom.roster.document())?;
        let space = space.unwrap_or(SpaceId::EVERYONE);
        if !classroom.roster.is_in_space(&member, &space) || classroom.sealing(&member, &space).is_none() {
            return Err(Problem::NotAllowed);
        }
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        let document = DocumentId(bytes);
        let seconds = self.seconds();

        let log = Log {
            document,
            member,
            lane: self.lane,
        };
        let mut page = Page::new(log.actor()).map_err(|_| Problem::Internal)?;
        let first = page.commit(seconds).ok_or(Problem::Internal)?;
        let classroom = self.classrooms.get_mut(id).ok_or(Problem::UnknownClassroom)?;
        let own = Log {
            document: classroom.roster.document(),
            ..log
        };
        let listing = Listing {
            kind: Kind::Page,
            created_by: member.0,
            created_at: seconds,
            space: (space != SpaceId::EVERYONE).then_some(space.0),
        };
        let listed = classroom
            .edit_own_document(own.actor(), seconds, |list| {
                list.add_document(document.0, &listing)
            })
            .ok()
            .flatten()
            .ok_or(Problem::Internal)?;

        classroom.documents.insert(
            document,
            Copy::Here(Held::new(Content::open(page.into_document(), false))),
        );
        classroom.titles.insert(document, String::new());
        classroom.spaces.insert(document, space);
        self.writes
            .next()
            .put(Table::Titles, store::document_key(id, &document), &String::new())
            .map_err(|_| Problem::Internal)?;
        self.touched(id, &document);
        self.touched(id, &own.document);
        self.keep_change(id, log, first, None)?;
        self.keep_change(id, own, listed, Some((request, Answer::Document(document))))
    }

    fn open_page(&mut self, id: &ClassroomId, document: DocumentId) -> Result<(), Problem> {
        if !self.knows_page(id, &document) {
            return Err(Problem::UnknownDocument);
        }
        let classroom = self.classrooms.get_mut(id).ok_or(Problem::UnknownClassroom)?;
        if classroom.roster.document() == document || classroom.roster.erased(&document).is_some() {
            return Err(Problem::UnknownDocument);
        }
        classroom.open.insert(document);
        match classroom.documents.get(&document) {
            Some(Copy::Here(_)) => self.show_page(id, document),
            Some(Copy::Away | Copy::Loading { .. }) => self.load_for_tab(id, document),
            // Listed, and not arrived: it is shown once it is.
            None => {
                let empty = Copy::Here(Held::new(Content::empty(false)));
                classroom.documents.insert(document, empty);
                self.show_page(id, document);
            }
        }
        self.go_to(*id, document, None, true);
        self.show_people_on(id, document);
        Ok(())
    }

    fn close_page(&mut self, id: &ClassroomId, document: &DocumentId) {
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.open.remove(document);
        }
        if self.place.as_ref().is_some_and(|(_, place, _)| place == document) {
            self.place = None;
            self.announce(id, false);
        }
    }

    /// A change of the tab to an open page.
    fn change(
        &mut self,
        request: u32,
        id: &ClassroomId,
        document: DocumentId,
        change: Vec<u8>,
    ) -> Result<(), Problem> {
        let log = self.log_of(document).ok_or(Problem::NotAllowed)?;
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        classroom.check_writer(&log.member, &document)?;
        self.take_change(request, id, log, change)
    }

    /// Takes a change of the tab, whether it counts or not: nothing has happened if it can't be sealed.
    pub(crate) fn take_change(
        &mut self,
        request: u32,
        id: &ClassroomId,
        log: Log,
        change: Vec<u8>,
    ) -> Result<(), Problem> {
        let document = log.document;
        let info = documents::change::inspect(&change).map_err(|_| Problem::Internal)?;
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        let space = classroom.space_of(&document);
        if classroom.sealing(&log.member, &space).is_none() {
            return Err(Problem::NotAllowed);
        }
        if info.actor != log.actor() && !does(Mischief::ActorIgnored) {
            // The tab was handed the page again, to go on with on another lane, or will be: there it makes this again.
            return Err(Problem::LaneEnded);
        }
        if !protocol::segment::fits([&change]) {
            return Err(Problem::TooLarge);
        }
        let classroom = self.classrooms.get_mut(id).ok_or(Problem::UnknownClassroom)?;
        match classroom.documents.get_mut(&document) {
            Some(Copy::Here(held)) => {
                let applied = held
                    .content
                    .apply_changes(std::slice::from_ref(&change))
                    .map_err(|_| Problem::Internal)?;
                if !applied.refused.is_empty() {
                    return Err(Problem::Internal);
                }
            }
            Some(Copy::Loading { later, .. }) => later.push(change.clone()),
            Some(Copy::Away) | None => return Err(Problem::UnknownDocument),
        }
        self.touched(id, &document);
        self.refresh_title(id, &document).map_err(|_| Problem::Internal)?;
        self.keep_change(id, log, change, Some((request, Answer::Done)))
    }

    /// The log that this tab writes a document with.
    pub(crate) fn log_of(&self, document: DocumentId) -> Option<Log> {
        Some(Log {
            document,
            member: self.me.as_ref()?.keys.id(),
            lane: self.lane,
        })
    }

    /// Notes that a document that is here has changed, so that it is stored whole some time.
    pub(crate) fn touched(&mut self, id: &ClassroomId, document: &DocumentId) {
        let now = self.now;
        if let Some(Copy::Here(held)) = self
            .classrooms
            .get_mut(id)
            .and_then(|classroom| classroom.documents.get_mut(document))
        {
            held.unsaved += 1;
            held.changed_at = now;
        }
    }
}

impl Classroom {
    /// Whether `member` may write in a document now.
    pub(crate) fn check_writer(&self, member: &MemberId, document: &DocumentId) -> Result<(), Problem> {
        let roster = &self.roster;
        let role = roster.member(member).ok_or(Problem::NotAllowed)?.role;
        let space = self.space_of(document);
        if !role.may_write()
            || !roster.is_in_space(member, &space)
            || self.sealing(member, &space).is_none()
            // A tab that still has it open hands over what it has, to be carried over; and what is erased here only is still there.
            || self.is_gone(document) && !self.open.contains(document)
        {
            return Err(Problem::NotAllowed);
        }
        if roster.closed() {
            return Err(Problem::Closed);
        }
        if roster.locked(document) && !role.is_staff() {
            return Err(Problem::Locked);
        }
        Ok(())
    }
}
