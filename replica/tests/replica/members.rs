//! Who comes, who goes and who may do what, among replicas of three schools.

use protocol::inventory::Inventory;
use protocol::key::EpochKey;
use protocol::roster::{Action, Entry, MAX_HEADS, Role, Rotation};
use protocol::{ClassroomId, DocumentId, EntryHash, MemberId, Refusal, SpaceId};
use replica::command::{Answer, Command, Problem};
use replica::store::Table;
use replica::view::Work;

use crate::rng::SeededRng;
use crate::tab::PageKey;
use crate::world::{Pair, World, person};

/// A lead at each of three schools, and a student at the second.
pub(crate) struct Schools {
    pub(crate) world: World,
    pub(crate) amina: usize,
    pub(crate) ben: usize,
    pub(crate) chao: usize,
    pub(crate) dora: usize,
    pub(crate) classroom: ClassroomId,
    pub(crate) page: PageKey,
}

impl Schools {
    pub(crate) async fn new(seed: &str) -> Self {
        Self::in_world(World::new(seed).await).await
    }

    pub(crate) async fn in_world(mut world: World) -> Self {
        let tabs: Vec<usize> = (0..4)
            .map(|_| {
                let profile = world.profile();
                world.open_tab(profile)
            })
            .collect();
        let [amina, ben, chao, dora] = tabs[..] else {
            panic!("{tabs:?}")
        };
        let classroom = world.found(amina).await;
        let page = world.new_page(amina, classroom).await;
        for (tab, name, school, role) in [
            (ben, "Ben", "Hill School", Role::Lead),
            (chao, "Chao", "Third School", Role::Lead),
            (dora, "Dora", "Hill School", Role::Student),
        ] {
            let link = world.invite(amina, classroom, role).await;
            world.until_on_relay_of(amina).await;
            world.join(tab, &link, person(name, school, "GB")).await;
        }
        for tab in [amina, ben, chao, dora] {
            world.open_page(tab, page).await;
        }
        world.until_equal(page).await;
        Self {
            world,
            amina,
            ben,
            chao,
            dora,
            classroom,
            page,
        }
    }
}

pub(crate) fn me(world: &World, tab: usize) -> MemberId {
    world.tab(tab).home.as_ref().unwrap().me.unwrap()
}

fn role_of(world: &World, tab: usize, classroom: &ClassroomId, member: MemberId) -> Option<Role> {
    let members = &world.tab(tab).classroom(classroom).members;
    members
        .iter()
        .find(|shown| shown.id == member)
        .map(|shown| shown.role)
}

async fn until_role(
    world: &mut World,
    tabs: &[usize],
    id: ClassroomId,
    member: MemberId,
    role: Option<Role>,
) {
    world
        .until("a role is shown", |world| {
            tabs.iter().all(|tab| role_of(world, *tab, &id, member) == role)
        })
        .await;
}

/// Waits until these tabs show the same page, whoever else there is.
pub(crate) async fn until_same(world: &mut World, tabs: &[usize], page: PageKey, word: &str) {
    world
        .until("a word arrives", |world| {
            tabs.iter().all(|tab| {
                let tab = world.tab(*tab);
                tab.text(&page).contains(word) && tab.classroom(&page.0).work == Work::OnTheRelay
            })
        })
        .await;
}

#[tokio::test]
async fn a_student_is_removed_and_the_others_write_on_with_a_new_key() {
    let Schools {
        mut world,
        amina,
        ben,
        chao,
        dora,
        classroom,
        page,
    } = Schools::new("removed").await;
    let member = me(&world, dora);
    world.write_word(dora, page, "[before]");
    until_same(&mut world, &[amina, ben, chao], page, "[before]").await;
    assert_eq!(
        world
            .ask(
                dora,
                Command::Remove {
                    classroom,
                    member: me(&world, amina)
                }
            )
            .await,
        Err(Problem::NotAllowed)
    );
    assert_eq!(
        world.ask(amina, Command::Remove { classroom, member }).await,
        Ok(Answer::Done)
    );
    until_role(&mut world, &[amina, ben, chao], classroom, member, None).await;
    world.until_on_relay_of(amina).await;
    for (tab, word) in [(amina, "[a]"), (ben, "[b]"), (chao, "[c]")] {
        world.write_word(tab, page, word);
        until_same(&mut world, &[amina, ben, chao], page, word).await;
    }
    // What was written before stays; nothing is kept aside by those who belong.
    for tab in [amina, ben, chao] {
        assert!(world.tab(tab).text(&page).contains("[before]"));
        assert_eq!(world.tab(tab).classroom(&classroom).kept_aside, 0);
    }
    // The new key is read from the store as well.
    let ben = world.restart_tab(ben);
    world.open_page(ben, page).await;
    world.write_word(ben, page, "[again]");
    until_same(&mut world, &[amina, ben, chao], page, "[again]").await;
    // Dora reads what she had, and is told.
    world
        .until("she is told", |world| {
            world.tab(dora).classroom(&classroom).removed
        })
        .await;
    assert!(world.tab(dora).text(&page).contains("[before]"));
    let change = world
        .tab_mut(dora)
        .edit(&page, &[crate::tab::word_at((0, 0), "[late]")]);
    assert_eq!(world.ask(dora, change).await, Err(Problem::NotAllowed));
}

