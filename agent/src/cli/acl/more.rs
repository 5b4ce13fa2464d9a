//! `consul acl bootstrap`, `set-agent-token`, `translate-rules` and `explain`.

use serde_json::json;

use super::{FORMAT, META, failed, show, shown};
use crate::cli::connect::{query_options, with_agent};
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::cli::input::{data, too_many};

/// The row of `bootstrap`.
pub const BOOTSTRAP: Command = Command {
    name: "acl bootstrap",
    synopsis: "Bootstrap Consul's ACL system",
    usage: "[options] [SECRET]",
    about: "Makes the first token of all rights, once. With a secret of your own (a UUID, @FILE, or - for standard input)\n\
            it can be repeated: it shows the same token again.",
    flags: &[FORMAT, META],
    shared: Shared::HttpAndServer,
    run: Run::Once(bootstrap),
};

/// The row of `set-agent-token`.
pub const SET_AGENT_TOKEN: Command = Command {
    name: "acl set-agent-token",
    synopsis: "Assign tokens for the Consul Agent's usage",
    usage: "[options] TYPE TOKEN",
    about: "Sets a token of the agent: default, agent, master (or recovery), or replication.",
    flags: &[],
    shared: Shared::HttpAndServer,
    run: Run::Once(set_agent_token),
};

/// The row of `translate-rules`.
pub const TRANSLATE: Command = Command {
    name: "acl translate-rules",
    synopsis: "Translate the legacy rule syntax into the current syntax",
    usage: "[options] RULES",
    about: "Writes old rules in the new language. RULES are the rules themselves, @FILE, or - for standard input.",
    flags: &[
        Flag::new("token-accessor", Takes::Text("string"), "Legacy token with the rules. There are none."),
        Flag::new("token-secret", Takes::Text("string"), "The same by its secret. There are none."),
    ],
    shared: Shared::HttpAndServer,
    run: Run::Once(translate),
};

/// The row of `explain`.
pub const EXPLAIN: Command = Command {
    name: "acl explain",
    synopsis: "Say which rule allows or denies something",
    usage: "[options] RESOURCE ACCESS [NAME]",
    about: "Says whether the token that it is asked with may do something, which rule of which policy decides, and the\n\
            smallest rule that would allow it. For example: consul acl explain key write web/a",
    flags: &[FORMAT],
    shared: Shared::HttpAndServer,
    run: Run::Once(explain),
};

fn bootstrap(parsed: &Parsed) -> Outcome {
    let body = match parsed.args.as_slice() {
        [] => json!({}),
        [secret] => {
            let bytes = data(secret).map_err(Failure::new)?;
            json!({"BootstrapSecret": String::from_utf8_lossy(&bytes).trim()})
        }
        more => return Err(Failure::misuse(too_many("1", more.len()))),
    };
    with_agent(parsed, async |client| {
        let made = client.acl_put(&["bootstrap"], &body, &query_options(parsed).datacenter).await;
        Ok(shown(parsed, &made.map_err(failed("Failed ACL bootstrapping"))?, show::token))
    })
}

fn set_agent_token(parsed: &Parsed) -> Outcome {
    let [kind, token] = parsed.args.as_slice() else {
        return Err(Failure::misuse(format!(
            "Error parsing arguments: expected 2 arguments, got {}",
            parsed.args.len()
        )));
    };
    let name = match kind.as_str() {
        "default" | "agent" | "replication" => kind.as_str(),
        "master" => "agent_master",
        "recovery" => "agent_recovery",
        _ => return Err(Failure::new("Unknown token type")),
    };
    with_agent(parsed, async |client| {
        let set = client.set_agent_token(name, token).await;
        set.map_err(failed(&format!("Failed to set ACL token {kind:?}")))?;
        Ok(Report::line(format!("ACL token {kind:?} set successfully")))
    })
}

fn translate(parsed: &Parsed) -> Outcome {
    if parsed.text("token-accessor").or(parsed.text("token-secret")).is_some() {
        return Err(Failure::new(
            "There are no legacy tokens, so there are no rules to take from one; give the rules.",
        ));
    }
    let [rules] = parsed.args.as_slice() else { return Err(Failure::misuse("Missing required argument: the rules")) };
    let rules = data(rules).map_err(Failure::new)?;
    with_agent(parsed, async |client| {
        let new = client.acl_translate(&String::from_utf8_lossy(&rules)).await;
        Ok(Report::line(new.map_err(failed("Error translating rules"))?))
    })
}

fn explain(parsed: &Parsed) -> Outcome {
    let (resource, access, name) = match parsed.args.as_slice() {
        [resource, access] => (resource, access, ""),
        [resource, access, name] => (resource, access, name.as_str()),
        other => {
            return Err(Failure::misuse(format!("expected RESOURCE ACCESS [NAME], got {} arguments", other.len())));
        }
    };
    with_agent(parsed, async |client| {
        let pairs = [("resource", resource.as_str()), ("access", access.as_str()), ("name", name)];
        let found = client.acl_read(&["explain"], &pairs, &query_options(parsed)).await;
        let found = found.map_err(failed("Error explaining"))?;
        Ok(shown(parsed, &found, |it, _| {
            let mut out = if it["Allowed"] == true { "Allowed" } else { "Denied" }.to_owned();
            match (it["Rule"].as_str(), it["Policy"].as_str()) {
                (Some(rule), Some(policy)) => out.push_str(&format!(" by {policy:?}: {rule}\n")),
                (Some(rule), None) => out.push_str(&format!(" by: {rule}\n")),
                (None, _) => out.push_str(" by the default policy: no rule speaks of it\n"),
            }
            if let Some(rule) = it["MinimalRule"].as_str() {
                out.push_str(&format!("This rule would allow it: {rule}\n"));
            }
            out
        }))
    })
}
