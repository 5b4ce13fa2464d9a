//! The whole table of routes, and what follows from it: 404, 405 with `Allow`, `OPTIONS` and redirects.
//!
//! A pattern that ends in `/` takes everything below it; the rest of the path is the handler's `tail`. The longest
//! pattern that fits wins.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue, LOCATION};
use http::{Method, Request, StatusCode, Version};

use super::extract::{Call, Client};
use super::path::{Path, resolve_path};
use super::query::Query;
use super::reply::{Answer, Failure, Looks, Reply, render};
use super::ui::Ui;
use super::{
    HttpState, access, acl, agent, audited::Record, autopilot, catalog, coordinate, event, gzip, health, internal,
    keyring, kv, mesh, operator, prepared_query, session, snapshot, status, txn,
};
use crate::keyring::KeyOperation;
use crate::telemetry::Timer;

/// One handler. The variants are the endpoints of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    KvGet,
    KvPut,
    KvDelete,
    Txn,
    Acl(acl::Route),
    AgentToken,
    HealthService,
    HealthServices,
    HealthConnect,
    HealthIngress,
    HealthNode,
    HealthChecks,
    HealthState,
    CatalogRegister,
    CatalogDeregister,
    CatalogDatacenters,
    CatalogNodes,
    CatalogServices,
    CatalogService,
    CatalogConnect,
    CatalogGatewayServices,
    CatalogNode,
    CatalogNodeServices,
    SessionCreate,
    SessionDestroy,
    SessionRenew,
    SessionInfo,
    SessionNode,
    SessionList,
    CoordinateDatacenters,
    CoordinateNodes,
    CoordinateNode,
    CoordinateUpdate,
    QueryList,
    QueryCreate,
    QueryGet,
    QueryUpdate,
    QueryDelete,
    StatusLeader,
    StatusPeers,
    EventFire,
    EventList,
    KeyringList,
    KeyringInstall,
    KeyringUse,
    KeyringRemove,
    OperatorRaftConfiguration,
    OperatorRaftPeer,
    OperatorRaftTransfer,
    AutopilotConfig,
    AutopilotSetConfig,
    AutopilotHealth,
    AutopilotState,
    OperatorUsage,
    SnapshotSave,
    SnapshotRestore,
    ConfigPut,
    ConfigGet,
    ConfigDelete,
    Intentions,
    IntentionCreate,
    Intention,
    IntentionUpdate,
    IntentionDelete,
    IntentionMatch,
    IntentionCheck,
    Authorize,
    Chain,
    ChainWithOverrides,
    UiServices,
    UiNodes,
    UiNode,
    CaRoots,
    AgentCaRoots,
    CaConfiguration,
    CaConfigure,
    CaLeaf,
    AgentReady,
    AgentSelf,
    AgentVersion,
    AgentMembers,
    AgentJoin,
    AgentLeave,
    AgentForceLeave,
    AgentReload,
    AgentMaintenance,
    AgentServices,
    AgentService,
    AgentServiceRegister,
    AgentServiceDeregister,
    AgentServiceMaintenance,
    AgentHealthById,
    AgentHealthByName,
    AgentChecks,
    AgentCheckRegister,
    AgentCheckDeregister,
    AgentCheckPass,
    AgentCheckWarn,
    AgentCheckFail,
    AgentCheckUpdate,
    AgentMetrics,
    AgentHost,
    AgentMonitor,
}

/// A path and what it does with each method, in the order that `Allow` names them.
#[derive(Debug)]
pub struct Route {
    pattern: &'static str,
    methods: &'static [(Method, Endpoint)],
}

const fn row(pattern: &'static str, methods: &'static [(Method, Endpoint)]) -> Route {
    Route { pattern, methods }
}

