//! `consul join`, `consul leave` and `consul force-leave`: who is in the pool.

use super::connect::with_agent;
use super::flags::{Flag, Parsed, Takes};
use super::frame::{Command, Failure, Outcome, Report, Run, Shared};

/// The row of `join`.
pub const JOIN: Command = Command {
    name: "join",
    synopsis: "Tell Consul agent to join cluster",
    usage: "[options] address ...",
    about: "Lets the running agent join a cluster: one address of any of its members is enough.",
    flags: &[Flag::new("wan", Takes::Bool, "Join the WAN pool, which servers of all datacenters share.")],
    shared: Shared::Http,
    run: Run::Once(join),
};

/// The row of `leave`.
pub const LEAVE: Command = Command {
    name: "leave",
    synopsis: "Gracefully leaves the Consul cluster and shuts down",
    usage: "[options]",
    about: "Lets the agent leave the cluster in good order and stop.",
    flags: &[],
    shared: Shared::Http,
    run: Run::Once(leave),
};

/// The row of `force-leave`.
pub const FORCE_LEAVE: Command = Command {
    name: "force-leave",
    synopsis: "Forces a member of the cluster to enter the \"left\" state",
    usage: "[options] name",
    about: "Declares a failed member to have left. A member that is alive comes back by itself.",
    flags: &[Flag::new("prune", Takes::Bool, "Remove the member from the list of members altogether.")],
    shared: Shared::Http,
    run: Run::Once(force_leave),
};

fn join(parsed: &Parsed) -> Outcome {
    if parsed.args.is_empty() {
        return Err(Failure::misuse("At least one address to join must be specified."));
    }
    // They would be taken for addresses, and shown.
    if parsed.args.iter().any(|word| word.starts_with('-')) {
        return Err(Failure::misuse("Flags must stand before the addresses."));
    }
    with_agent(parsed, async |client| {
        let (mut joined, mut err) = (0, String::new());
        for address in &parsed.args {
            match client.join(address, parsed.is_set("wan")).await {
                Ok(()) => joined += 1,
                Err(error) => err.push_str(&format!("Error joining address '{address}': {error}\n")),
            }
        }
        if joined == 0 {
            return Err(Failure::new(format!("{err}Failed to join any nodes.")));
        }
        Ok(Report { err, ..Report::line(format!("Successfully joined cluster by contacting {joined} nodes.")) })
    })
}

fn leave(parsed: &Parsed) -> Outcome {
    if !parsed.args.is_empty() {
        return Err(Failure::misuse(format!("Error found unexpected args: [{}]", super::input::surplus(&parsed.args))));
    }
    with_agent(parsed, async |client| {
        let left = client.leave().await;
        left.map(|()| Report::line("Graceful leave complete"))
            .map_err(|error| Failure::new(format!("Error leaving: {error}")))
    })
}

fn force_leave(parsed: &Parsed) -> Outcome {
    let [node] = parsed.args.as_slice() else {
        return Err(Failure::misuse("A single node name must be specified to force leave."));
    };
    with_agent(parsed, async |client| {
        let left = client.force_leave(node, parsed.is_set("prune")).await;
        left.map(|()| Report::silent()).map_err(|error| Failure::new(format!("Error force leaving: {error}")))
    })
}
