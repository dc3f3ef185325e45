//! One harness for every step of every operation: crash before, crash after, run twice, run
//! overtaken, run again long after. The end is that of the undisturbed run.

use millrace_domain::{OperationKind, OperationStatus};

use crate::sim::{Act, EndState, Fate, Sim};
use crate::stories::{Story, check_end, stories};

async fn run(story: &Story, fate: &mut dyn FnMut(usize) -> Fate) -> (EndState, Sim) {
    let mut sim = Sim::new(story.behaviour);
    for act in story.acts {
        sim.act(*act).unwrap_or_else(|reject| panic!("{}: {act:?}: {reject}", story.name));
        sim.settle(fate).await;
    }
    (sim.end_state(), sim)
}

async fn check(fate: Fate) {
    for story in stories() {
        let (undisturbed, sim) = run(story, &mut |_| Fate::Undisturbed).await;
        check_end(story, &undisturbed);
        for disturbed in 0..sim.steps.len() {
            let mut one = |number| if number == disturbed { fate } else { Fate::Undisturbed };
            let (end, after) = run(story, &mut one).await;
            let place = format!("{} {fate:?} at {disturbed}: {:?}", story.name, after.steps);
            assert_eq!(end, undisturbed, "{place}");
            after.world.exactly_once().unwrap_or_else(|problem| panic!("{place}: {problem}"));
        }
    }
}

#[tokio::test]
async fn every_step_survives_a_crash_before_it() {
    check(Fate::CrashBefore).await;
}

#[tokio::test]
async fn every_step_survives_a_crash_after_its_effect() {
    check(Fate::CrashAfter).await;
}

#[tokio::test]
async fn every_step_may_be_done_twice() {
    check(Fate::Twice).await;
}

#[tokio::test]
async fn every_step_may_be_overtaken() {
    check(Fate::Overtaken).await;
}

#[tokio::test]
async fn every_decision_is_harmless_when_it_comes_late() {
    for after in 1..=3 {
        check(Fate::Again(after)).await;
    }
}

/// Many crashes in one story.
#[tokio::test]
async fn every_third_step_may_be_lost() {
    for story in stories().filter(|story| !story.acts.contains(&Act::KillEngine)) {
        let (undisturbed, _) = run(story, &mut |_| Fate::Undisturbed).await;
        let mut every_third = |number: usize| match number % 3 {
            0 => Fate::CrashAfter,
            _ => Fate::Undisturbed,
        };
        let (end, after) = run(story, &mut every_third).await;
        // A cause may be worded by another try.
        assert_eq!(statuses(&end), statuses(&undisturbed), "{}", story.name);
        assert_eq!((end.status, end.version), (undisturbed.status, undisturbed.version));
        after.world.exactly_once().unwrap_or_else(|problem| panic!("{}: {problem}", story.name));
    }
}

fn statuses(end: &EndState) -> Vec<(OperationKind, OperationStatus)> {
    end.operations.iter().map(|(kind, status, _)| (*kind, *status)).collect()
}
