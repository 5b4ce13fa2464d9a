//! `consul exec`: runs a command on other agents, in Consul's protocol: the command as a key that a session holds, an
//! event that tells the agents of it, and keys with what they say.

mod results;

use std::io::Read as _;
use std::time::Duration;

use client::{Client, Condition, EventToFire, PutOptions, QueryOptions, SessionRequest};
use model::{Key, NodeName, SessionBehavior, SessionId, parse_duration};
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::connect::with_agent;
use super::flags::{Flag, Parsed, Takes};
use super::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::pattern;
use crate::remote_exec::EVENT_NAME;

/// How long the session lives without renewal.
const SESSION_TTL: &str = "15s";
/// Time between renewals.
const RENEW_INTERVAL: Duration = Duration::from_secs(7);
/// Quiet time that ends the command.
const WAIT_DEFAULT: Duration = Duration::from_secs(2);
/// Time for the command to reach all servers.
const REPLICATION_WAIT_DEFAULT: Duration = Duration::from_millis(200);
/// Where the keys are.
const PREFIX_DEFAULT: &str = "_rexec";

/// The row.
pub const COMMAND: Command = Command {
    name: "exec",
    synopsis: "Executes a command on Consul nodes",
    usage: "[options] [-|command...]",
    about: "Runs a command on agents, on those whose node, services and tags match the regular expressions, and shows\n\
            what it says. With - instead of a command, a script is read from the standard input. Agents take part only\n\
            with disable_remote_exec = false. Exits with 2 when the command failed on any of them.",
    flags: &[
        Flag::new("node", Takes::Text("string"), "Regular expression for names of nodes."),
        Flag::new("prefix", Takes::Text("string"), "Prefix of the keys that are used; _rexec by default."),
        Flag::new("service", Takes::Text("string"), "Regular expression for names of services on a node."),
        Flag::new("shell", Takes::Bool, "Run the command in a shell; true by default."),
        Flag::new("tag", Takes::Text("string"), "Regular expression for tags of those services; needs -service."),
        Flag::new("verbose", Takes::Bool, "Tell more of what happens."),
        Flag::new("wait", Takes::Text("duration"), "Quiet time after which nothing more is waited for; 2s by default."),
        Flag::new(
            "wait-repl",
            Takes::Text("duration"),
            "Time for the command to reach all servers before agents are told of it; 200ms by default.",
        ),
    ],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

/// The words of the command line, understood.
pub(super) struct Job {
    /// What the agents get, as JSON.
    spec: Value,
    event: EventToFire,
    prefix: String,
    wait: Duration,
    replication_wait: Duration,
    datacenter: String,
    is_verbose: bool,
}

impl Job {
    fn read(parsed: &Parsed) -> Result<Self, Failure> {
        let text = |name: &str| parsed.value(name).unwrap_or_default().to_owned();
        let time = |name: &str, default: Duration| match parsed.value(name) {
            None => Ok(default),
            Some(value) => parse_duration(value)
                .map_err(|_| Failure::misuse(format!("invalid value {value:?} for flag -{name}: parse error"))),
        };
        let (wait, replication_wait) = (time("wait", WAIT_DEFAULT)?, time("wait-repl", REPLICATION_WAIT_DEFAULT)?);
        let spec = spec(parsed, wait)?;
        let event = EventToFire {
            name: EVENT_NAME.to_owned(),
            payload: Vec::new(),
            node: text("node"),
            service: text("service"),
            tag: text("tag"),
        };
        if !event.tag.is_empty() && event.service.is_empty() {
            return Err(Failure::new("Cannot provide tag filter without service filter."));
        }
        for (which, filter) in [("node", &event.node), ("service", &event.service), ("tag", &event.tag)] {
            pattern::compile(filter)
                .map_err(|cause| Failure::new(format!("Failed to compile {which} filter regexp: {cause}")))?;
        }
        Ok(Self {
            spec,
            event,
            prefix: parsed.value("prefix").unwrap_or(PREFIX_DEFAULT).trim_matches('/').to_owned(),
            wait,
            replication_wait,
            datacenter: text("datacenter"),
            is_verbose: parsed.is_set("verbose"),
        })
    }

    /// Where everything of a session is.
    fn folder(&self, session: &SessionId) -> String {
        if self.prefix.is_empty() { format!("{session}/") } else { format!("{}/{session}/", self.prefix) }
    }

    fn tell(&self, text: &str) {
        if self.is_verbose {
            println!("{text}");
        }
    }
}

/// Command, arguments without a shell, or script. The wait tells agents how often to say that they still work.
fn spec(parsed: &Parsed, wait: Duration) -> Result<Value, Failure> {
    let mut spec = Map::new();
    match parsed.args.as_slice() {
        [] => return Err(Failure::misuse("Must specify a command to execute")),
        [word] if word == "-" => {
            let mut script = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut script);
            read.map_err(|error| Failure::new(format!("Failed to read stdin: {error}")))?;
            let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, script);
            spec.insert("Script".to_owned(), json!(text));
        }
        words if parsed.value("shell").is_some() && !parsed.is_set("shell") => {
            spec.insert("Args".to_owned(), json!(words));
        }
        words => {
            spec.insert("Command".to_owned(), json!(words.join(" ")));
        }
    }
    spec.insert("Wait".to_owned(), json!(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)));
    Ok(Value::Object(spec))
}

