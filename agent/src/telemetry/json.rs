//! `/v1/agent/metrics` in JSON: the last whole interval, in the shape of Consul.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::Json;
use serde_json::{Map, json};

use super::limits::INTERVAL;
use super::registry::Registry;
use super::series::{Figures, Kind, Series, interval_of};

/// The figures of the last interval that is over; gauges as they are now.
#[must_use]
pub fn json(registry: &Registry, now: SystemTime) -> Json {
    let interval = interval_of(now).saturating_sub(1);
    let rows = |kind: Kind| -> Vec<Json> {
        let series = registry.all_series();
        let wanted = series.iter().filter(|series| series.kind == kind);
        wanted.filter_map(|series| series.figures(interval).map(|figures| row(registry, series, &figures))).collect()
    };
    let gauges: Vec<Json> = registry
        .gauges()
        .iter()
        .map(|gauge| {
            let name = registry.naming().full(&gauge.name, true);
            json!({ "Name": name, "Value": gauge.value, "Labels": labels(&gauge.labels) })
        })
        .collect();
    json!({
        "Timestamp": timestamp(interval),
        "Gauges": gauges,
        "Points": [],
        "Counters": rows(Kind::Counter),
        "Samples": rows(Kind::Sample),
    })
}

fn row(registry: &Registry, series: &Series, figures: &Figures) -> Json {
    json!({
        "Name": registry.naming().full(&series.name, false),
        "Count": figures.count,
        "Rate": figures.sum / INTERVAL.as_secs_f64(),
        "Sum": figures.sum,
        "Min": figures.min,
        "Max": figures.max,
        "Mean": figures.mean(),
        "Stddev": figures.deviation(),
        "Labels": labels(&series.labels),
    })
}

fn labels(labels: &[(&'static str, String)]) -> Json {
    Json::Object(labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect::<Map<_, _>>())
}

/// `2026-11-22 13:34:00 +0000 UTC`, as Go prints a time.
fn timestamp(interval: u64) -> String {
    let time = UNIX_EPOCH + Duration::from_secs(interval * INTERVAL.as_secs());
    let text = humantime::format_rfc3339_seconds(time).to_string();
    format!("{} +0000 UTC", text.trim_end_matches('Z').replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Gauge, Naming};

    #[test]
    fn the_last_whole_interval_is_shown() {
        let registry = Registry::new(Naming { hostname: "vm".to_owned(), ..Naming::default() }, Duration::ZERO);
        registry.add_source(Box::new(|gauges| gauges.push(Gauge::new("raft.applied_index", 13.0))));
        let series = registry.series(Kind::Counter, "rpc.request", &[]).unwrap();
        let first = UNIX_EPOCH + Duration::from_secs(1_795_375_430);
        series.record(1.0, first);
        assert_eq!(json(&registry, first)["Counters"], json!([]), "the interval under way is not shown");
        let shown = json(&registry, first + INTERVAL);
        assert_eq!(shown["Timestamp"], "2026-11-22 19:23:50 +0000 UTC");
        assert_eq!(shown["Counters"][0]["Name"], "consul.rpc.request");
        assert_eq!(shown["Counters"][0]["Rate"], 0.1);
        assert_eq!(shown["Gauges"][0]["Name"], "consul.vm.raft.applied_index");
    }
}
