//! What is kept aside for want of a key, until the key comes.

use protocol::SpaceId;
use protocol::bundle::Kind;
use protocol::roster::Role;
use replica::command::{Answer, Command};
use replica::store::{AsideReason, Table};
use replica::view::Why;

use crate::bundles::{bundle, records};
use crate::members::{Schools, me};
use crate::world::{World, person};

/// The reasons for what a device keeps aside.
async fn reasons(world: &mut World, tab: usize, classroom: protocol::ClassroomId) -> Vec<Why> {
    match world.ask(tab, Command::KeptAside { classroom, skip: 0 }).await {
        Ok(Answer::KeptAside(kept)) => {
            let mut reasons: Vec<Why> = kept.into_iter().map(|kept| kept.reason).collect();
            reasons.sort_by_key(|why| format!("{why:?}"));
            reasons
        }
        other => panic!("{other:?}"),
    }
}

/// Nobody is connected, so that nothing comes a second time: a student has from a file what they can't open yet, and becomes a
/// teacher by another file, in which there are entries only.
#[tokio::test]
async fn what_no_key_was_there_for_passes_by_itself_when_that_comes() {
    let Schools {
        mut world,
        ben,
        dora,
        classroom,
        ..
    } = Schools::new("late key").await;
    let new = Command::NewPage {
        classroom,
        space: Some(SpaceId::STAFF),
    };
    let page = match world.ask(ben, new).await {
        Ok(Answer::Document(document)) => (classroom, document),
        other => panic!("{other:?}"),
    };
    world.open_page(ben, page).await;
    world.write_word(ben, page, "[staff]");
    world.until_on_relay_of(ben).await;

    world.cut(3);
    let (file, _) = world.export(ben, Some(classroom)).await;
    world.import(dora, &file, 1000).await;
    let kept = reasons(&mut world, dora, classroom).await;
    // Of one log, what stands behind the other, and what can't be opened.
    assert_eq!(
        kept,
        [AsideReason::OutOfOrder, AsideReason::UnknownKey].map(Why::Unfit)
    );
    assert_eq!(
        world.tab(dora).classroom(&classroom).kept_aside as usize,
        kept.len()
    );
    // It waits, also across a restart.
    let dora = world.restart_tab(dora);
    world.cut(3);
    world.drain().await;
    assert_eq!(reasons(&mut world, dora, classroom).await, kept);

    let change = Command::ChangeRole {
        classroom,
        member: me(&world, dora),
        role: Role::Teacher,
    };
    assert_eq!(world.ask(ben, change).await, Ok(Answer::Done));
    let (file, _) = world.export(ben, Some(classroom)).await;
    let mut entries = records(&file);
    entries.retain(|(_, kind, _)| *kind == Kind::Entry);
    world.import(dora, &bundle(&entries), 1000).await;
    world.open_page(dora, page).await;
    world
        .until("it has passed", |world| {
            world.tab(dora).classroom(&classroom).kept_aside == 0
        })
        .await;
    assert_eq!(world.tab(dora).text(&page), "[staff]");
    assert!(world.store(3).table(Table::Aside).is_empty());
}

/// Of two leads' new keys apart one was gone on from before the other was heard of, and the next carried that one's only: whoever
/// had come meanwhile, knowing of neither, never could read what had been sealed with the other.
#[tokio::test]
async fn what_is_sealed_with_a_key_that_was_passed_by_is_read_by_who_came_meanwhile() {
    // Which of the two keys of one epoch is written with is chance.
    for seed in ["passed by", "once more", "a third time", "and a fourth"] {
        let Schools {
            mut world,
            amina,
            ben,
            chao,
            classroom,
            page,
            ..
        } = Schools::new(seed).await;
        let rotate = Command::RotateKeys {
            classroom,
            space: Some(SpaceId::EVERYONE),
        };
        let link = world.invite(amina, classroom, Role::Student).await;
        world.until_on_relay_of(amina).await;
        let profile = world.profile();
        let eva = world.open_tab(profile);
        let preview = world.ask(eva, Command::Preview { link: link.clone() }).await;
        assert!(matches!(preview, Ok(Answer::Preview(_))), "{preview:?}");
        world.cut(profile);
        let person = person("Eva", "Hill School", "GB");
        let joined = world
            .ask(
                eva,
                Command::Join {
                    link,
                    profile: person,
                },
            )
            .await;
        assert_eq!(joined, Ok(Answer::Classroom(classroom)));

        world.cut(2);
        assert_eq!(world.ask(chao, rotate.clone()).await, Ok(Answer::Done));
        assert_eq!(world.ask(amina, rotate.clone()).await, Ok(Answer::Done));
        world.until_on_relay_of(amina).await;
        world.cut(0);
        assert_eq!(world.ask(amina, rotate).await, Ok(Answer::Done));
        world.link(2);
        world.until_on_relay_of(chao).await;
        world.drain().await;
        world.write_word(ben, page, "[between]");
        world.until_on_relay_of(ben).await;
        world.link(0);
        world.until_on_relay_of(amina).await;

        world.link(profile);
        world.open_page(eva, page).await;
        world
            .until("Eva reads it", |world| world.tab(eva).text(&page) == "[between]")
            .await;
        assert_eq!(world.tab(eva).classroom(&classroom).kept_aside, 0);
    }
}
