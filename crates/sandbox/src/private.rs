//! Folders and files that only their owner can read.

use crate::SandboxError;
use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

const OWNER_ONLY: u32 = 0o700;
/// Others may pass through to folders that they can open, and can't list the content.
const PASSABLE: u32 = 0o711;

/// Creates the folder of an environment, or restricts one that is there: only its owner can open it. If this process is
/// root, the user that Postgres runs as has to pass through to its own folder; others can pass through too, and find
/// only restricted folders.
pub fn own_folder(path: &Path) -> Result<(), SandboxError> {
    let mode = if rustix::process::geteuid().is_root() { PASSABLE } else { OWNER_ONLY };
    closed(path, mode).map_err(SandboxError::file(path))
}

/// Creates a folder that only its owner can open, or restricts one that is there.
pub(crate) fn folder(path: &Path) -> io::Result<()> {
    closed(path, OWNER_ONLY)
}

fn closed(path: &Path, mode: u32) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(mode).create(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// 256 random bits, in hexadecimal.
pub(crate) fn random() -> io::Result<String> {
    let mut bytes = [0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}

/// Writes a file that only its owner can read.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(content)
}
