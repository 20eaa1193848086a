//! Checks the broker and the database, and that every partition moves.

mod pipeline;

use crate::{
    cli::{Output, Target},
    connection,
    environment::{configuration, open_store},
    failure::Failed,
    output,
    table::{Table, left},
};
use bus::Placement;
use model::PartitionCount;
use serde_json::json;
use std::collections::BTreeMap;
use store::Store;

/// Checks both, and reports their state.
pub(crate) async fn run(target: Target, output: Output) -> Result<(), Failed> {
    let bus = runner::connect(&configuration(&target)?.0).await?;
    let profile = bus.check().await?;
    let placements = bus.placements().await?;
    let store = open_store(&target).await?;
    store.ping().await?;
    let state = pipeline::PipelineState::look(&bus, &store).await?;
    let troubled = store.connections_not_ok().await?;
    match output {
        Output::Text => {
            let mut table = Table::new([left("part"), left("state")]);
            let broker = format!("nats-server {}: {}", profile.server_version, profile.durability);
            let partitions = partitions(bus.partitions(), profile.cores);
            let database = "answers, tables are of this version".to_owned();
            let platforms = troubled.iter().map(|state| ("platform", connection::trouble(state)));
            [("broker", broker), ("partitions", partitions)]
                .into_iter()
                .chain(reported(&placements).into_iter().map(|state| ("streams", state)))
                .chain([("database", database)])
                .chain(state.lines())
                .chain(platforms)
                .for_each(|(part, state)| table.row([part.to_owned(), state]));
            output::table(table);
        }
        Output::Json => output::json(&json!({
            "broker": {
                "version": profile.server_version,
                "max_payload_bytes": profile.max_payload_bytes,
                "durability": format!("{:?}", profile.durability),
                "partitions": bus.partitions().get(),
                "cores": profile.cores,
                "streams": placements.iter().map(placement).collect::<Vec<_>>(),
            },
            "database": {"answers": true},
            "stalled": state.stalled_json(),
            "alerts": pipeline::alerts_json(&state.alerts),
            "foreign": state.foreign_json(),
            "connections_not_ok": troubled.iter().map(connection::value).collect::<Vec<_>>(),
        })),
    }
    match state.findings() {
        0 => Ok(()),
        findings => Err(Failed::Other(format!("{findings} of these need someone to act"))),
    }
}

/// Describes the number of partitions, and that of a new installation if the broker's machine suggests another.
fn partitions(count: PartitionCount, cores: Option<usize>) -> String {
    let suggested = cores.map(|cores| (cores, PartitionCount::for_cores(cores)));
    match suggested.filter(|(_, suggested)| *suggested != count) {
        Some((cores, suggested)) => {
            let (count, suggested) = (count.get(), suggested.get());
            format!("{count}; chosen once: a new installation on {cores} cores would have {suggested}")
        }
        None => count.get().to_string(),
    }
}

/// Describes the placement of a cluster's streams: the number that each server leads, and missing leaders and
/// followers. Empty for a single server.
fn reported(placements: &[Placement]) -> Vec<String> {
    let Some(servers) = placements.iter().map(|it| it.followers.len() + 1).min() else { return Vec::new() };
    let mut led: BTreeMap<&str, usize> = BTreeMap::new();
    for leader in placements.iter().filter_map(|it| it.leader.as_deref()) {
        *led.entry(leader).or_default() += 1;
    }
    let led: Vec<String> = led.iter().map(|(server, count)| format!("{server} ({count})")).collect();
    let summary =
        format!("{}, each on {servers} servers or more; led by {}", placements.len(), led.join(", "));
    let lacking = placements.iter().flat_map(|it| {
        let unled = it.leader.is_none().then(|| format!("{} has no leader", it.stream));
        let behind = it.followers.iter().filter(|follower| !follower.is_current || follower.is_offline);
        unled.into_iter().chain(behind.map(|follower| {
            let how = if follower.is_offline { "is away from" } else { "lags behind" };
            format!("{} {how} {}, by {} operations", follower.server, it.stream, follower.behind)
        }))
    });
    std::iter::once(summary).chain(lacking).collect()
}

fn placement(it: &Placement) -> serde_json::Value {
    let followers = it.followers.iter().map(|follower| {
        json!({
            "server": follower.server,
            "current": follower.is_current,
            "offline": follower.is_offline,
            "behind": follower.behind,
        })
    });
    json!({ "stream": it.stream, "leader": it.leader, "followers": followers.collect::<Vec<_>>() })
}

/// Brings the tables up to date.
pub(crate) async fn migrate(target: Target, output: Output) -> Result<(), Failed> {
    let config = configuration(&target)?.1;
    let store = Store::connect(&config, config.vault()?).await?;
    store.migrate().await?;
    store.maintain().await?;
    match output {
        Output::Text => output::line("the tables are up to date"),
        Output::Json => output::json(&json!({"migrated": true})),
    }
    Ok(())
}

pub(crate) use pipeline::{alert_line, alerts_json};

#[cfg(test)]
mod tests {
    use super::*;
    use bus::Follower;

    fn stream(name: &str, leader: Option<&str>, behind: u64) -> Placement {
        let follower = |server: &str, behind| Follower {
            server: server.to_owned(),
            is_current: behind == 0,
            is_offline: false,
            behind,
        };
        let leader = leader.map(str::to_owned);
        Placement {
            stream: name.to_owned(),
            leader,
            followers: vec![follower("b", 0), follower("c", behind)],
        }
    }

    #[test]
    fn another_number_of_partitions_is_suggested_only_where_the_cores_are_known_and_speak_for_it() {
        let sixteen = PartitionCount::new(16).unwrap();
        assert_eq!(partitions(sixteen, None), "16");
        assert_eq!(partitions(sixteen, Some(32)), "16");
        let said = partitions(sixteen, Some(2));
        assert_eq!(said, "16; chosen once: a new installation on 2 cores would have 1");
    }

    #[test]
    fn a_cluster_is_reported_by_its_leaders_and_by_what_is_lacking_and_a_single_server_by_nothing() {
        assert!(reported(&[]).is_empty());
        let lines = reported(&[stream("RAW-0", Some("a"), 0), stream("DEAD", None, 7)]).join("\n");
        assert!(lines.starts_with("2, each on 3 servers or more; led by a (1)\n"), "{lines}");
        assert!(lines.contains("DEAD has no leader"), "{lines}");
        assert!(lines.ends_with("c lags behind DEAD, by 7 operations"), "{lines}");
    }
}
