//! A network of cores in virtual time: one heap of events, one seed, one thread. Datagrams are
//! lost and late; streams are late, refused by dead processes and swallowed by partitions.

use gossip::wire::stream::{Frame, FrameReader};
use gossip::{
    Admission, Answers, CoreConfig, Encryption, GossipCore, Keyring, Member, Output, PoolEvent, QueryId, Status,
    StreamId, Time, Timing,
};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// What a node process is, from start to end; a restart is another node of the same name.
pub struct Node {
    pub name: String,
    pub addr: SocketAddr,
    pub core: Option<GossipCore>,
    /// Nodes of different sides do not reach each other.
    pub side: u8,
    /// Everything this node receives is late by this much.
    pub lag: Duration,
    pub events: Vec<(Time, PoolEvent)>,
    pub left: bool,
    pub answers: Vec<(QueryId, Answers)>,
    statuses: BTreeMap<String, (Status, u32)>,
    woken_at: Option<Time>,
}

enum Event {
    Wake(usize),
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    Stream { from: usize, stream: StreamId, to: SocketAddr, bytes: Vec<u8>, deadline: Time },
    Reply { to: usize, stream: StreamId, reply: Result<Frame, String> },
}

pub struct World {
    pub now: Time,
    pub nodes: Vec<Node>,
    pub loss: f64,
    pub datagrams: u64,
    timing: Timing,
    /// Keys of nodes that are started from now on; none for plain gossip.
    pub keys: Vec<Vec<u8>>,
    mixed_keys: bool,
    pub admission: Admission,
    rng: SmallRng,
    heap: BTreeMap<(Time, u64), Event>,
    sequence: u64,
    places: HashMap<SocketAddr, usize>,
    trace: DefaultHasher,
}

impl World {
    pub fn new(seed: u64, timing: Timing, loss: f64) -> World {
        World {
            now: Time::ZERO,
            nodes: Vec::new(),
            loss,
            datagrams: 0,
            timing,
            keys: Vec::new(),
            mixed_keys: false,
            admission: Admission::Any,
            rng: SmallRng::seed_from_u64(seed),
            heap: BTreeMap::new(),
            sequence: 0,
            places: HashMap::new(),
            trace: DefaultHasher::new(),
        }
    }

    /// A number that depends on everything that happened.
    pub fn trace_hash(&self) -> u64 {
        self.trace.finish()
    }

    fn encryption(&mut self) -> Option<Encryption> {
        self.mixed_keys |= !self.keys.is_empty();
        if self.keys.is_empty() {
            return None;
        }
        let keyring = Keyring::new(&self.keys, self.rng.random()).expect("good keys");
        Some(Encryption { keyring, verify_incoming: true, verify_outgoing: true })
    }

    /// Starts a process at a fresh address.
    pub fn start(&mut self, name: &str) -> usize {
        self.start_tagged(name, &[("id", &format!("id of {name}"))])
    }

    /// The same, with these tags.
    pub fn start_tagged(&mut self, name: &str, tags: &[(&str, &str)]) -> usize {
        let index = self.nodes.len();
        let addr = SocketAddr::from((Ipv4Addr::new(10, 0, (index / 250) as u8, (index % 250) as u8), 8301));
        let config = CoreConfig {
            name: name.to_owned(),
            advertise: addr,
            tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            timing: self.timing.clone(),
            seed: self.rng.random(),
            admission: self.admission.clone(),
        };
        let core = GossipCore::new(&config, self.encryption(), self.now).expect("tags are short");
        self.nodes.push(Node {
            name: name.to_owned(),
            addr,
            core: Some(core),
            side: 0,
            lag: Duration::ZERO,
            events: Vec::new(),
            left: false,
            answers: Vec::new(),
            statuses: BTreeMap::new(),
            woken_at: None,
        });
        self.places.insert(addr, index);
        self.settle(index);
        index
    }

    /// Starts `count` nodes that join through the first, one after the other.
    pub fn boot(&mut self, count: usize) {
        for index in 0..count {
            let node = self.start(&format!("node-{index:03}"));
            if node > 0 {
                let first = self.nodes[0].addr;
                self.with(node, |core, now| core.join(now, first));
            }
            self.run(Duration::from_millis(20));
        }
    }

