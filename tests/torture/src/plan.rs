//! The stream: what every store's platform sends, from a seed alone.

mod body;

pub(crate) use body::{Bodies, external_location, order_id, product_id, sku, title};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::collections::BTreeMap;

/// How far behind a newer one an older delivery comes at most, and a repetition behind the first.
const DISTANCE_MAX: f64 = 1_000.0;
/// How often a delivery comes again at most.
const REPEATS_MAX: f64 = 50.0;
/// How many orders of a store are open at once.
const OPEN_ORDERS_MAX: usize = 20;
/// Levels begin here, so that no store ever runs out.
pub(crate) const LEVEL_FROM: i64 = 100_000;
const LEVEL_SPREAD: i64 = 5_000;

/// How large the crowd is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// How many stores.
    pub(crate) stores: u32,
    /// How many products in each.
    pub(crate) products: u16,
}

/// One thing to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    /// Tells it from all others; a repetition has that of the first.
    pub(crate) number: u64,
    /// The same event under another topic: another delivery.
    pub(crate) twin: bool,
    /// Which store's.
    pub(crate) store: u32,
    /// What.
    pub(crate) what: What,
    /// How often it is sent again at once.
    pub(crate) repeats: u8,
}

/// What is reported. Values follow from the counters in it, so that any value in the record names its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// A level of a product's only variant.
    Level { product: u16, version: u32, level: i64 },
    /// A product; title and price follow from the version.
    Product { product: u16, version: u32 },
    /// An order.
    Order { order: u32, version: u32, state: OrderState },
    /// A notification that speaks of an order and carries nothing.
    Thin { order: u32 },
    /// Of a topic that nobody knows.
    UnknownTopic,
    /// A level at a place of another store.
    Misplaced { product: u16 },
    /// What can't be true.
    Poison(Poison),
    /// What the intake must refuse.
    Refused(Refusal),
}

/// An order, as far as the stream varies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OrderState {
    /// How far it is.
    pub(crate) stage: OrderStage,
    /// What it comes to.
    pub(crate) total_minor: i64,
}

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderStage {
    /// Placed.
    Open,
    /// Paid and handed over.
    Completed,
    /// Called off.
    Cancelled,
    /// Completed, then refunded.
    Refunded,
}

/// What can't be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Poison {
    /// A level that is a text.
    WrongType,
    /// Cut off in the middle.
    NotJson,
    /// A text with U+0000.
    Nul,
    /// Brackets in brackets.
    TooDeep,
    /// More than there can be.
    AbsurdLevel,
    /// A price beyond any currency.
    AbsurdPrice,
}

/// What the intake must refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Signed with another secret.
    BadSignature,
    /// To a connection that there isn't.
    NoSuchConnection,
    /// To another store's connection.
    OtherStore,
    /// To the connection, as of another platform.
    OtherPlatform,
    /// More than a delivery may have.
    TooLarge,
}

impl What {
    /// Whether the intake must not take it.
    pub(crate) const fn is_refused(self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// Returns whether it must leave a dead letter.
    pub(crate) const fn is_dead(self) -> bool {
        matches!(self, Self::Poison(_))
    }

    /// Returns whether only a row of it is a dead letter: the product is taken without the variant that can't be true.
    pub(crate) const fn is_dead_in_part(self) -> bool {
        matches!(self, Self::Poison(Poison::AbsurdPrice))
    }
}

#[derive(Debug, Clone, Copy)]
struct OpenOrder {
    order: u32,
    version: u32,
    state: OrderState,
}

#[derive(Debug, Clone)]
struct StoreLife {
    levels: Vec<(u32, i64)>,
    products: Vec<u32>,
    orders: Vec<OpenOrder>,
    orders_made: u32,
}

/// The stream; it never ends.
#[derive(Debug)]
pub(crate) struct Plan {
    rng: StdRng,
    shape: Shape,
    /// How many were taken out of it.
    taken: u64,
    /// The last number that was given out.
    numbered: u64,
    /// What comes later, by when.
    later: BTreeMap<(u64, u64), Planned>,
    stores: Vec<StoreLife>,
}

impl Plan {
    /// The same seed and shape give the same stream.
    pub(crate) fn new(seed: u64, shape: Shape) -> Self {
        let products = usize::from(shape.products);
        let life = StoreLife {
            levels: vec![(0, LEVEL_FROM); products],
            products: vec![0; products],
            orders: Vec::new(),
            orders_made: 0,
        };
        let stores = vec![life; usize::try_from(shape.stores).unwrap_or(0)];
        let rng = StdRng::seed_from_u64(seed);
        Self { rng, shape, taken: 0, numbered: 0, later: BTreeMap::new(), stores }
    }

    fn numbered(&mut self, store: u32, what: What) -> Planned {
        self.numbered += 1;
        Planned { number: self.numbered, twin: false, store, what, repeats: 0 }
    }

    /// Close behind in most cases, far behind in some.
    fn defer(&mut self, planned: Planned) {
        let far = self.rng.random_range(0.0..1.0_f64).powi(4);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to a thousand")]
        let distance = 1 + (far * DISTANCE_MAX) as u64;
        let mut due = (self.taken + distance, planned.number * 4);
        while self.later.contains_key(&due) {
            due.1 += 1;
        }
        self.later.insert(due, planned);
    }

