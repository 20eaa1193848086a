//! Bytes of an HTTP connection, read by the loop of every listener.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, header::TRANSFER_ENCODING};
use runner::{Client, Listening, serve_connection};
use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Longer than a connection takes if all its bytes are available.
const PATIENCE: Duration = Duration::from_mins(1);
/// Number of times that a client waits after its last byte before it closes its side, so that its requests are
/// served meanwhile.
const WAITS: u32 = 64;

/// Checks that no request with an ambiguous end reaches its handler, and none that follows a chunked body. Input: a
/// byte with the size of the pieces that the rest is cut into, then the bytes that a client sends.
pub fn heads(data: &[u8]) {
    let [cut, sent @ ..] = data else { return };
    let taken = requests(sent, usize::from(*cut));
    for (number, request) in taken.iter().enumerate() {
        assert!(!request.is_ambiguous(sent), "request {number} was read: {}", request.start);
        assert!(
            !request.in_chunks || number + 1 == taken.len(),
            "a request was read behind a body in chunks"
        );
    }
}

/// Returns the requests that reach their handler.
fn requests(sent: &[u8], piece: usize) -> Vec<Taken> {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let respond = {
        let taken = Arc::clone(&taken);
        move |request: Request<Incoming>, _: Client| {
            let taken = Arc::clone(&taken);
            async move {
                taken.lock().unwrap_or_else(PoisonError::into_inner).push(Taken::of(&request));
                if request.method() != hyper::Method::GET {
                    // Some handlers read the body, others don't.
                    let _ = request.into_body().collect().await;
                }
                Response::new(Full::new(Bytes::from_static(b"ok")))
            }
        }
    };
    let stream = Pieces { sent: sent.to_vec(), at: 0, piece, waits: WAITS };
    let serving = serve_connection(stream, IpAddr::V4(Ipv4Addr::LOCALHOST), listening(), respond);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let ended = runtime.expect("a runtime").block_on(serving);
    assert!(ended.is_ok(), "the only connection has a permit");
    std::mem::take(&mut *taken.lock().unwrap_or_else(PoisonError::into_inner))
}

fn listening() -> Listening {
    Listening {
        name: "fuzz",
        connections_max: 1,
        connections_per_address_max: 1,
        requests_per_connection_max: 100,
        connection_age_max: PATIENCE,
        trusted_proxies: Vec::new(),
        drain_timeout: PATIENCE,
    }
}

/// A request that reached its handler.
struct Taken {
    /// Its method and target, as its first line begins.
    start: String,
    in_chunks: bool,
}

impl Taken {
    fn of(request: &Request<Incoming>) -> Self {
        let in_chunks = request.headers().contains_key(TRANSFER_ENCODING);
        Self { start: format!("{} {} HTTP/", request.method(), request.uri()), in_chunks }
    }

    /// Returns true if each head in `sent` that begins like this one states its body's length twice: then this
    /// one's did.
    fn is_ambiguous(&self, sent: &[u8]) -> bool {
        let start = self.start.as_bytes();
        let heads = sent.windows(start.len()).enumerate().filter(|(_, window)| *window == start);
        let mut verdicts = heads.map(|(at, _)| says_its_length_twice(&sent[at..])).peekable();
        verdicts.peek().is_some() && verdicts.all(|twice| twice)
    }
}

/// Returns true if a head states the length of its body more than once.
fn says_its_length_twice(head: &[u8]) -> bool {
    let lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut headers = lines.skip(1).take_while(|line| !line.is_empty());
    let (mut lengths, mut codings) = (0, 0);
    headers.by_ref().filter_map(|line| line.split(|byte| *byte == b':').next()).for_each(|name| {
        lengths += usize::from(name.eq_ignore_ascii_case(b"content-length"));
        codings += usize::from(name.eq_ignore_ascii_case(b"transfer-encoding"));
    });
    lengths > 1 || (lengths > 0 && codings > 0)
}

/// A client that sends its bytes in pieces, closes its side, and reads every response.
struct Pieces {
    sent: Vec<u8>,
    at: usize,
    /// The length of a piece; zero sends everything at once.
    piece: usize,
    /// Number of times that it still reports more bytes to come.
    waits: u32,
}

impl AsyncRead for Pieces {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let rest = &this.sent[this.at..];
        if rest.is_empty() && this.waits > 0 {
            this.waits -= 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = if this.piece == 0 { rest.len() } else { this.piece.min(rest.len()) };
        let bytes = piece.min(buffer.remaining());
        buffer.put_slice(&rest[..bytes]);
        this.at += bytes;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_to_their_handlers_up_to_the_first_whose_end_is_ambiguous() {
        const PLAIN: &str = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345";
        const BARE: &str = "GET /b HTTP/1.1\r\nHost: h\r\n\r\n";
        const BOTH: &str =
            "POST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        for (sent, expected) in [
            (PLAIN.to_owned(), 1),
            ([BARE, PLAIN, BARE].concat(), 3),
            (BOTH.to_owned(), 0),
            ([BARE, BOTH, BARE].concat(), 1),
        ] {
            for piece in [0, 1, 7] {
                assert_eq!(requests(sent.as_bytes(), piece).len(), expected, "{sent:?} in pieces of {piece}");
            }
        }
        let taken = Taken { start: "POST /c HTTP/".to_owned(), in_chunks: true };
        assert!(taken.is_ambiguous(BOTH.as_bytes()) && !taken.is_ambiguous(BARE.as_bytes()));
    }
}
