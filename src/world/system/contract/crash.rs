//! A run that is killed is undone, by the next run or by `venomqa restore`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::contract;
use super::fixture::{Client, Fixture, config};
use super::jumps::random_step;
use super::walk::Walk;
use crate::random::Random;
use crate::world::system::{System as _, SystemState};

contract!(
    a_killed_run_is_undone_by_a_recovery,
    the_next_run_recovers_before_it_begins,
    a_run_that_is_killed_at_any_moment_is_undone,
    a_database_in_use_by_a_run_is_left_to_it,
);

/// What a run did before it was killed.
const STEPS: [&str; 4] = [
    "INSERT INTO orders (total) VALUES (1), (2); INSERT INTO items (order_id) SELECT id FROM orders",
    "UPDATE orders SET id = id + 100, total = total + 1",
    "DELETE FROM loose WHERE what = 'a'; INSERT INTO loose VALUES ('b'), ('b')",
    "DELETE FROM orders WHERE id = 101; UPDATE loose SET what = 'same'",
];

fn schema<F: Fixture>() -> String {
    let key = F::GENERATED_KEY;
    format!(
        "CREATE TABLE orders ({key}, total INTEGER); CREATE TABLE loose (what TEXT);
         CREATE TABLE items ({key}, order_id INTEGER REFERENCES orders (id) ON DELETE CASCADE ON UPDATE CASCADE);
         INSERT INTO orders (total) VALUES (10), (20); INSERT INTO loose VALUES ('a'), ('a'), (NULL);
         INSERT INTO items (order_id) VALUES (1), (1), (2)"
    )
}

async fn a_killed_run_is_undone_by_a_recovery<F: Fixture>() {
    for steps in 0..=STEPS.len() {
        let mut walk = Walk::<F>::new(&schema::<F>()).await;
        let start = walk.state.clone();
        for step in &STEPS[..steps] {
            walk.step(step).await;
        }
        if steps % 2 == 1 {
            walk.restore(&start).await;
            walk.sql("INSERT INTO orders (total) VALUES (5)").await;
        }
        walk.kill();
        let text = walk.recover().await.unwrap().unwrap();
        assert!(text.contains("put back"), "{text}");
        // A second recovery has nothing to do.
        walk.assert_no_trace().await;
    }
}

async fn the_next_run_recovers_before_it_begins<F: Fixture>() {
    let mut walk = Walk::<F>::new(&schema::<F>()).await;
    walk.step(STEPS[0]).await;
    walk.kill();
    walk.sql("DELETE FROM loose").await;
    let text = walk.system.install().await.unwrap().unwrap();
    assert!(text.contains("put back"), "{text}");
    assert_eq!(walk.dump().await, walk.before);
    walk.system.mark_initial().await.unwrap();
    walk.step(STEPS[1]).await;
    walk.finish().await;
}

/// Set in the process that is to be killed: where the database is.
const VICTIM: &str = "VENOMQA_TEST_VICTIM";

async fn a_run_that_is_killed_at_any_moment_is_undone<F: Fixture>() {
    if let Ok(location) = std::env::var(VICTIM) {
        walk_until_killed::<F>(&location).await;
    }
    let fixture = F::new(F::JUMPS.schema).await;
    let before = (fixture.dump(Client::First).await, fixture.catalogue().await);
    let mut random = Random::new(7);
    let mut recovered = 0;
    let name = format!(
        "world::system::contract::crash::{}::a_run_that_is_killed_at_any_moment_is_undone",
        F::KIND
    );
    for round in 0..20 {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name, "--nocapture"])
            .env(VICTIM, fixture.location())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // A third of them is killed while it starts, the others some time after the walk has begun.
        if round % 3 != 0 {
            let output = BufReader::new(victim.stdout.take().unwrap());
            let mut lines = output.lines().map_while(Result::ok);
            assert!(
                lines.any(|line| line.ends_with("walking")),
                "the other process never began"
            );
        }
        std::thread::sleep(Duration::from_micros(random.below(60_000) as u64));
        // SIGKILL: no destructor runs.
        victim.kill().unwrap();
        victim.wait().unwrap();
        fixture.wait_for_the_dead().await;
        let text = F::ENGINE.recover(&fixture.location(), false).await.unwrap();
        recovered += u32::from(text.is_some());
        let after = (fixture.dump(Client::First).await, fixture.catalogue().await);
        assert_eq!(after, before, "round {round}");
        assert_eq!(fixture.files(), Vec::<String>::new(), "round {round}");
    }
    fixture.assert_sound().await;
    assert!(
        recovered >= 13,
        "{recovered} of 20 runs got far enough to be undone"
    );
}

/// A run that steps and goes back without end.
async fn walk_until_killed<F: Fixture>(location: &str) -> ! {
    let service = F::connect(location).await;
    let mut random = Random::new(u64::from(std::process::id()));
    let mut system = F::open(&config::<F>(location), location).unwrap();
    let mut state = SystemState::default();
    system.install().await.unwrap();
    system.mark_initial().await.unwrap();
    let mut states = vec![state.clone()];
    // Not `println!`, which the harness of the tests would take.
    writeln!(std::io::stdout(), "\nwalking").unwrap();
    loop {
        // What the database refuses is no step; the walk goes on.
        let step = random_step::<F>(F::JUMPS.steps, &mut random).1;
        let _ = F::execute_on(&service, &step).await;
        let reading = system.read(&state).await.unwrap();
        state.delta = state.delta.after(&reading.delta);
        states.push(state.clone());
        let to = states[random.below(states.len())].clone();
        system.restore(&state, &to).await.unwrap();
        state = to;
    }
}

async fn a_database_in_use_by_a_run_is_left_to_it<F: Fixture>() {
    let mut walk = Walk::<F>::new(&schema::<F>()).await;
    walk.step(STEPS[0]).await;
    let mut second = F::open(&walk.config(), &walk.location()).unwrap();
    let error = second.install().await.unwrap_err();
    assert!(error.message.contains("another venomqa run"), "{error:?}");
    assert!(error.help.is_some());
    let error = walk.recover().await.unwrap_err();
    assert!(error.message.contains("another venomqa run"), "{error:?}");
    // The end of a run that never began changes nothing.
    second.uninstall().await.unwrap();
    walk.jump_about(&[STEPS[1]]).await;
    walk.finish().await;
}
