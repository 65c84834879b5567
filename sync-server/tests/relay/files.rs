//! What is served over plain HTTP.

use std::collections::HashMap;
use std::net::SocketAddr;

use sync_server::Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::start;

struct Answer {
    status: u16,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

async fn get(address: SocketAddr, path: &str, accept_encoding: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\naccept-encoding: {accept_encoding}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Answer {
        status,
        headers,
        body: bytes[end + 4..].to_vec(),
    }
}

#[tokio::test]
async fn the_app_is_served_with_the_right_headers() {
    let data = tempfile::tempdir().unwrap();
    let app = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("index.html", "<!doctype html>"),
        ("manifest.webmanifest", "{}"),
        ("service-worker.js", "self"),
        ("app-1f0c2b3a4d5e6f70_bg.wasm", "plain"),
        ("app-1f0c2b3a4d5e6f70_bg.wasm.br", "small"),
        ("app-1f0c2b3a4d5e6f70_bg.wasm.gz", "smallish"),
    ] {
        std::fs::write(app.path().join(name), content).unwrap();
    }
    std::fs::write(data.path().join("secret.txt"), "secret").unwrap();
    let relay = start(Settings {
        app: Some(app.path().to_owned()),
        ..Settings::new(data.path())
    })
    .await;
    let address = relay.address();
    const FOR_EVER: &str = "public, max-age=31536000, immutable";
    let wasm = "/app-1f0c2b3a4d5e6f70_bg.wasm";
    for (path, accept, status, kind, encoding, caching, body) in [
        ("/", "br", 200, "text/html", None, "no-cache", "<!doctype html>"),
        (
            "/classroom/1a2b/page/3c",
            "",
            200,
            "text/html",
            None,
            "no-cache",
            "<!doctype html>",
        ),
        (
            "/index.html",
            "",
            200,
            "text/html",
            None,
            "no-cache",
            "<!doctype html>",
        ),
        (
            "/service-worker.js",
            "",
            200,
            "text/javascript",
            None,
            "no-cache",
            "self",
        ),
        (
            "/manifest.webmanifest",
            "",
            200,
            "application/manifest+json",
            None,
            "no-cache",
            "{}",
        ),
        (
            wasm,
            "gzip, br",
            200,
            "application/wasm",
            Some("br"),
            FOR_EVER,
            "small",
        ),
        (
            wasm,
            "gzip",
            200,
            "application/wasm",
            Some("gzip"),
            FOR_EVER,
            "smallish",
        ),
        (wasm, "", 200, "application/wasm", None, FOR_EVER, "plain"),
        (
            "/app-00000000000000_bg.wasm",
            "",
            404,
            "text/plain; charset=utf-8",
            None,
            "no-cache",
            "not found\n",
        ),
        (
            "/../secret.txt",
            "",
            404,
            "text/plain; charset=utf-8",
            None,
            "no-cache",
            "not found\n",
        ),
        (
            "/%2e%2e/secret.txt",
            "",
            404,
            "text/plain; charset=utf-8",
            None,
            "no-cache",
            "not found\n",
        ),
    ] {
        let answer = get(address, path, accept).await;
        let header = |name: &str| answer.headers.get(name).map(String::as_str);
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(header("content-type"), Some(kind), "{path}");
        assert_eq!(header("content-encoding"), encoding, "{path}");
        assert_eq!(header("cache-control"), Some(caching), "{path}");
        assert_eq!(String::from_utf8(answer.body.clone()).unwrap(), body, "{path}");
        let policy = header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'; ",
            "script-src 'self' 'wasm-unsafe-eval'; ",
            &format!("connect-src 'self' ws://{address} wss://{address}; "),
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{part} is not in {policy}");
        }
        assert_eq!(header("x-content-type-options"), Some("nosniff"));
        assert_eq!(header("referrer-policy"), Some("no-referrer"));
        assert_eq!(header("cross-origin-opener-policy"), Some("same-origin"));
    }
}

#[tokio::test]
async fn health_says_whether_the_store_answers() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let answer = get(relay.address(), "/health", "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.body, br#"{"status":"ok"}"#);
    // Without an app there is nothing else.
    assert_eq!(get(relay.address(), "/", "").await.status, 404);

    let store = rusqlite::Connection::open(data.path().join("relay.sqlite")).unwrap();
    store
        .execute_batch("PRAGMA foreign_keys = OFF; DROP TABLE relay")
        .unwrap();
    assert_eq!(get(relay.address(), "/health", "").await.status, 503);
}
