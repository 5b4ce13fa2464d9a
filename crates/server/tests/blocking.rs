//! Reads that wait: when they return, what wakes them, and that no wake-up is lost.

mod common;

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use common::{Fixture, at_once, block_on, get, health, list, waiting, who};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use server::blocking::{Reading, read, wait_time};
use server::request::{Body, Form, Query, ReadOptions};

/// Counts how often it is woken.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn never(_: Duration) -> std::future::Pending<()> {
    std::future::pending()
}

fn text(reading: &Reading) -> String {
    match &reading.body {
        Body::Json { json, .. } => String::from_utf8_lossy(json).into_owned(),
        Body::Rows(answer) => format!("{answer:?}"),
    }
}

#[test]
fn waits_have_a_default_a_cap_and_jitter() {
    assert_eq!(wait_time(0, 0), Duration::from_secs(300));
    assert_eq!(wait_time(3_600_000, 0), Duration::from_secs(600));
    assert_eq!(wait_time(1_600, 0), Duration::from_millis(1_600));
    assert_eq!(wait_time(1_600, u32::MAX), Duration::from_millis(1_700));
}

#[test]
fn an_index_in_the_past_answers_at_once_and_one_in_the_future_waits_for_the_time_to_be_over() {
    let mut fixture = Fixture::new();
    fixture.put("a", "1");
    fixture.put("a", "2");
    let run =
        |options: &ReadOptions| block_on(read(&fixture.reader, &fixture.shared, who(), options, get("a"), 0, at_once));
    let past = |_| -> std::future::Ready<()> { panic!("an answer that is there needs no timer") };
    let reading = block_on(read(&fixture.reader, &fixture.shared, who(), &waiting(1, Form::Json), get("a"), 0, past));
    assert_eq!(reading.expect("a right query").index, 2);
    assert_eq!(run(&waiting(2, Form::Rows)).expect("a right query").index, 2);
    assert_eq!(run(&waiting(99, Form::Json)).expect("a right query").index, 2, "the real index, though it is lower");
}

