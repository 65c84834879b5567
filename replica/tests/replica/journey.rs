//! The main job: two schools found, join, write together, online and offline.

use std::collections::BTreeSet;

use protocol::roster::Role;
use replica::command::{Answer, Command, Problem};
use replica::store::Table;
use replica::view::{Link, Work};

use crate::members::until_same;
use crate::tab::words;
use crate::world::{Pair, World, person};

#[tokio::test]
async fn two_schools_find_each_other_and_write_together() {
    let mut world = World::new("journey").await;
    let (first, second) = (world.profile(), world.profile());
    let (amina, ben) = (world.open_tab(first), world.open_tab(second));
    let id = world.found(amina).await;
    let link = world.invite(amina, id, Role::Student).await;
    world.until_on_relay_of(amina).await;

    let preview = world.ask(ben, Command::Preview { link: link.clone() }).await;
    let Ok(Answer::Preview(preview)) = preview else {
        panic!("{preview:?}")
    };
    assert_eq!((preview.name.as_str(), preview.role), ("Water", Role::Student));
    assert_eq!(preview.schools[0].name, "Kilimo School");
    assert!(!preview.already_member);
    let joined = world.join(ben, &link, person("Ben", "Hill School", "GB")).await;
    assert_eq!(joined, id);

    let page = world.new_page(ben, id).await;
    world.open_page(ben, page).await;
    world.open_page(amina, page).await;
    world.write_word(amina, page, "[from Amina]");
    world.write_word(ben, page, "[from Ben]");
    let words = world.until_equal(page).await;
    assert_eq!(words, ["[from Amina]", "[from Ben]"].map(str::to_owned).into());

    let shown = world.tab(amina).classroom(&id);
    let mut names: Vec<&str> = shown.members.iter().map(|member| member.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Amina", "Ben"]);
    let mut schools: Vec<&str> = shown.schools.iter().map(|school| school.name.as_str()).collect();
    schools.sort_unstable();
    assert_eq!(schools, ["Hill School", "Kilimo School"]);
    assert_eq!(shown.documents.len(), 1);
    assert_eq!(shown.kept_aside, 0);
    world.check_stores(page).await;
    world.check_nothing_to_send().await;
}

#[tokio::test]
async fn whoever_belongs_to_a_school_already_there_joins_that_school() {
    let Pair {
        mut world,
        amina,
        classroom,
        page,
        ..
    } = Pair::new("same school").await;
    let link = world.invite(amina, classroom, Role::Teacher).await;
    world.until_on_relay_of(amina).await;
    let third = world.profile();
    let chao = world.open_tab(third);
    world
        .join(chao, &link, person("Chao", " kilimo school ", "KE"))
        .await;
    world.open_page(chao, page).await;
    world.until_equal(page).await;
    let shown = world.tab(amina).classroom(&classroom);
    assert_eq!(shown.schools.len(), 2);
    let school_of = |name: &str| {
        let member = shown.members.iter().find(|member| member.name == name).unwrap();
        (member.school, member.role)
    };
    assert_eq!(school_of("Chao"), (school_of("Amina").0, Role::Teacher));
}

#[tokio::test]
async fn both_write_offline_one_restarts_and_all_meet_again() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("offline").await;
    world.cut(0);
    world.cut(1);
    let promised = world.write_word(amina, page, "[a1]");
    world.write_word(ben, page, "[b1]");
    world.pass(1).await;
    assert_eq!(world.tab(amina).answers[&promised], Ok(Answer::Done));
    assert_eq!(world.tab(amina).classroom(&page.0).work, Work::OnThisDevice);
    assert_eq!(world.tab(amina).home.as_ref().unwrap().link, Link::Offline);

    let amina = world.restart_tab(amina);
    world.open_page(amina, page).await;
    assert_eq!(words(&world.tab(amina).text(&page)), ["[a1]".to_owned()].into());
    world.write_word(amina, page, "[a2]");
    world.write_word(ben, page, "[b2]");
    world.pass(1).await;
    world.link(0);
    world.link(1);
    let words = world.until_equal(page).await;
    assert_eq!(words, ["[a1]", "[a2]", "[b1]", "[b2]"].map(str::to_owned).into());
    world.check_stores(page).await;
    world.check_nothing_to_send().await;
}

