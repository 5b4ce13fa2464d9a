//! Sizes of the DNS protocol (RFC 1035, RFC 6891), in bytes unless said otherwise.

/// Header of a message.
pub const HEADER_BYTES: usize = 12;

/// Longest label.
pub const LABEL_BYTES_MAX: usize = 63;

/// Longest name on the wire, without the zero at its end.
pub const NAME_BYTES_MAX: usize = 254;

/// Most compression pointers followed in one name; a name has at most this many labels anyway.
pub const POINTERS_MAX: usize = 127;

/// Largest UDP message for a client that does not say more.
pub const UDP_BYTES_PLAIN: usize = 512;

/// Largest payload of a UDP datagram over IPv4.
pub const UDP_BYTES_MAX: usize = 65_507;

/// Largest TCP message.
pub const TCP_BYTES_MAX: usize = 65_535;

/// Longest string inside a TXT record.
pub const TEXT_BYTES_MAX: usize = 255;

/// Longest name offset that a compression pointer can carry.
pub const POINTER_OFFSET_MAX: usize = 0x3fff;

/// Most records that are read in a request besides its question.
pub const REQUEST_RECORDS_MAX: u16 = 2;

/// Most name servers in an answer.
pub const NAME_SERVERS_MAX: usize = 3;

/// Smallest record that answers about services: an IPv4 address with a pointer for its name.
pub const RECORD_BYTES_MIN: usize = 16;
