//! Watches: a view of the cluster that is followed, and a handler that is told of every change. `consul watch` runs one,
//! an agent runs those of its configuration.

pub mod handler;
pub mod run;
mod shape;

use client::{Answer, Client, Error, QueryOptions};
use serde_json::{Map, Value};

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// One key.
    Key(String),
    /// All keys below a prefix.
    KeyPrefix(String),
    /// Names and tags of all services.
    Services,
    /// All nodes.
    Nodes,
    /// Instances of a service.
    Service {
        /// Its name.
        name: String,
        /// Tags that instances must have.
        tags: Vec<String>,
        /// Only instances whose checks all pass.
        passing_only: bool,
    },
    /// Checks of a service.
    ChecksOf(String),
    /// Checks in a state; `any` for all.
    ChecksIn(String),
    /// User events of a name; of all names when empty.
    Event(String),
    /// Certificates that services trust.
    ConnectRoots,
    /// The certificate of a service.
    ConnectLeaf(String),
    /// A service of the agent, by id.
    AgentService(String),
}

/// A view, and how it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// What.
    pub view: View,
    /// Datacenter; empty for the agent's own.
    pub datacenter: String,
    /// Token; empty for that of the client.
    pub token: String,
    /// Any server may answer.
    pub stale: bool,
}

/// Reads the parameters of a watch; those that it uses are taken out.
///
/// # Errors
/// What is missing or wrong, in Consul's words.
pub fn parse(parameters: &mut Map<String, Value>) -> Result<Watch, String> {
    let datacenter = take_text(parameters, "datacenter")?;
    let token = take_text(parameters, "token")?;
    let stale = take_bool(parameters, "stale")?;
    let kind = take_text(parameters, "type")?;
    let mut needed = |key: &str, what: &str| {
        let value = take_text(parameters, key)?;
        if value.is_empty() { Err(format!("Must specify a single {what} to watch")) } else { Ok(value) }
    };
    let view = match kind.as_str() {
        "" => return Err("Watch type must be specified".to_owned()),
        "key" => View::Key(needed("key", "key")?),
        "keyprefix" => View::KeyPrefix(needed("prefix", "prefix")?),
        "services" => View::Services,
        "nodes" => View::Nodes,
        "service" => View::Service {
            name: needed("service", "service")?,
            tags: take_texts(parameters, "tag")?,
            passing_only: take_bool(parameters, "passingonly")?,
        },
        "checks" => match (take_text(parameters, "service")?, take_text(parameters, "state")?) {
            (service, state) if !service.is_empty() && !state.is_empty() => {
                return Err("Cannot specify service and state".to_owned());
            }
            (service, _) if !service.is_empty() => View::ChecksOf(service),
            (_, state) if state.is_empty() => View::ChecksIn("any".to_owned()),
            (_, state) => View::ChecksIn(state),
        },
        "event" => View::Event(take_text(parameters, "name")?),
        "connect_roots" => View::ConnectRoots,
        "connect_leaf" => View::ConnectLeaf(needed("service", "service")?),
        "agent_service" => View::AgentService(needed("service_id", "service ID")?),
        other => return Err(format!("Unsupported watch type: {other}")),
    };
    Ok(Watch { view, datacenter, token, stale })
}

fn take_text(parameters: &mut Map<String, Value>, key: &str) -> Result<String, String> {
    match parameters.remove(key) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("Expecting {key} to be a string")),
    }
}

fn take_bool(parameters: &mut Map<String, Value>, key: &str) -> Result<bool, String> {
    match parameters.remove(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(value),
        Some(_) => Err(format!("Expecting {key} to be a boolean")),
    }
}

