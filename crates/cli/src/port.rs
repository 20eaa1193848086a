//! Names the process that has a port which we can't have.

use crate::failure::Failed;
use std::{error::Error, fs, io, net::SocketAddr, path::Path};

/// The tables of TCP sockets on Linux, and the state of one that listens in them.
const TABLES: [&str; 2] = ["net/tcp", "net/tcp6"];
const LISTENS: &str = "0A";

/// The failure to listen on `address`, which `option` sets: names the process that has it, where the system shows that.
pub(crate) fn unavailable(address: SocketAddr, option: &str, failed: Failed) -> Failed {
    if !is_in_use(&failed) {
        return failed;
    }
    let holder = holder(Path::new("/proc"), address.port());
    let holder = holder.unwrap_or_else(|| "another process".to_owned());
    Failed::Other(format!("{address} is in use by {holder}: end it, or choose another address with {option}"))
}

fn is_in_use(failed: &Failed) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(failed);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::AddrInUse) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The process that listens on that port: its name and id. `None` where there is no `/proc`, or if the process is of
/// another user.
fn holder(proc: &Path, port: u16) -> Option<String> {
    let sockets: Vec<String> = TABLES
        .iter()
        .filter_map(|table| fs::read_to_string(proc.join(table)).ok())
        .flat_map(|table| listening(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    fs::read_dir(proc).ok()?.flatten().find_map(|process| {
        let id: u32 = process.file_name().to_str()?.parse().ok()?;
        let opened = fs::read_dir(process.path().join("fd")).ok()?.flatten();
        let mut opened = opened.filter_map(|file| fs::read_link(file.path()).ok());
        opened.find(|target| sockets.iter().any(|socket| target == Path::new(socket)))?;
        let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        Some(format!("{} (process {id})", name.trim()))
    })
}

/// The inodes of the sockets that listen on that port, of a table such as `/proc/net/tcp`.
fn listening(table: &str, port: u16) -> Vec<String> {
    let port = format!(":{port:04X}");
    let inode = |line: &str| {
        let mut columns = line.split_whitespace();
        let (local, state) = (columns.nth(1)?, columns.nth(1)?);
        (local.ends_with(&port) && state == LISTENS).then(|| columns.nth(5).map(str::to_owned))?
    };
    table.lines().filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0000000000000000 20 4 30 10 -1
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000000000000000 100 0 0 10 0
";

    #[test]
    fn only_who_listens_has_a_port() {
        assert_eq!(listening(TABLE, 8080), ["4711"]);
        assert_eq!(listening(TABLE, 22), ["4713"]);
        assert!(listening(TABLE, 0x7f).is_empty());
        assert!(listening("no table", 8080).is_empty());
    }

    #[test]
    fn a_port_that_is_taken_is_refused_with_the_option_and_the_process_where_the_system_shows_it() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = TcpListener::bind(address).unwrap_err();
        let refused = unavailable(address, "--listen", Failed::io("can't listen", error)).to_string();
        assert!(refused.starts_with(&format!("{address} is in use by ")), "{refused}");
        assert!(refused.ends_with("with --listen"), "{refused}");
        if cfg!(target_os = "linux") {
            assert!(refused.contains(&format!("(process {})", std::process::id())), "{refused}");
        }
    }

    #[test]
    fn another_failure_stays_as_it_is() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let denied = Failed::io("can't listen", io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!(unavailable(address, "--listen", denied).to_string(), "can't listen");
    }
}
