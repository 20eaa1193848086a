//! Bulk operations: queries that run in the background, and the files that they make.

use super::api;
use super::graphql::{self, Field};
use super::project::{Fault, Node, project};
use super::tree;
use crate::backend::BulkTrouble;
use crate::exchange::{Incoming, Reply};
use crate::state::State;
use serde_json::{Value, json};

/// Maximum number of operations under way at once, as since version 2026-01.
const RUNNING_MAX: usize = 5;
/// Maximum number of operations whose files are kept.
const KEPT_MAX: usize = 10;
/// The look at which an operation is complete; the first finds it created, the second running.
const LOOKS: u32 = 3;
/// The folder of the files.
const FOLDER: &str = "bulk-operation-outputs";

/// One operation.
#[derive(Debug)]
struct Operation {
    number: u64,
    looks: u32,
    fails: bool,
    file: String,
    objects: usize,
    root_objects: usize,
}

impl Operation {
    fn status(&self) -> &'static str {
        match self.looks {
            0 | 1 => "CREATED",
            2 => "RUNNING",
            _ if self.fails => "FAILED",
            _ => "COMPLETED",
        }
    }
}

/// The operations of an app in one shop.
#[derive(Debug, Default)]
pub(super) struct Bulk {
    operations: Vec<Operation>,
    begun: u64,
    pub(super) trouble: Option<BulkTrouble>,
}

impl Bulk {
    /// Begins the operation that `field` states. It sees the shop as it is now.
    pub(super) fn begin(&mut self, state: &State, field: &Field) -> Result<Value, Fault> {
        let running = self.operations.iter().filter(|it| it.looks < LOOKS).count();
        if running >= RUNNING_MAX || self.trouble == Some(BulkTrouble::Busy) {
            return refused(
                field,
                "A bulk query operation for this app and shop is already in progress.",
                "OPERATION_IN_PROGRESS",
            );
        }
        let query = field.argument("query").and_then(Value::as_str).unwrap_or_default();
        let is_grouped = field.argument("groupObjects") == Some(&Value::Bool(true));
        let found = match export(state, query) {
            Ok(found) => found,
            Err((message, _)) => return refused(field, &message, "INVALID"),
        };
        self.begun += 1;
        let (objects, root_objects) = (found.iter().map(|(_, within)| 1 + within.len()).sum(), found.len());
        self.operations.push(Operation {
            number: self.begun,
            looks: 0,
            fails: self.trouble == Some(BulkTrouble::Fails),
            file: file(&found, is_grouped),
            objects,
            root_objects,
        });
        if self.operations.len() > KEPT_MAX {
            self.operations.remove(0);
        }
        let operation = Node::Object(
            "BulkOperation",
            vec![
                ("id", Node::text(tree::gid("BulkOperation", &self.begun.to_string()))),
                ("status", Node::text("CREATED")),
            ],
        );
        payload(field, operation, Node::List(Vec::new()))
    }

    /// The state of the operation that `field` names; each look finds it further.
    pub(super) fn look(&mut self, field: &Field, call: &Incoming) -> Result<Value, Fault> {
        let id = field.argument("id").and_then(Value::as_str).unwrap_or_default();
        let number = tree::bare_id(id);
        let Some(found) = self.operations.iter_mut().find(|it| it.number.to_string() == number) else {
            return Ok(Value::Null);
        };
        found.looks = found.looks.saturating_add(1);
        let is_expired = self.trouble == Some(BulkTrouble::Expires) && found.looks > LOOKS;
        let status = if is_expired { "EXPIRED" } else { found.status() };
        let host = call.header("host").unwrap_or_default();
        let url = format!("http://{host}/{FOLDER}/{number}-final?Signature=look-{}", found.looks);
        let url = |is_shown: bool| {
            Node::Leaf(if is_shown && !found.file.is_empty() { json!(url) } else { Value::Null })
        };
        let node = Node::Object(
            "BulkOperation",
            vec![
                ("id", Node::text(id)),
                ("status", Node::text(status)),
                (
                    "errorCode",
                    Node::Leaf(if found.fails { json!("INTERNAL_SERVER_ERROR") } else { Value::Null }),
                ),
                ("objectCount", Node::text(found.objects.to_string())),
                ("rootObjectCount", Node::text(found.root_objects.to_string())),
                ("fileSize", Node::text(found.file.len().to_string())),
                ("url", url(status == "COMPLETED")),
                ("partialDataUrl", url(status == "FAILED")),
            ],
        );
        project(&node, field)
    }