/// Every route, by family: the path segment after `/v1/`.
static FAMILIES: &[(&str, &[Route])] = &[
    (
        "kv",
        &[row(
            "/v1/kv/",
            &[(Method::GET, Endpoint::KvGet), (Method::PUT, Endpoint::KvPut), (Method::DELETE, Endpoint::KvDelete)],
        )],
    ),
    ("acl", ACL),
    ("txn", &[row("/v1/txn", &[(Method::PUT, Endpoint::Txn)])]),
    (
        "health",
        &[
            row("/v1/health/services", &[(Method::GET, Endpoint::HealthServices)]),
            row("/v1/health/service/", &[(Method::GET, Endpoint::HealthService)]),
            row("/v1/health/connect/", &[(Method::GET, Endpoint::HealthConnect)]),
            row("/v1/health/ingress/", &[(Method::GET, Endpoint::HealthIngress)]),
            row("/v1/health/node/", &[(Method::GET, Endpoint::HealthNode)]),
            row("/v1/health/checks/", &[(Method::GET, Endpoint::HealthChecks)]),
            row("/v1/health/state/", &[(Method::GET, Endpoint::HealthState)]),
        ],
    ),
    (
        "catalog",
        &[
            row("/v1/catalog/register", &[(Method::PUT, Endpoint::CatalogRegister)]),
            row("/v1/catalog/deregister", &[(Method::PUT, Endpoint::CatalogDeregister)]),
            row("/v1/catalog/datacenters", &[(Method::GET, Endpoint::CatalogDatacenters)]),
            row("/v1/catalog/nodes", &[(Method::GET, Endpoint::CatalogNodes)]),
            row("/v1/catalog/services", &[(Method::GET, Endpoint::CatalogServices)]),
            row("/v1/catalog/service/", &[(Method::GET, Endpoint::CatalogService)]),
            row("/v1/catalog/connect/", &[(Method::GET, Endpoint::CatalogConnect)]),
            row("/v1/catalog/gateway-services/", &[(Method::GET, Endpoint::CatalogGatewayServices)]),
            row("/v1/catalog/node/", &[(Method::GET, Endpoint::CatalogNode)]),
            row("/v1/catalog/node-services/", &[(Method::GET, Endpoint::CatalogNodeServices)]),
        ],
    ),
    (
        "session",
        &[
            row("/v1/session/create", &[(Method::PUT, Endpoint::SessionCreate)]),
            row("/v1/session/destroy/", &[(Method::PUT, Endpoint::SessionDestroy)]),
            row("/v1/session/renew/", &[(Method::PUT, Endpoint::SessionRenew)]),
            row("/v1/session/info/", &[(Method::GET, Endpoint::SessionInfo)]),
            row("/v1/session/node/", &[(Method::GET, Endpoint::SessionNode)]),
            row("/v1/session/list", &[(Method::GET, Endpoint::SessionList)]),
        ],
    ),
    (
        "coordinate",
        &[
            row("/v1/coordinate/datacenters", &[(Method::GET, Endpoint::CoordinateDatacenters)]),
            row("/v1/coordinate/nodes", &[(Method::GET, Endpoint::CoordinateNodes)]),
            row("/v1/coordinate/node/", &[(Method::GET, Endpoint::CoordinateNode)]),
            row("/v1/coordinate/update", &[(Method::PUT, Endpoint::CoordinateUpdate)]),
        ],
    ),
    (
        "query",
        &[
            row("/v1/query", &[(Method::GET, Endpoint::QueryList), (Method::POST, Endpoint::QueryCreate)]),
            row(
                "/v1/query/",
                &[
                    (Method::GET, Endpoint::QueryGet),
                    (Method::PUT, Endpoint::QueryUpdate),
                    (Method::DELETE, Endpoint::QueryDelete),
                ],
            ),
        ],
    ),
    (
        "status",
        &[
            row("/v1/status/leader", &[(Method::GET, Endpoint::StatusLeader)]),
            row("/v1/status/peers", &[(Method::GET, Endpoint::StatusPeers)]),
        ],
    ),
    (
        "event",
        &[
            row("/v1/event/fire/", &[(Method::PUT, Endpoint::EventFire)]),
            row("/v1/event/list", &[(Method::GET, Endpoint::EventList)]),
        ],
    ),
    (
        "operator",
        &[
            row(
                "/v1/operator/keyring",
                &[
                    (Method::GET, Endpoint::KeyringList),
                    (Method::POST, Endpoint::KeyringInstall),
                    (Method::PUT, Endpoint::KeyringUse),
                    (Method::DELETE, Endpoint::KeyringRemove),
                ],
            ),
            row("/v1/operator/raft/configuration", &[(Method::GET, Endpoint::OperatorRaftConfiguration)]),
            row("/v1/operator/raft/peer", &[(Method::DELETE, Endpoint::OperatorRaftPeer)]),
            row(
                "/v1/operator/autopilot/configuration",
                &[(Method::GET, Endpoint::AutopilotConfig), (Method::PUT, Endpoint::AutopilotSetConfig)],
            ),
            row("/v1/operator/autopilot/health", &[(Method::GET, Endpoint::AutopilotHealth)]),
            row("/v1/operator/autopilot/state", &[(Method::GET, Endpoint::AutopilotState)]),
            row("/v1/operator/usage", &[(Method::GET, Endpoint::OperatorUsage)]),
            row("/v1/operator/raft/transfer-leader", &[(Method::POST, Endpoint::OperatorRaftTransfer)]),
        ],
    ),
    (
        "snapshot",
        &[row("/v1/snapshot", &[(Method::GET, Endpoint::SnapshotSave), (Method::PUT, Endpoint::SnapshotRestore)])],
    ),
    (
        "config",
        &[
            row("/v1/config", &[(Method::PUT, Endpoint::ConfigPut)]),
            row("/v1/config/", &[(Method::GET, Endpoint::ConfigGet), (Method::DELETE, Endpoint::ConfigDelete)]),
        ],
    ),
    (
        "connect",
        &[
            row(
                "/v1/connect/ca/configuration",
                &[(Method::GET, Endpoint::CaConfiguration), (Method::PUT, Endpoint::CaConfigure)],
            ),
            row("/v1/connect/ca/roots", &[(Method::GET, Endpoint::CaRoots)]),
            row(
                "/v1/connect/intentions",
                &[(Method::GET, Endpoint::Intentions), (Method::POST, Endpoint::IntentionCreate)],
            ),
            row("/v1/connect/intentions/match", &[(Method::GET, Endpoint::IntentionMatch)]),
            row("/v1/connect/intentions/check", &[(Method::GET, Endpoint::IntentionCheck)]),
            row(
                "/v1/connect/intentions/",
                &[
                    (Method::GET, Endpoint::Intention),
                    (Method::PUT, Endpoint::IntentionUpdate),
                    (Method::DELETE, Endpoint::IntentionDelete),
                ],
            ),
        ],
    ),
    (
        "internal",
        &[
            row("/v1/internal/ui/services", &[(Method::GET, Endpoint::UiServices)]),
            row("/v1/internal/ui/nodes", &[(Method::GET, Endpoint::UiNodes)]),
            row("/v1/internal/ui/node/", &[(Method::GET, Endpoint::UiNode)]),
        ],
    ),
    (
        "discovery-chain",
        &[row("/v1/discovery-chain/", &[(Method::GET, Endpoint::Chain), (Method::POST, Endpoint::ChainWithOverrides)])],
    ),
    (
        "agent",
        &[
            row("/v1/agent/connect/authorize", &[(Method::POST, Endpoint::Authorize)]),
            row("/v1/agent/connect/ca/leaf/", &[(Method::GET, Endpoint::CaLeaf)]),
            row("/v1/agent/connect/ca/roots", &[(Method::GET, Endpoint::AgentCaRoots)]),
            row("/v1/agent/ready", &[(Method::GET, Endpoint::AgentReady)]),
            row("/v1/agent/self", &[(Method::GET, Endpoint::AgentSelf)]),
            row("/v1/agent/version", &[(Method::GET, Endpoint::AgentVersion)]),
            row("/v1/agent/members", &[(Method::GET, Endpoint::AgentMembers)]),
            row("/v1/agent/token/", &[(Method::PUT, Endpoint::AgentToken)]),
            row("/v1/agent/join/", &[(Method::PUT, Endpoint::AgentJoin)]),
            row("/v1/agent/leave", &[(Method::PUT, Endpoint::AgentLeave)]),
            row("/v1/agent/force-leave/", &[(Method::PUT, Endpoint::AgentForceLeave)]),
            row("/v1/agent/reload", &[(Method::PUT, Endpoint::AgentReload)]),
            row("/v1/agent/maintenance", &[(Method::PUT, Endpoint::AgentMaintenance)]),
            row("/v1/agent/services", &[(Method::GET, Endpoint::AgentServices)]),
            row("/v1/agent/service/", &[(Method::GET, Endpoint::AgentService)]),
            row("/v1/agent/service/register", &[(Method::PUT, Endpoint::AgentServiceRegister)]),
            row("/v1/agent/service/deregister/", &[(Method::PUT, Endpoint::AgentServiceDeregister)]),
            row("/v1/agent/service/maintenance/", &[(Method::PUT, Endpoint::AgentServiceMaintenance)]),
            row("/v1/agent/health/service/id/", &[(Method::GET, Endpoint::AgentHealthById)]),
            row("/v1/agent/health/service/name/", &[(Method::GET, Endpoint::AgentHealthByName)]),
            row("/v1/agent/checks", &[(Method::GET, Endpoint::AgentChecks)]),
            row("/v1/agent/check/register", &[(Method::PUT, Endpoint::AgentCheckRegister)]),
            row("/v1/agent/check/deregister/", &[(Method::PUT, Endpoint::AgentCheckDeregister)]),
            row("/v1/agent/check/pass/", &[(Method::PUT, Endpoint::AgentCheckPass)]),
            row("/v1/agent/check/warn/", &[(Method::PUT, Endpoint::AgentCheckWarn)]),
            row("/v1/agent/check/fail/", &[(Method::PUT, Endpoint::AgentCheckFail)]),
            row("/v1/agent/check/update/", &[(Method::PUT, Endpoint::AgentCheckUpdate)]),
            row("/v1/agent/metrics", &[(Method::GET, Endpoint::AgentMetrics)]),
            row("/v1/agent/host", &[(Method::GET, Endpoint::AgentHost)]),
            row("/v1/agent/monitor", &[(Method::GET, Endpoint::AgentMonitor)]),
        ],
    ),
];

