//! The leader's side of the mesh's certificate authority: signs for services and agents, no more often than allowed.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use server::mesh::authority::{CaError, CaSettings, DISABLED, Signing, SigningRequest};
use server::request::{ErrorKind, MeshWrite, RequestError, Response, Write};
use tokio::time::Instant;

use super::local::LocalServer;

/// How long a signature waits for its turn.
const TURN_WAIT_MAX: Duration = Duration::from_millis(500);

/// What this server knows of the authority beside the state.
#[derive(Default)]
pub(super) struct Authority {
    enabled: bool,
    /// When the next signature may be made.
    next_turn: Mutex<Option<Instant>>,
}

impl Authority {
    pub(super) fn new(enabled: bool) -> Self {
        Self { enabled, ..Self::default() }
    }

    fn require(&self) -> Result<(), RequestError> {
        if self.enabled { Ok(()) } else { Err(RequestError::new(ErrorKind::Failed, DISABLED)) }
    }

    /// Refuses changes of an authority that is not kept.
    pub(super) fn check_write(&self, write: &Write) -> Result<(), RequestError> {
        if let Write::Mesh(MeshWrite::SetCa(_)) = write { self.require() } else { Ok(()) }
    }

    /// When the next signature may be made; `None` when that is too far away. A second's signatures may go at once.
    fn turn(&self, settings: &CaSettings, now: Instant) -> Option<Instant> {
        // Signing takes a fraction of a millisecond and is done one at a time, which is within any limit on that.
        if settings.requests_at_once > 0 || settings.requests_per_second <= 0.0 {
            return Some(now);
        }
        let gap = Duration::try_from_secs_f64(settings.requests_per_second.recip()).ok()?;
        let mut next = self.next_turn.lock().unwrap_or_else(PoisonError::into_inner);
        let saved = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
        let turn = next.unwrap_or(saved).max(saved);
        if turn > now + TURN_WAIT_MAX {
            return None;
        }
        *next = Some(turn + gap);
        Some(turn)
    }
}

impl LocalServer {
    /// Signs a certificate. The caller has been found to be allowed to.
    pub(super) async fn sign(&self, request: &str) -> Result<Response, RequestError> {
        self.authority.require()?;
        let settings = self.raft.reader().load().mesh_ca().map(|ca| CaSettings::read(&ca.config).unwrap_or_default());
        let settings = settings.ok_or(CaError::NoRoot)?;
        match self.authority.turn(&settings, Instant::now()) {
            Some(turn) => tokio::time::sleep_until(turn).await,
            None => return Err(RequestError::new(ErrorKind::Busy, "rate limit reached, try again later")),
        }
        let view = self.raft.reader().view();
        let ca = view.mesh_ca().ok_or(CaError::NoRoot)?;
        let signing = Signing {
            datacenter: &self.datacenter,
            serial: rand::random(),
            index: view.index(),
            now: SystemTime::now(),
        };
        let issued = SigningRequest::read(request)?.sign(ca, &signing)?;
        let wrong = |error| RequestError::new(ErrorKind::Failed, format!("the answer cannot be encoded: {error}"));
        Ok(Response::Json(model::to_json(&issued).map_err(wrong)?.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_take_turns() {
        let authority = Authority::new(true);
        let settings = CaSettings { requests_per_second: 2.0, ..CaSettings::default() };
        let now = Instant::now() + Duration::from_secs(10);
        let turns: Vec<_> = (0..5).map(|_| authority.turn(&settings, now)).collect();
        let later = |millis| Some(now + Duration::from_millis(millis));
        assert!(turns[..2].iter().all(|turn| turn.is_some_and(|turn| turn < now)), "a second's worth at once");
        assert_eq!(turns[2..], [later(0), later(500), None]);
        let unlimited = CaSettings { requests_per_second: 0.0, ..CaSettings::default() };
        assert_eq!(authority.turn(&unlimited, now), Some(now));
        assert_eq!(authority.turn(&settings, now + Duration::from_secs(60)), later(59_000));
    }

    #[test]
    fn an_authority_that_is_off_refuses() {
        let write = Write::Mesh(MeshWrite::SetCa(server::request::CaChange::default()));
        assert_eq!(Authority::new(false).check_write(&write).unwrap_err().message, DISABLED);
        assert!(Authority::new(true).check_write(&write).is_ok());
    }
}
