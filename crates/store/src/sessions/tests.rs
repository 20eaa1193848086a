use super::{
    Sessions, options,
    tls::{Authenticity, Identity, Tls},
};
use crate::{
    StoreError,
    row::Row as _,
    statement::{
        Statement, parameters, query,
        tests::{Database, migrated},
    },
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use sqlx::postgres::PgConnectOptions;
use std::{
    fs::Permissions,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    str::FromStr as _,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_postgres::{
    config::{Host, SslMode},
    tls::{MakeTlsConnect, TlsConnect as _},
};
use tokio_rustls::TlsAcceptor;

/// Returns a file of the authority of tests, whose server has a certificate for `127.0.0.1` and `localhost`.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../bus/tests/users/tls").join(name)
}

fn pem(name: &str) -> Vec<u8> {
    std::fs::read(file(name)).unwrap()
}

fn server() -> TlsAcceptor {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(file("server.pem")).unwrap()],
            PrivateKeyDer::from_pem_file(file("server-key.pem")).unwrap(),
        );
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

/// Returns whether a client accepts the server as that host, and reads what the server sends.
async fn accepts(mut tls: Tls, host: &str) -> bool {
    let (near, far) = tokio::io::duplex(16 * 1024);
    let server = tokio::spawn(async move {
        let Ok(mut stream) = server().accept(far).await else { return };
        stream.write_all(b"welcome").await.unwrap();
        stream.shutdown().await.ok();
    });
    let connect = MakeTlsConnect::<tokio::io::DuplexStream>::make_tls_connect(&mut tls, host).unwrap();
    let accepted = match connect.connect(near).await {
        Ok(mut stream) => {
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            text == "welcome"
        }
        Err(_) => false,
    };
    server.await.unwrap();
    accepted
}

#[tokio::test]
async fn a_server_s_certificate_is_verified_as_far_as_the_mode_says() {
    let tls = |authenticity, authority: Option<&str>| {
        Tls::new(authenticity, authority.map(pem).as_deref(), None).unwrap()
    };
    let own = Some("authority.pem");
    assert!(accepts(tls(Authenticity::Unverified, None), "elsewhere").await);
    assert!(accepts(tls(Authenticity::OfAuthority, own), "elsewhere").await);
    assert!(!accepts(tls(Authenticity::OfAuthority, None), "localhost").await);
    assert!(!accepts(tls(Authenticity::OfAuthority, Some("other-authority.pem")), "localhost").await);
    assert!(accepts(tls(Authenticity::OfHost, own), "localhost").await);
    assert!(accepts(tls(Authenticity::OfHost, own), "127.0.0.1").await);
    assert!(!accepts(tls(Authenticity::OfHost, own), "elsewhere").await);
    assert!(!accepts(tls(Authenticity::OfHost, own), "not_a_name_").await);
}

#[test]
fn certificates_that_cant_be_used_are_an_error_of_the_set_up() {
    let identity =
        |certificates: &str, key: &str| Identity { certificates: pem(certificates), key: pem(key) };
    assert!(Tls::new(Authenticity::OfHost, None, Some(identity("client.pem", "client-key.pem"))).is_ok());
    assert!(Tls::new(Authenticity::OfHost, None, Some(identity("client.pem", "server-key.pem"))).is_err());
    assert!(Tls::new(Authenticity::OfHost, None, Some(identity("client.pem", "client.pem"))).is_err());
    assert!(Tls::new(Authenticity::OfHost, Some(b"-----BEGIN CERTIFICATE-----"), None).is_err());
}

