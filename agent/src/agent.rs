//! The running agent: starts everything, obeys orders and signals, and stops in good order. `start` builds the parts.

use std::sync::Arc;
use std::time::Duration;

use config::{Config, Loaded, Settings};
use tokio::sync::mpsc;

use crate::orders::{Order, Orders, Signalled, Signals};
use crate::start::Parts;
use crate::{figures, log, start};

/// Longest that the members are given to hear that we leave.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the configuration again, from where it was read at the start.
pub type ReadAgain = Arc<dyn Fn() -> Result<Loaded, String> + Send + Sync>;

/// How the agent ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Out of the cluster.
    Leave,
    /// Still a member, which will be found failed until it comes back.
    Stop,
}

/// Runs an agent until it is told to stop.
///
/// # Errors
/// When a part cannot start or ends by itself; the text names the cause and the fix.
pub async fn run(loaded: Loaded, read_again: ReadAgain) -> anyhow::Result<()> {
    let signals = Signals::listen()?;
    let (orders, queue) = Orders::channel();
    let (shown, mut settings) = (loaded.shown(), loaded.settings);
    let config = Arc::new(loaded.config);
    let mut parts = start::start(config.clone(), shown, orders).await?;
    tracing::info!(target: "agent::agent", "Consul agent running!");
    let result = obey(&mut parts, (&config, &mut settings), &read_again, signals, queue).await;
    let ending = match &result {
        Ok((ending, _)) => *ending,
        Err(_) => Ending::Stop,
    };
    end(&parts, &config, ending).await;
    result.map(|(_, answer)| {
        if let Some(answer) = answer {
            // The one who asked may have hung up.
            let _ = answer.send(());
        }
    })?;
    parts.stop().await;
    Ok(())
}

type Answer = Option<tokio::sync::oneshot::Sender<()>>;

/// Waits for what ends the agent, and reloads in between.
async fn obey(
    parts: &mut Parts,
    (config, settings): (&Config, &mut Settings),
    read_again: &ReadAgain,
    mut signals: Signals,
    mut queue: mpsc::Receiver<Order>,
) -> anyhow::Result<(Ending, Answer)> {
    loop {
        tokio::select! {
            order = queue.recv() => match order {
                Some(Order::Leave(answer)) => return Ok((Ending::Leave, Some(answer))),
                Some(Order::Reload(answer)) => {
                    // The one who asked may have hung up.
                    let _ = answer.send(reload(parts, settings, read_again).await);
                }
                None => return Ok((Ending::Stop, None)),
            },
            signal = signals.next() => {
                tracing::info!(target: "agent::agent", ?signal, "Caught");
                let leaves = match signal {
                    Signalled::Hangup => {
                        if let Err(error) = reload(parts, settings, read_again).await {
                            tracing::error!(target: "agent::agent", %error, "Failed to reload; the old configuration stays");
                        }
                        continue;
                    }
                    Signalled::Terminate => config.leave_on_terminate,
                    Signalled::Interrupt => !config.skip_leave_on_interrupt,
                };
                return Ok((if leaves { Ending::Leave } else { Ending::Stop }, None));
            }
            failure = parts.failure() => return Err(failure),
        }
    }
}

/// What happens between the decision to end and the end of the tasks.
async fn end(parts: &Parts, config: &Config, ending: Ending) {
    match ending {
        Ending::Leave => {
            tracing::info!(target: "agent::agent", "Gracefully shutting down agent...");
            if let Some(server) = &parts.server {
                server.leave_raft().await;
            }
            if let Some(wan) = &parts.wan {
                wan.leave(LEAVE_TIMEOUT).await;
            }
            parts.lan.leave(LEAVE_TIMEOUT).await;
            if parts.server.is_some() && parts.lan.members().len() > 1 {
                // Requests that others still send here are forwarded meanwhile.
                tokio::time::sleep(config.performance.leave_drain_time).await;
            }
        }
        Ending::Stop => {
            tracing::info!(target: "agent::agent", "Graceful leave disabled. Exiting");
            if let Some(server) = &parts.server {
                server.hand_over().await;
            }
        }
    }
}

/// Reads the configuration again and uses what can change at run time; the log names what needs a restart.
async fn reload(parts: &Parts, settings: &mut Settings, read_again: &ReadAgain) -> Result<(), String> {
    let Loaded { config, warnings, settings: new } = read_again()?;
    for warning in warnings {
        tracing::warn!(target: "agent::agent", "{warning}");
    }
    log::set_level(config.log_level.as_str()).map_err(|error| error.to_string())?;
    parts.rates.configure(&config.limits);
    parts.http_seats.set_max(config.limits.http_max_conns_per_client as usize);
    parts.tls.reload(&config.tls).map_err(|error| error.to_string())?;
    parts.dns.store(Arc::new(parts.dns.load().reconfigured(&config)));
    parts.tokens.configure(config.acl.tokens.clone());
    figures::refilter(&config);
    parts.local.reconfigure(&config.node_meta, config.discard_check_output);
    let (services, checks) = start::definitions(&config).map_err(|error| error.to_string())?;
    parts.local.reload(&services, &checks).await.map_err(|error| error.to_string())?;
    parts.watches.replace(&config).map_err(|error| error.to_string())?;
    for setting in settings.changed(&new) {
        match setting.reloadable {
            true => tracing::info!(target: "agent::agent", key = setting.key, "Setting changed"),
            false => tracing::warn!(
                target: "agent::agent",
                key = setting.key,
                "Setting changed in the configuration, but not in this agent: it needs a restart"
            ),
        }
    }
    *settings = new;
    tracing::info!(target: "agent::agent", "Configuration reloaded");
    Ok(())
}
