//! Checks a URL before it is called.

use crate::address::is_public;
use reqwest::Url;
use serde::Deserialize;
use std::net::IpAddr;

/// Suffixes of names that are never of the public Internet (RFC 6761, 6762, 7686, 8375, 9476; `internal` is ICANN's).
const SPECIAL_NAMES: [&str; 8] =
    ["localhost", "local", "internal", "home.arpa", "onion", "invalid", "test", "alt"];

/// The reason why a URL isn't called. It persists until the connection's settings, the addresses of its host or the
/// operator's exceptions change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// It can't be parsed.
    #[error("the URL of its API can't be read as one")]
    Unreadable,
    /// It isn't `https`.
    #[error("the URL of its API isn't https")]
    Scheme,
    /// It contains a user's name or password.
    #[error("the URL of its API holds a user's name")]
    UserInfo,
    /// It names another port than 443.
    #[error("the URL of its API names another port than 443")]
    Port,
    /// Its host is a name of local networks.
    #[error("the URL of its API names a host that isn't public")]
    Name,
    /// Its host is an address that isn't public, or resolves to none that is.
    #[error("the address of its API isn't a public one")]
    Address,
}

/// The settings of calls to platforms.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallsConfig {
    /// Origins that connections may have besides `https` on port 443 at public addresses, each as `scheme://host:port`;
    /// the port `*` is any. The addresses of a host named here aren't checked: it is trusted.
    pub allow: Vec<AllowedOrigin>,
    /// The share of each platform's rate of calls that is used, in percent, from 1 to 100: less where other programs
    /// call the same accounts.
    pub rate_percent: u32,
}

impl Default for CallsConfig {
    fn default() -> Self {
        Self { allow: Vec::new(), rate_percent: 100 }
    }
}

impl CallsConfig {
    /// Checks a URL as every call does before it is made. The addresses of its host are checked by the call alone.
    pub fn check(&self, url: &str) -> Result<(), Forbidden> {
        judge(url, &self.allow).map(drop)
    }

    /// The settings for platforms that are simulated on this machine.
    pub fn simulated() -> Self {
        let port = None;
        let here = AllowedOrigin { is_https: false, host: "127.0.0.1".to_owned(), port };
        Self { allow: vec![here], ..Self::default() }
    }
}

/// An origin that the operator exempts from the rules.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct AllowedOrigin {
    is_https: bool,
    /// As parsed URLs write it: lower case, addresses in their usual spelling, those of IPv6 in brackets.
    host: String,
    /// `None` for any port.
    port: Option<u16>,
}

/// The text isn't an origin.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no origin: write it as https://host:port, with * for any port, and nothing behind it")]
pub struct NoOrigin(String);

impl TryFrom<String> for AllowedOrigin {
    type Error = NoOrigin;

    fn try_from(text: String) -> Result<Self, NoOrigin> {
        let (origin, any_port) = match text.strip_suffix(":*") {
            Some(origin) => (origin, true),
            None => (text.as_str(), false),
        };
        let read = Url::parse(origin).ok().filter(|url| {
            let bare = url.username().is_empty() && url.password().is_none() && url.path() == "/";
            let bare = bare && url.query().is_none() && url.fragment().is_none();
            // Patterns aren't supported: a text that looks like one is refused.
            bare && !origin.ends_with('/') && !origin.contains('*')
        });
        let allowed = read.and_then(|url| {
            let is_https = match url.scheme() {
                "https" => true,
                "http" => false,
                _ => return None,
            };
            let port = if any_port { None } else { Some(url.port_or_known_default()?) };
            Some(Self { is_https, host: url.host_str()?.to_owned(), port })
        });
        allowed.ok_or(NoOrigin(text))
    }
}

impl AllowedOrigin {
    fn is_of(&self, url: &Url) -> bool {
        let scheme = if self.is_https { "https" } else { "http" };
        url.scheme() == scheme
            && url.host_str() == Some(&self.host)
            && (self.port.is_none() || self.port == url.port_or_known_default())
    }
}

/// A URL that may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// At public addresses only: those of its host are still to be checked.
    Public(Url),
    /// At any address.
    Allowed(Url),
}

/// Checks a URL. It is parsed once, as the client parses it: no other spelling of a host reaches the connection.
pub(crate) fn judge(url: &str, allow: &[AllowedOrigin]) -> Result<Destination, Forbidden> {
    let url = Url::parse(url).map_err(|_| Forbidden::Unreadable)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Forbidden::UserInfo);
    }
    if allow.iter().any(|origin| origin.is_of(&url)) {
        return Ok(Destination::Allowed(url));
    }
    if url.scheme() != "https" {
        return Err(Forbidden::Scheme);
    }
    if url.port().is_some() {
        return Err(Forbidden::Port);
    }
    let host = url.host_str().ok_or(Forbidden::Unreadable)?;
    match address_of(host) {
        Some(address) if is_public(address) => Ok(Destination::Public(url)),
        Some(_) => Err(Forbidden::Address),
        None if is_public_name(host) => Ok(Destination::Public(url)),
        None => Err(Forbidden::Name),
    }
}

/// The address in `host`; `None` for a name. Such a host isn't resolved, so that no other check covers it.
fn address_of(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn is_public_name(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_below = |special: &&str| {
        name.strip_suffix(*special).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    let is_whole = name.contains('.') && name.split('.').all(|label| !label.is_empty());
    is_whole && !SPECIAL_NAMES.iter().any(is_below)
}

#[cfg(test)]
mod tests;
