//! DNS sockets (UDP, TCP) around the pure dns crate.
