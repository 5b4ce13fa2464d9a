//! One node of one pool as a state machine. This file holds its state and its doors; what happens
//! behind them is in the files beside it, one duty each.

mod admission;
mod ask;
mod conflict;
mod encryption;
mod keys;
mod leave;
mod membership;
mod peer;
mod probe;
mod query;
mod serf;
mod spread;
mod streams;

pub use admission::Admission;
pub use ask::{Answers, QueryId, Question};
pub use encryption::Encryption;
pub use keys::KeyChange;

use crate::awareness::Awareness;
use crate::broadcast::{BroadcastId, BroadcastQueue};
use crate::coordinate::{Coordinate, Position};
use crate::event_buffer::{EventBuffer, QueryBuffer};
use crate::intents::RecentIntents;
use crate::lamport::LamportClock;
use crate::limits::{META_BYTES_MAX, QUERIES_MAX, QUERY_BYTES_MAX, USER_EVENT_BYTES_MAX};
use crate::member::{Member, PoolEvent, Status};
use crate::time::Time;
use crate::timing::Timing;
use crate::wire::serf::{Query, SerfMessage, UserEvent};
use crate::wire::swim::Message;
use crate::wire::tags::encode_tags;
use crate::wire::{WireError, packet};
use ask::Asked;
use peer::{Peer, Swim};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

/// Who this node is.
#[derive(Clone, Debug)]
pub struct CoreConfig {
    /// Unique in the pool.
    pub name: String,
    /// Where others reach it, for datagrams and streams.
    pub advertise: SocketAddr,
    /// What it tells about itself. A tag `id` that survives restarts lets peers accept the node
    /// at a new address at once.
    pub tags: BTreeMap<String, String>,
    /// Periods and multipliers.
    pub timing: Timing,
    /// Of all randomness but that of encryption.
    pub seed: u64,
    /// Who may be a member.
    pub admission: Admission,
}

/// Names a stream the core asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// What the caller has to do, or wants to know.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send one datagram. A failure to send is nobody's failure.
    Datagram {
        /// Destination.
        to: SocketAddr,
        /// Contents.
        bytes: Vec<u8>,
    },
    /// Open a stream, write the bytes, read one frame, give it to [`GossipCore::on_reply`].
    Connect {
        /// To be repeated in the reply.
        stream: StreamId,
        /// Destination.
        to: SocketAddr,
        /// Contents.
        bytes: Vec<u8>,
        /// All must be over by then.
        deadline: Time,
    },
    /// Something happened.
    Event(PoolEvent),
    /// A join attempt is over.
    Joined {
        /// What [`GossipCore::join`] returned.
        stream: StreamId,
        /// The reason of a failure.
        result: Result<(), String>,
    },
    /// The leave is spread as far as it will be; the sockets may be closed.
    LeaveDone,
    /// A query that [`GossipCore::ask`] asked is over.
    Answered {
        /// What `ask` returned.
        query: QueryId,
        /// What came of it.
        answers: Answers,
    },
    /// Keep what [`GossipCore::keys`] gives for the next start, then call [`GossipCore::keys_stored`].
    StoreKeys {
        /// To be given back.
        change: KeyChange,
    },
    /// The force-leave of this node has been passed on.
    ForceLeaveDone {
        /// The node forced out.
        node: String,
    },
}

