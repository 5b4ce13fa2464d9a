//! Who a certificate is for: a service or an agent, as a SPIFFE URI.

use super::CaError;

/// Holder of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Instances of a service.
    Service {
        /// Trust domain of its mesh.
        trust_domain: String,
        /// Where they are.
        datacenter: String,
        /// Its name.
        name: String,
    },
    /// The agent of a node.
    Agent {
        /// Trust domain of its mesh.
        trust_domain: String,
        /// Where it is.
        datacenter: String,
        /// Its name.
        name: String,
    },
}

impl Identity {
    /// Reads the URI of a certificate.
    ///
    /// # Errors
    /// When it is neither of a service nor of an agent.
    pub fn parse(uri: &str) -> Result<Self, CaError> {
        let wrong = || CaError::Request(format!("SPIFFE ID is not in the expected format: {uri}"));
        let rest = uri.strip_prefix("spiffe://").ok_or_else(wrong)?;
        let parts: Vec<String> = rest.split('/').map(unescape).collect::<Option<_>>().ok_or_else(wrong)?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let of = |trust_domain: &str, datacenter: &str, name: &str| {
            (trust_domain.to_lowercase(), datacenter.to_owned(), name.to_owned())
        };
        match parts.as_slice() {
            [domain, "ns", "default", "dc", datacenter, "svc", name] if !name.is_empty() => {
                let (trust_domain, datacenter, name) = of(domain, datacenter, name);
                Ok(Self::Service { trust_domain, datacenter, name })
            }
            [domain, "agent", "client", "dc", datacenter, "id", name] if !name.is_empty() => {
                let (trust_domain, datacenter, name) = of(domain, datacenter, name);
                Ok(Self::Agent { trust_domain, datacenter, name })
            }
            _ => Err(wrong()),
        }
    }

    /// The URI.
    #[must_use]
    pub fn uri(&self) -> String {
        match self {
            Self::Service { trust_domain, datacenter, name } => {
                format!("spiffe://{trust_domain}/ns/default/dc/{}/svc/{}", escape(datacenter), escape(name))
            }
            Self::Agent { trust_domain, datacenter, name } => {
                format!("spiffe://{trust_domain}/agent/client/dc/{}/id/{}", escape(datacenter), escape(name))
            }
        }
    }

    /// The trust domain and the datacenter.
    pub(super) fn place(&self) -> (&str, &str) {
        match self {
            Self::Service { trust_domain, datacenter, .. } | Self::Agent { trust_domain, datacenter, .. } => {
                (trust_domain, datacenter)
            }
        }
    }
}

/// Percent-escapes all that a segment of a path cannot have as it is.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+=:@".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digits = std::str::from_utf8(after.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after.get(2..)?;
    }
    String::from_utf8(bytes).ok()
}
