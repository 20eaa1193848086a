//! Names and descriptions as WordPress stores and shows them.

/// The elements that a paragraph doesn't surround.
const BLOCKS: [&str; 8] = ["<p>", "<p ", "<div", "<ul", "<ol", "<table", "<h", "<pre"];

/// A name as it is stored: without elements, and with `&` as a reference.
pub(super) fn name(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A description as it is shown: each block of lines is a paragraph, unless there are elements already.
pub(super) fn shown(description: &str) -> String {
    let is_marked_up = BLOCKS.iter().any(|block| description.contains(block));
    if is_marked_up || description.trim().is_empty() {
        return description.to_owned();
    }
    let blocks = description.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    let paragraphs: Vec<String> = blocks.map(|block| block.replace('\n', "<br />\n")).collect();
    format!("<p>{}</p>\n", paragraphs.join("</p>\n<p>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_references_and_descriptions_are_shown_in_paragraphs() {
        assert_eq!(name("Tea & <b>"), "Tea &amp; &lt;b&gt;");
        assert_eq!(shown("A\nb\n\nc"), "<p>A<br />\nb</p>\n<p>c</p>\n");
        assert_eq!(shown("<p>A</p>"), "<p>A</p>");
        assert_eq!(shown(""), "");
    }
}
