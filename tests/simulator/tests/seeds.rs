//! A few hundred fixed histories, and what once went wrong.

use std::collections::BTreeSet;
use std::ops::Range;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use protocol::roster::Role;
use simulator::{
    Act, Failure, Govern, How, Kind, Mischief, Successor, plan, run, run_acts, run_and_shorten, seed_of,
};

/// Histories of all kinds.
const SEEDS: Range<u64> = 300..600;

/// Histories that went wrong once. The README says of what.
const NAMED: [&str; 159] = [
    "governed 6",
    "governed 13",
    "apart 5",
    "narrow 1037",
    "narrow 1060",
    "apart 1006",
    "apart 1094",
    "apart 1037",
    "governed 1048",
    "governed 20151",
    "apart 20128",
    "apart 52257",
    "narrow 50494",
    "healed 51032",
    "condensed 53831",
    "narrow 52738",
    "anew 13",
    "anew 18",
    "anew 21",
    "anew 38",
    "anew 94",
    "anew 119",
    "anew 202",
    "anew 266",
    "healed 542",
    "narrow 54226",
    "anew 311",
    "anew 476",
    "narrow 50590",
    "narrow 55426",
    "narrow 55558",
    "narrow 55882",
    "mixed 371",
    "mixed 1248",
    "mixed 1448",
    "governed 55057",
    "governed 55609",
    "governed 5039",
    "condensed 60035",
    "healed 53006",
    "healed 54140",
    "anew 318",
    "anew 432",
    "anew 451",
    "anew 602",
    "anew 827",
    "anew 1827",
    "anew 1921",
    "governed 100699",
    "apart 204634",
    "healed 202659",
    "governed 200236",
    "governed 203428",
    "governed 205899",
    "healed 206278",
    "healed 206068",
    "healed 3015847",
    "apart 3005446",
    "healed 2001239",
    "healed 3029000",
    "apart 3035252",
    "governed 3003470",
    "mixed 3000794",
    "mixed 3014997",
    "mixed 3016369",
    "governed 1000833",
    "3009965",
    "governed 3034319",
    "healed 3030190",
    "narrow 3034133",
    "apart 3031661",
    "governed 5300569",
    "mixed 5300861",
    "mixed 6019726",
    "apart 6026359",
    "governed 6013428",
    "mixed 6012089",
    "anew 197",
    "anew 899",
    "anew 1067",
    "anew 6100815",
    "anew 6105103",
    "anew 6210087",
    "anew 1299",
    "anew 6103327",
    "anew 6209631",
    "anew 459",
    "anew 8100422",
    "anew 7401680",
    "apart 6203675",
    "apart 6206779",
    "mixed 7500038",
    "apart 6205179",
    "healed 6102474",
    "anew 7400973",
    "apart 7400763",
    "narrow 9103012",
    "anew 7700713",
    "anew 11003743",
    "anew 11003895",
    "governed 10025985",
    "apart 10026795",
    "governed 11003201",
    "governed 11000961",
    "apart 10047627",
    "apart 9500025",
    "anew 10046319",
    "anew 7710227",
    "anew 10029799",
    "anew 8100964",
    "anew 10044479",
    "anew 10055759",
    "anew 20000068",
    "anew 7700042",
    "apart 11006371",
    "apart 12500768",
    "anew 20000345",
    "governed 15016945",
    "governed 15098105",
    "governed 15025529",
    "anew 15049623",
    "anew 15005047",
    "anew 13002223",
    "anew 15085535",
    "anew 41000919",
    "narrow 10045180",
    "apart 88000003",
    "narrow 88000431",
    "apart 13003427",
    "anew 91400499",
    "anew 17050484",
    "healed 17000240",
    "governed 16050835",
    "governed 13004321",
    "anew 61",
    "anew 112",
    "anew 303",
    "mixed 31000553",
    "governed 77100283",
    "schools 2442",
    "schools 2997",
    "schools 3544",
    "schools 4367",
    "mixed 94095573",
    "anew 94088005",
    "plain 94032252",
    "plain 94083039",
    "governed 94113073",
    "schools 94008878",
    "schools 94053509",
    "schools 94095215",
    "healed 90001306",
    "healed 94017656",
    "healed 94038266",
    "healed 94064807",
    "healed 94074941",
    "healed 94085003",
    "98000732",
    "anew 99100278",
];