/// Why a command was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Encoded tags beyond what an `alive` message may carry.
    #[error("encoded tags have {len} bytes, at most {META_BYTES_MAX} fit; use fewer or shorter tags")]
    TagsTooLong {
        /// Their length in bytes.
        len: usize,
    },
    /// Name and payload of a user event.
    #[error("user event exceeds configured limit of {USER_EVENT_BYTES_MAX} bytes before encoding")]
    EventTooLong,
    /// A user event as it would travel.
    #[error("encoded user event exceeds configured limit of {USER_EVENT_BYTES_MAX} bytes after encoding")]
    EncodedEventTooLong,
    /// A query as it would travel.
    #[error("query exceeds limit of {QUERY_BYTES_MAX} bytes")]
    QueryTooLong,
    /// Answers to earlier queries are still awaited.
    #[error("{QUERIES_MAX} queries wait for answers already; try again")]
    TooManyQueries,
    /// No member of this name.
    #[error("no node named {0:?} is a member of this pool")]
    UnknownNode(String),
    /// The pool is leaving or has left.
    #[error("this node is leaving the pool")]
    Leaving,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Alive,
    Leaving(Leaving),
    Left,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    Intent(BroadcastId, Time),
    Obituary(BroadcastId, Time),
    Delay,
}

/// What happens at a deadline. Timers are not cancelled; a stale one finds nothing to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Probe,
    Gossip,
    PushPull,
    Reap,
    Reconnect,
    Insist,
    ProbeTimeout(u32),
    ProbeEnd(u32),
    Relay(u32),
    Suspicion(Arc<str>),
    QueryAgain(QueryId),
    QueryEnd(QueryId),
    Waits,
}

#[derive(Debug, Default)]
struct Queues {
    swim: BroadcastQueue,
    intents: BroadcastQueue,
    queries: BroadcastQueue,
    events: BroadcastQueue,
}

#[derive(Debug)]
struct Clocks {
    member: LamportClock,
    event: LamportClock,
    query: LamportClock,
}

/// One node of one pool; see the crate.
#[derive(Debug)]
pub struct GossipCore {
    name: Arc<str>,
    timing: Timing,
    rng: SmallRng,
    now: Time,
    life: Life,
    peers: BTreeMap<Arc<str>, Peer>,
    /// Names of all peers the membership protocol still knows, in probe order.
    order: Vec<Arc<str>>,
    probe_at: usize,
    sequence: u32,
    awareness: Awareness,
    position: Position,
    clocks: Clocks,
    queues: Queues,
    intents: RecentIntents,
    events: EventBuffer,
    queries: QueryBuffer,
    asked: BTreeMap<QueryId, Asked>,
    next_query: u64,
    /// The vote on this node's name, and who else wants it.
    vote: Option<QueryId>,
    voted_at: Option<Time>,
    rival: Option<SocketAddr>,
    admission: Admission,
    encryption: Option<Encryption>,
    key_changes: BTreeMap<KeyChange, Query>,
    next_key_change: u64,
    complained: Option<Time>,
    probe: Option<probe::Probe>,
    relays: BTreeMap<u32, probe::Relay>,
    streams: BTreeMap<StreamId, streams::Purpose>,
    next_stream: u64,
    forced: Vec<(String, BroadcastId, Time)>,
    timers: BTreeSet<(Time, Timer)>,
    gossip_armed: bool,
    insist_until: Time,
    out: Vec<Output>,
    changed: bool,
    snapshot: Arc<Vec<Member>>,
}

impl GossipCore {
    /// A node that knows only itself, in a pool that is encrypted or not. Fails when the tags are too long.
    pub fn new(config: &CoreConfig, encryption: Option<Encryption>, now: Time) -> Result<GossipCore, CommandError> {
        let name: Arc<str> = config.name.as_str().into();
        let meta = checked_meta(&config.tags)?;
        let mut me = Peer::new(name.clone(), config.advertise, now);
        me.incarnation = 1;
        me.swim = Swim::Alive;
        me.status = Status::Alive;
        me.meta = meta.into();
        me.tags = Arc::new(config.tags.clone());
        let mut core = GossipCore {
            timing: config.timing.clone(),
            rng: SmallRng::seed_from_u64(config.seed),
            now,
            life: Life::Alive,
            peers: BTreeMap::from([(name.clone(), me)]),
            order: vec![name.clone()],
            name,
            probe_at: 0,
            sequence: 0,
            awareness: Awareness::new(config.timing.awareness_max),
            position: Position::default(),
            clocks: Clocks { member: LamportClock::new(), event: LamportClock::new(), query: LamportClock::new() },
            queues: Queues::default(),
            intents: RecentIntents::default(),
            events: EventBuffer::default(),
            queries: QueryBuffer::default(),
            asked: BTreeMap::new(),
            next_query: 0,
            vote: None,
            voted_at: None,
            rival: None,
            admission: config.admission.clone(),
            encryption,
            key_changes: BTreeMap::new(),
            next_key_change: 0,
            complained: None,
            probe: None,
            relays: BTreeMap::new(),
            streams: BTreeMap::new(),
            next_stream: 0,
            forced: Vec::new(),
            timers: BTreeSet::new(),
            gossip_armed: false,
            insist_until: Time::ZERO,
            out: Vec::new(),
            changed: true,
            snapshot: Arc::new(Vec::new()),
        };
        core.start_timers();
        core.emit(PoolEvent::Join(core.local()));
        Ok(core)
    }

