//! The score of a match: the certainty that remains after all reasons for and against it.

use std::fmt;

/// Error for a number that isn't a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a score is 0 to 1000 per mille")]
pub struct InvalidScore;

/// The certainty of a match, per mille.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Score(u16);

/// A reason for or against a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchReason {
    /// Their descriptions are the same in all that is compared.
    Identical,
    /// Both have the same GTIN.
    GtinEqual,
    /// Both have the same SKU within the store.
    SkuEqual,
    /// Both names have the same words, without brand and size.
    NameEqual,
    /// The names have words in common.
    NameSimilar {
        /// Share of common words.
        per_mille: u16,
    },
    /// Both are of the same brand, or one names the brand that the other states.
    BrandEqual,
    /// Both state the same size.
    SizeEqual,
    /// Both have a GTIN, and another one.
    GtinDiffers,
    /// The names have hardly a word in common.
    NameDiffers,
    /// They are of different brands.
    BrandDiffers,
    /// They state different sizes.
    SizeDiffers,
    /// Another candidate has about the same score.
    Ambiguous,
}

/// All of a certainty.
const WHOLE: u64 = 1_000;
/// Share of a score that ambiguity leaves.
const AMBIGUOUS_LEAVES: u16 = 700;

impl MatchReason {
    /// Every reason; the share of a similar name's common words is that of all.
    const ALL: [Self; 12] = [
        Self::Identical,
        Self::GtinEqual,
        Self::SkuEqual,
        Self::NameEqual,
        Self::NameSimilar { per_mille: 1_000 },
        Self::BrandEqual,
        Self::SizeEqual,
        Self::GtinDiffers,
        Self::NameDiffers,
        Self::BrandDiffers,
        Self::SizeDiffers,
        Self::Ambiguous,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::GtinEqual => "gtin_equal",
            Self::SkuEqual => "sku_equal",
            Self::NameEqual => "name_equal",
            Self::NameSimilar { .. } => "name_similar",
            Self::BrandEqual => "brand_equal",
            Self::SizeEqual => "size_equal",
            Self::GtinDiffers => "gtin_differs",
            Self::NameDiffers => "name_differs",
            Self::BrandDiffers => "brand_differs",
            Self::SizeDiffers => "size_differs",
            Self::Ambiguous => "ambiguous",
        }
    }

    /// Returns the form in rows: its name, and the share of common words.
    pub fn code(self) -> String {
        match self {
            Self::NameSimilar { per_mille } => format!("{}:{per_mille}", self.name()),
            other => other.name().to_owned(),
        }
    }

    /// Parses the form in rows.
    pub fn parse(code: &str) -> Option<Self> {
        let (name, share) = code.split_once(':').map_or((code, None), |(name, share)| (name, Some(share)));
        let share = share.map(|share| share.parse::<u16>().ok().filter(|share| u64::from(*share) <= WHOLE));
        match (Self::ALL.into_iter().find(|reason| reason.name() == name)?, share) {
            (Self::NameSimilar { .. }, Some(share)) => share.map(|per_mille| Self::NameSimilar { per_mille }),
            (Self::NameSimilar { .. }, None) | (_, Some(_)) => None,
            (reason, None) => Some(reason),
        }
    }

    /// Returns the reason in words, for people.
    pub fn words(self) -> String {
        match self {
            Self::Identical => "the same description in all".to_owned(),
            Self::GtinEqual => "the same GTIN".to_owned(),
            Self::SkuEqual => "the same SKU".to_owned(),
            Self::NameEqual => "the same name".to_owned(),
            Self::NameSimilar { per_mille } => format!("a similar name ({} %)", per_mille / 10),
            Self::BrandEqual => "the same brand".to_owned(),
            Self::SizeEqual => "the same size".to_owned(),
            Self::GtinDiffers => "but another GTIN".to_owned(),
            Self::NameDiffers => "but another name".to_owned(),
            Self::BrandDiffers => "but another brand".to_owned(),
            Self::SizeDiffers => "but another size".to_owned(),
            Self::Ambiguous => "but others are alike".to_owned(),
        }
    }

    /// Returns whether the reason is one against a match.
    pub const fn is_against(self) -> bool {
        matches!(
            self,
            Self::GtinDiffers | Self::NameDiffers | Self::BrandDiffers | Self::SizeDiffers | Self::Ambiguous
        )
    }

    /// Certainty by this reason alone, per mille.
    const fn certainty(self) -> u64 {
        match self {
            Self::GtinEqual => 950,
            Self::SkuEqual => 850,
            Self::NameEqual => 600,
            Self::Identical => 500,
            Self::NameSimilar { per_mille } => 400 * per_mille as u64 / WHOLE,
            Self::SizeEqual => 300,
            Self::BrandEqual => 200,
            Self::GtinDiffers
            | Self::NameDiffers
            | Self::BrandDiffers
            | Self::SizeDiffers
            | Self::Ambiguous => 0,
        }
    }

    /// Share of the certainty that this reason against leaves, per mille.
    const fn leaves(self) -> u64 {
        match self {
            Self::GtinDiffers | Self::SizeDiffers => 400,
            Self::BrandDiffers => 600,
            Self::NameDiffers => 700,
            _ => WHOLE,
        }
    }
}

impl Score {
    /// Builds a score; 0 to 1000 per mille.
    pub fn new(per_mille: u16) -> Result<Self, InvalidScore> {
        if u64::from(per_mille) <= WHOLE { Ok(Self(per_mille)) } else { Err(InvalidScore) }
    }

    pub(super) const fn from_per_mille(per_mille: u16) -> Self {
        Self(per_mille)
    }

    /// The number per mille.
    pub const fn per_mille(self) -> u16 {
        self.0
    }

    /// Returns the score of a match with these reasons; `None` if neither a number nor a name is in common. Doubt is
    /// what each reason for the match leaves of it: two reasons of 600 and 200 leave 400 × 800, so they score 680. Then
    /// each reason against it leaves its share of the score; names count only against a SKU.
    pub(super) fn of(reasons: &[MatchReason]) -> Option<Self> {
        let is_named = |reason: &MatchReason| {
            use MatchReason::{GtinEqual, NameEqual, NameSimilar, SkuEqual};
            matches!(reason, GtinEqual | SkuEqual | NameEqual | NameSimilar { .. })
        };
        if !reasons.iter().any(is_named) {
            return None;
        }
        let has_gtin = reasons.contains(&MatchReason::GtinEqual);
        let counts = |reason: &&MatchReason| !(has_gtin && **reason == MatchReason::NameDiffers);
        // Millionths of a millionth, so that the division comes last.
        let whole = 1_000_000_000_000_u64;
        let doubt = reasons.iter().fold(whole, |doubt, reason| doubt / WHOLE * (WHOLE - reason.certainty()));
        let certainty = whole - doubt;
        let left =
            reasons.iter().filter(counts).fold(certainty, |left, reason| left / WHOLE * reason.leaves());
        u16::try_from(left / (whole / WHOLE)).ok().map(Self)
    }

    pub(super) fn lowered_by_ambiguity(self) -> Self {
        Self(u16::try_from(u32::from(self.0) * u32::from(AMBIGUOUS_LEAVES) / 1_000).unwrap_or(self.0))
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ‰", self.0)
    }
}
