//! What a check definition means: which probe is run, how often, and what is wrong with definitions that mean nothing.
//! Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use model::ServiceId;

use super::limits::{CHECK_INTERVAL_MIN, CHECK_TIMEOUT_DEFAULT, CRITICAL_TIMEOUT_MIN, SCRIPT_TIMEOUT_DEFAULT};
use super::spec::{CheckSpec, Nanos};

/// How a check gets its status.
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// By API, within the time.
    Ttl(Duration),
    /// From the checks of a node or a service.
    Alias {
        /// Node as given; empty for this one.
        node: String,
        /// Service instance; empty for the checks of the node itself.
        service: ServiceId,
    },
    /// By doing something every so often.
    Repeated(Action, Timing),
}

/// What is done every so often.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// An HTTP request.
    Http(HttpProbe),
    /// Connecting.
    Tcp(String),
    /// A datagram that is not refused.
    Udp(String),
    /// The standard health question of gRPC.
    Grpc(GrpcProbe),
    /// A PING frame of HTTP/2.
    H2Ping(H2Probe),
    /// Running a program.
    Script(Vec<String>),
    /// Running a program in a container.
    Docker {
        /// Id or name of the container.
        container: String,
        /// The program and its arguments.
        args: Vec<String>,
    },
    /// Asking the service manager of the system.
    OsService(String),
}

/// How the other side's certificate is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsChoice {
    /// Name that it must have; empty for the host's.
    pub server_name: String,
    /// Take any.
    pub skip_verify: bool,
}

/// An HTTP request to make.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpProbe {
    /// URL.
    pub url: String,
    /// Method.
    pub method: String,
    /// Headers.
    pub header: BTreeMap<String, Vec<String>>,
    /// Body.
    pub body: String,
    /// Go where the answer points.
    pub follow_redirects: bool,
    /// For `https`.
    pub tls: TlsChoice,
}

/// A gRPC health question.
#[derive(Clone, Debug, PartialEq)]
pub struct GrpcProbe {
    /// `host:port`, perhaps with `/service` behind it.
    pub target: String,
    /// Over TLS, or in the clear.
    pub tls: Option<TlsChoice>,
}

/// An HTTP/2 ping.
#[derive(Clone, Debug, PartialEq)]
pub struct H2Probe {
    /// `host:port`.
    pub address: String,
    /// Over TLS, or in the clear.
    pub tls: Option<TlsChoice>,
}

/// When a check runs and when its results count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Time between runs.
    pub interval: Duration,
    /// Longest time of one run.
    pub timeout: Duration,
    /// Results in a row that it takes.
    pub thresholds: Counts,
}

/// Results in a row that it takes to change the status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Good results before it passes.
    pub success_before_passing: u32,
    /// Bad results before it warns; at most `failures_before_critical`.
    pub failures_before_warning: u32,
    /// Bad results before it is critical.
    pub failures_before_critical: u32,
}

/// Why a check definition is of no use. `Display` is the text that clients see after `Invalid check: `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCheck {
    /// Neither a TTL nor anything to run.
    #[error("TTL must be > 0 for TTL checks")]
    NoTtl,
    /// Both ways at once.
    #[error("Interval and TTL cannot both be specified")]
    IntervalAndTtl,
    /// Something to run, and no interval.
    #[error("Interval must be > 0 for Script, HTTP, or TCP checks")]
    NoInterval,
    /// An alias is not run by itself.
    #[error("Interval cannot be set for Alias checks")]
    AliasAndInterval,
    /// An alias is not updated by API.
    #[error("TTL must be not be set for Alias checks")]
    AliasAndTtl,
    /// A length below zero.
    #[error("MaxOutputMaxSize must be positive")]
    NegativeOutputSize,
    /// More bad results for a warning than for the critical state.
    #[error("FailuresBeforeWarning can't be higher than FailuresBeforeCritical")]
    WarningAfterCritical,
}

impl CheckSpec {
    /// Whether it runs a program on this machine or in one of its containers.
    #[must_use]
    pub fn is_script(&self) -> bool {
        !self.script_args.is_empty()
    }

