//! The keys of the broker's users, and the folder that holds them.
//!
//! A key is a pair (nkey, Ed25519). The server gets the public half; the secret half, the seed, is in a file that only
//! its owner can read, and is never sent to the server. Changes to a keyring need no I/O; [`Keyring::open`] and
//! [`Keyring::save`] read and write the folder.

use crate::{BusConfig, BusError, User, error::Source, permissions};
use nkeys::{KeyPair, KeyPairType};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// The file that names all users, with the public halves of their keys.
const USERS_FILE: &str = "users.json";
/// The file for the server's configuration.
const AUTHORIZATION_FILE: &str = "authorization.conf";
/// The folder of the seeds.
pub(crate) const SEEDS_FOLDER: &str = "seeds";
/// Users of former versions. Their keys are left out, and the server accepts them no longer.
const RETIRED_USERS: [&str; 2] = ["door", "poll"];
/// Upper limit of users, so that a faulty loop ends in an error before the disk is full.
const USERS_MAX: usize = 10_000;

/// The secret half of a key, in the text form of NATS (`SU…`). Its `Debug` output does not contain it.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed(String);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed")
    }
}

impl Seed {
    /// The text, for the file or the client that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Generates a random key; returns its public half and its seed.
pub fn new_key() -> Result<(String, Seed), BusError> {
    let failed = |error: nkeys::error::Error| BusError::call("a new key", "a user")(error);
    let pair = KeyPair::new_from_raw(KeyPairType::User, rand::random()).map_err(failed)?;
    Ok((pair.public_key(), Seed(pair.seed().map_err(failed)?)))
}

/// A user and its keys, by their public halves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// The owner of the keys.
    #[serde(flatten)]
    pub user: User,
    /// The current key.
    pub key: String,
    /// The previous key, which the server accepts too until it is retired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
}

/// Reason why a keyring can't be changed as requested.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// No user has this name.
    #[error("there is no user {0:?}; known are {1}")]
    Unknown(String, String),
    /// A partner's connection has another store, or another key was given.
    #[error("the user {0} is there already, with another store or key; revoke it first")]
    Taken(String),
    /// The previous key is still accepted.
    #[error("the user {0} has two keys already: retire the older one first")]
    NotRetired(String),
    /// There is only one key.
    #[error("the user {0} has no older key")]
    NothingToRetire(String),
    /// Tillflow's own users can't be removed.
    #[error("{0} is a user of Tillflow's own: rotate its key and retire the older one instead")]
    Ours(String),
    /// The text is no public half of a user's key.
    #[error("{0:?} is not the public half of a user's key (`U…`, 56 characters)")]
    NoKey(String),
    /// The upper limit of users is reached.
    #[error("more than {USERS_MAX} users")]
    Full,
}

/// The users of a broker and their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keyring {
    users: BTreeMap<String, Keys>,
    /// The seeds that were generated and aren't in the folder yet.
    fresh: BTreeMap<String, Seed>,
    /// The users whose seeds are to be removed from the folder.
    removed: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed<User> {
    users: Vec<User>,
}

