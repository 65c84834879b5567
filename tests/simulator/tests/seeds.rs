//! A few hundred fixed histories, and what once went wrong.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use protocol::roster::Role;
use simulator::{Act, Failure, Govern, How, run, run_acts, run_and_shorten};

const SEEDS: std::ops::Range<usize> = 300..500;

#[test]
fn everything_promised_holds_in_many_histories() {
    simulator::catch_panics();
    let seeds: Vec<String> = SEEDS.map(|seed| seed.to_string()).collect();
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
        .args(["--seeds", "5", "--from", "100", "--threads", "1", "--hashes"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let told = String::from_utf8(output.stdout).unwrap();
    for seed in 100..105 {
        let story = run(&seed.to_string(), None).unwrap();
        let line = format!("{seed} {}", blake3::Hash::from_bytes(story));
        assert!(
            told.lines().any(|other| other == line),
            "{line} is not in\n{told}"
        );
    }
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
    let write = |device, at, word| Act::Edit {
        device,
        tab: 0,
        page: 0,
        how: How::Write,
        at,
        word,
    };
    let acts = [
        Act::Found { person: 0 },
        Act::Settle { seconds: 1 },
        Act::NewPage {
            device: 0,
            tab: 0,
            space: 0,
        },
        Act::Run {
            steps: 8,
            seed: 22_575,
        },
        Act::Clone { device: 168 },
        Act::Govern {
            device: 0,
            tab: 0,
            what: Govern::Close(true),
            whom: 151,
        },
        Act::Run {
            steps: 8,
            seed: 5_405,
        },
        write(242, 52_189, 24),
        Act::Pass { milliseconds: 50 },
        Act::OpenTab { device: 234 },
        Act::Run {
            steps: 5,
            seed: 2_169,
        },
        write(167, 38_554, 28),
        Act::Run {
            steps: 13,
            seed: 13_138,
        },
        write(254, 57_384, 35),
    ];
    run_acts("governed 7116", 2, &acts, None).unwrap();
}
