//! The template from which new clusters of Postgres are copied: `initdb` takes most of the time in which a
//! server starts.

use crate::SandboxError;
use std::{
    env, fs, io,
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
};

/// The folder of the template for these programs and that user, in the folder for temporary files.
pub(crate) fn folder(programs: &Path, uid: u32) -> PathBuf {
    let programs = programs.display().to_string().replace(|each: char| !each.is_ascii_alphanumeric(), "-");
    env::temp_dir().join(format!("tillflow-cluster{programs}-{uid}"))
}

/// Copies the template to `cluster`, with that user as its owner; returns false if there is none. A folder that belongs
/// to another user is not a template.
pub(crate) fn copy(template: &Path, cluster: &Path, uid: u32) -> Result<bool, SandboxError> {
    let is_own = fs::symlink_metadata(template).is_ok_and(|found| found.is_dir() && found.uid() == uid);
    if is_own {
        copy_folder(template, cluster, uid)?;
    }
    Ok(is_own)
}

/// Makes a template of `cluster`, in which no server was started yet, unless another process was faster.
pub(crate) fn keep(cluster: &Path, template: &Path, uid: u32) -> Result<(), SandboxError> {
    let mut making = template.as_os_str().to_owned();
    making.push(format!(".{}", std::process::id()));
    let making = PathBuf::from(making);
    copy_folder(cluster, &making, uid)?;
    if fs::rename(&making, template).is_err() {
        fs::remove_dir_all(&making).map_err(SandboxError::file(&making))?;
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path, uid: u32) -> Result<(), SandboxError> {
    let own = |path: &Path| chown(path, Some(uid), None).map_err(SandboxError::file(path));
    match fs::create_dir(to) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(SandboxError::file(to)(error));
        }
        _ => {}
    }
    let entries = fs::read_dir(from).map_err(SandboxError::file(from))?;
    for entry in entries {
        let entry = entry.map_err(SandboxError::file(from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_folder(&source, &target, uid)?;
        } else {
            fs::copy(&source, &target).map_err(SandboxError::file(&target))?;
            own(&target)?;
        }
    }
    let permissions = fs::metadata(from).map_err(SandboxError::file(from))?.permissions();
    fs::set_permissions(to, permissions).map_err(SandboxError::file(to))?;
    own(to)
}