impl Keyring {
    /// Reads the keyring of a folder; an empty one if there is none.
    pub fn open(folder: &Path) -> Result<Self, BusError> {
        let file = folder.join(USERS_FILE);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unusable(&file)(error.into())),
        };
        let unusable = |error: serde_json::Error| unusable(&file)(error.into());
        let listed: Listed<Value> = serde_json::from_slice(&text).map_err(unusable)?;
        let is_retired = |listed: &Value| RETIRED_USERS.iter().any(|retired| listed["user"] == *retired);
        let mut users = BTreeMap::new();
        for listed in listed.users.into_iter().filter(|listed| !is_retired(listed)) {
            let keys: Keys = serde_json::from_value(listed).map_err(unusable)?;
            // A name becomes part of a path, an id part of a subject.
            if let User::Partner { store, connection } = &keys.user {
                User::partner(store, connection)?;
            }
            users.insert(keys.user.name(), keys);
        }
        Ok(Self { users, ..Self::default() })
    }

    /// All users.
    pub fn users(&self) -> impl Iterator<Item = &Keys> {
        self.users.values()
    }

    /// The user's seed, if it was generated since the keyring was opened and is not saved yet.
    pub fn fresh_seed(&self, user: &User) -> Option<&Seed> {
        self.fresh.get(&user.name())
    }

    /// Adds those of our own users that are missing, each with a new key, and returns their names.
    pub fn add_ours(&mut self) -> Result<Vec<String>, BusError> {
        let mut added = Vec::new();
        for user in User::OURS {
            let name = user.name();
            if !self.users.contains_key(&name) {
                self.add(user, None)?;
                added.push(name);
            }
        }
        Ok(added)
    }

    /// Adds a partner's user, with a key that the partner made, or else with a new one. Returns true if the user
    /// is new.
    pub fn add_partner(&mut self, user: User, key: Option<&str>) -> Result<bool, BusError> {
        let name = user.name();
        if let Some(found) = self.users.get(&name) {
            let is_same = found.user == user && key.is_none_or(|key| found.key == key);
            return if is_same { Ok(false) } else { Err(KeyringError::Taken(name).into()) };
        }
        self.add(user, key).map(|()| true)
    }

    fn add(&mut self, user: User, key: Option<&str>) -> Result<(), BusError> {
        if self.users.len() >= USERS_MAX {
            return Err(KeyringError::Full.into());
        }
        let key = self.key_for(&user, key)?;
        self.users.insert(user.name(), Keys { user, key, previous: None });
        Ok(())
    }

    /// Gives a user a new key: `key` if the user made one itself, otherwise a generated one. The previous key is
    /// accepted too until [`Keyring::retire`].
    pub fn rotate(&mut self, name: &str, key: Option<&str>) -> Result<(), BusError> {
        let found = self.find(name)?.clone();
        if found.previous.is_some() {
            return Err(KeyringError::NotRetired(name.to_owned()).into());
        }
        let key = self.key_for(&found.user, key)?;
        self.users.insert(name.to_owned(), Keys { user: found.user, key, previous: Some(found.key) });
        Ok(())
    }

    /// Removes a user's previous key.
    pub fn retire(&mut self, name: &str) -> Result<(), BusError> {
        let found = self.find(name)?.clone();
        if found.previous.is_none() {
            return Err(KeyringError::NothingToRetire(name.to_owned()).into());
        }
        self.users.insert(name.to_owned(), Keys { previous: None, ..found });
        Ok(())
    }

    /// Removes a partner's user, with all its keys.
    pub fn revoke(&mut self, name: &str) -> Result<(), BusError> {
        if !matches!(self.find(name)?.user, User::Partner { .. }) {
            return Err(KeyringError::Ours(name.to_owned()).into());
        }
        self.users.remove(name);
        self.fresh.remove(name);
        self.removed.push(name.to_owned());
        Ok(())
    }

    fn find(&self, name: &str) -> Result<&Keys, KeyringError> {
        self.users.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.users.keys().map(String::as_str).collect();
            KeyringError::Unknown(name.to_owned(), known.join(", "))
        })
    }

    fn key_for(&mut self, user: &User, given: Option<&str>) -> Result<String, BusError> {
        let name = user.name();
        if let Some(given) = given {
            let is_of_a_user = given.starts_with('U') && KeyPair::from_public_key(given).is_ok();
            if !is_of_a_user {
                return Err(KeyringError::NoKey(given.to_owned()).into());
            }
            // The seed in the folder would be that of another key.
            self.fresh.remove(&name);
            self.removed.push(name);
            return Ok(given.to_owned());
        }
        let (key, seed) = new_key()?;
        self.removed.retain(|removed| *removed != name);
        self.fresh.insert(name, seed);
        Ok(key)
    }

    /// The server's `authorization` block for these users.
    pub fn authorization(&self, config: &BusConfig) -> Result<Value, BusError> {
        let keys = self.users.values().flat_map(|keys| {
            std::iter::once(&keys.key).chain(&keys.previous).map(|key| (&keys.user, key.as_str()))
        });
        permissions::authorization(config, keys)
    }

    /// The text of the file that the server's configuration includes, for an `authorization` block.
    pub fn server_file(authorization: &Value) -> String {
        format!("authorization: {authorization:#}\n")
    }

    /// Writes the folder: new seeds first, then the server's file, then the list of users, each file whole or not at
    /// all. Only the owner can open the folders (0700) and the files (0600).
    pub fn save(&mut self, folder: &Path, config: &BusConfig) -> Result<(), BusError> {
        let authorization = self.authorization(config)?;
        let seeds = folder.join(SEEDS_FOLDER);
        for folder in [folder, &seeds] {
            close_folder(folder).map_err(|error| unusable(folder)(error.into()))?;
        }
        let fresh = std::mem::take(&mut self.fresh);
        for (name, seed) in &fresh {
            write(&seed_file(folder, name), format!("{}\n", seed.expose()).as_bytes())?;
        }
        write(&authorization_file(folder), Self::server_file(&authorization).as_bytes())?;
        let listed = Listed { users: self.users.values().cloned().collect() };
        let text = serde_json::to_vec_pretty(&listed).map_err(|error| unusable(folder)(error.into()))?;
        write(&folder.join(USERS_FILE), &text)?;
        for name in std::mem::take(&mut self.removed) {
            let file = seed_file(folder, &name);
            match fs::remove_file(&file) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(unusable(&file)(error.into()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The file of a user's seed in a keyring's folder.
pub fn seed_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(SEEDS_FOLDER).join(format!("{name}.nk"))
}

/// The file in a keyring's folder that the server's configuration includes.
pub fn authorization_file(folder: &Path) -> PathBuf {
    folder.join(AUTHORIZATION_FILE)
}

pub(crate) fn close_folder(folder: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

/// Writes a file atomically: the content is written to a temporary file, which is then renamed.
pub(crate) fn write(file: &Path, content: &[u8]) -> Result<(), BusError> {
    let making = file.with_extension("new");
    let write = || {
        // A file that was left half-way may be readable by others.
        match fs::remove_file(&making) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = fs::OpenOptions::new();
        let mut to = options.create_new(true).write(true).mode(0o600).open(&making)?;
        to.write_all(content)?;
        to.sync_all()?;
        fs::rename(&making, file)
    };
    write().map_err(|error| unusable(file)(error.into()))
}

pub(crate) fn unusable(file: &Path) -> impl FnOnce(Source) -> BusError {
    let file = file.display().to_string();
    move |source| BusError::Keyring { file, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partner() -> User {
        User::partner("shop", "till").unwrap()
    }

    fn keys(keyring: &Keyring, name: &str) -> (String, Option<String>) {
        let keys = keyring.users().find(|keys| keys.user.name() == name).unwrap();
        (keys.key.clone(), keys.previous.clone())
    }

    #[test]
    fn a_rotated_user_has_two_keys_until_the_older_one_is_retired() {
        let mut keyring = Keyring::default();
        keyring.add_ours().unwrap();
        let (old, none) = keys(&keyring, "dedupe");
        assert_eq!(none, None);
        keyring.rotate("dedupe", None).unwrap();
        let (new, previous) = keys(&keyring, "dedupe");
        assert!(new != old && previous == Some(old.clone()));
        let text = keyring.authorization(&BusConfig::default()).unwrap().to_string();
        assert!(text.contains(&old) && text.contains(&new));
        assert!(keyring.rotate("dedupe", None).is_err(), "a third key");
        keyring.retire("dedupe").unwrap();
        let text = keyring.authorization(&BusConfig::default()).unwrap().to_string();
        assert!(!text.contains(&old) && text.contains(&new));
        assert!(keyring.retire("dedupe").is_err(), "nothing older is left");
    }

    #[test]
    fn partners_come_and_go_and_our_own_users_stay() {
        let mut keyring = Keyring::default();
        assert_eq!(keyring.add_ours().unwrap().len(), User::OURS.len());
        assert!(keyring.add_ours().unwrap().is_empty(), "the second time");
        assert!(keyring.add_partner(partner(), None).unwrap());
        assert!(!keyring.add_partner(partner(), None).unwrap(), "the second time");
        let of_another_store = User::partner("other", "till").unwrap();
        assert!(keyring.add_partner(of_another_store, None).is_err());
        keyring.revoke("partner-till").unwrap();
        assert!(keyring.revoke("partner-till").is_err(), "it is gone");
        for name in ["apply", "nobody", "till", "partner-*"] {
            assert!(keyring.revoke(name).is_err(), "{name}");
        }
        assert_eq!(keyring.users().count(), User::OURS.len());
    }

    #[test]
    fn a_partner_may_keep_its_seed_to_itself_and_what_is_no_public_key_is_refused() {
        let (public, seed) = new_key().unwrap();
        let mut keyring = Keyring::default();
        assert!(keyring.add_partner(partner(), Some(seed.expose())).is_err(), "a seed");
        assert!(keyring.add_partner(partner(), Some("UABC")).is_err());
        assert!(keyring.add_partner(partner(), Some(&public)).unwrap());
        assert_eq!((keys(&keyring, "partner-till").0, keyring.fresh_seed(&partner())), (public, None));
    }

    #[test]
    fn what_is_shown_of_a_key_holds_no_secret() {
        let mut keyring = Keyring::default();
        keyring.add_partner(partner(), None).unwrap();
        let seed = keyring.fresh_seed(&partner()).unwrap().expose().to_owned();
        assert!(seed.starts_with("SU"));
        assert!(!format!("{keyring:?}").contains(&seed));
        assert!(!keyring.authorization(&BusConfig::default()).unwrap().to_string().contains(&seed));
    }
}
