//! Who may change what is registered on this agent. Nothing is asked where ACLs are off.

use acl::{Level, Resource};
use model::{CheckId, HealthCheck, ServiceId};
use server::acl::Caller;

use crate::http::access::require;
use crate::http::extract::Call;
use crate::http::reply::Failure;
use crate::local::{ServiceSpec, StandaloneCheckSpec};

/// To register a service one needs it, and the one whose place it takes.
pub async fn service_register(call: &Call<'_>, spec: &ServiceSpec) -> Result<(), Failure> {
    if !call.state.rights.is_enabled() {
        return Ok(());
    }
    let caller = call.caller().await?;
    require(&caller, Resource::Service, &spec.name, Level::Write)?;
    let id = if spec.id.is_empty() { spec.name.as_str() } else { spec.id.as_str() };
    match name_of(call, id) {
        Some(old) => require(&caller, Resource::Service, &old, Level::Write),
        None => Ok(()),
    }
}

/// To change or remove a service that must be here.
pub async fn service(call: &Call<'_>, id: &ServiceId) -> Result<(), Failure> {
    if !call.state.rights.is_enabled() {
        return Ok(());
    }
    let caller = call.caller().await?;
    let name = name_of(call, id).ok_or_else(|| Failure::internal(format!("Unknown service {{{:?} {{}}}}", &**id)))?;
    require(&caller, Resource::Service, &name, Level::Write)
}

fn name_of(call: &Call<'_>, id: &str) -> Option<String> {
    let local = &call.state.agent.local;
    local.with_registry(|registry| registry.services().get(id).map(|entry| entry.service.service.to_string()))
}

/// To register a check one needs its service, or the node, and those of the check whose place it takes.
pub async fn check_register(call: &Call<'_>, spec: &StandaloneCheckSpec) -> Result<(), Failure> {
    if !call.state.rights.is_enabled() {
        return Ok(());
    }
    let caller = call.caller().await?;
    let service = if spec.service_id.is_empty() { None } else { name_of(call, &spec.service_id) };
    require_check(call, &caller, service.as_deref())?;
    let id = if spec.check.check_id.is_empty() { spec.check.name.as_str() } else { spec.check.check_id.as_str() };
    match check_of(call, id) {
        Some(old) => {
            require_check(call, &caller, Some(&old.service_name).filter(|name| !name.is_empty()).map(|name| &**name))
        }
        None => Ok(()),
    }
}

/// To change or remove a check that must be here.
pub async fn check(call: &Call<'_>, id: &CheckId) -> Result<(), Failure> {
    if !call.state.rights.is_enabled() {
        return Ok(());
    }
    let caller = call.caller().await?;
    let found = check_of(call, id).ok_or_else(|| Failure::internal(format!("Unknown check {:?}", &**id)))?;
    require_check(call, &caller, Some(&*found.service_name).filter(|name| !name.is_empty()))
}

fn check_of(call: &Call<'_>, id: &str) -> Option<HealthCheck> {
    call.state.agent.local.with_registry(|registry| registry.checks().get(id).map(|entry| (*entry.check).clone()))
}

fn require_check(call: &Call<'_>, caller: &Caller, service: Option<&str>) -> Result<(), Failure> {
    match service {
        Some(service) => require(caller, Resource::Service, service, Level::Write),
        None => require(caller, Resource::Node, call.state.rights.node(), Level::Write),
    }
}
