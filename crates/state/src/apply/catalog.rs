//! Registrations and deregistrations. A registration is checked as a whole before anything of it is written.

use model::{Deregistration, HealthCheck, Registration};

use crate::tables::{Draft, NodePlan, Tables};

/// Applies a registration, all or nothing; the error is the text for the client.
pub(crate) fn apply_register(draft: &mut Draft, index: u64, mut registration: Registration) -> Result<bool, String> {
    let plan = draft.tables.plan_node(&registration)?;
    let renamed_from = match &plan {
        NodePlan::Put { renamed_from } => renamed_from.as_ref(),
        NodePlan::Keep => None,
    };
    check_service(&registration)?;
    let checks: Vec<HealthCheck> =
        registration.check.take().into_iter().chain(std::mem::take(&mut registration.checks)).collect();
    for check in &checks {
        check_check(&draft.tables, &registration, check, renamed_from.is_some())?;
    }
    if let NodePlan::Put { renamed_from } = &plan {
        draft.put_node(index, &registration, renamed_from.as_ref());
    }
    if let Some(service) = registration.service.take() {
        draft.put_service(index, &registration.node, service);
    }
    for check in checks {
        draft.put_check(index, check);
    }
    Ok(true)
}

fn check_service(registration: &Registration) -> Result<(), String> {
    match &registration.service {
        Some(service) if service.id.is_empty() || service.service.is_empty() => {
            Err("failed inserting service: failed inserting service: object missing primary index".to_owned())
        }
        _ => Ok(()),
    }
}

fn check_check(
    tables: &Tables,
    registration: &Registration,
    check: &HealthCheck,
    is_renamed: bool,
) -> Result<(), String> {
    let node = &registration.node;
    if check.node != *node {
        return Err(format!("check node \"{}\" does not match node \"{node}\"", check.node));
    }
    if check.check_id.is_empty() {
        return Err(format!(
            "failed inserting check: failed inserting check: object missing primary index on node \"{node}\""
        ));
    }
    let service_id = &check.service_id;
    let comes_along = registration.service.as_ref().is_some_and(|service| service.id.eq_ignore_ascii_case(service_id));
    // A node that changes its name loses what was registered under the old one, but keeps what the new one has.
    let exists =
        tables.instance(node, service_id).is_some_and(|instance| !is_renamed || instance.node.id != registration.id);
    if service_id.is_empty() || comes_along || exists {
        Ok(())
    } else {
        Err(format!("failed inserting check: Missing service registration on node \"{node}\""))
    }
}

/// Applies a deregistration. What does not exist is as good as removed.
pub(crate) fn apply_deregister(draft: &mut Draft, index: u64, deregistration: &Deregistration) {
    let node = &deregistration.node;
    if !deregistration.service_id.is_empty() {
        draft.delete_service(index, node, &deregistration.service_id);
    } else if !deregistration.check_id.is_empty() {
        draft.delete_check(index, node, &deregistration.check_id);
    } else {
        draft.delete_node(index, node);
    }
}
