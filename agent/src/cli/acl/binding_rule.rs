//! `consul acl binding-rule`.

use client::Client;
use model::Json;
use serde_json::json;

use super::{DESCRIPTION, FORMAT, ID, META, NO_MERGE, failed, found, full_id, group, required, rows, set, show, shown};
use crate::cli::connect::{query_options, with_agent};
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};

const METHOD: Flag = Flag::new("method", Takes::Text("string"), "Auth method that the rule is of.");
const BIND_TYPE: Flag =
    Flag::new("bind-type", Takes::Text("string"), "What they get: service (default), node or role.");
const BIND_NAME: Flag =
    Flag::new("bind-name", Takes::Text("string"), "Its name; ${...} stands for what was found out.");
const SELECTOR: Flag = Flag::new("selector", Takes::Text("string"), "Whom the rule is for: an expression.");

/// The row of the group.
pub const COMMAND: Command =
    group("acl binding-rule", "Manage Consul's ACL binding rules", "Shows and changes what those who log in get.");

commands! { "acl binding-rule";
    CREATE "create" "Create an ACL binding rule"
        &[METHOD, BIND_TYPE, BIND_NAME, SELECTOR, DESCRIPTION, FORMAT, META], create;
    READ "read" "Read an ACL binding rule" &[ID, FORMAT, META], read;
    UPDATE "update" "Update an ACL binding rule"
        &[ID, BIND_TYPE, BIND_NAME, SELECTOR, DESCRIPTION, NO_MERGE, FORMAT, META], update;
    DELETE "delete" "Delete an ACL binding rule" &[ID], delete;
    LIST "list" "Lists ACL binding rules" &[METHOD, FORMAT, META], list;
}

async fn id_of(client: &Client, parsed: &Parsed, id: &str) -> Result<String, Failure> {
    let found = full_id(client, parsed, ("binding-rules", "rule", "ID"), id).await;
    found.map_err(|why| Failure::new(format!("Error determining binding rule ID: {why}")))
}

fn fill(body: &mut Json, parsed: &Parsed) {
    set(body, "Description", parsed.value("description"));
    set(body, "BindType", parsed.text("bind-type"));
    set(body, "BindName", parsed.text("bind-name"));
    set(body, "Selector", parsed.value("selector"));
}

fn create(parsed: &Parsed) -> Outcome {
    let method = required(parsed, "method")?;
    required(parsed, "bind-name")?;
    let mut body = json!({"AuthMethod": method, "BindType": "service"});
    fill(&mut body, parsed);
    with_agent(parsed, async |client| {
        let made = client.acl_put(&["binding-rule"], &body, &query_options(parsed).datacenter).await;
        Ok(shown(parsed, &made.map_err(failed("Failed to create new binding rule"))?, show::binding_rule))
    })
}

fn missing(id: &str) -> String {
    format!("Binding rule not found with ID {id:?}")
}

fn read(parsed: &Parsed) -> Outcome {
    let Some(id) = parsed.text("id") else { return Err(Failure::new("Must specify the -id parameter.")) };
    with_agent(parsed, async |client| {
        let id = id_of(&client, parsed, id).await?;
        let read = client.acl_read(&["binding-rule", &id], &[], &query_options(parsed)).await;
        let rule = found(read, missing(&id), &format!("Error reading binding rule {id:?}"))?;
        Ok(shown(parsed, &rule, show::binding_rule))
    })
}

fn update(parsed: &Parsed) -> Outcome {
    let Some(id) = parsed.text("id") else {
        return Err(Failure::new("Cannot update a binding rule without specifying the -id parameter"));
    };
    with_agent(parsed, async |client| {
        let id = id_of(&client, parsed, id).await?;
        let read = client.acl_read(&["binding-rule", &id], &[], &query_options(parsed)).await;
        let old = found(read, missing(&id), "Error when retrieving current binding rule")?;
        let mut body = old;
        if parsed.is_set("no-merge") {
            required(parsed, "bind-name")?;
            body = json!({"ID": id, "AuthMethod": body["AuthMethod"], "BindType": "service"});
        }
        fill(&mut body, parsed);
        let made = client.acl_put(&["binding-rule", &id], &body, &query_options(parsed).datacenter).await;
        let made = made.map_err(failed(&format!("Error updating binding rule {id:?}")))?;
        Ok(shown(parsed, &made, show::binding_rule))
    })
}

fn delete(parsed: &Parsed) -> Outcome {
    let Some(id) = parsed.text("id") else { return Err(Failure::new("Must specify the -id parameter")) };
    with_agent(parsed, async |client| {
        let id = id_of(&client, parsed, id).await?;
        let gone = client.acl_delete(&["binding-rule", &id], &query_options(parsed).datacenter).await;
        gone.map_err(failed(&format!("Error deleting binding rule {id:?}")))?;
        Ok(Report::line(format!("Binding rule {id:?} deleted successfully")))
    })
}

fn list(parsed: &Parsed) -> Outcome {
    let method = parsed.text("method").unwrap_or_default();
    with_agent(parsed, async |client| {
        let all = client.acl_read(&["binding-rules"], &[("authmethod", method)], &query_options(parsed)).await;
        let all = all.map_err(failed("Failed to retrieve the binding rule list"))?;
        Ok(shown(parsed, &all, |all, meta| {
            rows(all).map(|one| show::listed_binding_rule(one, meta)).collect::<String>() + "\n"
        }))
    })
}
