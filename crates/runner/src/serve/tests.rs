use super::*;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Longer than anything in these tests takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// More bytes than the buffers of any socket can contain.
const LARGE_BYTES: usize = 64 * 1024 * 1024;

fn listening() -> Listening {
    Listening {
        name: "tests",
        connections_max: 4,
        connections_per_address_max: 100,
        requests_per_connection_max: 1000,
        connection_age_max: PATIENCE,
        trusted_proxies: Vec::new(),
        drain_timeout: Duration::from_secs(5),
    }
}

struct Served {
    address: std::net::SocketAddr,
    metrics: Metrics,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

/// Starts a listener that proves the client of `/mine`, never responds to `/wait`, and otherwise responds
/// with the path.
async fn served(listening: Listening) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (metrics, stop) = (Metrics::new().unwrap(), CancellationToken::new());
    let respond = |request: Request<Incoming>, client: Client| async move {
        let path = request.uri().path().to_owned();
        if path == "/mine" {
            client.prove();
        }
        if path == "/wait" {
            std::future::pending::<()>().await;
        }
        let large = if path == "/large" { vec![b' '; LARGE_BYTES].into() } else { Bytes::from(path) };
        Response::new(Full::new(large))
    };
    let serving = tokio::spawn(serve(listener, listening, metrics.clone(), stop.clone(), respond));
    Served { address, metrics, stop, serving }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends the bytes and reads until the connection is closed.
    async fn exchange(&self, sent: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        read_to_end(&mut stream).await
    }

    fn closed(&self, cause: &str) -> bool {
        let page = String::from_utf8(self.metrics.render()).unwrap();
        page.contains(&format!("tillflow_connections_closed_total{{cause=\"{cause}\",listener=\"tests\"}}"))
    }

    async fn has_closed(&self, cause: &str) {
        let seen = async {
            while !self.closed(cause) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("none was closed as {cause}"));
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut response = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut response)).await;
    // A reset connection has ended, too.
    read.expect("it is closed").ok();
    String::from_utf8(response).unwrap()
}

async fn ask(stream: &mut TcpStream, path: &str) -> std::io::Result<String> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n").as_bytes()).await?;
    let mut response = vec![0; 4096];
    let bytes = tokio::time::timeout(PATIENCE, stream.read(&mut response)).await.expect("it answers")?;
    response.truncate(bytes);
    Ok(String::from_utf8(response).unwrap())
}

#[tokio::test]
async fn a_full_listener_serves_a_newcomer_and_closes_the_oldest_unauthenticated_client() {
    let served = served(listening()).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut stream = served.connect().await;
        assert!(ask(&mut stream, "/").await.unwrap().starts_with("HTTP/1.1 200"));
        held.push(stream);
    }
    assert!(ask(&mut held[0], "/mine").await.unwrap().contains("200"));
    let mut newcomer = served.connect().await;
    assert!(ask(&mut newcomer, "/mine").await.unwrap().contains("200"));
    assert_eq!(read_to_end(&mut held[1]).await, "", "the oldest that proved nothing is closed");
    assert!(ask(&mut held[0], "/").await.unwrap().contains("200"), "the oldest had proven itself");
    served.has_closed("evicted").await;
    for stream in &mut held[2..] {
        assert!(ask(stream, "/mine").await.unwrap().contains("200"));
    }
    assert_eq!(served.exchange("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await, "", "all are proven");
    served.has_closed("full").await;
}

#[tokio::test]
async fn malformed_requests_are_refused_whatever_they_ask_and_end_their_connection() {
    let served = served(listening()).await;
    let good = "GET /a HTTP/1.1\r\nhost: h\r\n\r\n";
    let malformed = [
        "GET /b HTTP/1.1\r\n\r\n",
        "GET /b HTTP/1.1\r\nhost: h\r\nhost: h\r\n\r\n",
        "POST /b HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /b HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
        "POST /b HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx",
        "POST /b HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxy",
        "POST /b HTTP/1.1\r\nhost: h\r\ntransfer-encoding: gzip\r\n\r\n",
    ];
    for sent in malformed {
        // Sent after a good request, and before another one, which must not be served.
        let response = served.exchange(&[good, sent, good].concat()).await;
        let statuses: Vec<&str> =
            response.match_indices("HTTP/1.1 ").map(|(at, _)| &response[at + 9..at + 12]).collect();
        assert_eq!(statuses, ["200", "400"], "{sent:?}: {response}");
    }
    let chunked = "POST /c HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let response = served.exchange(chunked).await;
    assert!(response.starts_with("HTTP/1.1 200") && response.contains("connection: close"), "{response}");
    let old = served.exchange("GET /d HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200"), "HTTP/1.0 has no Host: {old}");
}

