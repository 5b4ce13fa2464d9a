//! A small catalog, questions about it, and messages as text.

use std::fmt::Write as _;
use std::sync::Arc;

use dns::{Context, Draft, Plan, Question, Settings, Target, Transport, answer, pack, plan};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use model::{CheckServiceNode, HealthCheck, Node, NodeService, QueryExecution};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::{Value, json};

/// Nodes, instances and checks.
#[derive(Default)]
pub struct Catalog {
    pub nodes: Vec<Arc<Node>>,
    pub rows: Vec<CheckServiceNode>,
}

impl Catalog {
    pub fn node(&mut self, node: Value) {
        self.nodes.push(Arc::new(serde_json::from_value(node).expect("a node of the API")));
    }

    /// An instance on a node that was added before, with the states of its checks.
    pub fn service(&mut self, node: &str, service: Value, states: &[&str]) {
        let node = self.nodes.iter().find(|other| *other.node == *node).expect("the node was added before");
        let service: NodeService = serde_json::from_value(service).expect("a service of the API");
        let check = |state: &&str| Arc::new(HealthCheck { status: (*state).to_owned(), ..HealthCheck::default() });
        let checks = states.iter().map(check).collect();
        self.rows.push(CheckServiceNode { node: Arc::clone(node), service: Arc::new(service), checks });
    }

    /// What the agent does: fetch the rows of the plan and make a draft of them.
    pub fn draft(&self, context: Context<'_>, seed: u64) -> Draft {
        let mut rng = SmallRng::seed_from_u64(seed);
        let lookup = match plan(context) {
            Plan::Reply(draft) => return draft,
            Plan::Recurse => return Draft::refused(context),
            Plan::Lookup(lookup) => lookup,
        };
        if !lookup.datacenter.is_empty() {
            return Draft::no_such_name(context);
        }
        match &lookup.target {
            Target::Service { service, tag } => {
                answer::service(context, "", &self.instances(service, tag.as_deref()), &mut rng)
            }
            Target::Mesh { service } => {
                let rows = self.rows.iter().filter(|row| {
                    let destination = row.service.mesh_destination();
                    destination.is_some_and(|destination| destination.eq_ignore_ascii_case(service))
                });
                answer::service(context, "", &rows.cloned().collect::<Vec<_>>(), &mut rng)
            }
            Target::Query { name } => {
                let found = QueryExecution {
                    service: name.clone(),
                    nodes: self.instances(name, None),
                    ..QueryExecution::default()
                };
                answer::query(context, "", &found, Some(7))
            }
            Target::Ingress { .. } => answer::service(context, "", &[], &mut rng),
            Target::Servers => answer::servers(context, &self.instances("consul", None), &mut rng),
            Target::Node { node } => {
                let found = self.nodes.iter().find(|other| other.node.eq_ignore_ascii_case(node));
                answer::node(context, "", found.map(AsRef::as_ref))
            }
            Target::Reverse { address } => {
                let text = address.to_string();
                let nodes: Vec<&Node> = self.nodes.iter().map(AsRef::as_ref).filter(|n| n.address == text).collect();
                let services = self.rows.iter().map(|row| row.service.as_ref());
                let services: Vec<&NodeService> = services.filter(|service| service.address == text).collect();
                answer::reverse(context, &nodes, &services).unwrap_or_else(|| Draft::not_resolved(context))
            }
        }
    }

    fn instances(&self, service: &str, tag: Option<&str>) -> Vec<CheckServiceNode> {
        let has_tag = |row: &&CheckServiceNode| {
            tag.is_none_or(|tag| row.service.tags.iter().any(|other| other.eq_ignore_ascii_case(tag)))
        };
        let named = self.rows.iter().filter(|row| row.service.service.eq_ignore_ascii_case(service));
        named.filter(has_tag).cloned().collect()
    }
}

/// A request as a client writes it.
pub fn request(name: &str, record_type: RecordType, edns: Option<u16>) -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    let mut query = Query::new();
    query.set_name(Name::from_ascii(name).expect("a name")).set_query_type(record_type);
    message.add_query(query);
    if let Some(bytes) = edns {
        let mut edns = Edns::new();
        edns.set_max_payload(bytes);
        message.set_edns(edns);
    }
    message.to_vec().expect("a message")
}

/// The bytes of the answer to a request.
pub fn respond(catalog: &Catalog, settings: &Settings, packet: &[u8], transport: Transport, seed: u64) -> Vec<u8> {
    let question = Question::read(packet).expect("a question");
    let context = Context { question: &question, settings, client: None, transport, unix_seconds: 1_700_000_000 };
    pack(context, &catalog.draft(context, seed))
}

