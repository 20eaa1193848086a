//! Plans of weeks: acts of people and faults, drawn from a seed. A plan is data, so that a failing one can be shrunk.

mod lists;

pub(crate) use lists::{ListsPlan, PageFault};

use crate::shop::Kind;
use model::{BaselineRule, Currency, MirrorKind, Side, Timestamp};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use rust_decimal::Decimal;
use std::{collections::BTreeMap, time::Duration};

/// Start of the week: Monday, 2026-11-02, 08:00.
pub(crate) const BEGIN: Timestamp = Timestamp::from_micros(1_793_606_400_000_000);
/// Opening of the shops, before any is connected.
pub(crate) const OPENED: Timestamp = Timestamp::from_micros(BEGIN.as_micros() - 3_600_000_000);
const SECOND: i64 = 1_000_000;
/// Distinguishes the draws about lists from all others.
const OF_LISTS: u64 = 0x1157_5ead;
/// Distinguishes the draws about lists of shops that send webhooks.
const OF_READS: u64 = 0x2ead_5a11;
/// Number of seconds in which people act.
const WEEK_SECONDS: i64 = 4 * 86_400;

/// Fault of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WebhookFault {
    /// It arrives this many seconds late.
    Late(u32),
    /// It never arrives.
    Lost,
    /// It arrives twice, the second time this many seconds later.
    Doubled(u32),
    /// Its clock is ahead by this much.
    Leads(Duration),
    /// The database refuses its events until they are re-ingested.
    Refused,
}

/// Fault of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The reply takes this many seconds.
    Slow(u32),
    /// 429: the call has no effect.
    Throttled,
    /// 503: the call has no effect.
    Unavailable,
    /// The call has its effect, and the reply is lost.
    ReplyLost,
    /// The call has its effect, and the process dies after it has settled the first write of it.
    SettledInPart,
}

/// One act or fault.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    /// People move a level: they sell, restock or count.
    Move { shop: usize, good: usize, place: usize, by: Decimal },
    /// They move the levels of all goods at all locations: a delivery of goods, or a stocktaking.
    MoveAll { shop: usize, by: Decimal },
    /// They make a test sale of one piece.
    TestSale { shop: usize, good: usize, place: usize },
    /// They cancel or refund the last order.
    TakeBack { shop: usize, is_cancelled: bool, is_restocked: bool },
    /// A person links a good to the variant of another shop's good.
    Link { shop: usize, good: usize, to: usize },
    /// A person makes a good a separate variant.
    Unlink { shop: usize, good: usize },
    /// They switch the tracking of stock.
    Track { shop: usize, good: usize, is_tracked: bool },
    /// They end or begin stocking at a location.
    Stock { shop: usize, good: usize, place: usize, is_stocked: bool },
    /// They edit a title.
    Title { shop: usize, good: usize, text: String },
    /// They edit a description.
    Description { shop: usize, good: usize, text: String },
    /// They edit a price.
    Price { shop: usize, good: usize, cents: i64 },
    /// They edit a SKU.
    Sku { shop: usize, good: usize, sku: String },
    /// They delete a product.
    Delete { shop: usize, good: usize },
    /// They create it again.
    Remake { shop: usize, good: usize },
    /// The platform deletes an order or customer and sends a report of it after the deletion.
    LateReport { shop: usize, number: u32, is_customer: bool },
    /// The connection is paused or resumed.
    Pause { shop: usize, is_paused: bool },
    /// Writes of a kind are allowed or withheld.
    Let { shop: usize, kind: MirrorKind, is_let: bool },
    /// The rule for first contacts is set.
    Rule { shop: usize, rule: BaselineRule },
    /// A person decides all open first contacts of a connection.
    Decide { shop: usize, side: Side },
    /// The platform accepts or refuses the token.
    Token { shop: usize, is_taken: bool },
    /// A fault for the shop's next webhook.
    Hook { shop: usize, fault: WebhookFault },
    /// A fault for the shop's next call.
    Call { shop: usize, fault: Fault },
    /// A fault for the next page of the shop's lists.
    Page { shop: usize, fault: PageFault },
    /// The pipeline stops for this many seconds; then the waiting deliveries are cut into batches of this size.
    Still { seconds: u32, cut: usize },
    /// The processes are killed: in-memory state and calls under way are lost.
    Kill,
    /// The last deliveries, this many, are received again.
    Again { count: usize },
    /// A full report of a shop.
    Full { shop: usize },
    /// A connection is added.
    Connect { shop: usize },
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// Time of the step.
    pub(crate) at: Timestamp,
    /// The act or fault.
    pub(crate) act: Act,
}

