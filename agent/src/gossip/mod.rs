//! Sockets and timers around the pure gossip crate, one task per pool.
