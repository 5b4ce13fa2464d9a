//! `consul operator raft recover`: another Raft configuration by force, for a server that does not run.

use std::net::SocketAddr;
use std::path::Path;

use uuid::Uuid;

use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::raft::lock::DataDirLock;
use crate::raft::recover::{Recovery, RecoveryPeer, recover};

/// The row.
pub const COMMAND: Command = Command {
    name: "operator raft recover",
    synopsis: "Recover a cluster whose majority of servers is lost",
    usage: "[options]",
    about: "Gives a stopped server another Raft configuration. Only for a cluster that has lost the majority of its servers\n\
            for good: what only the lost ones had acknowledged is lost with them. Stop all remaining servers, run this on\n\
            each with the same -peer list, then start them. Without -yes it only shows what it would do.",
    flags: &[
        Flag::new("data-dir", Takes::Text("path"), "Data directory of the server."),
        Flag::new(
            "peer",
            Takes::Text("id@ip:port"),
            "A server of the new configuration: its node id and RPC address; /nonvoter at the end if it must not vote.\n     \
             May be given several times.",
        ),
        Flag::new("dry-run", Takes::Bool, "Only show what would be done; the default."),
        Flag::new("yes", Takes::Bool, "Do it."),
    ],
    shared: Shared::None,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    let failed = |error: &dyn std::fmt::Display| Failure::new(format!("Error recovering: {error}"));
    let Some(data_dir) = parsed.text("data-dir").map(Path::new) else {
        return Err(Failure::misuse("Error recovering: -data-dir is required"));
    };
    let is_dry = parsed.is_set("dry-run") || !parsed.is_set("yes");
    let peers: Vec<RecoveryPeer> = parsed.values("peer").map(peer).collect::<Result<_, _>>().map_err(Failure::new)?;
    if peers.is_empty() {
        return Err(Failure::misuse(
            "Error recovering: name each server of the new configuration with -peer=id@ip:port",
        ));
    }
    let id_file = data_dir.join("node-id");
    let own = std::fs::read_to_string(&id_file).map_err(|error| failed(&format!("{}: {error}", id_file.display())))?;
    let own = Uuid::parse_str(own.trim()).map_err(|error| failed(&format!("{}: {error}", id_file.display())))?;
    let _lock = DataDirLock::take(data_dir).map_err(|error| failed(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
    let recovery = runtime.block_on(recover(data_dir, own, &peers, is_dry)).map_err(|error| failed(&error))?;
    Ok(Report::lines(lines(own, &recovery, is_dry)))
}

fn peer(text: &str) -> Result<RecoveryPeer, String> {
    let (rest, non_voter) = text.strip_suffix("/nonvoter").map_or((text, false), |rest| (rest, true));
    let parts = rest.split_once('@').and_then(|(id, address)| Some((id, address.parse::<SocketAddr>().ok()?)));
    let (id, address) =
        parts.ok_or_else(|| format!("Error recovering: -peer {text:?} is not of the form id@ip:port"))?;
    Ok(RecoveryPeer { id: id.into(), address, non_voter })
}

fn lines(own: Uuid, recovery: &Recovery, is_dry: bool) -> Vec<String> {
    let vote = |votes: bool| if votes { "votes" } else { "does not vote" };
    let (term, index) = recovery.last;
    let mut lines = vec![
        format!("This server:    {own}"),
        format!("Last log entry: term {term}, index {index}; {} of them not known to be committed", recovery.undecided),
        format!("State:          index {}", recovery.state_index),
        "Configuration now:".to_owned(),
    ];
    lines.extend(recovery.before.iter().map(|(id, address, votes)| format!("  {id}  {address}  {}", vote(*votes))));
    lines.push("Configuration after:".to_owned());
    lines.extend(recovery.after.iter().map(|it| format!("  {}  {}  {}", it.id, it.address, vote(!it.non_voter))));
    lines.push(match is_dry {
        true => "Nothing was changed. Run it again with -yes to do this, with the same -peer list on every remaining server."
            .to_owned(),
        false => "Done. When it is done on every remaining server, start them.".to_owned(),
    });
    lines
}