#[tokio::test]
async fn another_schools_lead_goes_only_if_most_schools_agree() {
    let Schools {
        mut world,
        amina,
        ben,
        chao,
        classroom,
        page,
        ..
    } = Schools::new("most schools").await;
    // The last of the three schools to come: the others have a say in it.
    let member = me(&world, chao);
    let remove = || Command::Remove { classroom, member };
    let rights = |world: &World, tab: usize| {
        let members = &world.tab(tab).classroom(&classroom).members;
        members
            .iter()
            .find(|shown| shown.id == member)
            .unwrap()
            .rights
            .clone()
    };
    assert!(rights(&world, amina).may_remove);
    assert_eq!(rights(&world, amina).consents_missing, 1);
    let agreed = Ok(Answer::Consented { have: 1, need: 2 });
    assert_eq!(world.ask(amina, remove()).await, agreed);
    // Once more says the same, and makes nothing new.
    assert_eq!(world.ask(amina, remove()).await, agreed);
    world
        .until("the other hears of it", |world| {
            rights(world, ben).consents_missing == 0
        })
        .await;
    assert_eq!(role_of(&world, ben, &classroom, member), Some(Role::Lead));
    assert_eq!(world.ask(ben, remove()).await, Ok(Answer::Done));
    until_role(&mut world, &[amina, ben], classroom, member, None).await;
    world.until_on_relay_of(ben).await;
    world.write_word(amina, page, "[after]");
    until_same(&mut world, &[amina, ben], page, "[after]").await;
}

/// A guest's name is heard only while both are there; of somebody who may write it stands where all read it.
#[tokio::test]
async fn a_guest_who_may_write_by_now_is_known_by_name() {
    let Pair {
        mut world,
        amina,
        classroom,
        ..
    } = Pair::new("promoted").await;
    let link = world.invite(amina, classroom, Role::Guest).await;
    world.until_on_relay_of(amina).await;
    let profile = world.profile();
    let carla = world.open_tab(profile);
    world
        .join(carla, &link, person("Carla", "Hill School", "GB"))
        .await;
    let member = me(&world, carla);
    let role = Role::Student;
    let promote = Command::ChangeRole {
        classroom,
        member,
        role,
    };
    world.until_on_relay_of(carla).await;
    until_role(&mut world, &[amina], classroom, member, Some(Role::Guest)).await;
    assert_eq!(world.ask(amina, promote).await, Ok(Answer::Done));
    until_role(&mut world, &[amina, carla], classroom, member, Some(role)).await;
    world.until_on_relay().await;
    // She is not here any more when somebody looks.
    world.cut(profile);
    let amina = world.restart_tab(amina);
    world
        .until("her name is known", |world| {
            let room = world.tab(amina).classrooms.get(&classroom);
            let mut members = room.into_iter().flat_map(|room| &room.members);
            members.any(|shown| shown.id == member && shown.name == "Carla")
        })
        .await;
}