/// A shop at the beginning.
#[derive(Debug, Clone)]
pub(crate) struct ShopPlan {
    /// The platform.
    pub(crate) kind: Kind,
    /// The rule for first contacts.
    pub(crate) rule: BaselineRule,
    /// True if its prices are in another currency than the store's.
    pub(crate) is_foreign: bool,
    /// True if it is connected from the beginning.
    pub(crate) is_connected: bool,
    /// Number of goods that nobody sells: they fill the pages of its lists.
    pub(crate) others: usize,
    /// Its goods: SKU, and quantity at each location.
    pub(crate) goods: Vec<(String, BTreeMap<usize, Decimal>)>,
}

/// The plan of a seed's weeks.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// The shops.
    pub(crate) shops: Vec<ShopPlan>,
    /// True if Shopify, Square and BLAZE use JSON, as others always do; else they use the types of `model`.
    pub(crate) speaks_json: bool,
    /// True if the goods of a shop are variants of one product.
    pub(crate) is_one_product: bool,
    /// The lists of shops that are read.
    pub(crate) lists: ListsPlan,
    /// True if the lists of all shops are read, not only of those that send no webhooks. Lost webhooks are then made up
    /// for by that alone.
    pub(crate) is_all_read: bool,
    /// The steps, in order of time.
    pub(crate) steps: Vec<Step>,
}

/// Returns true if a currency isn't the store's.
pub(crate) fn is_foreign(currency: Currency) -> bool {
    Currency::new("USD") != Ok(currency)
}

/// Names of the goods.
pub(crate) const NAMES: [&str; 3] = ["Green tea", "Olive oil", "Rice"];

/// The SKU of a good.
pub(crate) fn sku(good: usize) -> String {
    format!("SKU-{good}")
}

struct Draw {
    rng: StdRng,
    shops: Vec<Kind>,
    goods: usize,
    places: usize,
    has_decimals: bool,
}

impl Plan {
    /// Describes the shops at the beginning, for the story.
    pub fn shops(&self) -> String {
        let shop = |shop: &ShopPlan| {
            let currency = if shop.is_foreign { ", prices in EUR" } else { "" };
            format!("{} {:?}, rule {:?}{currency}", shop.kind.as_str(), shop.goods, shop.rule)
        };
        self.shops.iter().map(shop).collect::<Vec<_>>().join("; ")
    }

