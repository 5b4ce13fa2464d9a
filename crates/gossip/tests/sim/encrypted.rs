//! Queries, keys and refusals in virtual time.

use super::world::World;
use super::{cluster, seconds, seeds};
use gossip::wire::serf::SerfMessage;
use gossip::{Admission, Answers, Question, Status, Timing};

fn key_question(verb: &str, key: &[u8]) -> Question {
    let payload = SerfMessage::KeyRequest { key: key.to_vec() }.encode();
    Question { name: format!("_serf_{verb}"), payload, relay_factor: 2, ..Question::default() }
}

/// Asks from the first node and waits for the end.
fn ask(world: &mut World, question: Question) -> Answers {
    let before = world.nodes[0].answers.len();
    world.with(0, |core, now| core.ask(now, question)).expect("asked");
    world.run_until(seconds(30), "answers", |w| w.nodes[0].answers.len() > before);
    world.nodes[0].answers[before].1.clone()
}

fn succeeded(answers: &Answers) -> usize {
    let fine =
        |payload: &&Vec<u8>| matches!(SerfMessage::decode(payload), Ok(SerfMessage::KeyResponse { result: true, .. }));
    answers.answers.values().filter(fine).count()
}

#[test]
fn everybody_answers_a_query_even_when_packets_are_lost() {
    for seed in seeds(3) {
        let mut world = cluster(seed, 30, 0.1);
        let answers = ask(&mut world, Question { name: "anything".to_owned(), relay_factor: 3, ..Question::default() });
        println!("seed {seed}: {} of {} acks", answers.acks.len(), answers.asked);
        assert_eq!(answers.asked, 30);
        assert!(answers.acks.len() >= 28, "{answers:?}");
        let some = vec!["node-003".to_owned(), "node-007".to_owned()];
        world.loss = 0.0;
        let answers = ask(&mut world, Question { name: "x".to_owned(), nodes: some.clone(), ..Question::default() });
        let mut acks = answers.acks;
        acks.sort();
        assert_eq!(acks, some);
    }
}

#[test]
fn keys_are_rotated_while_a_node_is_down_and_it_comes_back() {
    for seed in seeds(2) {
        let (old, new) = (vec![1; 32], vec![2; 16]);
        let mut world = World::new(seed, Timing::lan(), 0.0);
        world.keys = vec![old.clone()];
        world.boot(8);
        world.run_until(seconds(60), "all see all", |w| w.all_see_alive(8));
        world.kill(5);
        world.run_until(seconds(30), "death known", |w| w.all_see("node-005", Status::Failed));
        for verb in ["install-key", "use-key"] {
            let answers = ask(&mut world, key_question(verb, &new));
            assert_eq!((answers.asked, succeeded(&answers)), (7, 7), "{verb}: {answers:?}");
        }
        // It missed the change: it encrypts with the old key still, and was given the new one to read with.
        let first = world.nodes[0].addr;
        world.keys = vec![old.clone(), new.clone()];
        let back = world.start("node-005");
        world.with(back, |core, now| core.join(now, first));
        world.run_until(seconds(60), "back", |w| w.all_see_alive(8));
        let answers = ask(&mut world, key_question("remove-key", &old));
        assert_eq!(succeeded(&answers), 7, "the one that encrypts with it refuses: {answers:?}");
        assert_eq!(world.nodes[0].core.as_ref().expect("runs").keys(), vec![new]);
    }
}

#[test]
fn a_node_without_the_key_stays_out() {
    for seed in seeds(2) {
        let mut world = World::new(seed, Timing::lan(), 0.0);
        world.keys = vec![vec![1; 32]];
        world.boot(3);
        world.run_until(seconds(60), "all see all", |w| w.all_see_alive(3));
        for keys in [vec![], vec![vec![9; 32]]] {
            world.keys = keys;
            let stranger = world.start("stranger");
            let first = world.nodes[0].addr;
            world.with(stranger, |core, now| core.join(now, first));
            world.run(seconds(20));
            assert!(world.view(0, "stranger").is_none(), "seed {seed}");
            assert!(world.view(stranger, "node-000").is_none(), "seed {seed}");
            world.kill(stranger);
        }
    }
}

#[test]
fn nodes_of_another_datacenter_and_copies_of_an_id_are_refused() {
    let mut world = World::new(1, Timing::lan(), 0.0);
    world.admission = Admission::Datacenter(String::new());
    world.boot(2);
    world.run_until(seconds(60), "all see all", |w| w.all_see_alive(2));
    let first = world.nodes[0].addr;
    let copy = world.start_tagged("copy", &[("id", "id of node-001")]);
    let foreign = world.start_tagged("foreign", &[("id", "its own"), ("dc", "dc2")]);
    for node in [copy, foreign] {
        world.with(node, |core, now| core.join(now, first));
    }
    world.run(seconds(20));
    for name in ["copy", "foreign"] {
        assert!(world.view(0, name).is_none() && world.view(1, name).is_none(), "{name} got in");
    }
}
