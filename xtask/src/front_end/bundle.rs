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
    let mut command = match profile {
        Profile::Debug => quiet_esbuild(package),
        Profile::Release => minifier(package),
    };
    command.arg("--bundle");
    if profile == Profile::Debug {
        command.arg("--sourcemap=inline");
    }
    command
}

/// The esbuild that is installed in this npm package, set to make a script smaller.
pub(crate) fn minifier(package: &Path) -> Command {
    let mut command = quiet_esbuild(package);
    command.arg("--minify");
    command
}

fn quiet_esbuild(package: &Path) -> Command {
    let mut command = Command::new(package.join("node_modules/.bin/esbuild"));
    command.current_dir(package).arg("--log-level=warning");
    command
}