    /// The text of `Type` in answers.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        if self.ttl.0 > 0 {
            return "ttl";
        }
        if self.is_alias() && self.action().is_none() {
            return "alias";
        }
        match self.action() {
            Some(Action::Http(_)) => "http",
            Some(Action::Tcp(_)) => "tcp",
            Some(Action::Udp(_)) => "udp",
            Some(Action::Grpc(_)) => "grpc",
            Some(Action::H2Ping(_)) => "h2ping",
            Some(Action::Script(_)) => "script",
            Some(Action::Docker { .. }) => "docker",
            Some(Action::OsService(_)) => "os_service",
            None => "",
        }
    }

    fn is_alias(&self) -> bool {
        !self.alias_node.is_empty() || !self.alias_service.is_empty()
    }

    /// How to run it.
    ///
    /// # Errors
    /// When the definition lacks what its kind needs, or contradicts itself.
    pub fn probe(&self) -> Result<Probe, InvalidCheck> {
        let action = self.action();
        let (runs, is_alias) = (action.is_some(), self.is_alias());
        if self.interval.0 > 0 && self.ttl.0 > 0 {
            return Err(InvalidCheck::IntervalAndTtl);
        }
        if runs && self.interval.0 <= 0 {
            return Err(InvalidCheck::NoInterval);
        }
        if runs && is_alias {
            return Err(InvalidCheck::AliasAndInterval);
        }
        if is_alias && self.ttl.0 > 0 {
            return Err(InvalidCheck::AliasAndTtl);
        }
        if !runs && !is_alias && self.ttl.0 <= 0 {
            return Err(InvalidCheck::NoTtl);
        }
        if self.output_max_size < 0 {
            return Err(InvalidCheck::NegativeOutputSize);
        }
        if self.failures_before_warning > self.failures_before_critical.max(0) {
            return Err(InvalidCheck::WarningAfterCritical);
        }
        Ok(match action {
            Some(action) => {
                let timing = self.timing(&action);
                Probe::Repeated(action, timing)
            }
            None if is_alias => {
                Probe::Alias { node: self.alias_node.clone(), service: ServiceId::new(&self.alias_service) }
            }
            None => Probe::Ttl(self.ttl.duration()),
        })
    }

    /// What is run; where several things are named, the first of Consul's order.
    fn action(&self) -> Option<Action> {
        let tls = || TlsChoice { server_name: self.tls_server_name.clone(), skip_verify: self.tls_skip_verify };
        Some(if !self.grpc.is_empty() {
            Action::Grpc(GrpcProbe { target: self.grpc.clone(), tls: self.grpc_use_tls.then(tls) })
        } else if !self.http.is_empty() {
            let method = if self.method.is_empty() { "GET" } else { &self.method };
            Action::Http(HttpProbe {
                url: self.http.clone(),
                method: method.to_owned(),
                header: self.header.clone(),
                body: self.body.clone(),
                follow_redirects: self.disable_redirects == Some(false),
                tls: tls(),
            })
        } else if !self.h2ping.is_empty() {
            let over_tls = self.h2ping_use_tls.unwrap_or(true);
            Action::H2Ping(H2Probe { address: self.h2ping.clone(), tls: over_tls.then(tls) })
        } else if !self.tcp.is_empty() {
            Action::Tcp(self.tcp.clone())
        } else if !self.udp.is_empty() {
            Action::Udp(self.udp.clone())
        } else if !self.docker_container_id.is_empty() && self.is_script() {
            Action::Docker { container: self.docker_container_id.clone(), args: self.script_args.clone() }
        } else if self.is_script() {
            Action::Script(self.script_args.clone())
        } else if !self.os_service.is_empty() {
            Action::OsService(self.os_service.clone())
        } else {
            return None;
        })
    }

    fn timing(&self, action: &Action) -> Timing {
        let timeout_default = match action {
            Action::Script(_) | Action::Docker { .. } => SCRIPT_TIMEOUT_DEFAULT,
            _ => CHECK_TIMEOUT_DEFAULT,
        };
        let count = |given: i64| u32::try_from(given.max(0)).unwrap_or(u32::MAX);
        let failures_before_critical = count(self.failures_before_critical);
        let failures_before_warning = match count(self.failures_before_warning) {
            0 => failures_before_critical,
            given => given,
        };
        Timing {
            interval: self.interval.duration().max(CHECK_INTERVAL_MIN),
            timeout: self.timeout.or(timeout_default),
            thresholds: Counts {
                success_before_passing: count(self.success_before_passing),
                failures_before_warning,
                failures_before_critical,
            },
        }
    }

    /// Longest output that is kept, bytes: a check may only say less than the agent.
    #[must_use]
    pub fn output_max(&self, agents: usize) -> usize {
        match usize::try_from(self.output_max_size) {
            Ok(own) if own > 0 => own.min(agents),
            _ => agents,
        }
    }

    /// Time in critical state after which the service goes, if it does at all.
    #[must_use]
    pub fn deregister_after(&self) -> Option<Duration> {
        let given: Nanos = self.deregister_critical_service_after;
        (given.0 > 0).then(|| given.duration().max(CRITICAL_TIMEOUT_MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str) -> CheckSpec {
        serde_json::from_str(json).expect("a test's own JSON")
    }

    #[test]
    fn impossible_checks_are_named() {
        let reason = |json: &str| check(json).probe().unwrap_err();
        assert_eq!(reason(r#"{"Name":"x"}"#), InvalidCheck::NoTtl);
        assert_eq!(reason(r#"{"Interval":"1s"}"#), InvalidCheck::NoTtl);
        assert_eq!(reason(r#"{"DockerContainerID":"x","Interval":"1s"}"#), InvalidCheck::NoTtl);
        assert_eq!(reason(r#"{"TTL":"1s","Interval":"1s"}"#), InvalidCheck::IntervalAndTtl);
        assert_eq!(reason(r#"{"HTTP":"http://x"}"#), InvalidCheck::NoInterval);
        assert_eq!(reason(r#"{"HTTP":"http://x","TTL":"1s"}"#), InvalidCheck::NoInterval);
        assert_eq!(reason(r#"{"AliasService":"x","TTL":"1s"}"#), InvalidCheck::AliasAndTtl);
        assert_eq!(reason(r#"{"AliasService":"x","TCP":"a:1","Interval":"1s"}"#), InvalidCheck::AliasAndInterval);
        assert_eq!(reason(r#"{"TTL":"1s","OutputMaxSize":-1}"#), InvalidCheck::NegativeOutputSize);
        assert_eq!(reason(r#"{"TTL":"1s","FailuresBeforeWarning":2}"#), InvalidCheck::WarningAfterCritical);
    }

    #[test]
    fn every_kind_is_recognised() {
        for (json, kind) in [
            (r#"{"TTL":"1s"}"#, "ttl"),
            (r#"{"AliasNode":"n"}"#, "alias"),
            (r#"{"AliasNode":"n","Interval":"1s"}"#, "alias"),
            (r#"{"HTTP":"http://x","TCP":"x:1","Interval":"1s"}"#, "http"),
            (r#"{"TCP":"x:1","Interval":"1s"}"#, "tcp"),
            (r#"{"UDP":"x:1","Interval":"1s"}"#, "udp"),
            (r#"{"GRPC":"x:1","HTTP":"http://x","Interval":"1s"}"#, "grpc"),
            (r#"{"H2PING":"x:1","Interval":"1s"}"#, "h2ping"),
            (r#"{"Args":["x"],"Interval":"1s"}"#, "script"),
            (r#"{"Args":["x"],"DockerContainerID":"c","Interval":"1s"}"#, "docker"),
            (r#"{"OSService":"x","Interval":"1s"}"#, "os_service"),
        ] {
            assert_eq!(check(json).kind(), kind, "{json}");
            assert!(check(json).probe().is_ok(), "{json}");
        }
    }

    #[test]
    fn redirects_are_followed_only_when_that_is_said() {
        let follows = |more: &str| {
            let json = format!(r#"{{"HTTP":"http://x","Interval":"1s"{more}}}"#);
            let Ok(Probe::Repeated(Action::Http(http), _)) = check(&json).probe() else { panic!("an HTTP check") };
            http.follow_redirects
        };
        assert!(!follows("") && !follows(r#","DisableRedirects":true"#) && !follows(r#","DisableRedirects":null"#));
        assert!(follows(r#","DisableRedirects":false"#));
    }

    #[test]
    fn short_intervals_and_deregistration_times_are_raised() {
        let spec = check(r#"{"TCP":"a:1","Interval":"10ms","DeregisterCriticalServiceAfter":"1s"}"#);
        let Ok(Probe::Repeated(_, timing)) = spec.probe() else { panic!("a TCP check") };
        assert_eq!(timing.interval, Duration::from_secs(1));
        assert_eq!(timing.timeout, Duration::from_secs(10));
        assert_eq!(spec.deregister_after(), Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_warning_comes_with_the_critical_state_unless_a_smaller_number_is_given() {
        let counts = |json: &str| {
            let Ok(Probe::Repeated(_, timing)) = check(json).probe() else { panic!("a TCP check") };
            (timing.thresholds.failures_before_warning, timing.thresholds.failures_before_critical)
        };
        assert_eq!(counts(r#"{"TCP":"a:1","Interval":"1s","FailuresBeforeCritical":3}"#), (3, 3));
        let both = r#"{"TCP":"a:1","Interval":"1s","FailuresBeforeCritical":3,"FailuresBeforeWarning":1}"#;
        assert_eq!(counts(both), (1, 3));
        assert_eq!(counts(r#"{"TCP":"a:1","Interval":"1s","FailuresBeforeCritical":-3}"#), (0, 0));
    }

    #[test]
    fn a_check_may_shorten_its_output_but_not_lengthen_it() {
        let max = |json: &str| check(json).output_max(4096);
        assert_eq!(max(r#"{"TTL":"1s"}"#), 4096);
        assert_eq!(max(r#"{"TTL":"1s","OutputMaxSize":10}"#), 10);
        assert_eq!(max(r#"{"TTL":"1s","OutputMaxSize":1000000000000}"#), 4096);
    }
}
