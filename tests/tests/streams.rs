//! Streams of changes and pages of lists, from a real process: what is sent, what is not, and how a reader goes on.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tests::{Agent, Program};

/// Longest wait for an event on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// One event.
#[derive(Debug, PartialEq)]
struct Event {
    kind: String,
    id: Option<u64>,
    data: Value,
}

/// A reader of a stream.
struct Stream(BufReader<TcpStream>);

impl Stream {
    fn open(agent: &Agent, path: &str, last: Option<u64>) -> Self {
        let mut socket = TcpStream::connect(agent.address().port(8500)).expect("the agent listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: x\r\n{last}\r\n").expect("the request is taken");
        Self(BufReader::new(socket))
    }

    /// The next event; comments and the framing of the chunks are passed over.
    fn event(&mut self) -> Event {
        let mut event = Event { kind: String::new(), id: None, data: Value::Null };
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).expect("an event in time") > 0, "the stream has ended");
            if let Some(id) = line.strip_prefix("id: ") {
                event.id = id.trim().parse().ok();
            } else if let Some(kind) = line.strip_prefix("event: ") {
                kind.trim().clone_into(&mut event.kind);
            } else if let Some(data) = line.strip_prefix("data: ") {
                event.data = serde_json::from_str(data).expect("JSON");
            } else if line == "\n" && !event.kind.is_empty() {
                return event;
            }
        }
    }

    /// The next event as `kind key`.
    fn brief(&mut self) -> String {
        let event = self.event();
        format!("{} {}", event.kind, event.data["Key"].as_str().unwrap_or_default())
    }
}

#[test]
fn a_prefix_is_streamed_change_by_change() {
    let agent = Agent::server(&Program::ours(), &[]);
    for key in ["s/a", "s/tree/1", "s/tree/2", "s/tree", "other"] {
        agent.put(&format!("/v1/kv/{key}"), "1");
    }
    let mut stream = Stream::open(&agent, "/v1/kv/s/?recurse&stream", None);
    let all: Vec<String> = (0..4).map(|_| stream.brief()).collect();
    assert_eq!(all, ["put s/a", "put s/tree/1", "put s/tree/2", "put s/tree"]);
    let current = stream.event();
    assert_eq!((current.kind.as_str(), current.id.is_some()), ("current", true));

    agent.put("/v1/kv/other", "2");
    agent.put("/v1/kv/s/a", "2");
    let put = stream.event();
    assert_eq!((put.kind.as_str(), &put.data["Key"], &put.data["Value"]), ("put", &json!("s/a"), &json!("Mg==")));
    assert_eq!(put.id, put.data["ModifyIndex"].as_u64());

    // A deleted key is not the tree of its name.
    agent.request("DELETE", "/v1/kv/s/tree", b"").expect("an answer");
    assert_eq!(stream.brief(), "delete s/tree");
    agent.request("DELETE", "/v1/kv/s/tree?recurse", b"").expect("an answer");
    let mut gone = [stream.brief(), stream.brief()];
    gone.sort();
    assert_eq!(gone, ["delete s/tree/1", "delete s/tree/2"]);

    // A tree that holds the prefix goes: the reader is told to forget what it knows.
    agent.request("DELETE", "/v1/kv/s?recurse", b"").expect("an answer");
    assert_eq!((stream.event().kind, stream.event().kind), ("reset".to_owned(), "current".to_owned()));
}

#[test]
fn a_reader_goes_on_where_it_was() {
    let agent = Agent::server(&Program::ours(), &[]);
    agent.put("/v1/kv/r/a", "1");
    let mut stream = Stream::open(&agent, "/v1/kv/r/?stream", None);
    assert_eq!(stream.brief(), "put r/a");
    let index = stream.event().id.expect("an id");
    drop(stream);
    agent.put("/v1/kv/r/b", "1");
    let mut stream = Stream::open(&agent, "/v1/kv/r/?stream", Some(index));
    assert_eq!((stream.brief(), stream.brief()), ("put r/b".to_owned(), "current ".to_owned()));
    drop(stream);

    // What was deleted meanwhile is not known one by one: everything comes anew, and says so.
    agent.request("DELETE", "/v1/kv/r/b", b"").expect("an answer");
    let mut stream = Stream::open(&agent, &format!("/v1/kv/r/?stream&index={index}"), None);
    let events = [stream.brief(), stream.brief(), stream.brief()];
    assert_eq!(events, ["reset ", "put r/a", "current "]);
    let refused = agent.request("GET", "/v1/kv/r/?stream&index=x", b"").expect("an answer");
    assert_eq!((refused.status, refused.text().as_str()), (400, "Invalid index"));
}

