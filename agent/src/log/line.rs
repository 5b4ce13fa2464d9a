//! One event as text: the lines of Consul's agent, or its JSON.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// One event, taken apart.
pub(super) struct Line {
    time: SystemTime,
    level: Level,
    target: String,
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Line {
    pub(super) fn of(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let mut line = Self {
            time: SystemTime::now(),
            level: *metadata.level(),
            target: part(metadata.target()),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut line);
        line
    }

    /// `    TIME [LEVEL] part: message: key=value` with a line feed.
    pub(super) fn text(&self) -> String {
        let level = match self.level {
            Level::TRACE => "[TRACE]",
            Level::DEBUG => "[DEBUG]",
            Level::INFO => "[INFO] ",
            Level::WARN => "[WARN] ",
            Level::ERROR => "[ERROR]",
        };
        let time = humantime::format_rfc3339_millis(self.time);
        format!("    {time} {level} {}: {}\n", self.target, self.words())
    }

    /// Message and fields alone.
    pub(super) fn words(&self) -> String {
        let mut text = self.message.clone();
        for (place, (key, value)) in self.fields.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}{key}={value}", if place == 0 { ": " } else { " " });
        }
        text
    }

    /// A JSON object with Consul's keys and a line feed.
    pub(super) fn json(&self) -> String {
        let level = match self.level {
            Level::TRACE => "trace",
            Level::DEBUG => "debug",
            Level::INFO => "info",
            Level::WARN => "warn",
            Level::ERROR => "error",
        };
        let time = humantime::format_rfc3339_micros(self.time).to_string();
        let own = [("@level", level), ("@message", &self.message), ("@module", &self.target), ("@timestamp", &time)];
        let mut object: Map<String, Value> =
            own.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect();
        for (key, value) in &self.fields {
            object.insert((*key).to_owned(), Value::from(value.trim_matches('"')));
        }
        format!("{}\n", Value::Object(object))
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }
}

/// Collects the message and the fields of one event.
impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.fields.push((field.name(), format!("{value:?}")));
        }
    }
}

/// The module path as Consul names its parts: `agent::dns` is `agent.dns`, the agent itself is `agent`.
fn part(path: &str) -> String {
    match path.trim_start_matches("agent::").replace("::", ".") {
        part if part == "agent" => part,
        part => format!("agent.{part}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_named_as_consul_names_parts() {
        assert_eq!(
            (part("agent::dns::udp"), part("agent::agent"), part("openraft")),
            ("agent.dns.udp".to_owned(), "agent".to_owned(), "agent.openraft".to_owned())
        );
    }

    #[test]
    fn both_forms_carry_the_same() {
        let line = Line {
            time: SystemTime::UNIX_EPOCH,
            level: Level::INFO,
            target: "agent.http".to_owned(),
            message: "listening \"now\"".to_owned(),
            fields: vec![("address", "127.0.0.1:80".to_owned()), ("tls", "false".to_owned())],
        };
        let text =
            "    1970-01-01T00:00:00.000Z [INFO]  agent.http: listening \"now\": address=127.0.0.1:80 tls=false\n";
        assert_eq!(line.text(), text);
        let json: Value = serde_json::from_str(&line.json()).unwrap();
        assert_eq!((&json["@level"], &json["@module"]), (&Value::from("info"), &Value::from("agent.http")));
        assert_eq!((&json["@message"], &json["tls"]), (&Value::from("listening \"now\""), &Value::from("false")));
    }
}
