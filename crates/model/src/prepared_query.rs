//! Prepared queries: questions about services that are kept under a name and executed by it, also over DNS.

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::{CheckId, CheckServiceNode, HealthCheck, Node, NodeService, SessionId, TextMap, Token};

/// The only type of template.
pub const NAME_PREFIX_MATCH: &str = "name_prefix_match";

/// A prepared query, in the shape of `/v1/query/:id`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PreparedQuery {
    /// UUID, made when the query is.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name, unique ignoring case; of a template the prefix of the names it answers.
    pub name: String,
    /// Session with which the query ends; empty for none.
    pub session: SessionId,
    /// Secret that executions use in place of the caller's; empty for the caller's.
    pub token: Token,
    /// What makes it a template.
    pub template: QueryTemplate,
    /// What is asked.
    pub service: ServiceQuery,
    /// Settings of its DNS answers.
    #[serde(rename = "DNS")]
    pub dns: QueryDns,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
}

impl PreparedQuery {
    /// Whether it is a template.
    #[must_use]
    pub fn is_template(&self) -> bool {
        !self.template.kind.is_empty()
    }
}

/// How a template makes a query of a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct QueryTemplate {
    /// [`NAME_PREFIX_MATCH`], or empty for a query that is no template.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Regular expression whose groups `${match(N)}` stands for.
    pub regexp: String,
    /// Leave out tags that the template makes empty.
    pub remove_empty_tags: bool,
}

/// Which instances are asked for. In a template the texts hold `${...}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceQuery {
    /// Name of the service.
    pub service: String,
    /// Where to look when the own datacenter has no instance.
    pub failover: QueryFailover,
    /// Leave out instances with warnings too.
    pub only_passing: bool,
    /// Checks that do not count.
    #[serde(rename = "IgnoreCheckIDs")]
    pub ignore_check_ids: Option<Vec<CheckId>>,
    /// Node that instances are sorted by distance from; `_agent` is the one asked, `_ip` the one with the caller's address.
    pub near: String,
    /// Tags that instances must have, or with a `!` in front must not have.
    pub tags: Option<Vec<String>>,
    /// Metadata that nodes must have.
    pub node_meta: Option<TextMap>,
    /// Metadata that instances must have.
    pub service_meta: Option<TextMap>,
    /// Ask for instances that take part in the mesh.
    pub connect: bool,
}

/// Other datacenters that are asked when the own one has no instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct QueryFailover {
    /// How many of the nearest.
    pub nearest_n: i64,
    /// Then these, in order.
    pub datacenters: Option<Vec<String>>,
}

/// Settings of DNS answers of a query.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueryDns {
    /// Go duration text; empty for the agent's setting of the service.
    #[serde(rename = "TTL")]
    pub ttl: String,
}

/// A row whose checks are `null` in JSON when there are none: so here, and nowhere else.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row<'a> {
    node: &'a Node,
    service: &'a NodeService,
    checks: Option<&'a [Arc<HealthCheck>]>,
}

fn without_empty_checks<S: Serializer>(rows: &[CheckServiceNode], serializer: S) -> Result<S::Ok, S::Error> {
    if !serializer.is_human_readable() {
        return rows.serialize(serializer);
    }
    serializer.collect_seq(rows.iter().map(|row| Row {
        node: &row.node,
        service: &row.service,
        checks: (!row.checks.is_empty()).then_some(&row.checks),
    }))
}

/// What an execution brought.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct QueryExecution {
    /// Name of the service that was looked for.
    pub service: String,
    /// The instances.
    #[serde(serialize_with = "without_empty_checks")]
    pub nodes: Vec<CheckServiceNode>,
    /// DNS settings of the query.
    #[serde(rename = "DNS")]
    pub dns: QueryDns,
    /// Datacenter of the instances.
    pub datacenter: String,
    /// How many other datacenters were asked.
    pub failovers: u64,
}