#[tokio::test]
async fn what_is_written_offline_is_sealed_at_once_and_sent_later() {
    let Pair {
        mut world,
        mut amina,
        page,
        ..
    } = Pair::new("week").await;
    world.cut(0);
    for day in 0..300 {
        world.write_word(amina, page, &format!("[{day}]"));
        world.drain().await;
        if day % 100 == 99 {
            amina = world.restart_tab(amina);
            world.open_page(amina, page).await;
        }
    }
    let sealed = world.store(0).table(Table::Outbox);
    assert_eq!(sealed.len(), 300);
    // A tab that starts writes on a lane of its own, and sends what those before it left.
    let lanes: std::collections::BTreeSet<&[u8]> = sealed.iter().map(|(key, _)| &key[80..96]).collect();
    assert_eq!(lanes.len(), 3);
    world.link(0);
    assert_eq!(world.until_equal(page).await.len(), 300);
    assert!(world.store(0).table(Table::Outbox).is_empty());
    world.check_stores(page).await;
    world.check_nothing_to_send().await;
}

#[tokio::test]
async fn the_relay_is_killed_and_comes_back() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("killed").await;
    for round in 0..3 {
        world.write_word(amina, page, &format!("[a{round}]"));
        world.kill_relay();
        world.write_word(ben, page, &format!("[b{round}]"));
        world
            .until("both notice", |world| {
                world.all_tabs().all(|tab| !world.tab(tab).is_online())
            })
            .await;
        world.write_word(amina, page, &format!("[c{round}]"));
        world.start_relay().await;
        assert_eq!(world.until_equal(page).await.len(), 3 * (round + 1));
    }
    world.check_nothing_to_send().await;
}

#[tokio::test]
async fn somebody_who_only_looks_leaves_nothing_behind() {
    let Pair {
        mut world,
        amina,
        classroom,
        ..
    } = Pair::new("looks").await;
    let link = world.invite(amina, classroom, Role::Student).await;
    world.until_on_relay_of(amina).await;
    let third = world.profile();
    let chao = world.open_tab(third);
    let preview = world.ask(chao, Command::Preview { link: link.clone() }).await;
    assert!(matches!(preview, Ok(Answer::Preview(_))), "{preview:?}");
    world.pass(30).await;
    assert!(world.store(third).is_empty());
    // A name that is none changes nothing, and can be mended.
    let nobody = Command::Join {
        link: link.clone(),
        profile: person("Chao", "Third School", "nowhere"),
    };
    assert_eq!(world.ask(chao, nobody).await, Err(Problem::BadName));
    world.drain().await;
    assert!(world.store(third).is_empty());
    world
        .join(chao, &link, person("Chao", "Third School", "KE"))
        .await;
    assert!(!world.store(third).is_empty());
    world.until_on_relay().await;
}

#[tokio::test]
async fn whoever_looked_behind_another_invite_since_is_let_in_by_the_one_they_join_by() {
    let Pair {
        mut world,
        amina,
        classroom,
        page,
        ..
    } = Pair::new("two invites").await;
    let lead = world.invite(amina, classroom, Role::Lead).await;
    let guest = world.invite(amina, classroom, Role::Guest).await;
    world.until_on_relay_of(amina).await;
    let third = world.profile();
    let chao = world.open_tab(third);
    for link in [&lead, &guest] {
        let preview = world.ask(chao, Command::Preview { link: link.clone() }).await;
        assert!(preview.is_ok(), "{preview:?}");
    }
    let profile = person("Chao", "Third School", "CN");
    let joined = world.ask(chao, Command::Join { link: lead, profile }).await;
    assert_eq!(joined, Ok(Answer::Classroom(classroom)));
    world.until_on_relay_of(chao).await;
    assert_eq!(world.tab(chao).classroom(&classroom).refused, None);
    world.open_page(chao, page).await;
    world.write_word(chao, page, "[let in]");
    until_same(&mut world, &[amina, chao], page, "[let in]").await;
}

