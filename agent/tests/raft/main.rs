//! Servers in one process, over real sockets on loopback and real files: elections, restarts, moves, snapshots.

mod harness;
mod single;
