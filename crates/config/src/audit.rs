//! The settings of the audit log, which are those of Consul Enterprise.

use std::path::PathBuf;
use std::time::Duration;

use model::parse_duration;
use serde_json::{Map, Value};

use crate::read::Reader;

/// Age at which a file is set aside, unless it is set.
const ROTATE_DURATION: Duration = Duration::from_hours(24);

/// A file that requests are written down in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSink {
    /// The file.
    pub path: PathBuf,
    /// Size in bytes at which it is set aside; 0 for no limit.
    pub rotate_bytes: u64,
    /// Age at which it is set aside; zero for no limit.
    pub rotate_duration: Duration,
    /// How many files set aside are kept; 0 keeps all.
    pub rotate_max_files: usize,
}

/// An object, also where a block of HCL has made a list of one of it.
fn object(value: &Value) -> Option<&Map<String, Value>> {
    match value {
        Value::Object(fields) => Some(fields),
        Value::Array(items) if items.len() == 1 => object(&items[0]),
        _ => None,
    }
}

/// The sink, if requests are to be written down.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<AuditSink> {
    if !reader.flag("audit.enabled") {
        return None;
    }
    match sink(&reader.any("audit.sink")) {
        Ok(sink) => Some(sink),
        Err(why) => {
            reader.refuse("audit.sink", &format!("audit.sink: {why}"));
            None
        }
    }
}

fn sink(value: &Value) -> Result<AuditSink, String> {
    let sinks = object(value).filter(|sinks| sinks.len() == 1);
    let (name, fields) = sinks.and_then(|sinks| sinks.iter().next()).ok_or("there must be exactly one sink")?;
    let fields = object(fields).ok_or_else(|| format!("{name:?} must be a block"))?;
    let mut sink =
        AuditSink { path: PathBuf::new(), rotate_bytes: 0, rotate_duration: ROTATE_DURATION, rotate_max_files: 0 };
    for (key, value) in fields {
        let wrong = || format!("{name:?}: {key} cannot be {value}");
        match key.as_str() {
            "name" | "mode" => {}
            "type" if value == "file" => {}
            "format" if value == "json" => {}
            "delivery_guarantee" if value == "best-effort" => {}
            "type" | "format" | "delivery_guarantee" => return Err(wrong()),
            "path" => sink.path = value.as_str().map(PathBuf::from).ok_or_else(wrong)?,
            "rotate_bytes" => sink.rotate_bytes = value.as_u64().ok_or_else(wrong)?,
            "rotate_max_files" => {
                sink.rotate_max_files =
                    value.as_u64().and_then(|count| usize::try_from(count).ok()).ok_or_else(wrong)?;
            }
            "rotate_duration" => {
                sink.rotate_duration = value.as_str().and_then(|text| parse_duration(text).ok()).ok_or_else(wrong)?;
            }
            _ => return Err(format!("{name:?} has no field {key:?}")),
        }
    }
    if sink.path.as_os_str().is_empty() { Err(format!("{name:?} needs a path")) } else { Ok(sink) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_sink_is_read_and_wrong_ones_are_refused() {
        let fields = json!({"type": "file", "format": "json", "path": "/a", "rotate_bytes": 5, "rotate_duration": "1h",
            "rotate_max_files": 2, "delivery_guarantee": "best-effort"});
        let good = sink(&json!([{"x": [fields]}])).expect("a sink");
        let hour = Duration::from_hours(1);
        let wanted = AuditSink { path: "/a".into(), rotate_bytes: 5, rotate_duration: hour, rotate_max_files: 2 };
        assert_eq!(good, wanted);
        for bad in [
            json!({}),
            json!({"x": {}}),
            json!({"x": {"path": "a"}, "y": {"path": "a"}}),
            json!({"x": {"path": "a", "type": "syslog"}}),
            json!({"x": {"path": "a", "rotate_bytes": -1}}),
            json!({"x": {"path": "a", "bogus": 1}}),
        ] {
            assert!(sink(&bad).is_err(), "{bad}");
        }
    }
}
