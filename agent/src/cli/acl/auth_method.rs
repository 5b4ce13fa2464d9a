//! `consul acl auth-method`.

use model::Json;
use serde_json::json;

use super::{DESCRIPTION, FORMAT, META, NAME, NO_MERGE, failed, found, group, required, rows, set, show, shown};
use crate::cli::connect::{query_options, with_agent};
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::cli::input::data;

const TYPE: Flag = Flag::new("type", Takes::Text("string"), "jwt, kubernetes or oidc.");
const DISPLAY_NAME: Flag = Flag::new("display-name", Takes::Text("string"), "Name for people.");
const MAX_TTL: Flag = Flag::new("max-token-ttl", Takes::Text("duration"), "How long tokens of this method live.");
const LOCALITY: Flag = Flag::new("token-locality", Takes::Text("string"), "What tokens it makes: local or global.");
const CONFIG: Flag = Flag::new("config", Takes::Text("string"), "Settings in JSON, @FILE, or - for standard input.");
const HOST: Flag = Flag::new("kubernetes-host", Takes::Text("string"), "URL of the Kubernetes API server.");
const CA: Flag =
    Flag::new("kubernetes-ca-cert", Takes::Text("string"), "Authority of that server in PEM form, or @FILE.");
const JWT: Flag = Flag::new(
    "kubernetes-service-account-jwt",
    Takes::Text("string"),
    "Token of the service account that may review tokens, or @FILE.",
);

/// The row of the group.
pub const COMMAND: Command =
    group("acl auth-method", "Manage Consul's ACL auth methods", "Shows and changes ways to log in.");

commands! { "acl auth-method";
    CREATE "create" "Create an ACL auth method"
        &[NAME, TYPE, DESCRIPTION, DISPLAY_NAME, MAX_TTL, LOCALITY, CONFIG, HOST, CA, JWT, FORMAT, META], create;
    READ "read" "Read an ACL auth method" &[NAME, FORMAT, META], read;
    UPDATE "update" "Update an ACL auth method"
        &[NAME, DESCRIPTION, DISPLAY_NAME, MAX_TTL, LOCALITY, CONFIG, HOST, CA, JWT, NO_MERGE, FORMAT, META], update;
    DELETE "delete" "Delete an ACL auth method" &[NAME], delete;
    LIST "list" "Lists ACL auth methods" &[FORMAT, META], list;
}

/// A value that may be in a file.
fn value_of(parsed: &Parsed, flag: &str) -> Result<Option<String>, Failure> {
    let read = |argument: &str| data(argument).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    parsed.text(flag).map(read).transpose().map_err(Failure::new)
}

fn fill(body: &mut Json, parsed: &Parsed) -> Result<(), Failure> {
    set(body, "Description", parsed.value("description"));
    set(body, "DisplayName", parsed.value("display-name"));
    set(body, "MaxTokenTTL", parsed.text("max-token-ttl"));
    set(body, "TokenLocality", parsed.text("token-locality"));
    if let Some(config) = value_of(parsed, "config")? {
        body["Config"] = serde_json::from_str(&config)
            .map_err(|error| Failure::new(format!("Error parsing JSON for auth method config: {error}")))?;
    }
    if body["Type"] == "kubernetes" {
        for (flag, key) in [
            ("kubernetes-host", "Host"),
            ("kubernetes-ca-cert", "CACert"),
            ("kubernetes-service-account-jwt", "ServiceAccountJWT"),
        ] {
            if let Some(value) = value_of(parsed, flag)? {
                body["Config"][key] = Json::String(value);
            }
        }
    }
    Ok(())
}

fn create(parsed: &Parsed) -> Outcome {
    let kind = required(parsed, "type")?;
    let name = required(parsed, "name")?;
    if kind == "kubernetes" && parsed.text("config").is_none() {
        for flag in ["kubernetes-host", "kubernetes-ca-cert", "kubernetes-service-account-jwt"] {
            required(parsed, flag)?;
        }
    }
    let mut body = json!({"Name": name, "Type": kind});
    fill(&mut body, parsed)?;
    with_agent(parsed, async |client| {
        let made = client.acl_put(&["auth-method"], &body, &query_options(parsed).datacenter).await;
        Ok(shown(parsed, &made.map_err(failed("Failed to create new auth method"))?, show::auth_method))
    })
}

fn missing(name: &str) -> String {
    format!("Auth method not found with name {name:?}")
}

fn read(parsed: &Parsed) -> Outcome {
    let Some(name) = parsed.text("name") else { return Err(Failure::new("Must specify the -name parameter")) };
    with_agent(parsed, async |client| {
        let read = client.acl_read(&["auth-method", name], &[], &query_options(parsed)).await;
        let method = found(read, missing(name), &format!("Error reading auth method {name:?}"))?;
        Ok(shown(parsed, &method, show::auth_method))
    })
}

fn update(parsed: &Parsed) -> Outcome {
    let Some(name) = parsed.text("name") else {
        return Err(Failure::new("Cannot update an auth method without specifying the -name parameter"));
    };
    with_agent(parsed, async |client| {
        let read = client.acl_read(&["auth-method", name], &[], &query_options(parsed)).await;
        let old = found(read, missing(name), "Error when retrieving current auth method")?;
        let mut body = if parsed.is_set("no-merge") { json!({"Name": name, "Type": old["Type"]}) } else { old };
        fill(&mut body, parsed)?;
        let made = client.acl_put(&["auth-method", name], &body, &query_options(parsed).datacenter).await;
        let made = made.map_err(failed(&format!("Error updating auth method {name:?}")))?;
        Ok(shown(parsed, &made, show::auth_method))
    })
}

fn delete(parsed: &Parsed) -> Outcome {
    let Some(name) = parsed.text("name") else { return Err(Failure::new("Must specify the -name parameter")) };
    with_agent(parsed, async |client| {
        let gone = client.acl_delete(&["auth-method", name], &query_options(parsed).datacenter).await;
        gone.map_err(failed(&format!("Error deleting auth method {name:?}")))?;
        Ok(Report::line(format!("Auth method {name:?} deleted successfully")))
    })
}

fn list(parsed: &Parsed) -> Outcome {
    with_agent(parsed, async |client| {
        let all = client.acl_read(&["auth-methods"], &[], &query_options(parsed)).await;
        let all = all.map_err(failed("Failed to retrieve the auth method list"))?;
        Ok(shown(parsed, &all, |all, meta| {
            rows(all).map(|one| show::listed_auth_method(one, meta)).collect::<String>() + "\n"
        }))
    })
}
