//! What fits: limits, truncation, compression, long texts.

use crate::support::{Catalog, request, respond, sample};
use dns::{Settings, Transport};
use hickory_proto::op::Message;
use hickory_proto::rr::{RData, RecordType};
use proptest::prelude::*;
use serde_json::json;

fn many(count: usize, name: &str) -> Catalog {
    let mut catalog = Catalog::default();
    for i in 0..count {
        let node = format!("{name}{i}");
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + i as u32);
        catalog.node(json!({"Node": node, "Address": address, "Meta": {"number": i.to_string()}}));
        catalog.service(&node, json!({"ID": "m", "Service": "many", "Port": i}), &["passing"]);
    }
    catalog
}

fn ask(catalog: &Catalog, settings: &Settings, record_type: RecordType, edns: Option<u16>, over: Transport) -> Message {
    let packet = request("many.service.consul", record_type, edns);
    Message::from_vec(&respond(catalog, settings, &packet, over, 3)).expect("a message")
}

#[test]
fn plain_clients_get_three_answers() {
    let catalog = sample();
    let settings = Settings::default();
    for record_type in [RecordType::A, RecordType::SRV, RecordType::ANY] {
        let answer = ask(&catalog, &settings, record_type, None, Transport::Udp);
        assert_eq!((answer.answers.len(), answer.metadata.truncation), (3, false));
        let answer = ask(&catalog, &settings, record_type, Some(512), Transport::Udp);
        assert_eq!(answer.answers.len(), 3);
        let answer = ask(&catalog, &settings, record_type, Some(1232), Transport::Udp);
        assert_eq!(answer.answers.len(), 8);
        let answer = ask(&catalog, &settings, record_type, None, Transport::Tcp);
        assert_eq!(answer.answers.len(), 8);
    }
}

#[test]
fn limits_are_settings() {
    let catalog = sample();
    let settings = Settings { udp_answer_limit: 5, enable_truncate: true, ..Settings::default() };
    let answer = ask(&catalog, &settings, RecordType::A, None, Transport::Udp);
    assert_eq!((answer.answers.len(), answer.metadata.truncation), (5, true));
    let answer = ask(&catalog, &settings, RecordType::A, None, Transport::Tcp);
    assert_eq!((answer.answers.len(), answer.metadata.truncation), (8, false));
    let settings = Settings { a_record_limit: 2, ..Settings::default() };
    assert_eq!(ask(&catalog, &settings, RecordType::A, None, Transport::Tcp).answers.len(), 2);
    assert_eq!(ask(&catalog, &settings, RecordType::SRV, None, Transport::Tcp).answers.len(), 8);
}

#[test]
fn an_answer_is_never_cut_to_nothing() {
    // Each instance has more metadata than a small datagram holds.
    let mut catalog = Catalog::default();
    for node in ["x", "y"] {
        catalog.node(json!({"Node": node, "Address": "10.0.0.1", "Meta": {"long": "m".repeat(600), "short": "s"}}));
        catalog.service(node, json!({"ID": "m", "Service": "many", "Port": 1}), &[]);
    }
    let answer = ask(&catalog, &Settings::default(), RecordType::SRV, None, Transport::Udp);
    assert_eq!(answer.answers.len(), 1);
    // The address fits and so does the short text; the long one is left out.
    assert_eq!(answer.additionals.len(), 2);
    let settings = Settings { enable_truncate: true, ..Settings::default() };
    assert!(ask(&catalog, &settings, RecordType::SRV, None, Transport::Udp).metadata.truncation);
}

#[test]
fn what_fits_into_nothing_says_so() {
    let mut catalog = Catalog::default();
    let label = "h".repeat(62);
    let host = format!("{label}.{label}.{label}.{label}");
    let name = format!("{}.{}.{}.{}", "r".repeat(38), "s".repeat(63), "t".repeat(63), "u".repeat(63));
    catalog.node(json!({"Node": "x", "Address": host}));
    let service =
        json!({"ID": "m", "Service": "u".repeat(63), "Port": 1, "Tags": [name.rsplit_once('.').expect("dots").0]});
    catalog.service("x", service, &[]);
    let packet = request(&format!("{name}.service.consul"), RecordType::SRV, None);
    let bytes = respond(&catalog, &Settings::default(), &packet, Transport::Udp, 1);
    let answer = Message::from_vec(&bytes).expect("a message");
    assert!(bytes.len() <= 512);
    assert!(answer.answers.is_empty() && answer.metadata.truncation, "{answer}");
}