    /// The reply to a call for a file or a part of one; `None` if it is no such call.
    pub(super) fn file(&self, call: &Incoming) -> Option<Reply> {
        let [FOLDER, name] = call.segments()[..] else { return None };
        let number = name.strip_suffix("-final")?;
        let found = self.operations.iter().find(|it| it.number.to_string() == number && it.looks >= LOOKS);
        // Whoever shows a token to another host has lost it.
        let is_signed =
            call.parameter("Signature").is_some() && call.header("x-shopify-access-token").is_none();
        let Some(found) = found.filter(|_| call.method == "GET" && is_signed) else {
            return Some(Reply::of(403, json!("SignatureDoesNotMatch")).named("file"));
        };
        Some(part(&found.file, call.header("range")))
    }
}

/// A file, or the part of it that a header asks for.
fn part(file: &str, range: Option<&str>) -> Reply {
    let whole = || Reply { bytes: Some(file.to_owned().into()), ..Reply::ok(Value::Null).named("file") };
    let bounds = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let Some((first, last)) = bounds else { return whole() };
    let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) else { return whole() };
    let end = last.saturating_add(1).min(file.len());
    let Some(bytes) = file.as_bytes().get(first..end).filter(|bytes| !bytes.is_empty()) else {
        return Reply::of(416, json!("InvalidRange")).named("file");
    };
    let mut reply = Reply { bytes: Some(bytes.to_vec().into()), ..Reply::of(206, Value::Null).named("file") };
    reply.headers.push(("Content-Range", format!("bytes {first}-{}/{}", end - 1, file.len())));
    reply
}

fn refused(field: &Field, message: &str, code: &str) -> Result<Value, Fault> {
    let error = Node::Object(
        "BulkOperationUserError",
        vec![
            ("message", Node::text(message)),
            ("code", Node::text(code)),
            ("field", Node::Leaf(Value::Null)),
        ],
    );
    payload(field, Node::Leaf(Value::Null), Node::List(vec![error]))
}

fn payload(field: &Field, operation: Node, errors: Node) -> Result<Value, Fault> {
    let fields = vec![("bulkOperation", operation), ("userErrors", errors)];
    project(&Node::Object("BulkOperationRunQueryPayload", fields), field)
}

/// An object with those of the connections within it.
type Group = (Value, Vec<Value>);

/// The objects that a query selects.
fn export(state: &State, query: &str) -> Result<Vec<Group>, Fault> {
    let operation = graphql::parse(query, &Value::Null).map_err(|message| (message, "INVALID"))?;
    let [field] = &operation.fields[..] else {
        return Err(("Bulk queries must contain one top-level field".to_owned(), "INVALID"));
    };
    let nodes = match field.name.as_str() {
        "inventoryItems" => tree::items(state),
        _ => match api::listed(state, field)? {
            Node::Connection(entries) => entries.into_iter().map(|(_, node)| node).collect(),
            _ => Vec::new(),
        },
    };
    let selected = node_of(field)?;
    nodes.iter().map(|node| group(node, selected)).collect()
}

/// The selection of a connection's objects.
fn node_of(field: &Field) -> Result<&Field, Fault> {
    let edges = field.selection.iter().find(|child| child.name == "edges");
    let node = edges.and_then(|edges| edges.selection.iter().find(|child| child.name == "node"));
    node.ok_or_else(|| ("Bulk queries select edges and nodes".to_owned(), "INVALID"))
}

fn group(node: &Node, selected: &Field) -> Result<Group, Fault> {
    let is_connection = |child: &&Field| child.selection.iter().any(|inner| inner.name == "edges");
    let (within, plain): (Vec<&Field>, Vec<&Field>) = selected.selection.iter().partition(is_connection);
    let plain = Field { selection: plain.into_iter().cloned().collect(), ..selected.clone() };
    let object = project(node, &plain)?;
    let Node::Object(_, entries) = node else { return Ok((object, Vec::new())) };
    let mut children = Vec::new();
    for field in within {
        let Some((_, Node::Connection(inner))) = entries.iter().find(|(name, _)| *name == field.name) else {
            return Err((format!("Field '{}' isn't a connection", field.name), "INVALID"));
        };
        for (_, node) in inner {
            let mut child = project(node, node_of(field)?)?;
            child["__parentId"] = object["id"].clone();
            children.push(child);
        }
    }
    Ok((object, children))
}

/// The lines of a file: each object's own behind it, or those of all objects behind all of them.
fn file(found: &[Group], is_grouped: bool) -> String {
    let line = |value: &Value| format!("{value}\n");
    if is_grouped {
        let lines = found.iter().flat_map(|(object, within)| std::iter::once(object).chain(within));
        return lines.map(line).collect();
    }
    let objects = found.iter().map(|(object, _)| object);
    objects.chain(found.iter().flat_map(|(_, within)| within)).map(line).collect()
}