    /// Draws a plan.
    pub fn draw(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let kinds = [
            vec![Kind::Shopify, Kind::Square],
            vec![Kind::Shopify, Kind::Square, Kind::Treez],
            vec![Kind::Shopify, Kind::Treez],
            vec![Kind::Square, Kind::Shopify, Kind::Square],
            vec![Kind::Shopify, Kind::Shopify],
            vec![Kind::Shopify, Kind::Clover],
            vec![Kind::Square, Kind::WooCommerce],
            vec![Kind::Clover, Kind::WooCommerce, Kind::Treez],
            vec![Kind::WooCommerce, Kind::WooCommerce],
            vec![Kind::Clover, Kind::Square, Kind::Shopify],
        ];
        let mut shops = kinds.choose(&mut rng).cloned().unwrap_or_default();
        let mut goods = rng.random_range(1..=2);
        let places = rng.random_range(1..=2);
        let has_decimals = rng.random_ratio(1, 4);
        let speaks_json = rng.random_ratio(1, 2);
        let is_json = |kind: &Kind| kind.speaks_json(speaks_json);
        let is_one_product = shops.iter().all(is_json) && rng.random_ratio(1, 3);
        // Of its own, so that the weeks of all other shops don't depend on it.
        let mut of_lists = StdRng::seed_from_u64(seed ^ OF_LISTS);
        if of_lists.random_ratio(1, 3) {
            shops.push([Kind::Blaze, Kind::Flowhub, Kind::Leaflogix][of_lists.random_range(0..3)]);
            goods += 1;
        }
        let lists = ListsPlan::draw(&mut of_lists);
        let mut draw = Draw { rng, shops, goods, places, has_decimals };
        let mut shops = draw.shops();
        let mut steps = draw.steps(&shops);
        let mut of_reads = StdRng::seed_from_u64(seed ^ OF_READS);
        let is_all_read = of_reads.random_ratio(1, 2);
        for shop in shops.iter_mut().filter(|shop| is_all_read || shop.kind.is_always_read()) {
            shop.others = lists::others(&mut of_lists, shop.kind);
        }
        draw.rng = of_lists;
        let listed: Vec<usize> = (0..shops.len()).filter(|shop| shops[*shop].kind.is_always_read()).collect();
        steps.extend(draw.of_lists(&listed));
        if is_all_read {
            draw.rng = of_reads;
            steps.extend(draw.of_lists(&(0..shops.len()).collect::<Vec<_>>()));
            steps.extend(draw.of_lost_webhooks());
        }
        steps.sort_by_key(|step| step.at);
        Self { seed, shops, speaks_json, is_one_product, lists, is_all_read, steps }
    }
}

impl Draw {
    fn amount(&mut self, most: i64, kind: Kind) -> Decimal {
        let whole = Decimal::from(self.rng.random_range(1..=most));
        let is_divided = self.has_decimals && !kind.counts_pieces() && self.rng.random_ratio(1, 2);
        if is_divided { whole + Decimal::new(self.rng.random_range(1..=9), 1) } else { whole }
    }

    fn shops(&mut self) -> Vec<ShopPlan> {
        let kinds = self.shops.clone();
        let agree = self.rng.random_ratio(1, 2);
        let common: Vec<i64> = (0..self.goods * self.places).map(|_| self.rng.random_range(3..40)).collect();
        let mut plans = Vec::new();
        for (index, kind) in kinds.iter().enumerate() {
            let rules = [BaselineRule::Ask, BaselineRule::Store, BaselineRule::Store, BaselineRule::Platform];
            let rule = rules.choose(&mut self.rng).copied().unwrap_or_default();
            let is_connected = index == 0 || self.rng.random_ratio(2, 3);
            let mut goods = Vec::new();
            for good in 0..self.goods {
                let has_number = index == 0 || self.rng.random_ratio(7, 8);
                let number =
                    if has_number { sku(good) } else { ["", "N/A"][self.rng.random_range(0..2)].to_owned() };
                let mut stock = BTreeMap::new();
                for place in 0..self.places.min(kind.places()) {
                    let count = match self.rng.random_range(0..8) {
                        // What a list lacks at all isn't on sale there.
                        0 if index > 0 && !kind.is_listed() => continue,
                        1 | 2 if index > 0 => Decimal::ZERO,
                        3 | 4 if !agree && index > 0 => self.amount(30, *kind),
                        _ => Decimal::from(common[good * self.places + place]),
                    };
                    stock.insert(place, count);
                }
                goods.push((number, stock));
            }
            let is_foreign = index > 0 && *kind == Kind::Square && self.rng.random_ratio(1, 8);
            plans.push(ShopPlan { kind: *kind, rule, is_foreign, is_connected, others: 0, goods });
        }
        plans
    }

