//! Whatever is written and trimmed in which order: the archive and the log are together what the log would be without trims.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Write(u64),
    Trim(u64),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1u64..30).prop_map(Step::Write),
        3 => (0u64..40).prop_map(Step::Trim),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_archive_and_the_log_are_what_a_whole_log_is(steps in steps()) {
        let mut kept = Kept::new(1, Arc::new(MemoryArchive::new()));
        let (whole, clock) = (memory(), kept.clock.clone());
        let oracle = block_on(compose(whole.clone(), &clock).checkpoint_every(0).open(id(1))).unwrap();
        let mut written = 0;
        for step in steps {
            match step {
                Step::Write(count) => {
                    kept.write(written..written + count);
                    for number in written..written + count {
                        clock.set(100 + number);
                        block_on(oracle.write(&[set(&(number % 7).to_string(), &number.to_string())])).unwrap();
                    }
                    written += count;
                }
                Step::Trim(keep) => _ = kept.trim(keep),
                Step::Reopen => kept.keeper = open(&kept.store, &clock, kept.archive.clone()),
            }
        }
        let exporter = block_on(Exporter::begin_whole(kept.store.clone(), kept.archive.clone(), space())).unwrap();
        prop_assert!(exported(exporter).unwrap() == exported(block_on(Exporter::begin(whole, space())).unwrap()).unwrap());
        let half = NTP64((100 + written / 2) << 32);
        let (ours, theirs) = (kept.keeper.view(Pairs).unwrap(), oracle.view(Pairs).unwrap());
        prop_assert_eq!(block_on(ours.state_at(half)).unwrap(), block_on(theirs.state_at(half)).unwrap());
        block_on(kept.keeper.rebuild(&Pairs.view())).unwrap();
        prop_assert_eq!(pairs(&kept.keeper), pairs(&oracle));
    }
}
