//! The canonical event: one occurrence, in our own terms.

use crate::{
    AccountNotice, AskedBy, ConnectionId, Customer, DeliveryId, Employee, EventId, ExternalId, Instruction,
    InvalidId, InventoryReport, MirrorKey, Order, PlatformName, Position, Product, RawDigest, SourceVersion,
    StockedAt, StoreId, TenantId, Timestamp, TraceParent, VersionNumber, Waiting,
    promotion::{Activity, Promotion},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The owner and source of an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The owner of the store.
    pub tenant: TenantId,
    /// The store: the scope of ordering.
    pub store: StoreId,
    /// The platform's account that it was received through.
    pub connection: ConnectionId,
    /// The platform.
    pub platform: PlatformName,
}

/// The kind of object that an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntityKind {
    /// A product with its variants.
    Product,
    /// The level of a variant at a location.
    Inventory,
    /// An order, or a ticket of a till.
    Order,
    /// A customer.
    Customer,
    /// A promotion.
    Promotion,
    /// An employee.
    Employee,
    /// The platform's account itself: see [`AccountNotice`] and [`Instruction`].
    Account,
}

impl EntityKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Product,
        Self::Inventory,
        Self::Order,
        Self::Customer,
        Self::Promotion,
        Self::Employee,
        Self::Account,
    ];

    /// Returns the name used in subjects, labels and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Inventory => "inventory",
            Self::Order => "order",
            Self::Customer => "customer",
            Self::Promotion => "promotion",
            Self::Employee => "employee",
            Self::Account => "account",
        }
    }
}
impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kind of change, as reported by the platform. A platform that doesn't distinguish creation from
/// change reports `Updated`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The object is new.
    Created,
    /// The object changed.
    Updated,
    /// The object no longer exists.
    Deleted,
    /// A promotion begins. Platforms don't report it: our own services find out.
    Started,
    /// A promotion is over, for the time being or for good.
    Ended,
}

impl Action {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Created, Self::Updated, Self::Deleted, Self::Started, Self::Ended];

    /// Returns the name used in subjects, labels and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::Started => "started",
            Self::Ended => "ended",
        }
    }
}
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The content of an event, as reported by the platform. *Unknown is not zero; missing is not empty.*
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// A product as the platform now has it.
    Product(Product),
    /// A level as the platform now has it.
    Inventory(InventoryReport),
    /// An order as the platform now has it.
    Order(Order),
    /// A customer as the platform now has it.
    Customer(Customer),
    /// A promotion as the platform now has it.
    Promotion(Promotion),
    /// The begin or the end of a promotion, by its schedule; only our own services send it.
    Activity {
        /// The promotion as it was when that was found out.
        promotion: Promotion,
        /// Its activity from that moment on.
        activity: Activity,
    },
    /// An employee as the platform now has it.
    Employee(Employee),
    /// The complete list of locations that count an item.
    Stocked(StockedAt),
    /// A duty that concerns the account, or a person's data in it.
    Account(AccountNotice),
    /// A person's decision about the connection; only our own services send it.
    Instruction {
        /// The platform's id of the subject; the connection's own id if it is about the whole connection.
        external: ExternalId,
        /// The decision.
        instruction: Instruction,
    },
    /// The platform no longer has the object of this kind and id.
    Deleted {
        /// The kind of object.
        entity: EntityKind,
        /// The platform's id of it.
        external: ExternalId,
    },
}

impl Payload {
    /// Returns the kind of object that it is about.
    pub const fn entity(&self) -> EntityKind {
        match self {
            Self::Product(_) => EntityKind::Product,
            Self::Inventory(_) | Self::Stocked(_) => EntityKind::Inventory,
            Self::Order(_) => EntityKind::Order,
            Self::Customer(_) => EntityKind::Customer,
            Self::Promotion(_) | Self::Activity { .. } => EntityKind::Promotion,
            Self::Employee(_) => EntityKind::Employee,
            Self::Account(_) | Self::Instruction { .. } => EntityKind::Account,
            Self::Deleted { entity, .. } => *entity,
        }
    }

    /// Returns the platform's id of the object: the item for a level, the subject for a notice.
    pub fn external(&self) -> &ExternalId {
        match self {
            Self::Product(product) => &product.external,
            Self::Inventory(report) => &report.item,
            Self::Order(order) => &order.external,
            Self::Customer(customer) => &customer.external,
            Self::Promotion(promotion) | Self::Activity { promotion, .. } => &promotion.external,
            Self::Employee(employee) => &employee.external,
            Self::Stocked(stocked) => &stocked.item,
            Self::Account(notice) => &notice.external,
            Self::Instruction { external, .. } | Self::Deleted { external, .. } => external,
        }
    }
}