    /// Draws the steps. Each seed has its own weights: most kinds of fault are absent from most weeks, so that some
    /// weeks have many of one kind.
    fn steps(&mut self, shops: &[ShopPlan]) -> Vec<Step> {
        const WEIGHTS: [u32; 26] =
            [40, 12, 12, 12, 6, 6, 6, 3, 3, 3, 4, 3, 3, 10, 10, 6, 3, 3, 3, 3, 2, 3, 4, 1, 1, 4];
        let mut weights = WEIGHTS;
        for weight in weights.iter_mut().skip(1) {
            *weight = match self.rng.random_range(0..4) {
                0 | 1 => 0,
                2 => *weight,
                _ => *weight * 3,
            };
        }
        let count = self.rng.random_range(6..70);
        let mut times: Vec<i64> = (0..count).map(|_| self.rng.random_range(600..WEEK_SECONDS)).collect();
        // Half of the steps follow closely after another.
        for index in 1..times.len() {
            if self.rng.random_ratio(1, 2) {
                times[index] = times[index - 1] + self.rng.random_range(0..90);
            }
        }
        times.sort_unstable();
        let mut steps: Vec<Step> = Vec::new();
        for (shop, _) in shops.iter().enumerate().filter(|(_, shop)| !shop.is_connected) {
            let at = after(self.rng.random_range(900..WEEK_SECONDS / 2));
            steps.push(Step { at, act: Act::Connect { shop } });
        }
        for time in times {
            let millis = self.rng.random_range(0..1_000);
            let at = Timestamp::from_micros(after(time).as_micros() + millis * 1_000);
            for act in self.act(&weights) {
                steps.push(Step { at, act });
            }
        }
        steps.extend(self.deliveries());
        steps.sort_by_key(|step| step.at);
        steps
    }

    /// Draws deliveries of goods: several levels are due at once at the other platforms, which get them in one request.
    /// Half of these requests meet a sale that isn't reported yet, or a fault.
    fn deliveries(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        for _ in 0..self.rng.random_range(0..4) {
            let seconds = self.rng.random_range(600..WEEK_SECONDS);
            let shop = self.rng.random_range(0..self.shops.len());
            let by = Decimal::from(self.rng.random_range(1..9));
            // The reports of all levels wait for the pipeline, and are processed at once.
            steps.push(Step { at: after(seconds), act: Act::Still { seconds: 1, cut: usize::MAX } });
            steps.push(Step { at: after(seconds), act: Act::MoveAll { shop, by } });
            for other in (0..self.shops.len()).filter(|other| *other != shop) {
                let at = after(seconds).after(Duration::from_millis(self.rng.random_range(600..1_000)));
                let (good, place) =
                    (self.rng.random_range(0..self.goods), self.rng.random_range(0..self.places));
                let faults = [
                    Fault::Slow(9),
                    Fault::Throttled,
                    Fault::Unavailable,
                    Fault::ReplyLost,
                    Fault::SettledInPart,
                ];
                let act = match self.rng.random_range(0..4) {
                    0 => Act::Move { shop: other, good, place, by: -Decimal::ONE },
                    1 => Act::Call { shop: other, fault: faults[self.rng.random_range(0..5)] },
                    _ => continue,
                };
                steps.push(Step { at, act });
            }
        }
        steps
    }

