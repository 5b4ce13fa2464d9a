//! SWIM, Lifeguard and Serf in HashiCorp's wire format, without sockets or clocks.
