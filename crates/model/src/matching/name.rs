//! Names of items in the form in which they are compared: words without case, accents and punctuation.

/// Upper limit of words of a name that are compared.
pub(super) const WORDS_MAX: usize = 64;
/// Share of common words, per mille, from which names are similar.
const SIMILAR_PER_MILLE: u16 = 500;
/// Share of common words, per mille, below which names are different.
const DIFFERENT_PER_MILLE: u16 = 250;
/// Words that say nothing.
const EMPTY_WORDS: [&str; 5] = ["and", "the", "of", "by", "with"];

/// A name as words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    words: Vec<String>,
}

/// The likeness of two names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// They have the same words, or are the same without their spaces.
    Equal,
    /// They have words in common.
    Similar {
        /// Share of common words.
        per_mille: u16,
    },
    /// They have hardly a word in common.
    Different,
    /// One of them has no words, or they are between similar and different.
    Unknown,
}

impl Name {
    pub(super) fn new(text: &str) -> Self {
        Self::from_words(words(text))
    }

    /// Builds a name from words as [`words`] returns them, and drops those that say nothing.
    pub(super) fn from_words(words: Vec<String>) -> Self {
        let plain = words.into_iter().map(|word| word.replace(['.', ',', '/', '%'], ""));
        Self {
            words: plain.filter(|word| !word.is_empty() && !EMPTY_WORDS.contains(&word.as_str())).collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Returns whether the names are the same without their spaces.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.words.concat() == other.words.concat()
    }

    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    /// The words in their order, without spaces.
    pub(super) fn spelled(&self) -> String {
        self.words.concat()
    }

    /// The words in the order of the alphabet.
    pub(super) fn sorted(&self) -> String {
        let mut words: Vec<&str> = self.words().collect();
        words.sort_unstable();
        words.join(" ")
    }

    /// This name, followed by another.
    pub(super) fn joined(&self, other: &Self) -> Self {
        Self { words: [self.words.as_slice(), other.words.as_slice()].concat() }
    }

    pub(super) fn contains(&self, part: &Self) -> bool {
        self.place_of(part).is_some()
    }

    /// The name without the words of a brand, wherever they stand; the whole name if nothing else is left.
    pub(super) fn without(&self, brand: &Self) -> Self {
        let Some(place) = self.place_of(brand) else {
            return self.clone();
        };
        let rest = [&self.words[..place.start], &self.words[place.end..]].concat();
        if rest.is_empty() { self.clone() } else { Self { words: rest } }
    }

    /// The words that are another name without its spaces: `kivaconfections` is in `kiva confections terra bites`.
    fn place_of(&self, part: &Self) -> Option<std::ops::Range<usize>> {
        let wanted = part.words.concat();
        let place = |start: usize| {
            let mut rest = wanted.as_str();
            for (at, word) in self.words.iter().enumerate().skip(start) {
                rest = rest.strip_prefix(word.as_str())?;
                if rest.is_empty() {
                    return Some(start..at + 1);
                }
            }
            None
        };
        (!wanted.is_empty()).then(|| (0..self.words.len()).find_map(place)).flatten()
    }

    pub(super) fn likeness(&self, other: &Self) -> Likeness {
        if self.is_empty() || other.is_empty() {
            return Likeness::Unknown;
        }
        let per_mille = self.common_per_mille(other);
        if per_mille == 1_000 || self.is_same(other) {
            Likeness::Equal
        } else if per_mille >= SIMILAR_PER_MILLE {
            Likeness::Similar { per_mille }
        } else if per_mille < DIFFERENT_PER_MILLE {
            Likeness::Different
        } else {
            Likeness::Unknown
        }
    }

    /// The share of words, of both names together, that are in both; each as often as it is in both.
    fn common_per_mille(&self, other: &Self) -> u16 {
        let mut left = other.words.clone();
        let is_common = |word: &&String| {
            let place = left.iter().position(|of_other| of_other == *word);
            place.map(|place| left.swap_remove(place)).is_some()
        };
        let common = self.words.iter().filter(is_common).count();
        let share = 2 * common * 1_000 / (self.words.len() + other.words.len());
        u16::try_from(share).unwrap_or(1_000)
    }
}

/// Returns the words of a text in lower case, without accents. Points, commas and slashes stay between digits, and a
/// percent sign at its number. Words beyond [`WORDS_MAX`] are left out.
pub(super) fn words(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().flat_map(char::to_lowercase).map(without_accent).collect();
    let mut words = vec![String::new()];
    for (at, character) in characters.iter().copied().enumerate() {
        let beside =
            |at: Option<usize>| at.and_then(|at| characters.get(at)).is_some_and(char::is_ascii_digit);
        let joins_digits = ".,/".contains(character) && beside(at.checked_sub(1)) && beside(Some(at + 1));
        match character {
            '\'' | '’' => {}
            '½' | '¼' | '⅛' => words.push(fraction(character).to_owned()),
            _ if character.is_alphanumeric() || character == '%' || joins_digits => {
                words.last_mut().into_iter().for_each(|word| word.push(character));
            }
            _ => words.push(String::new()),
        }
    }
    words.retain(|word| !word.is_empty());
    words.truncate(WORDS_MAX);
    words
}

fn fraction(character: char) -> &'static str {
    match character {
        '½' => "1/2",
        '¼' => "1/4",
        _ => "1/8",
    }
}

fn without_accent(character: char) -> char {
    match character {
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' => 'o',
        'ù'..='ü' => 'u',
        'ý' | 'ÿ' => 'y',
        '×' => 'x',
        other => other,
    }
}