fn take_texts(parameters: &mut Map<String, Value>, key: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("Expecting {key} to be a string or []string");
    match parameters.remove(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text]),
        Some(Value::Array(items)) => {
            items.into_iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

impl Watch {
    /// Reads the view once, waiting for an index above `index` unless it is 0. `hash` is that of the last answer, for
    /// views that have no index.
    async fn read(&self, client: &Client, index: u64, hash: &str) -> Result<(u64, Value), Error> {
        let options =
            QueryOptions { datacenter: self.datacenter.clone(), stale: self.stale, index, ..QueryOptions::default() };
        let read = async |path: &str, name: &str, pairs: &[(&str, &str)], shape: fn(&Value) -> Value| {
            let found: Answer<Option<Value>> = client.read(path, name, pairs, &options).await?;
            Ok((found.index, shape(&found.rows.unwrap_or_default())))
        };
        let first: fn(&Value) -> Value = |rows| rows.get(0).map(shape::entry).unwrap_or_default();
        match &self.view {
            View::Key(key) => read("/v1/kv", key, &[], first).await,
            View::KeyPrefix(prefix) => {
                read("/v1/kv", prefix, &[("recurse", "")], |rows| shape::each(rows, shape::entry)).await
            }
            View::Services => read("/v1/catalog/services", "", &[], Value::clone).await,
            View::Nodes => read("/v1/catalog/nodes", "", &[], Value::clone).await,
            View::Service { name, tags, passing_only } => {
                let mut pairs: Vec<(&str, &str)> = tags.iter().map(|tag| ("tag", tag.as_str())).collect();
                if *passing_only {
                    pairs.push(("passing", "1"));
                }
                read("/v1/health/service", name, &pairs, |rows| shape::each(rows, shape::instance)).await
            }
            View::ChecksOf(name) => read("/v1/health/checks", name, &[], |rows| shape::each(rows, shape::check)).await,
            View::ChecksIn(state) => read("/v1/health/state", state, &[], |rows| shape::each(rows, shape::check)).await,
            View::Event(name) => {
                let by_name = [("name", name.as_str())];
                read("/v1/event/list", "", if name.is_empty() { &[] } else { &by_name }, Value::clone).await
            }
            View::ConnectRoots => read("/v1/agent/connect/ca/roots", "", &[], Value::clone).await,
            View::ConnectLeaf(service) => read("/v1/agent/connect/ca/leaf", service, &[], Value::clone).await,
            View::AgentService(id) => {
                let by_hash = [("hash", hash)];
                let pairs: &[(&str, &str)] = if hash.is_empty() { &[] } else { &by_hash };
                read("/v1/agent/service", id, pairs, Value::clone).await
            }
        }
    }
}

/// Follows a view: knows what it saw last.
#[derive(Debug)]
pub struct Follower {
    watch: Watch,
    client: Client,
    index: u64,
    seen: Option<Value>,
}

/// A new state of a view.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its index; 0 for views that have none.
    pub index: u64,
    /// Its rows.
    pub rows: Value,
}

impl Follower {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new(watch: Watch, client: Client) -> Self {
        Self { watch, client, index: 0, seen: None }
    }

    /// Waits for a state that differs from the last one; the first is there at once.
    ///
    /// # Errors
    /// When the agent cannot be asked or refuses; it may be tried again.
    pub async fn next(&mut self) -> Result<Change, Error> {
        loop {
            let hash = self.seen.as_ref().and_then(|seen| seen["ContentHash"].as_str()).unwrap_or_default().to_owned();
            let (index, mut rows) = self.watch.read(&self.client, self.index, &hash).await?;
            let is_event = matches!(self.watch.view, View::Event(_));
            let before = self.index;
            // An index that goes back is that of servers that began anew. Those of events have no order.
            self.index = if index < before && !is_event { 0 } else { index };
            if before != 0 && index == before {
                continue;
            }
            if is_event {
                rows = new_events(rows, before);
            }
            if self.seen.as_ref() == Some(&rows) {
                continue;
            }
            self.seen = Some(rows.clone());
            return Ok(Change { index, rows });
        }
    }
}

/// The events after the one that the index stands for.
fn new_events(rows: Value, index: u64) -> Value {
    let Value::Array(events) = rows else { return rows };
    let index_of = |event: &Value| {
        let id = uuid::Uuid::parse_str(event["ID"].as_str()?).ok()?;
        let (high, low) = id.as_u64_pair();
        Some(high ^ low)
    };
    let known = events.iter().position(|event| index_of(event) == Some(index));
    Value::Array(events.into_iter().skip(known.map_or(0, |at| at + 1)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(parameters: &Value) -> Result<Watch, String> {
        let mut parameters = parameters.as_object().cloned().unwrap_or_default();
        let watch = parse(&mut parameters)?;
        if parameters.is_empty() { Ok(watch) } else { Err(format!("left: {parameters:?}")) }
    }

    #[test]
    fn parameters_are_read_and_refused() {
        let service = parsed(&json!({"type": "service", "service": "web", "tag": ["a", "b"], "passingonly": true}));
        let wanted = View::Service { name: "web".into(), tags: vec!["a".into(), "b".into()], passing_only: true };
        assert_eq!(service.map(|watch| watch.view), Ok(wanted));
        for (parameters, error) in [
            (json!({}), "Watch type must be specified"),
            (json!({"type": "zz"}), "Unsupported watch type: zz"),
            (json!({"type": "key"}), "Must specify a single key to watch"),
            (json!({"type": "keyprefix", "prefix": ""}), "Must specify a single prefix to watch"),
            (json!({"type": "checks", "service": "a", "state": "b"}), "Cannot specify service and state"),
            (json!({"type": "service", "service": 7}), "Expecting service to be a string"),
        ] {
            assert_eq!(parsed(&parameters), Err(error.to_owned()));
        }
    }

    #[test]
    fn only_events_after_the_last_are_new() {
        let id = "67f7241d-b746-0b6d-76c2-f788e0f7eb88";
        let rows = json!([{"ID": "13f99f89-0655-1054-7182-a7eb373e1e6c"}, {"ID": id}, {"ID": "x"}]);
        assert_eq!(new_events(rows.clone(), 1_240_129_910_785_302_757), json!([{"ID": "x"}]));
        assert_eq!(new_events(rows.clone(), 5), rows);
    }
}
