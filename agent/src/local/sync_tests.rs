//! Anti-entropy against a catalog in memory: registrations arrive, removals too, and failures are tried again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::{Node, NodeServices, Registration, Token};
use server::request::{Action, Answer, Body, ErrorKind, ReadMeta, Request, RequestError, Response, Write};

use super::{LocalAgent, ServiceSpec, Settings, Source, StandaloneCheckSpec, sync};

/// What a server would hold for one node: ids only.
#[derive(Debug, Default)]
struct Catalog {
    services: BTreeSet<String>,
    checks: BTreeMap<String, String>,
    writes: usize,
    unreachable: bool,
    refused: Option<String>,
}

impl Catalog {
    fn call(&mut self, request: Request) -> Result<Response, RequestError> {
        if self.unreachable {
            return Err(RequestError::no_leader());
        }
        match request.action {
            Action::Read(..) => {
                let dump = Body::Rows(Answer::NodeDump(self.dump()));
                Ok(Response::Read(ReadMeta::default(), dump))
            }
            Action::Write(write) => {
                self.writes += 1;
                self.write(write).map(|()| Response::Written(true))
            }
            Action::Cluster(_) => Err(RequestError::new(ErrorKind::BadRequest, "not asked by anti-entropy")),
        }
    }

    fn dump(&self) -> Option<(NodeServices, Vec<Arc<model::HealthCheck>>)> {
        let services = self.services.iter().map(|id| {
            let service = model::NodeService { id: id.as_str().into(), ..Default::default() };
            (id.clone(), Arc::new(service))
        });
        let node = Arc::new(Node { node: "n1".into(), ..Node::default() });
        (self.writes > 0).then(|| (NodeServices { node, services: services.collect() }, Vec::new()))
    }

    fn write(&mut self, write: Write) -> Result<(), RequestError> {
        match write {
            Write::Register(one) => self.register(&[one]),
            Write::RegisterAll(all) => self.register(&all),
            Write::Deregister(gone) => {
                self.services.remove(&*gone.service_id);
                self.checks.remove(&*gone.check_id);
                Ok(())
            }
            _ => Err(RequestError::new(ErrorKind::BadRequest, "not written by anti-entropy")),
        }
    }

    fn register(&mut self, registrations: &[Registration]) -> Result<(), RequestError> {
        let names = |one: &Registration| one.service.as_ref().map(|service| service.id.to_string());
        if registrations.iter().any(|one| self.refused.is_some() && names(one) == self.refused) {
            return Err(RequestError::new(ErrorKind::Denied, "Permission denied"));
        }
        for one in registrations {
            self.services.extend(names(one));
            for check in one.check.iter().chain(&one.checks) {
                self.checks.insert(check.check_id.to_string(), check.status.clone());
            }
        }
        Ok(())
    }
}

fn settings() -> Settings {
    Settings {
        node: Node { node: "n1".into(), ..Node::default() },
        script_checks: false,
        local_script_checks: false,
        check_update_interval: Duration::from_secs(300),
        check_output_max_size: 4096,
        discard_check_output: false,
        ..Settings::default()
    }
}

fn service(json: &str) -> ServiceSpec {
    serde_json::from_str(json).expect("a test's own JSON")
}

/// An agent that keeps itself in sync with the catalog until the runtime ends.
async fn agent(catalog: &Arc<Mutex<Catalog>>, data_dir: Option<&std::path::Path>) -> Arc<LocalAgent> {
    let local = LocalAgent::open(settings(), data_dir, &[], &[], None).await.expect("opens");
    let catalog = Arc::clone(catalog);
    let call = move |request| {
        let answer = catalog.lock().expect("no test panics while it holds this").call(request);
        std::future::ready(answer)
    };
    tokio::spawn(sync::run(Arc::clone(&local), call, || 1));
    tokio::spawn(Arc::clone(&local).run());
    local
}

/// Waits until the catalog looks as wanted.
async fn until(catalog: &Mutex<Catalog>, wanted: impl Fn(&Catalog) -> bool) {
    let reached = async {
        while !wanted(&catalog.lock().expect("no test panics while it holds this")) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(10), reached).await;
    assert!(in_time.is_ok(), "the catalog stays {:?}", catalog.lock());
}

