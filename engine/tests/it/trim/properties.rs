//! Whatever is trimmed, rows are those of a device that never trims.

use proptest::prelude::*;
use syncline::Projection as _;

use super::{open, rows, strict, sync, trim, write};
use crate::world::*;

/// What three devices do. The last one never trims.
#[derive(Debug, Clone)]
enum Step {
    Write { device: usize, key: u8, large: bool, refused: bool },
    Sync { device: usize },
    Checkpoint { device: usize },
    Trim { device: usize, keep: u64 },
    Reopen { device: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let device = 0..3usize;
    let step = prop_oneof![
        6 => (device.clone(), 0..4u8, any::<bool>(), prop::bool::weighted(0.3))
            .prop_map(|(device, key, large, refused)| Step::Write { device, key, large, refused }),
        4 => device.clone().prop_map(|device| Step::Sync { device }),
        2 => device.clone().prop_map(|device| Step::Checkpoint { device }),
        2 => (0..2usize, 0..4u64).prop_map(|(device, keep)| Step::Trim { device, keep }),
        1 => device.prop_map(|device| Step::Reopen { device }),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn rows_never_depend_on_what_was_trimmed(steps in steps()) {
        let clock = Hand::at(100);
        let service = strict(&clock);
        let stores = [memory(), memory(), memory()];
        let reopen = |device: usize| open(stores[device].clone(), device as u8 + 1, &clock);
        let mut replicas = [reopen(0), reopen(1), reopen(2)];
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Write { device, key, large, refused } => {
                    let text = if refused { "secret" } else { "plain" };
                    let value = format!("{text} {number} {}", "x".repeat(if large { 60 } else { 0 }));
                    write(&replicas[device], &key.to_string(), &value);
                }
                Step::Sync { device } => sync(&replicas[device], &service),
                Step::Checkpoint { device } => drop(block_on(replicas[device].checkpoint()).unwrap()),
                Step::Trim { device, keep } => drop(trim(&replicas[device], keep)),
                Step::Reopen { device } => replicas[device] = reopen(device),
            }
        }
        for replica in replicas.iter().chain(&replicas) {
            sync(replica, &service);
        }
        block_on(replicas[2].rebuild(&Pairs.view())).unwrap();
        for replica in &replicas[..2] {
            prop_assert_eq!(rows(replica), rows(&replicas[2]));
            prop_assert!(block_on(replica.status()).unwrap().peer.unwrap().unread == 0);
        }
    }
}
