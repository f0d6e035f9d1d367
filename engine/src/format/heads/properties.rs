//! Laws of the tree and its digest.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Origins that share digits, many and few of them.
fn origin() -> impl Strategy<Value = ReplicaId> {
    let id = |bytes: [u8; 16]| ReplicaId::from_bytes(bytes).unwrap();
    prop_oneof![
        (1u8..=40).prop_map(move |byte| id([byte; 16])),
        (0u8..40, 0usize..16).prop_map(move |(byte, at)| {
            let mut bytes = [0x77; 16];
            bytes[at] = byte;
            id(bytes)
        }),
    ]
}

fn head() -> impl Strategy<Value = Head> {
    (1u64..4, 0u8..3, 0u64..4).prop_map(|(seq, byte, time)| Head {
        seq: Seq::new(seq),
        chain: ChainHash([byte; 32]),
        time: NTP64(time),
    })
}

fn heads() -> impl Strategy<Value = BTreeMap<ReplicaId, Head>> {
    prop::collection::btree_map(origin(), head(), 0..80)
}

fn tree(heads: &BTreeMap<ReplicaId, Head>) -> Heads {
    heads.iter().map(|(origin, head)| (*origin, *head)).collect()
}

/// Goes through changes one by one, and looks at the digest now and then, so that it must be forgotten.
fn changed(changes: &[(ReplicaId, Option<Head>)]) -> (Heads, BTreeMap<ReplicaId, Head>) {
    let (mut heads, mut model) = (Heads::new(), BTreeMap::new());
    for (step, (origin, head)) in changes.iter().enumerate() {
        match head {
            Some(head) => {
                heads.set(*origin, *head);
                model.insert(*origin, *head);
            }
            None => {
                heads.remove(*origin);
                model.remove(origin);
            }
        }
        if step % 3 == 0 {
            heads.digest();
        }
    }
    (heads, model)
}

proptest! {
    #[test]
    fn heads_changed_one_by_one_are_those_built_at_once(
        changes in prop::collection::vec((origin(), prop::option::weighted(0.8, head())), 0..200),
    ) {
        let (heads, model) = changed(&changes);
        let built = tree(&model);
        prop_assert_eq!(heads.digest(), built.digest());
        prop_assert!(heads.iter().eq(model.iter().map(|(origin, head)| (*origin, *head))));
        prop_assert_eq!((heads.len(), heads.bundles(), heads.latest()), (model.len(), built.bundles(), built.latest()));
        let mut times: Vec<_> = model.values().map(|head| head.time).collect();
        times.sort();
        let time = |back: usize| times.iter().rev().nth(back).copied().unwrap_or(NTP64(0));
        prop_assert_eq!(heads.latest(), [time(0), time(1)]);
        prop_assert_eq!(heads.bundles(), model.values().map(|head| u128::from(head.seq.get())).sum::<u128>());
    }

    #[test]
    fn the_order_of_changes_does_not_matter(heads in heads().prop_map(|heads| heads.into_iter().collect::<Vec<_>>())) {
        let in_order = |order: &mut dyn Iterator<Item = &(ReplicaId, Head)>| {
            let mut built = Heads::new();
            order.for_each(|(origin, head)| built.set(*origin, *head));
            built.digest()
        };
        prop_assert_eq!(in_order(&mut heads.iter()), in_order(&mut heads.iter().rev()));
    }

    #[test]
    fn any_other_head_is_another_digest(one in heads(), origin in origin(), head in head()) {
        let (before, mut after) = (tree(&one), tree(&one));
        after.set(origin, head);
        prop_assert_eq!(before.digest() == after.digest(), one.get(&origin) == Some(&head));
        let (mut less, has) = (before.clone(), one.contains_key(&origin));
        less.remove(origin);
        prop_assert_eq!(before.digest() != less.digest(), has);
    }

    #[test]
    fn differences_are_those_found_one_by_one(one in heads(), other in heads()) {
        let (ours, theirs) = (tree(&one), tree(&other));
        let origins: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).copied().collect();
        let difference = |origin| Difference { origin, ours: ours.get(origin), theirs: theirs.get(origin) };
        let expected: Vec<_> = origins.into_iter().map(difference).filter(|found| found.ours != found.theirs).collect();
        prop_assert_eq!(ours.differences(&theirs), expected);
    }

    #[test]
    fn parts_lead_from_any_heads_to_any_others(one in heads(), other in heads()) {
        let (mut ours, theirs) = (tree(&one), tree(&other));
        let mut open = vec![Prefix::default()];
        while let Some(prefix) = open.pop() {
            prop_assert!(ours.digest_below(&prefix) != theirs.digest_below(&prefix) || prefix == Prefix::default());
            match theirs.part(&prefix) {
                Part::Heads(heads) => ours.replace_below(&prefix, &heads),
                Part::Digests(digests) => {
                    let below = (0..16).map(|digit| prefix.then(digit).unwrap());
                    let differs = |(below, digest): &(Prefix, HeadsDigest)| ours.digest_below(below) != *digest;
                    open.extend(below.zip(*digests).filter(differs).map(|(below, _)| below));
                }
            }
        }
        prop_assert!(ours.iter().eq(theirs.iter()));
    }
}

#[test]
fn digests_are_those_that_all_versions_compute() {
    let origin = |number: u16| {
        let mut bytes = [9; 16];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        ReplicaId::from_bytes(bytes).unwrap()
    };
    let head = |number: u64| Head { seq: Seq::new(number), chain: ChainHash([7; 32]), time: NTP64(number << 32) };
    let of = |count: u16| (1..=count).map(|number| (origin(number), head(number.into()))).collect::<Heads>().digest();
    let golden = [
        (0, "ab13bedf42e84bae0f7c62c7dd6a8ada571e8829bed6ea558217f0361b5e25d0"),
        (1, "a9cfe11619e49ef585f79fe69dc91cc9c1b0c000e63834aa089b2226a07b9234"),
        (16, "02ef1829906f9e2bd15c6e69c7ae7fe0f845be6b3d5700d5aee88a4bc92518e3"),
        (17, "b0dfcd576ead126edf3c81c1c3c4755434395a602e94e2c2e31694e1f2e5a18b"),
        (1_000, "54d6ff055411d05f124f8758eef29eb595ec5420d4d2984537d30c01c80a6c53"),
    ];
    for (count, digest) in golden {
        assert_eq!(of(count).to_string(), digest, "{count} origins");
    }
}