#[test]
fn a_read_is_woken_by_its_own_data_alone() {
    let mut fixture = Fixture::new();
    let service =
        |name: &str, port: u16| json!({"Node": "x", "Address": "1", "Service": {"Service": name, "Port": port}});
    for name in ["web", "webster", "api"] {
        fixture.register(service(name, 1)).expect("accepted");
    }
    fixture.put("k", "1");
    let index = fixture.index;
    let (reader, shared) = (fixture.reader.clone(), Arc::clone(&fixture.shared));
    let options = waiting(index, Form::Json);
    let mut of_web = pin!(read(&reader, &shared, who(), &options, health("web", false), 0, never));
    let mut of_key = pin!(read(&reader, &shared, who(), &options, get("k"), 0, never));
    let counter = Arc::new(Counter::default());
    let waker = Waker::from(Arc::clone(&counter));
    let mut context = Context::from_waker(&waker);
    assert!(of_web.as_mut().poll(&mut context).is_pending() && of_key.as_mut().poll(&mut context).is_pending());
    fixture.register(service("webster", 2)).expect("accepted");
    fixture.register(service("api", 2)).expect("accepted");
    fixture.put("other", "1");
    assert_eq!(counter.0.load(Ordering::SeqCst), 0);
    fixture.register(service("web", 2)).expect("accepted");
    assert_eq!(counter.0.load(Ordering::SeqCst), 1);
    let Poll::Ready(Ok(reading)) = of_web.as_mut().poll(&mut context) else { panic!("the service has changed") };
    assert_eq!(reading.index, fixture.index);
    assert!(text(&reading).contains(r#""Port":2"#));
    assert!(of_key.as_mut().poll(&mut context).is_pending());
    fixture.put("k", "2");
    let Poll::Ready(Ok(reading)) = of_key.as_mut().poll(&mut context) else { panic!("the key has changed") };
    assert_eq!(reading.index, fixture.index);
}

#[test]
fn a_service_that_comes_or_goes_wakes_those_who_ask_for_its_name() {
    let mut fixture = Fixture::new();
    fixture.register(json!({"Node": "x", "Address": "1", "Service": {"Service": "other"}})).expect("accepted");
    let (reader, shared) = (fixture.reader.clone(), Arc::clone(&fixture.shared));
    let mut known = 1;
    let steps = [
        json!({"Node": "x", "Address": "1", "Service": {"ID": "s", "Service": "web"}}),
        json!({"Node": "x", "Address": "1", "Service": {"ID": "s", "Service": "renamed"}}),
        json!({"Node": "x", "Address": "1", "Service": {"ID": "s", "Service": "web"}}),
    ];
    for (step, expected) in steps.into_iter().zip([1, 0, 1]) {
        let options = waiting(known, Form::Json);
        let mut waits = pin!(read(&reader, &shared, who(), &options, health("web", false), 0, never));
        assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        fixture.register(step).expect("accepted");
        let Poll::Ready(Ok(reading)) = waits.poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("the service has changed")
        };
        assert_eq!(text(&reading).matches("\"Service\":{").count(), expected);
        assert!(reading.index > known);
        known = reading.index;
    }
}

#[test]
fn equal_reads_share_one_encoded_answer_until_the_data_changes() {
    let mut fixture = Fixture::new();
    fixture.put("p/a", "1");
    let encoded = |fixture: &Fixture| match fixture.read(&waiting(0, Form::Json), list("p/")).expect("right").body {
        Body::Json { json, .. } => json,
        Body::Rows(_) => panic!("JSON was asked for"),
    };
    let first = encoded(&fixture);
    fixture.put("q/a", "1");
    assert_eq!(encoded(&fixture).as_ptr(), first.as_ptr(), "nothing under the prefix has changed");
    fixture.put("p/a", "2");
    assert_ne!(encoded(&fixture), first);
    assert_eq!(fixture.shared.bytes(), encoded(&fixture).len());
}

#[test]
fn answers_that_are_kept_stay_within_their_number() {
    let mut fixture = Fixture::new();
    fixture.put("k", "1");
    for number in 0..20_000 {
        fixture.json(list(&format!("none/{number}")));
    }
    assert!(fixture.shared.bytes() <= 2 * server::limits::SHARED_ANSWERS_MAX);
}

#[test]
fn answers_that_are_kept_stay_within_their_bytes() {
    let mut fixture = Fixture::new();
    let value = "x".repeat(3 << 20);
    for number in 0..20 {
        fixture.put(&format!("big/{number}/"), &value);
        fixture.json(list(&format!("big/{number}/")));
        assert!(fixture.shared.bytes() > 0 && fixture.shared.bytes() <= server::limits::SHARED_BYTES_MAX);
    }
}

#[test]
fn the_future_of_a_read_can_move_between_threads() {
    fn assert_send<T: Send>(_: &T) {}
    let fixture = Fixture::new();
    let options = waiting(1, Form::Json);
    assert_send(&read(&fixture.reader, &fixture.shared, who(), &options, get("a"), 0, at_once));
}

/// Readers follow their data by blocking queries alone; the writer stops after a marker. If a wake-up were lost, a
/// reader would never see the marker.
#[test]
fn no_wake_up_is_lost_between_threads() {
    for seed in 0..6 {
        let mut fixture = Fixture::new();
        let (done, all_done) = mpsc::channel();
        let queries = [get("p/last"), get("p/last/x"), list("p/"), list(""), list("p/last/"), health("web", false)];
        let readers = queries.clone().into_iter().chain(queries).enumerate();
        for (number, query) in readers {
            let (reader, shared, done) = (fixture.reader.clone(), Arc::clone(&fixture.shared), done.clone());
            let form = if number % 3 == 0 { Form::Rows } else { Form::Json };
            std::thread::spawn(move || done.send(follow(&reader, &shared, &query, form)));
        }
        let mut random = StdRng::seed_from_u64(seed);
        for step in 0..600 {
            let key = format!("p/{}", random.random_range(0..20));
            match random.random_range(0..4) {
                0 => drop(fixture.put(&key, &step.to_string())),
                1 => drop(fixture.put("p/last", "x")),
                2 => {
                    let delete = common::kv(model::KvVerb::Delete, &key, model::Blob::default(), 0);
                    fixture.write(&delete).expect("accepted");
                }
                _ => {
                    let service = json!({"Node": "x", "Address": "1", "Service": {"Service": "web", "Port": step}});
                    fixture.register(service).expect("accepted");
                }
            }
        }
        fixture.put("p/last", "marker");
        fixture.put("p/last/x", "marker");
        let marker = json!({"Node": "x", "Address": "1", "Service": {"Service": "web", "Tags": ["marker"]}});
        fixture.register(marker).expect("accepted");
        for _ in 0..12 {
            all_done.recv_timeout(Duration::from_secs(60)).expect("every reader sees the marker");
        }
    }
}

fn follow(reader: &state::Reader, shared: &server::Shared, query: &Query, form: Form) -> u64 {
    let mut index = 0;
    loop {
        let reading = block_on(read(reader, shared, who(), &waiting(index, form), query.clone(), 0, never))
            .expect("a right query");
        assert!(index == 0 || reading.index > index, "woken without news");
        let text = text(&reading);
        // "marker" in base64, as bytes of a value, or as a tag.
        if ["bWFya2Vy", "marker"].iter().any(|marker| text.contains(marker)) {
            return reading.index;
        }
        index = reading.index;
    }
}
