//! The arguments of `tillflow matches`.

use super::{Target, Wait};
use clap::{Args, Subcommand, ValueEnum};
use model::matching::{MatchState, Score};

#[derive(Debug, Args)]
pub(crate) struct Matches {
    #[command(subcommand)]
    pub(crate) what: MatchesVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MatchesVerb {
    /// List matches, the newest first, with score and reasons.
    #[command(after_help = "Example:\n  tillflow matches ls --store demo\n  \
                            tillflow matches ls --connection demo-square --state automatic --output json\n  \
                            tillflow matches ls --state all --limit 20\n\n\
                            Exit code 1 if there is no such store or connection.")]
    Ls {
        /// Only this store.
        #[arg(long)]
        store: Option<String>,
        /// Only items of this connection.
        #[arg(long)]
        connection: Option<String>,
        /// Only matches in this state.
        #[arg(long, value_enum, default_value_t = Listed::Proposed)]
        state: Listed,
        /// Upper limit of lines.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        #[command(flatten)]
        target: Target,
    },
    /// Accept a match: its item is linked to the variant. The store's price and text are then due at the item's platform,
    /// and its stock is a first contact.
    #[command(
        after_help = "Example:\n  tillflow matches accept 17 --dry-run\n  tillflow matches accept 17\n\n\
                            Exit code 1 if there is no such match, if it is linked, if either side was linked otherwise \
                            meanwhile, or if it wasn't applied within --wait."
    )]
    Accept {
        /// The match's number.
        #[arg(value_name = "MATCH")]
        number: i64,
        /// Show both sides, and do nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        by: By,
        #[command(flatten)]
        wait: Wait,
        #[command(flatten)]
        target: Target,
    },
    /// Reject a match. It isn't proposed again unless a description changes so that more speaks for it.
    #[command(after_help = "Example:\n  tillflow matches reject 17 --note 'another flavour'\n\n\
                            Exit code 1 if there is no such match, or if it is linked, which `matches undo` ends.")]
    Reject {
        /// The match's number.
        #[arg(value_name = "MATCH")]
        number: i64,
        /// Your reason; kept with the match.
        #[arg(long)]
        note: Option<String>,
        #[command(flatten)]
        by: By,
        #[command(flatten)]
        target: Target,
    },
    /// Undo a match that is linked: its item is a variant of its own again, and the match counts as rejected. The item's
    /// own price and text, as they were before it was linked, are due at its platform.
    #[command(after_help = "Example:\n  tillflow matches undo 17 --dry-run\n  \
                            tillflow matches undo 17 --note 'a pack of six'\n\n\
                            Exit code 1 if there is no such match, if it isn't linked, or if it wasn't applied within --wait.")]
    Undo {
        /// The match's number.
        #[arg(value_name = "MATCH")]
        number: i64,
        /// Your reason; kept with the match.
        #[arg(long)]
        note: Option<String>,
        /// Show both sides, and do nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        by: By,
        #[command(flatten)]
        wait: Wait,
        #[command(flatten)]
        target: Target,
    },
    /// Show or set the score from which a store's matches are linked without a person. Matches that wait are decided
    /// again by the new one.
    #[command(after_help = "Example:\n  tillflow matches limit --store demo\n  \
                            tillflow matches limit --store demo --score 0.9 --dry-run\n  \
                            tillflow matches limit --store demo --score 0.9\n  \
                            tillflow matches limit --store demo --score off\n\n\
                            From 0.9 on, the GTIN is the same and nothing speaks against it. A lower limit links by names.\n\n\
                            Exit code 1 if there is no such store.")]
    Limit {
        /// The store.
        #[arg(long)]
        store: String,
        /// The score, above 0 and up to 1, or `off`.
        #[arg(long, value_parser = limit)]
        score: Option<Limit>,
        /// Show how many of the matches that wait reach the score, and do nothing.
        #[arg(long, requires = "score")]
        dry_run: bool,
        #[command(flatten)]
        target: Target,
    },
}

/// The states that are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listed {
    /// Those that wait for a person.
    Proposed,
    /// Those that were linked without a person.
    Automatic,
    /// Those that a person accepted.
    Accepted,
    /// Those that a person rejected or undid.
    Rejected,
    /// Those that ended without a person.
    Superseded,
    /// All of them.
    All,
}

impl Listed {
    pub(crate) fn states(self) -> Vec<MatchState> {
        match self {
            Self::Proposed => vec![MatchState::Proposed],
            Self::Automatic => vec![MatchState::Automatic],
            Self::Accepted => vec![MatchState::Accepted],
            Self::Rejected => vec![MatchState::Rejected],
            Self::Superseded => vec![MatchState::Superseded],
            Self::All => Vec::new(),
        }
    }
}

/// The person who decides.
#[derive(Debug, Clone, Args)]
pub(crate) struct By {
    /// Your name; kept with the match.
    #[arg(long = "by", env = "USER", hide_env_values = true, default_value = "operator")]
    pub(crate) name: String,
}

/// The score from which matches are linked without a person; `None` if none is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) Option<Score>);

fn limit(text: &str) -> Result<Limit, String> {
    if text == "off" {
        return Ok(Limit(None));
    }
    let refused = || format!("{text:?} is neither `off` nor a number above 0 and up to 1, such as 0.9");
    let share: f64 = text.parse().map_err(|_| refused())?;
    let per_mille =
        (1..=1_000_u16).find(|per_mille| (f64::from(*per_mille) / 1_000.0 - share).abs() < 0.000_5);
    per_mille
        .and_then(|per_mille| Score::new(per_mille).ok())
        .map(|score| Limit(Some(score)))
        .ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_share_or_off() {
        let per_mille = |text| limit(text).map(|limit| limit.0.map(Score::per_mille));
        assert_eq!(per_mille("off"), Ok(None));
        for (text, expected) in [("0.9", 900), ("1", 1000), ("0.951", 951), (".5", 500), ("0.001", 1)] {
            assert_eq!(per_mille(text), Ok(Some(expected)), "{text}");
        }
        for text in ["", "0", "90", "-0.9", "1.1", "NaN", "inf", "on", "0.9 "] {
            assert!(per_mille(text).is_err(), "{text}");
        }
    }
}
