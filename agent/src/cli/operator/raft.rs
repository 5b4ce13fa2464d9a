//! `consul operator raft`.

use client::PeerToRemove;
use model::RaftServer;

use crate::cli::connect::{query_options, with_agent};
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::cli::output::table;

/// The row of the group.
pub const COMMAND: Command = Command {
    name: "operator raft",
    synopsis: "Provides cluster-level tools for Consul operators",
    usage: "<subcommand> [options]",
    about: "Shows and changes the servers that keep the log.",
    flags: &[],
    shared: Shared::None,
    run: Run::Group,
};

/// The row of `list-peers`.
pub const LIST_PEERS: Command = Command {
    name: "operator raft list-peers",
    synopsis: "Display the current Raft peer configuration",
    usage: "[options]",
    about: "Lists the servers that keep the log, who leads and who votes.",
    flags: &[],
    shared: Shared::HttpAndServer,
    run: Run::Once(list_peers),
};

/// The row of `remove-peer`.
pub const REMOVE_PEER: Command = Command {
    name: "operator raft remove-peer",
    synopsis: "Remove a Consul server from the Raft configuration",
    usage: "[options]",
    about: "Removes a server that is gone for good and that gossip does not know any more. Prefer `consul leave` on the\n\
            server, or `consul force-leave`.",
    flags: &[
        Flag::new("address", Takes::Text("string"), "RPC address of the server, as host:8300."),
        Flag::new("id", Takes::Text("string"), "UUID of the server."),
    ],
    shared: Shared::HttpAndServer,
    run: Run::Once(remove_peer),
};

/// The row of `transfer-leader`.
pub const TRANSFER_LEADER: Command = Command {
    name: "operator raft transfer-leader",
    synopsis: "Transfer raft leadership to another node",
    usage: "[options]",
    about: "Hands leadership to another server: to the one that -id names, or to the one that is best prepared.",
    flags: &[Flag::new("id", Takes::Text("string"), "UUID of the server to hand leadership to.")],
    shared: Shared::HttpAndServer,
    run: Run::Once(transfer_leader),
};

fn list_peers(parsed: &Parsed) -> Outcome {
    with_agent(parsed, async |client| {
        let found = client.raft_configuration(&query_options(parsed)).await;
        let found = found.map_err(|error| {
            Failure::new(format!("Error getting peers: Failed to retrieve raft configuration: {error}"))
        })?;
        let rows: Vec<Vec<String>> = found.servers.iter().map(row).collect();
        Ok(Report::line(table(&["Node", "ID", "Address", "State", "Voter", "RaftProtocol"], &rows)))
    })
}

fn row(server: &RaftServer) -> Vec<String> {
    let state = if server.leader { "leader" } else { "follower" };
    let protocol = if server.protocol_version.is_empty() { "<=1" } else { &server.protocol_version };
    vec![
        server.node.clone(),
        server.id.to_string(),
        server.address.clone(),
        state.to_owned(),
        server.voter.to_string(),
        protocol.to_owned(),
    ]
}

fn remove_peer(parsed: &Parsed) -> Outcome {
    let (peer, done) = match (parsed.text("id"), parsed.text("address")) {
        (Some(_), Some(_)) => return Err(Failure::new("Error removing peer: cannot give both an address and id")),
        (None, None) => {
            return Err(Failure::new("Error removing peer: an address or id is required for the peer to remove"));
        }
        (Some(id), None) => (PeerToRemove::Id(id.to_owned()), format!("Removed peer with id {id:?}")),
        (None, Some(address)) => {
            (PeerToRemove::Address(address.to_owned()), format!("Removed peer with address {address:?}"))
        }
    };
    with_agent(parsed, async |client| {
        let removed = client.raft_remove_peer(&peer, parsed.value("datacenter").unwrap_or_default()).await;
        removed.map(|()| Report::line(done)).map_err(|error| Failure::new(format!("Error removing peer: {error}")))
    })
}

fn transfer_leader(parsed: &Parsed) -> Outcome {
    with_agent(parsed, async |client| {
        let done = client.raft_transfer_leader(parsed.text("id")).await;
        done.map(|()| Report::line("Success"))
            .map_err(|error| Failure::new(format!("Error transferring leadership: {error}")))
    })
}
