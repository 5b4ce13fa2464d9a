//! Compression of answers for clients that ask for it.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

use super::limits::{GZIP_BYTES_MIN, GZIP_INLINE_BYTES_MAX};

/// Whether the client reads gzip. `gzip;q=0` says no.
#[must_use]
pub fn is_accepted(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|offer| {
            let (coding, quality) = offer.split_once(';').unwrap_or((offer, ""));
            let refused = matches!(quality.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
            coding.trim().eq_ignore_ascii_case("gzip") && !refused
        })
    })
}

/// The compressed body, `None` when it is too small to gain anything. Large bodies are compressed off the threads that
/// serve connections.
pub async fn compress(body: &Bytes) -> Option<Bytes> {
    match body.len() {
        0..GZIP_BYTES_MIN => None,
        GZIP_BYTES_MIN..=GZIP_INLINE_BYTES_MAX => encode(body),
        _ => {
            let body = body.clone();
            tokio::task::spawn_blocking(move || encode(&body)).await.ok().flatten()
        }
    }
}

fn encode(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn acceptance_follows_the_header() {
        for (value, accepted) in [("gzip", true), ("deflate, GZIP;q=0.5", true), ("gzip;q=0", false), ("br", false)] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, value.parse().expect("a header value"));
            assert_eq!(is_accepted(&headers), accepted, "{value}");
        }
        assert!(!is_accepted(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn bodies_come_back_whole() {
        for len in [GZIP_BYTES_MIN, GZIP_INLINE_BYTES_MAX, GZIP_INLINE_BYTES_MAX * 3] {
            let body = Bytes::from(b"abcdefg".iter().copied().cycle().take(len).collect::<Vec<_>>());
            let packed = compress(&body).await.expect("large enough");
            assert!(packed.len() < body.len() / 4);
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).expect("valid gzip");
            assert_eq!(unpacked, body);
        }
        assert_eq!(compress(&Bytes::from_static(b"small")).await, None);
    }
}