/// The rows of `/v1/acl/`, apart only because they are many.
static ACL: &[Route] = {
    use acl::Noun::{AuthMethod, BindingRule, Policy, Role, Token};
    use acl::Route as R;

    use self::Endpoint::Acl as E;
    &[
        row("/v1/acl/bootstrap", &[(Method::PUT, E(R::Bootstrap))]),
        row("/v1/acl/login", &[(Method::POST, E(R::Login))]),
        row("/v1/acl/logout", &[(Method::POST, E(R::Logout))]),
        row("/v1/acl/oidc/auth-url", &[(Method::POST, E(R::OidcUrl))]),
        row("/v1/acl/oidc/callback", &[(Method::POST, E(R::OidcCallback))]),
        row("/v1/acl/replication", &[(Method::GET, E(R::Replication))]),
        row("/v1/acl/explain", &[(Method::GET, E(R::Explain))]),
        row("/v1/acl/rules/translate", &[(Method::POST, E(R::Translate))]),
        row("/v1/acl/rules/translate/", &[(Method::GET, E(R::TranslateToken))]),
        row("/v1/acl/tokens", &[(Method::GET, E(R::List(Token)))]),
        row("/v1/acl/token", &[(Method::PUT, E(R::Create(Token)))]),
        row("/v1/acl/token/self", &[(Method::GET, E(R::TokenSelf))]),
        row(
            "/v1/acl/token/",
            &[
                (Method::GET, E(R::Read(Token))),
                (Method::PUT, E(R::Update(Token))),
                (Method::DELETE, E(R::Delete(Token))),
            ],
        ),
        row("/v1/acl/policies", &[(Method::GET, E(R::List(Policy)))]),
        row("/v1/acl/policy", &[(Method::PUT, E(R::Create(Policy)))]),
        row("/v1/acl/policy/name/", &[(Method::GET, E(R::ReadByName(Policy)))]),
        row(
            "/v1/acl/policy/",
            &[
                (Method::GET, E(R::Read(Policy))),
                (Method::PUT, E(R::Update(Policy))),
                (Method::DELETE, E(R::Delete(Policy))),
            ],
        ),
        row("/v1/acl/roles", &[(Method::GET, E(R::List(Role)))]),
        row("/v1/acl/role", &[(Method::PUT, E(R::Create(Role)))]),
        row("/v1/acl/role/name/", &[(Method::GET, E(R::ReadByName(Role)))]),
        row(
            "/v1/acl/role/",
            &[(Method::GET, E(R::Read(Role))), (Method::PUT, E(R::Update(Role))), (Method::DELETE, E(R::Delete(Role)))],
        ),
        row("/v1/acl/binding-rules", &[(Method::GET, E(R::List(BindingRule)))]),
        row("/v1/acl/binding-rule", &[(Method::PUT, E(R::Create(BindingRule)))]),
        row(
            "/v1/acl/binding-rule/",
            &[
                (Method::GET, E(R::Read(BindingRule))),
                (Method::PUT, E(R::Update(BindingRule))),
                (Method::DELETE, E(R::Delete(BindingRule))),
            ],
        ),
        row("/v1/acl/auth-methods", &[(Method::GET, E(R::List(AuthMethod)))]),
        row("/v1/acl/auth-method", &[(Method::PUT, E(R::Create(AuthMethod)))]),
        row(
            "/v1/acl/auth-method/",
            &[
                (Method::GET, E(R::Read(AuthMethod))),
                (Method::PUT, E(R::Update(AuthMethod))),
                (Method::DELETE, E(R::Delete(AuthMethod))),
            ],
        ),
        row("/v1/acl/create", &[(Method::PUT, E(R::LegacySet))]),
        row("/v1/acl/update", &[(Method::PUT, E(R::LegacyUpdate))]),
        row("/v1/acl/destroy/", &[(Method::PUT, E(R::LegacyDestroy))]),
        row("/v1/acl/info/", &[(Method::GET, E(R::LegacyInfo))]),
        row("/v1/acl/clone/", &[(Method::PUT, E(R::LegacyClone))]),
        row("/v1/acl/list", &[(Method::GET, E(R::LegacyList))]),
    ]
};

