use crate::client::open;
use simulator::{Tally, Traffic};
use std::time::Duration;

#[tokio::test]
async fn traffic_keeps_the_shops_busy_until_it_is_cancelled() {
    let (shopify, square) = (open("shopify").await, open("square").await);
    let shops = vec![shopify.shop(), square.shop()];
    let skus = |items: Vec<simulator::ItemIds>| items.into_iter().map(|ids| ids.sku).collect::<Vec<_>>();
    let stocked = [Traffic::stock(&shops[0]).unwrap(), Traffic::stock(&shops[1]).unwrap()].map(skus);
    assert_eq!(stocked[0], stocked[1]);
    let (cancel, cancelled) = tokio::sync::oneshot::channel::<()>();
    let watched = shops.clone();
    let running = tokio::spawn(Traffic::run(shops, 60_000, 7, async { drop(cancelled.await) }));
    let moved = || {
        watched.iter().any(|shop| {
            let location = &shop.locations()[0];
            shop.items().iter().any(|ids| shop.level(&ids.item, location).as_deref() != Some("40"))
        })
    };
    tokio::time::timeout(Duration::from_secs(10), async {
        while !moved() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    cancel.send(()).unwrap();
    let Tally { sales, restocks, refused, .. } = running.await.unwrap();
    assert!(sales + restocks > 0);
    assert_eq!(refused, 0);
}