    fn fresh(&mut self) -> Planned {
        let store = self.rng.random_range(0..self.shape.stores);
        let what = match self.rng.random_range(0..1000_u32) {
            0..20 => What::Poison(self.poison()),
            20..25 => What::Misplaced { product: self.product() },
            25..30 => What::Refused(self.elsewhere()),
            30..40 => What::Refused(Refusal::BadSignature),
            40..42 => What::Refused(Refusal::TooLarge),
            42..47 => What::UnknownTopic,
            47..60 => What::Thin { order: self.rng.random_range(0..1_000) },
            _ => return self.news(store),
        };
        self.numbered(store, what)
    }

    /// What is true; one in ten comes after what is newer, one in ten comes again.
    fn news(&mut self, store: u32) -> Planned {
        let about = self.about(store);
        let what = self.next_of(store, about);
        let mut planned = self.numbered(store, what);
        if self.rng.random_bool(0.1) {
            let newer = self.next_of(store, about);
            let newer = self.numbered(store, newer);
            self.defer(planned);
            planned = newer;
        }
        if self.rng.random_bool(0.1) {
            self.repeat(&mut planned);
        }
        if matches!(planned.what, What::Order { .. }) && self.rng.random_bool(0.05) {
            self.defer(Planned { twin: true, repeats: 0, ..planned });
        }
        planned
    }

    fn repeat(&mut self, planned: &mut Planned) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to 50")]
        let times = 1 + (self.rng.random_range(0.0..1.0_f64).powi(3) * (REPEATS_MAX - 1.0)) as u8;
        if self.rng.random_bool(0.5) {
            planned.repeats = times;
        } else {
            self.defer(Planned { repeats: times - 1, ..*planned });
        }
    }

    fn about(&mut self, store: u32) -> About {
        match self.rng.random_range(0..100_u32) {
            0..70 => About::Level(self.product()),
            70..78 => About::Product(self.product()),
            _ => About::Order(self.order(store)),
        }
    }

    fn product(&mut self) -> u16 {
        self.rng.random_range(0..self.shape.products)
    }

    /// A place among the open orders; behind the last one it is a new one.
    fn order(&mut self, store: u32) -> usize {
        let open = self.store(store).orders.len();
        if open >= OPEN_ORDERS_MAX || (open > 0 && self.rng.random_bool(0.6)) {
            self.rng.random_range(0..open)
        } else {
            let life = self.store(store);
            let order = life.orders_made;
            life.orders_made += 1;
            let state = OrderState { stage: OrderStage::Open, total_minor: 0 };
            life.orders.push(OpenOrder { order, version: 0, state });
            open
        }
    }

    fn store(&mut self, store: u32) -> &mut StoreLife {
        &mut self.stores[store as usize]
    }

    fn next_of(&mut self, store: u32, about: About) -> What {
        match about {
            About::Level(product) => {
                let step = self.rng.random_range(0..LEVEL_SPREAD);
                let same = self.rng.random_bool(0.08);
                let (version, level) = &mut self.store(store).levels[usize::from(product)];
                *version += 1;
                if !same {
                    *level = LEVEL_FROM + step;
                }
                What::Level { product, version: *version, level: *level }
            }
            About::Product(product) => {
                let version = &mut self.store(store).products[usize::from(product)];
                *version += 1;
                What::Product { product, version: *version }
            }
            About::Order(place) => self.next_of_order(store, place),
        }
    }

    fn next_of_order(&mut self, store: u32, place: usize) -> What {
        let (roll, total) = (self.rng.random_range(0..10_u32), self.rng.random_range(100..100_000_i64));
        let life = self.store(store);
        let place = place.min(life.orders.len() - 1);
        let open = &mut life.orders[place];
        open.version += 1;
        match (open.state.stage, roll) {
            _ if open.version == 1 => open.state.total_minor = total,
            // A completed order that is reported with another total is an order after refunds.
            (OrderStage::Open, 0..3) | (OrderStage::Completed, 0..2) => open.state.total_minor = total,
            (OrderStage::Open, 3..9) => open.state.stage = OrderStage::Completed,
            (OrderStage::Open, _) => open.state.stage = OrderStage::Cancelled,
            _ => open.state.stage = OrderStage::Refunded,
        }
        let reported = *open;
        let finished = matches!(reported.state.stage, OrderStage::Refunded | OrderStage::Cancelled);
        if finished && life.orders.len() > OPEN_ORDERS_MAX / 2 {
            life.orders.swap_remove(place);
        }
        What::Order { order: reported.order, version: reported.version, state: reported.state }
    }

    fn poison(&mut self) -> Poison {
        let all = [
            Poison::WrongType,
            Poison::NotJson,
            Poison::Nul,
            Poison::TooDeep,
            Poison::AbsurdLevel,
            Poison::AbsurdPrice,
        ];
        all[self.rng.random_range(0..all.len())]
    }

    fn elsewhere(&mut self) -> Refusal {
        let all = [Refusal::NoSuchConnection, Refusal::OtherStore, Refusal::OtherPlatform];
        all[self.rng.random_range(0..all.len())]
    }
}

#[derive(Debug, Clone, Copy)]
enum About {
    Level(u16),
    Product(u16),
    Order(usize),
}

impl Iterator for Plan {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        self.taken += 1;
        let due = self.later.first_key_value().is_some_and(|((due, _), _)| *due <= self.taken);
        let later = if due { self.later.pop_first().map(|(_, planned)| planned) } else { None };
        Some(later.unwrap_or_else(|| self.fresh()))
    }
}

#[cfg(test)]
mod tests;
