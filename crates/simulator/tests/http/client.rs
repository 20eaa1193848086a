//! Opens shops and calls them.

use serde_json::Value;
use simulator::{Kind, Shop, Simulator, SimulatorOptions};
use std::time::Duration;

/// An account with two locations.
pub(crate) fn account(platform: Kind) -> Shop {
    let (account, locations) = match platform {
        Kind::Shopify => ("demo.myshopify.com", ["53716844710", "53716844711"]),
        Kind::Square => ("6SSW7HV8K2ST5", ["YYQR03DGCTXA4", "LMAIN2"]),
        Kind::Treez => ("partnersandbox3", ["FRONT OF HOUSE", "VAULT"]),
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

pub(crate) async fn open(platform: Kind) -> Simulator {
    open_with(platform, SimulatorOptions::default()).await
}

pub(crate) async fn open_with(platform: Kind, options: SimulatorOptions) -> Simulator {
    Simulator::start(options, account(platform)).await.unwrap()
}

/// Makes a call and returns status and body.
pub(crate) async fn call(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
    let mut request = client.request(method.parse().unwrap(), url).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
}
