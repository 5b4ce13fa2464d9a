//! What rules grant and what requests want.

/// What one rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Nothing.
    Deny,
    /// To read.
    Read,
    /// To read, and to list keys under a prefix.
    List,
    /// Everything.
    Write,
}

impl Access {
    /// The word of a rule; `None` for any other.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "deny" => Some(Self::Deny),
            "read" => Some(Self::Read),
            "list" => Some(Self::List),
            "write" => Some(Self::Write),
            _ => None,
        }
    }

    /// The word of a rule.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Read => "read",
            Self::List => "list",
            Self::Write => "write",
        }
    }

    /// Whether this grants a level.
    #[must_use]
    pub fn grants(self, level: Level) -> bool {
        match level {
            Level::Read => self != Self::Deny,
            Level::List => matches!(self, Self::List | Self::Write),
            Level::Write => self == Self::Write,
        }
    }

    /// Which of two rules for the same name counts: deny before write before list before read.
    #[must_use]
    pub fn stronger(self, other: Self) -> Self {
        let rank = |access| match access {
            Self::Deny => 3,
            Self::Write => 2,
            Self::List => 1,
            Self::Read => 0,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

/// What a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// To read.
    Read,
    /// To list keys under a prefix.
    List,
    /// To change.
    Write,
}

impl Level {
    /// The word of a rule that grants just this.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Write => "write",
        }
    }
}

/// What is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// Tokens, policies, roles and the like; whole snapshots.
    Acl,
    /// An agent, by node name.
    Agent,
    /// User events, by name.
    Event,
    /// Intentions, by the name of the destination service.
    Intention,
    /// Keys.
    Key,
    /// Keys of gossip encryption.
    Keyring,
    /// Nodes of the catalog, by name.
    Node,
    /// The cluster itself.
    Operator,
    /// Prepared queries, by name.
    Query,
    /// Services, by name.
    Service,
    /// Sessions, by node name.
    Session,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Acl,
        Self::Agent,
        Self::Event,
        Self::Intention,
        Self::Key,
        Self::Keyring,
        Self::Node,
        Self::Operator,
        Self::Query,
        Self::Service,
        Self::Session,
    ];

    /// The word of rules and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acl => "acl",
            Self::Agent => "agent",
            Self::Event => "event",
            Self::Intention => "intentions",
            Self::Key => "key",
            Self::Keyring => "keyring",
            Self::Node => "node",
            Self::Operator => "operator",
            Self::Query => "query",
            Self::Service => "service",
            Self::Session => "session",
        }
    }
}

/// What holds where no rule speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Default {
    /// Everything but the ACL system itself.
    Allow,
    /// Nothing.
    Deny,
}
