//! The beginning of sessions; their end is a matter of the tables.

use model::Session;

use crate::tables::Draft;

/// Applies the creation of a session; the error is the text for the client.
pub(crate) fn apply_create(draft: &mut Draft, index: u64, session: Session) -> Result<bool, String> {
    if session.id.is_empty() {
        return Err("Missing Session ID".to_owned());
    }
    let tables = &draft.tables;
    if tables.session(&session.id).is_some() {
        // Ids are made up anew for each session, so this is the same creation, which has come a second time.
        return Ok(true);
    }
    if tables.node(&session.node).is_none() {
        return Err("Missing node registration".to_owned());
    }
    for id in session.bound_checks() {
        match tables.check(&session.node, id) {
            None => return Err(format!("Missing check '{id}' registration")),
            Some(check) if check.is_critical() => {
                return Err(format!("Check '{id}' is in {} state", check.status));
            }
            Some(_) => {}
        }
    }
    draft.put_session(index, session);
    Ok(true)
}
