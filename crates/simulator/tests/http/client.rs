//! Opens shops and calls them.

use serde_json::Value;
use simulator::{Shop, Simulator, SimulatorOptions};
use std::time::Duration;

/// An account with two locations.
pub(crate) fn account(platform: &'static str) -> Shop {
    let (account, locations) = match platform {
        "blaze" => ("5e00000000000000000000aa", ["5e0000000000000000000f01", "5e0000000000000000000f02"]),
        "clover" => ("XYZVJT2ZRRRSC", ["the-merchant", "another"]),
        "flowhub" => {
            ("client", ["5e746577-ee54-4796-9ee0-d28f45c48deb", "b334921e-e105-4309-b290-64bc6aad14af"])
        }
        "leaflogix" => ("Front Street", ["front-street", "another"]),
        "shopify" => ("demo.myshopify.com", ["53716844710", "53716844711"]),
        "square" => ("6SSW7HV8K2ST5", ["YYQR03DGCTXA4", "LMAIN2"]),
        "treez" => ("partnersandbox3", ["FRONT OF HOUSE", "VAULT"]),
        "woocommerce" => ("shop.example", ["shop", "elsewhere"]),
        other => panic!("no account of {other} is known"),
    };
    Shop {
        platform,
        account: account.to_owned(),
        token: "the-token".to_owned(),
        webhook_secret: "the-secret".to_owned(),
        webhook_url: None,
        currency: "USD".to_owned(),
        locations: locations.map(str::to_owned).to_vec(),
    }
}

pub(crate) async fn open(platform: &'static str) -> Simulator {
    open_with(platform, SimulatorOptions::default()).await
}

pub(crate) async fn open_with(platform: &'static str, options: SimulatorOptions) -> Simulator {
    Simulator::start(options, account(platform)).await.unwrap()
}

/// Makes a call and returns status and body.
pub(crate) async fn call(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> (u16, Value) {
    let client = https::client().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
    let mut request = client.request(method.parse().unwrap(), url).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
}
