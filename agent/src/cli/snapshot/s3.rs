//! A bucket of a store that speaks S3: put, list and remove, signed, and tried again while the store is out of order.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use client::tls::TlsSettings;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt as _;
use tokio_util::task::AbortOnDropHandle;

use super::signature::{Credentials, Signed, Stamp, authorization, escape, hex};
use crate::checks::net::CheckTls;
use crate::local::TlsChoice;

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// How long a request that moves little may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How long an upload may take.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(3600);
/// Pauses before the tries after the first.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(9)];
/// Largest answer that is read, bytes; a list has a thousand names at most.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Lists that are followed at most, of a thousand names each.
const LISTS_MAX: usize = 1000;
/// Largest object that can be put at once, bytes; Amazon's limit.
const OBJECT_BYTES_MAX: u64 = 5 << 30;
/// Bytes of a file that are read and sent at once.
const PIECE_BYTES: usize = 256 * 1024;

/// Where the bucket is and who we are there.
#[derive(Clone, Debug, Default)]
pub struct BucketSettings {
    /// `https://host:port`; empty is Amazon's endpoint of the region.
    pub endpoint: String,
    /// The region; `us-east-1` for most compatible stores.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// What all names begin with.
    pub prefix: String,
    /// The bucket is part of the host's name instead of the path.
    pub host_style: bool,
    /// Ask the store to encrypt what it keeps.
    pub encrypt: bool,
    /// Who signs.
    pub credentials: Credentials,
}

/// One bucket.
pub struct Bucket {
    settings: BucketSettings,
    is_tls: bool,
    host: String,
    port: u16,
    /// What the `Host` header says.
    authority: String,
    tls: CheckTls,
}

/// Why a request failed.
struct Failed {
    text: String,
    is_passing: bool,
}

impl Bucket {
    /// A bucket; nothing is sent yet.
    ///
    /// # Errors
    /// When the endpoint is no address.
    pub fn new(mut settings: BucketSettings) -> Result<Self, String> {
        if settings.endpoint.is_empty() {
            settings.endpoint = format!("https://s3.{}.amazonaws.com", settings.region);
        }
        let wrong = || format!("the S3 endpoint {:?} is not of the form https://host:port", settings.endpoint);
        let uri: Uri = settings.endpoint.trim_end_matches('/').parse().map_err(|_| wrong())?;
        let (is_tls, port) = match uri.scheme_str() {
            Some("https") => (true, 443),
            Some("http") => (false, 80),
            _ => return Err(wrong()),
        };
        let (Some(host), Some(authority)) = (uri.host(), uri.authority()) else { return Err(wrong()) };
        let front = if settings.host_style { format!("{}.", settings.bucket) } else { String::new() };
        let (host, authority) = (format!("{front}{}", host.trim_matches(['[', ']'])), format!("{front}{authority}"));
        let port = uri.port_u16().unwrap_or(port);
        // As other programs for S3: an authority of one's own besides those of the system.
        let ca_file = std::env::var_os("AWS_CA_BUNDLE").map(Into::into);
        let tls = CheckTls::new(TlsSettings { ca_file, ..TlsSettings::default() });
        Ok(Self { settings, is_tls, host, port, authority, tls })
    }

    /// Where it is, for people.
    pub fn shown(&self) -> String {
        format!("s3://{}/{}", self.settings.bucket, self.settings.prefix)
    }

    /// Stores a file under a name.
    ///
    /// # Errors
    /// What the store or the file system says.
    pub async fn put(&self, name: &str, file: &Path) -> Result<(), String> {
        let reading = |error: std::io::Error| format!("cannot read {}: {error}", file.display());
        let (sum, length) = sum_file(file).await.map_err(reading)?;
        if length > OBJECT_BYTES_MAX {
            return Err(format!("the snapshot has {length} bytes; a store takes {OBJECT_BYTES_MAX} at once at most"));
        }
        let call = Call { method: Method::PUT, key: &self.key(name), query: &[], sum: &sum, length: Some(length) };
        let body = async || {
            let opened = tokio::fs::File::open(file).await.map_err(reading)?;
            let pieces = futures::stream::try_unfold(opened, |mut file| async move {
                let mut bytes = vec![0; PIECE_BYTES];
                let count = file.read(&mut bytes).await?;
                bytes.truncate(count);
                Ok::<_, std::io::Error>((count > 0).then(|| (Frame::data(Bytes::from(bytes)), file)))
            });
            Ok(StreamBody::new(pieces).boxed_unsync())
        };
        self.send(&call, body, UPLOAD_TIMEOUT).await.map(drop)
    }

