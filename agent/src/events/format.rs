//! A user event as it travels: a gossip event named `consul:event:NAME` whose payload is a msgpack map with Consul's
//! short keys. Empty fields are left out.

use gossip::wire::msgpack::Reader;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::{Filters, UserEvent};

/// What the names of user events start with in the pool.
pub const NAME_PREFIX: &str = "consul:event:";
/// The only version of the format so far. Newer ones are not understood and dropped.
pub const VERSION: u64 = 1;

#[derive(Serialize)]
struct Wire<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    #[serde(rename = "n")]
    name: &'a str,
    #[serde(rename = "p", serialize_with = "as_bytes", skip_serializing_if = "<[u8]>::is_empty")]
    payload: &'a [u8],
    #[serde(rename = "nf", skip_serializing_if = "str::is_empty")]
    node: &'a str,
    #[serde(rename = "sf", skip_serializing_if = "str::is_empty")]
    service: &'a str,
    #[serde(rename = "tf", skip_serializing_if = "str::is_empty")]
    tag: &'a str,
    #[serde(rename = "v")]
    version: u64,
}

fn as_bytes<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

/// The payload of a gossip event.
///
/// # Errors
/// When the event cannot be written, which no event known causes.
pub fn encode(event: &UserEvent) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let id = event.id.to_string();
    rmp_serde::to_vec_named(&Wire {
        id: &id,
        name: &event.name,
        payload: &event.payload,
        node: &event.filters.node,
        service: &event.filters.service,
        tag: &event.filters.tag,
        version: event.version,
    })
}

/// Reads the payload of a gossip event; `None` when it is damaged or of a newer version.
pub fn decode(payload: &[u8], ltime: u64) -> Option<UserEvent> {
    let mut reader = Reader::new(payload);
    let mut event = UserEvent {
        id: Uuid::nil(),
        name: String::new(),
        payload: Vec::new(),
        filters: Filters::default(),
        version: 0,
        ltime,
    };
    for _ in 0..reader.map().ok()? {
        match reader.raw().ok()? {
            b"ID" => event.id = Uuid::try_parse_ascii(reader.raw().ok()?).ok()?,
            b"n" => event.name = reader.text().ok()?,
            b"p" => event.payload = reader.raw().ok()?.to_vec(),
            b"nf" => event.filters.node = reader.text().ok()?,
            b"sf" => event.filters.service = reader.text().ok()?,
            b"tf" => event.filters.tag = reader.text().ok()?,
            b"v" => event.version = reader.unsigned().ok()?,
            _ => reader.skip().ok()?,
        }
    }
    (event.version <= VERSION).then_some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_survive_and_damaged_ones_are_dropped() {
        let filters = Filters { node: "n.*".to_owned(), ..Filters::default() };
        let event = UserEvent { ltime: 7, ..UserEvent::new("deploy".to_owned(), vec![0, 255], filters) };
        let bytes = encode(&event).expect("can be written");
        assert_eq!(decode(&bytes, 7), Some(event.clone()));
        for end in 0..bytes.len() {
            assert_eq!(decode(&bytes[..end], 7), None);
        }
        let newer = encode(&UserEvent { version: VERSION + 1, ..event }).expect("can be written");
        assert_eq!(decode(&newer, 7), None);
    }

    #[test]
    fn an_event_without_a_payload_takes_as_many_bytes_as_consul_gives_it() {
        let event = UserEvent::new("x".to_owned(), vec![b'a'; 300], Filters::default());
        assert_eq!(encode(&event).expect("can be written").len(), 54 + 300);
    }
}
