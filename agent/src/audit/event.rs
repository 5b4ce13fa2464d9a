//! What an event says. Never a secret: no query, no body, no header but the name of the client's program.

use std::net::IpAddr;
use std::time::SystemTime;

use serde_json::json;
use uuid::Uuid;

/// Longest text that a client may bring into an event, bytes.
const TEXT_MAX: usize = 512;
/// Patterns after which a path goes on with a secret.
const SECRET_PATHS: [&str; 3] = ["/v1/acl/info/", "/v1/acl/clone/", "/v1/acl/destroy/"];

/// What was asked for.
pub struct Asked<'a> {
    /// Tells the two events of a request from those of others.
    pub id: Uuid,
    /// Method.
    pub method: &'a str,
    /// Path without the query.
    pub path: &'a str,
    /// Address of the client.
    pub client: Option<IpAddr>,
    /// What the client calls itself.
    pub user_agent: &'a str,
    /// Accessor of its token; empty where it is not known.
    pub accessor: &'a str,
}

/// How far the request is.
pub enum Stage {
    /// It begins.
    Start,
    /// It is answered, with this status.
    Complete(u16),
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_MAX)]
}

/// The path, without the secret in it.
fn shown(path: &str) -> String {
    match SECRET_PATHS.iter().find(|pattern| path.starts_with(*pattern)) {
        Some(pattern) => format!("{pattern}<hidden>"),
        None => cut(path).to_owned(),
    }
}

fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

/// The event as JSON, in the shape that Consul Enterprise gives it.
pub fn text(asked: &Asked<'_>, stage: &Stage) -> String {
    let created = now();
    let (stage, response) = match stage {
        Stage::Start => ("OperationStart", None),
        Stage::Complete(status) => ("OperationComplete", Some(json!({"status": status.to_string()}))),
    };
    let mut payload = json!({
        "id": asked.id,
        "version": "1",
        "type": "HTTPEvent",
        "timestamp": created,
        "auth": {"accessor_id": asked.accessor},
        "request": {
            "operation": asked.method,
            "endpoint": shown(asked.path),
            "remote_addr": asked.client,
            "user_agent": cut(asked.user_agent),
        },
        "stage": stage,
    });
    if let Some(response) = response {
        payload["response"] = response;
    }
    json!({"created_at": created, "event_type": "audit", "payload": payload}).to_string()
}

/// That events are missing.
pub fn lost(count: u64) -> String {
    json!({"created_at": now(), "event_type": "audit", "payload": {"type": "Lost", "count": count}}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_paths_and_long_texts_are_left_out() {
        let long = "é".repeat(1000);
        let mut asked = Asked {
            id: Uuid::nil(),
            method: "PUT",
            path: "/v1/acl/destroy/5ec2e7",
            client: None,
            user_agent: &long,
            accessor: "",
        };
        let event = text(&asked, &Stage::Complete(200));
        assert!(!event.contains("5ec2e7") && event.len() < 1200, "{event}");
        assert!(event.contains(r#""response":{"status":"200"}"#), "{event}");
        asked.path = "/v1/kv/a";
        assert!(text(&asked, &Stage::Start).contains(r#""endpoint":"/v1/kv/a""#));
    }
}