#[tokio::test]
async fn roles_are_given_and_taken() {
    let Schools {
        mut world,
        amina,
        ben,
        dora,
        classroom,
        page,
        ..
    } = Schools::new("roles").await;
    let member = me(&world, dora);
    let change = |role| Command::ChangeRole {
        classroom,
        member,
        role,
    };
    // Only a lead of her own school makes her a teacher.
    assert_eq!(
        world.ask(amina, change(Role::Teacher)).await,
        Err(Problem::NotAllowed)
    );
    assert_eq!(world.ask(ben, change(Role::Teacher)).await, Ok(Answer::Done));
    until_role(
        &mut world,
        &[amina, ben, dora],
        classroom,
        member,
        Some(Role::Teacher),
    )
    .await;
    assert!(
        world
            .tab(dora)
            .classroom(&classroom)
            .spaces
            .contains(&SpaceId::STAFF)
    );

    // Teachers have pages of their own, which she reads from the beginning and writes in.
    let staff = match world
        .ask(
            amina,
            Command::NewPage {
                classroom,
                space: Some(SpaceId::STAFF),
            },
        )
        .await
    {
        Ok(Answer::Document(document)) => (classroom, document),
        other => panic!("{other:?}"),
    };
    for tab in [amina, dora] {
        world.open_page(tab, staff).await;
    }
    world.write_word(amina, staff, "[marks]");
    until_same(&mut world, &[amina, dora], staff, "[marks]").await;
    world.write_word(dora, staff, "[seen]");
    until_same(&mut world, &[amina, dora], staff, "[seen]").await;

    // A guest writes no more, and what she wrote stays.
    world.write_word(dora, page, "[taught]");
    until_same(&mut world, &[amina, ben, dora], page, "[taught]").await;
    assert_eq!(world.ask(ben, change(Role::Guest)).await, Ok(Answer::Done));
    until_role(
        &mut world,
        &[amina, ben, dora],
        classroom,
        member,
        Some(Role::Guest),
    )
    .await;
    let denied = world
        .tab_mut(dora)
        .edit(&page, &[crate::tab::word_at((0, 0), "[denied]")]);
    assert_eq!(world.ask(dora, denied).await, Err(Problem::NotAllowed));
    // Staff have a key that she does not.
    world.write_word(amina, staff, "[without her]");
    world.until_on_relay_of(amina).await;
    world.pass(3).await;
    assert!(!world.tab(dora).text(&staff).contains("[without her]"));
    assert!(world.tab(amina).text(&page).contains("[taught]"));
}

#[tokio::test]
async fn a_locked_page_is_written_in_by_leads_and_teachers_only() {
    let Schools {
        mut world,
        amina,
        dora,
        classroom,
        page,
        ..
    } = Schools::new("locked").await;
    let document = page.1;
    let lock = |locked| Command::Lock {
        classroom,
        document,
        locked,
    };
    let may_write = |world: &World| {
        let classroom = world.tab(dora).classroom(&classroom);
        let shown = classroom.documents.iter().find(|shown| shown.id == document);
        shown.map(|shown| (shown.locked, shown.may_write)).unwrap()
    };
    let unknown = Command::Lock {
        classroom,
        document: DocumentId([3; 16]),
        locked: true,
    };
    assert_eq!(world.ask(amina, unknown).await, Err(Problem::UnknownDocument));
    assert_eq!(world.ask(dora, lock(true)).await, Err(Problem::NotAllowed));
    assert_eq!(world.ask(amina, lock(true)).await, Ok(Answer::Done));
    world
        .until("it is locked", |world| may_write(world) == (true, false))
        .await;
    let denied = world
        .tab_mut(dora)
        .edit(&page, &[crate::tab::word_at((0, 0), "[denied]")]);
    assert_eq!(world.ask(dora, denied).await, Err(Problem::Locked));
    world.write_word(amina, page, "[lead]");
    world.until_on_relay_of(amina).await;
    assert_eq!(world.ask(amina, lock(false)).await, Ok(Answer::Done));
    world
        .until("it is open again", |world| may_write(world) == (false, true))
        .await;

    // The whole classroom.
    let close = |closed| Command::Close { classroom, closed };
    assert_eq!(world.ask(amina, close(true)).await, Ok(Answer::Done));
    world
        .until("it is closed", |world| {
            world.tab(dora).classroom(&classroom).closed
        })
        .await;
    let denied = world
        .tab_mut(amina)
        .edit(&page, &[crate::tab::word_at((0, 0), "[closed]")]);
    assert_eq!(world.ask(amina, denied).await, Err(Problem::Closed));
    assert_eq!(world.ask(amina, close(false)).await, Ok(Answer::Done));
    world
        .until("it is open", |world| may_write(world) == (false, true))
        .await;
}

