//! Malformed payloads, signed and sent as their platforms would.

use super::{
    play::Player,
    shop::{self, Shop},
};
use futures::{StreamExt as _, stream};
use testkit::{Example, Mutator, Signed, examples};

/// Environment variable for the number of malformed payloads.
const COUNT: &str = "TILLFLOW_FUZZ_DELIVERIES";
const COUNT_UNLESS_SET: usize = 2000;
/// Environment variable for the seed of the generator.
const SEED: &str = "TILLFLOW_FUZZ_SEED";
/// Maximum number of payloads under way.
const AT_ONCE: usize = 32;
/// The status of a request that is kept or of no known topic.
const TAKEN: u16 = 200;
/// The status of a request without a body: there is nothing that a signature could authenticate.
const NOTHING_SIGNED: u16 = 401;
/// Maximum number of complaints that are kept.
const SHOWN: usize = 20;

/// Sends the payloads to all stores in turn and returns the wrong responses.
pub(super) async fn send(player: &Player<'_>, shops: &[Shop]) -> Vec<String> {
    let count = set(COUNT).unwrap_or(COUNT_UNLESS_SET);
    let mut mutator = Mutator::new(set(SEED).unwrap_or(1));
    let at_home = |example: Example| {
        let home = shop::location(example.platform.name());
        example.at_location(&home)
    };
    let examples: Vec<Example> = examples().into_iter().map(at_home).collect();
    let payloads = (0..count).map(|number| {
        let example = &examples[mutator.below(examples.len())];
        (number, example, mutator.mutate(&example.body, example.schema))
    });
    let sending = stream::iter(payloads).map(async |(number, example, body)| {
        let shop = &shops[number % shops.len()];
        send_one(player, shop, number, example, body).await
    });
    let responses: Vec<Option<String>> = sending.buffer_unordered(AT_ONCE).collect().await;
    let mut complaints: Vec<String> = responses.into_iter().flatten().collect();
    complaints.truncate(SHOWN);
    complaints
}

/// The number that the variable is set to, if it is set.
fn set<N: std::str::FromStr>(variable: &str) -> Option<N> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

async fn send_one(
    player: &Player<'_>,
    shop: &Shop,
    number: usize,
    example: &Example,
    body: Vec<u8>,
) -> Option<String> {
    let platform = example.platform.name();
    let account = shop.account(platform);
    let sound = account.sign(example.topic, "sound", example.body.clone());
    if !example.is_webhook(&sound.headers) {
        let taken = player.published(shop, platform, example.topic, body).await;
        return taken.err().map(|why| format!("payload {number} of {}: {why}", example.label()));
    }
    let is_empty = body.is_empty();
    let signed: Signed = account.sign(example.topic, &format!("mutated-{number}"), body);
    let status = player.sender.send(&signed).await.map(|response| response.status);
    let is_right = status.is_some_and(|status| status == TAKEN || (is_empty && status == NOTHING_SIGNED));
    (!is_right).then(|| format!("payload {number} of {}: answered {status:?}", example.label()))
}
