//! AWS Signature Version 4, as Amazon publishes it: what S3 and everything compatible with it asks of a request.
//!
//! Pure: the time and the request go in, the value of the `Authorization` header comes out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

/// Who signs.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Access key.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
    /// Token of temporary credentials; empty for none.
    pub session_token: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// A time in the two forms of signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// `20130524T000000Z`.
    pub full: String,
    /// `20130524`.
    pub day: String,
}

impl Stamp {
    /// Of a time.
    pub fn of(time: SystemTime) -> Self {
        let text = humantime::format_rfc3339_seconds(time).to_string();
        let full: String = text.chars().filter(|character| !matches!(character, '-' | ':')).collect();
        let day = full.get(..8).unwrap_or_default().to_owned();
        Self { full, day }
    }
}

/// A request as it is signed. Path and query are escaped already; the parts of the query are sorted.
pub struct Signed<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    /// Every header that is signed, by name in small letters.
    pub headers: &'a BTreeMap<&'static str, String>,
    /// SHA-256 of the body, hexadecimal.
    pub sum: &'a str,
}

/// The `Authorization` header of a request to the S3 of a region.
pub fn authorization(request: &Signed<'_>, credentials: &Credentials, region: &str, time: &Stamp) -> String {
    let Signed { method, path, query, headers, sum } = request;
    let names = headers.keys().copied().collect::<Vec<_>>().join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{sum}");
    let scope = format!("{}/{region}/s3/aws4_request", time.day);
    let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", time.full, hex(&Sha256::digest(canonical)));
    let signature = hex(&hmac(&signing_key(&credentials.secret_key, &time.day, region), text.as_bytes()));
    let key = &credentials.access_key;
    format!("AWS4-HMAC-SHA256 Credential={key}/{scope},SignedHeaders={names},Signature={signature}")
}

fn signing_key(secret: &str, day: &str, region: &str) -> [u8; 32] {
    let key = hmac(format!("AWS4{secret}").as_bytes(), day.as_bytes());
    let key = hmac(&key, region.as_bytes());
    hmac(&hmac(&key, b"s3"), b"aws4_request")
}

/// HMAC with SHA-256 (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new_with_prefix(block.map(|byte| byte ^ 0x36)).chain_update(text).finalize();
    Sha256::new_with_prefix(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

/// Small hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Percent-encodes what is not unreserved, in the one way that signatures allow.
pub fn escape(text: &str, keeps_slash: bool) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || (keeps_slash && byte == b'/') {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn signature(method: &str, path: &str, query: &str, sum: &str, more: &[(&'static str, &str)]) -> String {
        // The credentials, bucket and time of all examples in Amazon's description.
        let credentials = Credentials {
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: String::new(),
        };
        let time = Stamp::of(SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600));
        let mut headers = BTreeMap::from([
            ("host", "examplebucket.s3.amazonaws.com".to_owned()),
            ("x-amz-content-sha256", sum.to_owned()),
            ("x-amz-date", time.full.clone()),
        ]);
        headers.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let request = Signed { method, path, query, headers: &headers, sum };
        let all = authorization(&request, &credentials, "us-east-1", &time);
        let (rest, signature) = all.rsplit_once("Signature=").expect("it has one");
        let scope = "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
        assert!(rest.starts_with(&format!("AWS4-HMAC-SHA256 {scope},SignedHeaders=")), "{rest}");
        signature.to_owned()
    }

    #[test]
    fn signatures_are_those_of_the_published_examples() {
        let range = ("range", "bytes=0-9");
        assert_eq!(
            signature("GET", "/test.txt", "", EMPTY, &[range]),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        let (date, class) = (("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY"));
        let sum = hex(&Sha256::digest(b"Welcome to Amazon S3."));
        assert_eq!(
            signature("PUT", "/test%24file.text", "", &sum, &[date, class]),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
        assert_eq!(
            signature("GET", "/", "lifecycle=", EMPTY, &[]),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        );
        assert_eq!(
            signature("GET", "/", "max-keys=2&prefix=J", EMPTY, &[]),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }

    #[test]
    fn paths_and_times_have_one_form() {
        assert_eq!(escape("test$file.text", true), "test%24file.text");
        assert_eq!(escape("a b/ü", true), "a%20b/%C3%BC");
        assert_eq!(escape("a/b", false), "a%2Fb");
        let long = hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
        // RFC 4231, test case 6.
        assert_eq!(hex(&long), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }
}
