//! Alias checks: as well as the checks of a service of this agent and of its node. Decided anew on every local change.

use model::{CheckId, HealthCheck, ServiceId, Status};

use super::Outcome;

/// The worst of the aliased checks: those of the service first, then those of the node. The alias itself does not count.
pub fn evaluate<'a>(
    alias: &CheckId,
    service: &ServiceId,
    checks: impl Iterator<Item = &'a HealthCheck> + Clone,
) -> Outcome {
    let others = checks.filter(|check| check.check_id != *alias);
    let of_service = others.clone().filter(|check| !service.is_empty() && check.service_id == *service);
    let of_node = others.filter(|check| check.service_id.is_empty());
    let mut outcome = Outcome { status: Status::Passing, output: "No checks found.".to_owned() };
    for check in of_service.chain(of_node) {
        let status = match check.status.as_str() {
            "critical" => Status::Critical,
            "warning" => Status::Warning,
            _ => Status::Passing,
        };
        if status > outcome.status {
            let output = format!("Aliased check {:?} failing: {}", check.name, check.output);
            outcome = Outcome { status, output };
        } else if outcome.status == Status::Passing {
            "All checks passing.".clone_into(&mut outcome.output);
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, service: &str, status: &str) -> HealthCheck {
        let output = format!("output of {id}");
        let status = status.to_owned();
        HealthCheck {
            check_id: id.into(),
            name: id.into(),
            service_id: service.into(),
            status,
            output,
            ..Default::default()
        }
    }

    fn of(service: &str, checks: &[HealthCheck]) -> (Status, String) {
        let outcome = evaluate(&"alias".into(), &service.into(), checks.iter());
        (outcome.status, outcome.output)
    }

    #[test]
    fn the_worst_check_of_the_service_or_the_node_counts() {
        assert_eq!(of("web", &[]), (Status::Passing, "No checks found.".to_owned()));
        let alien = check("x", "db", "critical");
        assert_eq!(of("web", std::slice::from_ref(&alien)).1, "No checks found.");
        let mut checks = vec![alien, check("a", "web", "passing"), check("alias", "", "critical")];
        assert_eq!(of("web", &checks), (Status::Passing, "All checks passing.".to_owned()));
        checks.push(check("b", "web", "warning"));
        assert_eq!(of("web", &checks), (Status::Warning, r#"Aliased check "b" failing: output of b"#.to_owned()));
        checks.push(check("n", "", "critical"));
        assert_eq!(of("web", &checks), (Status::Critical, r#"Aliased check "n" failing: output of n"#.to_owned()));
        assert_eq!(of("", &checks).0, Status::Critical);
    }
}
