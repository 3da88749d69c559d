//! The search for the shortest path, and for the simplest values, that still break the same oracle. It knows no world.
//!
//! It is delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002) in an order
//! that suits paths. When a step is left out, the steps *before* it cost nothing, because their state is remembered; the
//! steps *behind* it must be sent again. So the path is halved from the right: when a part is left out, only needed steps
//! remain behind it, and a trial costs as many requests as the shortest path has steps behind that part.

use rustc_hash::FxHashSet;

use crate::model::ActionId;
use crate::world::WorldError;

/// Up to this many steps, each pair of steps is left out as well: some steps come in pairs (`lock`, `unlock`), and neither
/// can be left out alone.
const PAIRS_UP_TO: usize = 8;

/// How many simpler values are tried for one step.
const VALUES: usize = 16;

/// Tries paths for a search.
pub(crate) trait Trial {
    /// Whether this path, from the initial state, ends with the same oracle broken.
    async fn fails(&mut self, path: &[ActionId]) -> Result<bool, Stop>;

    /// Whole paths in which a shorter beginning replaces a beginning of this path.
    fn shortcuts(&mut self, path: &[ActionId]) -> Vec<Vec<ActionId>>;
}

/// Why a search ends before it is done.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    /// The budget is used up; the text says how large it was.
    Budget(String),
    /// The world cannot go on.
    Error(WorldError),
}

impl From<WorldError> for Stop {
    fn from(error: WorldError) -> Self {
        Self::Error(error)
    }
}

/// Looks for a shorter path than `path`, which is known to fail. `guesses` are tried first. `simpler` yields the actions
/// that do the same with simpler values, the simplest first. Returns the best path found, and why the search ended
/// before it was done, if it did.
pub(crate) async fn shrink<T: Trial>(
    trial: &mut T,
    path: Vec<ActionId>,
    guesses: &[Vec<ActionId>],
    simpler: &dyn Fn(ActionId) -> Vec<ActionId>,
) -> (Vec<ActionId>, Option<Stop>) {
    let mut search = Search {
        trial,
        best: path,
        passed: FxHashSet::default(),
    };
    let stop = search.run(guesses, simpler).await.err();
    (search.best, stop)
}

struct Search<'t, T> {
    trial: &'t mut T,
    best: Vec<ActionId>,
    /// Paths known not to fail.
    passed: FxHashSet<Vec<ActionId>>,
}