/// Returns whether apply's connection to that URL is encrypted.
async fn is_encrypted(url: &str) -> Result<bool, StoreError> {
    const ENCRYPTED: Statement<parameters!()> =
        Statement::new("SELECT ssl AS encrypted FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    let limit = Duration::from_secs(10);
    let options = PgConnectOptions::from_str(url).unwrap();
    let mut lease = Arc::new(Sessions::new(options, 1, limit, limit)).take().await?;
    let answer = lease.send(limit, vec![query(ENCRYPTED)]).await?.pop().unwrap()?;
    answer.rows[0].value("encrypted")
}

/// Has the server offer TLS, with the certificate of the tests.
async fn offer_tls(database: &Database) {
    let folder = database.scratch.path().join("postgres");
    let owner = std::fs::metadata(folder.join("cluster")).unwrap().uid();
    let mut set = Vec::new();
    for (setting, name) in [("ssl_cert_file", "server.pem"), ("ssl_key_file", "server-key.pem")] {
        let path = folder.join(name);
        std::fs::write(&path, pem(name)).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(owner), None).unwrap();
        set.push(format!("ALTER SYSTEM SET {setting} = '{}'", path.display()));
    }
    set.push("ALTER SYSTEM SET ssl = on".to_owned());
    set.push("SELECT pg_reload_conf()".to_owned());
    let mut psql = database.server.psql().unwrap();
    for statement in set {
        psql.arg("--command").arg(statement);
    }
    assert!(psql.status().await.unwrap().success());
}

#[tokio::test]
async fn a_server_with_tls_is_reached_as_the_mode_says() {
    let database = migrated().await;
    let url = |options: &str| format!("{}?{options}", database.server.url());
    assert!(!is_encrypted(&url("sslmode=prefer")).await.unwrap(), "the server offers none");
    assert!(is_encrypted(&url("sslmode=require")).await.is_err());
    offer_tls(&database).await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_encrypted(&url("sslmode=prefer")).await.unwrap() {
        assert!(Instant::now() < deadline, "the server doesn't offer TLS");
    }
    assert!(!is_encrypted(&url("sslmode=disable")).await.unwrap());
    assert!(is_encrypted(&url("sslmode=require")).await.unwrap());
    assert!(is_encrypted(&url("sslmode=verify-full")).await.is_err(), "nobody trusts the authority of tests");
    let trusting = format!("sslmode=verify-full&sslrootcert={}", file("authority.pem").display());
    assert!(is_encrypted(&url(&trusting)).await.unwrap());
}

fn read(url: &str) -> Result<tokio_postgres::Config, StoreError> {
    Ok(options::read(&PgConnectOptions::from_str(url).unwrap())?.0)
}

#[test]
fn options_of_a_url_mean_what_they_mean_to_the_pool() {
    let url = "postgres://us%40er:p%3A%2F%40%20%C3%A4ss@db.example:6543/till%20flow\
               ?sslmode=require&application_name=x&options=-c%20jit%3Doff";
    let config = read(url).unwrap();
    assert_eq!(config.get_user(), Some("us@er"));
    assert_eq!(config.get_password(), Some("p:/@ äss".as_bytes()));
    assert_eq!(config.get_hosts(), [Host::Tcp("db.example".to_owned())]);
    assert_eq!(config.get_ports(), [6543]);
    assert_eq!(config.get_dbname(), Some("till flow"));
    assert_eq!(config.get_application_name(), Some("x"));
    assert_eq!(config.get_options(), Some("-c jit=off"));
    assert_eq!(config.get_ssl_mode(), SslMode::Require);

    let config = read("postgres://u@%2Frun%2Fpostgresql/d").unwrap();
    assert_eq!(config.get_hosts(), [Host::Unix("/run/postgresql".into())]);
}

#[test]
fn modes_of_tls_are_those_of_the_pool_and_files_that_are_missing_are_an_error_of_the_set_up() {
    let mode = |text: &str| read(&format!("postgres://u@h/d?sslmode={text}")).unwrap().get_ssl_mode();
    for text in ["disable", "allow"] {
        assert_eq!(mode(text), SslMode::Disable, "{text}");
    }
    assert_eq!(mode("prefer"), SslMode::Prefer);
    for text in ["require", "verify-ca", "verify-full"] {
        assert_eq!(mode(text), SslMode::Require, "{text}");
    }
    let with = |options: &str| read(&format!("postgres://u@h/d?sslmode=verify-full&{options}"));
    let path = |name| file(name).display().to_string();
    assert!(with(&format!("sslrootcert={}", path("authority.pem"))).is_ok());
    assert!(with(&format!("sslcert={}&sslkey={}", path("client.pem"), path("client-key.pem"))).is_ok());
    for options in ["sslrootcert=/nowhere.pem".to_owned(), format!("sslcert={}", path("client.pem"))] {
        let refused = with(&options).err().unwrap();
        assert!(!refused.is_retryable(), "{refused}");
    }
}
