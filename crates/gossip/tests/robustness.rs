//! Bytes that nobody should send: mutated captures, bombs, prefixes, noise. The answer is always an
//! error or silence, and bounded memory.

use gossip::limits::{MEMBERS_MAX, STREAM_BYTES_MAX};
use gossip::wire::packet::{decode_packet, deflate};
use gossip::wire::serf::SerfMessage;
use gossip::wire::stream::FrameReader;
use gossip::wire::tags::decode_tags;
use gossip::{Admission, CoreConfig, GossipCore, Output, Time, Timing, WireError};
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// The captured bytes of one transport.
fn captures(transport: &str) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for text in [
        include_str!("golden/serf.hex"),
        include_str!("golden/serf-plain.hex"),
        include_str!("golden/serf-encrypted.hex"),
        include_str!("golden/consul-1.8.7.hex"),
    ] {
        for line in text.lines().filter(|line| line.starts_with(transport)) {
            let hex = line.rsplit(' ').next().unwrap().as_bytes();
            let digit = |b: u8| (b as char).to_digit(16).unwrap() as u8;
            all.push(hex.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect());
        }
    }
    all
}

fn core() -> GossipCore {
    let config = CoreConfig {
        name: "s1".to_owned(),
        advertise: "127.9.0.1:7946".parse().unwrap(),
        tags: BTreeMap::from([("id".to_owned(), "mine".to_owned())]),
        timing: Timing::lan(),
        seed: 5,
        admission: Admission::Any,
    };
    GossipCore::new(&config, None, Time::ZERO).unwrap()
}

fn mutate(rng: &mut SmallRng, all: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = all[rng.random_range(0..all.len())].clone();
    for _ in 0..rng.random_range(1..6) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..6) {
            0 => bytes[at] = rng.random(),
            1 => bytes[at] ^= 1 << rng.random_range(0..8),
            2 => bytes.truncate(at),
            3 => bytes.insert(at, rng.random()),
            4 => {
                let other = &all[rng.random_range(0..all.len())];
                let from = rng.random_range(0..other.len());
                bytes.splice(at.., other[from..].iter().copied());
            }
            _ => bytes[at] = [0x00, 0x7f, 0x80, 0xff, 0xdf, 0xdd, 0xdb][rng.random_range(0..7)],
        }
    }
    // The checksum would stop nearly all of them at the door.
    if bytes.first() == Some(&12) && bytes.len() > 5 {
        bytes.drain(..5);
    }
    bytes
}

#[test]
fn a_hundred_thousand_mutated_datagrams_leave_a_working_node() {
    let mut rng = SmallRng::seed_from_u64(42);
    let all = captures("udp");
    let from: SocketAddr = "127.9.0.2:7946".parse().unwrap();
    let (mut core, mut now, mut readable, mut events, mut sent) = (core(), Time::ZERO, 0, 0, 0);
    for round in 0..100_000 {
        let bytes = mutate(&mut rng, &all);
        readable += usize::from(core.on_datagram(now, from, &bytes).is_ok());
        if round % 100 == 0 {
            now = now + Duration::from_millis(50);
            core.on_timer(now);
        }
        for output in core.drain() {
            match output {
                Output::Event(_) => events += 1,
                Output::Datagram { bytes, .. } => {
                    sent += 1;
                    assert_eq!(decode_packet(&bytes).1, None, "we send only what can be read");
                }
                _ => {}
            }
        }
    }
    println!("{readable} readable, {events} events, {sent} answers, {} members", core.members().len());
    assert!(core.members().len() <= MEMBERS_MAX);
    assert!(readable > 1000 && events > 10, "the mutations are too weak to test anything");
    let mut other = GossipCore::new(
        &CoreConfig {
            name: "honest".to_owned(),
            advertise: from,
            tags: BTreeMap::new(),
            timing: Timing::lan(),
            seed: 6,
            admission: Admission::Any,
        },
        None,
        now,
    )
    .unwrap();
    other.join(now, core.local().addr);
    let greeting = other.drain().into_iter().find_map(|output| match output {
        Output::Connect { bytes, .. } => Some(bytes),
        _ => None,
    });
    let frame = FrameReader::new().push(&greeting.unwrap()).unwrap().unwrap();
    assert!(core.on_frame(now, frame).is_some());
    assert!(core.members().iter().any(|m| *m.name == *"honest"), "an honest node can still join");
}

#[test]
fn mutated_streams_end_in_an_error_or_wait_for_more() {
    let mut rng = SmallRng::seed_from_u64(43);
    let all = captures("tcp");
    let (mut core, mut frames, mut errors) = (core(), 0, 0);
    for _ in 0..20_000 {
        let bytes = mutate(&mut rng, &all);
        match FrameReader::new().push(&bytes) {
            Ok(Some(frame)) => {
                frames += 1;
                core.on_frame(Time::ZERO, frame);
                core.drain();
            }
            Ok(None) => {}
            Err(_) => errors += 1,
        }
    }
    println!("{frames} frames, {errors} errors, {} members", core.members().len());
    assert!(frames > 100 && errors > 100);
    assert!(core.members().len() <= MEMBERS_MAX);
}

