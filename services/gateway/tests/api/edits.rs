//! Edits of settings, by revision.

use crate::fixture::{Api, Ask, Reply};
use hyper::{Method, StatusCode};
use model::Role;
use serde_json::{Value, json};

async fn change(api: &Api, key: &str, path: &str, revision: Option<&str>, body: Value) -> Reply {
    let mut ask = Ask::new(Method::PATCH, path).body(body);
    if let Some(revision) = revision {
        ask = ask.header("if-match", revision);
    }
    api.send(key, ask).await
}

#[tokio::test]
async fn the_second_of_two_edits_from_one_revision_is_refused_at_every_kind_of_thing() {
    let api = Api::new().await;
    let shop = api.shop("t1").await;
    let key = api.key(Role::StoreOwner, &shop.scope()).await;
    let things = [
        (format!("/v1/stores/{}", shop.store), "name"),
        (format!("/v1/locations/{}", shop.location), "name"),
        (format!("/v1/connections/{}", shop.connection), "account"),
    ];
    for (path, field) in things {
        let read = api.send(&key, Ask::get(&path)).await;
        let revision = read.header("etag").unwrap().to_owned();
        let first = change(&api, &key, &path, Some(&revision), json!({field: "first"})).await;
        assert_eq!((first.status, first.text_of(&format!("/{field}"))), (StatusCode::OK, "first".to_owned()));
        assert_ne!(first.header("etag"), Some(revision.as_str()), "{path}");
        let second = change(&api, &key, &path, Some(&revision), json!({field: "second"})).await;
        assert_eq!(second.status, StatusCode::PRECONDITION_FAILED, "{path}");
        let third = change(&api, &key, &path, first.header("etag"), json!({field: "third"})).await;
        assert_eq!(third.status, StatusCode::OK, "{path}: {}", third.text);
        let none = change(&api, &key, &path, None, json!({field: "none"})).await;
        assert_eq!(none.status, StatusCode::PRECONDITION_REQUIRED, "{path}");
        let any = change(&api, &key, &path, Some("*"), json!({field: "any"})).await;
        assert_eq!(any.text_of(&format!("/{field}")), "any");
        // A read shows what the edit returned.
        let read = api.send(&key, Ask::get(&path)).await;
        assert_eq!((read.header("etag"), &read.text), (any.header("etag"), &any.text), "{path}");
    }
}

#[tokio::test]
async fn fields_that_an_edit_does_not_name_stay_and_null_removes() {
    let api = Api::new().await;
    let shop = api.shop("t1").await;
    let key = api.key(Role::StoreOwner, &shop.scope()).await;
    let path = format!("/v1/connections/{}", shop.connection);
    let limited = change(&api, &key, &path, Some("*"), json!({"requests_per_minute": 30})).await.json();
    assert_eq!(limited["requests_per_minute"], 30);
    assert_eq!(limited["default_location"], shop.location.as_str());
    let removed = json!({"requests_per_minute": null, "default_location": null});
    let removed = change(&api, &key, &path, Some("*"), removed).await.json();
    assert_eq!((&removed["requests_per_minute"], &removed["default_location"]), (&Value::Null, &Value::Null));
    assert_eq!(removed["account"], "t1-account");
    let path = format!("/v1/stores/{}", shop.store);
    let with = change(&api, &key, &path, Some("*"), json!({"currency": "EUR"})).await.json();
    assert_eq!(with["currency"], "EUR");
    let without = change(&api, &key, &path, Some("*"), json!({"currency": null})).await.json();
    assert_eq!((&without["currency"], &without["name"]), (&Value::Null, &json!("Shop of t1")));
}

#[tokio::test]
async fn an_edit_that_changes_nothing_keeps_the_revision() {
    let api = Api::new().await;
    let shop = api.shop("t1").await;
    let key = api.key(Role::StoreOwner, &shop.scope()).await;
    let path = format!("/v1/connections/{}", shop.connection);
    let before = api.send(&key, Ask::get(&path)).await.header("etag").unwrap().to_owned();
    let same = change(&api, &key, &path, Some("*"), json!({"account": "t1-account"})).await;
    assert_eq!(same.header("etag"), Some(before.as_str()));
}

#[tokio::test]
async fn credentials_are_replaced_and_never_shown() {
    let api = Api::new().await;
    let shop = api.shop("t1").await;
    let key = api.key(Role::Integrator, &shop.scope()).await;
    let put = |path: &str, body| {
        Ask::new(Method::PUT, format!("/v1/connections/{}/{path}", shop.connection)).body(body)
    };
    let token = api.send(&key, put("token", json!({"token": "fresh"}))).await;
    assert_eq!((token.status, token.text.as_str()), (StatusCode::NO_CONTENT, ""));
    let secret = json!({"secret": "second", "keep_former": true});
    assert_eq!(api.send(&key, put("secret", secret)).await.status, StatusCode::NO_CONTENT);
    let known = api.store.connection(&shop.connection).await.unwrap().unwrap();
    assert_eq!(known.token, "fresh");
    assert_eq!(known.secrets, ["second".to_owned(), format!("{}t1", crate::fixture::SECRET)]);
    let empty = api.send(&key, put("secret", json!({"secret": "", "keep_former": false}))).await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
}
