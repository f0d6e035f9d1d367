//! Which rows have changed since an application was here last.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use syncline::authority::AllowAll;
use syncline::store::{Row, RowRange};
use syncline::{Projection, Replica, Service};

use crate::world::*;

fn strict(clock: &Hand) -> Arc<Service> {
    let reader = Arc::new(clock.reader());
    Arc::new(Service::new(storage(), Arc::new(AllowAll), reader).with_policy(Arc::new(Forbids("secret"))))
}

fn write(replica: &Replica, key: &str, value: &str) {
    block_on(replica.write(&[set(key, value)])).unwrap();
}

fn rows(replica: &Replica) -> BTreeSet<(Vec<u8>, Vec<u8>)> {
    let all = syncline::store::Limit::items(u32::MAX);
    let rows = block_on(replica.store().scan(&Pairs.view(), RowRange::all(), all)).unwrap();
    rows.into_iter().map(|Row { key, value }| (key.to_vec(), value.to_vec())).collect()
}

fn keys(since: &syncline::replica::Since) -> Option<Vec<String>> {
    let keys = since.keys.as_ref()?;
    Some(keys.iter().map(|key| String::from_utf8(key.to_vec()).unwrap()).collect())
}

#[test]
fn the_rows_that_were_written_or_pulled_since_are_told_and_no_others() {
    let clock = Hand::at(100);
    let service = strict(&clock);
    let (one, two) = (replica(1, &clock), replica(2, &clock));
    write(&one, "a", "1");
    write(&two, "b", "1");
    let view = one.view(Pairs).unwrap();
    let mark = block_on(view.mark()).unwrap();
    assert_eq!(keys(&block_on(view.changed_since(&mark)).unwrap()).unwrap(), [""; 0]);
    write(&one, "c", "1");
    block_on(two.sync(&way(&service))).unwrap();
    block_on(one.sync(&way(&service))).unwrap();
    let since = block_on(view.changed_since(&mark)).unwrap();
    assert_eq!(keys(&since).unwrap(), ["b", "c"]);
    write(&one, "a", "2");
    assert_eq!(keys(&block_on(view.changed_since(&since.now)).unwrap()).unwrap(), ["a"]);
    assert_eq!(keys(&block_on(view.changed_since(&mark)).unwrap()).unwrap(), ["a", "b", "c"]);
}

#[test]
fn after_a_refusal_or_a_rebuild_any_row_may_have_changed() {
    let clock = Hand::at(100);
    let service = strict(&clock);
    let one = replica(1, &clock);
    let view = one.view(Pairs).unwrap();
    write(&one, "a", "a secret");
    let mark = block_on(view.mark()).unwrap();
    block_on(one.sync(&way(&service))).unwrap();
    let since = block_on(view.changed_since(&mark)).unwrap();
    assert_eq!(since.keys, None);
    assert_eq!(keys(&block_on(view.changed_since(&since.now)).unwrap()).unwrap(), [""; 0]);
    block_on(one.rebuild(&Pairs.view())).unwrap();
    assert_eq!(block_on(view.changed_since(&since.now)).unwrap().keys, None);
}

#[test]
fn a_mark_from_before_the_horizon_or_of_another_log_is_told_so() {
    let clock = Hand::at(100);
    let service = strict(&clock);
    let (one, other) = (replica(1, &clock), replica(2, &clock));
    let view = one.view(Pairs).unwrap();
    let foreign = block_on(other.view(Pairs).unwrap().mark()).unwrap();
    assert_eq!(block_on(view.changed_since(&foreign)).unwrap().keys, None);
    let old = block_on(view.mark()).unwrap();
    (0..9).for_each(|number| write(&one, "a", &number.to_string()));
    block_on(one.sync(&way(&service))).unwrap();
    let new = block_on(view.mark()).unwrap();
    block_on(one.trim(0)).unwrap();
    assert_eq!(block_on(view.changed_since(&old)).unwrap().keys, None);
    assert_eq!(keys(&block_on(view.changed_since(&new)).unwrap()).unwrap(), [""; 0]);
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Write { by: bool, key: u8, secret: bool },
    Sync { by: bool },
    Trim,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let write = (any::<bool>(), 0..5u8, prop::bool::weighted(0.2));
    let write = write.prop_map(|(by, key, secret)| Act::Write { by, key, secret });
    prop::collection::vec(
        prop_oneof![6 => write, 4 => any::<bool>().prop_map(|by| Act::Sync { by }), 1 => Just(Act::Trim)],
        1..25,
    )
}

proptest! {
    #[test]
    fn no_row_changes_untold(before in acts(), after in acts()) {
        let clock = Hand::at(100);
        let service = strict(&clock);
        let replicas = [replica(1, &clock), replica(2, &clock)];
        let act = |act: &Act| match *act {
            Act::Write { by, key, secret } => {
                let value = if secret { "secret" } else { "x" };
                write(&replicas[usize::from(by)], &key.to_string(), value);
            }
            Act::Sync { by } => drop(block_on(replicas[usize::from(by)].sync(&way(&service))).unwrap()),
            Act::Trim => drop(block_on(replicas[0].trim(2)).unwrap()),
        };
        before.iter().for_each(act);
        let view = replicas[0].view(Pairs).unwrap();
        let (mark, then) = (block_on(view.mark()).unwrap(), rows(&replicas[0]));
        after.iter().for_each(act);
        let now = rows(&replicas[0]);
        if let Some(keys) = block_on(view.changed_since(&mark)).unwrap().keys {
            let changed = then.symmetric_difference(&now).map(|(key, _)| key);
            for key in changed {
                prop_assert!(keys.contains(&key[..]), "row {key:?} has changed, and {keys:?} are told");
            }
        }
    }
}
