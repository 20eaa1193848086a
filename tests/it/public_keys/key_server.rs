//! A platform's list of public keys, over HTTP.

use super::platform::Key;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

#[derive(Default)]
struct State {
    keys: BTreeMap<String, String>,
    fetched: Vec<String>,
    is_failing: bool,
    is_held: bool,
}

/// A server that has `/keys/{id}`; it serves until the test ends.
pub(crate) struct KeyServer {
    /// Scheme, host and port.
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

impl KeyServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it has an address"));
        let state = Arc::<Mutex<State>>::default();
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self { url, state }
    }

    pub(crate) fn publish(&self, key: &Key) {
        self.state.lock().expect("no panic").keys.insert(format!("/keys/{}", key.id), key.public());
    }

    pub(crate) fn fail(&self, is_failing: bool) {
        self.state.lock().expect("no panic").is_failing = is_failing;
    }

    /// Leaves requests without a reply for as long as this is set.
    pub(crate) fn hold(&self, is_held: bool) {
        self.state.lock().expect("no panic").is_held = is_held;
    }

    /// The paths of all requests, in their order.
    pub(crate) fn fetched(&self) -> Vec<String> {
        self.state.lock().expect("no panic").fetched.clone()
    }
}

/// Replies to one request and closes the connection.
async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let (status, body) = {
        let mut state = state.lock().expect("no panic");
        let found = state.keys.get(&path).cloned();
        state.fetched.push(path);
        match found {
            _ if state.is_failing => ("500 Internal Server Error", String::new()),
            Some(key) => ("200 OK", key),
            None => ("404 Not Found", String::new()),
        }
    };
    while state.lock().expect("no panic").is_held {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let reply =
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(reply.as_bytes()).await.ok();
}
