//! Whole lists of large shops as files, which Shopify makes in the background: bulk operations.
//!
//! An operation is begun, asked for until it is complete, and its file is read part by part. The lines of a file are
//! grouped on request: an object, then those within it, each with its parent's id. Of a part, the groups that are whole are
//! a page; the next part begins with the first line of the group that isn't. The cursor names the operation and that line,
//! never the file's URL: it is signed, and asked for anew with each part.

use super::{graphql, levels, next, number, shapes};
use crate::{
    CallContext, CallError, Files, HttpReply, HttpRequest, ListPage, Listed, Method, Range, Wanted,
    json as reading,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stage::{Reject, RejectClass};
use std::time::Duration;

/// Number of products from which a whole list is read from a file: about two minutes of pages.
pub(super) const PRODUCTS_MIN: u64 = 1_000;
/// The host that Shopify's files are on.
const FILE_HOST: &str = "https://storage.googleapis.com/";
/// Bytes of a part, unless one group is longer.
const PART_BYTES: u64 = 1024 * 1024;
/// Longest part; a group that is longer is refused.
const PART_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Pause before the first look at an operation; it doubles.
const LOOK_FIRST: Duration = Duration::from_secs(2);
/// Longest pause between two looks.
const LOOK_LONGEST: Duration = Duration::from_mins(1);
/// Pause before an operation is begun where others are under way.
const BEGIN_AGAIN: Duration = Duration::from_mins(1);
/// Attempts to begin an operation, after which pages are read instead.
const BEGIN_MAX: u32 = 30;

const BEGIN: &str = "mutation($query: String!) { bulkOperationRunQuery(query: $query, groupObjects: true) { \
    bulkOperation { id } userErrors { code } } }";

const LOOK: &str = "query($id: ID!) { node(id: $id) { ... on BulkOperation { \
    status errorCode objectCount rootObjectCount url } } }";

/// The objects of a list as an operation exports them.
struct Export {
    /// The connection of the query root, the fields of its objects, and the connection within each.
    name: &'static str,
    fields: &'static str,
    within: &'static str,
    within_fields: &'static str,
    /// The listed objects of a group.
    listed: fn(Value, Vec<Value>) -> Result<Vec<Listed>, CallError>,
    /// The number of listed objects, of that many objects at the root and in all.
    total: fn(u64, u64) -> u64,
}

/// The step of an operation that a page continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    /// It is to be begun.
    Begin {
        /// Attempts so far.
        tries: u32,
    },
    /// It was begun: it is looked at, and its file is read once it is complete.
    Begun {
        /// Its number.
        operation: u64,
        /// Looks so far.
        looks: u32,
        /// Bytes of the file that are read.
        read: u64,
        /// Bytes of the next part.
        part: u64,
    },
}

/// The cursor of such a page.
#[derive(Debug, Serialize, Deserialize)]
struct Place {
    bulk: Step,
}

fn export(collection: &str) -> Option<Export> {
    match collection {
        "products" => Some(Export {
            name: "products",
            fields: super::PRODUCTS.fields,
            within: "variants",
            within_fields: super::VARIANT_FIELDS,
            listed: product,
            total: |root, _| root,
        }),
        "levels" => Some(Export {
            name: "inventoryItems",
            fields: "legacyResourceId tracked",
            within: "inventoryLevels",
            within_fields: "updatedAt quantities(names: [\"available\"]) { name quantity } location { legacyResourceId }",
            listed: levels_of_item,
            total: |root, all| all.saturating_sub(root),
        }),
        _ => None,
    }
}

impl Export {
    fn query(&self) -> String {
        let Self { name, fields, within, within_fields, .. } = self;
        format!(
            "{{ {name} {{ edges {{ node {{ id {fields} {within} {{ edges {{ node {{ id {within_fields} }} }} }} }} }} }} }}"
        )
    }
}

fn product(mut parent: Value, variants: Vec<Value>) -> Result<Vec<Listed>, CallError> {
    parent["variants"] = json!({ "pageInfo": { "hasNextPage": false } });
    parent["variants"]["nodes"] = Value::Array(variants);
    shapes::product(&parent).map(|listed| vec![listed])
}

#[expect(clippy::needless_pass_by_value, reason = "every export takes a group in the same way")]
fn levels_of_item(parent: Value, levels: Vec<Value>) -> Result<Vec<Listed>, CallError> {
    let level = |mut level: Value| {
        let missing = || CallError::transient("a level has no location");
        let location = number(level.get("location").ok_or_else(missing)?, "legacyResourceId")?;
        level["item"] = parent.clone();
        levels::level(&level, location)
    };
    levels.into_iter().map(level).collect()
}