/// A message as text, the records of each section sorted.
pub fn show(packet: &[u8]) -> String {
    let message = Message::from_vec(packet).expect("a message that another implementation reads");
    let flags = &message.metadata;
    let mut out = format!("{:?}", flags.response_code);
    for (name, is_set) in [
        ("aa", flags.authoritative),
        ("tc", flags.truncation),
        ("rd", flags.recursion_desired),
        ("ra", flags.recursion_available),
    ] {
        if is_set {
            let _ = write!(out, " {name}");
        }
    }
    out.push('\n');
    for (title, records) in
        [("answer", &message.answers), ("authority", &message.authorities), ("additional", &message.additionals)]
    {
        let mut lines: Vec<String> = records.iter().map(|record| format!("  {title} {}\n", line(record))).collect();
        lines.sort();
        out.push_str(&lines.concat());
    }
    if let Some(edns) = &message.edns {
        let _ = writeln!(out, "  edns {}", edns.max_payload());
    }
    out
}

fn line(record: &Record) -> String {
    let data = match &record.data {
        RData::TXT(texts) => {
            let parts = texts.txt_data.iter().map(|part| String::from_utf8_lossy(part).into_owned());
            parts.collect::<Vec<_>>().join("|")
        }
        other => other.to_string(),
    };
    format!("{} {} {} {data}", record.name, record.ttl, record.record_type())
}

/// The catalog that the golden answers are about.
pub fn sample() -> Catalog {
    let mut catalog = Catalog::default();
    catalog.node(json!({"Node": "n1", "Address": "10.0.9.1"}));
    catalog.service("n1", json!({"ID": "consul", "Service": "consul", "Port": 8300}), &["passing"]);
    catalog.node(json!({"Node": "a1", "Address": "10.0.0.1", "Meta": {"os": "linux", "rfc1035-x": "plain"},
        "TaggedAddresses": {"lan": "10.0.0.1", "lan_ipv6": "fd00::1"}}));
    catalog.node(json!({"Node": "a2", "Address": "10.0.0.2"}));
    catalog.service("a1", json!({"ID": "w1", "Service": "web", "Tags": ["v1", "a.b"], "Port": 80}), &["passing"]);
    catalog.service("a2", json!({"ID": "w2", "Service": "web", "Tags": ["V2"], "Port": 81}), &["passing", "warning"]);
    catalog.service("a2", json!({"ID": "w3", "Service": "web", "Port": 82}), &["critical"]);
    catalog.service("a2", json!({"ID": "c1", "Service": "crit", "Port": 1}), &["critical"]);
    catalog.node(json!({"Node": "six", "Address": "fd00::6"}));
    catalog.service("six", json!({"ID": "s", "Service": "six", "Port": 6}), &[]);
    catalog.node(json!({"Node": "h1", "Address": "host.example.com", "Meta": {"k": "v"}}));
    catalog.service("h1", json!({"ID": "h", "Service": "hosts", "Port": 7}), &[]);
    catalog.service(
        "a1",
        json!({"ID": "m1", "Service": "mixed", "Port": 1, "Address": "1.2.3.4",
        "Weights": {"Passing": 5, "Warning": 2}}),
        &["warning"],
    );
    catalog.service("a2", json!({"ID": "m2", "Service": "mixed", "Port": 2, "Address": "svc.example.org"}), &[]);
    catalog.service("a2", json!({"ID": "m3", "Service": "mixed", "Port": 3, "Address": "fd00::3"}), &[]);
    catalog.service(
        "a2",
        json!({"ID": "t1", "Service": "tagged", "Port": 9, "Address": "10.3.1.1",
        "TaggedAddresses": {"lan_ipv4": {"Address": "10.3.1.4", "Port": 14},
            "lan_ipv6": {"Address": "fd03::6", "Port": 16}}}),
        &[],
    );
    catalog.node(json!({"Node": "Up.Per", "Address": "10.3.0.5"}));
    catalog.service("Up.Per", json!({"ID": "u", "Service": "MySvc", "Port": 70_000}), &[]);
    catalog.node(json!({"Node": "bad name!".repeat(9), "Address": "10.3.0.6"}));
    catalog.service(&"bad name!".repeat(9), json!({"ID": "b", "Service": "badnode", "Port": 5}), &[]);
    for i in 1..=8 {
        let name = format!("b{i}");
        catalog.node(json!({"Node": name, "Address": format!("10.1.0.{i}")}));
        catalog.service(&name, json!({"ID": "m", "Service": "many", "Port": i}), &[]);
    }
    catalog
}
