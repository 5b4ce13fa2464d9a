//! The system's log: RFC 3164 messages to the local socket.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use tracing::Level;

/// Where the system's log listens.
const SOCKETS: [&str; 3] = ["/dev/log", "/run/systemd/journal/dev-log", "/var/run/syslog"];
/// The names of RFC 3164's facilities, at the place of their numbers.
const FACILITIES: [&str; 24] = [
    "KERN", "USER", "MAIL", "DAEMON", "AUTH", "SYSLOG", "LPR", "NEWS", "UUCP", "CRON", "AUTHPRIV", "FTP", "NTP",
    "AUDIT", "ALERT", "CLOCK", "LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5", "LOCAL6", "LOCAL7",
];

/// An open way to the system's log.
#[derive(Debug)]
pub struct Syslog {
    socket: UnixDatagram,
    facility: usize,
}

/// Why there is no way to it.
#[derive(Debug, thiserror::Error)]
pub enum SyslogError {
    /// The setting names none of the facilities.
    #[error("unknown syslog_facility {0:?}; use one of LOCAL0 to LOCAL7, DAEMON or USER")]
    Facility(String),
    /// Nothing listens.
    #[error("enable_syslog is set and no syslog socket answers ({0}); start a syslog daemon or remove enable_syslog")]
    NoDaemon(io::Error),
}

impl Syslog {
    /// Connects to the local daemon.
    ///
    /// # Errors
    /// When the facility is unknown or no daemon listens.
    pub fn connect(facility: &str) -> Result<Self, SyslogError> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for path in SOCKETS {
            match Self::connect_to(Path::new(path), facility) {
                Err(SyslogError::NoDaemon(error)) => last = error,
                other => return other,
            }
        }
        Err(SyslogError::NoDaemon(last))
    }

    fn connect_to(path: &Path, facility: &str) -> Result<Self, SyslogError> {
        let wanted = facility.to_ascii_uppercase();
        let found = FACILITIES.iter().position(|name| *name == wanted);
        let facility = found.ok_or_else(|| SyslogError::Facility(facility.to_owned()))?;
        let socket = UnixDatagram::unbound().map_err(SyslogError::NoDaemon)?;
        socket.connect(path).map_err(SyslogError::NoDaemon)?;
        socket.set_nonblocking(true).map_err(SyslogError::NoDaemon)?;
        Ok(Self { socket, facility })
    }

    /// Sends one message; a daemon that is full or gone loses it.
    pub(super) fn send(&self, level: Level, words: &str) {
        let severity = match level {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        let priority = self.facility * 8 + severity;
        let _ = self.socket.send(format!("<{priority}>consul[{}]: {words}", std::process::id()).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_priority_name_and_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let log = Syslog::connect_to(&path, "local0").unwrap();
        log.send(Level::WARN, "hello: a=1");
        let mut bytes = [0; 200];
        let length = daemon.recv(&mut bytes).unwrap();
        let wanted = format!("<132>consul[{}]: hello: a=1", std::process::id());
        assert_eq!(std::str::from_utf8(&bytes[..length]).unwrap(), wanted);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let nowhere = Path::new("/nonexistent/log");
        assert!(matches!(Syslog::connect_to(nowhere, "LOCAL9"), Err(SyslogError::Facility(_))));
        assert!(matches!(Syslog::connect_to(nowhere, "LOCAL0"), Err(SyslogError::NoDaemon(_))));
    }
}
