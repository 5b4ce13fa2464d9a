//! The server's requests: authorize, check, propose or query. Pure: no sockets, files, clock or runtime.

pub mod filter_rows;
pub mod request;
