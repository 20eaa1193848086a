//! Changes single values of an example.

use crate::failure::Failed;
use serde_json::Value;

/// Changes one value of a JSON text, as `path=value`. The path names members and indexes: `variants.0.price`, or
/// `/variants/0/price` (RFC 6901) if a name contains a dot; there must be a value. In place of a text comes a text; in
/// place of anything else JSON, or a text if it isn't JSON.
fn set(body: &[u8], change: &str) -> Result<Vec<u8>, Failed> {
    let usage = |text: String| Failed::Usage(format!("--set {change}: {text}"));
    let (path, value) = change.split_once('=').ok_or_else(|| usage("it isn't path=value".to_owned()))?;
    let mut json: Value =
        serde_json::from_slice(body).map_err(|error| usage(format!("the body isn't JSON: {error}")))?;
    let pointer =
        if path.starts_with('/') { path.to_owned() } else { format!("/{}", path.replace('.', "/")) };
    let Some(found) = json.pointer_mut(&pointer) else {
        return Err(usage(missing(&json, &pointer)));
    };
    *found = match found {
        Value::String(_) => Value::from(value),
        _ => serde_json::from_str(value).unwrap_or_else(|_| Value::from(value)),
    };
    Ok(json.to_string().into_bytes())
}

/// Makes all changes of the arguments, in their order.
pub(super) fn set_all(body: Vec<u8>, changes: &[String]) -> Result<Vec<u8>, Failed> {
    changes.iter().try_fold(body, |body, change| set(&body, change))
}

/// Describes where a path ends, and how it can go on.
fn missing(json: &Value, pointer: &str) -> String {
    let ends = pointer.match_indices('/').map(|(index, _)| &pointer[..index]).chain([pointer]);
    let there = ends.take_while(|end| json.pointer(end).is_some()).last().unwrap_or_default();
    let known = match json.pointer(there) {
        Some(Value::Object(members)) => members.keys().cloned().collect::<Vec<_>>().join(", "),
        Some(Value::Array(items)) => format!("{} items", items.len()),
        _ => "a single value".to_owned(),
    };
    let there = if there.is_empty() { "the body" } else { there };
    format!("there is no such value; {there} has {known}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn changed(change: &str) -> Result<Value, String> {
        let body = json!({"id": 7, "title": "Tea", "variants": [{"price": "9.50", "sku": null}], "a.b": 1});
        let body = set(&serde_json::to_vec(&body).unwrap(), change).map_err(|error| error.to_string())?;
        Ok(serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn one_value_is_changed_and_keeps_being_a_text_if_it_was_one() {
        assert_eq!(changed("id=8").unwrap()["id"], json!(8));
        assert_eq!(changed("title=12").unwrap()["title"], json!("12"));
        assert_eq!(changed("title=a=b").unwrap()["title"], json!("a=b"));
        assert_eq!(changed("variants.0.price=9.99").unwrap()["variants"][0]["price"], json!("9.99"));
        assert_eq!(changed("variants.0.sku=TEA-1").unwrap()["variants"][0]["sku"], json!("TEA-1"));
        assert_eq!(changed("variants=[]").unwrap()["variants"], json!([]));
        assert_eq!(changed("/a.b=2").unwrap()["a.b"], json!(2));
    }

    #[test]
    fn a_value_that_is_not_there_is_refused_with_those_that_are() {
        let refused = changed("variants.0.prise=1").unwrap_err();
        assert!(refused.contains("/variants/0 has price, sku"), "{refused}");
        assert!(changed("variants.3.price=1").unwrap_err().contains("/variants has 1 items"));
        assert!(changed("nothing=1").unwrap_err().contains("the body has a.b, id, title, variants"));
        assert!(changed("id.x=1").unwrap_err().contains("/id has a single value"));
        assert!(changed("id").unwrap_err().contains("path=value"));
    }
}
