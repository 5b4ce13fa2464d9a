//! Servers in one process, over real sockets on loopback and real files: elections, restarts, moves, snapshots.

mod cluster;
mod harness;
mod rpc;
mod single;
