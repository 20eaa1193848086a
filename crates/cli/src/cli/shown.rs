//! Verbs that show the present state of the record.

use super::{Target, reads};
use clap::{Args, Subcommand, ValueEnum};
use model::{Timestamp, promotion::Combining};

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(subcommand)]
    pub(crate) what: Shown,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Shown {
    /// Show a store's levels, and each platform's levels of its items.
    #[command(after_help = "Example:\n  tillflow show store demo\n\nExit code 1 if there is no such store.")]
    Store {
        /// The store.
        store: String,
        #[command(flatten)]
        target: Target,
    },
    /// Show a store's promotions: whether each is active, its next begin or end, and what was announced of it.
    #[command(after_help = "Example:\n  tillflow show promotions demo\n  \
                      tillflow show promotions demo --at 2026-12-24T18:00:00Z\n\n\
                      Exit code 1 if there is no such store.")]
    Promotions {
        /// The store.
        store: String,
        /// The moment; now, unless given.
        #[arg(long, value_name = "TIME", value_parser = reads::time)]
        at: Option<Timestamp>,
        #[command(flatten)]
        target: Target,
    },
    /// Show the price of an item on each platform after its promotions that are active, and which of them count.
    #[command(after_help = "Example:\n  tillflow show price demo --sku TEA-1\n  \
                      tillflow show price demo --sku TEA-1 --at 2026-12-24T18:00:00Z --combining lowest-only\n\n\
                      It begins with the store's price; a platform's own reduced prices aren't stored. A promotion with a condition \
                      beyond time and item changes no price. One for categories, brands, vendors or collections is \
                      listed as unclear and doesn't count: the record doesn't have the platform's ids of them.\n\n\
                      Exit code 1 if there is no such store, or no item with that SKU.")]
    Price {
        /// The store.
        store: String,
        /// The merchant's own number of the item.
        #[arg(long)]
        sku: String,
        /// The moment; now, unless given.
        #[arg(long, value_name = "TIME", value_parser = reads::time)]
        at: Option<Timestamp>,
        /// The rule by which several promotions are combined.
        #[arg(long, value_enum, default_value_t = Combined::Compounding)]
        combining: Combined,
        #[command(flatten)]
        target: Target,
    },
    /// Show a store's employees, as their platforms last reported them.
    #[command(after_help = "Example:\n  tillflow show employees demo\n\n\
                      It shows personal data. Employees who no longer exist on their platform aren't listed.\n\n\
                      Exit code 1 if there is no such store.")]
    Employees {
        /// The store.
        store: String,
        #[command(flatten)]
        target: Target,
    },
}

/// A rule by which promotions are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Combined {
    /// Shares before amounts, each of the price so far; or a single one, if that is lower.
    Compounding,
    /// Each of the price without promotions; or a single one, if that is lower.
    Cumulative,
    /// The single one that gives the lowest price.
    LowestOnly,
    /// The single one that gives the highest price.
    HighestOnly,
    /// One after another, each of the price so far.
    InOrder,
}

impl From<Combined> for Combining {
    fn from(rule: Combined) -> Self {
        match rule {
            Combined::Compounding => Self::Compounding,
            Combined::Cumulative => Self::Cumulative,
            Combined::LowestOnly => Self::LowestOnly,
            Combined::HighestOnly => Self::HighestOnly,
            Combined::InOrder => Self::InOrder,
        }
    }
}