impl<T: Trial> Search<'_, T> {
    async fn run(
        &mut self,
        guesses: &[Vec<ActionId>],
        simpler: &dyn Fn(ActionId) -> Vec<ActionId>,
    ) -> Result<(), Stop> {
        for guess in guesses {
            if guess.len() < self.best.len() && self.try_path(guess.clone()).await? {
                break;
            }
        }
        self.halve().await?;
        loop {
            let shorter = self.leave_out_single_steps().await?
                || self.leave_out_pairs().await?
                || self.take_shortcuts().await?;
            if !shorter && !self.simplify(simpler).await? {
                return Ok(());
            }
        }
    }

    /// Makes the candidate the best path if it fails.
    async fn try_path(&mut self, candidate: Vec<ActionId>) -> Result<bool, Stop> {
        if self.passed.contains(&candidate) {
            return Ok(false);
        }
        if self.trial.fails(&candidate).await? {
            self.best = candidate;
            return Ok(true);
        }
        self.passed.insert(candidate);
        Ok(false)
    }

    /// Leaves these steps out, if it fails without.
    async fn try_without(&mut self, left_out: std::ops::Range<usize>) -> Result<bool, Stop> {
        let mut candidate = self.best.clone();
        candidate.drain(left_out);
        self.try_path(candidate).await
    }

    /// Leaves out what it can, from the right: the whole part, or else what it can of its halves. The last step stays.
    async fn halve(&mut self) -> Result<(), Stop> {
        let mut parts = Vec::new();
        parts.push(0..self.best.len().saturating_sub(1));
        while let Some(part) = parts.pop() {
            if part.is_empty() || self.try_without(part.clone()).await? || part.len() == 1 {
                continue;
            }
            let middle = part.start + part.len() / 2;
            parts.push(part.start..middle);
            parts.push(middle..part.end);
        }
        Ok(())
    }

    /// Leaves out single steps until none can be. Says whether any could.
    async fn leave_out_single_steps(&mut self) -> Result<bool, Stop> {
        let mut any = false;
        loop {
            let mut shorter = false;
            for position in (0..self.best.len().saturating_sub(1)).rev() {
                shorter |= self.try_without(position..position + 1).await?;
            }
            any |= shorter;
            if !shorter {
                return Ok(any);
            }
        }
    }

    /// Leaves out the first pair of steps that it can. Says whether there was one.
    async fn leave_out_pairs(&mut self) -> Result<bool, Stop> {
        if self.best.len() > PAIRS_UP_TO {
            return Ok(false);
        }
        for second in (1..self.best.len().saturating_sub(1)).rev() {
            for first in (0..second).rev() {
                let mut candidate = self.best.clone();
                candidate.remove(second);
                candidate.remove(first);
                if self.try_path(candidate).await? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn take_shortcuts(&mut self) -> Result<bool, Stop> {
        for candidate in self.trial.shortcuts(&self.best) {
            if candidate.len() < self.best.len() && self.try_path(candidate).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives each step the simplest values with which it still fails. Says whether any step got other ones.
    async fn simplify(
        &mut self,
        simpler: &dyn Fn(ActionId) -> Vec<ActionId>,
    ) -> Result<bool, Stop> {
        let mut any = false;
        for position in 0..self.best.len() {
            for action in simpler(self.best[position]).into_iter().take(VALUES) {
                let mut candidate = self.best.clone();
                candidate[position] = action;
                if self.try_path(candidate).await? {
                    any = true;
                    break;
                }
            }
        }
        Ok(any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path fails when the function says so. Counts trials, and the steps behind what was left out as requests.
    struct Counted<F> {
        fails: F,
        asked: Vec<Vec<u32>>,
        requests: usize,
        known: FxHashSet<Vec<u32>>,
        budget: usize,
    }

    impl<F: Fn(&[u32]) -> bool> Counted<F> {
        fn new(walked: &[u32], fails: F) -> Self {
            Self {
                fails,
                asked: Vec::new(),
                requests: 0,
                known: (0..walked.len())
                    .map(|end| walked[..end].to_vec())
                    .collect(),
                budget: usize::MAX,
            }
        }
    }

    impl<F: Fn(&[u32]) -> bool> Trial for Counted<F> {
        async fn fails(&mut self, path: &[ActionId]) -> Result<bool, Stop> {
            let path: Vec<u32> = path.iter().map(|action| action.0).collect();
            if self.asked.len() == self.budget {
                return Err(Stop::Budget("enough".to_owned()));
            }
            self.asked.push(path.clone());
            for end in 1..=path.len() {
                self.requests += usize::from(self.known.insert(path[..end].to_vec()));
            }
            Ok((self.fails)(&path))
        }

        fn shortcuts(&mut self, _path: &[ActionId]) -> Vec<Vec<ActionId>> {
            Vec::new()
        }
    }

    fn ids(path: &[u32]) -> Vec<ActionId> {
        path.iter().copied().map(ActionId).collect()
    }

    fn run<F: Fn(&[u32]) -> bool>(
        trial: &mut Counted<F>,
        path: &[u32],
        guesses: &[&[u32]],
        simpler: &dyn Fn(ActionId) -> Vec<ActionId>,
    ) -> (Vec<u32>, bool) {
        let guesses: Vec<_> = guesses.iter().map(|guess| ids(guess)).collect();
        let (best, stop) = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(shrink(trial, ids(path), &guesses, simpler));
        (best.iter().map(|action| action.0).collect(), stop.is_none())
    }

    fn no_values(_: ActionId) -> Vec<ActionId> {
        Vec::new()
    }

    /// Whether these come one after the other, whatever is between them.
    fn in_order(path: &[u32], wanted: &[u32]) -> bool {
        let mut wanted = wanted.iter().peekable();
        for step in path {
            if wanted.peek() == Some(&step) {
                wanted.next();
            }
        }
        wanted.peek().is_none()
    }

    #[test]
    fn forty_steps_become_the_three_that_matter() {
        let path: Vec<u32> = (0..40).collect();
        let mut trial = Counted::new(&path, |path| {
            in_order(path, &[7, 22, 39]) && path.last() == Some(&39)
        });
        let found = run(&mut trial, &path, &[], &no_values);
        assert_eq!(found, (vec![7, 22, 39], true));
        assert_eq!(trial.asked.len(), 19);
        assert_eq!(trial.requests, 33);
    }

    #[test]
    fn wherever_the_three_steps_are_a_shrink_takes_at_most_45_requests() {
        let path: Vec<u32> = (0..40).collect();
        let mut most = 0;
        for first in 0..39 {
            for second in first + 1..39 {
                let mut trial = Counted::new(&path, |path| in_order(path, &[first, second, 39]));
                let found = run(&mut trial, &path, &[], &no_values);
                assert_eq!(found, (vec![first, second, 39], true));
                most = most.max(trial.requests);
            }
        }
        assert_eq!(most, 45);
    }

    #[test]
    fn a_good_guess_leaves_nothing_but_to_prove_that_it_is_minimal() {
        let path: Vec<u32> = (0..40).collect();
        let mut trial = Counted::new(&path, |path| in_order(path, &[7, 22, 39]));
        let found = run(&mut trial, &path, &[&[7, 22, 39]], &no_values);
        assert_eq!(found, (vec![7, 22, 39], true));
        assert_eq!(
            trial.asked,
            [vec![7, 22, 39], vec![39], vec![7, 39], vec![22, 39]]
        );
        // The whole guess; 39 alone and after 7; 22 and 39.
        assert_eq!(trial.requests, 7);
    }

    #[test]
    fn a_wrong_guess_costs_one_trial() {
        let path = [0, 1, 2, 3];
        let mut trial = Counted::new(&path, |path| in_order(path, &[1, 3]));
        let found = run(&mut trial, &path, &[&[0, 3]], &no_values);
        assert_eq!(found, (vec![1, 3], true));
        assert_eq!(trial.asked[0], [0, 3]);
        let again = trial.asked[1..].iter().filter(|asked| **asked == [0, 3]);
        assert_eq!(again.count(), 0, "nothing is tried twice");
    }

    #[test]
    fn a_pair_that_only_goes_together_goes() {
        // 5 locks, 6 unlocks, and nothing breaks while it is locked.
        let fails = |path: &[u32]| {
            let locks = path.iter().filter(|step| **step == 5).count();
            let unlocks = path.iter().filter(|step| **step == 6).count();
            locks == unlocks && in_order(path, &[1, 9])
        };
        let path = [5, 1, 6, 9];
        let mut trial = Counted::new(&path, fails);
        assert_eq!(run(&mut trial, &path, &[], &no_values), (vec![1, 9], true));
    }

    #[test]
    fn what_is_minimal_fails_without_none_of_its_steps() {
        // Broken where the number of odd steps before the last one is a multiple of three, and not zero.
        let fails = |path: &[u32]| {
            let (last, before) = path.split_last().unwrap();
            let odd = before.iter().filter(|step| **step % 2 == 1).count();
            *last == 99 && odd > 0 && odd.is_multiple_of(3)
        };
        let path: Vec<u32> = (0..18).chain([99]).collect();
        assert!(fails(&path));
        let mut trial = Counted::new(&path, fails);
        let (found, done) = run(&mut trial, &path, &[], &no_values);
        assert!(done);
        assert!(fails(&found));
        for position in 0..found.len() {
            let mut without = found.clone();
            without.remove(position);
            assert!(without.is_empty() || !fails(&without), "{found:?}");
        }
    }

    #[test]
    fn a_step_gets_the_simplest_values_that_still_fail() {
        // Actions 20 to 29 do the same with 0 to 9.
        let simpler = |action: ActionId| ids(&(20..action.0.clamp(20, 30)).collect::<Vec<_>>());
        let path = [1, 29, 2, 29];
        let mut trial = Counted::new(&path, |path| {
            path.len() >= 2 && path[path.len() - 2] >= 24 && path[path.len() - 1] >= 22
        });
        let found = run(&mut trial, &path, &[], &simpler);
        // 2 stood in front of the last step and was in the way of nothing: it goes, the first 29 stays.
        assert_eq!(found, (vec![24, 22], true));
    }

    #[test]
    fn a_path_of_one_step_is_minimal_without_a_trial() {
        let mut trial = Counted::new(&[3], |_| true);
        assert_eq!(run(&mut trial, &[3], &[], &no_values), (vec![3], true));
        assert_eq!(trial.asked.len(), 0);
    }

    #[test]
    fn when_the_budget_is_used_up_the_best_so_far_is_kept() {
        let path: Vec<u32> = (0..40).collect();
        let mut trial = Counted::new(&path, |path| in_order(path, &[7, 22, 39]));
        trial.budget = 5;
        let (found, done) = run(&mut trial, &path, &[], &no_values);
        assert!(!done);
        assert!(
            found.len() < 40 && in_order(&found, &[7, 22, 39]),
            "{found:?}"
        );
    }
}
