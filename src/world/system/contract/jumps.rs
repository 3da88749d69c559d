//! Soundness: random jumps between remembered states, over a schema that has everything. Whatever state is jumped to, from
//! wherever, a full dump is the one that was taken when the state was first reached.
//!
//! `VENOMQA_WALK_JUMPS` makes it longer, `VENOMQA_WALK_SEED` another one.

use super::contract;
use super::fixture::{Client, Fixture};
use super::walk::Walk;
use crate::random::Random;
use crate::world::system::{System as _, SystemState};

contract!(random_jumps_between_states_are_exact);

async fn random_jumps_between_states_are_exact<F: Fixture>() {
    jump_at_random::<F>(
        F::JUMPS.schema,
        F::JUMPS.steps,
        number("VENOMQA_WALK_JUMPS", 300),
    )
    .await;
}

/// How many states are remembered.
const STATES: usize = 50;

/// A random walk with so many jumps over a schema.
pub(in crate::world::system) async fn jump_at_random<F: Fixture>(
    schema: &str,
    steps: &[&str],
    jumps: usize,
) {
    let mut random = Random::new(number("VENOMQA_WALK_SEED", 1) as u64);
    let mut walk = Walk::<F>::new(schema).await;
    // What setup does is part of the initial state.
    for _ in 0..10 {
        act(&walk, steps, &mut random).await;
    }
    walk.system.mark_initial().await.unwrap();
    walk.state = SystemState::default();
    walk.read().await;
    let mut states = vec![(walk.state.clone(), walk.dump().await)];
    let mut changes = 0;
    let mut done = vec![0; steps.len()];
    for jump in 0..jumps {
        let (state, content) = states[random.below(states.len())].clone();
        walk.try_restore(&state)
            .await
            .unwrap_or_else(|error| panic!("jump {jump}: {error:?}"));
        let seen = walk.fixture.dump(one_of_the_clients(&mut random)).await;
        assert_eq!(seen, content, "jump {jump}");
        if jump % 10 == 0 {
            walk.system.verify(&state).await.unwrap();
        }
        for _ in 0..=random.below(3) {
            if let Some(step) = act(&walk, steps, &mut random).await {
                done[step] += 1;
            }
            let reading = walk
                .try_read()
                .await
                .unwrap_or_else(|error| panic!("jump {jump}: {error:?}"));
            assert!(reading.warnings.is_empty(), "{:?}", reading.warnings);
            changes += reading.delta.changes().len();
        }
        let reached = (walk.state.clone(), walk.dump().await);
        if states.len() < STATES {
            states.push(reached);
        } else {
            let place = 1 + random.below(states.len() - 1);
            states[place] = reached;
        }
    }
    assert!(changes > jumps, "the walk stood still");
    if jumps >= 300 {
        let never = steps.iter().zip(&done).find(|(_, done)| **done == 0);
        assert_eq!(never, None, "a step that the database always refuses");
    }
    walk.finish().await;
}

/// One random step, its number if the database took it. What it refuses may have happened in part.
async fn act<F: Fixture>(walk: &Walk<F>, steps: &[&str], random: &mut Random) -> Option<usize> {
    let (number, step) = random_step::<F>(steps, random);
    let client = one_of_the_clients(random);
    let done = walk.fixture.execute(client, &step).await;
    done.is_ok().then_some(number)
}

/// A step of a service with its placeholders filled in.
pub(super) fn random_step<F: Fixture>(steps: &[&str], random: &mut Random) -> (usize, String) {
    let number = random.below(steps.len());
    let mut step = steps[number].to_owned();
    for place in ["{n}", "{m}"] {
        step = step.replace(place, &random.below(5).to_string());
    }
    for (place, choices) in F::JUMPS.words {
        step = step.replace(place, choices[random.below(choices.len())]);
    }
    (number, step)
}

fn one_of_the_clients(random: &mut Random) -> Client {
    [Client::First, Client::Second][random.below(2)]
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}
