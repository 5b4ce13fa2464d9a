//! The command line: one file per command, one row per command here.

use std::process::ExitCode;

mod acl;
pub mod agent;
mod audit;
mod catalog;
mod complete;
mod connect;
mod debug;
mod event;
mod exec;
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
mod mesh;
mod monitor;
mod operator;
pub mod output;
mod reference;
mod reload;
mod rtt;
mod services;
mod snapshot;
pub mod sources;
pub mod start;
mod tls;
mod validate;
mod version;
mod watch;

use frame::Command;

/// All commands.
static COMMANDS: &[Command] = &[
    audit::COMMAND,
    audit::VERIFY,
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
    debug::COMMAND,
    event::COMMAND,
    exec::COMMAND,
    mesh::authority::CONNECT,
    mesh::authority::COMMAND,
    mesh::authority::GET_CONFIG,
    mesh::authority::SET_CONFIG,
    mesh::config::COMMAND,
    mesh::config::DELETE,
    mesh::config::LIST,
    mesh::config::READ,
    mesh::config::WRITE,
    mesh::intention::COMMAND,
    mesh::intention::CHECK,
    mesh::intention::CREATE,
    mesh::intention::DELETE,
    mesh::intention::GET,
    mesh::intention::MATCH,
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
    monitor::COMMAND,
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
    tls::COMMAND,
    tls::CA,
    tls::ca::CREATE,
    tls::CERT,
    tls::cert::CREATE,
    validate::COMMAND,
    version::COMMAND,
    watch::COMMAND,
];

/// Runs the command that the words after the program's name say.
#[must_use]
pub fn run(words: &[String]) -> ExitCode {
    // A shell asks what may stand at the end of its line.
    if let Some(line) = std::env::var("COMP_LINE").ok().filter(|line| !line.is_empty()) {
        let point = std::env::var("COMP_POINT").ok().and_then(|point| point.parse().ok());
        return frame::finish(&frame::Report::lines(complete::candidates(COMMANDS, &line, point)));
    }
    match words.first().map(String::as_str) {
        Some("-v" | "-version" | "--version") => frame::run(COMMANDS, &["version".to_owned()]),
        Some("-autocomplete-install" | "--autocomplete-install") => set_up_completion(true),
        Some("-autocomplete-uninstall" | "--autocomplete-uninstall") => set_up_completion(false),
        _ => frame::run(COMMANDS, words),
    }
}

fn set_up_completion(install: bool) -> ExitCode {
    let home = std::env::home_dir().unwrap_or_else(|| "/".into());
    let program = std::env::current_exe().map_or_else(|_| "consul".to_owned(), |path| path.display().to_string());
    frame::end(complete::set_up(&home, &program, install))
}

/// The page `docs/cli.md`.
#[must_use]
pub fn reference() -> String {
    reference::page(COMMANDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_fits_a_terminal_and_names_every_flag() {
        for command in COMMANDS {
            let help = command.help(COMMANDS);
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "consul {}: {line}", command.name);
            }
            for flag in command.all_flags() {
                assert!(help.contains(&format!("  -{}", flag.name)), "consul {} -{}", command.name, flag.name);
            }
            assert!(!command.synopsis.is_empty() && help.starts_with(&format!("Usage: consul {}", command.name)));
        }
        for line in frame::usage(COMMANDS).lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn names_and_flags_are_there_once() {
        let mut names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        for command in COMMANDS {
            let mut flags: Vec<&str> = command.all_flags().iter().map(|flag| flag.name).collect();
            flags.sort_unstable();
            assert!(flags.windows(2).all(|pair| pair[0] != pair[1]), "consul {}: {flags:?}", command.name);
            let parent = command.name.rsplit_once(' ').map(|(parent, _)| parent);
            assert!(parent.is_none_or(|parent| names.contains(&parent)), "consul {}", command.name);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_a_parser_panic(
            at in 0..COMMANDS.len(),
            words in proptest::collection::vec("(-{0,3}[a-z-]{0,12}(=\\PC{0,8})?)|\\PC{0,12}", 0..8),
        ) {
            let command = &COMMANDS[at];
            let flags = command.all_flags();
            match flags::parse(&flags, &words) {
                Ok(parsed) => {
                    // Everything that was said is either a flag, its value, or an argument.
                    proptest::prop_assert!(parsed.args.len() + parsed.flags.len() <= words.len());
                    proptest::prop_assert!(parsed.flags.iter().all(|(name, _)| flags.iter().any(|f| f.name == *name)));
                }
                Err(message) => proptest::prop_assert!(!message.is_empty()),
            }
        }

        #[test]
        fn no_flag_of_a_command_is_lost(at in 0..COMMANDS.len(), pick in 0_usize..64, value in "[a-z0-9]{1,8}") {
            let flags = COMMANDS[at].all_flags();
            if flags.is_empty() {
                return Ok(());
            }
            let flag = &flags[pick % flags.len()];
            let value = match flag.takes {
                flags::Takes::Bool => "true".to_owned(),
                flags::Takes::Int | flags::Takes::Uint => "7".to_owned(),
                flags::Takes::Text(_) => value,
            };
            for line in [vec![format!("--{}={value}", flag.name)], vec![format!("-{}={value}", flag.name), "x".to_owned()]] {
                let parsed = flags::parse(&flags, &line).unwrap();
                proptest::prop_assert_eq!(parsed.value(flag.name), Some(value.as_str()));
            }
        }
    }
}
