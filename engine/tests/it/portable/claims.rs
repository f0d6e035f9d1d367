//! Files that say which devices the origins belong to.
//!
//! `SYNCLINE_GOLDEN=write cargo test -p syncline golden` writes the golden file if it is missing, and never changes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use syncline::authority::{Name, Principal};
use syncline::portable::Fault;

use super::*;
use crate::world::block_on;

fn device(user: &str, device: &str) -> Principal {
    Principal { user: Name::new(user).unwrap(), device: Name::new(device).unwrap() }
}

/// A log of two origins, and their owners: three claims, one of an origin that the log does not have.
async fn claimed() -> (Arc<MemoryStore>, BTreeMap<ReplicaId, Principal>) {
    let mut writer = Writer { clock: 7_000_000_000_000_000_000, ..Writer::default() };
    let store = log(vec![writer.bundle(1, &note("milk")), writer.bundle(2, &note("bread"))]).await;
    let claims =
        [(id(1), device("ann", "phone")), (id(2), device("ben", "laptop")), (id(3), device("eve", "phone"))].into();
    (store, claims)
}

async fn frames_with(store: &Arc<MemoryStore>, claims: &BTreeMap<ReplicaId, Principal>) -> Vec<Vec<u8>> {
    let mut exporter = Exporter::begin(store.clone(), space()).await.unwrap().with_claims(claims.clone());
    let mut frames = Vec::new();
    while let Some(frame) = exporter.next().await.unwrap() {
        frames.push(frame.to_vec());
    }
    frames
}

/// What a file says, to its end.
fn parts(file: &[u8]) -> Result<Vec<Part>, ReadError> {
    let mut reader = Reader::new();
    reader.push(file);
    let mut parts = Vec::new();
    while let Some(part) = reader.part()? {
        parts.push(part);
    }
    reader.finish()?;
    Ok(parts)
}

fn digest(file: &[u8]) -> String {
    match parts(file).unwrap().last() {
        Some(Part::End(end)) => end.digest.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn claims_travel_with_the_log_and_do_not_change_its_digest() {
    block_on(async {
        let (store, claims) = claimed().await;
        let file = frames_with(&store, &claims).await.concat();
        let told: Vec<_> = parts(&file)
            .unwrap()
            .into_iter()
            .filter_map(|part| if let Part::Claims(claims) = part { Some(claims) } else { None })
            .collect();
        assert_eq!(told, [vec![(id(1), device("ann", "phone")), (id(2), device("ben", "laptop"))]]);
        let alone = export(&store).await;
        assert_eq!(digest(&file), digest(&alone));
        assert_eq!(frames_with(&store, &BTreeMap::new()).await.concat(), alone, "without any it is as it always was");
        let copy = memory();
        import(&file, &copy).await.unwrap();
        assert_eq!(export(&copy).await, alone);
    });
}

#[test]
fn many_claims_take_several_frames() {
    block_on(async {
        let mut writer = Writer::default();
        let origin = |number: u32| {
            let mut bytes = [1; 16];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            ReplicaId::from_bytes(bytes).unwrap()
        };
        let runs = (0..20_000).map(|number| writer.run_of(origin(number), &[&note("x")])).collect();
        let store = log(runs).await;
        let long = device(&"u".repeat(64), &"d".repeat(64));
        let claims: BTreeMap<_, _> = (0..20_000).map(|number| (origin(number), long.clone())).collect();
        let file = frames_with(&store, &claims).await.concat();
        let parts = parts(&file).unwrap();
        let told: Vec<_> =
            parts.iter().filter_map(|part| if let Part::Claims(claims) = part { Some(claims) } else { None }).collect();
        assert!(told.len() > 1, "{}", told.len());
        assert_eq!(told.into_iter().flatten().cloned().collect::<BTreeMap<_, _>>(), claims);
    });
}

#[test]
fn claims_that_are_changed_cut_dropped_or_moved_are_found() {
    block_on(async {
        let (store, claims) = claimed().await;
        let frames = frames_with(&store, &claims).await;
        let [header, heads, runs, claims, end] = &frames[..] else { panic!("{frames:?}") };
        let join = |frames: &[&Vec<u8>]| frames.iter().flat_map(|frame| frame.iter().copied()).collect::<Vec<u8>>();
        for wrong in [
            join(&[header, heads, runs, end]),
            join(&[header, heads, runs, claims, claims, end]),
            join(&[header, heads, claims, runs, end]),
            join(&[header, claims, heads, runs, end]),
            join(&[header, heads, runs, end, claims]),
            join(&[header, heads, runs, claims]),
        ] {
            assert!(parts(&wrong).is_err());
        }
        let file = frames.concat();
        for at in 14..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(parts(&changed).is_err(), "byte {at}");
            assert!(parts(&file[..at]).is_err(), "{at} bytes");
        }
        // Of a version that has none.
        let mut older = file.clone();
        older[13] = 1;
        assert!(matches!(parts(&older), Err(ReadError::Damaged { why: Fault::Order, .. })));
        let mut newer = export(&store).await;
        newer[13] = 2;
        assert!(matches!(parts(&newer), Err(ReadError::Damaged { why: Fault::Order, .. })));
    });
}

#[test]
fn the_golden_file_with_claims_is_written_and_read_as_ever() {
    block_on(async {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/portable-v2.synclog");
        let (store, claims) = claimed().await;
        let fresh = frames_with(&store, &claims).await.concat();
        if !path.exists() && std::env::var_os("SYNCLINE_GOLDEN").is_some() {
            fs::write(&path, &fresh).unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), fresh);
        parts(&fresh).unwrap();
    });
}
