//! Options of reading calls, and the texts of paths and queries.

use std::fmt::Write as _;
use std::time::Duration;

use model::format_duration;

/// Options of a read. The default asks the leader of the agent's own datacenter and does not wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryOptions {
    /// Datacenter to ask; empty means the agent's own.
    pub datacenter: String,
    /// Let any server answer.
    pub stale: bool,
    /// Let the leader confirm that it leads.
    pub consistent: bool,
    /// Wait until the answer's index is above this; 0 does not wait.
    pub index: u64,
    /// How long to wait; `None` leaves it to the agent (five minutes).
    pub wait: Option<Duration>,
    /// Expression that the rows must match.
    pub filter: String,
    /// Node to sort by distance to; `_agent` is the agent asked.
    pub near: String,
    /// Node metadata that rows must have, `key:value`.
    pub node_meta: Vec<String>,
}

impl QueryOptions {
    /// Waits for an answer newer than `index`, for at most `wait`.
    #[must_use]
    pub fn blocking(index: u64, wait: Duration) -> Self {
        Self { index, wait: Some(wait), ..Self::default() }
    }

    pub(crate) fn apply(&self, mut target: Target) -> Target {
        target = target.optional("dc", &self.datacenter);
        if self.stale {
            target = target.key("stale");
        }
        if self.consistent {
            target = target.key("consistent");
        }
        if self.index > 0 {
            target = target.pair("index", &self.index.to_string());
        }
        if let Some(wait) = self.wait {
            target = target.pair("wait", &format_duration(wait));
        }
        target = target.optional("filter", &self.filter).optional("near", &self.near);
        self.node_meta.iter().fold(target, |target, pair| target.pair("node-meta", pair))
    }
}

/// An answer and what its headers say.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<T> {
    /// The rows.
    pub rows: T,
    /// Index to block on next.
    pub index: u64,
    /// Whether the server knew a leader.
    pub known_leader: bool,
    /// How long ago the server last heard the leader.
    pub last_contact: Duration,
}

/// Path and query of a request, escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    path: String,
    query: String,
}

impl Target {
    pub(crate) fn new(path: &str) -> Self {
        Self { path: path.to_owned(), query: String::new() }
    }

    /// Adds bytes to the path, escaped; slashes stay, as keys have them.
    pub(crate) fn below(mut self, name: &[u8]) -> Self {
        self.path.push('/');
        escape(&mut self.path, name, b"-_.~/");
        self
    }

    pub(crate) fn key(mut self, name: &str) -> Self {
        self.query.push(if self.query.is_empty() { '?' } else { '&' });
        self.query.push_str(name);
        self
    }

    pub(crate) fn pair(mut self, name: &str, value: &str) -> Self {
        self = self.key(name);
        self.query.push('=');
        escape(&mut self.query, value.as_bytes(), b"-_.~");
        self
    }

    pub(crate) fn optional(self, name: &str, value: &str) -> Self {
        if value.is_empty() { self } else { self.pair(name, value) }
    }

    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.path, self.query)
    }
}

fn escape(to: &mut String, bytes: &[u8], plain: &[u8]) {
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || plain.contains(byte) {
            to.push(char::from(*byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(to, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_escaped() {
        let target = Target::new("/v1/kv").below("a b/ü".as_bytes()).key("recurse").pair("dc", "a&b").optional("x", "");
        assert_eq!(target.text(), "/v1/kv/a%20b/%C3%BC?recurse&dc=a%26b");
    }

    #[test]
    fn options_become_a_query() {
        let options = QueryOptions {
            filter: "a == \"b\"".to_owned(),
            stale: true,
            ..QueryOptions::blocking(7, Duration::from_millis(1500))
        };
        let text = options.apply(Target::new("/v1/x")).text();
        assert_eq!(text, "/v1/x?stale&index=7&wait=1.5s&filter=a%20%3D%3D%20%22b%22");
    }
}
