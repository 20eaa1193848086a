//! Durations and their quantiles.

/// Times in milliseconds, sorted.
pub(crate) struct Latencies(Vec<f64>);

impl Latencies {
    /// Sorts durations in milliseconds, given in any order.
    pub(crate) fn of(mut milliseconds: Vec<f64>) -> Self {
        milliseconds.sort_by(f64::total_cmp);
        Self(milliseconds)
    }

    /// The number of durations.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The time within which this share of all was done.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index within the list"
        )]
        let index = (self.0.len().saturating_sub(1) as f64 * share) as usize;
        self.0.get(index).copied().unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_them_are_below_the_median() {
        let latencies = Latencies::of(vec![5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!(
            (latencies.quantile(0.0), latencies.quantile(0.5), latencies.quantile(1.0)),
            (1.0, 3.0, 5.0)
        );
        assert!(Latencies::of(Vec::new()).quantile(0.5).is_nan());
    }
}
