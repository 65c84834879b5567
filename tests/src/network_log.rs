//! What a browser asked the network for, as it writes it down itself: the page, its workers and its service worker alike.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::Result;
use crate::error::Doing;

/// A browser's log of its network stack, complete once the browser is closed.
#[derive(Debug)]
pub(crate) struct NetworkLog {
    folder: TempDir,
}

impl NetworkLog {
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("meridian-network-log-").tempdir();
        Ok(Self {
            folder: folder.doing("make a folder for the network log")?,
        })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("log.json")
    }

    /// The addresses that pages of `origin` asked for; nothing while the log is incomplete.
    pub(crate) fn requests_of(&self, origin: &str) -> Result<Option<Vec<String>>> {
        let log = fs::read(self.path()).doing("read the network log")?;
        Ok(requests_of(origin, &log))
    }
}

fn requests_of(origin: &str, log: &[u8]) -> Option<Vec<String>> {
    let log: Value = serde_json::from_slice(log).ok()?;
    let start = &log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"];
    start.as_u64()?;
    let requests = log["events"].as_array()?.iter();
    // What the browser asks for on its own account has no origin.
    let requests = requests.filter(|event| event["type"] == *start && event["params"]["initiator"] == origin);
    Some(
        requests
            .filter_map(|event| event["params"]["url"].as_str())
            .map(str::to_owned)
            .collect(),
    )
}

/// Whether an address is at this origin, also as a WebSocket.
pub(crate) fn is_at(origin: &str, address: &str) -> bool {
    let host = |address: &str| {
        let rest = address.split_once("://")?.1;
        Some(rest.split(['/', '?', '#']).next()?.to_owned())
    };
    host(address) == host(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_s_requests_are_told_from_the_browser_s_own() {
        let log = br#"{"constants": {"logEventTypes": {"URL_REQUEST_START_JOB": 7, "OTHER": 8}}, "events": [
            {"type": 7, "params": {"url": "https://update.example/", "initiator": "not an origin"}},
            {"type": 8, "params": {"url": "http://127.0.0.1:1/a", "initiator": "http://127.0.0.1:1"}},
            {"type": 7, "params": {"url": "http://127.0.0.1:1/b", "initiator": "http://127.0.0.1:1"}},
            {"type": 7, "params": {"url": "https://tracker.example/", "initiator": "http://127.0.0.1:1"}},
            {"type": 7}]}"#;
        let requests = requests_of("http://127.0.0.1:1", log).unwrap();
        assert_eq!(requests, ["http://127.0.0.1:1/b", "https://tracker.example/"]);
        assert_eq!(requests_of("http://127.0.0.1:1", b"{\"constants\": {"), None);
    }

    #[test]
    fn an_origin_is_a_host_with_its_port() {
        let origin = "http://127.0.0.1:80";
        assert!(is_at(origin, "ws://127.0.0.1:80/sync"));
        assert!(is_at(origin, "http://127.0.0.1:80"));
        for other in [
            "http://127.0.0.1:8080/",
            "http://127.0.0.1.example/",
            "data:text/plain,a",
        ] {
            assert!(!is_at(origin, other), "{other}");
        }
    }
}
