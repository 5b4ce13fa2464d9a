//! Clusters in virtual time. Every run prints its seed; `SIM_SEED=n` repeats one run.

mod encrypted;
mod world;

use gossip::{PoolEvent, Status, Timing};
use std::collections::BTreeMap;
use std::time::Duration;
use world::World;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => vec![seed],
        None => (1..=count).collect(),
    }
}

/// Boots, waits until all see all, and gives the world.
fn cluster(seed: u64, count: usize, loss: f64) -> World {
    let mut world = World::new(seed, Timing::lan(), loss);
    world.boot(count);
    let took = world.run_until(seconds(120), "all see all", |w| w.all_see_alive(count));
    println!("seed {seed}: {count} nodes, loss {loss}: all see all {took:?} after the last start");
    world
}

#[test]
fn a_hundred_nodes_meet_and_see_the_dead_and_the_leaving() {
    for seed in seeds(2) {
        let mut world = cluster(seed, 100, 0.0);
        // The last news of the boot goes its rounds first.
        world.run(seconds(10));
        let quiet = world.now;
        let before = world.datagrams;
        world.run(seconds(60));
        let rate = (world.datagrams - before) as f64 / 60.0 / 100.0;
        println!("seed {seed}: idle {rate:.2} datagrams/s/node");
        assert!(rate <= 2.2, "idle cluster sends {rate} datagrams/s/node");

        world.with(3, |core, now| core.leave(now));
        let took = world.run_until(seconds(15), "leave known", |w| w.all_see("node-003", Status::Left));
        println!("seed {seed}: leave known to all after {took:?}");
        assert_eq!(world.failures(quiet), []);

        for node in [10, 20, 30] {
            world.kill(node);
        }
        let took = world.run_until(seconds(30), "deaths known", |w| {
            ["node-010", "node-020", "node-030"].iter().all(|name| w.all_see(name, Status::Failed))
        });
        println!("seed {seed}: three kills known to all after {took:?}");
        let victims: Vec<_> = world.failures(quiet).into_iter().map(|(_, victim)| victim).collect();
        assert!(victims.iter().all(|v| ["node-010", "node-020", "node-030"].contains(&v.as_str())));

        world.with(1, |core, now| core.force_leave(now, "node-020", false)).unwrap();
        world.run_until(seconds(5), "forced", |w| w.all_see("node-020", Status::Left));
        world.with(1, |core, now| core.user_event(now, "deploy", b"1", false)).unwrap();
        world.run(seconds(3));
        for node in world.running() {
            let got = |e: &(_, PoolEvent)| matches!(&e.1, PoolEvent::UserEvent(u) if u.name == "deploy");
            assert_eq!(world.nodes[node].events.iter().filter(|e| got(e)).count(), 1);
        }
    }
}

#[test]
fn loss_alone_kills_nobody() {
    for loss in [0.2, 0.4] {
        for seed in seeds(4) {
            let mut world = cluster(seed, 50, loss);
            let since = world.now;
            world.run(seconds(90));
            assert_eq!(world.failures(since), [], "seed {seed}, loss {loss}");
            world.kill(7);
            let took = world.run_until(seconds(60), "death known", |w| w.all_see("node-007", Status::Failed));
            println!("seed {seed}: loss {loss}: kill known to all after {took:?}");
        }
    }
}

#[test]
fn a_healed_partition_becomes_one_cluster_again() {
    for seed in seeds(3) {
        let mut world = cluster(seed, 50, 0.0);
        for node in 0..20 {
            world.nodes[node].side = 1;
        }
        let took = world
            .run_until(seconds(90), "split", |w| (0..20).all(|i| (20..50).all(|j| !alive(w, i, j) && !alive(w, j, i))));
        println!("seed {seed}: both sides alone after {took:?}");
        for node in 0..20 {
            world.nodes[node].side = 0;
        }
        let took = world.run_until(seconds(120), "heal", |w| w.all_see_alive(50));
        println!("seed {seed}: healed after {took:?}");
    }
}

fn alive(world: &mut World, observer: usize, other: usize) -> bool {
    let name = world.nodes[other].name.clone();
    world.view(observer, &name).is_some_and(|m| m.status == Status::Alive)
}

