//! Packets that no client sends: whatever the bytes, the outcome is an answer or silence, and answers are readable.

use crate::support::{Catalog, request, sample};
use dns::{Context, Question, Rejected, Settings, Transport, pack};
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use proptest::prelude::*;

/// The answer, and proof that another implementation reads it.
fn respond(catalog: &Catalog, packet: &[u8], transport: Transport) -> Option<Vec<u8>> {
    let settings = Settings::default();
    let question = match Question::read(packet) {
        Ok(question) => question,
        Err(Rejected::Silence) => return None,
        Err(Rejected::Reply(header)) => return Some(header.to_vec()),
    };
    let context = Context { question: &question, settings: &settings, client: None, transport, unix_seconds: 1 };
    Some(pack(context, &catalog.draft(context, 1)))
}

fn code(packet: &[u8]) -> Option<u8> {
    respond(&sample(), packet, Transport::Udp).map(|answer| {
        assert_eq!(&answer[..2], &packet[..2], "the identity is repeated");
        assert_ne!(answer[2] & 0x80, 0, "it is an answer");
        answer[3] & 0x0f
    })
}

#[test]
fn malformed_packets_are_refused_or_ignored() {
    let good = request("web.service.consul", RecordType::A, None);
    let with = |at: usize, byte: u8| {
        let mut packet = good.clone();
        packet[at] = byte;
        packet
    };
    assert_eq!(code(&good), Some(0));
    assert_eq!(code(&good[..11]), None, "shorter than a header");
    assert_eq!(code(&good[..12]), Some(1), "the question is missing");
    assert_eq!(code(&with(2, 0x81)), None, "an answer is not answered");
    assert_eq!(code(&with(2, 0x11)), Some(4), "another operation");
    assert_eq!(code(&with(5, 0)), Some(1), "no question");
    assert_eq!(code(&with(5, 2)), Some(1), "two questions");
    assert_eq!(code(&with(12, 0xc0)), Some(1), "a name that points into nowhere");
    assert_eq!(code(&with(12, 0x40)), Some(1), "a reserved kind of label");
    assert_eq!(code(&with(11, 1)), Some(1), "an additional record that is not there");
    assert_eq!(code(&with(11, 3)), Some(1), "too many additional records");
    let mut pointing_at_itself = good[..12].to_vec();
    pointing_at_itself.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1]);
    assert_eq!(code(&pointing_at_itself), Some(1), "a name that points at itself");
    let mut trailing = good.clone();
    trailing.extend_from_slice(b"more");
    assert_eq!(code(&trailing), Some(0), "bytes behind the message do not matter");
}

#[test]
fn client_subnets_are_repeated_with_scope_zero() {
    let mut packet = request("web.service.consul", RecordType::A, None);
    packet[11] = 1;
    packet.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 11, 0, 8, 0, 7, 0, 1, 24, 9, 10, 1, 2]);
    let answer = respond(&sample(), &packet, Transport::Udp).expect("an answer");
    let opt = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 11, 0, 8, 0, 7, 0, 1, 24, 0, 10, 1, 2];
    assert!(answer.ends_with(&opt), "{answer:?}");
}

proptest! {
    #[test]
    fn any_bytes(packet in prop::collection::vec(any::<u8>(), 0..600), tcp in any::<bool>()) {
        let over = if tcp { Transport::Tcp } else { Transport::Udp };
        if let Some(answer) = respond(&sample(), &packet, over) {
            prop_assert!(answer.len() >= 12);
        }
    }

    #[test]
    fn mutated_requests(
        changes in prop::collection::vec((0_usize..80, any::<u8>()), 0..6),
        cut in 0_usize..80,
        name in prop::sample::select(vec!["web.service.consul", "a1.node.consul", "1.0.0.10.in-addr.arpa", "consul"]),
        kind in prop::sample::select(vec![RecordType::A, RecordType::SRV, RecordType::SOA, RecordType::ANY]),
    ) {
        let mut packet = request(name, kind, Some(1232));
        for (at, byte) in changes {
            if let Some(place) = packet.get_mut(at) {
                *place = byte;
            }
        }
        packet.truncate(packet.len().max(cut));
        if let Some(answer) = respond(&sample(), &packet, Transport::Udp) {
            prop_assert_eq!(&answer[..2], &packet[..2]);
            // What came as an odd name is repeated as it came; the message around it must still be readable.
            prop_assert!(Message::from_vec(&answer).is_ok(), "{:?}", answer);
        }
    }

    #[test]
    fn any_labels(labels in prop::collection::vec("[a-z_.0-9-]{1,20}", 0..8), kind in 0_u16..300) {
        let mut packet = request(".", RecordType::A, None);
        packet.truncate(12);
        let labels: Vec<&str> = labels.iter().map(String::as_str).chain(["service", "consul"]).collect();
        for label in labels {
            packet.push(label.len() as u8);
            packet.extend_from_slice(label.as_bytes());
        }
        packet.extend_from_slice(&[0, (kind >> 8) as u8, kind as u8, 0, 1]);
        prop_assert!(respond(&sample(), &packet, Transport::Udp).is_some());
    }
}
