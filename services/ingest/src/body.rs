//! Reads and decompresses request bodies, within limits on both the received and the decompressed size.

use crate::{
    BodyRefusal,
    room::{NoRoom, RequestRoom},
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use std::{error::Error, io::Read, time::Duration};
use tokio::sync::Semaphore;

/// The accepted content codings, as `Accept-Encoding` lists them.
pub(crate) const CODINGS: &str = "gzip, x-gzip, deflate, identity";

/// Time limit for reading a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Upper limit of bodies that are processed at once, each on a thread of its own.
pub(crate) const PROCESSED_AT_ONCE_MAX: usize = 4;
/// Upper limit of a body that is processed on the serving thread, in bytes: its digest costs less than a switch
/// of threads.
const PROCESSED_IN_PLACE_BYTES_MAX: usize = 32 * 1024;
/// Time limit for the rest of a refused body, which is discarded so that its sender reads the response.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);
/// Upper limit of the rest of a refused body that is discarded, in bytes.
const DISCARD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The reason why there is no body to process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadBody {
    /// It wasn't received in time.
    TooSlow,
    /// The connection broke.
    CutOff,
    /// There is no room for it.
    NoRoom,
    /// It was received and is refused.
    Refused(BodyRefusal),
}

/// An accepted content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// No coding.
    Identity,
    /// RFC 1952; one member only, since each further one costs work and may be empty.
    Gzip,
    /// zlib (RFC 1950).
    Deflate,
}

impl Coding {
    /// The coding that the values of `Content-Encoding` name (RFC 9110, 8.4.1): in any case, with white space around
    /// it; `identity` and empty list elements are ignored. Two codings on top of each other are refused as unknown.
    pub(crate) fn of<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, BadBody> {
        let mut coding = Self::Identity;
        for name in values.into_iter().flat_map(|value| value.split(|byte| *byte == b',')) {
            let next = match name.trim_ascii().to_ascii_lowercase().as_slice() {
                b"" | b"identity" => continue,
                b"gzip" | b"x-gzip" => Self::Gzip,
                b"deflate" => Self::Deflate,
                _ => return Err(BadBody::Refused(BodyRefusal::UnknownCoding)),
            };
            if coding != Self::Identity {
                return Err(BadBody::Refused(BodyRefusal::UnknownCoding));
            }
            coding = next;
        }
        Ok(coding)
    }

    /// Returns the body without the coding; fails if it is larger than `limit_bytes`.
    fn decoded(self, body: &Bytes, limit_bytes: usize) -> Result<Bytes, BadBody> {
        let mut rest = &body[..];
        match self {
            Self::Identity => return Ok(body.clone()),
            Self::Gzip => bounded(flate2::bufread::GzDecoder::new(&mut rest), limit_bytes),
            Self::Deflate => bounded(flate2::bufread::ZlibDecoder::new(&mut rest), limit_bytes),
        }
        .and_then(|plain| if rest.is_empty() { Ok(plain) } else { Err(MALFORMED) })
    }
}

/// Decodes a body from the content coding that the values of its `Content-Encoding` name, as the intake does. Fails if
/// it is larger than `limit_bytes`.
pub fn decode_body<'a>(
    encodings: impl IntoIterator<Item = &'a [u8]>,
    body: &Bytes,
    limit_bytes: usize,
) -> Result<Bytes, BodyRefusal> {
    let decoded = Coding::of(encodings).and_then(|coding| coding.decoded(body, limit_bytes));
    decoded.map_err(|bad| match bad {
        BadBody::Refused(refusal) => refusal,
        // Can't occur: the body is already read.
        BadBody::TooSlow | BadBody::CutOff | BadBody::NoRoom => BodyRefusal::Malformed,
    })
}

const MALFORMED: BadBody = BadBody::Refused(BodyRefusal::Malformed);

fn bounded(decoder: impl Read, limit_bytes: usize) -> Result<Bytes, BadBody> {
    let mut plain = Vec::new();
    match decoder.take(limit_bytes as u64 + 1).read_to_end(&mut plain) {
        Ok(bytes) if bytes > limit_bytes => Err(BadBody::Refused(BodyRefusal::TooLarge { limit_bytes })),
        Ok(_) => Ok(plain.into()),
        Err(_) => Err(MALFORMED),
    }
}

/// Processes bodies on threads other than the serving ones, a few at once: an expensive body doesn't delay
/// other senders.
pub(crate) struct BodyWorkers(Semaphore);

impl Default for BodyWorkers {
    fn default() -> Self {
        Self(Semaphore::new(PROCESSED_AT_ONCE_MAX))
    }
}

