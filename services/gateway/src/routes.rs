//! The routes, one module for each kind of thing.

pub(crate) mod caller;
pub(crate) mod conflicts;
pub(crate) mod connection_locations;
pub(crate) mod connection_state;
pub(crate) mod connections;
pub(crate) mod credentials;
pub(crate) mod decision;
pub(crate) mod keys;
pub(crate) mod lists;
pub(crate) mod locations;
pub(crate) mod matches;
pub(crate) mod platforms;
pub(crate) mod stores;
pub(crate) mod tenants;
