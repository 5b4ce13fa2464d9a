//! An answer before it is packed: records in the order in which they may be left out.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::question::RecordType;
use crate::{Context, Name};

/// Response codes that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rcode {
    /// The name exists.
    NoError,
    /// The request cannot be read.
    FormatError,
    /// The catalog could not be asked.
    ServerFailure,
    /// There is no such name.
    NameError,
    /// The kind of request is not served.
    NotImplemented,
    /// The name is none of ours.
    Refused,
}

impl Rcode {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::NoError => 0,
            Self::FormatError => 1,
            Self::ServerFailure => 2,
            Self::NameError => 3,
            Self::NotImplemented => 4,
            Self::Refused => 5,
        }
    }
}

/// Whose record it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The name asked for, in the client's spelling.
    Question,
    /// Another name.
    Name(Name),
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub owner: Owner,
    /// Seconds that it may be cached.
    pub ttl: u32,
    /// What it says.
    pub data: Data,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names and fields are those of the RFCs")]
pub enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Cname(Name),
    Ns(Name),
    Ptr(Name),
    Txt(String),
    Srv { priority: u16, weight: u16, port: u16, target: Name },
    Soa { server: Name, mailbox: Name, serial: u32, numbers: crate::Soa },
}

impl Data {
    /// The type of the record.
    #[must_use]
    pub fn record_type(&self) -> RecordType {
        match self {
            Self::A(_) => RecordType::A,
            Self::Aaaa(_) => RecordType::Aaaa,
            Self::Cname(_) => RecordType::Cname,
            Self::Ns(_) => RecordType::Ns,
            Self::Ptr(_) => RecordType::Ptr,
            Self::Txt(_) => RecordType::Txt,
            Self::Srv { .. } => RecordType::Srv,
            Self::Soa { .. } => RecordType::Soa,
        }
    }
}

/// An answer record with the additional records that are of use only with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The answer.
    pub answer: Record,
    /// What goes with it.
    pub extras: Vec<Record>,
}

/// An answer before it is packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Response code.
    pub rcode: Rcode,
    /// Whether the answer is ours to give.
    pub is_authoritative: bool,
    /// Whether recursion is on offer.
    pub recursion_available: bool,
    /// Whether the limit on records in plain UDP answers holds.
    pub is_limited: bool,
    /// Whether a client's OPT record is answered by one.
    pub echoes_edns: bool,
    /// Answers, the most wanted first.
    pub groups: Vec<Group>,
    /// The authority section.
    pub authority: Vec<Record>,
    /// Additional records that belong to no single answer.
    pub additional: Vec<Record>,
}

impl Draft {
    /// An answer without records.
    #[must_use]
    pub fn empty(context: Context<'_>, rcode: Rcode) -> Self {
        Self {
            rcode,
            is_authoritative: true,
            recursion_available: context.settings.has_recursors,
            is_limited: false,
            echoes_edns: true,
            groups: Vec::new(),
            authority: Vec::new(),
            additional: Vec::new(),
        }
    }

    /// No such name.
    #[must_use]
    pub fn no_such_name(context: Context<'_>) -> Self {
        Self::empty(context, Rcode::NameError).with_soa(context)
    }

    /// The name is outside the zone and nobody else is asked.
    #[must_use]
    pub fn refused(context: Context<'_>) -> Self {
        let draft = Self::empty(context, Rcode::Refused);
        Self { is_authoritative: false, recursion_available: false, echoes_edns: false, ..draft }
    }

    /// The catalog could not be asked.
    #[must_use]
    pub fn failed(context: Context<'_>) -> Self {
        Self::empty(context, Rcode::ServerFailure)
    }

    /// The failure of a question that recursors should have answered.
    #[must_use]
    pub fn not_resolved(context: Context<'_>) -> Self {
        let draft = Self::empty(context, Rcode::ServerFailure);
        Self { is_authoritative: false, recursion_available: true, ..draft }
    }

    /// The same with the SOA record that lets resolvers remember the absence (RFC 2308), when there is no answer.
    #[must_use]
    pub fn with_soa(mut self, context: Context<'_>) -> Self {
        if self.groups.is_empty() {
            self.authority.push(soa(context));
        }
        self
    }

    pub(crate) fn push(&mut self, owner: Owner, ttl: u32, data: Data) {
        self.groups.push(Group { answer: Record { owner, ttl, data }, extras: Vec::new() });
    }
}

/// The SOA record of the zone.
pub(crate) fn soa(context: Context<'_>) -> Record {
    let settings = context.settings;
    let within = |label: &'static str| {
        let labels = std::iter::once(label.as_bytes()).chain(settings.domain.labels());
        Name::from_labels(labels).unwrap_or_else(|_| settings.domain.clone())
    };
    Record {
        owner: Owner::Name(settings.domain.clone()),
        ttl: settings.soa.min_ttl,
        data: Data::Soa {
            server: within("ns"),
            mailbox: within("hostmaster"),
            serial: context.unix_seconds,
            numbers: settings.soa,
        },
    }
}
