//! The family against an agent without servers: what it answers from its own registrations, and in which words.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use http::{Request, StatusCode};
use model::{Node, TextMap};

use super::{AgentFacts, Identity, StatGroups};
use crate::backend::Backend;
use crate::events::Events;
use crate::gossip::{Admission, Pool, PoolConfig};
use crate::http::routes::answer;
use crate::http::{HttpState, Limits};
use crate::join::Resolver;
use crate::local::{LocalAgent, Settings};
use crate::orders::{Order, Orders};
use crate::rights::AgentRights;
use crate::rpc::directory::Directory;
use crate::rpc::pool::ConnectionPool;
use crate::rpc::router::Router;

struct Agent {
    state: Arc<HttpState>,
    orders: tokio::sync::mpsc::Receiver<Order>,
}

async fn agent() -> Agent {
    let node = Node { node: "n1".into(), meta: Some(TextMap::new()), ..Node::default() };
    let settings = Settings {
        node,
        script_checks: false,
        local_script_checks: true,
        check_update_interval: Duration::from_secs(300),
        check_output_max_size: 16,
        discard_check_output: false,
        ..Settings::default()
    };
    let local = LocalAgent::open(settings, None, &[], &[], None).await.expect("nothing to load");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let pool = PoolConfig {
        name: "n1".to_owned(),
        bind: any,
        advertise: any,
        tags: [("role".to_owned(), "node".to_owned())].into(),
        timing: gossip::Timing::lan(),
        seed: 1,
        snapshot: None,
        rejoins_after_leave: false,
        admission: Admission::Any,
        encryption: None,
    };
    let lan = Pool::start(pool).await.expect("loopback can be bound");
    let (orders, queue) = Orders::channel();
    let connections = ConnectionPool::new();
    let directory = Directory::new(connections.clone(), None);
    let identity = Identity {
        datacenter: "dc1".to_owned(),
        node_name: "n1".to_owned(),
        node_id: "an-id".to_owned(),
        server: false,
    };
    let facts = AgentFacts {
        events: Events::new(lan.clone(), local.clone()),
        local,
        resolver: Resolver::new(lan.local().addr.port()),
        lan,
        wan: None,
        wan_resolver: Resolver::new(8302),
        orders,
        identity,
        debug_config: serde_json::json!({}),
        more_stats: Box::new(StatGroups::new),
    };
    let backend = Backend::Remote(Arc::new(Router::new("dc1", connections, directory)));
    let state = HttpState {
        rights: AgentRights::off(backend.clone()),
        backend,
        agent: Arc::new(facts),
        datacenter: "dc1".to_owned(),
        node_name: "n1".into(),
        cache: crate::cache::AnswerCache::default(),
        executions: crate::executions::Executions::default(),
        use_cache: true,
        discovery_stale_ms_max: None,
        has_mesh: false,
        leaves: crate::leaves::LeafCache::new("dc1".to_owned()),
        has_coordinates: true,
        pretty_always: false,
        ui: None,
        audit: None,
        limits: Limits::default(),
        policy: crate::http::Policy::default(),
    };
    Agent { state: Arc::new(state), orders: queue }
}

