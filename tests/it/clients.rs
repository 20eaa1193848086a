//! Stock clients of the broker, each as one of its users.

use crate::PATIENCE;
use async_nats::{Client, ConnectOptions};
use bus::User;
use testkit::{Account, Merchant, World, eventually};

/// A client with all permissions: an operator who repairs the broker by hand, or an attacker with that user's key.
pub(crate) async fn administrator(world: &World) -> Client {
    client(world, &User::Administrator).await
}

/// The client of a platform that publishes itself, with the user of its connection.
pub(crate) async fn partner(world: &World, merchant: &Merchant, account: &Account) -> Client {
    let user = world.partner(&merchant.store, &account.connection).await;
    client(world, &user).await
}

/// A client with the key of that user, and its inboxes.
pub(crate) async fn client(world: &World, user: &User) -> Client {
    client_of(world, user, &user.inbox_prefix()).await
}

/// A client with the key of that user, and these inboxes.
pub(crate) async fn client_of(world: &World, user: &User, inbox_prefix: &str) -> Client {
    // A client that connects while the broker reloads its users is disconnected, as if its user were unknown.
    eventually(PATIENCE, "the broker knows the user", async || {
        let options = ConnectOptions::with_nkey(world.users.seed(user)).custom_inbox_prefix(inbox_prefix);
        options.connect(world.nats.url()).await
    })
    .await
}