/// Every method and pattern of the API, for tests that are to meet all of it.
pub fn table() -> impl Iterator<Item = (&'static Method, &'static str)> {
    let routes = FAMILIES.iter().flat_map(|(_, routes)| *routes);
    routes.flat_map(|route| route.methods.iter().map(|(method, _)| (method, route.pattern)))
}

async fn dispatch(endpoint: Endpoint, call: &mut Call<'_>) -> Answer {
    match endpoint {
        Endpoint::KvGet => kv::get(call).await,
        Endpoint::KvPut => kv::put(call).await,
        Endpoint::KvDelete => kv::delete(call).await,
        Endpoint::Txn => txn::put(call).await,
        Endpoint::Acl(route) => acl::answer(call, route).await,
        Endpoint::HealthService => health::service(call).await,
        Endpoint::UiServices => internal::services(call).await,
        Endpoint::UiNodes => internal::nodes(call).await,
        Endpoint::UiNode => internal::node(call).await,
        Endpoint::HealthServices => health::services(call).await,
        Endpoint::HealthIngress => health::ingress(call).await,
        Endpoint::HealthConnect => health::connect(call).await,
        Endpoint::HealthNode => health::node(call).await,
        Endpoint::HealthChecks => health::checks(call).await,
        Endpoint::HealthState => health::state(call).await,
        Endpoint::CatalogRegister => catalog::register(call).await,
        Endpoint::CatalogDeregister => catalog::deregister(call).await,
        Endpoint::CatalogDatacenters => catalog::datacenters(call).await,
        Endpoint::CatalogNodes => catalog::nodes(call).await,
        Endpoint::CatalogServices => catalog::services(call).await,
        Endpoint::CatalogService => catalog::service(call).await,
        Endpoint::CatalogGatewayServices => catalog::gateway_services(call).await,
        Endpoint::CatalogConnect => catalog::connect(call).await,
        Endpoint::CatalogNode => catalog::node(call).await,
        Endpoint::CatalogNodeServices => catalog::node_services(call).await,
        Endpoint::SessionCreate => session::create(call).await,
        Endpoint::SessionDestroy => session::destroy(call).await,
        Endpoint::SessionRenew => session::renew(call).await,
        Endpoint::SessionInfo => session::info(call).await,
        Endpoint::SessionNode => session::node(call).await,
        Endpoint::SessionList => session::list(call).await,
        Endpoint::CoordinateDatacenters => coordinate::datacenters(call).await,
        Endpoint::CoordinateNodes => coordinate::nodes(call).await,
        Endpoint::CoordinateNode => coordinate::node(call).await,
        Endpoint::CoordinateUpdate => coordinate::update(call).await,
        Endpoint::QueryList => prepared_query::list(call).await,
        Endpoint::QueryCreate => prepared_query::create(call).await,
        Endpoint::QueryGet => prepared_query::get(call).await,
        Endpoint::QueryUpdate => prepared_query::update(call).await,
        Endpoint::QueryDelete => prepared_query::delete(call).await,
        Endpoint::StatusLeader => status::leader(call).await,
        Endpoint::StatusPeers => status::peers(call).await,
        Endpoint::EventFire => event::fire(call).await,
        Endpoint::EventList => event::list(call).await,
        Endpoint::KeyringList => keyring::list(call).await,
        Endpoint::KeyringInstall => keyring::change(call, KeyOperation::Install).await,
        Endpoint::KeyringUse => keyring::change(call, KeyOperation::Use).await,
        Endpoint::KeyringRemove => keyring::change(call, KeyOperation::Remove).await,
        Endpoint::OperatorRaftConfiguration => operator::raft_configuration(call).await,
        Endpoint::OperatorRaftPeer => operator::remove_peer(call).await,
        Endpoint::OperatorRaftTransfer => operator::transfer_leader(call).await,
        Endpoint::AutopilotConfig => autopilot::config(call).await,
        Endpoint::AutopilotSetConfig => autopilot::set_config(call).await,
        Endpoint::AutopilotHealth => autopilot::health(call).await,
        Endpoint::AutopilotState => autopilot::state(call).await,
        Endpoint::OperatorUsage => autopilot::usage(call).await,
        Endpoint::SnapshotSave => snapshot::save(call).await,
        Endpoint::SnapshotRestore => snapshot::restore(call).await,
        Endpoint::AgentReady => status::ready(call).await,
        of_agent => dispatch_agent(of_agent, call).await,
    }
}

