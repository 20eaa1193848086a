//! Merchant's numbers, as they are compared.

/// Texts that stand for no number at all.
const PLACEHOLDERS: [&str; 9] = ["n/a", "na", "none", "null", "-", "--", "0", ".", "tbd"];

/// The merchant's number as it is kept: without white space and control characters at the ends.
pub fn sku_trimmed(sku: &str) -> &str {
    sku.trim_matches(|character: char| character.is_whitespace() || character.is_control())
}

/// The merchant's number as it is compared: as it is kept. `None` for a blank one and for placeholders, which match
/// nothing.
pub fn sku_key(sku: &str) -> Option<String> {
    let trimmed = sku_trimmed(sku);
    let lower = trimmed.to_lowercase();
    (!trimmed.is_empty() && !PLACEHOLDERS.contains(&lower.as_str())).then(|| trimmed.to_owned())
}
