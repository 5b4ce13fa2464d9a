//! `consul tls`: a private authority for the agents' certificates, and certificates of it. It asks no agent.

pub mod ca;
pub mod cert;
mod files;

use super::frame::{Command, Run, Shared};

/// The row.
pub const COMMAND: Command = Command {
    name: "tls",
    synopsis: "Builtin helpers for creating CAs and certificates",
    usage: "<subcommand> <subcommand> [options]",
    about: "Makes a certificate authority for a cluster, and certificates of it for servers, clients and the command\n\
            line.\n\n  $ consul tls ca create\n  $ consul tls cert create -server\n  $ consul tls cert create -client",
    flags: &[],
    shared: Shared::None,
    run: Run::Group,
};

/// The row of `tls ca`.
pub const CA: Command = Command {
    name: "tls ca",
    synopsis: "Helpers for CAs",
    usage: "<subcommand> [options]",
    about: "Makes certificate authorities.\n\n  $ consul tls ca create",
    flags: &[],
    shared: Shared::None,
    run: Run::Group,
};

/// The row of `tls cert`.
pub const CERT: Command = Command {
    name: "tls cert",
    synopsis: "Helpers for certificates",
    usage: "<subcommand> [options]",
    about: "Makes certificates of an authority.\n\n  $ consul tls cert create -server\n\n\
            With an authority of your own:\n\n  $ consul tls cert create -server -ca=my-ca.pem -key=my-ca-key.pem",
    flags: &[],
    shared: Shared::None,
    run: Run::Group,
};
