//! `/v1/health`.

use std::sync::Arc;

use bytes::Bytes;
use filter::Filter;
use model::{HealthCheck, NodeName, ServiceName, TextMap};
use state::{Instance, View};

use super::{has_meta, has_tags, join_json};
use crate::acl::Caller;
use crate::acl::rows::sees;
use crate::filter_rows::{CheckRow, HealthRow};
use crate::near::Near;
use crate::request::Answer;

/// Which instances of a service are asked for.
pub(super) struct Wanted<'a> {
    pub(super) tags: &'a [String],
    pub(super) passing: bool,
    pub(super) meta: &'a TextMap,
    pub(super) filter: Option<&'a Filter>,
    pub(super) caller: &'a Caller,
}

impl Wanted<'_> {
    fn wants(&self, instance: &Instance) -> bool {
        // The kept JSON of an instance is taken as it is, so who may see it is asked here.
        sees(self.caller, &instance.node.node, &instance.service.service)
            && has_tags(&instance.service.tags, self.tags)
            && has_meta(instance.node.meta.as_ref(), self.meta)
            && (!self.passing || instance.is_passing())
            && self.filter.is_none_or(|filter| filter.matches(&HealthRow(&instance.row())))
    }
}

/// The instances that are wanted, with their checks.
pub(super) fn rows<'a>(instances: impl Iterator<Item = &'a Arc<Instance>>, wanted: &Wanted<'_>) -> Answer {
    Answer::Health(instances.filter(|instance| wanted.wants(instance)).map(|instance| instance.row()).collect())
}

/// The JSON is put together from that of the instances, which is kept: only changed instances are encoded.
pub(super) fn render<'a>(instances: impl Iterator<Item = &'a Arc<Instance>>, wanted: &Wanted<'_>) -> Bytes {
    join_json(instances.filter(|instance| wanted.wants(instance)).map(|instance| instance.json()))
}

/// Which of the checks, and in what order.
pub(super) struct Rows<'a> {
    pub(super) meta: &'a TextMap,
    pub(super) near: &'a NodeName,
    pub(super) filter: Option<&'a Filter>,
}

impl Rows<'_> {
    fn collect<'a>(&self, view: &View, checks: impl Iterator<Item = &'a Arc<HealthCheck>>) -> Answer {
        let wanted = |check: &&Arc<HealthCheck>| {
            on_node_with(view, self.meta, check) && self.filter.is_none_or(|filter| filter.matches(&CheckRow(check)))
        };
        let rows = checks.filter(wanted).map(Arc::clone).collect();
        Answer::Checks(Near::new(view, self.near).sort(rows, |check| &check.node))
    }
}

fn on_node_with(view: &View, meta: &TextMap, check: &HealthCheck) -> bool {
    meta.is_empty() || view.node(&check.node).is_some_and(|node| has_meta(node.meta.as_ref(), meta))
}

pub(super) fn node_checks(view: &View, node: &NodeName, filter: Option<&Filter>) -> Answer {
    let rows = Rows { meta: &TextMap::new(), near: &NodeName::default(), filter };
    rows.collect(view, view.checks_on(node))
}

pub(super) fn service_checks(view: &View, service: &ServiceName, rows: &Rows<'_>) -> Answer {
    rows.collect(view, view.checks_of(service))
}

pub(super) fn checks_in_state(view: &View, state: &str, rows: &Rows<'_>) -> Answer {
    if state == "any" {
        return rows.collect(view, view.checks());
    }
    rows.collect(view, view.checks_in(state).filter(|check| check.status == state))
}
