use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::{AtPath, Result};
use crate::layout::{Layout, Profile};
use crate::step::run;

/// Makes one script of the editor and one style sheet of the styles; `app/index.html` names both.
pub(crate) fn bundle(layout: &Layout, profile: Profile) -> Result<()> {
    let scratch = layout.scratch();
    fs::create_dir_all(&scratch).at(&scratch)?;
    let editor = layout.root().join("app/editor");
    run(esbuild(&editor, profile)
        .arg(editor.join("src/main.ts"))
        .args(["--format=esm", "--target=es2022"])
        .arg(format!("--outfile={}", scratch.join("editor.js").display())))?;
    run(esbuild(&editor, profile)
        .arg(layout.root().join("style/main.css"))
        // Files in public/. A wider pattern would also match where the style sheets are on this machine.
        .args(["--external:/fonts/*", "--external:/icons/*"])
        .arg(format!("--outfile={}", scratch.join("main.css").display())))
}

/// The esbuild that is installed in this npm package, set to bundle.
pub(crate) fn esbuild(package: &Path, profile: Profile) -> Command {
    let mut command = Command::new(package.join("node_modules/.bin/esbuild"));
    command
        .current_dir(package)
        .args(["--bundle", "--log-level=warning"]);
    command.arg(match profile {
        Profile::Debug => "--sourcemap=inline",
        Profile::Release => "--minify",
    });
    command
}