/// The agent's own family, apart only to keep functions short.
async fn dispatch_agent(endpoint: Endpoint, call: &mut Call<'_>) -> Answer {
    match endpoint {
        Endpoint::AgentSelf => agent::self_view(call),
        Endpoint::AgentVersion => agent::version(),
        Endpoint::AgentMembers => agent::members(call).await,
        Endpoint::AgentToken => acl::set_agent_token(call).await,
        Endpoint::AgentJoin => agent::join(call).await,
        Endpoint::AgentLeave => agent::leave(call).await,
        Endpoint::AgentForceLeave => agent::force_leave(call).await,
        Endpoint::AgentReload => agent::reload(call).await,
        Endpoint::AgentMaintenance => agent::maintenance(call).await,
        Endpoint::AgentServices => agent::services(call).await,
        Endpoint::AgentService => agent::service(call).await,
        Endpoint::AgentServiceRegister => agent::register_service(call).await,
        Endpoint::AgentServiceDeregister => agent::deregister_service(call).await,
        Endpoint::AgentServiceMaintenance => agent::service_maintenance(call).await,
        Endpoint::AgentHealthById => agent::service_health_by_id(call).await,
        Endpoint::AgentHealthByName => agent::service_health_by_name(call).await,
        Endpoint::AgentChecks => agent::checks(call).await,
        Endpoint::AgentCheckRegister => agent::register_check(call).await,
        Endpoint::AgentCheckDeregister => agent::deregister_check(call).await,
        Endpoint::AgentCheckPass => agent::set_check(call, "passing").await,
        Endpoint::AgentCheckWarn => agent::set_check(call, "warning").await,
        Endpoint::AgentCheckFail => agent::set_check(call, "critical").await,
        Endpoint::AgentCheckUpdate => agent::update_check(call).await,
        Endpoint::AgentMetrics => agent::metrics(call),
        Endpoint::AgentHost => agent::host().await,
        Endpoint::AgentMonitor => agent::monitor(call),
        of_mesh => mesh::dispatch(of_mesh, call).await,
    }
}

