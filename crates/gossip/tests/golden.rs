//! Packets captured from real Serf and Consul 1.8.7 agents on loopback. Each line of a file is a
//! transport, what is inside, and the bytes; what is inside is what our decoder must find, and
//! everything found must survive encoding and decoding. `UPDATE_GOLDEN=1` labels raw lines
//! (`udp <hex>` or `tcp <hex>`) and keeps a few of each kind.

use gossip::wire::packet::decode_packet;
use gossip::wire::serf::SerfMessage;
use gossip::wire::stream::{Frame, FrameReader};
use gossip::wire::swim::Message;
use gossip::wire::tags::{decode_tags, encode_tags};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

const FILES: [&str; 4] = ["serf", "serf-plain", "serf-encrypted", "consul-1.8.7"];
const KEPT_PER_LABEL: usize = 3;

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{file}.hex"))
}

fn from_hex(text: &str) -> Vec<u8> {
    let digit = |b: &u8| (*b as char).to_digit(16).expect("a hex digit") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(&pair[0]) << 4 | digit(&pair[1])).collect()
}

fn serf_name(message: &SerfMessage) -> &'static str {
    match message {
        SerfMessage::Leave(_) => "leave",
        SerfMessage::Join(_) => "join",
        SerfMessage::State(_) => "state",
        SerfMessage::UserEvent(_) => "event",
        SerfMessage::Query(_) => "query",
        SerfMessage::QueryResponse(_) => "response",
        SerfMessage::ConflictResponse { .. } => "conflict",
        SerfMessage::KeyRequest { .. } => "key-request",
        SerfMessage::KeyResponse { .. } => "key-response",
        SerfMessage::Relay { .. } => "relay",
    }
}

/// Decodes and encodes a Serf message again; gives its name.
fn check_serf(payload: &[u8]) -> String {
    let message = SerfMessage::decode(payload).expect("a Serf message");
    assert_eq!(SerfMessage::decode(&message.encode()).as_ref(), Ok(&message));
    match &message {
        SerfMessage::Relay { message, .. } => format!("relay({})", check_serf(message)),
        other => serf_name(other).to_owned(),
    }
}

fn check_message(message: &Message) -> String {
    assert_eq!(Message::decode(&message.encode()).as_ref(), Ok(message));
    let name = match message {
        Message::Ping(_) => "ping",
        Message::IndirectPing(_) => "indirect-ping",
        Message::Ack(_) => "ack",
        Message::Nack { .. } => "nack",
        Message::Suspect(_) => "suspect",
        Message::Dead(_) => "dead",
        Message::Error(_) => "error",
        Message::User(payload) => return format!("user({})", check_serf(payload)),
        Message::Alive(alive) => {
            let tags = decode_tags(&alive.meta).expect("tags");
            assert_eq!(decode_tags(&encode_tags(&tags)), Ok(tags));
            assert!(alive.versions.understood());
            "alive"
        }
    };
    name.to_owned()
}

/// What is in the bytes, in one word.
fn label(transport: &str, bytes: &[u8]) -> String {
    let envelope = match bytes[0] {
        9 => "compressed:",
        12 if bytes[5] == 9 => "checksum:compressed:",
        12 => "checksum:",
        _ => "",
    };
    if transport == "udp" {
        let (messages, error) = decode_packet(bytes);
        let names: Vec<String> = messages.iter().map(check_message).collect();
        return match error {
            // Encrypted datagrams have no type byte at all, so anything may seem wrong with them.
            Some(_) if names.is_empty() => "unreadable".to_owned(),
            Some(error) => panic!("{names:?}, then {error}"),
            None => format!("{envelope}{}", names.join("+")),
        };
    }
    let (mut whole, mut trickle) = (FrameReader::new(), FrameReader::new());
    let frame = whole.push(bytes).expect("readable").expect("whole");
    // The same in pieces of one byte.
    let pieces = bytes.iter().find_map(|byte| trickle.push(&[*byte]).expect("readable"));
    assert_eq!(pieces.as_ref(), Some(&frame));
    assert_eq!(FrameReader::new().push(&frame.encode()), Ok(Some(frame.clone())));
    let name = match &frame {
        Frame::PushPull(state) => {
            for node in &state.nodes {
                check_message(&Message::Alive(node.alive.clone()));
            }
            let join = if state.join { "join" } else { "compare" };
            format!("push-pull-{join}({})", check_serf(&state.user_state))
        }
        Frame::Message(message) => check_message(message),
        Frame::Sealed(_) => "encrypted".to_owned(),
    };
    format!("{envelope}{name}")
}

fn update(file: &str) {
    let text = std::fs::read_to_string(path(file)).expect("the golden file");
    let (mut lines, mut counts) = (Vec::new(), BTreeMap::<String, usize>::new());
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let (transport, hex) = (words[0], words[words.len() - 1]);
        let label = label(transport, &from_hex(hex));
        let count = counts.entry(format!("{transport} {label}")).or_default();
        *count += 1;
        if *count <= KEPT_PER_LABEL {
            lines.push(format!("{transport} {label} {hex}\n"));
        }
    }
    std::fs::write(path(file), lines.concat()).expect("writable");
}

#[test]
fn captured_packets_mean_what_their_labels_say() {
    let mut seen = BTreeSet::new();
    for file in FILES {
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            update(file);
        }
        let text = std::fs::read_to_string(path(file)).expect("the golden file");
        for line in text.lines() {
            let [transport, wanted, hex] =
                line.split(' ').collect::<Vec<_>>().try_into().expect("three words in a line");
            assert_eq!(label(transport, &from_hex(hex)), wanted, "{file}: {line}");
            for part in wanted.split([':', '+', '(', ')']).filter(|part| !part.is_empty()) {
                seen.insert(part.to_owned());
            }
        }
    }
    let needed = [
        "ack",
        "alive",
        "checksum",
        "compressed",
        "dead",
        "encrypted",
        "event",
        "indirect-ping",
        "join",
        "leave",
        "nack",
        "ping",
        "push-pull-compare",
        "push-pull-join",
        "query",
        "relay",
        "response",
        "state",
        "suspect",
        "unreadable",
    ];
    let missing: Vec<_> = needed.iter().filter(|kind| !seen.contains(**kind)).collect();
    assert!(missing.is_empty(), "no capture of {missing:?} among {seen:?}");
}