#[tokio::test]
async fn registrations_and_removals_reach_the_catalog() {
    let catalog = Arc::default();
    let local = agent(&catalog, None).await;
    let web = service(r#"{"Name":"web","Check":{"TTL":"1m"}}"#);
    local.register_service(&web, Source::Remote, false).await.expect("registered");
    until(&catalog, |c| c.services.contains("web") && c.checks.get("service:web").is_some_and(|s| s == "critical"))
        .await;
    local.update_ttl(&"service:web".into(), "passing", "fine").await.expect("updated");
    until(&catalog, |c| c.checks.get("service:web").is_some_and(|status| status == "passing")).await;
    assert!(local.deregister_service(&"web".into()).await.expect("removed"));
    until(&catalog, |c| !c.services.contains("web") && !c.checks.contains_key("service:web")).await;
    assert!(!local.deregister_service(&"web".into()).await.expect("nothing to remove"));
}

#[tokio::test]
async fn what_was_registered_while_no_server_answered_arrives_later() {
    let catalog = Arc::new(Mutex::new(Catalog { unreachable: true, ..Catalog::default() }));
    let local = agent(&catalog, None).await;
    local.register_service(&service(r#"{"Name":"web"}"#), Source::Remote, false).await.expect("registered");
    catalog.lock().expect("not poisoned").unreachable = false;
    local.sync_now();
    until(&catalog, |c| c.services.contains("web")).await;
}

#[tokio::test]
async fn a_refused_service_does_not_hold_up_the_others() {
    let catalog =
        Arc::new(Mutex::new(Catalog { refused: Some("b".to_owned()), unreachable: true, ..Catalog::default() }));
    let local = agent(&catalog, None).await;
    for name in ["a", "b", "c"] {
        let spec = service(&format!(r#"{{"Name":"{name}"}}"#));
        local.register_service(&spec, Source::Remote, false).await.expect("registered");
    }
    catalog.lock().expect("not poisoned").unreachable = false;
    local.sync_now();
    until(&catalog, |c| c.services.len() == 2).await;
    assert!(!catalog.lock().expect("not poisoned").services.contains("b"));
}

#[tokio::test]
async fn a_lapsed_ttl_becomes_critical_in_the_catalog() {
    let catalog = Arc::default();
    let local = agent(&catalog, None).await;
    let spec = service(r#"{"Name":"web","Check":{"TTL":"50ms","Status":"passing"}}"#);
    local.register_service(&spec, Source::Remote, false).await.expect("registered");
    until(&catalog, |c| c.checks.get("service:web").is_some_and(|status| status == "critical")).await;
    let output = local.with_registry(|registry| registry.checks()["service:web"].check.output.clone());
    assert_eq!(output, "TTL expired");
}

#[tokio::test]
async fn a_restarted_agent_has_what_it_had() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let catalog = Arc::default();
    {
        let local = agent(&catalog, Some(folder.path())).await;
        let spec = service(r#"{"Name":"web","Check":{"TTL":"1m"},"Checks":[{"CheckID":"other","TTL":"1m"}]}"#);
        local.register_service(&spec, Source::Remote, false).await.expect("registered");
        local.update_ttl(&"service:web:1".into(), "warning", "hot").await.expect("updated");
        local.set_service_maintenance(&"web".into(), true, "", Token::default()).await.expect("set");
    }
    let local = LocalAgent::open(settings(), Some(folder.path()), &[], &[], None).await.expect("opens");
    let states = local.with_registry(|registry| {
        let checks = registry.checks().values().map(|entry| &entry.check);
        checks.map(|check| format!("{} {} {}", check.check_id, check.status, check.output)).collect::<Vec<_>>()
    });
    assert_eq!(states, ["_service_maintenance:web critical ", "other critical ", "service:web:1 warning hot"]);
    local.update_ttl(&"other".into(), "passing", "").await.expect("a restored TTL check still is one");
}

#[tokio::test]
async fn a_reload_replaces_definitions_and_keeps_registrations() {
    let file = |name: &str| vec![service(&format!(r#"{{"Name":"{name}"}}"#))];
    let local = LocalAgent::open(settings(), None, &file("one"), &[], None).await.expect("opens");
    local.register_service(&service(r#"{"Name":"api"}"#), Source::Remote, false).await.expect("registered");
    let check = StandaloneCheckSpec {
        check: serde_json::from_str(r#"{"Name":"alive","TTL":"1m"}"#).expect("a test's own JSON"),
        ..StandaloneCheckSpec::default()
    };
    local.reload(&file("two"), &[check]).await.expect("reloads");
    let names = |local: &LocalAgent| {
        local.with_registry(|registry| registry.services().keys().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(names(&local), ["api", "two"]);
    local.reload(&[], &[]).await.expect("reloads");
    assert_eq!(names(&local), ["api"]);
    assert!(local.with_registry(|registry| registry.checks().is_empty()));
}

#[tokio::test]
async fn a_big_start_goes_in_few_writes() {
    let catalog = Arc::new(Mutex::new(Catalog { unreachable: true, ..Catalog::default() }));
    let local = agent(&catalog, None).await;
    for at in 0..200 {
        let spec = service(&format!(r#"{{"Name":"s{at}","Check":{{"TTL":"1h"}}}}"#));
        local.register_service(&spec, Source::Remote, false).await.expect("registered");
    }
    catalog.lock().expect("not poisoned").unreachable = false;
    local.sync_now();
    until(&catalog, |c| c.services.len() == 200 && c.checks.len() == 200).await;
    let writes = catalog.lock().expect("not poisoned").writes;
    assert!(writes <= 5, "200 services took {writes} writes");
}

#[tokio::test]
async fn servers_that_lost_their_state_get_everything_again() {
    let catalog: Arc<Mutex<Catalog>> = Arc::default();
    let local = agent(&catalog, None).await;
    let spec = service(r#"{"Name":"web","Check":{"TTL":"1h"}}"#);
    local.register_service(&spec, Source::Remote, false).await.expect("registered");
    until(&catalog, |c| c.checks.contains_key("service:web")).await;
    *catalog.lock().expect("not poisoned") = Catalog::default();
    local.sync_now();
    until(&catalog, |c| c.services.contains("web") && c.checks.contains_key("service:web")).await;
}

#[tokio::test]
async fn what_changes_during_a_partition_arrives_in_its_last_state() {
    let catalog: Arc<Mutex<Catalog>> = Arc::default();
    let local = agent(&catalog, None).await;
    let spec = service(r#"{"Name":"web","Check":{"TTL":"1h"}}"#);
    local.register_service(&spec, Source::Remote, false).await.expect("registered");
    local.register_service(&service(r#"{"Name":"gone"}"#), Source::Remote, false).await.expect("registered");
    until(&catalog, |c| c.services.len() == 2).await;
    catalog.lock().expect("not poisoned").unreachable = true;
    for status in ["passing", "critical", "warning"] {
        local.update_ttl(&"service:web".into(), status, "").await.expect("a TTL check");
    }
    local.deregister_service(&"gone".into()).await.expect("removed");
    catalog.lock().expect("not poisoned").unreachable = false;
    local.sync_now();
    let is_current = |c: &Catalog| c.checks.get("service:web").is_some_and(|status| status == "warning");
    until(&catalog, |c| is_current(c) && !c.services.contains("gone")).await;
}

#[tokio::test]
async fn the_catalog_has_what_was_registered_once_it_is_awaited() {
    let catalog: Arc<Mutex<Catalog>> = Arc::default();
    let local = agent(&catalog, None).await;
    let names: Vec<String> = (0..50).map(|at| format!("s{at}")).collect();
    let register = |name: String| {
        let (local, catalog) = (Arc::clone(&local), Arc::clone(&catalog));
        async move {
            let spec = service(&format!(r#"{{"Name":"{name}","Check":{{"TTL":"1h"}}}}"#));
            local.register_service(&spec, Source::Remote, false).await.expect("registered");
            local.catalog_told().await;
            assert!(catalog.lock().expect("not poisoned").services.contains(&name), "{name}");
            local.deregister_service(&name.as_str().into()).await.expect("removed");
            local.catalog_told().await;
            assert!(!catalog.lock().expect("not poisoned").services.contains(&name), "{name}");
        }
    };
    // The task that writes must have begun, as it has in an agent long before it answers requests.
    until(&catalog, |catalog| catalog.writes > 0).await;
    futures::future::join_all(names.into_iter().map(register)).await;
}

#[tokio::test]
async fn registering_does_not_wait_long_for_servers_that_do_not_answer() {
    let catalog = Arc::new(Mutex::new(Catalog { unreachable: true, ..Catalog::default() }));
    let local = agent(&catalog, None).await;
    local.register_service(&service(r#"{"Name":"web"}"#), Source::Remote, false).await.expect("registered");
    tokio::time::timeout(Duration::from_secs(30), local.catalog_told()).await.expect("it gives up by itself");
    assert!(catalog.lock().expect("not poisoned").services.is_empty());
}
