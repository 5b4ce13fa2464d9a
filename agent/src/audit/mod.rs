//! The audit log: who asked this agent for what, and what came of it. JSON lines, each with the fingerprint of the one
//! before it, so that nobody can change or take one out unnoticed.
//!
//! Requests never wait for the disk: events go to a writer through a bounded queue. What does not fit, or cannot be
//! written, is counted, and the count becomes an event itself once there is room again.

mod event;
mod sink;
pub mod verify;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use config::AuditSink;

pub use event::{Asked, Stage};

use crate::telemetry::Counter;
use sink::Sink;

/// Events that wait for the disk.
const WAITING_MAX: usize = 4096;
/// Longest that the end of the agent waits for the last events.
const FLUSH_WAIT: Duration = Duration::from_secs(3);

static LOST: Counter = Counter::new("audit.lost");

/// Where events go.
pub struct Audit {
    queue: Option<SyncSender<String>>,
    lost: Arc<AtomicU64>,
    written: Mutex<Receiver<()>>,
}

impl Audit {
    /// Opens the log and goes on where it ended.
    ///
    /// # Errors
    /// When the file cannot be opened, or its end was not written by us.
    pub fn open(settings: &AuditSink) -> io::Result<Self> {
        let sink = Sink::open(settings)?;
        let lost = Arc::new(AtomicU64::new(0));
        let (queue, events) = sync_channel(WAITING_MAX);
        let (done, written) = sync_channel(1);
        let counter = Arc::clone(&lost);
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || {
            write_all(sink, &events, &counter);
            // Nobody may wait for it.
            let _ = done.send(());
        })?;
        Ok(Self { queue: Some(queue), lost, written: Mutex::new(written) })
    }

    /// Notes an event. It never waits.
    pub fn note(&self, asked: &Asked<'_>, stage: &Stage) {
        let event = event::text(asked, stage);
        let sent = self.queue.as_ref().is_some_and(|queue| queue.try_send(event).is_ok());
        if !sent {
            LOST.count();
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        self.queue = None;
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.recv_timeout(FLUSH_WAIT).is_err() {
            tracing::warn!(target: "agent::audit", "the last events of the audit log may not be written");
        }
    }
}

fn write_all(mut sink: Sink, events: &Receiver<String>, lost: &AtomicU64) {
    let mut is_failing = false;
    while let Ok(event) = events.recv() {
        let before = lost.swap(0, Ordering::Relaxed);
        let mut written = Ok(());
        if before > 0 {
            written = sink.append(&event::lost(before));
        }
        let mut missing = if written.is_err() { before } else { 0 };
        written = written.and_then(|()| sink.append(&event));
        if let Err(error) = written {
            missing += 1;
            LOST.count();
            lost.fetch_add(missing, Ordering::Relaxed);
            if !is_failing {
                tracing::error!(target: "agent::audit", %error, "cannot write the audit log; events are lost");
            }
            is_failing = true;
        } else if is_failing {
            is_failing = false;
            tracing::info!(target: "agent::audit", "the audit log can be written again");
        }
    }
    let before = lost.swap(0, Ordering::Relaxed);
    if before > 0
        && let Err(error) = sink.append(&event::lost(before))
    {
        tracing::error!(target: "agent::audit", %error, before, "events of the audit log are lost");
    }
}
