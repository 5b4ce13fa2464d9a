//! Answers of recursors that are kept for as long as they may be, and one question at a time: whoever asks the same
//! meanwhile waits for the same answer.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dns::Transport;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::limits::{KEPT_ANSWERS_MAX, KEPT_BYTES_MAX, KEPT_TTL_MAX};

const HEADER_BYTES: usize = 12;
const TYPE_SOA: u16 = 6;
const TYPE_OPT: u16 = 41;
const FLAG_TRUNCATED: u8 = 0x02;

/// An answer with when it came, and until when it is right.
struct Answer {
    packet: Vec<u8>,
    came: Instant,
    lifetime: Duration,
}

/// The request without its identity, and how it travels: what makes two requests equal.
type Key = (Vec<u8>, bool);
type Place = Arc<OnceCell<Option<Answer>>>;

/// The kept answers.
#[derive(Default)]
pub(super) struct Kept {
    places: Mutex<HashMap<Key, Place>>,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

impl Kept {
    /// The answer to a request at `now`: a kept one with its TTLs lowered, or the one that `ask` brings.
    pub(super) async fn answer<F: Future<Output = Option<Vec<u8>>>>(
        &self,
        request: &[u8],
        transport: Transport,
        now: Instant,
        ask: impl FnOnce() -> F,
    ) -> Option<Vec<u8>> {
        let key = (request.get(2..)?.to_vec(), transport == Transport::Tcp);
        let Some(place) = self.place(&key, now) else { return ask().await };
        let found = place
            .get_or_init(async || {
                let packet = ask().await?;
                let lifetime = Duration::from_secs(lifetime(&packet).unwrap_or(0).into()).min(KEPT_TTL_MAX);
                Some(Answer { packet, came: now, lifetime })
            })
            .await;
        if found.as_ref().is_none_or(|answer| answer.lifetime.is_zero()) {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            if places.get(&key).is_some_and(|current| Arc::ptr_eq(current, &place)) {
                places.remove(&key);
            }
        }
        let answer = found.as_ref()?;
        let mut packet = answer.packet.clone();
        packet.get_mut(..2)?.copy_from_slice(request.get(..2)?);
        let passed = u32::try_from(now.saturating_duration_since(answer.came).as_secs()).unwrap_or(u32::MAX);
        for at in ttls(&packet).unwrap_or_default() {
            let ttl = number32(&packet, at.at)?.saturating_sub(passed);
            packet.get_mut(at.at..at.at + 4)?.copy_from_slice(&ttl.to_be_bytes());
        }
        Some(packet)
    }