/// What the table says about a path.
#[derive(Debug)]
enum Found<'p> {
    Route(&'static Route, &'p [u8]),
    /// The path lacks the `/` at its end.
    AddSlash,
    Nothing,
}

fn find(path: &[u8]) -> Found<'_> {
    let Some(below) = path.strip_prefix(b"/v1/") else {
        return Found::Nothing;
    };
    let family = below.split(|byte| *byte == b'/').next().unwrap_or_default();
    let Some((_, routes)) = FAMILIES.iter().find(|(name, _)| name.as_bytes() == family) else {
        return Found::Nothing;
    };
    let mut best: Option<(&'static Route, &[u8])> = None;
    for route in *routes {
        let pattern = route.pattern.as_bytes();
        let tail = match path.strip_prefix(pattern) {
            Some(tail) if tail.is_empty() || pattern.ends_with(b"/") => tail,
            _ => continue,
        };
        if best.is_none_or(|(other, _)| other.pattern.len() < route.pattern.len()) {
            best = Some((route, tail));
        }
    }
    match best {
        Some((route, tail)) => Found::Route(route, tail),
        None if routes.iter().any(|route| route.pattern.as_bytes().strip_suffix(b"/") == Some(path)) => Found::AddSlash,
        None => Found::Nothing,
    }
}

