//! One log, one file, however the log is packed and wherever it lies.

use proptest::prelude::*;
use syncline::limits::BODY_BYTES_MAX;
use syncline::portable::{Digest, Part, Reader};
use syncline::store::WriteBatch;
use syncline::{Dot, Seq};

use super::*;
use crate::world::block_on;

/// By bundle: who writes it, how long its body is, whether it is void, and whether the store packs it with the one before.
type Drawn = Vec<(u8, usize, bool, bool)>;

fn drawn() -> impl Strategy<Value = Drawn> {
    let size = prop_oneof![0usize..40, 20_000usize..40_000];
    prop::collection::vec((1u8..4, size, any::<bool>(), any::<bool>()), 1..40)
}

/// The log that was drawn, packed as drawn, or each bundle alone.
async fn build(drawn: &Drawn, packed: bool) -> Arc<MemoryStore> {
    let (store, mut writer, mut voids) = (memory(), Writer::default(), Vec::new());
    let mut together: Vec<Vec<u8>> = Vec::new();
    for (index, (byte, size, void, joins)) in drawn.iter().enumerate() {
        together.push(vec![index as u8; *size]);
        if *void {
            let seq = writer.heads.get(id(*byte)).seq.plus(together.len() as u64);
            voids.push(Dot { origin: id(*byte), seq });
        }
        let followed = drawn.get(index + 1).is_some_and(|(next, ..)| next == byte);
        if !(packed && *joins && followed) {
            let bodies: Vec<&[u8]> = together.iter().map(Vec::as_slice).collect();
            append(&*store, vec![writer.run(*byte, &bodies)]).await;
            together.clear();
        }
    }
    store.commit(WriteBatch { voids, ..WriteBatch::default() }).await.unwrap();
    store
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_packing_of_a_log_exports_the_same_bytes_and_brings_the_log_back(drawn in drawn()) {
        block_on(async {
            let (packed, single) = (build(&drawn, true).await, build(&drawn, false).await);
            let file = export(&packed).await;
            assert_eq!(file, export(&single).await, "packed otherwise, the same file");
            let copy = memory();
            let imported = import(&file, &copy).await.unwrap();
            assert_eq!(imported.added, drawn.len() as u64);
            assert_eq!(copy.status().await.unwrap().heads, packed.status().await.unwrap().heads);
            assert_eq!(file, export(&copy).await, "what was imported exports the same");
        });
    }

    #[test]
    fn a_file_may_come_in_pieces_of_any_size(drawn in drawn(), pieces in 1usize..5_000) {
        block_on(async {
            let file = export(&build(&drawn, true).await).await;
            let copy = memory();
            import_in(pieces, &file, &copy).await.unwrap();
            assert_eq!(file, export(&copy).await);
        });
    }
}

#[test]
fn an_empty_log_has_a_file_too() {
    block_on(async {
        let file = export(&memory()).await;
        let copy = memory();
        let imported = import(&file, &copy).await.unwrap();
        assert_eq!((imported.added, imported.end.bundles, imported.end.runs), (0, 0, 0));
        assert_eq!(file, export(&copy).await);
    });
}

#[test]
fn the_largest_bundle_fits_a_frame() {
    block_on(async {
        let mut writer = Writer::default();
        let largest = vec![7; BODY_BYTES_MAX];
        let store = log(vec![writer.run(1, &[b"before", &largest, b"behind"])]).await;
        let frames = frames(&store).await;
        assert_eq!(frames.len(), 6, "header, heads, three frames of runs, end");
        import(&frames.concat(), &memory()).await.unwrap();
    });
}

#[test]
fn frames_are_bounded_whatever_the_log() {
    block_on(async {
        let mut writer = Writer::default();
        let origins = 20_000u32;
        let bundle = |number: u32| {
            let origin = syncline::ReplicaId::from_bytes(u128::from(number + 1).to_be_bytes()).unwrap();
            let mut builder = RunBuilder::new(origin, Seq::new(1), syncline::format::ChainHash::GENESIS);
            builder.push(NTP64(u64::from(number)), Body::Full(&[7; 100]));
            builder.finish().unwrap()
        };
        let store = log((0..origins).map(bundle).collect()).await;
        append(&*store, (0..300).map(|_| writer.bundle(1, &[9; 60_000])).collect()).await;
        let frames = frames(&store).await;
        assert!(frames.iter().all(|frame| frame.len() <= 1024 * 1024 + 64), "one mebibyte and the framing");
        let heads = frames.iter().filter(|frame| frame[0] == 2).count();
        assert_eq!(heads, 2, "heads of {origins} origins");
        let copy = memory();
        import(&frames.concat(), &copy).await.unwrap();
        assert_eq!(frames.concat(), export(&copy).await);
    });
}

#[test]
fn the_digest_is_the_one_of_the_file() {
    block_on(async {
        let store = log(vec![Writer::default().bundle(1, b"one")]).await;
        let file = export(&store).await;
        let mut reader = Reader::new();
        reader.push(&file);
        let mut digest: Option<Digest> = None;
        while let Some(part) = reader.part().unwrap() {
            digest = if let Part::End(end) = part { Some(end.digest) } else { digest };
        }
        assert_eq!(&digest.unwrap().to_bytes()[..], &file[file.len() - 32..]);
        let other = log(vec![Writer::default().bundle(1, b"two")]).await;
        assert_ne!(export(&other).await, file);
    });
}
