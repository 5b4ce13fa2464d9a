//! The wire format: numbers, names with compression, records.

use crate::draft::{Data, Owner, Record};
use crate::limits::{HEADER_BYTES, POINTER_OFFSET_MAX, TEXT_BYTES_MAX};
use crate::{Name, Question};

const CLASS_INTERNET: u16 = 1;
const POINTER: u16 = 0xc000;
const SLOTS_MIN: usize = 64;

/// A message being written. It never grows above its limit: what does not fit leaves no trace.
pub(crate) struct Writer<'a> {
    bytes: Vec<u8>,
    bytes_max: usize,
    question: &'a Question,
    names: Option<Suffixes>,
}

/// The record does not fit any more.
pub(crate) struct Full;

impl<'a> Writer<'a> {
    /// Starts a message with an empty header and the question.
    pub(crate) fn new(question: &'a Question, bytes_max: usize, compresses: bool) -> Self {
        let mut bytes = Vec::with_capacity(bytes_max.min(1232));
        bytes.resize(HEADER_BYTES, 0);
        let names = compresses.then(Suffixes::default);
        let mut writer = Self { bytes, bytes_max, question, names };
        writer.name(&question.name, false);
        writer.number(question.record_type.number());
        writer.number(question.class);
        writer
    }

    /// Appends a record, or nothing.
    pub(crate) fn record(&mut self, record: &Record) -> Result<(), Full> {
        let mark = self.bytes.len();
        match &record.owner {
            Owner::Question => self.name(&self.question.name, true),
            Owner::Name(name) => self.name(name, true),
        }
        self.number(record.data.record_type().number());
        self.number(CLASS_INTERNET);
        self.bytes.extend_from_slice(&record.ttl.to_be_bytes());
        let length_at = self.bytes.len();
        self.number(0);
        self.data(&record.data);
        let length = self.bytes.len() - length_at - 2;
        let (true, Ok(length)) = (self.bytes.len() <= self.bytes_max, u16::try_from(length)) else {
            self.bytes.truncate(mark);
            return Err(Full);
        };
        self.bytes[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    /// Keeps room at the end for [`Writer::finish`].
    pub(crate) fn reserve(&mut self, count: usize) {
        self.bytes_max = self.bytes_max.saturating_sub(count);
    }

    /// Fills the header and appends what room was reserved for.
    pub(crate) fn finish(mut self, flags: [u8; 2], counts: [u16; 3], tail: &[u8]) -> Vec<u8> {
        let header = [self.question.id.to_be_bytes(), flags, 1_u16.to_be_bytes()];
        let counts = counts.map(u16::to_be_bytes);
        for (slot, pair) in self.bytes.chunks_exact_mut(2).zip(header.iter().chain(&counts)) {
            slot.copy_from_slice(pair);
        }
        self.bytes.extend_from_slice(tail);
        self.bytes
    }

    fn data(&mut self, data: &Data) {
        match data {
            Data::A(ip) => self.bytes.extend_from_slice(&ip.octets()),
            Data::Aaaa(ip) => self.bytes.extend_from_slice(&ip.octets()),
            Data::Cname(name) | Data::Ns(name) | Data::Ptr(name) => self.name(name, true),
            Data::Txt(text) => self.text(text),
            Data::Srv { priority, weight, port, target } => {
                [*priority, *weight, *port].into_iter().for_each(|number| self.number(number));
                // RFC 2782 asks for no pointers here; what is written may still be pointed to.
                self.name(target, false);
            }
            Data::Soa { server, mailbox, serial, numbers } => {
                self.name(server, true);
                self.name(mailbox, true);
                for number in [*serial, numbers.refresh, numbers.retry, numbers.expire, numbers.min_ttl] {
                    self.bytes.extend_from_slice(&number.to_be_bytes());
                }
            }
        }
    }

    /// Long texts are cut into strings of the allowed length; an empty one is one empty string.
    fn text(&mut self, text: &str) {
        if text.is_empty() {
            self.bytes.push(0);
        }
        for part in text.as_bytes().chunks(TEXT_BYTES_MAX) {
            self.bytes.push(part.len() as u8);
            self.bytes.extend_from_slice(part);
        }
    }

    fn number(&mut self, number: u16) {
        self.bytes.extend_from_slice(&number.to_be_bytes());
    }

    /// Writes a name; with `may_point`, its longest ending that was written before becomes a pointer.
    fn name(&mut self, name: &Name, may_point: bool) {
        let wire = name.wire();
        let Some(names) = &mut self.names else {
            self.bytes.extend_from_slice(wire);
            self.bytes.push(0);
            return;
        };
        let mut rest = wire;
        while let Some(length) = rest.first() {
            let hash = hash(rest);
            match names.find(hash, rest, &self.bytes) {
                Some(offset) if may_point => {
                    self.bytes.extend_from_slice(&(POINTER | offset).to_be_bytes());
                    return;
                }
                Some(_) => {}
                None => names.insert(hash, self.bytes.len()),
            }
            let (label, after) = rest.split_at(1 + usize::from(*length));
            self.bytes.extend_from_slice(label);
            rest = after;
        }
        self.bytes.push(0);
    }
}

/// Where the endings of names stand that were written so far: an open hash table of offsets. Entries behind the end of
/// the message, left by records that did not fit, are harmless: a hit is always compared with the message itself.
#[derive(Default)]
struct Suffixes {
    slots: Vec<(u32, u16)>,
    used: usize,
}

impl Suffixes {
    fn find(&self, hash: u32, suffix: &[u8], message: &[u8]) -> Option<u16> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash as usize & mask;
        while self.slots[at].1 != 0 {
            let (found, offset) = self.slots[at];
            if found == hash && is_written_at(message, usize::from(offset), suffix) {
                return Some(offset);
            }
            at = (at + 1) & mask;
        }
        None
    }

    fn insert(&mut self, hash: u32, offset: usize) {
        if offset > POINTER_OFFSET_MAX {
            return;
        }
        if self.used * 2 >= self.slots.len() {
            let grown = vec![(0, 0); (self.slots.len() * 2).max(SLOTS_MIN)];
            let old = std::mem::replace(&mut self.slots, grown);
            old.into_iter().filter(|slot| slot.1 != 0).for_each(|(hash, offset)| self.put(hash, offset));
        }
        self.put(hash, offset as u16);
        self.used += 1;
    }

    fn put(&mut self, hash: u32, offset: u16) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at].1 != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = (hash, offset);
    }
}

/// Whether the message has exactly these labels at an offset, pointers followed. Pointers written here only point back.
fn is_written_at(message: &[u8], mut at: usize, mut suffix: &[u8]) -> bool {
    loop {
        let Some(&first) = message.get(at) else { return false };
        if first & 0xc0 == 0xc0 {
            let Some(&second) = message.get(at + 1) else { return false };
            let target = usize::from(first & 0x3f) << 8 | usize::from(second);
            if target >= at {
                return false;
            }
            at = target;
            continue;
        }
        let Some(&length) = suffix.first() else { return first == 0 };
        let label_bytes = 1 + usize::from(length);
        if message.get(at..at + label_bytes) != suffix.get(..label_bytes) {
            return false;
        }
        at += label_bytes;
        suffix = &suffix[label_bytes..];
    }
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
