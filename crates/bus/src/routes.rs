//! Routes: the connections between the servers of a cluster.
//!
//! A process that joins as a server may do everything. Therefore a route has credentials of its own, a user that no
//! client has, and both ends present a certificate of one authority.

use crate::{
    BusError,
    error::Source,
    keyring::{close_folder, unusable, write},
};
use serde_json::{Value, json};
use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// The file for the servers' configuration.
const CLUSTER_FILE: &str = "cluster.conf";
/// The file of the routes' password, in the folder of the seeds.
const PASSWORD_FILE: &str = "routes.password";
/// The user name of the servers on routes.
const USER: &str = "routes";
/// The name of the cluster; servers with another cluster name are refused.
const NAME: &str = "tillflow";
/// The port of routes, unless the address of a server contains another.
const PORT: u16 = 6222;
/// The number of random bytes in a password.
const PASSWORD_BYTES: usize = 32;
/// Lower limit of servers: the fewest of which one may be lost.
const SERVERS_MIN: usize = 3;
/// Upper limit of servers.
const SERVERS_MAX: usize = 9;
/// Upper limit of a host name, in bytes.
const ADDRESS_MAX: usize = 253;
/// Time limit for a server to authenticate, in seconds.
const AUTHORIZED_WITHIN_SECONDS: u64 = 5;

/// Reason why these servers can't form a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoutesError {
    /// The number of servers is out of range; at least three are needed to lose one.
    #[error("a cluster has {SERVERS_MIN} to {SERVERS_MAX} servers, not {0}")]
    Servers(usize),
    /// The address is not of the form `host` or `host:port`.
    #[error("{0:?} is no address of a server: write host or host:port")]
    Address(String),
    /// The address occurs twice.
    #[error("{0:?} is named twice")]
    Twice(String),
}

/// The servers of a cluster, by the addresses of their routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routes {
    servers: Vec<String>,
    tls_folder: PathBuf,
}

impl Routes {
    /// Validates the addresses of three to nine servers, `host` or `host:port`. Each has its certificate, key and
    /// authority in `tls_folder`, as `tls.crt`, `tls.key` and `ca.crt`.
    pub fn new(servers: &[String], tls_folder: &Path) -> Result<Self, RoutesError> {
        if !(SERVERS_MIN..=SERVERS_MAX).contains(&servers.len()) {
            return Err(RoutesError::Servers(servers.len()));
        }
        let mut addresses: Vec<String> = Vec::new();
        for server in servers {
            let address = address(server).ok_or_else(|| RoutesError::Address(server.clone()))?;
            if addresses.contains(&address) {
                return Err(RoutesError::Twice(server.clone()));
            }
            addresses.push(address);
        }
        Ok(Self { servers: addresses, tls_folder: tls_folder.to_owned() })
    }

    fn block(&self, password: &str) -> Value {
        let file = |name: &str| self.tls_folder.join(name);
        let route = |server: &String| format!("nats-route://{USER}:{password}@{server}");
        json!({
            "name": NAME,
            "listen": format!("0.0.0.0:{PORT}"),
            "authorization": {"user": USER, "password": password, "timeout": AUTHORIZED_WITHIN_SECONDS},
            "tls": {
                "cert_file": file("tls.crt"), "key_file": file("tls.key"), "ca_file": file("ca.crt"),
                "verify": true, "timeout": AUTHORIZED_WITHIN_SECONDS,
            },
            "routes": self.servers.iter().map(route).collect::<Vec<_>>(),
        })
    }

    /// Writes the `cluster` block that all servers include into a keyring's folder, with the existing password or a new
    /// one. Returns true if the block differs from the one in the folder; with `dry_run` nothing is written.
    pub fn save(&self, folder: &Path, dry_run: bool) -> Result<bool, BusError> {
        let seeds = folder.join(crate::keyring::SEEDS_FOLDER);
        let (file, password_file) = (cluster_file(folder), seeds.join(PASSWORD_FILE));
        let known = read(&password_file)?.map(|text| text.trim().to_owned()).filter(|text| is_password(text));
        let new = || format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        let password = known.clone().unwrap_or_else(new);
        let text = format!("cluster: {:#}\n", self.block(&password));
        let is_new = read(&file)?.is_none_or(|before| before != text);
        if dry_run || !is_new {
            return Ok(is_new);
        }
        for folder in [folder, &seeds] {
            close_folder(folder).map_err(|error| unusable(folder)(error.into()))?;
        }
        if known.is_none() {
            write(&password_file, format!("{password}\n").as_bytes())?;
        }
        write(&file, text.as_bytes())?;
        Ok(true)
    }
}

/// The file in a keyring's folder that the servers of a cluster include.
pub fn cluster_file(folder: &Path) -> PathBuf {
    folder.join(CLUSTER_FILE)
}

fn read(file: &Path) -> Result<Option<String>, BusError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(file)(Source::from(error))),
    }
}

fn is_password(text: &str) -> bool {
    text.len() == 2 * PASSWORD_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The address with its port; `None` if it is invalid.
fn address(server: &str) -> Option<String> {
    let (host, port) = match server.split_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().ok().filter(|port| *port > 0)?),
        None => (server, PORT),
    };
    let is_host = !host.is_empty()
        && host.len() <= ADDRESS_MAX
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    is_host.then(|| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(servers: &[&str]) -> Result<Routes, RoutesError> {
        let servers: Vec<String> = servers.iter().map(|server| (*server).to_owned()).collect();
        Routes::new(&servers, Path::new("/etc/nats-tls"))
    }

    #[test]
    fn a_cluster_is_three_to_nine_servers_with_an_address_each() {
        assert!(routes(&["nats-0.nats", "nats-1.nats:7000", "10.0.0.3"]).is_ok());
        assert_eq!(routes(&["a", "b"]), Err(RoutesError::Servers(2)));
        assert_eq!(routes(&["a"; 10]), Err(RoutesError::Servers(10)));
        assert_eq!(routes(&["a", "b", "a:6222"]), Err(RoutesError::Twice("a:6222".to_owned())));
        for wrong in ["", "a:0", "a:b", "user@a", "a/b", "a b", "[::1]:6222", "nats://a", "a:70000"] {
            assert_eq!(routes(&["a", "b", wrong]), Err(RoutesError::Address(wrong.to_owned())), "{wrong}");
        }
    }

    #[test]
    fn each_server_shows_credentials_of_its_own_and_a_certificate() {
        let block = routes(&["a", "b", "c:7"]).unwrap().block("secret");
        assert_eq!(block["authorization"]["user"], "routes");
        assert_eq!(block["tls"]["verify"], true);
        assert_eq!(
            block["routes"],
            json!([
                "nats-route://routes:secret@a:6222",
                "nats-route://routes:secret@b:6222",
                "nats-route://routes:secret@c:7"
            ])
        );
    }
}
