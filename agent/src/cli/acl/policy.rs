//! `consul acl policy`.

use serde_json::json;

use super::{DESCRIPTION, FORMAT, ID, META, NAME, NO_MERGE, failed, group, id_of, rows, set, show, shown};
use crate::cli::connect::{query_options, with_agent};
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::cli::input::data;

const KIND: (&str, &str, &str) = ("policies", "policy", "policy");
const RULES: Flag =
    Flag::new("rules", Takes::Text("string"), "The rules: as they are, @FILE, or - for standard input.");
const FROM_TOKEN: Flag =
    Flag::new("from-token", Takes::Text("string"), "Legacy token to take rules from. There are none.");
const TOKEN_SECRET: Flag = Flag::new("token-secret", Takes::Bool, "That -from-token is a secret.");
const DATACENTER: Flag =
    Flag::new("valid-datacenter", Takes::Text("value"), "Datacenter that it holds in. May be repeated.");

/// The row of the group.
pub const COMMAND: Command = group("acl policy", "Manage Consul's ACL policies", "Shows and changes policies.");

commands! { "acl policy";
    CREATE "create" "Create an ACL policy"
        &[NAME, DESCRIPTION, RULES, DATACENTER, FROM_TOKEN, TOKEN_SECRET, FORMAT, META], create;
    READ "read" "Read an ACL policy" &[ID, NAME, FORMAT, META], read;
    UPDATE "update" "Update an ACL policy" &[ID, NAME, DESCRIPTION, RULES, DATACENTER, NO_MERGE, FORMAT, META], update;
    DELETE "delete" "Delete an ACL policy" &[ID, NAME], delete;
    LIST "list" "Lists ACL policies" &[FORMAT, META], list;
}

fn rules(parsed: &Parsed) -> Result<Option<String>, Failure> {
    let Some(argument) = parsed.value("rules") else { return Ok(None) };
    let bytes = data(argument).map_err(|why| Failure::new(format!("Error loading rules: {why}")))?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn create(parsed: &Parsed) -> Outcome {
    let Some(name) = parsed.text("name") else { return Err(Failure::misuse("Missing require '-name' flag")) };
    if parsed.text("from-token").is_some() {
        return Err(Failure::new("There are no legacy tokens, so there are no rules to take from one; give -rules."));
    }
    let datacenters: Vec<&str> = parsed.values("valid-datacenter").collect();
    let mut body = json!({"Name": name, "Datacenters": datacenters});
    set(&mut body, "Description", parsed.value("description"));
    set(&mut body, "Rules", rules(parsed)?.as_deref());
    with_agent(parsed, async |client| {
        let made = client.acl_put(&["policy"], &body, &query_options(parsed).datacenter).await;
        Ok(shown(parsed, &made.map_err(failed("Failed to create new policy"))?, show::policy))
    })
}

fn read(parsed: &Parsed) -> Outcome {
    with_agent(parsed, async |client| {
        let id = id_of(&client, parsed, KIND).await?;
        let found = client.acl_read(&["policy", &id], &[], &query_options(parsed)).await;
        Ok(shown(parsed, &found.map_err(failed(&format!("Error reading policy {id:?}")))?, show::policy))
    })
}

fn update(parsed: &Parsed) -> Outcome {
    let rules = rules(parsed)?;
    with_agent(parsed, async |client| {
        let id = match parsed.text("id") {
            None if parsed.is_set("no-merge") => {
                return Err(Failure::new("Cannot update a policy without specifying the -id parameter"));
            }
            _ => id_of(&client, parsed, KIND).await?,
        };
        let mut body = json!({"ID": id});
        if !parsed.is_set("no-merge") {
            let old = client.acl_read(&["policy", &id], &[], &query_options(parsed)).await;
            body = old.map_err(failed("Error when retrieving current policy"))?;
        }
        // With -id the name is a new one.
        set(&mut body, "Name", parsed.text("name"));
        set(&mut body, "Description", parsed.value("description"));
        set(&mut body, "Rules", rules.as_deref());
        let datacenters: Vec<&str> = parsed.values("valid-datacenter").collect();
        if !datacenters.is_empty() {
            body["Datacenters"] = json!(datacenters);
        }
        let made = client.acl_put(&["policy", &id], &body, &query_options(parsed).datacenter).await;
        Ok(shown(parsed, &made.map_err(failed(&format!("Error updating policy {id:?}")))?, show::policy))
    })
}

fn delete(parsed: &Parsed) -> Outcome {
    with_agent(parsed, async |client| {
        let id = id_of(&client, parsed, KIND).await?;
        let gone = client.acl_delete(&["policy", &id], &query_options(parsed).datacenter).await;
        gone.map_err(failed(&format!("Error deleting policy {id:?}")))?;
        Ok(Report::line(format!("Policy {id:?} deleted successfully")))
    })
}

fn list(parsed: &Parsed) -> Outcome {
    with_agent(parsed, async |client| {
        let found = client.acl_read(&["policies"], &[], &query_options(parsed)).await;
        let found = found.map_err(failed("Failed to retrieve the policy list"))?;
        Ok(shown(parsed, &found, |all, meta| {
            rows(all).map(|one| show::listed_policy(one, meta)).collect::<String>() + "\n"
        }))
    })
}
