//! Intentions: who may call whom in the mesh.

use serde::{Deserialize, Serialize};

use crate::TextMap;

/// The name that stands for every name.
pub const WILDCARD: &str = "*";
/// The only namespace that services are in; others may be named in intentions and match nothing.
pub const DEFAULT_NAMESPACE: &str = "default";

/// One intention, in the shape of `/v1/connect/intentions`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Intention {
    /// UUID.
    #[serde(rename = "ID")]
    pub id: String,
    /// Free text.
    pub description: String,
    /// Namespace of the caller.
    #[serde(rename = "SourceNS")]
    pub source_ns: String,
    /// Name of the caller, or `*`.
    pub source_name: String,
    /// Namespace of the called.
    #[serde(rename = "DestinationNS")]
    pub destination_ns: String,
    /// Name of the called, or `*`.
    pub destination_name: String,
    /// What the source is; always `consul`.
    pub source_type: String,
    /// `allow` or `deny`.
    pub action: String,
    /// Kept and returned.
    pub default_addr: String,
    /// Kept and returned.
    pub default_port: i64,
    /// Metadata pairs.
    pub meta: TextMap,
    /// Rank by exactness, 1 to 9; the highest match decides.
    pub precedence: i64,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// When it was changed, RFC 3339.
    pub updated_at: String,
    /// Base64 of a digest of its content.
    pub hash: String,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
}

/// The end of an intention that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IntentionSide {
    /// The caller.
    Source,
    /// The called.
    Destination,
}

impl Intention {
    /// Namespace and name of one end.
    #[must_use]
    pub fn end(&self, side: IntentionSide) -> (&str, &str) {
        match side {
            IntentionSide::Source => (&self.source_ns, &self.source_name),
            IntentionSide::Destination => (&self.destination_ns, &self.destination_name),
        }
    }

    /// Whether both are about the same two ends.
    #[must_use]
    pub fn has_same_ends(&self, other: &Self) -> bool {
        [IntentionSide::Source, IntentionSide::Destination].iter().all(|side| {
            let ((ns, name), (other_ns, other_name)) = (self.end(*side), other.end(*side));
            ns.eq_ignore_ascii_case(other_ns) && name.eq_ignore_ascii_case(other_name)
        })
    }

    /// Whether an end covers a namespace and a name.
    #[must_use]
    pub fn covers(&self, side: IntentionSide, ns: &str, name: &str) -> bool {
        let (own_ns, own_name) = self.end(side);
        let fits = |own: &str, other: &str| own == WILDCARD || own.eq_ignore_ascii_case(other);
        fits(own_ns, ns) && fits(own_name, name)
    }

    /// The rank that follows from the ends: exact before wildcard, the destination first.
    #[must_use]
    pub fn computed_precedence(&self) -> i64 {
        let exactness = |(ns, name): (&str, &str)| match (ns == WILDCARD, name == WILDCARD) {
            (true, _) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        let (source, destination) =
            (exactness(self.end(IntentionSide::Source)), exactness(self.end(IntentionSide::Destination)));
        (destination - 1) * 3 + source
    }

    /// Whether it lets the caller in.
    #[must_use]
    pub fn allows(&self) -> bool {
        self.action == "allow"
    }

    /// Action and ends as texts for people show them.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "{} {}/{} => {}/{} (ID: {}, Precedence: {})",
            self.action.to_uppercase(),
            self.source_ns,
            self.source_name,
            self.destination_ns,
            self.destination_name,
            self.id,
            self.precedence
        )
    }

    /// The order of lists: the highest rank first, then by their ends.
    #[must_use]
    pub fn sort_key(&self) -> (i64, &str, &str, &str, &str) {
        (-self.precedence, &self.source_ns, &self.source_name, &self.destination_ns, &self.destination_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_ends_rank_before_wildcards() {
        let rank = |source: (&str, &str), destination: (&str, &str)| {
            let intention = Intention {
                source_ns: source.0.into(),
                source_name: source.1.into(),
                destination_ns: destination.0.into(),
                destination_name: destination.1.into(),
                ..Intention::default()
            };
            intention.computed_precedence()
        };
        let (exact, any_name, any) = (("default", "a"), ("default", "*"), ("*", "*"));
        assert_eq!(rank(exact, exact), 9);
        assert_eq!(rank(any_name, exact), 8);
        assert_eq!(rank(exact, any_name), 6);
        assert_eq!(rank(any_name, any_name), 5);
        assert_eq!(rank(any, any), 1);
    }
}
