//! `consul acl token`.

use client::Client;
use model::Json;
use serde_json::json;

use super::{
    DESCRIPTION, FORMAT, ID, META, NODE_IDENTITY, POLICY_ID, POLICY_NAME, SERVICE_IDENTITY, failed, full_id, group,
    joined, links, node_identities, rows, service_identities, set, show, shown,
};
use crate::cli::connect::{query_options, with_agent};
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};

const ROLE_ID: Flag = Flag::new("role-id", Takes::Text("value"), "UUID of a role. May be repeated.");
const ROLE_NAME: Flag = Flag::new("role-name", Takes::Text("value"), "Name of a role. May be repeated.");
const ACCESSOR: Flag = Flag::new("accessor", Takes::Text("string"), "Accessor of the new token, a UUID.");
const SECRET: Flag = Flag::new("secret", Takes::Text("string"), "Secret of the new token, a UUID.");
const LOCAL: Flag = Flag::new("local", Takes::Bool, "Make a token that holds in this datacenter only.");
const TTL: Flag = Flag::new("expires-ttl", Takes::Text("duration"), "How long the token lives.");
const SELF: Flag = Flag::new("self", Takes::Bool, "The token that the request is made with.");
const MERGE: [Flag; 4] = [
    Flag::new("merge-policies", Takes::Bool, "Keep the policies that it has."),
    Flag::new("merge-roles", Takes::Bool, "Keep the roles that it has."),
    Flag::new("merge-service-identities", Takes::Bool, "Keep the service identities that it has."),
    Flag::new("merge-node-identities", Takes::Bool, "Keep the node identities that it has."),
];

const UPGRADE: Flag = Flag::new("upgrade-legacy", Takes::Bool, "Give a legacy token new rights. There are none.");

/// The row of the group.
pub const COMMAND: Command = group("acl token", "Manage Consul's ACL tokens", "Shows and changes tokens.");

commands! { "acl token";
    CREATE "create" "Create an ACL token"
        &[ACCESSOR, SECRET, DESCRIPTION, LOCAL, TTL, POLICY_ID, POLICY_NAME, ROLE_ID, ROLE_NAME, SERVICE_IDENTITY,
          NODE_IDENTITY, FORMAT, META], create;
    READ "read" "Read an ACL token" &[ID, SELF, FORMAT, META], read;
    UPDATE "update" "Update an ACL token"
        &[ID, DESCRIPTION, POLICY_ID, POLICY_NAME, ROLE_ID, ROLE_NAME, SERVICE_IDENTITY, NODE_IDENTITY, MERGE[0], MERGE[1],
          MERGE[2], MERGE[3], UPGRADE, FORMAT, META], update;
    CLONE "clone" "Clone an ACL token" &[ID, DESCRIPTION, FORMAT, META], clone;
    DELETE "delete" "Delete an ACL token" &[ID], delete;
    LIST "list" "Lists ACL tokens" &[FORMAT, META], list;
}

async fn accessor(client: &Client, parsed: &Parsed) -> Result<String, Failure> {
    let Some(id) = parsed.text("id") else { return Err(Failure::new("Must specify the -id parameter")) };
    let found = full_id(client, parsed, ("tokens", "token", "AccessorID"), id).await;
    found.map_err(|why| Failure::new(format!("Error determining token ID: {why}")))
}

/// Field, the flag that keeps what it has, and the rows given.
type Given = (&'static str, &'static str, Vec<Json>);

fn rights(parsed: &Parsed) -> Result<[Given; 4], Failure> {
    Ok([
        ("Policies", "merge-policies", links(parsed, "policy-id", "policy-name")),
        ("Roles", "merge-roles", links(parsed, "role-id", "role-name")),
        ("ServiceIdentities", "merge-service-identities", service_identities(parsed)),
        ("NodeIdentities", "merge-node-identities", node_identities(parsed)?),
    ])
}

fn create(parsed: &Parsed) -> Outcome {
    let rights = rights(parsed)?;
    if rights.iter().all(|(_, _, rows)| rows.is_empty()) {
        return Err(Failure::new(
            "Cannot create a token without specifying -policy-name, -policy-id, -role-name, -role-id, -service-identity, \
             or -node-identity at least once",
        ));
    }
    let mut body = json!({"Local": parsed.is_set("local")});
    set(&mut body, "AccessorID", parsed.text("accessor"));
    set(&mut body, "SecretID", parsed.text("secret"));
    set(&mut body, "Description", parsed.value("description"));
    set(&mut body, "ExpirationTTL", parsed.text("expires-ttl"));
    for (key, _, rows) in rights {
        body[key] = Json::Array(rows);
    }
    with_agent(parsed, async |client| {
        let made = client.acl_put(&["token"], &body, &query_options(parsed).datacenter).await;
        Ok(shown(parsed, &made.map_err(failed("Failed to create new token"))?, show::token))
    })
}

fn read(parsed: &Parsed) -> Outcome {
    with_agent(parsed, async |client| {
        let id = if parsed.is_set("self") { "self".to_owned() } else { accessor(&client, parsed).await? };
        let found = client.acl_read(&["token", &id], &[], &query_options(parsed)).await;
        Ok(shown(parsed, &found.map_err(failed(&format!("Error reading token {id:?}")))?, show::token))
    })
}

fn update(parsed: &Parsed) -> Outcome {
    let rights = rights(parsed)?;
    with_agent(parsed, async |client| {
        let id = accessor(&client, parsed).await?;
        let old = client.acl_read(&["token", &id], &[], &query_options(parsed)).await;
        let mut body = old.map_err(failed("Error when retrieving current token"))?;
        set(&mut body, "Description", parsed.value("description"));
        for (key, merge, rows) in rights {
            body[key] = if parsed.is_set(merge) { joined(&body, key, rows) } else { Json::Array(rows) };
        }
        let made = client.acl_put(&["token", &id], &body, &query_options(parsed).datacenter).await;
        Ok(shown(parsed, &made.map_err(failed(&format!("Failed to update token {id}")))?, show::token))
    })
}

fn clone(parsed: &Parsed) -> Outcome {
    with_agent(parsed, async |client| {
        let id = accessor(&client, parsed).await?;
        let body = json!({"Description": parsed.value("description").unwrap_or_default()});
        let made = client.acl_put(&["token", &id, "clone"], &body, &query_options(parsed).datacenter).await;
        Ok(shown(parsed, &made.map_err(failed("Error cloning token"))?, show::token))
    })
}

fn delete(parsed: &Parsed) -> Outcome {
    with_agent(parsed, async |client| {
        let id = accessor(&client, parsed).await?;
        let gone = client.acl_delete(&["token", &id], &query_options(parsed).datacenter).await;
        gone.map_err(failed(&format!("Error deleting token {id:?}")))?;
        Ok(Report::line(format!("Token {id:?} deleted successfully")))
    })
}

fn list(parsed: &Parsed) -> Outcome {
    with_agent(parsed, async |client| {
        let found = client.acl_read(&["tokens"], &[], &query_options(parsed)).await;
        let found = found.map_err(failed("Failed to retrieve the token list"))?;
        let pretty = |all: &Json, meta| rows(all).map(|one| show::listed_token(one, meta) + "\n").collect();
        Ok(shown(parsed, &found, pretty))
    })
}
