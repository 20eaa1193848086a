//! The users of a world's broker.

use bus::{BusConfig, BusError, Credentials, Keyring, User, seed_file};
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// The user of a partner whose client supports only passwords.
pub const PASSWORD_USER: &str = "python";
/// Its password, a test value that protects nothing.
pub const PASSWORD: &str = "of-tests-alone";

/// The keys of all users, in a folder of the world.
#[derive(Debug)]
pub struct Users {
    folder: PathBuf,
    changing: Mutex<()>,
    pub(crate) reloading: tokio::sync::Mutex<()>,
}

impl Users {
    /// Creates all users except partners.
    pub(crate) fn make(folder: PathBuf) -> Self {
        let users = Self { folder, changing: Mutex::new(()), reloading: tokio::sync::Mutex::new(()) };
        users.change(|keyring| keyring.add_ours().map(drop));
        users
    }

    /// Changes the keys; they take effect at the broker with [`crate::World::reload_users`].
    pub fn change(&self, change: impl FnOnce(&mut Keyring) -> Result<(), BusError>) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keyring = self.keyring();
        change(&mut keyring).expect("the keys can be changed so");
        keyring.save(&self.folder, &BusConfig::default()).expect("keys can be written");
    }

    fn keyring(&self) -> Keyring {
        Keyring::open(&self.folder).expect("keys can be read")
    }

    /// The server's `authorization` block for all users.
    pub fn authorization(&self) -> Value {
        self.keyring().authorization(&BusConfig::default()).expect("permissions can be derived")
    }

    /// The same block with an additional user, which has the permissions of `user` and a password: for clients that
    /// don't support keys.
    pub fn authorization_with_password(&self, user: &User) -> Value {
        let mut block = self.authorization();
        let permissions = user.permissions(&BusConfig::default()).expect("permissions can be derived");
        let entry = json!({
            "user": PASSWORD_USER,
            "password": PASSWORD,
            "permissions": {"publish": permissions.publish, "subscribe": permissions.subscribe},
        });
        block["users"].as_array_mut().expect("a list of users").push(entry);
        block
    }

    /// The file of a user's seed.
    pub fn seed_file(&self, user: &User) -> PathBuf {
        seed_file(&self.folder, &user.name())
    }

    /// A user's seed.
    pub fn seed(&self, user: &User) -> String {
        let seed = std::fs::read_to_string(self.seed_file(user)).expect("the user has a seed");
        seed.trim().to_owned()
    }

    /// A user's credentials.
    pub fn credentials(&self, user: &User) -> Credentials {
        Credentials::Seed { seed_file: self.seed_file(user) }
    }
}
