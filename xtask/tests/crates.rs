//! Dependencies point one way: the relay cannot load a document, for nothing that it is made of can.

use std::collections::BTreeSet;
use std::process::Command;

#[test]
fn the_relay_is_not_made_of_anything_that_loads_a_document() {
    // What a crate is made of, without what only its tests need.
    let has = |package: &str| {
        let cargo = Command::new(env!("CARGO"))
            .args(["tree", "--locked", "--edges", "normal,build", "--prefix", "none"])
            .args(["--format", "{p}", "--package", package])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let why = String::from_utf8_lossy(&cargo.stderr);
        assert!(cargo.status.success(), "{why}");
        let lines = String::from_utf8(cargo.stdout).unwrap();
        let parts: BTreeSet<&str> = lines.lines().filter_map(|line| line.split(' ').next()).collect();
        ["protocol", "documents", "automerge", "replica"].map(|name| parts.contains(name))
    };
    assert_eq!(has("sync-server"), [true, false, false, false]);
    assert_eq!(has("protocol"), [true, false, false, false]);
    assert_eq!(has("documents"), [false, true, true, false]);
    assert_eq!(has("replica"), [true; 4]);
}
