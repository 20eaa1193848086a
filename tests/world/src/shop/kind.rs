//! The simulated platforms.

/// The simulated platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Whole pieces, compare-and-set, versions of whole seconds, trimmed texts.
    Shopify,
    /// Five decimals, differences, separate versions, rendered descriptions, thin notices of the catalog.
    Square,
    /// Read only; levels come without a version.
    Treez,
    /// Read only, and only by its lists: it sends no webhooks. Levels come without a version.
    Blaze,
}

impl Kind {
    /// The platform's name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Shopify => "shopify",
            Self::Square => "square",
            Self::Treez => "treez",
            Self::Blaze => "blaze",
        }
    }

    /// Returns true if it accepts writes.
    pub(crate) const fn is_written(self) -> bool {
        !matches!(self, Self::Treez | Self::Blaze)
    }

    /// Returns true if it sends no webhooks: its lists are read on a schedule.
    pub(crate) const fn is_listed(self) -> bool {
        matches!(self, Self::Blaze)
    }

    /// Returns true if levels have a list of their own, with their times; otherwise they are listed with their products.
    pub(crate) const fn has_listed_levels(self) -> bool {
        matches!(self, Self::Shopify | Self::Square)
    }

    /// A text as the platform stores and shows it.
    pub(crate) fn rendered(self, text: &str) -> String {
        match self {
            Self::Shopify => text.trim().to_owned(),
            Self::Square => without_markup(text),
            Self::Treez | Self::Blaze => text.to_owned(),
        }
    }
}

/// Removes tables with their content, and the tags of spans.
fn without_markup(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<table>") {
        shown.push_str(before);
        rest = after.split_once("</table>").map_or("", |(_, after)| after);
    }
    shown.push_str(rest);
    shown.replace("<span>", "").replace("</span>", "")
}
