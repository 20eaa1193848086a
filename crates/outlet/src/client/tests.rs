use super::*;
use platforms::REPLY_BYTES_DEFAULT;
use reqwest::dns::{Addrs, Name, Resolving};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Mutex,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    process::Command,
};

const LOOPBACK: &str = "127.0.0.1";

/// A resolver that returns scripted responses, one for each query and the last one repeatedly, and counts its queries.
struct Scripted {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self { answers: Mutex::new(answers.iter().map(parse).collect()), asked: Mutex::default() })
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Resolve for Scripted {
    fn resolve(&self, name: Name) -> Resolving {
        self.asked.lock().unwrap().push(name.as_str().to_owned());
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        let addresses = answer.into_iter().map(|address| SocketAddr::new(address, 0));
        Box::pin(std::future::ready(Ok(Box::new(addresses) as Addrs)))
    }
}

/// A server that sends `reply` to every client, and counts the connections.
async fn server(reply: Vec<u8>) -> (SocketAddr, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let (address, came) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(0)));
    let counted = Arc::clone(&came);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            *counted.lock().unwrap() += 1;
            let reply = reply.clone();
            tokio::spawn(async move {
                if stream.read(&mut [0; 4096]).await.is_ok_and(|count| count > 0) {
                    stream.write_all(&reply).await.ok();
                }
            });
        }
    });
    (address, came)
}

fn get(url: String) -> HttpRequest {
    HttpRequest::new(Method::Get, url)
}

fn allowing(origin: &str) -> CallsConfig {
    CallsConfig { allow: vec![AllowedOrigin::try_from(origin.to_owned()).unwrap()], ..CallsConfig::default() }
}

fn forbidden(called: &Result<OwnedReply, Failed>) -> Option<Forbidden> {
    match called {
        Err(Failed::Forbidden(forbidden)) => Some(*forbidden),
        Err(Failed::NoAnswer(_) | Failed::TooLarge { .. }) | Ok(_) => None,
    }
}

#[tokio::test]
async fn a_name_that_resolves_inside_is_refused_and_nobody_is_connected_to() {
    // The name resolves to addresses that aren't public, in various spellings.
    let inside: [&[&str]; 6] = [
        &["127.0.0.1"],
        &["169.254.169.254"],
        &["::1", "10.0.0.7"],
        &["::ffff:127.0.0.1"],
        &["64:ff9b::7f00:1"],
        &["fd00:ec2::254"],
    ];
    for addresses in inside {
        let resolver = Scripted::new(&[addresses]);
        let client = Client::with_resolver(CallsConfig::default(), Arc::clone(&resolver) as _).unwrap();
        let called = client.call(get("https://shop.example.com/x".to_owned()), None).await;
        assert_eq!(forbidden(&called), Some(Forbidden::Address), "{addresses:?}: {called:?}");
        assert_eq!(resolver.asked(), 1);
        let error = called.unwrap_err().into_call_error();
        assert!(matches!(error, CallError::AccountRefused(..)), "{error:?}");
    }
}

#[tokio::test]
async fn an_address_as_the_host_is_refused_without_a_connection() {
    let (address, came) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let client = Client::new(CallsConfig::default()).unwrap();
    let cases = [
        (format!("http://{address}/"), Forbidden::Scheme),
        (format!("https://{address}/"), Forbidden::Port),
        (format!("https://user:secret@{address}/"), Forbidden::UserInfo),
        ("https://127.0.0.1/".to_owned(), Forbidden::Address),
        ("https://0x7f.1/".to_owned(), Forbidden::Address),
        ("https://[::1]/".to_owned(), Forbidden::Address),
    ];
    for (url, expected) in cases {
        let called = client.call(get(url.clone()), None).await;
        assert_eq!(forbidden(&called), Some(expected), "{url}");
    }
    assert_eq!(*came.lock().unwrap(), 0);
}

#[tokio::test]
async fn the_client_for_public_addresses_sends_nothing_in_the_clear() {
    let (address, came) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let client = Client::new(CallsConfig::default()).unwrap();
    // Without the judgement of the URL, and without a name to resolve.
    assert!(client.public.get(format!("http://{address}/")).send().await.is_err());
    assert_eq!(*came.lock().unwrap(), 0);
}

#[tokio::test]
async fn only_the_public_ones_of_a_names_addresses_are_connected_to() {
    let resolver = Scripted::new(&[&["10.0.0.1", "8.8.8.8", "::1", "2001:4860:4860::8888"], &["127.0.0.1"]]);
    let filtered = PublicOnly(resolver);
    let found = filtered.resolve("shop.example.com".parse().unwrap()).await.unwrap();
    let found: Vec<String> = found.map(|address| address.ip().to_string()).collect();
    assert_eq!(found, ["8.8.8.8", "2001:4860:4860::8888"]);
    // The same name, resolved for the next connection, has an internal address now.
    let moved = filtered.resolve("shop.example.com".parse().unwrap()).await.err().unwrap();
    assert_eq!(moved.downcast_ref(), Some(&Forbidden::Address));
    // A name without addresses is an outage, not a wrong setting.
    let nothing = PublicOnly(Scripted::new(&[&[]])).resolve("shop.example.com".parse().unwrap()).await;
    assert_eq!(nothing.unwrap().count(), 0);
}

