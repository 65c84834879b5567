//! Makes of trunk's output what the relay serves under a strict Content-Security-Policy, and what works offline.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use sha2::{Digest, Sha256, Sha384};

use super::bundle::{esbuild, minifier};
use super::compress::compress;
use super::fingerprint::files_below;
use super::program::{self, Form};
use crate::error::{AtPath, Error, Result};
use crate::layout::{Layout, Profile};
use crate::step::run;
use crate::tools::hex;

pub(crate) const SERVICE_WORKER: &str = "service-worker.js";

pub(crate) fn finish(layout: &Layout, profile: Profile, form: Form, folder: &Path) -> Result<()> {
    let page_path = folder.join("index.html");
    let page = fs::read_to_string(&page_path).at(&page_path)?;
    let unexpected = |problem: &str| Error::Unexpected {
        path: page_path.clone(),
        problem: problem.to_owned(),
    };

    let glue = glue_address(&page)
        .ok_or_else(|| unexpected("no script imports the app"))?
        .to_owned();
    let worker_source = layout.root().join("app/worker/worker.js");
    let worker = fs::read_to_string(&worker_source).at(&worker_source)?;
    let worker = write_hashed(folder, "worker", &worker)?;

    let page = with_script_files(&page, |script| write_hashed(folder, "start", script))?;
    if page.contains("<style") || page.contains(" style=") {
        return Err(unexpected(
            "it has inline styles, which the Content-Security-Policy forbids",
        ));
    }
    // The app starts its worker with these two.
    let addresses = format!(
        "<meta name=\"meridian-worker\" content=\"/{worker}\"><meta name=\"meridian-glue\" content=\"{glue}\"></head>"
    );
    fs::write(&page_path, page.replacen("</head>", &addresses, 1)).at(&page_path)?;

    let glue = folder.join(glue.trim_start_matches('/'));
    match form {
        Form::Whole => {}
        Form::Divided => program::divide(layout, folder, &glue)?,
        Form::Noting => program::note(layout, folder, &glue)?,
    }
    if profile == Profile::Release {
        minify(layout, &glue)?;
    }
    bundle_service_worker(layout, profile, folder)?;
    match profile {
        Profile::Release => compress(folder, &layout.scratch().join("compressed")),
        Profile::Debug => Ok(()),
    }
}

/// Takes the comments and long names out of the generated JavaScript.
fn minify(layout: &Layout, script: &Path) -> Result<()> {
    run(minifier(&layout.root().join("app/editor"))
        .arg(script)
        .args(["--format=esm", "--target=es2022", "--allow-overwrite"])
        .arg(format!("--outfile={}", script.display())))
}

/// The address of the generated JavaScript, from the script that trunk made to load it.
fn glue_address(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("import init")?;
    let (_, rest) = rest.split_once("from '")?;
    let (address, _) = rest.split_once('\'')?;
    Some(address)
}

