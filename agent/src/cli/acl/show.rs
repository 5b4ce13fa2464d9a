//! How ACL objects look to people.

use base64::Engine as _;
use model::Json;

/// A text field; empty when there is none.
pub fn text<'a>(value: &'a Json, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Json, key: &str) -> Vec<&'a Json> {
    value[key].as_array().into_iter().flatten().collect()
}

fn texts(value: &Json) -> String {
    let parts = value.as_array().into_iter().flatten().filter_map(Json::as_str);
    parts.collect::<Vec<_>>().join(", ")
}

/// Fingerprint and indexes, if wanted, with labels of a width.
fn meta(value: &Json, width: usize, wanted: bool) -> String {
    if !wanted {
        return String::new();
    }
    let row = |label: &str, shown: String| format!("{label:width$}{shown}\n");
    let indexes = row("Create Index:", value["CreateIndex"].to_string())
        + &row("Modify Index:", value["ModifyIndex"].to_string());
    if value["Hash"].is_null() {
        return indexes;
    }
    let hash = base64::engine::general_purpose::STANDARD.decode(text(value, "Hash")).unwrap_or_default();
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    row("Hash:", hash) + &indexes
}

/// Policies, roles and identities, each with its heading.
fn rights(value: &Json, indent: &str) -> String {
    let mut out = String::new();
    let mut add = |heading: &str, rows: Vec<String>| {
        if !rows.is_empty() {
            out.push_str(&format!("{indent}{heading}:\n"));
            rows.iter().for_each(|row| out.push_str(&format!("{indent}   {row}\n")));
        }
    };
    let link = |link: &&Json| format!("{} - {}", text(link, "ID"), text(link, "Name"));
    add("Policies", list(value, "Policies").iter().map(link).collect());
    add("Roles", list(value, "Roles").iter().map(link).collect());
    let service = |it: &&Json| match texts(&it["Datacenters"]) {
        all if all.is_empty() => format!("{} (Datacenters: all)", text(it, "ServiceName")),
        some => format!("{} (Datacenters: {some})", text(it, "ServiceName")),
    };
    add("Service Identities", list(value, "ServiceIdentities").iter().map(service).collect());
    let node = |it: &&Json| format!("{} (Datacenter: {})", text(it, "NodeName"), text(it, "Datacenter"));
    add("Node Identities", list(value, "NodeIdentities").iter().map(node).collect());
    out
}

/// One policy.
pub fn policy(value: &Json, with_meta: bool) -> String {
    format!(
        "ID:           {}\nName:         {}\nDescription:  {}\nDatacenters:  {}\n{}Rules:\n{}\n",
        text(value, "ID"),
        text(value, "Name"),
        text(value, "Description"),
        texts(&value["Datacenters"]),
        meta(value, 14, with_meta),
        text(value, "Rules"),
    )
}

/// One policy in a list.
pub fn listed_policy(value: &Json, with_meta: bool) -> String {
    let indented = meta(value, 14, with_meta).lines().map(|line| format!("   {line}\n")).collect::<String>();
    format!(
        "{}:\n   ID:           {}\n   Description:  {}\n   Datacenters:  {}\n{indented}",
        text(value, "Name"),
        text(value, "ID"),
        text(value, "Description"),
        texts(&value["Datacenters"]),
    )
}

/// One role.
pub fn role(value: &Json, with_meta: bool) -> String {
    format!(
        "ID:           {}\nName:         {}\nDescription:  {}\n{}{}",
        text(value, "ID"),
        text(value, "Name"),
        text(value, "Description"),
        meta(value, 14, with_meta),
        rights(value, "") + "\n",
    )
}

/// One role in a list.
pub fn listed_role(value: &Json, with_meta: bool) -> String {
    let indented = meta(value, 14, with_meta).lines().map(|line| format!("   {line}\n")).collect::<String>();
    format!(
        "{}:\n   ID:           {}\n   Description:  {}\n{indented}{}",
        text(value, "Name"),
        text(value, "ID"),
        text(value, "Description"),
        rights(value, "   "),
    )
}