    /// The place of a request, a new one when what is there is outdated; `None` when there is no room.
    fn place(&self, key: &Key, now: Instant) -> Option<Place> {
        let is_over = |place: &Place| {
            place.get().is_some_and(|found| {
                found.as_ref().is_none_or(|it| now.saturating_duration_since(it.came) >= it.lifetime)
            })
        };
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(key).filter(|place| !is_over(place)) {
            return Some(Arc::clone(place));
        }
        if places.len() >= KEPT_ANSWERS_MAX {
            places.retain(|_, place| !is_over(place));
        }
        if places.len() >= KEPT_ANSWERS_MAX {
            return None;
        }
        let place = Place::default();
        places.insert(key.clone(), Arc::clone(&place));
        Some(place)
    }
}

/// Seconds that an answer may be kept: the lowest TTL of its records; of an answer without any, what its SOA record says.
/// `None` for answers that may not be kept.
fn lifetime(packet: &[u8]) -> Option<u32> {
    if packet.len() > KEPT_BYTES_MAX || packet.get(2)? & FLAG_TRUNCATED != 0 {
        return None;
    }
    let records = ttls(packet)?;
    let lowest =
        records.iter().map(|record| number32(packet, record.at)).collect::<Option<Vec<_>>>()?.into_iter().min();
    if number16(packet, 6)? > 0 {
        return lowest;
    }
    let soa = records.iter().find(|record| record.kind == TYPE_SOA)?;
    let negative = number32(packet, soa.end.checked_sub(4)?)?;
    Some(lowest?.min(negative))
}

/// Where the TTL of a record stands, its type, and where it ends.
struct Ttl {
    at: usize,
    kind: u16,
    end: usize,
}

/// The TTLs of all records but the OPT record, whose field means something else; `None` when the message is damaged.
fn ttls(packet: &[u8]) -> Option<Vec<Ttl>> {
    let count = |at| number16(packet, at);
    let mut at = HEADER_BYTES;
    for _ in 0..count(4)? {
        at = after_name(packet, at)? + 4;
    }
    let records = usize::from(count(6)?) + usize::from(count(8)?) + usize::from(count(10)?);
    let mut found = Vec::new();
    for _ in 0..records {
        at = after_name(packet, at)?;
        let (kind, length) = (number16(packet, at)?, number16(packet, at + 8)?);
        let end = at + 10 + usize::from(length);
        if end > packet.len() {
            return None;
        }
        if kind != TYPE_OPT {
            found.push(Ttl { at: at + 4, kind, end });
        }
        at = end;
    }
    Some(found)
}

/// Where a name ends: behind its zero, or behind its first pointer.
fn after_name(packet: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *packet.get(at)? {
            0 => return Some(at + 1),
            length if length & 0xc0 == 0xc0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

fn number16(packet: &[u8], at: usize) -> Option<u16> {
    packet.get(at..at + 2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
}

fn number32(packet: &[u8], at: usize) -> Option<u32> {
    packet.get(at..at + 4).map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hickory_proto::op::{Message, MessageType, OpCode, Query};
    use hickory_proto::rr::rdata::{A, SOA};
    use hickory_proto::rr::{Name, RData, Record, RecordType};

    use super::*;

    fn message(id: u16, records: &[u32], soa: Option<(u32, u32)>) -> Vec<u8> {
        let name = Name::from_ascii("example.org.").expect("a name");
        let mut message = Message::new(id, MessageType::Response, OpCode::Query);
        message.add_query(Query::query(name.clone(), RecordType::A));
        for ttl in records {
            message.add_answer(Record::from_rdata(name.clone(), *ttl, RData::A(A(Ipv4Addr::LOCALHOST))));
        }
        if let Some((ttl, negative)) = soa {
            let soa = SOA::new(name.clone(), name.clone(), 1, 2, 3, 4, negative);
            message.add_authority(Record::from_rdata(name, ttl, RData::SOA(soa)));
        }
        message.to_vec().expect("a message")
    }

    #[test]
    fn answers_live_as_long_as_their_shortest_record() {
        assert_eq!(lifetime(&message(1, &[30, 20], None)), Some(20));
        assert_eq!(lifetime(&message(1, &[], Some((60, 5)))), Some(5));
        assert_eq!(lifetime(&message(1, &[], None)), None);
        proptest::proptest!(|(bytes: Vec<u8>)| { let _ = lifetime(&bytes); });
        let whole = message(1, &[30, 20], Some((60, 5)));
        proptest::proptest!(|(at in 0..whole.len(), byte: u8)| {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            let _ = lifetime(&bytes);
        });
    }

    #[tokio::test]
    async fn one_question_is_asked_for_all_until_its_answer_is_too_old() {
        let (kept, asked) = (Kept::default(), AtomicUsize::new(0));
        let began = Instant::now();
        let ask = |id: u16, seconds: u64| {
            let request = message(id, &[], None);
            let (kept, asked) = (&kept, &asked);
            async move {
                let now = began + Duration::from_secs(seconds);
                kept.answer(&request, Transport::Udp, now, async || {
                    tokio::task::yield_now().await;
                    asked.fetch_add(1, Ordering::Relaxed);
                    Some(message(0, &[20], None))
                })
                .await
                .expect("an answer")
            }
        };
        let answers = futures::future::join_all((1..=50).map(|id| ask(id, 0))).await;
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(answers[7][..2], [0, 8]);
        let later = Message::from_vec(&ask(99, 15).await).expect("a message");
        assert_eq!((asked.load(Ordering::Relaxed), later.answers[0].ttl), (1, 5));
        ask(100, 21).await;
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }
}
