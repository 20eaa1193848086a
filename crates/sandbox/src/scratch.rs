use crate::{SandboxError, private};
use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// A temporary folder, in the system's folder for temporary files; removed when dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Creates a folder with a unique name.
    pub fn new() -> Result<Self, SandboxError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tillflow-{}-{count}-{nanos:x}", process::id()));
        fs::create_dir(&path).map_err(SandboxError::file(&path))?;
        private::own_folder(&path)?;
        Ok(Self(path))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder that can't be removed stays among the system's temporary files, and does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}
