//! The tables that are rebuilt, and the statements over them.

#[cfg(test)]
use crate::statement::{Declared, Plan};
use crate::statement::{Statement, parameters};
use serde_json::Value;

/// A column, by the rule of its repair.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// It is set to the expected value.
    Value(&'static str),
    /// The time of the change that set a field: never lowered, but cleared if no event reported the field.
    Clock(&'static str),
    /// The reported version: never lowered. The same content reported in a newer version is no event.
    Version(&'static str),
}
use Column::{Clock, Value as Plain, Version};

impl Column {
    const fn name(self) -> &'static str {
        match self {
            Self::Value(name) | Self::Clock(name) | Self::Version(name) => name,
        }
    }

    /// Returns the expected value: `t` is the present row, if any, `reported` the row that the events produce.
    fn expected(self, reported: &str) -> String {
        let name = self.name();
        let later = format!("greatest(t.{name}, {reported}.{name})");
        match self {
            Self::Value(_) => format!("{reported}.{name}"),
            Self::Clock(_) => format!("CASE WHEN {reported}.{name} IS NOT NULL THEN {later} END"),
            Self::Version(_) => later,
        }
    }
}

/// A table whose rows are produced by events.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) key: &'static [&'static str],
    /// All other columns.
    columns: &'static [Column],
    /// Condition that selects the rows `t` of the store `$1`, in the form that is the fastest to query.
    pub(super) of_store: &'static str,
    /// True if rows are only added.
    append_only: bool,
}

/// A row as the events produce it.
pub(super) struct Row {
    /// Its name for people: the key's columns without the store, separated by spaces.
    pub(super) key: String,
    /// All columns.
    pub(super) columns: Value,
}

/// A store, and the sequence numbers after and up to which.
type Between = parameters!(text, int8, int8);

impl Table {
    /// Query for those of the rows in `$1` that are missing or differ, with the columns that differ.
    pub(super) fn differing(&self) -> Statement<parameters!(text)> {
        let Self { name, key, .. } = self;
        let differs =
            |column: &Column| format!("t.{} IS DISTINCT FROM {}", column.name(), column.expected("e"));
        let named = |column: &Column| format!("CASE WHEN {} THEN '{}' END", differs(column), column.name());
        Statement::composed(format!(
            "SELECT {key} AS key, t.{first} IS NULL AS missing, array_remove(ARRAY[{columns}], NULL) AS columns
             FROM jsonb_populate_recordset(NULL::{name}, $1::jsonb) e LEFT JOIN {name} t ON {same}
             WHERE t.{first} IS NULL OR {any}",
            key = self.key_of("e"),
            first = key[0],
            columns = list(self.columns, ", ", named),
            same = list(key, " AND ", |column| format!("t.{column} = e.{column}")),
            any = list(self.columns, " OR ", differs),
        ))
    }

    /// Statement that sets the rows in `$1` to their expected values.
    pub(super) fn write(&self) -> Statement<parameters!(text)> {
        let Self { name, key, .. } = self;
        let all =
            format!("{}, {}", key.join(", "), list(self.columns, ", ", |column| column.name().to_owned()));
        let set = |column: &Column| format!("{} = {}", column.name(), column.expected("excluded"));
        let otherwise = if self.append_only {
            "NOTHING".to_owned()
        } else {
            format!("UPDATE SET {}", list(self.columns, ", ", set))
        };
        Statement::composed(format!(
            "INSERT INTO {name} AS t ({all}) SELECT {all} FROM jsonb_populate_recordset(NULL::{name}, $1::jsonb)
             ON CONFLICT ({}) DO {otherwise}",
            key.join(", ")
        ))
    }

    /// Query for the keys of the store's rows.
    pub(super) fn keys(&self) -> Statement<parameters!(text)> {
        Statement::composed(self.select_keys())
    }

    /// Query for the keys of the store's rows after the sequence number `$2` and up to `$3`.
    pub(super) fn keys_between(&self) -> Statement<Between> {
        Statement::composed(self.select_keys() + " AND t.sequence > $2 AND t.sequence <= $3")
    }

    fn select_keys(&self) -> String {
        format!("SELECT {} AS key FROM {} t WHERE {}", self.key_of("t"), self.name, self.of_store)
    }

