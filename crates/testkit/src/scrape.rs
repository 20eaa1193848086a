//! Metrics from `/metrics`.

use std::collections::BTreeMap;

/// The counters and gauges of one or several pages, by name with labels.
#[derive(Debug, Clone, Default)]
pub struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    /// Reads Prometheus's text format; values of the same series on several pages are added.
    pub fn read(pages: &[String]) -> Self {
        let mut series = BTreeMap::new();
        let lines = pages.iter().flat_map(|page| page.lines()).filter(|line| !line.starts_with('#'));
        for (name, value) in lines.filter_map(|line| line.rsplit_once(' ')) {
            *series.entry(name.to_owned()).or_default() += value.parse::<f64>().unwrap_or(f64::NAN);
        }
        Self(series)
    }

    /// The sum of all series of a metric that have all of these labels.
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let begins = format!("{name}{{");
        let has = |series: &str| {
            labels.iter().all(|(label, value)| series.contains(&format!("{label}=\"{value}\"")))
        };
        let is_named = |series: &str| series == name || series.starts_with(&begins);
        let found = self.0.iter().filter(|(series, _)| is_named(series) && has(series));
        let sum: f64 = found.map(|(_, value)| value).sum();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counters are small whole numbers"
        )]
        let count = sum.round() as u64;
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_add_up_by_label() {
        let page = "# HELP a b\na{stage=\"x\",outcome=\"one\"} 2\na{stage=\"x\",outcome=\"two\"} 3\nab{stage=\"x\"} 7\n";
        let scrape = Scrape::read(&[page.to_owned(), "a{stage=\"y\"} 4\n".to_owned()]);
        assert_eq!(scrape.count("a", &[("stage", "x")]), 5);
        assert_eq!(scrape.count("a", &[("stage", "x"), ("outcome", "two")]), 3);
        assert_eq!(scrape.count("a", &[]), 9);
        assert_eq!(scrape.count("none", &[]), 0);
        let bare = Scrape::read(&["a 3\nab 4\n".to_owned()]);
        assert_eq!((bare.count("a", &[]), bare.count("a", &[("stage", "x")])), (3, 0));
    }
}