    fn start_timers(&mut self) {
        let timing = self.timing.clone();
        for (timer, period) in [
            (Timer::Probe, timing.probe_interval),
            (Timer::PushPull, timing.push_pull_interval),
            (Timer::Reap, timing.reap_interval),
            (Timer::Reconnect, timing.reconnect_interval),
        ] {
            // Nodes started together must not act together for ever.
            let share = self.rng.random_range(0.1..1.0);
            self.arm(period.mul_f64(share), timer);
        }
    }

    /// A datagram arrived. The error tells what part of it could not be read, for the log; the
    /// readable parts have been handled.
    pub fn on_datagram(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) -> Result<(), WireError> {
        self.now = now;
        let plain = self.open_datagram(bytes).inspect_err(|error| self.complain(error))?;
        let (messages, error) = packet::decode_packet(&plain);
        for message in messages {
            self.on_message(from, message);
        }
        error.map_or(Ok(()), Err)
    }

    fn on_message(&mut self, from: SocketAddr, message: Message) {
        match message {
            Message::Ping(ping) => self.on_ping(from, &ping),
            Message::IndirectPing(ping) => self.on_indirect_ping(from, &ping),
            Message::Ack(ack) => self.on_ack(&ack),
            Message::Nack { seq } => self.on_nack(seq),
            Message::Suspect(accusation) => self.on_suspect(&accusation),
            Message::Alive(alive) => self.on_alive(&alive),
            Message::Dead(accusation) => self.on_dead(&accusation),
            Message::User(payload) => self.on_serf(&payload),
            Message::Error(_) => {}
        }
    }

    /// Handles all deadlines up to `now`.
    pub fn on_timer(&mut self, now: Time) {
        self.now = self.now.max(now);
        while let Some((at, timer)) = self.timers.first().cloned() {
            if at > now {
                break;
            }
            self.timers.remove(&(at, timer.clone()));
            match timer {
                Timer::Probe => self.probe_next(),
                Timer::Gossip => self.gossip(),
                Timer::PushPull => self.push_pull_random(),
                Timer::Reap => self.reap(),
                Timer::Reconnect => self.reconnect(),
                Timer::Insist => self.insist_again(),
                Timer::ProbeTimeout(seq) => self.probe_indirectly(seq),
                Timer::ProbeEnd(seq) => self.probe_failed(seq),
                Timer::Relay(seq) => self.relay_silent(seq),
                Timer::Suspicion(name) => self.suspicion_expired(&name),
                Timer::QueryAgain(id) => self.ask_again(id),
                Timer::QueryEnd(id) => self.query_expired(id),
                Timer::Waits => self.check_waits(),
            }
        }
    }

