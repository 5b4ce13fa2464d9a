//! Addresses that are names of hosts: what the names stand for is added to the answer.
//!
//! Names of the zone are looked up in the catalog, others are asked of recursors. A question for one family of addresses
//! is followed for that family; Consul 1.8.7 adds every family it finds.

use dns::{Context, Data, Draft, Group, Name, Owner, Plan, Question, Record, RecordType, Transport};
use futures::future::join_all;
use hickory_proto::op::Message;
use hickory_proto::rr::RData;

use super::DnsServer;
use super::limits::{ALIASES_MAX, TARGETS_MAX};

impl DnsServer {
    /// The draft with the addresses of its aliases and of SRV targets that are no names of ours.
    pub(super) async fn follow_aliases(&self, context: Context<'_>, mut draft: Draft) -> Draft {
        let alias = draft.groups.iter().enumerate().find_map(|(at, group)| match &group.answer.data {
            Data::Cname(name) => Some((at, name.clone())),
            _ => None,
        });
        if let Some((at, name)) = alias {
            let found = self.resolve(context, name).await;
            let groups = found.into_iter().map(|answer| Group { answer, extras: Vec::new() });
            draft.groups.splice(at + 1..at + 1, groups);
        }
        let unresolved = draft.groups.iter_mut().filter_map(|group| match &group.answer.data {
            Data::Srv { target, .. } if !has_address(&group.extras, target) => {
                Some((target.clone(), &mut group.extras))
            }
            _ => None,
        });
        let resolving = unresolved.take(TARGETS_MAX).map(|(target, extras)| async {
            let found = self.resolve(context, target).await;
            extras.splice(0..0, found);
        });
        join_all(resolving).await;
        draft
    }

    /// The records that lead from a name to addresses, as far as they are found.
    async fn resolve(&self, context: Context<'_>, mut name: Name) -> Vec<Record> {
        let mut records = Vec::new();
        for _ in 0..ALIASES_MAX {
            let found = self.resolve_once(context, &name).await;
            let next = match found.last() {
                Some(Record { data: Data::Cname(next), .. }) => next.clone(),
                _ => {
                    records.extend(found);
                    break;
                }
            };
            records.extend(found);
            name = next;
        }
        records
    }

    async fn resolve_once(&self, context: Context<'_>, name: &Name) -> Vec<Record> {
        let asked = context.question.record_type;
        let is_family = matches!(asked, RecordType::A | RecordType::Aaaa);
        let question = |record_type| Question { name: name.clone(), record_type, ..context.question.clone() };
        let inside = question(if is_family { asked } else { RecordType::Any });
        let context = Context { question: &inside, ..context };
        let draft = match dns::plan(context) {
            Plan::Reply(draft) => Some(draft),
            Plan::Lookup(lookup) => self.look_up(context, &lookup).await,
            Plan::Recurse if self.recursors.is_empty() => None,
            Plan::Recurse => {
                let outside = question(if is_family { asked } else { RecordType::A });
                let answer = self.recursors.ask(&dns::request(&outside), Transport::Udp).await;
                return answer.map(|answer| read_addresses(&answer)).unwrap_or_default();
            }
        };
        let answers = draft.into_iter().flat_map(|draft| draft.groups).map(|group| group.answer);
        let addresses = answers.filter(|record| matches!(record.data, Data::A(_) | Data::Aaaa(_) | Data::Cname(_)));
        addresses.map(|record| Record { owner: Owner::Name(name.clone()), ..record }).collect()
    }
}

fn has_address(extras: &[Record], target: &Name) -> bool {
    extras.iter().any(|record| {
        matches!(record.data, Data::A(_) | Data::Aaaa(_))
            && matches!(&record.owner, Owner::Name(name) if name == target)
    })
}

/// The addresses and aliases in the answer of another server.
fn read_addresses(answer: &[u8]) -> Vec<Record> {
    let Ok(message) = Message::from_vec(answer) else { return Vec::new() };
    let records = message.answers.iter().filter_map(|record| {
        let data = match &record.data {
            RData::A(ip) => Data::A(ip.0),
            RData::AAAA(ip) => Data::Aaaa(ip.0),
            RData::CNAME(name) => Data::Cname(read_name(&name.0)?),
            _ => return None,
        };
        Some(Record { owner: Owner::Name(read_name(&record.name)?), ttl: record.ttl, data })
    });
    records.collect()
}

fn read_name(name: &hickory_proto::rr::Name) -> Option<Name> {
    Name::from_labels(name.iter()).ok()
}
