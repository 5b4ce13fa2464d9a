//! `consul members`.

use std::net::{IpAddr, SocketAddr};

use model::{AgentMember, MemberStatus};
use regex::Regex;

use super::connect::with_agent;
use super::flags::{Flag, Parsed, Takes};
use super::frame::{Command, Failure, Outcome, Report, Run, Shared};
use super::output::table;

/// Exit code where no member matches.
const EXIT_NO_MEMBERS: u8 = 2;

/// The row.
pub const COMMAND: Command = Command {
    name: "members",
    synopsis: "Lists the members of a Consul cluster",
    usage: "[options]",
    about: "Lists the members of the gossip pool that the agent is in.",
    flags: &[
        Flag::new("detailed", Takes::Bool, "Show all tags."),
        Flag::new("segment", Takes::Text("string"), "Network segment. There are none; kept for scripts."),
        Flag::new("status", Takes::Text("string"), "Regular expression that the status must match."),
        Flag::new("wan", Takes::Bool, "List the servers of the WAN pool."),
    ],
    shared: Shared::Http,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    let pattern = parsed.value("status").unwrap_or(".*");
    let failed = |error: String| Failure::new(format!("Failed to compile status regexp: {error}"));
    crate::pattern::compile(pattern).map_err(failed)?;
    let pattern = Regex::new(&format!("^{pattern}$")).map_err(|error| failed(error.to_string()))?;
    with_agent(parsed, async |client| {
        let found = client.members_in(parsed.is_set("wan"), parsed.text("segment").unwrap_or("_all")).await;
        let mut members = found.map_err(|error| Failure::new(format!("Error retrieving members: {error}")))?;
        members.retain(|member| pattern.is_match(status(member)));
        if members.is_empty() {
            return Ok(Report { code: EXIT_NO_MEMBERS, ..Report::default() });
        }
        for member in &mut members {
            name_segment(member);
        }
        members.sort_by(|a, b| (&a.tags["segment"], &a.name).cmp(&(&b.tags["segment"], &b.name)));
        Ok(Report::line(if parsed.is_set("detailed") { detailed(&members) } else { short(&members) }))
    })
}

/// Servers are in all segments; a client that names none is in the default one.
fn name_segment(member: &mut AgentMember) {
    let is_server = role(member) == "consul";
    let segment = member.tags.entry("segment".to_owned()).or_default();
    if is_server {
        "<all>".clone_into(segment);
    } else if segment.is_empty() {
        "<default>".clone_into(segment);
    }
}

fn role(member: &AgentMember) -> &str {
    tag(member, "role")
}

fn tag<'a>(member: &'a AgentMember, name: &str) -> &'a str {
    member.tags.get(name).map(String::as_str).unwrap_or_default()
}

fn status(member: &AgentMember) -> &'static str {
    MemberStatus::from_number(member.status).map_or("none", MemberStatus::as_str)
}

fn address(member: &AgentMember) -> String {
    match member.addr.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, member.port).to_string(),
        Err(_) => format!("{}:{}", member.addr, member.port),
    }
}

fn short(members: &[AgentMember]) -> String {
    let row = |member: &AgentMember| {
        let kind = match role(member) {
            "node" => "client",
            "consul" => "server",
            _ => "unknown",
        };
        let build = match tag(member, "build") {
            "" => "< 0.3",
            build => build.split(':').next().unwrap_or_default(),
        };
        let cells = [
            &member.name,
            &address(member),
            status(member),
            kind,
            build,
            tag(member, "vsn"),
            tag(member, "dc"),
            tag(member, "segment"),
        ];
        cells.map(str::to_owned).to_vec()
    };
    let rows: Vec<Vec<String>> = members.iter().map(row).collect();
    table(&["Node", "Address", "Status", "Type", "Build", "Protocol", "DC", "Segment"], &rows)
}

fn detailed(members: &[AgentMember]) -> String {
    let row = |member: &AgentMember| {
        let tags: Vec<String> = member.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        vec![member.name.clone(), address(member), status(member).to_owned(), tags.join(",")]
    };
    table(&["Node", "Address", "Status", "Tags"], &members.iter().map(row).collect::<Vec<_>>())
}