#[test]
fn instances_are_streamed_one_by_one() {
    let agent = Agent::server(&Program::ours(), &[]);
    let register = |node: &str, port: u16| {
        let body = json!({"Node": node, "Address": "10.0.0.1", "Service": {"Service": "web", "Port": port}});
        agent.put("/v1/catalog/register", &body.to_string());
    };
    register("n1", 1);
    register("n2", 1);
    let mut stream = Stream::open(&agent, "/v1/health/service/web?stream", None);
    let node = |stream: &mut Stream| {
        let event = stream.event();
        format!("{} {}", event.kind, event.data["Node"]["Node"].as_str().unwrap_or_default())
    };
    assert_eq!([node(&mut stream), node(&mut stream), node(&mut stream)], ["put n1", "put n2", "current "]);
    register("n2", 2);
    assert_eq!([node(&mut stream), node(&mut stream)], ["put n2", "current "]);
    agent.put("/v1/catalog/deregister", r#"{"Node": "n1"}"#);
    let gone = stream.event();
    assert_eq!(gone.data, json!({"Service": "web", "Node": "n1", "ServiceID": "web"}));
}

#[test]
fn lists_come_in_pages() {
    let agent = Agent::server(&Program::ours(), &[]);
    for key in ["p/a", "p/b/c", "p/b/d", "p/e"] {
        agent.put(&format!("/v1/kv/{key}"), "1");
    }
    assert_eq!(agent.get_json("/v1/kv/p/?keys&limit=2"), json!(["p/a", "p/b/c"]));
    assert_eq!(agent.get_json("/v1/kv/p/?keys&limit=2&after=p/b/c"), json!(["p/b/d", "p/e"]));
    assert_eq!(agent.get_json("/v1/kv/p/?keys&depth=1"), json!(["p/a", "p/b/", "p/e"]));
    let keys = |list: Value| list.as_array().expect("a list").iter().map(|row| row["Key"].clone()).collect::<Value>();
    assert_eq!(keys(agent.get_json("/v1/kv/p/?recurse&limit=1&after=p/a")), json!(["p/b/c"]));
    assert_eq!(keys(agent.get_json("/v1/kv/p/?recurse&depth=1")), json!(["p/a", "p/e"]));
    let refused = agent.request("GET", "/v1/kv/p/?keys&limit=x", b"").expect("an answer");
    assert_eq!((refused.status, refused.text().as_str()), (400, "Invalid limit"));

    for node in ["n1", "n2", "n3"] {
        for service in ["web", "db"] {
            let body = json!({"Node": node, "Address": "10.0.0.1", "Service": {"Service": service}});
            agent.put("/v1/catalog/register", &body.to_string());
        }
    }
    let nodes = |list: Value| list.as_array().expect("a list").iter().map(|row| row["Node"].clone()).collect::<Value>();
    assert_eq!(nodes(agent.get_json("/v1/catalog/nodes?limit=2&after=n1")), json!(["n2", "n3"]));
    assert_eq!(nodes(agent.get_json("/v1/catalog/service/web?limit=1&after=web/n1/web")), json!(["n2"]));
    let of_many = agent.get_json("/v1/health/services?filter=Service.Service==web+or+Service.Service==db");
    assert_eq!(of_many.as_array().map(Vec::len), Some(6));
    let page = agent.get_json("/v1/health/services?limit=2&after=db/n2/db&filter=Service.Service!=consul");
    let names = |row: &Value| json!([row["Service"]["Service"], row["Node"]["Node"]]);
    let rows: Vec<Value> = page.as_array().expect("a list").iter().map(names).collect();
    assert_eq!(rows, [json!(["db", "n3"]), json!(["web", "n1"])]);
}