#[tokio::test]
async fn who_leaves_is_followed_by_new_keys_that_nobody_had_to_ask_for() {
    let Schools {
        mut world,
        amina,
        ben,
        chao,
        dora,
        classroom,
        page,
    } = Schools::new("leaves").await;
    let (ben_is, dora_is) = (me(&world, ben), me(&world, dora));
    let before = world.tab(amina).submitted;
    let leave = |school| Command::Leave { classroom, school };
    // A lead takes the whole school along.
    assert_eq!(world.ask(ben, leave(true)).await, Ok(Answer::Done));
    for member in [ben_is, dora_is] {
        until_role(&mut world, &[amina, chao], classroom, member, None).await;
    }
    assert!(world.tab(ben).classroom(&classroom).removed);
    let rotated = |world: &World| world.tab(amina).submitted + world.tab(chao).submitted > before;
    for _ in 0..30 {
        world.pass(1).await;
    }
    assert!(rotated(&world), "nobody made new keys");
    world.write_word(chao, page, "[after]");
    until_same(&mut world, &[amina, chao], page, "[after]").await;
    // One of two leads may go, the last one not while somebody stays.
    let link = world.invite(chao, classroom, Role::Student).await;
    world.until_on_relay_of(chao).await;
    let fifth = world.profile();
    let eve = world.open_tab(fifth);
    world.join(eve, &link, person("Eve", "Third School", "CN")).await;
    world.until_on_relay_of(eve).await;
    assert_eq!(world.ask(amina, leave(false)).await, Ok(Answer::Done));
    let amina_is = me(&world, amina);
    until_role(&mut world, &[chao, eve], classroom, amina_is, None).await;
    assert_eq!(world.ask(chao, leave(false)).await, Err(Problem::LastLead));
    assert!(world.tab(dora).text(&page).is_empty());
}

/// Others may come, and a teacher makes no leads.
#[tokio::test]
async fn whoever_is_alone_goes_on_leading() {
    let mut world = World::new("alone").await;
    let profile = world.profile();
    let amina = world.open_tab(profile);
    let classroom = world.found(amina).await;
    let member = me(&world, amina);
    let command = Command::ChangeRole {
        classroom,
        member,
        role: Role::Teacher,
    };
    assert_eq!(world.ask(amina, command).await, Err(Problem::LastLead));
    assert_eq!(role_of(&world, amina, &classroom, member), Some(Role::Lead));
}

#[tokio::test]
async fn an_invite_is_ended() {
    let Pair {
        mut world,
        amina,
        ben,
        classroom,
        page,
    } = Pair::new("ended").await;
    let link = world.invite(amina, classroom, Role::Student).await;
    world.until_on_relay_of(amina).await;
    let shown = world.tab(amina).classroom(&classroom).invites.clone();
    assert_eq!(shown.len(), 2);
    assert!(shown.iter().all(|invite| invite.may_end && !invite.ask_first));
    let used: u32 = shown.iter().map(|invite| invite.used).sum();
    assert_eq!(used, 1);
    let unused = shown.iter().find(|invite| invite.used == 0).unwrap().id;
    let end = Command::EndInvite {
        classroom,
        invite: unused,
    };
    assert_eq!(world.ask(ben, end.clone()).await, Err(Problem::NotAllowed));
    assert_eq!(world.ask(amina, end.clone()).await, Ok(Answer::Done));
    assert_eq!(world.ask(amina, end).await, Err(Problem::NotAllowed));
    world.until_on_relay_of(amina).await;
    assert_eq!(world.tab(amina).classroom(&classroom).invites.len(), 1);
    let third = world.profile();
    let chao = world.open_tab(third);
    let looked = world.ask(chao, Command::Preview { link: link.clone() }).await;
    let joined = match looked {
        Ok(_) => {
            let profile = person("Chao", "Third School", "CN");
            world.ask(chao, Command::Join { link, profile }).await
        }
        refused => refused,
    };
    assert_eq!(joined, Err(Problem::Refused(Refusal::InviteEnded)));
    // Whoever kept the link reads nothing new.
    world.write_word(ben, page, "[new key]");
    until_same(&mut world, &[amina, ben], page, "[new key]").await;
}

#[tokio::test]
async fn a_group_has_pages_of_its_own() {
    let Schools {
        mut world,
        amina,
        ben,
        dora,
        classroom,
        ..
    } = Schools::new("group").await;
    let members = vec![me(&world, dora)];
    let space = match world.ask(ben, Command::NewSpace { classroom, members }).await {
        Ok(Answer::Space(space)) => space,
        other => panic!("{other:?}"),
    };
    world
        .until("both are in", |world| {
            [ben, dora]
                .iter()
                .all(|tab| world.tab(*tab).classroom(&classroom).spaces.contains(&space))
        })
        .await;
    assert!(!world.tab(amina).classroom(&classroom).spaces.contains(&space));
    let new = Command::NewPage {
        classroom,
        space: Some(space),
    };
    assert_eq!(world.ask(amina, new.clone()).await, Err(Problem::NotAllowed));
    let page = match world.ask(dora, new).await {
        Ok(Answer::Document(document)) => (classroom, document),
        other => panic!("{other:?}"),
    };
    for tab in [ben, dora] {
        world.open_page(tab, page).await;
    }
    world.write_word(dora, page, "[ours]");
    until_same(&mut world, &[ben, dora], page, "[ours]").await;
    let rotate = |space| Command::RotateKeys { classroom, space };
    assert_eq!(world.ask(dora, rotate(None)).await, Err(Problem::NotAllowed));
    assert_eq!(world.ask(ben, rotate(Some(space))).await, Ok(Answer::Done));
    world.until_on_relay_of(ben).await;
    world.write_word(ben, page, "[new]");
    until_same(&mut world, &[ben, dora], page, "[new]").await;
    let dora = world.restart_tab(dora);
    world.open_page(dora, page).await;
    until_same(&mut world, &[ben, dora], page, "[ours]").await;
}

