//! Versions of one object in any order, against a reference model: the highest version counts, and older ones change
//! nothing. A price that was reported before its product was deleted still counts.

use super::{record::Record, *};
use model::EntityKind;
use proptest::{prelude::*, sample::Index};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

const PLATFORMS: [&str; 2] = ["a", "b"];

/// A platform's state of an object: one number for each property that it can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Content {
    /// A product's title, an order's number, a customer's name.
    text: u8,
    /// A product's price.
    price: u8,
    /// True if the order is final.
    is_final: bool,
    deleted: bool,
}

/// A platform's report of one of its objects; its version is its index among all reports.
#[derive(Debug, Clone, Copy)]
struct Report {
    platform: usize,
    entity: EntityKind,
    content: Content,
}

#[derive(Debug, Clone)]
enum Step {
    /// Someone edits an object on its platform, which reports it later.
    Edit { platform: usize, entity: EntityKind, edit: Edit },
    /// One of all reports arrives: late, early, again as the same delivery or as another one of the same version.
    Arrive { which: Index, afresh: bool },
}

#[derive(Debug, Clone, Copy)]
enum Edit {
    Text(u8),
    Price(u8),
    Finish,
    Delete,
}

/// A field of the product, with the time of its last change.
type Field = Option<(u8, i64)>;

#[derive(Debug, Clone, Default)]
struct Plain {
    /// The platforms' objects.
    objects: BTreeMap<(usize, EntityKind), Content>,
    reported: Vec<Report>,
    arrived: BTreeSet<usize>,
    /// By object, the highest version that arrived, and its content.
    highest: BTreeMap<(usize, EntityKind), (i64, Content)>,
    title: Field,
    price: Field,
    /// By platform, the highest version that reported a price, or that there is none.
    priced: BTreeMap<usize, i64>,
    deleted: bool,
    /// True for each platform that has the product.
    linked: [bool; 2],
    /// The last arrival.
    last: Option<Arrival>,
}

#[derive(Debug, Clone, Copy)]
struct Arrival {
    index: usize,
    report: Report,
    ends: Ends,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    BeforeRecorded,
    Stale,
    Taken,
}

impl Plain {
    fn edit(&mut self, platform: usize, entity: EntityKind, edit: Edit) {
        let content = self.objects.entry((platform, entity)).or_default();
        content.deleted = false;
        match edit {
            Edit::Text(text) => content.text = text,
            Edit::Price(price) => content.price = price,
            Edit::Finish => content.is_final = true,
            Edit::Delete => content.deleted = true,
        }
        self.reported.push(Report { platform, entity, content: *content });
    }

    fn arrive(&mut self, index: usize, afresh: bool) {
        let report = self.reported[index];
        let ends = self.take(index, report, afresh);
        self.last = Some(Arrival { index, report, ends });
    }

    fn take(&mut self, index: usize, Report { platform, entity, content }: Report, afresh: bool) -> Ends {
        if !afresh && !self.arrived.insert(index) {
            return Ends::BeforeRecorded;
        }
        let (object, version) = ((platform, entity), version_of(index));
        let known = self.highest.get(&object).copied();
        if let Some((highest, known)) = known.filter(|(highest, _)| version < *highest) {
            let is_price = entity == EntityKind::Product && !content.deleted;
            if !is_price || version < self.priced[&platform] {
                return Ends::Stale;
            }
            self.price(platform, version, Some(known), content);
            self.highest.insert(object, (highest, Content { price: content.price, ..known }));
            return Ends::Taken;
        }
        // A cancelled order stays as it is, and a completed one stays completed.
        let is_fixed = known.is_some_and(|(_, known)| known.deleted || known.is_final && content.deleted);
        if entity == EntityKind::Order && is_fixed {
            return Ends::Taken;
        }
        if entity == EntityKind::Product {
            self.product(platform, version, known.map(|(_, known)| known), content);
        }
        // A deletion changes nothing else.
        let before = known.map(|(_, known)| Content { deleted: true, ..known });
        let content = before.filter(|_| content.deleted).unwrap_or(content);
        self.highest.insert(object, (version, content));
        Ends::Taken
    }

