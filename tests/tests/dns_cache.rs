//! DNS from the agent's cache, beside the real Consul: services are followed, so that changes appear; executions of prepared
//! queries are as old as they may be.

use std::time::Duration;

use tests::dns::Question;
use tests::{Agent, Program, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

fn ask(agent: &Agent, text: &str) -> String {
    Question::parse(text).ask(agent.address().port(8600)).expect("an answer")
}

fn addresses(agent: &Agent, name: &str) -> usize {
    ask(agent, &format!("{name} A"))
        .lines()
        .filter(|line| line.contains(" answer ") || line.trim_start().starts_with("answer"))
        .count()
}

fn add(agent: &Agent, number: u8) {
    let body = format!(r#"{{"Node":"a{number}","Address":"10.0.0.{number}","Service":{{"Service":"web","Port":80}}}}"#);
    agent.put("/v1/catalog/register", &body);
}

fn until(agent: &Agent, name: &str, count: usize) {
    eventually(&format!("{count} addresses of {name}"), PATIENCE, || match addresses(agent, name) {
        found if found == count => Ok(()),
        found => Err(format!("{found}")),
    });
}

fn start(program: &Program, age: &str) -> Agent {
    let agent = Agent::server(program, &[&format!("-hcl=dns_config {{ use_cache = true cache_max_age = \"{age}\" }}")]);
    add(&agent, 1);
    let query =
        agent.request("POST", "/v1/query", br#"{"Name":"find","Service":{"Service":"web"}}"#).expect("an answer");
    assert_eq!(query.status, 200, "{}", query.text());
    until(&agent, "web.service.consul", 1);
    until(&agent, "find.query.consul", 1);
    until(&agent, "a1.node.consul", 1);
    add(&agent, 2);
    agent
}

fn follows_services_and_keeps_executions(program: &Program) {
    let agent = start(program, "1h");
    until(&agent, "web.service.consul", 2);
    assert_eq!(addresses(&agent, "find.query.consul"), 1, "an hour has not passed");
    agent.put("/v1/catalog/deregister", r#"{"Node":"a1"}"#);
    until(&agent, "web.service.consul", 1);
    assert_eq!(addresses(&agent, "find.query.consul"), 1);
    // An execution that is too old is made anew.
    let agent = start(program, "100ms");
    until(&agent, "find.query.consul", 2);
}

#[test]
fn ours_follows_services_and_keeps_executions() {
    follows_services_and_keeps_executions(&Program::ours());
}

#[test]
fn the_real_consul_does_too() {
    if let Some(program) = Program::oracle() {
        follows_services_and_keeps_executions(&program);
    }
}