#[tokio::test]
async fn new_keys_that_leave_out_who_came_meanwhile_are_made_again() {
    let mut script = crate::script::Script::new("left out").await;
    script.open(0).await;
    script.store_all_from(0).await;
    let before = u32::try_from(script.submitted.len()).unwrap();
    let author = script.author(Role::Student).await;
    script.store_all_from(before).await;
    let first = script.submitted.len();
    let classroom = script.classroom;
    let (document, locked) = (script.page.1, true);
    for command in [
        Command::RotateKeys {
            classroom,
            space: Some(SpaceId::EVERYONE),
        },
        Command::Lock {
            classroom,
            document,
            locked,
        },
    ] {
        assert_eq!(script.world.ask(script.tab, command).await, Ok(Answer::Done));
    }
    // What is written meanwhile does not hang on it.
    script.write_word("[meanwhile]");
    script.go().await;
    script.bring_entry(&author.admission).await;
    let number = u32::try_from(first).unwrap();
    script.refused(number, protocol::Refusal::LeavesOut).await;
    script.refused(number + 1, protocol::Refusal::UnknownParent).await;
    script.stored(number + 2).await;
    let again = script.entries();
    let [.., rotation, lock] = &again[..] else {
        panic!("{again:?}")
    };
    let recipients: Vec<_> = rotation.action().rotations()[0].recipients().copied().collect();
    assert_eq!(recipients.len(), 3, "the founder, the author and the invite");
    assert_eq!(lock.parents(), [rotation.hash()]);
    script.store_all_from(number + 3).await;
    assert_eq!(script.view().work, Work::OnTheRelay);
    assert_eq!((script.view().refused, script.view().kept_aside), (None, 0));
    script.write_word("[after]");
    script.go().await;
    let crate::script::Submitted::Segment(newest) = script.submitted.last().unwrap() else {
        panic!("no segment")
    };
    assert_eq!(
        (newest.header.epoch, &newest.header.roster[..]),
        (1, &[lock.hash()][..])
    );
    // It is all there after a restart.
    script.tab = script.world.restart_tab(script.tab);
    script.connect().await;
    script.open(40).await;
    assert_eq!(script.entries().len(), 0);
    assert!(script.view().documents[0].locked);
}

/// What another tab told of was taken for sent if it had to wait for an entry that this one did not have yet: then nothing
/// that it builds on was made again, nor ever sent.
#[tokio::test]
async fn what_another_tab_built_on_new_keys_is_made_again_with_them() {
    for knows_who_came in [true, false] {
        let mut script = crate::script::Script::new("built on").await;
        script.open(0).await;
        script.store_all_from(0).await;
        let before = u32::try_from(script.submitted.len()).unwrap();
        let author = script.author(Role::Student).await;
        script.store_all_from(before).await;
        let (classroom, document) = script.page;
        let rotate = Command::RotateKeys {
            classroom,
            space: Some(SpaceId::EVERYONE),
        };
        assert_eq!(script.world.ask(script.tab, rotate).await, Ok(Answer::Done));
        script.go().await;
        script.disconnect();
        // The other tab hears of both, and builds on them.
        let first = script.tab;
        script.tab = script.world.open_tab(0);
        script.connect().await;
        script.begin_open(40);
        script.bring_entry(&author.admission).await;
        let locked = true;
        let lock = Command::Lock {
            classroom,
            document,
            locked,
        };
        assert_eq!(script.world.ask(script.tab, lock).await, Ok(Answer::Done));
        script.go().await;
        script.world.crash_tab(script.tab);

        script.tab = first;
        script.connect().await;
        script.begin_open(40);
        if knows_who_came {
            script.bring_entry(&author.admission).await;
        }
        script.refused(0, protocol::Refusal::LeavesOut).await;
        if !knows_who_came {
            script.bring_entry(&author.admission).await;
        }
        script.caught_up().await;
        let again = script.entries();
        let [.., rotation, lock] = &again[..] else {
            panic!("{again:?}")
        };
        assert_eq!(rotation.action().rotations().len(), 1);
        assert_eq!(lock.parents(), [rotation.hash()]);
        script.store_all_from(1).await;
        assert_eq!(script.view().work, Work::OnTheRelay);
        assert_eq!((script.view().refused, script.view().kept_aside), (None, 0));
        assert!(script.view().documents[0].locked);
    }
}

