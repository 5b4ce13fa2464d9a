//! DNS answers of the catalog: question -> lookup, rows -> message. Pure: no sockets, no clock, no generator of its own.
//!
//! A packet becomes a [`Question`] ([`Question::read`]), the question a [`Plan`] ([`plan`]). Where the plan needs rows of
//! the catalog, the caller fetches them and makes a [`Draft`] of them ([`answer`]); [`pack`] turns the draft into the
//! bytes that fit the client. Names, record types and response codes are those of Consul 1.8.7.
//!
//! The wire format is written here and not by `hickory-proto`, because packing tries several numbers of records against
//! the client's size, which wants an encoder that starts over cheaply and shares names with the question's spelling.
//! `hickory-proto` reads the messages in the tests, so that two implementations agree on each.

mod address;
pub mod answer;
mod draft;
pub mod limits;
mod name;
mod pack;
mod plan;
mod question;
mod settings;
mod writer;

pub use draft::{Data, Draft, Group, Owner, Rcode, Record};
pub use name::{Name, WrongName};
pub use pack::{Transport, pack, request};
pub use plan::{Lookup, Plan, Target, plan};
pub use question::{ClientSubnet, Edns, Question, RecordType, Rejected};
pub use settings::{ServiceTtls, Settings, Soa};

/// What an answer depends on besides the rows.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The question.
    pub question: &'a Question,
    /// The settings of the agent.
    pub settings: &'a Settings,
    /// Address of the client, where it is known.
    pub client: Option<std::net::IpAddr>,
    /// How the answer travels.
    pub transport: Transport,
    /// Seconds since 1970, the serial number of the zone.
    pub unix_seconds: u32,
}
