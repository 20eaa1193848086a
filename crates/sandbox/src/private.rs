//! Folders and files that only their owner reads.

use crate::SandboxError;
use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

const OWNER_ONLY: u32 = 0o700;
/// Others may pass through to what they are let into, and see nothing.
const PASSABLE: u32 = 0o711;

/// Makes the folder of an environment, or closes one that is there: only its owner enters. Where we are root, the user that
/// Postgres runs as has to pass through to its own; others may, and find only closed folders.
pub fn own_folder(path: &Path) -> Result<(), SandboxError> {
    let mode = if rustix::process::geteuid().is_root() { PASSABLE } else { OWNER_ONLY };
    closed(path, mode).map_err(SandboxError::file(path))
}

/// Makes a folder that only its owner enters, and closes one that is there.
pub(crate) fn folder(path: &Path) -> io::Result<()> {
    closed(path, OWNER_ONLY)
}

fn closed(path: &Path, mode: u32) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(mode).create(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// 256 bits drawn by chance, in hexadecimal.
pub(crate) fn random() -> io::Result<String> {
    let mut bytes = [0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}

/// Writes a file that only its owner reads.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(content)
}
