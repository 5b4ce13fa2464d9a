//! Why a registration or an update was refused: the text that clients see, and the status that goes with it.

use model::{CheckId, ServiceId};

use super::probe::InvalidCheck;
use super::store::StoreError;

/// A refused registration, update or removal. Nothing was changed. `Display` is Consul's wording.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// A service needs a name.
    #[error("Missing service name")]
    MissingServiceName,
    /// `0.0.0.0` or `::` cannot be reached.
    #[error("Invalid service address")]
    UnusableServiceAddress,
    /// The text says which rule on weights is broken.
    #[error("Invalid Weights: {0}")]
    InvalidWeights(&'static str),
    /// The text says which rule on metadata is broken.
    #[error("Invalid Service Meta: {0}")]
    InvalidMeta(String),
    /// A proxy or gateway lacks what it needs; one line each.
    #[error("{}", multi_error(.0))]
    InvalidProxy(Vec<String>),
    /// A sidecar gives no port and none may be chosen.
    #[error(
        "Bad request: Invalid SidecarService: no port provided for sidecar_service and auto-assignment disabled in config"
    )]
    NoSidecarPorts,
    /// A sidecar gives no port and none is free.
    #[error(
        "Bad request: Invalid SidecarService: no port provided for sidecar_service and none left in the configured range \
         [{}, {}]",
        .0.start(), .0.end()
    )]
    SidecarPortsUsed(std::ops::RangeInclusive<u16>),
    /// The check cannot be run.
    #[error("Invalid check: {0}")]
    InvalidCheck(#[from] InvalidCheck),
    /// The first status of a service's check is none of the three.
    #[error("Status for checks must 'passing', 'warning', 'critical'")]
    InvalidServiceCheckStatus,
    /// The first status of a check is none of the three.
    #[error("Bad check status")]
    InvalidCheckStatus,
    /// A check needs a name.
    #[error("Missing check name")]
    MissingCheckName,
    /// A TTL check was set to a state that does not exist.
    #[error("Invalid check status: '{0}'")]
    InvalidUpdateStatus(String),
    /// The check's service is not registered here.
    #[error("ServiceID {:?} does not exist", .0.as_str())]
    UnknownServiceOfCheck(ServiceId),
    /// Scripts over HTTP are off.
    #[error(
        "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true"
    )]
    RemoteScriptsDisabled,
    /// Scripts are off.
    #[error(
        "Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or \
         'enable_local_script_checks' to true"
    )]
    ScriptsDisabled,
    /// No service is named.
    #[error("ServiceID missing")]
    MissingServiceId,
    /// No check is named.
    #[error("CheckID missing")]
    MissingCheckId,
    /// Only TTL checks are updated by API.
    #[error("CheckID {:?} does not have associated TTL", .0.as_str())]
    NotTtl(CheckId),
    /// No such service here.
    #[error("No service registered with ID {:?}", .0.as_str())]
    UnknownService(ServiceId),
    /// The agent is full.
    #[error("this agent has {0} already, which is the most it takes; deregister some first")]
    Full(&'static str),
    /// The registration could not be kept on disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LocalError {
    /// The HTTP status: most mistakes are 400, but some are 500 in Consul and clients may match on it.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::MissingServiceName
            | Self::UnusableServiceAddress
            | Self::InvalidWeights(_)
            | Self::InvalidMeta(_)
            | Self::InvalidProxy(_)
            | Self::InvalidCheck(_)
            | Self::InvalidServiceCheckStatus
            | Self::InvalidCheckStatus
            | Self::MissingCheckName
            | Self::InvalidUpdateStatus(_) => 400,
            Self::UnknownService(_) => 404,
            Self::UnknownServiceOfCheck(_)
            | Self::RemoteScriptsDisabled
            | Self::ScriptsDisabled
            | Self::MissingServiceId
            | Self::MissingCheckId
            | Self::NotTtl(_)
            | Self::NoSidecarPorts
            | Self::SidecarPortsUsed(_)
            | Self::Full(_)
            | Self::Store(_) => 500,
        }
    }
}

/// Several errors as one text, in the form that Go programs give it.
#[must_use]
pub fn multi_error<T: AsRef<str>>(errors: &[T]) -> String {
    let noun = if errors.len() == 1 { "error" } else { "errors" };
    let mut text = format!("{} {noun} occurred:\n", errors.len());
    for error in errors {
        text.push_str("\t* ");
        text.push_str(error.as_ref());
        text.push('\n');
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_errors_read_as_go_writes_them() {
        assert_eq!(multi_error(&["a"]), "1 error occurred:\n\t* a\n\n");
        assert_eq!(multi_error(&["a", "b"]), "2 errors occurred:\n\t* a\n\t* b\n\n");
    }

    #[test]
    fn texts_are_consuls() {
        assert_eq!(LocalError::NotTtl("none".into()).to_string(), r#"CheckID "none" does not have associated TTL"#);
        assert_eq!(
            LocalError::InvalidCheck(InvalidCheck::NoTtl).to_string(),
            "Invalid check: TTL must be > 0 for TTL checks"
        );
    }
}