/// What a tab built on new keys in its last moment, and told nobody of, waited for good for what another tab had made again.
#[tokio::test]
async fn what_a_tab_left_that_builds_on_what_was_made_again_is_made_again_at_the_next_start() {
    let mut script = crate::script::Script::new("orphans").await;
    script.open(0).await;
    script.store_all_from(0).await;
    let before = u32::try_from(script.submitted.len()).unwrap();
    let author = script.author(Role::Student).await;
    script.store_all_from(before).await;
    let first = u32::try_from(script.submitted.len()).unwrap();
    let (classroom, document) = script.page;
    let rotate = Command::RotateKeys {
        classroom,
        space: Some(SpaceId::EVERYONE),
    };
    assert_eq!(script.world.ask(script.tab, rotate).await, Ok(Answer::Done));
    script.go().await;
    let other = script.world.open_tab(0);
    script.go().await;
    let locked = true;
    let lock = Command::Lock {
        classroom,
        document,
        locked,
    };
    let members = Vec::new();
    let group = Command::NewSpace { classroom, members };
    for command in [lock, group] {
        script.world.give(other, command);
        while script.world.tab(other).writing.is_some() {
            script.world.step(crate::world::Step::Write(other)).await;
        }
    }
    script.world.tab_mut(script.tab).notes.clear();
    script.world.crash_tab(other);

    script.bring_entry(&author.admission).await;
    script.refused(first, protocol::Refusal::LeavesOut).await;
    let mut again = script.entries();
    let rotation = again.last().unwrap().hash();
    again.remove(again.len() - 2);
    script.store_all_from(first + 1).await;
    assert_eq!(script.view().work, Work::OnTheRelay);
    assert!(!script.view().documents[0].locked);

    let known = again.iter().chain([&author.admission]).map(Entry::hash);
    let has = Inventory {
        entries: known.chain([EntryHash(classroom.0)]).collect(),
        ..Inventory::default()
    };
    script.tab = script.world.restart_tab(script.tab);
    script.connect().await;
    script.open_by(5, 60, Some(has)).await;
    let made = script.entries();
    let [lock, group] = &made[..] else {
        panic!("{made:?}")
    };
    assert_eq!(lock.parents(), [rotation]);
    assert_eq!(group.parents(), [lock.hash()]);
    script.store_all_from(0).await;
    assert_eq!((script.view().refused, script.view().kept_aside), (None, 0));
    assert!(script.view().documents[0].locked);
    // Everyone's, that of staff, and the group.
    assert_eq!(script.view().spaces.len(), 3);
    // Nothing of what was given up stays.
    script.tab = script.world.restart_tab(script.tab);
    script.connect().await;
    script.open(60).await;
    assert_eq!(script.entries().len(), 0);
    let rows = script.world.store(0).table(Table::Classrooms);
    assert!(!rows.iter().any(|(key, _)| key[32..].starts_with(b"given up")));
}

/// Another tab would send what it hears of, and make it again as well: it hears of nothing that is in no store.
#[tokio::test]
async fn what_was_made_again_before_it_was_written_no_other_tab_hears_of() {
    let mut script = crate::script::Script::new("made again unwritten").await;
    script.open(0).await;
    script.store_all_from(0).await;
    let before = u32::try_from(script.submitted.len()).unwrap();
    let author = script.author(Role::Student).await;
    script.store_all_from(before).await;
    let first = u32::try_from(script.submitted.len()).unwrap();
    let (classroom, document) = script.page;
    let rotate = Command::RotateKeys {
        classroom,
        space: Some(SpaceId::EVERYONE),
    };
    assert_eq!(script.world.ask(script.tab, rotate).await, Ok(Answer::Done));
    script.go().await;
    let other = script.world.open_tab(0);
    script.go().await;
    script.bring_entry(&author.admission).await;
    // One is being written, the other waits for that.
    let (locked, closed) = (true, true);
    let lock = Command::Lock {
        classroom,
        document,
        locked,
    };
    script.world.give(script.tab, lock);
    script
        .world
        .give(script.tab, Command::Close { classroom, closed });
    assert!(script.world.tab(script.tab).writing.is_some());
    let told = script.world.tab(other).notes.len();
    script.say(&protocol::frame::RelayFrame::Refused {
        channel: script.channel,
        submission: first,
        reason: protocol::Refusal::LeavesOut,
    });
    while script.world.tab(script.tab).writing.is_some() {
        script.world.step(crate::world::Step::Write(script.tab)).await;
    }
    // Of the rotation, the lock and the closing, as they were made again.
    assert_eq!(script.world.tab(other).notes.len(), told + 3);
}

