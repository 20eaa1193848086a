//! The version of this build.

/// The version of every package of the workspace.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit that this build is from; `unknown` if neither a clone nor `TILLFLOW_COMMIT` named it. In a debug build the
/// commit at which this crate was last compiled.
pub const COMMIT: &str = env!("TILLFLOW_COMMIT");
/// The profile of the build: `release` or `debug`.
pub const PROFILE: &str = env!("TILLFLOW_PROFILE");
/// Version, commit and profile, as `--version` prints them after the program's name.
pub const VERSION_TEXT: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (", env!("TILLFLOW_COMMIT"), ", ", env!("TILLFLOW_PROFILE"), ")");