#[tokio::test]
async fn an_excepted_origin_is_called_and_a_redirect_from_it_is_not_followed() {
    let (inside, came_inside) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let redirect =
            format!("HTTP/1.1 {status}\r\nlocation: http://{inside}/\r\ncontent-length: 0\r\n\r\n");
        let (address, came) = server(redirect.into_bytes()).await;
        let name = format!("http://pos.internal:{}", address.port());
        let client = Client::with_resolver(allowing(&name), Scripted::new(&[&[LOOPBACK]])).unwrap();
        let reply = client.call(get(format!("{name}/x")), None).await.unwrap();
        assert_eq!((reply.is_success(), *came.lock().unwrap()), (false, 1), "{status}");
    }
    assert_eq!(*came_inside.lock().unwrap(), 0);
}

/// Plays another test in a process whose environment names a proxy.
#[tokio::test]
async fn a_proxy_from_the_environment_is_not_used() {
    let (proxy, came) = server(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let calls = "client::tests::a_request_may_have_a_limit_of_its_own";
    let mut playing = Command::new(std::env::current_exe().unwrap());
    playing.args(["--exact", calls]).env_remove("NO_PROXY").env_remove("no_proxy");
    for scheme in ["http", "https", "all"] {
        playing.env(format!("{scheme}_proxy"), format!("http://{proxy}"));
    }
    let played = playing.output().await.unwrap();
    let report = String::from_utf8_lossy(&played.stdout);
    assert!(played.status.success() && report.contains("1 passed"), "{report}");
    assert_eq!(*came.lock().unwrap(), 0);
}

#[tokio::test]
async fn the_trust_in_an_excepted_origin_serves_no_other_one_of_its_host() {
    let (address, came) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let resolver = Scripted::new(&[&[LOOPBACK]]);
    let excepted = format!("http://pos.internal:{}", address.port());
    let client = Client::with_resolver(allowing(&excepted), resolver).unwrap();
    assert!(client.call(get(format!("{excepted}/")), None).await.unwrap().is_success());
    for url in [format!("https://pos.internal:{}/", address.port()), "https://pos.internal/".to_owned()] {
        assert!(forbidden(&client.call(get(url), None).await).is_some());
    }
    assert_eq!(*came.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_reply_beyond_its_limit_is_given_up() {
    let declared = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", REPLY_BYTES_DEFAULT + 1);
    let body = vec![b'x'; REPLY_BYTES_DEFAULT + 1];
    let too_large = [declared.into_bytes(), body.clone()].concat();
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), body].concat();
    for reply in [too_large, endless] {
        let (address, _) = server(reply).await;
        let client = Client::new(CallsConfig::simulated()).unwrap();
        let called = client.call(get(format!("http://{address}/")), None).await;
        assert!(matches!(called, Err(Failed::TooLarge { .. })), "{called:?}");
    }
}

#[tokio::test]
async fn a_request_may_have_a_limit_of_its_own() {
    for (limit_bytes, is_read) in [(9, false), (10, true)] {
        let (address, _) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789".to_vec()).await;
        let client = Client::new(CallsConfig::simulated()).unwrap();
        let request = HttpRequest { reply_bytes_max: limit_bytes, ..get(format!("http://{address}/")) };
        assert_eq!(client.call(request, None).await.is_ok(), is_read, "{limit_bytes}");
    }
}

#[tokio::test]
async fn the_headers_of_a_reply_are_there_up_to_a_limit_and_without_what_is_no_text() {
    let long = "x".repeat(HEADER_BYTES_MAX);
    let head = [
        b"HTTP/1.1 200 OK\r\nLink: <next>; rel=\"next\"\r\nX-Odd: \xe9\r\nX-Long: ".as_slice(),
        long.as_bytes(),
        b"\r\ncontent-length: 0\r\n\r\n",
    ];
    let (address, _) = server(head.concat()).await;
    let client = Client::new(CallsConfig::simulated()).unwrap();
    let reply = client.call(get(format!("http://{address}/")), None).await.unwrap();
    let reply = reply.as_reply();
    assert_eq!(reply.header("link"), Some("<next>; rel=\"next\""));
    assert_eq!((reply.header("x-odd"), reply.header("x-long")), (None, None));
    assert!(!format!("{reply:?}").contains("next"));
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_says_nothing_is_given_up_at_the_time_limit() {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let client = Client::new(CallsConfig::simulated()).unwrap();
    let call = client.call(get(format!("http://{}/", listener.local_addr().unwrap())), None);
    let called = tokio::time::timeout(CALL_TIMEOUT + Duration::from_secs(1), call).await;
    assert!(matches!(called, Ok(Err(Failed::NoAnswer(_)))), "{called:?}");
}

#[test]
fn a_wait_is_read_from_seconds_and_from_a_date() {
    let now = DateTime::from_timestamp(784_111_777, 0).unwrap_or_default();
    let wait = |reported, date| wait_of(reported, date, now);
    assert_eq!(wait("2.5", None), Some(Duration::from_millis(2_500)));
    assert_eq!(wait("99999", None), Some(RETRY_AFTER_MAX));
    let at = "Sun, 06 Nov 1994 08:50:07 GMT";
    assert_eq!(wait(at, None), Some(Duration::from_secs(30)));
    assert_eq!(wait(at, Some("Sun, 06 Nov 1994 08:50:00 GMT")), Some(Duration::from_secs(7)));
    assert_eq!(wait(at, Some("Sun, 06 Nov 1994 08:59:00 GMT")), Some(Duration::ZERO));
    assert_eq!(wait("Wed, 21 Oct 2099 07:28:00 GMT", None), Some(RETRY_AFTER_MAX));
    for no_wait in ["soon", "-3", "NaN", ""] {
        assert_eq!(wait(no_wait, None), None, "{no_wait:?}");
    }
}
