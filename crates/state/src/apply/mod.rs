//! Applying commands: the same bytes at the same index change the same tables in the same way on every server.

mod acl;
mod catalog;
mod coordinate;
mod kv;
mod prepared_query;
mod restore;
mod session;
mod txn;

use model::Timestamp;

pub(crate) use txn::look_all;

use crate::command::{Command, CommandError};
use crate::outcome::Outcome;
use crate::tables::Draft;

/// Applies one command. Whatever the bytes are, this returns.
pub(crate) fn apply(draft: &mut Draft, index: u64, bytes: &[u8]) -> Outcome {
    let index = index + draft.tables.restored.offset;
    draft.tables.index = draft.tables.index.max(index);
    match Command::decode(bytes) {
        Ok(command) => {
            draft.set_time(Timestamp::default());
            apply_command(draft, index, command)
        }
        Err(CommandError::Ignorable(_)) => Outcome::Skipped,
        Err(error) => Outcome::Error(error.to_string()),
    }
}

fn apply_command(draft: &mut Draft, index: u64, command: Command) -> Outcome {
    match command {
        Command::Register(registration) => Outcome::from_result(catalog::apply_register(draft, index, registration)),
        Command::Deregister(deregistration) => {
            catalog::apply_deregister(draft, index, &deregistration);
            Outcome::Bool(true)
        }
        Command::KvChange(change) => kv::apply_kv(draft, index, change),
        Command::RegisterAll(registrations) => {
            // Each stands alone, as if it had come alone; the first refusal is what the proposer hears.
            let mut result = Ok(true);
            for registration in registrations {
                result = result.and(catalog::apply_register(draft, index, registration));
            }
            Outcome::from_result(result)
        }
        Command::Acl(command) => Outcome::from_result(acl::apply_acl(draft, index, command)),
        Command::ReapTombstones { index } => {
            draft.reap_tombstones(index);
            Outcome::Bool(true)
        }
        Command::SessionCreate(session) => Outcome::from_result(session::apply_create(draft, index, session)),
        Command::SessionDestroy { id } => {
            draft.invalidate_session(index, &id);
            Outcome::Bool(true)
        }
        Command::ReapLockDelays { index } => {
            draft.reap_lock_delays(index);
            Outcome::Bool(true)
        }
        Command::KvExpire { until, max } => {
            draft.set_time(until);
            draft.expire_keys(index, until, usize::try_from(max).unwrap_or(usize::MAX));
            Outcome::Bool(true)
        }
        Command::KvCopy(copy) => Outcome::from_result(kv::apply_copy(draft, index, &copy)),
        Command::KvHistory(limits) => {
            draft.limit_history(index, limits);
            Outcome::Bool(true)
        }
        Command::Txn(operations) => Outcome::Txn(txn::apply_txn(draft, index, operations)),
        Command::Autopilot(change) => Outcome::Bool(draft.put_autopilot(index, change)),
        Command::Restore(change) => Outcome::from_result(restore::apply_restore(draft, index, change)),
        Command::PutConfigEntry(body) => Outcome::Bool(draft.put_config_entry(index, body.entry, body.cas)),
        Command::DeleteConfigEntry(body) => {
            draft.delete_config_entry(index, body.kind, &body.name);
            Outcome::Bool(true)
        }
        Command::PutIntention(intention) => Outcome::from_result(draft.put_intention(index, intention)),
        Command::DeleteIntention(body) => Outcome::from_result(draft.delete_intention(index, &body.id)),
        Command::PutMeshCa(body) => Outcome::Bool(draft.put_mesh_ca(index, body.ca, body.expected_index)),
        Command::Coordinates(coordinates) => {
            coordinate::apply_coordinates(draft, index, coordinates);
            Outcome::Bool(true)
        }
        Command::PreparedQuery(query) => Outcome::from_result(prepared_query::apply_query(draft, index, query)),
        Command::PreparedQueryDeletion { id } => {
            draft.delete_prepared_query(index, &id);
            Outcome::Bool(true)
        }
    }
}