    /// kill -9.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].core = None;
    }

    /// One step of one node from outside.
    pub fn with<T>(&mut self, node: usize, step: impl FnOnce(&mut GossipCore, Time) -> T) -> T {
        let now = self.now;
        let result = step(self.nodes[node].core.as_mut().expect("the node runs"), now);
        self.settle(node);
        result
    }

    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(((at, _), event)) = self
            .heap
            .first_key_value()
            .filter(|((at, _), _)| *at <= end)
            .is_some()
            .then(|| self.heap.pop_first())
            .flatten()
        {
            self.now = at;
            self.handle(event);
        }
        self.now = end;
    }

    /// Runs until `done`, looking every 50 ms; gives the time that took.
    pub fn run_until(&mut self, limit: Duration, what: &str, done: impl Fn(&mut World) -> bool) -> Duration {
        let started = self.now;
        while !done(self) {
            assert!(self.now - started < limit, "{what}: not within {limit:?}");
            self.run(Duration::from_millis(50));
        }
        self.now - started
    }

    pub fn running(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|i| self.nodes[*i].core.is_some() && !self.nodes[*i].left).collect()
    }

    /// How `observer` sees the member `name`.
    pub fn view(&mut self, observer: usize, name: &str) -> Option<Member> {
        let members = self.nodes[observer].core.as_mut()?.members();
        members.binary_search_by(|m| (*m.name).cmp(name)).ok().map(|i| members[i].clone())
    }

    /// Every running node sees `count` members alive.
    pub fn all_see_alive(&mut self, count: usize) -> bool {
        self.running().into_iter().all(|i| {
            let members = self.nodes[i].core.as_mut().expect("running").members();
            members.iter().filter(|m| m.status == Status::Alive).count() == count
        })
    }

    /// Every running node but `name` itself sees `name` in this state.
    pub fn all_see(&mut self, name: &str, status: Status) -> bool {
        let mut others = self.running();
        others.retain(|i| self.nodes[*i].name != name);
        others.into_iter().all(|i| self.view(i, name).is_some_and(|m| m.status == status))
    }

    /// `Failed` events of all nodes since `since`, as (observer, victim).
    pub fn failures(&self, since: Time) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for node in &self.nodes {
            for (at, event) in &node.events {
                if let PoolEvent::Failed(member) = event
                    && *at >= since
                {
                    all.push((node.name.clone(), member.name.to_string()));
                }
            }
        }
        all
    }

    fn push(&mut self, at: Time, event: Event) {
        self.sequence += 1;
        self.heap.insert((at, self.sequence), event);
    }

    fn latency(&mut self) -> Duration {
        Duration::from_micros(self.rng.random_range(200..2000))
    }

    fn handle(&mut self, event: Event) {
        let now = self.now;
        now.hash(&mut self.trace);
        match event {
            Event::Wake(node) => {
                if self.nodes[node].woken_at == Some(now) {
                    self.nodes[node].woken_at = None;
                    if let Some(core) = &mut self.nodes[node].core {
                        core.on_timer(now);
                    }
                    self.settle(node);
                }
            }
            Event::Datagram { from, to, bytes } => {
                (from, to, bytes.len()).hash(&mut self.trace);
                let Some(node) = self.place(from, to) else { return };
                // Nodes of different keys do not understand each other.
                let may_be_unreadable = self.mixed_keys;
                if let Some(core) = &mut self.nodes[node].core {
                    let read = core.on_datagram(now, from, &bytes);
                    assert!(read.is_ok() || may_be_unreadable, "our own datagrams are readable: {read:?}");
                }
                self.settle(node);
            }
            Event::Stream { from, stream, to, bytes, deadline } => {
                (from, to, bytes.len()).hash(&mut self.trace);
                self.serve(from, stream, to, &bytes, deadline);
            }
            Event::Reply { to, stream, reply } => {
                if let Some(core) = &mut self.nodes[to].core {
                    core.on_reply(now, stream, reply);
                }
                self.settle(to);
            }
        }
    }

    fn serve(&mut self, from: usize, stream: StreamId, to: SocketAddr, bytes: &[u8], deadline: Time) {
        let now = self.now;
        let frame = FrameReader::new().push(bytes).expect("our own frames are readable");
        let Some(node) = self.place(self.nodes[from].addr, to) else {
            let reply = Err("timed out".to_owned());
            self.push(deadline, Event::Reply { to: from, stream, reply });
            return;
        };
        let answer = match &mut self.nodes[node].core {
            Some(core) => core.on_frame(now, frame.expect("frames are whole")),
            None => None,
        };
        self.settle(node);
        let reply = match answer {
            Some(bytes) => {
                let frame = FrameReader::new().push(&bytes).expect("our own frames are readable");
                Ok(frame.expect("frames are whole"))
            }
            None => Err("connection refused".to_owned()),
        };
        let at = now + self.latency() + self.nodes[from].lag;
        let (at, reply) = if at > deadline { (deadline, Err("timed out".to_owned())) } else { (at, reply) };
        self.push(at, Event::Reply { to: from, stream, reply });
    }

    /// The node behind an address, when the sender reaches it.
    fn place(&self, from: SocketAddr, to: SocketAddr) -> Option<usize> {
        let node = *self.places.get(&to)?;
        let from = *self.places.get(&from)?;
        (self.nodes[from].side == self.nodes[node].side).then_some(node)
    }

    fn settle(&mut self, node: usize) {
        let Some(core) = &mut self.nodes[node].core else { return };
        let outputs = core.drain();
        let next = core.next_deadline();
        for output in outputs {
            self.put_out(node, output);
        }
        if let Some(next) = next
            && self.nodes[node].woken_at.is_none_or(|at| at > next)
        {
            self.nodes[node].woken_at = Some(next.max(self.now));
            self.push(next.max(self.now), Event::Wake(node));
        }
    }

    fn put_out(&mut self, node: usize, output: Output) {
        let from = self.nodes[node].addr;
        match output {
            Output::Datagram { to, bytes } => {
                assert!(bytes.len() <= gossip::limits::DATAGRAM_BYTES_MAX, "datagram of {}", bytes.len());
                self.datagrams += 1;
                if self.rng.random_bool(self.loss) {
                    return;
                }
                let lag = self.places.get(&to).map_or(Duration::ZERO, |i| self.nodes[*i].lag);
                let at = self.now + self.latency() + lag;
                self.push(at, Event::Datagram { from, to, bytes });
            }
            Output::Connect { stream, to, bytes, deadline } => {
                let lag = self.places.get(&to).map_or(Duration::ZERO, |i| self.nodes[*i].lag);
                let at = self.now + self.latency() * 2 + lag;
                self.push(at, Event::Stream { from: node, stream, to, bytes, deadline });
            }
            Output::Event(event) => {
                self.check(node, &event);
                let now = self.now;
                self.nodes[node].events.push((now, event));
            }
            Output::LeaveDone => {
                self.nodes[node].left = true;
            }
            Output::Answered { query, answers } => self.nodes[node].answers.push((query, answers)),
            Output::StoreKeys { change } => self.with(node, |core, now| core.keys_stored(now, change, Ok(()))),
            Output::Joined { .. } | Output::ForceLeaveDone { .. } => {}
        }
    }

    /// What must hold for the events one node sees about one member.
    fn check(&mut self, node: usize, event: &PoolEvent) {
        let (member, allowed): (&Member, &[Status]) = match event {
            PoolEvent::Join(m) => (m, &[Status::Failed, Status::Left]),
            PoolEvent::Update(m) | PoolEvent::Failed(m) => (m, &[Status::Alive]),
            PoolEvent::Leave(m) => (m, &[Status::Alive, Status::Failed]),
            PoolEvent::Reap(m) => (m, &[Status::Failed, Status::Left]),
            PoolEvent::Conflict { known, claimed } => {
                panic!("{} sees {} at {claimed} too", self.nodes[node].name, known.name)
            }
            PoolEvent::UserEvent(_) | PoolEvent::NameLost { .. } => return,
        };
        let statuses = &mut self.nodes[node].statuses;
        if let Some((before, incarnation)) = statuses.get(&*member.name) {
            assert!(allowed.contains(before), "after {before:?} came {event:?}");
            assert!(member.incarnation >= *incarnation, "incarnation fell: {event:?}");
        } else {
            assert!(matches!(event, PoolEvent::Join(_)), "first came {event:?}");
        }
        let now = match event {
            PoolEvent::Join(_) | PoolEvent::Update(_) => Status::Alive,
            PoolEvent::Failed(_) => Status::Failed,
            _ => Status::Left,
        };
        statuses.insert(member.name.to_string(), (now, member.incarnation));
    }
}
