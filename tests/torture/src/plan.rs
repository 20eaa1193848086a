//! The stream: the deliveries of every store's platform, which follow from a seed alone.

mod body;

pub(crate) use body::{Bodies, external_location, order_id, product_id, sku, title};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::collections::BTreeMap;

/// Upper limit of the distance, in deliveries, of an older delivery behind a newer one, and of a repetition behind
/// the first.
const DISTANCE_MAX: f64 = 1_000.0;
/// Upper limit of repetitions of a delivery.
const REPEATS_MAX: f64 = 50.0;
/// Upper limit of a store's open orders.
const OPEN_ORDERS_MAX: usize = 20;
/// The lowest level: so high that no store ever runs out.
pub(crate) const LEVEL_FROM: i64 = 100_000;
const LEVEL_SPREAD: i64 = 5_000;

/// Size of the crowd.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Number of stores.
    pub(crate) stores: u32,
    /// Number of products of each store.
    pub(crate) products: u16,
}

/// One delivery to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    /// Identifies it among all others; a repetition has the number of the first.
    pub(crate) number: u64,
    /// True if it is the same event under another topic: another delivery.
    pub(crate) twin: bool,
    /// The index of its store.
    pub(crate) store: u32,
    /// Its contents.
    pub(crate) what: What,
    /// Number of times that it is sent again at once.
    pub(crate) repeats: u8,
}

/// Contents of a delivery. Values follow from the counters in it, so that any value in the record identifies
/// its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// A level of a product's only variant.
    Level { product: u16, version: u32, level: i64 },
    /// A product; its title and price follow from the version.
    Product { product: u16, version: u32 },
    /// An order.
    Order { order: u32, version: u32, state: OrderState },
    /// A notification that names an order and carries no data.
    Thin { order: u32 },
    /// A delivery with an unknown topic.
    UnknownTopic,
    /// A level at a location of another store.
    Misplaced { product: u16 },
    /// A payload that can't be true.
    Poison(Poison),
    /// A delivery that the intake must refuse.
    Refused(Refusal),
}

/// The parts of an order that the stream varies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OrderState {
    /// Its stage.
    pub(crate) stage: OrderStage,
    /// Its total, in minor units of the currency.
    pub(crate) total_minor: i64,
}

/// Stage of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderStage {
    /// Placed.
    Open,
    /// Paid and fulfilled.
    Completed,
    /// Cancelled.
    Cancelled,
    /// Completed, then refunded.
    Refunded,
}

/// Kind of a payload that can't be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Poison {
    /// A level that is a string.
    WrongType,
    /// JSON cut off in the middle.
    NotJson,
    /// A string with U+0000.
    Nul,
    /// Deeply nested arrays.
    TooDeep,
    /// A level beyond every limit.
    AbsurdLevel,
    /// A price beyond the limits of any currency.
    AbsurdPrice,
}

/// Reason for which the intake must refuse a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Signed with another secret.
    BadSignature,
    /// To a connection that doesn't exist.
    NoSuchConnection,
    /// To the connection of another store.
    OtherStore,
    /// To the right connection, at the URL of another platform.
    OtherPlatform,
    /// Larger than the limit of a delivery.
    TooLarge,
}

impl What {
    /// Returns true if the intake must refuse it.
    pub(crate) const fn is_refused(self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// Returns true if it must be dead-lettered.
    pub(crate) const fn is_dead(self) -> bool {
        matches!(self, Self::Poison(_))
    }

    /// Returns true if only one of its rows must be dead-lettered: the product is applied without the variant that
    /// can't be true.
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
    /// Number of deliveries that were taken out of it.
    taken: u64,
    /// The last number that was assigned.
    numbered: u64,
    /// Deferred deliveries, by the value of `taken` at which they are due; the second part makes the key unique.
    later: BTreeMap<(u64, u64), Planned>,
    stores: Vec<StoreLife>,
}

impl Plan {
    /// Returns the stream of this seed and shape, always the same.
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

    /// Defers a delivery: by a short distance in most cases, by a long one in some.
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

    /// Returns a delivery that is true; one in ten follows a newer one, one in ten is repeated.
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

    /// Returns an index among the store's open orders, perhaps that of a new order.
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
            About::Order(index) => self.next_of_order(store, index),
        }
    }

    fn next_of_order(&mut self, store: u32, index: usize) -> What {
        let (roll, total) = (self.rng.random_range(0..10_u32), self.rng.random_range(100..100_000_i64));
        let life = self.store(store);
        let index = index.min(life.orders.len() - 1);
        let open = &mut life.orders[index];
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
            life.orders.swap_remove(index);
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
