use crate::{SandboxError, private};
use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// A folder to throw away, under the system's own; removed when dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes a folder that nobody else has.
    pub fn new() -> Result<Self, SandboxError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tillflow-{}-{count}-{nanos:x}", process::id()));
        fs::create_dir(&path).map_err(SandboxError::file(&path))?;
        private::own_folder(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What can't be removed lies in the system's folder for such things, and hurts nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}
