//! The simulated platforms.

use super::PLACES_MAX;
use model::MirrorKind;
use platforms::Platform;
use simulator::ItemIds;

/// The simulated platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Whole pieces, compare-and-set, versions of whole seconds, trimmed texts.
    Shopify,
    /// Five decimals, differences, separate versions, rendered descriptions, thin notices of the catalog.
    Square,
    /// Thin notices of everything, absolute levels without a version, no texts.
    Clover,
    /// Whole pieces, differences in batches, versions of whole seconds, descriptions in paragraphs.
    WooCommerce,
    /// Read only; levels come without a version.
    Treez,
    /// Read only, and only by its lists: it sends no webhooks. Levels come without a version.
    Blaze,
    /// As Blaze; its lists are snapshots of packages, which leave out what is sold out, and have no changes.
    Flowhub,
    /// As Flowhub, at one place; products have changes.
    Leaflogix,
}

impl Kind {
    /// The platform's name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Shopify => "shopify",
            Self::Square => "square",
            Self::Clover => "clover",
            Self::WooCommerce => "woocommerce",
            Self::Treez => "treez",
            Self::Blaze => "blaze",
            Self::Flowhub => "flowhub",
            Self::Leaflogix => "leaflogix",
        }
    }

    pub(crate) fn platform(self) -> Option<&'static dyn Platform> {
        platforms::find(self.as_str())
    }

    /// Returns true if it uses JSON in a world whose shops do, or always.
    pub(crate) const fn speaks_json(self, does_world: bool) -> bool {
        match self {
            Self::Shopify | Self::Square | Self::Blaze => does_world,
            Self::Clover | Self::WooCommerce | Self::Flowhub | Self::Leaflogix => true,
            Self::Treez => false,
        }
    }

    /// Returns true if it accepts writes of that kind.
    pub(crate) fn takes(self, kind: MirrorKind) -> bool {
        self.platform().is_some_and(|platform| platform.write_limits(kind).is_some())
    }

    /// Returns true if it sends no webhooks: its lists are read on a schedule.
    pub(crate) const fn is_listed(self) -> bool {
        matches!(self, Self::Blaze | Self::Flowhub | Self::Leaflogix)
    }

    /// Returns true if its lists are read in every world: it sends no webhooks, or its webhooks of sales aren't promised.
    pub(crate) const fn is_always_read(self) -> bool {
        self.is_listed() || matches!(self, Self::Clover)
    }

    /// Returns true if levels have a list of their own, with their times; otherwise they are listed with their products.
    pub(crate) const fn has_listed_levels(self) -> bool {
        matches!(self, Self::Shopify | Self::Square)
    }

    /// Returns true if its lists leave out what has no stock.
    pub(crate) const fn leaves_out_zeros(self) -> bool {
        matches!(self, Self::Flowhub | Self::Leaflogix)
    }

    /// Returns true if its lists of an item's locations are complete: at every other location the item has no stock.
    pub(crate) const fn lists_locations(self) -> bool {
        matches!(self, Self::Treez | Self::Flowhub)
    }

    /// Number of locations that a shop may have.
    pub(crate) const fn places(self) -> usize {
        match self {
            Self::Clover | Self::WooCommerce | Self::Leaflogix => 1,
            Self::Shopify | Self::Square | Self::Treez | Self::Blaze | Self::Flowhub => PLACES_MAX,
        }
    }

    /// Returns true if it counts whole pieces.
    pub(crate) const fn counts_pieces(self) -> bool {
        matches!(self, Self::Shopify | Self::WooCommerce)
    }

    /// Returns true if products have descriptions.
    pub(crate) const fn has_descriptions(self) -> bool {
        !matches!(self, Self::Clover)
    }

    /// Returns true if it marks test sales.
    pub(crate) const fn marks_tests(self) -> bool {
        matches!(self, Self::Shopify | Self::Clover)
    }

    /// The platform's id of a variant's item, as reports name it.
    pub(crate) fn item(self, ids: &ItemIds) -> String {
        match self {
            Self::WooCommerce if ids.product != ids.variant => format!("{}-{}", ids.product, ids.variant),
            _ => ids.item.clone(),
        }
    }

    /// A title as the platform stores and shows it.
    pub(crate) fn titled(self, text: &str) -> String {
        match self {
            Self::WooCommerce => text.trim().to_owned(),
            _ => self.described(text),
        }
    }

    /// A description as the platform stores and shows it.
    pub(crate) fn described(self, text: &str) -> String {
        match self {
            Self::Shopify => text.trim().to_owned(),
            Self::WooCommerce => self.shown(text.trim()),
            Self::Square => without_markup(text),
            Self::Clover | Self::Treez | Self::Blaze | Self::Flowhub | Self::Leaflogix => text.to_owned(),
        }
    }

    /// A description that is stored in that form, as the platform's API shows it.
    pub(crate) fn shown(self, stored: &str) -> String {
        simulator::find(self.as_str()).map_or_else(|| stored.to_owned(), |platform| platform.shown(stored))
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
