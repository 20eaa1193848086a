//! Square's filter of descriptions: the documented elements and attributes stay, tables and scripts are removed with
//! their content, of other tags only the tag is removed.

/// Elements that descriptions may have (`CatalogItem.description_html`).
const ELEMENTS: [&str; 19] = [
    "a", "b", "br", "code", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "i", "li", "ol", "p", "strong",
    "u", "ul",
];
/// Attributes that these elements may have.
const ATTRIBUTES: [&str; 4] = ["align", "href", "rel", "target"];
/// Elements that are removed with their content.
const DROPPED: [&str; 3] = ["table", "script", "style"];

/// Returns `text` as the platform stores and shows it.
pub(super) fn rendered(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let (before, from) = rest.split_at(open);
        shown.push_str(before);
        let Some(close) = from.find('>') else {
            shown.push_str(from);
            return shown;
        };
        let (tag, after) = (&from[1..close], &from[close + 1..]);
        let name = name(tag);
        rest = if DROPPED.contains(&name.as_str()) && !tag.starts_with('/') {
            after_element(&name, after)
        } else {
            if ELEMENTS.contains(&name.as_str()) {
                shown.push_str(&kept(tag, &name));
            }
            after
        };
    }
    shown.push_str(rest);
    shown
}

fn name(tag: &str) -> String {
    let letters = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric);
    letters.collect::<String>().to_ascii_lowercase()
}

/// Returns the text after the end of an element whose start was read; empty if it doesn't end.
fn after_element<'a>(name: &str, rest: &'a str) -> &'a str {
    let end = format!("</{name}");
    let lower = rest.to_ascii_lowercase();
    let after = lower.find(&end).and_then(|at| Some(at + lower[at..].find('>')? + 1));
    after.map_or("", |after| &rest[after..])
}

/// A tag with the attributes that stay.
fn kept(tag: &str, name: &str) -> String {
    if tag.starts_with('/') {
        return format!("</{name}>");
    }
    let rest = tag.get(name.len()..).unwrap_or_default();
    let mut shown = format!("<{name}");
    for attribute in attributes(rest) {
        let named = attribute.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
        if ATTRIBUTES.contains(&named.as_str()) {
            shown.push(' ');
            shown.push_str(attribute);
        }
    }
    shown.push('>');
    shown
}

/// The attributes in a tag; white space within quotes separates none.
fn attributes(text: &str) -> Vec<&str> {
    let (mut found, mut start, mut quote) = (Vec::new(), None, None);
    for (at, letter) in text.char_indices() {
        match (letter, quote) {
            ('"' | '\'', None) => quote = Some(letter),
            (_, Some(open)) if open == letter => quote = None,
            (_, None) if letter.is_whitespace() || letter == '/' => {
                found.extend(start.take().map(|start: usize| &text[start..at]));
                continue;
            }
            _ => {}
        }
        start.get_or_insert(at);
    }
    found.extend(start.map(|start| &text[start..]));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_elements_stay_and_everything_else_goes() {
        for (written, shown) in [
            ("Black tea", "Black tea"),
            ("<p>Black <b>tea</b><br/></p>", "<p>Black <b>tea</b><br></p>"),
            ("<p style='x'>Tea</p>", "<p>Tea</p>"),
            (
                "<a href=\"https://a.example/x y\" onclick=\"a b\">Tea</a>",
                "<a href=\"https://a.example/x y\">Tea</a>",
            ),
            ("<span>Tea</span> <blink>now</blink>", "Tea now"),
            ("a<TABLE><tr><td>1</td></tr></TABLE>b", "ab"),
            ("a<script>x < 1</script>b", "ab"),
            ("1 < 2", "1 < 2"),
            ("a<table>b", "a"),
        ] {
            assert_eq!(rendered(written), shown, "{written}");
            assert_eq!(rendered(shown), shown, "what is rendered stays as it is");
        }
    }
}
