//! Replays RAW through the same decisions: into another record, or against the present one.

mod partition;

use crate::{
    cli::{Output, Replay},
    environment::{configuration, open_bus, open_store},
    failure::Failed,
    output,
    progress::Progress,
};
use apply::replay::Replay as Committing;
use bus::Bus;
use model::{Partition, Position, StoreId};
use normalize::Normalize;
use partition::{Into, Replaying, Stages};
use serde_json::json;
use std::{num::NonZeroUsize, sync::Arc};
use store::{Consumer, Store, StoreConfig};
use tokio::task::JoinSet;

/// Number of transactions that run at once.
const WORKERS: NonZeroUsize = NonZeroUsize::new(2).expect("two isn't zero");

pub(crate) async fn run(arguments: Replay, output: Output) -> Result<(), Failed> {
    let bus = open_bus(&arguments.target).await?;
    let present = open_store(&arguments.target).await?;
    if arguments.repair {
        return repair(&bus, &present, output).await;
    }
    match &arguments.into {
        Some(url) => {
            let config = StoreConfig { url: url.clone(), ..configuration(&arguments.target)?.1 };
            into(&bus, &present, &config, arguments.resume, output).await
        }
        None => against(&bus, &present, output).await,
    }
}

/// Rebuilds a record from RAW, and compares it with the present one.
async fn into(
    bus: &Bus,
    present: &Store,
    config: &StoreConfig,
    resume: bool,
    output: Output,
) -> Result<(), Failed> {
    let target = Store::connect(config, config.vault()?).await?;
    target.migrate().await?;
    target.maintain().await?;
    if target.is_empty().await? {
        present.copy_set_up(&target).await?;
    } else if !resume {
        let what = "the database isn't empty; say --resume to go on where a replay into it ended";
        return Err(Failed::Usage(what.to_owned()));
    }
    let replayed = commit(bus, present, &target, false).await?;
    compare(present, &target, replayed.deliveries, output).await
}

/// Applies deliveries of RAW that the record lacks.
async fn repair(bus: &Bus, present: &Store, output: Output) -> Result<(), Failed> {
    let replayed = commit(bus, present, present, true).await?;
    match output {
        Output::Text => output::line(&format!("{} deliveries applied", replayed.deliveries)),
        Output::Json => output::json(&json!({"kind": "summary", "deliveries": replayed.deliveries})),
    }
    Ok(())
}

/// Commits RAW to `target`, with propagate's writes to the mirrors of `present`: up to the end of RAW, or up to the
/// present record's position.
pub(crate) async fn commit(
    bus: &Bus,
    present: &Store,
    target: &Store,
    to_the_end: bool,
) -> Result<partition::Replayed, Failed> {
    let stages = Stages::new(Normalize::new().map_err(runner::Failure::from)?, target)?;
    let committing = Committing::new(target, WORKERS, stages.metrics());
    each_partition(bus, stages, async |partition| {
        let end = if to_the_end {
            Position::MAX
        } else {
            present.cursor(Consumer::Apply, partition).await?.position
        };
        let from = target.take_epoch(Consumer::Apply, partition).await?;
        let present = Box::new(present.clone());
        Ok((Into::Record { present, committing: committing.clone(), from }, end))
    })
    .await
}

/// Replays all partitions at once: each into the target that `into` returns, up to the position that comes with it.
async fn each_partition(
    bus: &Bus,
    stages: Stages,
    into: impl AsyncFn(Partition) -> Result<(Into, Position), Failed>,
) -> Result<partition::Replayed, Failed> {
    let stages = Arc::new(stages);
    let mut partitions = JoinSet::new();
    let progress = Progress::new("RAW");
    for partition in bus.partitions().all() {
        let (into, end) = into(partition).await?;
        let replaying =
            Replaying::open(bus.clone(), partition, Arc::clone(&stages), into, end, progress.clone()).await?;
        partitions.spawn(replaying.run());
    }
    let replayed = finish(partitions).await?;
    progress.finish();
    Ok(replayed)
}

/// Decides all events again over the present record, which must not change.
async fn against(bus: &Bus, present: &Store, output: Output) -> Result<(), Failed> {
    let stages = Stages::new(Normalize::new().map_err(runner::Failure::from)?, present)?;
    let committing = Committing::new(present, WORKERS, stages.metrics());
    let replayed = each_partition(bus, stages, async |partition| {
        let end = present.cursor(Consumer::Apply, partition).await?.position;
        Ok((Into::Nothing { committing: committing.clone() }, end))
    })
    .await?;
    for event in &replayed.would_change {
        match output {
            Output::Text => output::line(&format!("would change the record: event {event}")),
            Output::Json => output::json(&json!({"kind": "would_change", "event_id": event.to_string()})),
        }
    }
    match output {
        Output::Text => output::line(&format!(
            "{} deliveries were decided again; {} events would change the record; nothing was written",
            replayed.deliveries,
            replayed.would_change.len()
        )),
        Output::Json => output::json(&json!({
            "kind": "summary", "deliveries": replayed.deliveries, "would_change": replayed.would_change.len(),
        })),
    }
    if replayed.would_change.is_empty() {
        Ok(())
    } else {
        Err(Failed::Other("the record lacks what RAW has".to_owned()))
    }
}

async fn finish(
    mut partitions: JoinSet<Result<partition::Replayed, Failed>>,
) -> Result<partition::Replayed, Failed> {
    let mut sum = partition::Replayed::default();
    while let Some(ended) = partitions.join_next().await {
        let replayed =
            ended.map_err(|error| Failed::Other(format!("a partition's replay broke: {error}")))??;
        sum.deliveries += replayed.deliveries;
        sum.would_change.extend(replayed.would_change);
    }
    Ok(sum)
}

/// Compares the digests of every store.
async fn compare(present: &Store, target: &Store, deliveries: u64, output: Output) -> Result<(), Failed> {
    let (mut after, mut count, mut different): (Option<StoreId>, _, _) = (None, 0, 0);
    loop {
        let stores = present.stores(after.as_ref()).await?;
        let Some(last) = stores.last() else { break };
        after = Some(last.clone());
        for store in stores {
            let (ours, theirs) = (present.digest(&store).await?, target.digest(&store).await?);
            let parts: Vec<&String> = ours
                .keys()
                .chain(theirs.keys())
                .filter(|part| ours.get(*part) != theirs.get(*part))
                .collect();
            count += 1;
            if parts.is_empty() {
                continue;
            }
            different += 1;
            match output {
                Output::Text => output::line(&format!("differs: store {store}: {parts:?}")),
                Output::Json => output::json(&json!({"kind": "difference", "store": store, "parts": parts})),
            }
        }
    }
    match output {
        Output::Text => output::line(&format!(
            "{deliveries} deliveries replayed; {} of {count} stores have the same digests",
            count - different
        )),
        Output::Json => output::json(&json!({
            "kind": "summary", "deliveries": deliveries, "stores": count, "different": different,
        })),
    }
    if different == 0 { Ok(()) } else { Err(Failed::Other(format!("{different} stores differ"))) }
}
