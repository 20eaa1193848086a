//! The users of the broker: their keys, and the file that the server's configuration includes.

mod partners;

use crate::{
    cli::{NatsAuth, Output},
    environment::Own,
    failure::Failed,
    output,
    table::{Table, left},
};
use bus::{Keyring, Keys, Routes, User, authorization_file, cluster_file, seed_file};
use runner::Config;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path};

/// A user's change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Added,
    Rotated,
    Retired,
    Revoked,
}

impl Change {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Rotated => "rotated",
            Self::Retired => "older key retired",
            Self::Revoked => "revoked",
        }
    }
}

pub(crate) async fn run(arguments: &NatsAuth, output: Output) -> Result<(), Failed> {
    let own = Config::<Own>::load()?;
    let routes = routes(arguments)?;
    if !arguments.unchecked {
        partners::are_connections(arguments, own.service.store).await?;
    }
    let config = own.bus;
    let mut keyring = Keyring::open(&arguments.folder)?;
    let before: BTreeMap<String, Keys> =
        keyring.users().map(|keys| (keys.user.name(), keys.clone())).collect();
    apply(&mut keyring, arguments)?;
    let after: BTreeMap<String, Keys> =
        keyring.users().map(|keys| (keys.user.name(), keys.clone())).collect();
    let changes = changes(&before, &after);
    let file = authorization_file(&arguments.folder);
    let block = keyring.authorization(&config)?;
    let is_same = fs::read_to_string(&file).is_ok_and(|text| text == Keyring::server_file(&block));
    if !arguments.dry_run {
        keyring.save(&arguments.folder, &config)?;
    }
    let cluster = cluster_file(&arguments.folder);
    let is_other_cluster =
        routes.as_ref().map(|routes| routes.save(&arguments.folder, arguments.dry_run)).transpose()?;
    match output {
        Output::Json => output::json(&json!({
            "folder": arguments.folder,
            "authorization": file,
            "cluster": routes.is_some().then_some(&cluster),
            "cluster_changed": is_other_cluster,
            "streams_per_feed": config.streams_per_feed,
            "written": !arguments.dry_run,
            "server_has_to_reload": !is_same,
            "changes": changes.iter().map(|(name, change)| json!({"user": name, "change": change.as_str()})).collect::<Vec<_>>(),
            "users": after.values().map(|keys| value(keys, &arguments.folder)).collect::<Vec<_>>(),
        })),
        Output::Text => {
            print(arguments, &changes, is_same, after.len());
            if let Some(is_other) = is_other_cluster {
                print_cluster(&cluster, is_other, arguments.dry_run);
            }
        }
    }
    Ok(())
}

/// The servers of a cluster, if any are named.
fn routes(arguments: &NatsAuth) -> Result<Option<Routes>, Failed> {
    if arguments.route_server.is_empty() {
        return Ok(None);
    }
    let routes = Routes::new(&arguments.route_server, &arguments.route_tls);
    routes.map(Some).map_err(|error| Failed::Usage(error.to_string()))
}

fn print_cluster(file: &Path, is_other: bool, dry_run: bool) {
    let file = file.display();
    output::line(&match (is_other, dry_run) {
        (false, _) => format!("{file} is as before"),
        (true, true) => format!("{file} would be written; nothing was done"),
        (true, false) => {
            format!("{file} is written; restart the servers that include it, one after the other")
        }
    });
}

fn apply(keyring: &mut Keyring, arguments: &NatsAuth) -> Result<(), Failed> {
    let key = arguments.public_key.as_deref();
    if key.is_some() && arguments.rotate.is_none() && arguments.partner.len() != 2 {
        return Err(Failed::Usage("--public-key goes with one --partner or with --rotate".to_owned()));
    }
    keyring.add_ours()?;
    for pair in arguments.partner.chunks(2) {
        let [store, connection] = pair else { continue };
        let user = User::partner(store, connection).map_err(|error| Failed::Usage(error.to_string()))?;
        keyring.add_partner(user, key)?;
    }
    if let Some(name) = &arguments.rotate {
        keyring.rotate(name, key)?;
    }
    if let Some(name) = &arguments.retire {
        keyring.retire(name)?;
    }
    if let Some(name) = &arguments.revoke {
        keyring.revoke(name)?;
    }
    Ok(())
}

