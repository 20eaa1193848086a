//! The domain types of Tillflow: ids, money, quantities, time, events, and the content of the record.
//!
//! Nothing here waits, reads a clock or depends on a platform. Every value that can be invalid is checked when it is
//! built, so that code that holds one can rely on it.

mod access;
mod account;
pub mod bounds;
mod call_budget;
mod call_gate;
mod catalog;
mod collection;
mod conflict;
mod connection;
mod delivery;
mod delivery_kind;
mod details;
mod dropped_input;
mod employee;
mod event;
mod id;
mod instruction;
pub mod matching;
mod mirror;
mod money;
mod outcome;
mod position;
mod potency;
pub mod promotion;
mod quantity;
pub mod record;
mod sales;
mod settlement;
mod sku;
mod time;
mod version;
mod visible;
mod zone;

pub use access::{Permission, Role, Scope};
pub use account::{AccountNotice, Duty};
pub use bounds::OutOfBounds;
pub use call_budget::{
    CallBudget, CallClass, CallGrant, CallRate, CallWant, LEASE_FOR, SHARE_OF_WAITING, SHARE_WITHOUT_RECORD,
};
pub use call_gate::{AccountState, CallGate, Health};
pub use catalog::{InventoryReport, Patch, Product, ProductStatus, StockedAt, Variant};
pub use collection::{
    CollectionPick, CollectionState, DueCollection, EndedRead, InvalidReadTimes, KnownObject, ListRead,
    ListedObject, MISSING_IN_A_ROW, MissingCounts, MissingVerdict, PAGE_ATTEMPTS_MAX, PAGES_MAX, PageCounts,
    PageFailure, PageObject, PageRead, QUIET_HOUR, ReadOutcome, ReadPhase, ReadPlan, ReadRange, ReadRequest,
    ReadTimes, Requested, SortedPage, Spread, absences, missing_verdict, pick_collection,
};
pub use conflict::{Conflict, ConflictEnd, ConflictKind};
pub use connection::{Connection, Rules};
pub use delivery::{Delivery, Source, TraceParent};
pub use delivery_kind::DeliveryKind;
pub use details::{
    AttributeName, Attributes, Image, ImageUrl, InvalidImageUrl, InvalidSubstance, LabResult, PriceTier,
    ProductDetails, Substance, TierBasis, TierUnit, VariantDetails,
};
pub use dropped_input::DroppedInput;
pub use employee::{Employee, Workplaces};
pub use event::{Action, EntityKind, Event, Link, LinkKind, LinkedRef, LocationRef, Origin, Payload};
pub use id::{
    ConnectionId, CustomerId, DeliveryId, EmployeeId, EventId, ExternalId, InvalidId, LocationId, OrderId,
    PlatformName, ProductId, PromotionId, RawDigest, StoreId, TenantId, VariantId,
};
pub use instruction::{BaselineRule, Instruction, MatchedLink, Side};
pub use mirror::{
    Asked, AskedBy, Attention, Baseline, Begun, CLOCK_LEAD_MAX, CallResult, Contact, ContactOutcome,
    FieldKey, FieldMirror, FieldOutcome, FieldValue, Gate, LevelKey, LevelMirror, LevelOutcome, Meanwhile,
    Mirror, MirrorKey, MirrorKind, MirrorValue, Observation, Phase, PlatformValue, PriceMirror, ProductText,
    READ_AGAIN_AFTER, READ_AGAIN_SLOWLY, READINGS_MAX, REFUSED_AGAIN_AFTER, RESTARTS_MAX, ROUNDS_MAX,
    ROUNDS_WITHIN, Report, STOPPED_FOR, Schedule, Settled, TextMirror, Waiting, Write,
};
pub use money::{Currency, InvalidMoney, Money};
pub use outcome::Outcome;
pub use position::{Partition, PartitionCount, Position};
pub use potency::{InvalidPotency, POTENCY_CHARS_MAX, Potency, PotencyLimit, PotencyRange, PotencyUnit};
pub use quantity::{InvalidQuantity, Quantity};
pub use sales::{Customer, Order, OrderLine, OrderStatus};
pub use settlement::{
    InvalidPaymentLabel, Payment, PaymentKind, PaymentLabel, Refund, RefundLine, Settlement, TaxLine,
};
pub use sku::{sku_key, trimmed_code};
pub use time::{InvalidTimestamp, Timestamp};
pub use version::{Precision, SourceVersion, VersionNumber};
pub use visible::{is_hidden, visible, visible_json};
pub use zone::{InvalidZone, Zone};
