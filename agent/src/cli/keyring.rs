//! `consul keyring`.

use std::fmt::Write as _;

use client::{KeyChange, KeyringPool};

use super::connect::with_agent;
use super::flags::{Flag, Parsed, Takes};
use super::frame::{Command, Failure, Outcome, Report, Run, Shared};

/// Copies of answers that may be asked for.
const RELAY_FACTOR_MAX: u64 = 5;

/// The row.
pub const COMMAND: Command = Command {
    name: "keyring",
    synopsis: "Manages gossip layer encryption keys",
    usage: "[options]",
    about: "Shows and changes the keys that gossip is encrypted with, on all members of the LAN and WAN pools. To change\n\
            the key: -install the new one, -use it, then -remove the old one. Asks a server.",
    flags: &[
        Flag::new("install", Takes::Text("string"), "Install this key on all members; it decrypts from then on."),
        Flag::new("list", Takes::Bool, "Show all keys, and how many members have each."),
        Flag::new("list-primary", Takes::Bool, "Show the keys that members encrypt with."),
        Flag::new("local-only", Takes::Bool, "List the keys of the LAN pool only."),
        Flag::new("relay-factor", Takes::Int, "Send each answer through this many other members too, 0 to 5."),
        Flag::new("remove", Takes::Text("string"), "Remove this key from all members; not the one that encrypts."),
        Flag::new("use", Takes::Text("string"), "Encrypt with this key, which must be installed."),
    ],
    shared: Shared::Http,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    let change = |name: &str, change: KeyChange| parsed.text(name).map(|key| (change, key.to_owned()));
    let changes: Vec<(KeyChange, String)> =
        [change("install", KeyChange::Install), change("use", KeyChange::Use), change("remove", KeyChange::Remove)]
            .into_iter()
            .flatten()
            .filter(|(_, key)| !key.is_empty())
            .collect();
    let (list, primary) = (parsed.is_set("list"), parsed.is_set("list-primary"));
    let actions = changes.len() + usize::from(list) + usize::from(primary);
    if actions == 0 {
        return Err(Failure::misuse("one of -install, -list, -list-primary, -remove and -use is needed"));
    }
    if actions > 1 {
        return Err(Failure::new("Only a single action is allowed"));
    }
    let relay_factor = match parsed.text("relay-factor") {
        None => 0,
        Some(text) => text
            .parse()
            .ok()
            .filter(|factor| *factor <= RELAY_FACTOR_MAX)
            .ok_or_else(|| Failure::new("Error parsing relay factor: Relay factor must be in range: [0, 5]"))?,
    };
    let local_only = parsed.is_set("local-only");
    if local_only && !(list || primary) {
        return Err(Failure::new("Error validating local-only: local-only can only be set for list requests"));
    }
    with_agent(parsed, async |client| {
        let Some((change, key)) = changes.into_iter().next() else {
            let heading = "==> Gathering installed encryption keys...\n".to_owned();
            let found = client.keyring(relay_factor, local_only).await;
            let pools =
                found.map_err(|error| Failure { done: heading.clone(), ..Failure::new(format!("error: {error}")) })?;
            return Ok(Report {
                out: format!("{heading}{}", table(&pools, primary)).into_bytes(),
                ..Report::default()
            });
        };
        let heading = match change {
            KeyChange::Install => "==> Installing new gossip encryption key...\n",
            KeyChange::Use => "==> Changing primary gossip encryption key...\n",
            KeyChange::Remove => "==> Removing gossip encryption key...\n",
        };
        let done = client.change_keyring(change, &key, relay_factor).await;
        let failed = |error| Failure { done: heading.to_owned(), ..Failure::new(format!("error: {error}")) };
        done.map(|()| Report { out: heading.into(), ..Report::default() }).map_err(failed)
    })
}

fn table(pools: &[KeyringPool], primary: bool) -> String {
    let mut text = String::new();
    for pool in pools {
        let segment = if pool.segment.is_empty() { String::new() } else { format!(" [{}]", pool.segment) };
        let name = if pool.wan { "WAN".to_owned() } else { format!("{} (LAN){segment}", pool.datacenter) };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n{name}:");
        for (node, message) in &pool.messages {
            let _ = writeln!(text, "  ===> {node}: {message}");
        }
        let keys = if primary { &pool.primary_keys } else { &pool.keys };
        for (key, count) in keys {
            let _ = writeln!(text, "  {key} [{count}/{}]", pool.num_nodes);
        }
    }
    text
}