/// The field of a first page that counts the shop's products, where a whole list may be a file.
pub(super) fn counted(wanted: &Wanted<'_>) -> &'static str {
    let may_be =
        wanted.range == Range::Whole && wanted.cursor.is_none() && export(wanted.collection).is_some();
    if may_be { "productsCount { count }" } else { "" }
}

/// The beginning of a file, if the shop is large enough for one by the reply to a first page.
pub(super) fn begins(wanted: &Wanted<'_>, data: &Value) -> Result<Option<ListPage>, CallError> {
    let count = data.pointer("/productsCount/count").and_then(Value::as_u64).unwrap_or(0);
    if counted(wanted).is_empty() || count < PRODUCTS_MIN {
        return Ok(None);
    }
    let next = next(Place { bulk: Step::Begin { tries: 0 } })?;
    Ok(Some(ListPage { next: Some(next), ..ListPage::default() }))
}

/// The export and the step of a page, if it is one of a file.
fn step(wanted: &Wanted<'_>) -> Option<(Export, Step)> {
    let place: Place = serde_json::from_str(wanted.cursor?).ok()?;
    Some((export(wanted.collection)?, place.bulk))
}

/// The request for a page of a file; `None` if it is no such page.
pub(super) fn request(wanted: &Wanted<'_>, context: &CallContext<'_>) -> Option<HttpRequest> {
    let (export, step) = step(wanted)?;
    Some(match step {
        Step::Begin { .. } => graphql::request(BEGIN, &json!({ "query": export.query() }), context),
        Step::Begun { operation, .. } => {
            let id = format!("gid://shopify/BulkOperation/{operation}");
            graphql::request(LOOK, &json!({ "id": id }), context)
        }
    })
}

/// The page in the reply to such a request, where no part of the file is to be read; `None` if it is no such page.
pub(super) fn page(wanted: &Wanted<'_>, data: &Value) -> Option<Result<ListPage, CallError>> {
    let (export, step) = step(wanted)?;
    Some(match step {
        Step::Begin { tries } => begun(tries, data),
        Step::Begun { operation, looks, read, part } => {
            looked(&export, data, Step::Begun { operation, looks, read, part })
        }
    })
}

fn begun(tries: u32, data: &Value) -> Result<ListPage, CallError> {
    let missing = || CallError::transient("the reply has no operation");
    let result = data.get("bulkOperationRunQuery").ok_or_else(missing)?;
    let errors = result.get("userErrors").and_then(Value::as_array).ok_or_else(missing)?;
    let is_busy = |error: &Value| {
        matches!(error.get("code").and_then(Value::as_str), Some("OPERATION_IN_PROGRESS" | "LIMIT_REACHED"))
    };
    if errors.iter().any(is_busy) && tries + 1 < BEGIN_MAX {
        return continued(Step::Begin { tries: tries + 1 }, BEGIN_AGAIN);
    }
    if !errors.is_empty() {
        return pages();
    }
    let id = result.pointer("/bulkOperation/id").and_then(Value::as_str).ok_or_else(missing)?;
    let operation = id.strip_prefix("gid://shopify/BulkOperation/").and_then(|id| id.parse().ok());
    let operation = operation.ok_or_else(missing)?;
    continued(Step::Begun { operation, looks: 0, read: 0, part: PART_BYTES }, LOOK_FIRST)
}

fn looked(export: &Export, data: &Value, step: Step) -> Result<ListPage, CallError> {
    let Step::Begun { operation, looks, read, part } = step else { return pages() };
    let found = Looked::of(data)?;
    match found.as_ref().map(|found| found.status.as_str()) {
        Some("CREATED" | "RUNNING" | "CANCELING") => {
            let wait = LOOK_FIRST.saturating_mul(1 << looks.min(10)).min(LOOK_LONGEST);
            continued(Step::Begun { operation, looks: looks.saturating_add(1), read, part }, wait)
        }
        // An operation that found nothing has no file.
        Some("COMPLETED") if read == 0 => {
            let total = found.map(|found| (export.total)(found.root_objects, found.objects));
            Ok(ListPage { total, ..ListPage::default() })
        }
        // What a failed operation found is no complete list, and pages are.
        _ if read == 0 => pages(),
        _ => Err(CallError::Rejected(Reject::new(RejectClass::Platform, "the file is no longer there"))),
    }
}

/// Goes on with a list of pages, from its beginning.
fn pages() -> Result<ListPage, CallError> {
    Ok(ListPage { next: Some(next(super::Place::default())?), ..ListPage::default() })
}

fn continued(step: Step, wait: Duration) -> Result<ListPage, CallError> {
    let next = next(Place { bulk: step })?;
    Ok(ListPage { next: Some(crate::NextPage { wait, ..next }), ..ListPage::default() })
}

/// The state of an operation.
struct Looked {
    status: String,
    url: Option<String>,
    objects: u64,
    root_objects: u64,
}

impl Looked {
    /// `None` if there is no such operation.
    fn of(data: &Value) -> Result<Option<Self>, CallError> {
        let missing = || CallError::transient("the reply has no state of the operation");
        let found = data.get("node").ok_or_else(missing)?;
        if found.is_null() {
            return Ok(None);
        }
        let text = |name: &str| found.get(name).and_then(Value::as_str);
        // Shopify writes these numbers as texts.
        let count =
            |name: &str| text(name).map_or_else(|| found.get(name)?.as_u64(), |text| text.parse().ok());
        Ok(Some(Self {
            status: text("status").ok_or_else(missing)?.to_owned(),
            url: text("url").map(str::to_owned),
            objects: count("objectCount").ok_or_else(missing)?,
            root_objects: count("rootObjectCount").ok_or_else(missing)?,
        }))
    }
}

impl Files for super::super::Shopify {
    fn part(
        &self,
        wanted: &Wanted<'_>,
        context: &CallContext<'_>,
        reply: &HttpReply<'_>,
    ) -> Result<Option<HttpRequest>, CallError> {
        let Some((_, Step::Begun { read, part, .. })) = step(wanted) else { return Ok(None) };
        let found = Looked::of(&graphql::data(reply)?)?;
        let Some(Looked { url: Some(url), .. }) = found.filter(|found| found.status == "COMPLETED") else {
            return Ok(None);
        };
        // The URL is the platform's word, not ours: it leads nowhere else, and gets no credentials.
        let is_of_api = url.strip_prefix(&context.access.base_url).is_some_and(|path| path.starts_with('/'));
        if !is_of_api && !url.starts_with(FILE_HOST) {
            let reason = "the file is on a host that isn't Shopify's";
            return Err(CallError::Rejected(Reject::new(RejectClass::Platform, reason)));
        }
        let last = read.saturating_add(part).saturating_sub(1);
        let mut request =
            HttpRequest::new(Method::Get, url).with_header("range", format!("bytes={read}-{last}"));
        request.reply_bytes_max = usize::try_from(part).unwrap_or(usize::MAX);
        Ok(Some(request))
    }

    fn page(
        &self,
        wanted: &Wanted<'_>,
        reply: &HttpReply<'_>,
        part: &HttpReply<'_>,
    ) -> Result<ListPage, CallError> {
        let unasked = || CallError::transient("a part of a file that wasn't asked for");
        let Some((export, Step::Begun { operation, read, part: asked, .. })) = step(wanted) else {
            return Err(unasked());
        };
        let found = Looked::of(&graphql::data(reply)?)?.ok_or_else(unasked)?;
        let length = length(part, read)?;
        let is_last = read.saturating_add(part.body.len() as u64) >= length;
        let Groups { objects, bytes } = groups(&export, part.body, is_last)?;
        let total = Some((export.total)(found.root_objects, found.objects));
        if is_last {
            return Ok(ListPage { objects, next: None, total });
        }
        let part = if bytes == 0 { asked.saturating_mul(2) } else { PART_BYTES };
        if part > PART_BYTES_MAX {
            let reason = "an object of the file is too large";
            return Err(CallError::Rejected(Reject::new(RejectClass::Platform, reason)));
        }
        let step = Step::Begun { operation, looks: 0, read: read.saturating_add(bytes), part };
        Ok(ListPage { objects, total, ..continued(step, Duration::ZERO)? })
    }
}

/// The length of the file that a part belongs to, which has to begin at `read`.
fn length(part: &HttpReply<'_>, read: u64) -> Result<u64, CallError> {
    match part.status {
        206 => {
            let range = part.header("content-range").and_then(|range| range.strip_prefix("bytes "));
            let found = range.and_then(|range| {
                let (bounds, length) = range.split_once('/')?;
                let first: u64 = bounds.split_once('-')?.0.parse().ok()?;
                Some((first, length.parse().ok()?))
            });
            match found {
                Some((first, length)) if first == read && !part.body.is_empty() => Ok(length),
                _ => Err(CallError::transient("another part of the file than the one asked for")),
            }
        }
        // A short file may come as a whole.
        200 if read == 0 => Ok(part.body.len() as u64),
        // A URL that has expired is replaced with the next attempt.
        status => Err(CallError::transient(format!("the file's host answered {status}"))),
    }
}

/// The objects of a part, and the bytes of their groups.
#[derive(Default)]
struct Groups {
    objects: Vec<Listed>,
    bytes: u64,
}

/// Reads the groups of a part that begins with one. The last group may go on behind the part, unless that is the last.
fn groups(export: &Export, part: &[u8], is_last: bool) -> Result<Groups, CallError> {
    let mut groups = Groups::default();
    let mut open: Option<(Value, Vec<Value>)> = None;
    let mut at = 0_u64;
    for line in part.split_inclusive(|byte| *byte == b'\n') {
        let is_whole = line.ends_with(b"\n") || is_last;
        if !is_whole {
            break;
        }
        let begins = at;
        at += line.len() as u64;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let value = reading::reply(line)
            .map_err(|error| CallError::transient(format!("a line of the file is {error}")))?;
        if let Some(parent) = value.get("__parentId") {
            match &mut open {
                Some((group, within)) if group.get("id") == Some(parent) => within.push(value),
                _ => return Err(CallError::transient("the lines of the file aren't grouped")),
            }
        } else {
            close(export, &mut groups.objects, open.replace((value, Vec::new())))?;
            groups.bytes = begins;
        }
    }
    if is_last {
        close(export, &mut groups.objects, open)?;
        groups.bytes = at;
    }
    Ok(groups)
}

fn close(
    export: &Export,
    objects: &mut Vec<Listed>,
    group: Option<(Value, Vec<Value>)>,
) -> Result<(), CallError> {
    if let Some((parent, within)) = group {
        objects.extend((export.listed)(parent, within)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