    /// Applies a report of a product: only a field that the platform changed itself wins, and only over
    /// earlier changes.
    fn product(&mut self, platform: usize, version: i64, known: Option<Content>, reported: Content) {
        if reported.deleted {
            self.priced.insert(platform, version);
            if std::mem::replace(&mut self.linked[platform], false) {
                self.deleted |= !self.linked[1 - platform];
            }
            return;
        }
        (self.linked[platform], self.deleted) = (true, false);
        let text = known.filter(|known| !known.deleted).map(|known| known.text);
        settle(&mut self.title, version, text, reported.text);
        self.price(platform, version, known, reported);
    }

    fn price(&mut self, platform: usize, version: i64, known: Option<Content>, reported: Content) {
        // After a deletion, the next report is a first report.
        let known = known.filter(|known| !known.deleted).map(|known| known.price);
        settle(&mut self.price, version, known, reported.price);
        self.priced.insert(platform, version);
    }
}

fn settle(field: &mut Field, version: i64, known: Option<u8>, reported: u8) {
    let changed = known.is_some_and(|known| known != reported);
    if field.is_none_or(|(_, at)| changed && version >= at) {
        *field = Some((reported, version));
    }
}

fn version_of(index: usize) -> i64 {
    i64::try_from(index).unwrap() + 1
}

struct Model;

impl ReferenceStateMachine for Model {
    type State = Plain;
    type Transition = Step;

    /// Both platforms have reported the product once.
    fn init_state() -> BoxedStrategy<Plain> {
        let mut plain = Plain::default();
        for platform in 0..2 {
            plain.edit(platform, EntityKind::Product, Edit::Text(0));
            plain.arrive(platform, false);
        }
        Just(plain).boxed()
    }

    fn transitions(_: &Plain) -> BoxedStrategy<Step> {
        let entity = prop_oneof![
            2 => Just(EntityKind::Product),
            1 => Just(EntityKind::Order),
            1 => Just(EntityKind::Customer),
            1 => Just(EntityKind::Employee),
        ];
        let edit = prop_oneof![
            6 => (0_u8..3).prop_map(Edit::Text),
            3 => (0_u8..3).prop_map(Edit::Price),
            1 => Just(Edit::Finish),
            1 => Just(Edit::Delete),
        ];
        prop_oneof![
            2 => (0_usize..2, entity, edit).prop_map(|(platform, entity, edit)| Step::Edit { platform, entity, edit }),
            3 => (any::<Index>(), prop::bool::weighted(0.2)).prop_map(|(which, afresh)| Step::Arrive { which, afresh }),
        ]
        .boxed()
    }

    fn apply(mut plain: Plain, step: &Step) -> Plain {
        plain.last = None;
        match step {
            Step::Edit { platform, entity, edit } => plain.edit(*platform, *entity, *edit),
            Step::Arrive { which, afresh } => plain.arrive(which.index(plain.reported.len()), *afresh),
        }
        plain
    }
}

struct Real {
    record: Record,
    events: u64,
}

fn payload(entity: EntityKind, content: Content) -> Payload {
    let text = format!("text {}", content.text);
    match entity {
        _ if content.deleted => Payload::Deleted { entity, external: object(entity) },
        EntityKind::Product => Payload::Product(shirt(&text, content.price.into())),
        EntityKind::Order => {
            let status = if content.is_final { OrderStatus::Completed } else { OrderStatus::Open };
            Payload::Order(Order { external: object(entity), number: Some(text), ..order_in(status) })
        }
        EntityKind::Customer => Payload::Customer(Customer {
            external: object(entity),
            first_name: Patch::Set(text),
            last_name: Patch::Keep,
            email: Patch::Keep,
            phone: Patch::Keep,
            tags: None,
            merged_into: None,
        }),
        EntityKind::Employee => {
            Payload::Employee(Employee { name: Patch::Set(text), ..Employee::bare(object(entity)) })
        }
        EntityKind::Inventory | EntityKind::Promotion | EntityKind::Account => panic!("no text"),
    }
}

fn object(entity: EntityKind) -> ExternalId {
    external(entity.as_str())
}

impl Real {
    fn arrive(&mut self, number: u64, Arrival { index, report, .. }: Arrival) -> Option<Outcome> {
        let version = Some(version_of(index));
        let mut reported =
            event(PLATFORMS[report.platform], number, version, payload(report.entity, report.content));
        if report.content.deleted {
            reported.action = Action::Deleted;
        }
        self.record.commit(vec![reported]).remove(0)
    }

