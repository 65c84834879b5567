//! Which origins browsers may reach this relay from. An origin is part of what a member signs, so that an answer given
//! to one relay is worth nothing at another.

use std::net::SocketAddr;

use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderMap, header};

use crate::Error;

/// The origins of this relay.
#[derive(Debug, Clone)]
pub(crate) enum Origins {
    /// These and no others.
    Listed(Vec<String>),
    /// Whatever host the client names: for a relay that listens everywhere and was not told its name.
    Host,
}

impl Origins {
    /// The listed ones, or those that follow from the address.
    pub(crate) fn new(listed: &[String], address: SocketAddr) -> Result<Self, Error> {
        if !listed.is_empty() {
            let origins = listed.iter().map(|origin| parse(origin));
            return Ok(Self::Listed(origins.collect::<Result<_, _>>()?));
        }
        let (ip, port) = (address.ip(), address.port());
        if ip.is_unspecified() {
            return Ok(Self::Host);
        }
        let mut origins = vec![format!("http://{address}")];
        if ip.is_loopback() {
            for name in ["127.0.0.1", "localhost", "[::1]"] {
                let origin = format!("http://{name}:{port}");
                if !origins.contains(&origin) {
                    origins.push(origin);
                }
            }
        }
        Ok(Self::Listed(origins))
    }

    /// The origins that an answer on a connection with these headers may be for; empty if the connection must be
    /// refused. A browser says its origin and must mean that one; others may mean any that is allowed.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Vec<String> {
        let allowed = match self {
            Self::Listed(origins) => origins.clone(),
            Self::Host => host(headers).map_or(Vec::new(), |host| {
                vec![format!("http://{host}"), format!("https://{host}")]
            }),
        };
        match headers.get(header::ORIGIN) {
            None => allowed,
            Some(said) => allowed
                .into_iter()
                .filter(|origin| origin.as_bytes() == said.as_bytes())
                .collect(),
        }
    }
}

/// The host that a request was sent to, if it is one.
pub(crate) fn host(headers: &HeaderMap) -> Option<Authority> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte);
    if !host.bytes().all(is_plain) {
        return None;
    }
    host.parse().ok()
}

/// Scheme and host in lower case, without a path; the scheme's own port is left out, as browsers do.
fn parse(origin: &str) -> Result<String, Error> {
    let malformed = || Error::Origin(origin.to_owned());
    let uri: Uri = origin.parse().map_err(|_| malformed())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(malformed());
    };
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return Err(malformed()),
    };
    let has_more = uri.path() != "/" || uri.query().is_some() || authority.as_str().contains('@');
    if has_more || authority.host().is_empty() {
        return Err(malformed());
    }
    let host = authority.host().to_lowercase();
    Ok(match authority.port_u16() {
        Some(port) if port != default_port => format!("{scheme}://{host}:{port}"),
        _ => format!("{scheme}://{host}"),
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::{Origins, parse};

    fn headers(host: &'static str, origin: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        headers
    }

    #[test]
    fn a_listed_origin_is_written_as_browsers_write_it() {
        assert_eq!(
            parse("https://Relay.Example:443/").unwrap(),
            "https://relay.example"
        );
        assert_eq!(parse("http://[::1]:8080").unwrap(), "http://[::1]:8080");
        for wrong in [
            "relay.example",
            "ftp://relay.example",
            "https://relay.example/app",
            "https://a@b",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_browser_must_come_from_an_allowed_origin() {
        let origins = Origins::new(&[], "127.0.0.1:8080".parse().unwrap()).unwrap();
        assert_eq!(origins.of(&headers("x", None)).len(), 3);
        assert_eq!(
            origins.of(&headers("x", Some("http://localhost:8080"))),
            ["http://localhost:8080"]
        );
        assert!(origins.of(&headers("x", Some("https://evil.example"))).is_empty());
    }

    #[test]
    fn listening_everywhere_takes_the_host_that_is_named() {
        let origins = Origins::new(&[], "0.0.0.0:8080".parse().unwrap()).unwrap();
        let named = headers("10.0.0.5:8080", Some("http://10.0.0.5:8080"));
        assert_eq!(origins.of(&named), ["http://10.0.0.5:8080"]);
        assert!(
            origins
                .of(&headers("10.0.0.5:8080", Some("http://evil.example")))
                .is_empty()
        );
        assert!(origins.of(&headers("a b;c", None)).is_empty());
    }
}