#[tokio::test]
async fn whoever_joined_offline_is_let_in_after_a_restart() {
    let Pair {
        mut world,
        amina,
        classroom,
        page,
        ..
    } = Pair::new("let in").await;
    let link = world.invite(amina, classroom, Role::Student).await;
    world.until_on_relay_of(amina).await;
    let third = world.profile();
    let chao = world.open_tab(third);
    let preview = world.ask(chao, Command::Preview { link: link.clone() }).await;
    assert!(preview.is_ok());
    world.cut(third);
    let profile = person("Chao", "Third School", "CN");
    let joined = world.ask(chao, Command::Join { link, profile }).await;
    assert_eq!(joined, Ok(Answer::Classroom(classroom)));
    let chao = world.restart_tab(chao);
    world.link(third);
    world.open_page(chao, page).await;
    world.write_word(chao, page, "[here]");
    world.until_equal(page).await;
    assert_eq!(world.tab(amina).classroom(&classroom).members.len(), 3);
    world.check_nothing_to_send().await;
}

#[tokio::test]
async fn a_guest_reads_and_cannot_write() {
    let Pair {
        mut world,
        amina,
        classroom,
        page,
        ..
    } = Pair::new("guest").await;
    let link = world.invite(amina, classroom, Role::Guest).await;
    world.write_word(amina, page, "[shown]");
    world.until_on_relay_of(amina).await;
    let third = world.profile();
    let guest = world.open_tab(third);
    world
        .join(guest, &link, person("Gast", "Third School", "DE"))
        .await;
    world.open_page(guest, page).await;
    world
        .until("the guest reads", |world| {
            world.tab(guest).text(&page).contains("[shown]")
        })
        .await;
    let request = world.write_word(guest, page, "[not allowed]");
    assert_eq!(world.tab(guest).answers[&request], Err(Problem::NotAllowed));
    let refused = world
        .ask(
            guest,
            Command::NewPage {
                classroom,
                space: None,
            },
        )
        .await;
    assert_eq!(refused, Err(Problem::NotAllowed));
    let role = Role::Guest;
    let refused = world
        .ask(
            guest,
            Command::Invite {
                classroom,
                role,
                ask_first: false,
            },
        )
        .await;
    assert_eq!(refused, Err(Problem::NotAllowed));
    // They write in no document, so their name is whispered.
    world
        .until("the guest's name is told", |world| {
            let members = &world.tab(amina).classroom(&classroom).members;
            members.iter().any(|member| member.name == "Gast" && member.here)
        })
        .await;
    // Nothing of theirs waits for a relay that would refuse it.
    world.until_on_relay().await;
    assert_eq!(world.tab(guest).classroom(&classroom).refused, None);
}

#[tokio::test]
async fn a_relay_that_wants_a_token_gets_it_from_a_person() {
    let mut world = World::with_token("token", Some("lantern")).await;
    let profile = world.profile();
    let tab = world.open_tab(profile);
    let id = world.found(tab).await;
    let wants_token =
        |world: &World| world.tab(tab).classroom(&id).refused == Some(protocol::Refusal::FoundToken);
    world.until("the token is asked for", wants_token).await;
    let page = world.new_page(tab, id).await;
    world.open_page(tab, page).await;
    world.write_word(tab, page, "[before]");
    let give = |token: &str| Command::FoundToken {
        classroom: id,
        token: token.to_owned(),
    };
    assert_eq!(world.ask(tab, give("wrong")).await, Ok(Answer::Done));
    world.pass(2).await;
    world.until("it is asked for again", wants_token).await;
    assert_eq!(world.tab(tab).classroom(&id).work, Work::OnThisDevice);
    assert_eq!(world.ask(tab, give("lantern")).await, Ok(Answer::Done));
    world.until_on_relay().await;
    assert_eq!(world.tab(tab).classroom(&id).refused, None);
}

