//! Changes that Tillflow makes on a platform.

use crate::{CallContext, CallError, HttpReply, HttpRequest};
use model::{ExternalId, MirrorKind, MirrorValue, Money, ProductText, Quantity, SourceVersion};
use stage::{Reject, RejectClass};
use std::time::Duration;

/// The writes of a platform's API.
pub trait Writer: Sync {
    /// The limits of writes of that kind; `None` if the platform accepts none, so that no such write is planned.
    fn limits(&self, kind: MirrorKind) -> Option<WriteLimits>;

    /// The next request of a write. A write that has to read first (optimistic versions) gets the reply to that read as
    /// `read`, once [`Writer::outcome`] accepts that reply.
    fn step(
        &self,
        write: &Write,
        context: &CallContext<'_>,
        read: Option<&HttpReply<'_>>,
    ) -> Result<Step, CallError>;

    /// The result of the write according to its reply; of the read before it, if [`Writer::step`] wanted one.
    fn outcome(&self, write: &Write, reply: &HttpReply<'_>) -> Result<Written, CallError>;

    /// The one request of several writes of one kind, at most [`WriteLimits::batch_max`]. An error is that of all of
    /// them; the caller then makes each alone.
    fn batch(&self, _writes: &[Write], _context: &CallContext<'_>) -> Result<HttpRequest, CallError> {
        Err(Reject::new(RejectClass::Bug, "the platform accepts one write at a time").into())
    }

    /// The results of a batch according to its reply, one for each write, in their order. A write that wasn't made only
    /// because another one was refused is [`CallError::Transient`].
    fn outcomes(&self, writes: &[Write], reply: &HttpReply<'_>) -> Vec<Result<Written, CallError>> {
        writes.iter().map(|write| self.outcome(write, reply)).collect()
    }
}

/// The limits of a platform's writes of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteLimits {
    /// The number of decimals a quantity may have; zero for whole pieces. Not used for prices and texts.
    pub quantity_decimals: u32,
    /// Time after the first attempt during which a write may be repeated with the same key and still counts once.
    /// `None`: no limit is known.
    pub repeatable_for: Option<Duration>,
    /// Upper limit of writes in one request; 1 if each needs its own. More only where a write that is repeated in another
    /// batch, under another key, can't count twice.
    pub batch_max: usize,
}

/// A change to make on a platform. Ids are the platform's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Set a level from its present quantity to the desired one. A level that isn't known can't be written.
    Level {
        /// The item that is counted.
        item: ExternalId,
        /// The location; `None` on platforms without locations.
        location: Option<ExternalId>,
        /// The desired quantity.
        to: Quantity,
        /// The present quantity as far as known; compare-and-set or delta against this.
        from: Quantity,
    },
    /// Set the price of a variant.
    Price {
        /// The product of the variant.
        product: ExternalId,
        /// The variant.
        variant: ExternalId,
        /// The desired price.
        to: Money,
    },
    /// Set the text of a product.
    Text {
        /// The product.
        product: ExternalId,
        /// The desired text; `None` fields stay.
        to: ProductText,
    },
}

impl Write {
    /// The kind of value that it sets.
    pub const fn kind(&self) -> MirrorKind {
        match self {
            Self::Level { .. } => MirrorKind::Inventory,
            Self::Price { .. } => MirrorKind::Price,
            Self::Text { .. } => MirrorKind::Product,
        }
    }
}

/// The next request of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Read first, then call [`Writer::step`] again with the reply.
    Read(HttpRequest),
    /// Write; pass the reply to [`Writer::outcome`].
    Write(HttpRequest),
    /// The platform has the value already.
    Done(Written),
}

/// The object after a successful write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Its version, as `map` reads it from the report of the write; `None` if the reply doesn't contain it, or is the
    /// reply to a read.
    pub version: Option<SourceVersion>,
    /// Its text or price as the platform renders it, in the form in which its report is compared. `None` if the reply
    /// doesn't contain it; always `None` for levels, whose count may include others' changes.
    pub rendered: Option<MirrorValue>,
}
