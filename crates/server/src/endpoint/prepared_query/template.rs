//! Templates: a query whose texts hold `${...}`, made into a query for a name.

use filter::pattern;
use model::{CheckId, NAME_PREFIX_MATCH, PreparedQuery, TextMap};
use regex::Regex;

use super::expression::{Scope, WrongText, fill};
use crate::endpoint::failed;
use crate::request::RequestError;

/// A template with its regular expression read.
pub(super) struct Template<'a> {
    query: &'a PreparedQuery,
    regexp: Option<Regex>,
}

impl<'a> Template<'a> {
    /// Reads what a template adds to a query.
    ///
    /// # Errors
    /// The text that says what is wrong with it.
    pub(super) fn compile(query: &'a PreparedQuery) -> Result<Self, RequestError> {
        let wrong = |why: String| failed(format!("failed compiling template: {why}"));
        if query.template.kind != NAME_PREFIX_MATCH {
            return Err(wrong(format!("Bad Template.Type '{}'", query.template.kind)));
        }
        let text = &query.template.regexp;
        let regexp = match text.as_str() {
            "" => None,
            _ => Some(pattern::compile(text).map_err(|why| wrong(format!("Bad Regexp: {why}")))?),
        };
        Ok(Self { query, regexp })
    }

    /// The query for a name.
    ///
    /// # Errors
    /// The text that says which part cannot be filled in.
    pub(super) fn render(&self, name: &str) -> Result<PreparedQuery, String> {
        let groups = self.regexp.as_ref().and_then(|regexp| regexp.captures(name));
        let group = |number: i64| {
            let number = usize::try_from(number).ok()?;
            groups.as_ref()?.get(number).map(|group| group.as_str().to_owned())
        };
        let prefix = self.query.name.as_str();
        let scope = Scope { full: name, prefix, suffix: name.strip_prefix(prefix).unwrap_or(name), group: &group };
        let mut query = self.query.clone();
        let service = &mut query.service;
        fill_in(&scope, &mut service.service, "Service.Service")?;
        for (at, text) in service.failover.datacenters.iter_mut().flatten().enumerate() {
            fill_in(&scope, text, &format!("Service.Failover.Datacenters[{at}]"))?;
        }
        for (at, id) in service.ignore_check_ids.iter_mut().flatten().enumerate() {
            let mut text = id.to_string();
            fill_in(&scope, &mut text, &format!("Service.IgnoreCheckIDs[{at}]"))?;
            *id = CheckId::from(text);
        }
        fill_in(&scope, &mut service.near, "Service.Near")?;
        for (at, text) in service.tags.iter_mut().flatten().enumerate() {
            fill_in(&scope, text, &format!("Service.Tags[{at}]"))?;
        }
        fill_map(&scope, service.node_meta.as_mut(), "Service.NodeMeta")?;
        fill_map(&scope, service.service_meta.as_mut(), "Service.ServiceMeta")?;
        if query.template.remove_empty_tags {
            // No tags at all become an empty list.
            query.service.tags.get_or_insert_default().retain(|tag| !tag.is_empty());
        }
        Ok(query)
    }
}

fn fill_map(scope: &Scope<'_>, map: Option<&mut TextMap>, place: &str) -> Result<(), String> {
    for (key, text) in map.into_iter().flatten() {
        fill_in(scope, text, &format!("{place}[{key}]"))?;
    }
    Ok(())
}

fn fill_in(scope: &Scope<'_>, text: &mut String, place: &str) -> Result<(), String> {
    match fill(scope, text) {
        Ok(filled) => {
            *text = filled;
            Ok(())
        }
        Err(WrongText::Format) => Err(format!("Bad format '{text}' in {place}: parse error: syntax error")),
        Err(WrongText::Meaning(why)) => Err(format!("Bad evaluation for '{text}' in {place}: {why}")),
    }
}
