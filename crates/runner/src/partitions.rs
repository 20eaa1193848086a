//! Runs a loop for each partition that this replica owns.

use crate::{Failure, Service};
use model::Partition;
use std::{
    collections::{BTreeSet, HashMap},
    future::Future,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Owned {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Joins the replicas of `stage` and runs `run` for each partition while it is ours: the token is cancelled when
/// another replica takes the partition over or the service stops; `run` then finishes what it has begun. A `run` that
/// ends by itself is started again while the partition is still ours, so it should wait before it gives up.
pub async fn own_partitions<Run, Running>(
    service: &Service,
    stage: &'static str,
    run: Run,
) -> Result<(), Failure>
where
    Run: Fn(Partition, CancellationToken) -> Running + Send,
    Running: Future<Output = ()> + Send + 'static,
{
    let membership = service.bus.join(stage, &service.replica).await?;
    let mut assignment = membership.owned();
    let mut owned: HashMap<Partition, Owned> = HashMap::new();
    loop {
        let wanted = assignment.borrow_and_update().clone();
        give_up(&mut owned, &wanted);
        for partition in wanted.iter().copied() {
            let runs = owned.get(&partition).is_some_and(|owned| !owned.task.is_finished());
            if !runs {
                let stop = service.stop.child_token();
                let task = tokio::spawn(run(partition, stop.clone()));
                owned.insert(partition, Owned { stop, task });
            }
        }
        service.metrics.owns(stage, wanted.len());
        tokio::select! {
            changed = assignment.changed() => if changed.is_err() { break },
            () = first_finished(&mut owned) => {}
            () = service.stop.cancelled() => break,
        }
    }
    let tasks: Vec<_> =
        owned.into_values().inspect(|owned| owned.stop.cancel()).map(|owned| owned.task).collect();
    futures::future::join_all(tasks).await;
    membership.leave().await;
    Ok(())
}

/// Stops the partitions that are no longer wanted. Their last batch may still be under way: the next owner's first
/// append fences it off.
fn give_up(owned: &mut HashMap<Partition, Owned>, wanted: &BTreeSet<Partition>) {
    owned.retain(|partition, owned| {
        let keep = wanted.contains(partition);
        if !keep {
            owned.stop.cancel();
        }
        keep
    });
}

async fn first_finished(owned: &mut HashMap<Partition, Owned>) {
    let mut tasks: Vec<_> = owned.values_mut().map(|owned| &mut owned.task).collect();
    if tasks.is_empty() {
        return std::future::pending().await;
    }
    let (finished, ..) = futures::future::select_all(tasks.iter_mut()).await;
    if let Err(error) = finished {
        // A panic outside a decision is our own mistake; the partition starts again from its tail.
        tracing::error!(%error, "a partition's loop broke");
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}
