//! Bodies: bounded before they are read, and bounded again while they are decompressed.

use crate::BodyRefusal;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use std::{error::Error, io::Read, time::Duration};

/// The content codings that are taken, as `Accept-Encoding` lists them.
pub(crate) const CODINGS: &str = "gzip, x-gzip, deflate, identity";

/// Time limit for reading a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no body to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadBody {
    /// It didn't come in time.
    TooSlow,
    /// The connection broke.
    CutOff,
    /// It came and isn't taken.
    Refused(BodyRefusal),
}

/// A content coding that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As it is.
    Identity,
    /// RFC 1952; one member or more.
    Gzip,
    /// zlib (RFC 1950).
    Deflate,
}

impl Coding {
    /// The coding that the values of `Content-Encoding` name (RFC 9110, 8.4.1): in any case, with white space around it;
    /// `identity` and empty list elements count for nothing. Two codings over each other are refused as unknown.
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

    /// The body without the coding; at most `limit_bytes` of it.
    pub(crate) fn decoded(self, body: &Bytes, limit_bytes: usize) -> Result<Bytes, BadBody> {
        match self {
            Self::Identity => Ok(body.clone()),
            Self::Gzip => bounded(flate2::read::MultiGzDecoder::new(&body[..]), limit_bytes),
            Self::Deflate => bounded(flate2::read::ZlibDecoder::new(&body[..]), limit_bytes),
        }
    }
}

fn bounded(decoder: impl Read, limit_bytes: usize) -> Result<Bytes, BadBody> {
    let mut plain = Vec::new();
    match decoder.take(limit_bytes as u64 + 1).read_to_end(&mut plain) {
        Ok(bytes) if bytes > limit_bytes => Err(BadBody::Refused(BodyRefusal::TooLarge { limit_bytes })),
        Ok(_) => Ok(plain.into()),
        Err(_) => Err(BadBody::Refused(BodyRefusal::Malformed)),
    }
}

/// Reads the body as it was sent; at most `limit_bytes` of it.
pub(crate) async fn read<B>(body: B, limit_bytes: usize) -> Result<Bytes, BadBody>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let reading = Limited::new(body, limit_bytes).collect();
    match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Err(_) => Err(BadBody::TooSlow),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(BadBody::Refused(BodyRefusal::TooLarge { limit_bytes }))
        }
        Ok(Err(_)) => Err(BadBody::CutOff),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;
    use platforms::BODY_BYTES_DEFAULT;
    use std::io::Write as _;

    const UNKNOWN: BadBody = BadBody::Refused(BodyRefusal::UnknownCoding);
    const MALFORMED: BadBody = BadBody::Refused(BodyRefusal::Malformed);

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
            (Coding::Gzip, [gzip(b"{"), gzip(b"}")].concat().into(), Ok(Bytes::from_static(b"{}"))),
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
            let read = read(Full::new(Bytes::from(vec![b' '; bytes])), limit).await;
            let expected = if bytes > limit { Err(too_large(limit)) } else { Ok(bytes) };
            assert_eq!(read.map(|body| body.len()), expected);
        }
    }
}