impl Route {
    fn allowed(&self) -> HeaderValue {
        let mut text = String::from("OPTIONS");
        for (method, _) in self.methods {
            text.push(',');
            text.push_str(method.as_str());
        }
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("OPTIONS"))
    }
}

/// Answers one request.
pub async fn answer(State(state): State<Arc<HttpState>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    if head.version == Version::HTTP_11 && !head.headers.contains_key(HOST) {
        let failure = Failure::bad_request("400 Bad Request: missing required Host header").closing();
        return plain(Err(failure)).await;
    }
    let raw_query = head.uri.query().unwrap_or_default();
    if head.uri.path() == "*" {
        return plain(Ok(Reply::empty(StatusCode::OK))).await;
    }
    let path = match resolve_path(head.uri.path()) {
        Path::Clean(path) => path,
        Path::Elsewhere(path) => return redirect(&head.method, path, raw_query),
        Path::Unprintable => return plain(Ok(Reply::empty(StatusCode::BAD_REQUEST))).await,
        Path::Bad => return plain(Err(Failure::bad_request("400 Bad Request"))).await,
    };
    let (route, tail) = match find(&path) {
        Found::Route(route, tail) => (route, tail),
        Found::AddSlash => {
            let target = format!("{}/", super::escape::encode_path(&path));
            return redirect(&head.method, target, raw_query);
        }
        Found::Nothing if let Some(ui) = &state.ui => return page(ui, &head, &path).await,
        Found::Nothing if *path == *b"/" => return plain(Ok(Reply::text(StatusCode::OK, "Consul Agent"))).await,
        Found::Nothing => return plain(Ok(Reply::empty(StatusCode::NOT_FOUND))).await,
    };
    let query = match Query::parse(raw_query) {
        Ok(query) => query,
        Err(error) => return plain(Err(Failure::bad_request(format!("Bad request: {error}")))).await,
    };
    let looks = Looks { pretty: state.pretty_always || query.has("pretty"), gzip: gzip::is_accepted(&head.headers) };
    if let Err(failure) = state.policy.check_blocked(route.pattern) {
        return dressed(&state, Err(failure), looks).await;
    }
    let Some((_, endpoint)) = route.methods.iter().find(|(method, _)| *method == head.method) else {
        let answer = match head.method {
            Method::OPTIONS => Ok(Reply::empty(StatusCode::OK).with_header(http::header::ALLOW, route.allowed())),
            _ => Err(Failure::method_not_allowed(&head.method, route.allowed())),
        };
        return dressed(&state, answer, looks).await;
    };
    let client = head.extensions.get::<Client>().map(|client| client.0);
    let is_discovery = ["/v1/catalog/", "/v1/health/"].iter().any(|family| route.pattern.starts_with(family));
    let (headers, body) = (&head.headers, Mutex::new(body));
    let mut call = Call { state: &state, tail, is_discovery, query, headers, client, body };
    let record = match &state.audit {
        Some(audit) => Some(Box::pin(Record::begin(audit, &call, &head)).await),
        None => None,
    };
    let started = Instant::now();
    let allowed = match state.policy.check_writer(&head.method, client) {
        Ok(()) => access::check(&call, *endpoint).await,
        Err(failure) => Err(failure),
    };
    let answer = match allowed {
        Ok(()) => dispatch(*endpoint, &mut call).await,
        Err(failure) => Err(failure),
    };
    series_of(*endpoint, route.pattern, &head.method).since(started);
    count_catalog(*endpoint, answer.is_ok());
    if let Err(failure) = &answer {
        tracing::debug!(method = %head.method, path = head.uri.path(), ?failure, "request failed");
    }
    let response = dressed(&state, answer, looks).await;
    if let Some(record) = record {
        record.end(response.status());
    }
    response
}

/// The answer of an endpoint, with the headers that the configuration adds to all of them.
async fn dressed(state: &HttpState, answer: Answer, looks: Looks) -> Response {
    let mut response = render(answer, looks).await;
    state.policy.add_headers(response.headers_mut());
    response
}