/// `2026-11-22T21:23:19.87Z` as Go prints a time.
fn time(text: &str) -> String {
    text.replacen('T', " ", 1).replacen('Z', " +0000 UTC", 1)
}

/// One token.
pub fn token(value: &Json, with_meta: bool) -> String {
    let mut out = String::new();
    let mut row = |label: &str, shown: &str| out.push_str(&format!("{label:18}{shown}\n"));
    row("AccessorID:", text(value, "AccessorID"));
    row("SecretID:", text(value, "SecretID"));
    common(value, &mut row);
    out + &meta(value, 18, with_meta) + &rights(value, "") + "\n"
}

/// One token in a list.
pub fn listed_token(value: &Json, with_meta: bool) -> String {
    let mut out = String::new();
    let mut row = |label: &str, shown: &str| out.push_str(&format!("{label:18}{shown}\n"));
    row("AccessorID:", text(value, "AccessorID"));
    common(value, &mut row);
    row("Legacy:", if value["Legacy"] == true { "true" } else { "false" });
    out + &meta(value, 18, with_meta) + &rights(value, "")
}

fn common(value: &Json, row: &mut impl FnMut(&str, &str)) {
    row("Description:", text(value, "Description"));
    row("Local:", if value["Local"] == true { "true" } else { "false" });
    if !text(value, "AuthMethod").is_empty() {
        row("Auth Method:", text(value, "AuthMethod"));
    }
    row("Create Time:", &time(text(value, "CreateTime")));
    if !text(value, "ExpirationTime").is_empty() {
        row("Expiration Time:", &time(text(value, "ExpirationTime")));
    }
}

/// One auth method.
pub fn auth_method(value: &Json, with_meta: bool) -> String {
    let mut out = format!("{:15}{}\n{:15}{}\n", "Name:", text(value, "Name"), "Type:", text(value, "Type"));
    let mut row = |label: &str, key: &str, always: bool| {
        if always || !text(value, key).is_empty() {
            out.push_str(&format!("{label:15}{}\n", text(value, key)));
        }
    };
    row("DisplayName:", "DisplayName", false);
    row("Description:", "Description", true);
    row("MaxTokenTTL:", "MaxTokenTTL", false);
    row("TokenLocality:", "TokenLocality", false);
    let config = crate::cli::output::pretty_json(&sorted(&value["Config"]), b"  ");
    format!("{out}{}Config:\n{config}\n", meta(value, 15, with_meta))
}

/// With the fields of objects by name.
fn sorted(value: &Json) -> Json {
    match value {
        Json::Object(fields) => {
            let fields: std::collections::BTreeMap<_, _> =
                fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            Json::Object(fields.into_iter().collect())
        }
        Json::Array(items) => Json::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// One auth method in a list.
pub fn listed_auth_method(value: &Json, with_meta: bool) -> String {
    let mut out = format!("{}:\n   Type:         {}\n", text(value, "Name"), text(value, "Type"));
    if !text(value, "DisplayName").is_empty() {
        out.push_str(&format!("   DisplayName:  {}\n", text(value, "DisplayName")));
    }
    out.push_str(&format!("   Description:  {}\n", text(value, "Description")));
    out + &indented(&meta(value, 14, with_meta))
}

fn indented(lines: &str) -> String {
    lines.lines().map(|line| format!("   {line}\n")).collect()
}

fn binding_rule_rows(value: &Json, with_meta: bool) -> String {
    let keys = ["AuthMethod", "Description", "BindType", "BindName", "Selector"];
    let rows = keys.iter().map(|key| format!("{:14}{}\n", format!("{key}:"), text(value, key)));
    rows.collect::<String>() + &meta(value, 14, with_meta)
}

/// One binding rule.
pub fn binding_rule(value: &Json, with_meta: bool) -> String {
    format!("ID:           {}\n{}\n", text(value, "ID"), binding_rule_rows(value, with_meta))
}

/// One binding rule in a list.
pub fn listed_binding_rule(value: &Json, with_meta: bool) -> String {
    format!("{}:\n{}", text(value, "ID"), indented(&binding_rule_rows(value, with_meta)))
}
