//! Every bound of this crate in one place. Peers choose the bytes we read, so each of these is a
//! promise about memory or time, not a tuning knob.

/// Bytes a datagram may have: what fits one Ethernet frame, as all HashiCorp agents use.
pub const DATAGRAM_BYTES_MAX: usize = 1400;
/// Bytes of one stream frame, before and after decompression.
pub const STREAM_BYTES_MAX: usize = 20 * 1024 * 1024;
/// Bytes one datagram may decompress to.
pub const DATAGRAM_INFLATED_MAX: usize = 1024 * 1024;
/// How deep envelopes (compound in compressed in checksummed ...) may nest.
pub const ENVELOPE_DEPTH_MAX: u32 = 5;
/// Messages taken from one datagram.
pub const DATAGRAM_MESSAGES_MAX: usize = 1024;
/// Bytes of a node name.
pub const NAME_BYTES_MAX: usize = 255;
/// Bytes of the encoded tags of one node.
pub const META_BYTES_MAX: usize = 512;
/// Members remembered, in any state. More are refused until some are reaped.
pub const MEMBERS_MAX: usize = 10_000;
/// An incarnation further ahead of the known one than this is forged: believing it would let one
/// packet take away a node's means to refute.
pub const INCARNATION_JUMP_MAX: u32 = 1 << 20;
/// Entries of one stream push/pull.
pub const PUSH_PULL_NODES_MAX: usize = 20_000;
/// Messages waiting in one broadcast queue; the most often sent go first when it is full.
pub const QUEUE_MESSAGES_MAX: usize = 4096;
/// Join and leave intents remembered for nodes we have not met yet.
pub const INTENTS_MAX: usize = 4096;
/// Lamport times for which user events, or queries, are remembered to drop repeats.
pub const EVENT_SLOTS: usize = 512;
/// Events remembered for one Lamport time.
pub const EVENTS_PER_SLOT_MAX: usize = 32;
/// Bytes of events kept for push/pull.
pub const EVENT_BUFFER_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a user event we send: of name and payload, and of the whole message.
pub const USER_EVENT_BYTES_MAX: usize = 512;
/// Bytes of name and payload in a user event we accept from a peer.
pub const PEER_EVENT_BYTES_MAX: usize = 9 * 1024;
/// Keys of a keyring. Each is tried on each packet.
pub const KEYS_MAX: usize = 32;
/// Changes of keys that wait to be stored.
pub const KEY_CHANGES_MAX: usize = 16;
/// Queries that this node asks at the same time.
pub const QUERIES_MAX: usize = 64;
/// Bytes of a query we send.
pub const QUERY_BYTES_MAX: usize = 1024;
/// Members that are told of a query directly, because they have not acknowledged it.
pub const QUERY_REMINDERS_MAX: usize = 256;
/// Bytes of an answer to a query that we send.
pub const QUERY_RESPONSE_BYTES_MAX: usize = 1024;
/// Nodes whose answers to one query are kept.
pub const QUERY_ANSWERS_MAX: usize = MEMBERS_MAX;
/// Indirect pings we run for others at the same time.
pub const RELAYS_MAX: usize = 1024;
/// Streams opened by the core and not yet finished.
pub const STREAMS_MAX: usize = 256;
/// Direct notices of a new address sent when a node comes back elsewhere.
pub const REJOIN_NOTICES_MAX: usize = 128;