#[test]
fn the_member_table_is_bounded() {
    let mut core = core();
    let from: SocketAddr = "10.0.0.1:1".parse().unwrap();
    // The first claims an incarnation that its honest owner could not overrule.
    for i in 0..MEMBERS_MAX + 500 {
        let alive = gossip::wire::swim::Message::Alive(gossip::wire::swim::Alive {
            incarnation: if i == 0 { u32::MAX } else { 1 },
            node: format!("forged-{i}"),
            addr: from,
            meta: Vec::new(),
            versions: gossip::Versions::OURS,
        });
        core.on_datagram(Time::ZERO, from, &alive.encode()).unwrap();
        core.drain();
    }
    assert_eq!(core.members().len(), MEMBERS_MAX);
    assert!(core.members().iter().all(|m| *m.name != *"forged-0"));
}

#[test]
fn a_forged_obituary_is_refuted() {
    use gossip::wire::swim::{Accusation, Message};
    let mut core = core();
    let from: SocketAddr = "10.0.0.1:1".parse().unwrap();
    let name = "s1".to_owned();
    for forged in [
        Message::Dead(Accusation { incarnation: 7, node: name.clone(), from: name.clone() }),
        Message::Suspect(Accusation { incarnation: u32::MAX, node: name, from: "x".into() }),
    ] {
        core.on_datagram(Time::ZERO, from, &forged.encode()).unwrap();
        assert_eq!(core.local().status, gossip::Status::Alive);
    }
    assert_eq!(core.local().incarnation, 8, "the second is no honest accusation");
}

#[test]
fn every_prefix_of_a_stream_waits_and_every_first_byte_is_waited_for_or_refused() {
    for bytes in captures("tcp") {
        if bytes[0] == 10 {
            continue;
        }
        for len in 1..bytes.len().min(65) {
            assert_eq!(FrameReader::new().push(&bytes[..len]), Ok(None), "{len} of {bytes:?}");
        }
    }
    let waits = |byte: &u8| FrameReader::new().push(&[*byte]) == Ok(None);
    let waiting: Vec<u8> = (0..=255).filter(waits).collect();
    assert_eq!(waiting, [0, 2, 6, 8, 9, 10, 13]);
}

#[test]
fn bombs_are_refused_at_their_header() {
    // Lengths of 4 GiB, in the places where a length can be.
    let huge = [0xce, 0xff, 0xff, 0xff, 0xff];
    let header = |key: &str, value: &[u8]| [&[0x81, 0xa0 | key.len() as u8], key.as_bytes(), value].concat();
    for (kind, key) in [(6, "Nodes"), (6, "UserStateLen"), (8, "UserMsgLen")] {
        let bytes = [&[kind], header(key, &huge).as_slice()].concat();
        let result = FrameReader::new().push(&bytes);
        assert!(matches!(result, Err(WireError::TooLong { .. })), "{key}: {result:?}");
    }
    for collection in [0xdd, 0xdf] {
        let bytes = [2, collection, 0xff, 0xff, 0xff, 0xff];
        assert!(matches!(FrameReader::new().push(&bytes), Err(WireError::TooLong { .. })));
    }
    let bomb = deflate(&vec![0; STREAM_BYTES_MAX + 1]);
    assert!(bomb.len() < STREAM_BYTES_MAX / 100);
    assert!(matches!(FrameReader::new().push(&bomb), Err(WireError::TooLong { .. })));
    // Compressed in compressed.
    let twice = deflate(&deflate(&[0x00, 0x80]));
    assert_eq!(FrameReader::new().push(&twice), Err(WireError::UnknownMessage(9)));
    // A declared length beyond the limit is refused when the limit is reached, not earlier.
    let mut reader = FrameReader::new();
    assert_eq!(reader.push(&[9, 0x81, 0xa3, b'B', b'u', b'f', 0xdb, 0xff, 0xff, 0xff, 0xff]), Ok(None));
    let piece = vec![0; 1024 * 1024];
    let refused = (0..64).find_map(|_| reader.push(&piece).err());
    assert!(matches!(refused, Some(WireError::TooLong { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0u8..15) {
        let _ = decode_packet(&bytes);
        let _ = SerfMessage::decode(&bytes);
        let _ = decode_tags(&bytes);
        let mut framed = vec![kind];
        framed.extend_from_slice(&bytes);
        let _ = decode_packet(&framed);
        let _ = SerfMessage::decode(&framed);
        let _ = FrameReader::new().push(&framed);
    }

    #[test]
    fn pieces_give_what_the_whole_gives(
        capture in 0usize..8,
        cuts in prop::collection::vec(1usize..400, 1..40),
    ) {
        let all = captures("tcp");
        let bytes = &all[capture % all.len()];
        let whole = FrameReader::new().push(bytes);
        let (mut reader, mut at, mut pieces) = (FrameReader::new(), 0, Ok(None));
        for cut in cuts.iter().cycle() {
            if at >= bytes.len() || pieces != Ok(None) {
                break;
            }
            let end = (at + cut).min(bytes.len());
            pieces = reader.push(&bytes[at..end]);
            at = end;
        }
        prop_assert_eq!(pieces, whole);
    }
}