#[test]
fn everything_promised_holds_in_many_histories() {
    simulator::catch_panics();
    let named = NAMED.iter().map(ToString::to_string);
    // Each once.
    let seeds: BTreeSet<String> = SEEDS.map(seed_of).chain(named).collect();
    let seeds: Vec<String> = seeds.into_iter().collect();
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), Box<Failure>> {
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            run_and_shorten(seed, None)?;
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let failures: Vec<Box<Failure>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap());
        ended.filter_map(Result::err).collect()
    });
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Two processes have other hash maps, other addresses and another time.
#[test]
fn the_same_seed_gives_the_same_history_in_every_process() {
    let output = Command::new(env!("CARGO_BIN_EXE_simulator"))
        .args(["--seeds", "6", "--from", "100", "--threads", "1", "--hashes"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let told = String::from_utf8(output.stdout).unwrap();
    for seed in (100..106).map(seed_of) {
        let story = run(&seed, None).unwrap();
        let line = format!("{seed} {}", blake3::Hash::from_bytes(story));
        assert!(
            told.lines().any(|other| other == line),
            "{line} is not in\n{told}"
        );
    }
}

/// A failure is told by its seed, the promise and a short list of acts, which break the same promise, and the program fails.
#[test]
fn a_failure_is_told_short_and_ends_the_program_with_an_error() {
    let kind = ["--kind", "plain", "--mischief", "relay-flips-bit"];
    let output = Command::new(env!("CARGO_BIN_EXE_simulator"))
        .args(kind)
        .args(["--seeds", "60", "--from", "0", "--threads", "1"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stdout).unwrap();
    let mischief = Some(Mischief::RelayFlipsBit);
    let failing = (0..60).map(|number| Kind::Plain.seed(number));
    let mut failing = failing.filter_map(|seed| Some((run(&seed, mischief).err()?, seed)));
    let (broken, seed) = failing.next().unwrap();
    let rule = broken.rule;
    let mut lines = told.lines().skip_while(|line| line.is_empty());
    let beginning = format!("seed {seed}: {rule:?} ({}): ", rule.sentence());
    assert!(
        lines.next().is_some_and(|line| line.starts_with(&beginning)),
        "{told}"
    );
    let plan = plan(&seed);
    let failure = run_and_shorten(&seed, mischief).unwrap_err();
    assert!(!failure.acts.is_empty() && failure.acts.len() < plan.acts.len() / 2);
    for act in &failure.acts {
        let line = format!("  {act:?}");
        assert!(
            told.lines().any(|other| other == line),
            "{line} is not in\n{told}"
        );
    }
    let again = run_acts(&seed, plan.setting, &failure.acts, mischief).unwrap_err();
    assert_eq!(again.rule, rule);
}

/// Whoever looked behind another invite to the same classroom was never told what became of the first.
#[test]
fn looking_behind_two_invites_at_once_answers_both() {
    let invite = |role| Act::Invite {
        person: 0,
        role,
        ask_first: false,
    };
    let acts = [
        Act::Found { person: 0 },
        Act::Settle { seconds: 1 },
        invite(Role::Lead),
        invite(Role::Student),
        Act::Settle { seconds: 1 },
        Act::Join { person: 1, invite: 0 },
        Act::Join { person: 1, invite: 1 },
    ];
    run_acts("two invites", 2, &acts, None).unwrap();
}

/// Whoever joined twice was answered before the first time was stored.
#[test]
fn joining_twice_at_once_is_answered_once_it_is_stored() {
    let join = Act::Join { person: 1, invite: 0 };
    let invite = Act::Invite {
        person: 0,
        role: Role::Student,
        ask_first: false,
    };
    let acts = [
        Act::Found { person: 0 },
        Act::Settle { seconds: 1 },
        invite,
        Act::Settle { seconds: 1 },
        join,
        join,
    ];
    run_acts("joining twice", 2, &acts, None).unwrap();
}

/// Whoever heard that a classroom was opened again before the relay told them that it had been closed never sent again what it
/// had refused.
#[test]
fn what_a_lock_stopped_that_is_gone_by_now_is_sent_again() {
    let write = |device, at, word| edit(device, 0, 0, How::Write, at, word);
    let acts = [
        Act::Found { person: 0 },
        Act::Settle { seconds: 1 },
        Act::NewPage {
            device: 0,
            tab: 0,
            space: 0,
        },
        run_of(8, 22_575),
        Act::Clone { device: 168 },
        Act::Govern {
            device: 0,
            tab: 0,
            what: Govern::Close(true),
            whom: 151,
        },
        run_of(8, 5_405),
        write(242, 52_189, 24),
        Act::Pass { milliseconds: 50 },
        Act::OpenTab { device: 234 },
        run_of(5, 2_169),
        write(167, 38_554, 28),
        run_of(13, 13_138),
        write(254, 57_384, 35),
    ];
    run_acts("governed 7116", 2, &acts, None).unwrap();
}

fn run_of(steps: u8, seed: u16) -> Act {
    Act::Run { steps, seed }
}

fn edit(device: u8, tab: u8, page: u8, how: How, at: u16, word: u16) -> Act {
    Act::Edit {
        device,
        tab,
        page,
        how,
        at,
        word,
    }
}

/// Who joined as a teacher was never sent what the staff had written while the relay knew them only by their invite.
#[test]
fn what_the_staff_wrote_before_the_relay_heard_of_an_admission_arrives() {
    let acts = [
        Act::Found { person: 0 },
        run_of(3, 62_146),
        Act::Invite {
            person: 0,
            role: Role::Teacher,
            ask_first: false,
        },
        run_of(11, 26_618),
        Act::Join { person: 1, invite: 0 },
        Act::NewPage {
            device: 192,
            tab: 67,
            space: 151,
        },
    ];
    run_acts("2001041", 2, &acts, None).unwrap();
}

/// What a tab wrote in its last moment another tab showed, as being on the relay, and nobody sent before the next start.
#[test]
fn what_a_tab_wrote_in_its_last_moment_is_sent_by_the_tab_that_finds_it() {
    let acts = [
        Act::Found { person: 0 },
        Act::Settle { seconds: 1 },
        Act::NewPage {
            device: 0,
            tab: 0,
            space: 0,
        },
        Act::Invite {
            person: 0,
            role: Role::Student,
            ask_first: false,
        },
        Act::Settle { seconds: 1 },
        Act::Join { person: 3, invite: 2 },
        Act::Settle { seconds: 1 },
        Act::OpenTab { device: 212 },
        edit(236, 160, 1, How::Write, 45_807, 11),
        edit(87, 143, 0, How::Write, 38_365, 12),
        Act::CloseTab { device: 60, tab: 109 },
        Act::Pass { milliseconds: 6_000 },
        edit(12, 136, 0, How::Retitle, 33_493, 24),
        run_of(13, 51_510),
        edit(151, 152, 0, How::Split, 55_232, 35),
        run_of(5, 14_616),
        run_of(4, 43_497),
        run_of(5, 6_398),
        edit(187, 115, 0, How::Write, 6_377, 39),
        run_of(12, 37_549),
        Act::OpenTab { device: 211 },
        run_of(4, 5_016),
        Act::Pass { milliseconds: 6_000 },
        edit(179, 100, 2, How::Mark, 20_145, 41),
        run_of(4, 44_648),
        Act::Pass { milliseconds: 6_000 },
        run_of(3, 31_610),
        Act::CloseTab {
            device: 199,
            tab: 238,
        },
    ];
    run_acts("2000720", 4, &acts, None).unwrap();
}

/// A classroom that was opened anew on its connection forgot what of the outbox had been sent and not answered.
#[test]
fn what_was_on_its_way_when_a_file_came_is_sent_again() {
    let acts = [
        Act::Found { person: 0 },
        Act::Settle { seconds: 1 },
        Act::NewPage {
            device: 0,
            tab: 0,
            space: 0,
        },
        Act::Export { device: 16, tab: 60 },
        Act::ReplaceRelay {
            relay: 0,
            by: Successor::Restored,
        },
        run_of(13, 32803),
        Act::Pass { milliseconds: 6000 },
        run_of(11, 6833),
        edit(88, 199, 2, How::Write, 15995, 38),
        run_of(8, 33855),
        Act::Pass { milliseconds: 6000 },
        edit(20, 94, 1, How::Write, 1558, 44),
        run_of(9, 48841),
        run_of(1, 26035),
        Act::Import {
            device: 40,
            tab: 4,
            stick: 253,
            is_cut: true,
        },
    ];
    run_acts("healed 65", 2, &acts, None).unwrap();
}

/// What a tab left in its last moment names a roster entry of which nobody told, either.
#[test]
fn a_tab_that_takes_over_takes_over_roster_entries_as_well() {
    let acts = [
        Act::Found { person: 0 },
        Act::Settle { seconds: 1 },
        Act::NewPage {
            device: 0,
            tab: 0,
            space: 0,
        },
        Act::Invite {
            person: 0,
            role: Role::Teacher,
            ask_first: false,
        },
        Act::Settle { seconds: 1 },
        Act::Join { person: 1, invite: 0 },
        Act::Settle { seconds: 1 },
        Act::CloseTab {
            device: 139,
            tab: 235,
        },
        edit(220, 24, 2, How::Write, 14787, 3),
        run_of(8, 60656),
        edit(213, 145, 1, How::Write, 39893, 5),
        run_of(7, 47651),
        edit(1, 201, 2, How::Delete, 63761, 6),
        run_of(3, 4700),
        edit(36, 170, 0, How::Write, 11065, 7),
        run_of(7, 45229),
        edit(66, 50, 1, How::Write, 3326, 8),
        Act::OpenTab { device: 62 },
        run_of(7, 55853),
        Act::Pass { milliseconds: 6000 },
        Act::OpenTab { device: 173 },
        Act::CloseTab { device: 185, tab: 75 },
        run_of(6, 41284),
        run_of(10, 49238),
        edit(35, 60, 1, How::Write, 59292, 13),
        run_of(8, 56791),
        edit(13, 59, 2, How::Write, 29157, 15),
        run_of(6, 33547),
        Act::Pass { milliseconds: 1000 },
        Act::OpenTab { device: 73 },
        Act::Pass { milliseconds: 6000 },
        Act::FillDisk { device: 186 },
        run_of(6, 18229),
        run_of(9, 60857),
        Act::Pass { milliseconds: 6000 },
        Act::Invite {
            person: 35,
            role: Role::Student,
            ask_first: false,
        },
        run_of(3, 63211),
        edit(151, 16, 0, How::Write, 40273, 38),
        run_of(5, 2780),
        run_of(13, 34723),
        Act::CloseTab { device: 15, tab: 12 },
    ];
    run_acts("3000191", 2, &acts, None).unwrap();
}
