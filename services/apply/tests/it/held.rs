//! A transaction that waits for a lock.

use crate::fixture::{World, product};
use futures::FutureExt as _;
use std::num::NonZeroUsize;

#[tokio::test]
async fn a_batch_goes_past_the_transaction_of_another_partition_that_waits_for_a_lock() {
    let world = World::start_with(NonZeroUsize::new(2).unwrap()).await;
    let held = world.hold(0).await;
    let mut stuck = Box::pin(world.commit(0, vec![product(0, 1, "Tea", "tea-1")]));
    while world.waiting_for_locks().await == 0 {
        assert!(stuck.as_mut().now_or_never().is_none(), "its store is locked");
        tokio::task::yield_now().await;
    }
    let committed = world.commit(1, vec![product(1, 1, "Wine", "wine-1")]).await.unwrap();
    assert_eq!(committed.number, 1);
    assert!(stuck.as_mut().now_or_never().is_none(), "it waited all the time");
    held.release().await;
    assert_eq!(stuck.await.unwrap().number, 1);
    world.assert_nothing_contradicts().await;
}
