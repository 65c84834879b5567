//! Where own work was seen: from who has which changes.

use documents::page::Page;
use protocol::roster::Role;
use protocol::{DocumentId, LaneId, SchoolId};
use replica::command::{Answer, Command};
use replica::store::Table;
use replica::view::Receipt;

use crate::script::Script;
use crate::tab::PageKey;
use crate::world::{Pair, World};

impl World {
    fn receipt(&self, tab: usize, page: PageKey) -> Receipt {
        let classroom = self.tab(tab).classroom(&page.0);
        let listed = classroom.documents.iter().find(|listed| listed.id == page.1);
        listed.unwrap().receipt.clone()
    }

    async fn until_receipt(&mut self, tab: usize, page: PageKey, receipt: Receipt) {
        self.until("it is seen so far", |world| world.receipt(tab, page) == receipt)
            .await;
    }

    fn school(&self, tab: usize, page: PageKey) -> SchoolId {
        let classroom = self.tab(tab).classroom(&page.0);
        let me = classroom.members.iter().find(|member| member.me);
        me.unwrap().school
    }
}

#[tokio::test]
async fn own_work_is_on_the_device_on_the_relay_and_seen() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("receipts").await;
    let (homes, at_ben) = (
        [world.tab(amina).profile, world.tab(ben).profile],
        Receipt::SeenAt(vec![world.school(ben, page)]),
    );
    world.cut(homes[0]);
    world.cut(homes[1]);
    world.write_word(amina, page, "[one]");
    world.pass(2).await;
    world.until_receipt(amina, page, Receipt::OnThisDevice).await;
    world.link(homes[0]);
    world.until_on_relay_of(amina).await;
    world.pass(50).await;
    world.until_receipt(amina, page, Receipt::OnTheRelay).await;

    // The other one hears of it, and says so once it is quiet there.
    world.link(homes[1]);
    world.until_equal(page).await;
    assert_eq!(world.receipt(amina, page), Receipt::OnTheRelay);
    world.pass(45).await;
    world.until_receipt(amina, page, at_ben.clone()).await;

    // It is known from the start on, before the page is read.
    let amina = world.restart_tab(amina);
    world.until_on_relay_of(amina).await;
    assert_eq!(world.receipt(amina, page), at_ben);
    world.open_page(amina, page).await;
    world.pass(2).await;
    assert_eq!(world.receipt(amina, page), at_ben);

    // New work was not seen. Who writes on top of it has.
    let (classroom, document) = page;
    world.cut(homes[1]);
    world.write_word(amina, page, "[two]");
    world.until_on_relay_of(amina).await;
    world.until_receipt(amina, page, Receipt::OnTheRelay).await;
    world.write_word(ben, page, "[aside]");
    world.pass(2).await;
    world.cut(homes[0]);
    world.link(homes[1]);
    world.until_on_relay_of(ben).await;
    world.cut(homes[1]);
    world.link(homes[0]);
    world.until_on_relay_of(amina).await;
    world.pass(2).await;
    // That was written beside it, not on top.
    assert_eq!(world.receipt(amina, page), Receipt::OnTheRelay);
    world.link(homes[1]);
    world.until_equal(page).await;
    let closed = Command::ClosePage { classroom, document };
    assert_eq!(world.ask(amina, closed).await, Ok(Answer::Done));
    world.write_word(ben, page, "[on top]");
    world.until_receipt(amina, page, at_ben).await;
}

#[tokio::test]
async fn a_relay_that_lost_them_gets_receipts_back() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("receipts lost").await;
    let at_ben = Receipt::SeenAt(vec![world.school(ben, page)]);
    world.write_word(amina, page, "[one]");
    world.until_equal(page).await;
    world.pass(45).await;
    world.until_receipt(amina, page, at_ben.clone()).await;
    world.replace_relay().await;
    world.pass(100).await;
    world.until_on_relay().await;
    // Somebody who comes with nothing but their copy of the work hears it from the relay.
    let home = world.tab(amina).profile;
    let copy = world.clone_profile(home);
    // With the positions, so that everything comes again.
    world.profiles[copy]
        .store
        .forget(|table, key| table == Table::Receipts || table == Table::Classrooms && key.len() == 48);
    let other = world.open_tab(copy);
    world.open_page(other, page).await;
    world.until_receipt(other, page, at_ben).await;
}

#[tokio::test]
async fn a_receipt_tells_as_much_as_it_holds_of_what_changed_last() {
    let mut script = Script::new("much to tell").await;
    script.settle().await;
    let before = script.submitted.len();
    let mut author = script.author(Role::Student).await;
    script.store_rest(before).await;
    script.bring_entry(&author.admission).await;
    // Pages at each of which so many began at once that all their heads together are more than fits.
    let mut documents = Vec::new();
    for number in 0..140 {
        let document = DocumentId([number; 16]);
        documents.push(document);
        for lane in 0..15 {
            author.log.lane = LaneId([lane; 16]);
            author.turn_to(document);
            let mut page = Page::new(author.log.actor()).unwrap();
            let change = page.commit(0).unwrap();
            let begun = author.seal(&[change]);
            script.say_segment(&begun, 1);
        }
        script.world.tick(10);
    }
    script.go().await;
    script.live(60).await;
    let receipt = script.receipts.last().expect("a receipt is given");
    let told = receipt.open(&script.classroom, &author.key).unwrap();
    let told: Vec<DocumentId> = told.iter().map(|seen| seen.document).collect();
    assert!(told.len() > 120 && told.len() < 140, "{}", told.len());
    assert_eq!(told, documents[140 - told.len()..]);
}