/// A whole class opens one link at the same moment: more come apart from each other than one entry can name. They write,
/// and whoever leads still acts, on those too whom an entry would not have named: a new key reaches everybody who stays,
/// and nobody else.
#[tokio::test]
async fn a_class_that_joins_at_once_is_led_and_gets_new_keys() {
    let mut world = World::new("a class at once").await;
    let profile = world.profile();
    let amina = world.open_tab(profile);
    let classroom = world.found(amina).await;
    let lead = world.invite(amina, classroom, Role::Lead).await;
    let student = world.invite(amina, classroom, Role::Student).await;
    world.until_on_relay_of(amina).await;
    let profile = world.profile();
    let ben = world.open_tab(profile);
    world.join(ben, &lead, person("Ben", "Hill School", "GB")).await;
    world.until_on_relay().await;
    let mut class = Vec::new();
    for number in 0..MAX_HEADS + 2 {
        let profile = world.profile();
        let tab = world.open_tab(profile);
        let link = student.clone();
        let preview = world.ask(tab, Command::Preview { link }).await;
        assert!(matches!(preview, Ok(Answer::Preview(_))), "{preview:?}");
        class.push((tab, profile, format!("Pupil {number}")));
    }
    for (_, profile, _) in &class {
        world.cut(*profile);
    }
    for (tab, _, name) in &class {
        let (link, profile) = (student.clone(), person(name, "Kilimo School", "KE"));
        let joined = world.ask(*tab, Command::Join { link, profile }).await;
        assert_eq!(joined, Ok(Answer::Classroom(classroom)));
    }
    for (_, profile, _) in &class {
        world.link(*profile);
    }
    let all = class.len() + 2;
    let members = |world: &World, tab: usize| {
        let classroom = world.tab(tab).classrooms.get(&classroom);
        classroom.map_or(0, |classroom| classroom.members.len())
    };
    world
        .until("all have met", |world| {
            world.is_on_relay() && world.all_tabs().all(|tab| members(world, tab) == all)
        })
        .await;

    let pages = |world: &World, tab: usize| world.tab(tab).classroom(&classroom).documents.len();
    world.new_page(class[0].0, classroom).await;
    world
        .until("all have the page", |world| {
            world.is_on_relay() && world.all_tabs().all(|tab| pages(world, tab) == 1)
        })
        .await;

    // For what may not be done nothing is said before.
    let entries = |world: &World| world.store(0).table(Table::Entries).len();
    let before = entries(&world);
    let request = EntryHash([1; 32]);
    let decline = Command::Decline { classroom, request };
    assert_eq!(world.ask(amina, decline).await, Err(Problem::NotAllowed));
    assert_eq!(entries(&world), before);

    // Each lead removes one, and one leaves by themselves.
    let (leaver, first, second) = (class[0].0, class[1].0, class[2].0);
    for (by, tab) in [(amina, first), (ben, second)] {
        let member = me(&world, tab);
        let remove = Command::Remove { classroom, member };
        assert_eq!(world.ask(by, remove).await, Ok(Answer::Done));
    }
    let leave = Command::Leave {
        classroom,
        school: false,
    };
    assert_eq!(world.ask(leaver, leave).await, Ok(Answer::Done));
    let staying: Vec<usize> = world
        .all_tabs()
        .filter(|tab| ![leaver, first, second].contains(tab))
        .collect();
    world
        .until("they are gone", |world| {
            staying.iter().all(|tab| members(world, *tab) == all - 3)
        })
        .await;
    // New keys follow for what the removals, made apart, could not know of each other.
    world.pass(30).await;
    world.until_on_relay_of(ben).await;
    world.new_page(ben, classroom).await;
    world
        .until("all who stay read what is new", |world| {
            staying
                .iter()
                .all(|tab| pages(world, *tab) == 2 && world.tab(*tab).classroom(&classroom).kept_aside == 0)
        })
        .await;
    for tab in [leaver, first, second] {
        assert_eq!(pages(&world, tab), 1);
    }
    // Roles are given to any of them, and others are invited.
    let (member, role) = (me(&world, class[3].0), Role::Guest);
    let change = Command::ChangeRole {
        classroom,
        member,
        role,
    };
    assert_eq!(world.ask(amina, change).await, Ok(Answer::Done));
    until_role(&mut world, &staying, classroom, member, Some(role)).await;
    world.invite(ben, classroom, Role::Student).await;
    world.until_on_relay_of(ben).await;
}

