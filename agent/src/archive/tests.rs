//! Archives there and back, and hostile ones.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::tar::Entry;
use super::*;

fn store() -> state::Store {
    let mut store = state::Store::new();
    let change = model::KvChange {
        verb: model::KvVerb::Set,
        key: "a".into(),
        value: model::Blob::new(&b"1"[..]),
        flags: 7,
        ..model::KvChange::default()
    };
    store.apply(5, &state::Command::KvChange(change).encode());
    store.publish();
    store
}

fn archive() -> Vec<u8> {
    let server = Server { suffrage: 0, id: "x".to_owned(), address: "127.0.0.1:8300".to_owned() };
    let facts = Facts { term: 2, servers: vec![server], configuration_index: 1, now_ms: 1_795_375_637_354 };
    let mut bytes = Vec::new();
    write(&mut bytes, &facts, &store().snapshot()).expect("memory takes it");
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn plain() -> Vec<u8> {
    let mut tar = Vec::new();
    GzDecoder::new(&*archive()).read_to_end(&mut tar).unwrap();
    tar
}

fn member(name: &str, bytes: &[u8]) -> Vec<u8> {
    let entry = Entry { name: name.to_owned(), size: bytes.len() as u64 };
    let mut out = entry.header(0).to_vec();
    out.extend_from_slice(bytes);
    out.resize(out.len() + entry.padding() as usize, 0);
    out
}

fn refusal(bytes: &[u8]) -> String {
    read(bytes).err().expect("it is refused").to_string()
}

#[test]
fn what_is_written_can_be_read() {
    let opened = read(&*archive()).unwrap();
    assert_eq!((opened.meta.index, opened.meta.term, opened.meta.version), (5, 2, 1));
    assert_eq!(opened.meta.id, "2-5-1795375637354");
    assert_eq!(opened.meta.peers, "ka4xMjcuMC4wLjE6ODMwMA==");
    assert_eq!(opened.inventory.rows["KVS"].count, 1);
    let (mut one, mut other) = (Vec::new(), Vec::new());
    opened.state.write_to(&mut one).unwrap();
    store().snapshot().write_to(&mut other).unwrap();
    assert_eq!(one, other);
    assert_eq!(opened.meta.size, one.len() as u64);
    assert_eq!(read_meta(&*archive()).unwrap(), opened.meta);
}

#[test]
fn a_cut_at_any_byte_is_noticed() {
    let whole = archive();
    for length in 0..whole.len() {
        refusal(&whole[..length]);
    }
}

#[test]
fn hostile_members_are_refused() {
    let tar = plain();
    let files = &tar[..tar.len() - 1024];
    let with = |extra: &[u8]| refusal(&gzip(&[files, extra, &[0; 1024]].concat()));
    let wrong = "failed to read snapshot file: unexpected file";
    assert_eq!(with(&member("../../evil", b"x")), format!("{wrong} \"../../evil\" in snapshot"));
    assert_eq!(with(&member("state.bin", b"x")), format!("{wrong} \"state.bin\" in snapshot"));
    assert_eq!(with(&member("meta.json", b"{}")), format!("{wrong} \"meta.json\" in snapshot"));
    let lying = Entry { name: "meta.json".to_owned(), size: u64::MAX / 2 }.header(0);
    assert!(refusal(&gzip(&lying)).contains("more than the limit"));
    let lying = Entry { name: "state.bin".to_owned(), size: u64::MAX / 2 }.header(0);
    assert!(refusal(&gzip(&lying)).contains("the snapshot cannot be read"));
    let trailing = gzip(&[&tar[..], &[1; 512]].concat());
    assert_eq!(refusal(&trailing), "failed to read snapshot file: 1024 unread uncompressed bytes remain");
    let more = [&archive()[..], b"more"].concat();
    assert_eq!(refusal(&more), "failed to read snapshot file: there is more after the end of the archive");
}

#[test]
fn a_changed_byte_is_noticed() {
    let tar = plain();
    let state_at = tar.windows(9).position(|it| it == b"state.bin").unwrap() + 512 + 20;
    let mut changed = tar;
    changed[state_at] ^= 1;
    let text = refusal(&gzip(&changed));
    let why = "failed checking integrity of snapshot: hash check failed for \"state.bin\"";
    assert_eq!(text, format!("failed to read snapshot file: {why}"));
}

#[test]
fn a_bomb_ends_at_its_first_wrong_byte() {
    struct Counting<R>(R, u64);
    impl<R: Read> Read for Counting<R> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.read(buffer)?;
            self.1 += count as u64;
            Ok(count)
        }
    }
    // 64 MiB of zeros after the archive, a thousandth of that compressed.
    let bomb = gzip(&[&plain()[..], &vec![0; 64 << 20]].concat());
    let mut input = Counting(&*bomb, 0);
    let text = read(&mut input).err().expect("it is refused").to_string();
    assert!(text.ends_with("unread uncompressed bytes remain"), "{text}");
    // The buffer of the input is all that was read ahead.
    assert!(input.1 < 2 * 64 * 1024, "{} bytes of {} were read", input.1, bomb.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbage_is_an_error(bytes: Vec<u8>) {
        prop_assert!(read(&*bytes).is_err());
        prop_assert!(read(&*gzip(&bytes)).is_err());
    }

    #[test]
    fn a_flipped_bit_is_an_error_or_harmless(at in 0usize..2000, bit in 0u8..8) {
        let mut bytes = archive();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        // The head of a gzip has fields that say nothing about the content.
        if let Ok(opened) = read(&*bytes) {
            prop_assert_eq!(opened.meta, read(&*archive()).unwrap().meta);
        }
    }
}