/// Counts questions to the catalog under the names that clients of it have in Consul.
fn count_catalog(endpoint: Endpoint, ok: bool) {
    let name = match endpoint {
        Endpoint::CatalogRegister => "catalog_register",
        Endpoint::CatalogDeregister => "catalog_deregister",
        Endpoint::CatalogDatacenters => "catalog_datacenters",
        Endpoint::CatalogNodes => "catalog_nodes",
        Endpoint::CatalogServices => "catalog_services",
        Endpoint::CatalogService => "catalog_service_nodes",
        Endpoint::CatalogNodeServices => "catalog_node_services",
        _ => return,
    };
    crate::telemetry::count(&format!("client.api.{name}"), &[]);
    if ok {
        crate::telemetry::count(&format!("client.api.success.{name}"), &[]);
    }
}

/// The timer of an endpoint, `http.GET.v1.kv._`: made once.
fn series_of(endpoint: Endpoint, pattern: &'static str, method: &Method) -> &'static Timer {
    static TIMERS: Mutex<BTreeMap<Endpoint, &'static Timer>> = Mutex::new(BTreeMap::new());
    let mut timers = TIMERS.lock().unwrap_or_else(PoisonError::into_inner);
    timers.entry(endpoint).or_insert_with(|| {
        let path = pattern.trim_start_matches('/').replace('/', ".");
        let path = if path.ends_with('.') { format!("{path}_") } else { path };
        // One for each row of the table, for the life of the process.
        Box::leak(Box::new(Timer::new(Box::leak(format!("http.{method}.{path}").into_boxed_str()))))
    })
}

/// The web page: the way to it from `/`, and what is below it.
async fn page(ui: &Ui, head: &http::request::Parts, path: &[u8]) -> Response {
    let is_way = path == b"/" || ui.base().strip_suffix('/').is_some_and(|base| base.as_bytes() == path);
    if is_way && ui.base() != "/" {
        return redirect(&head.method, ui.base().to_owned(), "");
    }
    match ui.answer(&head.method, path, &head.headers).await {
        Some(response) => response,
        None => plain(Ok(Reply::empty(StatusCode::NOT_FOUND))).await,
    }
}

async fn plain(answer: Answer) -> Response {
    render(answer, Looks { pretty: false, gzip: false }).await
}

fn redirect(method: &Method, path: String, raw_query: &str) -> Response {
    let target = if raw_query.is_empty() { path } else { format!("{path}?{raw_query}") };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if method == Method::GET {
        let link = format!("<a href=\"{}\">Moved Permanently</a>.\n\n", html_text(&target));
        *response.body_mut() = Body::from(link);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        let nothing_else = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, nothing_else);
    }
    super::reply::fence(response.headers_mut());
    if let Ok(location) = HeaderValue::try_from(target) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn html_text(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Cow::Owned(text.replace('"', "&#34;").replace('\'', "&#39;"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route_of(path: &str) -> Option<(&'static str, String)> {
        match find(path.as_bytes()) {
            Found::Route(route, tail) => Some((route.pattern, String::from_utf8_lossy(tail).into_owned())),
            Found::AddSlash | Found::Nothing => None,
        }
    }

    #[test]
    fn tails_are_what_follows_the_pattern() {
        assert_eq!(route_of("/v1/kv/a/b"), Some(("/v1/kv/", "a/b".to_owned())));
        assert_eq!(route_of("/v1/kv/"), Some(("/v1/kv/", String::new())));
        assert_eq!(route_of("/v1/catalog/node-services/n"), Some(("/v1/catalog/node-services/", "n".to_owned())));
        assert_eq!(route_of("/v1/catalog/nodes/"), None);
        assert_eq!(route_of("/v1/nope"), None);
        assert_eq!(route_of("/v2/kv/a"), None);
        assert!(matches!(find(b"/v1/kv"), Found::AddSlash));
    }

    #[test]
    fn every_route_stands_in_its_family_and_answers_something() {
        for (family, routes) in FAMILIES {
            for route in *routes {
                assert!(route.pattern.starts_with(&format!("/v1/{family}")), "{}", route.pattern);
                assert!(!route.methods.is_empty(), "{}", route.pattern);
                assert_eq!(route_of(route.pattern), Some((route.pattern, String::new())));
            }
        }
    }
}
