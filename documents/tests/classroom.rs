//! The classroom's own document: what is put in is read back, merges, and is kept when it is from a newer version.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use documents::Error;
use documents::classroom::{Classroom, Kind, Listing, Profile, School};

fn school(name: &str, country: &str) -> School {
    School {
        name: name.to_owned(),
        country: country.to_owned(),
        time_zone: "Europe/Lisbon".to_owned(),
    }
}

fn profile(name: &str, school: u8) -> Profile {
    Profile {
        name: name.to_owned(),
        school: [school; 16],
    }
}

fn listing(kind: Kind) -> Listing {
    Listing {
        kind,
        created_by: [5; 32],
        created_at: 1_800_000_000,
        space: None,
    }
}

fn founded() -> (Classroom, Vec<u8>) {
    let mut classroom = Classroom::found(
        [1; 16],
        " Rivers ",
        [5; 32],
        &profile("Ana", 7),
        &school("Escola", "PT"),
    )
    .unwrap();
    let founding = classroom.commit(1).unwrap();
    (classroom, founding)
}

#[test]
fn what_is_founded_is_read_back() {
    let (mut classroom, _) = founded();
    let classroom = Classroom::load(&classroom.save().unwrap(), [2; 16]).unwrap();
    assert!(classroom.is_present());
    assert_eq!(classroom.name(), "Rivers");
    assert_eq!(classroom.schools(), [([7; 16], school("Escola", "PT"))].into());
    assert_eq!(classroom.profiles(), [([5; 32], profile("Ana", 7))].into());
    assert!(classroom.documents().is_empty());
}

#[test]
fn two_sides_merge_in_any_order() {
    let (mut one, founding) = founded();
    let mut two = Classroom::empty([2; 16]);
    assert!(!two.is_present());
    assert!(matches!(
        two.set_profile([6; 32], &profile("Léa", 8)),
        Err(Error::Absent)
    ));
    two.apply_changes(&[founding]).unwrap();

    two.set_school([8; 16], &school("Lycée", "FR")).unwrap();
    two.set_profile([6; 32], &profile("Léa", 8)).unwrap();
    let first = two.commit(2).unwrap();
    two.add_document([9; 16], &listing(Kind::Page)).unwrap();
    let second = two.commit(3).unwrap();
    one.add_document([8; 16], &listing(Kind::Unknown("globe".to_owned())))
        .unwrap();
    let theirs = one.commit(3).unwrap();

    // The second change arrives first and waits, also across a restart.
    one.apply_changes(&[second]).unwrap();
    assert_eq!(one.documents().len(), 1);
    assert_eq!(one.document().missing_dependencies().len(), 1);
    let mut one = Classroom::load(&one.save().unwrap(), [1; 16]).unwrap();
    assert_eq!(one.document().missing_dependencies().len(), 1);
    one.apply_changes(&[first]).unwrap();
    assert!(one.document().missing_dependencies().is_empty());
    two.apply_changes(&[theirs]).unwrap();
    assert_eq!(one.documents(), two.documents());
    assert_eq!(one.documents()[&[8; 16]].kind, Kind::Unknown("globe".to_owned()));
    assert_eq!(one.documents()[&[9; 16]], listing(Kind::Page));
    assert_eq!(one.profiles(), two.profiles());
    assert_eq!(one.schools().len(), 2);
}

#[test]
fn what_is_the_same_is_not_written_again() {
    let (mut classroom, _) = founded();
    classroom.set_name("Rivers").unwrap();
    classroom.set_school([7; 16], &school("Escola", "PT")).unwrap();
    classroom.set_profile([5; 32], &profile("Ana", 7)).unwrap();
    assert_eq!(classroom.commit(2), None);
}

#[test]
fn names_and_codes_are_checked() {
    let (mut classroom, _) = founded();
    assert!(matches!(classroom.set_name("  "), Err(Error::Length { .. })));
    assert!(classroom.set_name(&"é".repeat(200)).is_ok());
    assert!(matches!(
        classroom.set_name(&"é".repeat(201)),
        Err(Error::Length { limit: 200, .. })
    ));
    assert!(matches!(
        classroom.set_school([1; 16], &school("A", "Portugal")),
        Err(Error::Form("country"))
    ));
    let nowhere = School {
        time_zone: "<b>".to_owned(),
        ..school("A", "PT")
    };
    assert!(matches!(
        classroom.set_school([1; 16], &nowhere),
        Err(Error::Form("time zone"))
    ));
}

#[test]
fn edits_must_be_committed_before_others_are_taken_in() {
    let (mut classroom, founding) = founded();
    classroom.set_name("Lakes").unwrap();
    assert!(matches!(
        classroom.apply_changes(&[founding]),
        Err(Error::Uncommitted)
    ));
    assert!(matches!(classroom.save(), Err(Error::Uncommitted)));
    assert!(classroom.commit(2).is_some());
    assert!(classroom.save().is_ok());
}

#[test]
fn a_document_is_of_a_space_and_can_be_replaced() {
    let (mut one, founding) = founded();
    let mut two = Classroom::empty([2; 16]);
    two.apply_changes(&[founding]).unwrap();
    let staff = Listing {
        space: Some([3; 16]),
        ..listing(Kind::Page)
    };
    one.add_document([8; 16], &staff).unwrap();
    one.add_document([9; 16], &listing(Kind::Page)).unwrap();
    let added = one.commit(2).unwrap();
    two.apply_changes(&[added]).unwrap();
    assert_eq!(
        two.documents(),
        [([8; 16], staff.clone()), ([9; 16], listing(Kind::Page))].into()
    );

    assert!(matches!(
        one.replace_document([7; 16], [1; 16], &staff),
        Err(Error::Absent)
    ));
    // Two leads start the same page anew at the same time: both see the same one in its place, and no page is lost.
    one.replace_document([8; 16], [10; 16], &staff).unwrap();
    two.replace_document([8; 16], [11; 16], &staff).unwrap();
    let (ones, twos) = (one.commit(3).unwrap(), two.commit(3).unwrap());
    one.apply_changes(&[twos]).unwrap();
    two.apply_changes(&[ones]).unwrap();
    let expected = [
        ([9; 16], listing(Kind::Page)),
        ([10; 16], staff.clone()),
        ([11; 16], staff.clone()),
    ];
    assert_eq!(one.documents(), expected.into());
    assert_eq!(one.documents(), two.documents());
    assert_eq!(one.successors(), two.successors());
    let successors = one.successors();
    assert_eq!(successors.keys().collect::<Vec<_>>(), [&[8; 16]]);
    assert!(one.documents().contains_key(&successors[&[8; 16]]));
    let listers = [10, 11, 12].map(|id| one.lister([id; 16]));
    assert_eq!(listers, [Some(vec![1; 16]), Some(vec![2; 16]), None]);
    let mut later = two.clone();
    later.replace_document([10; 16], [12; 16], &staff).unwrap();
    assert_eq!(later.lister([10; 16]), Some(vec![1; 16]), "it was started anew");

    // Listed again by somebody who had not heard: it stays erased.
    one.add_document([8; 16], &staff).unwrap();
    assert_eq!(one.documents(), two.documents());
}