fn run(parsed: &Parsed) -> Outcome {
    let job = Job::read(parsed)?;
    with_agent(parsed, async |client| execute(&job, &client).await)
}

async fn execute(job: &Job, client: &Client) -> Outcome {
    let facts = client.agent_self().await;
    let facts = facts.map_err(|error| Failure::new(format!("Error querying Consul agent: {error}")))?;
    let own = facts["Config"]["Datacenter"].as_str().unwrap_or_default();
    let session =
        begin(job, client, own).await.map_err(|cause| Failure::new(format!("Failed to create session: {cause}")))?;
    job.tell(&format!("Created remote execution session: {session}"));
    let mut interrupted = signal(SignalKind::interrupt()).map_err(|error| Failure::new(error.to_string()))?;
    let mut terminated = signal(SignalKind::terminate()).map_err(|error| Failure::new(error.to_string()))?;
    let outcome = tokio::select! {
        outcome = with_session(job, client, &session) => outcome,
        () = keep_alive(client, &session, &job.datacenter) => Err(Failure::new("Lost the session of the execution")),
        _ = interrupted.recv() => Err(Failure::new("Interrupted")),
        _ = terminated.recv() => Err(Failure::new("Interrupted")),
    };
    // What cannot be removed now is removed with the session when nobody renews it.
    let _ = client.session_destroy(&session, &job.datacenter).await;
    let _ = client.kv_delete_tree(&Key::from(job.folder(&session).trim_end_matches('/')), &job.datacenter).await;
    outcome
}

/// Renews the session for as long as it can be renewed.
async fn keep_alive(client: &Client, session: &SessionId, datacenter: &str) {
    loop {
        sleep(RENEW_INTERVAL).await;
        if matches!(client.session_renew(session, datacenter).await, Ok(None)) {
            return;
        }
    }
}

/// A session on the agent's own node, or in another datacenter on that of a server.
async fn begin(job: &Job, client: &Client, own: &str) -> Result<SessionId, String> {
    let mut request = SessionRequest {
        name: "Remote Exec".to_owned(),
        ttl: SESSION_TTL.to_owned(),
        behavior: SessionBehavior::Delete,
        ..SessionRequest::default()
    };
    if !job.datacenter.is_empty() && job.datacenter != own {
        let options = QueryOptions { datacenter: job.datacenter.clone(), ..QueryOptions::default() };
        let found = client.health_service("consul", None, true, &options).await;
        let found = found.map_err(|error| format!("Failed to find Consul server in remote datacenter: {error}"))?;
        let Some(server) = found.rows.first() else {
            return Err("Failed to find Consul server in remote datacenter".to_owned());
        };
        request.node = NodeName::new(server.node.node.as_str());
        request.name = format!("Remote Exec via {own}");
    }
    client.session_create(&request, &job.datacenter).await.map_err(|error| error.to_string())
}

async fn with_session(job: &Job, client: &Client, session: &SessionId) -> Outcome {
    let key = Key::from(format!("{}job", job.folder(session)).as_str());
    let options = PutOptions {
        condition: Condition::Acquire(session.clone()),
        datacenter: job.datacenter.clone(),
        ..PutOptions::default()
    };
    let put = client.kv_put(&key, job.spec.to_string(), &options).await;
    match put {
        Ok(true) => {}
        Ok(false) => return Err(Failure::new("Failed to create job file: the key is locked")),
        Err(error) => return Err(Failure::new(format!("Failed to create job file: {error}"))),
    }
    job.tell("Uploaded remote execution spec");
    sleep(job.replication_wait).await;
    let payload = json!({"Prefix": job.prefix, "Session": session}).to_string().into_bytes();
    let event = EventToFire { payload, ..job.event.clone() };
    let fired = client.fire_event(&event, &job.datacenter).await;
    let id = fired.map_err(|error| Failure::new(format!("Failed to fire event: {error}")))?;
    job.tell(&format!("Fired remote execution event: {id}"));
    let code = results::follow(job, client, &job.folder(session)).await?;
    Ok(Report { code, ..Report::default() })
}
