//! Keys by which variants that may be one are found, so that not every two are compared.

use super::{Compared, ItemDescription};
use std::collections::BTreeSet;

/// Upper limit of the keys of one description.
pub const MATCH_KEYS_MAX: usize = 32;
/// Upper limit of a name's words that are keys.
const WORDS_MAX: usize = 10;
/// Shortest word that is a key, in characters.
const SHORTEST_WORD: usize = 2;

/// The part of a description that a key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Part {
    /// A GTIN or a SKU.
    Number,
    /// All of a name.
    Name,
    /// Two words that stand side by side.
    Pair,
    /// One word.
    Word,
}

/// A key of a description: equal for descriptions that have that part in common, and seldom for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatchKey {
    part: Part,
    hash: i64,
}

impl MatchKey {
    fn new(part: Part, kind: u8, text: &str) -> Self {
        Self { part, hash: fnv(kind, text) }
    }

    /// The number by which the key is stored.
    pub const fn hash(self) -> i64 {
        self.hash
    }

    /// The weight of the key among several that two descriptions have in common.
    pub const fn weight(self) -> i32 {
        match self.part {
            Part::Number => 100,
            Part::Name => 20,
            Part::Pair => 3,
            Part::Word => 1,
        }
    }

    /// Returns whether descriptions that have the key are worth comparing, however many have it. A word that very many
    /// names have says nothing.
    pub const fn is_telling(self) -> bool {
        matches!(self.part, Part::Number | Part::Name)
    }
}

/// Returns the keys of a description, at most [`MATCH_KEYS_MAX`]: its GTIN, its SKU, its name as a whole with and
/// without the brand, and the words of its name. A name that is similar to another one shares a word with it.
pub fn match_keys(description: &ItemDescription) -> Vec<MatchKey> {
    let compared = Compared::new(description);
    let mut keys = BTreeSet::new();
    keys.extend(compared.gtin.map(|gtin| MatchKey::new(Part::Number, b'g', &gtin.to_string())));
    keys.extend(compared.sku.as_deref().map(|sku| MatchKey::new(Part::Number, b's', sku)));
    let plain = match &compared.brand {
        Some(brand) => compared.name.without(brand),
        None => compared.name.clone(),
    };
    let branded = compared.brand.as_ref().map(|brand| brand.joined(&plain));
    for name in [Some(&compared.name), Some(&plain), branded.as_ref()].into_iter().flatten() {
        let spellings = [name.spelled(), name.sorted()].into_iter().filter(|text| !text.is_empty());
        keys.extend(spellings.map(|text| MatchKey::new(Part::Name, b'n', &text)));
    }
    let mut words: Vec<&str> = Vec::new();
    let long = plain.words().filter(|word| word.chars().count() >= SHORTEST_WORD);
    for word in long.take(WORDS_MAX) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    keys.extend(words.windows(2).map(|pair| {
        let [one, other] = if pair[0] < pair[1] { [pair[0], pair[1]] } else { [pair[1], pair[0]] };
        MatchKey::new(Part::Pair, b'p', &format!("{one} {other}"))
    }));
    keys.extend(words.iter().map(|word| MatchKey::new(Part::Word, b'w', word)));
    // The telling ones are the first. No more than the limits of words allow.
    keys.into_iter().collect()
}

/// FNV-1a (64 bits) of the kind and the text. Keys that are equal by chance cost a comparison, no match.
fn fnv(kind: u8, text: &str) -> i64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = std::iter::once(kind).chain(text.bytes()).fold(0xcbf2_9ce4_8422_2325, step);
    hash.cast_signed()
}