    /// Names with our prefix, without it.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list(&self) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        let mut token = String::new();
        for _ in 0..LISTS_MAX {
            let mut query = vec![("list-type", "2"), ("prefix", &*self.settings.prefix)];
            if !token.is_empty() {
                query.push(("continuation-token", &token));
            }
            query.sort_unstable();
            let call = Call { method: Method::GET, key: "", query: &query, sum: &sum_of(b""), length: None };
            let answer = self.send(&call, async || Ok(empty()), TIMEOUT).await?;
            let text = String::from_utf8_lossy(&answer);
            let own = |key: String| Some(key.strip_prefix(&self.settings.prefix)?.to_owned());
            names.extend(elements(&text, "Key").filter_map(own));
            match elements(&text, "NextContinuationToken").next() {
                Some(next) if next != token => token = next,
                _ => return Ok(names),
            }
        }
        Err(format!("{} holds too many objects to list; use a prefix of its own", self.shown()))
    }

    /// Removes what is stored under a name.
    ///
    /// # Errors
    /// What the store says.
    pub async fn remove(&self, name: &str) -> Result<(), String> {
        let sum = sum_of(b"");
        let call = Call { method: Method::DELETE, key: &self.key(name), query: &[], sum: &sum, length: None };
        self.send(&call, async || Ok(empty()), TIMEOUT).await.map(drop)
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.settings.prefix)
    }

    /// Sends a request until it succeeds, or fails for a reason that does not pass.
    async fn send(
        &self,
        call: &Call<'_>,
        body: impl AsyncFn() -> Result<Body, String>,
        limit: Duration,
    ) -> Result<Bytes, String> {
        let mut pauses = PAUSES.iter();
        loop {
            let sent = tokio::time::timeout(limit, self.send_once(call, body().await?));
            let late = || Err(Failed { text: format!("no answer within {} s", limit.as_secs()), is_passing: true });
            let Failed { text, is_passing } = match sent.await.unwrap_or_else(|_| late()) {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let Some(pause) = pauses.next().filter(|_| is_passing) else {
                let tries = if is_passing { format!(" ({} tries)", PAUSES.len() + 1) } else { String::new() };
                return Err(format!("{} {}{}: {text}{tries}", call.method, self.shown(), call.key));
            };
            tokio::time::sleep(*pause).await;
        }
    }

    async fn send_once(&self, call: &Call<'_>, body: Body) -> Result<Bytes, Failed> {
        let passing = |text: String| Failed { text, is_passing: true };
        let choice = TlsChoice { server_name: String::new(), skip_verify: false };
        let tls = self.is_tls.then_some(&choice);
        let stream = self.tls.connect(&self.host, self.port, tls, false).await.map_err(passing)?;
        let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|error| passing(error.to_string()))?;
        let _driver = AbortOnDropHandle::new(tokio::spawn(async move {
            // What is wrong with the connection is told by the request.
            let _ = connection.await;
        }));
        let request = self.build(call, body).map_err(|text| Failed { text, is_passing: false })?;
        let response = sender.send_request(request).await.map_err(|error| passing(error.to_string()))?;
        let (head, body) = response.into_parts();
        let answer = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let answer = answer.map_err(|error| passing(error.to_string()))?.to_bytes();
        match head.status {
            StatusCode::OK | StatusCode::NO_CONTENT => Ok(answer),
            status => {
                let xml = String::from_utf8_lossy(&answer);
                let part = |name| elements(&xml, name).next().unwrap_or_default();
                let text = format!("{status}: {} {}", part("Code"), part("Message")).trim_end().to_owned();
                let is_passing = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
                Err(Failed { text, is_passing })
            }
        }
    }

    fn build(&self, call: &Call<'_>, body: Body) -> Result<Request<Body>, String> {
        let time = Stamp::of(SystemTime::now());
        let Call { method, key, query, sum, length } = call;
        let bucket = if self.settings.host_style { "" } else { &*self.settings.bucket };
        let path = if bucket.is_empty() { (*key).to_owned() } else { format!("{bucket}/{key}") };
        let path = format!("/{}", escape(path.trim_end_matches('/'), true));
        let parts = query.iter().map(|(name, value)| format!("{}={}", escape(name, false), escape(value, false)));
        let query = parts.collect::<Vec<_>>().join("&");
        let mut headers = BTreeMap::from([
            ("host", self.authority.clone()),
            ("x-amz-content-sha256", (*sum).to_owned()),
            ("x-amz-date", time.full.clone()),
        ]);
        if !self.settings.credentials.session_token.is_empty() {
            headers.insert("x-amz-security-token", self.settings.credentials.session_token.clone());
        }
        if self.settings.encrypt && *method == Method::PUT {
            headers.insert("x-amz-server-side-encryption", "AES256".to_owned());
        }
        let signed = Signed { method: method.as_str(), path: &path, query: &query, headers: &headers, sum };
        let proof = authorization(&signed, &self.settings.credentials, &self.settings.region, &time);
        let mark = if query.is_empty() { "" } else { "?" };
        let mut request = Request::builder().method(method).uri(format!("{path}{mark}{query}"));
        for (name, value) in &headers {
            request = request.header(*name, value);
        }
        if let Some(length) = length {
            request = request.header("content-length", *length);
        }
        request.header("authorization", proof).body(body).map_err(|error| error.to_string())
    }
}

