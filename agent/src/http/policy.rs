//! What the configuration says about every request: endpoints that are blocked, networks that may write, headers that
//! every answer of an endpoint carries.

use std::net::IpAddr;

use config::{Http, Network};
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};

use super::reply::Failure;

/// The settings, ready for use.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    blocked: Vec<String>,
    writers: Vec<Network>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Policy {
    /// Takes the settings over.
    ///
    /// # Errors
    /// When a header's name or value cannot be sent; the text names it.
    pub fn new(settings: &Http) -> Result<Self, String> {
        let header = |(name, value): (&String, &String)| {
            let wrong = |what: &str| format!("http_config.response_headers: {name:?}: the {what} cannot be sent");
            let parsed: HeaderName = name.parse().map_err(|_| wrong("name"))?;
            Ok((parsed, HeaderValue::from_str(value).map_err(|_| wrong("value"))?))
        };
        Ok(Self {
            blocked: settings.block_endpoints.clone(),
            // The configuration was refused already if one of them is none.
            writers: settings.allow_write_http_from.iter().filter_map(|network| network.parse().ok()).collect(),
            headers: settings.response_headers.iter().map(header).collect::<Result<_, String>>()?,
        })
    }

    /// Refuses an endpoint that is blocked, whatever the method. `pattern` is the route, as `/v1/kv/`.
    pub fn check_blocked(&self, pattern: &str) -> Result<(), Failure> {
        match self.blocked.iter().any(|prefix| pattern.starts_with(prefix.as_str())) {
            true => Err(Failure::new(StatusCode::FORBIDDEN, "Endpoint is blocked by agent configuration")),
            false => Ok(()),
        }
    }

    /// Refuses to write for a client whose network may not. One without an address came over a unix socket, whose
    /// permissions say who may write.
    pub fn check_writer(&self, method: &Method, client: Option<IpAddr>) -> Result<(), Failure> {
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        let may_write = |ip: IpAddr| self.writers.iter().any(|network| network.contains(ip));
        if !reads && !self.writers.is_empty() && !client.is_none_or(may_write) {
            return Err(Failure::new(StatusCode::FORBIDDEN, "Access is restricted"));
        }
        Ok(())
    }

    /// Adds the headers to an answer.
    pub fn add_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        let settings = Http {
            block_endpoints: vec!["/v1/acl".to_owned()],
            allow_write_http_from: vec!["10.0.0.0/8".to_owned()],
            response_headers: [("X-A".to_owned(), "b".to_owned())].into(),
            ..Http::default()
        };
        Policy::new(&settings).unwrap()
    }

    #[test]
    fn writes_are_for_the_networks_named() {
        let may = |method: Method, ip: &str| policy().check_writer(&method, ip.parse().ok()).is_ok();
        assert!(may(Method::GET, "8.8.8.8") && may(Method::PUT, "10.1.1.1") && may(Method::PUT, "::ffff:10.1.1.1"));
        assert!(!may(Method::PUT, "8.8.8.8") && !may(Method::DELETE, "::1"));
        assert!(may(Method::PUT, "a unix socket"));
    }

    #[test]
    fn blocked_endpoints_are_refused_to_all() {
        assert!(policy().check_blocked("/v1/acl/tokens").is_err() && policy().check_blocked("/v1/kv/").is_ok());
    }

    #[test]
    fn headers_that_cannot_be_sent_are_named() {
        let settings = Http { response_headers: [("a b".to_owned(), String::new())].into(), ..Http::default() };
        assert!(Policy::new(&settings).unwrap_err().contains("\"a b\": the name cannot be sent"));
        let mut headers = HeaderMap::new();
        policy().add_headers(&mut headers);
        assert_eq!(headers["x-a"], "b");
    }
}