/// Replaces each script in the page by one that loads the file whose name `keep` gives for its text.
fn with_script_files(page: &str, mut keep: impl FnMut(&str) -> Result<String>) -> Result<String> {
    let mut result = String::with_capacity(page.len());
    let mut rest = page;
    while let Some((before, opened)) = rest.split_once("<script") {
        let Some((attributes, (text, after))) = opened
            .split_once('>')
            .and_then(|(attributes, body)| Some((attributes, body.split_once("</script>")?)))
        else {
            break;
        };
        result.push_str(before);
        if attributes.contains(" src=") {
            result.push_str(&format!("<script{attributes}>{text}</script>"));
        } else {
            let name = keep(text)?;
            result.push_str(&format!("<script{attributes} src=\"/{name}\"></script>"));
        }
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}

/// Writes a script under a name that changes with its content, and returns the name.
fn write_hashed(folder: &Path, name: &str, script: &str) -> Result<String> {
    let hash = hex(&Sha256::digest(script)[..8]);
    let file = format!("{name}-{hash}.js");
    let path = folder.join(&file);
    fs::write(&path, script).at(&path)?;
    Ok(file)
}

fn bundle_service_worker(layout: &Layout, profile: Profile, folder: &Path) -> Result<()> {
    let mut files = Vec::new();
    for path in files_below(folder)? {
        let name = path
            .strip_prefix(folder)
            .unwrap_or(&path)
            .to_string_lossy()
            .replace('\\', "/");
        // The system fetches the icon pictures when it installs the app; the app itself shows none of them.
        if name.ends_with(".png") || name == SERVICE_WORKER {
            continue;
        }
        let content = fs::read(&path).at(&path)?;
        files.push((name, content));
    }
    let package = layout.root().join("app/service-worker");
    run(esbuild(&package, profile)
        .arg("src/service-worker.ts")
        .args([
            "--format=iife",
            "--target=es2022",
            "--define:process.env.NODE_ENV=\"production\"",
        ])
        .arg(format!("--define:PRECACHE={}", precache_list(&files)?))
        .arg(format!("--outfile={}", folder.join(SERVICE_WORKER).display())))
}

/// What Workbox needs to know of each file. The integrity makes an installation fail whole, and be tried again, when the relay
/// is given a new build in the middle of it.
fn precache_list(files: &[(String, Vec<u8>)]) -> Result<String> {
    let entries: Vec<_> = files
        .iter()
        .map(|(name, content)| {
            let digest = Sha384::digest(content);
            json!({
                "url": format!("/{name}"),
                "revision": (!is_named_by_content(name)).then(|| hex(&digest[..8])),
                "integrity": format!("sha384-{}", BASE64_STANDARD.encode(digest)),
            })
        })
        .collect();
    Ok(serde_json::to_string(&entries)?)
}

/// Whether the name ends in a hash, as those do that trunk or we gave: `app-1f3e….js`, `app-1f3e…_bg.wasm`.
fn is_named_by_content(name: &str) -> bool {
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    let stem = stem.strip_suffix("_bg").unwrap_or(stem);
    stem.rsplit_once('-').is_some_and(|(_, hash)| {
        (12..=16).contains(&hash.len()) && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_scripts_become_files_and_others_stay() {
        let page = "<head><script type=\"module\">go();</script><script src=\"/a.js\"></script></head><p>";
        let mut kept = Vec::new();
        let page = with_script_files(page, |script| {
            kept.push(script.to_owned());
            Ok("start-1.js".to_owned())
        })
        .unwrap();
        assert_eq!(
            page,
            "<head><script type=\"module\" src=\"/start-1.js\"></script><script src=\"/a.js\"></script></head><p>"
        );
        assert_eq!(kept, ["go();"]);
    }

    #[test]
    fn the_glue_is_found_in_trunks_script() {
        let page = "<script>\nimport init, * as bindings from '/app-0123.js';\nconst wasm = await init({});</script>";
        assert_eq!(glue_address(page), Some("/app-0123.js"));
        assert_eq!(glue_address("<p>import initial"), None);
    }

    #[test]
    fn only_names_that_end_in_a_hash_may_be_cached_for_ever() {
        assert!(is_named_by_content("app-a9bafa5e70f6b5a3.js"));
        assert!(is_named_by_content("app-a9bafa5e70f6b5a3_bg.wasm"));
        assert!(!is_named_by_content("index.html"));
        assert!(!is_named_by_content("icons/meridian-maskable.svg"));
        assert!(!is_named_by_content("icons/meridian-512.png"));
    }

    #[test]
    fn a_file_without_a_hash_in_its_name_has_a_revision() {
        let files = [
            ("index.html".to_owned(), b"a".to_vec()),
            ("a-a9bafa5e70f6b5a3.js".to_owned(), b"b".to_vec()),
        ];
        let list: serde_json::Value = serde_json::from_str(&precache_list(&files).unwrap()).unwrap();
        assert_eq!(list[0]["url"], "/index.html");
        assert_eq!(list[0]["revision"].as_str().map(str::len), Some(16));
        assert!(list[1]["revision"].is_null());
        assert!(
            list[1]["integrity"]
                .as_str()
                .is_some_and(|text| text.starts_with("sha384-"))
        );
    }
}