/// One request before it is signed.
struct Call<'a> {
    method: Method,
    key: &'a str,
    /// Sorted.
    query: &'a [(&'a str, &'a str)],
    /// SHA-256 of the body.
    sum: &'a str,
    /// Bytes of the body, when there is one.
    length: Option<u64>,
}

fn empty() -> Body {
    Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync()
}

fn sum_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

async fn sum_file(path: &Path) -> std::io::Result<(String, u64)> {
    let mut file = tokio::fs::File::open(path).await?;
    let mut sum = Sha256::new();
    let mut buffer = vec![0; PIECE_BYTES];
    let mut length = 0;
    loop {
        let count = file.read(&mut buffer).await?;
        if count == 0 {
            return Ok((hex(&sum.finalize()), length));
        }
        sum.update(&buffer[..count]);
        length += count as u64;
    }
}

/// The texts of all elements of a name, in order. Answers of S3 nest no element in one of its own name.
fn elements<'a>(xml: &'a str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&open)?;
        let (text, after) = after.split_once(&close)?;
        rest = after;
        let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
        Some(text.replace("&#34;", "\"").replace("&#39;", "'").replace("&amp;", "&"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(endpoint: &str, host_style: bool) -> Result<Bucket, String> {
        let settings = BucketSettings {
            endpoint: endpoint.to_owned(),
            region: "eu-west-1".to_owned(),
            bucket: "b1".to_owned(),
            prefix: "a/".to_owned(),
            host_style,
            ..BucketSettings::default()
        };
        Bucket::new(settings)
    }

    fn target(bucket: &Bucket, key: &str) -> (String, String) {
        let call = Call { method: Method::PUT, key, query: &[("prefix", "a/")], sum: "x", length: Some(1) };
        let request = bucket.build(&call, empty()).unwrap();
        (request.headers()["host"].to_str().unwrap().to_owned(), request.uri().to_string())
    }

    #[test]
    fn buckets_are_in_the_path_or_in_the_host() {
        let own = |key: &str, style| target(&bucket("http://127.0.0.1:9000/", style).unwrap(), key);
        assert_eq!(own("a/x y", false), ("127.0.0.1:9000".to_owned(), "/b1/a/x%20y?prefix=a%2F".to_owned()));
        assert_eq!(own("", false).1, "/b1?prefix=a%2F");
        assert_eq!(own("a/x", true), ("b1.127.0.0.1:9000".to_owned(), "/a/x?prefix=a%2F".to_owned()));
        assert_eq!(own("", true).1, "/?prefix=a%2F");
        let amazon = bucket("", true).unwrap();
        assert_eq!((&*amazon.host, amazon.port), ("b1.s3.eu-west-1.amazonaws.com", 443));
        for wrong in ["nonsense", "ftp://x", "http://"] {
            assert!(bucket(wrong, false).is_err(), "{wrong}");
        }
    }

    #[test]
    fn answers_are_taken_apart() {
        let xml = "<a><Key>x&amp;y</Key><Key>&#34;z</Key><Key>cut";
        assert_eq!(elements(xml, "Key").collect::<Vec<_>>(), ["x&y", "\"z"]);
    }
}
