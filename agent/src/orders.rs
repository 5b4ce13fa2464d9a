//! What a running agent is told to do, by its HTTP API and by signals.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

/// Orders that may wait at once; a caller beyond that waits.
const QUEUE: usize = 16;

/// One order.
#[derive(Debug)]
pub enum Order {
    /// Leave the cluster, answer, then end with exit code 0.
    Leave(oneshot::Sender<()>),
    /// Read the configuration again and use what can change at run time; the answer is what is wrong with it.
    Reload(oneshot::Sender<Result<(), String>>),
}

/// Gives orders to the agent. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Orders(mpsc::Sender<Order>);

impl Orders {
    /// The two ends.
    #[must_use]
    pub fn channel() -> (Self, mpsc::Receiver<Order>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Leaves, and waits until it is done.
    pub async fn leave(&self) {
        let (done, left) = oneshot::channel();
        if self.0.send(Order::Leave(done)).await.is_ok() {
            // An agent that ends before it answers has left as well.
            let _ = left.await;
        }
    }

    /// Reloads.
    ///
    /// # Errors
    /// What is wrong with the configuration; then the old one stays in force.
    pub async fn reload(&self) -> Result<(), String> {
        let (done, reloaded) = oneshot::channel();
        let stopping = || "the agent is stopping".to_owned();
        self.0.send(Order::Reload(done)).await.map_err(|_| stopping())?;
        reloaded.await.map_err(|_| stopping())?
    }
}

/// Signals that an agent obeys.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signalled {
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
    /// SIGHUP.
    Hangup,
}

impl Signals {
    /// Starts to listen, so that no later signal ends the process unasked.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal.
    pub async fn next(&mut self) -> Signalled {
        tokio::select! {
            _ = self.terminate.recv() => Signalled::Terminate,
            _ = self.interrupt.recv() => Signalled::Interrupt,
            _ = self.hangup.recv() => Signalled::Hangup,
        }
    }
}
