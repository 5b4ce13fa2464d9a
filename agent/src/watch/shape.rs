//! The JSON that handlers get: the rows of the HTTP API in the order and completeness of Consul's own client, which
//! existing handlers were written for.

use serde_json::{Map, Value, json};

/// Order of the fields of a service instance.
const SERVICE: [&str; 15] = [
    "Kind",
    "ID",
    "Service",
    "Tags",
    "Meta",
    "Port",
    "Address",
    "TaggedAddresses",
    "Weights",
    "EnableTagOverride",
    "CreateIndex",
    "ModifyIndex",
    "ContentHash",
    "Proxy",
    "Connect",
];

/// An entry of the key-value store.
pub fn entry(row: &Value) -> Value {
    json!({
        "Key": row["Key"],
        "CreateIndex": row["CreateIndex"],
        "ModifyIndex": row["ModifyIndex"],
        "LockIndex": row["LockIndex"],
        "Flags": row["Flags"],
        "Value": row["Value"],
        "Session": row["Session"].as_str().unwrap_or_default(),
    })
}

/// A check.
pub fn check(row: &Value) -> Value {
    let definition = &row["Definition"];
    let duration = |key: &str| definition[key].as_str().unwrap_or("0s").to_owned();
    let text = |key: &str| definition[key].as_str().unwrap_or_default().to_owned();
    json!({
        "Node": row["Node"],
        "CheckID": row["CheckID"],
        "Name": row["Name"],
        "Status": row["Status"],
        "Notes": row["Notes"],
        "Output": row["Output"],
        "ServiceID": row["ServiceID"],
        "ServiceName": row["ServiceName"],
        "ServiceTags": row["ServiceTags"],
        "Type": row["Type"],
        "Definition": {
            "Interval": duration("Interval"),
            "Timeout": duration("Timeout"),
            "DeregisterCriticalServiceAfter": duration("DeregisterCriticalServiceAfter"),
            "HTTP": text("HTTP"),
            "Header": definition["Header"],
            "Method": text("Method"),
            "Body": text("Body"),
            "TLSSkipVerify": definition["TLSSkipVerify"].as_bool().unwrap_or_default(),
            "TCP": text("TCP"),
        },
        "CreateIndex": row["CreateIndex"],
        "ModifyIndex": row["ModifyIndex"],
    })
}

/// A service instance with its node and checks.
pub fn instance(row: &Value) -> Value {
    json!({ "Node": row["Node"], "Service": service(&row["Service"]), "Checks": each(&row["Checks"], check) })
}

fn service(row: &Value) -> Value {
    let Some(fields) = row.as_object() else { return row.clone() };
    let mut ordered = Map::new();
    for name in SERVICE {
        if let Some(value) = fields.get(name) {
            ordered.insert(name.to_owned(), value.clone());
        }
    }
    for (name, value) in fields {
        ordered.entry(name.clone()).or_insert_with(|| value.clone());
    }
    Value::Object(ordered)
}

/// Every row of a list in its new shape; `null` stays.
pub fn each(rows: &Value, shape: fn(&Value) -> Value) -> Value {
    match rows.as_array() {
        Some(rows) => Value::Array(rows.iter().map(shape).collect()),
        None => rows.clone(),
    }
}