fn changes(before: &BTreeMap<String, Keys>, after: &BTreeMap<String, Keys>) -> Vec<(String, Change)> {
    let gone =
        before.keys().filter(|name| !after.contains_key(*name)).map(|name| (name.clone(), Change::Revoked));
    let other = after.iter().filter_map(|(name, keys)| {
        let change = match before.get(name) {
            None => Change::Added,
            Some(found) if found.key != keys.key => Change::Rotated,
            Some(found) if found.previous != keys.previous => Change::Retired,
            Some(_) => return None,
        };
        Some((name.clone(), change))
    });
    gone.chain(other).collect()
}

fn value(keys: &Keys, folder: &Path) -> Value {
    let name = keys.user.name();
    let file = seed_file(folder, &name);
    json!({
        "user": name,
        "key": keys.key,
        "previous_key": keys.previous,
        "inbox_prefix": keys.user.inbox_prefix(),
        "seed_file": file.exists().then_some(file),
    })
}

fn print(arguments: &NatsAuth, changes: &[(String, Change)], is_same: bool, users: usize) {
    let folder = arguments.folder.display();
    if !changes.is_empty() {
        let mut table = Table::new([left("user"), left("change")]);
        for (name, change) in changes {
            table.row([name.clone(), change.as_str().to_owned()]);
        }
        output::table(table);
    }
    let file = authorization_file(&arguments.folder);
    let what = match (is_same, arguments.dry_run) {
        (true, _) => format!("{users} users in {folder}, as before"),
        (false, true) => format!("{} would be written, for {users} users; nothing was done", file.display()),
        (false, false) => format!(
            "{} is written, for {users} users; have the server read it: nats-server --signal reload",
            file.display()
        ),
    };
    output::line(&what);
    if changes.iter().any(|(_, change)| *change == Change::Rotated) && !arguments.dry_run {
        output::line(
            "The older key is taken too. Hand the new seed out, restart who uses it, then --retire.",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    fn arguments(given: &[&str]) -> NatsAuth {
        let given = ["tillflow", "nats-auth"].into_iter().chain(given.iter().copied());
        match crate::cli::Cli::parse_from(given).verb {
            crate::cli::Verb::NatsAuth(arguments) => arguments,
            other => panic!("{other:?}"),
        }
    }

    fn all(keyring: &Keyring) -> BTreeMap<String, Keys> {
        keyring.users().map(|keys| (keys.user.name(), keys.clone())).collect()
    }

    #[test]
    fn each_run_says_what_it_changed_and_a_second_one_that_nothing_did() {
        let mut keyring = Keyring::default();
        let mut expect = |given: &[&str], expected: &[(&str, Change)]| {
            let before = all(&keyring);
            apply(&mut keyring, &arguments(given)).unwrap();
            let changes = changes(&before, &all(&keyring));
            let changes: Vec<_> = changes.iter().map(|(name, change)| (name.as_str(), *change)).collect();
            assert_eq!(changes, expected, "{given:?}");
        };
        let ours = ["administrator", "apply", "dedupe", "enrich", "fetch", "gateway", "ingest", "intake"];
        let others = ["normalize", "operator", "propagate", "transform"];
        let ours = ours.into_iter().chain(others).map(|name| (name, Change::Added));
        expect(&[], &ours.collect::<Vec<_>>());
        expect(&[], &[]);
        expect(&["--partner", "shop", "till"], &[("partner-till", Change::Added)]);
        expect(&["--partner", "shop", "till"], &[]);
        expect(&["--rotate", "partner-till"], &[("partner-till", Change::Rotated)]);
        expect(&["--retire", "partner-till"], &[("partner-till", Change::Retired)]);
        expect(&["--revoke", "partner-till"], &[("partner-till", Change::Revoked)]);
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let mut keyring = Keyring::default();
        for given in [
            &["--rotate", "nobody"][..],
            &["--retire", "apply"],
            &["--revoke", "apply"],
            &["--partner", "a.b", "till"],
            &["--partner", "shop", "till", "--public-key", "no key"],
            &["--public-key", "UABC"],
        ] {
            assert!(apply(&mut keyring, &arguments(given)).is_err(), "{given:?}");
        }
    }
}