impl BodyWorkers {
    /// Runs work on a body of `bytes` bytes; for a small body on the current thread.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BadBody> {
        if bytes <= PROCESSED_IN_PLACE_BYTES_MAX {
            return Ok(work());
        }
        // Never closed.
        let _turn = self.0.acquire().await;
        // Fails only when the process ends.
        tokio::task::spawn_blocking(work).await.map_err(|_| BadBody::CutOff)
    }

    /// Returns the body without its coding; fails if it is larger than `limit_bytes`.
    pub(crate) async fn decoded(
        &self,
        coding: Coding,
        body: &Bytes,
        limit_bytes: usize,
        room: &mut RequestRoom,
    ) -> Result<Bytes, BadBody> {
        if coding == Coding::Identity {
            return Ok(body.clone());
        }
        let sent = body.clone();
        // Sized by the limit, since a few compressed bytes may become many.
        let plain = self.run(limit_bytes, move || coding.decoded(&sent, limit_bytes)).await??;
        room.grow(plain.len()).map_err(|NoRoom| BadBody::NoRoom)?;
        Ok(plain)
    }
}

/// Reads the body as it was sent; fails if it is larger than `limit_bytes`, or if there is no room. Only received bytes
/// take room, whatever length was announced.
pub(crate) async fn read<B>(body: B, limit_bytes: usize, room: &mut RequestRoom) -> Result<Bytes, BadBody>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let reading = collected(body, limit_bytes, room);
    tokio::time::timeout(BODY_TIMEOUT, reading).await.unwrap_or(Err(BadBody::TooSlow))
}

async fn collected<B>(mut body: B, limit_bytes: usize, room: &mut RequestRoom) -> Result<Bytes, BadBody>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut collected = Vec::new();
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = room.displaced() => return Err(BadBody::NoRoom),
        };
        let Some(frame) = frame else { return Ok(collected.into()) };
        let Ok(data) = frame.map_err(|_| BadBody::CutOff)?.into_data() else { continue };
        if collected.len() + data.len() > limit_bytes {
            return Err(BadBody::Refused(BodyRefusal::TooLarge { limit_bytes }));
        }
        let before = collected.capacity();
        if collected.is_empty() && body.is_end_stream() {
            room.grow(data.len()).map_err(|NoRoom| BadBody::NoRoom)?;
            return Ok(data);
        }
        // Copied, since a frame keeps the whole buffer that it was read into.
        collected.reserve(data.len());
        room.grow(collected.capacity() - before).map_err(|NoRoom| BadBody::NoRoom)?;
        collected.extend_from_slice(&data);
    }
}

