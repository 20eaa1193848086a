use super::*;
use reqwest::{Response, Version};
use rustls::{
    AlertDescription, CertificateError, Error, ProtocolVersion, ServerConfig, ServerConnection, Stream,
    SupportedProtocolVersion,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    thread::{self, JoinHandle},
    time::Duration,
};

/// Time limit of a call, and of each read of the server.
const LIMIT: Duration = Duration::from_secs(10);
/// The first bytes of a client of HTTP/2 (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../bus/tests/users/tls").join(name)
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file(name)).unwrap()
}

/// The end of a connection as its server saw it.
#[derive(Debug)]
struct Met {
    version: Option<ProtocolVersion>,
    protocol: Option<Vec<u8>>,
    /// The beginning of the request, or the error of the handshake.
    begin: Result<[u8; PREFACE.len()], Error>,
}

/// A server of one connection, with a certificate for `127.0.0.1` and `localhost` of an authority of tests.
struct Server {
    address: SocketAddr,
    thread: JoinHandle<Met>,
}

impl Server {
    fn start(version: &'static SupportedProtocolVersion, protocols: &[&[u8]]) -> Self {
        let key = PrivateKeyDer::from_pem_file(file("server-key.pem")).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate("server.pem")], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, thread: thread::spawn(move || meet(&listener, config)) }
    }

    fn url(&self) -> String {
        format!("https://{}/", self.address)
    }

    fn met(self) -> Met {
        self.thread.join().unwrap()
    }
}

/// Serves one connection: answers a request of HTTP/1.1 with an empty 200, and one of HTTP/2 with its end.
fn meet(listener: &TcpListener, config: ServerConfig) -> Met {
    let (mut socket, _) = listener.accept().unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let mut session = ServerConnection::new(Arc::new(config)).unwrap();
    let mut stream = Stream::new(&mut session, &mut socket);
    let mut begin = [0; PREFACE.len()];
    let read = stream.read_exact(&mut begin);
    if read.is_ok() && begin != *PREFACE {
        let reply = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(reply).unwrap();
        // The rest of the request is taken from the socket, or its close would destroy the reply.
        stream.read_to_end(&mut Vec::new()).ok();
    }
    Met {
        version: session.protocol_version(),
        protocol: session.alpn_protocol().map(<[u8]>::to_vec),
        begin: read.map(|()| begin).map_err(|error| tls_error(&error).unwrap()),
    }
}

async fn get(builder: ClientBuilder, url: String) -> reqwest::Result<Response> {
    builder.no_proxy().timeout(LIMIT).build().unwrap().get(url).send().await
}

/// A client that trusts the authority of tests too.
fn trusting_tests() -> ClientBuilder {
    let mut authorities = mozilla();
    authorities.add(certificate("authority.pem")).unwrap();
    trusting(authorities)
}

/// The error of TLS among the causes of an error. An `io::Error` names what it wraps by `get_ref` only.
fn tls_error(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    if let Some(found) = error.downcast_ref::<Error>() {
        return Some(found.clone());
    }
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => tls_error(wrapped),
        None => tls_error(error.source()?),
    }
}

#[tokio::test]
async fn a_server_of_an_authority_that_mozilla_does_not_know_is_refused_for_its_certificate() {
    for version in [&TLS12, &TLS13] {
        let server = Server::start(version, &PROTOCOLS);
        let refused = get(client(), server.url()).await.unwrap_err();
        let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert_eq!(tls_error(&refused), Some(unknown), "{refused:?}");
        // The server was met: it chose a protocol, and received the reason.
        let met = server.met();
        assert_eq!(met.protocol.as_deref(), Some(&b"h2"[..]));
        assert_eq!(met.begin, Err(Error::AlertReceived(AlertDescription::UnknownCA)));
    }
}

#[tokio::test]
async fn a_server_of_a_trusted_authority_is_called_in_either_version_of_tls() {
    for version in [&TLS12, &TLS13] {
        for protocols in [&PROTOCOLS[1..], &[]] {
            let server = Server::start(version, protocols);
            let reply = get(trusting_tests(), server.url()).await.unwrap();
            assert_eq!((reply.status().as_u16(), reply.version()), (200, Version::HTTP_11));
            let met = server.met();
            assert_eq!(met.version, Some(version.version));
            assert_eq!(met.protocol.as_deref(), protocols.first().copied());
        }
    }
}

#[tokio::test]
async fn a_server_that_speaks_http_2_is_spoken_to_in_http_2() {
    for protocols in [&PROTOCOLS[..], &PROTOCOLS[..1]] {
        let server = Server::start(&TLS13, protocols);
        // The server ends the connection instead of an answer.
        assert!(get(trusting_tests(), server.url()).await.is_err());
        assert_eq!(server.met().begin, Ok(*PREFACE), "{protocols:?}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let server = Server::start(&TLS13, &PROTOCOLS);
    let name = "shop.example.com";
    let led_astray = trusting_tests().resolve(name, server.address);
    let url = format!("https://{name}:{}/", server.address.port());
    let refused = get(led_astray, url).await.unwrap_err();
    let error = tls_error(&refused);
    assert!(
        matches!(error, Some(Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. }))),
        "{refused:?}"
    );
    assert_eq!(server.met().begin, Err(Error::AlertReceived(AlertDescription::BadCertificate)));
}

/// Plays the refusal in a process whose machine trusts the authority of tests.
#[test]
fn the_authorities_of_the_machine_are_not_trusted() {
    let refusal = "tests::a_server_of_an_authority_that_mozilla_does_not_know_is_refused_for_its_certificate";
    let played = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", refusal])
        .env("SSL_CERT_FILE", file("authority.pem"))
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&played.stdout);
    assert!(played.status.success() && report.contains("1 passed"), "{report}");
}

#[test]
fn the_authorities_of_mozilla_are_there() {
    let authorities = mozilla();
    for name in ["ISRG Root X1", "DigiCert Global Root G2", "GTS Root R1", "Amazon Root CA 1"] {
        let named = |subject: &[u8]| subject.windows(name.len()).any(|part| part == name.as_bytes());
        assert!(authorities.roots.iter().any(|root| named(&root.subject)), "{name}");
    }
}

#[test]
fn a_client_needs_no_cryptography_of_the_process_and_installs_none() {
    client().build().unwrap();
    assert!(CryptoProvider::get_default().is_none());
}
