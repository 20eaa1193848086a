//! Bodies: bounded before they are read, and bounded again while they are decompressed.

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use std::{io::Read as _, time::Duration};
use wire::DELIVERY_BYTES_MAX;

/// How long a sender may take for its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a body can't be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadBody {
    /// Over 1 MiB, as sent or decompressed.
    TooLarge,
    /// It didn't come in time.
    TooSlow,
    /// The connection broke, or it isn't the compression it says it is.
    Broken,
    /// A compression that we don't read.
    UnknownEncoding,
}

/// Reads the body as it was sent.
pub(crate) async fn read(body: Incoming) -> Result<Bytes, BadBody> {
    let reading = Limited::new(body, DELIVERY_BYTES_MAX).collect();
    match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Err(_) => Err(BadBody::TooSlow),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BadBody::TooLarge),
        Ok(Err(_)) => Err(BadBody::Broken),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
    }
}

/// The body without its `Content-Encoding`: `gzip`, `deflate` (zlib) or none.
pub(crate) fn decompressed(body: &Bytes, encoding: Option<&str>) -> Result<Bytes, BadBody> {
    let limit = DELIVERY_BYTES_MAX as u64 + 1;
    let mut plain = Vec::new();
    let read = match encoding.map(str::trim) {
        None | Some("" | "identity") => return Ok(body.clone()),
        Some("gzip" | "x-gzip") => {
            flate2::read::MultiGzDecoder::new(&body[..]).take(limit).read_to_end(&mut plain)
        }
        Some("deflate") => flate2::read::ZlibDecoder::new(&body[..]).take(limit).read_to_end(&mut plain),
        Some(_) => return Err(BadBody::UnknownEncoding),
    };
    match read {
        Ok(bytes) if bytes > DELIVERY_BYTES_MAX => Err(BadBody::TooLarge),
        Ok(_) => Ok(plain.into()),
        Err(_) => Err(BadBody::Broken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn gzip(plain: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn a_compressed_body_is_bounded_by_what_it_becomes() {
        let bomb = gzip(&vec![b' '; 64 * DELIVERY_BYTES_MAX]);
        assert!(bomb.len() < DELIVERY_BYTES_MAX);
        assert_eq!(decompressed(&bomb, Some("gzip")), Err(BadBody::TooLarge));
        assert_eq!(decompressed(&gzip(b"{}"), Some("gzip")), Ok(Bytes::from_static(b"{}")));
        assert_eq!(decompressed(&gzip(b"{}").slice(..8), Some("gzip")), Err(BadBody::Broken));
        assert_eq!(decompressed(&Bytes::from_static(b"{}"), Some("br")), Err(BadBody::UnknownEncoding));
        assert_eq!(decompressed(&Bytes::from_static(b"{}"), None), Ok(Bytes::from_static(b"{}")));
    }
}