#[test]
fn long_metadata_is_cut_into_strings() {
    let mut catalog = Catalog::default();
    catalog.node(json!({"Node": "x", "Address": "10.0.0.1", "Meta": {"k": "m".repeat(600)}}));
    let packet = request("x.node.consul", RecordType::TXT, Some(4096));
    let bytes = respond(&catalog, &Settings::default(), &packet, Transport::Udp, 1);
    let answer = Message::from_vec(&bytes).expect("a message");
    let RData::TXT(texts) = &answer.answers[0].data else { panic!("{answer}") };
    assert_eq!(texts.txt_data.iter().map(|part| part.len()).collect::<Vec<_>>(), [255, 255, 92]);
}

#[test]
fn ttls_are_settings() {
    let ttls = [("*", 1), ("ma*", 2), ("man*", 3), ("mixed", 4)].map(|(name, ttl)| (name.to_owned(), ttl));
    let settings = Settings { node_ttl: 9, service_ttls: ttls.into_iter().collect(), ..Settings::default() };
    let ttl = |name: &str| {
        let packet = request(name, RecordType::A, None);
        let bytes = respond(&sample(), &settings, &packet, Transport::Udp, 1);
        Message::from_vec(&bytes).expect("a message").answers[0].ttl
    };
    let names = ["web.service.consul", "many.service.consul", "mixed.service.consul", "a1.node.consul"];
    assert_eq!(names.map(ttl), [1, 3, 4, 9]);
}

#[test]
fn the_other_domain_works_and_targets_use_the_first() {
    let alt_domain = dns::Name::parse("Test.Zone").ok();
    let settings = Settings { alt_domain, ..Settings::default() };
    let packet = request("many.service.test.zone", RecordType::SRV, None);
    let answer = Message::from_vec(&respond(&sample(), &settings, &packet, Transport::Udp, 1)).expect("a message");
    assert_eq!(answer.answers[0].name.to_string(), "many.service.test.zone.");
    assert!(answer.answers[0].data.to_string().ends_with(".node.dc1.consul."));
}

#[test]
fn order_depends_on_the_seed_alone() {
    let catalog = many(30, "n");
    let packet = request("many.service.consul", RecordType::A, Some(1232));
    let bytes = |seed| respond(&catalog, &Settings::default(), &packet, Transport::Udp, seed);
    assert_eq!(bytes(1), bytes(1));
    assert!((2..10).any(|seed| bytes(seed) != bytes(1)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn messages_fit_and_are_as_full_as_can_be(
        count in 1_usize..80,
        length in 1_usize..50,
        edns in prop::option::of(0_u16..5000),
        compress in any::<bool>(),
        srv in any::<bool>(),
        tcp in any::<bool>(),
    ) {
        let catalog = many(count, &"n".repeat(length));
        let settings = Settings { disable_compression: !compress, enable_truncate: true, ..Settings::default() };
        let record_type = if srv { RecordType::SRV } else { RecordType::A };
        let over = if tcp { Transport::Tcp } else { Transport::Udp };
        let packet = request("many.service.consul", record_type, edns);
        let bytes = respond(&catalog, &settings, &packet, over, 5);
        let room = if tcp { 65_535 } else { usize::from(edns.unwrap_or(0)).max(512) };
        prop_assert!(bytes.len() <= room);
        let answer = Message::from_vec(&bytes).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert!(!answer.answers.is_empty());
        prop_assert_eq!(answer.metadata.truncation, answer.answers.len() < count);
        if srv && answer.answers.len() > 1 {
            // Each SRV record comes with its address and its metadata.
            prop_assert_eq!(answer.additionals.len(), 2 * answer.answers.len());
        }
        // Another answer would not have fitted: the largest takes a name, an address and a text.
        let largest = if srv { 3 * (length + 40) + 60 } else { 50 };
        prop_assert!(answer.answers.len() == count || room == 512 || bytes.len() + largest > room);
    }
}
