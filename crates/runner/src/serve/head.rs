//! The heads of requests on the wire.
//!
//! hyper accepts `Transfer-Encoding` beside `Content-Length` and removes the latter from the request, so that the
//! service can't refuse a request that a proxy in front of it may have framed differently. The bytes are therefore
//! checked before hyper reads them, with the same parser.

/// Upper limit of a head, in bytes; also the size of hyper's buffer.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Upper limit of the number of headers; same as hyper's.
const HEADERS_MAX: usize = 100;

/// Follows the requests of one connection from head to head.
#[derive(Debug)]
pub(super) struct Heads {
    state: State,
    heads: u64,
}

#[derive(Debug)]
enum State {
    /// In a head; the bytes of it so far.
    Head(Vec<u8>),
    /// In a body; the number of bytes left.
    Body(u64),
    /// After the last head that is checked: the connection ends with that request.
    Last,
}

/// The framing of the bytes after a head.
#[derive(Debug, PartialEq, Eq)]
struct Framing {
    /// True if the end of the body can be read in two ways.
    ambiguous: bool,
    /// Length of the body, in bytes; `None` if the connection ends with this request.
    body_bytes: Option<u64>,
}

impl Heads {
    pub(super) const fn new() -> Self {
        Self { state: State::Head(Vec::new()), heads: 0 }
    }

    /// Reads the next bytes of the connection. Returns the number (from 0) of the first request whose framing is
    /// ambiguous; later requests are not checked.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Option<u64> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Last => return None,
                State::Body(left) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= taken as u64;
                    if *left == 0 {
                        self.state = State::Head(Vec::new());
                    }
                    bytes = bytes.get(taken..).unwrap_or_default();
                }
                State::Head(before) => {
                    let had = before.len();
                    let read = if had == 0 {
                        framing(bytes)
                    } else {
                        before.extend_from_slice(bytes);
                        framing(before)
                    };
                    let Some((head_bytes, framing)) = read else {
                        if had == 0 {
                            before.extend_from_slice(bytes);
                        }
                        if before.len() > HEAD_BYTES_MAX {
                            self.state = State::Last;
                        }
                        return None;
                    };
                    bytes = bytes.get(head_bytes.saturating_sub(had)..).unwrap_or_default();
                    let number = self.heads;
                    self.heads += 1;
                    self.state = match framing.body_bytes {
                        Some(0) => State::Head(Vec::new()),
                        Some(body_bytes) => State::Body(body_bytes),
                        None => State::Last,
                    };
                    if framing.ambiguous {
                        self.state = State::Last;
                        return Some(number);
                    }
                }
            }
        }
        None
    }
}

/// Returns the length of a head and its framing; `None` while it is incomplete. A head that can't be parsed is
/// refused by hyper.
fn framing(bytes: &[u8]) -> Option<(usize, Framing)> {
    const REFUSED_BY_HYPER: Framing = Framing { ambiguous: false, body_bytes: None };
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let head_bytes = match request.parse(bytes) {
        Ok(httparse::Status::Complete(head_bytes)) => head_bytes,
        Ok(httparse::Status::Partial) => return None,
        Err(_) => return Some((bytes.len(), REFUSED_BY_HYPER)),
    };
    let of = |name: &'static str| {
        request.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name))
    };
    let lengths = of("content-length").count();
    let coded = of("transfer-encoding").next().is_some();
    let body_bytes = match of("content-length").next() {
        // The end of a chunked body isn't followed here: the connection is closed after it.
        _ if coded => None,
        None => Some(0),
        Some(length) => std::str::from_utf8(length.value).ok().and_then(|text| text.trim().parse().ok()),
    };
    Some((head_bytes, Framing { ambiguous: lengths > 1 || (coded && lengths > 0), body_bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345";
    const BARE: &str = "GET /b HTTP/1.1\r\nHost: h\r\n\r\n";
    const CHUNKED: &str = "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    const BOTH: &str =
        "POST /d HTTP/1.1\r\nHost: h\r\ncontent-length: 4\r\nTransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    const BOTH_TURNED: &str =
        "POST /e HTTP/1.1\r\nHost: h\r\nTRANSFER-ENCODING: chunked\r\nCONTENT-LENGTH: 4\r\n\r\n0\r\n\r\n";
    const TWICE: &str = "POST /f HTTP/1.1\nHost: h\nContent-Length: 1\nContent-Length: 1\n\nx";

    fn first_ambiguous(text: &str, piece: usize) -> Option<u64> {
        let mut heads = Heads::new();
        text.as_bytes().chunks(piece).find_map(|bytes| heads.feed(bytes))
    }

    #[test]
    fn an_ambiguous_head_is_found_wherever_it_stands_and_however_it_is_cut() {
        let cases = [
            (PLAIN.to_owned(), None),
            ([PLAIN, BARE, PLAIN].concat(), None),
            (CHUNKED.to_owned(), None),
            (BOTH.to_owned(), Some(0)),
            (BOTH_TURNED.to_owned(), Some(0)),
            (TWICE.to_owned(), Some(0)),
            ([PLAIN, BARE, BOTH].concat(), Some(2)),
            (["\r\n", BARE, TWICE].concat(), Some(1)),
            // The connection ends after a chunked body.
            ([CHUNKED, BOTH].concat(), None),
            // A body that looks like a head is not one.
            (format!("POST /g HTTP/1.1\r\nContent-Length: {}\r\n\r\n{BOTH}{BARE}", BOTH.len()), None),
            (format!("POST /h HTTP/1.1\r\nContent-Length: x\r\n\r\n{BOTH}"), None),
            ("\u{0}\u{1}".to_owned() + BOTH, None),
        ];
        for (text, expected) in cases {
            for piece in [1, 2, 7, 64, text.len()] {
                assert_eq!(first_ambiguous(&text, piece), expected, "in pieces of {piece}: {text:?}");
            }
        }
    }

    #[test]
    fn a_head_without_an_end_is_kept_no_longer_than_the_longest() {
        let mut heads = Heads::new();
        for _ in 0..1024 {
            assert_eq!(heads.feed(&[b'a'; 1024]), None);
        }
        assert!(matches!(heads.state, State::Last), "it was given up");
    }
}