#[test]
fn a_node_back_at_a_new_address_is_accepted_at_once() {
    for loss in [0.0, 0.2] {
        for seed in seeds(4) {
            let mut world = cluster(seed, 50, loss);
            let since = world.now;
            world.kill(5);
            world.run(Duration::from_millis(300));
            let back = world.start("node-005");
            let through = world.nodes[9].addr;
            world.with(back, |core, now| core.join(now, through));
            let moved = world.nodes[back].addr;
            let took = world.run_until(seconds(5), "new address known", |w| {
                w.running().into_iter().all(|i| w.view(i, "node-005").is_some_and(|m| m.addr == moved))
            });
            println!("seed {seed}: loss {loss}: new address known to all after {took:?}");
            world.run(seconds(30));
            assert_eq!(world.failures(since), [], "seed {seed}: nobody noticed a failure");
            assert!(world.all_see("node-005", Status::Alive));
        }
    }
}

#[test]
fn all_nodes_restarted_with_swapped_addresses_meet_again() {
    for seed in seeds(3) {
        let mut world = cluster(seed, 10, 0.0);
        for node in 0..10 {
            world.kill(node);
        }
        // Each knows one address only, as from DNS.
        let first = world.start("node-000");
        let seed_addr = world.nodes[first].addr;
        for node in 1..10 {
            let back = world.start(&format!("node-{node:03}"));
            world.with(back, |core, now| core.join(now, seed_addr));
        }
        let took = world.run_until(seconds(5), "all back", |w| w.all_see_alive(10));
        println!("seed {seed}: all back after {took:?}");
    }
}

/// What Kubernetes does to a cluster whose server pods are all deleted: the same names and ids
/// come back at new addresses, and know the address of one member that stayed.
#[test]
fn servers_that_failed_together_return_at_new_addresses() {
    for seed in seeds(3) {
        let mut world = cluster(seed, 30, 0.0);
        for server in 0..3 {
            world.kill(server);
        }
        world.run_until(seconds(40), "failures known", |w| {
            (0..3).all(|i| w.all_see(&format!("node-{i:03}"), Status::Failed))
        });
        let through = world.nodes[17].addr;
        for server in 0..3 {
            let back = world.start(&format!("node-{server:03}"));
            world.with(back, |core, now| core.join(now, through));
        }
        let took = world.run_until(seconds(3), "servers back", |w| w.all_see_alive(30));
        println!("seed {seed}: three servers back for all after {took:?}");
        let since = world.now;
        world.run(seconds(60));
        assert_eq!(world.failures(since), [], "seed {seed}");
    }
}

#[test]
fn a_slow_node_accuses_nobody_to_death() {
    for seed in seeds(4) {
        let mut world = cluster(seed, 50, 0.0);
        let since = world.now;
        world.nodes[4].lag = seconds(3);
        world.run(seconds(60));
        assert!(world.nodes[4].core.as_ref().unwrap().health_score() > 0, "it doubts itself");
        let wrong: Vec<_> = world.failures(since).into_iter().filter(|(_, victim)| victim != "node-004").collect();
        assert_eq!(wrong, [], "seed {seed}");
        world.nodes[4].lag = Duration::ZERO;
        world.run_until(seconds(60), "recovered", |w| w.all_see_alive(50));
    }
}

#[test]
fn tags_reach_everybody_and_the_newest_win() {
    let mut world = cluster(1, 30, 0.2);
    for round in 0..5 {
        let tags = BTreeMap::from([("round".to_owned(), round.to_string())]);
        world.with(3, |core, now| core.set_tags(now, tags)).unwrap();
        world.run(Duration::from_millis(100));
    }
    world.run_until(seconds(10), "tags known", |w| {
        w.running()
            .into_iter()
            .all(|i| w.view(i, "node-003").is_some_and(|m| m.tags.get("round").is_some_and(|r| r == "4")))
    });
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let hash = |seed| {
        let mut world = cluster(seed, 30, 0.3);
        world.kill(3);
        world.run(seconds(30));
        world.trace_hash()
    };
    assert_eq!(hash(11), hash(11));
    assert_ne!(hash(11), hash(12));
}
