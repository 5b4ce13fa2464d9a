//! Two hundred thousand mutated packets, the same ones in every run: made from good requests by flipping, cutting,
//! repeating and splicing. Whatever comes, the outcome is silence or a message that another implementation reads.

use dns::{Context, Question, Rejected, Settings, Transport, pack};
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::support::{Catalog, request, sample};

const PACKETS: usize = 200_000;
const SEED: u64 = 53;
/// Every so many answers are read by the other implementation: it is slower than what is tested.
const READ_EACH: usize = 8;

/// Good requests of every shape.
fn corpus() -> Vec<Vec<u8>> {
    const NAMES: &[&str] = &[
        ".",
        "consul",
        "ns.consul",
        "web.service.consul",
        "v1.web.service.dc1.consul",
        "_web._v1.service.consul",
        "_many._tcp.service.consul",
        "many.service.consul",
        "a1.node.consul",
        "0a000001.addr.consul",
        "fd000000000000000000000000000006.addr.consul",
        "find.query.consul",
        "web.connect.consul",
        "web.ingress.consul",
        "1.0.0.10.in-addr.arpa",
        "6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
        "web.service.dc2.consul",
        "www.example.com",
    ];
    const KINDS: &[RecordType] = &[
        RecordType::A,
        RecordType::AAAA,
        RecordType::SRV,
        RecordType::TXT,
        RecordType::NS,
        RecordType::SOA,
        RecordType::PTR,
        RecordType::ANY,
        RecordType::CNAME,
        RecordType::AXFR,
    ];
    let mut packets = Vec::new();
    for name in NAMES {
        for kind in KINDS {
            packets.push(request(name, *kind, None));
            packets.push(request(name, *kind, Some(4096)));
        }
    }
    let mut with_subnet = request("find.query.consul", RecordType::A, None);
    with_subnet[11] = 1;
    with_subnet.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 11, 0, 8, 0, 7, 0, 1, 24, 9, 10, 1, 2]);
    packets.push(with_subnet);
    packets
}

/// Changes a packet in one of the ways in which packets go wrong.
fn mutate(packet: &mut Vec<u8>, others: &[Vec<u8>], random: &mut SmallRng) {
    const ODD: &[u8] = &[0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff];
    let at = random.random_range(0..packet.len().max(1));
    match random.random_range(0..9) {
        0 if !packet.is_empty() => packet[at] ^= 1 << random.random_range(0..8),
        1 if !packet.is_empty() => packet[at] = random.random(),
        2 if !packet.is_empty() => packet[at] = ODD[random.random_range(0..ODD.len())],
        3 => packet.truncate(at),
        4 => packet.insert(at.min(packet.len()), random.random()),
        5 => {
            let part = packet[at.min(packet.len())..].to_vec();
            packet.extend(part);
        }
        6 => {
            let other = &others[random.random_range(0..others.len())];
            packet.truncate(at);
            packet.extend_from_slice(&other[random.random_range(0..other.len())..]);
        }
        // The counts of the header, and a pointer somewhere.
        7 if packet.len() > 12 => packet[random.random_range(2..12)] = random.random(),
        8 if packet.len() > 14 => {
            let at = random.random_range(12..packet.len() - 1);
            packet[at] = 0xc0;
            packet[at + 1] = random.random();
        }
        _ => packet.push(0),
    }
    packet.truncate(4096);
}

/// The answer; `None` for silence.
fn answer(catalog: &Catalog, settings: &Settings, packet: &[u8], transport: Transport) -> Option<Vec<u8>> {
    let question = match Question::read(packet) {
        Ok(question) => question,
        Err(Rejected::Silence) => return None,
        Err(Rejected::Reply(header)) => return Some(header.to_vec()),
    };
    let context = Context { question: &question, settings, client: None, transport, unix_seconds: 1 };
    Some(pack(context, &catalog.draft(context, 1)))
}

#[test]
fn mutated_packets_are_answered_readably_or_not_at_all() {
    let (catalog, settings, corpus) = (sample(), Settings::default(), corpus());
    let mut random = SmallRng::seed_from_u64(SEED);
    let (mut silent, mut refused, mut answered) = (0, 0, 0);
    for number in 0..PACKETS {
        let mut packet = corpus[random.random_range(0..corpus.len())].clone();
        for _ in 0..random.random_range(1..5) {
            mutate(&mut packet, &corpus, &mut random);
        }
        let transport = if number % 4 == 0 { Transport::Tcp } else { Transport::Udp };
        let Some(answer) = answer(&catalog, &settings, &packet, transport) else {
            silent += 1;
            continue;
        };
        assert_eq!(answer[..2], packet[..2], "{packet:02x?}");
        assert!(answer.len() >= 12 && answer[2] & 0x80 != 0, "{packet:02x?}: {answer:02x?}");
        if transport == Transport::Udp {
            assert!(answer.len() <= 65_507, "{packet:02x?}");
        }
        if number % READ_EACH == 0 {
            assert!(Message::from_vec(&answer).is_ok(), "{packet:02x?}: {answer:02x?}");
        }
        if answer[3] & 0x0f == 1 { refused += 1 } else { answered += 1 }
    }
    // The mutations are neither so weak that all is understood nor so strong that nothing is.
    for (what, count) in [("silent", silent), ("refused", refused), ("answered", answered)] {
        assert!(count > PACKETS / 50, "{silent} silent, {refused} refused, {answered} answered: too few {what}");
    }
}