#[tokio::test]
async fn links_that_are_none_are_told_apart() {
    let mut world = World::new("links").await;
    let profile = world.profile();
    let tab = world.open_tab(profile);
    let preview = |link: &str| Command::Preview {
        link: link.to_owned(),
    };
    assert_eq!(world.ask(tab, preview("hello")).await, Err(Problem::NotAnInvite));
    let newer = format!("#{}", "_".repeat(68));
    assert_eq!(world.ask(tab, preview(&newer)).await, Err(Problem::NewerVersion));
    let nowhere = protocol::invite::InviteLink::from_parts(protocol::ClassroomId([7; 32]), [1; 16]);
    let answer = world.ask(tab, preview(&nowhere.to_fragment())).await;
    assert_eq!(answer, Err(Problem::UnknownClassroom));
    world.cut(profile);
    let answer = world.ask(tab, preview(&nowhere.to_fragment())).await;
    assert_eq!(answer, Err(Problem::NeedsConnection));
}

#[tokio::test]
async fn a_change_larger_than_a_segment_is_refused_whole() {
    let Pair {
        mut world,
        amina,
        page,
        ..
    } = Pair::new("large").await;
    // Nothing that compression could shorten much.
    let noise: String = (0..130_000)
        .filter_map(|_| char::from_u32(0x4e00 + u32::try_from(world.rng.below(0x5000)).unwrap()))
        .collect();
    let command = world
        .tab_mut(amina)
        .edit(&page, &[crate::tab::word_at((0, 0), &noise)]);
    assert_eq!(world.ask(amina, command).await, Err(Problem::TooLarge));
    // The tab shows the page again as it is.
    world.open_page(amina, page).await;
    world.write_word(amina, page, "[small]");
    assert_eq!(world.until_equal(page).await, ["[small]".to_owned()].into());
}

#[tokio::test]
async fn pages_that_were_never_opened_are_here_offline() {
    let Pair {
        mut world,
        amina,
        ben,
        classroom,
        page,
    } = Pair::new("unopened").await;
    let other = world.new_page(amina, classroom).await;
    world.open_page(amina, other).await;
    world.write_word(amina, other, "[unseen]");
    world.until_on_relay_of(amina).await;
    world
        .until("the other page is known", |world| {
            world.tab(ben).classroom(&classroom).documents.len() == 2
        })
        .await;
    world.pass(2).await;
    let ben = world.restart_tab(ben);
    world.cut(1);
    world.open_page(ben, other).await;
    assert_eq!(
        words(&world.tab(ben).text(&other)),
        ["[unseen]".to_owned()].into()
    );
    world.link(1);
    world.open_page(ben, page).await;
    world.until_on_relay().await;
}

/// The history of a page is shown by people, not by actors.
#[tokio::test]
async fn whose_the_changes_of_a_page_are_is_known() {
    let mut pair = Pair::new("authors").await;
    pair.world.write_word(pair.amina, pair.page, "[from Amina]");
    pair.world.write_word(pair.ben, pair.page, "[from Ben]");
    pair.world.until_equal(pair.page).await;
    let (classroom, document) = pair.page;
    let answer = pair
        .world
        .ask(pair.amina, Command::Authors { classroom, document })
        .await;
    let Ok(Answer::Authors(authors)) = answer else {
        panic!("{answer:?}")
    };
    let shown = pair.world.tab(pair.amina).classroom(&classroom);
    let members: Vec<_> = shown.members.iter().map(|member| member.id).collect();
    for member in &members {
        assert!(
            authors.iter().any(|author| author.member == *member),
            "{authors:?}"
        );
    }
    let mut actors: Vec<_> = authors.iter().map(|author| author.actor).collect();
    actors.sort_unstable();
    actors.dedup();
    for actor in actors {
        let whose = authors
            .iter()
            .filter(|author| author.actor == actor)
            .map(|author| author.member);
        assert_eq!(
            whose.collect::<BTreeSet<_>>().len(),
            1,
            "an actor is one member's"
        );
    }
}