/// The kind of object that a platform's id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// A product.
    Product,
    /// A variant, as it is sold.
    Variant,
    /// A variant, as it is counted; some platforms have one id for both.
    Item,
    /// A location.
    Location,
}

impl LinkKind {
    /// Returns the name used in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Variant => "variant",
            Self::Item => "item",
            Self::Location => "location",
        }
    }
}

/// A location, as the reports of a connection refer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocationRef {
    /// The connection's default location: the report names none.
    Default,
    /// The location with the platform's id.
    Named(ExternalId),
}

impl LocationRef {
    /// The text of [`LocationRef::Default`].
    const DEFAULT: &'static str = "default";

    /// Returns the text on the wire and in rows.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Default => Self::DEFAULT,
            Self::Named(external) => external.as_str(),
        }
    }

    /// Parses the text on the wire and in rows.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        if text == Self::DEFAULT { Ok(Self::Default) } else { ExternalId::new(text).map(Self::Named) }
    }

    /// Returns whether a report that names this location, or none, refers to it.
    pub fn is(&self, named: Option<&ExternalId>) -> bool {
        match self {
            Self::Default => named.is_none(),
            Self::Named(external) => named == Some(external),
        }
    }
}

/// The object at the platform's side of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkedRef {
    /// A product.
    Product(ExternalId),
    /// A variant, as it is sold.
    Variant(ExternalId),
    /// A variant, as it is counted.
    Item(ExternalId),
    /// A location.
    Location(LocationRef),
}

/// The store's own id for an object of the platform in an event. A link never changes once it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The object.
    pub of: LinkedRef,
    /// Our id, a token.
    pub internal: String,
}

/// One occurrence, with its origin and position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The id, the same however often the event is received.
    pub id: EventId,
    /// The first delivery of the chain of causes that this event belongs to.
    pub correlation: DeliveryId,
    /// The delivery that contained the event.
    pub delivery: DeliveryId,
    /// The owner and source.
    pub origin: Origin,
    /// The kind of change.
    pub action: Action,
    /// Time of the occurrence, as reported by the platform.
    pub occurred_at: Option<Timestamp>,
    /// Time of receipt by the intake.
    pub received_at: Timestamp,
    /// The platform's version of the object.
    pub version: Option<SourceVersion>,
    /// The content, as reported by the platform.
    pub payload: Payload,
    /// The store's own ids for ids in the payload, as far as enrich found them.
    pub links: Vec<Link>,
    /// SHA-256 of the delivery's body.
    pub raw_digest: RawDigest,
    /// True if it was read back from the platform ([`Source::ReadBack`](crate::Source::ReadBack)): its time is ours, and
    /// it may show only a part of the object.
    pub is_read_back: bool,
    /// The mirror that asked for it, if it was read back. `None` also for readings from before waits were numbered.
    pub asked_by: Option<AskedBy>,
    /// Number of times its delivery was re-ingested after it became a dead letter; zero at first.
    pub attempt: u32,
    /// The trace it belongs to.
    pub trace: TraceParent,
    /// Its position in the partition.
    pub position: Position,
}

impl Event {
    /// Returns the number of its version.
    pub fn version_number(&self) -> Option<VersionNumber> {
        self.version.map(|version| version.number)
    }

    /// Returns our id of the location that a report names, or of the connection's default one if it names none, if
    /// enrich found it.
    pub fn location(&self, named: Option<&ExternalId>) -> Option<&str> {
        let is_it = |link: &&Link| matches!(&link.of, LinkedRef::Location(location) if location.is(named));
        self.links.iter().find(is_it).map(|link| link.internal.as_str())
    }

    /// Returns the wait that the event was read for, of the mirror that `is_mirror` accepts; `None` if the event wasn't
    /// read for a mirror, or for another one.
    pub fn read_for(&self, is_mirror: impl FnOnce(&MirrorKey) -> bool) -> Option<Waiting> {
        match &self.asked_by {
            Some(asked) => is_mirror(&asked.mirror).then_some(asked.waiting),
            // Readings from before waits were numbered have no mirror.
            None => self.is_read_back.then(Waiting::default),
        }
    }
}
