//! Signatures of deliveries, without sending any.

mod headers;
mod sign;
mod verify;

use crate::{
    cli::{SECRET_VARIABLE, Signing},
    environment::{Running, RunningConnection},
    failure::Failed,
};
use platforms::Platform;
use std::{fs, io::Read as _, path::Path};

pub(crate) use sign::run as sign;
pub(crate) use verify::run as verify;

/// The platform of that name; the error lists those that there are.
fn platform(name: &str) -> Result<&'static dyn Platform, Failed> {
    platforms::find(name).ok_or_else(|| {
        let known: Vec<&str> = platforms::all().iter().map(|platform| platform.name()).collect();
        Failed::Usage(format!("no platform is called {name:?}; there are {}", known.join(", ")))
    })
}

/// The connection that the arguments name or describe, and its active secrets.
fn connection(platform: &str, signing: &Signing) -> Result<(RunningConnection, Vec<String>), Failed> {
    if let Some(id) = &signing.connection {
        let running = Running::expect(&signing.target.dir)?;
        let found = running.connections.into_iter().find(|connection| connection.id == *id);
        let found = found.ok_or_else(|| Failed::Other(format!("there is no connection {id}")))?;
        if found.platform != platform {
            let of = &found.platform;
            return Err(Failed::Usage(format!("connection {id} is of {of}, not {platform}")));
        }
        let secrets = vec![found.secret.clone()];
        return Ok((found, secrets));
    }
    let secrets = match &signing.secret_file {
        Some(file) => secrets(&String::from_utf8_lossy(&read(file)?)),
        None => secrets(&std::env::var(SECRET_VARIABLE).unwrap_or_default()),
    };
    let Some(secret) = secrets.first().cloned() else {
        return Err(Failed::Usage(format!(
            "no secret: say --secret-file or --connection, or set {SECRET_VARIABLE}"
        )));
    };
    let described = RunningConnection {
        id: String::new(),
        platform: platform.to_owned(),
        store: String::new(),
        webhook_url: signing.url.clone(),
        secret,
        account: signing.account.clone(),
    };
    Ok((described, secrets))
}

/// The secrets of a text: its lines without surrounding white space, which no platform's secret has.
fn secrets(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Reads a file, or standard input for `-`.
fn read(file: &Path) -> Result<Vec<u8>, Failed> {
    let mut content = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut content).map(|_| content)
    } else {
        fs::read(file)
    };
    read.map_err(|error| Failed::io(format!("{} can't be read", file.display()), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_a_file_is_a_secret() {
        assert_eq!(secrets(" present \r\n\nformer\n"), ["present", "former"]);
        assert!(secrets("\n \n").is_empty());
    }

    #[test]
    fn an_unknown_platform_is_refused_with_those_that_there_are() {
        let Err(refused) = platform("nobody") else { panic!("nobody is a platform") };
        for platform in platforms::all() {
            assert!(refused.to_string().contains(platform.name()), "{refused}");
        }
    }
}