    fn act(&mut self, weights: &[u32; 26]) -> Vec<Act> {
        let total: u32 = weights.iter().sum();
        let mut drawn = self.rng.random_range(0..total);
        let mut which = 0;
        for (index, weight) in weights.iter().enumerate() {
            if drawn < *weight {
                which = index;
                break;
            }
            drawn -= weight;
        }
        let shop = self.rng.random_range(0..self.shops.len());
        let good = self.rng.random_range(0..self.goods);
        let place = self.rng.random_range(0..self.places);
        let kind = self.shops[shop];
        let seconds = self.rng.random_range(1..400);
        let is_on = self.rng.random_ratio(1, 2);
        let one = |act| vec![act];
        match which {
            0 => one(Act::Move { shop, good, place, by: -self.amount(3, kind) }),
            1 => one(Act::Move { shop, good, place, by: self.amount(20, kind) }),
            2 => one(Act::Title { shop, good, text: self.title(good) }),
            3 => one(Act::Price { shop, good, cents: self.rng.random_range(100..2_000) }),
            4 => one(Act::Description { shop, good, text: self.description(good) }),
            5 if !kind.is_listed() => one(Act::Track { shop, good, is_tracked: is_on }),
            6 if kind != Kind::Square && !kind.is_listed() => {
                one(Act::Stock { shop, good, place, is_stocked: is_on })
            }
            7 => one(Act::Sku { shop, good, sku: self.number(good) }),
            8 => one(if is_on { Act::Remake { shop, good } } else { Act::Delete { shop, good } }),
            9 if !kind.is_listed() => {
                one(Act::LateReport { shop, number: self.rng.random_range(0..5), is_customer: is_on })
            }
            10 => one(Act::Pause { shop, is_paused: is_on }),
            11 => {
                let kind = MirrorKind::ALL[self.rng.random_range(0..3)];
                one(Act::Let { shop, kind, is_let: is_on })
            }
            12 => one(Act::Token { shop, is_taken: is_on }),
            13 => {
                let fault = match self.rng.random_range(0..8) {
                    0..=2 => WebhookFault::Late(seconds),
                    3 => WebhookFault::Lost,
                    4 => WebhookFault::Doubled(seconds),
                    5 => WebhookFault::Leads(Duration::from_mins(10)),
                    6 => WebhookFault::Refused,
                    _ => WebhookFault::Leads(Duration::from_hours(73 * 365 * 24)),
                };
                let by = if is_on { -self.amount(3, kind) } else { self.amount(9, kind) };
                let acts = [
                    Act::Move { shop, good, place, by },
                    Act::Title { shop, good, text: self.title(good) },
                    Act::Price { shop, good, cents: self.rng.random_range(100..2_000) },
                ];
                let act = acts[[0, 0, 0, 1, 2][self.rng.random_range(0..5)]].clone();
                vec![Act::Hook { shop, fault }, act]
            }
            14 => {
                let faults =
                    [Fault::Slow(seconds % 25), Fault::Throttled, Fault::Unavailable, Fault::ReplyLost];
                one(Act::Call { shop, fault: faults[self.rng.random_range(0..4)] })
            }
            15 => one(Act::Still { seconds, cut: self.rng.random_range(1..5) }),
            16 => one(Act::Kill),
            17 => one(Act::Again { count: self.rng.random_range(1..12) }),
            18 => one(Act::Rule { shop, rule: BaselineRule::ALL[self.rng.random_range(0..3)] }),
            19 => one(Act::Decide { shop, side: if is_on { Side::Store } else { Side::Platform } }),
            20 => one(Act::Full { shop }),
            21 => one(Act::TestSale { shop, good, place }),
            22 => one(Act::TakeBack { shop, is_cancelled: is_on, is_restocked: seconds % 2 == 0 }),
            23 => one(Act::Link { shop, good, to: self.rng.random_range(0..self.shops.len()) }),
            24 => one(Act::Unlink { shop, good }),
            _ => one(Act::Move { shop, good, place, by: -self.amount(2, kind) }),
        }
    }

    fn title(&mut self, good: usize) -> String {
        let number = self.rng.random_range(0..1_000);
        let space = [" ", "  "][self.rng.random_range(0..2)];
        format!("{}{space}No {number}", NAMES[good])
    }

    fn description(&mut self, good: usize) -> String {
        let number = self.rng.random_range(0..1_000);
        let forms =
            ["Plain {}.", "<p>Of {}</p>", " <span>Of</span> {} ", "<p>{}</p><table><tr>1</tr></table>"];
        let form = forms[self.rng.random_range(0..forms.len())];
        form.replace("{}", &format!("{} {number}", NAMES[good]))
    }

    fn number(&mut self, good: usize) -> String {
        match self.rng.random_range(0..6) {
            0 => String::new(),
            1 => "none".to_owned(),
            2 => sku((good + 1) % self.goods),
            3 => format!("NEW-{good}"),
            _ => sku(good),
        }
    }
}

fn after(seconds: i64) -> Timestamp {
    Timestamp::from_micros(BEGIN.as_micros() + seconds * SECOND)
}
