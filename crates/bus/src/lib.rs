//! The broker: streams, partitions, ordered readers, fenced appends, the intake and membership.
//!
//! The only crate that uses NATS. Callers address feeds and partitions; the mapping to streams is internal. Every call
//! has a time limit, every queue an upper limit. One [`Bus`] is one connection, shared by the whole process: appends to
//! different partitions are in flight at the same time, and a partition that waits does not block another.

mod alerts;
mod append;
mod applied;
mod assign;
mod check;
mod client;
mod config;
mod connect;
mod dead;
mod error;
mod follow;
mod foreign;
mod heartbeat;
mod keyring;
mod layout;
mod membership;
mod message;
mod permissions;
mod placement;
mod publish;
mod raw_end;
mod reply;
mod request;
mod routes;
mod seek;
mod unread;

pub use alerts::{Alert, FOREIGN_KIND};
pub use append::Appender;
pub use applied::{APPLIED_WINDOW, AppliedMessage, AppliedReader, CloudEvent, ReadApplied};
pub use assign::assign;
pub use check::{Durability, PAYLOAD_BYTES_MIN, Profile};
pub use client::{Bus, FeedRoom};
pub use config::{BusConfig, Credentials, Tls};
pub use dead::{DeadMessage, DeadReader, DeadState};
pub use error::{AppendError, BusError};
pub use follow::Reader;
pub use foreign::{Foreign, ForeignRecord, MessageValidator};
pub use keyring::{Keyring, KeyringError, Keys, Seed, authorization_file, new_key, seed_file};
pub use layout::Feed;
pub use membership::Membership;
pub use message::{Message, Start};
pub use permissions::{Permissions, User};
pub use placement::{Follower, Placement};
pub use publish::PendingAck;
pub use reply::{BadInboxPrefix, InboxPrefix, Replied, ReplyRule};
pub use request::{ACCEPT_SUBJECT, PLATFORMS_SUBJECT, Request, Requests};
pub use routes::{Routes, RoutesError, cluster_file};
pub use unread::UnreadMessage;
