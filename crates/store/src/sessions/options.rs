//! Options of a connection, as the pool's client understands them, for the client of apply's transactions.

use super::tls::{Authenticity, Identity, Tls};
use crate::{StoreError, error::unusable_options};
use sqlx::{
    ConnectOptions as _,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio_postgres::{
    Config,
    config::{ChannelBinding, SslMode},
};

/// Returns the configuration of the client and its TLS. The files that the options name are read each time, because
/// certificates are replaced while a process runs.
pub(super) fn read(options: &PgConnectOptions) -> Result<(Config, Tls), StoreError> {
    let secret = Secret::of(options);
    let mut config = Config::new();
    config
        .port(options.get_port())
        .user(options.get_username())
        .ssl_mode(match options.get_ssl_mode() {
            // As the pool's client: plain unless TLS is wanted.
            PgSslMode::Disable | PgSslMode::Allow => SslMode::Disable,
            PgSslMode::Prefer => SslMode::Prefer,
            PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => SslMode::Require,
        })
        .channel_binding(ChannelBinding::Disable);
    match options.get_socket() {
        Some(socket) => config.host_path(socket),
        None => config.host(options.get_host()),
    };
    if let Some(database) = options.get_database() {
        config.dbname(database);
    }
    if let Some(name) = options.get_application_name() {
        config.application_name(name);
    }
    if let Some(options) = options.get_options() {
        config.options(options);
    }
    if let Some(password) = secret.password {
        config.password(password);
    }
    let authenticity = match options.get_ssl_mode() {
        PgSslMode::VerifyFull => Authenticity::OfHost,
        PgSslMode::VerifyCa => Authenticity::OfAuthority,
        _ => Authenticity::Unverified,
    };
    let identity = match (secret.certificate, secret.key) {
        (Some(certificates), Some(key)) => {
            Some(Identity { certificates: pem(&certificates)?, key: pem(&key)? })
        }
        (None, None) => None,
        _ => return Err(unusable_options()),
    };
    let authorities = secret.authorities.as_deref().map(pem).transpose()?;
    Ok((config, Tls::new(authenticity, authorities.as_deref(), identity)?))
}

/// The options that the pool's client gives away in its URL only.
#[derive(Default)]
struct Secret {
    password: Option<Vec<u8>>,
    authorities: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

impl Secret {
    fn of(options: &PgConnectOptions) -> Self {
        let url = options.to_url_lossy();
        let mut secret = Self::default();
        // The client decodes what is encoded in a URL.
        let encoded = url.password().map(|password| format!("postgres://any:{password}@any"));
        let decoded = encoded.and_then(|url| url.parse::<Config>().ok());
        secret.password = decoded.and_then(|config| config.get_password().map(<[u8]>::to_vec));
        for (name, value) in url.query_pairs() {
            let option = match &*name {
                "sslrootcert" => &mut secret.authorities,
                "sslcert" => &mut secret.certificate,
                "sslkey" => &mut secret.key,
                _ => continue,
            };
            *option = Some(value.into_owned());
        }
        secret
    }
}

/// Returns the content of an option that is PEM or, behind this word, the path of a file of PEM.
fn pem(option: &str) -> Result<Vec<u8>, StoreError> {
    match option.strip_prefix("file: ") {
        Some(path) => std::fs::read(path).map_err(|_| unusable_options()),
        None => Ok(option.as_bytes().to_vec()),
    }
}
