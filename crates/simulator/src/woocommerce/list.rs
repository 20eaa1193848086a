//! Pages of lists, with their headers.

use crate::exchange::{Incoming, Reply};
use crate::state::State;
use serde_json::Value;

/// Number of objects on a page if the call names none.
const PER_PAGE_DEFAULT: usize = 10;
/// Maximum number of objects on a page.
pub(super) const PER_PAGE_MAX: usize = 100;

/// The page of `all` that a call asks for; `None` if its parameters aren't valid.
pub(super) fn page(state: &State, call: &Incoming, all: Vec<Value>) -> Option<Reply> {
    let parameter = |name: &str, default: usize| match call.parameter(name) {
        None => Some(default),
        Some(text) => text.parse::<usize>().ok().filter(|number| *number > 0),
    };
    let size = parameter("per_page", PER_PAGE_DEFAULT).filter(|size| *size <= PER_PAGE_MAX)?;
    let page = parameter("page", 1)?;
    let (total, pages) = (all.len(), all.len().div_ceil(size));
    let shown = all.into_iter().skip((page - 1).saturating_mul(size)).take(size).collect();
    // A link has all parameters of the call, which `add_query_arg` doesn't encode.
    let others = call.query.iter().filter(|(name, _)| name != "page");
    let others: Vec<String> = others.map(|(name, value)| format!("{name}={value}&")).collect();
    let others = others.concat().replace(char::is_control, "");
    let link = |page: usize, relation: &str| {
        let host = &state.shop.account;
        format!("<https://{host}{}?{others}page={page}>; rel=\"{relation}\"", call.path)
    };
    let links = [(page > 1).then(|| link(page - 1, "prev")), (page < pages).then(|| link(page + 1, "next"))];
    let mut reply = Reply::ok(Value::Array(shown));
    reply.headers = vec![("x-wp-total", total.to_string()), ("x-wp-totalpages", pages.to_string())];
    let links: Vec<String> = links.into_iter().flatten().collect();
    if !links.is_empty() {
        reply.headers.push(("link", links.join(", ")));
    }
    Some(reply)
}