#[tokio::test]
async fn a_connection_ends_behind_its_last_request_and_at_its_greatest_age() {
    let few = served(Listening { requests_per_connection_max: 2, ..listening() }).await;
    let good = "GET /a HTTP/1.1\r\nhost: h\r\n\r\n";
    let response = few.exchange(&good.repeat(3)).await;
    assert_eq!(response.matches("HTTP/1.1 200").count(), 2, "{response}");
    few.has_closed("requests").await;

    let brief = served(Listening { connection_age_max: Duration::from_millis(100), ..listening() }).await;
    let mut stream = brief.connect().await;
    assert!(ask(&mut stream, "/mine").await.unwrap().contains("200"));
    assert_eq!(read_to_end(&mut stream).await, "");
    brief.has_closed("age").await;
}

#[tokio::test]
async fn stopping_ends_idle_connections_at_once_and_cuts_off_the_others_in_time() {
    let served = served(Listening { drain_timeout: Duration::from_millis(100), ..listening() }).await;
    let (mut idle, mut waiting) = (served.connect().await, served.connect().await);
    assert!(ask(&mut idle, "/mine").await.unwrap().contains("200"));
    waiting.write_all(b"GET /wait HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    served.stop.cancel();
    assert_eq!(read_to_end(&mut idle).await, "");
    assert_eq!(read_to_end(&mut waiting).await, "");
    tokio::time::timeout(PATIENCE, served.serving).await.expect("it ends").unwrap();
}

#[tokio::test]
async fn who_sends_no_request_or_reads_no_response_is_given_up() {
    let served = served(listening()).await;
    let (mut silent, mut slow, mut deaf) =
        (served.connect().await, served.connect().await, served.connect().await);
    slow.write_all(b"GET / HT").await.unwrap();
    deaf.write_all(b"GET /large HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    // Once all tasks are idle, the paused time advances by itself.
    deaf.readable().await.unwrap();
    tokio::time::pause();
    sleep(HEADER_TIMEOUT + Duration::from_secs(1)).await;
    for stream in [&mut silent, &mut slow] {
        let response = read_to_end(stream).await;
        assert!(response.is_empty() || response.starts_with("HTTP/1.1 408"), "{response}");
    }
    served.has_closed("header_timeout").await;
    assert!(!served.closed("write_timeout"));
    sleep(Duration::from_secs(20)).await;
    served.has_closed("write_timeout").await;
}

#[test]
fn a_shortage_is_logged_once_in_ten_seconds() {
    let (mut shortage, began) = (Shortage::default(), Instant::now());
    let error = io::Error::from(io::ErrorKind::OutOfMemory);
    let said =
        |shortage: &mut Shortage, second| shortage.note("tests", &error, began + Duration::from_secs(second));
    let logged: Vec<u64> = (0..25).filter(|second| said(&mut shortage, *second)).collect();
    assert_eq!(logged, [0, 10, 20]);
    assert_eq!(shortage.suppressed, 4);
    let passed: Vec<u64> =
        (24..60).filter(|second| shortage.has_passed(began + Duration::from_secs(*second))).collect();
    assert_eq!(passed, [34]);
    assert!(is_of_one_connection(&io::ErrorKind::ConnectionAborted.into()));
    // EMFILE.
    assert!(!is_of_one_connection(&io::Error::from_raw_os_error(24)));
}
