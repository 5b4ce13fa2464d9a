//! `consul acl role`.

use model::Json;
use serde_json::json;

use super::{
    DESCRIPTION, FORMAT, ID, META, NAME, NO_MERGE, NODE_IDENTITY, POLICY_ID, POLICY_NAME, SERVICE_IDENTITY, failed,
    group, id_of, joined, links, node_identities, rows, service_identities, set, show, shown,
};
use crate::cli::connect::{query_options, with_agent};
use crate::cli::flags::Parsed;
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};

const KIND: (&str, &str, &str) = ("roles", "role", "role");

/// The row of the group.
pub const COMMAND: Command = group("acl role", "Manage Consul's ACL roles", "Shows and changes roles.");

commands! { "acl role";
    CREATE "create" "Create an ACL role"
        &[NAME, DESCRIPTION, POLICY_ID, POLICY_NAME, SERVICE_IDENTITY, NODE_IDENTITY, FORMAT, META], create;
    READ "read" "Read an ACL role" &[ID, NAME, FORMAT, META], read;
    UPDATE "update" "Update an ACL role"
        &[ID, NAME, DESCRIPTION, POLICY_ID, POLICY_NAME, SERVICE_IDENTITY, NODE_IDENTITY, NO_MERGE, FORMAT, META], update;
    DELETE "delete" "Delete an ACL role" &[ID, NAME], delete;
    LIST "list" "Lists ACL roles" &[FORMAT, META], list;
}

fn add_rights(body: &mut Json, parsed: &Parsed) -> Result<(), Failure> {
    body["Policies"] = joined(body, "Policies", links(parsed, "policy-id", "policy-name"));
    body["ServiceIdentities"] = joined(body, "ServiceIdentities", service_identities(parsed));
    body["NodeIdentities"] = joined(body, "NodeIdentities", node_identities(parsed)?);
    Ok(())
}

fn create(parsed: &Parsed) -> Outcome {
    let Some(name) = parsed.text("name") else { return Err(Failure::misuse("Missing require '-name' flag")) };
    let mut body = json!({"Name": name});
    set(&mut body, "Description", parsed.value("description"));
    add_rights(&mut body, parsed)?;
    if ["Policies", "ServiceIdentities", "NodeIdentities"].iter().all(|key| body[*key] == json!([])) {
        return Err(Failure::new(
            "Cannot create a role without specifying -policy-name, -policy-id, -service-identity, or -node-identity at \
             least once",
        ));
    }
    with_agent(parsed, async |client| {
        let made = client.acl_put(&["role"], &body, &query_options(parsed).datacenter).await;
        Ok(shown(parsed, &made.map_err(failed("Failed to create new role"))?, show::role))
    })
}

fn read(parsed: &Parsed) -> Outcome {
    with_agent(parsed, async |client| {
        let id = id_of(&client, parsed, KIND).await?;
        let found = client.acl_read(&["role", &id], &[], &query_options(parsed)).await;
        Ok(shown(parsed, &found.map_err(failed(&format!("Error reading role {id:?}")))?, show::role))
    })
}

fn update(parsed: &Parsed) -> Outcome {
    if parsed.text("id").is_none() {
        return Err(Failure::new("Cannot update a role without specifying the -id parameter"));
    }
    with_agent(parsed, async |client| {
        let id = id_of(&client, parsed, KIND).await?;
        let mut body = json!({"ID": id});
        if !parsed.is_set("no-merge") {
            let old = client.acl_read(&["role", &id], &[], &query_options(parsed)).await;
            body = old.map_err(failed("Error when retrieving current role"))?;
        }
        set(&mut body, "Name", parsed.text("name"));
        set(&mut body, "Description", parsed.value("description"));
        add_rights(&mut body, parsed)?;
        let made = client.acl_put(&["role", &id], &body, &query_options(parsed).datacenter).await;
        Ok(shown(parsed, &made.map_err(failed(&format!("Error updating role {id:?}")))?, show::role))
    })
}

fn delete(parsed: &Parsed) -> Outcome {
    with_agent(parsed, async |client| {
        let id = id_of(&client, parsed, KIND).await?;
        let gone = client.acl_delete(&["role", &id], &query_options(parsed).datacenter).await;
        gone.map_err(failed(&format!("Error deleting role {id:?}")))?;
        Ok(Report::line(format!("Role {id:?} deleted successfully")))
    })
}

fn list(parsed: &Parsed) -> Outcome {
    with_agent(parsed, async |client| {
        let found = client.acl_read(&["roles"], &[], &query_options(parsed)).await;
        let found = found.map_err(failed("Failed to retrieve the role list"))?;
        Ok(shown(parsed, &found, |all, meta| {
            rows(all).map(|one| show::listed_role(one, meta)).collect::<String>() + "\n"
        }))
    })
}