/// Discards the rest of a refused body: a sender whose connection is closed while it sends may not see the response.
pub(crate) fn discard(mut body: Incoming) {
    if body.is_end_stream() {
        return;
    }
    let discarding = async move {
        let mut left = DISCARD_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            let Some(less) = left.checked_sub(bytes) else { return };
            left = less;
        }
    };
    tokio::spawn(tokio::time::timeout(DISCARD_TIMEOUT, discarding));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::Room;
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;
    use platforms::BODY_BYTES_DEFAULT;
    use std::{convert::Infallible, io::Write as _, task::Poll};

    const UNKNOWN: BadBody = BadBody::Refused(BodyRefusal::UnknownCoding);
    fn too_large(limit_bytes: usize) -> BadBody {
        BadBody::Refused(BodyRefusal::TooLarge { limit_bytes })
    }

    fn gzip(plain: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap().into()
    }

    fn zlib(plain: &[u8]) -> Bytes {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn a_coding_is_read_in_any_case_and_with_white_space_around_it() {
        let cases: &[(&[&str], Result<Coding, BadBody>)] = &[
            (&[], Ok(Coding::Identity)),
            (&[""], Ok(Coding::Identity)),
            (&["identity"], Ok(Coding::Identity)),
            (&[" Identity\t"], Ok(Coding::Identity)),
            (&["gzip"], Ok(Coding::Gzip)),
            (&["GZIP"], Ok(Coding::Gzip)),
            (&[" gzip "], Ok(Coding::Gzip)),
            (&["x-gzip"], Ok(Coding::Gzip)),
            (&["X-GZip"], Ok(Coding::Gzip)),
            (&["Deflate"], Ok(Coding::Deflate)),
            (&["gzip, identity"], Ok(Coding::Gzip)),
            (&["identity", ",gzip,"], Ok(Coding::Gzip)),
            (&["br"], Err(UNKNOWN)),
            (&["gzipped"], Err(UNKNOWN)),
            (&["g zip"], Err(UNKNOWN)),
            (&["gzip, gzip"], Err(UNKNOWN)),
            (&["deflate", "gzip"], Err(UNKNOWN)),
            (&["g\u{fc}zip"], Err(UNKNOWN)),
        ];
        for (values, expected) in cases {
            let coding = Coding::of(values.iter().map(|value| value.as_bytes()));
            assert_eq!(coding, *expected, "{values:?}");
        }
        assert!(CODINGS.split(", ").all(|coding| Coding::of([coding.as_bytes()]).is_ok()), "{CODINGS}");
    }

    #[test]
    fn a_compressed_body_is_bounded_by_what_it_becomes() {
        let limit = 4 * BODY_BYTES_DEFAULT;
        let bomb = gzip(&vec![b' '; 16 * limit]);
        assert!(bomb.len() < BODY_BYTES_DEFAULT);
        let blank = |bytes: usize| Bytes::from(vec![b' '; bytes]);
        let cases = [
            (Coding::Gzip, gzip(b"{}"), Ok(Bytes::from_static(b"{}"))),
            (Coding::Gzip, [gzip(b"{"), gzip(b"}")].concat().into(), Err(MALFORMED)),
            (Coding::Gzip, gzip(b"").repeat(1000).into(), Err(MALFORMED)),
            (Coding::Gzip, [gzip(b"{}"), Bytes::from_static(b" ")].concat().into(), Err(MALFORMED)),
            (Coding::Deflate, [zlib(b"{}"), zlib(b"")].concat().into(), Err(MALFORMED)),
            (Coding::Deflate, zlib(b"{}"), Ok(Bytes::from_static(b"{}"))),
            (Coding::Identity, Bytes::from_static(b"{}"), Ok(Bytes::from_static(b"{}"))),
            (Coding::Gzip, gzip(&blank(limit)), Ok(blank(limit))),
            (Coding::Gzip, gzip(&blank(limit + 1)), Err(too_large(limit))),
            (Coding::Deflate, zlib(&blank(limit + 1)), Err(too_large(limit))),
            (Coding::Gzip, bomb, Err(too_large(limit))),
            (Coding::Gzip, gzip(b"{}").slice(..8), Err(MALFORMED)),
            (Coding::Gzip, Bytes::from_static(b"{}"), Err(MALFORMED)),
            (Coding::Deflate, gzip(b"{}"), Err(MALFORMED)),
            (Coding::Gzip, Bytes::new(), Err(MALFORMED)),
        ];
        for (index, (coding, body, expected)) in cases.into_iter().enumerate() {
            assert_eq!(coding.decoded(&body, limit), expected, "case {index}");
        }
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_the_limit_and_no_further() {
        for (bytes, limit) in [(0, 8), (7, 8), (8, 8), (9, 8)] {
            let mut taken = Room::new(1, 64).enter().unwrap();
            let read = read(Full::new(Bytes::from(vec![b' '; bytes])), limit, &mut taken).await;
            let expected = if bytes > limit { Err(too_large(limit)) } else { Ok(bytes) };
            assert_eq!(read.map(|body| body.len()), expected);
        }
    }

    /// A body of `count` frames of four bytes; if `endless`, it never ends after them.
    fn frames(count: usize, endless: bool) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
        let frames = (0..count).map(|_| Ok(Frame::data(Bytes::from_static(b"1234"))));
        let rest = futures::stream::poll_fn(move |_| if endless { Poll::Pending } else { Poll::Ready(None) });
        StreamBody::new(futures::StreamExt::chain(futures::stream::iter(frames), rest))
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_whole_and_takes_the_room_that_it_holds() {
        let room = Room::new(8, 64);
        let mut taken = room.enter().unwrap();
        let whole = read(frames(3, false), 64, &mut taken).await.unwrap();
        assert_eq!(&whole[..], b"123412341234");
        let mut other = room.enter().unwrap();
        assert_eq!(other.grow(53), Ok(()), "the first, which isn't believed yet, gives way");
        assert_eq!(taken.grow(0), Err(NoRoom));
        other.prove().unwrap();
        let mut third = room.enter().unwrap();
        assert_eq!(read(frames(3, false), 64, &mut third).await, Err(BadBody::NoRoom));
    }

    #[tokio::test]
    async fn a_body_that_never_ends_gives_its_room_to_the_next() {
        let room = Room::new(8, 12);
        let mut taken = room.enter().unwrap();
        let endless = async { read(frames(2, true), 64, &mut taken).await };
        let honest = async {
            tokio::task::yield_now().await;
            let mut taken = room.enter().unwrap();
            read(Full::new(Bytes::from_static(b"12345678")), 64, &mut taken).await
        };
        let (endless, honest) = tokio::join!(endless, honest);
        assert_eq!((endless, honest), (Err(BadBody::NoRoom), Ok(Bytes::from_static(b"12345678"))));
    }
}
