//! The command line: one file per command, one row per command here.

use std::process::ExitCode;

mod acl;
pub mod agent;
mod catalog;
mod connect;
mod event;
pub mod flags;
pub mod frame;
mod info;
mod input;
mod keygen;
mod keyring;
mod kv;
mod lock;
mod login;
mod logout;
mod maint;
mod members;
mod membership;
mod operator;
pub mod output;
mod reload;
mod rtt;
mod services;
mod snapshot;
pub mod sources;
pub mod start;
mod validate;
mod version;
mod watch;

use frame::Command;

/// All commands.
static COMMANDS: &[Command] = &[
    acl::COMMAND,
    acl::policy::COMMAND,
    acl::policy::CREATE,
    acl::policy::READ,
    acl::policy::UPDATE,
    acl::policy::DELETE,
    acl::policy::LIST,
    acl::role::COMMAND,
    acl::role::CREATE,
    acl::role::READ,
    acl::role::UPDATE,
    acl::role::DELETE,
    acl::role::LIST,
    acl::token::COMMAND,
    acl::token::CREATE,
    acl::token::READ,
    acl::token::UPDATE,
    acl::token::CLONE,
    acl::token::DELETE,
    acl::token::LIST,
    acl::auth_method::COMMAND,
    acl::auth_method::CREATE,
    acl::auth_method::READ,
    acl::auth_method::UPDATE,
    acl::auth_method::DELETE,
    acl::auth_method::LIST,
    acl::binding_rule::COMMAND,
    acl::binding_rule::CREATE,
    acl::binding_rule::READ,
    acl::binding_rule::UPDATE,
    acl::binding_rule::DELETE,
    acl::binding_rule::LIST,
    acl::more::BOOTSTRAP,
    acl::more::SET_AGENT_TOKEN,
    acl::more::TRANSLATE,
    acl::more::EXPLAIN,
    agent::COMMAND,
    catalog::COMMAND,
    catalog::datacenters::COMMAND,
    catalog::nodes::COMMAND,
    catalog::services::COMMAND,
    event::COMMAND,
    info::COMMAND,
    keygen::COMMAND,
    keyring::COMMAND,
    kv::COMMAND,
    kv::copy::COMMAND,
    kv::copy::MOVE,
    kv::delete::COMMAND,
    kv::export::COMMAND,
    kv::get::COMMAND,
    kv::history::COMMAND,
    kv::import::COMMAND,
    kv::put::COMMAND,
    lock::COMMAND,
    login::COMMAND,
    logout::COMMAND,
    maint::COMMAND,
    members::COMMAND,
    membership::FORCE_LEAVE,
    membership::JOIN,
    membership::LEAVE,
    operator::COMMAND,
    operator::autopilot::COMMAND,
    operator::autopilot::GET_CONFIG,
    operator::autopilot::SET_CONFIG,
    operator::autopilot::STATE,
    operator::raft::COMMAND,
    operator::recover::COMMAND,
    operator::raft::LIST_PEERS,
    operator::raft::REMOVE_PEER,
    operator::raft::TRANSFER_LEADER,
    operator::usage::COMMAND,
    operator::usage::INSTANCES,
    reload::COMMAND,
    rtt::COMMAND,
    services::COMMAND,
    services::deregister::COMMAND,
    services::register::COMMAND,
    snapshot::COMMAND,
    snapshot::agent::COMMAND,
    snapshot::inspect::COMMAND,
    snapshot::restore::COMMAND,
    snapshot::save::COMMAND,
    validate::COMMAND,
    version::COMMAND,
    watch::COMMAND,
];

/// Runs the command that the words after the program's name say.
#[must_use]
pub fn run(words: &[String]) -> ExitCode {
    let is_version = |word: &String| matches!(word.as_str(), "-v" | "-version" | "--version");
    if words.first().is_some_and(is_version) {
        return frame::run(COMMANDS, &["version".to_owned()]);
    }
    frame::run(COMMANDS, words)
}
