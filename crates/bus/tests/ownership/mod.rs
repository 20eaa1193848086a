use super::*;

/// Waits until the partitions of the replica satisfy `fits`, and returns them.
async fn owning(
    membership: &bus::Membership,
    fits: impl Fn(&BTreeSet<Partition>) -> bool,
) -> BTreeSet<Partition> {
    let mut owned = membership.owned();
    let owned = timeout(PATIENCE, owned.wait_for(|owned| fits(owned))).await.expect("in time").unwrap();
    owned.as_ref().clone()
}

#[tokio::test]
async fn two_replicas_share_and_one_that_leaves_or_dies_is_replaced() {
    let broker = Broker::start().await;
    let bus = broker.declared().await;
    let first = bus.join("dedupe", "pod-1").await.unwrap();
    assert_eq!(first.owned().borrow().len(), 4);
    let other_stage = bus.join("enrich", "pod-2").await.unwrap();
    assert_eq!(other_stage.owned().borrow().len(), 4, "stages don't share");

    let second = broker.connect().await.join("dedupe", "pod-2").await.unwrap();
    let mine = owning(&first, |owned| owned.len() == 2).await;
    let theirs = owning(&second, |owned| owned.len() == 2).await;
    assert!(mine.is_disjoint(&theirs));

    second.leave().await;
    owning(&first, |owned| owned.len() == 4).await;

    let third = broker.connect().await.join("dedupe", "pod-3").await.unwrap();
    owning(&first, |owned| owned.len() == 2).await;
    let died = std::time::Instant::now();
    drop(third);
    owning(&first, |owned| owned.len() == 4).await;
    assert!(died.elapsed() < Duration::from_secs(8), "{:?}", died.elapsed());
}

#[tokio::test]
async fn replicas_find_each_other_again_after_the_server_forgot_them() {
    let mut broker = Broker::start().await;
    let (one, two) = (broker.declared().await, broker.connect().await);
    let first = one.join("apply", "pod-1").await.unwrap();
    let second = two.join("apply", "pod-2").await.unwrap();
    owning(&first, |owned| owned.len() == 2).await;
    broker.nats.kill().await.unwrap();
    broker.nats.restart().await.unwrap();
    let third = one.join("apply", "pod-3").await.unwrap();
    // Four partitions among three replicas: none has more than two, so a replica that owns fewer than all sees
    // the others.
    let [a, b, c] = [&first, &second, &third].map(bus::Membership::owned);
    let settled = async {
        loop {
            let owned: Vec<_> =
                [&a, &b, &c].into_iter().map(|owned| owned.borrow().as_ref().clone()).collect();
            let union: BTreeSet<Partition> = owned.iter().flatten().copied().collect();
            if union.len() == 4 && owned.iter().map(BTreeSet::len).sum::<usize>() == 4 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, settled).await.expect("every partition has one owner again");
}