async fn ask(state: &Arc<HttpState>, method: &str, path: &str, body: &str) -> (u16, String) {
    let request = Request::builder()
        .method(method)
        .uri(format!("/v1/agent/{path}"))
        .header("host", "localhost")
        .body(Body::from(body.to_owned()))
        .expect("a test's own request");
    let response = answer(State(Arc::clone(state)), request).await;
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("short");
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// Requests in order, each with what Consul 1.8.7 answered to it.
const STORY: &[(&str, &str, &str, u16, &str)] = &[
    ("PUT", "service/register", "", 400, "Request decode failed: EOF"),
    ("PUT", "service/register", "{}", 400, "Missing service name"),
    (
        "PUT",
        "service/register",
        r#"{"Name":"a","Bogus":1}"#,
        400,
        r#"Request decode failed: json: unknown field "Bogus""#,
    ),
    (
        "PUT",
        "service/register",
        r#"{"Name":"a","Port":"x"}"#,
        400,
        "Request decode failed: json: cannot unmarshal string into Go struct field .Port of type int",
    ),
    (
        "PUT",
        "service/register",
        r#"{"Name":"a","Check":{"Interval":"1s"}}"#,
        400,
        "Invalid check: TTL must be > 0 for TTL checks",
    ),
    (
        "PUT",
        "service/register",
        r#"{"Name":"a","Check":{"TTL":"1s","ID":"x"}}"#,
        400,
        r#"Request decode failed: json: unknown field "ID""#,
    ),
    (
        "PUT",
        "service/register",
        r#"{"Name":"a","Check":{"Args":["/bin/true"],"Interval":"1s"}}"#,
        500,
        "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true",
    ),
    (
        "PUT",
        "service/register",
        r#"{"name":"web","PORT":80,"address":"127.0.0.9","enable_tag_override":true,"Check":{"TTL":"10s"}}"#,
        200,
        "",
    ),
    (
        "GET",
        "services",
        "",
        200,
        r#"{"web":{"ID":"web","Service":"web","Tags":[],"Meta":{},"Port":80,"Address":"127.0.0.9","TaggedAddresses":{"lan_ipv4":{"Address":"127.0.0.9","Port":80},"wan_ipv4":{"Address":"127.0.0.9","Port":80}},"Weights":{"Passing":1,"Warning":1},"EnableTagOverride":true}}"#,
    ),
    ("GET", "services?filter=Port+==+81", "", 200, "{}"),
    ("GET", "health/service/name/web?format=text", "", 503, "critical"),
    ("PUT", "check/warn/service:web?note=hot", "", 200, ""),
    ("GET", "health/service/id/web?format=text", "", 429, "warning"),
    ("PUT", "check/update/service:web", r#"{"Status":"x"}"#, 400, "Invalid check status: 'x'"),
    ("PUT", "check/update/service:web", "", 400, "Request decode failed: EOF"),
    ("PUT", "check/update/service:web", r#"{"Status":"passing","Output":"0123456789abcdefghij"}"#, 200, ""),
    (
        "GET",
        "checks",
        "",
        200,
        r#"{"service:web":{"Node":"n1","CheckID":"service:web","Name":"Service 'web' check","Status":"passing","Notes":"","Output":"0123456789abcdef ... (captured 16 of 20 bytes)","ServiceID":"web","ServiceName":"web","ServiceTags":[],"Type":"ttl","Definition":{},"CreateIndex":0,"ModifyIndex":0}}"#,
    ),
    ("PUT", "check/pass/none", "", 500, r#"CheckID "none" does not have associated TTL"#),
    ("PUT", "check/register", "{}", 400, "Missing check name"),
    ("PUT", "check/register", r#"{"Name":"c","TTL":"1s","Status":"zz"}"#, 400, "Bad check status"),
    (
        "PUT",
        "check/register",
        r#"{"Name":"c","TTL":"60"}"#,
        400,
        r#"Request decode failed: time: missing unit in duration "60""#,
    ),
    ("PUT", "check/register", r#"{"Name":"c","TTL":"1s","ServiceID":"zzz"}"#, 500, r#"ServiceID "zzz" does not exist"#),
    ("PUT", "check/register", r#"{"Name":"c","TTL":true}"#, 400, "Invalid check: TTL must be > 0 for TTL checks"),
    ("PUT", "check/register", r#"{"Name":"c","TTL":1.5}"#, 200, ""),
    ("PUT", "check/deregister/c", "", 200, ""),
    ("PUT", "check/deregister/c", "", 200, ""),
    ("PUT", "check/deregister/", "", 500, "CheckID missing"),
    ("PUT", "service/maintenance/web", "", 400, "Missing value for enable"),
    ("PUT", "service/maintenance/web?enable=x", "", 400, r#"Invalid value for enable: "x""#),
    ("PUT", "service/maintenance/zz?enable=true", "", 404, r#"No service registered with ID "zz""#),
    ("PUT", "service/maintenance/?enable=true", "", 400, "Missing service ID"),
    ("PUT", "service/maintenance/web?enable=true", "", 200, ""),
    ("GET", "health/service/name/web?format=text", "", 503, "maintenance"),
    ("PUT", "service/maintenance/web?enable=0", "", 200, ""),
    ("GET", "health/service/id/none", "", 404, r#"{"AggregatedStatus":"critical","Service":null,"Checks":null}"#),
    ("GET", "health/service/id/none?format=text", "", 404, r#""ServiceId none not found""#),
    ("GET", "health/service/name/none", "", 404, "[]"),
    ("GET", "health/service/id/", "", 500, "Bad request: Missing serviceID"),
    ("GET", "service/nope", "", 404, "unknown service ID: nope"),
    ("PUT", "service/deregister/", "", 500, "ServiceID missing"),
    ("PUT", "service/deregister/web", "", 200, ""),
    ("PUT", "service/deregister/web", "", 200, ""),
    ("GET", "services", "", 200, "{}"),
    ("GET", "checks", "", 200, "{}"),
    ("PUT", "join/", "", 500, "1 error occurred:\n\t* Failed to resolve : lookup : no such host\n\n"),
    ("PUT", "force-leave/zz", "", 500, "agent: No node found with name 'zz'"),
    ("PUT", "services", "", 405, "method PUT not allowed"),
];

#[tokio::test]
async fn the_family_answers_as_consul_does() {
    let agent = agent().await;
    for (method, path, body, status, text) in STORY {
        let answer = ask(&agent.state, method, path, body).await;
        assert_eq!(answer, (*status, (*text).to_owned()), "{method} {path} {body}");
    }
}

#[tokio::test]
async fn a_hash_query_waits_for_a_change_of_the_service() {
    let agent = agent().await;
    ask(&agent.state, "PUT", "service/register", r#"{"Name":"web","Port":1}"#).await;
    let (_, before) = ask(&agent.state, "GET", "service/web", "").await;
    let hash = before.split(r#""ContentHash":""#).nth(1).expect("a hash")[..16].to_owned();
    let (_, same) = ask(&agent.state, "GET", &format!("service/web?hash={hash}&wait=10ms"), "").await;
    assert_eq!(same, before);

    let state = Arc::clone(&agent.state);
    let waiting =
        tokio::spawn(async move { ask(&state, "GET", &format!("service/web?hash={hash}&wait=60s"), "").await });
    ask(&agent.state, "PUT", "service/register", r#"{"Name":"web","Port":2}"#).await;
    let (_, after) = tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("woken").expect("answered");
    assert!(after.contains(r#""Port":2"#), "{after}");
}

#[tokio::test]
async fn self_and_members_tell_who_this_is() {
    let agent = agent().await;
    let (status, text) = ask(&agent.state, "GET", "self", "").await;
    assert_eq!(status, 200);
    let shown: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(shown["Config"]["Version"], crate::version::CONSUL_API_VERSION);
    assert_eq!(shown["Config"]["NodeName"], "n1");
    assert_eq!(shown["Member"]["Tags"]["role"], "node");
    assert_eq!(shown["Stats"]["agent"]["services"], "0");
    assert_eq!(shown["Stats"]["serf_lan"]["members"], "1");
    let (_, text) = ask(&agent.state, "GET", "members", "").await;
    let members: Vec<model::AgentMember> = serde_json::from_str(&text).expect("members");
    assert_eq!(members.len(), 1);
    assert_eq!((members[0].name.as_str(), members[0].status), ("n1", 1));
    assert_eq!(ask(&agent.state, "GET", "members?wan=1", "").await, (200, "[]".to_owned()));
}

#[tokio::test]
async fn leave_and_reload_are_orders_to_the_agent() {
    let mut agent = agent().await;
    let state = Arc::clone(&agent.state);
    let asked = tokio::spawn(async move {
        let refused = ask(&state, "PUT", "reload", "").await;
        (refused, ask(&state, "PUT", "leave", "").await)
    });
    match agent.orders.recv().await {
        Some(Order::Reload(answer)) => answer.send(Err("bad".to_owned())).expect("still waiting"),
        other => panic!("not a reload: {other:?}"),
    }
    match agent.orders.recv().await {
        Some(Order::Leave(answer)) => answer.send(()).expect("still waiting"),
        other => panic!("not a leave: {other:?}"),
    }
    let (refused, left) = asked.await.expect("answered");
    assert_eq!(refused, (StatusCode::INTERNAL_SERVER_ERROR.as_u16(), "bad".to_owned()));
    assert_eq!(left.0, 200);
}
