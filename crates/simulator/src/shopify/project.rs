//! Reduces a full reply to the fields that a GraphQL request selected, and refuses invalid selections: a field that
//! doesn't exist, an object without fields, a connection without a size.

use super::graphql::Field;
use serde_json::{Map, Value, json};

/// The largest page of a connection.
const PAGE_MAX: u64 = 250;

/// A value from which fields can be selected.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Leaf(Value),
    /// Name of the type and all its fields.
    Object(&'static str, Vec<(&'static str, Node)>),
    List(Vec<Node>),
    /// Cursor and node of each entry.
    Connection(Vec<(String, Node)>),
    /// The one entry that the argument names, or null.
    Keyed(&'static str, Vec<(String, Node)>),
    /// The entries that the argument lists.
    Picked(&'static str, Vec<(String, Node)>),
}

impl Node {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Leaf(Value::String(text.into()))
    }
}

/// Error of an invalid selection: message and code.
pub(crate) type Fault = (String, &'static str);

/// Returns the part of `node` that `field` selects.
pub(crate) fn project(node: &Node, field: &Field) -> Result<Value, Fault> {
    match node {
        Node::Leaf(value) if field.selection.is_empty() || value.is_null() => Ok(value.clone()),
        Node::Leaf(_) => Err((
            format!("Selections can't be made on scalars (field '{}' is one)", field.name),
            "selectionMismatch",
        )),
        Node::Object(kind, entries) => object(kind, entries, field),
        Node::List(nodes) => nodes.iter().map(|each| project(each, field)).collect(),
        Node::Connection(entries) => project(&page(entries, field)?, field),
        Node::Keyed(argument, entries) => {
            let wanted =
                field.argument(argument).and_then(Value::as_str).ok_or_else(|| missing(field, argument))?;
            let entry = entries.iter().find(|(key, _)| key == wanted);
            entry.map_or(Ok(Value::Null), |(_, node)| project(node, field))
        }
        Node::Picked(argument, entries) => {
            let wanted =
                field.argument(argument).and_then(Value::as_array).ok_or_else(|| missing(field, argument))?;
            let picked = entries.iter().filter(|(key, _)| wanted.iter().any(|each| each == key));
            picked.map(|(_, node)| project(node, field)).collect()
        }
    }
}

fn missing(field: &Field, argument: &str) -> Fault {
    let message = format!("Field '{}' is missing required arguments: {argument}", field.name);
    (message, "missingRequiredArguments")
}

fn object(kind: &str, entries: &[(&'static str, Node)], field: &Field) -> Result<Value, Fault> {
    if field.selection.is_empty() {
        let message = format!("Field must have selections (field '{}' returns {kind})", field.name);
        return Err((message, "selectionMismatch"));
    }
    let mut selected = Map::new();
    for child in field.selection.iter().filter(|child| child.on.as_deref().is_none_or(|on| on == kind)) {
        let value = if child.name == "__typename" {
            json!(kind)
        } else {
            let entry = entries.iter().find(|(name, _)| *name == child.name);
            let (_, node) = entry.ok_or_else(|| {
                let message = format!("Field '{}' doesn't exist on type '{kind}'", child.name);
                (message, "undefinedField")
            })?;
            project(node, child)?
        };
        selected.insert(child.alias.clone(), value);
    }
    Ok(Value::Object(selected))
}

/// Returns the page of a connection that `first` and `after` select.
fn page(entries: &[(String, Node)], field: &Field) -> Result<Node, Fault> {
    let Some(first) = field.argument("first").and_then(Value::as_u64) else {
        let message = "you must provide one of first or last".to_owned();
        return Err((message, "BAD_REQUEST"));
    };
    let first = usize::try_from(first.min(PAGE_MAX)).unwrap_or_default();
    let start = match field.argument("after").and_then(Value::as_str) {
        Some(after) => {
            let index = entries.iter().position(|(cursor, _)| cursor == after);
            index.ok_or_else(|| ("Invalid cursor for current pagination sort.".to_owned(), "BAD_REQUEST"))?
                + 1
        }
        None => 0,
    };
    let shown = &entries[start..entries.len().min(start + first)];
    let cursor = |entry: Option<&(String, Node)>| {
        Node::Leaf(entry.map_or(Value::Null, |(cursor, _)| Value::String(cursor.clone())))
    };
    let edge = |(cursor, node): &(String, Node)| {
        Node::Object("Edge", vec![("cursor", Node::text(cursor)), ("node", node.clone())])
    };
    let page_info = vec![
        ("hasNextPage", Node::Leaf(json!(start + shown.len() < entries.len()))),
        ("hasPreviousPage", Node::Leaf(json!(start > 0))),
        ("startCursor", cursor(shown.first())),
        ("endCursor", cursor(shown.last())),
    ];
    Ok(Node::Object(
        "Connection",
        vec![
            ("nodes", Node::List(shown.iter().map(|(_, node)| node.clone()).collect())),
            ("edges", Node::List(shown.iter().map(edge).collect())),
            ("pageInfo", Node::Object("PageInfo", page_info)),
        ],
    ))
}