    /// When [`GossipCore::on_timer`] must be called next, at the latest.
    pub fn next_deadline(&self) -> Option<Time> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Takes what has to be done since the last call, in order.
    pub fn drain(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    /// All members, sorted by name. The same `Arc` until something changes.
    pub fn members(&mut self) -> Arc<Vec<Member>> {
        if self.changed {
            self.changed = false;
            self.snapshot = Arc::new(self.peers.values().map(Peer::member).collect());
        }
        self.snapshot.clone()
    }

    /// This node as others see it.
    pub fn local(&self) -> Member {
        self.me().member()
    }

    /// 0 is well; each point makes this node wait one more period before it accuses.
    pub fn health_score(&self) -> u32 {
        self.awareness.score()
    }

    /// Where this node is in the network, by round-trip times.
    pub fn coordinate(&self) -> Coordinate {
        self.position.coordinate.clone()
    }

    /// Where another member is, when it has answered a probe of ours.
    pub fn coordinate_of(&self, name: &str) -> Option<Coordinate> {
        Some(self.peers.get(name)?.vicinity.as_ref()?.coordinate.clone())
    }

    /// Numbers for `consul info`.
    pub fn stats(&self) -> BTreeMap<String, String> {
        let count = |status| self.peers.values().filter(|p| p.status == status).count();
        [
            ("members", self.peers.len().to_string()),
            ("failed", count(Status::Failed).to_string()),
            ("left", count(Status::Left).to_string()),
            ("health_score", self.health_score().to_string()),
            ("member_time", self.clocks.member.time().to_string()),
            ("event_time", self.clocks.event.time().to_string()),
            ("query_time", self.clocks.query.time().to_string()),
            ("intent_queue", self.queues.intents.len().to_string()),
            ("event_queue", self.queues.events.len().to_string()),
            ("query_queue", self.queues.queries.len().to_string()),
            ("encrypted", self.encryption.is_some().to_string()),
            ("coordinate_resets", self.position.resets.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// Tells everybody new tags of this node.
    pub fn set_tags(&mut self, now: Time, tags: BTreeMap<String, String>) -> Result<(), CommandError> {
        self.now = now;
        let meta = checked_meta(&tags)?;
        if self.life != Life::Alive {
            return Err(CommandError::Leaving);
        }
        let me = self.me_mut();
        me.meta = meta.into();
        me.tags = Arc::new(tags);
        me.incarnation = me.incarnation.saturating_add(1);
        let member = me.member();
        self.announce_self();
        self.emit(PoolEvent::Update(member));
        Ok(())
    }

    /// Fires a user event at everybody, this node included.
    pub fn user_event(&mut self, now: Time, name: &str, payload: &[u8], coalesce: bool) -> Result<(), CommandError> {
        self.now = now;
        if name.len() + payload.len() > USER_EVENT_BYTES_MAX {
            return Err(CommandError::EventTooLong);
        }
        let ltime = self.clocks.event.time();
        let event = UserEvent { ltime, name: name.to_owned(), payload: payload.to_vec(), coalesce };
        if SerfMessage::UserEvent(event.clone()).encode().len() > USER_EVENT_BYTES_MAX {
            return Err(CommandError::EncodedEventTooLong);
        }
        self.clocks.event.tick();
        self.on_user_event(event);
        Ok(())
    }

    fn me(&self) -> &Peer {
        self.peers.get(&self.name).expect("a node always knows itself: reap and forget skip it")
    }

    fn me_mut(&mut self) -> &mut Peer {
        self.changed = true;
        self.peers.get_mut(&self.name).expect("a node always knows itself: reap and forget skip it")
    }

    fn emit(&mut self, event: PoolEvent) {
        self.changed = true;
        self.out.push(Output::Event(event));
    }

    fn arm(&mut self, after: std::time::Duration, timer: Timer) {
        self.timers.insert((self.now + after, timer));
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }
}

fn checked_meta(tags: &BTreeMap<String, String>) -> Result<Vec<u8>, CommandError> {
    let meta = encode_tags(tags);
    if meta.len() > META_BYTES_MAX {
        return Err(CommandError::TagsTooLong { len: meta.len() });
    }
    Ok(meta)
}