    fn assert_object(&self, platform: usize, entity: EntityKind, version: i64, content: Content) {
        let (tables, connection) = (&self.record.tables, connection(PLATFORMS[platform]));
        let text = format!("text {}", content.text);
        let (known, says) = match entity {
            EntityKind::Product => {
                let key = FieldKey { connection, external: object(entity) };
                let observed = tables.mirrors.texts[&key].observed.as_ref().unwrap();
                let title = observed.value.as_ref().and_then(|reported| reported.title.clone());
                (observed.version, title == (!content.deleted).then_some(text))
            }
            EntityKind::Order => {
                let row = &tables.orders[&model::OrderId::derive(&connection, &object(entity))];
                let deleted = row.order.status == OrderStatus::Cancelled;
                (
                    row.version,
                    if content.deleted { deleted } else { row.order.number == Some(text) && !deleted },
                )
            }
            EntityKind::Customer => {
                let row = &tables.customers[&model::CustomerId::derive(&connection, &object(entity))];
                let named = row.customer.first_name == Patch::Set(text);
                (row.version, if content.deleted { row.deleted_at.is_some() && !named } else { named })
            }
            EntityKind::Employee => {
                let row = &tables.employees[&model::EmployeeId::derive(&connection, &object(entity))];
                let named = row.employee.name == Patch::Set(text);
                (row.version, if content.deleted { row.deleted_at.is_some() && !named } else { named })
            }
            EntityKind::Inventory | EntityKind::Promotion | EntityKind::Account => panic!("no text"),
        };
        assert!(
            says,
            "{entity} of {connection} is what version {version} said: {content:?}",
            connection = PLATFORMS[platform]
        );
        assert_eq!(known, Some(VersionNumber(version)), "the version of the {entity}");
    }
}

impl StateMachineTest for Model {
    type SystemUnderTest = Real;
    type Reference = Self;

    fn init_test(plain: &Plain) -> Real {
        let mut real = Real { record: Record::default(), events: 1_000_000 };
        for (index, report) in plain.reported.iter().enumerate() {
            let arrival = Arrival { index, report: *report, ends: Ends::Taken };
            assert_eq!(real.arrive(index as u64, arrival), Some(Outcome::Applied));
        }
        real
    }

    fn apply(mut real: Real, plain: &Plain, step: Step) -> Real {
        let (Some(arrival), Step::Arrive { afresh, .. }) = (plain.last, step) else { return real };
        real.events += 1;
        let number = if afresh { real.events } else { arrival.index as u64 };
        let before = real.record.clone();
        let outcome = real.arrive(number, arrival);
        let ends = match outcome {
            None => Ends::BeforeRecorded,
            Some(Outcome::Stale) => Ends::Stale,
            Some(Outcome::Applied | Outcome::Unchanged) => Ends::Taken,
            Some(outcome) => panic!("it ends as {outcome}"),
        };
        assert_eq!(ends, arrival.ends, "{:?}", arrival.report);
        if ends != Ends::Taken {
            let seen = real.record.tables.seen.clone();
            let unchanged = Facts { seen, ..before.tables };
            assert_eq!(real.record.tables, unchanged, "what is stale changes nothing");
        }
        real
    }

    fn check_invariants(real: &Real, plain: &Plain) {
        for ((platform, entity), (version, content)) in &plain.highest {
            real.assert_object(*platform, *entity, *version, *content);
        }
        let tables = &real.record.tables;
        let (product, variant) =
            (tables.products.values().next().unwrap(), tables.variants.values().next().unwrap());
        let title = product.title.as_ref().map(|title| title.value.clone());
        assert_eq!(title, plain.title.map(|(text, _)| format!("text {text}")), "the title");
        let price = variant.price.as_ref().map(|price| price.value.minor);
        assert_eq!(price, plain.price.map(|(price, _)| price.into()), "the price");
        assert_eq!(product.deleted_at.is_some(), plain.deleted, "whether the product is gone");
    }
}

prop_state_machine! {
    #[test]
    fn the_highest_version_counts_in_whatever_order_they_come(sequential 40..60 => Model);
}