#[tokio::test]
async fn nothing_is_sealed_with_an_own_key_before_the_relay_has_it_though_another_has_the_same_epoch() {
    let mut script = crate::script::Script::new("own key").await;
    script.settle().await;
    let before = script.submitted.len();
    let author = script.author(Role::Lead).await;
    script.store_rest(before).await;
    script.bring_entry(&author.admission).await;
    let classroom = script.classroom;
    let space = Some(SpaceId::EVERYONE);
    let rotate = Command::RotateKeys { classroom, space };
    assert_eq!(script.world.ask(script.tab, rotate).await, Ok(Answer::Done));
    script.go().await;
    let own = script.entries().pop().unwrap();
    let own = own.action().rotations().first().unwrap();
    // Of two keys of one epoch that with the smaller id is the newest: the own one, here.
    let key = (0..=u8::MAX).map(|byte| EpochKey::from_bytes([byte; 32]));
    let key = key.into_iter().find(|key| key.id() > own.id).unwrap();
    let mut rng = SeededRng::new("apart");
    let recipients = own.recipients().copied();
    let before = [(0, &author.key)];
    let apart = Rotation::new(&key, SpaceId::EVERYONE, 1, before, recipients, &mut rng).unwrap();
    let rotations = vec![apart];
    let heads = author.heads.clone();
    let apart = Entry::act(&author.keys, classroom, heads, Action::Rotate { rotations }).unwrap();
    script.bring_entry(&apart).await;
    script.write_word("[with theirs]");
    script.go().await;
    let Some(crate::script::Submitted::Segment(segment)) = script.submitted.last() else {
        panic!("no segment")
    };
    assert_eq!(segment.header.epoch, 1);
    assert!(segment.header.roster.contains(&apart.hash()));
    assert!(segment.open(&classroom, &key).is_ok());
}

#[tokio::test]
async fn the_key_of_somebody_given_less_apart_is_carried_on() {
    let (mut script, author) = crate::script::Script::with_member("void key", Role::Teacher).await;
    let (classroom, member) = (script.classroom, author.keys.id());
    let before = script.submitted.len();
    let role = Role::Student;
    let change = Command::ChangeRole {
        classroom,
        member,
        role,
    };
    assert_eq!(script.world.ask(script.tab, change).await, Ok(Answer::Done));
    script.go().await;
    let before = script.store_rest(before).await;
    let founder = script.founder().await;
    let void = EpochKey::from_bytes([7; 32]);
    let mut rng = SeededRng::new("void");
    let recipients = [founder.exchange_key(), author.keys.exchange_key()];
    let older = [(0, &author.key)];
    let rotation = Rotation::new(&void, SpaceId::EVERYONE, 1, older, recipients, &mut rng).unwrap();
    let rotations = vec![rotation];
    let heads = author.heads.clone();
    let apart = Entry::act(&author.keys, classroom, heads, Action::Rotate { rotations }).unwrap();
    script.bring_entry(&apart).await;
    // The next key is of the same epoch, so that it takes two.
    let mut stored = before;
    for _ in 0..4 {
        script.live(5).await;
        stored = script.store_rest(stored).await;
    }
    let entries = script.entries();
    let mut made = entries.iter().flat_map(|entry| entry.action().rotations());
    let carries = |rotation: &Rotation| rotation.previous.iter().any(|older| older.id == void.id());
    assert!(made.any(carries));
    script.live(60).await;
    assert_eq!(script.entries().len(), entries.len(), "it goes on making keys");
}

#[tokio::test]
async fn new_keys_are_made_for_every_space_that_one_is_in() {
    let mut script = crate::script::Script::new("all keys").await;
    script.settle().await;
    let before = script.entries().len();
    let classroom = script.classroom;
    let rotate = Command::RotateKeys {
        classroom,
        space: None,
    };
    assert_eq!(script.world.ask(script.tab, rotate).await, Ok(Answer::Done));
    script.go().await;
    let entries = script.entries();
    let rotations = entries[before..]
        .iter()
        .flat_map(|entry| entry.action().rotations());
    let mut rotated: Vec<SpaceId> = rotations.map(|rotation| rotation.space).collect();
    rotated.sort_unstable();
    assert_eq!(rotated, script.view().spaces);
    assert!(rotated.contains(&SpaceId::EVERYONE) && rotated.contains(&SpaceId::STAFF));
}