    /// Expression of a row's name for people; leaves out the store, which is known.
    fn key_of(&self, row: &str) -> String {
        let parts = self.key.iter().filter(|column| **column != "store");
        let parts: Vec<String> = parts.map(|column| format!("{row}.{column}")).collect();
        format!("concat_ws(' ', {})", parts.join(", "))
    }
}

fn list<T>(of: &[T], between: &str, text: impl Fn(&T) -> String) -> String {
    of.iter().map(text).collect::<Vec<_>>().join(between)
}

pub(super) const MOVEMENTS: Table = Table {
    name: "inventory_movements",
    key: &["store", "sequence", "variant", "location"],
    columns: &[
        Plain("tenant"),
        Plain("delta"),
        Plain("level"),
        Plain("reason"),
        Plain("connection"),
        Plain("at"),
    ],
    of_store: "t.store = $1",
    append_only: true,
};

pub(super) const LEVELS: Table = Table {
    name: "inventory_levels",
    key: &["variant", "location"],
    columns: &[Plain("tenant"), Plain("store"), Plain("quantity")],
    of_store: "t.location IN (SELECT id FROM locations WHERE store = $1)",
    append_only: false,
};

pub(super) const PRODUCTS: Table = Table {
    name: "products",
    key: &["id"],
    columns: &[
        Plain("tenant"),
        Plain("store"),
        Plain("title"),
        Clock("title_at"),
        Plain("description"),
        Clock("description_at"),
        Plain("vendor"),
        Clock("vendor_at"),
        Plain("category"),
        Clock("category_at"),
        Plain("status"),
        Clock("status_at"),
        Plain("tags"),
        Clock("tags_at"),
        Plain("details"),
        Plain("deleted_at"),
    ],
    of_store: "t.store = $1",
    append_only: false,
};

pub(super) const VARIANTS: Table = Table {
    name: "variants",
    key: &["id"],
    columns: &[
        Plain("tenant"),
        Plain("store"),
        Plain("product"),
        Plain("title"),
        Clock("title_at"),
        Plain("sku"),
        Clock("sku_at"),
        Plain("barcode"),
        Clock("barcode_at"),
        Plain("price_minor"),
        Plain("price_currency"),
        Clock("price_at"),
        Plain("compare_at_price_minor"),
        Plain("compare_at_price_currency"),
        Clock("compare_at_price_at"),
        Plain("details"),
    ],
    of_store: "t.product IN (SELECT id FROM products WHERE store = $1)",
    append_only: false,
};

pub(super) const ORDERS: Table = Table {
    name: "orders",
    key: &["id"],
    columns: &[
        Plain("tenant"),
        Plain("store"),
        Plain("connection"),
        Plain("external"),
        Version("version"),
        Plain("status"),
        Plain("total_minor"),
        Plain("total_currency"),
        Plain("is_refund"),
        Plain("placed_at"),
        Plain("closed_at"),
        Plain("body"),
    ],
    of_store: "t.store = $1",
    append_only: false,
};

pub(super) const PROMOTIONS: Table = Table {
    name: "promotions",
    key: &["id"],
    columns: &[
        Plain("tenant"),
        Plain("store"),
        Plain("connection"),
        Plain("external"),
        Version("version"),
        Plain("name"),
        Plain("is_on"),
        Plain("body"),
        Plain("deleted_at"),
        Plain("is_active"),
        Plain("active_since"),
        Plain("watched_from"),
    ],
    of_store: "t.store = $1",
    append_only: false,
};

/// Returns the statements over these tables.
#[cfg(test)]
pub(super) fn composed() -> Vec<Declared> {
    let name = |statement: &str, table: &Table| format!("rebuild::{statement} {}", table.name);
    let mut all = vec![Declared::new(name("keys_between", &MOVEMENTS), Plan::Any, &MOVEMENTS.keys_between())];
    for table in [&MOVEMENTS, &LEVELS, &PRODUCTS, &VARIANTS, &ORDERS, &PROMOTIONS] {
        all.push(Declared::new(name("keys", table), Plan::Any, &table.keys()));
        all.push(Declared::new(name("differing", table), Plan::Any, &table.differing()));
        all.push(Declared::new(name("write", table), Plan::Any, &table.write()));
    }
    all
}
