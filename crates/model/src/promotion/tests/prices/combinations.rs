//! Several promotions for one item, combined as platforms document it.

use super::{Case, amount, by, percent, stacking, variant};
use crate::promotion::*;

/// Two promotions of which the first takes $5 and the second 20 percent off.
fn two(first: Stacking, second: Stacking) -> Vec<Promotion> {
    vec![stacking(amount("a", "5"), first), stacking(percent("b", "20"), second)]
}

fn combined(
    is: &'static str,
    source: &'static str,
    combining: Combining,
    promotions: Vec<Promotion>,
    price: &'static str,
    reason: &[&str],
) -> Case {
    Case { is, source, variant: variant("50"), combining, promotions, price, reason: by(reason) }
}

pub(super) fn of_one() -> Vec<Case> {
    use Stacking::{Alone, Together};
    vec![
        combined(
            "one automatic discount per item, the most favourable to the customer",
            "SQUARE, squareup.com/help article 6603: only one automatic discount will apply to each item",
            Combining::LowestOnly,
            two(Together, Together),
            "40",
            &["b"],
        ),
        combined(
            "stacking disabled, in favour of the customer",
            "support.dutchie.com 27303158517523: Favor Customer",
            Combining::LowestOnly,
            two(Alone, Alone),
            "40",
            &["b"],
        ),
        combined(
            "stacking disabled, in favour of the retailer",
            "support.dutchie.com 27303158517523: Favor Retailer",
            Combining::HighestOnly,
            two(Alone, Alone),
            "45",
            &["a"],
        ),
        combined(
            "one product discount per line",
            "SHOPIFY, shopify.dev DiscountCombinesWith: by default, only one product discount applies per line",
            Combining::LowestOnly,
            two(Together, Together),
            "40",
            &["b"],
        ),
    ]
}

pub(super) fn of_several() -> Vec<Case> {
    use Stacking::{Alone, Last, Together};
    vec![
        combined(
            "shares before amounts",
            "SQUARE, docs/orders-api/discounts: item-level percentage, then item-level fixed amount",
            Combining::Compounding,
            two(Together, Together),
            "35",
            &["b", "a"],
        ),
        combined(
            "compounding: the share is applied first, whichever was created first",
            "support.dutchie.com 12883737838483: if one is % off and one is $ off, the % off is applied first",
            Combining::Compounding,
            two(Together, Together),
            "35",
            &["b", "a"],
        ),
        combined(
            "compounding: two shares, each of the price so far",
            "SQUARE, squareup.com/help article 5362: multiple discounts compound",
            Combining::Compounding,
            vec![stacking(percent("a", "20"), Together), stacking(percent("b", "10"), Together)],
            "36",
            &["a", "b"],
        ),
        combined(
            "cumulative: all are added up and applied to the price without them",
            "support.dutchie.com 12883737838483: added up together and applied against the base item price",
            Combining::Cumulative,
            vec![stacking(percent("a", "20"), Together), stacking(percent("b", "10"), Together)],
            "35",
            &["a", "b"],
        ),
        combined(
            "discounts that aren't stackable aren't combined with those that are",
            "TREEZ, discounts of a v2 product [DOC-P]: discount_stackable Yes or No",
            Combining::Compounding,
            vec![stacking(amount("a", "2.0000"), Together), stacking(percent("b", "20"), Alone)],
            "40",
            &["b"],
        ),
        combined(
            "stackable discounts together are lower than one that isn't",
            "TREEZ, discount service v3 [AE]: isStackable",
            Combining::Compounding,
            vec![
                stacking(amount("a", "6"), Together),
                stacking(amount("b", "6"), Together),
                stacking(percent("c", "20"), Alone),
            ],
            "38",
            &["a", "b"],
        ),
        combined(
            "one that can't be used with others isn't applied after another",
            "BIGCOMMERCE, promotions.v3.yml can_be_used_with_other_promotions: only if there are no discounts applied already",
            Combining::InOrder,
            two(Together, Alone),
            "45",
            &["a"],
        ),
        combined(
            "one that can't be used with others stops those after it",
            "BIGCOMMERCE, promotions.v3.yml can_be_used_with_other_promotions: stop executing other promotions",
            Combining::InOrder,
            two(Alone, Together),
            "45",
            &["a"],
        ),
        combined(
            "stop ends the evaluation down the list",
            "BIGCOMMERCE, promotions.v3.yml stop",
            Combining::InOrder,
            two(Last, Together),
            "45",
            &["a"],
        ),
    ]
}
