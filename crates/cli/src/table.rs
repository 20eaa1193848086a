//! Tables for people.

use comfy_table::{Cell, CellAlignment, presets::NOTHING};
use model::visible;

/// The space between two columns.
const GAP: u16 = 2;

/// The heading of a column, with its alignment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column(&'static str, CellAlignment);

/// A column of texts.
pub(crate) const fn left(heading: &'static str) -> Column {
    Column(heading, CellAlignment::Left)
}

/// A column of numbers.
pub(crate) const fn right(heading: &'static str) -> Column {
    Column(heading, CellAlignment::Right)
}

/// A table whose columns align on a terminal: their widths are those of the shown characters, of which some take two
/// cells and some none. Hidden characters are made visible before anything is measured.
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: comfy_table::Table,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        let columns: Vec<Column> = columns.into_iter().collect();
        let mut rows = comfy_table::Table::new();
        rows.load_style(NOTHING);
        rows.set_header(columns.iter().map(|column| Cell::new(column.0).set_alignment(column.1)));
        Self { columns, rows }
    }

    /// Adds a row: a text for each column.
    pub(crate) fn row<const N: usize>(&mut self, texts: [String; N]) {
        self.add(texts);
    }

    /// Adds a row whose number of columns isn't known beforehand.
    pub(crate) fn add(&mut self, texts: impl IntoIterator<Item = String>) {
        let cell = |(text, column): (String, &Column)| Cell::new(visible(&text)).set_alignment(column.1);
        self.rows.add_row(texts.into_iter().zip(&self.columns).map(cell));
    }

    /// Returns true if it has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Its lines: first the headings, then the rows.
    pub(crate) fn lines(mut self) -> Vec<String> {
        for column in self.rows.column_iter_mut() {
            column.set_padding((0, GAP));
        }
        self.rows.lines().map(|line| line.trim_end().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::is_hidden;
    use proptest::prelude::*;

    fn table(rows: &[(&str, &str)]) -> Vec<String> {
        let mut table = Table::new([left("name"), right("number"), left("end")]);
        for (name, number) in rows {
            table.row([(*name).to_owned(), (*number).to_owned(), "x".to_owned()]);
        }
        table.lines()
    }

    #[test]
    fn names_in_any_script_align() {
        // Widths in cells: 3, 4, 4, 5 (of six characters: one is combining), 2.
        let lines =
            table(&[("tea", "1"), ("お茶", "-12.5"), ("чай!", "3"), ("cafe\u{301}s", "4"), ("🧉", "5")]);
        let expected = [
            "name   number  end",
            "tea         1  x",
            "お茶    -12.5  x",
            "чай!        3  x",
            "cafe\u{301}s       4  x",
            "🧉          5  x",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_row_is_one_line_whatever_is_in_it_and_hidden_characters_are_shown() {
        let lines = table(&[("a\nb\r\u{1b}[31m", "1"), ("\u{202e}gpj", "2")]);
        assert_eq!(lines.len(), 3, "{lines:#?}");
        assert!(lines[1].starts_with("a\\nb\\r\\u{1b}[31m  "), "{lines:#?}");
        assert!(lines[2].starts_with("\\u{202e}gpj  "), "{lines:#?}");
        let end = |line: &str| line.rfind('x').map(|at| line[..at].chars().count());
        assert_eq!(end(&lines[1]), end(&lines[2]), "{lines:#?}");
    }

    #[test]
    fn a_table_without_rows_is_empty() {
        assert!(Table::new([left("name")]).is_empty());
    }

    proptest! {
        #[test]
        fn no_text_breaks_a_table_or_is_lost(texts in proptest::collection::vec(any::<String>(), 1..5)) {
            let mut table = Table::new([left("text"), right("number"), left("last")]);
            for text in &texts {
                table.row([text.clone(), text.clone(), "end".to_owned()]);
            }
            let lines = table.lines();
            prop_assert_eq!(lines.len(), texts.len() + 1);
            for (line, text) in lines[1..].iter().zip(&texts) {
                prop_assert!(!line.contains(is_hidden), "{:?}", line);
                prop_assert!(line.contains(visible(text).trim_end()), "{:?}", line);
                prop_assert!(line.ends_with("end"), "{:?}", line);
            }
        }
    }
}
