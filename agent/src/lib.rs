//! The agent: sockets, timers and files around the pure crates.
